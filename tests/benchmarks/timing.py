"""Medians of interleaved runs: peers take turns, so that a drift of the machine meets all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any


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
