"""The smallest program that shows the same finding: smaller by one step after the other, as long as it shows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from tests.fuzz.programs import Formula, Leaf, Malformed, Program, Value, parts, shapes_of

TRIALS = 150


def minimise(program: Program, shows: Callable[[Program], bool], seconds: float = 60.0) -> Program:
    """Greedy descent; ``shows`` tells whether a smaller program has the finding."""
    end, trials, best = time.monotonic() + seconds, 0, program
    progress = True
    while progress:
        progress = False
        for smaller in _smaller(best):
            if trials >= TRIALS or time.monotonic() > end:
                return best
            if not _is_sound(smaller):
                continue
            trials += 1
            if shows(smaller):
                best, progress = smaller, True
                break
    return best


def signature(program: Program) -> str:
    """What operations a program is made of: minimised programs of one signature show one fault."""
    words: set[str] = set()
    for value in program.values:
        words.add(value.op)
        if value.op in ("formula", "define"):
            body = value.data if value.op == "formula" else value.data[2]
            words |= {part[0] for part in parts(body)} - {"arg", "num"}
            words |= {part[1] for part in parts(body) if part[0] == "red"}
    return " ".join(sorted(words - {"leaf", "formula"}))


def _is_sound(program: Program) -> bool:
    try:
        shapes_of(program)
    except (Malformed, IndexError, ValueError, TypeError):
        return False
    return bool(program.outputs)


def _smaller(program: Program) -> Iterator[Program]:
    """Programs one step smaller, the boldest first."""
    for number in program.outputs:
        if len(program.outputs) > 1:
            yield replace(program, outputs=(number,)).trimmed()
    for number in program.outputs:
        if len(program.outputs) > 1:
            yield replace(program, outputs=tuple(o for o in program.outputs if o != number)).trimmed()
    shapes = shapes_of(program)
    for number, value in reversed(list(enumerate(program.values))):
        if value.op == "leaf":
            continue
        if value.op not in ("argmax", "argmin"):
            yield _with(program, number, Value("leaf", (), Leaf("input", f"in{number}", shapes[number], "normal")))
        for argument in value.args:
            if shapes[argument] == shapes[number]:
                yield _redirected(program, number, argument)
    for number, value in enumerate(program.values):
        for simpler in _simpler(value):
            yield _with(program, number, simpler)
    if any(not isinstance(size, int) for shape in shapes for size in shape):
        yield _resized(program, ("N", 0), program.size_of["N"])
    for size in sorted({s for shape in shapes for s in shape if isinstance(s, int) and s > 1}, reverse=True):
        yield _resized(program, size, size - 1)
    if program.size_of["N"] > 1:
        yield replace(program, sizes=(("N", program.size_of["N"] - 1),))
    if program.native:
        yield replace(program, native=False)
    if program.dtype != "float64":
        yield replace(program, dtype="float64")


def _with(program: Program, number: int, value: Value) -> Program:
    values = list(program.values)
    values[number] = value
    return replace(program, values=tuple(values)).trimmed()


def _redirected(program: Program, number: int, argument: int) -> Program:
    """The argument in place of a value, everywhere."""
    values = [replace(v, args=tuple(argument if a == number else a for a in v.args)) for v in program.values]
    outputs = tuple(dict.fromkeys(argument if o == number else o for o in program.outputs))
    return replace(program, values=tuple(values), outputs=outputs).trimmed()


def _resized(program: Program, old: Any, new: int) -> Program:
    """Another size wherever one stands."""

    def resized(part: Any) -> Any:
        return new if part == old and isinstance(part, type(old)) else part

    values = []
    for value in program.values:
        if value.op == "leaf":
            leaf = value.data
            shape = tuple(resized(s) for s in leaf.shape)
            value = replace(value, data=replace(leaf, shape=shape, classes=resized(leaf.classes)))
        elif value.op == "define":
            free, bound, body = value.data
            pairs = [tuple((name, resized(size)) for name, size in names) for names in (free, bound)]
            value = replace(value, data=(*pairs, body))
        values.append(value)
    return replace(program, values=tuple(values))


def _simpler(value: Value) -> Iterator[Value]:
    """The operation with less in it."""
    if value.op == "leaf":
        if value.data.profile not in ("simple", "normal"):
            yield replace(value, data=replace(value.data, profile="normal"))
        if value.data.kind in ("parameter", "constant"):
            yield replace(value, data=replace(value.data, kind="input"))
    elif value.op == "formula":
        for body in _simpler_formulas(value.data):
            yield from _formula_value(value, body)
    elif value.op == "define":
        free, bound, body = value.data
        if len(_arguments(body, "el") | _arguments(body, "lab")) < len(value.args):
            yield from _without_unused(value, free, bound, body)
        for simpler in _simpler_formulas(body):
            yield replace(value, data=(free, bound, simpler))
            yield from _without_unused(value, free, bound, simpler)
    elif value.op in ("sum", "mean", "max", "min") and value.data[1]:
        yield replace(value, data=(value.data[0], False))
    elif value.op == "mean":
        yield replace(value, op="sum")
    elif value.op == "slice":
        for position, key in enumerate(value.data):
            if not isinstance(key, int) and key != (None, None, None):
                keys = list(value.data)
                keys[position] = (None, None, None)
                yield replace(value, data=tuple(keys))


def _formula_value(value: Value, body: Formula) -> Iterator[Value]:
    """A formula without the arguments that it does not use."""
    used = sorted(_arguments(body, "arg"))
    new = {old: position for position, old in enumerate(used)}
    if used:
        args = tuple(value.args[k] for k in used)
        yield replace(value, args=args, data=_renumbered(body, new))


def _without_unused(value: Value, free: Any, bound: Any, body: Formula) -> Iterator[Value]:
    used = sorted(_arguments(body, "el") | _arguments(body, "lab"))
    new = {old: position for position, old in enumerate(used)}
    names = _names(body)
    left = tuple((name, size) for name, size in bound if name in names)
    yield replace(value, args=tuple(value.args[k] for k in used), data=(free, left, _renumbered(body, new)))


def _names(f: Any) -> set[str]:
    return {f} if isinstance(f, str) else set().union(*map(_names, f)) if isinstance(f, tuple) else set()


def _arguments(f: Any, head: str) -> set[int]:
    if not isinstance(f, tuple):
        return set()
    own = {f[1]} if len(f) > 1 and f[0] == head else set()
    return own.union(*(_arguments(part, head) for part in f))


def _renumbered(f: Any, new: dict[int, int]) -> Any:
    if not isinstance(f, tuple):
        return f
    if len(f) > 1 and f[0] in ("arg", "el", "lab"):
        return (f[0], new.get(f[1], f[1]), *(_renumbered(part, new) for part in f[2:]))
    return tuple(_renumbered(part, new) for part in f)


def _simpler_formulas(f: Formula) -> Iterator[Formula]:
    """The formula with a part in place of what it is a part of, or 1 in place of a part."""
    if f[0] in ("num", "arg", "el", "idx"):
        if f[0] == "num" and f[1] not in ("0", "1", "2"):
            yield ("num", "2")
        return
    subformulas = [p for p in f[1:] if isinstance(p, tuple) and p and isinstance(p[0], str) and f[0] != "red"]
    if f[0] == "red":
        subformulas = [f[3]]
    if f[0] == "if":
        subformulas = [f[2], f[3]]
    relation = f[0] in ("<", "<=", ">", ">=", "==")
    if f[0] in ("and", "or", "not") or not relation:
        yield from subformulas
    for position, part in enumerate(f):
        if position > (2 if f[0] == "red" else 0) and isinstance(part, tuple) and part and isinstance(part[0], str):
            for simpler in _simpler_formulas(part):
                yield (*f[:position], simpler, *f[position + 1 :])
            if part[0] not in ("num", "arg", "el", "<", "<=", ">", ">=", "==", "and", "or", "not") or relation:
                yield (*f[:position], ("num", "2"), *f[position + 1 :])
