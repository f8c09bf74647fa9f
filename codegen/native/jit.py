"""Makes something that runs of generated source: object code through LLVM, or plain Python on flat arrays."""

from __future__ import annotations

import importlib
import linecache
import types
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from codegen.native.compile import compile_entry, compile_program

if TYPE_CHECKING:
    from codegen.loops.driver import Source


class PythonEntry:
    """An entry that runs un-jitted: every kernel is the Python function that one reads."""

    is_native = False

    def __init__(self, function: Callable[[int, int, int], None]) -> None:
        from codegen.native.native_call import PYTHON_ENTRIES

        self.function = function
        self.team_address = id(self)
        PYTHON_ENTRIES[self.team_address] = self

    def __call__(self, packed: int) -> None:
        with np.errstate(all="ignore"):
            self.function(packed, 0, 1)

    call = call_with_lock = __call__

    def call_team(self, packed: int, thread: int, threads: int) -> None:
        self.function(packed, thread, threads)


def compile_source(source: Source, file: Path, apart: bool = False) -> bytes:
    """Object code of a program, ``entry``; or of its kernels ``apart``, of which ``kernels`` runs one."""
    from codegen.native.driver_llvm import driver_text, kernels_text

    name, text = ("kernels", kernels_text) if apart else ("entry", driver_text)
    module = _module(source.text, file)
    linecache.cache[str(file)] = len(source.text), None, source.text.splitlines(keepends=True), str(file)
    functions = {call.function: (getattr(module, call.function), call.types) for call in source.driver.calls}
    try:
        return compile_program(functions, partial(text, source.driver), name)
    finally:
        linecache.cache.pop(str(file), None)


def plain_source(source: Source, file: Path) -> PythonEntry:
    """A program that runs as the Python that one reads."""
    return PythonEntry(_plain(_module(source.text, file)).run)


def compile_part(name: str) -> bytes:
    """Object code of an entry of :mod:`codegen.native.runtime`."""
    return compile_entry(getattr(importlib.import_module("codegen.native.runtime"), name), name)


def plain_part(name: str) -> PythonEntry:
    """An entry of :mod:`codegen.native.runtime`, for programs that do not run natively."""
    return PythonEntry(getattr(_plain(importlib.import_module("codegen.native.runtime")), name))


def _plain(module: types.ModuleType) -> types.ModuleType:
    """A copy of a module whose kernels are the functions that were decorated."""
    plain = types.ModuleType(module.__name__)
    for known, value in vars(module).items():
        function = getattr(value, "py_func", value)
        is_own = isinstance(function, types.FunctionType) and function.__module__ == module.__name__
        if is_own:
            function = types.FunctionType(function.__code__, vars(plain), known)
        setattr(plain, known, function)
    return plain


def _module(source: str, file: Path) -> types.ModuleType:
    """The source as a module, which nothing but its functions keeps alive."""
    module = types.ModuleType(f"symgraph_generated_{file.stem}")
    module.__file__ = str(file)
    module.__dict__["__name__"] = module.__name__
    exec(compile(source, str(file), "exec"), module.__dict__)
    return module
