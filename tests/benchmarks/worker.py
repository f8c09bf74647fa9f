"""One peer in a process of its own: reads how often to run, answers with seconds a step; idle in between.

Thread pools of different libraries spin for a while after their work; in one process they would take others' cores.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from tests.benchmarks.networks import Network
from tests.benchmarks.peers import PEERS

ROOT = Path(__file__).parents[2]


class Worker:
    """A running peer; ``seconds(repeats)`` is the time of one step of so many runs, each of ``steps``.

    ``steps`` is 0 where the peer is not installed. Ours is told how many ``threads`` to take, if it is; it is that of
    the checkout at ``root``.
    """

    def __init__(self, peer: str, network: Network, threads: int | None = None, root: Path = ROOT) -> None:
        environment = os.environ | {"PYTHONPATH": str(root)}
        environment |= {} if threads is None else {"SYMGRAPH_THREADS": str(threads)}
        command = [sys.executable, "-m", "tests.benchmarks.worker", peer, json.dumps(dataclasses.asdict(network))]
        self.process = subprocess.Popen(
            command, cwd=root, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        self.steps = int(self._read() or 0)

    def _read(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def seconds(self, repeats: int) -> float:
        assert self.process.stdin is not None
        print(repeats, file=self.process.stdin, flush=True)
        return float(self._read())

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


def main() -> None:
    """Serve one peer until standard input ends."""
    fields = json.loads(sys.argv[2])
    run = PEERS[sys.argv[1]](Network(**fields | {"sizes": tuple(fields["sizes"])}))
    if run is None:
        print(0, flush=True)
        return
    call, steps = run
    for _ in range(3):
        call()
    print(steps, flush=True)
    for line in sys.stdin:
        repeats = int(line)
        call()  # wakes the peer's threads
        start = time.perf_counter()
        for _ in range(repeats):
            call()
        print((time.perf_counter() - start) / (repeats * steps), flush=True)


if __name__ == "__main__":
    main()
