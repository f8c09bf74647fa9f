"""Emits the driver, which calls the kernels in order: as Python to be read, and as LLVM text to be run.

Both are written from one list of :class:`Call` s. The LLVM text is a load for each argument and a call for each kernel,
so that depth costs no time of type inference: Numba sees each distinct kernel once, and no driver.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from codegen.loops import ir, words
from codegen.loops.counts import ITEM_BYTES
from codegen.loops.ir import Program
from codegen.loops.memory import Arena
from codegen.loops.repeat import loop_of
from codegen.loops.words import Interface
from codegen.native.barrier import SYMBOL, SYNC_WORDS
from codegen.native.compile import EXCEPTION
from codegen.native.emit_scalar import text
from codegen.native.meetings import barriers

INDENT = "    "
EPILOGUE = (
    "  %status = load i32, ptr %raised", "  %bad = icmp ne i32 %status, 0", "  br i1 %bad, label %raise, label %return",
    "raise:", f"  call void @{EXCEPTION}()", "  br label %return", "return:", "  ret void", "}",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Argument:
    """A word of the packed array: a size, or, with ``dtype``, the address of a buffer; scratch is each thread's own.

    A buffer that moves with a loop's steps is ``stride`` bytes further each step; with ``first``, it is that of the
    step before, and at the first step this word's.
    """

    name: str
    position: int
    dtype: str = ""
    is_scratch: bool = False
    stride: ir.Expr | None = None
    first: int | None = None


@dataclass(frozen=True, slots=True)
class Counted:
    """How often a loop runs, from which end, and the words of the sizes."""

    count: ir.Expr
    backward: bool
    sizes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Call:
    """One kernel of the program, the function that computes it, and whether all threads meet before it.

    ``needs_labels``: the program ends before it where a label was out of range; ``needs_finite``: where this loss is
    not finite, if it is asked to. ``loop`` is the number of the loop that it is in, which it ``begins`` or ``ends``.
    """

    function: str
    arguments: tuple[Argument, ...]
    parallel: bool
    meets: bool
    needs_labels: bool = False
    needs_finite: Argument | None = None
    loop: int | None = None
    sizes: Mapping[str, int] = field(default_factory=dict)
    begins: Counted | None = None
    enters: bool = False
    ends: bool = False

    @property
    def types(self) -> list[str]:
        """Types of the function's parameters, in the words of :func:`codegen.native.compile.compile_program`."""
        own = [f"buffer of {argument.dtype}" if argument.dtype else "int64" for argument in self.arguments]
        return [*own, "int64", "int64"] if self.parallel else own


def calls_of(
    program: Program, functions: Sequence[str], arena: Arena, interface: Interface, dtype: str
) -> tuple[Call, ...]:
    """The calls of a program whose kernels are computed by ``functions``."""
    position = {**interface.addresses, **interface.memory}
    checked, first_update = _checked_labels(program), _first_update(program)
    loss = program.outputs[0] if first_update is not None else None
    meetings, entries = barriers(program, arena, {} if loss is None else {first_update: {loss}})
    found = []
    for number, (kernel, function) in enumerate(zip(program.kernels, functions, strict=True)):
        arguments = []
        loop = loop_of(program, number)
        for name in kernel.arguments:
            buffer = program.buffers[name]
            kind = dtype if buffer.dtype == "real" else buffer.dtype
            if loop is not None and name in loop.slices:
                part = loop.slices[name]
                stride = ir.multiply(ir.product(buffer.shape), ir.integer(ITEM_BYTES.get(kind, 4)))
                first = None if part.first is None else position[part.first]
                arguments.append(Argument(name, position[part.base], kind, stride=stride, first=first))
            else:
                arguments.append(Argument(name, position[name], kind, buffer.role == "scratch"))
        arguments += [Argument(size, interface.sizes[size]) for size in kernel.sizes]
        needs_finite = None
        if loss is not None and number == first_update:
            kind = program.buffers[loss].dtype
            needs_finite = Argument(loss, position[loss], dtype if kind == "real" else kind)
        meets = number in meetings or (number == checked and loop is None)
        call = Call(function, tuple(arguments), kernel.parallel, meets, number == checked, needs_finite)
        if loop is not None:
            counted = Counted(loop.count, loop.backward, interface.sizes) if number == loop.start else None
            at = program.loops.index(loop)
            call = replace(call, loop=at, sizes=interface.sizes, begins=counted, ends=number == loop.stop - 1)
            call = replace(call, enters=number in entries or number == checked)
        found.append(call)
    return tuple(found)


# -- what is checked on the way --------------------------------------------------------------------------------------


def _checked_labels(program: Program) -> int | None:
    """The kernel after the one that checks labels."""
    found = [number for number, kernel in enumerate(program.kernels) if _writes(program, kernel) & {"status"}]
    return found[0] + 1 if found and found[0] + 1 < len(program.kernels) else None


