"""Training steps: every optimiser against the reference, whole epochs against single steps, and wrong calls."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sympy as sp

import codegen
import symgraph as sg
from symgraph.core.tensor import Tensor
from symgraph.errors import ArgumentError, DisconnectedError, DomainError, NameConflictError, ShapeError, SymgraphError
from symgraph.reference import evaluate
from symgraph.vocabulary.optimisers import SGD, Adam, Optimizer, RMSprop

OPTIMISERS: dict[str, Callable[[], Optimizer]] = {
    "SGD": lambda: SGD(0.1),
    "SGD, Nesterov, decay": lambda: SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "RMSprop": lambda: RMSprop(0.01),
    "Adam": lambda: Adam(0.01),
}


def network() -> Tensor:
    rows = sg.dim("N")
    x, t = sg.input("x", (rows, 5)), sg.labels("t", (rows,), classes=3)
    W1 = sg.parameter("W1", (5, 6), init=sg.init.kaiming_normal())
    b1 = sg.parameter("b1", (6,))
    W2 = sg.parameter("W2", (6, 3), init=sg.init.normal(0.3))
    b2 = sg.parameter("b2", (3,))
    return sg.cross_entropy(sg.sigmoid(x @ W1 + b1) @ W2 + b2, t) + sg.sum(W1**2) / 100


def data(rows: int, dtype: Any = np.float64) -> dict[str, np.ndarray]:
    random = np.random.default_rng(rows)
    x = random.normal(size=(rows, 5)).astype(dtype)
    return {"x": x, "t": (x[:, 0] > 0).astype(np.int64) + (x[:, 1] > 0)}


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("name", OPTIMISERS)
def test_three_steps(name: str) -> None:
    step = codegen.train_step(network(), OPTIMISERS[name](), "float64")
    params = step.init(0)
    batch = data(4)
    known = {**{k: v.copy() for k, v in params.items()}, **{k: v.copy() for k, v in step.state.items()}}
    for _ in range(3):
        given = known | batch | dict(step.hyper)
        expected, *updated = evaluate([step.loss, *(update.value for update in step.updates)], given)
        loss = step(params, **batch)
        known |= {str(u.leaf.name): value for u, value in zip(step.updates, updated, strict=True)}
        assert loss == pytest.approx(float(expected), rel=1e-12)
        for array_name, array in {**params, **step.state}.items():
            np.testing.assert_allclose(array, known[array_name], rtol=1e-10, atol=1e-12)


@pytest.fixture(scope="module")
def step() -> codegen.TrainStep:
    return codegen.train_step(network(), Adam(0.01), "float32", strict=True)


def same(left: dict[str, np.ndarray], right: dict[str, np.ndarray]) -> bool:
    return all(np.array_equal(left[name], right[name]) for name in left)


def test_natively(step: codegen.TrainStep) -> None:
    params = step.init(0)
    batch = data(9, np.float32)
    known = {k: v.astype(np.float64) for k, v in params.items()} | {k: v.copy() for k, v in step.state.items()}
    for _ in range(4):
        expected, *updated = evaluate([step.loss, *(u.value for u in step.updates)], known | batch | dict(step.hyper))
        assert step(params, **batch) == pytest.approx(float(expected), rel=1e-5)
        known |= {str(u.leaf.name): value for u, value in zip(step.updates, updated, strict=True)}
        for name, array in params.items():
            np.testing.assert_allclose(array, known[name], rtol=1e-3, atol=1e-5)


def test_epochs_equal_steps(step: codegen.TrainStep) -> None:
    """Without shuffling, whole epochs are the same steps, the short last batch included."""
    everything = data(23, np.float32)
    params, again = step.init(1), step.init(1)
    history = step.fit(params, everything, epochs=2, batch_size=10, shuffle=False, progress=False)
    step.reset()
    losses = []
    for _ in range(2):
        total = 0.0
        for first in range(0, 23, 10):
            batch = {name: array[first : first + 10] for name, array in everything.items()}
            total += step(again, **batch) * len(batch["t"])
        losses.append(total / 23)
    assert same(params, again)
    assert history.loss == pytest.approx(losses, rel=1e-6)
    assert history.steps == 6


def test_shuffling_depends_on_the_seed_alone(step: codegen.TrainStep) -> None:
    everything = data(50, np.float32)
    results = []
    for seed in (3, 3, 4):
        params = step.init(0)
        history = step.fit(params, everything, epochs=4, batch_size=8, seed=seed, progress=False)
        results.append((params, history.loss))
    assert same(results[0][0], results[1][0]) and results[0][1] == results[1][1]
    assert not same(results[0][0], results[2][0])


def test_training_lowers_the_loss(step: codegen.TrainStep) -> None:
    everything = data(200, np.float32)
    history = step.fit(step.init(0), everything, epochs=100, batch_size=20, progress=False)
    assert history.loss[-1] < history.loss[0] / 2


def test_validation_and_callback(step: codegen.TrainStep) -> None:
    seen: list[int] = []
    history = step.fit(
        step.init(0), data(20, np.float32), epochs=5, batch_size=8, progress=False,
        validation=lambda params: float(params["b2"].sum()), callback=lambda epoch, _: seen.append(epoch) or epoch == 2,
    )  # fmt: skip
    assert seen == [0, 1, 2] and len(history.validation) == 3 and len(history.loss) == 3


def test_interrupt_leaves_valid_parameters(step: codegen.TrainStep) -> None:
    """It comes while native code trains: parameters have moved, and fit has not returned."""
    params = step.init(0)
    step.fit(params, data(500, np.float32), epochs=1, batch_size=10, progress=False)
    before = params["b2"].copy()

    def interrupt() -> None:
        while (params["b2"] == before).all():
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    history = step.fit(params, data(500, np.float32), epochs=1_000_000, batch_size=10, progress=False)
    assert history.stopped and len(history.loss) < 1_000_000
    assert all(np.isfinite(array).all() for array in params.values())


def test_a_process_that_ignores_interrupts_trains_on(step: codegen.TrainStep) -> None:
    """As one that a shell starts in its background, or ``nohup``."""

    def interrupt(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    params, before = step.init(0), signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        timer = threading.Timer(0.01, interrupt)
        timer.start()
        history = step.fit(params, data(100, np.float32), epochs=5, batch_size=10, progress=False, callback=interrupt)
        history = step.fit(params, data(500, np.float32), epochs=2000, batch_size=10, progress=False)
        timer.join()
    finally:
        signal.signal(signal.SIGINT, before)
    assert not history.stopped and len(history.loss) == 2000


def test_hyper_parameters_change_without_compiling(step: codegen.TrainStep) -> None:
    params = step.init(0)
    before = {name: array.copy() for name, array in params.items()}
    rate, step.hyper["lr"] = step.hyper["lr"], 0.0
    step(params, **data(5, np.float32))
    step.hyper["lr"] = rate
    assert same(params, before)
    with pytest.raises(ArgumentError, match="no hyper-parameter speed"):
        step.hyper["speed"] = 1.0


def test_threads_do_not_change_results() -> None:
    rows = sg.dim("N")
    x, t = sg.input("x", (rows, 64)), sg.labels("t", (rows,), classes=10)
    W1 = sg.parameter("W1", (64, 70), init=sg.init.kaiming_normal())
    W2 = sg.parameter("W2", (70, 10), init=sg.init.kaiming_normal())
    b = sg.parameter("b", (70,))
    loss = sg.cross_entropy(sg.relu(x @ W1 + b) @ W2, t)
    random = np.random.default_rng(0)
    batch = {"x": random.normal(size=(301, 64)).astype(np.float32), "t": random.integers(0, 10, 301)}
    results = []
    for threads in (1, 2, 3):
        step = codegen.train_step(loss, SGD(0.1), threads=threads)
        params = step.init(0)
        losses = [step(params, **batch) for _ in range(4)]
        results.append((losses, params))
    assert results[0][0] == results[1][0] == results[2][0]
    assert same(results[0][1], results[1][1]) and same(results[0][1], results[2][1])


@pytest.mark.parametrize("batch", (50, 200), ids=("few rows", "rows enough to pack"))
def test_wide_products_in_blocks_of_columns(batch: int) -> None:
    """Widths beyond a block, ragged and not, with long rows; the last block of rows is short."""
    rows = sg.dim("N")
    x, t = sg.input("x", (rows, 40)), sg.input("t", (rows, 128))
    W1, W2 = sg.parameter("W1", (40, 1090)), sg.parameter("W2", (1090, 128))
    loss = sg.sum((sg.relu(x @ W1) @ W2 - t) ** 2)
    random = np.random.default_rng(0)
    start = {leaf.name: random.normal(size=leaf.shape) * 0.05 for leaf in (W1, W2)}
    data = {"x": random.normal(size=(batch, 40)), "t": random.normal(size=(batch, 128))}
    h = np.maximum(data["x"] @ start["W1"], 0)
    g = 2 * (h @ start["W2"] - data["t"])
    expected = {
        "W1": start["W1"] - 1e-4 * data["x"].T @ ((g @ start["W2"].T) * (h > 0)),
        "W2": start["W2"] - 1e-4 * h.T @ g,
    }
    found = []
    for threads in (1, 2, 3):
        step = codegen.train_step(loss, SGD(1e-4), "float64", threads=threads)
        found.append({name: value.copy() for name, value in start.items()})
        step(found[-1], **data)
        for name, value in expected.items():
            np.testing.assert_allclose(found[-1][name], value, rtol=1e-9, atol=1e-12)
    assert same(found[0], found[1]) and same(found[0], found[2])
    products = 2 * batch * (40 * 1090 * 2 + 1090 * 128 * 3)
    assert products <= sum(kernel.operations for kernel in step.report().kernels) < 1.02 * products


@pytest.mark.parametrize("batch", (1, 61, 130))
def test_long_sums_over_a_trained_matrix_in_parts(batch: int) -> None:
    """Threads share parts of the sum and blocks of rows; whatever their number, the parts are the same."""
    rows = sg.dim("N")
    x, t = sg.input("x", (rows, 516)), sg.input("t", (rows, 7))
    W1, W2, W3 = sg.parameter("W1", (516, 514)), sg.parameter("W2", (514, 7)), sg.parameter("W3", (516, 7))
    loss = sg.sum((sg.relu(x @ W1) @ W2 + x @ W3 - t) ** 2)
    random = np.random.default_rng(0)
    start = {leaf.name: random.normal(size=leaf.shape) * 0.05 for leaf in (W1, W2, W3)}
    data = {"x": random.normal(size=(batch, 516)), "t": random.normal(size=(batch, 7))}
    h = np.maximum(data["x"] @ start["W1"], 0)
    g = 2 * (h @ start["W2"] + data["x"] @ start["W3"] - data["t"])
    expected = {"W2": start["W2"] - 1e-5 * h.T @ g, "W3": start["W3"] - 1e-5 * data["x"].T @ g}
    found = []
    for threads in (1, 2, 3, 5):
        step = codegen.train_step(loss, SGD(1e-5), "float64", threads=threads)
        found.append({name: value.copy() for name, value in start.items()})
        step(found[-1], **data)
        for name, value in expected.items():
            np.testing.assert_allclose(found[-1][name], value, rtol=1e-9, atol=1e-12)
        assert same(found[0], found[-1])
    formulas = [formula for kernel in step.report().kernels for formula in kernel.formulas]
    assert sum("257·" in formula for formula in formulas) == 1 and sum("258·" in formula for formula in formulas) == 1
    work = 2 * batch * (516 * 514 * 2 + 514 * 7 * 3 + 516 * 7 * 2) + 2 * (516 * 514 + 514 * 7 + 516 * 7)
    assert work <= sum(kernel.operations for kernel in step.report().kernels) < 1.04 * work


@pytest.mark.parametrize("columns", (100, 200))
def test_rows_that_share_cache_lines_are_one_threads(columns: int) -> None:
    """Of rows of a hundred numbers a thread has some, in the product and in the update, and none has some columns."""
    rows = sg.dim("N")
    x, t = sg.input("x", (rows, 512)), sg.input("t", (rows, 3))
    W1, W2 = sg.parameter("W1", (512, columns)), sg.parameter("W2", (columns, 3))
    random = np.random.default_rng(0)
    start = {leaf.name: random.normal(size=leaf.shape) * 0.05 for leaf in (W1, W2)}
    data = {"x": random.normal(size=(37, 512)), "t": random.normal(size=(37, 3))}
    h = np.maximum(data["x"] @ start["W1"], 0)
    g = 2 * (h @ start["W2"] - data["t"])
    right = {"W1": data["x"].T @ (g @ start["W2"].T * (h > 0)), "W2": h.T @ g}
    found = []
    for threads in (1, 2, 3):
        step = codegen.train_step(sg.sum((sg.relu(x @ W1) @ W2 - t) ** 2), SGD(1e-4), "float64", threads=threads)
        found.append({name: value.copy() for name, value in start.items()})
        step(found[-1], **data)
        assert same(found[0], found[-1])
    for name, value in right.items():
        np.testing.assert_allclose(found[0][name], start[name] - 1e-4 * value, rtol=1e-9, atol=1e-12)
    assert sum("256·" in formula for kernel in step.report().kernels for formula in kernel.formulas) == 1


def test_outputs_precede_the_update() -> None:
    w, x = sg.parameter("w", (3,)), sg.input("x", (3,))
    loss = sg.sum((w - x) ** 2)
    step = codegen.train_step(loss, SGD(0.5), "float64", outputs={"error": w - x, "w": w})
    params = {"w": np.zeros(3)}
    value, found = step(params, x=np.ones(3))
    assert value == 3.0
    np.testing.assert_array_equal(found["error"], -np.ones(3))
    np.testing.assert_array_equal(found["w"], np.zeros(3))
    np.testing.assert_array_equal(params["w"], np.ones(3))


# -- what a user can do wrong -----------------------------------------------------------------------------------------

WRONG: dict[str, tuple[Callable[[dict[str, Any], dict[str, Any]], None], type[SymgraphError], str]] = {
    "shape": (
        lambda p, d: d.update(x=d["x"][:, :4].copy()),
        ShapeError,
        r"x has shape \(N, 5\); the array has \(9, 4\)",
    ),
    "rank": (lambda p, d: d.update(x=d["x"][0].copy()), ShapeError, r"x has shape \(N, 5\)"),
    "batch sizes": (lambda p, d: d.update(t=d["t"][:4]), ShapeError, "N"),
    "dtype": (lambda p, d: d.update(x=d["x"].astype(np.float64)), DomainError, "x.*float32, not float64"),
    "real labels": (lambda p, d: d.update(t=d["t"].astype(np.float32)), DomainError, "t.*integers"),
    "unknown name": (lambda p, d: d.update(z=d["x"]), ArgumentError, "there is no z"),
    "missing name": (lambda p, d: d.pop("x"), ArgumentError, "x.*no value"),
    "missing parameter": (lambda p, d: p.pop("W1"), ArgumentError, "W1.*no value"),
    "unknown parameter": (lambda p, d: p.update(W3=p["W1"]), ArgumentError, "there is no W3"),
    "label too large": (lambda p, d: d["t"].__setitem__(3, 3), ArgumentError, r"t\[3\] is 3.*0 … 2"),
    "label negative": (lambda p, d: d["t"].__setitem__(0, -1), ArgumentError, r"t\[0\] is -1"),
    "not contiguous": (lambda p, d: d.update(x=np.asfortranarray(d["x"])), ArgumentError, "x.*ascontiguousarray"),
    "parameter not contiguous": (lambda p, d: p.update(W1=np.asfortranarray(p["W1"])), ArgumentError, "W1.*contiguous"),
    "read-only": (lambda p, d: p["W1"].setflags(write=False), ArgumentError, "W1.*read-only"),
    "parameter shape": (lambda p, d: p.update(b1=np.zeros(7, np.float32)), ShapeError, r"b1 has shape \(6,\)"),
    "parameter dtype": (lambda p, d: p.update(b1=np.zeros(6)), DomainError, "b1.*float32"),
    "parameter no array": (lambda p, d: p.update(b1=[0.0] * 6), DomainError, "b1.*array"),
    "empty batch": (lambda p, d: d.update(x=d["x"][:0], t=d["t"][:0]), ArgumentError, "empty"),
    "one array twice": (lambda p, d: p.update(b1=p["W1"].reshape(-1)[:6]), ArgumentError, "overlap"),
    "input in a parameter": (
        lambda p, d: d.update(x=p["W1"].reshape(6, 5), t=d["t"][:6].copy()),
        ArgumentError,
        "overlap",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_bad_input_changes_nothing(name: str, step: codegen.TrainStep) -> None:
    spoil, error, message = WRONG[name]
    params = step.init(0)
    for _ in range(3):
        step(params, **data(9, np.float32))
    before = {key: array.copy() for key, array in {**params, **step.state}.items()}
    arrays = dict(params)
    batch: dict[str, Any] = data(9, np.float32)
    spoil(params, batch)
    with pytest.raises(error, match=message) as caught:
        step(params, **batch)
    assert "test_codegen_training.py" in str(caught.value)
    assert same(before, {**arrays, **step.state})


def test_inputs_by_position_are_refused_with_what_to_write(step: codegen.TrainStep) -> None:
    params = step.init(0)
    with pytest.raises(ArgumentError, match=r"by name: write step\(params, x=…, t=…"):
        step(params, *data(9, np.float32).values())
    assert same(params, step.init(0))


def test_rows_that_do_not_sum_to_one() -> None:
    x, labels, W = sg.input("x", (sg.dim("N"), 5)), sg.one_hot("t", (sg.dim("N"), 3)), sg.parameter("W", (5, 3))
    step = codegen.train_step(sg.cross_entropy(x @ W, labels), SGD(0.1), "float64")
    params = step.init(0)
    t = np.eye(3)[[0, 1, 2, 0]]
    for _ in range(3):
        step(params, x=np.ones((4, 5)), t=t)
    t[2, 0] = 0.5
    with pytest.raises(ArgumentError, match=r"t\[2, :\] sums to 1.5"):
        step(params, x=np.ones((4, 5)), t=t)


def test_losses_that_cannot_be_trained() -> None:
    rows = sg.dim("N")
    x, w, other = sg.input("x", (rows,)), sg.parameter("w", ()), sg.parameter("other", ())
    with pytest.raises(DomainError, match="scalar"):
        codegen.train_step(x * w)
    with pytest.raises(DisconnectedError, match="no parameter"):
        codegen.train_step(sg.sum(x))
    with pytest.raises(DisconnectedError, match="other"):
        codegen.train_step(sg.sum(x * w), parameters=[w, other])
    with pytest.raises(NameConflictError, match="w"):
        codegen.train_step(sg.sum(x * w * sg.parameter("w", ())))
    with pytest.raises(DomainError, match="float32 or float64"):
        codegen.train_step(sg.sum(x * w), dtype="int32")


def test_symbols_of_the_loss_are_hyper_parameters() -> None:
    w, strength = sg.parameter("w", (2,)), sp.Symbol("strength", positive=True)
    step = codegen.train_step(sg.sum(w**2) * strength, SGD(1.0), "float64")
    params = {"w": np.ones(2)}
    with pytest.raises(ArgumentError, match="strength has no value"):
        step(params)
    assert step(params, strength=0.25) == 0.5
    np.testing.assert_allclose(params["w"], 0.5)


def test_report(step: codegen.TrainStep) -> None:
    report = step.report(sizes={"N": 100})
    assert list(report.stages)[:7] == ["derive", "stabilise", "plan", "fuse", "lower", "memory", "emit"]
    contraction = next(row for row in report.kernels if row.name == "update_W1")
    assert contraction.operations >= 2 * 100 * 5 * 6
    assert "update_W1" in str(report)


def test_subnormal_numbers_count_as_zero_in_a_step_alone() -> None:
    x, w = sg.input("x", (4,)), sg.parameter("w", (4,))
    tiny = np.full(4, 1e-40, np.float32)
    step = codegen.train_step(sg.sum(w * x), SGD(1.0))
    params = step.init(0)
    step(params, x=tiny)
    assert (params["w"] == 0).all()
    assert (codegen.function([x], 2 * x)(tiny) == 2 * tiny).all() and (tiny * 2 > 0).all()
