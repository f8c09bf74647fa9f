"""A δ says where something is, and is never a factor: what stands beside it matters only where it is 1."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy as sp

import codegen
import symgraph as sg
from symgraph.errors import ArgumentError
from symgraph.reference import evaluate

N = sg.dim("N")
x = sg.input("x", (3,))
n, i, j = sg.indices("n i j")


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize(
    ("loss", "at", "expected"),
    [
        (x[0] ** 2 + 1 / x[1], (3, 0, 1), (6, -np.inf, 0)),
        (sp.log(x[0]) + x[1], (0, 2, np.nan), (np.inf, 1, 0)),
        (sp.sqrt(x[0]) + x[2] / x[1], (0, 0, 2), (np.inf, -np.inf, np.inf)),
        (x[0] * x[1] + sp.exp(x[2]), (np.inf, 2, 1e9), (2, np.inf, np.inf)),
    ],
)
def test_what_is_not_finite_stays_where_it_is(loss: sp.Expr, at: tuple[float, ...], expected: object) -> None:
    """Gradients of formulas of single elements: NaN and inf of one element's derivative reach no other's."""
    J = sg.define((), loss)
    found = codegen.function(x, sg.grad(J, x))(np.array(at, float))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.usefixtures("plain")
def test_rows_beside_one_that_overflowed() -> None:
    """Σ_n E[t[n], j]²·w[n]: a row of E whose examples overflow does not ruin rows that they do not touch."""
    E, w, t = sg.parameter("E", (4, 2)), sg.input("w", (N,)), sg.labels("t", (N,), classes=4)
    J = sg.sum(sg.define((n, j), sp.sin(E[t[n], j]) * w[n]))
    weights, labels = np.array([1.0, np.inf, 2.0]), np.array([1, 3, 1])
    found = codegen.function([E, w, t], sg.grad(J, E))(np.zeros((4, 2)), weights, labels)
    np.testing.assert_array_equal(found, [[0, 0], [3, 3], [0, 0], [np.inf, np.inf]])


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("simplify", [True, False])
@pytest.mark.parametrize(
    ("value", "third", "fourth"),
    [
        (sg.log, (2 / 3, 0), (1 / 4, 0)),
        (lambda E: sg.sqrt(E).named("root"), (3**-0.5, 0), (1 / 4, 0)),
        (lambda E: 1 / E, (-2 / 9, 0), (-1 / 16, 0)),
        (lambda E: E / sg.sqrt(sg.sum(E**2, axis=1, keepdims=True)), (32 / 125, -24 / 125), (9 / 125, -12 / 125)),
    ],
    ids=["log", "a named root", "reciprocal", "rows of length 1"],
)
def test_a_row_that_no_label_names_has_no_slope(value: Any, third: Any, fourth: Any, simplify: bool) -> None:
    """Σ_n f(E)[t[n], 0]: what f′ is in the other rows, infinite at 0, has no part in it."""
    E, t = sg.parameter("E", (4, 2)), sg.labels("t", (N,), classes=4)
    slope = sg.grad(sg.sum(value(E)[t, 0]), E, simplify=simplify)
    rows, labels = np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 0.0], [4.0, 3.0]]), np.array([1, 3, 1])
    expected = [(0, 0), third, (0, 0), fourth]
    np.testing.assert_allclose(codegen.function([E, t], slope)(rows, labels), expected, rtol=1e-12, atol=1e-16)
    np.testing.assert_allclose(evaluate(slope, {"E": rows, "t": labels}), expected, rtol=1e-12, atol=1e-16)


@pytest.mark.usefixtures("plain")
def test_rows_that_neither_of_two_readers_names() -> None:
    """√log E is NaN below 1, and two places of its product are read, each with columns of their own."""
    E, t = sg.parameter("E", (4, 4)), sg.labels("t", (1,), classes=4)
    product = sg.sqrt(sg.log(E)) @ E
    slope = sg.grad(product[2, t[0]] * (product[2, t[0]] - product[3, 0]), E)
    given = np.full((4, 4), 2.0)
    given[:2, :2] = 0.5
    found = codegen.function([E, t], slope)(given, np.array([1]))
    assert np.isfinite(found).all() and (found[:2, 2:] == 0).all()
    np.testing.assert_allclose(found, evaluate(slope, {"E": given, "t": np.array([1])}), rtol=1e-12)


@pytest.mark.usefixtures("plain")
def test_a_power_that_overflows_has_no_part_where_another_is_least() -> None:
    """(1 + u²)^u by both of its operands, overflowing in float32; the least of all of them is 0."""
    base, power = sp.symbols("base power", real=True)
    raised = sg.elementwise((1 + base**2) ** power, base, power)
    slope = sg.grad(sg.min(raised(x, x).T, axis=0) ** 2, x)
    found = codegen.function(x, slope, dtype="float32")(np.float32([-4e9, 8e9, 2e10]))
    np.testing.assert_array_equal(found, [0, 0, 0])


@pytest.mark.usefixtures("plain")
def test_a_selection_times_a_sum() -> None:
    """δ(i, j)·Σ_k …: the diagonal of a product, whose other elements are infinite."""
    A, B = sg.input("A", (2, 3)), sg.input("B", (3, 2))
    k = sg.indices("k")[0]
    trace = sg.define((), sg.Sum(sg.define((i,), sg.Sum(A[i, k] * B[k, i], k))[i] ** 2, i))
    a, b = np.array([[1.0, 2, 3], [4, 5, 6]]), np.array([[1.0, 1e308], [1e308, 1], [1, 1]])
    found = codegen.function([A, B], sg.grad(trace, A))(a, b * 1e-300)
    diagonal = np.einsum("ik,ki->i", a, b * 1e-300)
    np.testing.assert_allclose(found, 2 * diagonal[:, None] * (b * 1e-300).T, rtol=1e-12)


@pytest.mark.usefixtures("plain")
def test_places_alone_times_a_value() -> None:
    """(δ(i, 0) + δ(i, 2))·g, as what two elements have in common: g at both places, whatever g is."""
    total = sg.define((), x[0] + x[2])
    b = sg.input("b", (2, 2))
    loss = sg.sum(sg.relu(b + total))
    found = codegen.function([x, b], sg.grad(loss, x))(np.zeros(3), np.array([[1.0, 2], [3, -4]]))
    np.testing.assert_array_equal(found, [3, 0, 3])
    root = codegen.function([x], sg.grad(sg.sqrt(total), x))(np.zeros(3))
    np.testing.assert_array_equal(root, [np.inf, 0, np.inf])


@pytest.mark.usefixtures("plain")
def test_a_maximum_that_reads_a_diagonal_beside_its_row() -> None:
    """Σ_i max_j A[i, j]·A[j, j], every row won by j = 2: A[2, 2] goes to its element, and its element to A[2, 2]."""
    A = sg.input("A", (3, 3))
    loss = sg.sum(sg.max(sg.define((i, j), A[i, j] * A[j, j]), axis=1))
    found = codegen.function([A], sg.grad(loss, A))(np.array([[1.0, 2, 3], [4, 0, 6], [7, 8, 9]]))
    np.testing.assert_array_equal(found, [[0, 0, 9], [0, 0, 9], [0, 0, 27]])


@pytest.mark.usefixtures("plain")
def test_powers_of_a_diagonal() -> None:
    """Σ_i (A[i, i] + A[i, 1])^(3/2): at i = 1 both are one element, and where they add to 0 the slope is 0."""
    A = sg.input("A", (3, 3))
    loss = sg.sum(sg.define((i,), (A[i, i] + A[i, 1]) ** sp.Rational(3, 2)))
    found = codegen.function([A], sg.grad(loss, A))(np.array([[1.0, 3, 9], [9, 0, 9], [9, 8, 8]]))
    np.testing.assert_array_equal(found, [[3, 3, 0], [0, 0, 0], [0, 6, 6]])


@pytest.mark.usefixtures("plain")
def test_log_sum_exp_of_one_mean() -> None:
    """log Σ exp over the one mean of an array of one element is that element, with slope 1."""
    a = sg.input("a", (1,))
    value = sg.logsumexp(sg.mean(a, keepdims=True))
    found = codegen.function([a], [value, sg.grad(sg.sum(value), a)])(np.array([800.0]))
    assert [np.ravel(part).tolist() for part in found] == [[800.0], [1.0]]


@pytest.mark.parametrize("native", [False, True])
def test_fixed_places_are_stored_once(native: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five elements and rows of X, of which one meets another: each is added in its place, the rest is 0."""
    if not native:
        monkeypatch.setenv("SYMGRAPH_PYTHON", "1")
    X = sg.input("X", (N, 3))
    elements = sg.define((), X[0, 0] * X[1, 2] * X[3, 1] * sp.sin(X[2, 0]))
    loss = elements + sg.sum(sg.define((j,), X[1, j] * X[0, j] ** 3))
    values = np.arange(1.0, 13.0).reshape(4, 3)
    expected = np.zeros((4, 3))
    expected[0] = 3 * values[0] ** 2 * values[1]
    expected[1] = values[0] ** 3
    (a, _, _), (_, _, b), (c, *_), (_, d, _) = values
    expected[0, 0] += b * d * np.sin(c)
    expected[1, 2] += a * d * np.sin(c)
    expected[3, 1] = a * b * np.sin(c)
    expected[2, 0] = a * b * d * np.cos(c)
    found = []
    for threads in ("1", "2"):
        monkeypatch.setenv("SYMGRAPH_THREADS", threads)
        gradient = codegen.function([X], sg.grad(loss, X))
        found.append(gradient(values))
        with pytest.raises(ArgumentError, match=r"index 3 of axis 0 of X\(N, 3\) needs N ≥ 4; here N = 3"):
            gradient(values[:3])
    assert found[0].tobytes() == found[1].tobytes()
    np.testing.assert_allclose(found[0], expected, rtol=1e-14)
    assert "d_X[2, 0] = " in gradient.source and "Delta" not in gradient.source


