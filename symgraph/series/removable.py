"""Derivatives at removable points: {sin(x)/x if x ≠ 0, else 1} is the smooth function that it is away from 0.

Its branch at 0 is a number, whose derivative is 0; the function's second derivative there is −1/3. Where the number is
the limit of the other branch from both sides, the derivative at the point is the limit's, found from the series.
"""

from __future__ import annotations

from functools import lru_cache

import mpmath
import sympy as sp

from symgraph.core.cases import Cases
from symgraph.core.cost import operations
from symgraph.core.graph import elements_of
from symgraph.core.scalars import plain
from symgraph.core.tensor import Element
from symgraph.core.views import inlined
from symgraph.series.expansion import Expansion
from symgraph.series.power import DIGITS, NOUGHT_DIGITS, NeedsRoot, NoSeries, Series, as_number

MAX_LOOKED_AT = 80
TERMS = 16


def with_limit(slope: sp.Expr, body: sp.Expr, element: Element) -> sp.Expr:
    """The derivative of a body by an element; at a removable point it is the limit of the derivative.

    At the point it is the derivative along all ways from the element to the body: by the other values that the body
    reads it is 0 there. A body without such a point, or that is no function of the element alone, keeps its slope.
    """
    found = _point_of(body)
    if found is None or found[0] != element:
        return slope
    _, point, branch, value = found
    x = sp.Symbol("x", real=True)
    forms = [_opened(form, element) for form in (branch, value)]
    inside, at = (sp.nan if form is None else form.xreplace({element: x}) for form in forms)
    if not (inside.free_symbols | at.free_symbols) <= {x} or sp.nan in (inside, at):
        return slope
    limit = _slope(inside, at, x, point)
    if not limit:
        return slope
    first, second = body.args
    slopes = {c: v for v, c in slope.args} if isinstance(slope, sp.Piecewise) else {}
    if isinstance(first.cond, sp.Ne):
        return Cases((slopes.get(first.cond, slope), first.cond), (limit, True))
    return Cases((limit, first.cond), (slopes.get(second.cond, slope), True))


def _point_of(body: sp.Expr) -> tuple[Element, sp.Rational, sp.Expr, sp.Expr] | None:
    """The element, its value at the point, and the branches away from it and at it."""
    if not isinstance(body, sp.Piecewise) or len(body.args) != 2 or body.args[1].cond != sp.true:
        return None
    (first, condition), (second, _) = body.args
    if not isinstance(condition, sp.Ne | sp.Eq):
        return None
    gap = condition.lhs - condition.rhs
    if len(elements_of(gap)) != 1 or not gap.is_polynomial(elements_of(gap)[0]):
        return None
    (element,) = elements_of(gap)
    line = sp.Poly(gap, element)
    if line.degree() != 1 or not all(c.is_Rational for c in line.all_coeffs()):
        return None
    point = -line.nth(0) / line.nth(1)
    away, at = (first, second) if isinstance(condition, sp.Ne) else (second, first)
    return element, point, away, at


def _opened(body: sp.Expr, element: Element) -> sp.Expr | None:
    """The body with the formulas of the pointwise values it reads; None if it depends on more than the element."""
    body = plain(body)
    while others := [e for e in elements_of(body) if e != element]:
        definitions = [e.tensor.definition for e in others]
        if any(d is None or d.op is not None for d in definitions) or operations([body]) > MAX_LOOKED_AT:
            return None
        body = plain(body.xreplace({e: inlined(e) for e in others}))
    return body if operations([body]) <= MAX_LOOKED_AT else None


@lru_cache(maxsize=1024)
def _slope(inside: sp.Expr, at: sp.Expr, x: sp.Symbol, point: sp.Rational) -> sp.Expr | None:
    with mpmath.workdps(DIGITS):
        sides = [_start(inside, x, point, side) for side in (1, -1)]
        value = _start(at, x, point, 1)
        if any(start is None for start in (*sides, value)):
            return None
        (right, up), (left, down), (there, _) = (start for start in (*sides, value) if start is not None)
        nought = mpmath.mpf(10) ** -NOUGHT_DIGITS * max(abs(right), abs(up), 1)
        if max(abs(right - left), abs(right - there), abs(up + down)) > nought:
            return None
        return as_number(up) if abs(up) > nought else sp.S.Zero


def _start(body: sp.Expr, x: sp.Symbol, point: sp.Rational, side: int) -> tuple[mpmath.mpf, mpmath.mpf] | None:
    """The first two coefficients of a formula's series, if it has one in whole powers from 1 on."""
    place = mpmath.mpf(int(point.p)) / int(point.q)
    at = Series(0, [place, mpmath.mpf(side)] + [mpmath.mpf(0)] * (TERMS - 2))
    expansion = Expansion({x: at}, mpmath.mpf("-37.375"), TERMS)
    try:
        series = expansion.series(body)
    except (NoSeries, NeedsRoot, ZeroDivisionError, ValueError, TypeError, StopIteration):
        return None
    if series.order < 0 or expansion.asked_logarithm:
        return None
    first = [*series.from_start(), mpmath.mpf(0), mpmath.mpf(0)]
    return first[0], first[1]
