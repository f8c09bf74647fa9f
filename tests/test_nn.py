"""Layers as functions with parameters: names, layout, the same formulas as the functional form."""

from __future__ import annotations

import numpy as np
import pytest

import symgraph as sg
from symgraph.errors import ShapeError
from symgraph.reference import evaluate
from tests.oracles import agree
from tests.programs import N


def test_sequential_is_the_composition_of_its_layers() -> None:
    net = sg.nn.Sequential(sg.nn.Linear(4, 3), sg.nn.Sigmoid(), sg.nn.Linear(3, 2, bias=False), sg.log_softmax)
    x = sg.input("x", (N, 4))
    y = net(x)
    W, b, V = net.parameters()
    assert [leaf.name for leaf in (W, b, V)] == ["0.weight", "0.bias", "2.weight"]
    assert [leaf.shape for leaf in (W, b, V)] == [(4, 3), (3,), (3, 2)]
    generator = np.random.default_rng(0)
    values = {"x": generator.normal(size=(5, 4)), "0.weight": generator.normal(size=(4, 3)),
              "0.bias": generator.normal(size=3), "2.weight": generator.normal(size=(3, 2))}  # fmt: skip
    agree(evaluate(y, values), evaluate(sg.log_softmax(sg.sigmoid(x @ W + b) @ V), values), 1e-14)


def test_layer_called_twice_shares_its_parameters() -> None:
    layer = sg.nn.Linear(3, 3, name="shared")
    x = sg.input("x", (N, 3))
    y = layer(layer(x))
    assert {leaf.name for leaf in y.free_symbols - {N}} == {"x", "shared.weight", "shared.bias"}
    assert set(sg.grad(sg.sum(y), layer.parameters())) == set(layer.parameters())


def test_linear_is_initialised_as_in_torch() -> None:
    weight, bias = sg.nn.Linear(16, 5, name="l").parameters()
    for leaf in (weight, bias):
        values = leaf.init(np.random.default_rng(0), tuple(int(size) for size in leaf.shape))
        assert np.abs(values).max() <= 0.25


LAYERS = [
    "ReLU", "LeakyReLU", "ELU", "SELU", "GELU", "SiLU", "Mish", "Sigmoid", "LogSigmoid", "Tanh", "Softplus", "Softsign",
    "Hardtanh", "Softmax", "LogSoftmax",
]  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
def test_layer_is_its_function(name: str) -> None:
    functions = {"LeakyReLU": sg.leaky_relu, "LogSigmoid": sg.log_sigmoid, "LogSoftmax": sg.log_softmax}
    x = sg.input("x", (2, 3))
    assert getattr(sg.nn, name)()(x) is functions.get(name, getattr(sg, name.lower(), None))(x)


def test_wrong_number_of_features_names_layer_and_shape() -> None:
    with pytest.raises(ShapeError, match=r"Linear\(4, 3\) got x\(N, 5\); expected a last axis of 4"):
        sg.nn.Linear(4, 3)(sg.input("x", (N, 5)))
