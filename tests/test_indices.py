"""The index calculus: index equations, bounds that calls check, symbolic slices, selections by δ."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sympy as sp

import codegen
import symgraph as sg
from symgraph.core.tensor import Tensor
from symgraph.errors import ArgumentError, ShapeError, SymgraphError
from tests.modes import MODES, run, run_all
from tests.sizes import LONG, examples

N, M, D = sg.dim("N"), sg.dim("M"), sg.dim("D")
n, i, j, k, d = sg.indices("n i j k d")


def both_gradients(loss: Tensor, leaf: Tensor) -> list[Tensor]:
    return [sg.grad(loss, leaf), sg.grad(loss, leaf, simplify=False)]


# -- index equations --------------------------------------------------------------------------------------------------
def ramp(*shape: int) -> np.ndarray:
    return np.arange(1.0, 1 + np.prod(shape)).reshape(shape) / 8


def loop_gradient(function: Callable[[np.ndarray], float], at: np.ndarray) -> np.ndarray:
    """Central differences of a function written with NumPy."""
    result = np.empty(at.shape)
    for place in np.ndindex(at.shape):
        ends = []
        for sign in (1, -1):
            moved = at.copy()
            moved[place] += sign * 1e-5
            ends.append(function(moved))
        result[place] = (ends[0] - ends[1]) / 2e-5
    return result


EQUATIONS: dict[str, tuple[tuple[int, ...], Callable[[Tensor], Tensor], Callable[[np.ndarray], float]]] = {
    "part of an axis": ((4,), lambda x: sg.sum(x[:2] ** 2), lambda x: (x[:2] ** 2).sum()),
    "part of an inner axis": ((3, 4), lambda x: sg.sum(sp.sin(x[:, 1:3])), lambda x: np.sin(x[:, 1:3]).sum()),
    "part of both": ((4, 4), lambda x: sg.sum(sp.exp(x[:2, -3:])), lambda x: np.exp(x[:2, -3:]).sum()),
    "part and whole": ((4,), lambda x: sg.sum(sp.exp(x[:2])) + sg.sum(sp.exp(x)),
                       lambda x: np.exp(x[:2]).sum() + np.exp(x).sum()),
    "normalised by a part": ((3, 4),
                             lambda x: sg.sum(sp.sin(sp.exp(x) / sg.sum(sp.exp(x[:, :2]), axis=1, keepdims=True))),
                             lambda x: np.sin(np.exp(x) / np.exp(x[:, :2]).sum(1, keepdims=True)).sum()),
    "every second": ((5,), lambda x: sg.sum(x[::2] ** 3), lambda x: (x[::2] ** 3).sum()),
    "every third backwards": ((7,), lambda x: sg.sum(x[5::-3] ** 3), lambda x: (x[5::-3] ** 3).sum()),
    "diagonal": ((3, 3), lambda x: sg.define((), sg.Sum(x[i, i] ** 2, i)), lambda x: (np.diag(x) ** 2).sum()),
    "i + j, i + 2·j": ((4, 6), lambda x: sg.sum(sg.define((i, j), x[i + j, i + 2 * j] ** 2, (2, 3))),
                       lambda x: sum(x[a + b, a + 2 * b] ** 2 for a in range(2) for b in range(3))),
    "2·i, 2·i + 1": ((6, 6), lambda x: sg.sum(sg.define(i, x[2 * i, 2 * i + 1] ** 2, (3,))),
                     lambda x: sum(x[2 * a, 2 * a + 1] ** 2 for a in range(3))),
    "2·i, i + j": ((6, 6), lambda x: sg.sum(sg.define((i, j), x[2 * i, i + j] ** 2, (3, 4))),
                   lambda x: sum(x[2 * a, a + b] ** 2 for a in range(3) for b in range(4))),
    "3·i − 2·j": ((9,), lambda x: sg.sum(sg.define((i, j), x[3 * i - 2 * j + 2], (3, 2)) ** 2),
                  lambda x: sum(x[3 * a - 2 * b + 2] ** 2 for a in range(3) for b in range(2))),
    "⌊k/3⌋, k mod 3": ((3, 3), lambda x: sg.sum(sg.define(k, x[k // 3, sp.Mod(k, 3)] ** 2 * (k + 1), (9,))),
                       lambda x: (x.ravel() ** 2 * np.arange(1, 10)).sum()),
    "⌊k/3⌋": ((3,), lambda x: sg.sum(sg.define(k, x[k // 3] ** 2 * (k + 1), (9,))),
             lambda x: (x.repeat(3) ** 2 * np.arange(1, 10)).sum()),
    "⌊k/3⌋ of fewer": ((3,), lambda x: sg.sum(sg.define(k, x[k // 3] ** 2 * (k + 1), (8,))),
                       lambda x: (x.repeat(3)[:8] ** 2 * np.arange(1, 9)).sum()),
    "k mod 3": ((3,), lambda x: sg.sum(sg.define(k, x[k % 3] ** 2 * (k + 1), (9,))),
                lambda x: (np.tile(x, 3) ** 2 * np.arange(1, 10)).sum()),
    "i + 2·⌊k/3⌋": ((6,), lambda x: sg.sum(sg.define((i, k), x[i + 2 * (k // 3)] ** 2 * (k + 1), (2, 9))),
                    lambda x: (x.reshape(3, 2).repeat(3, 0) ** 2 * np.arange(1, 10)[:, None]).sum()),
    "one element twice": ((3,), lambda x: x[0] ** 2 * x[2] + x[0], lambda x: x[0] ** 2 * x[2] + x[0]),
}  # fmt: skip


def test_a_loop_of_which_one_digit_is_read_is_two() -> None:
    """Each element of a gradient visits those that read it, and not all of which some do."""
    t = sg.input("t", (18,))
    for made in (sg.repeat(a := sg.input("a", (6,)), 3), sg.tile(a, 3)):
        slope = sg.grad(sg.sum(made * t), a)
        assert slope.definition.extents == (3,) and not slope.definition.body.has(sg.Delta)


@pytest.mark.parametrize("name", EQUATIONS)
def test_gradient_where_indices_are_equations(name: str) -> None:
    shape, make, function = EQUATIONS[name]
    x, at = sg.input("x", shape), ramp(*shape)
    gradients, expected = both_gradients(make(x), x), loop_gradient(function, at)
    for mode in ("reference", "plain Python", "native")[: examples(2, 3)]:
        for found in run_all(mode, [x], gradients, at):
            np.testing.assert_allclose(found, expected, 1e-6, 1e-7)


@pytest.mark.skipif(LONG, reason="each alone with --long")
def test_gradients_where_indices_are_equations_in_one_program() -> None:
    xs = [sg.input(f"x{number}", shape) for number, (shape, _, _) in enumerate(EQUATIONS.values())]
    arrays = [ramp(*shape) for shape, _, _ in EQUATIONS.values()]
    gradients = [sg.grad(make(x), x) for x, (_, make, _) in zip(xs, EQUATIONS.values(), strict=True)]
    found = run_all("native", xs, gradients, *arrays)
    for (name, (_, _, function)), at, gradient in zip(EQUATIONS.items(), arrays, found, strict=True):
        np.testing.assert_allclose(gradient, loop_gradient(function, at), 1e-6, 1e-7, err_msg=name)


def test_training_on_a_slice_leaves_the_rest() -> None:
    W = sg.parameter("W", (5, 2))
    step = codegen.train_step(sg.sum(W[:3] ** 2), sg.SGD(lr=0.25), dtype="float64")
    params = {"W": np.ones((5, 2))}
    step(params)
    np.testing.assert_array_equal(params["W"], [[0.5, 0.5]] * 3 + [[1, 1]] * 2)


@MODES
def test_gradient_of_elements_picked_by_one_label_twice(mode: str) -> None:
    A, t = sg.input("A", (3, 3)), sg.labels("t", (N,), classes=3)
    loss = sg.define((), sg.Sum(A[t[n], t[n]], n) + sg.Sum(0 * A[0, t[n]], n))
    found = run(mode, [A, t], sg.grad(loss, A), np.ones((3, 3)), np.array([1, 1, 2]))
    np.testing.assert_array_equal(found, np.diag([0, 2, 1]))


@MODES
def test_two_gathers_of_one_table_below_a_function(mode: str) -> None:
    E, t, s = sg.input("E", (5, 2)), sg.labels("t", (N,), classes=5), sg.labels("s", (N,), classes=5)
    loss = sg.sum(sg.define((n, d), sp.sin(E[t[n], d] * E[s[n], d])))
    at, a, b = ramp(5, 2), np.array([0, 1, 1, 3]), np.array([2, 1, 4, 0])
    expected = loop_gradient(lambda E: np.sin(E[a] * E[b]).sum(), at)
    np.testing.assert_allclose(run(mode, [E, t, s], sg.grad(loss, E), at, a, b), expected, 1e-6, 1e-8)


@MODES
def test_maximum_of_a_product_has_a_gradient_by_both(mode: str) -> None:
    x, w = sg.input("x", (N, 3)), sg.input("w", (3,))
    loss = sg.sum(sg.define(n, sg.Max(x[n, k] * w[k], k)) ** 2)
    X, W = np.array([[1.0, -2, 3], [0.5, 4, 1], [2, 0, 0.25]]), np.array([1.5, 1.0, 0.375])
    for leaf, _at, expected in (
        (x, X, loop_gradient(lambda X: ((X * W).max(1) ** 2).sum(), X)),
        (w, W, loop_gradient(lambda W: ((X * W).max(1) ** 2).sum(), W)),
    ):
        np.testing.assert_allclose(run(mode, [x, w], sg.grad(loss, leaf), X, W), expected, 1e-6)


# -- bounds -----------------------------------------------------------------------------------------------------------
@MODES
def test_symbolic_axes_are_indexed_as_numpy_does(mode: str) -> None:
    x = sg.input("x", (N, M))
    X = ramp(5, 4)
    cases = [
        (x[3], X[3]), (x[-1], X[-1]), (x[N - 1], X[-1]), (x[1, -2], X[1, -2]),
        (x[1:], X[1:]), (x[:-1], X[:-1]), (x[:, ::2], X[:, ::2]),
        (x[::-1, 1:3], X[::-1, 1:3]), (x[-3:], X[-3:]), (x[:3:2], X[:3:2]),
        (x[4:1:-1], X[4:1:-1]), (x[-2::-2], X[-2::-2]),
        (x[1:] - x[:-1], X[1:] - X[:-1]), (x[1:][1:, 0], X[2:, 0]), (sg.mean(x[2:], axis=0), X[2:].mean(0)),
        (x[1 : N - 1], X[1:-1]), (x[: N // 2], X[:2]), (sg.softmax(x[:, 1:]) @ x[:, 1:].T, None),
    ]  # fmt: skip
    for found, (_, expected) in zip(run_all(mode, [x], [case[0] for case in cases], X), cases, strict=True):
        if expected is None:
            e = np.exp(X[:, 1:])
            expected = e / e.sum(1, keepdims=True) @ X[:, 1:].T
        np.testing.assert_allclose(found, expected, 1e-12)


@MODES
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda y: y[3], r"index 3 of axis 0 of y\(N,\) needs N ≥ 4; here N = 2"),
        (lambda y: y[10**9], "needs N ≥ 1000000001; here N = 2"),
        (lambda y: y[-3], "needs N ≥ 3; here N = 2"),
        (lambda y: sg.sum(y[2:] ** 2), "needs N ≥ 3; here N = 2"),
        (lambda y: sg.grad(sg.sum(y[:3] ** 2), y), "needs N ≥ 3; here N = 2"),
        (lambda y: sg.define(n, y[n + 1], (4,)), "needs N ≥ 5; here N = 2"),
        (lambda y: sg.grad(y[5] * sg.sum(y), y), "needs N ≥ 6; here N = 2"),
    ],
)
def test_a_call_with_too_few_rows_is_an_error(mode: str, make: Callable[[Tensor], Tensor], message: str) -> None:
    y = sg.input("y", (N,))
    with pytest.raises(ArgumentError, match=message) as caught:
        run(mode, [y], make(y), np.ones(2))
    assert "test_indices.py" in str(caught.value)


def test_sizes_are_checked_at_every_call_and_before_anything_changes() -> None:
    x, W = sg.input("x", (N, 2)), sg.parameter("W", (2,))
    step = codegen.train_step(
        sg.sum((x[3] @ W - 1) ** 2) + sg.sum(x[1:] @ W) / N, sg.SGD(lr=0.1, momentum=0.9), dtype="float64"
    )
    params = {"W": np.zeros(2)}
    for rows in (6, 6, 6, 4, 5):
        step(params, x=np.ones((rows, 2)))
    held, state = params["W"].copy(), step.state["W.v"].copy() if "W.v" in step.state else None
    for rows in (3, 1, 2, 3):
        with pytest.raises(ArgumentError, match="needs N ≥ 4"):
            step(params, x=np.ones((rows, 2)))
    with pytest.raises(ArgumentError, match="needs N ≥ 4; here N = 3"):
        step.fit(params, {"x": np.ones((11, 2))}, batch_size=4)  # its last batch has three rows
    np.testing.assert_array_equal(params["W"], held)
    if state is not None:
        np.testing.assert_array_equal(step.state["W.v"], state)
    step.fit(params, {"x": np.ones((12, 2))}, batch_size=4)
    predict = codegen.function([x], x[3], dtype="float64")
    for rows in (4, 7, 7, 5, 4):
        np.testing.assert_array_equal(predict(ramp(rows, 2)), ramp(rows, 2)[3])
        with pytest.raises(ArgumentError, match="needs N ≥ 4"):
            predict(ramp(3, 2))


@pytest.mark.parametrize(
    "make",
    [
        lambda x, y: x[4], lambda x, y: x[-5], lambda x, y: x[4:], lambda x, y: y[N], lambda x, y: y[N:],
        lambda x, y: y[3:1],
        lambda x, y: y[-1:-3], lambda x, y: sg.define(n, y[n + 1], (N,)), lambda x, y: sg.define(i, x[2 * i], (3,)),
        lambda x, y: sg.input("z", (N - N,)), lambda x, y: sg.input("z", (-N,)), lambda x, y: y[::0], 
        lambda x, y: y["a"],
        lambda x, y: y[1.5], lambda x, y: y[: sp.Symbol("q")], lambda x, y: y[0, 0],
    ],
)  # fmt: skip
def test_what_no_size_allows_is_an_error_at_once(make: Callable[[Tensor, Tensor], Tensor]) -> None:
    with pytest.raises(SymgraphError) as caught:
        make(sg.input("x", (4,)), sg.input("y", (N,)))
    assert "test_indices.py" in str(caught.value)


@MODES
def test_sizes_made_of_sizes(mode: str) -> None:
    x, y, z = sg.input("x", (N, M)), sg.input("y", (N - 1,)), sg.input("z", (N // 2, 2 * M))
    loss = sg.sum((x[1:, 0] * y) ** 2) + sg.sum(z[:, ::2] * x[: N // 2])
    X, Y, Z = ramp(5, 3), ramp(4), ramp(2, 6)
    expected = loop_gradient(lambda X: ((X[1:, 0] * Y) ** 2).sum() + (Z[:, ::2] * X[:2]).sum(), X)
    np.testing.assert_allclose(run(mode, [x, y, z], sg.grad(loss, x), X, Y, Z), expected, 1e-6, 1e-8)
    with pytest.raises(SymgraphError, match=r"y has shape \(N - 1,\)"):
        run(mode, [x, y, z], loss, X, ramp(5), Z)


def test_memory_suits_sizes_that_shrink_as_others_grow() -> None:
    x, y = sg.input("x", (M,)), sg.input("y", (N,))
    rest = sp.exp(x[N:])
    loss = codegen.function([x, y], [sg.sum(rest**2) * sg.sum(y), rest / sg.sum(rest)], dtype="float64")
    for rows, taken in ((9, 8), (9, 1), (6, 5), (9, 2)):
        X, Y = ramp(rows), ramp(taken)
        total, shares = loss(X, Y)
        np.testing.assert_allclose(total, (np.exp(X[taken:]) ** 2).sum() * Y.sum())
        np.testing.assert_allclose(shares, np.exp(X[taken:]) / np.exp(X[taken:]).sum())
    with pytest.raises(ArgumentError, match="M ≥ N"):
        loss(ramp(3), ramp(4))


@MODES
def test_every_size_symbolic(mode: str) -> None:
    x, t = sg.input("x", (N, D)), sg.labels("t", (N,), classes=D)
    X, T = ramp(3, 4), np.array([1, 3, 0])
    picked = sg.define(n, x[n, t[n]])
    outputs = [picked, sg.sum(picked**2), x[:, 0] + picked, sg.grad(sg.sum(picked**2), x)]
    values, total, sums, gradient = run_all(mode, [x, t], outputs, X, T)
    np.testing.assert_array_equal(values, X[np.arange(3), T])
    np.testing.assert_allclose(total, (X[np.arange(3), T] ** 2).sum())
    np.testing.assert_array_equal(sums, X[:, 0] + X[np.arange(3), T])
    expected = np.zeros((3, 4))
    expected[np.arange(3), T] = 2 * X[np.arange(3), T]
    np.testing.assert_allclose(gradient, expected)


# -- selections -------------------------------------------------------------------------------------------------------
@MODES
@pytest.mark.parametrize("simplify", [True, False])
def test_what_delta_does_not_select_has_no_part(mode: str, simplify: bool) -> None:
    x, t = sg.input("x", (3,)), sg.labels("t", (N,), classes=3)

    def gradient(loss: Tensor, *arrays: Any) -> np.ndarray:
        inputs = [x, t][: len(arrays)]
        return run(mode, inputs, sg.grad(loss, x, simplify=simplify), *arrays)

    np.testing.assert_array_equal(gradient(x[0] ** 2 + 1 / x[1], np.array([3.0, 0, 1])), [6, -np.inf, 0])
    np.testing.assert_array_equal(gradient(sp.sqrt(x[0]) + sp.log(x[1]), np.array([0.25, 2, 0])), [1, 0.5, 0])
    np.testing.assert_array_equal(gradient(x[0] / x[1] + x[0], np.array([2.0, np.inf, np.nan]))[[0, 2]], [1, 0])
    squares = sg.as_tensor(sp.sqrt(x))
    named = squares[0] ** 2 + squares[1]
    np.testing.assert_allclose(gradient(named, np.array([4.0, 0.25, 0])), [1, 1, 0])
    taken = sg.define((), sg.Sum(sp.log(x[t[n]]), n))
    np.testing.assert_allclose(
        gradient(taken + 0 * sg.sum(x * 0), np.array([2.0, 0, 4]), np.array([0, 2, 2])), [0.5, 0, 0.5]
    )


def test_one_hot_forms_print_as_before() -> None:
    z, t = sg.input("z", (N, 3)), sg.labels("t", (N,), classes=3)
    assert "(y[n, k] − δ[k = t[n]])/N" in str(sg.grad(sg.cross_entropy(z, t), z)).replace("i", "k")


# -- formulas over indices --------------------------------------------------------------------------------------------
@MODES
def test_scalars_mix_into_formulas_over_indices(mode: str) -> None:
    x, s, lam = sg.input("x", (4,)), sg.input("s", ()), sp.Symbol("lam")
    X, S = ramp(4), 3.0
    cases = [
        ((x[i] - sg.mean(x)) ** 2, (X - X.mean()) ** 2), (sg.mean(x) - x[i], X.mean() - X), (x[i] - x[0], X - X[0]),
        (x[-1] * x[i], X[-1] * X), (x[i] / sg.sum(x), X / X.sum()),
        (sg.sum(x) ** x[i], X.sum() ** X), (x[i] - s, X - S),
        (s - x[i] ** 2, S - X**2), (x[i] + sg.Sum(x[j], j) - s, X + X.sum() - S),
        (sg.Sum(x[j], j) / sg.sum(x) * x[i], X),
        (sp.Max(x[i], sg.mean(x)), np.maximum(X, X.mean())), (sg.sigmoid(x[i] - s), 1 / (1 + np.exp(S - X))),
        (sp.Piecewise((x[i], x[i] > sg.mean(x)), (s, True)), np.where(X.mean() < X, X, S)), (-x[i] * s, -X * S),
        (sp.Piecewise((x[0], sp.And(x[0] > -s, sp.Or(x[0] > s, x[0] < 9))), (x[i], True)), np.full(4, X[0])),
    ]  # fmt: skip
    found = run_all(mode, [x, s], [sg.define(i, body) for body, _ in cases], X, S)
    for value, (_, expected) in zip(found, cases, strict=True):
        np.testing.assert_allclose(value, expected, 1e-12)
    np.testing.assert_allclose(run(mode, [x, sg.as_tensor(lam)], sg.define(i, x[i] ** 2 - lam), X, 2.0), X**2 - 2)
    with pytest.raises(ShapeError, match=r"x\(4,\) stands in the formula without its indices"):
        sg.define(i, x[i] - x)


@MODES
def test_integer_constants_are_labels_and_numbers(mode: str) -> None:
    order = np.array([2, 0, 2])
    x, c = sg.input("x", (3,)), sg.constant(order, "order")
    X = ramp(3)
    cases = [
        (sg.define(i, x[c[i]]), X[order]), (sg.grad(sg.sum(sg.define(i, x[c[i]])), x), [1, 0, 2]),
        (x * c + 1, X * order + 1), (x @ np.array([[1, 2], [0, 3], [1, 1]]), X @ [[1, 2], [0, 3], [1, 1]]),
        (sg.relu(sg.constant(np.array([1, 0, 2]))) * x, X * [1, 0, 2]),
        (x * sg.constant(np.array([-1, 2, 0])), X * [-1, 2, 0]),
    ]  # fmt: skip
    for found, (_, expected) in zip(run_all(mode, [x], [case[0] for case in cases], X), cases, strict=True):
        np.testing.assert_array_equal(found, expected)
    with pytest.raises(SymgraphError):
        sg.define(i, x[sg.constant(np.array([-1, 2, 0]))[i]])
    with pytest.raises(SymgraphError, match="4 classes"):
        sg.define(i, x[sg.constant(np.array([1, 3, 0]))[i]])


@pytest.mark.usefixtures("plain")
def test_arrays_of_labels_index_as_numpys_do() -> None:
    """Side by side they stay where they stand, apart they go in front; slices, numbers and ``...`` beside them."""
    A, t, s = sg.input("A", (3, 4, 5)), sg.labels("t", (N,), classes=3), sg.labels("s", (N,), classes=4)
    r = sg.labels("r", (2, 1), classes=5)
    values = {A: np.arange(60.0).reshape(3, 4, 5), t: np.array([0, 2, 1, 2]), s: np.array([3, 1, 0, 2])}
    values[r] = np.array([[4], [1]])
    a, i, j, k = values.values()
    pairs = [
        (A[t], a[i]), (A[:, s], a[:, j]), (A[t, s], a[i, j]), (A[t, :, r], a[i, :, k]), (A[:, s, r], a[:, j, k]),
        (A[1:, s], a[1:, j]), (A[..., r], a[..., k]), (A[t, 1], a[i, 1]),
    ]  # fmt: skip
    for expression, expected in pairs:
        leaves = [leaf for leaf in values if leaf in expression.free_symbols]
        found = codegen.function(leaves, expression)(*(values[leaf] for leaf in leaves))
        np.testing.assert_array_equal(found, expected)


@pytest.mark.usefixtures("plain")
def test_the_sign_of_an_index() -> None:
    """sign 0 is 0: that |k| is k, for an index k, does not make its sign 1."""
    w = sg.input("w", (2,))
    s = sg.define((i, j), w[i] * sp.sign(j), shape=(2, 3))
    found = codegen.function(w, sg.grad(sg.sum(s), w), "float64")(np.ones(2))
    np.testing.assert_array_equal(found, [2, 2])


def test_remainders_of_numbers_with_digits_are_not_divided() -> None:
    """The gradient of two arrays joined and read in rows had (32·i + j) mod 64 as 32·((i + j/32) mod 2)."""
    x = sg.input("x", (4, 1, 32))
    y = sg.reshape(sg.concatenate([x, x], axis=2), (8, 32))
    data = np.linspace(-1, 1, 128).reshape(4, 1, 32)
    got = codegen.function([x], sg.grad(sg.sum(sg.sin(y)), x))(x=data)
    np.testing.assert_allclose(got, 2 * np.cos(data), rtol=1e-14)
