"""Medians of interleaved runs: peers take turns, so that a drift of the machine meets all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.benchmarks.networks import Network
from tests.benchmarks.peers import PEERS
from tests.benchmarks.worker import Worker

OTHERS = {"other call": "symgraph call", "other loop": "symgraph loop"}
"""What the peers of another checkout are called."""
SETTLE = 0.1
"""Seconds before a sample: threads of the peer before, which spin for a while after their work, are then asleep."""


def medians(
    runs: Mapping[str, tuple[Callable[[], Any], int]], seconds: float = 0.15, rounds: int = 9
) -> dict[str, float]:
    """Median seconds of one step of each run; a sample repeats the run until it takes ``seconds``/``rounds``."""
    repeats: dict[str, int] = {}
    for name, (run, _) in runs.items():
        once = min(_seconds(run) for _ in range(5))  # the first calls of some peers compile
        repeats[name] = max(1, int(seconds / rounds / once))
    samples: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, (run, steps) in runs.items():
            start = time.perf_counter()
            for _ in range(repeats[name]):
                run()
            samples[name].append((time.perf_counter() - start) / (repeats[name] * steps))
    return {name: statistics.median(values) for name, values in samples.items()}


def _seconds(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return max(time.perf_counter() - start, 1e-7)


def repeats_of(worker: Worker, seconds: float) -> int:
    """How many runs take about so long."""
    return max(1, int(seconds / (min(worker.seconds(1) for _ in range(5)) * worker.steps)))


def process_medians(
    network: Network, seconds: float = 0.15, peers: Iterable[str] = PEERS, rounds: int = 9, against: Path | None = None
) -> dict[str, float]:
    """Median seconds of one step of every peer that is installed, each in its own process, taking turns; with another
    checkout of this project ``against`` which it is measured, as two peers more."""
    workers = {name: Worker(name, network) for name in peers}
    if against is not None:
        workers |= {other: Worker(name, network, root=against) for other, name in OTHERS.items()}
    try:
        present = {name: worker for name, worker in workers.items() if worker.steps}
        repeats = {name: repeats_of(worker, seconds) for name, worker in present.items()}
        samples: dict[str, list[float]] = {name: [] for name in present}
        for _ in range(rounds):
            for name, worker in present.items():
                time.sleep(SETTLE)
                samples[name].append(worker.seconds(repeats[name]))
        return {name: statistics.median(values) for name, values in samples.items()}
    finally:
        for worker in workers.values():
            worker.close()
