"""Team: threads that stand ready to run a native entry together, at well under a microsecond a launch.

Each worker is a Python thread that sits inside native code, without Python's lock, and watches a mailbox. After a
while without work it goes back to Python and sleeps on a lock, so an idle team costs nothing; the next launch wakes
it. The waiting loops are a few lines of LLVM, compiled in a millisecond without Numba.
"""

from __future__ import annotations

import ctypes
import threading
import weakref
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from codegen import placement
from codegen.barrier import DECLARATIONS, PAUSE, SYNC_WORDS, WAIT
from codegen.native import Entry, in_one_place

_LINE = 8
"""int64 words in a cache line: each word of the mailbox has its own."""

_GENERATION, _ENTRY, _PACKED, _THREADS, _DONE, _STATE = (line * _LINE for line in range(6))
"""Words of the mailbox. From ``_STATE`` on there is one line a thread: 0 while it watches, 1 when it sleeps. An entry
of 0 tells the workers to end."""

_SPINS_BEFORE_SLEEP = 50_000
"""Reads of the mailbox, some ten nanoseconds each, before a worker goes to sleep."""

_NATIVE = f"""
{DECLARATIONS}

; Publish work. Returns the set of sleeping workers, which the caller has to wake.
define i64 @publish(ptr %box, i64 %entry, i64 %packed, i64 %threads) {{
enter:
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
  %t = phi i64 [ 1, %enter ], [ %t.next, %body ]
  %asleep = phi i64 [ 0, %enter ], [ %asleep.next, %body ]
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
enter:
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
  %spins = phi i64 [ 0, %enter ], [ %more, %spin ], [ %more, %yield ]
  %done = load atomic i64, ptr %box.done acquire, align 8
  %all = icmp eq i64 %done, %others
  br i1 %all, label %after, label %wait
{WAIT}
after:
  ret void
}}

; Publish, and take part at once if nobody sleeps.
define i64 @launch(ptr %box, i64 %entry, i64 %packed, i64 %threads) {{
enter:
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
enter:
  %box.entry = getelementptr i64, ptr %box, i64 {_ENTRY}
  %box.packed = getelementptr i64, ptr %box, i64 {_PACKED}
  %box.threads = getelementptr i64, ptr %box, i64 {_THREADS}
  %box.done = getelementptr i64, ptr %box, i64 {_DONE}
  %line = mul i64 %thread, {_LINE}
  %word = add i64 %line, {_STATE}
  %state = getelementptr i64, ptr %box, i64 %word
  br label %watch
watch:
  %seen = phi i64 [ %first, %enter ], [ %now, %work ], [ %seen, %spin ], [ %seen, %reclaim ]
  %spins = phi i64 [ 0, %enter ], [ 0, %work ], [ %more, %spin ], [ 0, %reclaim ]
  %now = load atomic i64, ptr %box seq_cst, align 8
  %news = icmp ne i64 %now, %seen
  br i1 %news, label %check, label %idle
check:
  %entry = load ptr, ptr %box.entry
  %end = icmp eq ptr %entry, null
  br i1 %end, label %leave, label %work
work:
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
  {PAUSE}
  br label %watch
sleep:
  ; Say so first and look once more after: a launch in between either sees the 1, and wakes this worker, or is
  ; seen here.
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


@lru_cache(maxsize=1)
def _native() -> _Native:
    return _Native()


class _Native:
    """The waiting loops, compiled once a process."""

    def __init__(self) -> None:
        self._engine = in_one_place(_NATIVE)
        self._engine.finalize_object()
        word = ctypes.c_int64
        self.publish = self._function("publish", word, word, word, word, word)
        self.launch = self._function("launch", word, word, word, word, word)
        self.take_part = self._function("take_part", None, word)
        self.serve = self._function("serve", word, word, word, word)

    def _function(self, name: str, result: Any, *parameters: Any) -> Callable[..., Any]:
        function: Callable[..., Any] = ctypes.CFUNCTYPE(result, *parameters)(self._engine.get_function_address(name))
        return function


class Team:
    """A fixed number of threads, the caller among them, that run native entries together.

    Parameters
    ----------
    threads
        How many; at most 63. One means the caller alone.

    Attributes
    ----------
    sync
        Address of :data:`SYNC_WORDS` words for the barriers of the entries it runs; they go into the packed array.

    Examples
    --------
    >>> team = Team(2)                                            # doctest: +SKIP
    >>> team.run(load_entry(object_bytes, "entry"), packed.ctypes.data)   # doctest: +SKIP
    """

    def __init__(self, threads: int) -> None:
        if not 1 <= threads <= 63:
            raise ValueError(f"a team has 1 to 63 threads, not {threads}")
        self.threads = threads
        self._native = _native()
        mailbox = _STATE + threads * _LINE
        self._words = np.zeros(mailbox + SYNC_WORDS + _LINE, np.int64)
        self._box = self._words.ctypes.data + -self._words.ctypes.data % 64
        self.sync = self._box + 8 * mailbox
        self._busy = threading.Lock()
        self._wake = [threading.Lock() for _ in range(threads)]
        self._caller = [-1]
        for thread in range(1, threads):
            self._wake[thread].acquire()
            given = self._native, self._words, self._box, thread, self._wake[thread], self._caller
            threading.Thread(target=_work, args=given, daemon=True).start()
        self.close = weakref.finalize(self, _end, self._native, self._words, self._box, threads, self._wake)

    def run(self, entry: Entry, packed: int) -> None:
        """Run ``entry`` on all threads and return when the last has finished.

        Parameters
        ----------
        entry
            Loaded by :func:`codegen.native.load_entry`.
        packed
            Address of its packed array.
        """
        if self.threads == 1:
            entry.call(packed)
            return
        with self._busy:
            asleep = self._native.launch(self._box, entry.team_address, packed, self.threads)
            if asleep:
                self._caller[0] = placement.processor()
                _rouse(asleep, self._wake)
                self._native.take_part(self._box)


def _work(
    native: _Native, words: npt.NDArray[np.int64], box: int, thread: int, wake: threading.Lock, caller: list[int]
) -> None:
    """A worker's life; ``words`` keeps the mailbox alive."""
    seen = 0
    while (seen := native.serve(box, thread, seen)) >= 0:
        wake.acquire()
        placement.move_away(caller[0])


def _end(native: _Native, words: npt.NDArray[np.int64], box: int, threads: int, wake: list[threading.Lock]) -> None:
    _rouse(native.publish(box, 0, 0, threads), wake)


def _rouse(asleep: int, wake: list[threading.Lock]) -> None:
    for thread, lock in enumerate(wake):
        if asleep >> thread & 1:
            lock.release()
