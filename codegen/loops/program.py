"""A program: kernels, calls of what is not ours, and loops of all these, in the order in which they run, over named
buffers.

    check_labels · forward_a · Loop(T times: forward_h · forward_c) · allreduce(…) · forward_J · Loop(…) · update_W
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from codegen.loops import ir
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


@dataclass(frozen=True, slots=True)
class External:
    """A call of the procedure with this number, of all that there are, by one thread: it reads whole buffers, and
    writes the first of its ``arguments``."""

    name: str
    number: int
    arguments: tuple[str, ...]
    formulas: tuple[str, ...]


Item = Kernel | Loop | External
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
    return ((path, item) for path, item in work_in(body, above) if isinstance(item, Kernel))


def work_in(body: tuple[Item, ...], above: Path = ()) -> Iterator[tuple[Path, Kernel | External]]:
    """Kernels and external calls in order, each with its path."""
    for place, item in enumerate(body):
        if isinstance(item, Loop):
            yield from work_in(item.body, (*above, place))
        else:
            yield (*above, place), item


def touched_by(item: Kernel | External) -> tuple[frozenset[str], frozenset[str]]:
    """The buffers that a kernel or an external call reads, and those that it writes."""
    if isinstance(item, External):
        return frozenset(item.arguments[1:]), frozenset(item.arguments[:1])
    actual = dict(zip(item.buffers, item.arguments, strict=True))
    reads, writes = ({actual[name] for name in names} for names in (ir.reads(item.body), ir.writes(item.body)))
    return frozenset(reads), frozenset(writes)


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
