"""The team's native side, as LLVM text that is compiled in milliseconds without Numba: what must not be interrupted.

A launch, from taking free workers to the end of the last of them, is one C call, and so are the start, a wait for, and
the end of a job. Python runs handlers of signals between its own instructions alone: none can come in between. Workers
and jobs are bare POSIX threads that never enter Python and take no signals; whatever the system refuses (threads,
affinity) is done without.

Words of 64 bits, a cache line each where two threads write them:

    pool      count of workers · lock of growing · set of signals · workers
    worker    mail (a number) · entry, packed, thread, threads, done, place · taken · asleep · mutex, condition
    job       state, pool, entry, packed, threads, place, thread, signals, whether to join · mutex, condition
"""

from __future__ import annotations

import signal

from codegen import placement
from codegen.barrier import DECLARATIONS, PAUSE, WAIT

MOST_THREADS = 64
"""Of one launch, the caller among them."""
LINE = 8
"""Words of a cache line."""
COUNT, GROWING, SIGNALS, WORKERS = 0, 8, 16, 32
"""Words of the pool."""
_ENTRY, _PACKED, _THREAD, _THREADS, _DONE, _PLACE = range(8, 14)
_QUIET, _TAKEN, _ASLEEP, _MUTEX, _CONDITION = 14, 16, 24, 32, 48
WORKER_WORDS = 64
POOL_WORDS = WORKERS + MOST_THREADS * WORKER_WORDS
IDLE, RUNNING, ENDED = range(3)
"""States of a job."""
JOB_POOL, JOB_ENTRY, JOB_PACKED, JOB_THREADS, JOB_PLACE, JOB_NAME, JOB_SIGNALS, JOB_JOINS = range(1, 9)
JOB_MUTEX, JOB_CONDITION, JOB_WORDS = 16, 32, 48
SPINS_BEFORE_SLEEP = 50_000
"""Reads of its mail, some ten nanoseconds each, before a worker goes to sleep."""
SECOND, MICROSECOND = 1_000_000_000, 1_000


def _field(name: str, base: str, word: int) -> str:
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

_LIFE = f"""
define internal ptr @life(ptr %worker) {{
enter:
  {_field("entry.word", "worker", _ENTRY)}
  {_field("packed.word", "worker", _PACKED)}
  {_field("thread.word", "worker", _THREAD)}
  {_field("threads.word", "worker", _THREADS)}
  {_field("done.word", "worker", _DONE)}
  {_field("place.word", "worker", _PLACE)}
  {_field("quiet.word", "worker", _QUIET)}
  {_field("asleep", "worker", _ASLEEP)}
  {_field("mutex", "worker", _MUTEX)}
  {_field("condition", "worker", _CONDITION)}
  %quiet = load ptr, ptr %quiet.word
  %masked = call i32 @pthread_sigmask(i32 {int(signal.SIG_BLOCK)}, ptr %quiet, ptr null)
  br label %watch
watch:
  %seen = phi i64 [ 0, %enter ], [ %now, %work ], [ %seen, %spin ], [ %seen, %awake ]
  %spins = phi i64 [ 0, %enter ], [ 0, %work ], [ %more, %spin ], [ 0, %awake ]
  %now = load atomic i64, ptr %worker seq_cst, align 8
  %news = icmp ne i64 %now, %seen
  br i1 %news, label %work, label %idle
work:
  %entry = load ptr, ptr %entry.word
  %packed = load i64, ptr %packed.word
  %thread = load i64, ptr %thread.word
  %threads = load i64, ptr %threads.word
  %done = load ptr, ptr %done.word
  call void %entry(i64 %packed, i64 %thread, i64 %threads)
  %before = atomicrmw add ptr %done, i64 1 acq_rel
  br label %watch
idle:
  %more = add i64 %spins, 1
  %patient = icmp slt i64 %spins, {SPINS_BEFORE_SLEEP}
  br i1 %patient, label %spin, label %sleep
spin:
  {PAUSE}
  br label %watch
sleep:
  ; Say so first and look once more after: who posts in between either sees the 1, and signals under the mutex, or is
  ; seen here.
  %locked = call i32 @pthread_mutex_lock(ptr %mutex)
  store atomic i64 1, ptr %asleep seq_cst, align 8
  br label %look
look:
  %again = load atomic i64, ptr %worker seq_cst, align 8
  %still = icmp eq i64 %again, %seen
  br i1 %still, label %doze, label %awake
doze:
  %woken = call i32 @pthread_cond_wait(ptr %condition, ptr %mutex)
  br label %look
awake:
  store atomic i64 0, ptr %asleep seq_cst, align 8
  %caller = load i64, ptr %place.word
  %unlocked = call i32 @pthread_mutex_unlock(ptr %mutex)
  %here = call i64 @place()
  %beside = icmp eq i64 %here, %caller
  %elsewhere = select i1 %beside, i64 %here, i64 -1
  call void @move(i64 %elsewhere, i1 true)
  br label %watch
}}
"""

