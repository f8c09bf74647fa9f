"""Drawings of recurrences: what flows along the edges inside a step, and along those to another one."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

import symgraph as sg
from symgraph.display.program import Program
from symgraph.drawing.figure import figure_of
from symgraph.drawing.flow import Flow, evaluated, passed_back
from symgraph.drawing.heat import shown
from tests.pictures import edges, seen


def test_what_flows_through_a_recurrence_is_written_at_its_steps() -> None:
    """Against back-propagation through time by hand; ``h`` is read a step later, at two places, and ``h0`` too."""
    T, N = 4, 2
    x, h0, V = sg.input("x", (T, N, 3)), sg.input("h0", (N, 3)), sg.parameter("V", (3, 3))

    def cell(h: sg.Tensor, at: sg.Tensor) -> tuple[sg.Tensor, sg.Tensor]:
        a = (h @ V).named("a")
        h = sg.tanh(a + at * h).named("h")
        return h, h

    _, first = sg.scan(cell, h0, x)
    _, second = sg.scan(cell, h0, first)  # the same step again: an equal loop over other values
    J = sg.sum(second**2) + sg.sum(first**3) + sg.sum(h0**2)
    random = np.random.default_rng(0)
    values = {"x": random.normal(size=(T, N, 3)), "h0": random.normal(size=(N, 3)), "V": random.normal(size=(3, 3))}
    program = Program([J], named=[J])
    figure = figure_of(J, program, is_open=True)
    flow = Flow(J, "J", None, [node.tensor for node in figure.nodes if node.tensor is not None])
    passed = list(passed_back(flow, figure))
    known = evaluated(flow, [back for _, _, back in passed if back is not None], values)
    total: dict[str, np.ndarray] = {}
    for _, tail, back in passed:
        name = program.naming.names[tail].text
        assert back is not None
        total[name] = total.get(name, 0) + known[back]

    def forward(given: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        before = [values["h0"]]
        for at in given:
            before.append(np.tanh(before[-1] @ values["V"] + at * before[-1]))
        return np.array(before[:-1]), np.array(before[1:])

    def backward(given: np.ndarray, before: np.ndarray, after: np.ndarray, arriving: np.ndarray) -> list[np.ndarray]:
        states, sums, coming = np.empty_like(after), np.empty_like(after), np.zeros_like(values["h0"])
        for t in reversed(range(T)):
            states[t] = arriving[t] + coming
            sums[t] = states[t] * (1 - after[t] ** 2)
            coming = sums[t] @ values["V"].T + sums[t] * given[t]
        return [states, sums, sums * before, np.einsum("tni,tnj->ij", before, sums), coming]

    one, two = forward(values["x"]), forward(forward(values["x"])[1])
    h, a, inner, V2, start2 = backward(one[1], *two, 2 * two[1])
    states, sums, outer, V1, start1 = backward(values["x"], *one, 3 * one[1] ** 2 + inner)
    expected = {"x": outer, "V": V1 + V2, "h0": start1 + start2 + 2 * values["h0"]}
    tracks = {name: array for name, array in total.items() if name not in {"x", "V", "h0", "J"}}
    for name, array in expected.items():
        np.testing.assert_allclose(total[name], array, rtol=1e-11, atol=1e-12)
    for array in (h, a, states, sums):
        assert any(np.allclose(array, found, rtol=1e-11, atol=1e-12) for found in tracks.values())
    assert len(tracks) == 4


@pytest.mark.parametrize("checkpoint", [None, 3])
def test_what_flows_through_a_recurrence_in_the_step_of_another_is_written_at_the_steps_of_both(checkpoint) -> None:
    """g[t, s] = tanh(g[t, s − 1]·V + x[t, s]), g[t, −1] = h[t − 1], h[t] = g[t, 2]: one long recurrence, cut in parts,
    by hand, or by ``checkpoint``."""
    T, S = 4, 3
    h0, V = sg.input("h0", (2,)), sg.parameter("V", (2, 2))
    x = sg.input("x", (T * S, 2) if checkpoint else (T, S, 2))

    def cell(g: sg.Tensor, at: sg.Tensor) -> tuple[sg.Tensor, sg.Tensor]:
        g = sg.tanh(g @ V + at).named("g")
        return g, g

    def outer(h: sg.Tensor, at: sg.Tensor) -> tuple[sg.Tensor, sg.Tensor]:
        h, g = sg.scan(cell, h, at)
        return h, g

    _, g = sg.scan(cell, h0, x, checkpoint=checkpoint) if checkpoint else sg.scan(outer, h0, x)
    random = np.random.default_rng(0)
    inputs, first, weights = random.normal(size=(T * S, 2)), random.normal(size=2), random.normal(size=(2, 2))
    drawing = sg.draw(sg.sum(g**2), values={"x": inputs.reshape(x.shape), "h0": first, "V": weights})
    told = edges(drawing)

    known, coming, slope = [first], np.zeros(2), np.zeros((2, 2))
    for at in inputs:
        known.append(np.tanh(known[-1] @ weights + at))
    before, after = np.array(known[:-1]), np.array(known[1:])
    into, back = np.empty_like(after), np.empty_like(after)  # to a step's sum, and from it to the step before
    for t in reversed(range(T * S)):
        into[t] = (2 * after[t] + coming) * (1 - after[t] ** 2)
        coming = back[t] = into[t] @ weights.T
        slope += np.outer(before[t], into[t])
    within = np.concatenate([back.reshape(T, S, 2)[:, 1:], np.zeros((T, 1, 2))], axis=1)
    across = np.concatenate([back.reshape(T, S, 2)[1:, 0], np.zeros((1, 2))])
    (end,) = {tail for tail, head in told if tail.endswith("(4, 2)")}
    own, start, shape = "g (4, 3, 2)", "h0 (2,)", ", ".join(map(str, x.shape))
    assert {pair: back for pair, (_, back) in told.items() if pair[0] != "J"} == {
        (own, own): shown(within).text, (end, own): shown(across).text, (start, end): shown(back[0]).text,
        ("V (2, 2)", own): shown(slope).text, (f"x ({shape})", own): shown(into).text,
        (own, end): shown(across).text, (own, "J"): shown(2 * after).text,
    }  # fmt: skip


def test_each_step_that_a_value_reads_of_itself_has_its_own_derivative() -> None:
    c1, c2 = sp.symbols("c1 c2", real=True)
    (i,) = sg.indices("i")
    series = sg.define((i,), lambda series: c1 * series[i - 1] + c2 * series[i - 2], (8,), {-1: 1, -2: 0})
    for direction in ("right", "down"):
        drawing = sg.draw(series[7], values={"c1": 1.0, "c2": 1.0}, direction=direction)
        loops = {e.step: drawing.labels[n] for n, e in enumerate(drawing.figure.edges) if e.tail == e.head}
        assert {step: [shown.text for shown in pair] for step, pair in loops.items()} == {
            "i − 1": ["1 … 34", "0 … 13"], "i − 2": ["1 … 34", "0 … 8"],
        }  # fmt: skip
        picture = seen(drawing.svg())
        assert {"i − 1: 1 … 34", "0 … 13", "i − 2: 1 … 34", "0 … 8"} <= set(picture.texts)
        assert picture.overlaps() == picture.struck() == 0


def test_local_derivatives_in_a_recurrence_are_over_values_of_its_step() -> None:
    x, h0 = sg.input("x", (4, 3)), sg.input("h0", (3,))

    def cell(h: sg.Tensor, at: sg.Tensor) -> tuple[sg.Tensor, sg.Tensor]:
        a = (at + h).named("a")
        h = (sg.tanh(a) * h).named("h")
        return h, h

    told = edges(sg.draw(sg.sum(sg.scan(cell, h0, x)[1]), edges="local"))
    assert told["x (4, 3)", "a (4, 3)"] == ("", "1")
    assert told["a (4, 3)", "h (4, 3)"][1] == "h[i − 1, j]·(1 − tanh(a[i…"
