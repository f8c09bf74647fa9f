"""Programs in child processes: one that hangs, dies or leaks is a finding, and harms nobody."""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import multiprocessing
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from tests.fuzz.compare import Finding
from tests.fuzz.execute import Options, Result, execute
from tests.fuzz.programs import Program

PROGRAMS_A_CHILD = 150
"""A child is replaced after as many programs, so that what is left behind by one cannot fill the memory."""
IDLE, POLL = 8, 0.5
"""A limit counts a child's processor seconds, or ``IDLE`` times as many of the clock; both are looked at so often. A
clock that went on while all of us were stopped does not count."""


@dataclass
class _Child:
    process: Any
    connection: Connection
    log: str
    done: int = 0
    job: Any = None
    waited: float = 0.0
    looked: float = 0.0
    spent: float = 0.0
    ready: bool = False


def _serve(connection: Connection, log: str, prepare: Callable[[], None] | None) -> None:
    with open(log, "w") as file:
        faulthandler.enable(file)
        if hasattr(faulthandler, "register"):  # a thread that looks at frames which another runs may end the process
            faulthandler.register(signal.SIGUSR1, file, all_threads=False)
        with contextlib.redirect_stdout(file):
            for module in ("symgraph", "codegen"):
                importlib.import_module(module)
            if prepare is not None:
                prepare()
            connection.send("ready")
            while (job := connection.recv()) is not None:
                connection.send(execute(*job))


class Pool:
    """Children that run programs; ``prepare`` runs once in each, before its first."""

    def __init__(self, count: int, seconds: float, prepare: Callable[[], None] | None = None) -> None:
        self.seconds, self.prepare = seconds, prepare
        self._context = multiprocessing.get_context("spawn")
        self._children = [self._start() for _ in range(count)]

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: Any) -> None:
        for child in self._children:
            self._end(child)

    def run(self, program: Program, options: Options) -> Result:
        """One program."""
        return next(iter(self.results([(program, options)])))[1]

    def results(self, jobs: Iterable[tuple[Program, Options]]) -> Iterator[tuple[Program, Result]]:
        """Results as they come; jobs are drawn when a child is free."""
        waiting = iter(jobs)
        more = True
        while True:
            for position, child in enumerate(self._children):
                if more and child.job is None:
                    job = next(waiting, None)
                    more = job is not None
                    if job is not None:
                        self._children[position] = self._give(child, job)
            busy = [child for child in self._children if child.job is not None]
            if not busy:
                return
            wait([child.connection for child in busy], timeout=POLL)
            for position, child in enumerate(self._children):
                outcome = self._collect(child) if child.job is not None else None
                if outcome is not None:
                    program, child.job = child.job, None
                    if child.process.exitcode is not None or any(found.kind == "hangs" for found in outcome.findings):
                        self._end(child)
                        self._children[position] = self._start()
                    yield program, outcome

    def _start(self) -> _Child:
        ours, theirs = self._context.Pipe()
        handle, log = tempfile.mkstemp(prefix="fuzz-", suffix=".log")
        os.close(handle)
        process = self._context.Process(target=_serve, args=(theirs, log, self.prepare), daemon=True)
        process.start()
        theirs.close()
        return _Child(process, ours, log)

    def _give(self, child: _Child, job: tuple[Program, Options]) -> _Child:
        if child.done >= PROGRAMS_A_CHILD:
            self._end(child)
            child = self._start()
        if not child.ready:  # importing counts for no program
            child.connection.recv()
            child.ready = True
        child.job, child.done = job[0], child.done + 1
        child.spent = _processor_seconds(child.process.pid)
        child.waited, child.looked = 0.0, time.monotonic()
        child.connection.send(job)
        return child

    def _collect(self, child: _Child) -> Result | None:
        """What a child has to say: its result, its death, that it hangs; None if it still works."""
        if child.connection.poll():
            try:
                return child.connection.recv()  # type: ignore[no-any-return]
            except EOFError:
                child.process.join(5)
                return Result([_death(child)])
        spent, now = _processor_seconds(child.process.pid) - child.spent, time.monotonic()
        child.waited, child.looked = child.waited + min(now - child.looked, 2 * POLL), now
        return Result([_hang(child)]) if spent > self.seconds or child.waited > IDLE * self.seconds else None

    def _end(self, child: _Child) -> None:
        child.process.kill()
        child.process.join(5)
        child.connection.close()
        with contextlib.suppress(OSError):
            os.unlink(child.log)


def _processor_seconds(process: int) -> float:
    """What a process has used, from /proc; 0 where there is none, so that the clock alone counts."""
    try:
        with open(f"/proc/{process}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _hang(child: _Child) -> Finding:
    """What a child does that gives no result."""
    if hasattr(faulthandler, "register"):
        os.kill(child.process.pid, signal.SIGUSR1)
        time.sleep(POLL)
    return Finding("hangs", f"no result within the time limit; {'; '.join(_lines(child))}", 0)


def _death(child: _Child) -> Finding:
    code = child.process.exitcode
    return Finding("dies", f"exit code {code}; {'; '.join(_lines(child))}", 0, f"exit {code}")


def _lines(child: _Child) -> list[str]:
    """The innermost lines of the tested packages in what a child has written, the last one, whichever there are."""
    with open(child.log, errors="replace") as file:
        lines = [line.strip() for line in file if "File" in line]
    return [line for line in lines if "/codegen/" in line or "/symgraph/" in line][:3] or lines[:3]
