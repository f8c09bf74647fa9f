"""``sg.objective``: trees of the real libraries, against the objectives that they have themselves."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy as sp

import symgraph as sg
from symgraph.core.views import inlined
from symgraph.reference import evaluate
from tests import sizes
from tests.benchmarks import practice

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(120, 4))
Y = 2 * X[:, 0] + np.sin(3 * X[:, 1])
W = RANDOM.uniform(0.5, 2, 120)
T = np.digitize(X[:, 0] + X[:, 1], [-0.7, 0.7])
u, v = sp.symbols("u v", real=True)
LOG_COSH = sg.elementwise(sp.log(sp.cosh(u - v)), u, v, name="log_cosh")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SYMGRAPH_PYTHON", "1")
    yield


def test_gradient_hessian_and_its_bound_of_a_softmax() -> None:
    scores = RANDOM.normal(size=(5, 3))
    target, weight = np.array([0.0, 1, 2, 1, 0], np.float32), np.arange(5, dtype=np.float32)
    y = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    exact = sg.objective("cross_entropy", "lightgbm", classes=3)
    upper = sg.objective(sg.cross_entropy, "xgboost", classes=3, hessian="upper")
    assert str(exact.hessian) == "h[n, i] = y[n, i]·(1 − y[n, i])"
    for made, factor in ((exact, 1), (upper, 2), (pickle.loads(pickle.dumps(exact)), 1), (copy.deepcopy(upper), 2)):
        gradient, hessian = made(target, scores, weight)
        np.testing.assert_allclose(gradient, weight[:, None] * (y - np.eye(3)[target.astype(int)]), atol=1e-15)
        np.testing.assert_allclose(hessian, factor * weight[:, None] * y * (1 - y), atol=1e-15)
    squares = sg.objective("cross_entropy", "catboost", classes=3).calc_ders_multi(list(scores[1]), 1.0, 2.0)[1]
    np.testing.assert_allclose(squares, -2 * (np.diag(y[1]) - np.outer(y[1], y[1])), atol=1e-15)


def test_losses_of_ones_own() -> None:
    z, t = np.array([-2.0, 0.5, 30]), np.array([1.0, 0.5, 0])
    gradient, hessian = sg.objective(LOG_COSH, "xgboost")(t, z)
    np.testing.assert_allclose(gradient, np.tanh(z - t))
    np.testing.assert_allclose(hessian, 1 - np.tanh(z - t) ** 2, rtol=1e-9, atol=1e-15)
    gradient, hessian = sg.objective("quantile_loss", "lightgbm", hessian=1.0, q=0.9)(t, z)
    np.testing.assert_allclose(gradient, [-0.9, -0.4, 0.1])  # half of both slopes where they meet
    assert hessian.tolist() == [1, 1, 1]

    def gaussian(z: Any, t: Any) -> Any:
        """−log N(t; z₀, exp(z₁)): two scores for a real target."""
        return (t - z[:, 0]) ** 2 * sg.exp(-z[:, 1]) / 2 + z[:, 1] / 2

    scores = RANDOM.normal(size=(4, 2))
    gradient, hessian = sg.objective(gaussian, "lightgbm", outputs=2)(np.ones(4), scores)
    r, precision = scores[:, 0] - 1, np.exp(-scores[:, 1])
    np.testing.assert_allclose(gradient, np.stack([r * precision, 0.5 - r**2 * precision / 2], axis=1))
    np.testing.assert_allclose(hessian, np.stack([precision, r**2 * precision / 2], axis=1))

def test_second_derivative_of_a_focal_loss_is_right_where_it_saturates() -> None:
    """In one piece, as it was derived; of pieces, nothing is multiplied out that loses more than they do."""
    z, t = np.array([200.0, -200, -200, 200, 30]), np.array([0, 1, 0, 1, 1])

    def loss(z: Any, t: Any) -> Any:
        u = -z if t else z
        return (1 if t else 3) * mpmath.log(1 + mpmath.exp(u)) / (1 + mpmath.exp(-u)) ** 2 / 4

    made = sg.objective("sigmoid_focal_loss", "xgboost")
    with mpmath.workdps(500):
        expected = [[float(mpmath.diff(lambda u, t=b: loss(u, t), a, order)) for a, b in zip(z, t, strict=True)]
                    for order in (1, 2)]  # fmt: skip
    np.testing.assert_allclose(made(t, z), expected, rtol=1e-9, atol=1e-16)
    (n,) = sg.indices("n")
    (form,) = sg.stabilise([sg.define((n,), inlined(made.hessian[n]), made.scores.shape)])
    np.testing.assert_allclose(evaluate(form, {"z": z, "t": t}), expected[1], atol=1e-15)


def test_derivatives_of_a_long_formula() -> None:
    """Two exponentials below the line go together: what is left of the second is in a logarithm."""

    def loss(z: Any) -> Any:
        p = 1 / (1 + mpmath.exp(-z))
        return -(1 - p) * mpmath.log(p)

    found = sg.objective("asymmetric_loss", "xgboost")(np.ones(3), np.array([-4, 0.3, 5]))
    expected = [[mpmath.diff(loss, z, order) for z in (-4, 0.3, 5)] for order in (1, 2)]
    np.testing.assert_allclose(found, np.array(expected, float), rtol=1e-10)


@pytest.mark.parametrize("name", ["quantile", "focal"])
def test_objectives_of_the_benchmark(name: str) -> None:
    loss, by_hand, options = practice.OBJECTIVES[name]
    scores, target = RANDOM.normal(size=50), (RANDOM.normal(size=50) > 0).astype(float)
    for weight in (None, np.ones(50)):
        found = sg.objective(loss, "lightgbm", **options)(target, scores, weight)
        np.testing.assert_allclose(found, by_hand(target, scores), rtol=1e-12, atol=1e-14)


def test_one_thread_beside_those_of_the_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    """LightGBM's spin while they wait: a second one of ours waited for its processor. Copies keep the number."""
    monkeypatch.delenv("SYMGRAPH_PYTHON")
    alone, several = (sg.objective("log_cosh_loss", "lightgbm", **more) for more in ({}, {"threads": 2}))
    again = copy.deepcopy(alone), pickle.loads(pickle.dumps(several))
    for made, threads in zip((alone, several, *again), (1, 2, 1, 2), strict=True):
        function = made._function((made.gradient,), False)
        for each in (function, copy.deepcopy(function), pickle.loads(pickle.dumps(function))):
            assert each.executable("float64").most_threads == threads


