"""Where threads of our own stand: the scheduler likes to put a thread that is started or woken beside the one that did
it, or beside one that only waits, and then the two take turns on one processor while another is idle."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable


def _finder() -> Callable[[], int] | None:
    try:
        return ctypes.CDLL(None).sched_getcpu if hasattr(os, "sched_setaffinity") else None
    except (AttributeError, OSError, TypeError):
        return None


_sched_getcpu = _finder()


def processor() -> int:
    """The processor that the calling thread runs on; −1 where the system does not tell."""
    return int(_sched_getcpu()) if _sched_getcpu is not None else -1


def move_to(place: int) -> None:
    """Bring the calling thread to a processor; it stays free to be moved again."""
    _move({place})


def move_away(place: int) -> None:
    """Bring the calling thread to another processor than this one, if it is there and may be elsewhere."""
    if processor() == place >= 0:
        _move(os.sched_getaffinity(0) - {place})


def _move(places: set[int]) -> None:
    if _sched_getcpu is None:
        return
    allowed = os.sched_getaffinity(0)
    if places & allowed:
        os.sched_setaffinity(0, places & allowed)
        os.sched_setaffinity(0, allowed)
