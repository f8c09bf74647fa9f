"""Compiles generated source: natively through Numba, or as plain Python on flat arrays.

The source is written to a real file, so that tracebacks, profilers and readers find it.
"""

from __future__ import annotations

import builtins
import importlib
import keyword
import linecache
import re
import types
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from codegen import debug
from codegen.native import cache, team
from codegen.native.compile import Entry, compile_entry, compile_program, load_entry

if TYPE_CHECKING:  # else imported where it is used: a program from the cache does not wait for the compiler
    from codegen.native.emit import Source

WORD = re.compile(r"\b[^\W\d]\w*")
"""A name; the e of 1.5e-7 is none."""


class PythonEntry:
    """An entry that runs un-jitted: every kernel is the Python function that one reads."""

    def __init__(self, function: Callable[[int, int, int], None]) -> None:
        from codegen.native.native_call import PYTHON_ENTRIES

        self.function = function
        self.team_address = id(self)
        PYTHON_ENTRIES[self.team_address] = self

    def __call__(self, packed: int) -> None:
        with np.errstate(all="ignore"):
            self.function(packed, 0, 1)

    call = __call__


def program(
    key: str, source_of: Callable[[], Source], seconds: dict[str, float], as_python: bool, code: bytes | None = None
) -> Entry | PythonEntry:
    """A generated program: of its object ``code``, or of that in the cache by its :func:`key_of`, or compiled; or as
    plain Python.

    The source is asked for where it is needed. ``seconds`` to load or compile it are added.
    """
    if as_python:
        source = source_of()
        return PythonEntry(_plain(_module(source.text, cache.source_file(key, source.text))).run)

    def compiled() -> bytes:
        from codegen.native.driver_llvm import driver_text

        source = source_of()
        module = _module(source.text, cache.source_file(key, source.text))
        functions = {call.function: (getattr(module, call.function), call.types) for call in source.driver.calls}
        try:
            return compile_program(functions, partial(driver_text, source.driver))
        finally:
            _forget_lines(Path(str(module.__file__)).name)

    return _cached(key, "entry", compiled, seconds, code)


def key_of(source: Source) -> str:
    """The name of a program in the cache: that of what it does, whatever its values and functions are called."""
    return cache.key_of(without_names(source.text), "entry")


def without_names(source: str) -> str:
    """Generated source without comments, and with numbers for the names that are its own: those of functions and tiles
    are the module's, all others each function's."""
    lines = [line for line in (line.split("#")[0].rstrip() for line in source.splitlines()) if line]
    given = [line for line in lines if line.startswith("from ")]
    known = {*keyword.kwlist, *dir(builtins), *WORD.findall(" ".join(given))}
    shared: dict[str, str] = {}
    local: dict[str, str] = {}

    def number(found: re.Match[str]) -> str:
        word = found.group()
        return word if word in known else shared.get(word) or local.setdefault(word, f"_{len(local)}")

    for place, line in enumerate(lines):
        if not line[0].isspace():
            local.clear()
            defined = WORD.findall(line.removeprefix("def "))[: 1 if line.startswith("def ") else None]
            shared.update((word, f"_m{len(shared)}") for word in defined if word not in known | shared.keys())
        lines[place] = WORD.sub(number, line)
    return "\n".join(lines)


def _forget_lines(file: str) -> None:
    """Numba has read the source for its messages, by a path relative to the working directory."""
    for path in [path for path in list(linecache.cache) if path.endswith(file)]:
        linecache.cache.pop(path, None)


def support(name: str, as_python: bool) -> Entry | PythonEntry:
    """An entry of :mod:`codegen.native.runtime`, for programs that run natively or for those that do not."""
    if as_python:
        return PythonEntry(getattr(_plain(importlib.import_module("codegen.native.runtime")), name))
    return native_support(name)


@lru_cache(maxsize=4)
def native_support(name: str) -> Entry:
    """An entry of :mod:`codegen.native.runtime`, for programs that run natively."""

    def compiled() -> bytes:
        return compile_entry(getattr(importlib.import_module("codegen.native.runtime"), name), name)

    return _cached(cache.key_of("codegen.native.runtime", name), name, compiled, {})


def _cached(
    key: str, name: str, compiled: Callable[[], bytes], seconds: dict[str, float], code: bytes | None = None
) -> Entry:
    stored = cache.load(key) if code is None else code
    if stored is None:
        with debug.stage("compile", seconds):
            stored = compiled()
            cache.store(key, stored)
    with debug.stage("load", seconds):
        return load_entry(stored, name)


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


def launch(entry: Entry | PythonEntry, address: int, threads: int) -> None:
    """Run an entry on its packed words, on one thread or several."""
    if threads == 1:
        entry.call(address)
    else:
        team.launch(entry.team_address, address, threads)
