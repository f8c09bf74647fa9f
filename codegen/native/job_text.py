"""A job's native side, which goes behind :func:`codegen.native.team_text.team_text`: a launch on a thread of its own.

Words of 64 bits:

    state, pool, entry, packed, threads, place, thread, signals, whether to join · mutex, condition
"""

from __future__ import annotations

import signal

from codegen.native.system_text import field
from codegen.native.team_text import SIGNALS

IDLE, RUNNING, ENDED = range(3)
"""States of a job."""
JOB_POOL, JOB_ENTRY, JOB_PACKED, JOB_THREADS, JOB_PLACE, JOB_NAME, JOB_SIGNALS, JOB_JOINS = range(1, 9)
JOB_MUTEX, JOB_CONDITION, JOB_WORDS = 16, 32, 48
SECOND = 1_000_000_000

JOB = f"""
define internal void @work(ptr %job) {{
enter:
  {field("pool.word", "job", JOB_POOL)}
  {field("entry.word", "job", JOB_ENTRY)}
  {field("packed.word", "job", JOB_PACKED)}
  {field("threads.word", "job", JOB_THREADS)}
  {field("mutex", "job", JOB_MUTEX)}
  {field("condition", "job", JOB_CONDITION)}
  %pool = load ptr, ptr %pool.word
  %entry = load i64, ptr %entry.word
  %packed = load i64, ptr %packed.word
  %threads = load i64, ptr %threads.word
  %parties = call i64 @launch(ptr %pool, i64 %entry, i64 %packed, i64 %threads)
  %locked = call i32 @pthread_mutex_lock(ptr %mutex)
  store i64 {ENDED}, ptr %job
  %signalled = call i32 @pthread_cond_broadcast(ptr %condition)
  %unlocked = call i32 @pthread_mutex_unlock(ptr %mutex)
  ret void
}}

define internal ptr @job_life(ptr %job) {{
  {field("signals.word", "job", JOB_SIGNALS)}
  {field("place.word", "job", JOB_PLACE)}
  %signals = load ptr, ptr %signals.word
  %masked = call i32 @pthread_sigmask(i32 {int(signal.SIG_BLOCK)}, ptr %signals, ptr null)
  %place = load i64, ptr %place.word
  call void @move(i64 %place, i1 false)
  call void @work(ptr %job)
  ret ptr null
}}

; Launch on a thread of its own; where there can be none, on this one.
define void @begin(ptr %job, ptr %pool, i64 %entry, i64 %packed, i64 %threads) {{
enter:
  {field("pool.word", "job", JOB_POOL)}
  {field("entry.word", "job", JOB_ENTRY)}
  {field("packed.word", "job", JOB_PACKED)}
  {field("threads.word", "job", JOB_THREADS)}
  {field("place.word", "job", JOB_PLACE)}
  {field("name", "job", JOB_NAME)}
  {field("signals.word", "job", JOB_SIGNALS)}
  {field("joins", "job", JOB_JOINS)}
  {field("mutex", "job", JOB_MUTEX)}
  {field("condition", "job", JOB_CONDITION)}
  {field("signals", "pool", SIGNALS)}
  store ptr %pool, ptr %pool.word
  store i64 %entry, ptr %entry.word
  store i64 %packed, ptr %packed.word
  store i64 %threads, ptr %threads.word
  store ptr %signals, ptr %signals.word
  %here = call i64 @place()
  store i64 %here, ptr %place.word
  %m = call i32 @pthread_mutex_init(ptr %mutex, ptr null)
  %c = call i32 @pthread_cond_init(ptr %condition, ptr null)
  store i64 {RUNNING}, ptr %job
  store i64 1, ptr %joins
  %failed = call i32 @pthread_create(ptr %name, ptr null, ptr @job_life, ptr %job)
  %bad = icmp ne i32 %failed, 0
  br i1 %bad, label %alone, label %leave
alone:
  store i64 0, ptr %joins
  call void @work(ptr %job)
  br label %leave
leave:
  ret void
}}

; Whether the job has ended, after waiting for it for so many nanoseconds.
define i64 @wait_for(ptr %job, i64 %patience) {{
enter:
  %until = alloca [2 x i64]
  {field("mutex", "job", JOB_MUTEX)}
  {field("condition", "job", JOB_CONDITION)}
  %idle.state = load atomic i64, ptr %job acquire, align 8
  %idle = icmp eq i64 %idle.state, {IDLE}
  br i1 %idle, label %yes, label %look
look:
  %clock = call i32 @clock_gettime(i32 0, ptr %until)
  {field("fraction.word", "until", 1)}
  %seconds = load i64, ptr %until
  %fraction = load i64, ptr %fraction.word
  %later = add i64 %fraction, %patience
  %carry = sdiv i64 %later, {SECOND}
  %rest = srem i64 %later, {SECOND}
  %then = add i64 %seconds, %carry
  store i64 %then, ptr %until
  store i64 %rest, ptr %fraction.word
  %locked = call i32 @pthread_mutex_lock(ptr %mutex)
  br label %head
head:
  %state = load atomic i64, ptr %job acquire, align 8
  %ended = icmp ne i64 %state, {RUNNING}
  br i1 %ended, label %after, label %doze
doze:
  %late = call i32 @pthread_cond_timedwait(ptr %condition, ptr %mutex, ptr %until)
  %again = icmp eq i32 %late, 0
  br i1 %again, label %head, label %after
after:
  %last = load atomic i64, ptr %job acquire, align 8
  %unlocked = call i32 @pthread_mutex_unlock(ptr %mutex)
  %over = icmp ne i64 %last, {RUNNING}
  %result = zext i1 %over to i64
  ret i64 %result
yes:
  ret i64 1
}}

; Ask a job that runs to stop, by a 1 at an address, and return when its thread is gone.
define void @finish(ptr %job, ptr %stop) {{
enter:
  {field("name.word", "job", JOB_NAME)}
  {field("joins", "job", JOB_JOINS)}
  %state = load atomic i64, ptr %job acquire, align 8
  %running = icmp eq i64 %state, {RUNNING}
  br i1 %running, label %ask, label %join
ask:
  store atomic i64 1, ptr %stop monotonic, align 8
  br label %join
join:
  %idle = icmp eq i64 %state, {IDLE}
  %own = load i64, ptr %joins
  %none = icmp eq i64 %own, 0
  %nothing = or i1 %idle, %none
  br i1 %nothing, label %leave, label %wait
wait:
  %name = load i64, ptr %name.word
  %joined = call i32 @pthread_join(i64 %name, ptr null)
  br label %leave
leave:
  store i64 0, ptr %joins
  store atomic i64 {IDLE}, ptr %job release, align 8
  ret void
}}
"""
