"""Where the threads of a program meet: between kernels of which one touches what another has written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from codegen.loops import ir
from codegen.loops.ir import Program
from codegen.loops.memory import Arena, Slot
from codegen.loops.repeat import loop_of, memory


def barriers(program: Program, arena: Arena, also_read: Mapping[int | None, set[str]]) -> tuple[set[int], set[int]]:
    """Kernels before which all threads meet, and first kernels of loops before which they meet once, not at every step.

    They meet before what touches memory to which another has written since the last meeting, or writes memory that
    another has read. ``also_read`` is what is read just before a kernel. Kernels that one thread alone runs need no
    meeting between them: it is the same thread.
    """
    found: set[int] = set()
    entered: set[int] = set()
    since = _Since(arena)
    for number in range(len(program.kernels)):
        loop = loop_of(program, number)
        touched = since.touched(program, number, also_read)
        if loop is None:
            if touched.meets():
                found.add(number)
                since.clear()
            touched.note()
        elif number == loop.start:
            inside = [since.touched(program, n, also_read) for n in range(loop.start, loop.stop)]
            if any(one.meets() for one in inside):
                entered.add(number)
                since.clear()
            for n in [*range(loop.start, loop.stop)] * 2:  # what it hands to its next step
                one = since.touched(program, n, also_read)
                if n in found or one.meets():
                    found.add(n)
                    since.clear()
                one.note()
    return found, entered


class _Since:
    """What was read and written since the last meeting, by kernels of all threads and by those of one."""

    def __init__(self, arena: Arena) -> None:
        self.arena = arena
        self.clear()

    def clear(self) -> None:
        self.read: dict[bool, set[str]] = {True: set(), False: set()}
        self.written: dict[bool, set[str]] = {True: set(), False: set()}

    def touched(self, program: Program, number: int, also_read: Mapping[int | None, set[str]]) -> _Touched:
        kernel = program.kernels[number]
        actual = dict(zip(kernel.buffers, kernel.arguments, strict=True))
        reads, writes = (
            {n for name in names for n in memory(program, actual[name]) if program.buffers[n].role != "scratch"}
            for names in (ir.reads(kernel.body), ir.writes(kernel.body))
        )
        others = (True, False) if kernel.parallel or number in also_read else (True,)
        return _Touched(self, reads | also_read.get(number, set()), writes, kernel.parallel, others)


@dataclass(frozen=True, slots=True)
class _Touched:
    """What a kernel reads and writes; ``others`` tells whose reads and writes matter: of kernels of all threads, of
    one."""

    since: _Since
    reads: set[str]
    writes: set[str]
    parallel: bool
    others: tuple[bool, ...]

    def meets(self) -> bool:
        arena, read, written = self.since.arena, self.since.read, self.since.written
        return any(
            _meet(arena, self.reads | self.writes, written[by]) or _meet(arena, self.writes, read[by])
            for by in self.others
        )

    def note(self) -> None:
        self.since.read[self.parallel] |= self.reads
        self.since.written[self.parallel] |= self.writes


def _meet(arena: Arena, some: set[str], others: set[str]) -> bool:
    """Whether two sets of buffers have memory in common."""
    return any(one == other or _share(arena.slots.get(one), arena.slots.get(other)) for one in some for other in others)


def _share(one: Slot | None, other: Slot | None) -> bool:
    if one is None or other is None or one.region != other.region:
        return False
    return one.offset < other.offset + other.size and other.offset < one.offset + one.size
