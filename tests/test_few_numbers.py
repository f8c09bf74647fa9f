"""Recurrences that hand on few numbers: what takes a step's place, and that it computes the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy as sp

import codegen
import symgraph as sg
from codegen.plan.few_numbers import write_out_numbers
from symgraph.core.graph import topological
from symgraph.core.recurrence import Loop, recurrence_of
from symgraph.reference import evaluate

STEPS = 16
RATES = {"rates": np.array([1.5, 1.0, 3.0, 1.0]), "begin": np.array([1.0, 0.5])}


def _loops(tensor: sg.Tensor) -> list[Loop]:
    found = [recurrence_of(t) for t in topological([tensor])]
    return list(dict.fromkeys(one[0].loop for one in found if one is not None))


def _predators(method: str = "rk4") -> tuple[Any, Any]:
    rates, begin = sg.parameter("rates", (4,)), sg.input("begin", (2,))

    def change(y: Any, t: Any) -> Any:
        met = y[0] * y[1]
        return sg.stack([rates[0] * y[0] - rates[1] * met, rates[3] * met - rates[2] * y[1]])

    return sg.sum(sg.odeint(change, begin, step=0.05, steps=STEPS, method=method) ** 2), rates


@pytest.mark.parametrize("method", ["rk4", "midpoint"])
def test_back_propagation_through_few_numbers_is_a_product_a_step(method: str) -> None:
    """λ = A·λ + b of two numbers: four products and four sums a step, however many the method has."""
    cost, rates = _predators(method)
    gradient = sg.grad(cost, rates)
    shorter = write_out_numbers([gradient])[gradient]
    forward, reverse = sorted(_loops(shorter), key=lambda loop: loop.backward)
    for loop in (forward, reverse):
        assert [carry.shape for carry in loop.carries] == [(), ()]
        assert all(value.ndim == 0 for value in loop.steps)
    assert sum(int(sp.count_ops(t.definition.body)) for t in reverse.steps if t.definition) == 8
    if method == "midpoint":  # quick to evaluate step by step
        np.testing.assert_allclose(*evaluate([shorter, gradient], RATES), rtol=1e-12)


def test_what_a_step_computes_beside_is_computed_after_the_loop() -> None:
    """A step that is not affine: its two numbers stay in the loop, the angle's sine and the energy do not."""
    h, start = sp.Symbol("h", real=True), sg.input("start", (2,))

    def step(state: Any, _: Any) -> Any:
        pull = sg.sin(state[0])
        state = sg.stack([state[0] + h * state[1], state[1] - h * pull])
        return state, (pull, state[1] ** 2 / 2 - sg.cos(state[0]))

    last, (pulls, energies) = sg.scan(step, start, length=STEPS)
    outputs = [last, pulls, energies, sg.grad(sg.sum(energies) + last[0], start)]
    found = write_out_numbers(outputs)
    shorter = [found[output] for output in outputs]
    (loop,) = _loops(shorter[0])
    assert not any(value.definition.body.has(sp.cos) for value in loop.steps if value.definition)
    values = {"h": 0.1, "start": np.array([1.0, -0.5])}
    for got, expected in zip(evaluate(shorter, values), evaluate(outputs, values), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_several_values_are_handed_on_and_columns_that_are_the_same_at_all_steps_are_constants() -> None:
    k, u, h0 = sp.Symbol("k", real=True), sg.input("u", (STEPS,)), sg.input("h0", ())

    def step(carry: Any, at: Any) -> Any:
        p, q = carry
        p = p + k * (q[1] - k * (p + k * (q[0] - p / 3)))
        drift = p - q / 5 + at
        return (p, q + k * drift), drift[0]

    (_, last), seen = sg.scan(step, (h0, sg.stack([h0 / 2, h0 / 3])), u)
    outputs = [last, seen, sg.grad(sg.sum(seen**2), u)]
    found = write_out_numbers(outputs)
    shorter = [found[output] for output in outputs]
    for loop in _loops(shorter[1]):
        assert len(loop.constants) >= 4
    values = {"k": 0.3, "h0": np.array(1.25), "u": np.linspace(-1, 1, STEPS)}
    for got, expected in zip(evaluate(shorter, values), evaluate(outputs, values), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_what_selects_is_long_or_wide_stays_as_it_is() -> None:
    x, (t,) = sg.input("x", (STEPS, 5)), sg.indices("t")
    wide = sg.scan(lambda h, at: (h * at * at + at * (h + at) - h / 3, h), sg.input("h0", (5,)), x)[0]
    ewma = sg.define((t,), lambda s: sp.Rational(9, 10) * s[t - 1] + x[t, 0], (STEPS,), {-1: 0})
    leaky = sg.define((t,), lambda s: sg.leaky_relu(s[t - 1] * x[t, 0]) * x[t, 1] + s[t - 1] / 2, (STEPS,), {-1: 1})
    masked = sg.grad(sg.sum(leaky), x)
    for value in (wide, ewma, masked):
        assert write_out_numbers([value])[value] is value


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("native", [False, True])
def test_what_a_step_hands_on_stays_in_registers(native: bool, reverse: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """One kernel goes through all steps; two numbers change places on the way, and one is handed on as it is."""
    monkeypatch.setenv("SYMGRAPH_PYTHON", "" if native else "1")
    u, a = sg.input("u", (40,)), sg.input("a", ())

    def step(carry: Any, given: Any) -> Any:
        x, y, first = carry
        return (y + a * given, x * first, first), x - y

    (x, y, _), seen = sg.scan(step, (u[0], u[1], a * 2), u, reverse=reverse)
    function = codegen.function([u, a], [x, y, seen], "float64")
    assert "= pointer(packed[" in function.source and "for step in range(40):" in function.source.split("def run")[0]
    values, scale = np.random.default_rng(0).standard_normal(40), 0.7
    one, other, expected = values[0], values[1], np.zeros(40)
    for t in reversed(range(40)) if reverse else range(40):
        expected[t] = one - other
        one, other = other + scale * values[t], one * (2 * scale)
    for found, right in zip(function(values, scale), (one, other, expected), strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-13)
