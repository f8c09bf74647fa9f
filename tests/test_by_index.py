"""Definitions that read themselves at earlier indices, against scans, NumPy's loops, and their printed formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy as sp

import symgraph as sg
from symgraph.errors import ArgumentError, IndexNotationError, ShapeError
from symgraph.reference import evaluate

T, N = sg.dim("T"), sg.dim("N")
t, n, i, j, k = sg.indices("t n i j k")
RNG = np.random.default_rng(3)


def test_a_network_of_elman_is_the_scan_of_its_cell() -> None:
    x, h0, U, V = sg.input("x", (T, N, 2)), sg.input("h0", (N, 3)), sg.parameter("U", (2, 3)), sg.parameter("V", (3, 3))

    def rule(h: sg.Tensor) -> Any:
        return sg.tanh(sg.Sum(x[t, n, i] * U[i, j], i) + sg.Sum(h[t - 1, n, k] * V[k, j], k))

    h = sg.define((t, n, j), rule, (T, N, 3), h0)
    told = "h[t, n, j] = tanh(Σ_k h[t − 1, n, k]·V[k, j] + a1[t, n, j]),  h[−1, n, j] = h0[n, j]"
    assert str(h).splitlines()[0] == told
    _, peer = sg.scan(lambda c, a: (sg.tanh(a @ U + c @ V),) * 2, h0, x)
    values = {"x": RNG.normal(size=(4, 2, 2)), "h0": RNG.normal(size=(2, 3))}
    values |= {"U": RNG.normal(size=(2, 3)), "V": RNG.normal(size=(3, 3))}
    found = [sg.grad(sg.sum(sg.sin(y) * y), [x, h0, U, V]) for y in (h, peer)]
    for leaf in (x, h0, U, V):
        got, expected = evaluate([found[0][leaf], found[1][leaf]], values)
        np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_several_lags_have_several_first_values() -> None:
    a, b = sp.symbols("a b", real=True)
    f = sg.define((t,), lambda f: a * f[t - 1] + b * f[t - 2], (8,), {-1: 1, -2: 0})
    assert str(f) == "f[i] = a·f[i − 1] + b·f[i − 2],  f[−1] = 1,  f[−2] = 0"
    assert evaluate(f, {"a": 1, "b": 1}).tolist() == [1, 2, 3, 5, 8, 13, 21, 34]
    slope = sg.grad(f[7], sp.Symbol("a", real=True))
    assert evaluate([slope, sg.grad(slope, a)], {"a": 1, "b": 1}) == [130, 466]


def test_later_steps_run_backward_and_systems_read_each_other() -> None:
    r = sg.input("r", (T,))
    G = sg.define((t,), lambda G: r[t] + G[t + 1] / 2, (T,), 0)
    assert str(G) == "G[t] = r[t] + G[t + 1]/2,  G[T] = 0"
    assert evaluate(G, {"r": np.array([1.0, 2.0, 4.0])}).tolist() == [3.0, 4.0, 4.0]
    q = sg.input("q", (N, T))
    c, m = sg.define((n, t), lambda c, m: (c[n, t - 1] + m[n, t], m[n, t - 1] * q[n, t]), (N, T), (0, 1))
    products = np.cumprod(given := RNG.normal(size=(3, 4)), axis=1)
    np.testing.assert_allclose(evaluate(c, {"q": given}), np.cumsum(products, axis=1), rtol=1e-14)
    np.testing.assert_allclose(evaluate(m, {"q": given}), products, rtol=1e-14)


def test_edges_of_other_axes_are_conditions() -> None:
    """Pascal's triangle, whose cell reads two cells of the row before."""
    p = sg.define(
        (i, j), lambda p: p[i - 1, j] + sp.Piecewise((p[i - 1, j - 1], j > 0), (0, True)), (5, 6), sg.eye(1, 6)[0]
    )
    assert evaluate(p, {})[4].tolist() == [1, 5, 10, 10, 5, 1]
    x = sg.input("x", (T,))
    y = sg.define((t,), lambda y: y[t - 1] + sp.Piecewise((x[t - 1] * x[t], t > 0), (0, True)), (T,), 0)
    assert evaluate(y, {"x": np.array([2.0, 3.0, 5.0])}).tolist() == [0, 6, 21]


@pytest.mark.parametrize(
    ("wrong", "error", "says"),
    [
        (lambda x: sg.define((t,), lambda h: h[t] + x[t], (T,), 0), IndexNotationError, "t. reads itself at the same"),
        (lambda x: sg.define((t,), lambda h: h[t - 1] + h[t + 1], (T,), 0), IndexNotationError, "t - 1. and h.t . 1."),
        (lambda x: sg.define((t,), lambda h: h[0] + x[t], (T,), 0), IndexNotationError, "h is read whole, or"),
        (lambda x: sg.define((t,), lambda h: 2 * x[t], (T,), 0), IndexNotationError, "reads itself nowhere"),
        (lambda x: sg.define((t,), lambda h: h[t - 1], (T,)), ArgumentError, "expected first="),
        (lambda x: sg.define((t,), lambda h: h[t - 1], first=0), ArgumentError, "give shape="),
        (lambda x: sg.define((t,), lambda h: h[t - 2], (T,), 0), ArgumentError, "first={-1: …, -2: …}"),
        (lambda x: sg.define((t,), lambda h: h[t - 1], (T,), x), ShapeError, r"h\[-1\] is x\(T,\); expected \(\)"),
        (lambda x: sg.define((t,), lambda h: h[t - 1] + x[t], (5,), 0), ShapeError, "t runs over"),
        (lambda x: sg.define((t,), lambda h, g: (g[t], h[t]), (T,), (0, 0)), IndexNotationError, "at the same step"),
        (lambda x: sg.define((t,), lambda h, g: h[t - 1], (T,), (0, 0)), ArgumentError, "are 2, not 1"),
        (lambda x: sg.define((t,), x[t], first=0), ArgumentError, "first= is the value of a recurrence"),
    ],
)
def test_errors_name_the_value_and_the_line(wrong: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says) as caught:
        wrong(sg.input("x", (T,)))
    assert "test_by_index.py" in str(caught.value)
