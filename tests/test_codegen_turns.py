"""What is read far apart is turned first: values, the code that is written, and what is left as it is."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import sympy as sp

import codegen
import symgraph as sg
from tests.sizes import examples
from tests.source import code_of

N = sg.dim("N")
n, i, j, k, m = sg.indices("n i j k m")


@pytest.mark.parametrize("order", list(itertools.permutations(range(3)))[1 :: examples(2, 1)], ids=str)
@pytest.mark.parametrize("sizes", [(9, 17, 33), (16, 8, 4), (3, 40, 5), (1, 64, 64)][:: examples(1, 1)], ids=str)
def test_axes_in_any_order(order: tuple[int, ...], sizes: tuple[int, ...]) -> None:
    """A copy alone, one below a function, and a sum along an axis that lies apart."""
    x, b = sg.input("x", (N, *sizes)), sg.parameter("b", (sizes[order[0]],))
    indices = (i, j, k)
    free = [indices[axis] for axis in order]
    read = x[n, i, j, k]
    shape = (N, *(sizes[axis] for axis in order))
    moved = sg.define((n, *free), read, shape=shape)
    shown = sg.define((n, *free), sp.exp(read / 4) + b[free[0]], shape=shape)
    total = sg.define((n, free[0], free[1]), sg.Sum(sp.cos(read), free[2]), shape=shape[:3])
    random = np.random.default_rng(1)
    given, bias = random.normal(size=(3, *sizes)), random.normal(size=sizes[order[0]])
    turned = np.transpose(given, (0, *(axis + 1 for axis in order)))
    found = codegen.function([x, b], [moved, shown, total], "float64")(given, bias)
    np.testing.assert_array_equal(found[0], turned)
    np.testing.assert_allclose(found[1], np.exp(turned / 4) + bias[:, None, None], rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(found[2], np.cos(turned).sum(-1), rtol=1e-12, atol=1e-13)


def flattened(channels: int, sizes: tuple[int, int]) -> Any:
    """Channels of images that lie last, flattened as if they lay first."""
    h = sg.input("h", (N, *sizes, channels))
    rows, columns = sizes
    place = sg.define(
        (n, i), h[n, i // columns % rows, i % columns, i // (rows * columns)], shape=(N, channels * rows * columns)
    )
    return h, place


@pytest.mark.parametrize("case", [(64, (5, 5)), (16, (3, 7)), (8, (2, 4)), (130, (9, 1))][:: examples(2, 1)], ids=str)
def test_what_is_flattened_in_another_order_and_its_gradient(case: tuple[int, tuple[int, int]]) -> None:
    h, y = flattened(*case)
    g = sg.input("g", y.shape)
    function = codegen.function([h, g], [y, sg.grad(sg.sum(y * g), h)], "float32")
    channels, sizes = case
    random = np.random.default_rng(2)
    given = random.normal(size=(2, *sizes, channels)).astype(np.float32)
    above = random.normal(size=(2, channels * sizes[0] * sizes[1])).astype(np.float32)
    value, slope = function(given, above)
    np.testing.assert_array_equal(value, given.transpose(0, 3, 1, 2).reshape(2, -1))
    np.testing.assert_array_equal(slope, above.reshape(2, channels, *sizes).transpose(0, 2, 3, 1))


def test_loops_that_only_copy_become_the_copy() -> None:
    x = sg.input("x", (N, 4, 16, 64))
    function = codegen.function([x], sg.define((n, i, k, j), x[n, i, j, k], shape=(N, 4, 64, 16)))
    code = code_of(function.source)
    assert code.count("transpose_block(") == 1 and "turned" not in code and code.count("for ") == 2


def test_a_guarded_element_and_a_short_axis_are_read_where_they_lie() -> None:
    x = sg.input("x", (N, 20, 20))
    guarded = sg.define((n, i, j), sp.Piecewise((x[n, j - 1, i], j >= 1), (0, True)), shape=(N, 20, 20))
    short = sg.input("s", (N, 20, 4))
    few = sg.define((n, i, j), sp.exp(short[n, j, i]), shape=(N, 4, 20))
    for leaf, value in ((x, guarded), (short, few)):
        assert "transpose_block" not in code_of(codegen.function([leaf], value).source)
    given = np.random.default_rng(3).normal(size=(2, 20, 20))
    wanted = np.transpose(np.pad(given, ((0, 0), (1, 0), (0, 0)))[:, :20], (0, 2, 1))
    np.testing.assert_array_equal(codegen.function([x], guarded, "float64")(given), wanted)


@pytest.mark.parametrize("op", ["sum", "max"])
def test_an_axis_that_is_read_by_its_digits_has_an_axis_for_each(op: str) -> None:
    """A bias of 48 numbers whose sum has been divided among three heads."""
    g = sg.input("g", (N, 3, 5, 16))
    body = g[n, i // 16, k, i % 16] * 2
    value = sg.define((i,), (sg.Sum if op == "sum" else sg.Max)(body, n, k), shape=(48,))
    function = codegen.function([g], value, "float64")
    lines = [line for line in code_of(function.source).splitlines() if "g[" in line]
    assert lines and not any("%" in line or "//" in line for line in lines)
    given = np.random.default_rng(4).normal(size=(7, 3, 5, 16))
    wanted = getattr(2 * given, op)(axis=(0, 2)).ravel()
    np.testing.assert_allclose(function(given), wanted, rtol=1e-13, atol=1e-14)
    odd = sg.define((i,), sg.Sum(g[n, i // 16, k, i % 15], n, k), shape=(48,))  # no digits of one number
    places = np.arange(48)
    np.testing.assert_allclose(
        codegen.function([g], odd, "float64")(given), given.sum((0, 2))[places // 16, places % 15], rtol=1e-13
    )


def test_parts_of_a_matrix_are_transposed_in_squares() -> None:
    """The gates' weights of a cell, one below the other in one matrix; from any row and column on."""
    W = sg.parameter("W", (80, 40))
    parts = [sg.define((i, j), W[j + 16, i], shape=(40, 48)), sg.define((i, j), W[j + 3, i + 5], shape=(24, 17))]
    function = codegen.function([W], [2 * parts[0] @ sg.transpose(parts[0]), *parts], "float64")
    code = code_of(function.source)
    assert code.count("transpose_block(") == 2
    given = np.random.default_rng(5).normal(size=(80, 40))
    product, first, second = function(given)
    np.testing.assert_array_equal(first, given[16:64].T)
    np.testing.assert_array_equal(second, given[3:20, 5:29].T)
    np.testing.assert_allclose(product, 2 * given[16:64].T @ given[16:64], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("channels", "rows", "in_blocks"), [(64, 600, True), (67, 600, False), (40, 2000, True)])
def test_a_large_copy_is_made_some_rows_at_a_time(channels: int, rows: int, in_blocks: bool) -> None:
    """As many rows, of those that divide all of them, as stay in the cache; else they are read where they lie."""
    x, b = sg.input("x", (N, rows, channels)), sg.input("b", (N, channels, rows))
    value = sg.define((n, i, j), sp.exp(x[n, j, i]) + b[n, i, j], shape=b.shape)
    function = codegen.function([x, b], value, "float64")
    assert ("turned[(" in function.source) == in_blocks
    random = np.random.default_rng(3)
    given, added = random.normal(size=(2, rows, channels)), random.normal(size=(2, channels, rows))
    expected = np.exp(given).swapaxes(1, 2) + added
    np.testing.assert_allclose(function(given, added), expected, rtol=1e-14, atol=1e-15)
