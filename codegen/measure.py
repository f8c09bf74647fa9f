"""Measures the kernels of a program one by one, on the arrays of its last call, which it leaves as they were."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Mapping

import numpy as np

from codegen import interface as words
from codegen import jit
from codegen.cost import ITEM_BYTES, elements
from codegen.emit_driver import measure_text
from codegen.executable import Executable

SECONDS = 0.01
"""Time spent on each of the repetitions."""


def measured(executable: Executable, sizes: Mapping[str, int]) -> list[float]:
    """Seconds of every kernel on one thread: the least of five repetitions."""
    compiled = executable.compiled
    functions = compiled.source.functions
    extra = measure_text(compiled.program, functions, compiled.arena, compiled.scratch, compiled.interface)
    entry = jit.entry(f"{executable.source}\n\n{extra}", "measure")
    kept = {
        executable.words[at]: _copy(executable, name, at, sizes) for name, at in compiled.interface.addresses.items()
    }
    table, schedule = executable.words[words.TABLE], executable.words[words.SCHEDULE]
    try:
        return [_seconds(executable, entry, number) for number in range(len(compiled.program.kernels))]
    finally:
        executable.words[words.TABLE], executable.words[words.SCHEDULE] = table, schedule
        for address, content in kept.items():
            ctypes.memmove(address, content, len(content))


def _copy(executable: Executable, name: str, position: int, sizes: Mapping[str, int]) -> bytes:
    buffer = executable.compiled.program.buffers[name]
    size = elements(buffer, sizes) * ITEM_BYTES.get(buffer.dtype, executable.dtype.itemsize)
    return ctypes.string_at(executable.words[position], size)


def _seconds(executable: Executable, entry: jit.Entry | jit.PythonEntry, number: int) -> float:
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
