"""``doctor``: what is installed, what the machine is, and whether a step compiles, runs and computes what it should."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import numpy as np

import symgraph as sg
from codegen import backend
from codegen.host import cache, placement
from codegen.run.training import TrainStep, train_step
from symgraph.commands import DONE, NO, Answer
from symgraph.reference import evaluate

NEEDED = ("sympy", "numpy", "numba", "llvmlite")
EXTRAS = {
    "scikit-learn": "sklearn", "safetensors": "io", "scipy": "optimise", "iminuit": "optimise",
    "lightgbm": "boosting", "xgboost": "boosting",
}  # fmt: skip
"""What serves somebody, and the extra that installs it."""
ALSO = {"xgboost": "xgboost-cpu"}
"""Another distribution of the same package."""
VARIABLES = ("CACHE", "CHECK", "DEBUG", "DUMP", "PYTHON", "THREADS")
ROWS, FEATURES, HIDDEN, CLASSES = 256, 64, 128, 10
"""Of the step that is tried: large enough to be worth two threads."""
BOUNDS = {"float32": 1e-5, "float64": 1e-13}
"""How far a step may be from the reference, relative to the largest value."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; ``good`` is None where it is only told."""

    name: str
    said: str
    good: bool | None = None

    def __str__(self) -> str:
        mark = {True: "ok", False: "FAILED", None: ""}[self.good]
        return f"{self.name:20} {mark:6} {self.said}".rstrip()


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes: nothing of its own."""


def answer(given: argparse.Namespace) -> Answer:
    """All checks; the status says whether any failed."""
    found = [*_installed(), *_machine(), *_settings(), _tried("cache", _kept), *_step()]
    bad = [check.name for check in found if check.good is False]
    last = f"failed: {', '.join(bad)}" if bad else "all is well"
    record = {"good": not bad, "checks": [asdict(check) for check in found]}
    return Answer("\n".join([*map(str, found), last]), record, NO if bad else DONE)


def _installed() -> Iterator[Check]:
    yield Check("symgraph", f"{sg.__version__} in {os.path.dirname(sg.__file__)}")
    yield Check("python", f"{platform.python_version()} ({platform.python_implementation()}), {sys.executable}",
                sys.version_info >= (3, 11))  # fmt: skip
    for package in NEEDED:
        version = _version(package)
        yield Check(package, version or "is not installed", version is not None)
    for package, extra in EXTRAS.items():
        version = _version(package) or _version(ALSO.get(package, package))
        yield Check(package, version or f"is not installed; pip install 'symgraph[{extra}]'")


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _machine() -> Iterator[Check]:
    width, count = backend.register_file()
    yield Check("processor", f"{backend.processor_name()} ({platform.machine()}), {platform.platform()}")
    yield Check("vectors", f"{count} registers of {8 * width} bits: {width // 4} numbers of float32")
    quota = placement.processor_quota()
    limit = "" if quota is None else f", a quota of {quota:g}"
    yield Check("threads", f"{placement.thread_limit(None)} of {os.cpu_count()} processors, "
                f"{placement.threads_available()} may be used{limit}")  # fmt: skip
    can_move = "threads can be placed" if placement.is_known() else "threads cannot be placed: the system decides"
    yield Check("placement", can_move)


def _settings() -> Iterator[Check]:
    for name, value in sorted(os.environ.items()):
        if name.startswith("SYMGRAPH_"):
            is_known = name.removeprefix("SYMGRAPH_") in VARIABLES
            known = ", ".join(f"SYMGRAPH_{variable}" for variable in VARIABLES)
            yield Check(name, value if is_known else f"is no variable; there are {known}", is_known)


def _tried(name: str, run: Callable[[], Check]) -> Check:
    """What a check says, or the error that it raised."""
    try:
        return run()
    except Exception as error:  # whatever is broken here is what a doctor is asked for
        return Check(name, f"{type(error).__name__}: {error}", False)


def _kept() -> Check:
    folder = cache.folder()
    if folder is None:
        is_off = os.environ.get("SYMGRAPH_CACHE") == "off"
        told = "is switched off" if is_off else "no folder can be made that belongs to this user alone"
        return Check("cache", f"{told}: every process compiles anew", is_off)
    key, code = f"{os.getpid():064x}", os.urandom(64)
    cache.store(key, code)
    good = cache.load(key) == code
    (folder / f"{key}.o").unlink(missing_ok=True)
    return Check("cache", f"{folder}" + ("" if good else " cannot be written and read"), good)


@contextmanager
def _empty_cache() -> Iterator[None]:
    """An empty cache, so that what is tried is compiled, and then loaded."""
    before = os.environ.get("SYMGRAPH_CACHE")
    with tempfile.TemporaryDirectory(prefix="symgraph-doctor-") as folder:
        os.environ["SYMGRAPH_CACHE"] = folder
        try:
            yield
        finally:
            os.environ.pop("SYMGRAPH_CACHE")
            if before is not None:
                os.environ["SYMGRAPH_CACHE"] = before


def _step() -> Iterator[Check]:
    with _empty_cache():
        for dtype in BOUNDS:
            yield _tried(f"step in {dtype}", lambda dtype=dtype: _right(dtype))  # type: ignore[misc]
        yield _tried("threads agree", _agree)


def _declared(dtype: str, threads: int | None = None) -> TrainStep:
    x, t = sg.input("x", (sg.dim("N"), FEATURES)), sg.labels("t", (sg.dim("N"),), classes=CLASSES)
    net = sg.nn.Sequential(sg.nn.Linear(FEATURES, HIDDEN), sg.nn.Tanh(), sg.nn.Linear(HIDDEN, CLASSES))
    return train_step(sg.cross_entropy(net(x), t), sg.SGD(lr=0.1, momentum=0.9), dtype=dtype, threads=threads)


def _given(step: TrainStep) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    random = np.random.default_rng(0)
    data = {"x": random.normal(size=(ROWS, FEATURES)).astype(step.dtype), "t": random.integers(0, CLASSES, ROWS)}
    return step.init(seed=0), data


def _right(dtype: str) -> Check:
    """Two steps as compiled, against the obvious evaluator in float64."""
    step = _declared(dtype)
    params, data = _given(step)
    started = time.perf_counter()
    native = not step.executable.runs_as_python
    _ = step.executable.entry
    prepared = time.perf_counter() - started
    leaves, values = zip(*step.formulas.request.updates, strict=True)
    worst = 0.0
    for _ in range(2):
        known = {**params, **data, **step.state, **dict(step.hyper)}
        loss, *after = evaluate([step.loss, *values], {name: np.array(value) for name, value in known.items()})
        given = step(params, **data)
        pairs = [(given, loss)] + [
            ({**params, **step.state}[str(leaf.name)], value) for leaf, value in zip(leaves, after, strict=True)
        ]
        worst = max(worst, *(float(np.max(np.abs(ours - true))) / float(np.max(np.abs(true))) for ours, true in pairs))
    kind = f"compiled in {prepared:.1f} s" if native else "run as plain Python"
    good = worst <= BOUNDS[dtype]
    return Check(f"step in {dtype}", f"{kind}; {worst:.1e} from the reference (at most {BOUNDS[dtype]:g})", good)


def _agree() -> Check:
    """The same bits on one thread and on all; the program comes from the cache that was filled before."""
    found = []
    for threads in (1, None):
        step = _declared("float32", threads)
        params, data = _given(step)
        losses = [step(params, **data) for _ in range(2)]
        found.append((losses, params, step.executable))
    (one, first, _), (all_, second, executable) = found
    same = one == all_ and all(np.array_equal(first[name], second[name]) for name in first)
    loaded = "" if "compile" in executable.seconds else ", loaded from the cache"
    return Check("threads agree", f"1 and {executable.threads} threads{loaded}: "
                 f"{'the same bits' if same else 'different numbers'}", same)  # fmt: skip
