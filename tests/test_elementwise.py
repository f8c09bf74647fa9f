"""Activations: a row is a test. Values against independent definitions, derivatives in u and y, corners included."""

from __future__ import annotations

from collections.abc import Callable

import mpmath
import numpy as np
import pytest
import sympy as sp

import codegen
import symgraph as sg
from symgraph.core import scalars
from symgraph.errors import IndexNotationError, ShapeError
from symgraph.reference import evaluate
from symgraph.vocabulary.activations import ACTIVATIONS, ELEMENTWISE
from symgraph.vocabulary.elementary import ELEMENTARY
from symgraph.vocabulary.elementwise import Elementwise, u, v
from tests.oracles import DIGITS, agree, finite, precise

mp = mpmath.mp
y = sp.Symbol("y", real=True)
alpha = sp.Symbol("alpha", positive=True)
REAL = (-30.0, -3.0, -1.0, -0.25, 0.0, 0.5, 1.0, 2.0, 7.0, 40.0)
POSITIVE = (1e-6, 0.25, 1.0, 3.0, 50.0)
SMOOTH = (-4.0, -0.75, 0.3125, 0.875, 5.0)

DEFINITIONS: dict[str, tuple[Callable[[mpmath.mpf], mpmath.mpf], tuple[float, ...]]] = {
    "exp": (mpmath.exp, REAL),
    "log": (mpmath.log, POSITIVE),
    "sqrt": (mpmath.sqrt, POSITIVE),
    "sin": (mpmath.sin, REAL),
    "cos": (mpmath.cos, REAL),
    "erf": (mpmath.erf, REAL),
    "erfc": (mpmath.erfc, REAL),
    "abs": (mpmath.fabs, REAL),
    "sign": (mpmath.sign, REAL),
    "square": (lambda x: x * x, REAL),
    "tanh": (mpmath.tanh, REAL),
    "sigmoid": (lambda x: 1 / (1 + mpmath.exp(-x)), REAL),
    "relu": (lambda x: x if x > 0 else mpmath.mpf(0), REAL),
    "leaky_relu": (lambda x: x if x > 0 else x / 100, REAL),
    "elu": (lambda x: x if x > 0 else mpmath.expm1(x), REAL),
    "selu": (
        lambda x: mp.mpf("1.0507009873554805") * (x if x > 0 else mp.mpf("1.6732632423543772") * mpmath.expm1(x)), REAL
    ),
    "gelu": (lambda x: x * mpmath.ncdf(x), REAL),
    "silu": (lambda x: x / (1 + mpmath.exp(-x)), REAL),
    "mish": (lambda x: x * mpmath.tanh(mpmath.log1p(mpmath.exp(x))), REAL),
    "softplus": (lambda x: mpmath.log1p(mpmath.exp(x)), REAL),
    "log_sigmoid": (lambda x: -mpmath.log1p(mpmath.exp(-x)), REAL),
    "softsign": (lambda x: x / (1 + abs(x)), REAL),
    "hardtanh": (lambda x: max(mpmath.mpf(-1), min(mpmath.mpf(1), x)), REAL),
    "relu6": (lambda x: min(max(x, mp.mpf(0)), mp.mpf(6)), REAL),
    "celu": (lambda x: x if x > 0 else mpmath.expm1(x), REAL),
    "hardsigmoid": (lambda x: min(max(x / 6 + mp.mpf(1) / 2, mp.mpf(0)), mp.mpf(1)), REAL),
    "hardswish": (lambda x: x * min(max(x / 6 + mp.mpf(1) / 2, mp.mpf(0)), mp.mpf(1)), REAL),
    "tanhshrink": (lambda x: x - mpmath.tanh(x), REAL),
    "softshrink": (lambda x: mpmath.sign(x) * max(abs(x) - mp.mpf(1) / 2, mp.mpf(0)), REAL),
    "hardshrink": (lambda x: x if abs(x) > 0.5 else mp.mpf(0), REAL),
    "threshold": (lambda x: x if x > 0 else mp.mpf(0), REAL),
}  # fmt: skip
CORNERS = (-3.0, -1.0, 0.0, 0.5, 1.0)
"""Where a row has no slope on both sides."""
KINKS: dict[str, dict[float, float]] = {
    "relu": {0: 0}, "abs": {0: 0}, "sign": {0: 0}, "leaky_relu": {0: 0.01}, "elu": {0: 1}, "celu": {0: 1},
    "relu6": {0: 0, 6: 0}, "hardtanh": {-1: 0, 1: 0}, "hardsigmoid": {-3: 0, 3: 0}, "hardswish": {-3: 0, 3: 1},
    "softshrink": {0.5: 0, -0.5: 0}, "hardshrink": {0.5: 0, -0.5: 0}, "threshold": {0: 0},
}  # fmt: skip
"""The slope there follows from that of max and min, where a constant takes all: PyTorch's, but for hardswish."""
OPTIONS: dict[str, tuple[dict[str, float], Callable[[mpmath.mpf], mpmath.mpf]]] = {
    "elu": ({"alpha": 0.5}, lambda x: x if x > 0 else mpmath.expm1(x) / 2),
    "celu": ({"alpha": 0.5}, lambda x: x if x > 0 else mpmath.expm1(2 * x) / 2),
    "leaky_relu": ({"negative_slope": 0.25}, lambda x: x if x > 0 else x / 4),
    "softplus": ({"beta": 2}, lambda x: mpmath.log1p(mpmath.exp(2 * x)) / 2),
    "hardtanh": ({"min_val": -2, "max_val": 3}, lambda x: max(mp.mpf(-2), min(mp.mpf(3), x))),
    "softshrink": ({"lambd": 0.25}, lambda x: mpmath.sign(x) * max(abs(x) - 0.25, mp.mpf(0))),
    "hardshrink": ({"lambd": 0.25}, lambda x: x if abs(x) > 0.25 else mp.mpf(0)),
    "threshold": ({"threshold": 0.75, "value": -1}, lambda x: x if x > 0.75 else mp.mpf(-1)),
}