def _first_update(program: Program) -> int | None:
    """The first kernel that writes a leaf."""
    leaves = {"parameter", "state"}
    return next((n for n, kernel in enumerate(program.kernels) if _writes(program, kernel) & leaves), None)


def _writes(program: Program, kernel: ir.Kernel) -> set[str]:
    """Roles of the buffers that a kernel writes."""
    actual = dict(zip(kernel.buffers, kernel.arguments, strict=True))
    return {program.buffers[actual[name]].role for name in ir.writes(kernel.body)}


# -- as Python --------------------------------------------------------------------------------------------------------


def run_text(program: Program, calls: Sequence[Call], interface: Interface) -> str:
    """Addresses to buffers, then one call a kernel, with a barrier where threads hand values to each other."""
    lines = ["def run(address, thread, threads):", f"{INDENT}packed = pointer(address, int64, {interface.length})"]
    if any(call.meets or call.enters for call in calls):
        lines.append(f"{INDENT}sync = pointer(packed[{words.SYNC}], int64, {SYNC_WORDS})")
    lines += [f"{INDENT}{size} = packed[{position}]" for size, position in interface.sizes.items()]
    given = [argument for call in calls for argument in (*call.arguments, call.needs_finite) if argument is not None]
    used = dict.fromkeys(argument for argument in given if argument.dtype and argument.stride is None)
    for argument in sorted(used, key=lambda argument: argument.position):
        buffer = program.buffers[argument.name]
        start = f"packed[{argument.position}]" + (f" + thread*packed[{words.SCRATCH}]" if argument.is_scratch else "")
        size = text(ir.product(buffer.shape), {})
        lines.append(f"{INDENT}{argument.name} = pointer({start}, {buffer.dtype}, {size})")
    for call in calls:
        names = [argument.name for argument in call.arguments]
        indent = INDENT if call.loop is None else INDENT * 2
        if call.begins is not None:
            lines += [f"{INDENT}barrier(sync, threads)"] if call.enters else []
            count = text(call.begins.count, {})
            steps = f"{count} - 1, -1, -1" if call.begins.backward else count
            lines.append(f"{INDENT}for step in range({steps}):")
            inside = [c for c in calls if c.loop == call.loop]
            moving = dict.fromkeys(a for c in inside for a in c.arguments if a.stride is not None)
            for argument in sorted(moving, key=lambda argument: argument.name):
                lines.append(f"{indent}{_at_step(argument, call.begins, program)}")
        if call.meets:
            lines.append(f"{indent}barrier(sync, threads)")
        if call.needs_labels:
            lines += [f"{indent}if packed[{words.STATUS}] != {words.DONE}:  # a label is out of range"]
            lines += [f"{indent}{INDENT}return"]
        if call.needs_finite is not None:
            loss = f"{call.needs_finite.name}[0]"
            lines.append(f"{indent}if packed[{words.NEEDS_FINITE}] != 0 and {loss} - {loss} != 0:  # inf or nan")
            lines += [f"{indent}{INDENT}packed[{words.STATUS}] = {words.NOT_FINITE}", f"{indent}{INDENT}return"]
        if call.parallel:
            lines.append(f"{indent}{call.function}({', '.join([*names, 'thread', 'threads'])})")
        else:
            lines += [f"{indent}if thread == 0:", f"{indent}{INDENT}{call.function}({', '.join(names)})"]
    return "\n".join([*lines, ""])


def _at_step(argument: Argument, loop: Counted, program: Program) -> str:
    """The pointer to one step's part of a buffer."""
    buffer = program.buffers[argument.name]
    assert argument.stride is not None
    stride, kind = text(argument.stride, {}, 7), buffer.dtype
    size = text(ir.product(buffer.shape), {})
    at = "step"
    if argument.first is not None:
        at = "(step + 1)" if loop.backward else "(step - 1)"
    start = f"packed[{argument.position}] + {at}*{stride}"
    if argument.first is not None:
        begin = f"{text(loop.count, {}, 7)} - 1" if loop.backward else "0"
        start = f"packed[{argument.first}] if step == {begin} else {start}"
    return f"{argument.name} = pointer({start}, {kind}, {size})"


# -- as LLVM text -----------------------------------------------------------------------------------------------------


