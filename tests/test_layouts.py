"""Weights of other libraries: the same network gives the same values with them, there and back."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

import symgraph as sg
from symgraph.errors import ArgumentError, DomainError, ShapeError
from symgraph.reference import evaluate
from tests.oracles import agree

N = sg.dim("N")
ROWS = np.random.default_rng(0).normal(size=(6, 5))


def small(name: str | None = None) -> sg.nn.Module:
    parts = (sg.nn.Linear(5, 4), sg.nn.BatchNorm1d(4), sg.nn.Tanh(), sg.nn.Linear(4, 3))
    return sg.nn.Sequential(*parts, name=name) if name else sg.nn.Sequential(*parts)


def test_pytorch_there_and_back() -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.BatchNorm1d(4), torch.nn.Tanh(), torch.nn.Linear(4, 3))
    model.double()(torch.tensor(ROWS))  # the running statistics are no longer the first ones
    x, net = sg.input("x", (N, 5)), small("encoder")
    params = sg.nn.from_torch(net, model, prefix="encoder.")
    expected = model.eval()(torch.tensor(ROWS)).detach().numpy()
    agree(evaluate(sg.mode(net(x), "evaluate"), {"x": ROWS, **params}), expected, 1e-14)
    back = sg.nn.to_torch(net, {name: 2 * array for name, array in params.items()}, prefix="encoder.")
    model.load_state_dict(back, strict=False)  # PyTorch counts the batches as well
    np.testing.assert_array_equal(model[3].weight.detach().numpy().T, 2 * params["encoder.3.weight"])
    params["encoder.0.weight"][:] = 0
    assert model[0].weight.abs().max() > 0, "nothing is shared"
    with pytest.raises(ArgumentError, match=r"there is no encoder\.0\.weight there; there are 0\.weight"):
        sg.nn.from_torch(net, model)
    with pytest.raises(ArgumentError, match=r"the network has no 1\.weight, 1\.bias"):
        sg.nn.from_torch(sg.nn.Sequential(sg.nn.Linear(5, 4)), torch.nn.Sequential(*list(model)[:2]))
    with pytest.raises(ShapeError, match=r"0\.weight has shape \(5, 7\); weight there is \(5, 4\)"):
        sg.nn.from_torch(sg.nn.Sequential(sg.nn.Linear(5, 7, bias=False)), {"0.weight": model[0].weight})
    with pytest.raises(DomainError, match=r"takes a torch\.nn\.Module or its state_dict"):
        sg.nn.from_torch(net, [1])


@pytest.mark.parametrize("kind", ["LSTM", "Conv2d"])
def test_other_layers_have_pytorchs_layout(kind: str) -> None:
    torch = pytest.importorskip("torch")
    made = {"LSTM": lambda nn: nn.LSTM(3, 4), "Conv2d": lambda nn: nn.Conv2d(2, 3, 2)}[kind]
    rows = np.random.default_rng(1).normal(size=(5, 2, 3) if kind == "LSTM" else (2, 2, 4, 4))
    ours, theirs = made(sg.nn), made(torch.nn).double()
    given = theirs(torch.tensor(rows))
    found: Any = ours(sg.input("x", rows.shape))
    first, expected = (found[0], given[0]) if kind == "LSTM" else (found, given)
    params = sg.nn.from_torch(ours, theirs, prefix=str(ours.parameters()[0].name).rpartition(".")[0] + ".")
    agree(evaluate(first, {"x": rows, **params}), expected.detach().numpy(), 1e-13)


def test_scikit_learns_perceptron() -> None:
    pytest.importorskip("sklearn")
    from sklearn.neural_network import MLPRegressor

    fitted = MLPRegressor(hidden_layer_sizes=(4,), activation="tanh", max_iter=3, random_state=0)
    net = sg.nn.Sequential(sg.nn.Linear(5, 4), sg.nn.Tanh(), sg.nn.Linear(4, 2))
    with pytest.raises(ArgumentError, match="MLPRegressor has no coefs_: fit it first"):
        sg.nn.from_sklearn(net, fitted)
    with pytest.warns(UserWarning):
        fitted.fit(ROWS, ROWS[:, :2])
    params = sg.nn.from_sklearn(net, fitted)
    agree(evaluate(net(sg.input("x", (N, 5))), {"x": ROWS, **params}), fitted.predict(ROWS), 1e-14)
    with pytest.raises(ArgumentError, match=r"the network has 1 layers \(Linear\), there are 2 there"):
        sg.nn.from_sklearn(sg.nn.Sequential(sg.nn.Linear(5, 2)), fitted)


def test_keras_there_and_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", os.environ.get("KERAS_BACKEND", "torch"))
    keras = pytest.importorskip("keras")
    images = np.random.default_rng(2).normal(size=(3, 6, 6, 2)).astype("float32")
    layers = keras.layers
    model = keras.Sequential([
        layers.Conv2D(3, (2, 3), activation="tanh"), layers.GlobalAveragePooling2D(), layers.Dense(4),
        layers.LayerNormalization(epsilon=1e-5), layers.Dense(2),
    ])  # fmt: skip
    expected = np.asarray(model(images).detach() if hasattr(model(images), "detach") else model(images))
    net = sg.nn.Sequential(
        sg.nn.Conv2d(2, 3, (2, 3)), sg.nn.Tanh(), lambda x: sg.mean(x, (2, 3)), sg.nn.Linear(3, 4), sg.nn.LayerNorm(4),
        sg.nn.Linear(4, 2),
    )  # fmt: skip
    params = sg.nn.from_keras(net, model)
    y = net(sg.input("x", (3, 2, 6, 6)))
    found = evaluate(y, {"x": images.transpose(0, 3, 1, 2).astype(float), **params})
    np.testing.assert_allclose(found, expected, atol=1e-5)
    sg.nn.to_keras(net, {name: 2 * array for name, array in params.items()}, model)
    for name, array in sg.nn.from_keras(net, model).items():
        np.testing.assert_array_equal(array, 2 * params[name])
    with pytest.raises(ArgumentError, match="Keras flattens channels last"):
        flat = keras.Sequential([layers.Conv2D(1, 2), layers.Flatten(), layers.Dense(2)])
        flat(images)
        sg.nn.from_keras(sg.nn.Sequential(sg.nn.Conv2d(2, 1, 2), sg.nn.Flatten(), sg.nn.Linear(25, 2)), flat)
