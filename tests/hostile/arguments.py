"""A scene in which every argument is wrong in every way."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
import sympy as sp

import codegen
import symgraph as sg
from symgraph.errors import SymgraphError
from tests.hostile.model import Model, shared


class Odd:
    """An object that fails however it is asked."""

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError("no array")

    def __index__(self) -> int:
        raise RuntimeError("no index")

    def __float__(self) -> float:
        raise RuntimeError("no number")

    def __bool__(self) -> bool:
        raise RuntimeError("no truth")

    def __len__(self) -> int:
        raise RuntimeError("no length")


VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, 2, -1, 10**30, 2**63, 2**64, 0.0, 0.5, -1.5, float("nan"), float("inf"), 1j, "", "no",
    "0", b"x", (), (1,), [], [1.5], {}, {"x": 1}, set(), object(), Odd(), int, len, sp.Symbol("q"), sp.pi,
    np.float32(2), np.int64(3), np.array(2), np.array([1, 2]), np.array([]), np.array("x"), np.array([None]),
    np.zeros((2, 2)),
    np.zeros((24, 5)), np.zeros((24, 5), np.float32)[:, ::-1], np.zeros((24, 5), ">f4"), np.zeros(24, np.uint64),
    np.full(24, 2**63, np.uint64), np.ma.masked_array([1.0], [True]), np.dtype("f4"), sg.dim("Q"), range(3),
    np.datetime64("2020-01-01"), np.array(["2020"], "M8[Y]"), np.zeros(3, [("a", "f4")]), memoryview(b"abc"), iter(()),
)  # fmt: skip
"""What is passed for each argument; where one is right after all, the call may work."""

FIT = ("epochs", "batch_size", "seed", "shuffle", "validation", "callback", "progress")


def calls(model: Model, params: Any) -> dict[str, Callable[[Any], Any]]:
    """Every argument of everything that is called, as a function of its value."""
    step, data = model.step, model.data
    loss = step.loss

    def fitted(name: str) -> Callable[[Any], Any]:
        given = {"epochs": 1, "batch_size": 24, "progress": False}
        return lambda value: step.fit(params, data, **{**given, name: value})  # type: ignore[arg-type]

    def train(**options: Any) -> Any:
        return codegen.train_step(loss, **options)

    found: dict[str, Callable[[Any], Any]] = {f"fit {name}": fitted(name) for name in FIT}
    found |= {
        "fit params": lambda value: step.fit(value, data, progress=False),
        "fit data": lambda value: step.fit(params, value, progress=False),
        "fit data x": lambda value: step.fit(params, {**data, "x": value}, progress=False),
        "fit data t": lambda value: step.fit(params, {**data, "t": value}, progress=False),
        "fit params A": lambda value: step.fit({**params, "A": value}, data, progress=False),
        "fit data lr": lambda value: step.fit(params, {**data, "lr": value}, epochs=0, progress=False),
        "step params": lambda value: step(value, **data),
        "step x": lambda value: step(params, **{**data, "x": value}),
        "step t": lambda value: step(params, **{**data, "t": value}),
        "step A": lambda value: step({**params, "A": value}, **data),
        "step unknown": lambda value: step(params, **data, unknown=value),
        "init": step.init,
        "hyper": lambda value: step.hyper.update(lr=value),
        "hyper name": lambda value: step.hyper.__setitem__(value, 1.0),
        "state": lambda value: step.state.__setitem__("A.v", value),
        "report sizes": lambda value: step.report(sizes=value),
        "report size": lambda value: step.report(sizes={"N": value}),
        "predict x": lambda value: model.predict(value, **model.start),
        "predict A": lambda value: model.predict(model.x, **{**model.start, "A": value}),
        "predict out": lambda value: model.predict(model.x, **model.start, out=value),
        "value t": lambda value: model.value(model.x, value, **model.start),
        "train_step loss": lambda value: codegen.train_step(value),
        "train_step optimizer": lambda value: train(optimizer=value),
        "train_step dtype": lambda value: train(dtype=value),
        "train_step outputs": lambda value: train(outputs=value),
        "train_step parameters": lambda value: train(parameters=value),
        "train_step threads": lambda value: train(threads=value),
        "train_step check_finite": lambda value: train(check_finite=value),
        "function inputs": lambda value: codegen.function(value, loss),
        "function outputs": lambda value: codegen.function(list(step.inputs), value),
        "function dtype": lambda value: codegen.function([*step.inputs, *step.parameters], loss, dtype=value),
    }
    return found


RUNS_ON_PURPOSE = {"fit epochs": (10**30, 2**63, 2**64)}
"""Where a large number would be too large, not wrong: it must be refused all the same."""


def wrong_arguments(random: Random, rounds: int) -> None:
    """An error of the project's, or a right result; and nothing is changed by an error."""
    model = shared(momentum=0.9)
    params = model.fresh()
    leaks: dict[str, str] = {}
    pairs = [(name, place) for name in calls(model, params) for place in range(len(VALUES))]
    own = ("fit validation", "fit callback", "fit shuffle")  # of a function, what it raises is its own
    pairs = [(name, place) for name, place in pairs if name not in own or not callable(VALUES[place])]
    if rounds < len(pairs):
        pairs = random.sample(pairs, rounds)
    for name, place in pairs:
        params = model.fresh()
        rate = model.step.hyper["lr"]
        before = model.state_of(params)
        try:
            calls(model, params)[name](VALUES[place])
        except SymgraphError:
            assert model.state_of(params) == before, (name, place)
            assert model.step.hyper["lr"] == rate, (name, place)
        except Exception as error:
            leaks[f"{name} = {VALUES[place]!r:.60}"] = f"{type(error).__name__}: {str(error)[:100]}"
            assert model.state_of(params) == before, (name, place)
        else:
            assert name not in RUNS_ON_PURPOSE or VALUES[place] not in RUNS_ON_PURPOSE[name], (name, place)
        model.step.hyper["lr"] = rate
    assert not leaks, "\n".join(f"{name}: {error}" for name, error in leaks.items())
    model.check(model.fresh())
