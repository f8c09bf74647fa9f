"""Lowers groups of short rows to loops whose innermost index is the row, so that vectors hold one element of many rows.

A softmax over ten classes has no loop worth a vector inside a row. A block of rows is brought together in scratch
memory, transposed, and every segment becomes a nest around a loop over the rows of the block:

    zᵀ = transpose(z block);  for r: m[r] = −inf;  for k: for r: m[r] = max(m[r], zᵀ[k, r]);  for k: for r: e[k, r] = …

The loop over rows always runs over all rows of a block: with a known trip count it is a few vectors and no loop. What
the last block lacks is made up by repeating its last row, where an index is read, and by whatever is in memory
elsewhere; nothing of it leaves the scratch memory.
"""

from __future__ import annotations

from collections.abc import Sequence

from codegen.loops import ir
from codegen.loops.ir import ONE, ZERO, Const, Contract, Copy, Expr, For, Let, Load, Operand, Stmt, Store, Var
from codegen.loops.ranges import bounds_of
from codegen.lower.comments import formula_text
from codegen.lower.rows import START
from codegen.lower.schedule import Segment, Stage
from codegen.lower.scope import Scope, in_blocks, smaller
from codegen.lower.types import data_type
from symgraph.core.indices import axis
from symgraph.core.tensor import Tensor


def blocks_of_rows(scope: Scope) -> list[Stmt]:
    """The threads share blocks of rows, each of which is brought together."""
    share = scope.schedule.share
    block, last = scope.variable("first"), scope.variable("last")
    scope.first_row = block
    rows = scope.scalars.integer(scope.group.nodes[0].shape[0])
    body = [in_blocks(block, last, share.block), *Lanes(scope).block(block, last)]
    grain = ONE if share.by_rows else None
    return [For(block, ZERO, rows, tuple(body), ir.integer(share.block), parallel=True, grain=grain)]


