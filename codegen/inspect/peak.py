"""What one thread of this machine can do at most: multiply-adds a second, and bytes a second from caches and memory.

Measured once a process, when first asked for, by two loops of the backend, which take half a second together.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from codegen.backend import probes

_FOOTPRINTS = (1 << 14, 1 << 18, 1 << 22, 1 << 26)
"""Bytes over which streaming is measured: what the levels of a cache hold, and what only memory does."""

_SAMPLE = 0.005
"""Seconds that a sample takes at least."""

_MOST_REPEATS = 1 << 24
"""Repeats of a sample at most: what takes no time ends as well."""

@lru_cache(maxsize=2)
def flops_a_second(dtype: str) -> float:
    """Operations a second of one thread, a multiply-add counted as two, with all operands in registers."""
    probe, _ = probes(dtype)
    return probe.work / _seconds(probe.run, np.zeros(probe.bytes + 64, np.uint8), 1)


@lru_cache(maxsize=len(_FOOTPRINTS))
def _bytes_a_second(footprint: int) -> float:
    _, probe = probes("float32")
    return footprint / _seconds(probe.run, np.zeros(footprint + 64, np.uint8), footprint // probe.bytes)


def bytes_a_second(footprint: float) -> float:
    """Bytes a second of one thread that copies within so many bytes: from a cache if they fit in it."""
    return _bytes_a_second(next((size for size in _FOOTPRINTS if size >= footprint), _FOOTPRINTS[-1]))


def expected_seconds(operations: float, traffic: float, dtype: str) -> float:
    """The least time of one thread: that of the arithmetic or that of the bytes, whichever is longer."""
    return max(operations / flops_a_second(dtype), traffic / bytes_a_second(traffic))


def _seconds(run: Any, data: np.ndarray, count: int) -> float:
    address = -(-data.ctypes.data // 64) * 64
    return least_seconds(lambda repeats: run(address, count, repeats))


def least_seconds(run: Callable[[int], None]) -> float:
    """Seconds of one repeat, of as many as ``run`` is told: the least of seven samples."""

    def sample() -> float:
        start = time.perf_counter()
        run(repeats)
        return time.perf_counter() - start

    repeats = 1
    while (spent := sample()) < _SAMPLE and repeats < _MOST_REPEATS:
        repeats *= 4
    return min(spent, *(sample() for _ in range(6))) / repeats
