"""The driver of a program as LLVM text: a load for each argument and a call for each kernel.

Depth so costs no time of translation: each distinct kernel is read once, and the driver is text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from codegen.loops import ir, words
from codegen.loops.driver import Call, Driver, Moving, Outside, Repeat, Step, calls_in, outside_in, repeats_in
from codegen.native.barrier import SYMBOL
from codegen.native.subnormals import entry, usual_mode

PROLOGUE = "enter:", "  %words = inttoptr i64 %packed to ptr"
EPILOGUE = "  br label %return", "return:", "  ret void", "}"


def driver_text(driver: Driver, callees: Mapping[str, str]) -> str:
    """``entry_team(packed, thread, threads)`` runs all kernels.

    ``callees`` are LLVM's names of the functions, which return nothing.
    """
    is_step = _is_step(driver)
    lines = _declared(driver, callees)
    lines += ["define internal void @inner(i64 %packed, i64 %thread, i64 %threads) noinline {", *PROLOGUE]
    lines += _room(driver)
    lines += [*_load(words.SCRATCH, "stride"), "  %own = mul i64 %thread, %stride", *_load(words.SYNC, "sync.word")]
    lines += ["  %sync = inttoptr i64 %sync.word to ptr", "  %is.first = icmp eq i64 %thread, 0"]
    lines += _steps(driver.body, driver, _as_called(driver, callees), 0, True, is_step)
    return "\n".join([*lines, *EPILOGUE, entry("entry", is_step)])


def _as_called(driver: Driver, callees: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """LLVM's name of each function, and how it is called: that of several kernels is not put in the place of each."""
    times = Counter(call.function for call in driver.calls)
    return {name: (callee, " noinline" if times[name] > 1 else "") for name, callee in callees.items()}


def _is_step(driver: Driver) -> bool:
    return any(call.needs_finite is not None for call in driver.calls)


def _declared(driver: Driver, callees: Mapping[str, str]) -> list[str]:
    lines = [f"declare void @{SYMBOL}(ptr, i64)"]
    for function, call in {call.function: call for call in driver.calls}.items():
        kinds = ", ".join("i64" if kind == "int64" else "ptr" for kind in call.types)
        lines.append(f'declare void @"{callees[function]}"({kinds})')
    return lines


def _steps(
    body: Sequence[Step], driver: Driver, callees: Mapping[str, tuple[str, str]], first: int, outermost: bool,
    is_step: bool,
) -> list[str]:  # fmt: skip
    """Steps, of whose calls the ``first`` has that number."""
    lines: list[str] = []
    number = first
    for step in body:
        calls = list(calls_in([step]))
        if outermost and isinstance(step, Repeat):  # what does not move with the outermost loop is told before it
            lines += [line for n, call in enumerate(calls, number) for line in _addresses(call, n, driver.sizes)]
        lines += [f"  call void @{SYMBOL}(ptr %sync, i64 %threads)"] if step.meets else []
        if isinstance(step, Repeat):
            lines += _loop_head(step, f"loop.{step.number}", driver.sizes)
            lines += _steps(step.body, driver, callees, number, False, is_step)
            lines += _loop_end(f"loop.{step.number}")
        elif isinstance(step, Outside):
            lines += _outside(step, driver.sizes, is_step)
        else:
            lines += _conditions(step)
            run = _addresses(step, number, driver.sizes) if outermost else []
            run += _call(step, number, *callees[step.function])
            lines += run if step.parallel else _by_one_thread(run, number)
        number += len(calls)
    return lines


def _room(driver: Driver) -> list[str]:
    """Memory for the addresses and extents that external calls are given."""
    calls = list(outside_in(driver.body))
    if not calls:
        return []
    arrays, extents = max(len(call.arguments) for call in calls), max(len(call.extents) for call in calls)
    return [f"  %arrays = alloca [{arrays} x i64]", f"  %extents = alloca [{max(1, extents)} x i64]"]


def _outside(step: Outside, sizes: Mapping[str, int], is_step: bool) -> list[str]:
    """One thread calls, in the processor's usual mode; then all meet, and leave where the call has failed."""
    name = f"x.{step.number}"
    run: list[str] = []
    for place, argument in enumerate(step.arguments):
        at = f"a.{name}.{place}"
        run += _origin(argument.position if argument.moving is None else argument.moving, at, sizes)
        run += [*_moved(argument.position if argument.moving is None else argument.moving, at)]
        run += [f"  %{at}.slot = getelementptr i64, ptr %arrays, i64 {place}", f"  store i64 %{at}.own, ptr %{at}.slot"]
    for place, extent in enumerate(step.extents):
        before, value = _integer(extent, sizes, f"e.{name}.{place}")
        run += [*before, f"  %e.{name}.{place}.slot = getelementptr i64, ptr %extents, i64 {place}"]
        run.append(f"  store i64 {value}, ptr %e.{name}.{place}.slot")
    run += [*_load(step.position, f"{name}.word"), f"  %{name}.function = inttoptr i64 %{name}.word to ptr"]
    call = [f"  %{name}.result = call i64 %{name}.function(ptr %arrays, ptr %extents)"]
    run += usual_mode(call, name) if is_step else call
    run.append(f"  %{name}.bad = icmp ne i64 %{name}.result, 0")
    run += [f"  br i1 %{name}.bad, label %{name}.fails, label %{name}.ends", f"{name}.fails:"]
    run += [ f"  %{name}.place = getelementptr i64, ptr %words, i64 {words.STATUS}"]
    run += [f"  store atomic i64 {words.FAILED}, ptr %{name}.place monotonic, align 8", f"  br label %{name}.ends"]
    lines = [*_labels(step), *_by_one_thread([*run, f"{name}.ends:"], name)]
    lines += [f"  call void @{SYMBOL}(ptr %sync, i64 %threads)", *_load(words.STATUS, f"{name}.status")]
    lines.append(f"  %{name}.failed = icmp eq i64 %{name}.status, {words.FAILED}")
    return [*lines, f"  br i1 %{name}.failed, label %return, label %{name}.goes.on", f"{name}.goes.on:"]


