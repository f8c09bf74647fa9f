"""The driver of a program as Python, to be read, and run where nothing is compiled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from codegen.loops import ir, words
from codegen.loops.driver import Argument, Call, Driver, Moving, Outside, Repeat, Step, calls_in, outside_in, repeats_in
from codegen.loops.program import Program
from codegen.loops.text import text
from codegen.loops.words import Interface
from codegen.native.barrier import SYNC_WORDS

INDENT = "    "
Opened = Mapping[int, tuple[Repeat, str]]
"""The loops around, by their numbers, and the names of their steps."""


def run_text(program: Program, driver: Driver, interface: Interface) -> str:
    """Addresses to buffers, then one call a kernel, with a barrier where threads hand values to each other."""
    lines = ["def run(address, thread, threads):", f"{INDENT}packed = pointer(address, int64, {interface.length})"]
    calls = list(outside_in(driver.body))
    if calls or any(call.meets for call in driver.calls) or any(loop.meets for loop in repeats_in(driver.body)):
        lines.append(f"{INDENT}sync = pointer(packed[{words.SYNC}], int64, {SYNC_WORDS})")
    lines += [f"{INDENT}{size} = packed[{position}]" for size, position in interface.sizes.items()]
    given = [a for call in driver.calls for a in (*call.arguments, call.needs_finite) if a is not None]
    given += [argument for call in calls for argument in call.arguments]
    used = dict.fromkeys(argument for argument in given if argument.dtype and argument.moving is None)
    for argument in sorted(used, key=lambda argument: argument.position):
        start = f"packed[{argument.position}]" + (f" + thread*packed[{words.SCRATCH}]" if argument.is_scratch else "")
        lines.append(f"{INDENT}{_pointer(argument, start, program)}")
    return "\n".join([*lines, *_steps(driver.body, program, {}), ""])


def _steps(body: Sequence[Step], program: Program, opened: Opened) -> list[str]:
    lines: list[str] = []
    indent = INDENT * (len(opened) + 1)
    for step in body:
        lines += [f"{indent}barrier(sync, threads)"] if step.meets else []
        if isinstance(step, Repeat):
            lines += _loop(step, program, opened, indent)
        elif isinstance(step, Outside):
            lines += [indent + line for line in _outside(step)]
        else:
            lines += [indent + line for line in _call(step)]
    return lines


def _loop(loop: Repeat, program: Program, opened: Opened, indent: str) -> list[str]:
    name, count = f"step{len(opened) or ''}", text(loop.count, {})
    lines = [f"{indent}for {name} in range({f'{count} - 1, -1, -1' if loop.backward else count}):"]
    inside = {**opened, loop.number: (loop, name)}
    given = dict.fromkeys(argument for call in calls_in(loop.body) for argument in call.arguments)
    given |= dict.fromkeys(argument for call in outside_in(loop.body) for argument in call.arguments)
    for argument in sorted(given, key=lambda argument: argument.name):
        if argument.moving is not None and argument.moving.loop == loop.number:
            lines.append(f"{indent}{INDENT}{_pointer(argument, _at_step(argument.moving, inside), program)}")
    return [*lines, *_steps(loop.body, program, inside)]


def _outside(step: Outside) -> list[str]:
    arrays = f"[{', '.join(argument.name for argument in step.arguments)}]"
    extents = f"[{', '.join(text(extent, {}) for extent in step.extents)}]"
    called = f"outside(packed[{step.position}], {arrays}, {extents})"
    status = f"packed[{words.STATUS}]"
    return [
        *_labels(step), f"if thread == 0 and {called} != 0:", f"{INDENT}{status} = {words.FAILED}",
        "barrier(sync, threads)", f"if {status} == {words.FAILED}:", f"{INDENT}return",
    ]  # fmt: skip


def _labels(step: Call | Outside) -> list[str]:
    """Leave where a label was wrong."""
    if not step.needs_labels:
        return []
    return [f"if packed[{words.STATUS}] != {words.DONE}:  # a label is out of range", f"{INDENT}return"]


def _call(call: Call) -> list[str]:
    names = [argument.name for argument in call.arguments]
    lines = _labels(call)
    if call.needs_finite is not None:
        loss = f"{call.needs_finite.name}[0]"
        lines.append(f"if packed[{words.NEEDS_FINITE}] != 0 and {loss} - {loss} != 0:  # inf or nan")
        lines += [f"{INDENT}packed[{words.STATUS}] = {words.NOT_FINITE}", f"{INDENT}return"]
    if call.parallel:
        return [*lines, f"{call.function}({', '.join([*names, 'thread', 'threads'])})"]
    return [*lines, "if thread == 0:", f"{INDENT}{call.function}({', '.join(names)})"]


def _pointer(argument: Argument, start: str, program: Program) -> str:
    buffer = program.buffers[argument.name]
    return f"{argument.name} = pointer({start}, {buffer.dtype}, {text(ir.product(buffer.shape), {})})"


def _at_step(place: int | Moving, opened: Opened) -> str:
    """The address of one step's part of a buffer."""
    if isinstance(place, int):
        return f"packed[{place}]"
    loop, step = opened[place.loop]
    base, stride = _whole(place.base, opened), text(place.stride, {}, 7)
    if place.first is None:
        return f"{base} + {step}*{stride}"
    at, begin = (f"({step} + 1)", f"{text(loop.count, {}, 7)} - 1") if loop.backward else (f"({step} - 1)", "0")
    return f"{_whole(place.first, opened)} if {step} == {begin} else {base} + {at}*{stride}"


def _whole(place: int | Moving, opened: Opened) -> str:
    """The same as one operand."""
    found = _at_step(place, opened)
    return found if isinstance(place, int) or place.first is None else f"({found})"