_GROW = f"""
define internal void @grow(ptr %pool, i64 %wanted) {{
enter:
  {_field("lock", "pool", GROWING)}
  {_field("signals", "pool", SIGNALS)}
  {_field("first", "pool", WORKERS)}
  %name = alloca i64
  br label %knock
knock:
  %taken = cmpxchg ptr %lock, i64 0, i64 1 acq_rel acquire
  %mine = extractvalue {{ i64, i1 }} %taken, 1
  br i1 %mine, label %start, label %busy
busy:
  %gave = call i32 @sched_yield()
  br label %knock
start:
  %found = load i64, ptr %pool
  br label %head
head:
  %count = phi i64 [ %found, %start ], [ %next, %made ]
  %fewer = icmp slt i64 %count, %wanted
  br i1 %fewer, label %make, label %after
make:
  %offset = mul i64 %count, {WORKER_WORDS}
  %worker = getelementptr i64, ptr %first, i64 %offset
  {_field("quiet.word", "worker", _QUIET)}
  {_field("mutex", "worker", _MUTEX)}
  {_field("condition", "worker", _CONDITION)}
  store ptr %signals, ptr %quiet.word
  %m = call i32 @pthread_mutex_init(ptr %mutex, ptr null)
  %c = call i32 @pthread_cond_init(ptr %condition, ptr null)
  %failed = call i32 @pthread_create(ptr %name, ptr null, ptr @life, ptr %worker)
  %bad = icmp ne i32 %failed, 0
  br i1 %bad, label %after, label %made
made:
  %thread = load i64, ptr %name
  %detached = call i32 @pthread_detach(i64 %thread)
  %next = add i64 %count, 1
  store atomic i64 %next, ptr %pool release, align 8
  br label %head
after:
  store atomic i64 0, ptr %lock release, align 8
  ret void
}}
"""

