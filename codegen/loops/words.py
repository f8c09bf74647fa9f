"""The one argument of native code: a packed array of 64-bit words, and what each of them means.

Fixed words, then the sizes, the largest sizes that memory has been made for, the addresses of leaves and outputs, and
the addresses of what lies in the arena and in scratch memory, and those of the functions of external calls. Scratch
memory is each thread's own: ``SCRATCH`` bytes further for each. ``ARGUMENTS`` is the address of a pair of tuples, the
objects of a direct call, and ``PYTHON`` that of the table of :mod:`codegen.host.capi`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from codegen.loops.program import External, Program, work_in

STATUS, TABLE, PYTHON, SPANS, SYNC, SCHEDULE, RUN = range(7)
LOSS, LOSS_BYTES, LENGTH, SCRATCH, ARGUMENTS, NEEDS_FINITE, FIRST_SIZE = range(7, 14)
DONE, MISFIT, TOO_LARGE, OVERLAP, BAD_VALUES, NOT_FINITE, FAILED = range(7)
"""Status of a call. Native code finds the first four wrong before the program runs; the program itself stops at a label
that is out of range, before it reads by it, and, where ``NEEDS_FINITE`` is set, at a loss that is not finite, before it
updates anything; or after an external function that has failed."""
READ, UPDATED, FRESH = range(3)
"""What a call does with an array: reads it, updates it where the last checked call found it, or sets it anywhere."""
ANY = -2
"""An extent of an array that native code does not look at."""
OUTSIDE = ("input", "labels", "parameter", "state", "hyper", "constant", "output", "status")


@dataclass(frozen=True, slots=True)
class Interface:
    """Position of every word that is not fixed."""

    sizes: Mapping[str, int]
    limits: Mapping[str, int]
    addresses: Mapping[str, int]
    memory: Mapping[str, int]
    procedures: tuple[int, ...]
    length: int


def interface_of(program: Program) -> Interface:
    """Buffers in the order of the program's table."""
    outside = [name for name, buffer in program.buffers.items() if buffer.role in OUTSIDE]
    inside = [name for name, buffer in program.buffers.items() if buffer.role not in (*OUTSIDE, "slice")]
    position = FIRST_SIZE

    def numbered(names: Iterable[str]) -> dict[str, int]:
        nonlocal position
        found = {name: position + number for number, name in enumerate(names)}
        position += len(found)
        return found

    sizes, limits = numbered(program.sizes), numbered(program.sizes)
    addresses, memory = numbered(outside), numbered(inside)
    calls = sum(isinstance(item, External) for _, item in work_in(program.body))
    return Interface(sizes, limits, addresses, memory, tuple(range(position, position + calls)), position + calls)
