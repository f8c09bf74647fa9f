"""Where the threads of a program meet: between kernels of which one touches what another has written.

What a thread hands to itself needs no meeting: kernels that share the same rows, as those of a recurrence's step do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from codegen.loops.ir import Kernel
from codegen.loops.memory import Arena, Slot
from codegen.loops.parts import Part, parts_of
from codegen.loops.program import External, Item, Loop, Path, Program, memory, touched_by, work_in


def meetings(program: Program, arena: Arena, also_read: Mapping[Path, set[str]]) -> set[Path]:
    """The kernels before which all threads meet, and the loops before which they meet once, not at every step.

    They meet before what touches memory to which another has written since the last meeting, or writes memory that
    another has read. ``also_read`` is what is read just before a kernel. Kernels that one thread alone runs need no
    meeting between them: it is the same thread. After an external call they meet in any case: it may have failed.
    """
    found: set[Path] = set()
    since = _Since(program, arena, also_read)

    def run(body: tuple[Item, ...], above: Path) -> None:
        for place, item in enumerate(body):
            path = (*above, place)
            work = list(work_in(item.body, path)) if isinstance(item, Loop) else [(path, item)]
            inside = [since.touched(*one) for one in work]
            if path in found or any(one.meets() for one in inside):
                found.add(path)
                since.clear()
            if isinstance(item, Loop):
                for _ in range(2):  # what it hands to its next step
                    run(item.body, path)
            elif isinstance(item, External):
                since.clear()
            else:
                inside[0].note()

    run(program.body, ())
    return found


Touches = set[tuple[str, Part | None]]
"""Memory that is touched, and the part of it that each thread keeps to, if it does."""


class _Since:
    """What was read and written since the last meeting, by kernels of all threads and by those of one."""

    def __init__(self, program: Program, arena: Arena, also_read: Mapping[Path, set[str]]) -> None:
        self.program, self.arena, self.also_read, self.slices = program, arena, also_read, program.slices
        self.clear()

    def clear(self) -> None:
        self.read: dict[bool, Touches] = {True: set(), False: set()}
        self.written: dict[bool, Touches] = {True: set(), False: set()}

    def meet(self, some: Touches, others: Touches) -> bool:
        """Whether of two sets of touches one thread's may be where another's are."""
        slots, buffers = self.arena.slots, self.program.buffers
        for one, part in some:
            for other, its in others:
                here, there = slots.get(one), slots.get(other)
                is_same = one == other or (
                    here is not None and there is not None and buffers[one].dtype == buffers[other].dtype
                    and (here.region, here.offset) == (there.region, there.offset)
                )  # fmt: skip
                if (part is None or part != its) if is_same else _share(here, there):
                    return True
        return False

    def touched(self, path: Path, item: Kernel | External) -> _Touched:
        buffers, parallel = self.program.buffers, isinstance(item, Kernel) and item.parallel
        parts: dict[str, Part | None] = {}
        if isinstance(item, Kernel):
            actual = dict(zip(item.buffers, item.arguments, strict=True))
            kept = parts_of(item, {local: buffers[name].shape for local, name in actual.items()})
            parts = {actual[local]: part for local, part in kept.items()}
        reads, writes = (
            {(n, parts.get(name)) for name in names for n in memory(self.slices, name) if buffers[n].role != "scratch"}
            for names in touched_by(item)
        )
        others = (True, False) if parallel or path in self.also_read else (True,)
        also: Touches = {(name, None) for name in self.also_read.get(path, set())}
        return _Touched(self, reads | also, writes, parallel, others)


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
        read, written = self.since.read, self.since.written
        return any(
            self.since.meet(self.reads | self.writes, written[by]) or self.since.meet(self.writes, read[by])
            for by in self.others
        )

    def note(self) -> None:
        self.since.read[self.parallel] |= self.reads
        self.since.written[self.parallel] |= self.writes


def _share(one: Slot | None, other: Slot | None) -> bool:
    if one is None or other is None or one.region != other.region:
        return False
    return one.offset < other.offset + other.size and other.offset < one.offset + one.size
