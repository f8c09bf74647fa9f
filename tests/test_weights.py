"""Weights of rows and of classes, in formulas and in ``fit``."""

from __future__ import annotations

import copy
import pickle
import warnings
from typing import Any

import numpy as np
import pytest

import codegen
import symgraph as sg
from symgraph.core.graph import free_symbols
from symgraph.errors import SymgraphError

pytestmark = pytest.mark.usefixtures("plain")
N = sg.dim("N")
random = np.random.default_rng(0)
X, Y = random.normal(size=(12, 2)), random.normal(size=(12,))
T = np.array([0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 2])
x, t, y, w = sg.input("x", (N, 2)), sg.labels("t", (N,), classes=4), sg.input("y", (N,)), sg.input("w", (N,))
W = sg.parameter("W", (2, 4), init=sg.init.normal(0.3))
z = x @ W
J = sg.cross_entropy(z, t) + sg.sum(W**2) / 100


@pytest.fixture(scope="module")
def step() -> codegen.TrainStep:
    return codegen.train_step(J, sg.SGD(0.5, momentum=0.9), "float64")


def by_hand(start: np.ndarray, weight: np.ndarray, batches: list[np.ndarray]) -> np.ndarray:
    """Softmax regression by SGD with momentum, row n counted weight[n] times."""
    values, velocity = start.copy(), np.zeros_like(start)
    for rows in batches:
        scores = np.exp(X[rows] @ values)
        error = (scores / scores.sum(1, keepdims=True) - np.eye(4)[T[rows]]) * weight[rows, None]
        velocity = 0.9 * velocity + X[rows].T @ error / weight[rows].sum() + values / 50
        values = values - 0.5 * velocity
    return values


BATCHES = [np.arange(0, 5), np.arange(5, 10), np.arange(10, 12)]


@pytest.mark.parametrize(
    "options, weight",
    [
        ({"class_weight": {0: 0.5, 2: 3.0}}, np.array([0.5, 1, 3, 1])[T]),
        ({"class_weight": [0.5, 1, 3, 1], "sample_weight": Y**2}, np.array([0.5, 1, 3, 1])[T] * Y**2),
        ({"class_weight": "balanced"}, 12 / (3 * np.array([7, 3, 2, 1])[T])),
        ({"sample_weight": list(Y**2)}, Y**2),
        ({"sample_weight": "w"}, Y**2),
        ({"sample_weight": np.repeat(np.float32([0.5, 2]), 6)}, np.repeat([0.5, 2], 6)),
    ],
)
def test_weights_count_rows(step: codegen.TrainStep, options: dict[str, Any], weight: np.ndarray) -> None:
    params = step.init(0)
    expected = by_hand(params["W"], weight, BATCHES * 2)
    data = {"x": X, "t": T} | ({"w": Y**2} if isinstance(options.get("sample_weight"), str) else {})
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # weights are copied in any case: of their dtype there is nothing to say
        step.fit(params, data, epochs=2, batch_size=5, shuffle=False, **options)
    np.testing.assert_allclose(params["W"], expected, rtol=1e-12)


def test_batches_that_come_one_by_one_have_classes_too(step: codegen.TrainStep) -> None:
    params = step.init(0)
    expected = by_hand(params["W"], np.array([0.5, 1, 3, 1])[T], BATCHES * 2)
    history = step.fit(params, lambda: ((X[rows], T[rows]) for rows in BATCHES), epochs=2,
                       class_weight=[0.5, 1, 3, 1], validation={"x": X, "t": T})  # fmt: skip
    np.testing.assert_allclose(params["W"], expected, rtol=1e-12)
    scores = X @ expected
    plain = np.mean(np.log(np.exp(scores).sum(1)) - scores[np.arange(12), T]) + (expected**2).sum() / 100
    assert history.validation[-1] == pytest.approx(plain, rel=1e-12)


