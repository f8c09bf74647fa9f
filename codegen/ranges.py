"""Which elements exist whatever the loops' variables are, and which where a condition holds.

x[n, p + k] with p < 6, k < 3 and 8 columns always exists;  x[i − 1] does where i > 0
"""

from __future__ import annotations

from collections.abc import Mapping

import sympy as sp

from symgraph.indices import Dim, Index, Shape, extents_of
from symgraph.tensor import Definition, Element

Range = tuple[sp.Expr, sp.Expr]
"""The least and the greatest value of an integer expression."""

Bounds = Mapping[Index, Range]
"""The range of each canonical index."""


def bounds_of(shape: Shape, definition: Definition) -> dict[Index, Range]:
    """The ranges of the canonical indices in a definition of that shape."""
    return {index: (sp.S.Zero, size - 1) for index, size in extents_of(shape, definition.extents).items()}


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
    found = _range(index, bounds)
    return found is not None and _is_natural(found[0]) and _is_natural(size - 1 - found[1])


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
            rest = _range(sp.expand(slope * difference - index), new) if abs(slope) == 1 else None
            if rest is None or index not in new:
                continue
            low, high = new[index]
            if slope == 1 or isinstance(relation, sp.Eq):  # index + rest ≥ strict
                low = _later(low, strict - rest[1])
            if slope == -1 or isinstance(relation, sp.Eq):  # index + rest ≤ −strict
                high = -_later(-high, rest[0] + strict)
            new[index] = (low, high)
    return new


def _later(one: sp.Expr, other: sp.Expr) -> sp.Expr:
    """The larger of two bounds from below, if it is known which; else the first."""
    return other if _is_natural(other - one) else one


def _is_natural(expression: sp.Expr) -> bool:
    return bool(sp.expand(expression).is_nonnegative)


def _range(index: sp.Expr, bounds: Bounds) -> Range | None:
    """The range of an index expression, as far as it is known."""
    match index:
        case sp.Integer() | Dim():
            return index, index
        case Index():
            return bounds.get(index)
        case Element() if index.tensor.is_label:
            return sp.S.Zero, index.tensor.classes - 1  # type: ignore[operator]
        case sp.Add():
            parts = [_range(part, bounds) for part in index.args]
            known = [part for part in parts if part is not None]
            if len(known) < len(parts):
                return None
            return sp.Add(*(low for low, _ in known)), sp.Add(*(high for _, high in known))
        case sp.Mul():
            number, rest = index.as_coeff_Mul()
            inner = _range(rest, bounds) if number.is_Rational and number != 1 else _positive(index, bounds)
            if inner is None or number == 1:
                return inner
            low, high = (number * end for end in inner)
            return (low, high) if number > 0 else (high, low)
        case sp.floor():
            inner = _range(index.args[0], bounds)
            return None if inner is None else (sp.floor(inner[0]), sp.floor(inner[1]))
        case sp.Mod() if index.args[1].is_positive:
            return sp.S.Zero, index.args[1] - 1
    return None


def _positive(product: sp.Expr, bounds: Bounds) -> Range | None:
    """The range of a product of factors that are none of them negative."""
    parts = [_range(part, bounds) for part in product.args]
    known = [part for part in parts if part is not None and _is_natural(part[0])]
    if len(known) < len(parts):
        return None
    return sp.Mul(*(low for low, _ in known)), sp.Mul(*(high for _, high in known))
