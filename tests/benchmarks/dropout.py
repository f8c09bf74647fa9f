"""A step of an MLP with batch norm and dropout (64-128-128-10, ReLU, p = ½, 256 rows) against PyTorch and JAX.

``python -m tests.benchmarks.dropout [--rounds R]`` prints the median time of a step of each, in float32 on two threads,
each in its own process, and the ratio to our own. A peer that is not installed is left out. JAX's step has the same
batch norm and draws its masks from a key folded with the step's number; it keeps no running values.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise

ROUNDS, STEPS = 5, 200
BATCH, SIZES = 256, (64, 128, 128, 10)


def ours() -> Callable[[], object]:
    import numpy as np

    import codegen
    import symgraph as sg

    x, t = sg.input("x", (sg.dim("N"), SIZES[0])), sg.labels("t", (sg.dim("N"),), classes=SIZES[-1])
    layers: list[sg.nn.Module] = []
    for inner, outer in pairwise(SIZES[:-1]):
        layers += [sg.nn.Linear(inner, outer), sg.nn.BatchNorm1d(outer), sg.nn.ReLU(), sg.nn.Dropout(0.5)]
    net = sg.nn.Sequential(*layers, sg.nn.Linear(SIZES[-2], SIZES[-1]))
    loss = sg.cross_entropy(net(x), t)
    step = codegen.train_step(loss, sg.SGD(lr=0.01), threads=2, key=0, updates=net.updates())
    parameters, random = step.init(0), np.random.default_rng(0)
    rows = random.normal(size=(BATCH, SIZES[0])).astype(np.float32)
    labels = random.integers(0, SIZES[-1], BATCH)
    return lambda: step(parameters, x=rows, t=labels)


def pytorch() -> Callable[[], object]:
    import torch
    from torch import nn

    torch.set_num_threads(2)
    layers: list[nn.Module] = []
    for inner, outer in pairwise(SIZES[:-1]):
        layers += [nn.Linear(inner, outer), nn.BatchNorm1d(outer), nn.ReLU(), nn.Dropout(0.5)]
    net = nn.Sequential(*layers, nn.Linear(SIZES[-2], SIZES[-1]))
    optimizer, criterion = torch.optim.SGD(net.parameters(), lr=0.01), nn.CrossEntropyLoss()
    rows, labels = torch.randn(BATCH, SIZES[0]), torch.randint(0, SIZES[-1], (BATCH,))

    def step() -> None:
        optimizer.zero_grad()
        criterion(net(rows), labels).backward()
        optimizer.step()

    return step


def jax() -> Callable[[], object]:
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=true intra_op_parallelism_threads=2"
    import jax
    import jax.numpy as jnp

    def loss(parameters, rows, labels, key):  # type: ignore[no-untyped-def]
        z = rows
        for number, (W, b, *norm) in enumerate(parameters):
            z = z @ W + b
            if norm:
                weight, bias = norm
                z = (z - z.mean(0)) / jnp.sqrt(z.var(0) + 1e-5) * weight + bias
                keep = jax.random.bernoulli(jax.random.fold_in(key, number), 0.5, z.shape)
                z = jnp.where(keep, jnp.maximum(z, 0) * 2, 0)
        return -jnp.mean(jax.nn.log_softmax(z)[jnp.arange(BATCH), labels])

    def update(parameters, rows, labels, number):  # type: ignore[no-untyped-def]
        slopes = jax.grad(loss)(parameters, rows, labels, jax.random.fold_in(jax.random.key(0), number))
        return jax.tree.map(lambda p, g: p - 0.01 * g, parameters, slopes), number + 1

    key = jax.random.key(1)
    held = []
    for n, (inner, outer) in enumerate(pairwise(SIZES)):
        W = jax.random.normal(jax.random.fold_in(key, n), (inner, outer)) / inner**0.5
        held.append([W, jnp.zeros(outer), *([jnp.ones(outer), jnp.zeros(outer)] if outer != SIZES[-1] else [])])
    compiled = jax.jit(update, donate_argnums=(0,))
    rows, labels = jax.random.normal(key, (BATCH, SIZES[0])), jax.random.randint(key, (BATCH,), 0, SIZES[-1])
    state = [held, jnp.uint32(0)]

    def step() -> None:
        state[:] = jax.block_until_ready(compiled(state[0], rows, labels, state[1]))

    return step


PEERS = {"symgraph": ("symgraph", ours), "PyTorch": ("torch", pytorch), "JAX": ("jax", jax)}


def measured(step: Callable[[], object]) -> float:
    """Median milliseconds of a step."""
    for _ in range(10):
        step()
    times = []
    for _ in range(STEPS):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--one", choices=PEERS, help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.one:
        print(measured(PEERS[asked.one][1]()))
        return
    found: dict[str, list[float]] = {name: [] for name, (m, _) in PEERS.items() if importlib.util.find_spec(m)}
    for _ in range(asked.rounds):
        for name, times in found.items():
            one = [sys.executable, "-m", "tests.benchmarks.dropout", "--one", name]
            times.append(float(subprocess.run(one, capture_output=True, text=True, check=True).stdout))
    own = statistics.median(found["symgraph"])
    for name, times in found.items():
        print(f"{name:9} {statistics.median(times):7.3f} ms   {statistics.median(times) / own:.2f}")


if __name__ == "__main__":
    main()
