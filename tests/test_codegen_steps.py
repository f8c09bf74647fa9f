"""What users pass to training steps: every mistake is the project's own error, and nothing is lost.

The one step that is compiled is shared, and called until native code checks calls.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy as sp

import codegen
import symgraph as sg
from codegen.inspect.report import KernelReport, Report
from symgraph.errors import ArgumentError, DisconnectedError, DomainError, ShapeError, SymgraphError
from tests.network import W1, W2, J, N, T, X, b1, t, x


@pytest.fixture(scope="module")
def native() -> codegen.TrainStep:
    """Trained in part, and called often enough that native code checks its calls."""
    step = codegen.train_step(J, sg.Adam(0.01), parameters=[W1, b1, W2], threads=1, strict=True)
    params = step.init(0)
    for _ in range(4):
        step(params, x=X, t=T)
    return step


def test_parameters_that_are_frozen(native: codegen.TrainStep) -> None:
    params = native.init(0)
    before = {name: array.copy() for name, array in params.items()}
    params["b2"].setflags(write=False)
    losses = [native(params, x=X, t=T) for _ in range(3)]
    assert losses[2] < losses[0]
    assert [name for name in params if np.array_equal(params[name], before[name])] == ["b2"]
    history = native.fit(params, {"x": X, "t": T}, epochs=2, batch_size=4, progress=False)
    assert len(history.loss) == 2 and np.array_equal(params["b2"], before["b2"])


def test_what_to_train() -> None:
    names = [p.name for p in codegen.train_step(J, parameters=["W2", W1]).parameters]
    assert names == ["W1", "W2"]
    assert codegen.train_step(J, parameters="b1").parameters == (b1,)
    wrong: tuple[tuple[Any, type[SymgraphError]], ...] = (
        (["V"], DisconnectedError),
        ([x], DomainError),
        ([], DisconnectedError),
        (3, DisconnectedError),
    )
    for parameters, error in wrong:
        with pytest.raises(error):
            codegen.train_step(J, parameters=parameters)


def test_parameters_come_in_the_order_of_declaration() -> None:
    net = sg.nn.Sequential(sg.nn.Linear(5, 4), sg.nn.Tanh(), sg.nn.Linear(4, 3))
    step = codegen.train_step(sg.cross_entropy(net(x), t))
    assert list(step.init(0)) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert [leaf.name for leaf in step.inputs] == ["x", "t"]


@pytest.mark.parametrize(
    ("given", "advice"),
    [
        ("sgd", r"pass sg.SGD\(lr=…\)"),
        (sg.Adam, r"the function sg.Adam is no optimiser: pass sg.Adam\("),
        (0.1, "such as sg.SGD"),
    ],
)
def test_an_optimiser_that_is_none(given: Any, advice: str) -> None:
    with pytest.raises(DomainError, match=advice):
        codegen.train_step(J, given)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "x", sp.Symbol("q"), -1, None, True, [0.1], 1j])
def test_hyper_parameters_that_are_no_numbers(value: Any, native: codegen.TrainStep) -> None:
    before = native.hyper["lr"]
    with pytest.raises(DomainError, match="lr must be a finite number, at least 0, not"):
        native.hyper["lr"] = value
    with pytest.raises(DomainError, match="SGD: lr must be"):
        sg.SGD(lr=value)
    assert native.hyper["lr"] == before


def test_rates_of_decay_are_below_one(native: codegen.TrainStep) -> None:
    for betas in ((1.5, 0.9), (0.9, 1.0), 0.9, (0.9,), "ab"):
        with pytest.raises(DomainError, match="Adam: beta"):
            sg.Adam(betas=betas)
    with pytest.raises(DomainError, match=r"alpha must be .* below 1"):
        sg.RMSprop(alpha=1)
    with pytest.raises(DomainError, match="beta1 must be"):
        native.hyper["beta1"] = 1.0
    strength = sp.Symbol("strength", positive=True)
    step = codegen.train_step(J * strength)
    with pytest.raises(DomainError, match="strength must be a finite number, above 0"):
        step.hyper["strength"] = 0
    step.hyper["strength"] = sp.Rational(1, 2)
    assert step.hyper["strength"] == 0.5


def test_a_failed_call_leaves_hyper_parameters(native: codegen.TrainStep) -> None:
    with pytest.raises(ArgumentError, match=r"t\[0\] is 7"):
        native(native.init(0), x=X, t=T + 7, lr=0.5)
    assert native.hyper["lr"] == 0.01


def test_state_is_assigned_by_value(native: codegen.TrainStep) -> None:
    native.init(0)
    array = native.state["W1.m"]
    native.state["W1.m"] = np.ones((5, 6))
    assert native.state["W1.m"] is array and array.min() == 1.0
    with pytest.raises(ShapeError, match=r"state W1.m has shape \(5, 6\)"):
        native.state["W1.m"] = np.ones(3)
    with pytest.raises(ArgumentError, match=r"no state V\.m"):
        native.state["V.m"] = np.ones(3)


CALLS: dict[str, tuple[Callable[[codegen.TrainStep, Any], Any], str]] = {
    "params None": (lambda step, p: step(None, x=X, t=T), "params must be a dict"),
    "params list": (lambda step, p: step([1, 2, 3, 4], x=X, t=T), "params must be a dict"),
    "params text": (lambda step, p: step("abcd", x=X, t=T), "params must be a dict"),
    "other keys": (lambda step, p: step({1: 2, 2: 3, 3: 4, 4: 5}, x=X, t=T), "there is no 1"),
    "epochs": (lambda step, p: step.fit(p, {"x": X, "t": T}, epochs=1.5), "epochs must be an integer, at least 0"),
    "batch 2.5": (lambda step, p: step.fit(p, {"x": X, "t": T}, batch_size=2.5), "batch_size must be an integer"),
    "batch text": (lambda step, p: step.fit(p, {"x": X, "t": T}, batch_size="32"), "batch_size must be an integer"),
    "seed": (lambda step, p: step.fit(p, {"x": X, "t": T}, seed=-1), "seed must be an integer, at least 0"),
    "data": (lambda step, p: step.fit(p, (X, T)), "data must be a dict"),
    "no params": (lambda step, p: step.fit(None, {"x": X, "t": T}), "params must be a dict"),
    "callback": (lambda step, p: step.fit(p, {"x": X, "t": T}, callback=3), "callback must be a function"),
    "a class of callbacks": (
        lambda step, p: step.fit(p, {"x": X, "t": T}, callback=codegen.EarlyStopping), r"write EarlyStopping\(\)"
    ),
    "init": (lambda step, p: step.init("a"), "seed must be an integer"),
    "bool labels": (lambda step, p: step(p, x=X, t=T > 0), r"pass t.astype\(np.int64\)"),
    "float labels": (lambda step, p: step(p, x=X, t=T * 1.0), r"pass t.astype\(np.int64\)"),
    "big-endian": (lambda step, p: step(p, x=X.astype(">f4"), t=T), "needs dtype float32, not >f4"),
    "state as input": (lambda step, p: step(p, x=step.state["W1.m"].reshape(6, 5), t=T[:6]), "W1.m and x overlap"),
    "one array twice": (lambda step, p: step({**p, "b1": p["W1"].ravel()[:6]}, x=X, t=T), "W1 and b1 overlap"),
    "report": (lambda step, p: step.report(sizes={"M": 3}), "there is no size M; known are: N"),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_calls_that_are_refused(name: str, native: codegen.TrainStep) -> None:
    call, message = CALLS[name]
    params = native.init(0)
    before = {key: array.copy() for key, array in params.items()}
    with pytest.raises(SymgraphError, match=message) as caught:
        call(native, params)
    assert Path(__file__).name in str(caught.value)
    assert all(np.array_equal(params[key], before[key]) for key in params)


def test_arrays_that_change_between_calls(native: codegen.TrainStep) -> None:
    """Native code looks at the objects anew at every call: nothing is remembered by identity."""
    params, again = native.init(0), {}
    given = X.copy()
    first = native(params, x=given, t=T)
    given.resize((7, 5), refcheck=False)
    assert native(native.init(0), x=given, t=T[:7]) != first
    given.shape = (5, 7)
    with pytest.raises(ShapeError):
        native(params, x=given, t=T[:5])
    params = native.init(0)
    assert native(params, x=X, t=T) == first
    again = {name: array.copy() for name, array in native.init(0).items()}
    assert native(dict(reversed(again.items())), x=X, t=T.astype(np.int32)) == first
    again["b1"].setflags(write=False)
    with pytest.raises(ArgumentError, match=r"b1.*read-only"):
        native(again, x=X, t=T)


def test_threads_wait_for_each_other(native: codegen.TrainStep) -> None:
    params = native.init(0)
    for _ in range(40):
        native(params, x=X, t=T)
    expected = {name: array.copy() for name, array in params.items()}
    params = native.init(0)
    workers = [threading.Thread(target=lambda: [native(params, x=X, t=T) for _ in range(10)]) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert all(np.array_equal(params[name], expected[name]) for name in params)


def test_a_callback_may_use_the_step(native: codegen.TrainStep) -> None:
    params = native.init(0)

    def callback(epoch: int, history: Any) -> None:
        native(params, x=X[:2], t=T[:2])
        params["W1"] = params["W1"].copy()

    history = native.fit(params, {"x": X, "t": T}, epochs=3, batch_size=4, callback=callback, progress=False)
    assert history.loss == sorted(history.loss, reverse=True) and history.steps == 9


def test_an_interrupted_run_keeps_what_diverged(native: codegen.TrainStep, monkeypatch: pytest.MonkeyPatch) -> None:
    step = native
    monkeypatch.setattr(step, "check_finite", False)
    params = step.init(0)
    step.fit(params, {"x": X, "t": T}, epochs=1, batch_size=4, progress=False)  # nothing is left to compile
    params["W1"][:] = np.nan
    threading.Timer(0.3, lambda: os.kill(os.getpid(), 2)).start()
    history = step.fit(params, {"x": X, "t": T}, epochs=10_000_000, batch_size=4, progress=False)
    assert history.stopped and history.loss and np.isnan(history.loss).all()
    assert len(history.loss) == history.steps // 3
    assert 0 < history.seconds < 10


def test_rows_are_taken_from_first_axes_alone() -> None:
    pairs = sg.input("pairs", (N, N))
    step = codegen.train_step(sg.sum(pairs @ (x @ W1)) * sg.sum(b1))
    with pytest.raises(ShapeError, match=r"pairs \(N, N\) has the batch size N not as its first size alone"):
        step.fit({}, {"x": X, "pairs": np.ones((9, 9), np.float32)})


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_process_has_threads_of_its_own() -> None:
    wide = sg.input("wide", (N, 128))
    A = sg.parameter("A", (128, 128), init=sg.init.kaiming_normal())
    B = sg.parameter("B", (128, 3))
    step = codegen.train_step(sg.cross_entropy(sg.relu(wide @ A) @ B, t), threads=2)
    params = step.init(0)
    given = {"wide": np.ones((400, 128), np.float32), "t": np.zeros(400, np.int64)}
    step(params, **given)
    assert step.executable.threads == 2
    child = os.fork()
    if child == 0:
        threading.Timer(20, lambda: os._exit(1)).start()
        step(params, **given)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


# -- the report -------------------------------------------------------------------------------------------------------


def test_measured_report(native: codegen.TrainStep) -> None:
    """It runs on arrays of its own, and the step goes on as if nothing had been. Nobody else has waited for the code
    that runs kernels one by one."""
    params = native.init(0)
    loss = native(params, x=X.copy(), t=T.copy())
    assert "kernels" not in vars(native.executable)
    kept = {name: array.copy() for name, array in {**params, **native.state}.items()}
    report = native.report(measure=True)
    assert report.sizes == {"N": 9} and all(row.seconds for row in report.kernels)
    assert all(row.expected and 0 < row.reached < 2 for row in report.kernels)
    assert all(f" {row.reached:8.0%}" in str(report) for row in report.kernels)
    assert list(report.stages)[-3:] == ["load", "first call", "warm call"]
    assert 0 < report.stages["warm call"] < report.stages["first call"]
    assert native.report().kernels[0].reached is None and "GFLOP/s" in str(report)
    larger = native.report(sizes={"N": 100})
    assert sum(row.operations for row in larger.kernels) > sum(row.operations for row in report.kernels)
    assert all(np.array_equal(kept[name], array) for name, array in {**params, **native.state}.items())
    assert native(params, x=X, t=T) < loss


def test_report_marks_what_is_far_from_its_limit() -> None:
    """Half of the limit is near; what is far counts only where it costs a twentieth of the whole."""
    rows = (
        KernelReport("near", (), 1e6, 8, seconds=1e-3, expected=6e-4),
        KernelReport("slow", (), 1e6, 8, seconds=1e-3, expected=4e-4),
        KernelReport("tiny", (), 1e2, 8, seconds=1e-6, expected=1e-9),
    )
    lines = str(Report(rows, {}, {})).splitlines()[1:4]
    assert [line.endswith("◂ far") for line in lines] == [False, True, False]
