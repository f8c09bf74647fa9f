"""Measures the kernels of a program one by one, on arrays of its own: those of the last call may be gone."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np

from codegen.executable import Executable
from codegen.ir import Buffer
from codegen.native import Entry

SECONDS = 0.01
"""Time spent on each of the repetitions."""


def measured(executable: Executable, sizes: Mapping[str, int]) -> list[float | None]:
    """Seconds of every kernel on one thread at sizes by the names of the program: the least of five repetitions.

    None for each where the program runs as plain Python.
    """
    compiled, entry = executable.compiled, executable.entry
    if not isinstance(entry, Entry):
        return [None] * len(compiled.program.kernels)
    interface = compiled.interface
    kept = {at: executable.words[at] for at in (*interface.addresses.values(), *interface.sizes.values())}
    executable.resize({name: sizes[known] for name, known in zip(executable.size_names, interface.sizes, strict=True)})
    arrays = {name: _sample(compiled.program.buffers[name], executable, name) for name in interface.addresses}
    try:
        for name, array in arrays.items():
            if compiled.program.buffers[name].role != "constant":
                executable.words[interface.addresses[name]] = array.ctypes.data
        entry.call(executable.address)
        return [_seconds(entry, executable.address, number) for number in range(len(compiled.program.kernels))]
    finally:
        for at, word in kept.items():
            executable.words[at] = word


def _sample(buffer: Buffer, executable: Executable, name: str) -> np.ndarray:
    """Labels 0, all else small and positive, so that no value is infinite, and none is slow for being subnormal."""
    shape, dtype = executable.shape(name), executable.type_of(name)
    if dtype.kind == "i":
        return np.zeros(shape, dtype)
    return np.random.default_rng(0).uniform(0.1, 0.2, shape).astype(dtype)


def _seconds(entry: Entry, address: int, number: int) -> float:
    repeats = 1
    while (spent := _once(entry, address, number, repeats)) < SECONDS and repeats < 1 << 20:
        repeats *= 4
    return min(spent, *(_once(entry, address, number, repeats) for _ in range(5))) / repeats


def _once(entry: Entry, address: int, number: int, repeats: int) -> float:
    start = time.perf_counter()
    entry.run_kernel(address, number, repeats)
    return time.perf_counter() - start
