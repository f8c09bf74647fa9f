"""Stable values and gradients from plain formulas, at the ends of the range, in float32 and float64.

The bound is on the error relative to the larger of the true value and the smallest normal number of the dtype, in units
of the dtype's ε, plus what rounding an argument of size |z| costs: |z|·ε.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy as sp

import codegen
import symgraph as sg
from symgraph.core.graph import topological
from symgraph.core.tensor import Tensor
from symgraph.reference import evaluate
from tests.oracles import agree, draw, precise
from tests.programs import ROWS, SIZES, N, Row, j, k, n
from tests.sizes import examples

PRECISE = 400  # below the smallest float64, after a cancellation
DTYPES = [np.float32, np.float64]
EDGES = np.array(
    [0.0, 1e-8, -1e-8, 1e-3, -1e-3, 0.5, -0.5, 3, -3, 17, -17, 40, -40, 80, -80, 100, -100, 700, -700, 1e4, -1e4]
)
LOGITS = np.array(
    [
        [0.0, 0.0, 0.0], [1e4, -1e4, 0.0], [-1e4, -1e4, -1e4], [1e4, 1e4, 1e4], [80.0, -80.0, 79.0],
        [700.0, 699.0, -700.0],
        [1e-8, 0.0, -1e-8], [0.5, -1.0, 2.0], [-700.0, 0.0, 1.0], [1e4, 9999.0, 0.0],
    ]
)  # fmt: skip
BATCH = len(LOGITS)
u = sp.Symbol("u", real=True)

POINTWISE: dict[str, sp.Expr] = {
    "sigmoid": 1 / (1 + sp.exp(-u)),
    "sigmoid, the other way": sp.exp(u) / (1 + sp.exp(u)),
    "softplus": sp.log(1 + sp.exp(u)),
    "softplus of -u": sp.log(1 + sp.exp(-u)),
    "log sigmoid": sp.log(1 / (1 + sp.exp(-u))),
    "log sigmoid, the other way": sp.log(sp.exp(u) / (1 + sp.exp(u))),
    "log (1 - sigmoid)": sp.log(1 - 1 / (1 + sp.exp(-u))),
    "tanh": (sp.exp(u) - sp.exp(-u)) / (sp.exp(u) + sp.exp(-u)),
    "tanh of one exponential": (sp.exp(2 * u) - 1) / (sp.exp(2 * u) + 1),
    "log cosh": sp.log(sp.cosh(u)),
    "log cosh of exponentials": sp.log((sp.exp(u) + sp.exp(-u)) / 2),
    "silu": u / (1 + sp.exp(-u)),
    "mish": u * sp.tanh(sp.log(1 + sp.exp(u))),
    "elu": sp.Piecewise((u, u > 0), (sp.exp(u) - 1, True)),
    "sech squared": 4 / (sp.exp(u) + sp.exp(-u)) ** 2,
    "logistic density": sp.exp(-u) / (1 + sp.exp(-u)) ** 2,
    "scaled softplus": sp.log(1 + sp.exp(3 * u)) / 3,
    "logaddexp with 2": sp.log(sp.exp(u) + sp.exp(2)),
    "log 1 + u²": sp.log(1 + u**2),
    "gelu": u * (1 + sp.erf(u / sp.sqrt(2))) / 2,
}


ABSOLUTE = {"log cosh", "log cosh of exponentials", "sech squared", "logistic density", "gelu"}
"""Formulas whose value is right to ε·1, not to ε·|value|, where it is small: what cancels is not rewritten."""


def worst_error(
    values: np.ndarray, exact: np.ndarray, dtype: type, argument: np.ndarray | float, floor: float
) -> float:
    """The largest error in units of ε·(1 + |argument|)·max(|exact|, floor); infinite where a value is not finite."""
    info, worst = np.finfo(dtype), 0.0
    arguments = np.broadcast_to(argument, exact.shape)
    for place in np.ndindex(exact.shape):
        want = mpmath.mpf(exact[place])
        unit = float(info.eps) * (1 + abs(arguments[place])) * max(abs(want), max(floor, float(info.tiny)))
        if not np.isfinite(values[place]):
            return np.inf
        worst = max(worst, float(abs(mpmath.mpf(float(values[place])) - want) / unit))
    return worst


def exact_at(values: np.ndarray, dtype: type) -> np.ndarray:
    """The values as the dtype holds them."""
    return values.astype(dtype).astype(np.float64)


def stable_error(
    tensor: Tensor, values: dict[str, np.ndarray], dtype: type, argument: np.ndarray | float, floor: float
) -> float:
    """Error of the stabilised formula in a dtype against the plain one in 400 digits."""
    held = {name: array if array.dtype.kind == "i" else exact_at(array, dtype) for name, array in values.items()}
    got = evaluate(sg.stabilise([tensor])[0], held, dtype=dtype)
    with mpmath.workdps(PRECISE):
        return worst_error(got, evaluate(tensor, held, dtype="mpmath"), dtype, argument, floor)


BY_DTYPE = pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.__name__)


@BY_DTYPE
@pytest.mark.parametrize("name", POINTWISE)
def test_formula_and_its_gradient_are_right_at_the_ends_of_the_range(name: str, dtype: type) -> None:
    x = sg.input("x", (len(EDGES),))
    y = sg.elementwise(POINTWISE[name], u)(x)
    assert stable_error(y, {"x": EDGES}, dtype, EDGES, 1.0 if name in ABSOLUTE else 0.0) < 4
    assert stable_error(sg.grad(sg.sum(y), x), {"x": EDGES}, dtype, EDGES, 1.0) < 4


@pytest.mark.parametrize("name", ["sigmoid", "softplus", "log sigmoid", "tanh", "silu"])
def test_infinite_arguments_give_the_limits(name: str) -> None:
    x = sg.input("x", (2,))
    y = sg.stabilise([sg.elementwise(POINTWISE[name], u)(x)])[0]
    limits = {"sigmoid": [0, 1], "softplus": [0, np.inf], "log sigmoid": [-np.inf, 0], "tanh": [-1, 1]}
    got = evaluate(y, {"x": [-np.inf, np.inf]})
    if name in limits:
        assert got.tolist() == limits[name]
    else:
        assert got[1] == np.inf


# -- softmax and its relatives ----------------------------------------
def written_softmax(z: Tensor) -> Tensor:
    return sg.define((n, k), sp.exp(z[n, k]) / sg.Sum(sp.exp(z[n, j]), j))


def softmax_in_steps(z: Tensor) -> Tensor:
    e = sg.exp(z)
    S = sg.sum(e, axis=1, keepdims=True)
    y = e / S
    return y


VECTORS: dict[str, Callable[[Tensor], Tensor]] = {
    "softmax": sg.softmax,
    "softmax, one formula": written_softmax,
    "softmax, steps": softmax_in_steps,
    "log-softmax": sg.log_softmax,
    "logsumexp": sg.logsumexp,
    "log of softmax": lambda z: sg.log(sg.softmax(z)),
    "log of softmax, one formula": lambda z: sg.log(written_softmax(z)),
    "log of softmax, steps": lambda z: sg.log(softmax_in_steps(z)),
    "logsumexp, written": lambda z: sg.log(sg.sum(sg.exp(z), axis=1)),
    "softmax with temperature": lambda z: sg.softmax(z / 2),
    "softmax of an affine layer": lambda z: sg.softmax(z @ sg.constant(np.eye(3)) + 1),
}


@BY_DTYPE
@pytest.mark.parametrize("name", VECTORS)
def test_softmax_and_its_relatives_are_right_for_any_logits(name: str, dtype: type) -> None:
    z = sg.input("z", (BATCH, 3))
    y = VECTORS[name](z)
    weight = sg.input("g", y.shape)
    gradient = sg.grad(sg.sum(weight * y), z)
    values = {"z": LOGITS, "g": np.random.default_rng(0).normal(size=(BATCH, 3)[: y.ndim])}
    size = np.abs(LOGITS).max(axis=1, keepdims=True)
    assert stable_error(y, values, dtype, size if y.ndim == 2 else size[:, 0], 0.0) < 4
    assert stable_error(gradient, values, dtype, size, 1.0) < 4


TARGETS = np.array([0, 1, 2, 0, 1, 2, 0, 1, 2, 0])


NESTED = {
    "log-softmax over rows, and over columns": lambda z, w: w * sg.log_softmax(sg.log_softmax(z, axis=0), axis=1),
    "softmax of softmax": lambda z, w: w * sg.softmax(sg.softmax(z, axis=0), axis=1),
    "log Σ exp(−relu)": lambda z, w: sg.logsumexp(-sg.relu(z)),
    "log Σ exp(log σ)": lambda z, w: sg.logsumexp(sg.log_sigmoid(-z)),
    "log of some of a softmax": lambda z, w: sg.log(sg.sum(sg.softmax(z)[:, :2], axis=1)),
}


@pytest.mark.parametrize("name", list(NESTED)[:: examples(2, 1)])
def test_sums_of_exponentials_in_each_other_are_right(name: str) -> None:
    """A maximum over another axis is no shift of a sum; what a sum of small terms is divided by, or the logarithm of,
    is shifted too."""
    z, w = sg.input("z", (2, 3)), sg.input("w", (2, 3))
    value = sg.sum(NESTED[name](z, w))
    slope = sg.grad(value, z)
    at = {"z": np.array([[900.0, 2e3, 8e3], [2e3, 1e3, 5.0]]), "w": np.array([[0.5, -1.0, 2.0], [3.0, 0.25, 1.0]])}
    outputs = [value, slope]
    for got, exact in zip(evaluate(sg.stabilise(outputs), at), precise(outputs, at), strict=True):
        np.testing.assert_allclose(got, np.array(exact, float), rtol=1e-10)


@BY_DTYPE
@pytest.mark.parametrize("kind", ["labels", "one-hot", "soft"])
@pytest.mark.parametrize("name", ["cross_entropy", "softmax, one formula", "softmax, steps"])
def test_cross_entropy_and_its_gradient_are_right_for_any_logits(name: str, kind: str, dtype: type) -> None:
    z = sg.input("z", (BATCH, 3))
    t = {"labels": lambda: sg.labels("t", (BATCH,), classes=3), "one-hot": lambda: sg.one_hot("t", (BATCH, 3)),
         "soft": lambda: sg.input("t", (BATCH, 3))}[kind]()  # fmt: skip
    rows = (
        sg.cross_entropy(z, t, "none")
        if name == "cross_entropy"
        else sg.nll_of_probabilities(VECTORS[name](z), t, "none")
    )
    soft = np.random.default_rng(1).uniform(size=(BATCH, 3))
    values = {"z": LOGITS, "t": {"labels": TARGETS, "one-hot": np.eye(3)[TARGETS], "soft": soft}[kind]}
    size = np.abs(LOGITS).max(axis=1, keepdims=True)
    assert stable_error(rows, values, dtype, size[:, 0], 1.0) < 4
    assert stable_error(sg.grad(sg.mean(rows), z), values, dtype, size, 1.0) < 4


@BY_DTYPE
def test_binary_cross_entropy_from_a_sigmoid_is_right_for_any_logit(dtype: type) -> None:
    z, t = sg.input("z", (len(EDGES),)), sg.input("t", (len(EDGES),))
    y = sg.sigmoid(z)
    values = {"z": EDGES, "t": np.linspace(0, 1, len(EDGES))}
    for loss in (
        sg.binary_cross_entropy(y, t, "none"),
        sg.binary_cross_entropy(1 / (1 + sp.exp(-z)), t, "none"),
        sg.binary_cross_entropy_with_logits(z, t, "none"),
    ):
        assert stable_error(loss, values, dtype, EDGES, 1.0) < 4
        assert stable_error(sg.grad(sg.sum(loss), z), values, dtype, EDGES, 1.0) < 4


@BY_DTYPE
def test_log_cosh_loss_is_right_for_any_difference(dtype: type) -> None:
    x, t = sg.input("x", (len(EDGES),)), sg.input("t", (len(EDGES),))
    values = {"x": EDGES, "t": np.zeros(len(EDGES))}
    loss = sg.log_cosh_loss(x, t, "none")
    assert stable_error(loss, values, dtype, EDGES, 1.0) < 4
    assert stable_error(sg.grad(sg.sum(loss), x), values, dtype, EDGES, 1.0) < 4


# -- properties ----------------------------------------
@pytest.mark.parametrize("row", ROWS[:: examples(2, 1)], ids=lambda row: row.name)
def test_stabilised_program_has_the_same_values_and_is_not_changed_again(row: Row) -> None:
    loss, wrt = row.make()
    outputs = [loss, *sg.grad(loss, wrt).values()]
    stable = sg.stabilise(outputs)
    assert all(left is right for left, right in zip(sg.stabilise(stable), stable, strict=True))
    values = draw(outputs, 21, SIZES, row.low, row.high)
    for left, right in zip(precise(stable, values, SIZES), precise(outputs, values, SIZES), strict=True):
        agree(left, right)


@pytest.mark.parametrize("kind", [sg.softmax, sg.log_softmax])
@pytest.mark.parametrize("seed", range(examples(6, 60)))
def test_scores_that_are_constants_are_shifted_as_others_are(kind: Any, seed: int) -> None:
    """What is measured at one place of constants alone says nothing of the others: one row of sixteen overflowed."""
    scores = np.random.default_rng(seed).normal(0, 60, (4, 4)).astype(np.float32)
    found = codegen.function([], kind(sg.constant(scores), axis=1), dtype="float32")()
    exact = np.exp(scores.astype(np.float64) - scores.max(1, keepdims=True))
    shares = exact / exact.sum(1, keepdims=True)
    np.testing.assert_allclose(found, shares if kind is sg.softmax else np.log(shares), 1e-5, 1e-6)


def test_forward_and_backward_share_one_maximum_and_one_sum() -> None:
    z, t = sg.input("z", (N, 3)), sg.labels("t", (N,), classes=3)
    loss = sg.cross_entropy(z, t)
    order = topological(sg.stabilise([loss, sg.grad(loss, z)]))
    kinds = [tensor.definition.op for tensor in order if tensor.definition is not None]
    assert kinds.count("max") == 1 and kinds.count("sum") == 2
    exponentials = [t for t in order if t.definition is not None and t.definition.body.has(sp.exp)]
    assert len({kernel for tensor in exponentials for kernel in tensor.definition.body.atoms(sp.exp)}) <= 2


# -- functions of a log-sum-exp ---------------------------------------------------------------------------------------
OF_LSE = {
    "square": (lambda v: v**2, lambda v: 2 * v, lambda v: 2),
    "reciprocal": (lambda v: 1 / v, lambda v: -1 / v**2, lambda v: 2 / v**3),
    "sine": (sg.sin, mpmath.cos, lambda v: -mpmath.sin(v)),
    "logarithm": (lambda v: sg.log(v**2) / 2, lambda v: 1 / v, lambda v: -1 / v**2),
    "softplus": (sg.softplus, lambda v: 1 / (1 + mpmath.exp(-v)), lambda v: mpmath.exp(-v) / (1 + mpmath.exp(-v)) ** 2),
    "gaussian": (
        lambda v: sg.exp(-(v**2)), lambda v: -2 * v * mpmath.exp(-v * v),
        lambda v: (4 * v * v - 2) * mpmath.exp(-v * v),
    ),
    "share of the square": (
        lambda v: sg.sigmoid(v**2), lambda v: v / (1 + mpmath.cosh(v * v)),
        lambda v: 1 / (1 + mpmath.cosh(v * v)) - 2 * v * v * mpmath.sinh(v * v) / (1 + mpmath.cosh(v * v)) ** 2,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OF_LSE)
def test_gradient_of_a_function_of_a_log_sum_exp(name: str) -> None:
    """f(log S): S cancels against the exponentials in f′·eˣ/S, wherever else f′ reads it."""
    function, first, second = OF_LSE[name]
    x = sg.input("x", (4,))
    direction = np.array([1.0, -2.0, 0.5, 3.0])
    J = function(sg.logsumexp(x))
    found = [sg.stabilise([output])[0] for output in (sg.grad(J, x), sg.hvp(J, x, sg.constant(direction)))]
    for at in ([1000.0, 999.0, -3000.0, 1000.5], [-1000.0, -999.0, -3000.0, -1000.5], [1.0, 2.0, -3.0, 0.5]):
        with mpmath.workdps(60):
            shares = [mpmath.exp(mpmath.mpf(a) - max(at)) for a in at]
            total = sum(shares)
            lse, p = max(at) + mpmath.log(total), [share / total for share in shares]
            along = sum(q * d for q, d in zip(p, direction, strict=True))
            gradient = [float(first(lse) * q) for q in p]
            product = [
                float(second(lse) * q * along + first(lse) * q * (d - along)) for q, d in zip(p, direction, strict=True)
            ]
        values = evaluate(found, {"x": np.array(at)})
        for value, expected in zip(values, (gradient, product), strict=True):
            np.testing.assert_allclose(value, expected, rtol=1e-9, atol=1e-300)


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("weights", [(1, 1), (2, 3), (1, 1, 1), (1, 2, 3), (1, 1, "1")], ids=str)
def test_sums_of_exponentials_at_any_arguments(weights: tuple[Any, ...]) -> None:
    """log Σ c·eᵘ and its gradient at ±1000 and −∞, as mpmath has them; "1" is a term of 1."""
    count = sum(not isinstance(weight, str) for weight in weights)
    leaves = [sg.input(name, ()) for name in "abc"[:count]]
    terms = [w * sg.exp(leaf) for w, leaf in zip(weights, leaves, strict=False)] + [1] * (len(weights) - count)
    value = sg.log(sum(terms))
    slopes = [sg.grad(value, leaf) for leaf in leaves]
    run = codegen.function(leaves, [value, *slopes], dtype="float64")
    for at in ((1000.0, 1000.0, 999.0), (-1000.0, -1001.0, -999.0), (-np.inf, 0.5, 2.0), (3.0, -2.0, 700.0)):
        sizes = [w * mpmath.exp(u) for w, u in zip(weights, at[:count], strict=False)] + [1] * (len(weights) - count)
        total = mpmath.fsum(sizes)
        expected = [mpmath.log(total), *(size / total for size in sizes[:count])]
        np.testing.assert_allclose(run(*at[:count]), [float(e) for e in expected], rtol=1e-13, atol=1e-300)


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("scale", [1.0, 30.0, 1e3])
def test_sums_of_small_exponentials_have_their_logarithm(scale: float) -> None:
    """log Σ exp(−e^u), all of whose terms are 0 in floating point, and of x − max x, which e^{u−m}·e^{m−u} made NaN."""
    a = sg.input("a", (sg.dim("N"), 3))
    given = np.random.default_rng(0).normal(size=(4, 3)) * scale
    small = codegen.function(a, sg.logsumexp(-sg.exp(a)))(given.clip(max=200))
    u = -np.exp(given.clip(max=200))
    largest = u.max(axis=1)
    np.testing.assert_allclose(small, largest + np.log(np.exp(u - largest[:, None]).sum(axis=1)), 1e-12)
    below = a - sg.max(a, axis=1, keepdims=True)
    slope = codegen.function(a, sg.grad(sg.sum(sg.logsumexp(below)), a))(given)
    e = np.exp(given - given.max(axis=1, keepdims=True))
    np.testing.assert_allclose(slope, e / e.sum(axis=1, keepdims=True) - (e == 1), atol=1e-12)


@pytest.mark.usefixtures("plain")
def test_a_square_times_its_logarithm_is_0_at_0() -> None:
    """log u² is 2·log |u| where u² is far from 1; u²·log u² is 0 at 0 all the same."""
    a = sg.input("a", (sg.dim("N"),))
    u = a**2
    np.testing.assert_allclose(codegen.function(a, u * sg.log(u))(np.array([0.0, 1.0, 2.0])), [0, 0, 4 * np.log(4)])


@pytest.mark.usefixtures("plain")
def test_numbers_that_float32_does_not_hold() -> None:
    """They are infinite there, where one form is as good as another: float64 alone tells which is better."""
    far, scale = sg.constant([1e40, 2e40, -3e40]), sg.input("scale", ())
    found = codegen.function(scale, [scale * sg.logsumexp(far), scale * sg.log_softmax(far)], dtype="float64")(1.0)
    np.testing.assert_allclose(found[0], 2e40)
    np.testing.assert_allclose(found[1], [-1e40, 0, -5e40])


def test_a_softmax_beside_the_log_sum_of_another_axis_has_a_finite_gradient() -> None:
    """∂/∂x of log Σ_{i,j} exp x is exp(x)/Σ, and not y·Σ_j exp x/Σ by the rows' softmax y, whose sums overflow."""
    x, w = sg.input("x", (3, 4)), sg.input("w", (3, 4))
    slope = sg.grad(sg.sum(sg.sin(sg.softmax(x, 1) * sg.logsumexp(x, None)) * w), x)
    at = np.random.default_rng(0).normal(size=(2, 3, 4))
    assert np.isfinite(codegen.function([x, w], slope, dtype="float64")(1000 * at[0], at[1])).all()


