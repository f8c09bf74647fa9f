"""Progress of ``fit``: a line on standard error, from a counter that native code keeps."""

from __future__ import annotations

import sys
import time
from typing import Any, Protocol

from codegen.loops.epoch_words import STEPS
from codegen.run.history import History
from symgraph.core.misuse import pass_on

SECONDS_BETWEEN_LINES = 0.1


class Counted(Protocol):
    """What has a schedule, whose word ``STEPS`` counts."""

    table: Any


def is_watched() -> bool:
    """Whether somebody looks at standard error: a terminal, or a notebook."""
    try:
        return sys.stderr is not None and (sys.stderr.isatty() or type(sys.stderr).__module__.startswith("ipykernel."))
    except (ValueError, OSError, AttributeError) as error:  # closed, or no file at all
        pass_on(error)
        return False


class Watch:
    """Shows a counter of native code, now and then."""

    def __init__(self, plan: Counted, steps: int, shows: bool) -> None:
        self.plan, self.steps, self.shows = plan, steps, shows
        self.loss: float | None = None
        self.started = self.shown = time.perf_counter()

    def show(self) -> None:
        """A line, if the last is old."""
        if self.shows and time.perf_counter() - self.shown > SECONDS_BETWEEN_LINES:
            self.shown = time.perf_counter()
            self._show()

    def _show(self) -> None:
        if self.shows:
            done = self.plan.table[STEPS]
            rate = done / max(1e-9, time.perf_counter() - self.started)
            loss = "" if self.loss is None else f", loss {self.loss:.4g}"
            left = f", {(self.steps - done) / rate:.0f} s left" if 0 < done < self.steps else ""
            of = f"/{self.steps}" if self.steps else ""
            self._write(f"\r{done}{of} steps, {rate:.0f}/s{loss}{left}\x1b[K")

    def finish(self, history: History) -> None:
        """End the progress line."""
        if self.shows:
            self.loss = history.loss[-1] if history.loss else None
            self._show()
            ended = "" if history.ended == "epochs" else f", ended by {history.ended}"
            self._write(f", {history.seconds:.2f} s{ended}\n")

    def _write(self, text: str) -> None:
        """Training does not end because nobody can be told of it: at the first failure no more is shown."""
        try:
            if self.shows:
                print(text, end="", file=sys.stderr, flush=True)
        except Exception as error:  # a broken pipe, a closed file, or whatever stands for one
            pass_on(error)
            self.shows = False
