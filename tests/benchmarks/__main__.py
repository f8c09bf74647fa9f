"""Measure against peers in one run: ``python -m tests.benchmarks``. Prints tables; ``--save FILE`` keeps them as JSON.

A peer that is not installed is skipped with a line. Times are medians of interleaved runs, ratios are of medians.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.metadata
import json
import os
import platform
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from codegen.host.placement import threads_available
from codegen.inspect import peak
from tests.benchmarks import busy, elementwise, inference, mnist, processes
from tests.benchmarks.networks import NETWORKS
from tests.benchmarks.peers import PEERS
from tests.benchmarks.timing import OTHERS, medians, process_medians

SECTIONS = ("steps", "busy", "elementwise", "inference", "import", "compile", "digits", "mnist")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sections", nargs="*", default=list(SECTIONS), help=f"of {', '.join(SECTIONS)}")
    parser.add_argument("--full", action="store_true", help="relu and tanh, both dtypes, batches 1, 16, 128, 1024")
    parser.add_argument("--networks", type=int, nargs="*", help="positions of the networks to measure")
    parser.add_argument("--peers", nargs="*", default=list(PEERS), help=f"in steps, of {', '.join(PEERS)}")
    parser.add_argument("--against", type=Path, help="in steps, another checkout of this project, as a peer")
    parser.add_argument("--mnist", default=os.environ.get("MNIST"), help="folder of the four IDX files ($MNIST)")
    parser.add_argument("--seconds", type=float, default=0.15, help="of every sample of a step (0.15)")
    parser.add_argument("--save", help="write the results to this JSON file")
    options = parser.parse_args(arguments)
    results: dict[str, Any] = {"machine": machine()}
    print(*(f"{key}: {value}" for key, value in results["machine"].items()), sep="\n")
    for section in options.sections:
        print(f"\n## {section}")
        results[section] = globals()[f"measure_{section}"](options)
    if options.save:
        with open(options.save, "w", encoding="utf-8") as file:
            json.dump(results, file, indent=1)


def machine() -> dict[str, str]:
    """CPU, threads and versions."""
    model = platform.processor()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            model = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), model)
    packages = ("numpy", "numba", "sympy", "torch", "jax", "pytensor", "scikit-learn")
    versions = {}
    for package in packages:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            print(f"{package} is not installed: skipped")
    return {"cpu": model, "cores": str(os.cpu_count()), "python": platform.python_version(), **versions}


def measure_steps(options: argparse.Namespace) -> list[dict[str, Any]]:
    networks = [NETWORKS[k] for k in options.networks] if options.networks else list(NETWORKS)
    if options.full:
        networks = [
            dataclasses.replace(network, activation=activation, dtype=dtype, batch=batch)
            for network in networks
            for activation in ("relu", "tanh")
            for dtype in ("float32", "float64")
            for batch in sorted({network.batch, 1, 16, 128, 1024})
        ]
    rows = []
    peers = [name for name in PEERS if name in options.peers or name == "symgraph loop"]
    columns = [*peers, *(OTHERS if options.against else ())]
    print(f"{'µs a step, ratio to our loop':36}", *(f"{name:>16}" for name in columns), f"{'of peak':>8}")
    for network in networks:
        times = process_medians(network, options.seconds, peers, against=options.against)
        ours = times["symgraph loop"]
        reached = network.operations / ours / (peak.flops_a_second(network.dtype) * threads_available())
        cells = [f"{times[n] * 1e6:9.1f} {times[n] / ours:5.2f}×" if n in times else "–" for n in columns]
        print(f"{network.name:36}", *(f"{cell:>16}" for cell in cells), f"{reached:8.0%}")
        rows.append(
            {"network": network.name, "operations": network.operations, "seconds": times, "fraction of peak": reached}
        )
    return rows


def measure_busy(options: argparse.Namespace) -> list[dict[str, Any]]:
    rows = []
    print(f"{'µs a step beside a spinning process':36}", *(f"{name:>11}" for name in busy.PEERS))
    for network in busy.NETWORKS:
        times = busy.seconds_beside(network, seconds=2 * options.seconds)
        cells = [f"{times[name] * 1e6:.1f}" if name in times else "–" for name in busy.PEERS]
        print(f"{network.name:36}", *(f"{cell:>11}" for cell in cells))
        rows.append({"network": network.name, "seconds": times})
    return rows


def measure_elementwise(options: argparse.Namespace) -> dict[str, Any]:
    times = _one_run_each(elementwise.RUNS.items())
    bandwidth = elementwise.stream_bandwidth()
    reached = elementwise.BYTES / times["symgraph"]
    print(f"stream {bandwidth / 1e9:.1f} GB/s, reached {reached / 1e9:.1f} GB/s: {reached / bandwidth:.0%}")
    return {"seconds": times, "bandwidth": bandwidth, "fraction": reached / bandwidth}


def measure_inference(options: argparse.Namespace) -> dict[str, Any]:
    return {"seconds": _one_run_each(inference.RUNS.items())}


def _one_run_each(makers: Iterable[tuple[str, Callable[[], Any]]]) -> dict[str, float]:
    runs = {name: (run, 1) for name, make in makers if (run := make()) is not None}
    times = medians(runs, seconds=1.0)
    for name, seconds in times.items():
        print(f"{name:16}{seconds * 1e6:12.1f} µs   {seconds / times['symgraph']:6.2f} × symgraph")
    return times


def measure_import(options: argparse.Namespace) -> dict[str, float]:
    times = processes.import_seconds()
    for name, seconds in times.items():
        print(f"{name:20}{seconds:7.3f} s   {seconds / times['SymPy']:6.2f} × SymPy")
    return times


def measure_compile(options: argparse.Namespace) -> dict[str, Any]:
    found = {}
    for title, sizes in {
        "784-50-10": (784, 50, 10),
        "10 layers": (64,) * 10 + (10,),
        "50 layers": (64,) * 50 + (10,),
        "100 layers": (64,) * 100 + (10,),
    }.items():
        found[title] = processes.compile_seconds(sizes, rounds=3 if len(sizes) < 9 else 1)
        for kind, stages in found[title].items():
            print(f"{title:12}{kind:8}", "  ".join(f"{stage} {seconds:.4f} s" for stage, seconds in stages.items()))
    for kind in ("cold", "cached"):
        total = {title: sum(found[title][kind].values()) for title in ("50 layers", "100 layers")}
        print(f"100:50 layers, {kind}: {total['100 layers'] / total['50 layers']:.2f}")
    return found


def measure_digits(options: argparse.Namespace) -> dict[str, float]:
    return _shown(processes.digits_seconds())


def measure_mnist(options: argparse.Namespace) -> dict[str, float]:
    if not options.mnist:
        print("no folder of IDX files is given (--mnist DIR, or $MNIST): skipped")
        return {}
    return _shown(mnist.seconds_to_goal(options.mnist))


def _shown(times: dict[str, float]) -> dict[str, float]:
    for name, seconds in times.items():
        print(f"{name:14}{seconds:7.2f} s   {seconds / times['symgraph']:6.2f} × symgraph")
    return times


if __name__ == "__main__":
    main()
