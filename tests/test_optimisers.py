"""Optimisers: every row of the vocabulary in one program, a parameter each, step by step against PyTorch's."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import codegen
import symgraph as sg
from symgraph.core.tensor import Tensor
from symgraph.errors import ArgumentError, DomainError, ShapeError
from symgraph.reference import evaluate
from symgraph.vocabulary import optimisers as ours
from symgraph.vocabulary import schedules

torch = pytest.importorskip("torch")
STEPS = 8
generator = np.random.default_rng(3)
Theirs = Callable[[list[Any]], Any]
CASES: dict[str, tuple[ours.Optimizer, Theirs]] = {
    "dampened": (ours.SGD(0.1, momentum=0.9, dampening=0.3, weight_decay=0.01),
                 lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, dampening=0.3, weight_decay=0.01)),
    "nesterov": (ours.SGD(0.1, momentum=0.9, nesterov=True),
                 lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, nesterov=True)),
    "adagrad": (ours.Adagrad(0.1, lr_decay=0.1, initial_accumulator_value=0.5),
                lambda p: torch.optim.Adagrad(p, 0.1, lr_decay=0.1, initial_accumulator_value=0.5)),
    "adadelta": (ours.Adadelta(0.5, weight_decay=0.1), lambda p: torch.optim.Adadelta(p, 0.5, weight_decay=0.1)),
    "rmsprop": (ours.RMSprop(0.01, momentum=0.5, centered=True),
                lambda p: torch.optim.RMSprop(p, 0.01, momentum=0.5, centered=True)),
    "adam": (ours.Adam(0.01, amsgrad=True, weight_decay=0.1),
             lambda p: torch.optim.Adam(p, 0.01, amsgrad=True, weight_decay=0.1)),
    "adamw": (ours.AdamW(0.01), lambda p: torch.optim.AdamW(p, 0.01)),
    "adamax": (ours.Adamax(0.01), lambda p: torch.optim.Adamax(p, 0.01)),
    "nadam": (ours.NAdam(0.01), lambda p: torch.optim.NAdam(p, 0.01)),
    "radam": (ours.RAdam(0.01), lambda p: torch.optim.RAdam(p, 0.01)),
    "rprop": (ours.Rprop(0.01), lambda p: torch.optim.Rprop(p, 0.01)),
    "asgd": (ours.ASGD(0.1, lambd=0.01, t0=3), lambda p: torch.optim.ASGD(p, 0.1, lambd=0.01, t0=3)),
    "adafactor": (ours.Adafactor(0.1, eps=(1e-10, 1e-3), weight_decay=0.1),
                  lambda p: torch.optim.Adafactor(p, 0.1, eps=(1e-10, 1e-3), weight_decay=0.1)),
    "adafactor_of_vectors": (ours.Adafactor(0.1), lambda p: torch.optim.Adafactor(p, 0.1, eps=(2.0**-23, 1e-3))),
    "muon": (ours.Muon(0.1), lambda p: Muon(p)),
    "natural": (ours.NaturalGradient(0.1, 0.5), lambda p: NaturalGradient(p)),
    "lion": (ours.Lion(0.01, weight_decay=0.1), lambda p: Lion(p)),
}  # fmt: skip
SHAPES = {name: (3,) if "vectors" in name else (3, 2) for name in CASES}
GRADIENTS = {name: generator.normal(size=(STEPS, *shape)) for name, shape in SHAPES.items()}
FIRST = {name: generator.normal(size=shape) for name, shape in SHAPES.items()}


class Lion:
    """Algorithm 2 of arXiv 2302.06675, which PyTorch does not have."""

    def __init__(self, parameters: list[Any]) -> None:
        (self.p,) = parameters
        self.m = torch.zeros_like(self.p)

    def step(self) -> None:
        with torch.no_grad():
            c = 0.9 * self.m + 0.1 * self.p.grad
            self.p -= 0.01 * (torch.sign(c) + 0.1 * self.p)
            self.m = 0.99 * self.m + 0.01 * self.p.grad


class Muon:
    """Keller Jordan's Muon without bfloat16, by the singular values that its polynomial maps."""

    def __init__(self, parameters: list[Any]) -> None:
        (self.p,) = parameters
        self.m = np.zeros(tuple(self.p.shape))

    def step(self) -> None:
        g, p = self.p.grad.numpy(), self.p.detach().numpy()
        self.m = 0.95 * self.m + 0.05 * g
        left, values, right = np.linalg.svd(0.05 * g + 0.95 * self.m, full_matrices=False)
        values = values / np.sqrt((values**2).sum())
        for _ in range(5):
            values = 3.4445 * values - 4.775 * values**3 + 2.0315 * values**5
        p *= 1 - 0.1 * 0.1
        p -= 0.1 * np.sqrt(1.5) * (left * values) @ right


