"""Losses: a row is a test. Values against independent NumPy formulas, gradients against the table of the catalogue."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import symgraph as sg
from symgraph.reference import evaluate
from tests.oracles import agree
from tests.programs import N

generator = np.random.default_rng(0)
T = generator.uniform(0.1, 0.9, (3, 2))
Y = generator.uniform(0.1, 0.9, (3, 2)) * 1.0
Z = generator.normal(size=(3, 2)) * 3
R = Z - T


def sigma(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


ROWS: dict[str, tuple[Callable[..., sg.Tensor], np.ndarray, np.ndarray, np.ndarray]] = {
    "mse": (sg.mse_loss, Z, R**2, 2 * R),
    "half mse": (sg.half_mse_loss, Z, R**2 / 2, R),
    "l1": (sg.l1_loss, Z, abs(R), np.sign(R)),
    "huber": (sg.huber_loss, Z, np.where(abs(R) <= 1, R**2 / 2, abs(R) - 0.5), np.clip(R, -1, 1)),
    "huber 2": (lambda y, t, reduction="mean": sg.huber_loss(y, t, 2, reduction), Z,
                np.where(abs(R) <= 2, R**2 / 2, 2 * (abs(R) - 1)), np.clip(R, -2, 2)),
    "smooth l1": (lambda y, t, reduction="mean": sg.smooth_l1_loss(y, t, 0.5, reduction), Z,
                  np.where(abs(R) < 0.5, R**2, abs(R) - 0.25), np.clip(R / 0.5, -1, 1)),
    "binary": (sg.binary_cross_entropy, Y, -T * np.log(Y) - (1 - T) * np.log(1 - Y), (Y - T) / (Y * (1 - Y))),
    "binary with logits": (sg.binary_cross_entropy_with_logits, Z, np.log1p(np.exp(Z)) - T * Z, sigma(Z) - T),
    "log cosh": (sg.log_cosh_loss, Z, np.log(np.cosh(R)), np.tanh(R)),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_value_and_gradient_for_every_reduction(name: str) -> None:
    loss, at, values, slopes = ROWS[name]
    y, t = sg.input("y", (N, 2)), sg.input("t", (N, 2))
    given = {"y": at, "t": T}
    agree(evaluate(loss(y, t, reduction="none"), given), values, 1e-12)
    agree(evaluate(loss(y, t, reduction="sum"), given), values.sum(), 1e-12)
    agree(evaluate(loss(y, t), given), values.mean(), 1e-12)
    agree(evaluate(sg.grad(loss(y, t), y), given), slopes / 6, 1e-11)


LABELS = np.array([1, 0, 1])
SOFTMAX = np.exp(Z) / np.exp(Z).sum(1, keepdims=True)


@pytest.mark.parametrize("kind", ["labels", "one-hot", "soft"])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_cross_entropy(kind: str, reduction: str) -> None:
    z = sg.input("z", (N, 2))
    t = {"labels": lambda: sg.labels("t", (N,), classes=2), "one-hot": lambda: sg.one_hot("t", (N, 2)),
         "soft": lambda: sg.input("t", (N, 2))}[kind]()  # fmt: skip
    target = {"labels": LABELS, "one-hot": np.eye(2)[LABELS], "soft": T}[kind]
    weights = T if kind == "soft" else np.eye(2)[LABELS]
    rows = -(weights * np.log(SOFTMAX)).sum(1)
    expected = {"mean": rows.mean(), "sum": rows.sum(), "none": rows}[reduction]
    loss = sg.cross_entropy(z, t, reduction)
    agree(evaluate(loss, {"z": Z, "t": target}), expected, 1e-12)
    if reduction == "mean":
        slope = (SOFTMAX * weights.sum(1, keepdims=True) - weights) / 3
        agree(evaluate(sg.grad(loss, z), {"z": Z, "t": target}), slope, 1e-11)


def test_cross_entropy_of_a_single_row() -> None:
    z, t = sg.input("z", (2,)), sg.labels("t", (), classes=2)
    agree(evaluate(sg.cross_entropy(z, t), {"z": Z[0], "t": 1}), -np.log(SOFTMAX[0, 1]), 1e-12)


def test_negative_log_likelihood_of_probabilities() -> None:
    y, t = sg.input("y", (N, 2)), sg.labels("t", (N,), classes=2)
    agree(evaluate(sg.nll_of_probabilities(y, t), {"y": SOFTMAX, "t": LABELS}),
          -np.log(SOFTMAX[np.arange(3), LABELS]).mean(), 1e-12)  # fmt: skip
