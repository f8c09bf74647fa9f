"""Forms that are proposed and measured: where the formula as written overflows or cancels, against mpmath's values."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import sympy as sp

import codegen
import symgraph as sg
from symgraph.reference import evaluate
from symgraph.stabilise.scalar import stable
from tests.counting import calls_of
from tests.mending import X, Y, mends
from tests.random_forms import MOST_WORSE, outcomes, summary
from tests.sizes import examples
from tests.source import code_of

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
    "logarithm of a mean": (sp.log((sp.exp(X) + sp.exp(Y)) / 2), [(1e3, 999.0), (-999.0, -1e3), (1.0, 2.0)]),
    "mass between": (sp.erf(X + 1) - sp.erf(X), [(6.0, 0.0), (-7.0, 0.0), (0.5, 0.0)]),
    "cosines": (sp.cos(X) - sp.cos(Y), [(1.0, 1.0000001), (1e5, 1e5 + 1e-6), (0.3, -0.30000001), (5.0, 1.0)]),
    "sines": (sp.sin(X + Y) - sp.sin(X), [(1.0, 1e-9), (1e5, 1e-6), (0.3, -0.6), (5.0, 1.0)]),
    "tangents": (sp.tan(X + Y) - sp.tan(X), [(1.0, 1e-9), (1e5, 1e-6), (0.3, 1.5)]),
    "arctangents": (sp.atan(X) - sp.atan(Y), [(1e6, 1e6 + 1.0), (1e10, 1e11), (-3.0, -3.0000001), (1.0, -9.0)]),
    "arcsines": (sp.asin(X) - sp.asin(Y), [(0.75, 0.75000001), (1e-9, 2e-9), (0.9999, -0.3)]),
    "arccosines": (sp.acos(X) - sp.acos(Y), [(0.75, 0.75000001), (1e-9, 2e-9), (0.9999, -0.3)]),
    "hyperbolic cosines": (sp.cosh(X) - sp.cosh(Y), [(2.0, 2.0000001), (1e-9, 2e-9), (0.25, 9.0)]),
    "hyperbolic tangents": (sp.tanh(X) - sp.tanh(Y), [(20.0, 21.0), (1e-9, 2e-9), (-3.0, 2.0)]),
    "inverse hyperbolic": (
        sp.asinh(X) - sp.asinh(Y) + sp.atanh(X / 4) - sp.atanh(Y / 4), [(0.75, 0.750000001), (1e-9, 2e-9), (1.0, -3.0)],
    ),
    "exponentials": (sp.exp(X + Y) - sp.exp(X), [(3.0, 1e-9), (-40.0, 1e-12), (1.0, 2.0)]),
    "compound interest": ((1 + X) ** Y - 1, [(1e-9, 3.5), (1e-12, 1e5), (0.5, 1e-9), (2.0, 3.5)]),
    "power near 1": (X**Y - 1, [(1.000000001, 3.5), (1e-5, 1e-12), (2.0, 3.5)]),
    "powers": (Y * (X + Y) ** sp.Rational(1, 3) - Y * X ** sp.Rational(1, 3), [(1.0, 1e-9), (1e30, 1e20), (2.0, 5.0)]),
    "mass of a bin": (sp.erf(X) - sp.erf(Y), [(1.0, 1.00000001), (-3.0, -3.00000001), (7.0, 7.0000001), (1.0, -1.0)]),
    "power with a shape": ((X**Y - 1) / Y, [(3.0, 1e-9), (0.5, 2.0), (1e-5, 1e-7)]),
    "slope in a shape": (sp.diff((X**Y - 1) / Y, Y), [(3.0, 1e-9), (0.5, 1e-5), (2.0, 1.5)]),
    "large power of near 1": ((1 + X * Y) ** (1 / Y), [(3.0, 1e-9), (1.0, 0.25)]),
    "divergence of exponentials": (
        sp.exp(X) - sp.exp(Y) - sp.exp(Y) * (X - Y), [(1e-9, 2e-9), (3.0, 3.0000001), (1.0, -2.0)],
    ),
    "log det of a tanh": (sp.log(1 - sp.tanh(X) ** 2) + 0 * Y, [(38.0, 0.0), (1e-6, 0.0), (2.0, 0.0)]),
    "log hazard": (-(X**2) / 2 - sp.log(sp.erfc(X / sp.sqrt(2))) + 0 * Y, [(60.0, 0.0), (12.0, 0.0), (0.5, 0.0)]),
    "deviance at 1": (2 * (X * sp.log(X) - X + 1) + 0 * Y, [(0.999999, 0.0), (1 + 1e-9, 0.0), (3.0, 0.0)]),
    "entropy at a half": (
        X * sp.log(X) + (1 - X) * sp.log(1 - X) + sp.log(2) + 0 * Y, [(0.4999999, 0.0), (0.5000001, 0.0), (0.2, 0.0)],
    ),
    "logistic functions": (
        1 / (1 + sp.exp(-X)) - 1 / (1 + sp.exp(-Y)), [(40.0, 41.0), (0.25, 0.25000001), (-80.0, -81.0), (50.0, -50.0)],
    ),
    "softplus of both": (
        sp.log(1 + sp.exp(X)) - sp.log(1 + sp.exp(Y)), [(3.0, 3.0000001), (-50.0, -50.00001), (800.0, 801.0)],
    ),
    "two functions that go to one": (sp.erf(X) - sp.tanh(Y), [(7.0, 17.0), (-15.0, -16.0), (0.5, 0.25)]),
    "square of what goes to one": (
        sp.tanh(X) ** 2 + sp.exp(-(X**2)) - 1 + 0 * Y, [(15.0, 0.0), (-9.0, 0.0), (2.0, 0.0)],
    ),
    "log of one and a share's square": (
        sp.log(1 + sp.exp(2 * X) / (sp.exp(X) + sp.exp(Y)) ** 2), [(-8.5, -3.4), (900.0, 930.0), (1.0, 1.0)],
    ),
    "real part of a root": (
        sp.sqrt((sp.sqrt(X**2 + Y**2) + X) / 2), [(-2.0, 1e-12), (-1e5, 1e-8), (3.0, 4.0), (-1e180, 1e180)],
    ),
    "log of a modulus": (sp.log((1 + X) ** 2 + Y**2) / 2, [(1e-9, 1e-9), (-1e-8, 1e-3), (3.0, 4.0), (1e200, 1.0)]),
    "log of a quotient near 1": (sp.log((1 + X) / (1 + Y)), [(1e-9, 2e-9), (0.25, 0.25000001), (3.0, 4.0)]),
    "real rate": ((1 + X) / (1 + Y) - 1, [(1e-9, 2e-9), (0.25, 0.25000001), (3.0, 4.0)]),
    "of a product": ((1 - sp.cos(X * Y)) / X**2, [(1e-9, 3.0), (1e5, 1e-12), (-0.3, 1e-8), (2.0, 3.0)]),
    "slope of a product's": (
        sp.cos(X * Y) / X - sp.sin(X * Y) / (X**2 * Y), [(1e-9, 3.0), (1e5, 1e-12), (-0.3, 1e-8), (2.0, 3.0)],
    ),
    "scale of Cauchy's loss": (
        Y * sp.log(1 + X**2 / Y**2) - X**2 / (Y * (1 + X**2 / Y**2)), [(1e-9, 1.0), (1e-9, 1e9), (3.0, 2.0)],
    ),
    "common factor": (Y * sp.exp(X) - Y * sp.cos(X), [(1e-12, 3.0), (0.5, 2.0), (-1e-5, 1e30)]),
    "mean less mean": ((X + Y) / 2 - sp.sqrt(X * Y), [(3.0, 3.0001), (1e8, 1e8 + 1), (2.0, 7.0)]),
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_value_is_right_where_the_plain_formula_is_not(name: str) -> None:
    mends(*RIGHT[name])


PARTS = {
    "of a product": lambda x, y: sg.sum(x * y, axis=1), "of a matrix product": lambda x, y: x @ y,
    "of two elements": lambda x, y: x[:, 0] * y[0], "of a quotient": lambda x, y: x[:, 1] / y[1],
    "of many": lambda x, y: x[:, 0] + 2 * y[1] - 3 * x[:, 1] * y[0], "of a sum and more": lambda x, y: x @ y + y[0],
}  # fmt: skip
LOSSES = {
    "log": lambda u: sg.log(1 + u**2), "root": lambda u: sg.sqrt(1 + u**2) - 1, "cosine": lambda u: 1 - sg.cos(u),
    "exponential": lambda u: sg.exp(u) - 1, "rest": lambda u: u - sg.sin(u),
}  # fmt: skip


ROUNDS = examples(1, len(LOSSES))
PAIRED = [(part, [*LOSSES, *LOSSES][n % len(LOSSES) + m]) for m in range(ROUNDS) for n, part in enumerate(PARTS)]


@pytest.mark.parametrize(("part", "loss"), PAIRED)
def test_a_formula_of_a_sum_or_a_product_is_right_as_one_of_a_value_is(part: str, loss: str) -> None:
    """Each was 0 in float32 where its argument is small; (x·y)² is the square of what is neither large nor small."""
    x, y = sg.input("x", (4, 2)), sg.parameter("y", (2,))
    value = LOSSES[loss](PARTS[part](x, y))
    forms = sg.stabilise([value, sg.grad(sg.sum(value), x)])
    numbers = np.array([[3e-5, 2e-5], [-1e-9, 3e-9], [0.5, 0.25], [1.5, -1.0]])
    for scale in (1.0, 2.0**-60, 2.0**60)[: 3 if part in ("of two elements", "of a quotient") else 1]:
        given = {"x": numbers * scale, "y": np.array([0.75, -1.25]) * (scale if "quotient" in part else 1 / scale)}
        with mpmath.workdps(200):
            for form, plain in zip(forms, (value, sg.grad(sg.sum(value), x)), strict=True):
                exact = {name: array.astype(np.float32).astype(np.float64) for name, array in given.items()}
                wanted = evaluate(plain, exact, dtype="mpmath").astype(float)
                found = evaluate(form, exact, dtype=np.float32)
                np.testing.assert_allclose(found, wanted, rtol=2e-6, atol=1e-38)


COUNTED = {
    "tanh of more": lambda x, n: sp.tanh(x + n), "tanh of a multiple": lambda x, n: sp.tanh(x * n),
    "tanh of a root": lambda x, n: sp.tanh(x / sp.sqrt(n + 1)), "tanh by a size": lambda x, n: sp.tanh(x / sp.sqrt(N)),
    "logistic": lambda x, n: 1 / (1 + sp.exp(-x * N)), "product": lambda x, n: x * sp.tanh(x * n),
}  # fmt: skip
N = sg.dim("N")


@pytest.mark.parametrize("name", COUNTED)
def test_what_saturates_does_so_in_places_and_sizes_too(name: str) -> None:
    """1 − tanh(x[n] + n)² lost its digits, since n is no value, and w·(1 − tanh(x·w)²), since w alone is a factor."""
    (n,), x = sg.indices("n"), sg.input("x", (N,))
    gradient = sg.grad(sg.sum(sg.define(n, COUNTED[name](x[n], n), shape=(N,))), x)
    given = {"x": np.array([0.5, 7.0, 9.0, -6.0, 11.0])}
    (form,) = sg.stabilise([gradient])
    with mpmath.workdps(60):
        wanted = evaluate(gradient, given, dtype="mpmath").astype(float)
    np.testing.assert_allclose(evaluate(form, given), wanted, rtol=1e-13)


DECAYING = {
    "Hermite": (lambda u: (4 * u**2 - 2) * sg.exp(-(u**2)), [0.0, 1e200, 3.0]),
    "power": (lambda u: u**3 * sg.exp(-u), [0.5, 1e120, 700.0]),
    "of two": (lambda u: u[0] * u[1] * sg.exp(-u[0] - u[1]), [1e200, 1e190, 2.0]),
}  # fmt: skip


@pytest.mark.parametrize("constants", [(0.5, -1.25, 2.0), (0.0, -1.25, 0.0)], ids=["", "zeros"])
def test_what_saturates_at_one_place_of_two_values_is_right(constants: tuple[float, ...]) -> None:
    """∂σ((x₁ + c)²)/∂x by (1 − σ)·σ, which is 0 from (x₁ + c)² > 37 on; what constants hold is measured too."""
    x, total = sg.input("x", (3,)), sg.sum(sg.constant(list(constants), name="c"))
    with mpmath.workdps(60):
        slope = mpmath.diff(lambda v: 1 / (1 + mpmath.exp(-v * v)), 5.5 + mpmath.fsum(constants))
    found = codegen.function(x, sg.grad(sg.sigmoid((x[1] + total) ** 2), x))(np.array([1.0, 5.5, 2.0]))
    np.testing.assert_allclose(found, [0, float(slope), 0], rtol=1e-13)


def test_what_a_share_lacks_to_one_is_seen_in_one_term_of_several() -> None:
    """∂σ((1 + 4u²)^{c·u})/∂u has (1 − σ) in two terms: where the power is 30, four digits were left of that. The
    fuzzer's 88004000488."""
    u, c = sg.input("u", (3,)), sg.constant([1 / 3, 1.0, 1.0], name="c")
    at = np.array([1.8, 1.4, 1.3])
    with mpmath.workdps(60):
        powers = [lambda v, k=k: (1 + 4 * v * v) ** (v * mpmath.mpf(k)) for k in c.value.tolist()]
        wanted = [
            mpmath.diff(p, mpmath.mpf(v)) * mpmath.exp(-p(mpmath.mpf(v))) / (1 + mpmath.exp(-p(mpmath.mpf(v)))) ** 2
            for p, v in zip(powers, at, strict=True)
        ]
    slope = sg.grad(sg.sum(sg.sigmoid((1 + sg.square(u + u)) ** (u * c))), u)
    np.testing.assert_allclose(codegen.function(u, slope)(at), np.array(wanted, float), rtol=1e-12)


