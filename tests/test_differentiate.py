"""The chain rule: gradients against differences of values, the simplified form against the bare one, conventions."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

import symgraph as sg
from symgraph.core.graph import topological
from symgraph.core.indices import axis
from symgraph.core.tensor import Tensor
from symgraph.errors import DisconnectedError, DomainError
from symgraph.reference import evaluate
from symgraph.vocabulary.elementwise import u
from tests.checks import check_gradient
from tests.counting import calls_of
from tests.oracles import CORNERS, agree, draw, finite, precise
from tests.programs import ROWS, SIZES, N, Row, k, n, two_layers, weighted
from tests.sizes import examples

SMOOTH = [row for row in ROWS if row.smooth]


@pytest.mark.parametrize("row", ROWS[:: examples(2, 1)], ids=lambda row: row.name)
def test_simplified_gradient_equals_the_bare_chain_rule(row: Row) -> None:
    loss, wrt = row.make()
    simple, bare = sg.grad(loss, wrt), sg.grad(loss, wrt, simplify=False)
    for seed, corners in ((1, ()), (2, CORNERS), (3, CORNERS)):
        values = draw([loss], seed, SIZES, row.low, row.high, corners)
        forms = zip(
            precise(list(simple.values()), values, SIZES), precise(list(bare.values()), values, SIZES), strict=True
        )
        for left, right in forms:
            agree(left, right, where_finite=bool(corners))


@pytest.mark.parametrize("row", ROWS[examples(1, 0) :: examples(2, 1)], ids=lambda row: row.name)
def test_gradient_is_what_differences_of_values_say(row: Row) -> None:
    loss, wrt = row.make()
    check_gradient(loss, wrt, draw([loss], 7, SIZES, row.low, row.high), 1, SIZES)


@pytest.mark.parametrize("row", SMOOTH[:: examples(2, 1)], ids=lambda row: row.name)
def test_second_order_is_what_differences_of_gradients_say(row: Row) -> None:
    loss, wrt = row.make()
    check_gradient(loss, wrt, draw([loss], 11, SIZES, row.low, row.high), 2, SIZES)


# -- branches keep their guard ----------------------------------------
def _logarithm_as_a_value() -> tuple[Tensor, Tensor]:
    x = sg.input("x", (5,))
    logarithm = sg.log(x)
    return x, sg.where(x > 0, logarithm, 0)


def _square_of_a_logarithm_as_a_value() -> tuple[Tensor, Tensor]:
    x = sg.input("x", (5,))
    logarithm = sg.log(x)
    squared = logarithm * logarithm
    return x, sg.where(x > 0, squared, 0)


def _on_x(formula: object) -> tuple[Tensor, Tensor]:
    x = sg.input("x", (5,))
    return x, formula(x)  # type: ignore[operator]


GUARDED = {
    "Piecewise sqrt": lambda: _on_x(lambda x: sg.elementwise(sp.Piecewise((sp.sqrt(u), u > 0), (0, True)), u)(x)),
    "where log": lambda: _on_x(lambda x: sg.where(x > 0, sg.log(x), 0)),
    "where of a named log": _logarithm_as_a_value,
    "where of a named square of a named log": _square_of_a_logarithm_as_a_value,
    "sqrt of relu": lambda: _on_x(lambda x: sp.sqrt(sp.Max(x, 0))),
    "log of a clipped value": lambda: _on_x(lambda x: sp.log(sp.Max(x, sp.Rational(1, 100)))),
    "x/|x|": lambda: _on_x(lambda x: sg.where(sp.Ne(x, 0), x / sg.abs(x), 0)),
    "nested": lambda: _on_x(
        lambda x: sg.where(x > 0, sg.where(x < 2, x ** sp.Rational(3, 2), sp.log(x)), -1 / (x - 1))
    ),
    "reciprocal": lambda: _on_x(lambda x: sg.where(x > 0, 1 / x, x)),
    "sinc": lambda: _on_x(lambda x: sg.where(sp.Ne(x, 0), sp.sin(x) / x, 1)),
    "power": lambda: _on_x(lambda x: sg.where(x > 0, x ** sp.Rational(1, 3), 0)),
    "overflow": lambda: _on_x(lambda x: sg.where(x < sp.Rational(1, 10), sp.exp(400 * x), 0)),
}
AROUND_ZERO = {"x": np.array([-2.0, -1e-3, 0.0, 0.5, 2.5])}


@pytest.mark.parametrize("outer", ["itself", "a longer formula"])
@pytest.mark.parametrize("name", GUARDED)
def test_branch_that_is_not_taken_never_gives_nan(name: str, outer: str) -> None:
    x, y = GUARDED[name]()
    y = sg.as_tensor(y)
    if outer != "itself":
        y = sp.sin(y) * sp.atan(y + 2) * sp.tanh(y - 1)
    gradient = sg.grad(weighted(sg.as_tensor(y)), x)
    second = sg.grad(sg.sum(gradient**2), x, disconnected="zero")
    values = AROUND_ZERO | {"c": np.array([1.0, -2.0, 0.5, 3.0, 1.0])}
    for derivative in (gradient, second):
        assert finite(evaluate(derivative, values))
        assert finite(precise(derivative, values))
        off_corner = {name: value[np.array([0, 1, 3, 4, 4])] for name, value in values.items()}
        agree(evaluate(derivative, off_corner), precise(derivative, off_corner), 1e-8)


def test_guard_holds_through_a_chain_of_named_values() -> None:
    x, W = sg.input("x", (5, 2)), sg.parameter("W", (2, 3))
    valid = sg.input("valid", (5, 1))
    logarithm = sg.log(x)
    a = logarithm @ W
    kept = sg.where(valid > 0, a, 0)
    values = {
        "x": np.array([[1.0, 2], [0, 1], [-1, 0], [2, 3], [0, 0]]),
        "valid": [[1.0], [0], [0], [1], [0]],
        "W": np.ones((2, 3)),
    }
    for gradient in sg.grad(sg.sum(kept**2), [x, W]).values():
        assert finite(evaluate(gradient, values))


# -- conventions ----------------------------------------
def test_derivative_at_corners_is_that_of_the_stated_side() -> None:
    x = sg.input("x", (3,))
    at_zero = {"x": [-1.0, 0.0, 1.0]}
    for formula, expected in ((sp.Max(x, 0), [0, 0, 1]), (sp.Abs(x), [-1, 0, 1]), (sp.Min(x, 0), [1, 0, 0])):
        agree(precise(sg.grad(sg.sum(formula), x), at_zero), expected)
        agree(precise(sg.grad(sg.sum(formula), x, simplify=False), at_zero), expected)


@pytest.mark.parametrize(("count", "sign"), [(2, 1), (3, -1), (5, 1)])
def test_arguments_that_tie_share_the_derivative_whichever_is_written_first(count: int, sign: int) -> None:
    """∂/∂u of exp(max(u, v, w, …)): those that tie have equal parts, as in PyTorch's amax; of five one has it."""
    values = np.array([[1.0, 1, 1, 1, 1, 1], [2, 0, 2, 1, 0, 0], [3, 3, 0, 0, 0, 1], [0, 2, 2, 2, 0, 1]]).T[:count]
    tied = values == values.max(axis=0)
    xs = [sg.input(f"x{n}", (4,)) for n in range(count)]
    extremum = sp.Max if sign > 0 else sp.Min
    loss = sg.sum(sg.exp(sign * sg.define((n,), extremum(*(x[n] for x in xs)))))
    for simplify in (True, False)[count > 3 :]:
        slopes = sg.grad(loss, xs, simplify=simplify)
        found = np.array([evaluate(slopes[x], dict(zip([x.name for x in xs], sign * values, strict=True))) for x in xs])
        shares = sign * found / np.exp(values.max(axis=0))
        if count <= 4:
            agree(shares, tied / tied.sum(axis=0), 1e-12)
        agree(shares.sum(axis=0), np.ones(4), 1e-12)
        agree(shares * ~tied, np.zeros((count, 4)))


