"""Where the threads of a program meet: between kernels of which one touches what another has written.

What a thread hands to itself needs no meeting: kernels that share the same rows, as those of a recurrence's step do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from codegen.loops import ir
from codegen.loops.ir import Program
from codegen.loops.memory import Arena, Slot
from codegen.loops.parts import Part, parts_of
from codegen.loops.repeat import Loop, memory


def barriers(program: Program, arena: Arena, also_read: Mapping[int | None, set[str]]) -> tuple[set[int], set[int]]:
    """Kernels before which all threads meet, and numbers of loops before which they meet once, not at every step.

    They meet before what touches memory to which another has written since the last meeting, or writes memory that
    another has read. ``also_read`` is what is read just before a kernel. Kernels that one thread alone runs need no
    meeting between them: it is the same thread.
    """
    found: set[int] = set()
    entered: set[int] = set()
    since = _Since(arena)

    def run(start: int, stop: int, loops: Sequence[Loop]) -> None:
        number = start
        while number < stop:
            loop = next((loop for loop in loops if loop.start == number), None)
            if loop is None:
                one = since.touched(program, number, also_read)
                if number in found or one.meets():
                    found.add(number)
                    since.clear()
                one.note()
                number += 1
                continue
            inside = [since.touched(program, n, also_read) for n in range(loop.start, loop.stop)]
            at = program.loops.index(loop)
            if at in entered or any(one.meets() for one in inside):
                entered.add(at)
                since.clear()
            within = [other for other in loops if other is not loop and loop.start <= other.start < loop.stop]
            for _ in range(2):  # what it hands to its next step
                run(loop.start, loop.stop, within)
            number = loop.stop

    run(0, len(program.kernels), program.loops)
    return found, entered


Touches = set[tuple[str, Part | None]]
"""Memory that is touched, and the part of it that each thread keeps to, if it does."""


class _Since:
    """What was read and written since the last meeting, by kernels of all threads and by those of one."""

    def __init__(self, arena: Arena) -> None:
        self.arena = arena
        self.clear()

    def clear(self) -> None:
        self.read: dict[bool, Touches] = {True: set(), False: set()}
        self.written: dict[bool, Touches] = {True: set(), False: set()}

    def touched(self, program: Program, number: int, also_read: Mapping[int | None, set[str]]) -> _Touched:
        kernel = program.kernels[number]
        actual = dict(zip(kernel.buffers, kernel.arguments, strict=True))
        parts = parts_of(kernel, {local: program.buffers[name].shape for local, name in actual.items()})
        reads, writes = (
            {
                (n, parts.get(name))
                for name in names
                for n in memory(program, actual[name])
                if program.buffers[n].role != "scratch"
            }
            for names in (ir.reads(kernel.body), ir.writes(kernel.body))
        )
        others = (True, False) if kernel.parallel or number in also_read else (True,)
        also: Touches = {(name, None) for name in also_read.get(number, set())}
        return _Touched(self, reads | also, writes, kernel.parallel, others)


@dataclass(frozen=True, slots=True)
class _Touched:
    """What a kernel reads and writes; ``others`` tells whose reads and writes matter: of kernels of all threads, of
    one."""

    since: _Since
    reads: Touches
    writes: Touches
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


def _meet(arena: Arena, some: Touches, others: Touches) -> bool:
    """Whether of two sets of touches one thread's may be where another's are."""
    return any(
        part is None or part != its if one == other else _share(arena.slots.get(one), arena.slots.get(other))
        for one, part in some
        for other, its in others
    )


def _share(one: Slot | None, other: Slot | None) -> bool:
    if one is None or other is None or one.region != other.region:
        return False
    return one.offset < other.offset + other.size and other.offset < one.offset + one.size
