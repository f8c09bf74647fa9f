"""Index notation: what definitions mean, and what is no definition."""

from __future__ import annotations

import re

import numpy as np
import pytest
import sympy as sp

import symgraph as sg
from symgraph.errors import IndexNotationError, ShapeError
from symgraph.reference import evaluate
from symgraph.vocabulary.elementwise import u, v, w
from tests.oracles import agree
from tests.programs import N, i, j, k, n, p

X = np.random.default_rng(0).normal(size=(4, 6))
W = np.random.default_rng(1).normal(size=(6, 3))


def x() -> sg.Tensor:
    return sg.input("x", (N, 6))


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda a, w: sg.define((n, j), sg.Sum(a[n, i] * w[i, j], i)), X @ W),
        (lambda a, w: sg.define((j, n), sg.Sum(a[n, i] * w[i, j], i)), (X @ W).T),
        (lambda a, w: sg.define((n,), sg.Max(a[n, i], i) + sg.Min(a[n, i], i)), X.max(1) + X.min(1)),
        (lambda a, w: sg.define((), sg.Sum(sg.Sum(a[n, i], i) ** 2, n)), (X.sum(1) ** 2).sum()),
        (lambda a, w: sg.define((n,), a[n, 5]), X[:, 5]),
        (lambda a, w: sg.define((n, i), a[n, 5 - i], (N, 6)), X[:, ::-1]),
        (lambda a, w: sg.define((n,), a[n, sg.ArgMax(a[n, i], i)]), X.max(1)),
        (lambda a, w: sg.define((i,), i * sg.Sum(a[n, i], n)), np.arange(6) * X.sum(0)),
        (lambda a, w: sg.define((), sg.Sum(a[n, i] / N, n, i)), X.sum() / 4),
        (lambda a, w: sg.define((i, j), sg.Delta(i, j), (2, 2)) @ w[:2], W[:2]),
        (lambda a, w: sg.define((n, i), sp.Piecewise((a[n, i], a[n, i] > 0), (0, True))), np.maximum(X, 0)),
        (lambda a, w: sg.define((n, p), sp.Piecewise((a[n, p - 1], p > 0), (0, True)), (N, 6)),
         np.pad(X, ((0, 0), (1, 0)))[:, :6]),
        (lambda a, w: sg.define((n, p), a[n, 2 * p], (N, 3)), X[:, ::2]),
    ],
)  # fmt: skip
def test_definition_means_what_it_says(make: object, expected: np.ndarray) -> None:
    tensor = make(x(), sg.parameter("W", (6, 3)))  # type: ignore[operator]
    agree(evaluate(tensor, {"x": X, "W": W}), expected, 1e-12)