@pytest.mark.parametrize("kind", [sg.max, sg.min])
def test_derivative_of_an_extremum_goes_to_the_first_that_attains_it(kind: object) -> None:
    x = sg.input("x", (2, 4))
    values = {"x": [[1.0, 1, 1, 1], [0, 0, 0, 0]]}
    gradient = sg.grad(sg.sum(kind(x, axis=1)), x)  # type: ignore[operator]
    agree(precise(gradient, values), [[1, 0, 0, 0], [1, 0, 0, 0]])
    agree(precise(sg.grad(kind(x), x), {"x": [[2.0, 5, 5, 1], [5, 1, 1, 1]]}).sum(), 1)  # type: ignore[operator]


def test_argmax_passes_no_derivative() -> None:
    x, W = sg.input("x", (3, 4)), sg.parameter("W", (4, 2))
    best = sg.argmax(x, axis=1)
    loss = weighted(sg.define((n, k), W[best[n], k] * x[n, best[n]]))
    check_gradient(loss, [x, W], draw([loss], 5, {}), order=2)


# -- what can be asked for ----------------------------------------
def test_gradient_with_respect_to_a_value_in_between() -> None:
    x, W = sg.input("x", (N, 2)), sg.parameter("W", (2, 3))
    a = x @ W
    h = sg.sigmoid(a)
    loss = sg.sum(h**2)
    g = sg.grad(loss, [a, h])
    element = (axis(0), axis(1))
    assert g[h].definition.body == 2 * h[element]
    assert g[a].definition.body == g[h][element] * h[element] * (1 - h[element])