def test_values_that_two_products_share_are_their_factor() -> None:
    """a·x − b·(x·y) of computed x and y: by their names, x·(a − b·y), not by all that they are computed of."""
    p, q, a, b = (sg.input(name, ()) for name in "pqab")
    x, y = p + q, p - 2 * q
    rate = a * x - b * (x * y)
    (form,) = sg.stabilise([rate])
    assert form.definition is not None
    assert form.definition.body.has(x.element) and not form.definition.body.has(p.element)
    at = {"p": np.array(1e300), "q": np.array(-1e299), "a": np.array(3.0), "b": np.array(2e-300)}
    np.testing.assert_allclose(evaluate(form, at), 0.9e300 * (3.0 - 2e-300 * 1.2e300), rtol=1e-14)


@pytest.mark.parametrize("of", [sg.softmax, sg.log_softmax, sg.logsumexp])
def test_scores_that_are_the_same_along_an_axis_are_shifted_as_others_are(of: Any) -> None:
    """An axis of one that a reduction kept, and scores for all rows: e^800 was infinite, and its share not a number."""
    x, u = sg.input("x", (4, 3, 2)), sg.input("u", (3,))
    large, scores = 800 + np.arange(24.0).reshape(4, 3, 2), np.array([800.0, 900.0, 801.0])
    for reduced in (sg.mean, sg.min, sg.sum)[: examples(1, 3)]:
        kept, gone = reduced(x, axis=1, keepdims=True), reduced(x, axis=1)
        got, expected = (codegen.function([x], of(t, axis=0))(x=large) for t in (kept, gone))
        np.testing.assert_allclose(np.reshape(got, np.shape(expected)), expected, rtol=1e-14)
        assert np.isfinite(got).all()
        gradient = codegen.function([x], sg.grad(sg.sum(of(kept, axis=0) ** 2), x))(x=large)
        assert np.isfinite(gradient).all()
    i, j = sg.indices("i j")
    got = codegen.function([u], of(sg.define((i, j), u[j], shape=(4, 3)), axis=1))(u=scores)
    np.testing.assert_allclose(got[0], codegen.function([u], of(u, axis=0))(u=scores), rtol=1e-14)


def test_one_and_what_is_an_exponential_less_one_in_a_case_is_the_exponential() -> None:
    """elu′ is 1 + y where u ≤ 0, which has lost its digits where y is near −1."""
    x, a = sg.input("x", (N,)), sg.input("a", (N,))
    g = sg.grad(sg.sum(sg.elu(x - a) ** 2), x)
    f = codegen.function([x, a], sg.grad(sg.sum(g**2), x))
    data = np.array([-25.0, -30.0, -10.0, -1.0, 0.5])
    e = np.exp(data)
    m = np.expm1(data)
    expected = np.where(data > 0, 8 * data, 8 * e * m * (m * e + e * e))
    np.testing.assert_allclose(f(x=data, a=np.zeros(5)), expected, rtol=1e-13)
