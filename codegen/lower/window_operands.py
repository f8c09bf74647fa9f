"""The operands of a window's product: where they lie if that will do, else in copies that stay in the cache."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sympy as sp

from codegen.loops import ir
from codegen.loops.ir import ONE, ZERO, Copy, Expr, For, Load, Operand, Steps, Stmt, Store, Var
from codegen.loops.ranges import exists
from codegen.lower.scope import Scope, smaller
from codegen.lower.window_ways import LEAST_COPIED, Bordered, Shifts, Way, Windowed, advances, merged, read_from
from codegen.plan.plan import Node
from codegen.plan.windows import Window, is_plain, moved_by
from symgraph.core.indices import Index
from symgraph.core.tensor import Element


@dataclass(frozen=True, slots=True)
class Block:
    """Columns of a window, those whose first index is in [first, first + width): ``wide`` at most; of a long sum the
    terms from ``begin`` on."""

    node: Node
    window: Window
    way: Way
    loops: Mapping[Index, Var]
    first: Var
    width: Expr
    wide: int
    bordered: Bordered | None
    begin: Var | None

    def places(self, values: Mapping[Index, Expr]) -> dict[Index, Expr]:
        """Indices in the whole window, of those in the block."""
        long = self.window.long
        found = dict(values)
        if long is not None and self.begin is not None:
            found[long] = ir.add(self.begin, found[long])
        return found


class Operands:
    """The operands of one window, and the loops that make copies of them."""

    def __init__(self, scope: Scope, schedule: Windowed) -> None:
        self.scope, self.scalars, self.schedule, self.sizes = scope, scope.scalars, schedule, schedule.sizes

    def source(self, block: Block) -> tuple[Operand, list[Stmt]]:
        """Where the block's first column begins in the source, and what copies that into a border."""
        window, loops = block.window, block.loops
        self.scalars.indices |= block.places(dict.fromkeys((*window.columns, *window.depth), ZERO))
        self.scalars.indices |= {window.columns[0]: block.first}
        value, before = self._value(block)
        self.scalars.indices |= loops
        assert isinstance(value, Load)
        return Operand(value.buffer, ir.flat_index(value.index, self._shape_of(value, block)), (ZERO, ONE)), before

    def unshifted(self, block: Block, shifts: Shifts) -> tuple[Operand, tuple[Steps, Steps] | None]:
        """All elements of the source that there are, by its columns and what is kept of the depth; and their steps."""
        self.scalars.indices |= dict.fromkeys(shifts.kept, ZERO)
        origin = self.scalars.value(shifts.origin)
        self.scalars.indices |= block.loops
        assert isinstance(origin, Load)
        shape = tuple(map(self.scalars.integer, shifts.origin.tensor.shape[-len(origin.index) :]))
        return stepped(
            Operand(origin.buffer, ir.flat_index(origin.index, shape), (ZERO, ONE)),
            merged((shifts.counts[i], block.way.distances[i]) for i in block.window.columns),
            block.way.steps(shifts.kept, self.sizes),
        )

    def _value(self, block: Block) -> tuple[Expr, list[Stmt]]:
        """The source's element, and what copies it into a border."""
        if block.bordered is not None:
            return self._with_border(*block.bordered, block.window)
        return self.scalars.value(block.window.right), []

    def _shape_of(self, value: Load, block: Block) -> tuple[Expr, ...]:
        """The sizes of the array that an element of the source is read from."""
        _, shape = read_from(block.window, block.bordered)
        return tuple(self.scalars.integer(size) for size in shape[len(shape) - len(value.index) :])

    def terms(self, block: Block, depth: int) -> Expr:
        """How many terms a block sums, ``depth`` at most."""
        long = block.window.long
        if long is None or block.begin is None:
            return ir.integer(depth)
        return smaller(ir.integer(depth), ir.difference(self.scalars.integer(block.window.sizes[long]), block.begin))

    def count(self, indices: Sequence[Index]) -> int:
        count = 1
        for index in indices:
            count *= self.sizes[index]
        return count

    def flat(self, indices: Sequence[Index], loops: Mapping[Index, Expr]) -> Expr:
        return ir.flat_index(
            tuple(loops[index] for index in indices), tuple(ir.integer(self.sizes[index]) for index in indices)
        )

    def patch(self, made: Block, depth: int) -> tuple[str, list[Stmt], list[Stmt]]:
        """The buffer of a block's columns, the loops that fill it, and what they need beforehand."""
        window, loops, first, width, wide = made.window, made.loops, made.first, made.width, made.wide
        name = self.scope.unnamed("patch", (sp.Integer(depth), sp.Integer(wide)))
        head = window.columns[0]
        stops = {index: ir.integer(self.sizes[index]) for index in window.columns} | {head: width}
        entries, shape = read_from(window, made.bordered)
        last = window.columns[-1]
        copied = self.sizes[last] >= LEAST_COPIED and _beyond(entries, shape, last) == 1
        block = window.columns[-2:] if copied else ()
        step = _beyond(entries, shape, block[0]) if block else None
        block = block if step is not None else block[1:]
        at: dict[Index, Expr] = {**loops, **dict.fromkeys(block, ZERO)}
        self.scalars.indices |= made.places(at) | {head: ir.add(first, at[head])}
        value, before = self._value(made)
        self.scalars.indices |= loops
        place = self.flat(window.depth, loops), self.flat(window.columns, at)
        body: tuple[Stmt, ...] = (Store(name, place, value),)
        if block and isinstance(value, Load) and not value.guarded:
            sizes = self._shape_of(value, made)
            rows = stops[block[0]] if len(block) > 1 else ONE
            row = stops[block[-1]] if block[-1] is not head else ir.integer(wide)
            to = Operand(name, ir.flat_index(place, (ir.integer(depth), ir.integer(wide))), (row, ONE))
            source = Operand(value.buffer, ir.flat_index(value.index, sizes), (ir.integer(step or 0), ONE))
            body = (Copy(to, source, rows, stops[block[-1]]),)
        else:
            block = ()
        for index in reversed(window.columns[: len(window.columns) - len(block)]):
            body = (For(loops[index], ZERO, stops[index], body),)
        for index in reversed(window.depth):
            body = (For(loops[index], ZERO, self._stop(made, index), body),)
        return name, list(body), before

    def _stop(self, block: Block, index: Index) -> Expr:
        """How many values an index of the rows or the depth has in a block."""
        return self.terms(block, self.sizes[index]) if index is block.window.long else ir.integer(self.sizes[index])

    def _with_border(
        self, element: Element, ranges: Sequence[tuple[int, int]], window: Window
    ) -> tuple[Expr, list[Stmt]]:
        """The element in a copy of its tensor that has zeros where it does not exist, and the loops that make it."""
        moving = {*window.columns, *window.depth}
        axes = [d for d, entry in enumerate(element.indices) if entry.atoms(Index) & moving]
        extents = [sp.Integer(ranges[d][1] - ranges[d][0] + 1) for d in axes]
        name = self.scope.unnamed("bordered", extents)
        at = [Var(self.scope.loop_name(extent), "int64") for extent in extents]
        zero: tuple[Stmt, ...] = (Store(name, tuple(at), ir.Const(0.0, "real")),)
        origin = list(map(self.scalars.integer, element.indices))
        for d, var in zip(axes, at, strict=True):
            origin[d] = ir.add(var, ir.integer(ranges[d][0]))
        copy: tuple[Stmt, ...] = (Store(name, tuple(at), self.scalars.access(element.tensor, tuple(origin))),)
        for d, var, extent in reversed(list(zip(axes, at, extents, strict=True))):
            low, high = ranges[d]
            last = min(high, int(element.tensor.shape[d]) - 1)
            zero = (For(var, ZERO, ir.integer(int(extent)), zero),)
            copy = (For(var, ir.integer(max(0, -low)), ir.integer(last - low + 1), copy),)
        places = tuple(self.scalars.integer(sp.expand(element.indices[d] - ranges[d][0])) for d in axes)
        return Load(name, places, "real"), [*zero, *copy]

    def left(self, block: Block, rows: int, depth: int) -> tuple[Operand, list[Stmt]]:
        """The other factor where it lies, if its rows and its depth each have one stride; else a copy."""
        found = self._strided(block)
        if found is not None:
            return found, []
        name = self.scope.unnamed("rows", (sp.Integer(rows), sp.Integer(depth)))
        copy = self._copy_of(block, name, (block.window.rows, block.window.depth))
        return Operand(name, ZERO, (ir.integer(depth), ONE)), self._if_moving(block.window, copy)

    def lines(self, block: Block, rows: int, depth: int) -> tuple[Operand, list[Stmt]]:
        """The other factor with its rows side by side, where it lies or in a copy."""
        found = self._strided(block)
        if found is not None and found.strides[0] == ONE:
            return Operand(found.buffer, found.offset, (found.strides[1], ONE)), []
        name = self.scope.unnamed("lines", (sp.Integer(depth), sp.Integer(rows)))
        lines = Operand(name, ZERO, (ir.integer(rows), ONE))
        if found is not None and found.strides[1] == ONE:
            copy: tuple[Stmt, ...] = (Copy(lines, found, ir.integer(rows), self.terms(block, depth), transposed=True),)
        else:
            copy = self._copy_of(block, name, (block.window.depth, block.window.rows))
        return lines, self._if_moving(block.window, copy)

    def _copy_of(
        self, block: Block, name: str, order: tuple[tuple[Index, ...], tuple[Index, ...]]
    ) -> tuple[Stmt, ...]:
        window, loops = block.window, block.loops
        self.scalars.indices |= block.places(loops)
        place = self.flat(order[0], loops), self.flat(order[1], loops)
        body: tuple[Stmt, ...] = (Store(name, place, self.scalars.value(window.left)),)
        self.scalars.indices |= loops
        for index in reversed((*order[0], *order[1])):
            body = (For(loops[index], ZERO, self._stop(block, index), body),)
        return body

    def _if_moving(self, window: Window, copy: tuple[Stmt, ...]) -> list[Stmt]:
        """A copy of the other factor, but at the kernel's top where it is the same for all its rows."""
        own = self.scope.group.values | self.scope.group.written
        moving = {*window.rows, *window.depth}
        is_one = window.long is None and window.left.atoms(Index) <= moving
        if is_one and not any(e.tensor in own for e in window.left.atoms(Element)):
            self.scope.top += copy
            return []
        return list(copy)

    def _strided(self, block: Block) -> Operand | None:
        window, loops = block.window, block.loops
        element = window.left
        if not is_plain(element, (*window.rows, *window.depth)) or not exists(element, self.scalars.bounds):
            return None
        moving = (*window.rows, *window.depth)
        places = {moved_by(entry, moving): place for place, entry in enumerate(element.indices)}
        at = [places[index] for index in moving]
        row_places, depth_places = at[: len(window.rows)], at[len(window.rows) :]
        if not (_consecutive(row_places) and _consecutive(depth_places)):
            return None
        inner = (*window.rows[1:], *window.depth[1:])  # which run over their whole axes, or their strides are two
        if any(window.sizes[index] != element.tensor.shape[places[index]] for index in inner):
            return None
        self.scalars.indices |= block.places(dict.fromkeys(moving, ZERO))
        load = self.scalars.value(element)
        self.scalars.indices |= {index: loops[index] for index in moving}
        if not isinstance(load, Load) or load.dtype != "real":
            return None
        dropped = element.tensor.ndim - len(load.index)
        sizes = tuple(self.scalars.integer(size) for size in element.tensor.shape)[dropped:]
        strides = [ir.product(sizes[place - dropped + 1 :]) for place in (row_places[-1], depth_places[-1])]
        return Operand(load.buffer, ir.flat_index(load.index, sizes), (strides[0], strides[1]))


def stepped(matrix: Operand, rows: Steps, depth: Steps) -> tuple[Operand, tuple[Steps, Steps] | None]:
    """A matrix of so many steps: of one stride for each axis, where there is one step."""
    if len(rows) == len(depth) == 1:
        return Operand(matrix.buffer, matrix.offset, (ir.integer(rows[0][1]), ir.integer(depth[0][1]))), None
    return matrix, (rows, depth)

def _beyond(entries: Sequence[sp.Expr], shape: Sequence[sp.Expr], index: Index) -> int | None:
    """How far the next value of an index lies, if that is further on."""
    found = advances(entries, shape, index)
    return found if found is not None and found > 0 else None


def _consecutive(places: Sequence[int]) -> bool:
    return list(places) == list(range(places[0], places[0] + len(places)))