class NaturalGradient:
    """By the inverse of the damped mean of g·gᵀ, inverted anew at every step."""

    def __init__(self, parameters: list[Any]) -> None:
        (self.p,) = parameters
        self.k, self.total = 0, 0.5 * np.eye(self.p.numel())

    def step(self) -> None:
        g, p = self.p.grad.numpy(), self.p.detach().numpy()
        self.k, self.total = self.k + 1, self.total + np.outer(g, g)
        p -= 0.1 * (np.linalg.inv(self.total / self.k) @ g.ravel()).reshape(g.shape)


def trained() -> codegen.TrainStep:
    """Σ W·G over all parameters, each of them in a group of its own: the gradients are the inputs."""
    parameters = {name: sg.parameter(f"p_{name}", shape) for name, shape in SHAPES.items()}
    loss = sum((sg.sum(p * sg.input(f"g_{name}", SHAPES[name])) for name, p in parameters.items()), sg.as_tensor(0))
    groups: dict[str, Any] = {name: (p, CASES[name][0]) for name, p in parameters.items()}
    return codegen.train_step(loss, sg.grouped(ours.SGD(), **groups), "float64")


@pytest.fixture
def in_double() -> Iterator[None]:
    """PyTorch keeps its scalars in its default dtype."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.usefixtures("plain", "in_double")
def test_every_row_step_by_step_against_pytorch() -> None:
    step = trained()
    assert len({update.leaf for update in step.updates}) == len(step.updates)
    params = {f"p_{name}": value.copy() for name, value in FIRST.items()}
    theirs = {name: torch.tensor(value.copy(), requires_grad=True) for name, value in FIRST.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        running = {name: CASES[name][1]([theirs[name]]) for name in CASES}
    for n in range(STEPS):
        step(params, **{f"g_{name}": values[n] for name, values in GRADIENTS.items()})
        for name, optimizer in running.items():
            theirs[name].grad = torch.tensor(GRADIENTS[name][n])
            optimizer.step()
            found, expected = params[f"p_{name}"], theirs[name].detach().numpy()
            np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12, err_msg=f"{name}, step {n + 1}")
    np.testing.assert_allclose(step.state["p_asgd.ax"], running["asgd"].state[theirs["asgd"]]["ax"].numpy(), rtol=1e-12)


@pytest.mark.usefixtures("in_double")
def test_lbfgs_has_one_hessian_of_all_parameters() -> None:
    """Its pairs are of all parameters as one vector; some are not kept, and there are more steps than pairs."""
    shapes: dict[str, tuple[int, ...]] = {"a": (2,), "b": (), "c": (1, 2)}
    leaves = {name: sg.parameter(name, shape) for name, shape in shapes.items()}
    slopes = {leaf: sg.input(f"g_{name}", shapes[name]) for name, leaf in leaves.items()}
    optimizer = ours.LBFGS(0.5, history_size=2)
    updates = optimizer.updates(slopes)
    known: dict[str, Any] = {str(u.leaf.name): np.zeros(tuple(map(int, u.leaf.shape))) for u in updates}
    known |= optimizer.hyper
    theirs = {name: torch.zeros(shape, requires_grad=True) for name, shape in shapes.items()}
    running = torch.optim.LBFGS(theirs.values(), 0.5, max_iter=1, history_size=2, tolerance_grad=0, tolerance_change=0)
    kept = 0

    def closure() -> Any:
        running.zero_grad()
        a, b, c = theirs["a"], theirs["b"], theirs["c"]
        found = (torch.cos(a) * torch.tensor([1.0, 9.0])).sum() + (b - 2) ** 2 + (a * c).sum() / 3 + (c**4).sum()
        (found + b * c[0, 1]).backward()
        return found.detach()

    for n in range(6):
        running.step(closure)
        given = {f"g_{name}": value.grad.numpy() for name, value in theirs.items()}
        values = evaluate([u.value for u in updates], known | given)
        kept += not np.array_equal(values[[u.leaf.name for u in updates].index("b.s")], known["b.s"])
        known |= {str(u.leaf.name): value for u, value in zip(updates, values, strict=True)}
        for name, value in theirs.items():
            np.testing.assert_allclose(known[name], value.detach().numpy(), rtol=1e-11, err_msg=f"{name} {n}")
    assert 2 < kept < 6


def test_every_row_is_in_a_case() -> None:
    assert {optimizer.name for optimizer, _ in CASES.values()} == set(ours.OPTIMISERS) - {"LBFGS"}


SCHEDULES: dict[str, tuple[schedules.Schedule, Callable[[Any], Any]]] = {
    "StepLR": (schedules.StepLR(0.1, 3, 0.5), lambda o: torch.optim.lr_scheduler.StepLR(o, 3, 0.5)),
    "MultiStepLR": (schedules.MultiStepLR(0.1, [2, 5]), lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [2, 5])),
    "ExponentialLR": (schedules.ExponentialLR(0.1, 0.9), lambda o: torch.optim.lr_scheduler.ExponentialLR(o, 0.9)),
    "ConstantLR": (schedules.ConstantLR(0.1, 0.5, 4), lambda o: torch.optim.lr_scheduler.ConstantLR(o, 0.5, 4)),
    "LinearLR": (schedules.LinearLR(0.1, 0.25, 1, 4), lambda o: torch.optim.lr_scheduler.LinearLR(o, 0.25, 1, 4)),
    "PolynomialLR": (schedules.PolynomialLR(0.1, 6, 2), lambda o: torch.optim.lr_scheduler.PolynomialLR(o, 6, 2)),
    "CosineAnnealingLR": (schedules.CosineAnnealingLR(0.1, 8, 0.01),
                          lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 8, 0.01)),
    "CosineAnnealingWarmRestarts": (
        schedules.CosineAnnealingWarmRestarts(0.1, 4, 0.01),
        lambda o: torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(o, 4, eta_min=0.01)),
    "OneCycleLR": (
        schedules.OneCycleLR(0.1, 9),
        lambda o: torch.optim.lr_scheduler.OneCycleLR(o, 0.1, 9, cycle_momentum=False)),
}  # fmt: skip


def run_in_reference(optimizer: ours.Optimizer, slopes: list[np.ndarray]) -> list[np.ndarray]:
    """Parameters after every step, by the evaluator of definitions."""
    W, g = sg.parameter("W", slopes[0].shape), sg.input("g", slopes[0].shape)
    updates = optimizer.updates({W: g})
    known: dict[str, Any] = {str(u.leaf.name): np.full(tuple(map(int, u.leaf.shape)), u.initial or 0) for u in updates}
    known |= {"W": np.zeros(slopes[0].shape), **optimizer.hyper}
    found = []
    for slope in slopes:
        values = evaluate([u.value for u in updates], known | {"g": slope})
        known |= {str(u.leaf.name): value for u, value in zip(updates, values, strict=True)}
        found.append(known["W"])
    return found


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_is_a_formula_of_the_step(name: str) -> None:
    schedule, theirs = SCHEDULES[name]
    assert name in schedules.SCHEDULES
    found = run_in_reference(ours.SGD(lr=schedule), [np.ones(1)] * STEPS)
    weight = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([weight], lr=0.1)
    scheduler = theirs(optimizer)
    for n in range(STEPS):
        weight.grad = torch.ones(1, dtype=torch.float64)
        optimizer.step()
        scheduler.step()
        np.testing.assert_allclose(found[n], weight.detach().numpy(), rtol=1e-12, err_msg=f"step {n + 1}")


@pytest.mark.usefixtures("in_double")
@pytest.mark.parametrize("name", ["Adagrad", "RMSprop", "Adam", "AdamW", "Adamax", "NAdam", "RAdam", "Adafactor"])
def test_every_optimiser_follows_a_schedule(name: str) -> None:
    """Also where a row of all parameters, such as Adam's rate, reads what is scheduled."""
    slopes = [generator.normal(size=(3,)) for _ in range(4)]
    found = run_in_reference(getattr(ours, name)(lr=schedules.StepLR(0.1, 2, 0.5)), slopes)
    weight = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    optimizer = getattr(torch.optim, name)([weight], lr=0.1)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5)
    for n, slope in enumerate(slopes):
        weight.grad = torch.tensor(slope)
        optimizer.step()
        scheduler.step()
        np.testing.assert_allclose(found[n], weight.detach().numpy(), rtol=1e-12, err_msg=f"step {n + 1}")


