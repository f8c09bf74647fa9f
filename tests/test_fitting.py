"""``fit`` as practitioners use it: validation, metrics, early stopping, plateaus, accumulation, history, progress."""

from __future__ import annotations

import copy
import io
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import codegen
import symgraph as sg
from codegen.native.team import Job
from symgraph.errors import ArgumentError, DomainError, NonFiniteError, StillZeroWarning, SymgraphError

pytestmark = pytest.mark.usefixtures("plain")
N = sg.dim("N")
X = np.random.default_rng(0).normal(size=(30, 3))
T = (X[:, 0] > 0).astype(np.int64)
DATA, HELD = {"x": X[:20], "t": T[:20]}, {"x": X[20:], "t": T[20:]}
x, t = sg.input("x", (N, 3)), sg.labels("t", (N,), classes=2)
W = sg.parameter("W", (3, 2), init=sg.init.normal(0.1))
z = x @ W
J = sg.cross_entropy(z, t)


@pytest.fixture(scope="module")
def step() -> codegen.TrainStep:
    return codegen.train_step(J, sg.SGD(0.1, momentum=0.9), "float64")


@pytest.fixture(params=["plain Python", "native"])
def either(step: codegen.TrainStep, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The step, or one of native code."""
    if request.param == "native":
        monkeypatch.delenv("SYMGRAPH_PYTHON")
    return copy.deepcopy(step)


def loss_at(w: np.ndarray, data: dict[str, np.ndarray]) -> float:
    scores = data["x"] @ w
    return float(np.mean(np.log(np.exp(scores).sum(1)) - scores[np.arange(len(scores)), data["t"]]))


def test_metrics_are_scikit_learns() -> None:
    sk = pytest.importorskip("sklearn.metrics")
    s, b, p = sg.input("s", (N,)), sg.labels("b", (N,), classes=2), sg.input("p", (N, 4))
    c, y, w = sg.labels("c", (N,), classes=4), sg.input("y", (N, 2)), sg.input("w", (N, 2))
    random = np.random.default_rng(1)
    S, P, Y, V = (random.normal(size=(40, *shape)).round(1) for shape in ((), (4,), (2,), (2,)))
    B, C = random.integers(0, 2, 40), random.integers(0, 3, 40)
    m = sg.metrics
    found = codegen.function([s, b, p, c, y, w], [
        m.accuracy(p, c), m.f1_score(p, c), m.precision_score(p, c), m.recall_score(p, c),
        m.roc_auc_score(s, b), m.r2_score(y, w), m.mean_absolute_error(y, w), m.mean_squared_error(y, w),
    ])(S, B, P, C, Y, V)  # fmt: skip
    best = P.argmax(1)
    expected = [
        sk.accuracy_score(C, best),
        *(score(C, best, average="macro", labels=range(4), zero_division=0)
          for score in (sk.f1_score, sk.precision_score, sk.recall_score)),
        sk.roc_auc_score(B, S), sk.r2_score(V, Y), sk.mean_absolute_error(V, Y), sk.mean_squared_error(V, Y),
    ]  # fmt: skip
    np.testing.assert_allclose([float(value) for value in found], expected, rtol=1e-13)


def test_validation_and_metrics_after_every_epoch(step: codegen.TrainStep) -> None:
    params, weights = step.init(0), []
    history = step.fit(
        params, DATA, epochs=4, batch_size=8, validation=HELD, metrics={"accuracy": sg.metrics.accuracy(z, t)},
        callback=lambda epoch, _: weights.append(params["W"].copy()),
    )  # fmt: skip
    np.testing.assert_allclose(history.validation, [loss_at(w, HELD) for w in weights], rtol=1e-13)
    right = [float(np.mean((HELD["x"] @ w).argmax(1) == HELD["t"])) for w in weights]
    assert history.metrics == {"accuracy": pytest.approx(right)} and history.ended == "epochs"
    arrays = history.arrays()
    assert list(arrays) == ["loss", "validation", "accuracy"] and all(len(column) == 4 for column in arrays.values())
    frame = pytest.importorskip("pandas") and history.frame()
    np.testing.assert_array_equal(frame["validation"], history.validation)


def test_curves_of_a_history(step: codegen.TrainStep, monkeypatch: pytest.MonkeyPatch) -> None:
    history = step.fit(step.init(0), DATA, epochs=3, validation=HELD)
    figure = pytest.importorskip("matplotlib.figure").Figure()
    axes = history.plot(figure.subplots())
    assert [line.get_label() for line in axes.lines] == ["loss", "validation"]
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), history.loss)
    for name, draw in (("matplotlib.pyplot", history.plot), ("pandas", history.frame)):
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(ArgumentError, match=f"history needs the package {name.partition('.')[0]}: pip install"):
            draw()


def test_a_part_is_held_out_by_the_seed(step: codegen.TrainStep) -> None:
    whole = {"x": X, "t": T}
    first, second, other = (
        step.fit(step.init(0), whole, epochs=2, batch_size=8, validation=0.3, seed=seed) for seed in (1, 1, 2)
    )
    assert first.validation == second.validation != other.validation and first.steps == 2 * 3
    params = step.init(0)
    held = np.sort(np.random.default_rng([1, 1]).permutation(30)[:9])
    rows = np.setdiff1d(np.arange(30), held)
    again = step.fit(
        params, {"x": X[rows], "t": T[rows]}, epochs=2, batch_size=8, seed=1, validation={"x": X[held], "t": T[held]}
    )  # fmt: skip
    assert again.validation == first.validation and again.loss == first.loss


def test_early_stopping_restores_the_best(step: codegen.TrainStep) -> None:
    params, kept = step.init(0), []
    noise = {"x": HELD["x"], "t": 1 - HELD["t"]}  # what is learnt makes this worse

    def keep(epoch: int, _: codegen.History) -> None:
        kept.append((params["W"].copy(), step.state["W.v"].copy()))

    history = step.fit(
        params, DATA, epochs=50, batch_size=8, validation=noise,
        callback=[keep, codegen.EarlyStopping(patience=2), codegen.ReduceLROnPlateau(patience=0)],
    )  # fmt: skip
    best = int(np.argmin(history.validation))
    assert history.ended == "early stopping" and history.best_epoch == best and len(history.loss) == best + 4
    np.testing.assert_array_equal(params["W"], kept[best][0])
    np.testing.assert_array_equal(step.state["W.v"], kept[best][1])
    assert step.hyper["lr"] == 0.1 and not history.stopped


def test_the_rate_falls_on_a_plateau(step: codegen.TrainStep) -> None:
    rates: list[float] = []
    step.fit(
        step.init(0), DATA, epochs=6, batch_size=20, callback=[
            codegen.ReduceLROnPlateau(patience=1, factor=0.5, min_delta=100, min_lr=0.04),
            lambda epoch, _: rates.append(step.hyper["lr"]),
        ],
    )  # fmt: skip
    assert rates == [0.1, 0.1, 0.05, 0.05, 0.04, 0.04]
    step.hyper["lr"] = 0.1


def test_how_training_ended(step: codegen.TrainStep) -> None:
    history = step.fit(step.init(0), DATA, epochs=9, callback=lambda epoch, _: epoch == 1)
    assert history.ended == "callback" and len(history.loss) == 2


def test_what_a_callback_changes_is_seen_in_the_next_epoch(either: codegen.TrainStep) -> None:
    """Arrays replaced or changed, the step called or fitted within: as if each epoch were a fit of its own."""
    step, other = either, either.init(1)

    def changed(epoch: int, params: dict[str, np.ndarray]) -> None:
        if epoch == 1:
            params["W"] = params["W"][::-1].copy()
        if epoch == 2:
            params["W"][0] += 1
        if epoch == 3:
            step(dict(other), x=X[:7], t=T[:7])
            step.fit(dict(other), HELD, epochs=3, callback=lambda *_: None)
        step.hyper["lr"] = 0.1 / (epoch + 1)

    def trained(at_once: bool) -> tuple[np.ndarray, list[float]]:
        params, losses = step.init(0), list[float]()
        other["W"][...] = 1
        if at_once:
            losses = step.fit(params, DATA, 6, 8, callback=lambda epoch, _: changed(epoch, params)).loss
        for epoch in range(0 if at_once else 6):
            losses += step.fit(params, DATA, epoch + 1, 8, initial_epoch=epoch).loss
            changed(epoch, params)
        step.hyper["lr"] = 0.1
        return params["W"], losses

    (found, losses), (expected, others) = trained(True), trained(False)
    np.testing.assert_array_equal(found, expected)
    assert losses == others

    params = step.init(0)
    with pytest.raises(SymgraphError, match=r"W has shape \(3, 2\); the array has \(2, 3\)"):
        step.fit(params, DATA, 3, callback=lambda *_: params.update(W=np.ones((2, 3))))


@pytest.mark.parametrize("either", ["native"], indirect=True)
def test_an_epoch_that_nobody_touched_costs_no_checks(
    either: codegen.TrainStep, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python looks at the arrays in the first epoch, and short ones take no thread: three quarters of a small fit."""
    checks: list[int] = []
    threads: list[int] = []
    checked, begin = type(either).checked, Job.begin
    monkeypatch.setattr(type(either), "checked", lambda *given: checks.append(1) or checked(*given))
    monkeypatch.setattr(Job, "begin", lambda *given: threads.append(1) or begin(*given))
    monkeypatch.setattr("codegen.run.epochs.A_MOMENT", float("inf"))
    assert len(either.fit(either.init(0), DATA, 50, callback=lambda *_: None).loss) == 50
    assert len(checks) == 2 and len(threads) <= 2
    either.fit(either.init(0), DATA, 50)
    assert len(threads) <= 3, "epochs at once take one, since they may be long"


@pytest.mark.parametrize("ended", [0, 5], ids=["by the callback", "by Ctrl-C"])
def test_a_callback_that_waits_is_asked_for_every_epoch_afterwards(step: codegen.TrainStep, ended: int) -> None:
    """Several epochs are one native call then, each in its own order; their losses stay in the history."""

    class Third:
        def __init__(self) -> None:
            self.seen: list[tuple[int, int]] = []

        def __call__(self, epoch: int, history: codegen.History) -> bool:
            if ended and epoch == ended:
                raise KeyboardInterrupt
            self.seen.append((epoch, len(history.loss)))
            return epoch == 8

    class Order:
        is_ahead = True

        def __init__(self) -> None:
            self.asked: list[int] = []

        def __call__(self, epoch: int) -> np.ndarray:
            self.asked.append(epoch)
            return np.random.default_rng(epoch).permutation(20)

    found = []
    for waits in (False, True):
        step.reset()
        params, each, order = step.init(0), Third(), Order()
        if waits:
            each.unasked = lambda each=each: min(3, (ended or 8) + 1 - len(each.seen))
        history = step.fit(params, DATA, 20, 8, shuffle=order, callback=each)
        assert order.asked == list(range(len(history.loss)))
        found.append((history.loss, history.ended, params["W"].tolist(), each.seen))
    assert found[0][3] == found[1][3] == [(epoch, epoch + 1) for epoch in range(ended or 9)]
    assert found[0] == found[1]


def test_layers_that_begin_with_zeros_are_told(step: codegen.TrainStep) -> None:
    """Each of the two has the other as a factor of its gradient; a single one, or other values, train."""
    first, last = sg.parameter("first", (3, 4)), sg.parameter("last", (4, 2))
    stuck = codegen.train_step(sg.cross_entropy(sg.tanh(x @ first) @ last, t), sg.SGD(0.1), "float64")
    with pytest.warns(StillZeroWarning, match=r"^first \(3, 4\), last \(4, 2\): zeros before and after .*kaiming"):
        stuck.fit(stuck.init(0), DATA, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        step.fit({"W": np.zeros((3, 2))}, DATA, 2)
        with pytest.raises(NonFiniteError):  # whose zeros are those of no epoch
            step.fit({"W": np.zeros((3, 2))}, {**DATA, "x": np.full((20, 3), np.nan)}, 2)
        stuck.fit({"first": np.ones((3, 4)), "last": np.zeros((4, 2))}, DATA, 2)


@pytest.mark.parametrize("where", ["validation", "callback"])
def test_an_interrupt_between_epochs_ends_training_too(step: codegen.TrainStep, where: str) -> None:
    counts = iter(range(9))

    def pressed(*_: Any) -> None:
        if next(counts) == 2:
            raise KeyboardInterrupt

    history = step.fit(step.init(0), DATA, epochs=9, **{where: pressed})
    assert history.stopped and history.ended == "interrupted" and len(history.loss) == 3 and len(history.frame()) == 3


def test_accumulated_gradients_are_those_of_the_whole_batch() -> None:
    """Adam counts updates and not steps; state between updates stays as it is."""
    one, four = (codegen.train_step(J, optimizer, "float64")
                 for optimizer in (sg.Adam(0.1), sg.accumulate(sg.Adam(0.1), 4)))  # fmt: skip
    params, again = one.init(0), four.init(0)
    for _ in range(3):
        one(params, **DATA)
        before = again["W"].copy()
        for part in range(0, 20, 5):
            np.testing.assert_array_equal(again["W"], before)
            four(again, **{name: values[part : part + 5] for name, values in DATA.items()})
        np.testing.assert_allclose(again["W"], params["W"], rtol=1e-12)
    assert float(four.state["optimizer.k"]) == 3 and not four.state["W.total"].any()


def test_progress_tells_loss_and_time_left(step: codegen.TrainStep, capsys: pytest.CaptureFixture[str]) -> None:
    step.fit(step.init(0), DATA, epochs=2, batch_size=8, progress=True)
    shown = capsys.readouterr().err
    assert "6/6 steps" in shown and ", loss " in shown
    step.fit(step.init(0), DATA, epochs=2, batch_size=8)
    assert capsys.readouterr() == ("", "")


class Unwritable(io.StringIO):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def write(self, _: str) -> int:
        raise self.error

    def isatty(self) -> bool:
        if isinstance(self.error, ValueError):
            raise self.error
        return True


@pytest.mark.parametrize("error", [BrokenPipeError(), OSError(28, "full"), ValueError("closed"), RuntimeError("mine")])
def test_training_goes_on_where_nobody_can_be_told(
    step: codegen.TrainStep, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = []
    for shown in (None, error):
        with monkeypatch.context() as patched:
            if shown is not None:
                patched.setattr(sys, "stderr", Unwritable(shown))
                step.fit(step.init(0), DATA, epochs=1)  # asks whether it is a terminal
            weights.append(step.init(0))
            history = step.fit(weights[-1], DATA, epochs=2, batch_size=8, progress=shown is not None)
            assert history.steps == 6 and history.ended == "epochs"
    np.testing.assert_array_equal(weights[0]["W"], weights[1]["W"])


def test_columns_of_a_frame_are_inputs() -> None:
    pandas = pytest.importorskip("pandas")
    a, b, w = sg.input("a", (N,)), sg.input("b", (N,)), sg.parameter("w", ())
    trained = codegen.train_step(sg.mse_loss(w * a, b), sg.SGD(0.1), "float64")
    first, second = trained.init(0), trained.init(0)
    trained.fit(first, pandas.DataFrame({"id": range(30), "a": X[:, 0], "b": X[:, 1], "town": "Ulm"}))
    trained.fit(second, {"a": X[:, 0].copy(), "b": X[:, 1].copy()})
    assert first["w"] == second["w"] != 0
    with pytest.raises(ArgumentError, match=r"no column b for input b \(N,\); it has a, c, d: a matrix of columns is"):
        trained.fit(first, pandas.DataFrame(X, columns=["a", "c", "d"]))


def test_results_are_found_by_name() -> None:
    slopes = codegen.function([x, t, W], sg.grad(J, [W, x]))(X, T, np.ones((3, 2)))
    assert slopes["W"] is slopes[W] and slopes["x"].shape == X.shape
    with pytest.raises(KeyError):
        slopes["V"]


def test_an_order_of_ones_own(step: codegen.TrainStep) -> None:
    """A sampler: the rows that it says, epoch by epoch, as if the data were such."""
    orders = [np.arange(20)[::-1], np.arange(20) // 2]
    params, again = step.init(0), step.init(0)
    history = step.fit(params, DATA, epochs=2, batch_size=8, shuffle=lambda epoch: orders[epoch])
    step.reset()
    rows = [{name: values[order] for name, values in DATA.items()} for order in orders]
    losses = [step.fit(again, data, batch_size=8, shuffle=False).loss[0] for data in rows]
    assert history.loss == losses
    np.testing.assert_array_equal(params["W"], again["W"])


Fit = Callable[[codegen.TrainStep, dict[str, np.ndarray]], Any]
WRONG: dict[str, tuple[Fit, type[SymgraphError], str]] = {
    "verbose": (lambda s, p: s.fit(p, DATA, verbose=1), DomainError, "write progress=…; expected fit"),
    "callbacks": (lambda s, p: s.fit(p, DATA, callbacks=[]), DomainError, "write callback=…; expected fit"),
    "whole": (lambda s, p: s.fit(p, DATA, validation=1.0), ArgumentError, "a part of 20 examples, not 1.0"),
    "nothing": (lambda s, p: s.fit(p, DATA, validation=0.01), ArgumentError, "a part of 20 examples"),
    "data": (lambda s, p: s.fit(p, DATA, validation={"x": X}), ArgumentError, "t .* has no value"),
    "vector": (lambda s, p: s.fit(p, DATA, metrics={"z": z}), DomainError, r"metric z must be a scalar, .*\(N, 2\)"),
    "name": (lambda s, p: s.fit(p, DATA, metrics={"loss": J}), ArgumentError, "cannot be called loss"),
    "input": (lambda s, p: s.fit(p, DATA, metrics={"q": sg.sum(sg.input("q", (N,)))}), ArgumentError, "q .* not in"),
    "callback": (lambda s, p: s.fit(p, DATA, callback=codegen.EarlyStopping), DomainError, "must be a function"),
    "monitor": (lambda s, p: s.fit(p, DATA, callback=codegen.EarlyStopping(monitor="auc")), ArgumentError,
                "there is no auc to monitor; known are loss"),
    "mode": (lambda s, p: codegen.EarlyStopping(mode="best"), ArgumentError, 'mode must be "min" or "max"'),
    "rate": (lambda s, p: s.fit(p, DATA, callback=codegen.ReduceLROnPlateau(hyper="rate")), ArgumentError, "no rate"),
    "order": (lambda s, p: s.fit(p, DATA, shuffle=lambda _: np.arange(20) + 1), ArgumentError, "examples are 0 … 19"),
    "orders": (lambda s, p: s.fit(p, DATA, shuffle=lambda _: [0.5]), SymgraphError, r"20, not float64 of shape \(1,\)"),
    "array": (lambda s, p: s.fit(p, DATA, shuffle=np.arange(20)), ArgumentError, "or a function: lambda epoch: order"),
    "step.lr": (lambda s, p: setattr(s, "lr", 0.1), ArgumentError, r"write step.hyper\['lr'\] = 0.1"),
    "step.rate": (lambda s, p: setattr(s, "learning_rate", 0.1), ArgumentError, "write .* of lr, momentum"),
    "batches": (lambda s, p: sg.accumulate(sg.SGD(0.1), 0), DomainError, "batches must be an integer"),
    "scores": (lambda s, p: sg.metrics.accuracy(x, t), SymgraphError, r"x\(N, 3\) against t\(N,\): expected scores"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_slips_are_told(name: str, step: codegen.TrainStep) -> None:
    call, error, message = WRONG[name]
    with pytest.raises(error, match=message):
        call(step, step.init(0))
