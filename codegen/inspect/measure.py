"""Measures the kernels of a program one by one, on arrays of its own: those of the last call may be gone."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np

from codegen.inspect.peak import least_seconds
from codegen.loops.ir import Buffer
from codegen.run.executable import Executable


def measured(executable: Executable, sizes: Mapping[str, int]) -> tuple[list[float | None], float | None]:
    """Seconds of every kernel on one thread, and of the whole program on its threads, at sizes by the names in it.

    None for each where the program runs as plain Python.
    """
    entry, count = executable.entry, len(executable.compiled.program.kernels)
    if not entry.is_native:
        return [None] * count, None
    interface, buffers = executable.linked.interface, executable.linked.buffers
    kept = {at: executable.words[at] for at in (*interface.addresses.values(), *interface.sizes.values())}
    executable.resize({name: sizes[known] for name, known in zip(executable.size_names, interface.sizes, strict=True)})
    arrays = {name: _sample(buffers[name], executable, name) for name in interface.addresses}
    try:
        for name, array in arrays.items():
            if buffers[name].role != "constant":
                executable.words[interface.addresses[name]] = array.ctypes.data
        entry.call(executable.address)
        run, kernels = partial(executable.kernels.call_team, executable.address), range(count)
        return [least_seconds(partial(run, number)) for number in kernels], least_seconds(executable.run_often)
    finally:
        for at, word in kept.items():
            executable.words[at] = word


def _sample(buffer: Buffer, executable: Executable, name: str) -> np.ndarray:
    """Labels 0, all else small and positive, so that no value is infinite, and none is slow for being subnormal."""
    shape, dtype = executable.shape(name), executable.type_of(name)
    if dtype.kind == "i":
        return np.zeros(shape, dtype)
    return np.random.default_rng(0).uniform(0.1, 0.2, shape).astype(dtype)
