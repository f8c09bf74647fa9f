"""Threads take part where what they save is more than their meetings cost."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import codegen
import symgraph as sg
from codegen.loops.driver import calls_in, repeats_in
from codegen.loops.worth import threads_worth
from codegen.run.linking import portions_of
from symgraph.core.graph import topological
from tests.turns import ORDERS, InTurns


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
    compiled = codegen.function(leaves, value).executable(np.dtype("float32")).compiled
    portions = portions_of(compiled.program, compiled.source.driver)
    assert threads_worth(portions, {}, 4, 2) == expected


M = sg.dim("M")
STEPS: dict[str, tuple[Callable[[sg.Tensor, sg.Tensor, sg.Tensor], sg.Tensor], int]] = {
    "rows of their own": (lambda h, x, w: sg.tanh(h @ w + x) * h, 0),
    "two products": (lambda h, x, w: sg.tanh(sg.softmax(h @ w) @ w + x), 0),
    "the mean of all rows": (lambda h, x, w: h @ w - sg.mean(h, axis=0) + x, 1),
    "the rows in reverse": (lambda h, x, w: sg.tanh(h[::-1] @ w + x), 1),
    "the first row": (lambda h, x, w: sg.tanh(h @ w) + h[0] + x, 1),
}


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("name", STEPS)
def test_threads_meet_within_a_step_only_where_it_hands_values_to_other_rows(name: str) -> None:
    step, expected = STEPS[name]
    x, w, h = sg.input("x", (3, M, 6)), sg.parameter("w", (6, 6)), sg.input("h", (M, 6))
    last, _ = sg.scan(lambda carry, at: (step(carry, at, w), None), h, x)
    cost = sg.sum(last**2)
    function = codegen.function([x, w, h], [cost, *sg.grad(cost, [w, h]).values()], dtype="float64")
    executable = function.executable(np.dtype("float64"))
    loops = repeats_in(executable.compiled.source.driver.body)
    assert any(call.meets for loop in loops for call in calls_in(loop.body)) == bool(expected)
    random = np.random.default_rng(0)
    values = {"x": random.normal(size=(3, 5, 6)), "w": random.normal(size=(6, 6)), "h": random.normal(size=(5, 6))}
    alone = [np.array(value) for value in function(**values)]
    for order in ORDERS:
        InTurns(executable, order)
        for got, wanted in zip(function(**values), alone, strict=True):
            np.testing.assert_array_equal(got, wanted)