def test_gradients_are_found_by_tensor_and_by_name() -> None:
    loss, (x, W, *_) = two_layers()
    g = sg.grad(loss, [x, W])
    assert g["W1"] is g[W] and set(g) == {x, W}
    with pytest.raises(KeyError):
        g["nothing"]


def test_one_variable_gives_a_tensor_of_its_shape_and_a_list_gives_all() -> None:
    loss, wrt = two_layers()
    assert isinstance(sg.grad(loss, wrt[1]), Tensor)
    assert [gradient.shape for gradient in sg.grad(loss, wrt).values()] == [leaf.shape for leaf in wrt]


def test_the_same_derivative_is_the_same_object() -> None:
    loss, wrt = two_layers()
    assert sg.grad(loss, wrt[1]) is sg.grad(loss, wrt[1]) is sg.grad(loss, wrt)[wrt[1]]


def test_diff_method_is_the_gradient() -> None:
    alpha = sp.Symbol("alpha")
    x = sg.input("x", (3,))
    loss = sg.sum(sp.sin(alpha * x))
    assert loss.diff(alpha) is sg.grad(loss, alpha)
    agree(precise(loss.diff(alpha, alpha), {"x": [1.0, 0, 0], "alpha": 0.5}), -sp.sin(0.5))


def test_loss_that_is_a_leaf_or_a_number_of_times_it() -> None:
    s = sg.parameter("s")
    agree(precise(sg.grad(s, s), {"s": 3.0}), 1)
    agree(precise(sg.grad(5 * s, s), {"s": 3.0}), 5)


def test_zero_for_what_the_loss_does_not_depend_on() -> None:
    x, other = sg.input("x", (3,)), sg.input("other", (2, 2))
    assert precise(sg.grad(sg.sum(x), other, disconnected="zero"), {"x": [1.0] * 3}).tolist() == [[0, 0], [0, 0]]
    with pytest.raises(DisconnectedError, match=r"other\(2, 2\)"):
        sg.grad(sg.sum(x), other)
    assert precise(sg.grad(sg.sum(sg.sign(x)), x), {"x": [1.0] * 3}).tolist() == [0, 0, 0]


def test_loss_must_be_scalar_and_labels_have_no_derivative() -> None:
    x, t = sg.input("x", (N, 3)), sg.labels("t", (N,), classes=3)
    with pytest.raises(DomainError, match=r"scalar.*\(N, 3\)"):
        sg.grad(sg.sigmoid(x), x)
    with pytest.raises(DomainError, match="t holds class labels"):
        sg.grad(sg.cross_entropy(x, t), t)


def test_unknown_derivative_is_an_error_of_its_own() -> None:
    x = sg.input("x", (3,))
    with pytest.raises(DomainError, match="nothing is known"):
        sg.as_tensor(sp.Function("f", real=True)(x))


# -- depth ----------------------------------------
def test_sixty_residual_layers_are_differentiated_in_linear_time() -> None:
    """Counted in calls of functions: five times as many layers, at most 5.5 times as many."""

    def derive(depth: int) -> int:
        h = sg.input("x", (N, 8))
        weights = [sg.parameter(f"W{layer}", (8, 8)) for layer in range(depth)]
        for W in weights:
            h = h + sg.tanh(h @ W)
        loss = sg.sum(h**2)
        calls, g = calls_of(lambda: sg.grad(loss, weights))
        assert len(loss.free_symbols) == depth + 2 and isinstance(loss, sp.Expr)
        assert hash(loss) == hash(loss) and loss.subs(weights[0], 2 * weights[0]) is not loss
        assert len(g) == depth
        return calls

    derive(5)
    few, many = derive(12), derive(60)
    assert many < 5.5 * few


def test_guard_stays_out_of_products_with_finite_values() -> None:
    x, W, V = sg.input("x", (N, 3)), sg.parameter("W", (3, 3)), sg.parameter("V", (3, 2))
    centred = x - sg.mean(x, axis=1, keepdims=True)
    normal = centred / sp.sqrt(sg.mean(centred**2, axis=1, keepdims=True) + sp.Rational(1, 1000))
    mixed = sg.softmax(sg.sigmoid(normal @ W))
    h = sg.relu(mixed @ V)
    gradient = sg.grad(weighted(h), V)
    contraction = gradient.definition
    assert contraction is not None and contraction.op == "sum"
    assert not contraction.body.has(sp.Piecewise)


def test_a_value_is_read_where_several_elements_determine_it() -> None:
    """No operand of h has both of its axes, as in a network of one input: its derivative reads h all the same."""
    s, a, b = sg.input("s", (N,)), sg.parameter("a", (7,)), sg.parameter("b", (7,))
    h = sg.tanh(s[:, None] * a + b)
    found = topological([sg.grad(sg.sum(h * h), a)])
    assert [t for t in found if t.definition and t.definition.body.has(sp.tanh)] == [h]
