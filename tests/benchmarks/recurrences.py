"""A training step of recurrent layers against PyTorch's, and Runge and Kutta's method with its gradient against JAX's
scan, each in a process of its own, taking turns.

``python -m tests.benchmarks.recurrences [--rounds R]`` prints the median milliseconds of a step in float32 on two
threads, and the peer's over ours. A peer that is not installed is left out.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import subprocess
import sys
from collections.abc import Callable
from functools import partial

import numpy as np

from tests.benchmarks.convolutions import measured

ROUNDS = 3
WORKLOADS = {
    "LSTM T32 B32 16-64-1": ("LSTM", 32, 32, 16, 64, "last"),
    "GRU T32 B32 16-64-1": ("GRU", 32, 32, 16, 64, "last"),
    "RNN T32 B32 16-64-1": ("RNN", 32, 32, 16, 64, "last"),
    "LSTM T200 B1 8-32-1, each": ("LSTM", 200, 1, 8, 32, "each"),
    "LSTM T200 B1 8-32-1, last": ("LSTM", 200, 1, 8, 32, "last"),
    "LSTM T64 B32 16-64-1, full": ("LSTM", 64, 32, 16, 64, "last"),
    "LSTM T64 B32 16-64-1, rows": ("LSTM", 64, 32, 16, 64, "rows"),
}
"""Kind, steps, batch, features, hidden, and whether there is a target at each step, at the last, or at the end of each
row: these have 1 to ``steps`` steps, in no order, half of them in the mean; PyTorch packs them. With the last alone,
cotangents of the first hundred steps fade to subnormal numbers, with which the processor computes ten times as slowly;
our steps take them for 0 (:mod:`codegen.native.subnormals`).
"""


def lengths_of(steps: int, batch: int) -> np.ndarray:
    """How many steps each row has."""
    return np.random.default_rng(1).integers(1, steps + 1, batch)


def ours(kind: str, steps: int, batch: int, features: int, hidden: int, read: str) -> Callable[[], object]:
    import codegen
    import symgraph as sg

    rows = steps * batch if read == "each" else batch
    x, t, n = sg.input("x", (steps, batch, features)), sg.input("t", (rows, 1)), sg.labels("n", (batch,), steps + 1)
    own = {"length": n} if read == "rows" else {}
    y, state = getattr(sg.nn, kind)(features, hidden, name="net")(x, **own)
    found = {"each": lambda: sg.reshape(y, (rows, hidden)), "last": lambda: y[steps - 1], "rows": lambda: state[0][0]}
    loss = sg.mse_loss(sg.nn.Linear(hidden, 1, name="head")(found[read]()), t)
    step = codegen.train_step(loss, sg.SGD(lr=0.01), threads=2)
    parameters, random = step.init(0), np.random.default_rng(0)
    values = {"x": random.normal(size=(steps, batch, features)).astype(np.float32)}
    values["t"] = random.normal(size=(rows, 1)).astype(np.float32)
    if own:
        values["n"] = lengths_of(steps, batch)
    return lambda: step(parameters, **values)


def pytorch(kind: str, steps: int, batch: int, features: int, hidden: int, read: str) -> Callable[[], object]:
    import torch

    torch.set_num_threads(2)
    net, head = getattr(torch.nn, kind)(features, hidden), torch.nn.Linear(hidden, 1)
    optimizer = torch.optim.SGD([*net.parameters(), *head.parameters()], lr=0.01)
    values, targets = torch.randn(steps, batch, features), torch.randn(steps * batch if read == "each" else batch, 1)
    lengths = torch.tensor(lengths_of(steps, batch))

    def last() -> torch.Tensor:
        if read == "rows":
            packed = torch.nn.utils.rnn.pack_padded_sequence(values, lengths, enforce_sorted=False)
            return net(packed)[1][0][0]
        y = net(values)[0]
        return y.reshape(-1, hidden) if read == "each" else y[-1]

    def step() -> None:
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(head(last()), targets).backward()
        optimizer.step()

    return step


# -- Lotka and Volterra's equations, whose four parameters are fitted through the steps --------------------------------
RUNGE_KUTTA = "RK4, 1000 steps, 4 parameters"
STEPS, WIDTH = 1000, 0.01
BEGIN, RATES = (1.0, 0.5), (1.5, 1.0, 3.0, 1.0)


def our_predators() -> Callable[[], object]:
    import codegen
    import symgraph as sg

    rates, begin, seen = sg.parameter("rates", (4,)), sg.input("begin", (2,)), sg.input("seen", (STEPS + 1, 2))

    def change(y: sg.Tensor, t: sg.Tensor) -> sg.Tensor:
        prey, predators = y[0], y[1]
        met = prey * predators
        return sg.stack([rates[0] * prey - rates[1] * met, rates[3] * met - rates[2] * predators])

    cost = sg.sum((sg.odeint(change, begin, step=WIDTH, steps=STEPS) - seen) ** 2)
    run = codegen.function([begin, seen, rates], [cost, sg.grad(cost, rates)], dtype="float32")
    values = np.random.default_rng(0).normal(size=(STEPS + 1, 2)).astype(np.float32)
    first, at = np.array(BEGIN, np.float32), np.array(RATES, np.float32)
    return lambda: run(first, values, at)


def jax_predators() -> Callable[[], object]:
    """The state as two scalars, which is the fastest form of the scan: as a vector it takes ten times as long."""
    import jax
    import jax.numpy as jnp

    def change(y, rates):  # type: ignore[no-untyped-def]
        met = y[0] * y[1]
        return rates[0] * y[0] - rates[1] * met, rates[3] * met - rates[2] * y[1]

    def moved(y, far, k):  # type: ignore[no-untyped-def]
        return y[0] + far * k[0], y[1] + far * k[1]

    def cost(given, begin, seen):  # type: ignore[no-untyped-def]
        rates = tuple(given[i] for i in range(4))

        def step(y, _):  # type: ignore[no-untyped-def]
            k1 = change(y, rates)
            k2 = change(moved(y, WIDTH / 2, k1), rates)
            k3 = change(moved(y, WIDTH / 2, k2), rates)
            k4 = change(moved(y, WIDTH, k3), rates)
            after = tuple(y[i] + WIDTH / 6 * (k1[i] + 2 * k2[i] + 2 * k3[i] + k4[i]) for i in (0, 1))
            return after, after

        _, found = jax.lax.scan(step, (begin[0], begin[1]), None, length=STEPS)
        return jnp.sum((jnp.concatenate([begin[None], jnp.stack(found, 1)]) - seen) ** 2)

    run = jax.jit(jax.value_and_grad(cost))
    values = jnp.asarray(np.random.default_rng(0).normal(size=(STEPS + 1, 2)).astype(np.float32))
    first, at = jnp.array(BEGIN, jnp.float32), jnp.array(RATES, jnp.float32)
    return lambda: jax.block_until_ready(run(at, first, values))


PEERS: dict[str, tuple[str, Callable[..., Callable[[], object]]]] = {
    "symgraph": ("symgraph", ours), "PyTorch": ("torch", pytorch),
}  # fmt: skip
RUNGE_KUTTA_PEERS = {"symgraph": ("symgraph", our_predators), "JAX": ("jax", jax_predators)}


def peers_of(workload: str) -> dict[str, tuple[str, Callable[[], Callable[[], object]]]]:
    """Who runs a workload: the module that it needs, and what makes a step of it."""
    if workload == RUNGE_KUTTA:
        return RUNGE_KUTTA_PEERS
    given = WORKLOADS[workload]
    return {peer: (module, partial(make, *given)) for peer, (module, make) in PEERS.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--peer", help=argparse.SUPPRESS)
    parser.add_argument("--workload", choices=[*WORKLOADS, RUNGE_KUTTA])
    given = parser.parse_args()
    if given.peer:
        print(measured(peers_of(given.workload)[given.peer][1]()))
        return
    for workload in [given.workload] if given.workload else [*WORKLOADS, RUNGE_KUTTA]:
        peers = [peer for peer, (module, _) in peers_of(workload).items() if importlib.util.find_spec(module)]
        times: dict[str, list[float]] = {peer: [] for peer in peers}
        for _ in range(given.rounds):
            for peer in peers:
                command = [sys.executable, "-m", "tests.benchmarks.recurrences", "--peer", peer, "--workload", workload]
                times[peer].append(float(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
        medians = {peer: statistics.median(found) for peer, found in times.items()}
        for peer, found in medians.items():
            print(f"{workload:30} {peer:10} {found:8.3f} ms  {found / medians['symgraph']:5.2f}", flush=True)


if __name__ == "__main__":
    main()
