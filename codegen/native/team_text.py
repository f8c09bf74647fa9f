"""The team's native side, as LLVM text that is compiled in milliseconds without Numba: what must not be interrupted.

A launch, from taking free workers to the end of the last of them, is one C call, and so are the start, a wait for, and
the end of a job (:mod:`codegen.native.job_text`). Python runs handlers of signals between its own instructions alone:
none can come in between. Workers and jobs are bare POSIX threads that never enter Python and take no signals; whatever
the system refuses (threads, affinity) is done without.

Words of 64 bits, a cache line each where two threads write them:

    pool      count of workers · lock of growing · set of signals · workers
    worker    mail (a number) · entry, packed, thread, threads, done, place · taken · asleep · mutex, condition
"""

from __future__ import annotations

import signal

from codegen.host import placement
from codegen.native.barrier import DECLARATIONS, PAUSE, WAIT

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
SPINS_BEFORE_SLEEP = 50_000
"""Reads of its mail, some ten nanoseconds each, before a worker goes to sleep."""


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

_LIFE = f"""
define internal ptr @life(ptr %worker) {{
enter:
  {field("entry.word", "worker", _ENTRY)}
  {field("packed.word", "worker", _PACKED)}
  {field("thread.word", "worker", _THREAD)}
  {field("threads.word", "worker", _THREADS)}
  {field("done.word", "worker", _DONE)}
  {field("place.word", "worker", _PLACE)}
  {field("quiet.word", "worker", _QUIET)}
  {field("asleep", "worker", _ASLEEP)}
  {field("mutex", "worker", _MUTEX)}
  {field("condition", "worker", _CONDITION)}
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
  {field("lock", "pool", GROWING)}
  {field("signals", "pool", SIGNALS)}
  {field("first", "pool", WORKERS)}
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
  {field("quiet.word", "worker", _QUIET)}
  {field("mutex", "worker", _MUTEX)}
  {field("condition", "worker", _CONDITION)}
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
  {field("first", "pool", WORKERS)}
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
  {field("taken", "candidate", _TAKEN)}
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
  {field("w.entry", "worker", _ENTRY)}
  {field("w.packed", "worker", _PACKED)}
  {field("w.thread", "worker", _THREAD)}
  {field("w.threads", "worker", _THREADS)}
  {field("w.done", "worker", _DONE)}
  {field("w.asleep", "worker", _ASLEEP)}
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
  {field("w.place", "worker", _PLACE)}
  {field("w.mutex", "worker", _MUTEX)}
  {field("w.condition", "worker", _CONDITION)}
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
  {field("f.taken", "f.worker", _TAKEN)}
  store atomic i64 0, ptr %f.taken release, align 8
  %f.next = add i64 %f, 1
  br label %freeing
leave:
  ret i64 %parties
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
    """Workers and launches."""
    placing = _PLACEMENT if placement.is_known() else _NO_PLACEMENT
    return "\n".join([DECLARATIONS, _LIBRARY, placing, _LIFE, _GROW, _LAUNCH])
