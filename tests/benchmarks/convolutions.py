"""A step of LeNet (6c5-p-16c5-p-120-84-10, ReLU, average pooling, 64 images) against PyTorch, each in its own process.

``python -m tests.benchmarks.convolutions [--rounds R]`` prints the median time of a step of each, in float32 on two
threads, and the ratio of the medians. Without PyTorch only our own.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

ROUNDS, STEPS = 5, 100
BATCH = 64


def ours() -> Callable[[], object]:
    import numpy as np

    import codegen
    import symgraph as sg

    def weight(name: str, *shape: int) -> sg.Tensor:
        return sg.parameter(name, shape, init=sg.init.normal(0.1))

    x, t = sg.input("x", (sg.dim("N"), 1, 28, 28)), sg.labels("t", (sg.dim("N"),), classes=10)
    n, o, p, q, c, u, v = sg.indices("n o p q c u v")

    def layer(h: sg.Tensor, number: int, maps: int) -> sg.Tensor:
        batch, channels, height, width = h.shape
        W, b = weight(f"W{number}", maps, int(channels), 5, 5), weight(f"b{number}", maps)
        body = sg.Sum(h[n, c, p + u, q + v] * W[o, c, u, v], c, u, v) + b[o]
        y = sg.relu(sg.define((n, o, p, q), body, shape=(batch, maps, height - 4, width - 4)))
        corners = [y[n, c, 2 * p + i, 2 * q + j] for i in range(2) for j in range(2)]
        half = ((height - 4) // 2, (width - 4) // 2)
        return sg.define((n, c, p, q), sum(corners) / 4, shape=(batch, maps, *half))

    h = layer(layer(x, 1, 6), 2, 16)
    W = weight("W3", 16, 4, 4, 120)
    h = sg.define((n, o), sg.Sum(h[n, c, p, q] * W[c, p, q, o], c, p, q), shape=(h.shape[0], 120))
    h = sg.relu(h + weight("b3", 120))
    h = sg.relu(h @ weight("W4", 120, 84) + weight("b4", 84))
    loss = sg.cross_entropy(h @ weight("W5", 84, 10) + weight("b5", 10), t)
    step = codegen.train_step(loss, sg.SGD(lr=0.01), threads=2)
    parameters, random = step.init(0), np.random.default_rng(0)
    images = random.normal(size=(BATCH, 1, 28, 28)).astype(np.float32)
    labels = random.integers(0, 10, BATCH)
    return lambda: step(parameters, x=images, t=labels)


def pytorch() -> Callable[[], object]:
    import torch
    from torch import nn

    torch.set_num_threads(2)
    net = nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.AvgPool2d(2),
        nn.Flatten(), nn.Linear(256, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip
    optimizer, criterion = torch.optim.SGD(net.parameters(), lr=0.01), nn.CrossEntropyLoss()
    images, labels = torch.randn(BATCH, 1, 28, 28), torch.randint(0, 10, (BATCH,))

    def step() -> None:
        optimizer.zero_grad()
        criterion(net(images), labels).backward()
        optimizer.step()

    return step


PEERS = {"symgraph": ours, "PyTorch": pytorch}


def measured(step: Callable[[], object]) -> float:
    """Median milliseconds of a step."""
    for _ in range(10):
        step()
    times = []
    for _ in range(STEPS):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--peer", choices=PEERS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.peer:
        print(measured(PEERS[given.peer]()))
        return
    peers = [peer for peer in PEERS if peer != "PyTorch" or importlib.util.find_spec("torch")]
    times: dict[str, list[float]] = {peer: [] for peer in peers}
    for _ in range(given.rounds):
        for peer in peers:
            command = [sys.executable, "-m", "tests.benchmarks.convolutions", "--peer", peer]
            times[peer].append(float(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
    medians = {peer: statistics.median(found) for peer, found in times.items()}
    for peer, found in medians.items():
        print(f"LeNet, {BATCH} images  {peer:10} {found:8.3f} ms  {found / medians['symgraph']:5.2f}")


if __name__ == "__main__":
    main()
