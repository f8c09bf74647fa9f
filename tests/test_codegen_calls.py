"""What users pass to functions and training steps: every mistake is the project's own error, and nothing is lost.

Most programs run as plain Python here; the one that is compiled is shared, and called until native code checks calls.
"""

from __future__ import annotations

import os
import pickle
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import sympy as sp

import codegen
import symgraph as sg
from codegen.report import KernelReport, Report
from symgraph.errors import ArgumentError, DisconnectedError, DomainError, NameConflictError, ShapeError, SymgraphError

N = sg.dim("N")
x = sg.input("x", (N, 5))
t = sg.labels("t", (N,), classes=3)
W1 = sg.parameter("W1", (5, 6), init=sg.init.kaiming_normal())
b1 = sg.parameter("b1", (6,))
W2 = sg.parameter("W2", (6, 3), init=sg.init.normal(0.3))
b2 = sg.parameter("b2", (3,))
z = sg.sigmoid(x @ W1 + b1) @ W2 + b2
J = sg.cross_entropy(z, t)
X = np.random.default_rng(0).normal(size=(9, 5)).astype(np.float32)
T = np.arange(9) % 3


@pytest.fixture(scope="module")
def native() -> codegen.TrainStep:
    """Trained in part, and called often enough that native code checks its calls."""
    step = codegen.train_step(J, sg.Adam(0.01), parameters=[W1, b1, W2], threads=1)
    params = step.init(0)
    for _ in range(4):
        step(params, x=X, t=T)
    return step


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYMGRAPH_PYTHON", "1")
    monkeypatch.setenv("SYMGRAPH_CHECK", "1")


# -- outputs ----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("plain")
def test_outputs_that_are_leaves() -> None:
    """∂pay/∂price is the count itself, once it is simplified."""
    price, count = sg.input("price", ()), sg.input("count", ())
    pay = price * count
    outputs = [sg.grad(pay, price), pay, sg.grad(pay, count), price, sg.grad(pay, price)]
    found = codegen.function([price, count], outputs, "float64")(2.0, 3.0)
    assert [float(value) for value in found] == [3.0, 6.0, 2.0, 2.0, 3.0]
    assert found[0] is not found[4]
    assert codegen.function([price, count], sg.grad(pay, price), "float64")(2.0, 3.0) == 3.0


@pytest.mark.usefixtures("plain")
def test_step_outputs_that_are_leaves() -> None:
    """They precede the update, also those that become the parameter only when simplified."""
    w, v = sg.parameter("w", (3,)), sg.input("v", (3,))
    loss = sg.sum(w * v)
    outputs = {"slope": sg.grad(loss, w), "w": sg.grad(loss, v), "loss": loss, "twice": 2 * w}
    step = codegen.train_step(loss, sg.SGD(1.0), "float64", outputs=outputs)
    params = {"w": np.ones(3)}
    for number in range(3):
        loss_before, found = step(params, v=np.full(3, 2.0))
        assert loss_before == found["loss"] == 6.0 - 12.0 * number
        np.testing.assert_array_equal(found["slope"], np.full(3, 2.0))
        np.testing.assert_array_equal(found["w"], np.full(3, 1.0 - 2.0 * number))
        np.testing.assert_array_equal(found["twice"], 2 * found["w"])
    with pytest.raises(DomainError, match="is s itself"):
        s = sg.parameter("s", ())
        codegen.train_step(sg.log(sg.exp(s)))({"s": np.zeros((), np.float32)})


class Pair(NamedTuple):
    left: Any
    right: Any


@pytest.mark.usefixtures("plain")
def test_results_have_the_form_of_the_outputs() -> None:
    v = sg.input("v", (N,))
    given = np.ones(2)
    found = codegen.function(v, Pair(v + 1, v))(given)
    assert isinstance(found, Pair) and found.left[0] == 2.0
    assert codegen.function(v, [])(given) == []
    assert codegen.function(v, 3)(given) == 3.0
    step = codegen.train_step(J, outputs=z)
    _, logits = step(step.init(0), x=X, t=T)
    assert logits.shape == (9, 3)


# -- what can be compiled ---------------------------------------------------------------------------------------------


def test_a_size_that_no_input_tells() -> None:
    n, m = sg.indices("n m")
    with pytest.raises(ArgumentError, match="no input tells the size N of ones"):
        ones = sg.define((n,), sp.Integer(1), shape=(N,))
        codegen.function([], ones)
    doubled = sg.input("doubled", (2 * N,))
    with pytest.raises(ArgumentError, match="size N of doubled"):
        codegen.function([doubled], doubled * 2)
    v = sg.input("v", (N,))
    both = codegen.function([doubled, v], [doubled * 2, v])
    with pytest.raises(ShapeError, match=r"doubled has shape \(2\*N,\) with N = 3; the array has \(5,\)"):
        both(np.ones(5), np.ones(3))
    with pytest.raises(ArgumentError, match="size M"):
        codegen.train_step(sg.sum(sg.define((m,), b2[0], shape=(sg.dim("M"),))))