def driver_text(calls: Sequence[Call], callees: Mapping[str, str]) -> str:
    """``entry_team(packed, thread, threads)`` runs all kernels, ``entry_kernel(packed, number, repeats)`` one.

    ``callees`` are LLVM's names of the functions, of Numba's signature: ``i32 (ptr result, ptr exception, …)``.
    """
    declared = {call.function: call for call in calls}
    lines = [f"declare void @{SYMBOL}(ptr, i64)", f"declare void @{EXCEPTION}()"]
    for function, call in declared.items():
        kinds = ", ".join(["ptr", "ptr", *("i64" if kind == "int64" else "ptr" for kind in call.types)])
        lines.append(f'declare i32 @"{callees[function]}"({kinds})')
    prologue = [
        "enter:", "  %result = alloca ptr", "  %exception = alloca ptr", "  %raised = alloca i32",
        "  store i32 0, ptr %raised", "  %words = inttoptr i64 %packed to ptr",
    ]  # fmt: skip
    lines += ["define void @entry_team(i64 %packed, i64 %thread, i64 %threads) {", *prologue]
    lines += [*_load(words.SCRATCH, "stride"), "  %own = mul i64 %thread, %stride", *_load(words.SYNC, "sync.word")]
    lines += ["  %sync = inttoptr i64 %sync.word to ptr", "  %is.first = icmp eq i64 %thread, 0"]
    meeting = f"  call void @{SYMBOL}(ptr %sync, i64 %threads)"
    for number, call in enumerate(calls):
        if call.enters:
            lines.append(meeting)
        if call.begins is not None:
            for n, other in enumerate(calls):
                lines += _addresses(other, n) if other.loop == call.loop else []
            lines += _loop_head(call.begins, f"loop.{call.loop}")
        if call.meets:
            lines.append(meeting)
        lines += _conditions(call)
        if not call.parallel:
            lines += [f"  br i1 %is.first, label %do.{number}, label %done.{number}", f"do.{number}:"]
        lines += _addresses(call, number) if call.loop is None else []
        lines += _call(call, number, callees[call.function])
        if not call.parallel:
            lines += [f"  br label %done.{number}", f"done.{number}:"]
        if call.ends:
            lines += _loop_end(f"loop.{call.loop}")
    return "\n".join([*lines, *EPILOGUE, *_one_kernel(calls, callees, prologue), ""])


def _loop_head(loop: Counted, name: str) -> list[str]:
    """``name.at`` is the step, ``name.before`` the one that came before it, ``name.first`` whether none did."""
    lines, count = _integer(loop.count, loop.sizes, f"{name}.count")
    lines += [f"  %{name}.last = sub i64 {count}, 1", f"  %{name}.total = add i64 {count}, 0"]
    lines += [f"  br label %{name}.enter", f"{name}.enter:", f"  br label %{name}.step", f"{name}.step:"]
    lines.append(f"  %{name}.done = phi i64 [ 0, %{name}.enter ], [ %{name}.next, %{name}.again ]")
    first, step = (f"%{name}.last", "-1") if loop.backward else ("0", "1")
    lines += [f"  %{name}.moved = mul i64 %{name}.done, {step}", f"  %{name}.at = add i64 {first}, %{name}.moved"]
    lines += [f"  %{name}.before = sub i64 %{name}.at, {step}", f"  %{name}.first = icmp eq i64 %{name}.done, 0"]
    return lines


def _loop_end(name: str) -> list[str]:
    lines = [f"  br label %{name}.again", f"{name}.again:", f"  %{name}.next = add i64 %{name}.done, 1"]
    lines.append(f"  %{name}.more = icmp slt i64 %{name}.next, %{name}.total")
    return [*lines, f"  br i1 %{name}.more, label %{name}.step, label %{name}.after", f"{name}.after:"]


def _integer(size: ir.Expr, sizes: Mapping[str, int], name: str) -> tuple[list[str], str]:
    """An integer made of sizes: the instructions, and its value."""
    if isinstance(size, ir.Const):
        return [], str(size.value)
    if isinstance(size, ir.Var):
        return _load(sizes[size.name], name), f"%{name}"
    assert isinstance(size, ir.Op)
    lines: list[str] = []
    values: list[str] = []
    for place, part in enumerate(size.args):
        before, value = _integer(part, sizes, f"{name}.{place}")
        lines += before
        values.append(value)
    word = {"+": "add", "-": "sub", "*": "mul", "//": "sdiv", "%": "srem", "neg": "sub"}[size.op]
    values = ["0", *values] if size.op == "neg" else values
    return [*lines, f"  %{name} = {word} i64 {', '.join(values)}"], f"%{name}"


