"""New axes, lists, arrays and masks between the brackets, as NumPy has them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symgraph as sg
from symgraph.errors import ShapeError
from symgraph.reference import evaluate

TAKEN: list[Any] = [
    lambda x, t, u: x[:, None], lambda x, t, u: x[None, 1, ..., None], lambda x, t, u: x[t, None, u],
    lambda x, t, u: x[None, t, u], lambda x, t, u: x[:, None, u], lambda x, t, u: x[..., 1, np.newaxis],
    lambda x, t, u: x[[0, -1]], lambda x, t, u: x[:, [True, False, True, True]], lambda x, t, u: x[[0, 1], [2, 3]],
    lambda x, t, u: x[np.array([[0, 1], [2, -3]]), None, 2],
]  # fmt: skip


@pytest.mark.parametrize("key", range(len(TAKEN)))
def test_new_axes_lists_and_masks_index_as_in_numpy(key: int) -> None:
    x, t, u = sg.input("x", (3, 4)), sg.labels("t", (2,), classes=3), sg.labels("u", (2,), classes=4)
    values = {"x": np.arange(12.0).reshape(3, 4), "t": np.array([2, 0]), "u": np.array([1, 3])}
    np.testing.assert_array_equal(evaluate(TAKEN[key](x, t, u), values), TAKEN[key](*values.values()))


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ([0, 5], r"x\(3, 4\): \[0, 5\] leaves an axis of 3"), ([0.5], "indexed with integers"), ([], "at least one"),
        ([True], "a mask of shape"), ((Ellipsis, Ellipsis), r"has one '\.\.\.', not 2"),
    ],
)  # fmt: skip
def test_wrong_arrays_of_places_are_told(key: Any, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        sg.input("x", (3, 4))[key]