u = sp.Symbol("u", real=True)
FUNCTIONS: dict[Any, tuple[float, ...]] = {
    sp.tan: (-1.5, -0.7, 0.0, 1e-8, 0.5),
    sp.cot: (-1.5, -0.7, 1e-8, 0.5),
    sp.sec: (-1.5, 0.0, 0.5),
    sp.csc: (-1.5, 0.1, 0.5),
    sp.atan: (-1e300, -3.0, -1e-9, 0.0, 0.3, 0.9, 50.0),
    sp.asin: (-1.0, -0.999999, -1e-9, 0.0, 0.5, 1.0),
    sp.acos: (-1.0, -0.999999, 0.0, 0.5, 0.999999, 1.0),
    sp.sinh: (-700.0, -30.0, -1e-9, 0.0, 1e-9, 0.5, 30.0),
    sp.cosh: (-700.0, -30.0, 0.0, 0.5, 30.0),
    sp.coth: (-30.0, -1e-3, 0.5),
    sp.sech: (-30.0, 0.0, 0.5),
    sp.asinh: (-1e300, -3.0, -1e-9, 0.0, 1e-9, 0.5, 1e200),
    sp.acosh: (1.0, 1.000001, 1.5, 1e300),
    sp.atanh: (-0.999999, -1e-9, 0.0, 0.5, 0.9),
    sp.Heaviside: (-1.0, 0.0, 2.0),
}


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("function", FUNCTIONS, ids=str)
def test_functions_made_of_words(function: Any) -> None:
    v = sg.input("v", (N,))
    given = np.array(FUNCTIONS[function])
    found = codegen.function(v, sg.elementwise(function(u), u)(v))(given)
    expected = [float(sp.N(function(sp.Rational(value)), 30)) for value in given]
    np.testing.assert_allclose(found, expected, rtol=1e-15 * 8)


@pytest.mark.parametrize("function", [sp.gamma, sp.loggamma, sp.erfinv, sp.Function("own"), lambda a: sp.besselj(0, a)])
def test_functions_without_a_kernel(function: Any) -> None:
    v = sg.input("v", (N,))
    spread = sg.elementwise(function(u), u)(v)
    with pytest.raises(DomainError, match=r"spread \(N,\) needs \w+, for which there is no kernel") as caught:
        codegen.function(v, spread)
    assert "spread = sg.elementwise" in str(caught.value)


# -- training steps ---------------------------------------------------------------------------------------------------


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
    "init": (lambda step, p: step.init("a"), "seed must be an integer"),
    "bool labels": (lambda step, p: step(p, x=X, t=T > 0), r"pass t.astype\(np.int64\)"),
    "float labels": (lambda step, p: step(p, x=X, t=T * 1.0), r"pass t.astype\(np.int64\)"),
    "big-endian": (lambda step, p: step(p, x=X.astype(">f4"), t=T), "needs dtype float32, not >f4"),
    "state as input": (lambda step, p: step(p, x=step.state["W1.m"].reshape(6, 5), t=T[:6]), "W1.m and x overlap"),
    "one array twice": (lambda step, p: step({**p, "b1": p["W1"].ravel()[:6]}, x=X, t=T), "W1 and b1 overlap"),
    "report": (lambda step, p: step.report(sizes={"M": 3}), "there is no size M; known are: N"),
    "pickle": (lambda step, p: pickle.dumps(step), "not pickled"),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_calls_that_are_refused(name: str, native: codegen.TrainStep) -> None:
    call, message = CALLS[name]
    params = native.init(0)
    before = {key: array.copy() for key, array in params.items()}
    with pytest.raises(SymgraphError, match=message) as caught:
        call(native, params)
    assert "test_codegen_calls.py" in str(caught.value)
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


def test_an_interrupted_run_keeps_what_diverged(native: codegen.TrainStep) -> None:
    params = native.init(0)
    params["W1"][:] = np.nan
    threading.Timer(0.3, lambda: os.kill(os.getpid(), 2)).start()
    history = native.fit(params, {"x": X, "t": T}, epochs=10_000_000, batch_size=4, progress=False)
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


# -- functions --------------------------------------------------------------------------------------------------------


class Frame:
    """What NumPy sees of a pandas DataFrame."""

    def __init__(self, values: Any) -> None:
        self.values = np.asfortranarray(values)

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return self.values


@pytest.fixture(scope="module")
def predict() -> codegen.Function:
    return codegen.function([x, W1, b1, W2, b2], sg.softmax(z))


@pytest.fixture(scope="module")
def weights() -> dict[str, np.ndarray]:
    return codegen.train_step(J).init(0)


