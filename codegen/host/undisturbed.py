"""Work that nothing interrupts: a thread of its own runs it, where no signal is handled and no exception is sent to.

llvmlite frees an object and notes that it has, in two lines of Python. An exception between them, of a handler of
Ctrl-C or of another thread, frees it a second time, which ends the process.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class _Apart(threading.Thread, Generic[T]):
    def __init__(self, work: Callable[[], T]) -> None:
        super().__init__(name="symgraph compiles")
        self._work = work
        self.found: list[T] = []
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.found.append(self._work())
        except BaseException as error:
            self.error = error


def undisturbed(work: Callable[[], T]) -> T:
    """What ``work`` returns, or raises. Who waits for it may be interrupted meanwhile; it goes on to its end."""
    if isinstance(threading.current_thread(), _Apart):
        return work()
    thread = _Apart(work)
    thread.start()
    thread.join()
    if thread.error is not None:
        raise thread.error
    return thread.found[0]