def _conditions(call: Call) -> list[str]:
    """Leave early, every thread alike: it reads what was written before the last meeting."""
    lines: list[str] = []
    if call.needs_labels:
        lines += [*_load(words.STATUS, "status.word"), f"  %right = icmp eq i64 %status.word, {words.DONE}"]
        lines += ["  br i1 %right, label %labels.right, label %return", "labels.right:"]
    loss = call.needs_finite
    if loss is not None:
        kind = {"float32": "float", "float64": "double"}[loss.dtype]
        lines += [*_load(words.NEEDS_FINITE, "asked"), *_load(loss.position, "loss.word")]
        lines += ["  %loss.at = inttoptr i64 %loss.word to ptr", f"  %loss = load {kind}, ptr %loss.at"]
        lines += [f"  %none = fsub {kind} %loss, %loss", f"  %odd = fcmp une {kind} %none, 0.0"]
        lines += ["  %checks = icmp ne i64 %asked, 0", "  %stop = and i1 %odd, %checks"]
        lines += ["  br i1 %stop, label %stops, label %goes.on", "stops:"]
        lines += [f"  %status.place = getelementptr i64, ptr %words, i64 {words.STATUS}"]
        lines += [f"  store atomic i64 {words.NOT_FINITE}, ptr %status.place monotonic, align 8"]
        lines += ["  br label %return", "goes.on:"]
    return lines


def _one_kernel(calls: Sequence[Call], callees: Mapping[str, str], prologue: Sequence[str]) -> list[str]:
    """A loop around a switch. Its calls are not inlined: part of a small kernel could be taken out of the loop."""
    lines = ["define void @entry_kernel(i64 %packed, i64 %number, i64 %repeats) {", *prologue]
    lines += ["  %own = add i64 0, 0", "  %thread = add i64 0, 0", "  %threads = add i64 0, 1", "  br label %head"]
    lines += ["head:", "  %done = phi i64 [ 0, %enter ], [ %more, %after ]", "  %again = icmp slt i64 %done, %repeats"]
    lines += ["  br i1 %again, label %choose, label %leave", "choose:"]
    begun = {call.loop: call.begins for call in calls if call.begins is not None}
    lines += [f"  %loop.{loop}.{word} = add i64 0, 0" for loop in begun for word in ("at", "before")]
    lines += [f"  %loop.{loop}.first = icmp eq i64 0, 0" for loop in begun]
    cases = " ".join(f"i64 {number}, label %do.{number}" for number in range(len(calls)))
    lines.append(f"  switch i64 %number, label %after [ {cases} ]")
    for number, call in enumerate(calls):
        lines += [f"do.{number}:", *_addresses(call, number)]
        lines += [*_call(call, number, callees[call.function], " noinline"), "  br label %after"]
    return [*lines, "after:", "  %more = add i64 %done, 1", "  br label %head", "leave:", *EPILOGUE]


def _load(position: int, name: str) -> list[str]:
    return [
        f"  %{name}.place = getelementptr i64, ptr %words, i64 {position}", f"  %{name} = load i64, ptr %{name}.place",
    ]  # fmt: skip


def _addresses(call: Call, number: int) -> list[str]:
    """Where the arguments of a call begin, and how far the steps of a loop lie apart: once before the loop."""
    lines: list[str] = []
    for place, argument in enumerate(call.arguments):
        name = f"a.{number}.{place}"
        lines += _load(argument.position, name)
        if argument.stride is not None:
            before, stride = _integer(argument.stride, call.sizes, f"{name}.stride")
            lines += [*before, f"  %{name}.apart = add i64 {stride}, 0"]
        if argument.first is not None:
            lines += _load(argument.first, f"{name}.start")
    return lines


def _at_step_text(argument: Argument, name: str, loop: str) -> list[str]:
    at = f"%{loop}.at" if argument.first is None else f"%{loop}.before"
    lines = [f"  %{name}.far = mul i64 {at}, %{name}.apart", f"  %{name}.part = add i64 %{name}, %{name}.far"]
    if argument.first is None:
        return [*lines, f"  %{name}.own = add i64 %{name}.part, 0"]
    return [*lines, f"  %{name}.own = select i1 %{loop}.first, i64 %{name}.start, i64 %{name}.part"]


def _call(call: Call, number: int, callee: str, attribute: str = "") -> list[str]:
    lines: list[str] = []
    given = ["ptr %result", "ptr %exception"]
    for place, argument in enumerate(call.arguments):
        name = f"a.{number}.{place}"
        if argument.is_scratch:
            lines.append(f"  %{name}.own = add i64 %{name}, %own")
        if argument.stride is not None:
            lines += _at_step_text(argument, name, f"loop.{call.loop}")
        if argument.dtype:
            word = f"{name}.own" if argument.is_scratch or argument.stride is not None else name
            lines.append(f"  %{name}.pointer = inttoptr i64 %{word} to ptr")
        given.append(f"ptr %{name}.pointer" if argument.dtype else f"i64 %{name}")
    if call.parallel:
        given += ["i64 %thread", "i64 %threads"]
    return [
        *lines,
        f'  %status.{number} = call i32 @"{callee}"({", ".join(given)}){attribute}',
        f"  %before.{number} = load i32, ptr %raised",
        f"  %after.{number} = or i32 %before.{number}, %status.{number}",
        f"  store i32 %after.{number}, ptr %raised",
    ]
