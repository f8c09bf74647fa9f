"""Divisions by what does not change in a loop: never by an inverse that is no normal number."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import codegen
import symgraph as sg

N = sg.dim("N")
x, c = sg.input("x", (N,)), sg.input("c", ())
(n,) = sg.indices("n")
h = sp.Symbol("h", real=True)

DIVISORS = {
    "float32": (1e-45, 1e-39, 1.1e-38, 49.0, 1e38, 3.4e38, 0.0, np.inf, np.nan),
    "float64": (5e-324, 1e-310, 2.2e-308, 49.0, 1e308, 1.7e308, 0.0, np.inf, np.nan),
}
QUOTIENTS = {
    "an input": ([x, c], x / c),
    "a hyper-parameter": ([x, h], x / h),
    "an absolute value": ([x, c], x / sg.abs(c)),
    "rows": ([x, c], sg.define((n, sg.indices("j")[0]), x[n] / c.element, shape=(N, 3))),
}


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("dtype", DIVISORS)
@pytest.mark.parametrize("name", QUOTIENTS)
def test_by_any_number(name: str, dtype: str) -> None:
    """x/c is NumPy's to two roundings, for c so small or so large that 1/c is no normal number; x = c gives 1."""
    inputs, outputs = QUOTIENTS[name]
    quotient = codegen.function(inputs, outputs)
    for divisor in DIVISORS[dtype]:
        with np.errstate(all="ignore"):
            divided = np.array([divisor, 0, 1, -divisor, 3, np.inf], dtype)
            expected = divided / np.array(divisor, dtype)
        found = quotient(divided, float(divisor) if h in inputs else np.array(divisor, dtype))
        expected = expected.reshape(-1, *[1] * (found.ndim - 1)) + np.zeros_like(found)
        np.testing.assert_allclose(found, expected, rtol=4 * np.finfo(dtype).eps, atol=0, err_msg=f"{divisor}")


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("dtype", DIVISORS)
def test_an_inner_loop_divides_by_what_does_not_change_in_it(dtype: str) -> None:
    """x[n, i, j]/c[n, i]: one division for all j, right for any c."""
    divisors, size = np.array([DIVISORS[dtype]] * 2, dtype), len(DIVISORS[dtype])
    a, b = sg.input("a", (N, size, 6)), sg.input("b", (N, size))
    quotient = codegen.function([a, b], a / b[:, :, None])
    assert "/ b[" not in quotient.source and "inverse" in quotient.source
    with np.errstate(all="ignore"):
        divided = np.stack([divisors * factor for factor in (1, -1, 0, 3, np.inf, 0.5)], axis=-1)
        expected = divided / divisors[..., None]
    np.testing.assert_allclose(quotient(divided, divisors), expected, rtol=4 * np.finfo(dtype).eps, atol=0)


def test_inner_loops_that_divide_by_the_same_are_still_one() -> None:
    a, b = sg.input("a", (N, 5, 4, 6)), sg.input("b", (N, 5))
    source = codegen.function([a, b], a / b[:, :, None, None]).source
    assert "inverse" in source and "range(24)" in source


def test_numbers_of_a_product_are_one() -> None:
    source = codegen.function(x, sg.define(n, sp.sqrt(2) * x[n] / sp.sqrt(sp.pi), shape=(N,)), dtype="float32").source
    assert f"real({float(sp.sqrt(2 / sp.pi))!r}) * x[" in source and "sqrt(float64" not in source


@pytest.mark.parametrize("size", [1, 7, 33])
def test_the_best_of_a_row_is_nan_wherever_one_is(size: int) -> None:
    a = sg.input("a", (N, size))
    rows = np.where(np.eye(size), np.nan, np.random.default_rng(0).normal(size=(size, size)))
    for best in codegen.function([a], [sg.max(a, axis=1), sg.min(a, axis=1)])(rows.astype("float32")):
        assert np.isnan(best).all()


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize(
    ("dtype", "number"), [("float32", 1e-39), ("float32", 1e-44), ("float64", 1e-310), ("float64", 2.5e-310)]
)
def test_by_a_number_in_the_formula(dtype: str, number: float) -> None:
    """A number whose inverse neither floating type has: x/c is 1 for x = c, and c·x is no infinity."""
    values = np.array([number, 0, 2], dtype)
    found = codegen.function(x, x / number)(values)
    assert found[0] == 1 and found[1] == 0 and np.isinf(found[2])
    np.testing.assert_allclose(codegen.function(x, x * number)(np.array([1e30], dtype)), [number * 1e30], rtol=1e-6)


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("divisor", [c, sp.Integer(49), N])
def test_floor_of_a_quotient(divisor: sp.Expr) -> None:
    """floor(x/c) at multiples of c, where a product with 1/c, one rounding more, lies just below."""
    size = 49
    values = np.arange(1.0, size + 1) * 49
    below = sg.define((n,), sp.floor(x[n] / (c.element if divisor is c else divisor)))
    quotients = codegen.function([x, c] if divisor is c else [x], below)
    np.testing.assert_array_equal(quotients(values, *([np.array(49.0)] if divisor is c else [])), np.arange(1, 50))


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(("float32", "float64")), st.data())
def test_any_quotient(dtype: str, data: st.DataObject) -> None:
    width = 32 if dtype == "float32" else 64
    numbers = st.floats(width=width, allow_nan=False)
    divided, divisor = data.draw(st.lists(numbers, min_size=1, max_size=9)), data.draw(numbers)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SYMGRAPH_PYTHON", "1")
        found = codegen.function([x, c], x / c)(np.array(divided, dtype), np.array(divisor, dtype))
    with np.errstate(all="ignore"):
        expected = np.array(divided, dtype) / np.array(divisor, dtype)
    smallest = np.finfo(dtype).smallest_subnormal
    np.testing.assert_allclose(found, expected, rtol=4 * np.finfo(dtype).eps, atol=2 * smallest)


@pytest.mark.usefixtures("plain")
def test_a_division_by_a_value_that_is_0() -> None:
    """1/z of z = 0 is infinite where it is computed; no complex infinity of SymPy's takes its place."""
    u = sp.Symbol("u", real=True)
    zero, m = sg.elementwise(u - u, u)(x), sg.input("m", (N,))
    inverse = sg.elementwise(1 / u, u)(zero)
    gradient = sg.grad(sg.sum(m * inverse), m)
    for output in (inverse, gradient):
        found = codegen.function([x, m], output)(np.ones(2), np.ones(2))
        np.testing.assert_array_equal(found, [np.inf, np.inf])


def test_a_factor_beside_a_steep_power_keeps_it_from_vanishing() -> None:
    """(y·x)·x·x goes from y to y·x³, where x³ alone is 0: v³·(1/v + 1), v = 1/k, of a derivative was 0 for 1/k²."""
    x, y = sg.input("x", (3,)), sg.input("y", (3,))
    u, v = sp.symbols("u v", real=True)
    data = {"x": np.array([1e-15, -3e-15, 1e15], np.float32), "y": np.array([1e30, 1e20, -1e-30], np.float32)}
    wide = {name: values.astype(float) for name, values in data.items()}
    for power in (3, 4):
        f = codegen.function([x, y], sg.elementwise(u**power * v, u, v)(x, y), dtype="float32")
        np.testing.assert_allclose(f(**data), wide["x"] ** power * wide["y"], rtol=1e-6)
    f = codegen.function([x], sg.grad(sg.sum((1 + 1 / x) ** 2), x), dtype="float32")
    k = np.float32([-1e15, 3e14, 1e15])
    np.testing.assert_allclose(f(x=k), -2 / k.astype(float) ** 2, rtol=1e-6)
