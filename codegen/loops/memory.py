"""Plans the arena: every temporary gets an offset such that no two that are alive at once overlap, for all sizes.

Temporaries are grouped by the symbolic part of their size (1, N, N·M, …). Inside a group offsets are multiples of that
part, planned once by first fit on live ranges; the group's base follows at run time from the sizes. Scratch is planned
likewise, each kernel's on its own, and there is one such piece for every thread. What is small has its place to itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from codegen.loops import ir
from codegen.loops.counts import item_bytes
from codegen.loops.ir import Buffer, Const, Expr
from codegen.loops.program import Program, memory, work_in

ALIGNMENT = 64
"""Bytes: a cache line, and the widest vector."""

SMALL, SMALL_TOGETHER = 1 << 14, 1 << 18
"""Bytes of a temporary, and of all of them, that share no place: no thread waits until another has read it."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A buffer's place: ``offset`` and ``size`` in bytes, both to be multiplied by the symbolic part of its region."""

    region: int
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Region:
    """Bytes per unit of one symbolic size."""

    unit: Expr
    size: int


@dataclass(frozen=True, slots=True)
class Arena:
    """Regions one after the other, and the slot of every buffer."""

    regions: tuple[Region, ...]
    slots: Mapping[str, Slot]

    def base(self, region: int) -> Expr:
        """Byte offset of a region, as an expression of the sizes."""
        total: Expr = ir.ZERO
        for before in self.regions[:region]:
            total = ir.add(total, ir.multiply(before.unit, ir.integer(before.size)))
        return total

    def offset(self, name: str) -> Expr:
        """Byte offset of a buffer."""
        slot = self.slots[name]
        return ir.add(self.base(slot.region), ir.multiply(self.regions[slot.region].unit, ir.integer(slot.offset)))

    @property
    def size(self) -> Expr:
        return self.base(len(self.regions))


@dataclass(frozen=True, slots=True)
class Live:
    """First and last of the program's items, counted from 0, in which a buffer holds a value that is needed; of scratch
    memory, first and last kernel."""

    first: int
    last: int

    def overlaps(self, other: Live) -> bool:
        return self.first <= other.last and other.first <= self.last


def live_ranges(program: Program, roles: Sequence[ir.Role]) -> dict[str, Live]:
    """Live ranges of all buffers with one of some roles, in the order in which they begin; what is used in a loop is
    needed in all of it."""
    found: dict[str, Live] = {}
    slices = program.slices
    for number, (path, work) in enumerate(work_in(program.body)):
        for name in (name for argument in work.arguments for name in memory(slices, argument)):
            role = program.buffers[name].role
            if role in roles:
                at = number if role == "scratch" else path[0]
                found[name] = Live(found[name].first if name in found else at, at)
    return found


def plan_memory(program: Program, item: int, roles: Sequence[ir.Role] = ("temporary",)) -> Arena:
    """First fit, in the order in which values come to life; ``item`` is the size of a real number in bytes."""
    live = live_ranges(program, roles)
    units: dict[Expr, int] = {ir.ONE: 0}
    sizes: list[int] = [0]
    slots: dict[str, Slot] = {}
    placed: list[list[str]] = [[]]
    spent, always = 0, Live(0, max((span.last for span in live.values()), default=0))
    for name, span in live.items():
        count, unit = split_size(program.buffers[name])
        size = _aligned(count * item_bytes(program.buffers[name].dtype, item))
        if unit == ir.ONE and size <= SMALL and spent + size <= SMALL_TOGETHER and "temporary" in roles:
            live[name], spent = (span := always), spent + size
        region = units.setdefault(unit, len(units))
        if region == len(sizes):
            sizes.append(0)
            placed.append([])
        taken = sorted(
            (slots[other].offset, slots[other].size) for other in placed[region] if live[other].overlaps(span)
        )
        offset = _first_fit(taken, size)
        slots[name] = Slot(region, offset, size)
        placed[region].append(name)
        sizes[region] = max(sizes[region], offset + size)
    return Arena(tuple(Region(unit, size) for unit, size in zip(units, sizes, strict=True)), slots)


def split_size(buffer: Buffer) -> tuple[int, Expr]:
    """Number of elements as (integer, symbolic part): (N, 10) is 10 times N."""
    count = 1
    unit: Expr = ir.ONE
    for extent in sorted(buffer.shape, key=repr):
        if isinstance(extent, Const):
            count *= int(extent.value)
        else:
            unit = ir.multiply(unit, extent)
    return count, unit


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _first_fit(taken: Sequence[tuple[int, int]], size: int) -> int:
    offset = 0
    for start, length in taken:
        if offset + size <= start:
            break
        offset = max(offset, start + length)
    return offset


def check_memory(program: Program, arena: Arena, item: int, roles: Sequence[ir.Role] = ("temporary",)) -> list[str]:
    """What is wrong with a plan, in words; empty if nothing is. Written without regard to how plans are made."""
    wrong: list[str] = []
    sizes: dict[str, int] = {}
    alive: dict[str, set[int]] = {}
    slices = program.slices
    for number, (path, work) in enumerate(work_in(program.body)):
        for name in (name for argument in work.arguments for name in memory(slices, argument)):
            if program.buffers[name].role in roles:
                alive.setdefault(name, set()).add(number if program.buffers[name].role == "scratch" else path[0])
    for name, items in alive.items():
        alive[name] = set(range(min(items), max(items) + 1))
        slot = arena.slots.get(name)
        if slot is None:
            wrong.append(f"{name} has no place")
            continue
        count, unit = split_size(program.buffers[name])
        needed = sizes[name] = count * item_bytes(program.buffers[name].dtype, item)
        region = arena.regions[slot.region]
        if region.unit != unit or slot.offset % ALIGNMENT or slot.offset + needed > region.size or slot.offset < 0:
            wrong.append(f"{name} does not fit its place: {needed} bytes at {slot.offset} of {region.size}")
    names = [name for name in alive if name in arena.slots]
    for position, name in enumerate(names):
        for other in names[:position]:
            a, b = arena.slots[name], arena.slots[other]
            ends = [slot.offset + max(slot.size, sizes[of]) for of, slot in ((name, a), (other, b))]
            apart = a.region != b.region or ends[0] <= b.offset or ends[1] <= a.offset
            if not apart and alive[name] & alive[other]:
                wrong.append(f"{name} and {other} overlap while both are alive")
    return wrong
