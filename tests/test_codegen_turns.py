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
