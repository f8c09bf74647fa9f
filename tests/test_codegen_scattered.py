"""Gradients of convolutions, and transposed ones: every element is added where it is read, and none beyond the border
is computed. Against plain loops."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import sympy as sp

import codegen
import symgraph as sg
from symgraph.core.tensor import Tensor
from tests.sizes import examples

N = sg.dim("N")
n, o, p, q, c, u, v, k = sg.indices("n o p q c u v k")


def inside(place: Any, size: int) -> Any:
    return (place >= 0) & (place < size)


def flat(channels: int, maps: int, size: int, kernel: int, dilation: int) -> tuple[Tensor, Tensor, Tensor]:
    """y[n, p, c] = Σ g[n, p − d·u, o]·W[o, c, u], one axis, the channels last."""
    g, W = sg.input("g", (N, size, maps)), sg.parameter("W", (maps, channels, kernel))
    at = p - dilation * u
    body = sp.Piecewise((g[n, at, o], inside(at, size)), (0, True)) * W[o, c, u]
    shape = (N, size + dilation * (kernel - 1), channels)
    return g, W, sg.define((n, p, c), sg.Sum(body, o, u), shape=shape)


def square(
    channels: int, maps: int, size: int, kernel: int, dilation: int, last: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """y[n, c, p, q] = Σ g[n, o, p − d·u, q − d·v]·W[o, c, u, v], two axes, with the channels first or last."""
    g = sg.input("g", (N, size, size + 1, maps) if last else (N, maps, size, size + 1))
    W, far = sg.parameter("W", (maps, channels, kernel, kernel)), dilation * (kernel - 1)
    at, to = p - dilation * u, q - dilation * v
    one = g[n, at, to, o] if last else g[n, o, at, to]
    body = sp.Piecewise((one, inside(at, size) & inside(to, size + 1)), (0, True)) * W[o, c, u, v]
    places, shape = ((p, q, c), (size + far, size + 1 + far, channels))
    if not last:
        places, shape = (c, p, q), (channels, size + far, size + 1 + far)
    return g, W, sg.define((n, *places), sg.Sum(body, o, u, v), shape=(N, *shape))


def added(g: np.ndarray, W: np.ndarray, dilation: int) -> np.ndarray:
    """The same with all axes of places in the middle: plain loops over the kernel."""
    kernel, sizes = W.shape[2:], g.shape[1:-1]
    far = [dilation * (extent - 1) for extent in kernel]
    y = np.zeros((len(g), *(s + f for s, f in zip(sizes, far, strict=True)), W.shape[1]))
    for shift in product(*map(range, kernel)):
        to = tuple(slice(dilation * s, dilation * s + size) for s, size in zip(shift, sizes, strict=True))
        y[(slice(None), *to)] += g @ W[(slice(None), slice(None), *shift)]
    return y


CASES = [(12, 20, 9, 3, 1), (6, 16, 10, 5, 1), (16, 9, 7, 4, 2), (33, 64, 5, 2, 1), (5, 24, 6, 3, 3)]


@pytest.mark.parametrize("case", CASES[:: examples(2, 1)], ids=str)
@pytest.mark.parametrize("axes", ["one", "first", "last"])
def test_no_element_beyond_the_border_is_computed(case: tuple[int, ...], axes: str) -> None:
    g, W, y = flat(*case) if axes == "one" else square(*case, axes == "last")
    function = codegen.function([g, W], y, "float64")
    random = np.random.default_rng(3)
    sizes = tuple(map(int, g.shape[1:]))
    given, weights = random.normal(size=(3, *sizes)), random.normal(size=tuple(map(int, W.shape)))
    first = axes == "first"
    wanted = added(np.moveaxis(given, 1, -1) if first else given, weights, case[-1])
    np.testing.assert_allclose(function(given, weights), np.moveaxis(wanted, -1, 1) if first else wanted, rtol=1e-11)


def test_the_gradient_of_a_convolution_costs_what_the_convolution_does() -> None:
    x, W = sg.input("x", (N, 32, 12, 12)), sg.parameter("W", (64, 32, 3, 3))
    y = sg.conv2d(x, W)
    g = sg.input("g", y.shape)
    forward = codegen.function([x, W], y)
    backward = codegen.function([W, g], sg.grad(sg.sum(y * g), x))
    assert "window scattered" in str(backward.report())
    work = [sum(row.operations for row in f.report().kernels) for f in (forward, backward)]
    assert work[1] <= 1.05 * work[0]


@pytest.mark.parametrize("rows", [1, 5])
def test_results_do_not_depend_on_threads_nor_on_other_rows(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    g, W, y = square(16, 32, 8, 3, 1, last=True)
    random = np.random.default_rng(5)
    given = random.normal(size=(rows, 8, 9, 32)).astype(np.float32)
    weights = random.normal(size=(32, 16, 3, 3)).astype(np.float32)
    found = []
    for threads in ("1", "2"):
        monkeypatch.setenv("SYMGRAPH_THREADS", threads)
        function = codegen.function([g, W], y)
        found += [function(given, weights)[-1:], function(given[-1:], weights)]
    assert len({one.tobytes() for one in found}) == 1


def test_a_guard_of_the_row_is_kept() -> None:
    """The row before the first is not read: with NaN before the array, it would be seen."""
    x, W = sg.input("x", (N, 12, 8)), sg.parameter("W", (16, 8, 3))
    at = p + u - 1
    body = sp.Piecewise((x[n - 1, at, c], inside(at, 12) & (n >= 1)), (0, True)) * W[o, c, u]
    y = sg.define((n, p, o), sg.Sum(body, c, u), shape=(N, 12, 16))
    random = np.random.default_rng(0)
    beyond = random.normal(size=(4, 12, 8))
    beyond[0] = np.nan
    given, weights = beyond[1:], random.normal(size=(16, 8, 3))
    wanted = np.zeros((3, 12, 16))
    for row, shift in product((1, 2), range(3)):
        wanted[row] += np.pad(given[row - 1], ((1, 1), (0, 0)))[shift : shift + 12] @ weights[:, :, shift].T
    np.testing.assert_allclose(codegen.function([x, W], y, "float64")(given, weights), wanted, atol=1e-12)