HALF = sp.Rational(1, 2)
WRITTEN: dict[str, sp.Expr] = {
    "tanh from exponentials": (sp.exp(u) - sp.exp(-u)) / (sp.exp(u) + sp.exp(-u)),
    "tanh from one exponential": (1 - sp.exp(-2 * u)) / (1 + sp.exp(-2 * u)),
    "sigmoid the other way": sp.exp(u) / (1 + sp.exp(u)),
    "swish": u / (1 + sp.exp(-sp.Rational(3, 2) * u)),
    "mish": u * sp.tanh(sp.log(1 + sp.exp(u))),
    "celu": sp.Max(0, u) + sp.Min(0, 2 * (sp.exp(u / 2) - 1)),
    "hardswish": u * sp.Min(sp.Max(u + 3, 0), 6) / 6,
    "log cosh": sp.log(sp.cosh(u)),
    "gaussian": sp.exp(-(u**2) / 2),
    "gaussian tail": sp.erfc(u / sp.sqrt(2)) / 2,
    "gelu by tanh": u * (1 + sp.tanh(sp.sqrt(2 / sp.pi) * (u + sp.Rational(44715, 10**6) * u**3))) / 2,
    "softsign": u / (1 + sp.Abs(u)),
    "soft absolute": sp.sqrt(1 + u**2) - 1,
    "root of a square": sp.sqrt(u**2),
    "cube": u**3,
    "rational": (u**2 + 1) / (u**4 + 3),
    "sinusoid": u + sp.sin(2 * u) ** 2,
    "arctangent": sp.atan(u) * sp.cos(u),
    "asinh": sp.asinh(u),
    "tanhshrink": u - sp.tanh(u),
    "softshrink": sp.Piecewise((u - HALF, u > HALF), (u + HALF, u < -HALF), (0, True)),
    "two exponentials": sp.exp(u) / (1 + sp.exp(2 * u)),
    "nested": sp.tanh(sp.sin(u) / (1 + sp.exp(-u))),
    "softplus squared": sp.log(1 + sp.exp(u)) ** 2,
    "sigmoid of a square": 1 / (1 + sp.exp(-(u**2))),
}  # fmt: skip

