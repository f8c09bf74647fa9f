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
from codegen.loops.ir import ONE, ZERO, Contract, Copy, Expr, For, Let, Operand, Stmt, Store, Var
from codegen.lower.comments import formula_text
from codegen.lower.scope import Scope, smaller
from codegen.lower.window_operands import Block, Operands, stepped
from codegen.lower.window_ways import Windowed
from codegen.plan.plan import Node
from codegen.plan.windows import Window, bounds_in
from symgraph.core.indices import Index, axis


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
        self.operands = Operands(scope, schedule)

    def product(self, node: Node, row: Sequence[Expr], shared: bool) -> list[Stmt]:
        """The product, block of columns after block; ``shared`` among the threads."""
        window, way, wide = self.schedule.window, self.schedule.way, self.schedule.wide
        loops = {
            index: Var(self.scope.loop_name(window.sizes[index]), "int64")
            for index in (*window.outer, *in_order(window), *window.over, *window.depth)
        }
        around = {index: loops[index] for index in (*window.outer, *window.over)}
        self.scalars.indices = {**dict(zip(self.scope.row_axes(), row, strict=True)), **loops}
        self.scalars.bounds = bounds_in(window)
        names = window.names
        formula = node.definition.body.xreplace(names) if names else None
        self.scope.formulas.append(formula_text(node, self.scalars.indices, self.scope.shown_name, names, formula))
        extent = window.sizes[window.columns[0]]
        until = self.scalars.integer(extent)
        first = Var(self.scope.names.unique("first"), "int64")
        width: Expr = ir.integer(wide)
        lets: list[Stmt] = []
        if extent % wide != 0:
            last = Var(self.scope.names.unique("last"), "int64")
            lets.append(Let(last, smaller(ir.add(first, width), until)))
            width = ir.difference(last, first)
        columns, border = wide * self.operands.count(window.columns[1:]), self.schedule.bordered
        begin = None if window.long is None else Var(self.scope.names.unique("begin"), "int64")
        block = Block(node, window, way, loops, first, width, columns, border, begin)
        ways = {
            "copied": self._copied, "direct": self._direct, "turned": self._turned, "straight": self._turned,
            "scattered": self._scattered,
        }  # fmt: skip
        made = ways[way.name](block)
        inside = window.adds or shared
        body: list[Stmt] = [*(made.border if inside else []), *made.fill, made.contract]
        if window.long is not None and begin is not None:
            end = self.scalars.integer(window.sizes[window.long])
            body = [For(begin, ZERO, end, tuple(body), step=ir.integer(self.window_sizes[window.long]))]
        for index in reversed(window.over):
            start: Expr = ZERO
            stop = self.scalars.integer(window.sizes[index])
            if window.part is not None and index is window.over[0]:
                start, end = map(self.scalars.integer, window.part)
                stop = smaller(ir.add(start, stop), end)
            body = [For(around[index], start, stop, tuple(body))]
        body = [*lets, *made.once, *body, *made.after]
        body = [For(first, ZERO, until, tuple(body), step=ir.integer(wide), parallel=shared)]
        body = body if inside else [*made.border, *body]
        for index in reversed(window.outer):
            body = [For(around[index], ZERO, self.scalars.integer(window.sizes[index]), tuple(body))]
        return body

    # -- the ways -----------------------------------------------------------------------------------------------------
    def _copied(self, block: Block) -> _Product:
        """Columns of every depth side by side, and the other factor."""
        window = block.window
        rows, depth, rest = map(self.operands.count, (window.rows, window.depth, window.columns[1:]))
        patch, fill, border = self.operands.patch(block, depth)
        out, at = self._out(block)
        lines: Expr = ir.integer(rows)
        columns = ir.multiply(block.width, ir.integer(rest))
        if window.rows_last:
            left = Operand(patch, ZERO, (ONE, ir.integer(block.wide)))
            right, before = self.operands.lines(block, rows, depth)
            lines, columns, extents = columns, lines, (block.wide, rows, depth)
        else:
            left, before = self.operands.left(block, rows, depth)
            right, extents = Operand(patch, ZERO, (ir.integer(block.wide), ONE)), (rows, block.wide, depth)
        contract = Contract(
            out, left, right, lines, columns, self.operands.terms(block, depth), extents, self.scope.formulas[-1],
            accumulate=window.adds,
        )  # fmt: skip
        return _Product(border, self._cleared(block, out, at) if window.adds else [], [*before, *fill], contract)

    def _turned(self, block: Block) -> _Product:
        """Elements where they lie, times lines of the other factor, in which its rows lie side by side."""
        window, sizes = block.window, self.window_sizes
        rows, depth, rest = map(self.operands.count, (window.rows, window.depth, window.columns[1:]))
        source, border = self.operands.source(block)
        right, before = self.operands.lines(block, rows, depth)
        count = ir.multiply(block.width, ir.integer(rest))
        result, zeros, after = self._of_lanes(block, count, rows)
        source, steps = stepped(source, block.way.steps(window.columns, sizes), block.way.steps(window.depth, sizes))
        terms = self.operands.terms(block, depth)
        contract = Contract(
            result, source, right, count, ir.integer(rows), terms, (block.wide, rows, depth),
            self.scope.formulas[-1], accumulate=window.adds, left_steps=steps,
        )  # fmt: skip
        return _Product(border, zeros if window.adds else [], before, contract, after)

    def _scattered(self, block: Block) -> _Product:
        """Elements where they lie, times lines of the other factor, added where they are read, shift after shift."""
        window, shifts = block.window, block.way.shifts
        assert shifts is not None
        rows, depth, kept = map(self.operands.count, (window.rows, window.depth, shifts.kept))
        elements = prod(shifts.counts.values())
        right, before = self.operands.lines(block, rows, depth)
        result, zeros, after = self._of_lanes(block, ir.integer(self.operands.count(window.columns)), rows)
        source, steps = self.operands.unshifted(block, shifts)
        moved: Expr = ZERO
        far: list[tuple[int, int]] = []
        for position, column in enumerate(window.columns):
            step = rows * self.operands.count(window.columns[position + 1 :])
            far.append((shifts.counts[column], step))
            moved = ir.add(moved, ir.multiply(self.scalars.integer(shifts.moves[column]), ir.integer(step)))
        numbers = dict.fromkeys(shifts.kept, ZERO) | {i: block.loops[i] for i in shifts.over}
        apart = self.operands.count(window.depth[window.depth.index(shifts.kept[-1]) + 1 :])
        lines = ir.add(right.offset, ir.multiply(self.operands.flat(window.depth, numbers), right.strides[0]))
        body: Stmt = Contract(
            Operand(result.buffer, ir.add(result.offset, moved), (ZERO, ONE)), source,
            Operand(right.buffer, lines, (ir.multiply(ir.integer(apart), right.strides[0]), ONE)),
            ir.integer(elements), ir.integer(rows), ir.integer(kept), (elements, rows, kept), self.scope.formulas[-1],
            accumulate=True, out_steps=tuple(far),
            left_steps=steps,
        )  # fmt: skip
        for index in reversed(shifts.over):
            body = For(block.loops[index], ZERO, ir.integer(self.window_sizes[index]), (body,))
        return _Product([], zeros, before, body, after)

    def _of_lanes(self, block: Block, count: Expr, rows: int) -> tuple[Operand, list[Stmt], list[Stmt]]:
        """Where a product goes whose lanes are the rows of the window, what sets it to 0, and what turns it."""
        out, at = self._out(block)
        if block.window.rows_last:
            return out, self._cleared(block, out, at), []
        name = self.scope.unnamed("turned", (sp.Integer(block.wide), sp.Integer(rows)))
        result = Operand(name, ZERO, (ir.integer(rows), ONE))
        return result, self._zeroed(name, count, rows), [Copy(out, result, count, ir.integer(rows), transposed=True)]

    def _direct(self, block: Block) -> _Product:
        """The other factor where it lies, times rows of the source as they lie, of which some elements are left out."""
        window, sizes = block.window, self.window_sizes
        rows, depth, rest = map(self.operands.count, (window.rows, window.depth, window.columns[1:]))
        source, border = self.operands.source(block)
        left, before = self.operands.left(block, rows, depth)
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

    def _cleared(self, block: Block, out: Operand, at: tuple[Expr, ...]) -> list[Stmt]:
        """The block of the result, set to 0."""
        window, loops = block.window, block.loops
        body: tuple[Stmt, ...] = (Store(out.buffer, at, ir.Const(0.0, "real")),)
        for index in reversed(in_order(window)):
            stop = block.width if index is window.columns[0] else ir.integer(self.window_sizes[index])
            body = (For(loops[index], ZERO, stop, body),)
        return list(body)

    def _zeroed(self, name: str, count: Expr, columns: int) -> list[Stmt]:
        i, j = (Var(self.scope.names.unique(letter), "int64") for letter in ("i", "j"))
        zero = Store(name, (i, j), ir.Const(0.0, "real"))
        return [For(i, ZERO, count, (For(j, ZERO, ir.integer(columns), (zero,)),))]

    def _out(self, block: Block) -> tuple[Operand, tuple[Expr, ...]]:
        """The block of the result, and the place of one of its elements."""
        node, window, loops, first = block.node, block.window, block.loops, block.first
        kept = node.value in self.scope.kept
        dropped = 0 if kept else self.scope.depth
        shape = node.shape[dropped:]
        buffer = self.scope.storage.buffers[node.value] if kept else self.scope.scratch_of(node.value, shape).name
        around = [self.scalars.indices[index] for index in self.scope.row_axes()]
        head, own = window.columns[0], range(self.scope.depth, len(node.shape))
        values: dict[Index, Expr] = {**loops, head: ir.add(first, loops[head])}
        zeros: dict[Index, Expr] = dict.fromkeys((*window.rows, *window.columns), ZERO)
        origin = {**loops, **zeros, head: first}
        at, start = ((*around, *(self._place(axis(d), of) for d in own))[dropped:] for of in (values, origin))
        sizes = tuple(map(self.scalars.integer, shape))
        last = (window.columns if window.rows_last else window.rows)[-1]
        stride = ir.product(sizes[int(last.name[1:]) + 1 - dropped :])
        return Operand(buffer, ir.flat_index(start, sizes), (stride, ONE)), at


def in_order(window: Window) -> tuple[Index, ...]:
    """The rows and the columns as the axes of the result."""
    return (*window.columns, *window.rows) if window.rows_last else (*window.rows, *window.columns)
