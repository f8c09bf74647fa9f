"""The forms that gradients come out in, compared as algebra over forward elements; no value is computed twice."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import sympy as sp
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import codegen
import symgraph as sg
from symgraph.core.bounds import unproved
from symgraph.core.cost import cost
from symgraph.core.graph import topological
from symgraph.core.guarded import reads
from symgraph.core.indices import axis, bound
from symgraph.core.scalars import Delta, sigmoid
from symgraph.core.tensor import Element, Tensor
from symgraph.core.views import Views
from symgraph.derive.relations import Relations
from symgraph.simplify import Relation, simplify
from tests.checks import check_gradient
from tests.oracles import agree, draw, precise
from tests.programs import ROWS, SIZES, N, Row, i, j, k, n
from tests.sizes import examples
from tests.strategies import programs

KERNELS = (sp.exp, sp.log, sp.tanh, sp.sin, sp.cos, sp.erf, sp.sinh, sp.cosh, sigmoid)


def at(tensor: Tensor) -> Element:
    return Element(tensor, *(axis(d) for d in range(tensor.ndim)))


def body(tensor: Tensor) -> sp.Expr:
    assert tensor.definition is not None and tensor.definition.op is None
    return tensor.definition.body


def same(left: sp.Expr, right: sp.Expr) -> bool:
    return sp.expand(left - right) == 0


def with_cotangent(function: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """x, its value y = function(x), the cotangent g of y, and the gradient of Σ g·y by x."""
    x, g = sg.input("x", (N, 3)), sg.input("g", (N, 3))
    y = function(x)
    return x, merged(y), g, sg.grad(sg.sum(g * y), x)


def merged(tensor: Tensor) -> Tensor:
    """The tensor with its temporaries merged, as it stands in a derivative."""
    return tensor


# -- element-wise ----------------------------------------
POINTWISE: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[sp.Expr, sp.Expr], sp.Expr]]] = {
    "sigmoid": (sg.sigmoid, lambda x, y: y * (1 - y)),
    "tanh": (sg.tanh, lambda x, y: 1 - y**2),
    "softplus": (sg.softplus, lambda x, y: sigmoid(x)),
    "silu": (sg.silu, lambda x, y: y + sigmoid(x) * (1 - y)),
    "log_sigmoid": (sg.log_sigmoid, lambda x, y: sigmoid(-x)),
    "written sigmoid": (lambda x: named(1 / (1 + sp.exp(-x))), lambda x, y: y * (1 - y)),
    "written sigmoid, the other way": (lambda x: named(sp.exp(x) / (sp.exp(x) + 1)), lambda x, y: y * (1 - y)),
    "written tanh": (
        lambda x: named((sp.exp(x) - sp.exp(-x)) / (sp.exp(x) + sp.exp(-x))), lambda x, y: 1 - y**2
    ),
    "exp": (lambda x: named(sp.exp(x)), lambda x, y: y),
    "sqrt": (lambda x: named(sp.sqrt(x)), lambda x, y: 1 / (2 * y)),
    "gaussian": (lambda x: named(sp.exp(-(x**2) / 2)), lambda x, y: -x * y),
}  # fmt: skip


def named(formula: sp.Expr) -> Tensor:
    y = sg.as_tensor(formula)
    return y.named("y")


@pytest.mark.parametrize("name", POINTWISE)
def test_cotangent_of_an_activation_is_over_its_value(name: str) -> None:
    function, expected = POINTWISE[name]
    x, y, g, gradient = with_cotangent(function)
    assert same(body(gradient), at(g) * (expected(at(x), at(y))))


def test_elu_is_one_or_y_plus_alpha() -> None:
    alpha = sp.Symbol("alpha")
    x, y, g, gradient = with_cotangent(lambda x: named(sp.Piecewise((x, x > 0), (alpha * (sp.exp(x) - 1), True))))
    a = Element(Tensor.scalar(alpha))
    (positive, condition), (negative, otherwise) = body(gradient).args
    assert condition == (at(x) > 0) and otherwise == sp.true
    assert positive == at(g) and same(negative, at(g) * (at(y) + a))


def test_relu_passes_the_cotangent_where_its_argument_is_positive() -> None:
    x, _, g, gradient = with_cotangent(sg.relu)
    assert body(gradient).shown() == sp.Piecewise((at(g), at(x) > 0), (0, True))


# -- softmax ----------------------------------------
def total(term: sp.Expr, over: sp.Symbol, of: Tensor) -> Element:
    """Σ over the last axis of a (N, 3) formula, as an element."""
    inner = term.xreplace({axis(1): bound(0)})
    return Element(Tensor.define((of.shape[0],), inner, "sum", (of.shape[1],)), axis(0))


def test_softmax_is_y_times_g_minus_the_inner_product() -> None:
    _, y, g, gradient = with_cotangent(lambda x: sg.softmax(x))
    inner = total(at(g) * at(y), axis(1), y)
    assert same(body(gradient), at(y) * (at(g) - inner))


def test_softmax_of_separate_values_is_the_same() -> None:
    def in_steps(x: Tensor) -> Tensor:
        e = sg.exp(x)
        S = sg.sum(e, axis=1, keepdims=True)
        y = e / S
        return y

    _, y, g, gradient = with_cotangent(in_steps)
    inner = total(at(g) * at(y), axis(1), y)
    assert same(body(gradient), at(y) * (at(g) - inner))


def test_log_softmax_is_g_minus_softmax_times_the_total() -> None:
    _, y, g, gradient = with_cotangent(sg.log_softmax)
    assert same(body(gradient), at(g) - sp.exp(at(y)) * total(at(g), axis(1), g))


def cross_entropy_gradient(y: Tensor, z: Tensor, kind: str) -> tuple[Tensor, Tensor]:
    """The target and the gradient of −(1/N) Σ t log y by z."""
    if kind == "labels":
        t = sg.labels("t", (N,), classes=3)
        return t, sg.grad(sg.define((), -sg.Sum(sp.log(y[n, t[n]]), n) / N), z)
    t = sg.one_hot("t", (N, 3)) if kind == "one-hot" else sg.input("t", (N, 3))
    return t, sg.grad(-sg.sum(t * sg.log(y)) / N, z)


@pytest.mark.parametrize("written", ["softmax", "one formula", "steps"])
@pytest.mark.parametrize("kind", ["one-hot", "labels", "soft"])
def test_softmax_and_cross_entropy_give_y_minus_t_over_n(kind: str, written: str) -> None:
    z = sg.input("z", (N, 3))
    if written == "softmax":
        y = sg.softmax(z)
    elif written == "one formula":
        y = sg.define((n, k), sp.exp(z[n, k]) / sg.Sum(sp.exp(z[n, j]), j))
    else:
        e = sg.exp(z)
        S = sg.sum(e, axis=1, keepdims=True)
        y = e / S
    t, gradient = cross_entropy_gradient(y, z, kind)
    target = Delta(axis(1), Element(t, axis(0))) if kind == "labels" else at(t)
    factor = total(at(t), axis(1), t) if kind == "soft" else sp.S.One
    assert same(body(gradient), (at(y) * factor - target) / N)


@pytest.mark.parametrize("kind", ["one-hot", "labels", "soft"])
def test_cross_entropy_of_logits_gives_y_minus_t_over_n(kind: str) -> None:
    z = sg.input("z", (N, 3))
    y = sg.softmax(z)
    t = {"labels": lambda: sg.labels("t", (N,), classes=3), "one-hot": lambda: sg.one_hot("t", (N, 3)),
         "soft": lambda: sg.input("t", (N, 3))}[kind]()  # fmt: skip
    gradient = sg.grad(sg.cross_entropy(z, t), z)
    target = Delta(axis(1), Element(t, axis(0))) if kind == "labels" else at(t)
    factor = total(at(t), axis(1), t) if kind == "soft" else sp.S.One
    assert same(body(gradient), (at(y) * factor - target) / N)


# -- losses, layers, regularisers ----------------------------------------
def test_squared_error_is_two_differences_over_their_number() -> None:
    x, t = sg.input("x", (N, 3)), sg.input("t", (N, 3))
    assert same(body(sg.grad(sg.mse_loss(x, t), x)), 2 * (at(x) - at(t)) / (3 * N))


def test_binary_cross_entropy_on_a_sigmoid_is_y_minus_t_over_n() -> None:
    z, t = sg.input("z", (N, 3)), sg.input("t", (N, 3))
    y = sg.sigmoid(z)
    assert same(body(sg.grad(sg.binary_cross_entropy(y, t), z)), (at(y) - at(t)) / (3 * N))
    w = sg.input("w", (N, 3))
    with_logits = body(sg.grad(sg.binary_cross_entropy_with_logits(w, t), w))
    assert same(with_logits, (sigmoid(at(w)) - at(t)) / (3 * N))


def test_affine_layer() -> None:
    x, W, b = sg.input("x", (N, 2)), sg.parameter("W", (2, 3)), sg.parameter("b", (3,))
    g = sg.input("g", (N, 3))
    a = x @ W + b
    gradients = sg.grad(sg.sum(g * a), [x, W, b])
    assert gradients[x].definition == sg.define((n, i), sg.Sum(g[n, j] * W[i, j], j)).definition
    assert gradients[W].definition == sg.define((i, j), sg.Sum(x[n, i] * g[n, j], n)).definition
    assert gradients[b].definition == sg.sum(g, axis=0).definition


def test_regularisers() -> None:
    W, decay = sg.parameter("W", (2, 3)), sp.Symbol("lambda")
    scale = Element(Tensor.scalar(decay))
    assert body(sg.grad(decay / 2 * sg.sum(W**2), W)) == scale * at(W)
    assert body(sg.grad(decay * sg.sum(abs(W)), W)) == scale * sp.sign(at(W))


def test_a_value_of_a_slice_is_not_read_where_the_slice_is_not() -> None:
    """σ(−x[i]) of x[1:] was read at −1 in the branch i = 0, which has a σ(x[0]) of its own."""
    x = sg.input("x", (3,))
    loss = -sg.log(sg.sigmoid(x[0])) - sg.sum(sg.log(sg.sigmoid(-x[1:])))
    gradient = sg.grad(loss, x)
    for read, path in reads(body(gradient)):
        for index, size in zip(read.indices, read.tensor.shape, strict=True):
            assert not unproved(index, size, {axis(0): sp.Integer(3)}, path)
    given = np.array([1.0, 2.0, 3.0])
    expected = 1 / (1 + np.exp(-given)) - np.array([1.0, 0.0, 0.0])
    np.testing.assert_allclose(codegen.function([x], [gradient, gradient[0]])(given)[0], expected, rtol=1e-12)


def test_maximum_over_an_axis_gives_the_cotangent_to_the_first_best() -> None:
    x, g = sg.input("x", (N, 3)), sg.input("g", (N,))
    best = sg.argmax(x, axis=1)
    gradient = sg.grad(sg.sum(g * sg.max(x, axis=1)), x)
    assert body(gradient) == Delta(axis(1), Element(best, axis(0))) * Element(g, axis(0))


def test_two_layer_network_reads_as_the_textbook_does() -> None:
    x, t = sg.input("x", (N, 4)), sg.labels("t", (N,), classes=3)
    W1, b1 = sg.parameter("W1", (4, 5)), sg.parameter("b1", (5,))
    W2, b2 = sg.parameter("W2", (5, 3)), sg.parameter("b2", (3,))
    a = x @ W1 + b1
    h = sg.sigmoid(a)
    z = h @ W2 + b2
    J = sg.cross_entropy(z, t)
    g = sg.grad(J, [a, z, W1, b1, W2, b2])
    assert same(body(g[z]), (at(sg.softmax(z)) - Delta(axis(1), Element(t, axis(0)))) / N)
    back = sg.define((n, i), sg.Sum(g[z][n, j] * W2[i, j], j))
    (cotangent,) = [e for e in body(g[a]).atoms(Element) if e.tensor.cotangent_of is not None]
    assert cotangent.tensor.definition == back.definition
    assert same(body(g[a]), cotangent * at(h) * (1 - at(h)))
    for gradient, expected in (
        (g[W2], sg.define((i, j), sg.Sum(h[n, i] * g[z][n, j], n))),
        (g[W1], sg.define((i, j), sg.Sum(x[n, i] * g[a][n, j], n))),
        (g[b2], sg.sum(g[z], axis=0)),
        (g[b1], sg.sum(g[a], axis=0)),
    ):
        assert gradient.definition == expected.definition


# -- properties ----------------------------------------
def kernels_of(outputs: list[Tensor]) -> set[sp.Expr]:
    found: set[sp.Expr] = set()
    for tensor in topological(outputs):
        if tensor.definition is not None:
            found |= tensor.definition.body.atoms(*KERNELS)
    return found


SATURATING = [
    "two layers, sigmoid", "two layers, tanh", "residual", "softmax", "softmax in steps, one-hot",
    "binary cross-entropy on a sigmoid", "shared weights", "attention",
]  # fmt: skip


@pytest.mark.parametrize("name", SATURATING)
def test_no_transcendental_function_is_computed_anew_in_the_backward_pass(name: str) -> None:
    row = next(row for row in ROWS if row.name == name)
    loss, wrt = row.make()
    gradients = sg.grad(loss, wrt)
    for gradient in gradients.values():
        for tensor in topological([gradient]):
            if tensor.cotangent_of is not None and tensor.definition is not None:
                assert not tensor.definition.body.has(*KERNELS), tensor.definition.body


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_simplification_is_idempotent_and_never_costs_more(row: Row) -> None:
    loss, wrt = row.make()
    relations = Relations(Views([]))
    for gradient in sg.grad(loss, wrt).values():
        for tensor in topological([gradient]):
            if tensor.cotangent_of is None or tensor.definition is None or tensor.definition.op is not None:
                continue
            again, _ = relations.simplify(tensor.definition.body)
            twice, steps = relations.simplify(again)
            assert cost(again) <= cost(tensor.definition.body)
            assert twice == again and not steps


x_, y_, z_ = sp.symbols("x y z", real=True)


@pytest.mark.parametrize(
    "unsound",
    [
        x_ / x_ * 0 + sp.Abs(x_), sp.sqrt(x_**2), sp.log(x_**2), sp.log(x_ * y_), (x_ * y_) ** sp.Rational(1, 2),
        sp.exp(sp.log(x_)), sp.sqrt(x_) * sp.sqrt(y_), sp.log(sp.exp(x_) * z_), (x_**2) ** sp.Rational(3, 2),
    ],
)  # fmt: skip
def test_rule_that_holds_only_on_part_of_the_numbers_does_not_fire(unsound: sp.Expr) -> None:
    simple, _ = simplify(unsound)
    for point in ({x_: -2, y_: 3, z_: 5}, {x_: -2, y_: -3, z_: 1}, {x_: 2, y_: 3, z_: 1}):
        expected, got = (sp.N(expression.subs(point), 30) for expression in (unsound, simple))
        assert abs(expected - got) < 1e-25


def test_fold_divides_by_nothing_that_may_be_zero() -> None:
    product = Relation(y_, x_ * sp.exp(x_))
    simple, _ = simplify(sp.exp(x_) + x_ * sp.exp(x_), (product,))
    assert sp.limit(simple.subs(y_, product.formula), x_, 0) == 1 and not sp.denom(sp.together(simple)).has(x_, y_)


@pytest.mark.parametrize("row", ROWS[:12], ids=lambda row: row.name)
def test_values_are_preserved_with_every_value_kept(row: Row) -> None:
    loss, wrt = row.make()
    every = [tensor for tensor in topological([loss]) if not tensor.is_label]
    names = sg.grad(loss, [tensor for tensor in every if tensor.kind != "constant"], disconnected="zero")
    bare = sg.grad(loss, wrt, simplify=False)
    values = draw([loss], 4, SIZES, row.low, row.high)
    for leaf in wrt:
        agree(precise(names[leaf], values, SIZES), precise(bare[leaf], values, SIZES))


# -- random programs ----------------------------------------
@settings(
    derandomize=True,
    deadline=None,
    max_examples=examples(15, 200),
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(programs(), st.integers(0, 2**16))
def test_random_program_has_one_gradient_simplified_bare_and_by_differences(
    program: tuple[Tensor, list[Tensor]], seed: int
) -> None:
    loss, wrt = program
    simple, bare = sg.grad(loss, wrt, disconnected="zero"), sg.grad(loss, wrt, disconnected="zero", simplify=False)
    values = draw([loss, *wrt], seed, SIZES)
    for leaf in wrt:
        agree(precise(simple[leaf], values, SIZES), precise(bare[leaf], values, SIZES))
    stable = sg.stabilise(list(simple.values()))
    for leaf, tensor in zip(simple, stable, strict=True):
        agree(precise(tensor, values, SIZES), precise(simple[leaf], values, SIZES))
    check_gradient(loss, wrt, values, 1, SIZES)