WRITTEN_POSITIVE: dict[str, sp.Expr] = {
    "cube root": u ** sp.Rational(1, 3),
    "two roots": sp.sqrt(u) + u ** sp.Rational(3, 2),
    "entropy": -u * sp.log(u),
    "log of log": sp.log(1 + sp.log(1 + u)),
    "reciprocal root": 1 / sp.sqrt(u),
    "power of itself": u**u,
    "box-cox": (u ** sp.Rational(3, 10) - 1) / sp.Rational(3, 10),
}

FORMS: dict[str, sp.Expr] = {
    "sigmoid": y * (1 - y),
    "tanh": 1 - y**2,
    "exp": y,
    "sqrt": 1 / (2 * y),
    "log": 1 / u,
    "softplus": scalars.sigmoid(u),
    "relu": sp.Piecewise((1, u > 0), (0, True)),
    "leaky_relu": sp.Piecewise((1, u > 0), (sp.Rational(1, 100), True)),
    "elu": sp.Piecewise((1, u > 0), (y + 1, True)),
    "square": 2 * u,
    "sin": sp.cos(u),
    "cos": -sp.sin(u),
    "abs": sp.sign(u),
    "log_sigmoid": scalars.sigmoid(-u),
    "celu": sp.Piecewise((1, u > 0), (y + 1, True)),
    "tanhshrink": sp.tanh(u) ** 2,
    "hardtanh": sp.Piecewise((1, (u > -1) & (u < 1)), (0, True)),
    "hardswish": sp.Piecewise((u / 3 + HALF, (u > -3) & (u < 3)), (0, u < 3), (1, True)),
}


def derivative_by_difference(function: Callable[[mpmath.mpf], mpmath.mpf], at: float) -> mpmath.mpf:
    h = mpmath.mpf(10) ** -16
    return (function(at + h) - function(at - h)) / (2 * h)


def gradient_at(f: Elementwise, points: tuple[float, ...]) -> np.ndarray:
    x = sg.input("x", (len(points),))
    return precise(sg.grad(sg.sum(f(x)), x, disconnected="zero"), {"x": points})


def test_every_activation_has_a_row() -> None:
    two_arguments = {"maximum", "minimum"}
    assert set(ELEMENTWISE) == set(DEFINITIONS) | two_arguments


@pytest.mark.parametrize("name", DEFINITIONS)
def test_value_is_that_of_the_definition(name: str) -> None:
    definition, points = DEFINITIONS[name]
    x = sg.input("x", (len(points),))
    with mpmath.workdps(DIGITS):
        agree(precise(ELEMENTWISE[name](x), {"x": points}), [definition(mpmath.mpf(p)) for p in points])


@pytest.mark.parametrize("name", DEFINITIONS)
def test_gradient_is_the_slope_of_the_definition(name: str) -> None:
    definition, domain = DEFINITIONS[name]
    points = tuple(p for p in domain if p not in CORNERS) if domain is REAL else domain
    with mpmath.workdps(DIGITS):
        slopes = [derivative_by_difference(definition, mpmath.mpf(p)) for p in points]
        agree(gradient_at(ELEMENTWISE[name], points), slopes, mpmath.mpf(10) ** -15)


@pytest.mark.parametrize("name", DEFINITIONS)
def test_gradient_is_finite_at_every_corner(name: str) -> None:
    points = DEFINITIONS[name][1]
    assert finite(gradient_at(ELEMENTWISE[name], points))


@pytest.mark.parametrize("name", KINKS)
def test_gradient_at_a_kink_is_the_convention(name: str) -> None:
    found = gradient_at(ELEMENTWISE[name], tuple(map(float, KINKS[name])))
    np.testing.assert_array_equal(found.astype(float), list(KINKS[name].values()))