@pytest.mark.parametrize("name", DECAYING)
def test_what_decays_is_nought_before_what_grows_is_infinite(name: str) -> None:
    """(4u² − 2)·e^{−u²} was ∞·0 at 10²⁰⁰, where the chain rule gives e^{−u²}·u·u."""
    formula, at = DECAYING[name]
    u = sg.input("u", (3,))
    value = formula(u)
    (form,) = sg.stabilise([value])
    with mpmath.workdps(60):
        wanted = evaluate(value, {"u": np.array(at)}, dtype="mpmath").astype(float)
    np.testing.assert_allclose(evaluate(form, {"u": np.array(at)}), wanted, rtol=1e-12, atol=1e-300)


def test_a_value_is_not_told_from_its_sum_with_a_large_number() -> None:
    """∂(σ(u) − 100)/∂u was −(y + 100)·(y + 99), which has lost as many digits as 100² has more than σ·(1 − σ)."""
    u = sg.input("u", (3,))
    y = sg.sigmoid(u) - 100
    gradient = sg.grad(sg.sum(y), u)
    at = np.array([-30.0, 0.5, 9.0])
    np.testing.assert_allclose(evaluate(gradient, {"u": at}), np.exp(-at) / (1 + np.exp(-at)) ** 2, rtol=1e-12)
    row = sg.grad(sg.sum(sg.sigmoid(sg.log_softmax(u)) - 100), u)
    assert "99" not in str(row)


