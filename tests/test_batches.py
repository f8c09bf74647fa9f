"""Training on batches that come one by one, and data that are not in memory; networks of several parts in one loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import codegen
import symgraph as sg
from codegen.run import fitting

N = sg.dim("N")
x, y, t = sg.input("x", (N, 4)), sg.input("y", (N,)), sg.labels("t", (N,), classes=3)
z, column = sg.input("z", (N, 3)), sg.input("column", (N, 1))
W = sg.parameter("W", (4,), init=sg.init.normal(1))
J = sg.mse_loss(x @ W, y)
X = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
Y = X @ np.array([1, -1, 2, 0.5], np.float32)
PARTS = [{"x": X[n : n + 5], "y": Y[n : n + 5]} for n in range(0, 20, 5)]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SYMGRAPH_PYTHON", "1")
    yield


def step() -> codegen.TrainStep:
    return codegen.train_step(J, sg.SGD(lr=0.1, momentum=0.9))


def test_batches_train_as_rows_do() -> None:
    whole, params = step(), step().init(0)
    history = whole.fit(params, {"x": X, "y": Y}, epochs=3, batch_size=5, shuffle=False)
    kinds: list[Any] = [PARTS, lambda: iter(PARTS), lambda epoch: (part for part in PARTS),
                        [(part["x"], part["y"]) for part in PARTS]]  # fmt: skip
    for batches in kinds:
        made, found = step(), step().init(0)
        told = made.fit(found, batches, epochs=3, validation={"x": X, "y": Y}, metrics={"error": sg.l1_loss(x @ W, y)})
        assert found["W"].tolist() == params["W"].tolist()
        np.testing.assert_allclose(told.loss, history.loss, rtol=1e-6)
        assert (told.steps, len(told.validation), len(told.metrics["error"])) == (12, 3, 3)
        assert told.validation[2] == pytest.approx(np.mean((X @ found["W"] - Y) ** 2), rel=1e-5)
    stop = codegen.EarlyStopping(patience=1, min_delta=100.0)
    assert step().fit(step().init(0), PARTS, epochs=50, callback=stop).ended == "early stopping"


def test_a_memory_mapped_array_is_read_where_it_is(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    _, _, arrays = fitting._rows(step(), {"x": mapped, "y": Y})
    assert np.shares_memory(arrays[x], mapped)
    assert step().fit(step().init(0), {"x": mapped, "y": Y}, epochs=2).loss[1] > 0


class Two(sg.nn.Module):
    def __init__(self) -> None:
        self.encoder, self.heads = sg.nn.Linear(4, 2), {"mean": sg.nn.Linear(2, 1), "width": sg.nn.Linear(2, 1)}

    def forward(self, x: Any, scale: Any) -> Any:
        h = sg.tanh(self.encoder(x))
        return self.heads["mean"](h) * scale, self.heads["width"](h)


def test_two_networks_in_one_loss() -> None:
    net, other = Two(), sg.nn.Linear(4, 1, name="other")
    mean, width = net(x, column)
    assert [leaf.name for leaf in net.parameters()] == [
        "encoder.weight", "encoder.bias", "heads.mean.weight", "heads.mean.bias", "heads.width.weight",
        "heads.width.bias",
    ]  # fmt: skip
    cost = sg.mean((mean - other(x)) ** 2 * sg.exp(-width) + width)
    made = codegen.train_step(cost, sg.Adam(0.01), parameters=net.parameters())
    params = made.init(0)
    before = {name: values.copy() for name, values in params.items()}
    made.fit(params, {"x": X, "column": np.ones((20, 1), np.float32)}, epochs=2)
    changed = {name for name, values in params.items() if (values != before[name]).any()}
    assert changed == {str(leaf.name) for leaf in net.parameters()}


def generator() -> Any:
    return (part for part in PARTS)


def trained(data: Any, epochs: int = 1, **options: Any) -> Any:
    made = step()
    return made.fit(made.init(0), data, epochs, **options)


V = sg.parameter("V", (4, 2))
losses = codegen.function([z, t], sg.cross_entropy(z, t))
product = codegen.function([x, V], x @ V)
ROWS = np.zeros((4, 3))
WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "used up": (lambda: trained(generator(), 2), "epoch 1 has no batch.*pass a function that makes one"),
    "tuple": (lambda: trained([(X, Y, Y)]), "a tuple of x, y; not 3 arrays"),
    "batch": (lambda: trained([3.0]), "a batch is a dict of arrays by name"),
    "name": (lambda: trained([{"q": X}]), "there is no q here; expected x, y"),
    "nothing": (lambda: trained(lambda: None), "must return an iterable of them, not None"),
    "part": (lambda: trained(PARTS, validation=0.2), "no part can be held out"),
    "metrics": (lambda: trained(PARTS, metrics={"loss": J}), "metrics of batches need data"),
    "array": (lambda: trained(X), r"data must be arrays by name, \{'x': …, 'y': …\}, not arrays alone"),
    "arrays": (lambda: trained((X, Y)), "not arrays alone"),
    "held arrays": (lambda: trained({"x": X, "y": Y}, validation=(X, Y)), "validation must be arrays by name"),
    "metric's name": (lambda: trained({"x": X, "y": Y}, metrics=["accuracy"]), "scalar tensors by name, .*, not list"),
    "metric": (lambda: trained({"x": X, "y": Y}, metrics={"a": abs}), "metric a must be a scalar tensor.*validation="),
    "turned": (lambda: product(np.ones((4, 7)), V=np.ones((4, 2))), r"the array has \(4, 7\): pass x\.T"),
    "turned weights": (lambda: x @ V.T, r"the inner sizes differ, 4 and 2; write v\.T on the right"),
    "list of layers": (lambda: sg.nn.Sequential([sg.nn.ReLU()]), r"not \[ReLU\(\)\]: write Sequential\(\*layers\)"),
    "no features": (lambda: sg.nn.Linear(0, 3), "Linear: in_features must be an integer, at least 1, not 0"),
    "channels": (lambda: sg.nn.Conv2d("3", 4, 2), "Conv2d: in_channels must be an integer, at least 1, not '3'"),
    "label": (lambda: sg.cross_entropy(z, t, ignore_index=-100), r"no label of t, below 3: .*=\(t != -100"),
    "string labels": (
        lambda: losses(ROWS, np.array(list("abac"))),
        r"integers, not text: pass np.unique\(t, return_inv",
    ),
    "one-hot": (lambda: losses(ROWS, np.eye(4, 3)), r"looks one-hot; pass t.argmax\(axis=-1\)"),
    "labels from 1": (lambda: losses(ROWS, np.array([1, 2, 3, 1])), r"t\[2\] is 3; labels of t lie in 0 … 2"),
    "column": (lambda: sg.mse_loss(column, y), r"expected one shape, which column\[..., 0\] has"),
    "array of columns": (lambda: trained({"x": X, "y": Y[:, None]}), r"\(20, 1\): pass y\[..., 0\]"),
    "one row": (lambda: product(X[0], V=np.ones((4, 2), np.float32)), r"X\[:1\] and not X\[0\]; pass x\[None\]"),
    "product": (lambda: x * V, r"\(N, 4\) and \(4, 2\) do not broadcast.*a matrix product is @"),
    "no batches": (lambda: trained(int), r"the function of batches must return an iterable of them, not 0"),
    "rate": (lambda: setattr(step(), "lr", 0.1), r"step.lr sets nothing: write step.hyper\['lr'\] = 0.1"),
}


@pytest.mark.parametrize("name", WRONG)
def test_mistakes(name: str) -> None:
    make, message = WRONG[name]
    with pytest.raises(sg.errors.SymgraphError, match=message):
        make()
