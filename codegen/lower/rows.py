"""Lowers the segments of a row, or of a block of columns, to loops.

rows:     for n: for k: m = max(m, z[n, k]);  for k: e[k] = exp(z[n, k] − m); S += e[k];  for k: y[n, k] = e[k]/S
columns:  for a block of columns: for n: for j: s[j] += g[n, j]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import sympy as sp

from codegen.loops import ir
from codegen.loops.ir import ZERO, Assign, Const, DType, Expr, For, If, Let, Load, Op, Share, Stmt, Store, Var
from codegen.loops.join import joined
from codegen.loops.ranges import bounds_of
from codegen.lower.comments import formula_text
from codegen.lower.long_sums import LongSums
from codegen.lower.residues import Nest, Residues, nests_of, places_of, reached, statements_of, with_residues
from codegen.lower.scatter import COLUMN_GRAIN
from codegen.lower.segments import Segment
from codegen.lower.types import data_type
from codegen.lower.windows import WindowLowering
from codegen.plan.plan import Node
from symgraph.core.indices import Index, axis, bound

START = {"sum": 0.0, "max": float("-inf"), "min": float("inf"), "argmax": float("-inf"), "argmin": float("inf")}
"""What a reduction starts from."""
INTEGER_START = {"sum": 0, "max": -(2**63), "min": 2**63 - 1}
"""What one of integers starts from."""


class RowLowering(WindowLowering):
    """One group as rows, columns, or a few numbers."""

    periods: Nest = {}  # noqa: RUF012  never changed in place
    residues: Residues = {}  # noqa: RUF012
    around: tuple[dict[int, list[Stmt]], dict[int, list[Stmt]]] = ({}, {})
    """What stands before and after the loops inside so many loops of a segment: where reductions begin and end."""

    # -- the kernel ---------------------------------------------------------------------------------------------------
    def kernel(self) -> tuple[ir.Kernel, list[ir.Buffer]]:
        body = self._body()
        scratch = [*self.scratch.values(), *self.unnamed_scratch]
        shapes = {buffer.name: buffer.shape for buffer in scratch if buffer.dtype == "real"}
        statements = (*self.sharing.once(self.top, loads=False), *body)
        every = {buffer.name: buffer.shape for buffer in scratch}
        every |= {name: tuple(map(self.scalars.integer, t.shape)) for t, name in self.storage.buffers.items()}
        statements = joined(statements, every)
        written = set(ir.writes(statements))
        shapes |= {
            name: every[name] for t, name in self.storage.buffers.items() if name in written and data_type(t) == "real"
        }
        sums = LongSums(shapes, self.names)
        whole = sums(statements)
        scratch += sums.scratch
        touched = dict.fromkeys([*ir.reads(whole), *ir.writes(whole)])
        rows = [extent for buffer in scratch for extent in buffer.shape[1:]]
        rows += [
            self.scalars.integer(s) for t, name in self.storage.buffers.items() if name in touched for s in t.shape[1:]
        ]
        sizes = sizes_in(whole, self.storage.sizes, rows)
        parallel = any(isinstance(s, Share) or (isinstance(s, For) and s.parallel) for s in ir.statements(whole))
        kernel = ir.Kernel(self.name, tuple(touched), tuple(touched), sizes, whole, tuple(self.formulas), parallel)
        return kernel, scratch

    def _body(self) -> list[Stmt]:
        if self.row is None:
            return self._column_blocks() if self._splits_columns() else [*self._own_rows(), *self._rows([])]
        extent = self.scalars.integer(self.group.nodes[0].shape[0])
        return [For(self.row, ZERO, extent, tuple(self._rows([self.row])), parallel=True)]

    def _own_rows(self) -> list[Stmt]:
        """The rows that this thread owns, if threads share those of a scatter."""
        node = self.group.nodes[0]
        if self.group.kind != "columns" or self.segments[0].scatter is None or self._is_small(node):
            return []
        self.part = Var(self.names.unique("first"), "int64"), Var(self.names.unique("last"), "int64")
        return [Share(*self.part, self.scalars.integer(node.shape[0]))]

    def _is_small(self, node: Node) -> bool:
        """Whether one thread takes all terms: those of a few elements, and without a sum."""
        size = sp.prod(node.shape)
        return node.definition.op is None and bool(size.is_Integer) and int(size) <= COLUMN_GRAIN

    def _column_blocks(self) -> list[Stmt]:
        """All segments for some columns after the other; the threads share the columns."""
        columns = self.scalars.integer(self.group.nodes[0].shape[-1])
        first, last = Var(self.names.unique("first"), "int64"), Var(self.names.unique("last"), "int64")
        self.first_column, self.last_column = first, last
        share = smaller(ir.add(first, ir.integer(COLUMN_GRAIN)), Var(f"{first.name}_end", "int64"))
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
        before: list[Stmt] = []
        if segment.window is not None:
            (node,) = segment.nodes
            return self._window(node, segment.window, row, shared=self.row is None)
        if segment.scatter is not None:
            (node,) = segment.nodes
            to = self.storage.buffers[node.target] if node.target is not None else self._cleared(node, before)[0]
            return [*before, *self._scatter(node, segment.scatter, to)]
        loops = [Var(self._loop_name(extent), "int64") for extent in segment.extents]
        found: list[Stmt] = []
        for periods in nests_of(segment, self.depth, self._shared_loops(segment)):
            self.periods = periods
            found += self._nest_of(segment, row, loops, scope)
        self.periods, self.residues = {}, {}
        return found

    def _shared_loops(self, segment: Segment) -> list[Index]:
        """The loops of which a thread, or a block of columns, has a part."""
        last = [len(segment.extents) - 1] if self._is_blocked else []
        return [axis(self.depth + position) for position in (*last, *([0] if self.part is not None else []))]

    @property
    def _is_blocked(self) -> bool:
        return self.first_column != ZERO or self._splits_columns()

    def _nest_of(self, segment: Segment, row: list[Var], loops: list[Var], scope: set[str]) -> list[Stmt]:
        """The loops of a segment, over the periods at hand."""
        before: list[Stmt] = []
        inside: list[Stmt] = []
        after: list[Stmt] = []
        self.around = {}, {}
        for residues in statements_of(self.periods):
            self.residues, self.forwarded = residues, {}
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
            outside = statement in before or statement in after or not loops
            if outside and isinstance(statement, Let | Assign):
                scope.add(statement.var.name)
        return [*before, *self._nest(segment, loops, inside), *after]

    def _nest(self, segment: Segment, loops: Sequence[Var], inside: Sequence[Stmt]) -> list[Stmt]:
        """The loops of a segment; a columns group shares its innermost loop among the threads."""
        body: Sequence[Stmt] = inside
        for position in reversed(range(len(loops))):
            start: Expr = ZERO
            stop = self.scalars.integer(segment.extents[position])
            if self._is_blocked and position == len(loops) - 1:
                start, stop = self.first_column, self.last_column
            elif self.part is not None and position == 0:
                start, stop = self.part
            periods = self.periods.get(axis(self.depth + position))
            if periods is not None:
                start, stop = ir.integer(periods.first), ir.integer(periods.last)
            body = (For(loops[position], start, stop, tuple(body)),)
            begin, end = (part.get(position, []) for part in self.around)
            body = (*begin, *body, *end)
        return list(body)

    def _lower_node(
        self, node: Node, segment: Segment, row: Sequence[Expr], loops: Sequence[Expr],
        before: list[Stmt], inside: list[Stmt], after: list[Stmt],
    ) -> None:  # fmt: skip
        canonical = self._loops(node)
        self.scalars.indices = dict(zip([axis(d) for d in range(self.depth)], row, strict=False))
        self.scalars.indices |= dict(zip(canonical, loops, strict=True))
        self.scalars.bounds = reached(bounds_of(node.shape, node.definition), self.periods)
        places = places_of(self.residues)
        self.here = (*row, *(self.scalars.integer(places.get(index, index)) for index in canonical))
        dtype = data_type(node.value)
        if node.target is None and node.definition.op is None:
            self.forwarded[node.value] = Var(self.names.unique(self._value_name(node.value)), dtype)
        elif node.target is None and len(node.shape) <= self.depth:
            self.local[node.value] = Var(self.names.unique(self._value_name(node.value)), dtype)
        body = with_residues(node.definition.body, self.residues, self.scalars.bounds)
        shown = self.shown_indices or self.scalars.indices
        text = formula_text(node, shown, self._shown_name, places, body)
        if not any(place or periods.first for place, periods in self.residues.values()):
            self.formulas.append(text)  # once, not for every residue
        if node.definition.op is not None:
            self._reduce(node, loops, before, inside, after)
            return
        free = tuple(self.scalars.integer(places.get(axis(d), axis(d))) for d in range(len(node.shape)))
        value = self.scalars.value(body, dtype)
        if node.target is not None:
            inside.append(Store(self.storage.buffers[node.target], free, value, formula=text))
            return
        var = self.forwarded[node.value]
        inside.append(Let(var, value, text))
        if not loops:
            self.local[node.value] = var
        if node.value in self.kept:
            inside.append(Store(self.storage.buffers[node.value], free, var))
        elif loops and self._needs_memory(node, segment):
            buffer = self.scratch.get(node.value) or self._scratch(node.value, segment.extents)
            inside.append(Store(buffer.name, free[self.depth :], var))

    def _reduce(
        self, node: Node, loops: Sequence[Expr], before: list[Stmt], inside: list[Stmt], after: list[Stmt]
    ) -> None:
        definition, text = node.definition, self.formulas[-1]
        is_place = definition.op in ("argmax", "argmin")
        dtype: DType = "real" if is_place else data_type(node.value)
        body = definition.body
        where = tuple(self.scalars.indices[axis(d)] for d in range(len(node.shape)))
        inner = len(node.shape) - self.depth
        is_kept = node.value in self.kept
        place, here = where if is_kept else where[self.depth :], where[self.depth :]
        if inner and not self._ends_in_a_row(node):
            buffer, best_at = self._cleared(node, before, text)
            value = self.scalars.value(body, "int64" if dtype == "int64" else "real")
            if best_at is None:
                inside.append(Store(buffer, place, value, op=definition.op))  # type: ignore[arg-type]
            else:
                inside += self._first_best(
                    node, value, Load(best_at, here, "real"),
                    lambda v: Store(best_at, here, v), lambda at: Store(buffer, place, at),
                )  # fmt: skip
            return
        value = self.scalars.value(body, dtype)
        start = started(str(definition.op), dtype)
        if inner:
            total = Var(self.names.unique(self._value_name(node.value)), data_type(node.value))
            before, after = (part.setdefault(inner, []) for part in self.around)
            after.append(Store(self._row_buffer(node), place, total))
        else:
            total = self.local[node.value]
        if is_place:
            best = Var(self.names.unique(f"{total.name}_best"), dtype)
            before += [Assign(best, start, formula=text), Assign(total, ZERO)]
            inside += self._first_best(node, value, best, lambda v: Assign(best, v), lambda at: Assign(total, at))
        else:
            before.append(Assign(total, start, formula=text))
            inside.append(Assign(total, value, definition.op))  # type: ignore[arg-type]
        if not inner and is_kept:
            after.append(Store(self.storage.buffers[node.value], where, total))

    def _ends_in_a_row(self, node: Node) -> bool:
        """Whether a reduction with free inner indices has all its terms one after the other, for each of them."""
        free = [axis(d) for d in range(self.depth, len(node.shape))]
        return not self._is_blocked and self.part is None and self._loops(node)[: len(free)] == free

    def _row_buffer(self, node: Node) -> str:
        """Where a reduction with free inner indices is kept, or its row in scratch memory."""
        if node.value in self.kept:
            return self.storage.buffers[node.value]
        return self._scratch(node.value, node.shape[self.depth :]).name

    def _first_best(
        self,
        node: Node,
        value: Expr,
        best: Expr,
        set_best: Callable[[Expr], Stmt],
        set_place: Callable[[Expr], Stmt],
    ) -> list[Stmt]:
        """Take a value that is better than the best so far, and its place; a NaN is better than any number."""
        definition = node.definition
        candidate = Var(self.names.unique(f"{self._value_name(node.value)}_candidate"), value.dtype)
        over = tuple(self.scalars.indices[bound(d)] for d in range(len(definition.extents)))
        place = ir.flat_index(over, tuple(self.scalars.integer(size) for size in definition.extents))
        worse = Op("<=" if definition.op == "argmax" else ">=", (candidate, best), "bool")
        better = Op("and", (Op("not", (worse,), "bool"), Op("==", (best, best), "bool")), "bool")
        return [Let(candidate, value), If(better, (set_best(candidate), set_place(place)))]

    def _cleared(self, node: Node, before: list[Stmt], formula: str = "") -> tuple[str, str | None]:
        """The buffer of a reduction with free inner indices, whose row of results is first filled with what it starts
        from; for places, also that of the best values."""
        shape = node.shape[self.depth :]
        kept = node.value in self.kept
        buffer = self._row_buffer(node)
        op = node.definition.op
        is_place = op in ("argmax", "argmin")
        start = started(op or "sum", "int64" if data_type(node.value) == "int64" and not is_place else "real")
        fill = [Var(self._loop_name(size), "int64") for size in shape]
        rows = tuple(self.scalars.indices[axis(d)] for d in range(self.depth)) if kept else ()
        cleared: list[Stmt] = [Store(buffer, (*rows, *fill), ZERO if is_place else start, formula=formula)]
        best = self._unnamed_scratch(f"{self._value_name(node.value)}_best", shape) if is_place else None
        if best is not None:
            cleared.append(Store(best, tuple(fill), start))
        for position in reversed(range(len(fill))):
            begin, end = self._limits(position, shape)
            cleared = [For(fill[position], begin, end, tuple(cleared))]
        before += cleared
        return buffer, best


def started(op: str, dtype: DType) -> Const:
    """What a reduction of such values starts from."""
    return Const(INTEGER_START[op] if dtype == "int64" else START[op], dtype)


def difference(left: Expr, right: Expr) -> Expr:
    """Integer difference."""
    return Op("-", (left, right), "int64")


def smaller(left: Expr, right: Expr) -> Expr:
    """min(left, right), folded."""
    if isinstance(left, Const) and isinstance(right, Const):
        return left if left.value <= right.value else right
    return ir.Call("minimum", (left, right), "int64")


def sizes_in(body: tuple[Stmt, ...], sizes: Mapping[str, str], strides: Sequence[Expr] = ()) -> tuple[str, ...]:
    """Names of the run-time sizes that some statements use, or the strides of what they read and write."""
    expressions = [expression for statement in ir.statements(body) for expression in ir.expressions_of(statement)]
    used = {
        node.name
        for expression in (*expressions, *strides)
        for node in ir.subexpressions(expression)
        if isinstance(node, Var)
    }
    return tuple(name for name in sizes.values() if name in used)
