"""mish followed by Huber's loss, forward and backward, over a large array: bound by memory traffic alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.benchmarks.peers import installed

SHAPE = (4096, 1024)
BYTES = 3 * 4 * SHAPE[0] * SHAPE[1]  # x and t are read, the gradient is written


def arrays() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    return generator.normal(size=SHAPE).astype("float32"), generator.normal(size=SHAPE).astype("float32")


def symgraph_run() -> Callable[[], Any]:
    import codegen
    import symgraph as sg

    x, t = sg.input("x", SHAPE), sg.input("t", SHAPE)
    loss = sg.huber_loss(sg.mish(x), t)
    function = codegen.function([x, t], [loss, sg.grad(loss, x)], dtype="float32")
    xv, tv = arrays()
    function(xv, tv)
    return lambda: function(xv, tv)


def jax_run() -> Callable[[], Any] | None:
    if not installed("jax"):
        return None
    import jax
    import jax.numpy as jnp

    def loss(x: Any, t: Any) -> Any:
        r = x * jnp.tanh(jax.nn.softplus(x)) - t
        return jnp.mean(jnp.where(jnp.abs(r) <= 1, 0.5 * r * r, jnp.abs(r) - 0.5))

    function = jax.jit(jax.value_and_grad(loss))
    x, t = map(jnp.asarray, arrays())
    return lambda: jax.block_until_ready(function(x, t))


def torch_run() -> Callable[[], Any] | None:
    if not installed("torch"):
        return None
    import torch

    x, t = map(torch.from_numpy, arrays())
    x.requires_grad_()

    def run() -> None:
        x.grad = None
        torch.nn.functional.huber_loss(torch.nn.functional.mish(x), t).backward()

    return run


def stream_bandwidth(rounds: int = 9) -> float:
    """Bytes per second of a compiled triad over arrays of the same size: two read, one written."""
    import codegen
    import symgraph as sg

    x, t = sg.input("x", SHAPE), sg.input("t", SHAPE)
    function = codegen.function([x, t], x + 3 * t, dtype="float32")
    xv, tv = arrays()
    function(xv, tv)
    best = []
    for _ in range(rounds):
        start = time.perf_counter()
        function(xv, tv)
        best.append(time.perf_counter() - start)
    return BYTES / sorted(best)[rounds // 2]


RUNS = {"symgraph": symgraph_run, "JAX jit": jax_run, "PyTorch": torch_run}
