"""Work that nothing interrupts: a thread of its own runs it, where no signal is handled and no exception is sent to.

llvmlite frees an object and notes that it has, in two lines of Python. An exception between them, of a handler of
Ctrl-C or of another thread, frees it a second time, which ends the process.

There is one such work at a time. Its lock is taken by the thread that does the work, and by one that forks; nobody
else can hold it and wait for work that needs it.
"""

from __future__ import annotations

import _thread
import atexit
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")
_alone = threading.RLock()
_own = threading.local()
"""``works``: this thread does such work, or forks, and then has the lock."""


class _Work(Generic[T]):
    """What is done in a thread of its own, and what came of it. ``threading.Thread`` begins one in several lines of
    Python: an exception that comes to its caller between them is told as a ``KeyError`` of ``threading``."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work, self.ended = work, _thread.allocate_lock()
        self.found: list[T] = []
        self.error: BaseException | None = None
        self.ended.acquire()

    def run(self) -> None:
        _own.works = True
        try:
            with _alone:
                self.found.append(self._work())
        except BaseException as error:
            self.error = error
        finally:
            self.ended.release()


def undisturbed(work: Callable[[], T]) -> T:
    """What ``work`` returns, or raises, when no other is done. Who waits for it may be interrupted meanwhile; it goes
    on to its end. A thread that forks (a handler of forks compiles something) does it itself."""
    if getattr(_own, "works", False):
        return work()
    apart = _Work(work)
    _thread.start_new_thread(apart.run, ())
    apart.ended.acquire()
    if apart.error is not None:
        raise apart.error
    return apart.found[0]


def _wait() -> None:
    with _alone:
        pass


atexit.register(_wait)  # a process does not end while its compiler is at work


def stop() -> None:
    """Wait until no work is done, and let none begin: a fork's child would find the compiler's locks taken, by a thread
    that it does not have."""
    _alone.acquire()
    _own.works = True


def go_on() -> None:
    """Undo :func:`stop`, in the same thread, of the process or of its child."""
    _own.works = False
    _alone.release()
