"""Averages of weights, lookahead and sharpness-aware minimisation against PyTorch's tools and plain NumPy loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import codegen
import symgraph as sg
from symgraph.errors import DomainError

STEPS = 7
RATE, MOMENTUM = 0.1, 0.9
X = np.random.default_rng(0).normal(size=(STEPS, 5, 3))


def trained(optimizer: sg.optimisers.Optimizer) -> tuple[codegen.TrainStep, list[dict[str, np.ndarray]]]:
    """A step, and parameters and state after each of STEPS steps on a quartic cost of x·w + b."""
    x = sg.input("x", (5, 3))
    w, b = sg.parameter("w", (3,), init=sg.init.ones()), sg.parameter("b", ())
    step = codegen.train_step(sg.mean((x @ w + b) ** 4), optimizer, dtype="float64")
    params, found = step.init(0), []
    for batch in X:
        step(params, x=batch)
        found.append({name: np.array(value) for name, value in {**params, **step.state}.items()})
    return step, found


def slope(x: np.ndarray, w: np.ndarray, b: float) -> tuple[np.ndarray, float]:
    """The cost's gradient, by hand."""
    cube = 4 * (x @ w + b) ** 3 / 5
    return x.T @ cube, float(cube.sum())


class Momentum:
    """SGD with momentum, and a cost, in NumPy: the path that the averages are of."""

    def __init__(self) -> None:
        self.w, self.b, self.v, self.u = np.ones(3), 0.0, np.zeros(3), 0.0

    def step(self, x: np.ndarray, at: Any = None) -> None:
        g, h = slope(x, *(at or (self.w, self.b)))
        self.v, self.u = MOMENTUM * self.v + g, MOMENTUM * self.u + h
        self.w, self.b = self.w - RATE / 50 * self.v, self.b - RATE / 50 * self.u


SGD = sg.SGD(RATE / 50, momentum=MOMENTUM)


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("decay", [None, 0.75])
def test_averages_are_those_of_torch(decay: float | None) -> None:
    torch = pytest.importorskip("torch")
    swa = torch.optim.swa_utils
    path = Momentum()
    model = torch.nn.Linear(3, 1).double()
    average = swa.AveragedModel(model, avg_fn=None if decay is None else swa.get_ema_avg_fn(decay))
    _, found = trained(sg.average_weights(SGD, decay))
    for batch, state in zip(X, found, strict=True):
        path.step(batch)
        model.weight.data, model.bias.data = torch.tensor(path.w[None]), torch.tensor(np.array([path.b]))
        average.update_parameters(model)
        np.testing.assert_allclose(state["w"], path.w, rtol=1e-12)
        np.testing.assert_allclose(state["w.average"], average.module.weight.detach().numpy()[0], rtol=1e-12)
        np.testing.assert_allclose(state["b.average"], average.module.bias.detach().numpy()[0], rtol=1e-12)


@pytest.mark.usefixtures("plain")
def test_an_average_may_begin_later_and_take_every_second_step() -> None:
    path, taken = Momentum(), []
    step, found = trained(sg.average_weights(SGD, start=2, every=2))
    for number, (batch, state) in enumerate(zip(X, found, strict=True), start=1):
        path.step(batch)
        if number in (4, 6):
            taken.append(path.w)
        np.testing.assert_allclose(state["w.average"], np.mean(taken or [path.w], axis=0), rtol=1e-12)
    assert step.state["optimizer.averaged"] == 2


