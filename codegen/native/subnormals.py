"""A mode of the processor in which subnormal numbers count as 0, as LLVM text around a function.

Cotangents that fade through a hundred steps of a recurrence end among the numbers below 2⁻¹²⁶ (2⁻¹⁰²² in float64), with
which a processor computes up to a hundred times as slowly. No parameter is changed by them: a training step reads and
writes them as 0, as XLA does on CPUs. A function, whose values somebody reads, keeps them. The mode belongs to the
thread, and is what it was before when the program returns.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence

FLUSH_X86 = 0x8040
"""Bits of MXCSR: results that are subnormal become 0 (flush to zero), and operands (denormals are zero)."""
FLUSH_ARM = 1 << 24
"""The bit of FPCR for both."""

_X86 = f"""
declare void @llvm.x86.sse.stmxcsr(ptr)
declare void @llvm.x86.sse.ldmxcsr(ptr)

define internal i64 @subnormals_as_zero() noinline {{
  %place = alloca i32
  call void @llvm.x86.sse.stmxcsr(ptr %place)
  %before = load i32, ptr %place
  %flushing = or i32 %before, {FLUSH_X86}
  store i32 %flushing, ptr %place
  call void @llvm.x86.sse.ldmxcsr(ptr %place)
  %kept = zext i32 %before to i64
  ret i64 %kept
}}

define internal void @subnormals_as_before(i64 %kept) noinline {{
  %place = alloca i32
  %before = trunc i64 %kept to i32
  store i32 %before, ptr %place
  call void @llvm.x86.sse.ldmxcsr(ptr %place)
  ret void
}}

define internal void @subnormals_as_usual() noinline {{
  %place = alloca i32
  call void @llvm.x86.sse.stmxcsr(ptr %place)
  %before = load i32, ptr %place
  %keeping = and i32 %before, {~FLUSH_X86}
  store i32 %keeping, ptr %place
  call void @llvm.x86.sse.ldmxcsr(ptr %place)
  ret void
}}
"""
_ARM = f"""
declare i64 @llvm.aarch64.get.fpcr()
declare void @llvm.aarch64.set.fpcr(i64)

define internal i64 @subnormals_as_zero() noinline {{
  %before = call i64 @llvm.aarch64.get.fpcr()
  %flushing = or i64 %before, {FLUSH_ARM}
  call void @llvm.aarch64.set.fpcr(i64 %flushing)
  ret i64 %before
}}

define internal void @subnormals_as_before(i64 %kept) noinline {{
  call void @llvm.aarch64.set.fpcr(i64 %kept)
  ret void
}}

define internal void @subnormals_as_usual() noinline {{
  %before = call i64 @llvm.aarch64.get.fpcr()
  %keeping = and i64 %before, {~FLUSH_ARM}
  call void @llvm.aarch64.set.fpcr(i64 %keeping)
  ret void
}}
"""
_NONE = """
define internal i64 @subnormals_as_zero() noinline {
  ret i64 0
}

define internal void @subnormals_as_before(i64 %kept) noinline {
  ret void
}

define internal void @subnormals_as_usual() noinline {
  ret void
}
"""


def mode_text() -> str:
    """What sets the mode, and returns the one before, and what sets that again."""
    if platform.machine() in ("x86_64", "AMD64"):
        return _X86
    return _ARM if platform.machine() in ("aarch64", "arm64") else _NONE


def usual_mode(lines: Sequence[str], name: str) -> list[str]:
    """A call of somebody else's code, who expects subnormal numbers as they are; the mode is set again after it."""
    return [
        "  call void @subnormals_as_usual()", *lines, f"  %{name}.mode = call i64 @subnormals_as_zero()",
    ]  # fmt: skip


def entry(name: str, as_zero: bool) -> str:
    """``name_team``, around ``inner``, which computes. LLVM knows nothing of the mode: that is not inlined, so that no
    operation leaves it."""
    words = "i64 %packed, i64 %first, i64 %second"
    run = [f"  call void @inner({words})"]
    if as_zero:
        run = ["  %kept = call i64 @subnormals_as_zero()", *run, "  call void @subnormals_as_before(i64 %kept)"]
    text = [mode_text()] if as_zero else []
    return "\n".join([*text, f"define void @{name}_team({words}) {{", *run, "  ret void", "}", ""])
