"""Lowers the segments of a row, or of a block of columns, to loops.

rows:     for n: for k: m = max(m, z[n, k]);  for k: e[k] = exp(z[n, k] − m); S += e[k];  for k: y[n, k] = e[k]/S
columns:  for a block of columns: for n: for j: s[j] += g[n, j]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import sympy as sp

from codegen import ir
from codegen.formula import formula_text
from codegen.fuse import scatter_axis
from codegen.ir import ZERO, Assign, Const, Expr, For, If, Let, Load, Op, Stmt, Store, Var
from codegen.lower_scalar import data_type
from codegen.plan import Node
from codegen.segments import Segment, Segments
from symgraph.indices import Index, axis, bound

START = {"sum": 0.0, "max": float("-inf"), "min": float("inf"), "argmax": float("-inf"), "argmin": float("inf")}
"""What a reduction starts from."""
COLUMN_GRAIN = 256
"""Columns that are reduced together: their results stay in the first-level cache."""


class RowLowering(Segments):
    """One group as rows, columns, or a few numbers."""

    # -- the kernel ---------------------------------------------------------------------------------------------------
    def kernel(self) -> tuple[ir.Kernel, list[ir.Buffer]]:
        body = self._body()
        whole = tuple([*self.top, *body])
        touched = dict.fromkeys([*ir.reads(whole), *ir.writes(whole)])
        scratch = [*self.scratch.values(), *self.unnamed_scratch]
        rows = [extent for buffer in scratch for extent in buffer.shape[1:]]
        rows += [
            self.scalars.integer(s) for t, name in self.storage.buffers.items() if name in touched for s in t.shape[1:]
        ]
        sizes = sizes_in(whole, self.storage.sizes, rows)
        parallel = any(isinstance(s, For) and s.parallel for s in ir.statements(whole))
        kernel = ir.Kernel(self.name, tuple(touched), tuple(touched), sizes, whole, tuple(self.formulas), parallel)
        return kernel, scratch

    def _body(self) -> list[Stmt]:
        if self.row is None:
            return self._column_blocks() if self._splits_columns() else self._rows([])
        extent = self.scalars.integer(self.group.nodes[0].shape[0])
        return [For(self.row, ZERO, extent, tuple(self._rows([self.row])), parallel=True)]

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
            outside = statement in before or statement in after or not loops
            if outside and isinstance(statement, Let | Assign):
                scope.add(statement.var.name)
        return [*before, *self._nest(segment, loops, inside), *after]

    def _nest(self, segment: Segment, loops: Sequence[Var], inside: Sequence[Stmt]) -> list[Stmt]:
        """The loops of a segment; a columns group shares its innermost loop among the threads."""
        body: Sequence[Stmt] = inside
        blocked = self.first_column != ZERO or self._splits_columns()
        for position in reversed(range(len(loops))):
            start: Expr = ZERO
            stop = self.scalars.integer(segment.extents[position])
            if blocked and position == len(loops) - 1:
                start, stop = self.first_column, self.last_column
            body = (For(loops[position], start, stop, tuple(body)),)
        return list(body)

    def _splits_columns(self) -> bool:
        """Whether threads share columns: not those of one block, whose number is then known to the compiler."""
        if self.group.kind != "columns":
            return False
        node = self.group.nodes[0]
        columns, scatter = self.scalars.integer(node.shape[-1]), scatter_axis(node)
        few = isinstance(columns, Const) and columns.value <= COLUMN_GRAIN
        return not few and (scatter is None or scatter[0] != len(node.shape) - 1)

    def _lower_node(
        self, node: Node, segment: Segment, row: Sequence[Expr], loops: Sequence[Expr],
        before: list[Stmt], inside: list[Stmt], after: list[Stmt],
    ) -> None:  # fmt: skip
        canonical = self._loops(node)
        self.scalars.indices = dict(zip([axis(d) for d in range(self.depth)], row, strict=False))
        self.scalars.indices |= dict(zip(canonical, loops, strict=True))
        self.scalars.extents = extents_of(node)
        dtype = data_type(node.value)
        if node.definition.op is None and node.target is None:
            self.forwarded[node.value] = Var(self.names.unique(self._value_name(node.value)), dtype)
        self.formulas.append(formula_text(node, self.shown_indices or self.scalars.indices, self._shown_name))
        if node.definition.op is not None:
            self._reduce(node, loops, before, inside, after)
            return
        free = tuple(self.scalars.indices[axis(d)] for d in range(len(node.shape)))
        body = node.definition.body
        value = self.scalars.integer(body) if dtype == "int64" else self.scalars.value(body, dtype)
        if node.target is not None:
            inside.append(Store(self.storage.buffers[node.target], free, value, formula=self.formulas[-1]))
            return
        var = self.forwarded[node.value]
        inside.append(Let(var, value, self.formulas[-1]))
        if not loops:
            self.local[node.value] = var
        if node.value in self.kept:
            inside.append(Store(self.storage.buffers[node.value], free, var))
        elif loops and self._needs_memory(node, segment):
            buffer = self._scratch(node.value, segment.extents)
            inside.append(Store(buffer.name, free[self.depth :], var))

    def _reduce(
        self, node: Node, loops: Sequence[Expr], before: list[Stmt], inside: list[Stmt], after: list[Stmt]
    ) -> None:
        definition, text = node.definition, self.formulas[-1]
        dtype = data_type(node.value)
        scatter = scatter_axis(node)
        body = definition.body
        target = [self.scalars.indices.get(axis(d)) for d in range(len(node.shape))]
        if scatter is not None:
            position, delta = scatter
            body = sp.Mul(*(factor for factor in sp.Mul.make_args(body) if factor is not delta))
            other = next(part for part in delta.args if part != axis(position))
            target[position] = self.scalars.indices[axis(position)] = self.scalars.integer(other)
        where = tuple(index for index in target if index is not None)
        if len(node.shape) > self.depth:
            self._reduce_to_memory(node, where, body, before, inside)
            return
        is_place = definition.op in ("argmax", "argmin")
        value_type = "real" if dtype == "int64" else dtype
        value = self.scalars.value(body, value_type)
        total = Var(self.names.unique(self._value_name(node.value)), value_type)
        before.append(Assign(total, Const(START[str(definition.op)], value_type), formula=text))
        if is_place:
            best, total = total, Var(self.names.unique(f"{total.name}_index"), "int64")
            before.append(Assign(total, ZERO))
            inside += self._first_best(node, value, best, lambda v: Assign(best, v), lambda at: Assign(total, at))
        else:
            inside.append(Assign(total, value, definition.op))  # type: ignore[arg-type]
        self.local[node.value] = total
        if node.value in self.kept:
            after.append(Store(self.storage.buffers[node.value], where, total))

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

    def _reduce_to_memory(
        self, node: Node, where: tuple[Expr, ...], body: sp.Expr, before: list[Stmt], inside: list[Stmt]
    ) -> None:
        """A reduction with free inner indices: its row of results is first filled, then accumulated into."""
        shape = node.shape[self.depth :]
        kept = node.value in self.kept
        buffer = self.storage.buffers[node.value] if kept else self._scratch(node.value, shape).name
        op = node.definition.op
        assert op is not None
        is_place = op in ("argmax", "argmin")
        start = Const(START[op], "real")
        fill = [Var(self._loop_name(size), "int64") for size in shape]
        rows = tuple(self.scalars.indices[axis(d)] for d in range(self.depth)) if kept else ()
        filled = (*rows, *fill)
        cleared: list[Stmt] = [Store(buffer, filled, ZERO if is_place else start, formula=self.formulas[-1])]
        if is_place:
            best = self._unnamed_scratch(f"{self._value_name(node.value)}_best", shape)
            cleared.append(Store(best, tuple(fill), start))
        for position in reversed(range(len(fill))):
            begin: Expr = ZERO
            end = self.scalars.integer(shape[position])
            if position == len(fill) - 1 and self._splits_columns():
                begin, end = self.first_column, self.last_column
            cleared = [For(fill[position], begin, end, tuple(cleared))]
        before += cleared
        place = where if kept else where[self.depth :]
        value = self.scalars.value(body)
        if not is_place:
            inside.append(Store(buffer, place, value, op))  # type: ignore[arg-type]
            return
        here = where[self.depth :]
        inside += self._first_best(
            node, value, Load(best, here, "real"),
            lambda v: Store(best, here, v), lambda at: Store(buffer, place, at),
        )  # fmt: skip


def difference(left: Expr, right: Expr) -> Expr:
    """Integer difference."""
    return Op("-", (left, right), "int64")


def smaller(left: Expr, right: Expr) -> Expr:
    """min(left, right), folded."""
    if isinstance(left, Const) and isinstance(right, Const):
        return left if left.value <= right.value else right
    return ir.Call("minimum", (left, right), "int64")


def extents_of(node: Node) -> dict[Index, sp.Expr]:
    """How far the canonical indices of a node run."""
    extents = {axis(d): size for d, size in enumerate(node.shape)}
    return extents | {bound(d): size for d, size in enumerate(node.definition.extents)}


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
