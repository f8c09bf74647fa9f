"""Sums of many terms keep the bound that the README states; short ones of fixed size are computed without blocks."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest

import codegen
import symgraph as sg
from codegen.loops.numbers import SHORT_SUM

N, M = sg.dim("N"), sg.dim("M")
UNIT = 2.0**-24
x, a, w = sg.input("x", (N,)), sg.input("a", (N, 3)), sg.input("w", (N, 4))
b, c = sg.input("b", (N, M)), sg.input("c", (N, 3, 1))
PROGRAMS = {
    "to a number": ([x], sg.sum(x), lambda x: x.sum()),
    "mean": ([a], sg.mean(a), lambda a: a.mean()),
    "rows": ([b], sg.sum(b, axis=1), lambda b: b.sum(1)),
    "columns": ([a], sg.sum(a, axis=0), lambda a: a.sum(0)),
    "columns of one": ([c], sg.sum(c, axis=0), lambda c: c.sum(0)),
    "columns of both": ([b], sg.sum(b, axis=0), lambda b: b.sum(0)),
    "product": ([a, w], a.T @ w, lambda a, w: a.T @ w),
}


def _check(name: str, shape: Callable[[sg.Tensor], tuple[int, ...]], bound: float) -> None:
    """Constant terms, whose errors have one sign, and random ones, against sums in float64."""
    inputs, value, oracle = PROGRAMS[name]
    program = codegen.function(inputs, value, "float32")
    rng = np.random.default_rng(1)
    for make in (lambda s: np.full(s, 0.1), rng.random, rng.standard_normal):
        arrays = [make(shape(leaf)).astype(np.float32) for leaf in inputs]
        wide = [array.astype(np.float64) for array in arrays]
        scale = oracle(*map(np.abs, wide))
        assert np.all(np.abs(program(*arrays) - oracle(*wide)) <= bound * scale), name


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_bound_that_is_stated(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYMGRAPH_PYTHON", "1")
    extents = {N: 3000, M: 1} if name != "rows" else {N: 1, M: 3000}
    _check(name, lambda leaf: tuple(int(extents.get(size, size)) for size in leaf.shape), (SHORT_SUM + 1) * UNIT)


def test_a_million_tenths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SYMGRAPH_PYTHON", raising=False)  # in the lanes of vectors
    program = codegen.function([x, a], [sg.sum(x), sg.sum(a, axis=0), a.T @ a], "float32")
    n = 1_000_003  # the last block is not full
    results = program(np.full(n, 0.1, np.float32), np.full((n, 3), 0.1, np.float32))
    tenth = float(np.float32(0.1))
    np.testing.assert_allclose(results[0], n * tenth, rtol=1e-6)
    np.testing.assert_allclose(results[1], n * tenth, rtol=1e-6)
    np.testing.assert_allclose(results[2], n * tenth**2, rtol=3e-6)


def test_a_short_sum_of_fixed_size_has_no_blocks() -> None:
    for terms, blocks in ((SHORT_SUM, False), (SHORT_SUM + 1, True)):
        fixed = sg.input("fixed", (terms, 40))
        for value in (sg.sum(fixed, axis=0), sg.sum(fixed, axis=1)):
            source = codegen.function(fixed, value, "float32").source
            assert ("float64" in source) == (blocks and value.shape == (40,))


def test_a_sum_over_two_long_axes_is_carried_in_the_inner_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYMGRAPH_PYTHON", "1")
    c = sg.input("c", (N, M, 2))
    program = codegen.function(c, sg.sum(c, axis=(0, 1)), "float32")
    values = np.random.default_rng(0).normal(size=(5, 700, 2)).astype(np.float32)
    exact = values.astype(np.float64).sum((0, 1))
    np.testing.assert_allclose(program(values), exact, atol=1025 * UNIT * np.abs(values).sum((0, 1)).max())


@pytest.mark.parametrize("name", ["to a number", "columns", "columns of both"])
def test_what_is_one_block_adds_nothing_in_float64(name: str) -> None:
    """A step of sixteen rows took a tenth longer for it."""
    inputs, value, _ = PROGRAMS[name]
    lines = codegen.function(inputs, value, "float32").source.splitlines()
    wide = [line for line in lines if "float64(" in line and "float64(0.0)" not in line]
    depth = {line: len(line) - len(line.lstrip()) for line in lines}
    for line in wide:
        above = [other for other in reversed(lines[: lines.index(line)]) if other and depth[other] < depth[line]]
        assert any(other.lstrip().startswith("if ") for other in above[:4]), line
    assert len(wide) == 2


@pytest.mark.parametrize("rows", [1, 128, 129, 2048])
@pytest.mark.parametrize("name", ["columns", "columns of both", "to a number"])
def test_sums_of_as_many_terms_as_blocks_have(name: str, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYMGRAPH_PYTHON", "1")
    extents = {N: rows, M: 2}
    _check(name, lambda leaf: tuple(int(extents.get(size, size)) for size in leaf.shape), (SHORT_SUM + 1) * UNIT)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_sum_whose_last_loop_is_short_is_added_up_in_lanes(dtype: str) -> None:
    """As a depthwise weight's gradient is: rows of 32 lie apart, and vectors are added to each other once a block."""
    x, y = sg.input("x", (N, 3, 34, 34)), sg.input("y", (N, 3, 32, 32))
    n, c, i, j, u, v = sg.indices("n c i j u v")
    body = sg.Sum(x[n, c, i + u, j + v] * y[n, c, i, j], (n, N), (i, 32), (j, 32))
    function = codegen.function([x, y], sg.define((c, u, v), body, (3, 3, 3)), dtype)
    assert re.search(r"for (\w) in range\(32\):\n +\w+_lanes\[\1\] \+= ", function.source), function.source
    random = np.random.default_rng(0)
    for rows in (1, 5):
        a, b = random.normal(size=(rows, 3, 34, 34)).astype(dtype), random.normal(size=(rows, 3, 32, 32)).astype(dtype)
        windows = np.lib.stride_tricks.sliding_window_view(a.astype(float), (32, 32), (2, 3))
        expected = np.einsum("ncuvij,ncij->cuv", windows, b)
        close = 2e-5 if dtype == "float32" else 1e-13
        np.testing.assert_allclose(function(a, b), expected, rtol=close, atol=100 * close)
