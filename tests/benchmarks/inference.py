"""Inference of one row with a 784-50-10 network, per Python call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.benchmarks.networks import Network

NETWORK = Network((784, 50, 10), 1)


def symgraph_run() -> Callable[[], Any]:
    import codegen
    import symgraph as sg

    batch = sg.dim("N")
    x = sg.input("x", (batch, 784))
    W1, b1 = sg.parameter("W1", (784, 50)), sg.parameter("b1", (50,))
    W2, b2 = sg.parameter("W2", (50, 10)), sg.parameter("b2", (10,))
    probabilities = sg.softmax(sg.relu(x @ W1 + b1) @ W2 + b2)
    function = codegen.function([x, W1, b1, W2, b2], probabilities, dtype="float32")
    values = [NETWORK.data()[0], *NETWORK.parameters().values()]
    return lambda: function(*values)


def numpy_run() -> Callable[[], Any]:
    x, _ = NETWORK.data()
    W1, b1, W2, b2 = NETWORK.parameters().values()

    def run() -> Any:
        z = np.maximum(x @ W1 + b1, 0) @ W2 + b2
        e = np.exp(z - z.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    return run


RUNS = {"symgraph": symgraph_run, "NumPy": numpy_run}
