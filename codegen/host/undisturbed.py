"""Work that nothing interrupts: a thread of its own runs it, where no signal is handled and no exception is sent to.

llvmlite frees an object and notes that it has, in two lines of Python. An exception between them, of a handler of
Ctrl-C or of another thread, frees it a second time, which ends the process.

There is one such work at a time. Its lock is taken by the thread that does the work, and by one that forks; nobody
else can hold it and wait for work that needs it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")
_alone = threading.RLock()
_forks = threading.local()


class _Apart(threading.Thread, Generic[T]):
    def __init__(self, work: Callable[[], T]) -> None:
        super().__init__(name="symgraph compiles")
        self._work = work
        self.found: list[T] = []
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            with _alone:
                self.found.append(self._work())
        except BaseException as error:
            self.error = error


def undisturbed(work: Callable[[], T]) -> T:
    """What ``work`` returns, or raises, when no other is done. Who waits for it may be interrupted meanwhile; it goes
    on to its end. A thread that forks (a handler of forks compiles something) does it itself."""
    if isinstance(threading.current_thread(), _Apart) or getattr(_forks, "now", False):
        return work()
    thread = _Apart(work)
    thread.start()
    thread.join()
    if thread.error is not None:
        raise thread.error
    return thread.found[0]


def stop() -> None:
    """Wait until no work is done, and let none begin: a fork's child would find the compiler's locks taken, by a thread
    that it does not have."""
    _alone.acquire()
    _forks.now = True


def go_on() -> None:
    """Undo :func:`stop`, in the same thread, of the process or of its child."""
    _forks.now = False
    _alone.release()
