"""Windows of few elements are formulas: the largest of four is max(a, b, c, d), and its gradient stores no place.

    m[n, p] = max_u x[n, 2·p + u], u < 2          →   max(x[n, 2·p], x[n, 2·p + 1])
    δ[k = argmax_u x[n, 2·p + u]]·g[n, p]         →   δ[k = argmax(x[n, 2·p], x[n, 2·p + 1])]·g[n, p]
    Σ_{v<2} {g[⌊m/2⌋ − v] if 2·v + m mod 2 < 3}   →   {g[⌊m/2⌋] if m mod 2 < 3} + {g[⌊m/2⌋ − 1] if 2 + m mod 2 < 3}

A window is a reduction of one element, over an index that is added to another; what reduces such windows again is one.
So is a sum in which a remainder is read, which is known at each place of a period.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import sympy as sp

from codegen.plan.slices import at_places
from codegen.plan.windows import unguarded
from symgraph.core.cases import Cases
from symgraph.core.graph import elements_of, rewrite
from symgraph.core.indices import Index, Shape, bound
from symgraph.core.rebuild import replaced, written_product
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
            body = _with_places(definition.body, formulas) if definition.op is None else definition.body
            new = tensor.redefined(Definition(definition.op, definition.extents, body))
            if body is not definition.body and definition.op is None and tensor not in kept:
                formulas[new] = body  # δ of places, which another δ of places may select again
            return new
        place = PLACE.get(str(definition.op))
        if place is not None:
            new = tensor.redefined(definition)
            formulas[new] = place(*terms)
            return new
        body = WHOLE[str(definition.op)](*terms, evaluate=False) if len(terms) > 1 else terms[0]
        new = tensor.redefined(Definition(None, (), body))
        formulas[new] = body
        return new

    return rewrite(roots, change)


def _terms(definition: Definition, formulas: dict[Tensor, sp.Expr]) -> list[sp.Expr] | None:
    """What a reduction reduces, written out, if it is a window of few elements."""
    element, extents = definition.body, definition.extents
    known = definition.op in PLACE or definition.op in WHOLE
    if not known or not all(size.is_Integer for size in extents):
        return None
    if definition.op == "sum" and element.has(sp.Mod) and 2 <= sp.prod(extents) <= MOST_TERMS:
        terms = [_at(element, place) for place in _places(extents)]
        return None if None in terms else [term for term in terms if term != 0] or [sp.S.Zero]
    if not isinstance(element, Element):
        return None
    inner = formulas.get(element.tensor)
    again = inner is not None and not inner.has(Delta) and not isinstance(inner, FirstBest)
    count = int(sp.prod(extents))
    if not 2 <= count <= MOST_TERMS or not (again or _is_window(element, len(extents))):
        return None
    if again and count * len(elements_of(inner)) > MOST_ELEMENTS:
        return None
    read = [element.xreplace(place) for place in _places(extents)]
    return [at_indices(inner, each.indices) for each in read] if again else read


def _places(extents: Shape) -> list[dict[Index, sp.Expr]]:
    """The values of all bound indices."""
    over = [bound(d) for d in range(len(extents))]
    counts = (map(sp.Integer, range(int(size))) for size in extents)
    return [dict(zip(over, place, strict=True)) for place in product(*counts)]


def _at(body: sp.Expr, place: Mapping[Index, sp.Expr]) -> sp.Expr | None:
    """A product of guarded factors at numbers, which decide of some conditions; 0 where a condition leaves δ alone
    beside it, for 0·NaN is NaN."""
    if isinstance(body, sp.Mul):
        factors = [_at(factor, place) for factor in body.args]
        if None in factors:
            return None
        is_nought = all(factor == 0 or isinstance(factor, Delta) for factor in factors)
        return sp.S.Zero if is_nought else written_product(factors)  # type: ignore[arg-type]
    value, guard = unguarded(body)
    found, guard = at_places(value, place), guard.xreplace(dict(place))
    if found is None or guard == sp.true:
        return found
    return sp.S.Zero if guard == sp.false else Cases((found, guard), (0, True))


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
