"""Emits the driver, which calls the kernels in order: as Python to be read, and as LLVM text to be run.

Both are written from one list of :class:`Call` s. The LLVM text is a load for each argument and a call for each kernel,
so that depth costs no time of type inference: Numba sees each distinct kernel once, and no driver.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from codegen.loops import ir, words
from codegen.loops.counts import ITEM_BYTES
from codegen.loops.ir import Program
from codegen.loops.memory import Arena
from codegen.loops.repeat import memory
from codegen.loops.words import Interface
from codegen.native.barrier import SYMBOL, SYNC_WORDS
from codegen.native.compile import EXCEPTION
from codegen.native.emit_scalar import text
from codegen.native.meetings import barriers
from codegen.native.subnormals import entries

INDENT = "    "
EPILOGUE = (
    "  %status = load i32, ptr %raised", "  %bad = icmp ne i32 %status, 0", "  br i1 %bad, label %raise, label %return",
    "raise:", f"  call void @{EXCEPTION}()", "  br label %return", "return:", "  ret void", "}",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Moving:
    """An address that moves with the steps of a loop: ``stride`` bytes further each step from ``base``, a word or an
    address that moves with an outer loop; with ``first``, that of the step before, and at the first step ``first``."""

    loop: int
    base: int | Moving
    stride: ir.Expr
    first: int | Moving | None = None


@dataclass(frozen=True, slots=True)
class Argument:
    """A word of the packed array: a size, or, with ``dtype``, the address of a buffer; scratch is each thread's own. In
    a loop a buffer may be at an address that moves."""

    name: str
    position: int
    dtype: str = ""
    is_scratch: bool = False
    moving: Moving | None = None


@dataclass(frozen=True, slots=True)
class Counted:
    """A loop: its number, how often it runs, from which end, the words of the sizes, whether threads meet before it."""

    number: int
    count: ir.Expr
    backward: bool
    sizes: Mapping[str, int]
    meets: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """One kernel of the program, the function that computes it, and whether all threads meet before it.

    ``needs_labels``: the program ends before it where a label was out of range; ``needs_finite``: where this loss is
    not finite, if it is asked to. ``loops`` are the numbers of the loops that it is in, some of which it ``begins`` or
    ``ends``, from the outermost on.
    """

    function: str
    arguments: tuple[Argument, ...]
    parallel: bool
    meets: bool
    needs_labels: bool = False
    needs_finite: Argument | None = None
    loops: tuple[int, ...] = ()
    sizes: Mapping[str, int] = field(default_factory=dict)
    begins: tuple[Counted, ...] = ()
    ends: tuple[int, ...] = ()

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
        loops = [at for at, loop in enumerate(program.loops) if loop.start <= number < loop.stop]
        for name in kernel.arguments:
            buffer = program.buffers[name]
            kind = dtype if buffer.dtype == "real" else buffer.dtype
            place = _place(name, program, position, dtype)
            if isinstance(place, Moving):
                arguments.append(Argument(name, position[memory(program, name)[0]], kind, moving=place))
            else:
                arguments.append(Argument(name, place, kind, buffer.role == "scratch"))
        arguments += [Argument(size, interface.sizes[size]) for size in kernel.sizes]
        needs_finite = None
        if loss is not None and number == first_update:
            kind = program.buffers[loss].dtype
            needs_finite = Argument(loss, position[loss], dtype if kind == "real" else kind)
        meets = number in meetings or (number == checked and not loops)
        begins = tuple(
            Counted(at, loop.count, loop.backward, interface.sizes, at in entries or number == checked)
            for at, loop in enumerate(program.loops)
            if loop.start == number
        )
        ends = tuple(at for at, loop in enumerate(program.loops) if loop.stop == number + 1)
        of = (tuple(loops), interface.sizes, begins, ends)
        found.append(Call(function, tuple(arguments), kernel.parallel, meets, number == checked, needs_finite, *of))
    return tuple(found)


def _place(name: str, program: Program, position: Mapping[str, int], dtype: str) -> int | Moving:
    """The word of a buffer's address, or how its address moves."""
    for number, loop in enumerate(program.loops):
        if name in loop.slices:
            part, buffer = loop.slices[name], program.buffers[name]
            item = ITEM_BYTES.get(dtype if buffer.dtype == "real" else buffer.dtype, 4)
            stride = ir.multiply(ir.product(buffer.shape), ir.integer(item))
            first = None if part.first is None else _place(part.first, program, position, dtype)
            return Moving(number, _place(part.base, program, position, dtype), stride, first)
    return position[name]


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
    if any(call.meets or any(loop.meets for loop in call.begins) for call in calls):
        lines.append(f"{INDENT}sync = pointer(packed[{words.SYNC}], int64, {SYNC_WORDS})")
    lines += [f"{INDENT}{size} = packed[{position}]" for size, position in interface.sizes.items()]
    given = [argument for call in calls for argument in (*call.arguments, call.needs_finite) if argument is not None]
    used = dict.fromkeys(argument for argument in given if argument.dtype and argument.moving is None)
    for argument in sorted(used, key=lambda argument: argument.position):
        start = f"packed[{argument.position}]" + (f" + thread*packed[{words.SCRATCH}]" if argument.is_scratch else "")
        lines.append(f"{INDENT}{_pointer(argument, start, program)}")
    opened: dict[int, tuple[Counted, str]] = {}
    for call in calls:
        names = [argument.name for argument in call.arguments]
        for depth, loop in enumerate(call.begins, start=len(call.loops) - len(call.begins)):
            indent, step = INDENT * (depth + 1), f"step{depth or ''}"
            lines += [f"{indent}barrier(sync, threads)"] if loop.meets else []
            count = text(loop.count, {})
            lines.append(f"{indent}for {step} in range({f'{count} - 1, -1, -1' if loop.backward else count}):")
            opened[loop.number] = loop, step
            inside = [c for c in calls if loop.number in c.loops]
            moving = dict.fromkeys(a for c in inside for a in c.arguments if a.moving and a.moving.loop == loop.number)
            for argument in sorted(moving, key=lambda argument: argument.name):
                assert argument.moving is not None
                lines.append(f"{indent}{INDENT}{_pointer(argument, _at_step(argument.moving, opened), program)}")
        indent = INDENT * (len(call.loops) + 1)
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


