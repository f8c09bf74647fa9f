"""Python's search for cycles of garbage, which rests while a program is derived and compiled.

What a compiler makes lives until it is done: the five hundred looks through it that LeNet costs take a twelfth of the
time, and find next to nothing.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_resting = 0


@contextmanager
def resting() -> Iterator[None]:
    """No collection meanwhile, in the whole process; afterwards as before, when the last of several is done."""
    global _resting
    with _lock:
        if _resting or gc.isenabled():
            _resting += 1
            gc.disable()
            mine = True
        else:  # who has switched it off goes on without
            mine = False
    try:
        yield
    finally:
        with _lock:
            _resting -= mine
            if mine and not _resting:
                gc.enable()
