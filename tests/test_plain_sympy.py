"""``codegen.function`` of plain SymPy: what ``lambdify`` takes, with arrays, matrices, sums and gradients."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import sympy as sp

import codegen
import symgraph as sg

x, y, z, a, t = sp.symbols("x y z a t")
n, m = sp.symbols("n m", integer=True)
i, j = sp.symbols("i j", integer=True)
v, w = sp.IndexedBase("v"), sp.IndexedBase("w")
B, P = sp.IndexedBase("B", shape=(n, m)), sp.MatrixSymbol("P", n, m)
q = sp.MatrixSymbol("q", m, 1)
S = sp.Matrix(2, 2, sp.symbols("s:4"))
angle = sp.Function("angle")(t)
FORMULA = sp.sin(x) * y + sp.exp(-z * x) / (1 + y**2)
X, COLUMN = np.linspace(0.1, 2, 6).reshape(2, 3), np.array([[1.0], [2.0]])
FOUR, GRID = np.arange(4.0), np.arange(12.0).reshape(3, 4) / 10


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SYMGRAPH_PYTHON", "1")
    yield


def by_hand(x: Any, y: Any, z: Any) -> Any:
    return np.sin(x) * y + np.exp(-z * x) / (1 + y**2)


def test_arrays_broadcast() -> None:
    f = codegen.function([x, y, z], FORMULA)
    calls = [
        (1, 2, 3), (X, 2.0, 3), (X, COLUMN, 2.5), (X[0], X[1], 2), (X.T, X.T, X.T), (np.ones(1), X, COLUMN),
        (FOUR[:, None], FOUR[None], np.ones((2, 1, 1))), (np.arange(3), 2, np.arange(3)), (X[:, ::2], COLUMN, 1),
    ]  # fmt: skip
    for given in [*calls, *calls]:
        found = f(*given)
        assert found.shape == np.shape(by_hand(*given))
        np.testing.assert_allclose(found, by_hand(*given), rtol=1e-14)
    for again in (pickle.loads(pickle.dumps(f)), copy.deepcopy(f)):
        np.testing.assert_allclose(again(z=2.5, x=X, y=COLUMN), by_hand(X, COLUMN, 2.5))
    assert f(X.astype("float32"), np.float32(1), 2).dtype == np.float32
    assert f(np.empty((0, 3)), 1, 2).shape == (0, 3)
    out = np.empty((2, 3))
    assert f(X, COLUMN, 2.5, out=out) is out
    np.testing.assert_allclose(out, by_hand(X, COLUMN, 2.5))


def test_derivatives_beside_the_value() -> None:
    value, (by_x, by_y) = codegen.function([x, y, z], FORMULA, gradient=[x, y])(X, COLUMN, 2.5)
    np.testing.assert_allclose(value, by_hand(X, COLUMN, 2.5))
    decay = np.exp(-2.5 * X)
    np.testing.assert_allclose(by_x, np.cos(X) * COLUMN - 2.5 * decay / (1 + COLUMN**2), rtol=1e-12)
    np.testing.assert_allclose(by_y, np.sin(X) - decay * 2 * COLUMN / (1 + COLUMN**2) ** 2, rtol=1e-12)
    likelihood = -sp.Sum(sp.log(a) - a * v[i], (i, 0, n - 1))
    value, slope = codegen.function([v, a], likelihood, gradient=a)(FOUR, 0.5)
    np.testing.assert_allclose([value, slope], [-4 * np.log(0.5) + 3, -4 / 0.5 + 6])
    value, (by_v,) = codegen.function([v, a], likelihood, gradient=[v])(FOUR, 0.5)
    assert by_v.tolist() == [0.5] * 4
    np.testing.assert_allclose(
        codegen.function([v, a], likelihood)(FOUR, np.array([0.5, 2])), [3 + 4 * np.log(2), 12 - 4 * np.log(2)]
    )
    slopes = sg.grad(sg.as_tensor(x**2 * y), [x, y])
    assert codegen.function([x, y], [slopes[x], slopes[y]])(FOUR, 2)[0].tolist() == (4 * FOUR).tolist()


VALUES: dict[str, tuple[Any, Any, tuple[Any, ...], Any]] = {
    "sum": (B, sp.Sum(B[i, j] * i, (i, 0, n - 1), (j, 0, m - 1)), (GRID,), (GRID * [[0], [1], [2]]).sum()),
    "part": (v, sp.Sum(v[i] * v[i + 1], (i, 0, 2)), (FOUR,), 8),
    "next": (v, sp.Sum(v[i] * v[i + 1], (i, 0, n - 2)), (FOUR,), 8),
    "Idx": (v, sp.Sum(v[sp.Idx("k", n)], (sp.Idx("k", n), 0, n - 1)), (FOUR,), 6),
    "elements": (v, v[0] - 2 * v[3], (FOUR,), -6),
    "array": ([B, v], sp.Eq(w[i], sp.Sum(B[i, j] * v[j], (j, 0, m - 1))), (GRID, FOUR), GRID @ FOUR),
    "size": ([v, n], sp.Sum(v[i], (i, 0, n - 1)) / n, (FOUR, 4), 1.5),
    "numbers": (x, sp.Sum(x**i, (i, 0, 3)), (2,), 15),
    "series": (x, sp.Sum(x**i / sp.factorial(i), (i, 0, sp.oo)), (1,), np.e),
    "product": ([P, q], 2 * P * q, (GRID, FOUR[:, None]), 2 * GRID @ FOUR[:, None]),
    "square": (P, P * P.T + sp.Identity(n), (GRID,), GRID @ GRID.T + np.eye(3)),
    "trace": (P, sp.Trace(P * P.T) + P[1, 2], (GRID,), (GRID**2).sum() + 0.6),
    "Matrix": ([x, y], sp.Matrix([[x, 1], [0, x * y]]), (FOUR, 2), [[FOUR, FOUR * 0 + 1], [FOUR * 0, 2 * FOUR]]),
    "Array": (x, sp.Array([[[x, 2]]]), (3,), [[[3, 2]]]),
    "Matrix in": ([S, x], S.det() * x, (FOUR.reshape(2, 2), X), -2 * X),
    "groups": ([(x, y), z], x + y * z, ((1, X), 2), 1 + 2 * X),
    "motion": ([angle, angle.diff(t)], angle.diff(t) ** 2 + sp.cos(angle), (X, 2), 4 + np.cos(X)),
    "Dummy": ([sp.Symbol("lambda"), d := sp.Dummy("x"), sp.Dummy("x")], d + sp.Symbol("lambda"), (1, 2, 3), 3),
    "constant": (x, 1, (FOUR,), np.ones(4)),
    "nested": ([x, y], (x, {"y": [y]}), (1, 2), (1, {"y": [2]})),
    "branches": (x, sp.Piecewise((sp.log(x), x > 0), (0, True)), (FOUR - 1,), [0, 0, 0, np.log(2)]),
    "condition": (x, sp.And(x > 0, x < 2), (FOUR,), [0, 1, 0, 0]),
    "step": (x, sp.Heaviside(x) + sp.Mod(x, 3), (FOUR - 1,), [2, 0.5, 2, 3]),
    "large": (x, 10**30 * x, (np.array([1, 2]),), [1e30, 2e30]),
    "real": (x, sp.re(x) + sp.im(x) + sp.conjugate(x) + sp.Abs(x), (FOUR - 1,), [-1, 0, 3, 6]),
    "binomial": ([x, y], sp.binomial(x, y), (5, FOUR), [1, 5, 10, 10]),
    "stable": (x, sp.log(1 + sp.exp(x)), (1000,), 1000),
    "integral": (x, sp.Integral(2 * y, (y, 0, x)) + sp.Derivative(x**3, x), (X,), 4 * X**2),
}


@pytest.mark.parametrize("name", VALUES)
def test_value(name: str) -> None:
    inputs, outputs, given, expected = VALUES[name]
    found = codegen.function(inputs, outputs)(*given)
    if name == "nested":
        assert found == expected
        return
    assert np.shape(found) == np.shape(expected)
    np.testing.assert_allclose(found, expected, rtol=1e-13)


F = codegen.function
WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "symbol": (lambda: F([x], x + y), "the outputs depend on y, which is not among the inputs"),
    "base": (lambda: F([v], sp.Sum(v[i] * w[i], (i, 0, n - 1))), "depend on w, which is not among"),
    "function": (lambda: F([x], sp.Function("g")(x)), r"depend on g\(x\)"),
    "shapes": (lambda: F([x, y], x + y)(np.ones(2), np.ones(3)), r"do not broadcast: x \(2,\), y \(3,\)"),
    "missing": (lambda: F([x, y], x + y)(X), r"y \(\) has no value"),
    "many": (lambda: F([x, y], x + y)(X, 1, 2), "3 arguments are given; there are 2 inputs"),
    "name": (lambda: F([x, y], x + y)(X, 1, q=2), "there is no q here; expected x, y"),
    "complex": (lambda: F([x], x)(X * 1j), r"real numbers, not dtype complex128: pass x.real"),
    "text": (lambda: F([x], x)("a"), "real numbers, not str"),
    "formula": (lambda: F([x + y], x), "x \\+ y is a formula, not a symbol"),
    "string": (lambda: F([x], "x + 1"), "'x \\+ 1' is no formula of SymPy"),
    "inverse": (lambda: F([P], P.I), "Inverse has no program.*numpy.linalg"),
    "indices": (lambda: F([B], B * 2), "B stands in 2\\*B without its indices"),
    "rank": (lambda: F([v], sp.Sum(v[i], (i, 0, n - 1)))(GRID), r"v has shape \(n,\); the array has \(3, 4\)"),
    "sizes": (lambda: F([v, w], sp.Sum(v[i] * w[i], (i, 0, n - 1)))(FOUR, FOUR[1:]), r"n = 4; the array has \(3,\)"),
    "size": (lambda: F([v, n], sp.Sum(v[i], (i, 0, n - 1)) / n)(FOUR, 5), r"n is 5, but v \(n,\) has \(4,\)"),
    "outside": (lambda: F([v], v[5])(FOUR), "index 5 of axis 0 of v"),
    "Matrix": (lambda: F([S], S.det())(FOUR), r"has shape \(2, 2\); the array has \(4,\)"),
    "group": (lambda: F([(x, y)], x)((1, 2, 3)), r"\(x, y\) takes 2 values, not 3"),
    "twice": (lambda: F([x, x], x), "x occurs twice"),
    "gradient": (lambda: F([x], [x, x], gradient=[x]), "gradient= is of one scalar formula"),
    "by what": (lambda: F([x], x, gradient=[y]), "gradient: y is not among the inputs"),
    "no kernel": (lambda: F([x], sp.besselj(0, x))(X), "besselj, for which there is no kernel"),
    "no integral": (lambda: F([x], sp.Integral(sp.exp(sp.sin(y)), (y, 0, x))), "no formula that SymPy finds"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_mistakes(name: str) -> None:
    make, message = WRONG[name]
    with pytest.raises(sg.errors.SymgraphError, match=message):
        make()
