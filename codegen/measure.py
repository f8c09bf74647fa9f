"""Measures the kernels of a program one by one, on arrays of its own: those of the last call may be gone."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np

from codegen import interface as words
from codegen import jit
from codegen.emit_driver import measure_text
from codegen.executable import Executable
from codegen.ir import Buffer
from codegen.native import Entry

SECONDS = 0.01
"""Time spent on each of the repetitions."""


def measured(executable: Executable, sizes: Mapping[str, int]) -> list[float]:
    """Seconds of every kernel on one thread at sizes by the names of the program: the least of five repetitions."""
    compiled = executable.compiled
    functions = compiled.source.functions
    extra = measure_text(compiled.program, functions, compiled.arena, compiled.scratch, compiled.interface)
    entry = jit.entry(f"{executable.source}\n\n{extra}", "measure")
    program = executable.entry
    interface = compiled.interface
    kept = {
        at: executable.words[at]
        for at in (words.TABLE, words.SCHEDULE, *interface.addresses.values(), *interface.sizes.values())
    }
    executable.resize({name: sizes[known] for name, known in zip(executable.size_names, interface.sizes, strict=True)})
    arrays = {name: _sample(compiled.program.buffers[name], executable, name) for name in interface.addresses}
    try:
        for name, array in arrays.items():
            if compiled.program.buffers[name].role != "constant":
                executable.words[interface.addresses[name]] = array.ctypes.data
        jit.launch(program, executable.address, 1)
        return [_seconds(executable, entry, number) for number in range(len(compiled.program.kernels))]
    finally:
        for at, word in kept.items():
            executable.words[at] = word


def _sample(buffer: Buffer, executable: Executable, name: str) -> np.ndarray:
    """Labels 0, all else small and positive, so that no value is infinite, and none is slow for being subnormal."""
    shape, dtype = executable.shape(name), executable.type_of(name)
    if dtype.kind == "i":
        return np.zeros(shape, dtype)
    return np.random.default_rng(0).uniform(0.1, 0.2, shape).astype(dtype)


def _seconds(executable: Executable, entry: Entry | jit.PythonEntry, number: int) -> float:
    executable.words[words.SCHEDULE] = number
    repeat, best = 1, np.inf
    while True:
        executable.words[words.TABLE] = repeat
        start = time.perf_counter()
        entry(executable.address)
        spent = time.perf_counter() - start
        if spent >= SECONDS or repeat >= 1 << 20:
            break
        repeat *= 4
    for _ in range(5):
        start = time.perf_counter()
        entry(executable.address)
        best = min(best, time.perf_counter() - start)
    return float(best) / repeat