def _pointer(argument: Argument, start: str, program: Program) -> str:
    buffer = program.buffers[argument.name]
    return f"{argument.name} = pointer({start}, {buffer.dtype}, {text(ir.product(buffer.shape), {})})"


def _at_step(place: int | Moving, loops: Mapping[int, tuple[Counted, str]]) -> str:
    """The address of one step's part of a buffer."""
    if isinstance(place, int):
        return f"packed[{place}]"
    loop, step = loops[place.loop]
    base, stride = _whole(place.base, loops), text(place.stride, {}, 7)
    if place.first is None:
        return f"{base} + {step}*{stride}"
    at, begin = (f"({step} + 1)", f"{text(loop.count, {}, 7)} - 1") if loop.backward else (f"({step} - 1)", "0")
    return f"{_whole(place.first, loops)} if {step} == {begin} else {base} + {at}*{stride}"


def _whole(place: int | Moving, loops: Mapping[int, tuple[Counted, str]]) -> str:
    """The same as one operand."""
    found = _at_step(place, loops)
    return found if isinstance(place, int) or place.first is None else f"({found})"


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
    lines += ["define internal void @all_kernels(i64 %packed, i64 %thread, i64 %threads) noinline {", *prologue]
    lines += [*_load(words.SCRATCH, "stride"), "  %own = mul i64 %thread, %stride", *_load(words.SYNC, "sync.word")]
    lines += ["  %sync = inttoptr i64 %sync.word to ptr", "  %is.first = icmp eq i64 %thread, 0"]
    meeting = f"  call void @{SYMBOL}(ptr %sync, i64 %threads)"
    for number, call in enumerate(calls):
        if call.begins and call.begins[0].number == call.loops[0]:
            for n, other in enumerate(calls):  # what does not move with the outermost loop is told before it
                lines += _addresses(other, n) if call.loops[0] in other.loops else []
        for loop in call.begins:
            lines += [meeting] if loop.meets else []
            lines += _loop_head(loop, f"loop.{loop.number}")
        if call.meets:
            lines.append(meeting)
        lines += _conditions(call)
        if not call.parallel:
            lines += [f"  br i1 %is.first, label %do.{number}, label %done.{number}", f"do.{number}:"]
        lines += _addresses(call, number) if not call.loops else []
        lines += _call(call, number, callees[call.function])
        if not call.parallel:
            lines += [f"  br label %done.{number}", f"done.{number}:"]
        for ended in reversed(call.ends):
            lines += _loop_end(f"loop.{ended}")
    is_step = any(call.needs_finite is not None for call in calls)
    return "\n".join([*lines, *EPILOGUE, *_one_kernel(calls, callees, prologue), entries(is_step)])


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
    lines = ["define internal void @one_kernel(i64 %packed, i64 %number, i64 %repeats) noinline {", *prologue]
    lines += ["  %own = add i64 0, 0", "  %thread = add i64 0, 0", "  %threads = add i64 0, 1", "  br label %head"]
    lines += ["head:", "  %done = phi i64 [ 0, %enter ], [ %more, %after ]", "  %again = icmp slt i64 %done, %repeats"]
    lines += ["  br i1 %again, label %choose, label %leave", "choose:"]
    begun = [loop.number for call in calls for loop in call.begins]
    lines += [f"  %loop.{loop}.{word} = add i64 0, 0" for loop in begun for word in ("at", "before")]
    lines += [f"  %loop.{loop}.first = icmp eq i64 0, 0" for loop in begun]
    cases = " ".join(f"i64 {number}, label %do.{number}" for number in range(len(calls)))
    lines.append(f"  switch i64 %number, label %after [ {cases} ]")
    for number, call in enumerate(calls):
        lines += [f"do.{number}:", *_addresses(call, number)]
        lines += [*_call(call, number, callees[call.function], " noinline"), "  br label %after"]
    return [*lines, "after:", "  %more = add i64 %done, 1", "  br label %head", "leave:", *EPILOGUE]


