"""Windows, gathers and attention against PyTorch and JAX: a training step of each, in float32 on two threads.

``python -m tests.benchmarks.convolutions [--rounds R] [--only WORD …]`` prints the median milliseconds of a step, and
each peer's over ours. Every peer has its own process, and they take turns; one that is not installed is left out.
``--cold`` prints the seconds from the declaration to the end of the first step, with nothing in the cache.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks.timing import SETTLE
from tests.benchmarks.workloads import WORKLOADS

ROUNDS, STEPS = 5, 100
SECONDS = 0.3
"""Of a sample of a peer."""
MODULES = {"PyTorch": "torch", "JAX": "jax", "symgraph": "symgraph"}


def measured(step: Callable[[], object], steps: int = STEPS) -> float:
    """Median milliseconds of a step."""
    for _ in range(min(steps, 10)):
        step()
    times = []
    for _ in range(steps):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e3


class Process:
    """A peer that runs a workload when it is asked to, in a process of its own."""

    def __init__(self, workload: str, peer: str) -> None:
        command = [sys.executable, "-m", "tests.benchmarks.convolutions", "--peer", peer, "--only", workload]
        self.process = subprocess.Popen(
            command, cwd=Path(__file__).parents[2], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def milliseconds(self) -> float:
        assert self.process.stdin is not None and self.process.stdout is not None
        print(file=self.process.stdin, flush=True)
        return float(self.process.stdout.readline())

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


def serve(workload: str, peer: str) -> None:
    """Answer every line of standard input with the median milliseconds of a step."""
    found = WORKLOADS[workload][peer]()
    assert found is not None
    run, steps = found
    run()
    start = time.perf_counter()
    run()
    repeats = max(3, int(SECONDS / (time.perf_counter() - start)))
    for _ in sys.stdin:
        print(measured(run, repeats) / steps, flush=True)


def compared(workload: str, rounds: int) -> dict[str, float]:
    """Median milliseconds of a step of every peer that is installed."""
    present = [peer for peer in WORKLOADS[workload] if importlib.util.find_spec(MODULES[peer])]
    processes = {peer: Process(workload, peer) for peer in present}
    try:
        for process in processes.values():
            process.milliseconds()  # compiles
        samples: dict[str, list[float]] = {peer: [] for peer in present}
        for _ in range(rounds):
            for peer, process in processes.items():
                time.sleep(SETTLE)
                samples[peer].append(process.milliseconds())
        return {peer: statistics.median(found) for peer, found in samples.items()}
    finally:
        for process in processes.values():
            process.close()


def cold_seconds(workload: str) -> float:
    """Seconds from the declaration to the end of the first step, imports apart, with nothing in the cache."""
    text = (
        "import sys, time, codegen, symgraph; from tests.benchmarks.workloads import WORKLOADS; "
        "start = time.perf_counter(); WORKLOADS[sys.argv[1]]['symgraph']()[0](); print(time.perf_counter() - start)"
    )
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-c", text, workload], cwd=Path(__file__).parents[2], capture_output=True, text=True,
            check=True, env=os.environ | {"SYMGRAPH_CACHE": folder},
        )  # fmt: skip
    return float(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--only", nargs="*", default=[""], help="words of the workloads to run")
    parser.add_argument("--cold", action="store_true", help="seconds of compiling in place of milliseconds of a step")
    parser.add_argument("--peer", choices=MODULES, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.peer:
        serve(given.only[0], given.peer)
        return
    for workload in WORKLOADS:
        if not any(word in workload for word in given.only):
            continue
        if given.cold:
            print(f"{workload:40} {cold_seconds(workload):6.2f} s")
            continue
        times = compared(workload, given.rounds)
        cells = (f"{peer} {found:8.3f} ms {found / times['symgraph']:5.2f} ×" for peer, found in times.items())
        print(f"{workload:40}", "   ".join(cells), flush=True)


if __name__ == "__main__":
    main()