def _by_one_thread(run: Sequence[str], number: int | str) -> list[str]:
    begin = [f"  br i1 %is.first, label %do.{number}, label %done.{number}", f"do.{number}:"]
    return [*begin, *run, f"  br label %done.{number}", f"done.{number}:"]


def _loop_head(loop: Repeat, name: str, sizes: Mapping[str, int]) -> list[str]:
    """``name.at`` is the step, ``name.before`` the one that came before it, ``name.first`` whether none did."""
    lines, count = _integer(loop.count, sizes, f"{name}.count")
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


def _labels(step: Call | Outside) -> list[str]:
    """Leave where a label was wrong, every thread alike: it reads what was written before the last meeting."""
    if not step.needs_labels:
        return []
    lines = [*_load(words.STATUS, "status.word"), f"  %right = icmp eq i64 %status.word, {words.DONE}"]
    return [*lines, "  br i1 %right, label %labels.right, label %return", "labels.right:"]


def _conditions(call: Call) -> list[str]:
    """Leave early, as :func:`_labels`, or where the loss is not finite."""
    lines = _labels(call)
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


def kernels_text(driver: Driver, callees: Mapping[str, str]) -> str:
    """``kernels_team(packed, number, repeats)`` runs one kernel as often as asked, on one thread.

    A loop around a switch. Its calls are not inlined: part of a small kernel could be taken out of the loop.
    """
    lines = _declared(driver, callees)
    lines += ["define internal void @inner(i64 %packed, i64 %number, i64 %repeats) noinline {", *PROLOGUE]
    lines += ["  %own = add i64 0, 0", "  %thread = add i64 0, 0", "  %threads = add i64 0, 1", "  br label %head"]
    lines += ["head:", "  %done = phi i64 [ 0, %enter ], [ %more, %after ]", "  %again = icmp slt i64 %done, %repeats"]
    lines += ["  br i1 %again, label %choose, label %leave", "choose:"]
    begun = [loop.number for loop in repeats_in(driver.body)]
    lines += [f"  %loop.{loop}.{word} = add i64 0, 0" for loop in begun for word in ("at", "before")]
    lines += [f"  %loop.{loop}.first = icmp eq i64 0, 0" for loop in begun]
    cases = " ".join(f"i64 {number}, label %do.{number}" for number in range(len(driver.calls)))
    lines.append(f"  switch i64 %number, label %after [ {cases} ]")
    for number, call in enumerate(driver.calls):
        lines += [f"do.{number}:", *_addresses(call, number, driver.sizes)]
        lines += [*_call(call, number, callees[call.function], " noinline"), "  br label %after"]
    lines += ["after:", "  %more = add i64 %done, 1", "  br label %head", "leave:", *EPILOGUE]
    return "\n".join([*lines, entry("kernels", _is_step(driver))])


def _load(position: int, name: str) -> list[str]:
    place = f"  %{name}.place = getelementptr i64, ptr %words, i64 {position}"
    return [place, f"  %{name} = load i64, ptr %{name}.place"]


def _addresses(call: Call, number: int, sizes: Mapping[str, int]) -> list[str]:
    """Where the arguments of a call begin, and how far the steps of a loop lie apart: once before the loop."""
    lines: list[str] = []
    for place, argument in enumerate(call.arguments):
        name = f"a.{number}.{place}"
        lines += _load(argument.position, name) if argument.moving is None else _origin(argument.moving, name, sizes)
    return lines


def _origin(place: int | Moving, name: str, sizes: Mapping[str, int]) -> list[str]:
    if isinstance(place, int):
        return _load(place, name)
    before, stride = _integer(place.stride, sizes, f"{name}.stride")
    lines = [*_origin(place.base, f"{name}.base", sizes), *before, f"  %{name}.apart = add i64 {stride}, 0"]
    return lines if place.first is None else [*lines, *_origin(place.first, f"{name}.start", sizes)]


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
    given: list[str] = []
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
    return [*lines, f'  call void @"{callee}"({", ".join(given)}){attribute}']
