"""Which elements of a buffer a thread keeps to itself in a kernel: those of the rows that are its share.

    for first in the share of [0, N), in grains of 1: h_now[first:last, :] = … h_before[first:last, :] …

Two kernels that share the same rows in the same way hand values from each thread to itself, and nobody has to wait.
A step of a recurrence is made of such kernels: its threads share the batch, and each goes through time alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from codegen.loops import ir
from codegen.loops.ir import ONE, ZERO, Call, Const, Contract, Expr, For, Kernel, Let, Load, Op, Operand, Stmt, Var
from codegen.loops.places import affine

Shape = tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """Threads share ``count`` elements in whole grains, in order; a thread touches no others than its share. Of what
    has more elements than that, as all steps of a value, those of each step are so shared."""

    count: Expr
    grain: Expr


def parts_of(kernel: Kernel, shapes: Mapping[str, Shape]) -> dict[str, Part]:
    """The parts of the buffers, by their names in the kernel, of which every thread has one to itself."""
    loops = [statement for statement in kernel.body if isinstance(statement, For) and statement.parallel]
    if len(loops) != 1 or not _numbers_alone(kernel.body):
        return {}
    walk = _Walk(loops[0], shapes)
    for statement in kernel.body:
        if isinstance(statement, Let):
            for node in ir.subexpressions(statement.value):
                if isinstance(node, Load):
                    walk.note(node.buffer, None)
    return walk.parts()


def _numbers_alone(body: tuple[Stmt, ...]) -> bool:
    """Whether what stands beside the loop that threads share is bound, and not stored."""
    return all(isinstance(statement, Let) or (isinstance(statement, For) and statement.parallel) for statement in body)


class _Walk:
    """The accesses in a loop that threads share, each judged where it stands.

    ``own`` are places in the thread's share, ``ends`` what ends it or a block of it, ``within`` where indices that
    begin at 0 stop.
    """

    def __init__(self, loop: For, shapes: Mapping[str, Shape]) -> None:
        self.loop, self.shapes = loop, shapes
        self.found: dict[str, set[Part | None]] = {}
        self.own = {loop.var}
        self.ends: set[Expr] = {Var(f"{loop.var.name}_end", "int64")}
        self.within: dict[Expr, Expr] = {}

    def parts(self) -> dict[str, Part]:
        self.block(self.loop.body)
        return {name: part for name, (part, *more) in self.found.items() if part is not None and not more}

    def block(self, body: tuple[Stmt, ...]) -> None:
        for statement in body:
            for expression in ir.expressions_of(statement):
                for node in ir.subexpressions(expression):
                    if isinstance(node, Load):
                        self.touch(node.buffer, node.index)
            match statement:
                case Let(var, Call("minimum", (_, end))) if end in self.ends:
                    self.ends.add(var)
                case For(var, start, stop, inner):
                    if start in self.own and stop in self.ends:
                        self.own.add(var)
                    elif start == ZERO:
                        self.within[var] = stop
                    self.block(inner)
                case ir.If(_, inner):
                    self.block(inner)
                case ir.Store(buffer, index):
                    self.touch(buffer, index)
                case Contract(out, left, right, rows, columns, depth):
                    by_rows, by_depth = statement.left_steps or (None, None)
                    self.matrix(out, rows, columns, statement.out_steps)
                    self.matrix(left, rows, depth, by_rows, by_depth)
                    self.matrix(right, depth, columns, statement.right_steps)
                case ir.Copy(out, source, rows, columns, transposed):
                    self.matrix(out, *((columns, rows) if transposed else (rows, columns)))
                    self.matrix(source, rows, columns)

    def touch(self, buffer: str, index: tuple[Expr, ...]) -> None:
        """An element, at its indices."""
        shape = self.shapes[buffer]
        width = ir.product(shape[1:])
        part: Part | None = None
        if index and shape[0] == self.loop.stop and (self.is_own(index[0]) or self.is_on(index, width)):
            part = self.rows(width)
        elif index and all(at == ZERO for at in index[:-1]) and ir.product(shape) == self.loop.stop:
            part = self.rows(ONE) if self.is_own(index[-1]) else None
        self.note(buffer, part)

    def is_own(self, place: Expr) -> bool:
        """Whether a place lies in the thread's share: one of its own, further on in a block, or its last at most."""
        match place:
            case Op("+", (start, more)):
                return start in self.own and self.is_length(self.within.get(more), start)
            case Call("minimum", (Op("+", (start, more)), Op("-", (end, by)))):
                return start in self.own and more in self.within and end in self.ends and by == ONE
        return place in self.own

    def is_length(self, length: Expr | None, start: Expr) -> bool:
        """Whether a length is from a place of the thread's own to an end."""
        return isinstance(length, Op) and length.op == "-" and length.args[0] in self.ends and length.args[1] == start

    def is_on(self, index: tuple[Expr, ...], width: Expr) -> bool:
        """Whether the place in a row of the thread's own runs on over the rows of a block, to its last."""
        start, *rest = index
        if start not in self.own or not rest or any(at != ZERO for at in rest[:-1]):
            return False
        ends = (ir.multiply(Op("-", (end, start), "int64"), width) for end in self.ends)
        return self.within.get(rest[-1]) in list(ends)

    def matrix(
        self, operand: Operand, rows: Expr, long: Expr, by_rows: ir.Steps | None = None, by_long: ir.Steps | None = None
    ) -> None:
        """Some rows of a matrix, of each the first ``long`` elements; both may be so many steps apart."""
        shape = self.shapes[operand.buffer]
        width = ir.product(shape[1:])
        reaches = _reach(rows, operand.strides[0], by_rows), _reach(long, operand.strides[1], by_long)
        if shape[0] == self.loop.stop and self.is_in_one(operand.offset, width, reaches):
            self.note(operand.buffer, self.rows(width))
            return
        begins = any(operand.offset == ir.multiply(s, width) and self.is_length(rows, s) for s in self.own)
        inside = long == width or (isinstance(long, Const) and isinstance(width, Const) and long.value <= width.value)
        plain = by_rows is None and by_long is None and operand.strides == (width, ONE)
        is_own = begins and inside and plain and shape[0] == self.loop.stop
        self.note(operand.buffer, self.rows(width) if is_own else None)

    def is_in_one(self, offset: Expr, width: Expr, reaches: Sequence[int | None]) -> bool:
        """Whether what is so far from a place is in one row of the thread's own, wherever the loops inside are."""
        within = [(var, stop) for var, stop in self.within.items() if isinstance(var, Var) and isinstance(stop, Const)]
        inner = {var.name: int(stop.value) for var, stop in within}
        found = affine(offset, {self.loop.var.name, *inner})
        if found is None or not isinstance(width, Const) or not isinstance(found[1], Const) or None in reaches:
            return False
        steps = found[0]
        far = [step * (inner[name] - 1) for name, step in steps.items() if name != self.loop.var.name]
        last = int(found[1].value) + sum(far) + sum(reach for reach in reaches if reach is not None)
        moves = steps.get(self.loop.var.name) == width.value
        return moves and min([0, int(found[1].value), *far]) >= 0 and last < width.value

    def rows(self, width: Expr) -> Part:
        """The share, where an iteration is ``width`` elements."""
        grain = self.loop.step if self.loop.grain is None else self.loop.grain
        return Part(ir.multiply(self.loop.stop, width), ir.multiply(grain, width))

    def note(self, buffer: str, part: Part | None) -> None:
        self.found.setdefault(buffer, set()).add(part)


def _reach(count: Expr, stride: Expr, steps: ir.Steps | None) -> int | None:
    """How far the last of so many elements is from the first, if that is known and not negative."""
    if steps is not None:
        far = [(number - 1) * step for number, step in steps]
        return sum(far) if min(far) >= 0 else None
    if not isinstance(count, Const) or not isinstance(stride, Const) or stride.value < 0:
        return None
    return (int(count.value) - 1) * int(stride.value)