@pytest.mark.parametrize("name", DEFINITIONS)
def test_second_derivative_is_the_curvature_of_the_definition(name: str) -> None:
    definition, domain = DEFINITIONS[name]
    points = SMOOTH if domain is REAL else domain
    x = sg.input("x", (len(points),))
    slope = sg.grad(sg.sum(ELEMENTWISE[name](x)), x, disconnected="zero")
    with mpmath.workdps(DIGITS):
        curvature = [mpmath.diff(definition, mpmath.mpf(p), 2, h=mp.mpf(10) ** -14) for p in points]
        found = precise(sg.grad(sg.sum(slope), x, disconnected="zero"), {"x": points})
        agree(found, curvature, mpmath.mpf(10) ** -12)


@pytest.mark.parametrize("name", OPTIONS)
def test_options_are_numbers_symbols_or_tensors(name: str) -> None:
    """The same values and slopes; a tensor's own slope is that of the definition too."""
    options, definition = OPTIONS[name]
    f, x = ELEMENTWISE[name], sg.input("x", (len(SMOOTH),))
    leaves = {key: sg.input(key, (1,)) for key in options}
    given = {"x": SMOOTH, **{key: [value] for key, value in options.items()}}
    with mpmath.workdps(DIGITS):
        expected = [definition(mpmath.mpf(p)) for p in SMOOTH]
        slopes = [derivative_by_difference(definition, mpmath.mpf(p)) for p in SMOOTH]
        for y in (f(x, **options), f(x, *options.values()), f(x, **leaves)):
            agree(precise(y, given), expected)
            agree(precise(sg.grad(sg.sum(y), x), given), slopes, mpmath.mpf(10) ** -15)
    for text, wrong in ((rf"{name} takes \(u, ", {"wrong": 1}),):
        with pytest.raises(IndexNotationError, match=text):
            f(x, **wrong)


@pytest.mark.usefixtures("plain")
def test_every_activation_in_one_program_in_float64() -> None:
    """Value and slope against 50 digits at ordinary, large and boundary points; what cancels is exact beside 1."""
    points = (*REAL, -700.0, 700.0, 1e-9, -1e-9, 3e-5)
    x = sg.input("x", (len(points),))
    slopes = {f"{name}'": sg.grad(sg.sum(f(x)), x) for name, f in ACTIVATIONS.items()}
    found = codegen.function(x, {name: f(x) for name, f in ACTIVATIONS.items()} | slopes)(np.array(points))
    for name in ACTIVATIONS:
        with mpmath.workdps(DIGITS):
            exact = [float(DEFINITIONS[name][0](mpmath.mpf(p))) for p in points]
        np.testing.assert_allclose(found[name], exact, rtol=4e-15, atol=2e-16, err_msg=name)
        exact = precise(slopes[f"{name}'"], {"x": points}).astype(float)
        np.testing.assert_allclose(found[f"{name}'"], exact, rtol=1e-14, atol=2e-16, err_msg=name)


@pytest.mark.parametrize("name", [*WRITTEN, *WRITTEN_POSITIVE])
def test_simplified_gradient_of_a_written_formula_is_its_slope(name: str) -> None:
    formula = WRITTEN.get(name, WRITTEN_POSITIVE.get(name))
    points = SMOOTH if name in WRITTEN else POSITIVE
    f = sg.elementwise(formula, u)
    x = sg.input("x", (len(points),))
    with mpmath.workdps(DIGITS):
        slopes = [
            derivative_by_difference(lambda p: precise(f(sg.as_tensor(p_symbol)), {"p": p}).item(), mpmath.mpf(point))
            for point in points
        ]
        agree(gradient_at(f, points), slopes, mpmath.mpf(10) ** -15)
    bare = sg.grad(sg.sum(f(x)), x, simplify=False)
    agree(gradient_at(f, points), precise(bare, {"x": points}))


p_symbol = sp.Symbol("p")