def test_a_branch_is_there_for_what_it_gains() -> None:
    """atan v + v/(v² + 1) got two branches for large |v|, by which it is right to the same digit, at twice the cost."""
    v = sg.input("v", (3,))
    (form,) = sg.stabilise([sg.arctan(v) + v / (v**2 + 1)])
    assert form.definition is not None and not form.definition.body.has(sp.Piecewise)


SHARES = {
    "rest": lambda p: 1 - p[0], "square of the rest": lambda p: 2 * (1 - p[1]) ** 2,
    "odds": lambda p: p[0] / (1 - p[0]), "focal": lambda p: -((1 - p[0]) ** 2) * sg.log(p[0]),
    "log of the rest": lambda p: sg.log(1 - p[1]),
}  # fmt: skip


@pytest.mark.parametrize("name", SHARES)
def test_what_a_share_lacks_to_one_is_the_sum_of_the_others(name: str) -> None:
    """1 − softmax(z)[k] was 0 at 40, and the gradient of a focal loss ∞·0 at −800."""
    z = sg.input("z", (3,))
    value = SHARES[name](sg.softmax(z))
    plain = [value, sg.grad(value, z)]
    for form, exact in zip(sg.stabilise(plain), plain, strict=True):
        sure = () if "log" in name or name == "focal" else ([40.0, -3.0, 2.0],)  # log p of p near 1 is right to ε
        for at in (*sure, [-3.0, 41.0, 2.0], [0.5, 0.25, -1.0], [-300.0, 3.0, 2.0]):
            with mpmath.workdps(700):
                wanted = evaluate(exact, {"z": np.array(at)}, dtype="mpmath").astype(float)
            np.testing.assert_allclose(evaluate(form, {"z": np.array(at)}), wanted, rtol=2e-12, atol=1e-300)
    focal = sg.grad(SHARES["focal"](sg.softmax(z)), z)
    found = evaluate(sg.stabilise([focal])[0], {"z": np.array([-800.0, 3.0, 2.0])})
    np.testing.assert_allclose(found, [-1.0, 1 / (1 + np.exp(-1)), 1 / (1 + np.e)], rtol=1e-12)