@pytest.mark.usefixtures("plain")
def test_lookahead_is_the_loop_of_its_paper() -> None:
    path = Momentum()
    slow = path.w, path.b
    _, found = trained(sg.lookahead(SGD, k=3, alpha=0.25))
    for number, (batch, state) in enumerate(zip(X, found, strict=True), start=1):
        path.step(batch)
        if number % 3 == 0:
            slow = path.w, path.b = tuple(a + 0.25 * (f - a) for a, f in zip(slow, (path.w, path.b), strict=True))  # type: ignore[assignment]
        np.testing.assert_allclose(state["w"], path.w, rtol=1e-12)
        np.testing.assert_allclose(state["b"], path.b, rtol=1e-12)
        np.testing.assert_allclose(state["w.slow"], slow[0], rtol=1e-12)


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("adaptive", [False, True])
def test_sam_takes_the_gradient_where_the_cost_is_worst_nearby(adaptive: bool) -> None:
    path = Momentum()
    step, found = trained(sg.sam(SGD, rho=0.3, adaptive=adaptive))
    assert step.hyper["radius"] == 0.3
    for batch, state in zip(X, found, strict=True):
        g, h = slope(batch, path.w, path.b)
        by = (path.w, path.b) if adaptive else (1.0, 1.0)
        reach = 0.3 / (np.sqrt(((by[0] * g) ** 2).sum() + (by[1] * h) ** 2) + 1e-12)
        path.step(batch, at=(path.w + reach * by[0] ** 2 * g, path.b + reach * by[1] ** 2 * h))
        np.testing.assert_allclose(state["w"], path.w, rtol=1e-10)
        np.testing.assert_allclose(state["b"], path.b, rtol=1e-10)


@pytest.mark.usefixtures("plain")
def test_wrappers_stand_in_each_other_and_work_through_time() -> None:
    """SAM of a recurrence with dropout: both passes see one mask; at radius 0 and k beyond the end nothing changes."""
    x, w = sg.input("x", (4, 2, 3)), sg.parameter("w", (3, 3), init=sg.init.normal(0.5))
    last, _ = sg.scan(lambda h, at: (sg.tanh(h @ w + at), None), x[0] * 0, sg.dropout(x, 0.5))
    values = {"x": np.random.default_rng(1).normal(size=(4, 2, 3))}
    results = []
    for optimizer in (sg.Adam(0.1), sg.average_weights(sg.lookahead(sg.sam(sg.Adam(0.1), 0.0), k=9))):
        step = codegen.train_step(sg.sum(last**2), optimizer, dtype="float64", key=3)
        params = step.init(0)
        results.append([[step(params, **values) for _ in range(3)], params["w"]])
    np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-12)
    np.testing.assert_allclose(results[0][1], results[1][1], rtol=1e-12)


def test_formulas_are_printed() -> None:
    w = sg.parameter("w", (3,))
    shown = str(sg.explain(sg.sum(w**4), sg.sam(sg.average_weights(sg.SGD(0.1), 0.9), 0.05)))
    assert "w_worst[i] = w[i] + reach·∂J/∂w[i]" in shown and "w_new[i] = w[i] − lr·g1[i]" in shown, shown
    assert "w.average" in shown and "average_decay" in shown


WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "a decay": (lambda: sg.average_weights(SGD, 1.0), "average_weights: decay must be .* below 1, not 1.0"),
    "a start": (lambda: sg.average_weights(SGD, start=-1), "start must be an integer, at least 0, not -1"),
    "no step": (lambda: sg.average_weights(SGD, every=0), "every must be an integer, at least 1, not 0"),
    "no optimiser": (lambda: sg.lookahead(0.1), "lookahead takes an optimiser, such as sg.Adam"),  # type: ignore[arg-type]
    "k": (lambda: sg.lookahead(SGD, k=0), "lookahead: k must be an integer, at least 1, not 0"),
    "alpha": (lambda: sg.lookahead(SGD, alpha=float("nan")), "lookahead: alpha must be a finite number"),
    "rho": (lambda: sg.sam(SGD, rho=-1.0), "sam: rho must be a finite number, at least 0, not -1.0"),
    "a mean of them": (lambda: sg.accumulate(sg.sam(SGD), 2), r"write sam\(accumulate\(…\), rho\)"),
    "twice": (lambda: trained(sg.lookahead(sg.lookahead(SGD))), r"keeps optimizer.ahead twice"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_told(name: str) -> None:
    make, text = WRONG[name]
    with pytest.raises(DomainError, match=text):
        make()