def test_definition_has_at_most_one_reduction_at_its_top() -> None:
    a = x()
    y = sg.define((n, k), sp.exp(a[n, k]) / sg.Sum(sp.exp(a[n, j]), j))
    assert y.definition is not None and y.definition.op is None
    inner = [e.tensor for e in y.definition.body.atoms(sg.Element) if e.tensor is not a]
    assert [tensor.definition.op for tensor in inner] == ["sum"]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda a, w: sg.define((n,), a[n, i]), IndexNotationError, "i"),
        (lambda a, w: sg.define((n, n), a[n, n]), IndexNotationError, "different indices"),
        (lambda a, w: sg.define(("n",), a[n, 0]), IndexNotationError, "sg.indices"),
        (lambda a, w: sg.define((n, j), sg.Sum(a[n, i] * w[j, i], i)), ShapeError, "index i runs over 6"),
        (lambda a, w: sg.define((n, k), a[n, 0]), IndexNotationError, "k"),
        (lambda a, w: sg.define((n,), sg.Sum(a[n, i], i, i)), IndexNotationError, "each once"),
        (lambda a, w: sg.define((n,), sg.Sum(a[n, i], 3)), IndexNotationError, "runs over indices"),
        (lambda a, w: sg.define((n,), a), ShapeError, r"x\(N, 6\) stands in the formula without its indices"),
        (lambda a, w: sg.define((n,), a[n, i, j]), ShapeError, r"x\(N, 6\) has 2 axes, not 3"),
        (lambda a, w: sg.define((n,), a[n, 6]), ShapeError, "index 6 is outside axis 1 of x"),
        (lambda a, w: sg.define((n,), a[n, sp.Rational(1, 2)]), IndexNotationError, "no index"),
        (lambda a, w: sg.define((n,), a[n, sp.Symbol("free")]), IndexNotationError, "free"),
        (lambda a, w: sg.define((n, i), a[n, i], (N,)), ShapeError, "2 free indices but shape"),
        (lambda a, w: sg.define((n, i), a[n, i], (N, 5)), ShapeError, "index i runs over"),
        (lambda a, w: sg.define((n,), "a[n, 0]"), IndexNotationError, "is text, no formula"),
        (lambda a, w: sg.as_tensor(a[n, i]), IndexNotationError, "free indices"),
        (lambda a, w: sg.as_tensor("x + 1"), IndexNotationError, "is text, no formula"),
        (lambda a, w: a + "1", IndexNotationError, "is text, no formula"),
    ],
)  # fmt: skip
def test_misuse_is_an_error_that_says_where(make: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        make(x(), sg.parameter("W", (6, 3)))  # type: ignore[operator]
    assert "test_define.py" in str(caught.value)


def test_an_index_may_not_leave_its_axis() -> None:
    x, t = sg.input("x", (5,)), sg.labels("t", (3,), classes=6)
    p, q = sg.indices("p q")
    assert sg.define(p, x[p + 2], shape=(3,)).shape == (3,)
    assert sg.define(p, x[4 - p], shape=(5,)).shape == (5,)
    with pytest.raises(sg.errors.ShapeError, match=r"index p \+ 3 of axis 0 of x\(5,\) may lie outside 0…4 for p < 4"):
        sg.define(p, x[p + 3], shape=(4,))
    with pytest.raises(sg.errors.ShapeError, match="may lie outside"):
        sg.define((p, q), x[p + 2 * q], shape=(3, 3))
    with pytest.raises(sg.errors.ShapeError, match="6 classes; axis 0 of x"):
        sg.define(p, x[t[p]])


# -- extents where they are said --------------------------------------------------------------------------------------
def test_a_reduction_says_how_far_its_indices_run() -> None:
    x = sg.input("x", (sg.dim("N"), 4, 6))
    n, p, q, u, v, k = sg.indices("n p q u v k")
    pooled = sg.define((n, p, q), sg.Max(x[n, 2 * p + u, 3 * q + v], (u, 2), (v, 3)), (x.shape[0], 2, 2))
    ranged = sg.indices("a", 2) + sg.indices("b", 3)
    assert pooled is sg.define((n, p, q), sg.Max(x[n, 2 * p + ranged[0], 3 * q + ranged[1]], *ranged), pooled.shape)
    values = np.random.default_rng(0).normal(size=(3, 4, 6))
    np.testing.assert_array_equal(evaluate(pooled, {"x": values}), values.reshape(3, 2, 2, 2, 3).max((2, 4)))
    first = sg.define(n, sg.Sum(x[n, 0, k], (k, 2)))
    np.testing.assert_allclose(evaluate(first, {"x": values}), values[:, 0, :2].sum(1))


def test_a_reduction_inside_keeps_its_own_range() -> None:
    x = sg.input("x", (5,))
    (k,) = sg.indices("k")
    total = sg.define((), sg.Sum(x[k] * sg.Sum(x[k], k), (k, 3)))
    assert float(evaluate(total, {"x": np.arange(1.0, 6)})) == 6 * 15


def test_an_extent_that_leaves_the_axis_is_an_error() -> None:
    x = sg.input("x", (5,))
    (k,) = sg.indices("k")
    with pytest.raises(ShapeError, match=r"index k of axis 0 of x\(5,\) may lie outside 0…4 for k < 7"):
        sg.define((), sg.Sum(x[k], (k, 7)))
    with pytest.raises(IndexNotationError, match="runs over indices"):
        sg.Sum(x[k], (3, k))
    with pytest.raises(ShapeError, match="positive integer"):
        sg.indices("u v", 0)


# -- reads under a condition ------------------------------------------------------------------------------------------
X8 = sg.input("x", (8,))
KEPT_INSIDE = {
    "by an inequality": (X8[p + 5], p < 3, [6, 7, 8]),
    "by another branch": (X8[5 - p], ~(p > 5), [6, 5, 4, 3, 2, 1]),
    "by a remainder": (X8[2 * p + 7], sp.Eq(p % 8, 0), [8]),
    "of a quotient": (X8[sp.floor(p / 2) + 5], p < 6, [6, 6, 7, 7, 8, 8]),
    "and one on values": (X8[p + 5], sp.And(p < 3, X8[p] > 1), [0, 7, 8]),
}
NOT_KEPT_INSIDE = {
    "by the wrong inequality": (X8[p + 5], p > 0, "index p + 5 is outside axis 0 of x(8,) at p = 3"),
    "by one too many": (X8[sp.floor(p / 2) + 5], p < 7, "at p = 6"),
    "by values": (X8[p + 5], X8[p] > 0, "where its condition x[p] > 0 may hold"),
    "by one of two": (X8[p + 5], sp.Or(p < 3, p > 6), "at p = 7"),
}


@pytest.mark.parametrize("name", KEPT_INSIDE)
def test_a_read_that_its_condition_keeps_inside(name: str) -> None:
    value, condition, first = KEPT_INSIDE[name]
    y = sg.define((p,), sp.Piecewise((value, condition), (0, True)), shape=(8,))
    found = evaluate(y, {"x": np.arange(1.0, 9.0)})
    np.testing.assert_array_equal(found, first + [0] * (8 - len(first)))


@pytest.mark.parametrize("name", NOT_KEPT_INSIDE)
def test_a_read_that_its_condition_does_not_keep_inside(name: str) -> None:
    value, condition, message = NOT_KEPT_INSIDE[name]
    with pytest.raises(ShapeError, match=re.escape(message)):
        sg.define((p,), sp.Piecewise((value, condition), (0, True)), shape=(8,))


@pytest.mark.parametrize(
    ("formula", "at_zero"),
    [(u * v / w, np.nan), (sp.sqrt(u) * sp.sqrt(v), 0.0), ((u + v) / w, np.nan), (u * v / (w + 1), 0.0)],
)
def test_one_tensor_for_several_arguments_cancels_nothing(formula: sp.Expr, at_zero: float) -> None:
    """S·S/S is written, and has no value at 0; √S·√S has none below it."""
    S = sg.input("S", (2,))
    arguments = sorted(formula.free_symbols, key=str)
    value = sg.elementwise(formula, *arguments)(*[S] * len(arguments))
    found = evaluate(value, {"S": np.array([0.0, 2.0])})
    np.testing.assert_array_equal(found[0], at_zero)
    np.testing.assert_allclose(found[1], float(formula.subs({a: 2 for a in arguments})))
