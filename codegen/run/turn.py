"""Who runs a program: one thread at a time, whatever signals, threads and forks do meanwhile.

The words and the memory of a program are one set, so its users take turns. In its turn a thread is ``inside`` from the
first word that it writes to the last that it reads:

    with turn.lock:
        if turn.inside:
            raise turn.refusal()
        turn.inside = True
        try:
            …
        finally:
            turn.inside = False

Another thread waits at the lock, which it shares with nobody but users of the same program. The same thread comes back
only from a handler of a signal, a finaliser or a tracer, in the middle of its own turn: it is refused. Python runs a
handler between two of its instructions, but neither between ``with`` and its body nor between an assignment and
``try``; this is why the lines above are not a context manager of our own, whose ``__enter__`` could be left half-way.

A fork takes place between turns: it waits for those that run, and a :class:`codegen.backend.Job` pauses at its next
batch and goes on afterwards, in the child too if the thread that waits for it is there. So a child finds parameters of
whole steps, and no lock that a thread of its parent holds, nor one of a module that such a thread imports: SymPy and we
import much where it is first used.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any, Protocol
from weakref import WeakSet

from codegen.host import undisturbed
from symgraph.core.provenance import at_line
from symgraph.errors import ArgumentError

_A_MOMENT = 0.001
"""Seconds after which a fork looks again at who runs."""
PATIENCE = 0.5
"""Seconds that a fork waits for imports."""


class Running(Protocol):
    """Native work in the background."""

    def pause(self) -> None:
        """Ask it to end soon, where it can go on later."""

    def has_ended(self) -> bool:
        """Whether it has, after a short wait."""

    def forget(self) -> None:
        """Its thread is not in this process."""


class Turn:
    """The turns of one program; ``what`` names it in an error.

    Attributes
    ----------
    lock, inside : see above.
    job : what runs in the background in this turn.
    """

    __slots__ = ("__weakref__", "inside", "job", "lock", "what")

    def __init__(self, what: str) -> None:
        self.what = what
        self.lock = threading.RLock()
        self.inside = False
        self.job: Running | None = None
        _turns.add(self)

    def refusal(self) -> ArgumentError:
        """The error of a second entry by the thread that is inside."""
        return ArgumentError(
            at_line(
                f"{self.what} is running in this thread: a signal handler, finaliser or callback has called it again "
                f"before it has ended; call it afterwards, or compile a second one"
            )
        )

    def take(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """What ``work`` returns, in a turn of its own."""
        with self.lock:
            if self.inside:
                raise self.refusal()
            self.inside = True
            try:
                return work(*arguments)
            finally:
                self.inside = False


_turns: WeakSet[Turn] = WeakSet()
_held: list[Turn] = []
GATE = threading.RLock()
"""Held by a thread that forks, and by one that begins a job."""


def _before_fork() -> None:
    _let_imports_end()
    GATE.acquire()
    for turn in list(_turns):
        while not _stands_still(turn):
            pass
    undisturbed.stop()


def _let_imports_end() -> None:
    """Wait until no other thread is inside an import, or as long as ``PATIENCE``: it may serve for ever in there."""
    frame, own, end = sys._getframe(), set[object](), time.monotonic() + PATIENCE
    while frame is not None:
        own.add(frame.f_globals.get("__name__"))
        frame = frame.f_back  # type: ignore[assignment]
    while any(_is_imported(module) for name, module in list(sys.modules.items()) if name not in own):
        if time.monotonic() > end:
            return
        time.sleep(_A_MOMENT)


def _is_imported(module: object) -> bool:
    spec = vars(module).get("__spec__") if isinstance(module, ModuleType) else None
    return bool(getattr(spec, "_initializing", False))


def _stands_still(turn: Turn) -> bool:
    """Whether a turn is over, and no other begins, or its job has paused, and does not go on."""
    job = turn.job
    if job is not None:
        job.pause()
        if not job.has_ended():
            return False
    if turn.lock.acquire(timeout=_A_MOMENT):
        _held.append(turn)
        return True
    return job is not None


def _after_fork() -> None:
    undisturbed.go_on()
    while _held:
        _held.pop().lock.release()
    GATE.release()


def _after_fork_in_child() -> None:
    for turn in list(_turns):
        if turn.job is not None:
            turn.job.forget()
        if turn not in _held:  # it belongs to a thread of the parent
            turn.lock, turn.inside, turn.job = threading.RLock(), False, None
    _after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork_in_child)
