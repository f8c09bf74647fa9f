"""Lowers sums whose terms have their places: the result is cleared, then every term is added where it belongs.

first, last = this thread's rows;  clear d_E[first:last];  for n: if first ≤ t[n] < last: for d: d_E[t[n], d] += g[n, d]

A thread owns rows of the result, or columns, and goes over all terms in their order: sums do not depend on how many
threads there are, and what lies outside the result is never written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce

import sympy as sp

from codegen.loops.ir import ZERO, Const, Expr, For, If, Let, Op, Stmt, Store, Var
from codegen.loops.ranges import bounds_of, is_within
from codegen.lower.formula import formula_text
from codegen.lower.segments import Segments
from codegen.plan.plan import Node
from codegen.plan.scatter import Scatter, scatter_of
from symgraph.core.indices import Index, axis
from symgraph.core.tensor import Element

COLUMN_GRAIN = 256
"""Columns that are reduced together: their results stay in the first-level cache."""


class ScatterLowering(Segments):
    """The segment of a scatter, and which rows or columns are this thread's."""

    part: tuple[Var, Var] | None = None
    """The rows of a columns group that this thread owns, where it owns rows."""

    def _splits_columns(self) -> bool:
        """Whether threads share columns: not those of one block, whose number is then known to the compiler."""
        if self.group.kind != "columns":
            return False
        node = self.group.nodes[0]
        columns, scatter = self.scalars.integer(node.shape[-1]), scatter_of(len(node.shape), node.definition)
        few = isinstance(columns, Const) and columns.value <= COLUMN_GRAIN
        return not few and (scatter is None or len(node.shape) - 1 not in scatter.axes)

    def _limits(self, position: int, shape: Sequence[sp.Expr]) -> tuple[Expr, Expr]:
        """Where a loop over an axis of the result of a columns group begins and ends."""
        if position == 0 and self.part is not None:
            return self.part
        if position == len(shape) - 1 and self._splits_columns():
            return self.first_column, self.last_column
        return ZERO, self.scalars.integer(shape[position])

    def _scatter(self, node: Node, scatter: Scatter, buffer: str) -> list[Stmt]:
        """Go over all terms, and add each where it belongs."""
        canonical = self._loops(node)
        loops = {index: Var(self._loop_name(self._extent(node, index)), "int64") for index in canonical}
        at = {axis(position): Var(self._loop_name(node.shape[position]), "int64") for position in scatter.axes}
        self.scalars.indices = {**loops, **at}
        self.scalars.bounds = bounds_of(node.shape, node.definition)
        self.formulas.append(formula_text(node, self.scalars.indices, self._shown_name))
        places: list[Stmt] = [Let(at[axis(p)], self.scalars.integer(other)) for p, other in scatter.places]
        inside = [c for p, other in scatter.places for c in self._inside(at[axis(p)], p, other, node)]
        with self.scalars.guarded():
            value = self.scalars.product(scatter.factors)
        index = tuple(self.scalars.indices[axis(d)] for d in range(len(node.shape)))
        self.here = index
        store: Stmt = Store(buffer, index, value, "sum", self.formulas[-1])
        decided = {index for _, other in scatter.places for index in other.atoms(Index)}
        outer = [i for i in canonical if i.name.startswith("_r")]
        outer += [i for i in canonical if i not in outer] if decided - set(outer) else []
        inner = [i for i in canonical if i not in outer]
        scope = {loops[i].name for i in outer} | {var.name for var in at.values()}
        hoisted, body = self._shared([store], scope, bool(inner))
        for i in reversed(inner):
            body = [self._loop(loops, i, node, body)]
        body = [*hoisted, *body]
        if inside:
            body = [If(reduce(lambda a, b: Op("and", (a, b), "bool"), inside), tuple(body))]
        body = [*places, *body]
        for i in reversed(outer):
            body = [self._loop(loops, i, node, body)]
        return body

    def _shared(self, body: list[Stmt], scope: set[str], loops: bool) -> tuple[list[Stmt], list[Stmt]]:
        """What the inner loops need only once, and the rest; nothing of it is known outside of the outer loops."""
        top, body = self.sharing.hoist(body, self.available, outermost=True)
        self.top += top
        known = dict(self.sharing.known)
        before: list[Stmt] = []
        if loops:
            before, body = self.sharing.hoist(body, self.available | scope, outermost=False)
        body = self.sharing.once(body)
        self.sharing.known = known
        return before, body

    def _loop(self, loops: Mapping[Index, Var], index: Index, node: Node, body: Sequence[Stmt]) -> For:
        if index.name.startswith("_r"):
            return For(loops[index], ZERO, self.scalars.integer(self._extent(node, index)), tuple(body))
        begin, end = self._limits(int(index.name[1:]), node.shape)
        return For(loops[index], begin, end, tuple(body))

    def _inside(self, place: Var, position: int, other: sp.Expr, node: Node) -> list[Expr]:
        """The conditions under which a place is this thread's; labels are looked at, whatever was checked before."""
        size = node.shape[position]
        begin: Expr = ZERO
        end: Expr = self.scalars.integer(size)
        if position == 0 and self.part is not None:
            begin, end = self.part
        elif is_within(other, size, self.scalars.bounds) and not other.has(Element):
            return []
        return [Op(">=", (place, begin), "bool"), Op("<", (place, end), "bool")]
