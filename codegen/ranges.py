"""Which elements exist whatever the loops' variables are: only those may be read outside the guard they stand under.

x[n, p + k] with p < 6, k < 3 and 8 columns exists always;  x[i − 1] does not, nor does x[i] where i runs further than x
"""

from __future__ import annotations

from collections.abc import Mapping

import sympy as sp

from symgraph.indices import Dim, Index, Shape, axis, bound
from symgraph.tensor import Definition, Element

Extents = Mapping[Index, sp.Expr]
"""How far each canonical index of a definition runs."""

Range = tuple[sp.Expr, sp.Expr]
"""The least and the greatest value of an integer expression."""


def extents_of(shape: Shape, definition: Definition) -> dict[Index, sp.Expr]:
    """The extents of the canonical indices in a definition of that shape."""
    free = {axis(d): size for d, size in enumerate(shape)}
    return free | {bound(d): size for d, size in enumerate(definition.extents)}


def exists(element: Element, extents: Extents) -> bool:
    """Whether the element lies within its tensor for all values of the indices; labels lie within their classes."""
    return all(
        is_within(index, size, extents) for index, size in zip(element.indices, element.tensor.shape, strict=True)
    )


def all_exist(body: sp.Basic, extents: Extents) -> bool:
    """Whether every element in a formula exists for all values of the indices."""
    return all(exists(element, extents) for element in body.atoms(Element))


def is_within(index: sp.Expr, size: sp.Expr, extents: Extents) -> bool:
    """Whether an index expression lies in [0, size) for all values of the indices."""
    if isinstance(index, Index) and extents.get(index) == size:
        return True
    found = _range(index, extents)
    return found is not None and _is_natural(found[0]) and _is_natural(size - 1 - found[1])


def _is_natural(expression: sp.Expr) -> bool:
    return bool(sp.expand(expression).is_nonnegative)


def _range(index: sp.Expr, extents: Extents) -> Range | None:
    """The range of an index expression, as far as it is known."""
    match index:
        case sp.Integer() | Dim():
            return index, index
        case Index():
            return (sp.S.Zero, extents[index] - 1) if index in extents else None
        case Element() if index.tensor.is_label:
            return sp.S.Zero, index.tensor.classes - 1  # type: ignore[operator]
        case sp.Add():
            parts = [_range(part, extents) for part in index.args]
            known = [part for part in parts if part is not None]
            if len(known) < len(parts):
                return None
            return sp.Add(*(low for low, _ in known)), sp.Add(*(high for _, high in known))
        case sp.Mul():
            number, rest = index.as_coeff_Mul()
            inner = _range(rest, extents) if number.is_Rational and number != 1 else _positive(index, extents)
            if inner is None or number == 1:
                return inner
            low, high = (number * end for end in inner)
            return (low, high) if number > 0 else (high, low)
        case sp.floor():
            inner = _range(index.args[0], extents)
            return None if inner is None else (sp.floor(inner[0]), sp.floor(inner[1]))
        case sp.Mod() if index.args[1].is_positive:
            return sp.S.Zero, index.args[1] - 1
    return None


def _positive(product: sp.Expr, extents: Extents) -> Range | None:
    """The range of a product of factors that are none of them negative."""
    parts = [_range(part, extents) for part in product.args]
    known = [part for part in parts if part is not None and _is_natural(part[0])]
    if len(known) < len(parts):
        return None
    return sp.Mul(*(low for low, _ in known)), sp.Mul(*(high for _, high in known))
