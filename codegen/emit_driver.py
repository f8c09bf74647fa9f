"""Emits the functions around the kernels: ``run`` calls them in order, ``entry`` is what native code exports."""

from __future__ import annotations

from collections.abc import Sequence

from codegen import interface as words
from codegen import ir
from codegen.emit_scalar import text
from codegen.interface import Interface
from codegen.ir import Kernel, Program
from codegen.memory import Arena, Slot

INDENT = "    "
SYNC_WORDS = 16


def run_text(program: Program, functions: Sequence[str], arena: Arena, scratch: Arena, interface: Interface) -> str:
    """Addresses to buffers, then one call a kernel, with a barrier where threads hand values to each other."""
    lines = ["@kernel", "def meet(sync, threads):", f"{INDENT}barrier(sync, threads)", "", ""]
    lines += ["@kernel", "def run(packed, thread, threads):", *_buffers(program, arena, scratch, interface)]
    meetings = barriers(program, arena)
    for number, (kernel, function) in enumerate(zip(program.kernels, functions, strict=True)):
        if number in meetings:
            lines.append(f"{INDENT}meet(sync, threads)")
        lines += _call(kernel, function)
    return "\n".join(lines)


def barriers(program: Program, arena: Arena) -> set[int]:
    """Kernels before which all threads meet: those that touch memory of which another has written since the last meeting,
    or write memory of which another has read."""
    found: set[int] = set()
    read: set[str] = set()
    written: set[str] = set()
    for number, kernel in enumerate(program.kernels):
        actual = dict(zip(kernel.buffers, kernel.arguments, strict=True))
        reads, writes = (
            {actual[name] for name in names if program.buffers[actual[name]].role != "scratch"}
            for names in (ir.reads(kernel.body), ir.writes(kernel.body))
        )
        if _meet(arena, reads | writes, written) or _meet(arena, writes, read):
            found.add(number)
            read, written = set(), set()
        read |= reads
        written |= writes
    return found


def _meet(arena: Arena, some: set[str], others: set[str]) -> bool:
    """Whether two sets of buffers have memory in common."""
    return any(one == other or _share(arena.slots.get(one), arena.slots.get(other)) for one in some for other in others)


def _share(one: Slot | None, other: Slot | None) -> bool:
    if one is None or other is None or one.region != other.region:
        return False
    return one.offset < other.offset + other.size and other.offset < one.offset + one.size


def measure_text(program: Program, functions: Sequence[str], arena: Arena, scratch: Arena, interface: Interface) -> str:
    """An entry that runs one kernel many times: which, and how often, in the words of the schedule and of the table."""
    lines = ["def measure(address, thread, threads):", f"{INDENT}packed = pointer(address, int64, {interface.length})"]
    lines += _buffers(program, arena, scratch, interface)
    for number, (kernel, function) in enumerate(zip(program.kernels, functions, strict=True)):
        lines.append(f"{INDENT}if packed[{words.SCHEDULE}] == {number}:")
        lines.append(f"{INDENT * 2}for _ in range(packed[{words.TABLE}]):")
        lines += [f"{INDENT * 2}{line}" for line in _call(kernel, function)]
    return "\n".join([*lines, ""])


def _buffers(program: Program, arena: Arena, scratch: Arena, interface: Interface) -> list[str]:
    lines = [f"{INDENT}sync = pointer(packed[{words.SYNC}], int64, {SYNC_WORDS})"]
    lines += [f"{INDENT}{size} = packed[{position}]" for size, position in interface.sizes.items()]
    used = {name for kernel in program.kernels for name in kernel.arguments}
    for name, position in interface.addresses.items():
        if name in used:
            lines.append(f"{INDENT}{_pointer(program, name, position)}")
    lines += _arena_lines("arena", interface.arena, arena, program, "")
    shift = "" if scratch.size == ir.ZERO else f"thread*{text(scratch.size, {}, 8)}"
    return lines + _arena_lines("scratch", interface.scratch, scratch, program, shift)


def _pointer(program: Program, name: str, position: int) -> str:
    buffer = program.buffers[name]
    return f"{name} = pointer(packed[{position}], {buffer.dtype}, {text(ir.product(buffer.shape), {})})"


def _call(kernel: Kernel, function: str) -> list[str]:
    arguments = ", ".join([*kernel.arguments, *kernel.sizes])
    if kernel.parallel:
        return [f"{INDENT}{function}({arguments}, thread, threads)"]
    return [f"{INDENT}if thread == 0:", f"{INDENT * 2}{function}({arguments})"]


def _arena_lines(name: str, position: int, arena: Arena, program: Program, shift: str) -> list[str]:
    if not arena.slots:
        return []
    size = text(arena.size, {})
    lines = [f"{INDENT}{name} = pointer(packed[{position}], uint8, {f'threads*({size})' if shift else size})"]
    for buffer in arena.slots:
        offset = text(arena.offset(buffer), {})
        offset = offset if not shift else shift if offset == "0" else f"{shift} + {offset}"
        lines.append(f"{INDENT}{buffer} = at({name}, {offset}, {program.buffers[buffer].dtype})")
    return lines


def entry_text(interface: Interface) -> str:
    """The function that native code exports: one address in."""
    return "\n".join([
        "def entry(address, thread, threads):", f"{INDENT}run(pointer(address, int64, {interface.length}), thread, threads)", "",
    ])  # fmt: skip
