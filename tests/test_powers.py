"""Powers whose exponents are values: right at 0, for negative bases, and where the exponent is 0; powers and functions
of numbers that are too long to be written out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy as sp

import codegen
import symgraph as sg
from symgraph.reference import evaluate
from symgraph.vocabulary.elementwise import u, v

N = sg.dim("N")
x, y = sg.input("x", (N,)), sg.input("y", (N,))


def gradients(value: Any, at: dict[str, Any]) -> list[np.ndarray]:
    """∂Σ/∂x and ∂Σ/∂y: simplified and compiled; checked against the bare chain rule, where both are defined."""
    total = sg.sum(value)
    found = sg.grad(total, [x, y], disconnected="zero")
    bare = sg.grad(total, [x, y], disconnected="zero", simplify=False)
    compiled = codegen.function([x, y], [found[x], found[y]], dtype="float64")(at["x"], at["y"])
    sizes = {"N": len(at["x"])}
    expected = (evaluate([forms[x], forms[y]], at, sizes=sizes) for forms in (found, bare))
    for one, other, third in zip(compiled, *expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)
        np.testing.assert_allclose(one, third, rtol=1e-12)
    return list(compiled)


@pytest.mark.usefixtures("plain")
def test_a_power_at_zero_and_of_negative_bases() -> None:
    at = {"x": np.array([0.0, 0.0, 0.0, -2.0, 3.0, 0.0]), "y": np.array([2.0, 1.0, 0.0, 3.0, 0.0, 0.5])}
    np.testing.assert_allclose(evaluate(x**y, at), [0, 0, 1, -8, 1, 0])
    by_x, by_y = gradients(x**y, at)
    np.testing.assert_allclose(by_x, [0, 1, 0, 12, 0, np.inf])
    np.testing.assert_allclose(by_y, [0, 0, 0, np.nan, np.log(3), 0])


@pytest.mark.usefixtures("plain")
def test_second_derivative_of_a_power_at_zero() -> None:
    first = sg.grad(sg.sum(x**y), x)
    by_x, _ = gradients(first, {"x": np.array([0.0, 0.0, 0.0, 0.0, -2.0]), "y": np.array([0.0, 1.0, 2.0, 3.0, 3.0])})
    np.testing.assert_allclose(by_x, [0, 0, 2, 0, -12])


@pytest.mark.usefixtures("plain")
def test_a_polynomial_at_zero_has_its_linear_coefficient_as_derivative() -> None:
    coefficients, z = sg.input("a", (4,)), sg.input("z", ())
    (k,) = sg.indices("k")
    polynomial = sg.define((), sg.Sum(coefficients[k] * z**k, k))
    slope = codegen.function([coefficients, z], [polynomial, sg.grad(polynomial, z)], dtype="float64")
    for at in (0.0, -1.5):
        values = np.array([5.0, 7.0, -3.0, 2.0])
        expected = [np.polyval(values[::-1], at), np.polyval(np.polyder(values[::-1]), at)]
        np.testing.assert_allclose(slope(values, np.array(at)), expected)


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize(
    ("formula", "by_x", "by_y"),
    [
        (sp.sqrt(u**2 + v**2), [0.0, 0.6], [0.0, 0.8]),
        (sp.Abs(u) ** sp.Rational(1, 2) + v, [0.0, 1 / np.sqrt(12)], [1.0, 1.0]),
        (sp.Abs(u) ** sp.Rational(3, 2) * v, [0.0, 4 * 1.5 * np.sqrt(3)], [0.0, 3**1.5]),
        (sp.Abs(u) ** v, [0.0, 4 * 27], [0.0, 81 * np.log(3)]),
        (2**u * v, [0.0, 4 * 8 * np.log(2)], [1.0, 8.0]),
        (0**v + u, [1.0, 1.0], [0.0, 0.0]),
        (u**sp.pi + v, [0.0, np.pi * 3 ** (np.pi - 1)], [1.0, 1.0]),
    ],
    ids=str,
)
def test_slopes_where_a_base_is_zero(formula: sp.Expr, by_x: list[float], by_y: list[float]) -> None:
    found = gradients(sg.elementwise(formula, u, v)(x, y), {"x": np.array([0.0, 3.0]), "y": np.array([0.0, 4.0])})
    np.testing.assert_allclose(found, [by_x, by_y], rtol=1e-12)


@pytest.mark.usefixtures("plain")
def test_the_norm_of_zero_has_slope_zero() -> None:
    norm = sg.sqrt(sg.sum(x**2))
    slope = codegen.function([x], sg.grad(norm, x), dtype="float64")
    np.testing.assert_allclose(slope(np.zeros(3)), 0)
    np.testing.assert_allclose(slope(np.array([3.0, 4.0, 0.0])), [0.6, 0.8, 0])


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("power", [sp.Rational(3, 2), sp.Rational(5, 2), sp.Rational(7, 3)])
def test_powers_of_products_divide_by_no_factor(power: sp.Rational) -> None:
    """∂(x·y)^p/∂x is p·(x·y)^(p − 1)·y, 0 where x = 0; SymPy's own p·(x·y)^p/x is NaN there."""
    values = {"x": np.array([0.0, 3.0]), "y": np.array([2.0, 4.0])}
    found = gradients(sg.elementwise((u * v) ** power, u, v)(x, y), values)
    slope = float(power) * 12 ** (float(power) - 1)
    np.testing.assert_allclose(found, [[0, 4 * slope], [0, 3 * slope]], rtol=1e-12)


LONG_NUMBERS = {
    "gamma": (lambda: sg.gamma(1e308), np.inf), "gamma of a whole number": (lambda: sg.gamma(10**30), np.inf),
    "exp2": (lambda: sg.exp2(10**30), np.inf), "its reciprocal": (lambda: sg.exp2(-(10**30)), 0.0),
    "power": (lambda: sg.power(10**9, 10**9), np.inf), "digamma": (lambda: sg.digamma(1e308), 709.1962086421661),
}  # fmt: skip


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("name", LONG_NUMBERS)
def test_a_number_of_any_size_is_never_written_out(name: str) -> None:
    """2^(10³⁰) was computed to its last digit where a formula was looked through; Γ(10³⁰⁸) ended in RecursionError."""
    formula, value = LONG_NUMBERS[name]
    np.testing.assert_allclose(codegen.function([], formula())(), value)


@pytest.mark.usefixtures("plain")
def test_a_number_near_one_to_the_power_of_its_place() -> None:
    """(1 + x)ⁱ with an index as its exponent, of which nobody knows whether it is large. Seed 96001002725."""
    (i,) = sg.indices("i")
    small = sg.input("small", (3,))
    power = sg.define((i,), (1 + small[i]) ** i)
    at = np.array([1e-9, -0.9, 2.0])
    found = codegen.function(small, [power, sg.grad(sg.sum(power), small)], dtype="float64")(at)
    np.testing.assert_allclose(found, [(1 + at) ** np.arange(3), [0, 1, 2 * 3.0]])


@pytest.mark.usefixtures("plain")
def test_a_power_that_is_no_number_anywhere_has_such_derivatives() -> None:
    """(−b²)^(b²), whose second derivatives have NaN as a branch's factor. Seed 96001002450."""
    b = sg.parameter("b", (2,))
    value = sg.sum(sg.square((-b * b) ** (b * b)))
    found = codegen.function(b, sg.hvp(value, b, sg.constant([1.0, 2.0])), dtype="float64")(np.array([0.3, -0.5]))
    assert np.isnan(found).all()
