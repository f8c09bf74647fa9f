"""Homogeneous formulas where they leave the range: f(x, y) = mᵏ·f(x/m, y/m) with m = max(|x|, |y|).

    y/(x + √(x² + y²))   the same of x/m and y/m               ∂/∂y of it   1/m times the same

All that is large or small is in mᵏ then. In the ordinary range a formula stays as it is.
"""

from __future__ import annotations

from functools import lru_cache

import mpmath
import sympy as sp

from symgraph.core.cases import Cases
from symgraph.core.compared import compared
from symgraph.core.cost import operations
from symgraph.core.graph import elements_of
from symgraph.core.rebuild import atoms_in, replaced
from symgraph.core.scalars import Written
from symgraph.core.tensor import Element
from symgraph.stabilise.ranges import ratio
from symgraph.stabilise.two_variables import DIGITS, NO_NUMBER, SCALE, degree_of

MOST_OPERATIONS, MOST_VALUES = 40, 4
FAR = sp.Integer(2) ** 31
"""Fourth powers of what is smaller than it are in the range of float32."""
PLACES = (("0.37", "0.83", "0.59", "0.71"), ("1.19", "0.23", "0.97", "0.41"))


def in_range(body: sp.Expr) -> tuple[sp.Expr, ...]:
    """The formula by its values over the largest of them where that is far from 1; none of what is not homogeneous."""
    if body.has(sp.Piecewise, Written) or operations([body]) > MOST_OPERATIONS or not atoms_in(body, sp.Add):
        return ()
    elements = elements_of(body)
    if not 1 < len(elements) <= MOST_VALUES or any(element.tensor.is_label for element in elements):
        return ()
    if all(power.exp == -1 or elements_of(power.exp) for power in atoms_in(body, sp.Pow)):
        return ()
    names = {element: sp.Symbol(f"e{n}", real=True) for n, element in enumerate(elements)}
    degree = _degree(replaced(body, names), tuple(names.values()))  # type: ignore[arg-type]
    if degree is None:
        return ()
    m = compared(sp.Max, [sp.Abs(element) for element in elements])
    shares = {element: ratio(element, m) for element in elements}
    is_far = sp.And(sp.Or(m > FAR, m < 1 / FAR), sp.Add(*map(sp.Abs, shares.values())) > 0)  # not of ∞/∞, nor of 0/0
    linear = {total: ratio(total, m) for total in atoms_in(body, sp.Add) if _is_linear(total)}  # x − y loses nothing
    rules = [shares, linear | shares] if linear else [shares]
    return tuple(Cases((m**degree * body.xreplace(rule), is_far), (body, True)) for rule in rules)


def _is_linear(total: sp.Add) -> bool:
    """Whether it is a sum of multiples of values by numbers."""
    return all(isinstance(term.as_coeff_Mul()[1], Element) for term in total.args)


@lru_cache(maxsize=1024)
def _degree(body: sp.Expr, values: tuple[sp.Symbol, ...]) -> sp.Rational | None:
    """k of f(λ·x, λ·y) = λᵏ·f(x, y)."""
    if not body.free_symbols <= set(values):
        return None
    with mpmath.workdps(DIGITS):
        try:
            value = sp.lambdify(values, body, "mpmath")
            places = [[mpmath.mpf(x) for x in place[: len(values)]] for place in PLACES]
            scale = mpmath.mpf(SCALE)
            found = {degree_of(value(*(scale * x for x in place)), value(*place), scale) for place in places}
        except NO_NUMBER:
            return None
    degree = found.pop()
    return None if found else degree