def test_hessians_of_softmax_are_right_for_large_logits() -> None:
    """∂²p₀/∂x₀∂x₁ = p₀·(2·p₀ − 1)·p₁ for two classes of the same size, with a third one far below."""
    x = sg.input("x", (3,))
    p = sg.softmax(x)
    contrastive = -sg.log(sg.exp(x[0]) / (sg.exp(x[0]) + sg.exp(x[1]) + sg.exp(x[2])))
    second = sg.grad(sg.grad(p[0] - p[1], x)[0], x)
    for form, at, wanted in (
        (second, [1000.0, 1000.0, -1000.0], [0.0, 0.0, 0.0]),
        (second, [1000.0, 999.0, -1000.0], [2 * v for v in _second(1.0)]),
        (sg.grad(contrastive, x), [-800.0, 3.0, 2.0], [-1.0, 1 / (1 + np.exp(-1)), 1 / (1 + np.e)]),
    ):
        found = evaluate(sg.stabilise([form])[0], {"x": np.array(at)})
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-300)


def _second(gap: float) -> list[float]:
    p = 1 / (1 + np.exp(-gap))
    return [p * (1 - p) * (1 - 2 * p), -p * (1 - p) * (1 - 2 * p), 0.0]


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


RANGES = {
    "norm": (lambda x: sg.sqrt(sg.sum(x**2)), [3e200, 4e200, 12e200], 13e200),
    "norm of small": (lambda x: sg.sqrt(sg.sum(x**2)), [3e-200, 4e-200, 12e-200], 13e-200),
    "log of a product": (lambda x: sg.log(sg.prod(x)), [1e200, 1e180, 1e-250], 130 * float(np.log(10))),
    "steep": (lambda x: sg.sum(sg.grad(sg.sum(sg.exp(x - sg.exp(x))), x)), [800.0, 900.0, 1e3], 0.0),
}


