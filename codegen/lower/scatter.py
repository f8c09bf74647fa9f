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

from codegen.loops.ir import ZERO, Expr, For, If, Let, Op, Stmt, Store, Var
from codegen.loops.ranges import bounds_of, is_within
from codegen.lower.comments import formula_text, term_text
from codegen.lower.schedule import Stage
from codegen.lower.scope import Scope
from codegen.plan.scatter import Scatter, Term
from symgraph.core.indices import Index, axis
from symgraph.core.tensor import Element


@dataclass(frozen=True, slots=True)
class Addition:
    """One term in one iteration: the places to be computed, when they are this thread's, and what is added there."""

    places: list[Let]
    inside: list[Expr]
    store: Store


def limits(scope: Scope, position: int, shape: Sequence[sp.Expr]) -> tuple[Expr, Expr]:
    """Where a loop over an axis of the result of a columns group begins and ends."""
    if position == 0 and scope.part is not None:
        return scope.part
    if position == len(shape) - 1 and scope.schedule.share.what == "columns":
        return scope.first_column, scope.last_column
    return ZERO, scope.scalars.integer(shape[position])


class ScatterLowering:
    """The segment of a scatter."""

    def __init__(self, scope: Scope, stage: Stage, scatter: Scatter) -> None:
        self.scope, self.scalars, self.node, self.scatter = scope, scope.scalars, stage.node, scatter
        canonical = [*stage.loops, *(axis(position) for position in sorted(scatter.axes))]
        self.loops = {index: Var(scope.loop_name(self.node.extent(index)), "int64") for index in canonical}

    def additions_to(self, buffer: str) -> list[Stmt]:
        """Go over all terms, and add each where it belongs."""
        self.scalars.indices = dict(self.loops)
        self.scalars.bounds = bounds_of(self.node.shape, self.node.definition)
        body: list[Stmt] = []
        done: list[Term] = []
        for terms in self._nests():
            additions = []
            for term in terms:
                first = self.node.definition.op is None and all(map(term.is_apart, done))
                at = dict(self.loops) if len(self.scatter.terms) == 1 else self._named_anew(term)
                self.scope.formulas.append(self._text(term, not first, at))
                store = Store(buffer, (), ZERO, None if first else "sum", self.scope.formulas[-1])
                additions.append(self._addition(term, at, store))
                done.append(term)
            body += self._nest_of_terms(terms[0], additions)
        return body

    def _text(self, term: Term, adds: bool, at: Mapping[Index, Expr]) -> str:
        if self.node.definition.op is not None:
            return formula_text(self.node, at, self.scope.shown_name)
        return term_text(self.node, term, adds, at, self.scope.shown_name)

    def _nests(self) -> list[list[Term]]:
        """Terms that share one nest of loops: fixed ones that are all this thread's."""
        nests: dict[object, list[Term]] = {}
        for number, term in enumerate(self.scatter.terms):
            shares = term.is_fixed and not any(self._inside(ZERO, p, other) for p, other in term.places)
            nests.setdefault(term.axes if shares else number, []).append(term)
        return list(nests.values())

    def _named_anew(self, term: Term) -> dict[Index, Var]:
        """The loops, and for every place that has to be computed a name that no other term has."""
        varying = [p for p, other in term.places if other.has(Index, Element)]
        return {**self.loops, **{axis(p): Var(self.scope.loop_name(self.node.shape[p]), "int64") for p in varying}}

    def _addition(self, term: Term, names: Mapping[Index, Var], store: Store) -> Addition:
        at: dict[Index, Expr] = dict(names)
        places: list[Let] = []
        for position, other in term.places:
            if other.has(Index, Element):
                places.append(Let(names[axis(position)], self.scalars.integer(other)))
            else:
                at[axis(position)] = self.scalars.integer(other)
        inside = [c for p, other in term.places for c in self._inside(at[axis(p)], p, other)]
        outside, self.scalars.indices = self.scalars.indices, dict(at)
        with self.scalars.guarded():
            value = self.scalars.product(term.factors)
        self.scalars.indices = outside
        self.scope.here = tuple(at[axis(d)] for d in range(len(self.node.shape)))
        return Addition(places, inside, replace(store, index=self.scope.here, value=value))

    def _nest_of_terms(self, term: Term, additions: Sequence[Addition]) -> list[Stmt]:
        """The loops over the indices that the places of a term leave free, around what is added in each iteration."""
        free = [index for index in self.loops if index not in {axis(p) for p in term.axes}]
        outer = [i for i in free if i.name.startswith("_r")]
        outer += [i for i in free if i not in outer] if term.decided - set(outer) else []
        inner = [i for i in free if i not in outer]
        places = [place for addition in additions for place in addition.places]
        body: list[Stmt] = [addition.store for addition in additions]
        if free:
            scope = {self.loops[i].name for i in outer} | {place.var.name for place in places}
            hoisted, body = self._shared(body, scope, bool(inner))
        else:
            hoisted, body = [], self.scope.sharing.once(body)
        for i in reversed(inner):
            body = [self._loop(i, body)]
        body = [*hoisted, *body]
        inside = [condition for addition in additions for condition in addition.inside]
        if inside:
            body = [If(reduce(lambda a, b: Op("and", (a, b), "bool"), inside), tuple(body))]
        body = [*places, *body]
        for i in reversed(outer):
            body = [self._loop(i, body)]
        return body

    def _shared(self, body: list[Stmt], bound: set[str], loops: bool) -> tuple[list[Stmt], list[Stmt]]:
        """What the inner loops need only once, and the rest; nothing of it is known outside of the outer loops."""
        sharing = self.scope.sharing
        body = self.scope.hoist(body)
        known = dict(sharing.known)
        before: list[Stmt] = []
        if loops:
            before, body = sharing.hoist(body, self.scope.available | bound, outermost=False)
        body = sharing.once(body)
        sharing.known = known
        return before, body

    def _loop(self, index: Index, body: Sequence[Stmt]) -> For:
        if index.name.startswith("_r"):
            return For(self.loops[index], ZERO, self.scalars.integer(self.node.extent(index)), tuple(body))
        begin, end = limits(self.scope, int(index.name[1:]), self.node.shape)
        return For(self.loops[index], begin, end, tuple(body))

    def _inside(self, place: Expr, position: int, other: sp.Expr) -> list[Expr]:
        """The conditions under which a place is this thread's; labels are looked at, whatever was checked before."""
        size = self.node.shape[position]
        begin: Expr = ZERO
        end: Expr = self.scalars.integer(size)
        if position == 0 and self.scope.part is not None:
            begin, end = self.scope.part
        elif is_within(other, size, self.scalars.bounds) and not other.has(Element):
            return []
        return [Op(">=", (place, begin), "bool"), Op("<", (place, end), "bool")]
