"""Formulas near the points where they lose digits: series, saturation, derivatives at removable points."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import sympy as sp

import symgraph as sg
from symgraph.core.scalars import erfcx, expm1, sigmoid
from symgraph.reference import evaluate
from symgraph.series.expansion import Expansion
from symgraph.series.power import DIGITS, Series
from symgraph.stabilise.limits import settled
from symgraph.stabilise.saturating import saturating

x, v = sp.symbols("x v", real=True)
N = sg.dim("N")

NEAR = {
    "(x − sin x)/x³": ((x - sp.sin(x)) / x**3, 1e-9, 1 / 6),
    "1 − cos x": (1 - sp.cos(x), 1e-9, 5e-19),
    "√(x² + 1) − x": (sp.sqrt(x**2 + 1) - x, 1e9, 5e-10),
    "log(x + 1) − log x": (sp.log(x + 1) - sp.log(x), 1e17, 1e-17),
    "acos(1 − x)": (sp.acos(1 - x), 1e-18, 1.4142135623730951e-9),
    "x·log x − (x − 1)/x": (sp.log(x) / (x - 1) ** 2 - 1 / (x * (x - 1)), 1 + 2.0**-40, 0.5),
    "x/(1 + x²)": (x / (1 + x**2), 1e200, 1e-200),
    "(1 + 1/x)ˣ": ((1 + 1 / x) ** x, 1e18, np.e),
    "1 − √π·x·erfcx x": (1 - sp.sqrt(sp.pi) * x * erfcx(x), 50, 1.998801198323e-4),  # as soon as its series is right
}
"""A formula, a place where it is wrong as it is, and its value there."""


@pytest.mark.parametrize("name", NEAR)
def test_series_stands_in_where_digits_are_lost(name: str) -> None:
    formula, at, value = NEAR[name]
    form = settled(formula, x, {})
    assert isinstance(form, sp.Piecewise)
    near = next(branch for branch, condition in form.args if condition.subs(x, sp.Float(at)) == sp.true)
    assert near != formula
    with np.errstate(over="ignore"):
        np.testing.assert_allclose(sp.lambdify(x, near)(np.float64(at)), value, rtol=1e-9)


@pytest.mark.parametrize(
    "formula", [sp.sin(x) / x, x**2 + 1, sp.exp(x) / (1 + x**2) ** 2 * x**2, sp.tanh(x), sigmoid(x)]
)
def test_what_loses_nothing_near_zero_stays_there(formula: sp.Expr) -> None:
    form = settled(formula, x, {}, sp.Abs(x) < 1)
    assert form == formula


def test_a_branch_that_a_guard_excludes_is_not_made() -> None:
    formula = sp.sqrt(x**2 + 1) - x
    assert settled(formula, x, {}, x < 0).args[0].cond == (x < -2048)


def test_saturation_is_written_in_powers_of_one_small_exponential() -> None:
    z = sp.exp(-sp.Abs(x))
    assert saturating(v * (1 - v), x, {v: sigmoid(x)}) == z / (1 + z) ** 2
    assert saturating(x**2 * sp.exp(x) / (sp.exp(x) - 1) ** 2, x, {}) == x**2 * z / expm1(-sp.Abs(x)) ** 2
    assert saturating(sigmoid(x), x, {}) is None


def test_coefficients_are_those_of_mpmath() -> None:
    with mpmath.workdps(DIGITS):
        at = Series(0, [mpmath.mpf("0.3"), mpmath.mpf(1)] + [mpmath.mpf(0)] * 8)
        for name in ("tan", "asin", "acos", "asinh", "tanh", "erf", "gamma", "digamma"):
            formula = getattr(sp, name)(x)
            found = Expansion({x: at}, 0, 10).series(formula).from_start()
            expected = mpmath.taylor(getattr(mpmath, name), mpmath.mpf("0.3"), 3)
            assert all(mpmath.almosteq(a, b, mpmath.mpf(10) ** -25) for a, b in zip(found, expected, strict=False)), (
                name
            )


def test_the_tail_of_the_error_function_has_its_own_digits() -> None:
    """1 − erf 20 is 0 in so many digits, with which nothing could be compared."""
    with mpmath.workdps(DIGITS):
        found = Expansion({x: Series(0, [mpmath.mpf(20), mpmath.mpf(1)])}, 0, 2).series(sp.erfc(x)).from_start()
        expected = [mpmath.erfc(20), -2 / mpmath.sqrt(mpmath.pi) * mpmath.exp(-400)]
        assert all(mpmath.almosteq(a, b, mpmath.mpf(10) ** -25) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize(
    ("formula", "value", "first", "second"),
    [
        (sp.sin(x) / x, 1, 0, -1 / 3),
        ((sp.exp(x) - 1) / x, 1, 1 / 2, 1 / 3),
        ((1 - sp.cos(x)) / x**2, sp.S.Half, 0, -1 / 12),
        (sp.sin(x) / x**2, 2, 0, 0),  # no limit: the branch at the point has the derivative of a number
    ],
)
def test_derivatives_at_a_removable_point_are_limits(
    formula: sp.Expr, value: sp.Expr, first: float, second: float
) -> None:
    a = sg.input("a", (N,))
    y = sg.elementwise(sp.Piecewise((formula, sp.Ne(x, 0)), (value, True)), x)(a)
    slope = sg.grad(sg.sum(y), a)
    found = evaluate([slope, sg.grad(sg.sum(slope), a)], {"a": np.array([0.0])})
    np.testing.assert_allclose(np.ravel(found), [first, second], rtol=1e-15)
