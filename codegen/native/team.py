"""Team: threads that stand ready to run native entries together, at well under a microsecond a launch.

A launch takes the workers that are free. Whoever comes while all are taken runs on its own thread alone, with the same
bits: programs do not wait for each other. A :class:`Job` is a launch in the background, which can be asked to stop.
What is native is in :mod:`codegen.native.team_text` and :mod:`codegen.native.job_text`; no signal's handler interrupts
any of it.
"""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import numpy as np

from codegen.native import job_text
from codegen.native import team_text as text
from codegen.native.compile import ADDRESS, in_one_place

PATIENCE = 50_000_000
"""Nanoseconds after which a caller that waits for a job looks after signals."""
_FATAL = ("SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGABRT", "SIGTRAP", "SIGSYS", "SIGPROF")
"""What a thread causes itself, and must not block."""


class _Native:
    """The machine code; it stays as long as the process, since workers are in it until the very end."""

    def __init__(self) -> None:
        engine = in_one_place(text.team_text() + job_text.JOB)
        engine.finalize_object()
        _keep_for_ever(engine)
        word = ctypes.c_int64

        def function(name: str, result: Any, count: int) -> Callable[..., Any]:
            made: Callable[..., Any] = ctypes.CFUNCTYPE(result, *[ADDRESS] * count)(engine.get_function_address(name))
            return made

        self.launch = function("launch", word, 4)
        self.launch_address = engine.get_function_address("launch")
        self.begin = function("begin", None, 5)
        self.wait_for = function("wait_for", word, 2)
        self.finish = function("finish", None, 2)


@lru_cache(maxsize=1)
def _native() -> _Native:
    return _Native()


def _keep_for_ever(thing: object) -> None:
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


def _lines(words: int) -> tuple[np.ndarray, int]:
    """Zeros that start at a cache line, and their address."""
    block = np.zeros(words + text.LINE, np.int64)
    return block, block.ctypes.data + -block.ctypes.data % 64


@lru_cache(maxsize=1)
def _pool() -> int:
    """Address of this process's workers, none of which has been started yet."""
    block, address = _lines(text.POOL_WORDS)
    _keep_for_ever(block)
    fatal = {getattr(signal, name) for name in _FATAL if hasattr(signal, name)}
    quiet = sum(1 << (number - 1) for number in range(1, signal.NSIG) if number not in fatal)
    ctypes.memmove(address + 8 * text.SIGNALS, quiet.to_bytes(128, "little"), 128)
    return address


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # a child has none of its parent's threads


def launch(entry: int, packed: int, threads: int) -> int:
    """Run an entry on its packed words, on at most so many threads.

    Parameters
    ----------
    entry
        Address of ``name_team`` of :func:`codegen.native.compile.load_entry`.
    packed
        Address of its packed array.
    threads
        Of them the caller is one.

    Returns
    -------
    How many took part.
    """
    return int(_native().launch(_pool(), entry, packed, threads))


def addresses() -> tuple[int, int]:
    """Where native code finds ``launch``, and the workers of this process."""
    return _native().launch_address, _pool()


class Job:
    """A launch on a thread of its own. One at a time; every method is one native call, and none fails half-way."""

    def __init__(self, stop: int) -> None:
        """``stop`` is the address of the word by which the entry is asked to end."""
        self._block, self._address = _lines(job_text.JOB_WORDS)
        self._native = _native()
        self.finish: Callable[[], None] = partial(self._native.finish, self._address, stop)
        """Ask for the end, and return when it has come; at once where nothing runs. No Python frame is between a call
        and the native code, so that nothing interrupts it."""

    def begin(self, entry: int, packed: int, threads: int) -> None:
        """Start; as :func:`launch`."""
        self._native.begin(self._address, _pool(), entry, packed, threads)

    def has_ended(self, patience: int = PATIENCE) -> bool:
        """Whether nothing runs any more, after at most so many nanoseconds."""
        return bool(self._native.wait_for(self._address, patience))

    def forget(self) -> None:
        """In the child of a fork: the thread stayed with the parent."""
        self._block[...] = 0