def test_gradients_are_clipped_together_or_one_by_one() -> None:
    slopes = [generator.normal(size=(3, 2)) * 3 for _ in range(2)]
    total = np.cumsum([s * min(1, 2 / (np.sqrt((s**2).sum()) + 1e-6)) for s in slopes], axis=0)
    np.testing.assert_allclose(run_in_reference(sg.clip_grad_norm(ours.SGD(1.0), 2.0), slopes), -total, rtol=1e-12)
    each = np.cumsum([s.clip(-0.5, 0.5) for s in slopes], axis=0)
    np.testing.assert_allclose(run_in_reference(sg.clip_grad_value(ours.SGD(1.0), 0.5), slopes), -each, rtol=1e-12)


def network() -> tuple[Tensor, list[Tensor]]:
    x = sg.input("x", (3, 2))
    W, b, V = sg.parameter("W", (2, 2)), sg.parameter("b", (2,)), sg.parameter("V", (2,))
    return sg.sum((sg.tanh(x @ W + b) @ V) ** 2), [W, b, V]


@pytest.mark.usefixtures("plain")
def test_groups_have_their_own_numbers_and_may_be_frozen() -> None:
    loss, [W, _, V] = network()
    step = codegen.train_step(loss, sg.grouped(ours.SGD(0.1), head=(V, ours.SGD(0.5, momentum=0.9)), still=("b", None)))
    assert dict(step.hyper) == {"lr": 0.1, "lr_head": 0.5, "momentum_head": 0.9}
    params = {name: np.ones(shape, np.float32) for name, shape in (("W", (2, 2)), ("b", 2), ("V", 2))}
    step(params, x=np.full((3, 2), 0.1, np.float32))
    assert (params["b"] == 1).all() and (params["W"] != 1).all() and (params["V"] != 1).all()
    assert list(step.state) == ["V.v"]
    assert "lr_head" in str(sg.explain(loss, sg.grouped(ours.SGD(), head=([V, W], ours.Adam()))))


