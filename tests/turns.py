"""Two threads of a program run as plain Python, one at a time, from meeting to meeting: what is missing shows at once.

Whoever goes first runs as far as the next meeting before the other does anything. Where two threads should have met and
do not, one reads what the other has not written yet, in one order or in the other.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from codegen.run.executable import Executable

ORDERS = ((0, 1), (1, 0))


class InTurns:
    """Stands in for the entry of an executable that runs as plain Python."""

    def __init__(self, executable: Executable, order: Sequence[int]) -> None:
        entry = executable.entry
        self.function, self.order = getattr(entry, "function"), order  # noqa: B009  of a PythonEntry, or of another order
        self.team_address = entry.team_address
        self.function.__globals__["barrier"] = self.meet
        self.running: dict[int, _Runner] = {}
        executable.most_threads, executable._largest = len(order), None  # scratch memory for each of them
        executable.entry = self  # type: ignore[assignment]

    def meet(self, sync: Any, threads: int) -> None:
        """Called by a thread at a meeting: the next one's turn."""
        self.running[threading.get_ident()].wait()

    def call(self, address: int) -> None:
        runners = [_Runner(self, address, thread) for thread in self.order]
        while runners:
            for runner in runners:
                runner.go_on()
            runners = [runner for runner in runners if not runner.ended]
        self.running.clear()


class _Runner(threading.Thread):
    """One thread of a program, which goes on when told to."""

    def __init__(self, turns: InTurns, address: int, number: int) -> None:
        super().__init__(daemon=True)
        self.turns, self.address, self.number = turns, address, number
        self.turn, self.stopped = threading.Semaphore(0), threading.Semaphore(0)
        self.ended, self.error = False, None  # type: bool, Exception | None
        self.start()

    def go_on(self) -> None:
        """Until it meets the others or ends."""
        self.turn.release()
        self.stopped.acquire()
        if self.error is not None:
            raise self.error

    def wait(self) -> None:
        """Until it is told to go on."""
        self.stopped.release()
        self.turn.acquire()

    def run(self) -> None:
        self.turn.acquire()
        self.turns.running[threading.get_ident()] = self
        try:
            with np.errstate(all="ignore"):
                self.turns.function(self.address, self.number, len(self.turns.order))
        except Exception as error:
            self.error = error
        self.ended = True
        self.stopped.release()
