"""The seam between programs and machines: all that the rest of ``codegen`` knows of the backend.

    emit(program, arena, interface, dtype)   →   a Source: text, and a driver as data
    compile(source, file)                    →   object code
    load(code)                               →   an Entry, to be called with the address of packed words

What knows Numba or LLVM is in :mod:`codegen.native`, which this module alone imports. A program from the cache is
loaded without Numba: that is imported where something is compiled. Another backend answers the same names: one in C
would print :mod:`codegen.loops.ir` and :class:`codegen.loops.driver.Driver`, and load what a compiler of C has made.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from codegen.native import compile as _compile
from codegen.native import jit, team
from codegen.native.team import Job
from codegen.native.team import addresses as team_addresses

if TYPE_CHECKING:  # else imported where something is compiled: a program from the cache does not wait for it
    from codegen.loops.driver import Source
    from codegen.loops.memory import Arena
    from codegen.loops.program import Program
    from codegen.loops.words import Interface
    from codegen.native.probes import Probe

__all__ = [
    "Entry", "Job", "as_python", "compile", "compile_part", "emit", "launch", "load", "part_as_python",
    "probes", "processor", "processor_name", "register_file", "team_addresses",
]  # fmt: skip


class Entry(Protocol):
    """A program, or a part of our own, that is ready to run on packed words (:mod:`codegen.loops.words`).

    Attributes
    ----------
    is_native : whether it was compiled; else it is plain Python.
    team_address : what other native code knows it by.
    call : runs it at an address, without Python's lock; ``call_with_lock`` with it, for code that asks Python.
    call_team : ``call_team(packed, thread, threads)`` is what a thread of several does; of kernels apart,
        ``call_team(packed, number, repeats)`` runs one of them as often as asked, on one thread.
    """

    is_native: bool
    team_address: int

    @property
    def call(self) -> Callable[[int], None]: ...

    @property
    def call_with_lock(self) -> Callable[[int], None]: ...

    @property
    def call_team(self) -> Callable[[int, int, int], None]: ...


# -- the three verbs --------------------------------------------------------------------------------------------------
def emit(program: Program, arena: Arena, interface: Interface, dtype: str) -> Source:
    """The source of a program for ``dtype``."""
    from codegen.native import emit as native

    return native.emit(program, arena, interface, dtype)


def compile(source: Source, file: Path, apart: bool = False) -> bytes:
    """Object code for this CPU of a source, which lies in a file: ``entry``, or the kernels ``apart``, ``kernels``.

    Raises
    ------
    RuntimeError
        for code that would need Python.
    """
    return jit.compile_source(source, file, apart)


def load(code: bytes, name: str = "entry") -> Entry:
    """What object code defines under a name."""
    return _compile.load_entry(code, name)


def as_python(source: Source, file: Path) -> Entry:
    """A source that runs as the plain Python that one reads."""
    return jit.plain_source(source, file)


# -- parts of our own: ``call`` and ``check``, which look at the arguments of a call, ``epochs``, ``batch`` ------------
def compile_part(name: str) -> bytes:
    """Object code of a part."""
    return jit.compile_part(name)


def part_as_python(name: str) -> Entry:
    """A part that runs as plain Python."""
    return jit.plain_part(name)


# -- running ----------------------------------------------------------------------------------------------------------
def launch(entry: Entry, address: int, threads: int) -> None:
    """Run an entry on its packed words, on one thread or several."""
    if threads == 1:
        entry.call(address)
    else:
        team.launch(entry.team_address, address, threads)


# -- this machine -----------------------------------------------------------------------------------------------------
def processor() -> str:
    """What object code depends on besides its source and our kernels: CPU and versions."""
    return _compile.host_description()


def processor_name() -> str:
    """The name of the CPU."""
    return _compile.host_name()


def register_file() -> tuple[int, int]:
    """Bytes of the widest vector register, and how many registers there are."""
    return _compile.register_file()


def probes(dtype: str) -> tuple[Probe, Probe]:
    """Loops that show what one thread can do at most: multiply-adds, and copies."""
    from codegen.native.probes import copying, multiplying

    return multiplying(dtype), copying()
