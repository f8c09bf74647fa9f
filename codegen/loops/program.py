"""A program: kernels, and loops of kernels and loops, in the order in which they run, over named buffers.

    check_labels · forward_a · Loop(T times: forward_h · forward_c) · forward_J · Loop(T times, backward: …) · update_W
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from codegen.loops.ir import Buffer, Expr, Kernel


@dataclass(frozen=True, slots=True)
class Slice:
    """What a buffer is at each step of a loop: that step's part of ``base``; or, with ``first``, the part of the step
    before, which at the first step is ``first``."""

    base: str
    first: str | None = None


@dataclass(frozen=True, slots=True)
class Loop:
    """``body`` runs ``count`` times, from the last step if ``backward``; ``slices`` are buffers of its that move with
    the steps. A part of a slice moves with both loops."""

    body: tuple[Item, ...]
    count: Expr
    backward: bool
    slices: Mapping[str, Slice]


Item = Kernel | Loop
Path = tuple[int, ...]
"""Where an item is: its place in the program's body, in the body of the loop that is there, and so on."""


@dataclass(frozen=True, slots=True)
class Program:
    """What runs, in its order, over named buffers."""

    buffers: dict[str, Buffer]
    body: tuple[Item, ...]
    sizes: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def kernels(self) -> tuple[Kernel, ...]:
        """All kernels, in the order in which they are written down."""
        return tuple(kernel for _, kernel in kernels_in(self.body))

    @property
    def slices(self) -> Mapping[str, Slice]:
        """What moves with the steps of a loop."""
        return {name: part for loop in loops_in(self.body) for name, part in loop.slices.items()}


def kernels_in(body: tuple[Item, ...], above: Path = ()) -> Iterator[tuple[Path, Kernel]]:
    """Kernels in order, each with its path; ``above`` is that of the loop whose body it is."""
    for place, item in enumerate(body):
        match item:
            case Kernel():
                yield (*above, place), item
            case Loop(inner):
                yield from kernels_in(inner, (*above, place))


def loops_in(body: tuple[Item, ...]) -> Iterator[Loop]:
    """Loops in order, outer ones first."""
    for item in body:
        if isinstance(item, Loop):
            yield item
            yield from loops_in(item.body)


def memory(slices: Mapping[str, Slice], name: str) -> tuple[str, ...]:
    """The buffers with memory of their own that a name may stand for, first that of which it is a part."""
    part = slices.get(name)
    if part is None:
        return (name,)
    return (*memory(slices, part.base), *(memory(slices, part.first) if part.first is not None else ()))
