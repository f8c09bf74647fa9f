"""Forms that are proposed and measured: where the formula as written overflows or cancels, against mpmath's values."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import sympy as sp

import symgraph as sg
from symgraph.reference import evaluate
from tests.random_forms import MOST_WORSE, outcomes, summary
from tests.sizes import examples

X, Y = sp.symbols("X Y", real=True)
INF = float("inf")

RIGHT = {
    "hypot": (sp.sqrt(X**2 + Y**2), [(3e200, 4e200), (3e-200, -4e-200), (1e200, 1e-200), (3.0, 4.0)]),
    "log of a norm": (sp.log(1 + (X / Y) ** 2), [(1e200, 1.0), (1.0, 1e-200), (1e-9, 1.0), (2.0, 3.0)]),
    "root of a product": (sp.sqrt(X * Y), [(1e200, 1e180), (-1e-200, -1e-150), (2.0, 3.0)]),
    "second derivative of hypot": (
        1 / sp.sqrt(X**2 + Y**2) - X**2 / sp.sqrt(X**2 + Y**2) ** 3, [(30.0, 1e-3), (3.0, 4.0)],
    ),
    "difference of roots": (sp.sqrt(X) - sp.sqrt(Y), [(3.0, 3.0000000001), (1e12, 1.0)]),
    "quadratic root": (-X + sp.sqrt(X**2 - 4 * Y), [(1e8, 1.0), (-1e8, 1.0), (3.0, 1.0)]),
    "power of a difference": (sp.expand((X - 1) ** 7), [(1.001, 0.0), (0.99, 0.0), (3.0, 0.0)]),
    "log of a difference": (sp.log(sp.exp(X) - sp.exp(Y)), [(1e3, 999.0), (-999.0, -1e3), (2.0, 1.9999999)]),
    "difference of shares": (
        sp.exp(X) * sp.exp(Y) / (sp.exp(X) + sp.exp(Y)) ** 2, [(40.0, -40.0), (-800.0, -801.0), (1e3, 2.0)],
    ),
    "log cosh of a difference": (sp.log(sp.cosh(X - Y)), [(2.0, 2.0000001), (900.0, 1.0), (1e-8, 0.0)]),
    "divergence of Poissons": (X * sp.log(X / Y) - X + Y, [(1.0, 1.0001), (1e8, 1e8 + 1), (2.0, 3.0)]),
    "mean less mean": ((X + Y) / 2 - sp.sqrt(X * Y), [(3.0, 3.0001), (1e8, 1e8 + 1), (2.0, 7.0)]),
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_value_is_right_where_the_plain_formula_is_not(name: str) -> None:
    formula, points = RIGHT[name]
    given = np.array(points).T
    leaves = [sg.input(str(symbol), given[0].shape) for symbol in (X, Y)]
    (form,) = sg.stabilise([sg.elementwise(formula, X, Y)(*leaves)])
    with np.errstate(all="ignore"):
        found = evaluate(form, {"X": given[0], "Y": given[1]})
        plain = sp.lambdify((X, Y), formula, "numpy")(*given)
    with mpmath.workdps(1000):
        true = [sp.lambdify((X, Y), formula, "mpmath")(*map(mpmath.mpf, point)) for point in points]
    wanted = np.array([float(value) for value in true])
    np.testing.assert_allclose(found, wanted, rtol=1e-12)
    assert not np.allclose(plain, wanted, rtol=1e-10, atol=0)


def test_infinite_and_undefined_arguments() -> None:
    x = np.array([INF, -INF, INF, -INF, 1.0, np.nan])
    y = np.array([INF, -INF, -INF, 2.0, 2.0, 0.0])
    leaves = [sg.input(name, (6,)) for name in "xy"]
    u, v = leaves
    forms = sg.stabilise([sg.log(sg.exp(u) + sg.exp(v)), sg.log(sg.exp(u) - sg.exp(v)), sg.sqrt(u**2 + v**2)])
    with np.errstate(all="ignore"):
        both, less, norm = (evaluate(form, {"x": x, "y": y}) for form in forms)
    np.testing.assert_allclose(both, [INF, -INF, INF, 2, np.log(np.e + np.e**2), np.nan])
    np.testing.assert_allclose(less[2:], [INF, np.nan, np.nan, np.nan])
    np.testing.assert_allclose(norm, [INF, INF, INF, INF, 5**0.5, np.nan])


def test_no_random_formula_is_worse_than_as_written() -> None:
    found = outcomes(examples(3, 40), seed=2, compiled=False)
    assert all(outcome.worse <= MOST_WORSE for outcome in found), summary(found)
