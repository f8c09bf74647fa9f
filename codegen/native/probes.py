"""Loops in LLVM that show what one thread of this machine can do at most; they need no Numba."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import numpy as np

from codegen.native.compile import in_one_place, register_file

_CHAINS = 10
"""Independent multiply-adds in flight: at least latency times throughput of a CPU, and fewer than its registers."""
_LINE = 128
"""Bytes that one iteration of the copy moves."""

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


@dataclass(frozen=True, slots=True)
class Probe:
    """A loop over memory: ``run(address, count, repeats)``, where one of ``count`` does ``work``, operations or bytes,
    and needs so many ``bytes``."""

    run: Any
    work: float
    bytes: int


def multiplying(dtype: str) -> Probe:
    """Multiply-adds, each counted as two operations, with all operands in registers; its ``count`` is 1."""
    item = np.dtype(dtype).itemsize
    lanes = register_file()[0] // item
    run = _compiled(_multiply_add_text(lanes, {"float32": "float", "float64": "double"}[dtype]))
    return Probe(run, 2.0 * lanes * _CHAINS, item * 2 * _CHAINS * lanes)


def copying() -> Probe:
    """Copies within a block of memory."""
    return Probe(_compiled(_STREAM), _LINE, _LINE)


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
