"""Lowers sums whose terms have their places: the result is cleared, then every term is added where it belongs.

first, last = this thread's rows;  clear d_E[first:last];  for n: if first ≤ t[n] < last: for d: d_E[t[n], d] += g[n, d]

A thread owns rows of the result, or columns, and goes over all terms in their order: sums do not depend on how many
threads there are, and what lies outside the result is never written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import sympy as sp

from codegen.loops.ir import ZERO, Const, Expr, For, If, Let, Op, Stmt, Store, Var
from codegen.loops.ranges import bounds_of, is_within
from codegen.lower.comments import formula_text, term_text
from codegen.lower.segments import Segments
from codegen.plan.plan import Node
from codegen.plan.scatter import Scatter, Term, scatter_of
from symgraph.core.indices import Index, axis
from symgraph.core.tensor import Element

COLUMN_GRAIN = 256
"""Columns that are reduced together: their results stay in the first-level cache."""


@dataclass(frozen=True, slots=True)
class Addition:
    """One term in one iteration: the places to be computed, when they are this thread's, and what is added there."""

    places: list[Let]
    inside: list[Expr]
    store: Store


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
        canonical = [*self._loops(node), *(axis(position) for position in sorted(scatter.axes))]
        loops = {index: Var(self._loop_name(self._extent(node, index)), "int64") for index in canonical}
        self.scalars.indices = dict(loops)
        self.scalars.bounds = bounds_of(node.shape, node.definition)
        body: list[Stmt] = []
        done: list[Term] = []
        for terms in self._nests(node, scatter):
            additions = []
            for term in terms:
                first = node.definition.op is None and all(map(term.is_apart, done))
                at = dict(loops) if len(scatter.terms) == 1 else self._named_anew(node, term, loops)
                self.formulas.append(self._text(node, term, not first, at))
                store = Store(buffer, (), ZERO, None if first else "sum", self.formulas[-1])
                additions.append(self._addition(node, term, at, store))
                done.append(term)
            body += self._nest_of_terms(node, terms[0], loops, additions)
        return body

    def _text(self, node: Node, term: Term, adds: bool, at: Mapping[Index, Expr]) -> str:
        if node.definition.op is not None:
            return formula_text(node, at, self._shown_name)
        return term_text(node, term, adds, at, self._shown_name)

    def _nests(self, node: Node, scatter: Scatter) -> list[list[Term]]:
        """Terms that share one nest of loops: fixed ones that are all this thread's."""
        nests: dict[object, list[Term]] = {}
        for number, term in enumerate(scatter.terms):
            shares = term.is_fixed and not any(self._inside(ZERO, p, other, node) for p, other in term.places)
            nests.setdefault(term.axes if shares else number, []).append(term)
        return list(nests.values())

    def _named_anew(self, node: Node, term: Term, loops: Mapping[Index, Var]) -> dict[Index, Var]:
        """The loops, and for every place that has to be computed a name that no other term has."""
        varying = [p for p, other in term.places if other.has(Index, Element)]
        return {**loops, **{axis(p): Var(self._loop_name(node.shape[p]), "int64") for p in varying}}

    def _addition(self, node: Node, term: Term, names: Mapping[Index, Var], store: Store) -> Addition:
        at: dict[Index, Expr] = dict(names)
        places: list[Let] = []
        for position, other in term.places:
            if other.has(Index, Element):
                places.append(Let(names[axis(position)], self.scalars.integer(other)))
            else:
                at[axis(position)] = self.scalars.integer(other)
        inside = [c for p, other in term.places for c in self._inside(at[axis(p)], p, other, node)]
        outside, self.scalars.indices = self.scalars.indices, dict(at)
        with self.scalars.guarded():
            value = self.scalars.product(term.factors)
        self.scalars.indices = outside
        self.here = tuple(at[axis(d)] for d in range(len(node.shape)))
        return Addition(places, inside, replace(store, index=self.here, value=value))

    def _nest_of_terms(
        self, node: Node, term: Term, loops: Mapping[Index, Var], additions: Sequence[Addition]
    ) -> list[Stmt]:
        """The loops over the indices that the places of a term leave free, around what is added in each iteration."""
        free = [index for index in loops if index not in {axis(p) for p in term.axes}]
        outer = [i for i in free if i.name.startswith("_r")]
        outer += [i for i in free if i not in outer] if term.decided - set(outer) else []
        inner = [i for i in free if i not in outer]
        places = [place for addition in additions for place in addition.places]
        body: list[Stmt] = [addition.store for addition in additions]
        if free:
            scope = {loops[i].name for i in outer} | {place.var.name for place in places}
            hoisted, body = self._shared(body, scope, bool(inner))
        else:
            hoisted, body = [], self.sharing.once(body)
        for i in reversed(inner):
            body = [self._loop(loops, i, node, body)]
        body = [*hoisted, *body]
        inside = [condition for addition in additions for condition in addition.inside]
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

    def _inside(self, place: Expr, position: int, other: sp.Expr, node: Node) -> list[Expr]:
        """The conditions under which a place is this thread's; labels are looked at, whatever was checked before."""
        size = node.shape[position]
        begin: Expr = ZERO
        end: Expr = self.scalars.integer(size)
        if position == 0 and self.part is not None:
            begin, end = self.part
        elif is_within(other, size, self.scalars.bounds) and not other.has(Element):
            return []
        return [Op(">=", (place, begin), "bool"), Op("<", (place, end), "bool")]