@pytest.mark.usefixtures("plain")
def test_a_value_is_computed_where_it_is_read() -> None:
    """Row 2 of a table of exponentials whose other rows overflow."""
    E = sg.input("E", (500, 3))
    row = sg.define((j,), sg.exp(E)[2, j] + sp.log(E[2, j]))
    compute = codegen.function([E], [row, sg.grad(sg.sum(row), E)])
    value, gradient = compute(np.full((500, 3), 1.0))
    np.testing.assert_allclose(value, [np.e] * 3)
    np.testing.assert_allclose(gradient, np.where(np.arange(500)[:, None] == 2, np.e + 1, 0) * np.ones(3))
    assert sum(kernel.operations for kernel in compute.report().kernels) < 30


@pytest.mark.parametrize("count", [4, 7, 20, 40])
def test_a_product_of_elements_and_its_derivatives_share_their_blocks(count: int) -> None:
    """n² multiplications one by one; 3·n by blocks."""
    z = sg.input("z", (count,))
    value = sg.as_tensor(sp.Mul(*[z[i] for i in range(count)]))
    function = codegen.function([z], [value, sg.grad(value, z)], dtype="float64")
    at = np.random.default_rng(0).uniform(0.5, 2, count)
    found, slopes = function(at)
    np.testing.assert_allclose(found, at.prod(), rtol=1e-14)
    np.testing.assert_allclose(slopes, at.prod() / at, rtol=1e-14)
    assert sum(kernel.operations for kernel in function.report().kernels) <= 5 * (count - 1)


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("simplify", [True, False])
def test_elements_beside_a_diagonal_have_no_part_in_second_derivatives(simplify: bool) -> None:
    """Σ sin(S[i, i]·S[j, j]): the direction of ∂J/∂S on the diagonal was a value of its own, 0 elsewhere, and was
    multiplied by slopes at the other elements. The fuzzer's 77001000572."""
    S, v = sg.input("S", (3, 3)), sg.input("v", (3, 3))
    J = sg.sum(sg.define((i, j), sp.sin(S[i, i] * S[j, j])))
    slope = sg.grad(J, S, simplify=simplify)
    second = sg.grad(sg.sum(slope * v), S, simplify=simplify)
    at, along = np.array([0.5, -1.0, 2.0]), np.array([1.0, 0.25, -0.5])
    given, direction = np.full((3, 3), np.nan), np.full((3, 3), 3.0)
    np.fill_diagonal(given, at)
    np.fill_diagonal(direction, along)
    products = np.multiply.outer(at, at)
    cosines, sines = np.cos(products), np.sin(products)
    expected = 2 * (cosines @ along - sines * np.multiply.outer(at, at) @ along - at**2 @ sines * along)
    found = codegen.function([S, v], second)(given, direction)
    np.testing.assert_allclose(found, np.diag(expected), rtol=1e-12)


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("simplify", [True, False])
def test_an_exponential_of_unread_elements_stays_with_what_is_selected(simplify: bool) -> None:
    """Σ_n exp(A[t[n], s[n]]·A[s[n], t[n]]): e to the product was taken out of the sum over n, for every place of A."""
    A, t, s = sg.input("A", (4, 4)), sg.labels("t", (N,), classes=4), sg.labels("s", (N,), classes=4)
    slope = sg.grad(sg.sum(sg.define((n,), sp.exp(A[t[n], s[n]] * A[s[n], t[n]]))), A, simplify=simplify)
    given = np.full((4, 4), np.nan)
    given[0, 1], given[1, 0], given[3, 3] = 2.0, 0.5, 1.0
    expected = np.zeros((4, 4))
    expected[0, 1], expected[1, 0], expected[3, 3] = np.e, 4 * np.e, 2 * np.e
    found = codegen.function([A, t, s], slope)(given, [0, 1, 3], [1, 0, 3])
    np.testing.assert_allclose(found, expected, rtol=1e-14)
