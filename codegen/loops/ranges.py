"""Which elements exist whatever the loops' variables are, and which where a condition holds.

x[n, p + k] with p < 6, k < 3 and 8 columns always exists;  x[i − 1] does where i > 0
"""

from __future__ import annotations

import sympy as sp

from symgraph.core.bounds import Interval, Intervals, range_of, running
from symgraph.core.indices import Index, Shape, extents_of, is_at_least_zero
from symgraph.core.tensor import Definition, Element

Bounds = Intervals
"""The range of each canonical index."""


def bounds_of(shape: Shape, definition: Definition) -> dict[Index, Interval]:
    """The ranges of the canonical indices in a definition of that shape."""
    return running(extents_of(shape, definition.extents))


def exists(element: Element, bounds: Bounds) -> bool:
    """Whether the element lies within its tensor for all values of the indices."""
    return not axes_left(element, bounds)


def all_exist(body: sp.Basic, bounds: Bounds) -> bool:
    """Whether every element in a formula exists for all values of the indices."""
    return all(exists(element, bounds) for element in body.atoms(Element))


def axes_left(element: Element, bounds: Bounds) -> list[tuple[sp.Expr, sp.Expr]]:
    """The indices of an element that may lie outside its tensor, each with the size of its axis."""
    places = zip(element.indices, element.tensor.shape, strict=True)
    return [(index, size) for index, size in places if not is_within(index, size, bounds)]


def is_within(index: sp.Expr, size: sp.Expr, bounds: Bounds) -> bool:
    """Whether an index expression lies in [0, size) for all values of the indices; labels lie within their classes."""
    if isinstance(index, Index) and bounds.get(index) == (0, size - 1):
        return True
    found = range_of(index, bounds)
    return found is not None and all(is_at_least_zero(end) for end in (found[0], sp.expand(size - 1 - found[1])))


def narrowed(bounds: Bounds, condition: sp.Basic) -> Bounds:
    """The ranges of the indices where a condition holds, as far as comparisons of index expressions tell."""
    new = dict(bounds)
    for relation in sp.And.make_args(condition):
        if not isinstance(relation, (sp.Eq, sp.Ge, sp.Gt, sp.Le, sp.Lt)) or relation.atoms(Element):
            continue
        difference = sp.expand(relation.lhs - relation.rhs)
        if isinstance(relation, (sp.Le, sp.Lt)):
            difference = -difference
        strict = int(isinstance(relation, (sp.Gt, sp.Lt)))
        for index in sorted(difference.atoms(Index), key=str):
            slope = difference.coeff(index)
            rest = range_of(sp.expand(slope * difference - index), new) if abs(slope) == 1 else None
            if rest is None or index not in new:
                continue
            low, high = new[index]
            if slope == 1 or isinstance(relation, sp.Eq):  # index + rest ≥ strict
                low = _later(low, strict - rest[1])
            if slope == -1 or isinstance(relation, sp.Eq):  # index + rest ≤ −strict
                high = -_later(-high, rest[0] + strict)
            new[index] = (low, high)
    return new


def at_least_zero(relation: sp.Basic) -> sp.Expr | None:
    """What is at least 0 where a comparison of integers holds; None for what is no such comparison."""
    if not isinstance(relation, (sp.Ge, sp.Gt, sp.Le, sp.Lt)) or relation.has(Element):
        return None
    strict = int(isinstance(relation, (sp.Gt, sp.Lt)))  # a > b is a − 1 ≥ b
    return sp.expand(relation.gts - relation.lts - strict)


def settled(relation: sp.Basic, bounds: Bounds) -> sp.Basic | None:
    """What a comparison of index expressions says in all places, if it says the same."""
    ahead = at_least_zero(relation)
    if ahead is None or not relation.has(Index) or not ahead.is_integer:
        return None
    found = range_of(ahead, bounds)
    if found is None:
        return None
    if is_at_least_zero(found[0]):
        return sp.true
    return sp.false if is_at_least_zero(sp.expand(-1 - found[1])) else None


def _later(one: sp.Expr, other: sp.Expr) -> sp.Expr:
    """The larger of two bounds from below, if it is known which; else the first."""
    return other if is_at_least_zero(sp.expand(other - one)) else one
