"""The barrier of a team, as LLVM text: programs and hand-written native code link the same few instructions.

Words of shared memory on two cache lines: arrivals, sleepers, nanoseconds lost and when somebody last fell asleep in
the first, a generation in the second. The last thread to arrive resets the arrivals and advances the generation, for
which the rest wait.

Waiting is short: a thread that has looked some thousand times sleeps until it is woken (a futex on Linux). Its
processor is idle then, and the system gives it to the one that is waited for, which some other process has kept from
its own. A thread that spins, or yields, would keep it.
"""

from __future__ import annotations

import platform
import sys
import time

ARRIVALS, SLEEPERS, LOST, SINCE, GENERATION = 0, 1, 2, 3, 8
SYNC_WORDS = 16
"""Length of a barrier's ``int64`` buffer; zero before first use."""

SYMBOL = "symgraph_barrier"
"""``void symgraph_barrier(ptr sync, i64 threads)``"""

SPINS_BEFORE_SLEEP = 4000
"""Reads of a shared word before a waiting thread sleeps: 0.1 to 0.2 ms, in which a kernel's shares may differ."""

_FUTEX = {"x86_64": 202, "aarch64": 98}.get(platform.machine()) if sys.platform == "linux" else None
"""Number of the system call by which threads of Linux sleep and wake each other."""
_WAIT_PRIVATE, _WAKE_PRIVATE = 128, 129


def pause_instruction() -> tuple[str, str]:
    """LLVM's declaration, and call, of the instruction that tells this processor it is in a waiting loop."""
    if platform.machine() in ("x86_64", "AMD64", "i686"):
        return "declare void @llvm.x86.sse2.pause()", "call void @llvm.x86.sse2.pause()"
    if platform.machine() in ("aarch64", "arm64"):
        return "declare void @llvm.aarch64.hint(i32)", "call void @llvm.aarch64.hint(i32 1)"
    return "declare void @llvm.donothing()", "call void @llvm.donothing()"


_DECLARATION, PAUSE = pause_instruction()


def _sleep_text() -> str:
    """``sleep`` until a word may be another than it was seen, ``wake`` all who sleep at a word; where the system has
    nothing of the kind, the one lets others run and the other does nothing."""
    if _FUTEX is None:
        sleep, wake = ["%gave = call i32 @sched_yield()"], []
    else:
        call = f"call i64 (i64, ...) @syscall(i64 {_FUTEX}, ptr %word, i32"
        sleep = [
            "%low = trunc i64 %seen to i32",
            f"%slept = {call} {_WAIT_PRIVATE}, i32 %low, ptr null, ptr null, i32 0)",
        ]
        wake = [f"%woke = {call} {_WAKE_PRIVATE}, i32 {2**31 - 1}, ptr null, ptr null, i32 0)"]
    lines = ["declare i32 @sched_yield()", "declare i64 @syscall(i64, ...)"]
    lines += ["define internal void @symgraph_sleep(ptr %word, i64 %seen) noinline {", *sleep, "ret void", "}"]
    return "\n".join([*lines, "define internal void @symgraph_wake(ptr %word) noinline {", *wake, "ret void", "}"])


WAITING = f"""
{_DECLARATION}
declare i32 @clock_gettime(i32, ptr)
{_sleep_text()}

define internal i64 @symgraph_clock() noinline {{
  %time = alloca [2 x i64]
  %fraction.word = getelementptr i64, ptr %time, i64 1
  %failed = call i32 @clock_gettime(i32 {getattr(time, "CLOCK_MONOTONIC", 1)}, ptr %time)
  %seconds = load i64, ptr %time
  %fraction = load i64, ptr %fraction.word
  %whole = mul i64 %seconds, 1000000000
  %now = add i64 %whole, %fraction
  ret i64 %now
}}
"""
"""``symgraph_sleep(word, seen)``, ``symgraph_wake(word)`` and ``symgraph_clock()`` in nanoseconds, and what
:data:`PAUSE` calls."""

WAIT = f"""
wait:
  %more = add i64 %spins, 1
  %patient = icmp slt i64 %spins, {SPINS_BEFORE_SLEEP}
  br i1 %patient, label %spin, label %sleep
spin:
  {PAUSE}
  br label %head
"""
"""One round of waiting, from ``wait`` to ``head``, whose ``%spins`` counts the rounds, or at last to ``sleep``."""


def barrier_text() -> str:
    """A module that defines the barrier.

    A sleeper says so before it looks for the last time, and the last thread looks for sleepers after it has advanced
    the generation: one of them sees the other. Whoever was late adds up for how long others slept.
    """
    return f"""
{WAITING}
define void @{SYMBOL}(ptr %sync, i64 %threads) {{
enter:
  %several = icmp sgt i64 %threads, 1
  br i1 %several, label %arrive, label %after
arrive:
  %generation = getelementptr i64, ptr %sync, i64 {GENERATION}
  %sleepers = getelementptr i64, ptr %sync, i64 {SLEEPERS}
  %since.word = getelementptr i64, ptr %sync, i64 {SINCE}
  %current = load atomic i64, ptr %generation acquire, align 8
  %before = atomicrmw add ptr %sync, i64 1 acq_rel
  %count = add i64 %before, 1
  %is_last = icmp eq i64 %count, %threads
  br i1 %is_last, label %last, label %head
last:
  store atomic i64 0, ptr %sync monotonic, align 8
  %next = add i64 %current, 1
  store atomic i64 %next, ptr %generation seq_cst, align 8
  %asleep = load atomic i64, ptr %sleepers seq_cst, align 8
  %some = icmp ne i64 %asleep, 0
  br i1 %some, label %rouse, label %after
rouse:
  %since = load atomic i64, ptr %since.word monotonic, align 8
  %now = call i64 @symgraph_clock()
  %slept = sub i64 %now, %since
  %lost.word = getelementptr i64, ptr %sync, i64 {LOST}
  %lost = atomicrmw add ptr %lost.word, i64 %slept monotonic
  call void @symgraph_wake(ptr %generation)
  br label %after
head:
  %spins = phi i64 [ 0, %arrive ], [ %more, %spin ]
  %seen = load atomic i64, ptr %generation acquire, align 8
  %same = icmp eq i64 %seen, %current
  br i1 %same, label %wait, label %after
{WAIT}
sleep:
  %begin = call i64 @symgraph_clock()
  store atomic i64 %begin, ptr %since.word monotonic, align 8
  %others = atomicrmw add ptr %sleepers, i64 1 seq_cst
  br label %look
look:
  %again = load atomic i64, ptr %generation seq_cst, align 8
  %still = icmp eq i64 %again, %current
  br i1 %still, label %doze, label %awake
doze:
  call void @symgraph_sleep(ptr %generation, i64 %current)
  br label %look
awake:
  %rest = atomicrmw sub ptr %sleepers, i64 1 seq_cst
  br label %after
after:
  ret void
}}
"""