def joined(z: Any, t: Any) -> Any:
    return (z - sg.mean(z) - t) ** 2


WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "library": (lambda: sg.objective("mse_loss", "lgbm"), "xgboost, lightgbm, catboost"),
    "name": (lambda: sg.objective("mse", "lightgbm"), "mse_loss"),
    "option": (lambda: sg.objective("huber_loss", "lightgbm", gamma=2), "no option gamma"),
    "hessian": (lambda: sg.objective("mse_loss", "lightgbm", hessian="bound"), "'exact', 'upper' or a number above 0"),
    "flat": (lambda: sg.objective("quantile_loss", "lightgbm"), "second derivative of quantile_loss is 0.*hessian=1.0"),
    "joined": (lambda: sg.objective(joined, "lightgbm"), "joined of a row depends on the scores of other rows"),
    "classes": (lambda: sg.objective("cross_entropy", "lightgbm"), "needs classes=K"),
    "symbol": (lambda: sg.objective(lambda z, t: (z - t) ** 2 * sp.Symbol("q"), "lightgbm"), "q .*pass a number"),
    "reduced": (lambda: sg.objective(lambda z, t: sg.sum(z - t), "lightgbm"), "a value for each row"),
    "columns": (lambda: sg.objective("focal_loss", "xgboost", classes=3)(T, X), r"\(N, 3\).*\(120, 4\).*num_class"),
    "label": (lambda: sg.objective("focal_loss", "xgboost", classes=4)(T + 0.5, X), "whole numbers of 0 … 3, not"),
    "range": (lambda: sg.objective("focal_loss", "xgboost", classes=4)(T + 3, X), "lie in 0 … 3"),
}