class Lanes:
    """The rows of a block in lanes. ``staged`` are copies of what others have written."""

    def __init__(self, scope: Scope) -> None:
        self.scope, self.scalars = scope, scope.scalars
        self.count = ir.integer(scope.schedule.lanes)
        self.staged: dict[Tensor, ir.Buffer] = {}
        scope.reading = self.read

    def of_product(self, contract: Contract, block: Expr, last: Expr) -> list[Stmt]:
        """The rows [block, last) of a product, some at a time."""
        head = self.scope.group.nodes[0].value
        first, stop = self.scope.variable("row"), self.scope.variable("stop")
        body = self.block(first, stop)
        if head in self.staged:
            width = self.scalars.integer(head.shape[-1])
            row = ir.multiply(ir.difference(first, self.scope.first_row), contract.out.strides[0])
            origin = Operand(contract.out.buffer, ir.add(contract.out.offset, row), contract.out.strides)
            body.insert(0, Copy(self._all(head), origin, ir.difference(stop, first), width, transposed=True))
        share = smaller(ir.add(first, self.count), last)
        return [For(first, block, last, (Let(stop, share), *body), step=self.count)]

    def block(self, block: Var, last: Var) -> list[Stmt]:
        """One block of rows."""
        self.lane = Var(self.scope.names.first_free("r", "row", "lane"), "int64")
        self.position = ir.add(block, self.lane)
        self.last, self.first = last, block
        segments = [statement for segment in self.scope.schedule.segments for statement in self._segment(segment)]
        self.scope.copies += self.staged.values()
        return [*self._stages(), *segments, *self._kept_stores()]

    def _over_lanes(self, body: Sequence[Stmt], stop: Expr | None = None) -> For:
        return For(self.lane, ZERO, self.count if stop is None else stop, tuple(body))

    def _stages(self) -> list[Stmt]:
        """Copies of the block's rows of what others have written: by lanes."""
        result: list[Stmt] = []
        for tensor in (tensor for tensor in self.staged if tensor is not self.scope.head):
            source = self.scope.storage.buffers[tensor]
            if tensor.ndim == 1:
                at = smaller(self.position, ir.difference(self.last, ONE))
                copy = Store(self.staged[tensor].name, (self.lane,), Load(source, (at,), data_type(tensor)))
                result.append(self._over_lanes([copy]))
                continue
            width = self._width(tensor)
            origin = Operand(source, ir.multiply(self.first, width), (width, ONE))
            rows = ir.difference(self.last, self.first)
            result.append(Copy(self._all(tensor), origin, rows, width, transposed=True))
        return result

    def _kept_stores(self) -> list[Stmt]:
        result: list[Stmt] = []
        rows = ir.difference(self.last, self.first)
        for node in self.scope.group.nodes:
            if node.value not in self.scope.kept or node.contraction is not None:
                continue
            buffer, target = self.scope.scratch[node.value], self.scope.storage.buffers[node.value]
            if node.value.ndim == 1:
                value = Load(buffer.name, (self.lane,), "real")
                result.append(self._over_lanes([Store(target, (self.position,), value)], rows))
                continue
            width = self._width(node.value)
            to = Operand(target, ir.multiply(self.first, width), (width, ONE))
            result.append(Copy(to, Operand(buffer.name, ZERO, (self.count, ONE)), width, rows, transposed=True))
        return result

    def _all(self, tensor: Tensor) -> Operand:
        """The copy of a value, by lanes."""
        return Operand(self.staged[tensor].name, ZERO, (self.count, ONE))

    def _width(self, tensor: Tensor) -> Expr:
        return ir.product(self.scope.sizes(tensor.shape[1:]))

    # -- one segment --------------------------------------------------------------------------------------------------
    def _segment(self, segment: Segment) -> list[Stmt]:
        scope, loops = self.scope, self.scope.loops(segment.extents)
        scope.here = (self.position, *loops)
        scope.forwarded = {}
        before: list[Stmt] = []
        inside: list[Stmt] = []
        for stage in segment.stages:
            self._value(stage, loops, before, inside)
        scope.forwarded = {}
        nest: Stmt = self._over_lanes(scope.sharing.once(scope.hoist(inside)))
        for loop, extent in zip(reversed(loops), reversed(segment.extents), strict=True):
            nest = For(loop, ZERO, self.scalars.integer(extent), (nest,))
        return [*before, nest]

    def _value(self, stage: Stage, loops: Sequence[Var], before: list[Stmt], inside: list[Stmt]) -> None:
        scope, node, op = self.scope, stage.node, stage.node.definition.op
        assert scope.row is not None
        self.scalars.indices = {axis(0): self.position} | dict(zip(stage.loops, loops, strict=True))
        self.scalars.bounds = bounds_of(node.shape, node.definition)
        if op is not None:
            self._lanes_of(node.value)
        else:
            scope.forwarded[node.value] = Var(scope.names.unique(scope.value_name(node.value)), "real")
        shown = self.scalars.indices | {axis(0): scope.row}
        text = formula_text(node, shown, scope.shown_name)
        scope.formulas.append(text)
        value = self.scalars.value(node.definition.body, "real")
        free = tuple(self.scalars.indices[axis(d)] for d in range(1, len(node.shape)))
        if op is not None:
            buffer = self._lanes_of(node.value)
            fill = scope.loops(node.shape[1:])
            start = Store(buffer.name, (*fill, self.lane), Const(START[op], "real"), formula=text)
            clear: Stmt = self._over_lanes([start])
            for loop, size in zip(reversed(fill), reversed(node.shape[1:]), strict=True):
                clear = For(loop, ZERO, self.scalars.integer(size), (clear,))
            before.append(clear)
            inside.append(Store(buffer.name, (*free, self.lane), value, op))  # type: ignore[arg-type]
            return
        var = scope.forwarded[node.value]
        inside.append(Let(var, value, text))
        if stage.place != "scalar":
            inside.append(Store(self._lanes_of(node.value).name, (*free, self.lane), var))

    # -- reading ------------------------------------------------------------------------------------------------------
    def read(self, tensor: Tensor, index: tuple[Expr, ...]) -> Expr:
        """An element of the block's own rows by lanes; any other from memory."""
        scope = self.scope
        if tensor in scope.forwarded and scope.is_here(tensor, index):
            return scope.forwarded[tensor]
        if not index or index[0] != self.position:
            return Load(scope.storage.buffers[tensor], index, data_type(tensor))
        buffer = scope.scratch.get(tensor)
        if buffer is None or tensor is scope.head:
            buffer = self.staged.get(tensor) or self._new_lanes(tensor)
            self.staged[tensor] = buffer
        return Load(buffer.name, (*index[1:], self.lane), data_type(tensor))

    def _lanes_of(self, tensor: Tensor) -> ir.Buffer:
        if tensor not in self.scope.scratch:
            self.scope.scratch[tensor] = self._new_lanes(tensor)
        return self.scope.scratch[tensor]

    def _new_lanes(self, tensor: Tensor) -> ir.Buffer:
        shape = (*self.scope.sizes(tensor.shape[1:]), self.count)
        return self.scope.buffer(f"{self.scope.value_name(tensor)}_lanes", shape, data_type(tensor))