@pytest.mark.usefixtures("plain")
def test_what_is_converted(predict: codegen.Function, weights: dict[str, np.ndarray]) -> None:
    """Lists, numbers and data frames have no say in the dtype, and take that of the arrays."""
    expected = predict(X, **weights)
    for given in (X.tolist(), Frame(X.astype(np.float64))):
        found = predict(given, **weights)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, expected)
    v = sg.input("v", (N,))
    double = codegen.function(v, v * 2)
    assert double([1, 2.5]).dtype == np.float64 and double(np.ones(1, np.float32)).dtype == np.float32
    assert double(np.asfortranarray(np.ones((1,)))).shape == (1,)


def unaligned(shape: tuple[int, int]) -> np.ndarray:
    return np.zeros(4 * shape[0] * shape[1] + 1, np.uint8)[1:].view(np.float32).reshape(shape)


TWO_DTYPES = r"x is float64, W1 is float32: one floating dtype is expected; pass x.astype\(np.float32\)"
INPUTS: dict[str, tuple[Callable[[], Any], type[SymgraphError], str]] = {
    "float64": (lambda: X.astype(float), DomainError, TWO_DTYPES),
    "complex": (lambda: X + 1j, DomainError, "x .* needs real numbers, not dtype complex64: pass x.real if"),
    "complex list": (lambda: (X + 1j).tolist(), DomainError, "real numbers, not list of complex128"),
    "integers": (lambda: X.astype(int), DomainError, "x .* needs dtype float32, not int64"),
    "objects": (lambda: X.astype(object), DomainError, "real numbers"),
    "masked": (lambda: np.ma.array(X, mask=X > 0), DomainError, "masked"),
    "strided, wrong shape": (lambda: np.ones((9, 8), np.float32)[:, ::2], ShapeError, r"the array has \(9, 4\)"),
    "strided": (lambda: np.ones((9, 10), np.float32)[:, ::2], ArgumentError, r"pass np.ascontiguousarray\(x\)"),
    "Fortran order": (lambda: np.asfortranarray(X), ArgumentError, "not contiguous"),
    "unaligned": (lambda: unaligned((9, 5)), ArgumentError, r"not aligned.*x.copy\(\)"),
    "ragged": (lambda: [[1.0, 2.0], [3.0]], DomainError, "x .* needs an array of numbers"),
    "text": (lambda: [["1", "2", "3", "4", "5"]], DomainError, "real numbers, not list of"),
    "None": (lambda: None, DomainError, "real numbers, not NoneType"),
    "no rows": (lambda: X[:0], ArgumentError, "empty"),
    "a tensor": (lambda: x, DomainError, "symbol"),
}  # fmt: skip


@pytest.mark.parametrize("name", INPUTS)
def test_inputs_that_are_refused(name: str, predict: codegen.Function, weights: dict[str, np.ndarray]) -> None:
    make, error, message = INPUTS[name]
    with pytest.raises(error, match=message):
        predict(make(), **weights)


def test_functions_that_cannot_be() -> None:
    wrong: tuple[tuple[Any, Any, type[SymgraphError]], ...] = (
        (None, z, DomainError), ("x", z, SymgraphError), ([N, x], x, DomainError), ([x, x], x, NameConflictError),
        ([x], z, ArgumentError), ([x], None, SymgraphError), ([z], z, ArgumentError),
    )  # fmt: skip
    for inputs, outputs, error in wrong:
        with pytest.raises(error):
            codegen.function(inputs, outputs)
    with pytest.raises(DomainError, match="not pickled"):
        pickle.dumps(codegen.function(x, x + 1))


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("name", ["self", "params", "I", "lambda", "def", "W_{1}", "λ", "__class__", "N", "packed"])
def test_names_of_inputs(name: str) -> None:
    v, w = sg.input(name, (N, 2)), sg.parameter(f"{name}.w", (2,))
    step = codegen.train_step(sg.sum((v * w - 1) ** 2), dtype="float64")
    assert step(step.init(0), **{name: np.ones((3, 2))}) == 6.0
    assert codegen.function(v, v * 2)(**{name: np.ones((1, 2))}).sum() == 4.0


# -- the report -------------------------------------------------------------------------------------------------------


def test_measured_report(native: codegen.TrainStep) -> None:
    """It runs on arrays of its own, and the step goes on as if nothing had been."""
    params = native.init(0)
    loss = native(params, x=X.copy(), t=T.copy())
    kept = {name: array.copy() for name, array in {**params, **native.state}.items()}
    report = native.report(measure=True)
    assert report.sizes == {"N": 9} and all(row.seconds for row in report.kernels)
    assert all(row.expected and 0 < row.reached < 2 for row in report.kernels)
    assert all(f" {row.reached:8.0%}" in str(report) for row in report.kernels)
    assert native.report().kernels[0].reached is None and "GFLOP/s" in str(report)
    assert native.report(sizes={"N": 100}).kernels[0].operations > report.kernels[0].operations
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
