"""Integrators by their order, by the stability function of linear equations, and by what symplectic steps keep."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy as sp

import codegen
import symgraph as sg
from symgraph.errors import ArgumentError, ShapeError
from symgraph.reference import evaluate
from symgraph.vocabulary.integrators import METHODS
from tests import sizes

N, T = sg.dim("N"), sg.dim("T")


@pytest.mark.parametrize(
    ("method", "order"), [("euler", 1), ("midpoint", 2), ("heun", 2), ("ralston", 2), ("rk4", 4), ("rk38", 4)]
)
def test_errors_fall_by_the_order_of_the_method(method: str, order: int) -> None:
    """dy/dt = y·cos t, y(0) = 1, whose solution is exp(sin t)."""

    def error(steps: int) -> float:
        t = sg.constant(np.linspace(0, 1, steps + 1))
        y = sg.odeint(lambda y, t: y * sg.cos(t), sp.Integer(1), t, method=method)
        return float(abs(evaluate(y, {})[-1] - np.exp(np.sin(1))))

    assert np.log2(error(16) / error(32)) == pytest.approx(order, abs=0.35)
    assert set(METHODS) == {"euler", "midpoint", "heun", "ralston", "rk4", "rk38"}


def test_derivatives_are_those_of_the_steps_taken() -> None:
    """A step of RK4 multiplies the state of a linear equation by 1 + z + z²/2 + z³/6 + z⁴/24, z = a·h."""
    (rate, h), y0 = sp.symbols("a h", real=True), sg.input("y0", (3,))
    z = sp.Symbol("z")
    growth = 1 + z + z**2 / 2 + z**3 / 6 + z**4 / 24
    y = sg.odeint(lambda y, t: rate * y, y0, step=h, steps=5)
    first = sg.grad(y[5, 0], rate)
    got = evaluate([y[5], first, sg.grad(first, rate)], {"a": 0.5, "h": 0.25, "y0": np.array([2.0, 1.0, 0.0])})
    formula = 2 * growth.subs(z, z * sp.Rational(1, 4)) ** 5
    at = {z: sp.Rational(1, 2)}
    assert got[0].tolist() == pytest.approx([float(formula.subs(at)) * share for share in (1, 0.5, 0)], rel=1e-14)
    assert [float(one) for one in got[1:]] == pytest.approx(
        [float(sp.diff(formula, z, n).subs(at)) for n in (1, 2)], rel=1e-13
    )


def test_leapfrog_keeps_the_energy_and_runs_back() -> None:
    q0, v0 = sg.input("q0", (2,)), sg.input("v0", (2,))
    q, v = sg.leapfrog(lambda q, t: -sg.sin(q), q0, v0, step=sp.Rational(1, 10), steps=300)
    energy = v**2 / 2 - sg.cos(q)
    back, _ = sg.leapfrog(lambda q, t: -sg.sin(q), q[300], -v[300], step=sp.Rational(1, 10), steps=300)
    values = {"q0": np.array([1.0, 2.0]), "v0": np.array([0.0, 0.5])}
    levels, returned = codegen.function([q0, v0], [energy, back[300]], dtype="float64")(**values)
    assert np.abs(levels - levels[0]).max() < 4e-3
    np.testing.assert_allclose(returned, values["q0"], atol=1e-12)


@pytest.mark.usefixtures("plain")
def test_states_are_nests_and_times_are_free_at_run_time() -> None:
    a, t = sg.parameter("a", ()), sg.input("t", (T,))
    y = sg.odeint(lambda y, t: {"prey": a * y["prey"], "time": 1 + 0 * t}, {"prey": 3, "time": 0}, t)
    run = codegen.function([a, t], [y["time"], sg.grad(y["prey"][1], a)], dtype="float64")
    for count in (2, 4):
        times = np.arange(count) ** 2 / 8
        found, slope = run(np.array(0.0), times)
        np.testing.assert_allclose(found, times, rtol=1e-15)
        assert slope == pytest.approx(3 / 8)


@pytest.mark.skipif(not sizes.LONG, reason="two programs are compiled: --long")
def test_threads_do_not_change_results() -> None:
    y0, w = sg.input("y0", (N, 16)), sg.parameter("w", (16, 16), init=sg.init.normal(0.3))
    y = sg.odeint(lambda y, t: sg.tanh(y @ w), y0, step=sp.Rational(1, 8), steps=9, method="heun")
    found = []
    for threads in (1, 2):
        step = codegen.train_step(sg.sum(y[9] ** 2), sg.SGD(lr=1e-3), "float32", threads=threads)
        params = step.init(0)
        step(params, y0=np.random.default_rng(0).normal(size=(256, 16)).astype(np.float32))
        found.append(params["w"].tobytes())
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("wrong", "error", "says"),
    [
        (lambda y: sg.odeint(lambda y, t: y, y, step=1, steps=3, method="rk5"), ArgumentError, "rk4, rk38, not 'rk5'"),
        (lambda y: sg.odeint(lambda y, t: y, y), ArgumentError, "expected times t, or step and steps"),
        (lambda y: sg.odeint(lambda y, t: y, y, y), ShapeError, r"times are \(T,\), at least two; not y\(T, 3\)"),
        (lambda y: sg.odeint(lambda y, t: sg.sum(y), y, step=1, steps=3), ShapeError, r"expected \(T, 3\), the shape"),
        (lambda y: sg.odeint(lambda y, t: (y, y), y, step=1, steps=3), ShapeError, "rate is tuple of 2; the state is"),
        (lambda y: sg.leapfrog(lambda q, t: q, y, y[0], step=1, steps=3), ShapeError, "first velocity is"),
    ],
)
def test_errors_name_what_is_wrong(wrong: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says) as caught:
        wrong(sg.input("y", (T, 3)))
    assert "test_integrators.py" in str(caught.value)
