"""What one thread of this machine can do at most: multiply-adds a second, and bytes a second from caches and memory.

Measured once a process, when first asked for, by two loops in LLVM; they need no Numba, and half a second together.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from codegen.native.compile import in_one_place, register_file

_CHAINS = 10
"""Independent multiply-adds in flight: at least latency times throughput of a CPU, and fewer than its registers."""

_FOOTPRINTS = (1 << 14, 1 << 18, 1 << 22, 1 << 26)
"""Bytes over which streaming is measured: what the levels of a cache hold, and what only memory does."""

_SAMPLE = 0.005
"""Seconds that a sample takes at least."""

_MOST_REPEATS = 1 << 24
"""Repeats of a sample at most: what takes no time ends as well."""

_STREAM = """
define void @loop(ptr %data, i64 %count, i64 %repeats) {
enter:
  br label %outer
outer:
  %r = phi i64 [ 0, %enter ], [ %r.next, %outer.end ]
  br label %inner
inner:
  %i = phi i64 [ 0, %outer ], [ %i.next, %inner ]
  %j = add i64 %i, %count
  %from = getelementptr <16 x float>, ptr %data, i64 %i
  %to = getelementptr <16 x float>, ptr %data, i64 %j
  %value = load <16 x float>, ptr %from, align 64
  store <16 x float> %value, ptr %to, align 64
  %i.next = add i64 %i, 1
  %more = icmp slt i64 %i.next, %count
  br i1 %more, label %inner, label %outer.end
outer.end:
  %r.next = add i64 %r, 1
  %again = icmp slt i64 %r.next, %repeats
  br i1 %again, label %outer, label %after
after:
  ret void
}
"""


@lru_cache(maxsize=2)
def flops_a_second(dtype: str) -> float:
    """Operations a second of one thread, a multiply-add counted as two, with all operands in registers."""
    lanes = register_file()[0] // np.dtype(dtype).itemsize
    run = _compiled(_multiply_add_text(lanes, {"float32": "float", "float64": "double"}[dtype]))
    data = np.zeros(2 * _CHAINS * lanes + 64, dtype)
    return 2.0 * lanes * _CHAINS / _seconds(run, data, 1)


@lru_cache(maxsize=len(_FOOTPRINTS))
def _bytes_a_second(footprint: int) -> float:
    run = _compiled(_STREAM)
    return footprint / _seconds(run, np.zeros(footprint + 64, np.uint8), footprint // 128)


def bytes_a_second(footprint: float) -> float:
    """Bytes a second of one thread that copies within so many bytes: from a cache if they fit in it."""
    return _bytes_a_second(next((size for size in _FOOTPRINTS if size >= footprint), _FOOTPRINTS[-1]))


def expected_seconds(operations: float, traffic: float, dtype: str) -> float:
    """The least time of one thread: that of the arithmetic or that of the bytes, whichever is longer."""
    return max(operations / flops_a_second(dtype), traffic / bytes_a_second(traffic))


def _multiply_add_text(lanes: int, scalar: str) -> str:
    """A loop of ``_CHAINS`` multiply-adds x ← x·x + x, each on a register of its own."""
    kind, suffix = f"<{lanes} x {scalar}>", f"v{lanes}f{32 if scalar == 'float' else 64}"
    chains = range(_CHAINS)
    loads = [f"  %p{k} = getelementptr {kind}, ptr %data, i64 {k}\n  %s{k} = load {kind}, ptr %p{k}" for k in chains]
    values = [f"  %x{k} = phi {kind} [ %s{k}, %enter ], [ %y{k}, %loop ]" for k in chains]
    steps = [f"  %y{k} = call {kind} @llvm.fmuladd.{suffix}({kind} %x{k}, {kind} %x{k}, {kind} %x{k})" for k in chains]
    stores = [f"  store {kind} %y{k}, ptr %p{k}" for k in chains]
    return "\n".join(
        (
            f"declare {kind} @llvm.fmuladd.{suffix}({kind}, {kind}, {kind})",
            "define void @loop(ptr %data, i64 %count, i64 %repeats) {\nenter:", *loads,
            "  br label %loop\nloop:\n  %r = phi i64 [ 0, %enter ], [ %r.next, %loop ]", *values, *steps,
            "  %r.next = add i64 %r, 1\n  %more = icmp slt i64 %r.next, %repeats",
            "  br i1 %more, label %loop, label %after\nafter:", *stores, "  ret void\n}\n",
        )
    )  # fmt: skip


def _compiled(text: str) -> Any:
    engine = in_one_place(text)
    engine.finalize_object()
    run: Any = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 3)(engine.get_function_address("loop"))
    run.engine = engine  # the code lives as long as its engine
    return run


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
