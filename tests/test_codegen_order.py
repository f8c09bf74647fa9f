"""The order of kernels, and where threads meet."""

from __future__ import annotations

import numpy as np
import pytest

import codegen
import symgraph as sg
from codegen.plan.axis_order import order_axes
from symgraph.core.graph import elements_of, topological
from symgraph.core.indices import axis
from symgraph.core.tensor import Tensor
from symgraph.core.views import is_contraction
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


def test_a_matrix_that_a_step_reads_against_its_rows_is_turned_once_before_the_loop() -> None:
    """y = A·x of one row, thirty times: vectors run along y, and nothing is added up across a vector."""
    A, x = sg.parameter("A", (24, 24)), sg.input("x", (24,))
    last = sg.scan(lambda h, _: (sg.tanh(A @ h), None), x, length=30)[0]
    function = codegen.function([A, x], last, "float64")
    before, loop = function.source.rsplit("def run", 1)[1].split("for step in range(30)")
    assert "(A, v" in before and "(A, " not in loop and "accumulate(" not in function.source
    random = np.random.default_rng(2)
    matrix, h = random.normal(size=(24, 24)) / 4, random.normal(size=24)
    found = function(matrix, h)
    for _ in range(30):
        h = np.tanh(matrix @ h)
    np.testing.assert_allclose(found, h, rtol=1e-11)


def test_a_product_is_computed_in_the_order_in_which_it_is_read() -> None:
    """W[i, j] − d[j, i] of a product d that nobody else reads: d[i, j] is computed. What others read stays."""
    h, g, W = sg.input("h", (40, 24)), sg.input("g", (40, 32)), sg.parameter("W", (32, 24))
    product = h.T @ g
    turned, kept = W - product.T, sg.sum(product**2)
    for roots, places in (([turned], (axis(0), axis(1))), ([turned, kept], (axis(1), axis(0)))):
        bodies = [t.definition.body for t in topological([order_axes(roots)[turned]]) if t.definition is not None]
        (read,) = (e for body in bodies for e in elements_of(body) if is_contraction(e.tensor))
        assert read.indices == places
    random = np.random.default_rng(3)
    given = [random.normal(size=shape) for shape in ((40, 24), (40, 32), (32, 24))]
    found = codegen.function([h, g, W], turned, "float64")(*given)
    np.testing.assert_allclose(found, given[2] - given[1].T @ given[0], rtol=1e-12)
