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
    theirs that move with the steps."""

    start: int
    stop: int
    count: Expr
    backward: bool
    slices: Mapping[str, Slice]


def loop_of(program: Program, number: int) -> Loop | None:
    """The loop in which a kernel is."""
    return next((loop for loop in program.loops if loop.start <= number < loop.stop), None)


def memory(program: Program, name: str) -> tuple[str, ...]:
    """The buffers with memory of their own that a name may stand for: of a slice, that of which it is one."""
    for loop in program.loops:
        if name in loop.slices:
            part = loop.slices[name]
            return (part.base,) if part.first is None else (part.base, part.first)
    return (name,)
