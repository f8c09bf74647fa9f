"""The barrier of a team, as LLVM text: programs and hand-written native code link the same few instructions.

Two words of shared memory on two cache lines: arrivals in word 0, a generation in word 8. The last thread to arrive
resets the one and advances the other, for which the rest wait.
"""

from __future__ import annotations

import platform

SYNC_WORDS = 16
"""Length of a barrier's ``int64`` buffer; zero before first use."""

SYMBOL = "symgraph_barrier"
"""``void symgraph_barrier(ptr sync, i64 threads)``"""

SPINS_BEFORE_YIELD = 500
"""Reads of a shared word before a waiting thread lets the operating system run somebody else."""


def pause_instruction() -> tuple[str, str]:
    """LLVM's declaration, and call, of the instruction that tells this processor it is in a waiting loop."""
    if platform.machine() in ("x86_64", "AMD64", "i686"):
        return "declare void @llvm.x86.sse2.pause()", "call void @llvm.x86.sse2.pause()"
    if platform.machine() in ("aarch64", "arm64"):
        return "declare void @llvm.aarch64.hint(i32)", "call void @llvm.aarch64.hint(i32 1)"
    return "declare void @llvm.donothing()", "call void @llvm.donothing()"


_DECLARATION, PAUSE = pause_instruction()

DECLARATIONS = f"declare i32 @sched_yield()\n{_DECLARATION}"
"""What :data:`WAIT` and :data:`PAUSE` call."""

WAIT = f"""
wait:
  %more = add i64 %spins, 1
  %patient = icmp slt i64 %spins, {SPINS_BEFORE_YIELD}
  br i1 %patient, label %spin, label %yield
spin:
  {PAUSE}
  br label %head
yield:
  %gave = call i32 @sched_yield()
  br label %head
"""
"""One round of waiting, from ``wait`` to ``head``, whose ``%spins`` counts the rounds: ``[ %more, %spin ]`` and
``[ %more, %yield ]``."""


def barrier_text() -> str:
    """A module that defines the barrier."""
    return f"""
{DECLARATIONS}

define void @{SYMBOL}(ptr %sync, i64 %threads) {{
enter:
  %several = icmp sgt i64 %threads, 1
  br i1 %several, label %arrive, label %after
arrive:
  %generation = getelementptr i64, ptr %sync, i64 8
  %current = load atomic i64, ptr %generation acquire, align 8
  %before = atomicrmw add ptr %sync, i64 1 acq_rel
  %count = add i64 %before, 1
  %is_last = icmp eq i64 %count, %threads
  br i1 %is_last, label %last, label %head
last:
  store atomic i64 0, ptr %sync monotonic, align 8
  %next = add i64 %current, 1
  store atomic i64 %next, ptr %generation release, align 8
  br label %after
head:
  %spins = phi i64 [ 0, %arrive ], [ %more, %spin ], [ %more, %yield ]
  %seen = load atomic i64, ptr %generation acquire, align 8
  %same = icmp eq i64 %seen, %current
  br i1 %same, label %wait, label %after
{WAIT}
after:
  ret void
}}
"""
