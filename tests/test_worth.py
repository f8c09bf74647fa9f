"""Threads take part where what they save is more than their meetings cost."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import codegen
import symgraph as sg
from codegen.loops.worth import threads_worth
from codegen.run.linking import portions_of
from symgraph.core.graph import topological


def layered(rows: int, wide: int) -> sg.Tensor:
    x = sg.input("x", (rows, wide))
    return sg.tanh(x @ sg.parameter("W", (wide, wide)))


def repeated(steps: int, rows: int, wide: int) -> sg.Tensor:
    x, w = sg.input("x", (steps, rows, wide)), sg.parameter("W", (wide, wide))

    def step(carry: sg.Tensor, at: sg.Tensor) -> tuple[sg.Tensor, sg.Tensor]:
        new = sg.tanh(carry @ w + at)
        return new, new

    return sg.scan(step, sg.input("h", (rows, wide)), x)[1]


CASES: dict[str, tuple[Callable[[], sg.Tensor], int]] = {
    "a small layer": (lambda: layered(8, 16), 1),
    "a layer": (lambda: layered(256, 256), 2),
    "many small steps": (lambda: repeated(1000, 4, 16), 1),
    "steps of one row": (lambda: repeated(100, 1, 256), 1),
    "large steps": (lambda: repeated(10, 64, 256), 2),
}


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("name", CASES)
def test_threads_that_are_worth_it(name: str) -> None:
    make, expected = CASES[name]
    value = make()
    leaves = sorted({leaf for leaf in topological([value]) if leaf.definition is None}, key=str)
    program = codegen.function(leaves, value).executable(np.dtype("float32")).compiled.program
    assert threads_worth(portions_of(program), {}, 4, 2) == expected
