"""What is made once for each key, by whoever asks first: those that ask meanwhile wait for it, and for nothing else.

No lock is shared by two keys, nor with loading, turns or forks, so that making may do all of these. A child of a fork
forgets what a thread that it does not have was making, and makes it itself.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar
from weakref import WeakSet

T = TypeVar("T")


class Once(Generic[T]):
    """Values by key, none of which is None; the ``most`` that came last."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._made: dict[Hashable, T] = {}
        self._making: dict[Hashable, threading.RLock] = {}
        _all.add(self)

    def __call__(self, key: Hashable, make: Callable[[], T]) -> T:
        """The value of a key; after an error the next who asks makes it. ``make`` itself may ask for its key, from a
        handler of a signal for example: then it is made twice."""
        found = self._made.get(key)
        if found is None:
            with self._making.setdefault(key, threading.RLock()):
                found = self._made.get(key)
                if found is None:
                    found = make()
                    for oldest in list(self._made)[: 1 - self.most]:
                        self._made.pop(oldest, None)
                    self._made[key] = found
                    self._making.pop(key, None)
        return found

    def forget_who_makes(self) -> None:
        """Their threads are not in this process."""
        self._making = {}


_all: WeakSet[Once] = WeakSet()


def _after_fork_in_child() -> None:
    for once in list(_all):
        once.forget_who_makes()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
