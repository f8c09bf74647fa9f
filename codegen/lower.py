"""Lowers groups of definitions to kernels of loop nests.

One group is one kernel. Its nodes are dealt to *segments*: loops over the inner axes of a row, in each of which a value may
be read at the same place where it has just been computed, and then it is a scalar that never reaches memory.

    rows:     for n: [segment k: m = max z[n,k]] [segment k: e[k] = exp(z[n,k] − m); S += e[k]] [segment k: y[n,k] = e[k]/S]
    panel:    for a block of rows: Contract; then the rows of the block as above
    columns:  for n: for j: s[j] += g[n, j]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import sympy as sp

from codegen import ir
from codegen.cost import PANEL_ROWS
from codegen.formula import formula_text
from codegen.fuse import Group, runs_down_columns, scatter_axis
from codegen.ir import ONE, ZERO, Assign, Const, Contract, Expr, For, If, Let, Load, Op, Operand, Stmt, Store, Transpose, Var
from codegen.lower_scalar import ScalarLowering, data_type
from codegen.names import Names
from codegen.plan import Node
from codegen.share import Sharing
from symgraph.indices import Index, axis, bound
from symgraph.tensor import Element, Tensor

START = {"sum": 0.0, "max": float("-inf"), "min": float("inf"), "argmax": float("-inf"), "argmin": float("inf")}
PANEL_COLUMNS = 64
"""Columns of a block, where a panel does not take whole rows."""
COLUMN_GRAIN = 256
"""Columns that are reduced together: their results stay in the first-level cache."""
FLAT_BLOCK = 2048
"""Elements of a block of a map over contiguous memory."""


@dataclass(frozen=True, slots=True)
class Storage:
    """Where values live: names of buffers, for every tensor that has memory, and of run-time sizes."""

    buffers: Mapping[Tensor, str]
    sizes: Mapping[str, str]


@dataclass(slots=True)
class Segment:
    """Nodes that share one nest of inner loops."""

    extents: tuple[sp.Expr, ...]
    nodes: list[Node] = field(default_factory=list)


def lower(group: Group, storage: Storage, kept: set[Tensor], name: str) -> tuple[ir.Kernel, list[ir.Buffer]]:
    """The kernel of a group, and its scratch buffers. ``kept`` are the values that others read from memory."""
    from codegen.lower_lanes import LaneLowering, suits_lanes

    chosen = LaneLowering if suits_lanes(group) else _KernelLowering
    return chosen(group, storage, kept, name).kernel()


class _KernelLowering:
    def __init__(self, group: Group, storage: Storage, kept: set[Tensor], name: str) -> None:
        self.group, self.storage, self.kept, self.name = group, storage, kept, name
        self.names = Names(frozenset(storage.buffers.values()) | frozenset(storage.sizes.values()))
        self.depth = 1 if group.kind in ("rows", "panel") else 0
        self.scalars = ScalarLowering(self._read, storage.sizes)
        self.row = Var(self._loop_name(group.nodes[0].shape[0]), "int64") if self.depth else None
        self.first_row: Expr = ZERO
        self.first_column: Expr = ZERO
        self.last_column: Expr = ZERO
        self.scratch: dict[Tensor, ir.Buffer] = {}
        self.local: dict[Tensor, Var] = {}
        self.forwarded: dict[Tensor, Var] = {}
        self.formulas: list[str] = []
        self.shown_indices: dict[sp.Basic, Expr] = {}
        self.segments = self._dealt()
        outputs = {storage.buffers[v] for v in (*group.values, *group.written) if v in storage.buffers}
        self.sharing = Sharing(self.names, frozenset(outputs))
        self.top: list[Stmt] = []
        self.available = set(storage.sizes.values())

    # -- dealing nodes to segments ----------------------------------------------------------------------------------------
    def _dealt(self) -> list[Segment]:
        segments: list[Segment] = []
        place: dict[Tensor, int] = {}
        last_read: list[tuple[Tensor, int]] = []
        for node in self.group.nodes:
            if node.contraction is not None:
                continue
            extents = tuple(self._extent(node, index) for index in self._loops(node))
            at = max((self._earliest(node, element, place) for element in node.reads), default=0)
            if node.target is not None:
                at = max([at, *(s for leaf, s in last_read if leaf is node.target)])
            chosen = next((s for s in range(at, len(segments)) if segments[s].extents == extents), len(segments))
            if chosen == len(segments):
                segments.append(Segment(extents))
            segments[chosen].nodes.append(node)
            last_read += [
                (e.tensor, chosen + (not self._is_element(e))) for e in node.reads if e.tensor in self.group.written
            ]
            if node.target is None:
                place[node.value] = chosen
        return segments

    def _earliest(self, node: Node, element: Element, place: Mapping[Tensor, int]) -> int:
        """The first segment in which ``node`` may read ``element``; a leaf that is overwritten is read before its write."""
        if element.tensor not in place:
            return 0
        at = place[element.tensor]
        return at if self._reads_in_place(node, element) else at + 1

    def _reads_in_place(self, node: Node, element: Element) -> bool:
        """Whether the element is the one computed in the same iteration of the same loops."""
        producer = next(n for n in self.group.nodes if n.target is None and n.value is element.tensor)
        if producer.definition.op is not None:
            return False
        expected = [*(axis(d) for d in range(self.depth)), *self._loops(node)]
        return list(element.indices) == expected[: len(element.indices)] and len(expected) == len(element.indices)

    def _is_element(self, element: Element) -> bool:
        """Whether an overwritten leaf is read at the very element that the same iteration writes."""
        return all(index == axis(d) for d, index in enumerate(element.indices))

    def _loops(self, node: Node) -> list[Index]:
        """Canonical indices of a node's inner loops, outermost first."""
        free = [axis(d) for d in range(self.depth, len(node.shape))]
        over = [bound(d) for d in range(len(node.definition.extents))]
        scatter = scatter_axis(node)
        if scatter is not None:
            free.remove(axis(scatter[0]))
            return over + free
        return over + free if over and free and self._contiguous_free(node) else free + over

    def _contiguous_free(self, node: Node) -> bool:
        last = axis(len(node.shape) - 1)
        votes = [e.indices[-1] == last for e in node.reads if e.indices and isinstance(e.indices[-1], Index)]
        return runs_down_columns(node) or 2 * sum(votes) > len(votes)

    def _extent(self, node: Node, index: Index) -> sp.Expr:
        if index.name.startswith("_r"):
            return node.definition.extents[int(index.name[2:])]
        return node.shape[int(index.name[1:])]

    # -- reading and writing ----------------------------------------------------------------------------------------------
    def _read(self, tensor: Tensor, index: tuple[Expr, ...]) -> Expr:
        if tensor in self.forwarded and self._is_here(tensor, index):
            return self.forwarded[tensor]
        if tensor in self.local:
            return self.local[tensor]
        dtype = data_type(tensor)
        if tensor in self.scratch:
            buffer = self.scratch[tensor]
            return Load(buffer.name, self._within(tensor, index), dtype)
        return Load(self.storage.buffers[tensor], index, dtype)

    def _is_here(self, tensor: Tensor, index: tuple[Expr, ...]) -> bool:
        return index == self.here[: len(index)] and len(index) == tensor.ndim

    def _within(self, tensor: Tensor, index: tuple[Expr, ...]) -> tuple[Expr, ...]:
        """Position in a scratch buffer: of the panel for the head, of one row for everything else."""
        if self.group.head is not None and tensor is self.group.nodes[0].value:
            row = ZERO if index[-2] == self.first_row else ir.add(index[-2], _minus(self.first_row))
            return row, ir.add(index[-1], _minus(self.first_column))
        return index[self.depth :]

    def _needs_memory(self, node: Node, segment: Segment) -> bool:
        """Whether a value that nobody outside reads still needs a row of scratch memory."""
        for other in self.segments:
            for reader in other.nodes:
                for element in reader.reads:
                    if element.tensor is node.value and (
                        other is not segment or not self._reads_in_place(reader, element)
                    ):
                        return True
        return False

    # -- the kernel -------------------------------------------------------------------------------------------------------
    def kernel(self) -> tuple[ir.Kernel, list[ir.Buffer]]:
        body = self._panel() if self.group.kind == "panel" else self._plain()
        whole = tuple([*self.top, *body])
        touched = dict.fromkeys([*ir.reads(whole), *ir.writes(whole)])
        sizes = _sizes_in(whole, self.storage.sizes)
        parallel = any(isinstance(s, For) and s.parallel for s in ir.statements(whole))
        kernel = ir.Kernel(self.name, tuple(touched), tuple(touched), sizes, whole, tuple(self.formulas), parallel)
        return kernel, list(self.scratch.values())

    def _plain(self) -> list[Stmt]:
        if self.row is None:
            return self._column_blocks() if self.group.kind == "columns" and self._splits_columns() else self._rows([])
        extent = self.scalars.integer(self.group.nodes[0].shape[0])
        if is_flat(self.group):
            return self._flat_blocks()
        if is_transposition(self.group):
            return self._transposition()
        return [For(self.row, ZERO, extent, tuple(self._rows([self.row])), parallel=True)]

    def _column_blocks(self) -> list[Stmt]:
        """All segments for some columns after the other; the threads share the columns."""
        columns = self.scalars.integer(self.group.nodes[0].shape[-1])
        first, last = Var(self.names.unique("first"), "int64"), Var(self.names.unique("last"), "int64")
        self.first_column, self.last_column = first, last
        share = _smaller(ir.add(first, ir.integer(COLUMN_GRAIN)), Var(f"{first.name}_end", "int64"))
        body = [Let(last, share), *self._rows([])]
        return [For(first, ZERO, columns, tuple(body), step=ir.integer(COLUMN_GRAIN), parallel=True)]

    def _rows(self, row: list[Var]) -> list[Stmt]:
        """All segments of one row."""
        body: list[Stmt] = []
        scope = {var.name for var in row}
        inner = self.available | scope
        for segment in self.segments:
            body += self._segment(segment, row, inner)
        return body

    def _segment(self, segment: Segment, row: list[Var], scope: set[str]) -> list[Stmt]:
        loops = [Var(self._loop_name(extent), "int64") for extent in segment.extents]
        self.here = (*row, *loops)
        self.forwarded = {}
        before: list[Stmt] = []
        inside: list[Stmt] = []
        after: list[Stmt] = []
        for node in segment.nodes:
            self._lower_node(node, segment, row, loops, before, inside, after)
        self.forwarded = {}
        hoisted, inside = self.sharing.hoist(inside, self.available, outermost=True)
        self.top += hoisted
        scope |= self.available
        if loops:
            hoisted, inside = self.sharing.hoist(inside, scope, outermost=False)
            before += hoisted
        inside = self.sharing.once(inside)
        for statement in (*before, *inside, *after):
            if isinstance(statement, Let | Assign):
                if statement in before or statement in after or not loops:
                    scope.add(statement.var.name)
        return [*before, *self._nest(segment, loops, inside), *after]

    def _nest(self, segment: Segment, loops: Sequence[Var], inside: Sequence[Stmt]) -> list[Stmt]:
        """The loops of a segment; a columns group shares its innermost loop among the threads."""
        body: Sequence[Stmt] = inside
        blocked = self.first_column != ZERO or self.group.kind == "columns" and self._splits_columns()
        for position in reversed(range(len(loops))):
            start, stop = ZERO, self.scalars.integer(segment.extents[position])
            innermost = position == len(loops) - 1
            if blocked and innermost:
                start, stop = self.first_column, self.last_column
            body = (For(loops[position], start, stop, tuple(body)),)
        return list(body)

    def _splits_columns(self) -> bool:
        scatter = scatter_axis(self.group.nodes[0])
        return scatter is None or scatter[0] != len(self.group.nodes[0].shape) - 1

    def _lower_node(
        self, node: Node, segment: Segment, row: list[Var], loops: list[Var],
        before: list[Stmt], inside: list[Stmt], after: list[Stmt],
    ) -> None:  # fmt: skip
        canonical = self._loops(node)
        self.scalars.indices = dict(zip([axis(d) for d in range(self.depth)], row, strict=False))
        self.scalars.indices |= dict(zip(canonical, loops, strict=True))
        self.formulas.append(formula_text(node, self.shown_indices or self.scalars.indices, self._shown_name))
        if node.definition.op is not None:
            self._reduce(node, loops, before, inside, after)
            return
        dtype = data_type(node.value)
        free = tuple(self.scalars.indices[axis(d)] for d in range(len(node.shape)))
        body = node.definition.body
        value = self.scalars.integer(body) if dtype == "int64" else self.scalars.value(body, dtype)
        if node.target is not None:
            inside.append(Store(self.storage.buffers[node.target], free, value, formula=self.formulas[-1]))
            return
        var = Var(self.names.unique(self._value_name(node.value)), dtype)
        inside.append(Let(var, value, self.formulas[-1]))
        self.forwarded[node.value] = var
        if not loops:
            self.local[node.value] = var
        if node.value in self.kept:
            inside.append(Store(self.storage.buffers[node.value], free, var))
        elif loops and self._needs_memory(node, segment):
            buffer = self._scratch(node.value, segment.extents)
            inside.append(Store(buffer.name, free[self.depth :], var))

    def _reduce(self, node: Node, loops: list[Var], before: list[Stmt], inside: list[Stmt], after: list[Stmt]) -> None:
        definition, text = node.definition, self.formulas[-1]
        dtype = data_type(node.value)
        scatter = scatter_axis(node)
        body = definition.body
        target = [self.scalars.indices.get(axis(d)) for d in range(len(node.shape))]
        if scatter is not None:
            position, delta = scatter
            body = sp.Mul(*(factor for factor in sp.Mul.make_args(body) if factor is not delta))
            other = next(part for part in delta.args if part != axis(position))
            target[position] = self.scalars.integer(other)
        where = tuple(index for index in target if index is not None)
        if len(node.shape) > self.depth:
            self._reduce_to_memory(node, where, body, before, inside)
            return
        value_type = "real" if dtype == "int64" else dtype
        value = self.scalars.value(body, value_type)
        total = Var(self.names.unique(self._value_name(node.value)), value_type)
        before.append(Assign(total, Const(START[str(definition.op)], value_type), formula=text))
        if definition.op in ("argmax", "argmin"):
            total = self._first_best(node, total, value, loops[-1], before, inside)
        else:
            inside.append(Assign(total, value, definition.op))
        self.local[node.value] = total
        if node.value in self.kept:
            after.append(Store(self.storage.buffers[node.value], where, total))

    def _first_best(
        self, node: Node, best: Var, value: Expr, index: Var, before: list[Stmt], inside: list[Stmt]
    ) -> Var:
        relation = ">" if node.definition.op == "argmax" else "<"
        place = Var(self.names.unique(f"{best.name}_index"), "int64")
        candidate = Var(self.names.unique(f"{best.name}_candidate"), best.dtype)
        before.append(Assign(place, ZERO))
        inside.append(Let(candidate, value))
        inside.append(If(Op(relation, (candidate, best), "bool"), (Assign(best, candidate), Assign(place, index))))
        return place

    def _reduce_to_memory(
        self, node: Node, where: tuple[Expr, ...], body: sp.Expr, before: list[Stmt], inside: list[Stmt]
    ) -> None:
        """A reduction with free inner indices: its row of results is first filled, then accumulated into."""
        shape = node.shape[self.depth :]
        kept = node.value in self.kept
        buffer = self.storage.buffers[node.value] if kept else self._scratch(node.value, shape).name
        op = node.definition.op
        assert op is not None
        start = Const(START[op], "real")
        fill = [Var(self._loop_name(size), "int64") for size in shape]
        rows = tuple(self.scalars.indices[axis(d)] for d in range(self.depth)) if kept else ()
        clear: Stmt = Store(buffer, (*rows, *fill), start, formula=self.formulas[-1])
        for position in reversed(range(len(fill))):
            begin, end = ZERO, self.scalars.integer(shape[position])
            if self.group.kind == "columns" and position == len(fill) - 1 and self._splits_columns():
                begin, end = self.first_column, self.last_column
            clear = For(fill[position], begin, end, (clear,))
        before.append(clear)
        position = where if kept else where[self.depth :]
        inside.append(Store(buffer, position, self.scalars.value(body), op))  # type: ignore[arg-type]

    # -- maps over contiguous memory ----------------------------------------------------------------------------------------
    def _flat_blocks(self) -> list[Stmt]:
        """One loop over all elements, whatever their axes, in blocks that the threads share."""
        total = ir.product(tuple(self.scalars.integer(size) for size in self.group.nodes[0].shape))
        block, last = Var(self.names.unique("first"), "int64"), Var(self.names.unique("last"), "int64")
        share = _smaller(ir.add(block, ir.integer(FLAT_BLOCK)), Var(f"{block.name}_end", "int64"))
        body = [Let(last, share), *self._flat_loop(None, last, block)]
        return [For(block, ZERO, total, tuple(body), step=ir.integer(FLAT_BLOCK), parallel=True)]

    def _flat_loop(self, row: Var | None, stop: Expr, start: Expr = ZERO) -> list[Stmt]:
        """The loop over ``stop`` rows from ``row`` on, or over the elements from ``start`` to ``stop``."""
        shape = self.group.nodes[0].shape
        width = ir.product(tuple(self.scalars.integer(size) for size in shape[1:]))
        element = Var(self.names.unique("e"), "int64")
        places = [row or ZERO, *[ZERO] * (len(shape) - 2), element]
        self.here = tuple(places)
        self.shown_indices = {axis(d): Var(self._loop_name(size), "int64") for d, size in enumerate(shape) if d}
        self.shown_indices[axis(0)] = self.row or element
        inside: list[Stmt] = []
        for node in (node for node in self.group.nodes if node.contraction is None):
            self._lower_node(node, self.segments[0], places[:1], places[1:], [], inside, [])
        self.forwarded, self.shown_indices = {}, {}
        hoisted, inside = self.sharing.hoist(inside, self.available, outermost=True)
        self.top += hoisted
        count = ir.multiply(stop, width) if row is not None else stop
        return [For(element, start, count, tuple(self.sharing.once(inside)))]

    def _transposition(self) -> list[Stmt]:
        """vᵀ in squares of a vector, a strip of rows of the result at a time."""
        node = self.group.nodes[0]
        rows, columns = (self.scalars.integer(size) for size in node.shape)
        block, last = Var(self.names.unique("first"), "int64"), Var(self.names.unique("last"), "int64")
        names = {axis(d): Var(self._loop_name(size), "int64") for d, size in enumerate(node.shape)}
        self.formulas.append(formula_text(node, names, self._shown_name))
        to = Operand(self.storage.buffers[node.value], ir.multiply(block, columns), (columns, ONE))
        origin = Operand(self.storage.buffers[node.reads[0].tensor], block, (rows, ONE))
        share = _smaller(ir.add(block, ir.integer(PANEL_ROWS)), Var(f"{block.name}_end", "int64"))
        move = Transpose(to, origin, columns, Op("-", (last, block), "int64"), self.formulas[-1])
        return [For(block, ZERO, rows, (Let(last, share), move), step=ir.integer(PANEL_ROWS), parallel=True)]

    # -- panels -----------------------------------------------------------------------------------------------------------
    def _panel(self) -> list[Stmt]:
        group, head = self.group, self.group.head
        assert head is not None
        result = group.nodes[0]
        rank = len(result.shape)
        position = {axis(d): d for d in range(rank)}
        rows = self.scalars.integer(result.shape[position[head.row]])
        columns = self.scalars.integer(result.shape[-1])
        depth = self.scalars.integer(result.definition.extents[0])
        whole = group.whole_rows or not _exceeds(columns, PANEL_COLUMNS)
        outer = {index: Var(self._loop_name(result.shape[position[index]]), "int64") for index in head.outer}
        block = Var(self.names.unique("first"), "int64")
        column = Var(self.names.unique("left"), "int64")
        self.first_row = block
        self.first_column = ZERO if whole else column
        self.last_column = columns if whole else _smaller(ir.add(column, ir.integer(PANEL_COLUMNS)), columns)
        extents = tuple(int(size.value) if isinstance(size, Const) else None for size in (rows, columns, depth))
        step = Var(f"panel_{'x'.join(str(e or 'any') for e in extents)}", "int64")
        last = Var(self.names.unique("last"), "int64")
        share = _smaller(ir.add(block, step), Var(f"{block.name}_end", "int64"))
        place: dict[Index, Expr] = {head.row: block, head.column: self.first_column, head.depth: ZERO} | outer
        self.scalars.indices = {
            **outer,
            head.row: self.row,
            head.column: Var("j", "int64"),
            head.depth: Var("k", "int64"),
        }  # type: ignore[dict-item]
        self.formulas.append(formula_text(result, self._shown(outer), self._shown_name))
        width = _smaller(columns, ir.integer(PANEL_COLUMNS)) if not whole else columns
        contract = Contract(
            self._output(result, place, width),
            self._operand(head.left, head.row, head.depth, place),
            self._operand(head.right, head.depth, head.column, place),
            ir.Op("-", (last, block), "int64"),
            columns if whole else ir.Op("-", (self.last_column, column), "int64"),
            depth,
            extents,  # type: ignore[arg-type]
            self.formulas[-1],
        )
        body: list[Stmt] = [Let(last, share), contract, *self._after_contraction(contract, outer, block, last)]
        nest: Stmt = For(block, ZERO, rows, tuple(body), step=step, parallel=True)
        if not whole:
            nest = For(column, ZERO, columns, (nest,), step=ir.integer(PANEL_COLUMNS))
        for index in reversed(head.outer):
            nest = For(outer[index], ZERO, self.scalars.integer(result.shape[position[index]]), (nest,))
        return [nest]

    def _after_contraction(
        self, contract: Contract, outer: Mapping[Index, Var], block: Var, last: Var
    ) -> list[Stmt]:
        """What is done with the rows [block, last) while they are in the cache."""
        assert self.group.head is not None and self.row is not None
        if self.segments and not outer and self.first_column == ZERO and is_flat(self.group):
            return self._flat_loop(block, Op("-", (last, block), "int64"))
        epilogue = self._epilogue(outer, self.group.head.row, len(self.group.nodes[0].shape))
        return [For(self.row, block, last, tuple(epilogue))] if epilogue else []

    def _shown(self, outer: Mapping[Index, Var]) -> dict[sp.Basic, Expr]:
        assert self.group.head is not None and self.row is not None
        column = Var(self._loop_name(self.group.nodes[0].shape[-1]), "int64")
        depth = Var(self._loop_name(self.group.nodes[0].definition.extents[0]), "int64")
        return {**outer, self.group.head.row: self.row, self.group.head.column: column, self.group.head.depth: depth}

    def _epilogue(self, outer: Mapping[Index, Var], row: Index, rank: int) -> list[Stmt]:
        if not self.segments:
            return []
        assert self.row is not None
        if not outer:
            return self._rows([self.row])
        self.depth = rank - 1
        order = [outer.get(axis(d), self.row) for d in range(rank - 1)]
        self.segments = self._dealt()
        return self._rows(order)

    def _output(self, result: Node, place: Mapping[Index, Expr], width: Expr) -> Operand:
        if result.value in self.kept:
            index = tuple(place[axis(d)] for d in range(len(result.shape)))
            name = self.storage.buffers[result.value]
            return self._matrix(name, result.shape, index, self._row_position(), len(index) - 1)
        name = self.names.unique(f"{self._value_name(result.value)}_panel")
        self.scratch[result.value] = ir.Buffer(name, "real", (ir.integer(PANEL_ROWS), width), "scratch")
        self.sharing.scratch.add(name)
        return Operand(name, ZERO, (width, ONE))

    def _row_position(self) -> int:
        assert self.group.head is not None
        return int(self.group.head.row.name[1:])

    def _operand(self, element: Element, first: Index, second: Index, place: Mapping[Index, Expr]) -> Operand:
        index = tuple(place[i] for i in element.indices)
        positions = [element.indices.index(i) for i in (first, second)]
        return self._matrix(self.storage.buffers[element.tensor], element.tensor.shape, index, *positions)

    def _matrix(
        self, buffer: str, shape: Sequence[sp.Expr], index: tuple[Expr, ...], first: int, second: int
    ) -> Operand:
        sizes = tuple(self.scalars.integer(size) for size in shape)
        stride = [ir.product(sizes[d + 1 :]) for d in range(len(sizes))]
        return Operand(buffer, ir.flat_index(index, sizes), (stride[first], stride[second]))

    # -- names ------------------------------------------------------------------------------------------------------------
    def _loop_name(self, extent: sp.Expr) -> str:
        if isinstance(extent, sp.Symbol) and len(extent.name) == 1:
            return self.names.first_free(extent.name.lower(), "n", "m", "i", "j", "k", "l", "p", "q", "r")
        return self.names.first_free("i", "j", "k", "l", "m", "p", "q", "r")

    def _value_name(self, tensor: Tensor) -> str:
        return tensor.hint or "v"

    def _shown_name(self, tensor: Tensor) -> str:
        """Name of a tensor in the comments: its buffer, its scalar, or what the user calls it."""
        if tensor in self.storage.buffers:
            return self.storage.buffers[tensor]
        known = self.forwarded.get(tensor) or self.local.get(tensor) or self.scratch.get(tensor)
        return known.name if known is not None else self._value_name(tensor)

    def _scratch(self, tensor: Tensor, extents: Sequence[sp.Expr]) -> ir.Buffer:
        shape = tuple(self.scalars.integer(size) for size in extents)
        name = self.names.unique(f"{self._value_name(tensor)}_row")
        self.scratch[tensor] = ir.Buffer(name, data_type(tensor), shape, "scratch")
        self.sharing.scratch.add(name)
        return self.scratch[tensor]