@pytest.mark.parametrize("name", WRITTEN)
def test_simplified_gradient_of_a_written_formula_equals_the_bare_one_at_corners(name: str) -> None:
    x = sg.input("x", (len(REAL),))
    loss = sg.sum(sg.elementwise(WRITTEN[name], u)(x))
    agree(
        precise(sg.grad(loss, x), {"x": REAL}),
        precise(sg.grad(loss, x, simplify=False), {"x": REAL}),
        where_finite=True,
    )


@pytest.mark.parametrize("name", FORMS)
def test_derivative_has_the_expected_form(name: str) -> None:
    assert ELEMENTWISE[name].derivative == FORMS[name]


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        (WRITTEN["tanh from exponentials"], 1 - y**2),
        (WRITTEN["tanh from one exponential"], 1 - y**2),
        (WRITTEN["sigmoid the other way"], y * (1 - y)),
        (sp.exp(-(u**2) / 2), -u * y),
        (sp.log(sp.cosh(u)), sp.tanh(u)),
        (sp.Piecewise((u, u > 0), (alpha * (sp.exp(u) - 1), True)), sp.Piecewise((1, u > 0), (y + alpha, True))),
        (sp.sqrt(u), 1 / (2 * y)),
        (sp.sqrt(1 + u**2), u / y),
        (sp.tan(u), 1 + y**2),
        (sp.erf(u), 2 * sp.exp(-(u**2)) / sp.sqrt(sp.pi)),
    ],
)
def test_written_formula_is_folded_through_its_value(formula: sp.Expr, expected: sp.Expr) -> None:
    assert sg.elementwise(formula, u).derivative == expected


def test_silu_is_y_plus_sigma_times_one_minus_y() -> None:
    sigma = scalars.sigmoid(u)
    assert sp.expand(ELEMENTWISE["silu"].derivative - (y + sigma * (1 - y))) == 0
    assert not ELEMENTWISE["silu"].derivative.has(sp.exp)


def test_derivative_names_every_argument() -> None:
    f = sg.elementwise(u * v**2, u, v)
    assert f.derivative == {u: v**2, v: 2 * u * v}


def test_power_with_a_symbol_is_differentiated_by_both() -> None:
    power = sg.elementwise(u**alpha, u, name="power")
    assert power.derivative == alpha * u ** (alpha - 1)
    x, exponent = sg.input("x", (3,)), alpha
    loss = sg.sum(power(x))
    values = {"x": [0.5, 1.0, 3.0], "alpha": 2.5}
    for wrt in (x, exponent):
        agree(precise(sg.grad(loss, wrt), values), precise(sg.grad(loss, wrt, simplify=False), values))
    assert finite(precise(sg.grad(loss, x), {"x": [0.0, -1.0, 2.0], "alpha": 2.0}))


def test_leaky_slope_is_a_parameter_like_any_other() -> None:
    slope = sg.parameter("slope")
    x = sg.input("x", (4,))
    loss = sg.sum(sg.where(x > 0, x, slope * x))
    agree(precise(sg.grad(loss, slope), {"x": [1.0, -2.0, 0.0, -3.0], "slope": 0.25}), -5)


UFUNCS = [
    np.exp, np.tanh, np.sqrt, np.sin, np.cos, np.log, np.log1p, np.expm1, np.abs, np.square, np.sinh, np.cosh,
    np.arctan, np.reciprocal, np.log2, np.log10, np.exp2, np.negative,
]  # fmt: skip


@pytest.mark.parametrize("ufunc", UFUNCS, ids=lambda ufunc: ufunc.__name__)
def test_numpy_ufunc_on_a_symbol_is_the_definition(ufunc: np.ufunc) -> None:
    x = sg.input("x", (3,))
    points = np.array([0.25, 1.5, 3.0])
    agree(evaluate(ufunc(x), {"x": points}), ufunc(points), 1e-14)


