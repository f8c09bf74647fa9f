"""Values with a formula of their own at each of a few places of an axis, and what reads them."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

import codegen
import symgraph as sg
from tests.sizes import examples

T, SIZE = sg.dim("T"), 3
a, b, y = (sg.input(name, shape) for name, shape in (("a", (T,)), ("b", (T,)), ("y", (T, SIZE))))
t, j, k = sg.indices("t j k")


class Programs:
    """Random values over T and three places, as tensors and as NumPy has them."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.given = [self.random.standard_normal(shape) for shape in ((5,), (5,), (5, 3))]
        first, second, third = self.given
        places = (a[t], sp.Eq(j, 0)), (b[t] * y[t, 2], sp.Eq(j, 1)), (a[t] * b[t], True)
        stack = sg.define((t, j), sp.Piecewise(*places), (T, SIZE))
        self.made = [(sg.define((t, j), y[t, j] ** 2), third**2)]
        self.made.append((stack, np.stack([first, second * third[:, 2], first * second], 1)))
        for _ in range(4):
            self.made.append(self.reader())

    def read(self, place: sp.Expr) -> tuple[sp.Expr, np.ndarray]:
        """At the place that is asked for, or at a number."""
        tensor, values = self.made[self.random.integers(len(self.made))]
        if self.random.integers(3):
            return tensor[t, place], values
        number = int(self.random.integers(SIZE))
        return tensor[t, number], values[:, number, None]

    def reader(self) -> tuple[sg.Tensor, np.ndarray]:
        (one, u), (other, v), (summed, w) = self.read(j), self.read(j), self.read(k)
        formula, values = [
            (one * other - 2 * one, u * v - 2 * u),
            (one + sg.Sum(summed * other, (k, SIZE)), u + (w * np.ones(SIZE)).sum(1, keepdims=True) * v),
            (sp.Piecewise((one, j < 1), (other, True)), np.where(np.arange(SIZE) < 1, u, v)),
            (sp.Piecewise((one * other, sp.Eq(j, 2)), (0, True)), np.where(np.arange(SIZE) == 2, u * v, 0)),
        ][self.random.integers(4)]
        return sg.define((t, j), formula, (T, SIZE)), np.broadcast_to(values, (5, SIZE)) + np.zeros((5, SIZE))


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("seed", range(examples(6, 300)))
def test_what_reads_stacks(seed: int) -> None:
    """Values, and slopes along a direction by differences."""
    programs = Programs(seed)
    (last, expected), given = programs.made[-1], programs.given
    total = sg.sum(sg.sin(last) + last)
    value = codegen.function([a, b, y], last, "float64")
    np.testing.assert_allclose(value(*given), expected, rtol=1e-11, atol=1e-12)
    slopes_of = [sg.grad(total, leaf, disconnected="zero") for leaf in (a, b, y)]
    slope = codegen.function([a, b, y], [total, *slopes_of], "float64")
    found, *slopes = slope(*given)
    np.testing.assert_allclose(found, (np.sin(expected) + expected).sum(), rtol=1e-11, atol=1e-12)
    ways = [programs.random.standard_normal(value.shape) for value in given]
    ends = [slope(*(v + h * way for v, way in zip(given, ways, strict=True)))[0] for h in (1e-6, -1e-6)]
    along = sum(float((found * way).sum()) for found, way in zip(slopes, ways, strict=True))
    np.testing.assert_allclose((ends[0] - ends[1]) / 2e-6, along, rtol=2e-6, atol=1e-6)


def test_two_places_are_two_values() -> None:
    """No loop over the numbers of a state: Σ_t Σ_j (v[t, j] − y[t, j])² is one loop over t."""
    state = sg.define((t, j), sp.Piecewise((a[t], sp.Eq(j, 0)), (b[t], True)), (T, 2))
    seen = sg.input("seen", (T, 2))
    source = codegen.function([a, b, seen], sg.sum((state - seen) ** 2), "float64").source
    assert "range(2)" not in source and "if j" not in source and "j == 0" not in source, source


@pytest.mark.usefixtures("plain")
def test_places_beyond_a_stack_are_not_asked_for() -> None:
    """{v[t, j] if j < 3, else a[t]}, j < 4, of three places: joined, read at numbers, and summed."""
    v = sg.define((t, j), sp.Piecewise((a[t], sp.Eq(j, 0)), (b[t], True)), (T, 3))
    wider = sg.concatenate([v, a[:, None]], axis=1)
    total, ends = sg.sum(wider * wider, axis=1), sg.define((t,), wider[t, 3] + wider[t, 1])
    first, second = np.array([1.0, 2.0]), np.array([3.0, 5.0])
    right = np.stack([first, second, second, first], 1)
    found = codegen.function([a, b], [total, wider, ends], "float64")(first, second)
    for value, expected in zip(found, ((right**2).sum(1), right, first + second), strict=True):
        np.testing.assert_array_equal(value, expected)
    for value, expected in ((total, (right**2).sum(1)), (ends, first + second)):
        np.testing.assert_array_equal(codegen.function([a, b], value, "float64")(first, second), expected)
