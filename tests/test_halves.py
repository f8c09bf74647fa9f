"""Sums down columns in halves: what they are, that they are the whole, and who adds them up."""

from __future__ import annotations

import numpy as np
import pytest

import codegen
import symgraph as sg
from codegen.plan.halves import half_of, halve_column_sums
from codegen.plan.split_sums import split_sums
from symgraph.core.graph import topological
from symgraph.reference import evaluate

N = sg.dim("N")


def _halves(tensor: sg.Tensor) -> list[int]:
    found = (half_of(t.shape, t.definition) for t in topological([tensor]) if t.definition is not None)
    return [half for half in found if half is not None]


@pytest.mark.parametrize("rows", [2, 5])
def test_two_halves_are_the_whole(rows: int) -> None:
    x, y = sg.input("x", (N, 64)), sg.input("y", (N, 3, 64))
    random = np.random.default_rng(0)
    given = {"x": random.normal(size=(rows, 64)), "y": random.normal(size=(rows, 3, 64))}
    for total in (sg.sum(x * x, axis=0), sg.sum(y, axis=(0, 1))):
        halved = halve_column_sums([total])[total]
        assert sorted(_halves(halved)) == [0, 1]
        np.testing.assert_allclose(evaluate(halved, given), evaluate(total, given), rtol=1e-13)


def test_what_is_short_narrow_or_wide_is_not_halved() -> None:
    for shape in ((32, 64), (N, 63), (N, 257)):
        total = sg.sum(sg.input("x", shape), axis=0)
        assert halve_column_sums([total])[total] is total
    rows = sg.sum(sg.input("x", (N, 64)), axis=1)
    assert halve_column_sums([rows])[rows] is rows


def test_sums_over_the_same_rows_are_one_kernel_of_which_each_thread_has_a_half() -> None:
    x, y = sg.input("x", (N, 64)), sg.input("y", (N, 64))
    function = codegen.function([x, y], [sg.sum(x, axis=0), sg.sum(x * y, axis=0)], dtype="float32")
    first, second, third = (kernel.schedule for kernel in function.executable().compiled.program.kernels)
    assert first.startswith("halves shared · ") and first.count("sum over") == 4
    assert second.startswith("rows shared") and third.startswith("rows shared")
    random = np.random.default_rng(0)
    for rows in (1, 7, 300):
        a, b = (random.normal(size=(rows, 64)).astype(np.float32) for _ in range(2))
        for got, terms in zip(function(a, b), (a, a * b), strict=True):
            np.testing.assert_allclose(got, terms.sum(axis=0, dtype=np.float64), rtol=1e-4, atol=1e-4)


def test_products_over_rows_are_two_of_which_each_thread_has_one() -> None:
    """As a weight's gradient is; one over few rows that are known, or of many columns, is one product."""
    x, y = sg.input("x", (N, 3, 64)), sg.input("y", (N, 3, 64))
    product = sg.einsum("nki,nkj->ij", x, y)
    halved = split_sums([product], [])[product]
    assert halved is not product
    random = np.random.default_rng(0)
    for rows in (2, 5):
        given = {name: random.normal(size=(rows, 3, 64)) for name in "xy"}
        np.testing.assert_allclose(evaluate(halved, given), evaluate(product, given), rtol=1e-12, atol=1e-12)
    for left, right in (((64, 64), (64, 64)), ((N, 64), (N, 63)), ((N, 256), (N, 128))):
        one = sg.einsum("ni,nj->ij", sg.input("x", left), sg.input("y", right))
        assert split_sums([one], [])[one] is one
    function = codegen.function([x, y], product, dtype="float32")
    first, second = (kernel.schedule for kernel in function.executable().compiled.program.kernels)
    assert first.startswith("blocks shared by 64") and second.startswith("rows shared")
    for rows in (1, 7, 200):
        a, b = (random.normal(size=(rows, 3, 64)).astype(np.float32) for _ in range(2))
        np.testing.assert_allclose(function(a, b), np.einsum("nki,nkj->ij", a, b), rtol=1e-4, atol=1e-4)


def test_a_convolutions_weight_gradient_is_two_of_which_each_thread_has_one() -> None:
    """The parts are windows in a row each, whose loop over images begins and ends with the part."""
    x, g, W = sg.input("x", (N, 2, 8, 8)), sg.input("g", (N, 16, 6, 6)), sg.parameter("W", (16, 2, 3, 3))
    gradient = sg.grad(sg.sum(g * sg.conv2d(x, W)), W)
    function = codegen.function([x, g], gradient, dtype="float32")
    first, second = (kernel.schedule for kernel in function.executable().compiled.program.kernels)
    assert first.startswith("rows shared · row by row: window turned, 2 of 2 lines at once")
    assert second.startswith("rows shared")
    random = np.random.default_rng(0)
    for rows in (1, 2, 5):
        a = random.normal(size=(rows, 2, 8, 8)).astype(np.float32)
        b = random.normal(size=(rows, 16, 6, 6)).astype(np.float32)
        patches = np.lib.stride_tricks.sliding_window_view(a, (6, 6), axis=(2, 3))
        np.testing.assert_allclose(function(a, b), np.einsum("ncuvpq,nopq->ocuv", patches, b), rtol=1e-4, atol=1e-4)


def test_what_is_computed_is_added_up_by_whoever_computes_its_rows() -> None:
    """Sums over all but the last axes, of which a row fits the cache; sums of inputs stay whole."""
    x, w = sg.input("x", (N, 16, 2, 20)), sg.input("w", (20,))
    y = sg.tanh(x * w)
    outputs = [y, sg.sum(y * x, axis=(0, 1, 2)), sg.sum(y**2, axis=(0, 1))]
    function = codegen.function([x, w], outputs, dtype="float64")
    assert "sum over 16×2" in str(function.report()) and "N×16" not in str(function.report())
    random = np.random.default_rng(0)
    for rows in (1, 5):
        a, b = random.normal(size=(rows, 16, 2, 20)), random.normal(size=20)
        t = np.tanh(a * b)
        for got, expected in zip(function(a, b), (t, (t * a).sum((0, 1, 2)), (t**2).sum((0, 1))), strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)
    assert "N×16×2" in str(codegen.function([x], sg.sum(x, axis=(0, 1, 2)), dtype="float64").report())


def test_a_reduction_does_not_keep_a_pooling_s_gradient_from_its_remainders() -> None:
    x, b = sg.input("x", (N, 4, 4, 16)), sg.parameter("b", (16,))
    n, i, j, k, u, v = sg.indices("n i j k u v")
    y = sg.relu(x + b)
    pooled = sg.define((n, i, j, k), sg.Max(y[n, 2 * i + u, 2 * j + v, k], (u, 2), (v, 2)), (N, 2, 2, 16))
    function = codegen.function([x, b], sg.grad(sg.sum(pooled**2), b), dtype="float64")
    assert "% 2" not in function.source and "// 2" not in function.source, function.source
    given, shift = np.random.default_rng(0).normal(size=(3, 4, 4, 16)), np.random.default_rng(1).normal(size=16)
    best = np.maximum(given + shift, 0).reshape(3, 2, 2, 2, 2, 16).max((2, 4))
    np.testing.assert_allclose(function(given, shift), 2 * best.sum((0, 1, 2)), rtol=1e-12)