def test_rows_of_weight_zero_are_not_there(step: codegen.TrainStep) -> None:
    """Whole batches of them would have no mean."""
    some, params = np.flatnonzero(T), step.init(0)
    expected = by_hand(params["W"], np.ones(12), [some[:2], some[2:4], some[4:]])
    history = step.fit(params, {"x": X, "t": T}, batch_size=2, shuffle=False, class_weight={0: 0})
    np.testing.assert_allclose(params["W"], expected, rtol=1e-12)
    assert history.steps == 3


def test_a_copy_has_a_state_of_its_own(step: codegen.TrainStep) -> None:
    step.init(0)
    other = copy.deepcopy(step)
    other.fit(other.init(0), {"x": X, "t": T}, class_weight=[1, 2, 3, 4])
    assert np.any(other.state["W.v"]) and not np.any(step.state["W.v"])


def values(loss: sg.Tensor, rows: np.ndarray, **more: np.ndarray) -> float:
    given = {"x": X[rows], "t": T[rows], "y": Y[rows], "W": np.arange(8.0).reshape(2, 4) / 7, **more}
    leaves = [leaf for leaf in (x, t, y, W, w) if leaf in free_symbols(loss)]
    return float(codegen.function(leaves, loss, "float64")(*(given[str(leaf.name)] for leaf in leaves)))


@pytest.mark.parametrize(
    "loss",
    [
        J, sg.cross_entropy(z, t, weight=[1, 2, 3, 4]), sg.cross_entropy(z, t, reduction="sum"),
        sg.mse_loss(z, x @ W**2), sg.logsumexp(y) * sg.mean(y**2),
    ],
    ids=["mean", "of classes", "sum", "of elements", "of exponentials"],
)  # fmt: skip
def test_whole_weights_are_rows_repeated(loss: sg.Tensor) -> None:
    often = np.arange(12) % 3
    repeated = values(loss, np.repeat(np.arange(12), often))
    assert values(sg.weigh_rows(loss, w), np.arange(12), w=often.astype(float)) == pytest.approx(repeated, rel=1e-12)


def test_what_rows_read_stays() -> None:
    found = sg.weigh_rows(sg.mean((y - sg.mean(y)) ** 2), w)
    assert "= (1/Σ_n w[n])·Σ_n w[n]·(y[n] − (1/N)·Σ_i y[i])²" in str(found)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "class": ({"class_weight": {4: 1}}, r"no class 4 in labels t \(N,\): classes are 0 … 3"),
    "count": ({"class_weight": [1, 2]}, "class_weight needs 4 numbers, one for each class, not 2"),
    "word": ({"class_weight": "balance"}, 'class_weight is "balanced" or numbers by class'),
    "negative": ({"sample_weight": -(Y**2)}, "finite numbers, at least 0 and not all 0"),
    "short": ({"sample_weight": [1, 2]}, r"sample_weight has shape \(12,\); the array has \(2,\)"),
    "column": ({"sample_weight": "weights"}, "the data have no column weights; they have x, t"),
    "batches": ({"data": [{"x": X, "t": T}], "sample_weight": Y}, "let each batch bring them"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_slips_are_told(name: str, step: codegen.TrainStep) -> None:
    options, message = REFUSED[name]
    data = options.get("data", {"x": X, "t": T})
    with pytest.raises(SymgraphError, match=message):
        step.fit(step.init(0), data, **{key: value for key, value in options.items() if key != "data"})


LOSSES = {
    "largest": (sg.max(y), "reads rows in a way that no weight"),
    "by number": (y[3] ** 2 + sg.sum(y), "reads rows in a way that no weight"),
    "no rows": (sg.sum(W**2), "sums over no rows"),
    "no scalar": (z, r"takes a scalar and weights \(N,\)"),
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses_without_a_weighed_one(name: str) -> None:
    loss, message = LOSSES[name]
    with pytest.raises(SymgraphError, match=message):
        sg.weigh_rows(loss, w)


def test_another_process_has_no_loss_to_weigh(step: codegen.TrainStep) -> None:
    sent = pickle.loads(pickle.dumps(step))
    with pytest.raises(SymgraphError, match="make the step in this process"):
        sent.fit(sent.init(0), {"x": X, "t": T}, class_weight="balanced")
