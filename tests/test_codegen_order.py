"""The order of kernels, and where threads meet."""

from __future__ import annotations

import numpy as np
import pytest

import codegen
import symgraph as sg
from symgraph.core.tensor import Tensor
from tests.sizes import examples

N = sg.dim("N")


def gates(count: int, wide: int, transposed: bool) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """Several products of one input, with weights as they are or as PyTorch has them."""
    x = sg.input("x", (N, wide))
    weights = [sg.parameter(f"W{number}", (wide, wide)) for number in range(count)]
    return x, weights, [sg.tanh(x @ (W.T if transposed else W)) for W in weights]


@pytest.mark.parametrize("transposed", [False, True])
def test_threads_meet_once_before_products_that_do_not_need_each_other(transposed: bool) -> None:
    """Transposed copies come before all of them, whatever the number of products."""
    x, weights, values = gates(4, 64, transposed)
    function = codegen.function([x, *weights], values, "float64")
    assert function.source.count("    barrier(") == int(transposed)
    random = np.random.default_rng(0)
    given, matrices = random.normal(size=(37, 64)), [random.normal(size=(64, 64)) / 8 for _ in weights]
    for one, W in zip(function(given, *matrices), matrices, strict=True):
        np.testing.assert_allclose(one, np.tanh(given @ (W.T if transposed else W)), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("rows", [1, 5, 64][:: examples(2, 1)])
def test_a_chain_within_the_rows_of_a_thread_needs_no_meeting(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Norms, products and copies of N matrices, each thread's own: bit for bit the same for one thread and two."""
    x, W, V = sg.input("x", (N, 24, 32)), sg.parameter("W", (32, 32)), sg.parameter("V", (32, 32))
    h = x / sg.sqrt(sg.mean(x**2, axis=-1, keepdims=True) + 1e-5)
    y = sg.softmax((sg.exp(h @ W / 8) @ V) / 8, axis=-1)
    random = np.random.default_rng(1)
    given = random.normal(size=(rows, 24, 32)).astype(np.float32)
    matrices = [random.normal(size=(32, 32)).astype(np.float32) for _ in range(2)]
    found = []
    for threads in ("1", "2"):
        monkeypatch.setenv("SYMGRAPH_THREADS", threads)
        function = codegen.function([x, W, V], y)
        found.append(function(given, *matrices))
    assert "    barrier(" not in function.source
    assert found[0].tobytes() == found[1].tobytes()
    wide = given.astype(float)
    normed = wide / np.sqrt((wide**2).mean(-1, keepdims=True) + 1e-5)
    scores = np.exp(normed @ matrices[0] / 8) @ matrices[1] / 8
    wanted = np.exp(scores - scores.max(-1, keepdims=True))
    np.testing.assert_allclose(found[0], wanted / wanted.sum(-1, keepdims=True), rtol=2e-4, atol=1e-6)
