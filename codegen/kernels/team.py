"""Team: threads that stand ready to run a native entry together, at well under a microsecond a launch.

Each worker is a Python thread that sits inside native code, without Python's lock, and watches a mailbox. After a while without work it goes back to Python
and sleeps on a lock, so an idle team costs nothing; the next launch wakes it. The waiting loops are a few lines of LLVM, compiled in a millisecond without
Numba.
"""

from __future__ import annotations

import ctypes
import threading
from typing import Any

import llvmlite.binding as llvm
import numpy as np

from codegen.native import Entry, host_machine

_LINE = 8
"""int64 words in a cache line: each word of the mailbox has its own."""

_GENERATION, _ENTRY, _PACKED, _THREADS, _DONE, _STATE = (line * _LINE for line in range(6))
"""Words of the mailbox. From ``_STATE`` on there is one line a thread: 0 while it watches, 1 when it sleeps, and 2 when it shall end."""

_SPINS_BEFORE_SLEEP = 20_000
"""Reads of the mailbox, some ten nanoseconds each, before a worker goes to sleep."""

_SPINS_BEFORE_YIELD = 4096

_NATIVE = f"""
declare i32 @sched_yield()

; Publish work. Returns the set of sleeping workers, which the caller has to wake.
define i64 @publish(ptr %box, i64 %entry, i64 %packed, i64 %threads) {{
  %box.entry = getelementptr i64, ptr %box, i64 {_ENTRY}
  %box.packed = getelementptr i64, ptr %box, i64 {_PACKED}
  %box.threads = getelementptr i64, ptr %box, i64 {_THREADS}
  %box.done = getelementptr i64, ptr %box, i64 {_DONE}
  store i64 %entry, ptr %box.entry
  store i64 %packed, ptr %box.packed
  store i64 %threads, ptr %box.threads
  store atomic i64 0, ptr %box.done monotonic, align 8
  %ignored = atomicrmw add ptr %box, i64 1 seq_cst
  br label %head
head:
  %t = phi i64 [ 1, %0 ], [ %t.next, %body ]
  %asleep = phi i64 [ 0, %0 ], [ %asleep.next, %body ]
  %more = icmp slt i64 %t, %threads
  br i1 %more, label %body, label %after
body:
  %line = mul i64 %t, {_LINE}
  %word = add i64 %line, {_STATE}
  %state = getelementptr i64, ptr %box, i64 %word
  %swap = cmpxchg ptr %state, i64 1, i64 0 seq_cst seq_cst
  %slept = extractvalue {{ i64, i1 }} %swap, 1
  %bit = shl i64 1, %t
  %with = or i64 %asleep, %bit
  %asleep.next = select i1 %slept, i64 %with, i64 %asleep
  %t.next = add i64 %t, 1
  br label %head
after:
  ret i64 %asleep
}}

; The caller's own share, as thread 0; then wait for the others.
define void @take_part(ptr %box) {{
  %box.entry = getelementptr i64, ptr %box, i64 {_ENTRY}
  %box.packed = getelementptr i64, ptr %box, i64 {_PACKED}
  %box.threads = getelementptr i64, ptr %box, i64 {_THREADS}
  %box.done = getelementptr i64, ptr %box, i64 {_DONE}
  %entry = load ptr, ptr %box.entry
  %packed = load i64, ptr %box.packed
  %threads = load i64, ptr %box.threads
  call void %entry(i64 %packed, i64 0, i64 %threads)
  %others = sub i64 %threads, 1
  br label %head
head:
  %spins = phi i64 [ 0, %0 ], [ %more, %spin ], [ %more, %yield ]
  %done = load atomic i64, ptr %box.done acquire, align 8
  %all = icmp eq i64 %done, %others
  br i1 %all, label %after, label %wait
wait:
  %more = add i64 %spins, 1
  %patient = icmp slt i64 %spins, {_SPINS_BEFORE_YIELD}
  br i1 %patient, label %spin, label %yield
spin:
  call void asm sideeffect "PAUSE", ""()
  br label %head
yield:
  %gave = call i32 @sched_yield()
  br label %head
after:
  ret void
}}

; Publish, and take part at once if nobody sleeps.
define i64 @launch(ptr %box, i64 %entry, i64 %packed, i64 %threads) {{
  %asleep = call i64 @publish(ptr %box, i64 %entry, i64 %packed, i64 %threads)
  %awake = icmp eq i64 %asleep, 0
  br i1 %awake, label %go, label %after
go:
  call void @take_part(ptr %box)
  br label %after
after:
  ret i64 %asleep
}}

; A worker's life between two sleeps: serve every generation after %seen; returns the last one served, or -1 to end.
define i64 @serve(ptr %box, i64 %thread, i64 %first) {{
  %box.entry = getelementptr i64, ptr %box, i64 {_ENTRY}
  %box.packed = getelementptr i64, ptr %box, i64 {_PACKED}
  %box.threads = getelementptr i64, ptr %box, i64 {_THREADS}
  %box.done = getelementptr i64, ptr %box, i64 {_DONE}
  %line = mul i64 %thread, {_LINE}
  %word = add i64 %line, {_STATE}
  %state = getelementptr i64, ptr %box, i64 %word
  br label %watch
watch:
  %seen = phi i64 [ %first, %0 ], [ %now, %work ], [ %seen, %spin ], [ %seen, %reclaim ]
  %spins = phi i64 [ 0, %0 ], [ 0, %work ], [ %more, %spin ], [ 0, %reclaim ]
  %now = load atomic i64, ptr %box seq_cst, align 8
  %news = icmp ne i64 %now, %seen
  br i1 %news, label %check, label %idle
check:
  %order = load atomic i64, ptr %state acquire, align 8
  %end = icmp eq i64 %order, 2
  br i1 %end, label %leave, label %work
work:
  %entry = load ptr, ptr %box.entry
  %packed = load i64, ptr %box.packed
  %threads = load i64, ptr %box.threads
  call void %entry(i64 %packed, i64 %thread, i64 %threads)
  %done = atomicrmw add ptr %box.done, i64 1 acq_rel
  br label %watch
idle:
  %more = add i64 %spins, 1
  %patient = icmp slt i64 %spins, {_SPINS_BEFORE_SLEEP}
  br i1 %patient, label %spin, label %sleep
spin:
  call void asm sideeffect "PAUSE", ""()
  br label %watch
sleep:
  ; Say so first and look once more after: a launch in between either sees the 1, and wakes this worker, or is seen here.
  store atomic i64 1, ptr %state seq_cst, align 8
  %again = load atomic i64, ptr %box seq_cst, align 8
  %quiet = icmp eq i64 %again, %seen
  br i1 %quiet, label %asleep, label %reclaim
reclaim:
  %swap = cmpxchg ptr %state, i64 1, i64 0 seq_cst seq_cst
  %mine = extractvalue {{ i64, i1 }} %swap, 1
  br i1 %mine, label %watch, label %asleep
asleep:
  ret i64 %seen
leave:
  ret i64 -1
}}
"""
