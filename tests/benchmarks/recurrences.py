"""A training step of recurrent layers against PyTorch's, each in a process of its own, taking turns.

``python -m tests.benchmarks.recurrences [--rounds R]`` prints the median milliseconds of a step in float32 on two
threads, and PyTorch's over ours. Without PyTorch only our own.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import subprocess
import sys
from collections.abc import Callable

from tests.benchmarks.convolutions import measured

ROUNDS = 3
WORKLOADS = {
    "LSTM T32 B32 16-64-1": ("LSTM", 32, 32, 16, 64, False),
    "GRU T32 B32 16-64-1": ("GRU", 32, 32, 16, 64, False),
    "RNN T32 B32 16-64-1": ("RNN", 32, 32, 16, 64, False),
    "LSTM T200 B1 8-32-1, each": ("LSTM", 200, 1, 8, 32, True),
    "LSTM T200 B1 8-32-1, last": ("LSTM", 200, 1, 8, 32, False),
}
"""Kind, steps, batch, features, hidden, and whether there is a target at each step or at the last. With the last alone,
cotangents of the first hundred steps fade to subnormal numbers, with which the processor computes ten times as slowly.
"""


def ours(kind: str, steps: int, batch: int, features: int, hidden: int, each: bool) -> Callable[[], object]:
    import numpy as np

    import codegen
    import symgraph as sg

    rows = steps * batch if each else batch
    x, t = sg.input("x", (steps, batch, features)), sg.input("t", (rows, 1))
    y, _ = getattr(sg.nn, kind)(features, hidden, name="net")(x)
    read = sg.reshape(y, (rows, hidden)) if each else y[steps - 1]
    loss = sg.mse_loss(sg.nn.Linear(hidden, 1, name="head")(read), t)
    step = codegen.train_step(loss, sg.SGD(lr=0.01), threads=2)
    parameters, random = step.init(0), np.random.default_rng(0)
    values = random.normal(size=(steps, batch, features)).astype(np.float32)
    targets = random.normal(size=(rows, 1)).astype(np.float32)
    return lambda: step(parameters, x=values, t=targets)


def pytorch(kind: str, steps: int, batch: int, features: int, hidden: int, each: bool) -> Callable[[], object]:
    import torch

    torch.set_num_threads(2)
    net, head = getattr(torch.nn, kind)(features, hidden), torch.nn.Linear(hidden, 1)
    optimizer = torch.optim.SGD([*net.parameters(), *head.parameters()], lr=0.01)
    values, targets = torch.randn(steps, batch, features), torch.randn(steps * batch if each else batch, 1)

    def step() -> None:
        optimizer.zero_grad()
        y = net(values)[0]
        torch.nn.functional.mse_loss(head(y.reshape(-1, hidden) if each else y[-1]), targets).backward()
        optimizer.step()

    return step


PEERS = {"symgraph": ours, "PyTorch": pytorch}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--peer", choices=PEERS, help=argparse.SUPPRESS)
    parser.add_argument("--workload", choices=WORKLOADS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.peer:
        print(measured(PEERS[given.peer](*WORKLOADS[given.workload])))
        return
    peers = [peer for peer in PEERS if peer != "PyTorch" or importlib.util.find_spec("torch")]
    for workload in WORKLOADS:
        times: dict[str, list[float]] = {peer: [] for peer in peers}
        for _ in range(given.rounds):
            for peer in peers:
                command = [sys.executable, "-m", "tests.benchmarks.recurrences", "--peer", peer, "--workload", workload]
                times[peer].append(float(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
        medians = {peer: statistics.median(found) for peer, found in times.items()}
        for peer, found in medians.items():
            print(f"{workload:22} {peer:10} {found:8.3f} ms  {found / medians['symgraph']:5.2f}", flush=True)


if __name__ == "__main__":
    main()