_LAUNCH = f"""
; Run an entry on as many threads as are free, at most so many, the caller among them. Returns how many they were.
define i64 @launch(ptr %pool, i64 %entry.word, i64 %packed, i64 %threads) {{
enter:
  %team = alloca [{MOST_THREADS} x ptr]
  %done = alloca [{LINE} x i64], align 64
  store atomic i64 0, ptr %done monotonic, align 8
  %entry = inttoptr i64 %entry.word to ptr
  {_field("first", "pool", WORKERS)}
  %fits = icmp slt i64 %threads, {MOST_THREADS}
  %most = select i1 %fits, i64 %threads, i64 {MOST_THREADS}
  %wanted = sub i64 %most, 1
  %at.first = load atomic i64, ptr %pool acquire, align 8
  %fewer = icmp slt i64 %at.first, %wanted
  br i1 %fewer, label %enlarge, label %choose
enlarge:
  call void @grow(ptr %pool, i64 %wanted)
  br label %choose
choose:
  %count = load atomic i64, ptr %pool acquire, align 8
  br label %head
head:
  %i = phi i64 [ 0, %choose ], [ %i.next, %tried ]
  %n = phi i64 [ 0, %choose ], [ %n.next, %tried ]
  %there = icmp slt i64 %i, %count
  %needed = icmp slt i64 %n, %wanted
  %try = and i1 %there, %needed
  br i1 %try, label %ask, label %chosen
ask:
  %offset = mul i64 %i, {WORKER_WORDS}
  %candidate = getelementptr i64, ptr %first, i64 %offset
  {_field("taken", "candidate", _TAKEN)}
  %swap = cmpxchg ptr %taken, i64 0, i64 1 acq_rel acquire
  %mine = extractvalue {{ i64, i1 }} %swap, 1
  br i1 %mine, label %keep, label %tried
keep:
  %place = getelementptr ptr, ptr %team, i64 %n
  store ptr %candidate, ptr %place
  br label %tried
tried:
  %one = zext i1 %mine to i64
  %n.next = add i64 %n, %one
  %i.next = add i64 %i, 1
  br label %head
chosen:
  %parties = add i64 %n, 1
  br label %posting
posting:
  %p = phi i64 [ 0, %chosen ], [ %p.next, %posted ]
  %unposted = icmp slt i64 %p, %n
  br i1 %unposted, label %post, label %own
post:
  %p.next = add i64 %p, 1
  %p.place = getelementptr ptr, ptr %team, i64 %p
  %worker = load ptr, ptr %p.place
  {_field("w.entry", "worker", _ENTRY)}
  {_field("w.packed", "worker", _PACKED)}
  {_field("w.thread", "worker", _THREAD)}
  {_field("w.threads", "worker", _THREADS)}
  {_field("w.done", "worker", _DONE)}
  {_field("w.asleep", "worker", _ASLEEP)}
  store ptr %entry, ptr %w.entry
  store i64 %packed, ptr %w.packed
  store i64 %p.next, ptr %w.thread
  store i64 %parties, ptr %w.threads
  store ptr %done, ptr %w.done
  %mail = atomicrmw add ptr %worker, i64 1 seq_cst
  %sleeps = load atomic i64, ptr %w.asleep seq_cst, align 8
  %rouse = icmp ne i64 %sleeps, 0
  br i1 %rouse, label %wake, label %posted
wake:
  {_field("w.place", "worker", _PLACE)}
  {_field("w.mutex", "worker", _MUTEX)}
  {_field("w.condition", "worker", _CONDITION)}
  %locked = call i32 @pthread_mutex_lock(ptr %w.mutex)
  %here = call i64 @place()
  store i64 %here, ptr %w.place
  %signalled = call i32 @pthread_cond_signal(ptr %w.condition)
  %unlocked = call i32 @pthread_mutex_unlock(ptr %w.mutex)
  br label %posted
posted:
  br label %posting
own:
  call void %entry(i64 %packed, i64 0, i64 %parties)
  br label %await
await:
  br label %head.wait
head.wait:
  %spins = phi i64 [ 0, %await ], [ %more, %spin ], [ %more, %yield ]
  %ended = load atomic i64, ptr %done acquire, align 8
  %all = icmp eq i64 %ended, %n
  br i1 %all, label %freeing, label %wait
{WAIT.replace("%head", "%head.wait")}
freeing:
  %f = phi i64 [ 0, %head.wait ], [ %f.next, %free ]
  %held = icmp slt i64 %f, %n
  br i1 %held, label %free, label %leave
free:
  %f.place = getelementptr ptr, ptr %team, i64 %f
  %f.worker = load ptr, ptr %f.place
  {_field("f.taken", "f.worker", _TAKEN)}
  store atomic i64 0, ptr %f.taken release, align 8
  %f.next = add i64 %f, 1
  br label %freeing
leave:
  ret i64 %parties
}}
"""

_JOB = f"""
define internal void @work(ptr %job) {{
enter:
  {_field("pool.word", "job", JOB_POOL)}
  {_field("entry.word", "job", JOB_ENTRY)}
  {_field("packed.word", "job", JOB_PACKED)}
  {_field("threads.word", "job", JOB_THREADS)}
  {_field("mutex", "job", JOB_MUTEX)}
  {_field("condition", "job", JOB_CONDITION)}
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
  {_field("signals.word", "job", JOB_SIGNALS)}
  {_field("place.word", "job", JOB_PLACE)}
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
  {_field("pool.word", "job", JOB_POOL)}
  {_field("entry.word", "job", JOB_ENTRY)}
  {_field("packed.word", "job", JOB_PACKED)}
  {_field("threads.word", "job", JOB_THREADS)}
  {_field("place.word", "job", JOB_PLACE)}
  {_field("name", "job", JOB_NAME)}
  {_field("signals.word", "job", JOB_SIGNALS)}
  {_field("joins", "job", JOB_JOINS)}
  {_field("mutex", "job", JOB_MUTEX)}
  {_field("condition", "job", JOB_CONDITION)}
  {_field("signals", "pool", SIGNALS)}
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
  {_field("mutex", "job", JOB_MUTEX)}
  {_field("condition", "job", JOB_CONDITION)}
  %idle.state = load atomic i64, ptr %job acquire, align 8
  %idle = icmp eq i64 %idle.state, {IDLE}
  br i1 %idle, label %yes, label %look
look:
  %clock = call i32 @clock_gettime(i32 0, ptr %until)
  {_field("fraction.word", "until", 1)}
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
  {_field("name.word", "job", JOB_NAME)}
  {_field("joins", "job", JOB_JOINS)}
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
declare i32 @clock_gettime(i32, ptr)
"""


def team_text() -> str:
    """The module."""
    placing = _PLACEMENT if placement.is_known() else _NO_PLACEMENT
    return "\n".join([DECLARATIONS, _LIBRARY, placing, _LIFE, _GROW, _LAUNCH, _JOB])
