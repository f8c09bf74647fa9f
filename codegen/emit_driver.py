"""Emits the functions around the kernels: ``run`` calls them in order, ``check`` looks at the arguments, ``epochs`` trains, ``entry`` is exported."""

from __future__ import annotations

from collections.abc import Sequence

from codegen import interface as words
from codegen import ir
from codegen.emit_scalar import text
from codegen.interface import Interface
from codegen.ir import Kernel, Program
from codegen.memory import Arena

INDENT = "    "
SYNC_WORDS = 16


def run_text(program: Program, functions: Sequence[str], arena: Arena, scratch: Arena, interface: Interface) -> str:
    """Addresses to buffers, then one call a kernel, with a barrier where threads hand values to each other."""
    lines = ["@kernel", "def run(packed, thread, threads):"]
    lines.append(f"{INDENT}sync = pointer(packed[{words.SYNC}], int64, {SYNC_WORDS})")
    lines += [f"{INDENT}{size} = packed[{position}]" for size, position in interface.sizes.items()]
    used = {name for kernel in program.kernels for name in kernel.arguments}
    for name, position in interface.addresses.items():
        if name in used:
            lines.append(f"{INDENT}{_pointer(program, name, position)}")
    lines += _arena_lines("arena", interface.arena, arena, program, "")
    lines += _arena_lines("scratch", interface.scratch, scratch, program, f"thread*({text(scratch.size, {})})")
    calls = list(zip(program.kernels, functions, strict=True))
    for number, (kernel, function) in enumerate(calls):
        lines += _call(kernel, function)
        if number + 1 < len(calls):
            lines.append(f"{INDENT}barrier(sync, threads)")
    return "\n".join(lines)


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


def check_text(program: Program, interface: Interface, classes: dict[str, ir.Expr], rows: Sequence[str], item: int) -> str:
    """Everything that must hold before anything is written; returns a status."""
    lines = ["@kernel", "def check(packed):", f"{INDENT}if packed[{words.MODE}] == {words.BY_OBJECT}:"]
    pad = INDENT * 2
    lines.append(f"{pad}if not arrays_fit(packed, pointer(packed[{words.TABLE}], int64, 1), packed[{words.ARRAY_TYPE}]):")
    lines.append(f"{pad}{INDENT}return {words.MISFIT}")
    for size, position in interface.sizes.items():
        lines.append(f"{pad}if packed[{position}] > packed[{interface.limits[size]}]:")
        lines.append(f"{pad}{INDENT}return {words.TOO_LARGE}")
    lines += [f"{INDENT}{size} = packed[{position}]" for size, position in interface.sizes.items()]
    spans = f"pointer(packed[{words.SPANS}], int64, 1)"
    for name, position in interface.addresses.items():
        buffer = program.buffers[name]
        if buffer.role in ("input", "labels"):
            length = text(ir.multiply(ir.product(buffer.shape), ir.integer(8 if buffer.dtype == "int64" else item)), {})
            lines.append(f"{INDENT}if packed[{words.MODE}] == {words.BY_OBJECT} and not is_apart(packed[{position}], {length}, {spans}):")
            lines.append(f"{pad}return {words.OVERLAP}")
    for name, limit in classes.items():
        count = text(ir.product(program.buffers[name].shape), {})
        lines.append(f"{INDENT}{_pointer(program, name, interface.addresses[name])}")
        lines.append(f"{INDENT}if not labels_fit({name}, {count}, {text(limit, {})}):")
        lines.append(f"{pad}return {words.BAD_VALUES}")
    for name in rows:
        shape = program.buffers[name].shape
        lines.append(f"{INDENT}{_pointer(program, name, interface.addresses[name])}")
        lines.append(f"{INDENT}if not rows_fit({name}, {text(ir.product(shape[:-1]), {})}, {text(shape[-1], {})}):")
        lines.append(f"{pad}return {words.BAD_VALUES}")
    return "\n".join([*lines, f"{INDENT}return {words.DONE}"])


def epochs_text(interface: Interface, loss: str) -> str:
    """Shuffle, gather, step and record, for as many epochs as the schedule says; stops where another thread asks for it."""
    return f"""\
@kernel
def epochs(packed, thread, threads):
    sync = pointer(packed[{words.SYNC}], int64, {SYNC_WORDS})
    schedule = pointer(packed[{words.SCHEDULE}], int64, HEADER)
    examples = schedule[EXAMPLES]
    batch = schedule[BATCH]
    order = pointer(schedule[ORDER], int64, examples)
    losses = pointer(schedule[LOSSES], float64, schedule[EPOCHS])
    loss = pointer(packed[{interface.addresses[loss]}], real, 1)
    for epoch in range(schedule[EPOCHS]):
        if thread == 0 and schedule[SHUFFLE] == 1:
            schedule[STATE] = shuffled(order, examples, schedule[STATE])
        total = 0.0
        first = 0
        while first < examples:
            rows = min(batch, examples - first)
            if thread == 0:
                schedule[FAILED] = schedule[STOP]
                packed[schedule[SIZE_WORD]] = rows
                gather(packed, pointer(packed[{words.SCHEDULE}], int64, HEADER + RECORD * schedule[ARRAYS]), order, first, rows, examples)
            barrier(sync, threads)
            if schedule[FAILED] != 0:
                return
            run(packed, thread, threads)
            barrier(sync, threads)
            if thread == 0:
                total += float64(loss[0]) * rows
                schedule[DONE] += 1
            first += batch
        if thread == 0:
            losses[epoch] = total / examples"""


def entry_text(interface: Interface, trains: bool) -> str:
    """The function that native code exports: one address in."""
    lines = [
        "def entry(address, thread, threads):",
        f"{INDENT}packed = pointer(address, int64, {interface.length})",
        f"{INDENT}if thread == 0:",
        f"{INDENT * 2}packed[{words.STATUS}] = check(packed)",
        f"{INDENT}barrier(pointer(packed[{words.SYNC}], int64, {SYNC_WORDS}), threads)",
        f"{INDENT}if packed[{words.STATUS}] != {words.DONE}:",
        f"{INDENT * 2}return",
    ]
    if trains:
        lines += [
            f"{INDENT}if packed[{words.MODE}] == {words.EPOCHS}:",
            f"{INDENT * 2}epochs(packed, thread, threads)",
            f"{INDENT * 2}return",
        ]
    return "\n".join([*lines, f"{INDENT}run(packed, thread, threads)", ""])