def _load(position: int, name: str) -> list[str]:
    place = f"  %{name}.place = getelementptr i64, ptr %words, i64 {position}"
    return [place, f"  %{name} = load i64, ptr %{name}.place"]


def _addresses(call: Call, number: int) -> list[str]:
    """Where the arguments of a call begin, and how far the steps of a loop lie apart: once before the loop."""
    lines: list[str] = []
    for place, argument in enumerate(call.arguments):
        name = f"a.{number}.{place}"
        lines += _load(argument.position, name) if argument.moving is None else _origin(argument.moving, name, call)
    return lines


def _origin(place: int | Moving, name: str, call: Call) -> list[str]:
    if isinstance(place, int):
        return _load(place, name)
    before, stride = _integer(place.stride, call.sizes, f"{name}.stride")
    lines = [*_origin(place.base, f"{name}.base", call), *before, f"  %{name}.apart = add i64 {stride}, 0"]
    return lines if place.first is None else [*lines, *_origin(place.first, f"{name}.start", call)]


def _moved(place: int | Moving, name: str) -> list[str]:
    """``name.own``, the address at a step; of a word, which does not move, the word itself."""
    if isinstance(place, int):
        return [f"  %{name}.own = add i64 %{name}, 0"]
    loop = f"loop.{place.loop}"
    at = f"%{loop}.at" if place.first is None else f"%{loop}.before"
    lines = [*_moved(place.base, f"{name}.base"), f"  %{name}.far = mul i64 {at}, %{name}.apart"]
    lines.append(f"  %{name}.part = add i64 %{name}.base.own, %{name}.far")
    if place.first is None:
        return [*lines, f"  %{name}.own = add i64 %{name}.part, 0"]
    lines += _moved(place.first, f"{name}.start")
    return [*lines, f"  %{name}.own = select i1 %{loop}.first, i64 %{name}.start.own, i64 %{name}.part"]


def _call(call: Call, number: int, callee: str, attribute: str = "") -> list[str]:
    lines: list[str] = []
    given = ["ptr %result", "ptr %exception"]
    for place, argument in enumerate(call.arguments):
        name = f"a.{number}.{place}"
        if argument.is_scratch:
            lines.append(f"  %{name}.own = add i64 %{name}, %own")
        if argument.moving is not None:
            lines += _moved(argument.moving, name)
        if argument.dtype:
            word = f"{name}.own" if argument.is_scratch or argument.moving is not None else name
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
