"""Jacobians, Hessians and products with them against each other and against differences."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import sympy as sp

import codegen
import symgraph as sg
from symgraph.core.tensor import Tensor
from symgraph.errors import ShapeError
from symgraph.reference import evaluate
from tests.oracles import agree, draw, precise
from tests.programs import ROWS, SIZES, N, Row

VALUES = {"x": np.array([0.5, -1.0, 2.0]), "W": np.arange(6.0).reshape(3, 2) / 5, "v": np.array([1.0, 2, -1])}


def x() -> Tensor:
    return sg.input("x", (3,))


MAPS: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda x: x,
    "shifted": lambda x: x + 1,
    "scaled": lambda x: 3 * x,
    "sigmoid": sg.sigmoid,
    "affine": lambda x: x @ sg.parameter("W", (3, 2)),
    "softmax": sg.softmax,
    "log-softmax": sg.log_softmax,
    "outer": lambda x: sg.define(sg.indices("i j"), x[sg.indices("i")[0]] * x[sg.indices("j")[0]]),
    "reversed": lambda x: x[::-1],
    "maximum": lambda x: sg.max(x) * x,
    "constant": lambda x: sg.constant(np.ones(2)),
    "scalar": lambda x: sg.sum(x**3),
}


@pytest.mark.parametrize("name", MAPS)
def test_jacobian_has_the_gradients_as_rows(name: str) -> None:
    argument = x()
    y = MAPS[name](argument)
    jacobian = evaluate(sg.jacobian(y, argument), VALUES)
    assert jacobian.shape == tuple(int(size) for size in (*y.shape, 3))
    for place in np.ndindex(jacobian.shape[:-1]):
        row = sg.grad(sg.as_tensor(y[place]) if place else y, argument, disconnected="zero")
        agree(jacobian[place], evaluate(row, VALUES), 1e-12)


CURVED = {"softmax", "affine", "two layers, sigmoid", "diagonal", "gather twice", "convolution", "L2", "shared weights"}


@pytest.mark.parametrize("row", [row for row in ROWS if row.name in CURVED], ids=lambda row: row.name)
def test_hessian_is_symmetric_and_agrees_with_its_products(row: Row) -> None:
    loss, wrt = row.make()
    leaf = wrt[-1]
    values = draw([loss], 2, SIZES, row.low, row.high)
    hessian = precise(sg.hessian(loss, leaf), values, SIZES)
    size = int(np.prod(hessian.shape[: leaf.ndim]))
    matrix = hessian.reshape(size, size)
    agree(matrix, matrix.T)
    vector = np.random.default_rng(0).normal(size=hessian.shape[: leaf.ndim])
    product = precise(sg.hvp(loss, leaf, sg.input("vector", leaf.shape)), values | {"vector": vector}, SIZES)
    agree(product.reshape(-1), matrix @ vector.reshape(-1), 1e-14)


def test_mixed_hessian_is_the_transpose_of_the_other_one() -> None:
    a, W = x(), sg.parameter("W", (3, 2))
    loss = sg.sum(sg.tanh(a @ W))
    left, right = (evaluate(sg.hessian(loss, *pair), VALUES) for pair in ((a, W), (W, a)))
    agree(left, np.moveaxis(right, -1, 0), 1e-12)


def test_hessian_of_half_a_square_is_the_identity_and_of_a_sum_zero() -> None:
    a = x()
    agree(evaluate(sg.hessian(sg.sum(a**2) / 2, a), VALUES), np.eye(3))
    agree(evaluate(sg.hessian(sg.sum(a), a), VALUES), np.zeros((3, 3)))
    agree(evaluate(sg.hvp(sg.sum(a**2) / 2, a, sg.input("v", (3,))), VALUES), VALUES["v"])


def test_fourth_derivative_is_the_same_call() -> None:
    s = sg.parameter("s")
    derivative = sg.as_tensor(sp.sin(2 * s))
    for _ in range(4):
        derivative = sg.grad(derivative, s)
    agree(evaluate(derivative, {"s": 0.3}), 16 * np.sin(0.6), 1e-12)


def test_hessian_with_a_symbolic_batch_size() -> None:
    z = sg.input("z", (N, 2))
    loss = sg.sum(sg.softmax(z) ** 2)
    hessian = sg.hessian(loss, z)
    assert hessian.shape == (N, 2, N, 2)
    full = evaluate(hessian, {"z": np.random.default_rng(0).normal(size=(3, 2))})
    assert all(not full[a, :, b].any() for a in range(3) for b in range(3) if a != b)


def test_vector_of_another_shape_is_refused() -> None:
    a = x()
    with pytest.raises(ShapeError, match=r"hvp: v\(2,\) must have the shape of x\(3,\)"):
        sg.hvp(sg.sum(a**2), a, sg.input("v", (2,)))


def test_a_row_of_a_jacobian_takes_nothing_from_what_is_not_finite_elsewhere() -> None:
    """f(y_0) by branches has a slope though y_1 is no number: a row is a selection, and no factor."""
    a, c = sg.input("a", (2,)), sg.input("c", (2,))
    n, k = sg.indices("n k")
    y = sg.define((n,), sg.Sum(sp.sqrt(a[k] - c[n]), k))
    found = codegen.function([a, c], sg.jacobian(sg.where(y > 0, y, y / 100), a))([1.0, 4.0], [0.0, 9.0])
    np.testing.assert_allclose(found[0], [1 / 2, 1 / 4])
    assert np.isnan(found[1]).all()


def test_a_jacobian_of_what_has_branches_has_no_sum_over_its_rows() -> None:
    """{δ·a if y > 0, else δ·a/100} is δ·{a if y > 0, else a/100}, which solves the sum over the rows."""
    a, W = sg.input("a", (3,)), sg.parameter("W", (2, 3))
    y = sg.sum(W * a, axis=1)
    assert "δ" not in str(sg.jacobian(sg.where(y > 0, y, y / 100), a))
