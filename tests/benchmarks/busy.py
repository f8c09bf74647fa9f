"""A busy machine: a step of ours on one thread and on all, and of peers, beside processes that never rest.

Wanted: all our threads are not slower than the best peer, nor than our one thread by more than a fifth.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Mapping

from codegen.host.placement import threads_available
from tests.benchmarks.networks import Network
from tests.benchmarks.timing import repeats_of
from tests.benchmarks.worker import Worker

NETWORKS = (Network((784, 500, 10), 100), Network((784, 50, 10), 100), Network((64, 50, 10), 32))
PEERS = {
    "one thread": ("symgraph call", 1), "all threads": ("symgraph call", None),
    "epochs, one": ("symgraph loop", 1), "epochs, all": ("symgraph loop", None),
    "JAX": ("JAX jit", None), "JAX scan": ("JAX scan", None), "PyTorch": ("PyTorch", None),
}  # fmt: skip
"""What stands in a column: a peer, and how many threads it is told to take."""
SPIN = "print(flush=True)\nwhile True: pass"


def seconds_beside(
    network: Network,
    load: int | None = None,
    seconds: float = 0.3,
    rounds: int = 7,
    peers: Mapping[str, tuple[str, int | None]] = PEERS,
) -> dict[str, float]:
    """Median seconds of a step of every peer that is installed, beside so many processes; by default all processors
    but one are taken."""
    load = max(1, threads_available() - 1) if load is None else load
    workers = {name: Worker(peer, network, threads) for name, (peer, threads) in peers.items()}
    spinning = [subprocess.Popen([sys.executable, "-c", SPIN], stdout=subprocess.PIPE) for _ in range(load)]
    try:
        for process in spinning:
            assert process.stdout is not None
            process.stdout.readline()
        present = {name: worker for name, worker in workers.items() if worker.steps}
        repeats = {name: repeats_of(worker, seconds) for name, worker in present.items()}
        samples: dict[str, list[float]] = {name: [] for name in present}
        for _ in range(rounds):
            for name, worker in present.items():
                samples[name].append(worker.seconds(repeats[name]))
        return {name: statistics.median(values) for name, values in samples.items()}
    finally:
        for process in spinning:
            process.kill()
            process.wait()
        for worker in workers.values():
            worker.close()