def test_at_a_tie_a_constant_has_the_derivative_and_values_share_it() -> None:
    """As a number in the formula or as an operand: the slope of max(x, 2) at 2 is 0; of max(x, z) at x = z, ½ each."""
    x, z = sg.input("x", (3,)), sg.input("z", (3,))
    assert list(gradient_at(sg.relu, (0.0, -0.0, 2.0))) == [0, 0, 1]
    assert list(gradient_at(lambda x: sg.maximum(x, 2), (1.0, 2.0, 3.0))) == [0, 0, 1]
    assert list(gradient_at(lambda x: sg.minimum(-2, x), (-3.0, -2.0, 3.0))) == [1, 0, 0]
    for one, other in ((x, z), (z, x), (2 * x - x, z), (z, 3 * x - 2 * x)):
        loss = sg.sum(sg.maximum(one, other))
        shares = [precise(sg.grad(loss, side), {"x": [1.0, 2, 3], "z": [1.0, 3, 2]}) for side in (x, z)]
        assert [list(share) for share in shares] == [[0.5, 0, 1], [0.5, 1, 0]]


def test_a_formula_with_two_symbols_needs_its_arguments_named() -> None:
    with pytest.raises(IndexNotationError, match="name the arguments"):
        sg.elementwise(u * v)
    with pytest.raises(IndexNotationError, match="takes 1 tensors, 2 were given"):
        sg.relu(sg.input("x", (2,)), sg.input("z", (2,)))
    with pytest.raises(ShapeError, match="do not broadcast"):
        sg.maximum(sg.input("x", (2,)), sg.input("z", (3,)))


@pytest.mark.usefixtures("plain")
def test_the_slope_of_silu_is_one_however_large_the_argument_is() -> None:
    """σ + y·(1 − σ), not y + σ·(1 − y), in which the 1 is lost."""
    x = sg.input("x", (6,))
    slope = codegen.function([x], sg.grad(sg.sum(sg.silu(x)), x))
    np.testing.assert_array_equal(slope(np.array([1e15, 1e16, 1e300, -1e16, -1e300, 0])), [1, 1, 1, 0, 0, 0.5])
    np.testing.assert_array_equal(slope(np.array([1e8, 1e30, -1e8, -1e30, 0, 40], np.float32)), [1, 1, 0, 0, 0.5, 1])


INSIDE = {
    **dict.fromkeys(("arcsin", "arccos", "arctanh", "erfinv"), (-0.9, 0.9)),
    **dict.fromkeys(("log", "log2", "log10", "sqrt", "xlogy", "power", "gamma", "gammaln", "digamma"), (0.1, 9)),
    "log1p": (-0.9, 9), "arccosh": (1.1, 30), "logit": (0.05, 0.95),
}  # fmt: skip
"""Where functions that are not defined everywhere are."""


def test_functions_are_those_of_numpy_and_scipy() -> None:
    """By name, on symbols too; slopes by central differences."""
    special = pytest.importorskip("scipy.special")
    x, y = sg.input("x", (40,)), sg.input("y", (40,))
    random, step = np.random.default_rng(0), 1e-6
    for name, row in ELEMENTARY.items():
        function = getattr(np, name, None) or getattr(special, name)
        symbols, X = (x, y)[: len(row.arguments)], random.uniform(*INSIDE.get(name, (-3, 3)), (2, 40))
        values = {"x": X[0], "y": X[1]}
        tensor = row(*symbols)
        assert function(*symbols) is tensor
        given = X[: len(symbols)]
        agree(evaluate(tensor, values), function(*given), 1e-14)
        up, down = (function(given[0] + shift, *given[1:]) for shift in (step, -step))
        slope = evaluate(sg.grad(sg.sum(tensor), x, disconnected="zero"), values)
        assert np.allclose(slope, (up - down) / (2 * step), rtol=1e-7, atol=1e-8), name


def test_angles_of_symbols_that_are_one_or_0() -> None:
    x = sg.input("x", (4,))
    values = {"x": np.array([2.0, -0.5, 0.0, -3.0])}
    assert np.allclose(evaluate(np.arctan2(x, x), values), [np.pi / 4, -3 * np.pi / 4, 0, -3 * np.pi / 4])
    assert np.allclose(evaluate(np.arctan2(0, x), values), [0, np.pi, 0, np.pi])
