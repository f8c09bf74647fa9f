"""What a team asks of the operating system, as LLVM text: threads, where they run, and how often they were put off.

Where a system has none of these calls, they are answered as if it had refused.
"""

from __future__ import annotations

import sys

from codegen.host import placement
from codegen.native.barrier import WAITING

LATE = 1
"""The word of a launch that says that one of its workers was put off its processor."""
USAGE_WORDS, PUT_OFF_WORD = 32, 17
"""Of Linux's ``struct rusage``: more words than it has, and the one of involuntary context switches."""


def field(name: str, base: str, word: int) -> str:
    """The address of a word."""
    return f"%{name} = getelementptr i64, ptr %{base}, i64 {word}"


_PLACEMENT = """
declare i32 @sched_getcpu()
declare i32 @sched_getaffinity(i32, i64, ptr)
declare i32 @sched_setaffinity(i32, i64, ptr)

define internal i64 @place() {
  %here = call i32 @sched_getcpu()
  %wide = sext i32 %here to i64
  ret i64 %wide
}

; To a processor, or away from it, for a moment: afterwards the thread may be moved again. Refusals change nothing.
define internal void @move(i64 %place, i1 %away) {
enter:
  %allowed = alloca i1024, align 16
  %wanted = alloca i1024, align 16
  %known = icmp ult i64 %place, 1024
  br i1 %known, label %look, label %leave
look:
  store i1024 0, ptr %allowed
  %got = call i32 @sched_getaffinity(i32 0, i64 128, ptr %allowed)
  %all = load i1024, ptr %allowed
  %wide = zext i64 %place to i1024
  %bit = shl i1024 1, %wide
  %others = xor i1024 %bit, -1
  %mask = select i1 %away, i1024 %others, i1024 %bit
  %some = and i1024 %all, %mask
  %any = icmp ne i1024 %some, 0
  br i1 %any, label %do, label %leave
do:
  store i1024 %some, ptr %wanted
  %there = call i32 @sched_setaffinity(i32 0, i64 128, ptr %wanted)
  %free = call i32 @sched_setaffinity(i32 0, i64 128, ptr %allowed)
  br label %leave
leave:
  ret void
}
"""
_NO_PLACEMENT = """
define internal i64 @place() {
  ret i64 -1
}

define internal void @move(i64 %place, i1 %away) {
  ret void
}
"""

_LIBRARY = """
declare i32 @pthread_create(ptr, ptr, ptr, ptr)
declare i32 @pthread_detach(i64)
declare i32 @pthread_join(i64, ptr)
declare i32 @pthread_sigmask(i32, ptr, ptr)
declare i32 @pthread_mutex_init(ptr, ptr)
declare i32 @pthread_mutex_lock(ptr)
declare i32 @pthread_mutex_unlock(ptr)
declare i32 @pthread_cond_init(ptr, ptr)
declare i32 @pthread_cond_wait(ptr, ptr)
declare i32 @pthread_cond_timedwait(ptr, ptr, ptr)
declare i32 @pthread_cond_signal(ptr)
declare i32 @pthread_cond_broadcast(ptr)
"""

_COUNTED = f"""
declare i32 @getrusage(i32, ptr)

; Whether this thread was put off its processor since it was asked for the last time: the system counts how often.
define internal void @note(ptr %word, ptr %done) noinline {{
enter:
  %usage = alloca [{USAGE_WORDS} x i64], align 16
  {field("count.word", "usage", PUT_OFF_WORD)}
  {field("late.word", "done", LATE)}
  store i64 0, ptr %count.word
  %failed = call i32 @getrusage(i32 1, ptr %usage)
  %count = load i64, ptr %count.word
  %known = load i64, ptr %word
  store i64 %count, ptr %word
  %more = icmp sgt i64 %count, %known
  br i1 %more, label %late, label %leave
late:
  store atomic i64 1, ptr %late.word monotonic, align 8
  br label %leave
leave:
  ret void
}}
"""
_NOT_COUNTED = """
define internal void @note(ptr %word, ptr %done) {
  ret void
}
"""


def system_text() -> str:
    """Declarations of the C library, ``place``, ``move`` and ``note``, and all that waiting needs."""
    placing = _PLACEMENT if placement.is_known() else _NO_PLACEMENT
    counting = _COUNTED if sys.platform == "linux" else _NOT_COUNTED
    return "\n".join([WAITING, _LIBRARY, placing, counting])
