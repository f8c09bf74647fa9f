"""Lowers groups of short rows to loops whose innermost index is the row, so that vectors hold one element of many rows.

A softmax over ten classes has no loop worth a vector inside a row. A block of rows is brought together in scratch
memory, transposed, and every segment becomes a nest around a loop over the rows of the block:

    zᵀ = transpose(z block);  for r: m[r] = −inf;  for k: for r: m[r] = max(m[r], zᵀ[k, r]);  for k: for r: e[k, r] = …

The loop over rows always runs over all rows of a block: with a known trip count it is a few vectors and no loop. What
the last block lacks is made up by repeating its last row, where an index is read, and by whatever is in memory
elsewhere; nothing of it leaves the scratch memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sympy as sp

from codegen.loops import ir
from codegen.loops.ir import ONE, ZERO, Const, Contract, Copy, Expr, For, Let, Load, Operand, Stmt, Store, Var
from codegen.loops.ranges import bounds_of
from codegen.lower.comments import formula_text
from codegen.lower.panels import PanelLowering
from codegen.lower.rows import START, difference, smaller
from codegen.lower.segments import Segment
from codegen.lower.types import data_type
from codegen.plan.fuse import Group
from codegen.plan.plan import Node
from symgraph.core.indices import Index, axis
from symgraph.core.tensor import Element, Tensor

SHORT = 32
"""Most elements of a row that are worth to be transposed."""
LANES = 16
"""Rows of a block: a whole number of vectors on every machine."""


def suits_lanes(group: Group) -> bool:
    """Whether all rows of a group are short, read only themselves, are worth being moved, and fill a block."""
    rows = group.nodes[0].shape[0] if group.nodes[0].shape else sp.S.Zero
    if rows.is_Integer and rows < LANES:
        return False
    nodes = [node for node in group.nodes if node.contraction is None]
    if group.kind not in ("panel", "rows") or (group.head is not None and not group.whole_rows):
        return False
    if group.head is not None and not _is_short(group.nodes[0].shape[1:]):
        return False
    return all(_is_row_wise(node) for node in nodes) and any(_is_heavy(node) for node in nodes)


def _is_short(extents: Sequence[sp.Expr]) -> bool:
    size = sp.Mul(*extents)
    return bool(size.is_Integer) and int(size) <= SHORT


def _is_heavy(node: Node) -> bool:
    return node.definition.op is not None and bool(node.definition.extents)


def _is_row_wise(node: Node) -> bool:
    if node.target is not None or node.definition.op in ("argmax", "argmin") or data_type(node.value) != "real":
        return False
    short = _is_short((*node.shape[1:], *node.definition.extents))
    return short and all(_is_simple(e, node.shape[0]) for e in node.reads)


def _is_simple(element: Element, rows: sp.Expr) -> bool:
    """x[n, k], x[n, t[n]] with short rows, of which there are as many, or b[k]."""
    indices = element.indices
    if element.tensor.dtype == "integer" and list(indices) != [axis(0)]:
        return False
    if indices and indices[0] == axis(0):
        if element.tensor.shape[0] != rows or not _is_short(element.tensor.shape[1:]):
            return False
        indices = indices[1:]
    return all(
        (isinstance(index, Index) and index != axis(0)) or isinstance(index, Element)
        for index in indices
    )


class LaneLowering(PanelLowering):
    """One group of short rows."""

    def _after_contraction(self, contract: Contract, outer: Mapping[Index, Var], block: Var, last: Var) -> list[Stmt]:
        head = self.group.nodes[0].value
        self.staged: dict[Tensor, ir.Buffer] = {}
        first, stop = Var(self.names.unique("row"), "int64"), Var(self.names.unique("stop"), "int64")
        body = self._block(first, stop)
        if head in self.staged:
            width = self.scalars.integer(head.shape[-1])
            to = Operand(self.staged[head].name, ZERO, (ir.integer(LANES), ONE))
            row = ir.multiply(difference(first, self.first_row), contract.out.strides[0])
            origin = Operand(contract.out.buffer, ir.add(contract.out.offset, row), contract.out.strides)
            body.insert(0, Copy(to, origin, difference(stop, first), width, transposed=True))
        share = smaller(ir.add(first, ir.integer(LANES)), last)
        return [For(first, block, last, (Let(stop, share), *body), step=ir.integer(LANES))]

    def _body(self) -> list[Stmt]:
        if self.group.head is not None:
            return super()._body()
        self.staged = {}
        block, last = Var(self.names.unique("first"), "int64"), Var(self.names.unique("last"), "int64")
        self.first_row = block
        share = smaller(ir.add(block, ir.integer(LANES)), Var(f"{block.name}_end", "int64"))
        rows = self.scalars.integer(self.group.nodes[0].shape[0])
        body = [Let(last, share), *self._block(block, last)]
        grain = ONE if self.repeated else None
        return [For(block, ZERO, rows, tuple(body), ir.integer(LANES), parallel=True, grain=grain)]

    # -- one block of rows --------------------------------------------------------------------------------------------
    def _block(self, block: Var, last: Var) -> list[Stmt]:
        self.lane = Var(self.names.first_free("r", "row", "lane"), "int64")
        self.position = ir.add(block, self.lane)
        self.last, self.block = last, block
        segments = [statement for segment in self.segments for statement in self._lane_segment(segment)]
        return [*self._stages(), *segments, *self._kept_stores()]

    def _over_lanes(self, body: Sequence[Stmt], stop: Expr = ir.integer(LANES)) -> For:  # noqa: B008
        return For(self.lane, ZERO, stop, tuple(body))

    def _stages(self) -> list[Stmt]:
        """Copies of the block's rows of what others have written: by lanes."""
        result: list[Stmt] = []
        for tensor, buffer in self.staged.items():
            source = self.storage.buffers.get(tensor)
            if self.group.head is not None and tensor is self.group.nodes[0].value:
                continue
            assert source is not None
            if tensor.ndim == 1:
                at = smaller(self.position, difference(self.last, ONE))
                copy = Store(buffer.name, (self.lane,), Load(source, (at,), data_type(tensor)))
                result.append(self._over_lanes([copy]))
                continue
            width = self._width(tensor)
            to = Operand(buffer.name, ZERO, (ir.integer(LANES), ONE))
            origin = Operand(source, ir.multiply(self.block, width), (width, ONE))
            result.append(Copy(to, origin, difference(self.last, self.block), width, transposed=True))
        return result

    def _kept_stores(self) -> list[Stmt]:
        result: list[Stmt] = []
        rows = difference(self.last, self.block)
        for node in self.group.nodes:
            if node.value not in self.kept or node.contraction is not None:
                continue
            buffer, target = self.scratch[node.value], self.storage.buffers[node.value]
            if node.value.ndim == 1:
                value = Load(buffer.name, (self.lane,), "real")
                result.append(self._over_lanes([Store(target, (self.position,), value)], rows))
                continue
            width = self._width(node.value)
            to = Operand(target, ir.multiply(self.block, width), (width, ONE))
            origin = Operand(buffer.name, ZERO, (ir.integer(LANES), ONE))
            result.append(Copy(to, origin, width, rows, transposed=True))
        return result

    def _width(self, tensor: Tensor) -> Expr:
        return ir.product(tuple(self.scalars.integer(size) for size in tensor.shape[1:]))

    # -- one segment --------------------------------------------------------------------------------------------------
    def _lane_segment(self, segment: Segment) -> list[Stmt]:
        loops = [Var(self._loop_name(extent), "int64") for extent in segment.extents]
        self.here = (self.position, *loops)
        self.forwarded = {}
        before: list[Stmt] = []
        inside: list[Stmt] = []
        for node in segment.nodes:
            self._lane_node(node, segment, loops, before, inside)
        self.forwarded = {}
        hoisted, inside = self.sharing.hoist(inside, self.available, outermost=True)
        self.top += hoisted
        nest: Stmt = self._over_lanes(self.sharing.once(inside))
        for loop, extent in zip(reversed(loops), reversed(segment.extents), strict=True):
            nest = For(loop, ZERO, self.scalars.integer(extent), (nest,))
        return [*before, nest]

    def _lane_node(
        self, node: Node, segment: Segment, loops: Sequence[Var], before: list[Stmt], inside: list[Stmt]
    ) -> None:
        self.scalars.indices = {axis(0): self.position} | dict(zip(self._loops(node), loops, strict=True))
        self.scalars.bounds = bounds_of(node.shape, node.definition)
        if node.definition.op is not None:
            self._lanes_of(node.value)
        else:
            self.forwarded[node.value] = Var(self.names.unique(self._value_name(node.value)), "real")
        shown = self.scalars.indices | {axis(0): Var(self.row.name, "int64")}  # type: ignore[union-attr]
        self.formulas.append(formula_text(node, shown, self._shown_name))
        value = self.scalars.value(node.definition.body, "real")
        free = tuple(self.scalars.indices[axis(d)] for d in range(1, len(node.shape)))
        if node.definition.op is not None:
            op = node.definition.op
            buffer = self._lanes_of(node.value)
            fill = [Var(self._loop_name(size), "int64") for size in node.shape[1:]]
            clear: Stmt = self._over_lanes(
                [Store(buffer.name, (*fill, self.lane), Const(START[op], "real"), formula=self.formulas[-1])]
            )
            for loop, size in zip(reversed(fill), reversed(node.shape[1:]), strict=True):
                clear = For(loop, ZERO, self.scalars.integer(size), (clear,))
            before.append(clear)
            inside.append(Store(buffer.name, (*free, self.lane), value, op))  # type: ignore[arg-type]
            return
        var = self.forwarded[node.value]
        inside.append(Let(var, value, self.formulas[-1]))
        if node.value in self.kept or self._needs_memory(node, segment):
            inside.append(Store(self._lanes_of(node.value).name, (*free, self.lane), var))

    # -- reading ------------------------------------------------------------------------------------------------------
    def _read(self, tensor: Tensor, index: tuple[Expr, ...]) -> Expr:
        if tensor in self.forwarded and self._is_here(tensor, index):
            return self.forwarded[tensor]
        if not index or index[0] != self.position:
            return Load(self.storage.buffers[tensor], index, data_type(tensor))
        is_head = self.group.head is not None and tensor is self.group.nodes[0].value
        if tensor not in self.scratch or is_head:
            if tensor not in self.staged:
                self.staged[tensor] = self._new_lanes(tensor)
            return Load(self.staged[tensor].name, (*index[1:], self.lane), data_type(tensor))
        return Load(self.scratch[tensor].name, (*index[1:], self.lane), data_type(tensor))

    def _lanes_of(self, tensor: Tensor) -> ir.Buffer:
        if tensor not in self.scratch:
            self.scratch[tensor] = self._new_lanes(tensor)
        return self.scratch[tensor]

    def _new_lanes(self, tensor: Tensor) -> ir.Buffer:
        shape = (*(self.scalars.integer(size) for size in tensor.shape[1:]), ir.integer(LANES))
        name = self.names.unique(f"{self._value_name(tensor)}_lanes")
        self.sharing.scratch.add(name)
        return ir.Buffer(name, data_type(tensor), shape, "scratch")

    def kernel(self) -> tuple[ir.Kernel, list[ir.Buffer]]:
        kernel, scratch = super().kernel()
        return kernel, [*scratch, *self.staged.values()]
