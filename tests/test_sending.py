"""Tensors, steps and functions are copied, pickled and sent to other processes."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
import pytest
import sympy as sp

import codegen
import symgraph as sg
from symgraph.core import packing
from symgraph.core.chance import STEP
from symgraph.core.tensor import Tensor
from tests.programs import ROWS

N = sg.dim("N")
X = np.random.default_rng(0).normal(size=(9, 4))
T = (X[:, 0] > 0).astype(np.int64)


def network() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    x, t = sg.input("x", (N, 4)), sg.labels("t", (N,), classes=2)
    b = sg.parameter("b", (2,), init=sg.init.uniform(-1, high=1))  # declared before W, of which it is read later
    W = sg.parameter("W", (4, 2), init=sg.init.kaiming_normal())
    z = sg.elu(2 * (x @ W + b))
    return sg.cross_entropy(z, t) + sp.Symbol("decay", positive=True) * sg.sum(W**2), x, W, z


def returned(given: Any) -> Any:
    return pickle.loads(pickle.dumps(given))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_tensor_that_comes_back_is_the_same_object(row: Any) -> None:
    made = row.make()[0]
    assert returned(made) is made and copy.deepcopy(made) is made and copy.copy(made) is made


def test_gradients_initialisers_activations_and_deep_networks() -> None:
    loss, x, W, _ = network()
    slope = sg.grad(loss, W)
    assert returned(slope) is slope and returned(sg.grad(sg.sum(slope**2), x)) is sg.grad(sg.sum(slope**2), x)
    assert repr(returned(W).init) == "kaiming_normal()" and returned(sg.elu) is sg.elu
    deep = x
    for _ in range(100):
        deep = sg.tanh(deep + 1)
    assert returned(deep) is deep


CHILD = """
import pickle, sys
step, predict, params, X, T = pickle.load(sys.stdin.buffer)
fresh = step.init(5)
step.state["b.m"] = step.state["b.m"] + 1
losses = [step(params, x=X, t=T) for _ in range(3)]
values, shown = predict(X, params["b"], params["W"]), (str(step.loss), predict.inputs[0].place.line)
sys.stdout.buffer.write(pickle.dumps((losses, params, fresh, values, dict(step.hyper), shown)))
"""


@pytest.mark.usefixtures("plain")
def test_another_process_computes_the_same_bits() -> None:
    """A process that knows nothing of this one: declared anew in the old order, with the values as they are."""
    loss, x, _, z = network()
    step = codegen.train_step(loss, sg.Adam(0.05), "float64", outputs={"z": z})
    predict = codegen.function([x, *step.parameters], [z, sg.sum(z)], "float64")
    params, step.hyper["decay"] = step.init(1), 0.25
    sent = pickle.dumps((step, predict, params, X, T))
    done = subprocess.run([sys.executable, "-c", CHILD], input=sent, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    losses, arrays, fresh, values, hyper, shown = pickle.loads(done.stdout)
    for name, expected in step.init(5).items():
        np.testing.assert_array_equal(fresh[name], expected)
    step.state["b.m"] = step.state["b.m"] + 1
    for loss_there, found_there in losses:
        loss_here, found_here = step(params, x=X, t=T)
        assert loss_there == loss_here and np.array_equal(found_there["z"], found_here["z"])
    assert hyper == dict(step.hyper) and shown == (str(loss), x.place.line)
    for there, here in zip([*arrays.values(), *values], [*params.values(), *predict(X, **params)], strict=True):
        np.testing.assert_array_equal(there, here)


@pytest.mark.usefixtures("plain")
def test_a_deep_copy_has_state_of_its_own() -> None:
    loss, *_ = network()
    step = codegen.train_step(loss, sg.Adam(0.05), "float64")
    params, step.hyper["decay"] = step.init(1), 0.25
    step(params, x=X, t=T)
    other, again = copy.deepcopy(step), copy.deepcopy(params)
    other.hyper["lr"] = 0.5
    assert step.hyper["lr"] == 0.05 and other.loss is step.loss
    first = other(again, x=X, t=T)
    assert first == step(params, x=X, t=T)
    assert not np.array_equal(params["W"], again["W"]) and np.array_equal(step.state["W.m"], other.state["W.m"])
    step(params, x=X, t=T)
    assert not np.array_equal(step.state["W.m"], other.state["W.m"])


def test_recurrences_and_their_gradients() -> None:
    x, w = sg.input("x", (sg.dim("T"), N, 2)), sg.parameter("w", (2, 2))
    last, every = sg.scan(lambda h, at: (sg.tanh(h @ w + at),) * 2, sg.input("h", (N, 2)), x)
    loss = sg.sum(every**2) + sg.sum(last)
    slope = sg.grad(loss, w)
    assert returned(loss) is loss and returned(slope) is slope


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("process", ["this", "another"])
def test_the_order_of_leaves_is_that_of_their_home(process: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """First values and streams of chance do not depend on what has come before, here a function of the later leaves."""

    def sent() -> tuple[bytes, bytes, float]:
        x = sg.input("x", (N, 3))
        first, last = (sg.parameter(name, (3,), init=sg.init.normal(1.0)) for name in ("first", "last"))
        early, late = sg.random.normal((N, 3)), sg.random.normal((N, 3))
        loss = sg.sum((x * first + early) ** 2) + sg.sum((x * last + 2 * late) ** 2)
        step = codegen.train_step(loss, sg.SGD(0.1), "float64", key=0)
        part = codegen.function([x, last], sg.sum(x * last + late), key=0)
        return pickle.dumps(part), pickle.dumps(step), step(step.init(0), x=np.ones((4, 3)))

    part, whole, expected = sent()
    monkeypatch.setattr(packing, "_known", WeakValueDictionary(random_step=STEP))
    if process == "another":
        monkeypatch.setattr(packing, "_this_process", "another")
    kept = pickle.loads(part)
    step = pickle.loads(whole)
    assert [str(leaf.name) for leaf in step.parameters] == ["first", "last"]
    assert step(step.init(0), x=np.ones((4, 3))) == expected and kept.inputs[1] is step.parameters[1]
