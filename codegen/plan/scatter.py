"""Which definitions put every term in one place of their result: a δ of a free index and of what the term says.

Σ_n δ(v, t[n])·g[n, d]           →     zero d_E;  for n: for d: d_E[t[n], d] += g[n, d]
δ(i, 0)·g[j] + δ(i, 2)·h[j]      →     zero d_A;  for j: d_A[0, j] = g[j];  d_A[2, j] = h[j]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import sympy as sp

from symgraph.core.cost import operations
from symgraph.core.indices import Index, axis
from symgraph.core.scalars import Delta
from symgraph.core.tensor import Definition, Element, Tensor
from symgraph.simplify.selections import is_place

FEW, FIXED = 4, 1
"""Operations of terms without a sum up to which each element chooses among them, in one pass with other values.

Beside fixed places all else is 0, and to clear it takes none.
"""


@dataclass(frozen=True, slots=True)
class Term:
    """What is added, the product of ``factors``, and where: ``places`` are (axis, where it goes on it)."""

    places: tuple[tuple[int, sp.Expr], ...]
    factors: tuple[sp.Expr, ...]

    @property
    def axes(self) -> frozenset[int]:
        return frozenset(position for position, _ in self.places)

    @property
    def decided(self) -> frozenset[Index]:
        """The indices that a place depends on."""
        return frozenset(index for _, place in self.places for index in place.atoms(Index))

    @property
    def is_fixed(self) -> bool:
        """Whether its places are numbers and sizes, the same ones for all indices."""
        return not any(place.has(Index, Element) for _, place in self.places)

    def is_apart(self, other: Term) -> bool:
        """Whether the two are never added to one element: their places on one axis differ by a number."""
        there = dict(other.places)
        if not self.is_fixed or not other.is_fixed:
            return False
        return any(sp.expand(place - there[p]).is_nonzero for p, place in self.places if p in there)


@dataclass(frozen=True, slots=True)
class Scatter:
    """Terms that are added in their places to a result of zeros; the axes that they give are no loops."""

    terms: tuple[Term, ...]

    @property
    def axes(self) -> frozenset[int]:
        return frozenset().union(*(term.axes for term in self.terms))


def is_placed(factor: sp.Basic) -> bool:
    """Whether a factor is a sum in which every term has its place."""
    return isinstance(factor, sp.Add) and all(any(map(is_place, sp.Mul.make_args(term))) for term in factor.args)


def terms_of(body: sp.Expr) -> list[sp.Expr]:
    """The terms of a sum; a factor in which every term has its place is multiplied out."""
    found: list[sp.Expr] = []
    pending = ordered(body) if isinstance(body, sp.Add) else [body]
    while pending:
        term = pending.pop(0)
        placed = next((factor for factor in sp.Mul.make_args(term) if is_placed(factor)), None)
        if placed is None:
            found.append(term)
        else:
            rest = [factor for factor in sp.Mul.make_args(term) if factor is not placed]
            pending += [sp.Mul(*sp.Mul.make_args(part), *rest, evaluate=False) for part in ordered(placed)]
    return found


def ordered(expression: sp.Expr) -> list[sp.Expr]:
    """The operands in an order that depends on nothing else."""
    return sorted(expression.args, key=sp.default_sort_key)


@lru_cache(maxsize=4096)
def scatter_of(rank: int, definition: Definition) -> Scatter | None:
    """The scatter that a definition of that rank is, if it is one."""
    if definition.op == "sum":
        term = _term(rank, definition.body, summed=True)
        return Scatter((term,)) if term is not None else None
    if definition.op is not None or not definition.body.has(Delta):
        return None
    found = [_term(rank, term, summed=False) for term in terms_of(definition.body)]
    terms = tuple(term for term in found if term is not None)
    worth = _operations(terms) > (FIXED if all(term.is_fixed for term in terms) else FEW)
    return Scatter(terms) if worth and len(terms) == len(found) else None


def with_scatter(tensor: Tensor) -> Tensor:
    """The tensor with those of its terms that have their places as a definition of their own, if that is worth it."""
    definition, shape = tensor.definition, tensor.shape
    if definition is None or definition.op is not None or not definition.body.has(Delta):
        return tensor
    terms = terms_of(definition.body)
    found = [_term(len(shape), term, summed=False) for term in terms]
    rest = [term for term, place in zip(terms, found, strict=True) if place is None]
    if not rest or _operations([place for place in found if place is not None]) <= FEW:
        return tensor
    apart = Tensor.define(shape, sp.Add(*(t for t, place in zip(terms, found, strict=True) if place is not None)))
    body = sp.Add(*rest, Element(apart, *(axis(d) for d in range(len(shape)))))
    return tensor.redefined(Definition(None, (), body))


def _operations(terms: Sequence[Term]) -> int:
    return sum(1 + operations([sp.Mul(*term.factors, evaluate=False)]) for term in terms)


def _term(rank: int, body: sp.Expr, summed: bool) -> Term | None:
    """A product as a term, if it has a place; if ``summed``, one that depends on a summed index."""
    places: dict[int, sp.Expr] = {}
    factors: list[sp.Expr] = []
    for factor in sp.Mul.make_args(body):
        found = _place(factor, rank, places, summed) if is_place(factor) else None
        if found is None:
            factors.append(factor)
        else:
            places[found[0]] = found[1]
    return Term(tuple(sorted(places.items())), tuple(factors)) if places else None


def _place(factor: sp.Expr, rank: int, places: dict[int, sp.Expr], summed: bool) -> tuple[int, sp.Expr] | None:
    """The axis and the place that a δ gives, where neither depends on what another δ has placed."""
    delta = factor.as_base_exp()[0]
    placed = {axis(position) for position in places}
    used = {index for place in places.values() for index in place.atoms(Index)}
    for one, other in (delta.args, delta.args[::-1]):
        indices = other.atoms(Index)
        said = not summed or any(index.name.startswith("_r") for index in indices)
        if said and one in {axis(d) for d in range(rank)} - placed - used and not indices & (placed | {one}):
            return int(one.name[1:]), other
    return None
