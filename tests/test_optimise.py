"""``sg.scipy``: costs and residuals as scipy.optimize and iminuit call them."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import sympy as sp

import symgraph as sg

optimize = pytest.importorskip("scipy.optimize")
RANDOM = np.random.default_rng(0)
X, Y = RANDOM.normal(size=(30, 3)), RANDOM.normal(3, 2, size=200)
N = sg.dim("N")
x, t, y = sg.input("x", (N, 3)), sg.input("t", (N,)), sg.input("y", (N,))
W, b = sg.parameter("W", (3, 2), init=sg.init.normal(1)), sg.parameter("b", (2,))
J = sg.mse_loss(sg.sum(sg.tanh(x @ W + b), axis=1), t) + sg.sum(W**2) / 100
mu, sigma = sp.Symbol("mu", real=True), sp.Symbol("sigma", positive=True)
NLL = sg.sum((y - mu) ** 2 / (2 * sigma**2) + sp.log(sigma))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SYMGRAPH_PYTHON", "1")
    yield


def problem() -> Any:
    return sg.scipy(J, {"x": X, "t": np.sin(X[:, 0])})


def by_hand(point: np.ndarray) -> float:
    weights, bias = point[:6].reshape(3, 2), point[6:]
    scores = np.tanh(X @ weights + bias).sum(axis=1)
    return float(np.mean((scores - np.sin(X[:, 0])) ** 2) + (weights**2).sum() / 100)


def test_derivatives_of_one_vector() -> None:
    made = pickle.loads(pickle.dumps(problem()))
    point, steps = made.start(seed=1), 1e-5 * np.eye(8)
    assert made.names[:2] == ["W[0, 0]", "W[0, 1]"]
    assert made.names[-1] == "b[1]"
    assert made.fun(point) == pytest.approx(by_hand(point), rel=1e-12)
    slopes = [(by_hand(point + step) - by_hand(point - step)) / 2e-5 for step in steps]
    np.testing.assert_allclose(made.jac(point), slopes, atol=1e-9)
    value, gradient = made.value_and_grad(point)
    assert value == made.fun(point)
    assert gradient.tolist() == made.jac(point).tolist()
    rows = [(made.jac(point + step) - made.jac(point - step)) / 2e-5 for step in steps]
    np.testing.assert_allclose(made.hess(point), rows, atol=1e-8)
    np.testing.assert_allclose(made.hessp(point, slopes), made.hess(point) @ slopes, atol=1e-12)
    named = made.by_name(point)
    assert made.fun(named) == made.fun(point)
    assert made.jac(named)["W"].tolist() == gradient[:6].reshape(3, 2).tolist()
    assert made.hessp(named, named)["b"].shape == (2,)


def test_minimisers_of_scipy() -> None:
    made = sg.scipy(NLL, {"y": Y})
    assert made.names == ["mu", "sigma"]
    for options in (
        {"jac": made.jac, "bounds": made.bounds()},
        {"jac": made.jac, "hess": made.hess, "method": "trust-exact"},
    ):
        found = optimize.minimize(made.fun, made.x0 + np.array([2, 0]), **options)
        np.testing.assert_allclose(found.x, [Y.mean(), Y.std()], rtol=1e-4)
    assert made.bounds(mu=(None, 3))[0] == (None, 3)
    assert made.bounds()[1][0] > 0
    w = sp.Symbol("w", real=True)
    line = sg.scipy(y - w * t - mu, {"y": Y, "t": np.arange(200.0)})
    found = optimize.least_squares(line.fun, line.x0, jac=line.jac)
    np.testing.assert_allclose(found.x[::-1], np.polyfit(np.arange(200), Y, 1), rtol=1e-6)


def test_minuit_finds_names_limits_and_gradient() -> None:
    iminuit = pytest.importorskip("iminuit")
    cost = sg.scipy(NLL, {"y": Y}).cost(errordef=0.5, mu=(-10, 10))
    minuit = iminuit.Minuit(cost, mu=0, sigma=1)
    minuit.migrad()
    minuit.hesse()
    assert minuit.valid
    assert minuit.ngrad > 0
    assert minuit.limits["mu"] == (-10, 10)
    assert minuit.values["mu"] == pytest.approx(Y.mean(), rel=1e-3)
    assert minuit.errors["mu"] == pytest.approx(Y.std() / np.sqrt(200), rel=1e-2)


WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "data": (lambda: sg.scipy(J, {"x": X}), r"input t \(N,\) has no value"),
    "more data": (lambda: sg.scipy(J, {"x": X, "t": Y[:30], "u": 1}), "there is no u here"),
    "no dict": (lambda: sg.scipy(J, X), "data must be a dict"),
    "rank": (lambda: sg.scipy(x @ W, {"x": X}), r"neither a cost \(\) nor residuals \(M,\)"),
    "vector": (
        lambda: problem().fun(np.ones(4)),
        r"x has shape \(4,\); the parameters W \(3, 2\), b \(2,\) are \(8,\)",
    ),
    "bounds": (lambda: problem().bounds(W=3), "bounds of W are a pair"),
    "reversed": (lambda: problem().bounds(b=(1, 0)), r"bounds of b\[0\] are the wrong way round"),
    "name": (lambda: problem().bounds(Q=(0, 1)), "no parameter Q; there are W, b"),
    "shape": (lambda: problem().bounds(W=([1, 2, 3], None)), r"bounds of W \(3, 2\) are numbers, or arrays"),
    "parameter": (lambda: sg.scipy(J, {}, parameters="Q"), "J does not depend on Q; it does on"),
    "input": (lambda: sg.scipy(J, {}, parameters=[x]), r"input x \(N, 3\) is no parameter"),
    "twice": (lambda: sg.scipy(NLL, {"mu": 1, "y": Y}, parameters=[mu]), "mu is a parameter and among the data"),
    "residuals": (lambda: sg.scipy(y - mu, {"y": Y}).hess([0.0]), "residuals: they have fun and jac"),
    "errordef": (lambda: problem().cost(0), "errordef must be above 0"),
}


@pytest.mark.parametrize("name", WRONG)
def test_mistakes(name: str) -> None:
    make, message = WRONG[name]
    with pytest.raises(sg.errors.SymgraphError, match=message):
        make()