def is_flat(group: Group) -> bool:
    """Whether everything a group does is done at one place of equally shaped arrays, so that it needs no indices."""
    nodes = [node for node in group.nodes if node.contraction is None]
    shape = group.nodes[0].shape
    if len(shape) < 2 or any(node.definition.op is not None or node.shape != shape for node in nodes):
        return False
    for node in nodes:
        everywhere = tuple(axis(d) for d in range(len(shape)))
        if not all(not e.indices or (e.indices == everywhere and e.tensor.shape == shape) for e in node.reads):
            return False
        if node.definition.body.xreplace({e: sp.Dummy() for e in node.reads}).atoms(Index):
            return False
    return True


def is_transposition(group: Group) -> bool:
    """Whether a group is one vᵀ."""
    node = group.nodes[0]
    if len(group.nodes) > 1 or node.target is not None or data_type(node.value) != "real" or len(node.shape) != 2:
        return False
    body = node.definition.body
    return isinstance(body, Element) and body.indices == (axis(1), axis(0)) and data_type(body.tensor) == "real"


def _minus(value: Expr) -> Expr:
    return ir.integer(-int(value.value)) if isinstance(value, Const) else Op("neg", (value,), "int64")


def _exceeds(size: Expr, limit: int) -> bool:
    return not isinstance(size, Const) or int(size.value) > limit


def _smaller(left: Expr, right: Expr) -> Expr:
    if isinstance(left, Const) and isinstance(right, Const):
        return left if left.value <= right.value else right
    return ir.Call("min", (left, right), "int64")


def _sizes_in(body: tuple[Stmt, ...], sizes: Mapping[str, str]) -> tuple[str, ...]:
    used = {
        node.name
        for statement in ir.statements(body)
        for expression in ir.expressions_of(statement)
        for node in ir.subexpressions(expression)
        if isinstance(node, Var)
    }
    return tuple(name for name in sizes.values() if name in used)