@pytest.mark.parametrize("name", RANGES)
def test_what_leaves_the_range_on_the_way_is_right(name: str) -> None:
    value, at, expected = RANGES[name]
    (form,) = sg.stabilise([value(sg.input("x", (3,)))])
    np.testing.assert_allclose(evaluate(form, {"x": np.array(at)}), expected, rtol=1e-13)


def test_roots_of_long_quotients_are_not_divided_out_at_any_cost() -> None:
    """RAdam's step: a remainder by one root after the other took minutes."""
    p, g = sg.parameter("p", (3,)), sg.input("g", (3,))
    updates = [update.value for update in sg.RAdam().updates({p: g})]
    assert calls_of(lambda: sg.stabilise(updates))[0] < 10**7


def test_a_pass_that_is_seldom_made_shares_no_loop_with_another() -> None:
    """The gradient through x/‖x‖: what is for sums out of range is left out as a whole, and the others stay vectors."""
    x = sg.parameter("x", (8, 40))
    source = code_of(codegen.train_step(sg.mean((x / sg.norm(x, axis=1, keepdims=True)) ** 2)).source)
    assert "maximum(" in source and not any("maximum(" in line and "-inf" in line for line in source.split("\n"))


def test_a_share_of_one_value_is_one_though_an_exponential_is_in_the_value() -> None:
    """exp(−s)/exp(−s) of a sum s of elu, which reads s twice: both are 0 where s is 1000."""
    x, y = sg.input("x", (4, 1)), sg.input("y", (3, 1))
    n, k = sg.indices("n k")
    s = sg.define((k, n), -sg.Sum(sg.elu(x[sg.indices("i")[0], k] * y[n, 0]), sg.indices("i")[0]), shape=(1, 3))
    found = codegen.function([x, y], sg.softmax(s, axis=0))(np.full((4, 1), 500.0), np.array([[1.0], [-1.0], [0.0]]))
    np.testing.assert_array_equal(found, np.ones((1, 3)))


