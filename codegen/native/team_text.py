"""The team's native side, as LLVM text that is compiled in milliseconds without Numba: what must not be interrupted.

A launch, from taking free workers to the end of the last of them, is one C call, and so are the start, a wait for, and
the end of a job (:mod:`codegen.native.job_text`). Python runs handlers of signals between its own instructions alone:
none can come in between. Workers and jobs are bare POSIX threads that never enter Python and take no signals; whatever
the system refuses (threads, affinity) is done without.

A busy machine: where others slept because of a worker that another process had kept from its processor, and so long
that one thread would have been done sooner, the caller goes on alone for sixteen times as long as was lost, and then
tries again. It does so from the second time on: what is lost once in thirty-two times as long is no busy machine, and
one thread would be slower by more. So a team loses a small part to what it cannot know, and results, which do not
depend on the number of threads, stay the same.

Words of 64 bits, a cache line each where two threads write them:

    pool      count of workers · lock of growing · until when to be alone, when something was lost · set of signals ·
              workers
    worker    mail (a number) · entry, packed, thread, threads, done, place, signals, how often it was put off its
              processor · taken, when it was called · asleep · mutex, condition
    done      how many have ended, and whether the caller sleeps · whether one of them was put off
"""

from __future__ import annotations

import signal

from codegen.loops.words import SYNC
from codegen.native.barrier import LOST, PAUSE, WAIT
from codegen.native.system_text import LATE, field, system_text

MOST_THREADS = 64
"""Of one launch, the caller among them."""
LINE = 8
"""Words of a cache line."""
COUNT, GROWING, ALONE, BEFORE, SIGNALS, WORKERS = 0, 8, 12, 13, 16, 32
"""Words of the pool."""
_ENTRY, _PACKED, _THREAD, _THREADS, _DONE, _PLACE = range(8, 14)
_QUIET, _PUT_OFF, _TAKEN, _POSTED, _ASLEEP, _MUTEX, _CONDITION = 14, 15, 16, 17, 24, 32, 48
WORKER_WORDS = 64
POOL_WORDS = WORKERS + MOST_THREADS * WORKER_WORDS
CALLER_SLEEPS = 1 << 32
ALONE_FOR = 16
"""For how many times what was lost the caller is alone afterwards."""
SELDOM = 32
"""How many times what was lost lie between such losses, from which on they are seldom."""
SLOW_TO_WAKE = 500_000
"""Nanoseconds from a call to a worker that sleeps to its first instruction, from which on it counts as put off."""
SPINS_BEFORE_SLEEP = 50_000
"""Reads of its mail, some ten nanoseconds each, before a worker goes to sleep."""


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
  {field("put.off.word", "worker", _PUT_OFF)}
  {field("asleep", "worker", _ASLEEP)}
  {field("mutex", "worker", _MUTEX)}
  {field("condition", "worker", _CONDITION)}
  %quiet = load ptr, ptr %quiet.word
  %masked = call i32 @pthread_sigmask(i32 {int(signal.SIG_BLOCK)}, ptr %quiet, ptr null)
  br label %watch
watch:
  %seen = phi i64 [ 0, %enter ], [ %now, %tell ], [ %now, %wake ], [ %seen, %spin ], [ %seen, %awake ]
  %spins = phi i64 [ 0, %enter ], [ 0, %tell ], [ 0, %wake ], [ %more, %spin ], [ 0, %awake ]
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
  %lost = call i64 @lost(i64 %packed)
  %so.far = load atomic i64, ptr %done monotonic, align 8
  %waits = icmp uge i64 %so.far, {CALLER_SLEEPS}
  %any = icmp ne i64 %lost, 0
  %slow = or i1 %waits, %any
  br i1 %slow, label %ask, label %tell
ask:
  call void @note(ptr %put.off.word, ptr %done)
  br label %tell
tell:
  %before = atomicrmw add ptr %done, i64 1 acq_rel
  %sleeps = icmp uge i64 %before, {CALLER_SLEEPS}
  br i1 %sleeps, label %wake, label %watch
wake:
  call void @symgraph_wake(ptr %done)
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
  {field("posted.word", "worker", _POSTED)}
  %posted.at = load i64, ptr %posted.word
  %unlocked = call i32 @pthread_mutex_unlock(ptr %mutex)
  %clock = call i64 @symgraph_clock()
  %took = sub i64 %clock, %posted.at
  %slow.to.wake = icmp sgt i64 %took, {SLOW_TO_WAKE}
  %times = load i64, ptr %put.off.word
  %one = zext i1 %slow.to.wake to i64
  %fewer = sub i64 %times, %one
  store i64 %fewer, ptr %put.off.word
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
  {field("late.word", "done", LATE)}
  {field("alone.word", "pool", ALONE)}
  store atomic i64 0, ptr %done monotonic, align 8
  store atomic i64 0, ptr %late.word monotonic, align 8
  %entry = inttoptr i64 %entry.word to ptr
  {field("first", "pool", WORKERS)}
  %fits = icmp slt i64 %threads, {MOST_THREADS}
  %most = select i1 %fits, i64 %threads, i64 {MOST_THREADS}
  %others = sub i64 %most, 1
  %several = icmp sgt i64 %others, 0
  br i1 %several, label %may, label %together
