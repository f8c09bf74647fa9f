"""What is made of whole rows of a batch of products is in their kernel: softmax of scores, norms, sums of rows."""

from __future__ import annotations

import numpy as np
import pytest

import codegen
import symgraph as sg
from symgraph.reference import evaluate

N = sg.dim("N")


def _schedules(function: codegen.Function) -> list[str]:
    return [kernel.schedule for kernel in function.executable().compiled.program.kernels]


@pytest.mark.parametrize("rows", [1, 5, 64, 80, None])
@pytest.mark.parametrize("columns", [3, 48])
def test_rows_of_scores_are_normalised_where_they_are_made(rows: int | None, columns: int) -> None:
    """In blocks of all rows, of some of them, and of a number of rows known at run time."""
    queries = sg.input("queries", (N, 2, sg.dim("T") if rows is None else rows, 7))
    keys = sg.input("keys", (N, 2, columns, 7))
    scores = queries @ sg.moveaxis(keys, -1, -2)
    outputs = [sg.softmax(scores), sg.max(scores, axis=-1), sg.sum(scores**2, axis=-1)]
    function = codegen.function([queries, keys], outputs, "float64")
    (schedule,) = (one for one in _schedules(function) if one.startswith("blocks shared"))
    assert schedule.count("over") == 3, schedule
    random = np.random.default_rng(0)
    given = {"queries": random.normal(size=(3, 2, rows or 130, 7)), "keys": random.normal(size=(3, 2, columns, 7))}
    for value, got in zip(outputs, function(*given.values()), strict=True):
        np.testing.assert_allclose(got, evaluate(value, given), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("rows, depth, columns", [(4, 7, 6), (2, 16, 16), (1, 64, 32), (3, 400, 5)])
def test_small_products_of_a_batch_are_no_rows_of_one(rows: int, depth: int, columns: int) -> None:
    """A block has all of each, and is no panel of rows in lanes, however short it is."""
    left, right = sg.input("left", (N, rows, depth)), sg.input("right", (N, depth, columns))
    product = left @ right
    outputs = [sg.softmax(product), sg.max(product, axis=-1), sg.sum(product**2, axis=(1, 2)), sg.sum(product, axis=1)]
    function = codegen.function([left, right], outputs, "float64")
    random = np.random.default_rng(0)
    for batch in (1, 40):
        given = {"left": random.normal(size=(batch, rows, depth)), "right": random.normal(size=(batch, depth, columns))}
        for value, got in zip(outputs, function(*given.values()), strict=True):
            np.testing.assert_allclose(got, evaluate(value, given), rtol=1e-11, atol=1e-11)


def test_rows_that_are_no_whole_of_a_block_have_a_kernel_of_their_own() -> None:
    """Sums over several of its axes, and rows of more columns than a block."""
    left, right = sg.input("left", (N, 9, 7)), sg.input("right", (N, 7, 200))
    product = left @ right
    outputs = [sg.sum(product, axis=(1, 2)), sg.max(product, axis=2)]
    function = codegen.function([left, right], outputs, "float64")
    assert not any(one.startswith("blocks shared") and "over" in one for one in _schedules(function))
    random = np.random.default_rng(0)
    given = {"left": random.normal(size=(3, 9, 7)), "right": random.normal(size=(3, 7, 200))}
    for value, got in zip(outputs, function(*given.values()), strict=True):
        np.testing.assert_allclose(got, evaluate(value, given), rtol=1e-12, atol=1e-12)