def test_the_curvature_of_a_share_s_odds_has_its_sign() -> None:
    """y = p₀/(1 − p₀), whose second derivative by z₀ is y: where p₀ is nearly 1 it is made of the others' shares."""
    z = sg.input("z", (3,))
    share = sg.softmax(z)[0]
    odds = share / (1 - share)
    curvature = sg.grad(sg.grad(odds, z)[0], z)
    for place in ([60.0, -60.0, 0.0], [1.0, 2.0, -1.0], [-50.0, 3.0, 9.0]):
        value, slopes = codegen.function(z, [odds, curvature], "float64")(np.array(place))
        others = np.exp(np.array(place[1:]) - np.logaddexp(*place[1:]))
        np.testing.assert_allclose(slopes, [value, *(-value * others)], rtol=1e-12)


@pytest.mark.parametrize("name", ["softplus", "exp", "tanh", "sigmoid", "sin", "square", "sqrt"])
def test_any_function_of_a_sigmoid_has_its_slope_where_the_sigmoid_is_one(name: str) -> None:
    """1 − y of y = σ(x) is σ(−x): it was 0 from 17 on in float32, but where y·(1 − y) stood alone."""
    x = sg.input("x", (5,))
    loss = sg.sum(getattr(sg, name)(sg.sigmoid(x)))
    values = np.array([-60.0, -3.0, 0.5, 20.0, 60.0], np.float32)
    found = codegen.function([x], sg.grad(loss, x), dtype="float32")(values)
    with mpmath.workdps(60):
        function = {
            "square": lambda y: y * y,
            "sigmoid": lambda y: 1 / (1 + mpmath.exp(-y)),
            "softplus": lambda y: mpmath.log1p(mpmath.exp(y)),
        }
        outer = function.get(name) or getattr(mpmath, name)
        exact = []
        for at in map(mpmath.mpf, values.tolist()):
            y, rest = 1 / (1 + mpmath.exp(-at)), 1 / (1 + mpmath.exp(at))
            exact.append(float(mpmath.diff(outer, y, h=mpmath.mpf(10) ** -40) * y * rest))
    np.testing.assert_allclose(found, exact, 1e-5, 1e-38)


def test_powers_whose_exponents_no_number_compares_are_taken_out_of_no_sum() -> None:
    """y + y^y: a TypeError at y > 0, an exponent other than 1 that is one of some size."""
    s, (i,) = sg.input("s", (1,)), sg.indices("i")
    t, q = sg.labels("t", (1,), classes=1), sg.labels("q", (1,), classes=1)
    y = sg.softplus(s)
    z = y**y
    found = codegen.function([s, t, q], sg.define((i,), y[t[i]] + z[q[i]], (1,)), dtype="float64")
    at = np.log1p(np.exp(-1.05))
    np.testing.assert_allclose(found(s=np.array([-1.05]), t=np.array([0]), q=np.array([0])), at + at**at, 1e-14)


def test_a_quotient_by_the_largest_exponential_is_not_divided_by_it_again() -> None:
    """Of two logistic functions, one of which reads the other: the largest exponent was taken without end."""
    x = sg.input("x", (4,))
    w = sp.Rational(3, 2) - x + 1 / (1 + sg.exp(-x))
    both = sg.exp(w) / ((1 + sg.exp(w)) * (1 + sg.exp(-x)))
    values = np.array([-800.0, -1.0, 2.0, 800.0])
    found = codegen.function([x], both, dtype="float64")(values)
    sigma = 1 / (1 + np.exp(np.clip(-values, None, 700)))
    exact = sigma / (1 + np.exp(np.clip(-(1.5 - values + sigma), None, 700)))
    np.testing.assert_allclose(found, exact, 1e-12, 1e-300)
    name = sp.Symbol("x", real=True)
    inner = sp.Rational(3, 2) - name + 1 / (1 + sp.exp(-name))
    assert stable(sp.exp(inner) / ((1 + sp.exp(inner)) * (1 + sp.exp(-name))), lambda argument: argument).has(sp.exp)
