"""The driver of a program as data: its kernels as calls of functions, its external calls and loops, where threads meet,
where it may stop.

Everything is in words of the packed array (:mod:`codegen.loops.words`); a backend writes it down as code.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from codegen.loops import ir
from codegen.loops.counts import item_bytes
from codegen.loops.ir import Kernel
from codegen.loops.meetings import meetings
from codegen.loops.memory import Arena
from codegen.loops.program import External, Item, Path, Program, loops_in, memory, touched_by, work_in
from codegen.loops.words import Interface


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
class Call:
    """One kernel of the program, the function that computes it, and whether all threads meet before it.

    ``needs_labels``: the program ends before it where a label was out of range; ``needs_finite``: where this loss is
    not finite, if it is asked to.
    """

    function: str
    arguments: tuple[Argument, ...]
    parallel: bool
    meets: bool
    needs_labels: bool = False
    needs_finite: Argument | None = None

    @property
    def types(self) -> list[str]:
        """Types of the function's parameters: ``int64``, or ``buffer of`` a scalar type."""
        own = [f"buffer of {argument.dtype}" if argument.dtype else "int64" for argument in self.arguments]
        return [*own, "int64", "int64"] if self.parallel else own


@dataclass(frozen=True, slots=True)
class Repeat:
    """A loop: its number, how often its steps run, from which end, whether threads meet before it."""

    number: int
    count: ir.Expr
    backward: bool
    meets: bool
    body: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Outside:
    """An external call by one thread: of the function whose address is in a word, with the addresses of its arguments,
    the result's first, and the extents of all of them. Afterwards all threads meet, and the program ends if the
    function has not returned 0."""

    number: int
    position: int
    arguments: tuple[Argument, ...]
    extents: tuple[ir.Expr, ...]
    meets: bool
    needs_labels: bool = False


Step = Call | Repeat | Outside


@dataclass(frozen=True, slots=True)
class Driver:
    """What a program does, in its order, and the words of the sizes."""

    body: tuple[Step, ...]
    sizes: Mapping[str, int]

    @property
    def calls(self) -> tuple[Call, ...]:
        """All calls, one for each kernel, in their order."""
        return tuple(calls_in(self.body))


@dataclass(frozen=True, slots=True)
class Source:
    """The text of a program, and the driver that calls its functions."""

    text: str
    driver: Driver


def calls_in(body: Sequence[Step]) -> Iterator[Call]:
    """The calls in some steps and their loops."""
    for step in body:
        if isinstance(step, Repeat):
            yield from calls_in(step.body)
        elif isinstance(step, Call):
            yield step


def outside_in(body: Sequence[Step]) -> Iterator[Outside]:
    """The external calls in some steps and their loops."""
    for step in body:
        if isinstance(step, Repeat):
            yield from outside_in(step.body)
        elif isinstance(step, Outside):
            yield step


def repeats_in(body: Sequence[Step]) -> Iterator[Repeat]:
    """The loops in some steps, outer ones first."""
    for step in body:
        if isinstance(step, Repeat):
            yield step
            yield from repeats_in(step.body)


def driver_of(
    program: Program, functions: Mapping[str, str], arena: Arena, interface: Interface, dtype: str
) -> Driver:
    """The driver of a program; ``functions`` are those that compute its kernels, by the kernels' names."""
    follower = _Follower(program, functions, arena, interface, dtype)
    return Driver(follower.steps(program.body, ()), interface.sizes)


class _Follower:
    """Follows a program, and numbers its loops."""

    def __init__(
        self, program: Program, functions: Mapping[str, str], arena: Arena, interface: Interface, dtype: str
    ) -> None:
        self.program, self.functions, self.interface, self.dtype = program, functions, interface, dtype
        self.position = {**interface.addresses, **interface.memory}
        self.slices = program.slices
        self.moving = {name: n for n, loop in enumerate(loops_in(program.body)) for name in loop.slices}
        writing = [(path, _roles(program, item)) for path, item in work_in(program.body)]
        status = next((place for place, (_, roles) in enumerate(writing) if "status" in roles), len(writing))
        self.checked = writing[status + 1][0] if status + 1 < len(writing) else None
        self.first_update = next((path for path, roles in writing if roles & {"parameter", "state"}), None)
        loss = {} if self.first_update is None else {self.first_update: {program.outputs[0]}}
        self.meets = meetings(program, arena, loss)
        self.loops = 0

    def steps(self, body: tuple[Item, ...], above: Path) -> tuple[Step, ...]:
        found: list[Step] = []
        for place, item in enumerate(body):
            path = (*above, place)
            if isinstance(item, Kernel | External):
                found.append(self.call(item, path) if isinstance(item, Kernel) else self.outside(item, path))
                continue
            number = self.loops
            self.loops += 1
            begins = self.checked is not None and self.checked == (*path, *[0] * (len(self.checked) - len(path)))
            inner = self.steps(item.body, path)
            found.append(Repeat(number, item.count, item.backward, path in self.meets or begins, inner))
        return tuple(found)

    def call(self, kernel: Kernel, path: Path) -> Call:
        arguments = [self.argument(name) for name in kernel.arguments]
        arguments += [Argument(size, self.interface.sizes[size]) for size in kernel.sizes]
        needs_finite = self.argument(self.program.outputs[0]) if path == self.first_update else None
        is_checked = path == self.checked
        meets = path in self.meets or (is_checked and len(path) == 1)
        function = self.functions[kernel.name]
        return Call(function, tuple(arguments), kernel.parallel, meets, is_checked, needs_finite)

    def outside(self, item: External, path: Path) -> Outside:
        arguments = tuple(self.argument(name) for name in item.arguments)
        extents = tuple(extent for name in item.arguments for extent in self.program.buffers[name].shape)
        is_checked = path == self.checked
        meets = path in self.meets or is_checked
        return Outside(item.number, self.interface.procedures[item.number], arguments, extents, meets, is_checked)

    def argument(self, name: str) -> Argument:
        buffer = self.program.buffers[name]
        kind = self.dtype if buffer.dtype == "real" else buffer.dtype
        place = self.place(name)
        if isinstance(place, Moving):
            return Argument(name, self.position[memory(self.slices, name)[0]], kind, moving=place)
        return Argument(name, place, kind, buffer.role == "scratch")

    def place(self, name: str) -> int | Moving:
        """The word of a buffer's address, or how its address moves."""
        part = self.slices.get(name)
        if part is None:
            return self.position[name]
        buffer = self.program.buffers[name]
        item = item_bytes(self.dtype if buffer.dtype == "real" else buffer.dtype)
        stride = ir.multiply(ir.product(buffer.shape), ir.integer(item))
        first = None if part.first is None else self.place(part.first)
        return Moving(self.moving[name], self.place(part.base), stride, first)


def _roles(program: Program, item: Kernel | External) -> set[str]:
    """Roles of the buffers that an item writes."""
    return {program.buffers[name].role for name in touched_by(item)[1]}
