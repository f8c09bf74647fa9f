"""``python -m tests.hostile --rounds 1000 --seed 1``: all scenes, or some; each in a process with a time limit."""

from __future__ import annotations

import argparse
import faulthandler
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from tests.hostile import arguments, functions, interruptions, sharing, surroundings

SCENES: dict[str, Callable[[Random, int], None]] = {
    scene.__name__: scene
    for scene in (
        interruptions.signals_during_steps, interruptions.signals_during_fit, interruptions.exceptions_into_threads,
        interruptions.reentry_is_refused, sharing.threads_share_objects, sharing.forks,
        sharing.forks_between_whole_steps, sharing.forks_in_handlers, sharing.labels_change,
        sharing.values_become_nan, arguments.wrong_arguments, functions.wrong_arguments_of_functions,
        surroundings.killed_while_caching,
        surroundings.affinity_is_refused,
    )
}  # fmt: skip
ROOT = Path(__file__).parents[2]
SECONDS_TO_START, SECONDS_A_ROUND = 120, 1


def run_scenes(names: list[str], rounds: int, seed: int) -> str:
    """What went wrong in scenes that follow each other in one process; empty if nothing did."""
    limit = SECONDS_TO_START + rounds * SECONDS_A_ROUND * len(names)
    command = [sys.executable, "-X", "faulthandler", "-m", "tests.hostile", "--scenes", *names]
    command += ["--rounds", str(rounds), "--seed", str(seed)]
    settings = {key: value for key, value in os.environ.items() if key != "SYMGRAPH_PYTHON"}
    environment = {**settings, "PYTHONPATH": str(ROOT)}
    try:
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=limit + 30)
    except subprocess.TimeoutExpired as error:
        return f"{names}: no end after {limit + 30} s\n{error.stdout!r}\n{error.stderr!r}"
    said = f"{done.stdout[-2000:]}{done.stderr[-10_000:]}"
    return "" if done.returncode == 0 else f"{names}: exit {done.returncode}\n{said}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=list(SCENES), choices=list(SCENES))
    parser.add_argument("--scenes", nargs="*", choices=list(SCENES), help="run these scenes in this process")
    options = parser.parse_args()
    if options.scenes:
        limit = SECONDS_TO_START + options.rounds * SECONDS_A_ROUND * len(options.scenes)
        faulthandler.dump_traceback_later(limit, exit=True)
        for name in options.scenes:
            print(name, flush=True)
            SCENES[name](Random(options.seed), options.rounds)
        return 0
    failed = 0
    for name in options.only:
        started = time.perf_counter()
        wrong = run_scenes([name], options.rounds, options.seed)
        failed += bool(wrong)
        print(
            f"{'FAILED' if wrong else 'ok':7}{name:30}{time.perf_counter() - started:8.1f} s\n{wrong}".rstrip(),
            flush=True,
        )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
