"""Short rows by lanes, flat maps, transpositions and barriers: equal to the reference for odd sizes, on any threads."""

from __future__ import annotations

import numpy as np
import pytest

import codegen
import symgraph as sg
from codegen.loops.meetings import meetings
from symgraph.reference import evaluate

ROWS = (1, 2, 15, 16, 17, 31, 33, 97)


def softmax_values(classes: int) -> tuple[list[sg.Tensor], list[sg.Tensor]]:
    rows = sg.dim("N")
    z, W, t = sg.input("z", (rows, 7)), sg.input("W", (7, classes)), sg.labels("t", (rows,), classes=classes)
    loss = sg.cross_entropy(z @ W, t)
    return [z, W, t], [loss, sg.softmax(z @ W), sg.grad(loss, W)]


@pytest.mark.parametrize("classes", [1, 10, 17])
def test_short_rows(classes: int) -> None:
    inputs, outputs = softmax_values(classes)
    function = codegen.function(inputs, outputs, dtype="float64")
    generator = np.random.default_rng(0)
    for rows in ROWS:
        values = {"z": generator.normal(size=(rows, 7)), "W": generator.normal(size=(7, classes))}
        values["t"] = generator.integers(0, classes, rows)
        for got, want in zip(function(**values), evaluate(outputs, values, sizes={"N": rows}), strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-13)


def test_short_rows_go_by_lanes() -> None:
    inputs, outputs = softmax_values(10)
    source = codegen.function(inputs, outputs, dtype="float32").source
    assert "for r in range(16)" in source and "transpose_block" in source


@pytest.mark.parametrize("columns", [1, 5, 16, 17])
def test_flat_maps_and_transpositions(columns: int) -> None:
    rows = sg.dim("N")
    x = sg.input("x", (rows, columns))
    i, j = sg.indices("i j")
    outputs = [sg.tanh(x) * x, x.T, sg.define((i, j), x[i, j] * j)]
    function = codegen.function([x], outputs, dtype="float64")
    for size in ROWS:
        values = {"x": np.random.default_rng(size).normal(size=(size, columns))}
        for got, want in zip(function(**values), evaluate(outputs, values, sizes={"N": size}), strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-13)


def test_threads_meet_where_one_reads_what_another_wrote() -> None:
    inputs, outputs = softmax_values(10)
    compiled = codegen.function(inputs, outputs, dtype="float32").executable("float32").compiled
    found = meetings(compiled.program, compiled.arena, {})
    assert (0,) not in found and 0 < len(found) < len(compiled.program.kernels)
