"""What a step's diagnosis says: the value, the place, and the part of its formula that is the cause."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import codegen
import symgraph as sg

N = sg.dim("N")
SIX = np.linspace(-1, 1, 24, dtype=np.float32).reshape(6, 4)


@pytest.fixture(autouse=True)
def python(monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs run as plain Python."""
    monkeypatch.setenv("SYMGRAPH_PYTHON", "1")


def network() -> tuple[codegen.run.training.TrainStep, dict[str, np.ndarray], dict[str, Any]]:
    x, t = sg.input("x", (N, 4)), sg.labels("t", (N,), classes=3)
    W1, b1, W2 = sg.parameter("W1", (4, 5)), sg.parameter("b1", (5,)), sg.parameter("W2", (5, 3))
    h = sg.relu(x @ W1 + b1)
    J = sg.cross_entropy(h @ W2, t)
    random = np.random.default_rng(0)
    params = {name: random.normal(size=shape).astype(np.float32)
              for name, shape in (("W1", (4, 5)), ("b1", (5,)), ("W2", (5, 3)))}  # fmt: skip
    return codegen.train_step(J, sg.SGD(lr=0.1)), params, {"x": SIX, "t": np.arange(6) % 3}


def scalar(name: str, value: float) -> dict[str, np.ndarray]:
    return {name: np.full((), value, np.float32)}


def test_nothing_is_wrong_and_nothing_is_updated() -> None:
    step, params, batch = network()
    before = {name: array.copy() for name, array in params.items()}
    found = step.diagnose(params, **batch)
    assert not found and found.worst < 1e-6
    assert str(found).startswith("every value is finite, has influence")
    assert all(np.array_equal(before[name], params[name]) for name in params)


def test_units_that_are_dead() -> None:
    step, params, batch = network()
    params["b1"][:] = -100
    assert str(step.diagnose(params, **batch)).splitlines() == [
        "∂J/∂W1 is 0 everywhere: W1 has no influence, because ∂J/∂a1 is 0: a1[n, j] > 0 holds nowhere",
        "∂J/∂b1 is 0 everywhere: b1 has no influence, because ∂J/∂a1 is 0: a1[n, j] > 0 holds nowhere",
        "∂J/∂W2 is 0 everywhere: W2 has no influence: h[n, j] is 0 everywhere, because a1[n, j] ≤ 0 everywhere",
    ]


def test_a_sigmoid_that_is_saturated() -> None:
    """The branch that a stable form takes is no cause: the other one is no less 0."""
    W = sg.parameter("W", (4, 3))
    step = codegen.train_step(sg.sum((sg.sigmoid(sg.input("x", (N, 4)) @ W) - 1) ** 2))
    found = step.diagnose({"W": np.full((4, 3), -400, np.float32)}, x=np.abs(SIX) + 1)
    assert str(found) == (
        "∂J/∂W is 0 everywhere: W has no influence, because ∂J/∂a1 is 0: "
        "v1[n, j] is 0 everywhere, because σ(a1[n, j]) is 0 everywhere, because a1[n, j] ≤ -1878.26"
    )


def test_a_derivative_that_is_rounding_alone_is_none() -> None:
    x, t = sg.input("x", (N, 4)), sg.labels("t", (N,), classes=3)
    c = sg.parameter("c", ())
    step = codegen.train_step(sg.cross_entropy(x @ sg.parameter("W", (4, 3)) + c, t))
    params = {"W": np.sin(np.arange(12, dtype=np.float32)).reshape(4, 3), **scalar("c", 0.3)}
    (found,) = step.diagnose(params, x=SIX, t=np.arange(6) % 3).findings
    rounded = found.startswith("∂J/∂c is 0 but for rounding, ") and found.endswith(" at most: c has no influence")
    assert rounded or (found.startswith("∂J/∂c is 0 everywhere: ") and found.endswith(" cancel"))  # as the sum goes


def test_the_step_of_a_recurrence_that_overflows() -> None:
    x, first, V = sg.input("x", (30, N, 4)), sg.input("first", (N, 4)), sg.parameter("V", (4, 4))

    def cell(h, at):
        a = (h @ V).named("a")
        h = sg.relu(a + at).named("h")
        return h, h

    last, _ = sg.scan(cell, first, x)
    params = {"V": np.full((4, 4), 10, np.float32)}
    found = codegen.train_step(sg.sum(last)).diagnose(
        params, x=np.ones((30, 2, 4), np.float32), first=np.ones((2, 4), np.float32)
    )
    overflows = "h[i − 1, n, k]·V[k, j] is inf at i = 24, n = 0, j = 0, k = 0, where V[k, j] is 10, "
    assert found.findings[0].startswith(f"h[24, 0, 0] is inf: {overflows}h[i − 1, n, k] is 2.88")


