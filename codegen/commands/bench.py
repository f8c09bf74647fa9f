"""``bench [module:object]``: what training steps take on this machine, and how far that is from what it could."""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np

import symgraph as sg
from codegen.host.placement import thread_limit
from codegen.inspect import peak
from codegen.run.function import Function, function
from codegen.run.training import TrainStep, train_step
from symgraph.commands import REFERENCE, Answer, Refused, named
from symgraph.commands.derive import scalar_of
from symgraph.commands.explain import optimizer_of
from symgraph.core.tensor import Tensor

NETWORKS: tuple[tuple[tuple[int, ...], int], ...] = (
    ((13, 16, 4), 16), ((64, 32, 10), 32), ((784, 50, 10), 100), ((784, 512, 10), 128),
)  # fmt: skip
"""Sizes of layers and of the batch: from a table of wines to MNIST."""
BATCHES = 50
"""Of an epoch."""
DTYPES = ("float32", "float64")


@dataclass(frozen=True, slots=True)
class Row:
    """Seconds of one network: to derive, to compile or load, of a call, of a step in ``fit``; and operations a step."""

    network: str
    batch: int
    derive: float
    prepare: float
    call: float
    in_fit: float
    operations: int
    of_peak: float

    def __str__(self) -> str:
        rate = self.operations / self.in_fit / 1e9
        return (
            f"{self.network:12} {self.batch:6} {self.derive:9.2f} {self.prepare:10.2f} {self.call * 1e6:9.1f} "
            f"{self.in_fit * 1e6:9.1f} {rate:8.1f} {self.of_peak:8.0%}"
        )


HEAD = (f"{'network':12} {'batch':>6} {'derive, s':>9} {'prepare, s':>10} {'call, µs':>9} {'in fit, µs':>9} "
        f"{'GFLOP/s':>8} {'of peak':>8}")  # fmt: skip


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument(
        "program", nargs="?", metavar="PROGRAM",
        help=f"a loss, tensor, training step or function: {REFERENCE}; standard networks by default",
    )  # fmt: skip
    parser.add_argument("--optimizer", metavar="NAME", default="SGD", help="of a loss: its name, or a reference")
    parser.add_argument("--dtype", choices=DTYPES, default="float32")
    parser.add_argument("--size", nargs="+", metavar="N=100", type=_size, default=[], help="sizes of the program")
    parser.add_argument("--threads", type=_count, metavar="T", help="the most threads")


def _size(text: str) -> tuple[str, int]:
    name, equals, number = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is no size: write N=100")
    return name, _count(number)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is no integer, at least 1")
    return int(text)


def answer(given: argparse.Namespace) -> Answer:
    """A table of networks, or the measured report of one program."""
    if given.program is None:
        if given.size:
            raise Refused("--size is for a program of yours: write module:object before it")
        rows = [_measured(sizes, batch, given.dtype, given.threads) for sizes, batch in NETWORKS]
        rate = peak.flops_a_second(given.dtype) / 1e9
        head = f"{given.dtype}, at most {thread_limit(given.threads)} threads; one reaches {rate:.0f} GFLOP/s"
        return Answer("\n".join([head, HEAD, *map(str, rows)]), [asdict(row) for row in rows])
    report = _program(given).report(measure=True, sizes=dict(given.size) or None)
    return Answer(str(report), asdict(report))


def _program(given: argparse.Namespace) -> TrainStep | Function:
    found = named(given.program)
    if isinstance(found, TrainStep | Function):
        return found
    loss, leaves = scalar_of(given.program, found, None)
    if leaves[0].kind == "parameter" and not getattr(found, "ndim", 0):
        return train_step(loss, optimizer_of(given.optimizer), dtype=given.dtype, threads=given.threads)
    return function(_leaves(found), found, dtype=given.dtype)


def _leaves(found: Any) -> list[Tensor]:
    from codegen.plan.request import Request, leaves_in

    return [leaf for leaf in leaves_in(Request((sg.as_tensor(found),))) if leaf.kind != "constant"]


def _measured(sizes: tuple[int, ...], batch: int, dtype: str, threads: int | None) -> Row:
    started = time.perf_counter()
    step = _declared(sizes, dtype, threads)
    derived = time.perf_counter()
    _ = step.executable.entry
    prepared = time.perf_counter()
    random = np.random.default_rng(0)
    x = random.normal(size=(BATCHES * batch, sizes[0])).astype(dtype)
    t = random.integers(0, sizes[-1], len(x))
    params = step.init(seed=0)
    first = {"x": x[:batch], "t": t[:batch]}

    def calls(repeats: int) -> None:
        for _ in range(repeats):
            step(params, **first)

    def epochs(repeats: int) -> None:
        step.fit(params, {"x": x, "t": t}, repeats, batch, shuffle=False, progress=False)

    calls(2)
    operations = sum((6 if number else 4) * batch * m * n for number, (m, n) in enumerate(pairwise(sizes)))
    in_fit = peak.least_seconds(epochs) / BATCHES
    most = peak.flops_a_second(dtype) * step.executable.threads
    return Row("-".join(map(str, sizes)), batch, derived - started, prepared - derived, peak.least_seconds(calls),
               in_fit, operations, operations / in_fit / most)  # fmt: skip


def _declared(sizes: tuple[int, ...], dtype: str, threads: int | None) -> TrainStep:
    """Dense layers with relu and cross-entropy."""
    x, t = sg.input("x", (sg.dim("N"), sizes[0])), sg.labels("t", (sg.dim("N"),), classes=sizes[-1])
    layers: list[Any] = []
    for m, n in pairwise(sizes):
        layers += [sg.nn.Linear(m, n), sg.nn.ReLU()]
    net = sg.nn.Sequential(*layers[:-1])
    return train_step(sg.cross_entropy(net(x), t), sg.SGD(lr=0.01), dtype=dtype, threads=threads)
