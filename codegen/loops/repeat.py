"""Loops of a program: some of its kernels again and again, over slices of what is kept at all steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from codegen.loops.ir import Expr, Program


@dataclass(frozen=True, slots=True)
class Slice:
    """What a buffer is at each step of a loop: that step's part of ``base``; or, with ``first``, the part of the step
    before, which at the first step is ``first``."""

    base: str
    first: str | None = None


@dataclass(frozen=True, slots=True)
class Loop:
    """Kernels ``start`` to ``stop`` run ``count`` times, from the last step if ``backward``; ``slices`` are buffers of
    theirs that move with the steps. Loops of a step lie inside; a part of a slice moves with both."""

    start: int
    stop: int
    count: Expr
    backward: bool
    slices: Mapping[str, Slice]


def loops_of(program: Program, number: int) -> tuple[Loop, ...]:
    """The loops in which a kernel is, from the outermost on."""
    return tuple(loop for loop in program.loops if loop.start <= number < loop.stop)


def loop_of(program: Program, number: int) -> Loop | None:
    """The outermost loop in which a kernel is."""
    return next(iter(loops_of(program, number)), None)


def slice_of(program: Program, name: str) -> Slice | None:
    """What a buffer is a part of, at each step of the loop that moves it."""
    return next((loop.slices[name] for loop in program.loops if name in loop.slices), None)


def memory(program: Program, name: str) -> tuple[str, ...]:
    """The buffers with memory of their own that a name may stand for, first that of which it is a part."""
    part = slice_of(program, name)
    if part is None:
        return (name,)
    return (*memory(program, part.base), *(memory(program, part.first) if part.first is not None else ()))
