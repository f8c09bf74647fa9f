"""Reads side by side what lies far apart: a transposed copy goes before the loops, made in squares of a vector.

for k in 0..64: for j in 0..25: y[k, j] = h[j, k] + b[k]    →    t = hᵀ;  for k: for j: y[k, j] = t[k, j] + b[k]

Loops that do nothing but copy become that copy. Comes in: statements. Goes out: equal ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

from codegen.loops import ir
from codegen.loops.ir import ONE, ZERO, Const, Copy, Expr, For, If, Let, Load, Operand, Stmt, Store, Var
from codegen.loops.names import Names
from codegen.loops.places import Steps, affine
from codegen.loops.share import replaced

LEAST = 8
"""Elements, in both directions, from which on a transposed copy pays."""

LARGEST = 1 << 14
"""Elements of a copy at most: it stays in the cache until it is read."""

Shapes = Mapping[str, tuple[Expr, ...]]


@dataclass(frozen=True, slots=True)
class _Turn:
    """What is copied for the loops from number ``level`` on: those of ``run``, which go over elements side by side, are
    outside of the others that it moves with: ``around`` the copy, and ``along``, which are one step after the other.
    A copy that would be too large is one of a ``block`` of the run at a time, which begins at ``first``."""

    load: Load
    level: int
    base: Expr
    steps: Steps
    run: list[For]
    around: list[For]
    along: list[For]
    block: int
    first: Var | None = None

    @property
    def loops(self) -> list[For]:
        return [*self.run, *self.around, *self.along]

    def copy(
        self, buffer: str, offset: Expr, steps: Steps, numbers: Mapping[str, Expr], count: int, formula: str = ""
    ) -> Stmt:
        """The copy of so many elements of the run to where they are, from that offset on, with those steps."""
        source = self.base if self.first is None else ir.add(self.base, self.first)
        for loop in self.around:
            source = ir.add(source, ir.multiply(numbers[loop.var.name], ir.integer(self.steps[loop.var.name])))
            offset = ir.add(offset, ir.multiply(numbers[loop.var.name], ir.integer(steps[loop.var.name])))
        to = Operand(buffer, offset, (ir.integer(steps[self.run[-1].var.name]), ONE))
        origin = Operand(self.load.buffer, source, (ir.integer(self.steps[self.along[-1].var.name]), ONE))
        return Copy(to, origin, ir.integer(_count(self.along)), ir.integer(count), True, formula)


class Turns:
    """The transposed copies of one kernel: ``shapes`` of its buffers, and the ``scratch`` that it needs."""

    def __init__(self, shapes: Shapes, names: Names) -> None:
        self.shapes, self.names = shapes, names
        self.scratch: list[ir.Buffer] = []

    def __call__(self, body: Sequence[Stmt]) -> tuple[Stmt, ...]:
        """The statements with those loops on copies that read far apart."""
        return tuple(one for statement in body for one in self._statement(statement))

    def _statement(self, statement: Stmt) -> Sequence[Stmt]:
        if isinstance(statement, If):
            return [replace(statement, body=self(statement.body))]
        if not isinstance(statement, For):
            return [statement]
        nest, inside = _nest(statement)
        if not nest or not all(isinstance(one, Let | ir.Assign | Store) for one in inside):
            return [replace(statement, body=self(statement.body))]
        written = set(ir.writes(inside))
        loads = dict.fromkeys(
            node
            for one in inside for expression in ir.expressions_of(one) for node in ir.subexpressions(expression)
            if isinstance(node, Load) and node.dtype == "real" and not node.guarded and node.buffer not in written
        )  # fmt: skip
        turns = [turn for load in loads if (turn := self._turn(nest, load)) is not None]
        if len(turns) == 1 and (alone := self._alone(nest, inside, turns[0])) is not None:
            return [alone]
        before: dict[int, list[Stmt]] = {}
        blocks: dict[int, tuple[Var, int]] = {}
        for turn in turns:
            if turn.block < _count(turn.run):
                made = Var(self.names.unique(f"{turn.run[0].var.name}_first"), "int64"), turn.block
                first, block = blocks.setdefault(turn.level, made)
                if block != turn.block:
                    continue
                turn = replace(turn, first=first)
            name, copy = self._copied(turn)
            before.setdefault(turn.level, []).append(copy)
            numbers: list[Expr] = [loop.var for loop in turn.loops]
            if turn.first is not None:
                numbers[0] = ir.difference(numbers[0], turn.first)
            place = Load(name, tuple(numbers), "real")
            inside = tuple(_replaced(one, turn.load, place) for one in inside)
        for level in reversed(range(len(nest))):
            loop, copies = replace(nest[level], body=inside), before.get(level, ())
            if level in blocks:
                first, block = blocks[level]
                loop = replace(loop, start=first, stop=ir.add(first, ir.integer(block)))
                inside = (For(first, ZERO, nest[level].stop, (*copies, loop), step=ir.integer(block)),)
            else:
                inside = (*copies, loop)
        return inside

    def _turn(self, nest: Sequence[For], load: Load) -> _Turn | None:
        """What is to be copied for an element whose neighbour is not what the innermost loop reads next."""
        names = {loop.var.name for loop in nest}
        found = affine(ir.flat_index(load.index, self.shapes[load.buffer]), names)
        if found is None:
            return None
        steps, base = found
        moving = [loop for loop in nest if steps.get(loop.var.name)]
        first = next((at for at, loop in enumerate(moving) if steps[loop.var.name] == 1), len(moving) - 1)
        if first == len(moving) - 1 or moving[-1] is not nest[-1]:
            return None
        last = first + 1
        while first and steps[moving[first - 1].var.name] == _count(moving[first:last]):
            if _count(moving[first - 1 :]) > LARGEST:
                break
            first -= 1
        along, around = moving[-1:], moving[last:-1]
        while around and steps[around[-1].var.name] == steps[along[-1].var.name] * _count(along):
            along.insert(0, around.pop())
        run, outside = moving[first:last], moving[:first]
        block, others = _count(run), _count([*around, *along])
        if block * others > LARGEST:
            block = max((b for b in range(LEAST, block) if block % b == 0 and b * others <= LARGEST), default=0)
        if min(block, _count(along)) < LEAST or any(step < 0 for step in steps.values()):
            return None
        for loop in outside:
            base = ir.add(base, ir.multiply(loop.var, ir.integer(steps[loop.var.name])))
        level = nest.index(outside[-1]) + 1 if outside else 0
        if block < _count(run) and nest[level] is not run[0]:
            return None
        return _Turn(load, level, base, steps, run, around, along, block)

    def _copied(self, turn: _Turn) -> tuple[str, Stmt]:
        """A copy in scratch memory, in the order of the loops: its name, and what makes it."""
        outermost = turn.run[0].stop if turn.first is None else ir.integer(turn.block)
        shape = (outermost, *(loop.stop for loop in turn.loops[1:]))
        buffer = ir.Buffer(self.names.unique("turned"), "real", shape, "scratch")
        self.scratch.append(buffer)
        numbers = {loop.var.name: Var(self.names.unique(loop.var.name), "int64") for loop in turn.around}
        copy = turn.copy(buffer.name, ZERO, _dense(turn.loops), numbers, turn.block)
        for loop in reversed(turn.around):
            copy = For(numbers[loop.var.name], ZERO, loop.stop, (copy,))  # type: ignore[arg-type]
        return buffer.name, copy

    def _alone(self, nest: Sequence[For], inside: Sequence[Stmt], turn: _Turn) -> Stmt | None:
        """The loops that do nothing but copy, as the copy."""
        store = inside[-1]
        if not isinstance(store, Store) or store.op is not None:
            return None
        is_copy = (len(inside) == 1 and store.value == turn.load) or (
            len(inside) == 2 and isinstance(inside[0], Let) and inside[0] == replace(inside[0], value=turn.load)
            and store.value == inside[0].var
        )  # fmt: skip
        found = affine(ir.flat_index(store.index, self.shapes[store.buffer]), {loop.var.name for loop in nest})
        if not is_copy or found is None or len(turn.loops) != len(nest) - turn.level:
            return None
        steps, offset = found
        far, side = steps.get(turn.run[-1].var.name, 0), _dense(turn.along)
        is_so = all(steps.get(v) == far * step for v, step in _dense(turn.run).items())
        if far < 1 or not is_so or any(steps.get(v) != step for v, step in side.items()):
            return None
        for loop in nest[: turn.level]:
            offset = ir.add(offset, ir.multiply(loop.var, ir.integer(steps.get(loop.var.name, 0))))
        copy = turn.copy(
            store.buffer, offset, steps, {loop.var.name: loop.var for loop in turn.around}, _count(turn.run),
            "\n".join(one.formula for one in inside if one.formula),  # type: ignore[union-attr]
        )  # fmt: skip
        for loop in reversed([*nest[: turn.level], *turn.around]):
            copy = replace(loop, body=(copy,))
        return copy


def _nest(loop: For) -> tuple[list[For], tuple[Stmt, ...]]:
    """Loops of known lengths that stand one directly in the other, and what is in the last."""
    nest: list[For] = []
    body: tuple[Stmt, ...] = (loop,)
    while len(body) == 1 and isinstance(inner := body[0], For):
        if inner.parallel or inner.start != ZERO or inner.step != ONE or not isinstance(inner.stop, Const):
            return [], ()
        nest.append(inner)
        body = inner.body
    return nest, body


def _count(loops: Sequence[For]) -> int:
    return prod(int(loop.stop.value) for loop in loops if isinstance(loop.stop, Const))


def _dense(loops: Sequence[For]) -> Steps:
    """The steps of an array in the order of the loops."""
    return {loop.var.name: _count(loops[at + 1 :]) for at, loop in enumerate(loops)}


def _replaced(statement: Stmt, load: Load, other: Load) -> Stmt:
    assert isinstance(statement, Let | ir.Assign | Store)
    return replace(statement, value=replaced(statement.value, lambda node: other if node == load else None))
