"""Lowers a window (:mod:`codegen.plan.windows`) to register tiles: no array of all patches is ever in memory.

copied    for a block of columns:                                             y[n, :, p:p + 4, :] = W·patches
              for c, u, v: for p, q of the block: patch[(c, u, v), (p, q)] = x[n, c, p + u, q + v]
              Contract y[n, o, (p, q)] = W[o, (c, u, v)] · patch[(c, u, v), (p, q)]
direct    Contract t[o, p·row + q] = W[o, (c, u, v)] · x[n, (c, u, v), p·row + q];    y[n, o, p, q] = t[o, p·row + q]
turned    Contract t[(p, q), o] = x[n, (p, q), (c, u, v)] · W[(c, u, v), o];          y[n, o, (p, q)] = t[(p, q), o]
straight  Contract y[n, (p, q), o] = x[n, (p, q), (c, u, v)] · W[(c, u, v), o]
scattered for u, v: Contract y[n, (e + u, f + v), o] += x[n, (e, f), c] · W[(c, u, v), o]      of x[n, p - u, q - v, c]

Every element is summed in the order of its depth, whatever the blocks; one that is scattered, shift by shift
(:mod:`codegen.lower.window_ways`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

import sympy as sp

from codegen.loops import ir
from codegen.loops.ir import ONE, ZERO, Contract, Copy, Expr, For, Let, Load, Operand, Steps, Stmt, Store, Var
from codegen.loops.ranges import exists
from codegen.lower.comments import formula_text
from codegen.lower.scope import Scope, smaller
from codegen.lower.window_ways import LEAST_COPIED, Bordered, Way, Windowed, advances, merged, read_from
from codegen.plan.plan import Node
from codegen.plan.windows import Window, bounds_in, is_plain, moved_by
from symgraph.core.indices import Index, axis
from symgraph.core.tensor import Element


@dataclass(frozen=True, slots=True)
class _Block:
    """Columns of a window, those whose first index is in [first, first + width): ``wide`` at most."""

    node: Node
    window: Window
    way: Way
    loops: Mapping[Index, Var]
    first: Var
    width: Expr
    wide: int
    bordered: Bordered | None


@dataclass(slots=True)
class _Product:
    """What computes a block: ``border`` before all blocks, ``once`` before the first term, ``fill`` before each."""

    border: Sequence[Stmt]
    once: Sequence[Stmt]
    fill: Sequence[Stmt]
    contract: Stmt
    after: Sequence[Stmt] = ()


class WindowLowering:
    """The segment of a window."""

    def __init__(self, scope: Scope, schedule: Windowed) -> None:
        self.scope, self.scalars, self.schedule, self.window_sizes = scope, scope.scalars, schedule, schedule.sizes

    def product(self, node: Node, row: Sequence[Expr], shared: bool) -> list[Stmt]:
        """The product, block of columns after block; ``shared`` among the threads."""
        window, way, wide = self.schedule.window, self.schedule.way, self.schedule.wide
        loops = {
            index: Var(self.scope.loop_name(window.sizes[index]), "int64")
            for index in (*window.outer, *_in_order(window), *window.over, *window.depth)
        }
        around = {index: loops[index] for index in (*window.outer, *window.over)}
        self.scalars.indices = {**dict(zip(self.scope.row_axes(), row, strict=True)), **loops}
        self.scalars.bounds = bounds_in(window)
        names = window.names
        formula = node.definition.body.xreplace(names) if names else None
        self.scope.formulas.append(formula_text(node, self.scalars.indices, self.scope.shown_name, names, formula))
        first_extent = self.window_sizes[window.columns[0]]
        first = Var(self.scope.names.unique("first"), "int64")
        width: Expr = ir.integer(wide)
        lets: list[Stmt] = []
        if first_extent % wide:
            last = Var(self.scope.names.unique("last"), "int64")
            lets.append(Let(last, smaller(ir.add(first, width), ir.integer(first_extent))))
            width = ir.difference(last, first)
        columns, border = wide * self._count(window.columns[1:]), self.schedule.bordered
        block = _Block(node, window, way, loops, first, width, columns, border)
        ways = {
            "copied": self._copied, "direct": self._direct, "turned": self._turned, "straight": self._turned,
            "scattered": self._scattered,
        }  # fmt: skip
        made = ways[way.name](block)
        inside = bool(window.over) or shared
        body: list[Stmt] = [*(made.border if inside else []), *made.fill, made.contract]
        for index in reversed(window.over):
            start: Expr = ZERO
            stop = self.scalars.integer(window.sizes[index])
            if window.part is not None and index is window.over[0]:
                start, end = map(self.scalars.integer, window.part)
                stop = smaller(ir.add(start, stop), end)
            body = [For(around[index], start, stop, tuple(body))]
        body = [*lets, *made.once, *body, *made.after]
        body = [For(first, ZERO, ir.integer(first_extent), tuple(body), step=ir.integer(wide), parallel=shared)]
        body = body if inside else [*made.border, *body]
        for index in reversed(window.outer):
            body = [For(around[index], ZERO, self.scalars.integer(window.sizes[index]), tuple(body))]
        return body

    # -- the ways -----------------------------------------------------------------------------------------------------
    def _copied(self, block: _Block) -> _Product:
        """Columns of every depth side by side, and the other factor."""
        window, loops = block.window, block.loops
        rows, depth, rest = map(self._count, (window.rows, window.depth, window.columns[1:]))
        patch, fill, border = self._patch(block, depth)
        out, at = self._out(block)
        lines: Expr = ir.integer(rows)
        columns = ir.multiply(block.width, ir.integer(rest))
        if window.rows_last:
            left = Operand(patch, ZERO, (ONE, ir.integer(block.wide)))
            right, before = self._lines(window, loops, rows, depth)
            lines, columns, extents = columns, lines, (block.wide, rows, depth)
        else:
            left, before = self._left(window, loops, rows, depth)
            right, extents = Operand(patch, ZERO, (ir.integer(block.wide), ONE)), (rows, block.wide, depth)
        contract = Contract(
            out, left, right, lines, columns, ir.integer(depth), extents, self.scope.formulas[-1],
            accumulate=bool(window.over),
        )  # fmt: skip
        return _Product(border, self._cleared(block, out, at) if window.over else [], [*before, *fill], contract)

    def _turned(self, block: _Block) -> _Product:
        """Elements where they lie, times lines of the other factor, in which its rows lie side by side."""
        window, sizes = block.window, self.window_sizes
        rows, depth, rest = map(self._count, (window.rows, window.depth, window.columns[1:]))
        source, border = self._source(block)
        right, before = self._lines(window, block.loops, rows, depth)
        count = ir.multiply(block.width, ir.integer(rest))
        result, zeros, after = self._of_lanes(block, count, rows)
        source, steps = _stepped(source, block.way.steps(window.columns, sizes), block.way.steps(window.depth, sizes))
        contract = Contract(
            result, source, right, count, ir.integer(rows), ir.integer(depth), (block.wide, rows, depth),
            self.scope.formulas[-1], accumulate=bool(window.over), left_steps=steps,
        )  # fmt: skip
        return _Product(border, zeros if window.over else [], before, contract, after)

    def _scattered(self, block: _Block) -> _Product:
        """Elements where they lie, times lines of the other factor, added where they are read, shift after shift."""
        window, sizes, shifts = block.window, self.window_sizes, block.way.shifts
        assert shifts is not None
        rows, depth, kept, elements = (
            self._count(window.rows), self._count(window.depth), self._count(shifts.kept), prod(shifts.counts.values()),
        )  # fmt: skip
        right, before = self._lines(window, block.loops, rows, depth)
        result, zeros, after = self._of_lanes(block, ir.integer(self._count(window.columns)), rows)
        self.scalars.indices |= dict.fromkeys(shifts.kept, ZERO)
        origin = self.scalars.value(shifts.origin)
        self.scalars.indices |= block.loops
        assert isinstance(origin, Load)
        shape = tuple(map(self.scalars.integer, shifts.origin.tensor.shape[-len(origin.index) :]))
        source, steps = _stepped(
            Operand(origin.buffer, ir.flat_index(origin.index, shape), (ZERO, ONE)),
            merged((shifts.counts[i], block.way.distances[i]) for i in window.columns),
            block.way.steps(shifts.kept, sizes),
        )
        far, moved = list[tuple[int, int]](), ZERO
        for position, column in enumerate(window.columns):
            step = rows * self._count(window.columns[position + 1 :])
            far.append((shifts.counts[column], step))
            moved = ir.add(moved, ir.multiply(self.scalars.integer(shifts.moves[column]), ir.integer(step)))
        numbers = dict.fromkeys(shifts.kept, ZERO) | {i: block.loops[i] for i in shifts.over}
        apart = self._count(window.depth[window.depth.index(shifts.kept[-1]) + 1 :])
        lines = ir.add(right.offset, ir.multiply(self._flat(window.depth, numbers), right.strides[0]))
        body: Stmt = Contract(
            Operand(result.buffer, ir.add(result.offset, moved), (ZERO, ONE)), source,
            Operand(right.buffer, lines, (ir.multiply(ir.integer(apart), right.strides[0]), ONE)),
            ir.integer(elements), ir.integer(rows), ir.integer(kept), (elements, rows, kept), self.scope.formulas[-1],
            accumulate=True, out_steps=tuple(far),
            left_steps=steps,
        )  # fmt: skip
        for index in reversed(shifts.over):
            body = For(block.loops[index], ZERO, ir.integer(sizes[index]), (body,))
        return _Product([], zeros, before, body, after)

    def _of_lanes(self, block: _Block, count: Expr, rows: int) -> tuple[Operand, list[Stmt], list[Stmt]]:
        """Where a product goes whose lanes are the rows of the window, what sets it to 0, and what turns it."""
        out, at = self._out(block)
        if block.window.rows_last:
            return out, self._cleared(block, out, at), []
        name = self.scope.unnamed("turned", (sp.Integer(block.wide), sp.Integer(rows)))
        result = Operand(name, ZERO, (ir.integer(rows), ONE))
        return result, self._zeroed(name, count, rows), [Copy(out, result, count, ir.integer(rows), transposed=True)]

    def _direct(self, block: _Block) -> _Product:
        """The other factor where it lies, times rows of the source as they lie, of which some elements are left out."""
        window, sizes = block.window, self.window_sizes
        rows, depth, rest = map(self._count, (window.rows, window.depth, window.columns[1:]))
        source, border = self._source(block)
        left, before = self._left(window, block.loops, rows, depth)
        out, _ = self._out(block)
        row = block.way.row(window, rest)
        until = ir.add(ir.multiply(block.width, ir.integer(row)), ir.integer(rest - row))
        after: list[Stmt] = []
        target = out
        if row != rest:
            wide = block.wide // rest * row
            name = self.scope.unnamed("lines", (sp.Integer(rows), sp.Integer(wide)))
            target, number = Operand(name, ZERO, (ir.integer(wide), ONE)), Var(self.scope.names.unique("line"), "int64")
            to = Operand(out.buffer, ir.add(out.offset, ir.multiply(number, out.strides[0])), (ir.integer(rest), ONE))
            origin = Operand(name, ir.multiply(number, ir.integer(wide)), (ir.integer(row), ONE))
            after = [For(number, ZERO, ir.integer(rows), (Copy(to, origin, block.width, ir.integer(rest)),))]
        contract = Contract(
            target, left, source, ir.integer(rows), until, ir.integer(depth), (rows, block.wide // rest * row, depth),
            self.scope.formulas[-1], right_steps=block.way.steps(window.depth, sizes),
        )  # fmt: skip
        return _Product(border, (), before, contract, after)

    def _place(self, index: Index, values: Mapping[Index, Expr]) -> Expr:
        """The place on an axis, of its digits where it has some."""
        window = self.schedule.window
        if index not in window.digits:
            return values[index]
        size = self.scalars.integer(window.sizes[index])
        return ir.add(ir.multiply(values[window.digits[index]], size), values[index])

    def _cleared(self, block: _Block, out: Operand, at: tuple[Expr, ...]) -> list[Stmt]:
        """The block of the result, set to 0."""
        window, loops = block.window, block.loops
        body: tuple[Stmt, ...] = (Store(out.buffer, at, ir.Const(0.0, "real")),)
        for index in reversed(_in_order(window)):
            stop = block.width if index is window.columns[0] else ir.integer(self.window_sizes[index])
            body = (For(loops[index], ZERO, stop, body),)
        return list(body)

    def _zeroed(self, name: str, count: Expr, columns: int) -> list[Stmt]:
        i, j = (Var(self.scope.names.unique(letter), "int64") for letter in ("i", "j"))
        zero = Store(name, (i, j), ir.Const(0.0, "real"))
        return [For(i, ZERO, count, (For(j, ZERO, ir.integer(columns), (zero,)),))]

    def _source(self, block: _Block) -> tuple[Operand, list[Stmt]]:
        """Where the block's first column begins in the source, and what copies that into a border."""
        window, loops = block.window, block.loops
        self.scalars.indices |= dict.fromkeys((*window.columns, *window.depth), ZERO)
        self.scalars.indices |= {window.columns[0]: block.first}
        value, before = self._value(block)
        self.scalars.indices |= loops
        assert isinstance(value, Load)
        return Operand(value.buffer, ir.flat_index(value.index, self._shape_of(value, block)), (ZERO, ONE)), before

    def _value(self, block: _Block) -> tuple[Expr, list[Stmt]]:
        """The source's element, and what copies it into a border."""
        if block.bordered is not None:
            return self._with_border(*block.bordered, block.window)
        return self.scalars.value(block.window.right), []

    def _shape_of(self, value: Load, block: _Block) -> tuple[Expr, ...]:
        """The sizes of the array that an element of the source is read from."""
        _, shape = read_from(block.window, block.bordered)
        return tuple(self.scalars.integer(size) for size in shape[len(shape) - len(value.index) :])

    def _count(self, indices: Sequence[Index]) -> int:
        count = 1
        for index in indices:
            count *= self.window_sizes[index]
        return count

    def _flat(self, indices: Sequence[Index], loops: Mapping[Index, Expr]) -> Expr:
        return ir.flat_index(
            tuple(loops[index] for index in indices), tuple(ir.integer(self.window_sizes[index]) for index in indices)
        )

    def _patch(self, made: _Block, depth: int) -> tuple[str, list[Stmt], list[Stmt]]:
        """The buffer of a block's columns, the loops that fill it, and what they need beforehand."""
        window, loops, first, width, wide = made.window, made.loops, made.first, made.width, made.wide
        name = self.scope.unnamed("patch", (sp.Integer(depth), sp.Integer(wide)))
        head = window.columns[0]
        stops = {index: ir.integer(self.window_sizes[index]) for index in window.columns} | {head: width}
        entries, shape = read_from(window, made.bordered)
        last = window.columns[-1]
        copied = self.window_sizes[last] >= LEAST_COPIED and _beyond(entries, shape, last) == 1
        block = window.columns[-2:] if copied else ()
        step = _beyond(entries, shape, block[0]) if block else None
        block = block if step is not None else block[1:]
        at: dict[Index, Expr] = {**loops, **dict.fromkeys(block, ZERO)}
        self.scalars.indices |= at
        self.scalars.indices |= {head: ir.add(first, at[head])}
        value, before = self._value(made)
        self.scalars.indices |= loops
        place = self._flat(window.depth, loops), self._flat(window.columns, at)
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
            body = (For(loops[index], ZERO, ir.integer(self.window_sizes[index]), body),)
        return name, list(body), before

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

    def _left(self, window: Window, loops: Mapping[Index, Var], rows: int, depth: int) -> tuple[Operand, list[Stmt]]:
        """The other factor where it lies, if its rows and its depth each have one stride; else a copy."""
        found = self._strided(window, loops)
        if found is not None:
            return found, []
        name = self.scope.unnamed("rows", (sp.Integer(rows), sp.Integer(depth)))
        copy = self._copy_of(window, loops, name, (window.rows, window.depth))
        return Operand(name, ZERO, (ir.integer(depth), ONE)), self._if_moving(window, copy)

    def _lines(self, window: Window, loops: Mapping[Index, Var], rows: int, depth: int) -> tuple[Operand, list[Stmt]]:
        """The other factor with its rows side by side, where it lies or in a copy."""
        found = self._strided(window, loops)
        if found is not None and found.strides[0] == ONE:
            return Operand(found.buffer, found.offset, (found.strides[1], ONE)), []
        name = self.scope.unnamed("lines", (sp.Integer(depth), sp.Integer(rows)))
        lines = Operand(name, ZERO, (ir.integer(rows), ONE))
        if found is not None and found.strides[1] == ONE:
            copy: tuple[Stmt, ...] = (Copy(lines, found, ir.integer(rows), ir.integer(depth), transposed=True),)
        else:
            copy = self._copy_of(window, loops, name, (window.depth, window.rows))
        return lines, self._if_moving(window, copy)

    def _copy_of(
        self, window: Window, loops: Mapping[Index, Var], name: str, order: tuple[tuple[Index, ...], tuple[Index, ...]]
    ) -> tuple[Stmt, ...]:
        place = self._flat(order[0], loops), self._flat(order[1], loops)
        body: tuple[Stmt, ...] = (Store(name, place, self.scalars.value(window.left)),)
        for index in reversed((*order[0], *order[1])):
            body = (For(loops[index], ZERO, ir.integer(self.window_sizes[index]), body),)
        return body

    def _if_moving(self, window: Window, copy: tuple[Stmt, ...]) -> list[Stmt]:
        """A copy of the other factor, but at the kernel's top where it is the same for all its rows."""
        own = self.scope.group.values | self.scope.group.written
        moving = {*window.rows, *window.depth}
        if window.left.atoms(Index) <= moving and not any(e.tensor in own for e in window.left.atoms(Element)):
            self.scope.top += copy
            return []
        return list(copy)

    def _strided(self, window: Window, loops: Mapping[Index, Var]) -> Operand | None:
        element = window.left
        if not is_plain(element, (*window.rows, *window.depth)) or not exists(element, self.scalars.bounds):
            return None
        moving = (*window.rows, *window.depth)
        places = {moved_by(entry, moving): place for place, entry in enumerate(element.indices)}
        at = [places[index] for index in moving]
        row_places, depth_places = at[: len(window.rows)], at[len(window.rows) :]
        if not (_consecutive(row_places) and _consecutive(depth_places)):
            return None
        zeros = {index: ZERO for index in moving}
        self.scalars.indices |= zeros
        load = self.scalars.value(element)
        self.scalars.indices |= {index: loops[index] for index in moving}
        if not isinstance(load, Load) or load.dtype != "real":
            return None
        dropped = element.tensor.ndim - len(load.index)
        sizes = tuple(self.scalars.integer(size) for size in element.tensor.shape)[dropped:]
        strides = [ir.product(sizes[place - dropped + 1 :]) for place in (row_places[-1], depth_places[-1])]
        return Operand(load.buffer, ir.flat_index(load.index, sizes), (strides[0], strides[1]))

    def _out(self, block: _Block) -> tuple[Operand, tuple[Expr, ...]]:
        """The block of the result, and the place of one of its elements."""
        node, window, loops, first = block.node, block.window, block.loops, block.first
        kept = node.value in self.scope.kept
        dropped = 0 if kept else self.scope.depth
        shape = node.shape[dropped:]
        buffer = self.scope.storage.buffers[node.value] if kept else self.scope.scratch_of(node.value, shape).name
        around = [self.scalars.indices[index] for index in self.scope.row_axes()]
        head, own = window.columns[0], (*window.outer, *_in_order(window))
        moving = {*window.rows, *window.columns}
        start = (*around, *(first if i is head else ZERO if i in moving else loops[i] for i in own))[dropped:]
        values = {**loops, head: ir.add(first, loops[head])}
        at = (*around, *(self._place(axis(d), values) for d in range(self.scope.depth, len(node.shape))))[dropped:]
        extents = (*node.shape[: self.scope.depth], *(window.sizes[index] for index in own))[dropped:]
        sizes = tuple(map(self.scalars.integer, extents))
        stride = ir.integer(self._count(window.rows if window.rows_last else window.columns))
        return Operand(buffer, ir.flat_index(start, sizes), (stride, ONE)), at


def _stepped(matrix: Operand, rows: Steps, depth: Steps) -> tuple[Operand, tuple[Steps, Steps] | None]:
    """A matrix of so many steps: of one stride for each axis, where there is one step."""
    if len(rows) == len(depth) == 1:
        return Operand(matrix.buffer, matrix.offset, (ir.integer(rows[0][1]), ir.integer(depth[0][1]))), None
    return matrix, (rows, depth)


def _in_order(window: Window) -> tuple[Index, ...]:
    """The rows and the columns as the axes of the result."""
    return (*window.columns, *window.rows) if window.rows_last else (*window.rows, *window.columns)


def _beyond(entries: Sequence[sp.Expr], shape: Sequence[sp.Expr], index: Index) -> int | None:
    """How far the next value of an index lies, if that is further on."""
    found = advances(entries, shape, index)
    return found if found is not None and found > 0 else None


def _consecutive(places: Sequence[int]) -> bool:
    return list(places) == list(range(places[0], places[0] + len(places)))