def test_what_is_not_finite() -> None:
    step, params, batch = network()
    params["W2"][1, 2] = np.nan
    assert step.diagnose(params, **batch).findings[0] == "parameter W2[1, 2] is nan"
    u, w = sg.input("u", (N,)), sg.parameter("w", ())
    y = sg.relu(u * w)
    J = -sg.mean(sg.log(y))
    assert codegen.train_step(J).diagnose(scalar("w", 1), u=SIX[:, 0].copy()).findings[0] == (
        "log(y[n]) is -inf at n = 0, where y[n] is 0"
    )
    J = sg.sum(sg.exp(u * w))
    found = codegen.train_step(J).diagnose(scalar("w", 200), u=SIX[:, 0].copy()).findings[0]
    assert found.startswith("exp(w·u[n]) is inf at n = 5, where w·u[n] is 147.826; in high precision it is 1.58")


def test_random_values_are_those_of_the_next_step() -> None:
    x, w, b = sg.input("x", (N, 4)), sg.parameter("w", (4,)), sg.parameter("b", ())
    kept = sg.nn.Dropout(0.5)(x * w + b)
    step = codegen.train_step(sg.sum(kept**2), key=3)
    found = step.diagnose({"w": np.ones(4, np.float32), "b": np.zeros((), np.float32)}, x=SIX)
    assert not found.findings and found.worst < 1e-6
    shifted = x + b
    centred = shifted - sg.mean(shifted)
    step = codegen.train_step(sg.sum(centred**2))
    assert str(step.diagnose(scalar("b", 1), x=SIX)) == (
        "∂J/∂b is 0 everywhere: b has no influence: the formula of its derivative is 0"
    )


def test_what_differs_from_high_precision() -> None:
    u, w, b = sg.input("u", (N,)), sg.parameter("w", ()), sg.input("b", (N,))  # a number instead of b cancels
    v = u * w + 10000
    J = sg.sum((v - b) ** 2)
    base = np.full(2, 1e4, np.float32)
    found = codegen.train_step(J).diagnose(scalar("w", 0.0006), u=np.array([0, 1], np.float32), b=base)
    said = "v[n] − b[n] at n = 1 is 0.000976562, and in high precision 0.0006, 6.3e-01 of its largest away"
    assert found.findings[0] == said
    double = codegen.train_step(J, dtype="float64").diagnose(
        {"w": np.full((), 0.0006)}, u=np.array([0.0, 1.0]), b=base.astype(float)
    )
    assert double.worst < 1e-8


def test_a_program_too_large_for_fifty_digits_is_compared_in_long_double() -> None:
    x, w = sg.input("x", (N, 40)), sg.parameter("w", (40, 40), init=sg.init.normal(0.1))
    h = sg.tanh(x @ w)
    step = codegen.train_step(sg.mean(h**2), dtype="float64")
    found = step.diagnose(step.init(), x=np.random.default_rng(0).normal(size=(30, 40)))
    assert not found.findings and 0 < found.worst < 1e-13


def test_many_parameters_of_one_cause_are_told_together() -> None:
    h = sg.input("x", (N, 4))
    for k in range(6):
        h = sg.relu(h @ sg.parameter(f"W{k}", (4, 4))).named(f"h{k}")
    params = {f"W{k}": np.full((4, 4), -1, np.float32) for k in range(6)}
    found = codegen.train_step(sg.sum(h)).diagnose(params, x=SIX).findings
    assert found[0].startswith("∂J/∂W0, ∂J/∂W5 and 4 more are 0 everywhere: W0, W5 and 4 others have no influence, ")
    params["W0"][:] = 1.5e38
    big = codegen.train_step(sg.sum(h)).diagnose(params, x=np.ones((6, 4), np.float32)).findings[0]
    sum_of = "Σ_i x[n, i]·W0[i, j] overflows at n = 0, j = 0"
    assert big == f"a1[0, 0] is inf: {sum_of}; in high precision it is 6e+38"
