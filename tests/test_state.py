"""State: batch norm against PyTorch over steps, averages and counters, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import codegen
import symgraph as sg
from symgraph.errors import ArgumentError, DomainError, NonFiniteError, ShapeError

N = sg.dim("N")


@pytest.mark.parametrize("spatial", [(), (3, 2)])
def test_batch_norm_is_that_of_torch(spatial: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Loss, weights and running values over steps, and the network in evaluation, in float64."""
    monkeypatch.setenv("SYMGRAPH_PYTHON", "1")
    torch = pytest.importorskip("torch")
    x, t = sg.input("x", (N, 4, *spatial)), sg.input("t", (N, 4, *spatial))
    norm = (sg.nn.BatchNorm2d if spatial else sg.nn.BatchNorm1d)(4, name="bn")
    scale = sg.parameter("scale", (4, *spatial), init=sg.init.normal(1.0))
    y = norm(sg.tanh(x * scale))
    step = codegen.train_step(sg.mse_loss(y, t), sg.SGD(lr=0.3), dtype="float64", updates=norm.updates())
    params = step.init(0)
    assert set(params) == {"scale", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"}
    theirs = (torch.nn.BatchNorm2d if spatial else torch.nn.BatchNorm1d)(4).double()
    factor = torch.tensor(params["scale"].copy(), requires_grad=True)
    optimiser = torch.optim.SGD([factor, *theirs.parameters()], lr=0.3)
    rng = np.random.default_rng(0)
    for _ in range(4):
        a, b = rng.normal(size=(2, 6, 4, *spatial)) * 2 + 1
        optimiser.zero_grad()
        loss = torch.nn.functional.mse_loss(theirs(torch.tanh(torch.tensor(a) * factor)), torch.tensor(b))
        loss.backward()
        optimiser.step()
        assert abs(step(params, x=a, t=b) - loss.item()) < 1e-11
    wanted = {f"bn.{name}": value.numpy() for name, value in theirs.state_dict().items() if name[0] != "n"}
    for name, value in {**wanted, "scale": factor.detach().numpy()}.items():
        np.testing.assert_allclose(params[name], value, rtol=0, atol=1e-11)
    use = codegen.function([x, scale, *norm.parameters(), *norm.states()], y)
    expected = theirs.eval()(torch.tanh(torch.tensor(a) * factor)).detach().numpy()
    np.testing.assert_allclose(use(a, **params), expected, rtol=0, atol=1e-11)


def regression() -> tuple[Any, Any, Any]:
    x, w = sg.input("x", (N, 3)), sg.parameter("w", (3,), init=sg.init.ones())
    return x, w, sg.sum((x * w) ** 2) / N


def test_states_are_updated_beside_the_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYMGRAPH_PYTHON", "1")
    x, w, J = regression()
    seen, total, average = sg.state("seen"), sg.state("total", (3,)), sg.state("average", (3,), init=sg.init.ones())
    updates = {seen: seen + N, total: total + sg.sum(x, axis=0), average: 0.9 * average + 0.1 * w}
    step = codegen.train_step(J, sg.SGD(lr=0.1), dtype="float32", updates=updates)
    params = step.init(0)
    assert params["seen"].dtype == np.float64
    weights, sums, expected = [], np.zeros(3), np.ones(3)
    rng = np.random.default_rng(0)
    for _ in range(3):
        batch = rng.normal(size=(5, 3)).astype(np.float32)
        weights.append(params["w"].copy())
        sums += batch.sum(axis=0)
        expected = 0.9 * expected + 0.1 * weights[-1]
        step(params, x=batch)
    assert params["seen"] == 15
    np.testing.assert_allclose(params["total"], sums, rtol=1e-5)
    np.testing.assert_allclose(params["average"], expected, rtol=1e-6)
    before = {name: values.copy() for name, values in params.items()}
    with pytest.raises(NonFiniteError):
        step(params, x=np.full((5, 3), np.inf, np.float32))
    assert all(np.array_equal(params[name], before[name]) for name in params)  # nothing was updated
    history = step.fit(params, {"x": rng.normal(size=(20, 3)).astype(np.float32)}, epochs=2, batch_size=5)
    assert history.steps == 8
    assert params["seen"] == 55


def test_states_are_saved_with_the_parameters(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYMGRAPH_PYTHON", "1")
    _, _, J = regression()
    seen = sg.state("seen", init=7)
    noisy = J + sg.sum(sg.random.normal((3,)))
    step = codegen.train_step(noisy, sg.SGD(lr=0.1), dtype="float64", updates={seen: seen + 1}, key=1)
    params = step.init(0)
    batch = {"x": np.ones((2, 3))}
    step(params, **batch)
    codegen.save(tmp_path / "run.npz", params, step)
    after = [step(params, **batch) for _ in range(2)]
    step.init(0)
    saved = codegen.load(tmp_path / "run.npz", step)
    assert saved.params["seen"] == 8
    assert [step(saved.params, **batch) for _ in range(2)] == after


def test_updates_are_printed() -> None:
    x = sg.input("x", (N, 4))
    norm = sg.nn.BatchNorm1d(4, name="bn")
    table = str(sg.explain(sg.sum(norm(x) ** 3), sg.SGD(), updates=norm.updates()))
    assert "states: bn.running_mean (4,), bn.running_var (4,)" in table
    assert "bn.running_mean[i] ← 0.9·bn.running_mean[i] + mu[i]/10" in table
    assert "bn.running_var[i] ← 0.9·bn.running_var[i] + N·var[i]/(10·(N − 1))" in table


def test_no_derivative_passes_a_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYMGRAPH_PYTHON", "1")
    x, w, _ = regression()
    y = sg.stop_gradient(x * w) * w
    assert "stop_gradient(x[n, i]·w[i])" in str(y)
    f = codegen.function([x, w], [y, sg.grad(sg.sum(y), w)])
    a = np.arange(6.0).reshape(2, 3)
    value, slope = f(a, np.array([1.0, 2, 3]))
    np.testing.assert_allclose(value, a * np.array([1, 4, 9]))
    np.testing.assert_allclose(slope, (a * np.array([1, 2, 3])).sum(axis=0))


def test_wrong_updates_are_errors() -> None:
    x, w, J = regression()
    s = sg.state("s", (3,))
    wrong: list[tuple[Any, Any, str]] = [
        (ArgumentError, {w: w * 2}, "parameter w is no state: declare sg.state"),
        (ArgumentError, {"s": w * 2}, "'s' is no state"),
        (ShapeError, {s: x}, r"the update of state s \(3,\) has shape \(N, 3\)"),
        (DomainError, {s: sg.argmax(sg.input("q", (3, 2)), axis=1)}, "needs real values, not class labels"),
        (DomainError, [s], "updates must be a dict"),
    ]
    for kind, updates, message in wrong:
        with pytest.raises(kind, match=message):
            codegen.train_step(J, updates=updates)
    with pytest.raises(ShapeError, match=r"BatchNorm1d\(4\) got x\(N, 3\); expected 2 or 3 axes, the second of 4"):
        sg.nn.BatchNorm1d(4)(x)
    with pytest.raises(ShapeError, match="more than one value a channel"):
        sg.nn.BatchNorm1d(3)(sg.input("one", (1, 3)))