def test_an_optimiser_of_ones_own() -> None:
    """A norm, a state of another shape, and hyper-parameters of one's own: normalised gradients that are averaged."""
    rows = (
        ours.Row("size", lambda size, g, decay: decay * size + (1 - decay) * sg.norm(g), 0.0, lambda shape: ()),
        ours.Row("theta", lambda theta, g, size, rate: theta - rate * g / size),
    )
    found = run_in_reference(ours.Optimizer("mine", rows, {"rate": 0.5, "decay": 0.75}), [np.array([3.0, 4.0])] * 2)
    np.testing.assert_allclose(found[0], -0.5 * np.array([3, 4]) / 1.25)
    np.testing.assert_allclose(found[1], found[0] - 0.5 * np.array([3, 4]) / (0.75 * 1.25 + 1.25))


WRONG: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "a name": (lambda: sg.grouped(ours.SGD(), a=("c", ours.SGD())), DomainError, "c is no parameter.*W, b, V"),
    "twice": (lambda: sg.grouped(ours.SGD(), a=("b", None), c=("b", None)), DomainError, "c: b is in groups twice"),
    "a vector": (lambda: ours.Muon(), ShapeError, "Muon is for matrices, and a parameter has 1 axes"),
    "what it reads": (lambda: ours.Optimizer("mine", (ours.Row("theta", lambda theta, rate: theta - rate),)),
                      DomainError, "mine: the row theta reads rate, which is no row above it"),
    "a shape": (lambda: ours.Optimizer("mine", (ours.Row("v", lambda g: sg.sum(g), 0.0),)), ShapeError,
                r"the row v of W has shape \(\); expected \(2, 2\)"),
    "a rate": (lambda: ours.Adam(betas=(0.9, 1.0)), DomainError, "Adam: beta2 must be .* below 1, not 1.0"),
    "a line search": (lambda: ours.LBFGS(line_search_fn="strong_wolfe"), ArgumentError, "method='L-BFGS-B'"),
    "no pairs": (lambda: ours.LBFGS(history_size=0), DomainError, "history_size must be an integer, at least 1, not 0"),
    "a schedule": (lambda: schedules.StepLR(0.1, 0), DomainError, "StepLR: step_size must be above 0, not 0"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_errors_name_the_parameter(name: str) -> None:
    wrong, kind, text = WRONG[name]
    loss, parameters = network()
    with pytest.raises(kind, match=text):
        wrong().updates(sg.grad(loss, parameters))
