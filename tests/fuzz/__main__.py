"""``python -m tests.fuzz --minutes 30 --seed 1``: run programs, minimise what is found, write scripts that show it."""

from __future__ import annotations

import argparse
import collections
import contextlib
import hashlib
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tests.fuzz.compare import Finding
from tests.fuzz.execute import Options, Result
from tests.fuzz.generate import generate
from tests.fuzz.minimise import minimise, signature
from tests.fuzz.pool import Pool
from tests.fuzz.programs import Program
from tests.fuzz.render import PLAIN
from tests.fuzz.script import script

MINIMISING_SECONDS = 10.0
"""Time limit of a program that is being minimised."""
SECONDS_A_FINDING = 40.0


def main(arguments: list[str] | None = None) -> int:
    """Command line; the exit code is 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1, help="where the programs' seeds start (in millions)")
    parser.add_argument("--programs", type=int, default=sys.maxsize, help="stop after as many")
    parser.add_argument("--native", type=float, default=0.1, help="the part that runs natively, on one and two threads")
    parser.add_argument("--children", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seconds", type=float, default=30.0, help="time limit of one program")
    parser.add_argument("--cost", action="store_true", help="check what gradients cost, too")
    parser.add_argument("--most", type=int, default=3, help="minimise as many findings of one kind and place")
    parser.add_argument("--out", type=Path, default=Path("fuzz-findings"))
    given = parser.parse_args(arguments)
    session = _Session(given)
    with contextlib.suppress(KeyboardInterrupt):  # what has been seen until then is told
        session.run()
    print(session.summary())
    return 1 if session.counts else 0


class _Session:
    def __init__(self, given: argparse.Namespace) -> None:
        self.given = given
        self.end = time.monotonic() + 60 * given.minutes
        self.counts: collections.Counter[str] = collections.Counter()
        self.refusals: collections.Counter[str] = collections.Counter()
        self.programs = self.compared = self.loose = 0
        self.found: list[tuple[Program, Finding]] = []

    def run(self) -> None:
        options = Options(styles=(PLAIN, 1), cost=self.given.cost)
        with Pool(self.given.children, self.given.seconds) as pool:
            for program, result in pool.results(self._jobs(options)):
                self._note(program, result)
        written: set[str] = set()
        with Pool(1, min(self.given.seconds, MINIMISING_SECONDS)) as pool:
            for program, finding in self.found:
                smallest, last = self._minimised(pool, program, finding)
                known = f"{finding.kind} {signature(smallest)}"
                if known not in written:
                    written.add(known)
                    self._write(smallest, last)

    def _jobs(self, options: Options) -> Iterator[tuple[Program, Options]]:
        first = self.given.seed * 1_000_000
        every = round(1 / self.given.native) if self.given.native else 0
        number = 0
        while time.monotonic() < self.end and number < self.given.programs:
            seed = first + number
            native = bool(every) and number % every == every - 1
            yield generate(seed, native), replace(options, styles=(PLAIN, seed + 1))
            number += 1

    def _note(self, program: Program, result: Result) -> None:
        self.programs += 1
        self.compared += result.tally.compared
        self.loose += result.tally.loose
        if result.refused:
            self.refusals[_kind_of_refusal(result.refused)] += 1
        for finding in {f.fingerprint: f for f in reversed(result.findings)}.values():
            self.counts[finding.fingerprint] += 1
            if self.counts[finding.fingerprint] <= self.given.most:
                print(f"{finding.fingerprint}: seed {program.seed}: {finding.text}", flush=True)
                self.found.append((program, finding))

    def _minimised(self, pool: Pool, program: Program, finding: Finding) -> tuple[Program, Finding]:
        """The smallest program found that shows it, and how it shows there."""
        options = Options(styles=tuple(dict.fromkeys((PLAIN, finding.style))), cost=finding.kind == "cost")
        last = [finding]

        def shows(smaller: Program) -> bool:
            found = [f for f in pool.run(smaller, options).findings if f.fingerprint == finding.fingerprint]
            last[:] = found or last
            return bool(found)

        return minimise(program, shows, SECONDS_A_FINDING), last[0]

    def _write(self, program: Program, finding: Finding) -> None:
        text = script(program, finding)
        self.given.out.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:6]
        name = "".join(c if c.isalnum() else "-" for c in finding.fingerprint)
        (self.given.out / f"{name[:80]}-{digest}.py").write_text(text, encoding="utf-8")

    def summary(self) -> str:
        """Counts of programs, numbers, refusals and findings."""
        lines = [f"{self.programs} programs, {self.compared} numbers compared, {self.loose} without a bound"]
        lines += [f"  refused {count:5d}  {text}" for text, count in self.refusals.most_common(25)]
        lines += [f"  found   {count:5d}  {text}" for text, count in self.counts.most_common()]
        return "\n".join(lines)


def _kind_of_refusal(text: str) -> str:
    """The message without the names and numbers in it."""
    words = [word for word in text.split() if word.isalpha() or word.endswith((":", ","))]
    return " ".join(words)[:100]


if __name__ == "__main__":
    sys.exit(main())
