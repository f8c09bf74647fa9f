"""What a piece of work takes, told without a clock: it is the same on a busy machine."""

from __future__ import annotations

import cProfile
from collections.abc import Callable
from typing import TypeVar

R = TypeVar("R")


def calls_of(work: Callable[[], R]) -> tuple[int, R]:
    """How many Python functions are called by ``work``, and what it returns."""
    with cProfile.Profile(subcalls=False, builtins=False) as profile:
        found = work()
    return sum(entry.callcount for entry in profile.getstats()), found
