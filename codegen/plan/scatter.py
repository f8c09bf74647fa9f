"""Which sums put every term in one place of their result: a δ of a free index and of what the term says.

Σ_n δ(v, t[n])·g[n, d]     →     zero d_E;  for n: for d: d_E[t[n], d] += g[n, d]
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import sympy as sp

from symgraph.core.indices import Index, axis
from symgraph.core.scalars import Delta
from symgraph.core.tensor import Definition


@dataclass(frozen=True, slots=True)
class Scatter:
    """A sum in which some axes of the result are no loops: ``places`` are (axis, where a term goes on it).

    ``factors`` are what is added there.
    """

    places: tuple[tuple[int, sp.Expr], ...]
    factors: tuple[sp.Expr, ...]

    @property
    def axes(self) -> frozenset[int]:
        return frozenset(position for position, _ in self.places)


def is_place(factor: sp.Basic) -> bool:
    """Whether a factor is a δ, or a power of one, which says where a product is not 0."""
    base, exponent = factor.as_base_exp()
    return isinstance(base, Delta) and bool(exponent.is_positive)


def is_placed(factor: sp.Basic) -> bool:
    """Whether a factor is a sum in which every term has its place."""
    return isinstance(factor, sp.Add) and all(any(map(is_place, sp.Mul.make_args(term))) for term in factor.args)


@lru_cache(maxsize=4096)
def scatter_of(rank: int, definition: Definition) -> Scatter | None:
    """The scatter that a definition of that rank is, if it is one."""
    if definition.op != "sum":
        return None
    places: dict[int, sp.Expr] = {}
    factors: list[sp.Expr] = []
    for factor in sp.Mul.make_args(definition.body):
        found = _place(factor, rank, places) if is_place(factor) else None
        if found is None:
            factors.append(factor)
        else:
            places[found[0]] = found[1]
    return Scatter(tuple(sorted(places.items())), tuple(factors)) if places else None


def _place(factor: sp.Expr, rank: int, places: dict[int, sp.Expr]) -> tuple[int, sp.Expr] | None:
    """The axis and the place that a δ gives, where neither depends on what another δ has placed."""
    delta = factor.as_base_exp()[0]
    placed = {axis(position) for position in places}
    used = {index for place in places.values() for index in place.atoms(Index)}
    for one, other in (delta.args, delta.args[::-1]):
        indices = other.atoms(Index)
        summed = any(index.name.startswith("_r") for index in indices)
        if summed and one in {axis(d) for d in range(rank)} - placed - used and not indices & (placed | {one}):
            return int(one.name[1:]), other
    return None
