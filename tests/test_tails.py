"""Rows that end before others: what lies behind their ends is neither computed nor read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import codegen
import symgraph as sg
from tests.sizes import examples

Row = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


class Programs:
    """A random scan over rows of random lengths, as tensors, and as NumPy computes it row by row."""

    def __init__(self, seed: int) -> None:
        self.random = random = np.random.default_rng(seed)
        steps, rows, size, width = (int(random.choice(few)) for few in ((1, 5, 9), (1, 3, 40, 70), (1, 4, 20), (1, 3)))
        free = [sg.dim(name) if random.integers(2) else number for name, number in (("T", steps), ("N", rows))]
        self.reverse, self.gated = bool(random.integers(2)), bool(random.integers(2))
        self.lengths = random.integers(0, steps + 1, rows)
        if random.integers(3) == 0:
            self.lengths[:] = random.integers(0, steps + 1)
        self.leaves = [
            sg.input("x", (*free, width)), sg.input("h0", (free[1], size)), sg.parameter("u", (width, size)),
            sg.parameter("v", (size, size)), sg.parameter("b", (size,)),
        ]  # fmt: skip
        self.values = [random.normal(size=(steps, rows, width)), random.normal(size=(rows, size))]
        self.values += [random.normal(size=shape) / size for shape in ((width, size), (size, size), (size,))]
        self.length = sg.labels("length", (free[1],), classes=free[0] + 1)
        x, h0, u, v, b = self.leaves

        def step(h: sg.Tensor, at: sg.Tensor) -> Any:
            new = sg.tanh(at @ u + h @ v + b)
            gate = sg.sigmoid(h @ v)
            return (gate * h + (1 - gate) * new if self.gated else new), new * h

        self.last, self.outputs = sg.scan(step, h0, x, self.length, self.reverse)
        self.loss = sg.sum(sg.sin(self.outputs)) + sg.sum(self.last**2)

    def by_rows(self, values: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """The last carries, and the outputs at all steps."""
        x, h0, u, v, b = values
        last, outputs = h0.copy(), np.zeros((len(x), *h0.shape))
        for row, length in enumerate(self.lengths):
            for t in reversed(range(length)) if self.reverse else range(length):
                h = last[row]
                new, gate = np.tanh(x[t, row] @ u + h @ v + b), 1 / (1 + np.exp(-h @ v))
                outputs[t, row] = new * h
                last[row] = gate * h + (1 - gate) * new if self.gated else new
        return last, outputs

    def cost(self, values: list[np.ndarray]) -> float:
        last, outputs = self.by_rows(values)
        return float(np.sin(outputs).sum() + (last**2).sum())

    def check(self) -> None:
        """Values, and slopes along a direction by differences."""
        slopes = sg.grad(self.loss, self.leaves)
        wanted = [self.last, self.outputs, *(slopes[leaf] for leaf in self.leaves)]
        run = codegen.function([*self.leaves, self.length], wanted, "float64")
        given = [value.copy() for value in self.values]
        for row, length in enumerate(self.lengths):
            given[0][length:, row] = np.nan  # nobody reads what lies behind the end
        last, outputs, *found = run(*given, self.lengths)
        for got, expected in zip((last, outputs), self.by_rows(self.values), strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-13)
        for row, length in enumerate(self.lengths):
            assert not found[0][length:, row].any()
        direction = [self.random.normal(size=value.shape) for value in self.values]
        far, ahead, behind, back = (
            self.cost([v + e * d for v, d in zip(self.values, direction, strict=True)])
            for e in (4e-4, 2e-4, -2e-4, -4e-4)
        )
        along = sum(float((slope * d).sum()) for slope, d in zip(found, direction, strict=True))
        assert along == pytest.approx((8 * (ahead - behind) - (far - back)) / 24e-4, rel=1e-7, abs=1e-7)


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("seed", range(examples(8, 400)))
def test_rows_of_random_lengths(seed: int) -> None:
    Programs(seed).check()


@pytest.mark.parametrize("seed", range(1000, 1000 + examples(1, 20)))
def test_rows_of_random_lengths_natively(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYMGRAPH_THREADS", "2")
    Programs(seed).check()


def test_every_product_of_a_step_is_of_the_rows_that_are_there() -> None:
    x, length = sg.input("x", (9, 40, 3)), sg.labels("length", (40,), classes=10)
    net = sg.nn.LSTM(3, 20, name="net")
    _, (h, _) = net(x, length=length)
    step = codegen.train_step(sg.sum(h**2), sg.SGD(lr=0.1))
    told = {line.split("# ")[1] for line in step.source.splitlines() if "# " in line}
    products = {one for one in told if "·" in one and "Σ" in one and ", else 0}" not in one.split("Σ")[0]}
    assert len(products) >= 12  # four of x, four of h, and their gradients
    left = {one for one in products if "length" in one}
    assert {one for one in products - left if "bias" not in one} == set()


@pytest.mark.usefixtures("plain")
def test_terms_over_several_axes() -> None:
    """Of a product over two axes too, the rows that are left are packed, and the terms of its slopes."""
    x, length = sg.input("x", (5, 40, 2, 3)), sg.labels("length", (40,), classes=6)
    w = sg.parameter("w", (2, 3, 20))
    begin = sg.constant(np.zeros((40, 20)))
    last, _ = sg.scan(lambda h, at: (sg.tanh(h + sg.einsum("nab,abj->nj", at, w)), None), begin, x, length)
    run = codegen.function([x, w, length], [last, sg.grad(sg.sum(last**2), w)], "float64")
    random = np.random.default_rng(5)
    given, weight, lengths = random.normal(size=x.shape), random.normal(size=w.shape), random.integers(0, 6, 40)

    def rows(weight: np.ndarray) -> np.ndarray:
        found = np.zeros((40, 20))
        for t in range(5):
            there = lengths > t
            found[there] = np.tanh(found[there] + np.tensordot(given[t, there], weight, 2))
        return found

    got, slope = run(given, weight, lengths)
    np.testing.assert_allclose(got, rows(weight), rtol=1e-12)
    direction = random.normal(size=w.shape)
    ahead, behind = ((rows(weight + e * direction) ** 2).sum() for e in (1e-6, -1e-6))
    assert (slope * direction).sum() == pytest.approx((ahead - behind) / 2e-6, rel=1e-7)


def test_functions_of_rows_are_computed_where_they_are_read() -> None:
    """A mask of rows is no recurrence: the product and the exponential of a row that nobody asks for are left out."""
    x, w, t = sg.input("x", (40, 8)), sg.parameter("w", (8, 20)), sg.labels("t", (40,), classes=3)
    value = sg.where(sg.expand_dims(t, 1) < 1, sg.exp(sg.sin(x @ w)), 0.0)
    run = codegen.function([x, w, t], [sg.sum(value), sg.grad(sg.sum(value), w)], "float64")
    given, weight = np.random.default_rng(3).normal(size=(40, 8)), np.random.default_rng(4).normal(size=(8, 20))
    labels = np.arange(40) % 3
    given[labels > 0] = np.inf
    there = given[labels == 0]
    total, slope = run(given, weight, labels)
    inner = there @ weight
    expected = np.exp(np.sin(inner))
    assert total == pytest.approx(expected.sum(), rel=1e-12)
    np.testing.assert_allclose(slope, there.T @ (expected * np.cos(inner)), rtol=1e-10)
