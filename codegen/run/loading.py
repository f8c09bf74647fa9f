"""Programs ready to run: of object code that is at hand or in the cache, or compiled, or as plain Python.

The source is written to a real file, so that tracebacks, profilers and readers find it.
"""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from codegen import backend, debug
from codegen.backend import Entry
from codegen.host import cache
from codegen.host.collector import resting
from codegen.host.undisturbed import undisturbed

if TYPE_CHECKING:
    from codegen.loops.driver import Source

_parts: dict[str, Entry] = {}
WORD = re.compile(r"\b[^\W\d]\w*")
"""A name; the e of 1.5e-7 is none."""


def program(
    key: str, source_of: Callable[[], Source], seconds: dict[str, float], as_python: bool, code: bytes | None = None
) -> Entry:
    """A generated program: of its object ``code``, or of that in the cache by its :func:`key_of`, or compiled; or as
    plain Python.

    The source is asked for where it is needed. ``seconds`` to load or compile it are added.
    """
    if as_python:
        source = source_of()
        return backend.as_python(source, cache.source_file(key, source.text))

    def compiled() -> bytes:
        source = source_of()
        return backend.compile(source, cache.source_file(key, source.text))

    return _cached(key, "entry", compiled, seconds, code)


def kernels(key: str, source_of: Callable[[], Source]) -> Entry:
    """The kernels of a program, by the key of its code, to be run one by one: nobody else waits for their object."""
    apart = cache.key_of(key, "kernels")

    def compiled() -> bytes:
        source = source_of()
        return backend.compile(source, cache.source_file(key, source.text), apart=True)

    return _cached(apart, "kernels", compiled, {})


def part(name: str, as_python: bool) -> Entry:
    """A part of our own, for programs that run natively or for those that do not."""
    return backend.part_as_python(name) if as_python else native_part(name)


def native_part(name: str) -> Entry:
    """A part of our own, for programs that run natively: one and the same for all, who keep bare functions of it."""
    def made() -> Entry:
        if name not in _parts:  # whoever came meanwhile finds it made
            key = cache.key_of("codegen.native.runtime", name)
            _parts[name] = _cached(key, name, lambda: backend.compile_part(name), {})
        return _parts[name]

    return _parts.get(name) or undisturbed(made)


def _cached(
    key: str, name: str, compiled: Callable[[], bytes], seconds: dict[str, float], code: bytes | None = None
) -> Entry:
    def found() -> Entry:
        stored = cache.load(key) if code is None else code
        if stored is None:
            with cache.alone(key):
                stored = cache.load(key)
                if stored is None:
                    with debug.stage("compile", seconds), resting():
                        stored = compiled()
                        cache.store(key, stored)
        with debug.stage("load", seconds):
            return backend.load(stored, name)

    return undisturbed(found)


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
