"""Windows of few elements are formulas: the largest of four is max(a, b, c, d), and its gradient stores no place.

    m[n, p] = max_u x[n, 2·p + u], u < 2          →   max(x[n, 2·p], x[n, 2·p + 1])
    δ[k = argmax_u x[n, 2·p + u]]·g[n, p]         →   δ[k = argmax(x[n, 2·p], x[n, 2·p + 1])]·g[n, p]

A window is a reduction of one element, over an index that is added to another; what reduces such windows again is one.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import sympy as sp

from symgraph.core.graph import elements_of, rewrite
from symgraph.core.indices import Index, bound
from symgraph.core.rebuild import replaced
from symgraph.core.scalars import Delta
from symgraph.core.tensor import Definition, Element, Tensor
from symgraph.core.views import at_indices

MOST_TERMS = 4
"""Elements of a window that is written out."""

MOST_ELEMENTS = 16
"""Elements of a formula of windows of windows."""


class FirstBest(sp.Function):  # type: ignore[misc]
    """The place of the first argument that is the best of all; a NaN is better than any number."""

    @classmethod
    def eval(cls, *args: Any) -> None:
        return None

    def _eval_is_integer(self) -> bool:
        return True

    def _eval_is_nonnegative(self) -> bool:
        return True


class argmax(FirstBest):
    """The place of the first of the largest arguments."""


class argmin(FirstBest):
    """The place of the first of the smallest arguments."""


PLACE = {"argmax": argmax, "argmin": argmin}
WHOLE = {"max": sp.Max, "min": sp.Min, "sum": sp.Add}


def write_out_windows(roots: Sequence[Tensor]) -> dict[Tensor, Tensor]:
    """The replacement of every tensor under ``roots``."""
    formulas: dict[Tensor, sp.Expr] = {}
    kept = set(roots)

    def change(tensor: Tensor, definition: Definition) -> Tensor:
        terms = _terms(definition, formulas)
        if terms is None:
            body = _with_places(definition.body, formulas)
            new = tensor.redefined(Definition(definition.op, definition.extents, body))
            if body is not definition.body and definition.op is None and tensor not in kept:
                formulas[new] = body  # δ of places, which another δ of places may select again
            return new
        place = PLACE.get(str(definition.op))
        if place is not None:
            new = tensor.redefined(definition)
            formulas[new] = place(*terms)
            return new
        body = WHOLE[str(definition.op)](*terms, evaluate=False)
        new = tensor.redefined(Definition(None, (), body))
        formulas[new] = body
        return new

    return rewrite(roots, change)


def _terms(definition: Definition, formulas: dict[Tensor, sp.Expr]) -> list[sp.Expr] | None:
    """What a reduction reduces, written out, if it is a window of few elements."""
    element, extents = definition.body, definition.extents
    known = definition.op in PLACE or definition.op in WHOLE
    if not known or not isinstance(element, Element) or not all(size.is_Integer for size in extents):
        return None
    inner = formulas.get(element.tensor)
    again = inner is not None and not inner.has(Delta) and not isinstance(inner, FirstBest)
    count = int(sp.prod(extents))
    if not 2 <= count <= MOST_TERMS or not (again or _is_window(element, len(extents))):
        return None
    if again and count * len(elements_of(inner)) > MOST_ELEMENTS:
        return None
    over = [bound(d) for d in range(len(extents))]
    places = product(*(range(int(size)) for size in extents))
    read = [element.xreplace(dict(zip(over, map(sp.Integer, place), strict=True))) for place in places]
    return [at_indices(inner, each.indices) for each in read] if again else read


def _is_window(element: Element, count: int) -> bool:
    """Whether every bound index is added to another index."""
    return all(
        any(isinstance(at, sp.Add) and at.has(bound(d)) and len(at.atoms(Index)) > 1 for at in element.indices)
        for d in range(count)
    )


def _with_places(body: sp.Expr, formulas: dict[Tensor, sp.Expr]) -> sp.Expr:
    """The formula in which δ compares with places that are written out, and selects what they select."""
    chosen = [e for delta in body.atoms(Delta) for e in delta.args if _is_place(e, formulas)]
    if not chosen:
        return body
    rule = {element: at_indices(formulas[element.tensor], element.indices) for element in chosen}
    for element in elements_of(body):
        found = formulas.get(element.tensor)
        if found is not None and found.has(FirstBest) and found.has(Delta):
            rule[element] = at_indices(found, element.indices)
    return replaced(body, rule)


def _is_place(side: sp.Expr, formulas: dict[Tensor, sp.Expr]) -> bool:
    return isinstance(side, Element) and isinstance(formulas.get(side.tensor), FirstBest)
