"""Compiles generated source: natively through Numba, or as plain Python on flat arrays.

The source is written to a real file, so that tracebacks, profilers and readers find it.
"""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

from codegen import cache

Entry = Callable[[int], None]
"""Runs a program; the argument is the address of its packed words."""


def native_entry(source: str, name: str = "entry") -> Entry:
    """The entry of a source, from the cache or compiled."""
    from codegen.native import load_entry

    key = cache.key_of(source, name)
    stored = cache.load(key)
    if stored is not None:
        return load_entry(stored, name)
    from codegen.native import compile_entry

    module = _module(source, cache.source_file(key, source))
    code, symbol = compile_entry(getattr(module, name), name)
    cache.store(key, code)
    return load_entry(code, symbol)


def python_entry(source: str, name: str = "entry") -> Entry:
    """The entry of a source, un-jitted: every kernel is the Python function that one reads."""
    module = _module(source, cache.source_file(cache.key_of(source, name), source))
    for known, value in list(vars(module).items()):
        if hasattr(value, "py_func"):
            setattr(module, known, value.py_func)
    function = getattr(module, name)
    return lambda address: function(address, 0, 1)


def _module(source: str, file: Path) -> types.ModuleType:
    """The source as a module. Its functions, and those it imports from us, are jitted unless the process runs as Python."""
    module = types.ModuleType(f"symgraph_generated_{file.stem}")
    module.__file__ = str(file)
    sys.modules[module.__name__] = module
    exec(compile(source, str(file), "exec"), module.__dict__)  # noqa: S102  the source is our own emitter's
    return module


def threads_available() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