@pytest.mark.parametrize("name", WRONG)
def test_mistakes(name: str) -> None:
    make, message = WRONG[name]
    with pytest.raises(sg.errors.SymgraphError, match=message):
        make()


def test_lightgbm_trains_as_by_its_own() -> None:
    lightgbm = pytest.importorskip("lightgbm")
    ours, own = (
        lightgbm.LGBMRegressor(n_estimators=4, verbose=-1, n_jobs=1, boost_from_average=False, objective=objective)
        for objective in (sg.objective("half_mse_loss", "lightgbm"), "regression")
    )
    ours.fit(X, Y, sample_weight=W)
    np.testing.assert_allclose(ours.predict(X), own.fit(X, Y, sample_weight=W).predict(X), rtol=1e-5, atol=1e-6)
    data = lightgbm.Dataset(X, T, weight=W)
    given = {"num_class": 3, "verbose": -1, "num_threads": 1}
    ours, own = (
        lightgbm.train({**given, "objective": objective}, data, 4)
        for objective in (sg.objective("cross_entropy", "lightgbm", classes=3, hessian="upper"), by_hand)
    )
    np.testing.assert_allclose(ours.predict(X), own.predict(X), rtol=1e-6)


def by_hand(scores: np.ndarray, data: Any) -> tuple[np.ndarray, np.ndarray]:
    """Softmax with cross-entropy as it is written in NumPy."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    y = powers / powers.sum(axis=1, keepdims=True)
    weight = data.get_weight()[:, None]
    return weight * (y - np.eye(3)[data.get_label().astype(int)]), weight * 2 * y * (1 - y)


def test_xgboost_trains_as_by_its_own() -> None:
    xgboost = pytest.importorskip("xgboost")
    data = xgboost.DMatrix(X, T, weight=W)
    given = {"num_class": 3, "base_score": 0.0, "disable_default_eval_metric": 1, "nthread": 1}
    objective = sg.objective("cross_entropy", "xgboost", classes=3, hessian="upper")
    ours = xgboost.train(given, data, 4, obj=objective)
    own = xgboost.train({**given, "objective": "multi:softprob"}, data, 4)
    expected = own.predict(data, output_margin=True)
    np.testing.assert_allclose(ours.predict(data, output_margin=True), expected, rtol=1e-4, atol=1e-5)
    estimator = xgboost.XGBRegressor(n_estimators=2, objective=sg.objective("half_mse_loss", "xgboost"), base_score=0.0)
    own = xgboost.XGBRegressor(n_estimators=2, base_score=0.0).fit(X, Y, sample_weight=W)
    np.testing.assert_allclose(estimator.fit(X, Y, sample_weight=W).predict(X), own.predict(X), rtol=1e-5)


@pytest.mark.skipif(not sizes.LONG, reason="runs with --long")
def test_catboost_trains_as_by_its_own() -> None:
    catboost = pytest.importorskip("catboost")
    given: dict[str, Any] = {
        "iterations": 3, "learning_rate": 0.3, "verbose": 0, "leaf_estimation_iterations": 1, "random_seed": 0,
        "leaf_estimation_method": "Newton", "random_strength": 0, "bootstrap_type": "No", "thread_count": 1,
        "allow_writing_files": False,
    }  # fmt: skip
    kinds = (("half_mse_loss", None, "RMSE", Y, W), ("cross_entropy", 3, "MultiClass", T, None))
    for loss, classes, name, target, weight in kinds:
        objective = sg.objective(loss, "catboost", classes=classes)
        ours, own = (
            catboost.CatBoost({**given, "loss_function": chosen, "eval_metric": name, "boost_from_average": False})
            for chosen in (objective, name)
        )
        expected = own.fit(X, target, sample_weight=weight).predict(X, prediction_type="RawFormulaVal")
        ours.fit(X, target, sample_weight=weight)
        np.testing.assert_allclose(ours.predict(X, prediction_type="RawFormulaVal"), expected, rtol=1e-12, atol=1e-12)