may:
  %start = call i64 @symgraph_clock()
  %alone = load atomic i64, ptr %alone.word monotonic, align 8
  %free = icmp eq i64 %alone, 0
  br i1 %free, label %forget, label %look.at.clock
look.at.clock:
  %early = icmp slt i64 %start, %alone
  br i1 %early, label %together, label %again
again:
  store atomic i64 0, ptr %alone.word monotonic, align 8
  br label %forget
forget:
  call void @set_lost(i64 %packed, i64 0)
  br label %together
together:
  %wanted = phi i64 [ 0, %enter ], [ 0, %look.at.clock ], [ %others, %forget ]
  %began = phi i64 [ 0, %enter ], [ %start, %look.at.clock ], [ %start, %forget ]
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
  {field("w.posted", "worker", _POSTED)}
  %here = call i64 @place()
  store i64 %here, ptr %w.place
  %posted.at = call i64 @symgraph_clock()
  store i64 %posted.at, ptr %w.posted
  %signalled = call i32 @pthread_cond_signal(ptr %w.condition)
  %unlocked = call i32 @pthread_mutex_unlock(ptr %w.mutex)
  br label %posted
posted:
  br label %posting
own:
  call void %entry(i64 %packed, i64 0, i64 %parties)
  br label %head.wait
head.wait:
  %spins = phi i64 [ 0, %own ], [ %more, %spin ]
  %ended = load atomic i64, ptr %done acquire, align 8
  %all = icmp eq i64 %ended, %n
  br i1 %all, label %judge, label %wait
{WAIT.replace("%head", "%head.wait")}
sleep:
  %begin = call i64 @symgraph_clock()
  %were = atomicrmw or ptr %done, i64 {CALLER_SLEEPS} acq_rel
  br label %look
look:
  %count.now = load atomic i64, ptr %done acquire, align 8
  %low = trunc i64 %count.now to i32
  %ended.now = zext i32 %low to i64
  %come = icmp eq i64 %ended.now, %n
  br i1 %come, label %awake, label %doze
doze:
  call void @symgraph_sleep(ptr %done, i64 %count.now)
  br label %look
awake:
  %end = call i64 @symgraph_clock()
  %slept = sub i64 %end, %begin
  br label %judge
judge:
  %lost.here = phi i64 [ 0, %head.wait ], [ %slept, %awake ]
  %late = load atomic i64, ptr %late.word monotonic, align 8
  %put.off = icmp ne i64 %late, 0
  br i1 %put.off, label %weigh, label %freeing
weigh:
  ; It took t, of which l was lost; one thread takes (t − l)·parties, which is less where l·parties > t·n.
  %lost.inside = call i64 @lost(i64 %packed)
  %lost.all = add i64 %lost.here, %lost.inside
  %from = call i64 @symgraph_clock()
  %took = sub i64 %from, %began
  %lost.parts = mul i64 %lost.all, %parties
  %took.parts = mul i64 %took, %n
  %dear = icmp sgt i64 %lost.parts, %took.parts
  br i1 %dear, label %is.often, label %freeing
is.often:
  {field("before.word", "pool", BEFORE)}
  %before = atomicrmw xchg ptr %before.word, i64 %from monotonic
  %gap = sub i64 %from, %before
  %seldom.from = mul i64 %lost.all, {SELDOM}
  %seldom = icmp sgt i64 %gap, %seldom.from
  br i1 %seldom, label %freeing, label %be.alone
be.alone:
  %long = mul i64 %lost.all, {ALONE_FOR}
  %until = add i64 %from, %long
  store atomic i64 %until, ptr %alone.word monotonic, align 8
  br label %freeing
freeing:
  %f = phi i64 [ 0, %judge ], [ 0, %weigh ], [ 0, %is.often ], [ 0, %be.alone ], [ %f.next, %let.go ]
  %held = icmp slt i64 %f, %n
  br i1 %held, label %let.go, label %leave
let.go:
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

_LOST = f"""
; What was lost at the meetings of a program whose words these are, if it has any.
define internal ptr @lost_word(i64 %packed) {{
  %words = inttoptr i64 %packed to ptr
  {field("sync.word", "words", SYNC)}
  %sync = load ptr, ptr %sync.word
  {field("lost.word", "sync", LOST)}
  ret ptr %lost.word
}}

define internal i64 @lost(i64 %packed) {{
  %word = call ptr @lost_word(i64 %packed)
  %found = load atomic i64, ptr %word monotonic, align 8
  ret i64 %found
}}

define internal void @set_lost(i64 %packed, i64 %value) {{
  %word = call ptr @lost_word(i64 %packed)
  store atomic i64 %value, ptr %word monotonic, align 8
  ret void
}}
"""


def team_text() -> str:
    """Workers and launches."""
    return "\n".join([system_text(), _LOST, _LIFE, _GROW, _LAUNCH])
