"""Formulas that read themselves again and again, as users write them in one piece: y = f(f(f(x)))."""

from __future__ import annotations

from collections.abc import Callable

import mpmath
import numpy as np
import pytest
import sympy as sp

import codegen
import symgraph as sg
from tests.counting import calls_of
from tests.sizes import examples

x, w = sg.input("x", (3,)), sg.parameter("w", (3,))
(i,) = sg.indices("i")
W = w[i]
FUNCTIONS: dict[str, Callable[[sp.Expr], sp.Expr]] = {
    "logistic": lambda e: 1 / (1 + sp.exp(-e * W / 2)),
    "largest": lambda e: sp.Max(e * W, 1 - e),
    "power": lambda e: (1 + e**2) ** W,
    "gate": lambda e: e / (1 + sp.exp(-e)) + W * e,
    "softplus": lambda e: sp.log(1 + sp.exp(e * W)),
    "bell": lambda e: sp.exp(-(e**2) * W**2),
    "root": lambda e: sp.sqrt(1 + (e * W) ** 2),
    "tanh": lambda e: sp.tanh(e * W),
    "Hill": lambda e: e**2 / (W**2 + e**2),
    "share": lambda e: sp.exp(e) / (sp.exp(e) + sp.exp(W)),
    "logistic map": lambda e: W * e * (1 - e),
    "sine": lambda e: sp.sin(e * W) + e,
    "size": lambda e: sp.Abs(e - W),
    "secant": lambda e: 1 / sp.cosh(e * W),
    "two": lambda e: 1 / (1 + sp.exp(-e * W / 2)) - sp.tanh(e / 2),
    "error": lambda e: e * (1 + sp.erf(e / sp.sqrt(2))) / 2,
}
MOST_CALLS = 8_000_000
"""Of Python's functions, for a nest of four."""
POINTS, RATES = np.array([0.7, -0.4, 1.3]), np.array([0.9, 1.2, -0.6])


def nested(names: list[str]) -> sp.Expr:
    value = x[i]
    for name in names:
        value = FUNCTIONS[name](value)
    return value


def check(names: list[str]) -> None:
    """Value and slope in x, against differences in forty digits."""
    formula = nested(names)
    y = sg.sum(sg.define((i,), formula, (3,)))
    value, slope = codegen.function([x, w], [y, sg.grad(y, x)], "float64")(POINTS, RATES)
    u, v = sp.symbols("u v", real=True)
    plain = sp.lambdify((u, v), formula.xreplace({x[i]: u, W: v}), "mpmath")
    with mpmath.workdps(40):
        pairs = [(mpmath.mpf(float(a)), mpmath.mpf(float(b))) for a, b in zip(POINTS, RATES, strict=True)]
        expected = float(sum(plain(a, b) for a, b in pairs))
        slopes = [float(mpmath.diff(lambda a, b=b: plain(a, b), a)) for a, b in pairs]
    assert value == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(slope, slopes, rtol=1e-9, atol=1e-14)


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("name", list(FUNCTIONS)[: examples(3, len(FUNCTIONS))])
def test_four_of_one_kind_take_no_longer_than_they_are_long(name: str) -> None:
    """Of "logistic" the form was rewritten without end; of "largest" its operations were counted as none."""
    assert calls_of(lambda: check([name] * 4))[0] < MOST_CALLS


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("seed", range(examples(3, 100)))
def test_random_nests(seed: int) -> None:
    random = np.random.default_rng(seed)
    check([str(name) for name in random.choice(list(FUNCTIONS), random.integers(2, 5))])


@pytest.mark.usefixtures("plain")
def test_forms_by_places_of_more_branches_than_are_written_out_are_left() -> None:
    check(["power"] * 7)
