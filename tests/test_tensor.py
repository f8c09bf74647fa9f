"""Tensors as SymPy expressions: interned, atoms, plain symbols stay plain."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

import symgraph as sg
from symgraph.core.graph import leaves
from symgraph.core.tensor import Element, Tensor
from symgraph.reference import evaluate
from tests.oracles import agree
from tests.programs import N, two_layers

LETTERS = ["I", "E", "S", "N", "Q", "O", "pi", "gamma", "beta", "zeta", "lambda", "W_1"]


def test_tensor_is_a_sympy_expression() -> None:
    loss, _ = two_layers()
    assert isinstance(loss, sp.Expr) and loss.is_real and loss.is_Atom


def test_equal_definitions_are_one_object() -> None:
    x, W = sg.input("x", (N, 2)), sg.parameter("W", (2, 3))
    assert x @ W is x @ W and x + 1 is 1 + x and sg.sigmoid(x) is sg.sigmoid(x)
    assert x @ W is not sg.input("x", (N, 2)) @ W


def test_free_symbols_are_leaves_and_sizes() -> None:
    x, W, alpha = sg.input("x", (N, 2)), sg.parameter("W", (2, 3)), sp.Symbol("alpha")
    assert (alpha * sg.mean(x @ W)).free_symbols == {x, W, alpha, N}


@pytest.mark.parametrize("name", LETTERS)
def test_names_that_sympy_knows_otherwise_stay_plain(name: str) -> None:
    leaf, scalar = sg.input(name, (3,)), sp.Symbol(name)
    loss = sg.sum(scalar * leaf**2)
    gradient = sg.grad(loss, scalar)
    values = {name: np.array([1.0, 2, 3])}
    assert loss.free_symbols == {leaf, scalar}
    with pytest.raises(sg.errors.NameConflictError, match="two different tensors"):
        leaves([loss])
    other = loss.subs(scalar, sg.parameter("other"))
    assert scalar not in other.free_symbols and leaf in other.free_symbols
    agree(evaluate(sg.grad(other, leaf), values | {"other": 2.0}), [4.0, 8.0, 12.0], 1e-14)
    agree(evaluate(gradient, values), 14.0, 1e-14)
    size = sg.dim(name)
    assert sg.input("x", (size,)).shape == (size,) and size.name == name


def test_substitution_of_leaves_values_and_numbers() -> None:
    x, z, s = sg.input("x", (3,)), sg.input("z", (3,)), sp.Symbol("s")
    h = sg.sigmoid(x)
    loss = sg.sum(h * s)
    assert loss.subs(x, z) is sg.sum(sg.sigmoid(z) * s)
    assert loss.subs({h: z}) is sg.sum(z * s)
    agree(evaluate(loss.subs(s, 2), {"x": np.zeros(3)}), 3.0, 1e-14)
    with pytest.raises(sg.errors.ShapeError, match=r"x\(3,\) cannot become \(2,\)"):
        loss.subs(x, sg.input("w", (2,)))


def test_arithmetic_is_that_of_numpy() -> None:
    x, row, s = sg.input("x", (2, 3)), sg.input("row", (3,)), sg.input("s", ())
    values = {"x": np.arange(6.0).reshape(2, 3) + 1, "row": np.array([1.0, -2, 0.5]), "s": np.array(3.0)}
    X, R, S = values["x"], values["row"], values["s"]
    cases = [
        (x + row, X + R), (x - row * s, X - R * S), (s / x, S / X), (x**2, X**2), (2**x, 2**X), (-x, -X),
        (abs(row - 1), abs(R - 1)),
        (x @ row, X @ R), (row @ x.T, R @ X.T), (x @ x.T, X @ X.T), (row @ row, R @ R), (x.T, X.T),
        (x[0], X[0]), (x[:, 1], X[:, 1]), (x[:, ::-1], X[:, ::-1]), (x[-1, 1:], X[-1, 1:]), (x[..., 0], X[..., 0]),
        (sg.sum(x), X.sum()), (sg.sum(x, axis=0), X.sum(0)),
        (sg.mean(x, axis=1, keepdims=True), X.mean(1, keepdims=True)),
        (sg.max(x, axis=1), X.max(1)), (sg.min(x), X.min()), (sg.argmax(x, axis=0), X.argmax(0)),
        (sg.argmax(x), np.array(X.argmax())), (x.argmin(), np.array(X.argmin())),
        (sg.where(x > 3, x, row), np.where(X > 3, X, R)), (np.add(x, R), X + R), (np.float64(2) * x, 2 * X),
        (R * x, R * X), (sg.transpose(sg.input("x", (2, 3)), (1, 0)), X.T),
    ]  # fmt: skip
    for tensor, expected in cases:
        agree(evaluate(tensor, values), expected, 1e-12)


def test_batched_matrix_product_broadcasts_as_numpy_does() -> None:
    a, b = sg.input("a", (4, 1, 2, 3)), sg.input("b", (5, 3, 2))
    values = {
        "a": np.random.default_rng(0).normal(size=(4, 1, 2, 3)),
        "b": np.random.default_rng(1).normal(size=(5, 3, 2)),
    }
    agree(evaluate(a @ b, values), values["a"] @ values["b"], 1e-12)


def test_iteration_is_refused() -> None:
    x = sg.input("x", (2,))
    with pytest.raises(TypeError, match="iterating over tensor"):
        list(x)


def test_value_takes_the_name_of_its_variable() -> None:
    x = sg.input("x", (2,))
    hidden = sg.sigmoid(x)
    assert hidden.display_name == "hidden" and x.display_name == "x"
    assert isinstance(hidden[sg.indices("i")[0]], Element) and isinstance(hidden, Tensor)


def test_every_way_of_binding_names_a_value() -> None:
    x = sg.input("x", (2,))
    q, k, v = 2 * x, 3 * x, sg.sin(x)
    (a, b), [c, _] = (4 * x, 5 * x), [sg.exp(x), sg.cos(x)]
    first = second = 6 * x
    if (inside := 7 * x).ndim == 1:
        assert inside.display_name == "inside"
    assert [t.display_name for t in (q, k, v, a, b, first)] == ["q", "k", "v", "a", "b", "first"]
    assert second is first and c.display_name == "c" and sg.tanh(x).display_name == "v"


def test_sympy_may_ask_a_tensor_about_the_imaginary_unit_but_none_is_imaginary() -> None:
    x = sg.input("x", (3,))
    values = {"x": np.array([-1.0, 0.0, 2.0])}
    tensor = sg.as_tensor(1 / (1 + sp.exp(-x)) + sp.sin(x))
    agree(evaluate(tensor, values), 1 / (1 + np.exp(-values["x"])) + np.sin(values["x"]), 1e-14)
    with pytest.raises(sg.errors.DomainError, match="not a real number"):
        sg.as_tensor(x * sp.I)
