"""Loops of a program: some of its kernels again and again, over slices of what is kept at all steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from codegen.loops.ir import Expr


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
