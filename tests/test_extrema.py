"""Extrema and their places: over any axes, where elements tie, and where one is NaN."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

import symgraph as sg
from tests.modes import MODES, run_all

N = sg.dim("N")


@MODES
def test_places_of_extrema_over_any_axes(mode: str) -> None:
    x = sg.input("x", (N, 3, 2))
    X = np.random.default_rng(0).integers(0, 3, (4, 3, 2)).astype(float)
    cases = []
    for function, numpys in ((sg.argmax, np.argmax), (sg.argmin, np.argmin)):
        cases += [(function(x, axis=axis), numpys(X, axis=axis)) for axis in (0, 1, 2, -1, None)]
        cases.append((function(x, axis=(1, 2)), numpys(X.reshape(4, 6), axis=1)))
        cases.append((function(x, axis=(0, 2)), numpys(X.transpose(1, 0, 2).reshape(3, -1), axis=1)))
    for found, (_, expected) in zip(run_all(mode, [x], [case[0] for case in cases], X), cases, strict=True):
        np.testing.assert_array_equal(found, expected)


@MODES
def test_gradient_of_an_extremum_goes_to_the_first_place(mode: str) -> None:
    x = sg.input("x", (3, 3, 2))
    X = np.random.default_rng(1).integers(0, 3, (3, 3, 2)).astype(float)
    gradients, wanted = [], []
    axes: Any
    for axes, (kind, fold) in product(
        (0, 1, 2, (0, 1), (1, 2), (0, 2), None), ((sg.max, np.argmax), (sg.min, np.argmin))
    ):
        over = tuple(range(3)) if axes is None else (axes,) if isinstance(axes, int) else axes
        kept = [axis for axis in range(3) if axis not in over]
        moved = X.transpose(*kept, *over)
        rows = moved.reshape(*moved.shape[: len(kept)], -1)
        expected = np.zeros_like(rows)
        np.put_along_axis(expected, fold(rows, axis=-1)[..., None], 1.0, axis=-1)
        expected = expected.reshape(moved.shape).transpose(np.argsort([*kept, *over]))
        gradients.append(sg.grad(sg.sum(kind(x, axis=axes)), x))
        wanted.append(expected)
    for found, expected in zip(run_all(mode, [x], gradients, X), wanted, strict=True):
        np.testing.assert_array_equal(found, expected)


@MODES
def test_a_nan_is_the_extremum_as_in_numpy(mode: str) -> None:
    x = sg.input("x", (N, 4))
    X = np.array([[1.0, np.nan, 3, np.nan], [2, 1, 0, 5], [np.nan] * 4, [-np.inf, -np.inf, -np.inf, -np.inf]])
    pairs, axes = ((sg.argmax, np.argmax), (sg.argmin, np.argmin)), (0, 1, None)
    found = run_all(mode, [x], [function(x, axis=axis) for function, _ in pairs for axis in axes], X)
    expected = [function(X, axis=axis) for _, function in pairs for axis in axes]
    for places, wanted in zip(found, expected, strict=True):
        np.testing.assert_array_equal(places, wanted)
