"""Lowers a window (:mod:`codegen.plan.windows`) to register tiles: no array of all patches is ever in memory.

for a block of columns:                                       y[n, :, p:p + 4, :] = W·patches
    for c, u, v: for p, q of the block: patch[(c, u, v), (p, q)] = x[n, c, p + u, q + v]
    Contract y[n, o, (p, q)] = W[o, (c, u, v)] · patch[(c, u, v), (p, q)]

Every element is summed in the order of its depth, whatever the blocks are.
"""

from __future__ import annotations

from collections.abc import Sequence

import sympy as sp

from codegen.loops import ir
from codegen.loops.ir import ONE, ZERO, Contract, Expr, For, Let, Load, Operand, Stmt, Store, Var
from codegen.loops.ranges import Bounds, axes_left, bounds_of, exists
from codegen.lower.comments import formula_text
from codegen.lower.scatter import ScatterLowering
from codegen.plan.plan import Node
from codegen.plan.windows import Window
from symgraph.core.indices import Index, axis
from symgraph.core.tensor import Element

PATCH = 1 << 16
"""Elements of the copied columns: they stay in the second-level cache."""


class WindowLowering(ScatterLowering):
    """The segment of a window."""

    def _window(self, node: Node, window: Window, row: Sequence[Expr], shared: bool = False) -> list[Stmt]:
        """The product, block of columns after block; ``shared`` among the threads."""
        self.window_sizes = {index: int(self._extent(node, index)) for index in (*window.rows, *window.columns)}
        self.window_sizes |= {index: int(self._extent(node, index)) for index in window.depth}
        loops = {
            index: Var(self._loop_name(self._extent(node, index)), "int64")
            for index in (*window.outer, *window.rows, *window.columns, *window.over, *window.depth)
        }
        around = {index: loops[index] for index in (*window.outer, *window.over)}
        self.scalars.indices = {**dict(zip(self._row_axes(), row, strict=True)), **loops}
        self.scalars.bounds = bounds_of(node.shape, node.definition)
        self.formulas.append(formula_text(node, self.scalars.indices, self._shown_name))
        columns, rest = self._count(window.columns), self._count(window.columns[1:])
        depth, rows = self._count(window.depth), self._count(window.rows)
        first_extent = columns // rest
        block = max(1, min(first_extent, PATCH // (depth * rest)))
        if shared:
            block = min(block, -(-first_extent // 2))
        first = Var(self.names.unique("first"), "int64")
        width: Expr = ir.integer(block)
        lets: list[Stmt] = []
        if first_extent % block:
            last = Var(self.names.unique("last"), "int64")
            share = ir.Call("minimum", (ir.add(first, width), ir.integer(first_extent)), "int64")
            lets.append(Let(last, share))
            width = ir.Op("-", (last, first), "int64")
        patch = self._patch(window, loops, first, width, block * rest, depth)
        left, before = self._left(node, window, loops, rows, depth)
        out, at = self._out(node, window, loops, first)
        contract = Contract(
            out, left, Operand(patch[0], ZERO, (ir.integer(block * rest), ONE)),
            ir.integer(rows), ir.multiply(width, ir.integer(rest)), ir.integer(depth),
            (rows, block * rest, depth), self.formulas[-1], accumulate=bool(window.over),
        )  # fmt: skip
        body: list[Stmt] = [*before, *patch[1], contract]
        for index in reversed(window.over):
            body = [For(around[index], ZERO, self.scalars.integer(self._extent(node, index)), tuple(body))]
        if window.over:
            zero: tuple[Stmt, ...] = (Store(out.buffer, at, ir.Const(0.0, "real")),)
            for index in reversed((*window.rows, *window.columns)):
                stop = width if index is window.columns[0] else ir.integer(self.window_sizes[index])
                zero = (For(loops[index], ZERO, stop, zero),)
            body = [*zero, *body]
        body = [For(first, ZERO, ir.integer(first_extent), (*lets, *body), step=ir.integer(block), parallel=shared)]
        for index in reversed(window.outer):
            body = [For(around[index], ZERO, self.scalars.integer(self._extent(node, index)), tuple(body))]
        return body

    def _row_axes(self) -> list[Index]:
        return [axis(d) for d in range(self.depth)]

    def _count(self, indices: Sequence[Index]) -> int:
        count = 1
        for index in indices:
            count *= self.window_sizes[index]
        return count

    def _flat(self, indices: Sequence[Index], loops: dict[Index, Var]) -> Expr:
        return ir.flat_index(
            tuple(loops[index] for index in indices), tuple(ir.integer(self.window_sizes[index]) for index in indices)
        )

    def _patch(
        self, window: Window, loops: dict[Index, Var], first: Var, width: Expr, wide: int, depth: int
    ) -> tuple[str, list[Stmt]]:
        """The buffer of a block's columns, and the loops that fill it: where a guard bounds a loop, after zeros."""
        name = self._unnamed_scratch("patch", (sp.Integer(depth), sp.Integer(wide)))
        head = window.columns[0]
        stops = {index: ir.integer(self.window_sizes[index]) for index in window.columns} | {head: width}
        place = self._flat(window.depth, loops), self._flat(window.columns, loops)
        self.scalars.indices |= {head: ir.add(first, loops[head])}
        limits = _limits(window, self.scalars.bounds)
        if limits:
            element = _guarded_value(window.right)
            value = self.scalars.access(element.tensor, tuple(map(self.scalars.integer, element.indices)))
        else:
            value = self.scalars.value(window.right)
        begin: dict[Index, Expr] = dict.fromkeys(window.columns, ZERO)
        end: dict[Index, Expr] = dict(stops)
        for index, low, high in limits:
            from_here = first if index is head else ZERO
            begin[index] = _larger(begin[index], _less(self.scalars.integer(low), from_here))
            end[index] = _smaller(end[index], _less(self.scalars.integer(high), from_here))
        self.scalars.indices |= {head: loops[head]}
        copy: tuple[Stmt, ...] = (Store(name, place, value),)
        zero: tuple[Stmt, ...] = (Store(name, place, ir.Const(0.0, "real")),)
        for index in reversed(window.columns):
            copy = (For(loops[index], begin[index], end[index], copy),)
            zero = (For(loops[index], ZERO, stops[index], zero),)
        body = (*zero, *copy) if limits else copy
        for index in reversed(window.depth):
            body = (For(loops[index], ZERO, ir.integer(self.window_sizes[index]), body),)
        return name, list(body)

    def _left(
        self, node: Node, window: Window, loops: dict[Index, Var], rows: int, depth: int
    ) -> tuple[Operand, list[Stmt]]:
        """The other factor where it lies, if its rows and its depth each have one stride; else a copy."""
        found = self._strided(window, loops)
        if found is not None:
            return found, []
        name = self._unnamed_scratch("rows", (sp.Integer(rows), sp.Integer(depth)))
        value = self.scalars.value(window.left)
        place = (self._flat(window.rows, loops), self._flat(window.depth, loops))
        body: tuple[Stmt, ...] = (Store(name, place, value),)
        order = (*window.rows, *window.depth)
        for index in reversed(order):
            body = (For(loops[index], ZERO, ir.integer(self.window_sizes[index]), body),)
        whole = Operand(name, ZERO, (ir.integer(depth), ONE))
        own = self.group.values | self.group.written
        if window.left.atoms(Index) <= set(order) and not any(e.tensor in own for e in window.left.atoms(Element)):
            self.top += body  # the same for all rows of the kernel
            return whole, []
        return whole, list(body)

    def _strided(self, window: Window, loops: dict[Index, Var]) -> Operand | None:
        element = window.left
        if not isinstance(element, Element) or not exists(element, self.scalars.bounds):
            return None
        moving = (*window.rows, *window.depth)
        places = [index for index in element.indices if index.atoms(Index) & set(moving)]
        if (
            not all(index in moving for index in places)
            or len(set(places)) != len(moving)
            or len(places) != len(moving)
        ):
            return None
        at = [list(element.indices).index(index) for index in moving]
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

    def _out(self, node: Node, window: Window, loops: dict[Index, Var], first: Var) -> tuple[Operand, tuple[Expr, ...]]:
        """The block of the result, and the place of one of its elements."""
        kept = node.value in self.kept
        dropped = 0 if kept else self.depth
        shape = node.shape[dropped:]
        buffer = self.storage.buffers[node.value] if kept else self._scratch(node.value, shape).name
        around = [*(self.scalars.indices[index] for index in self._row_axes()), *(loops[i] for i in window.outer)]
        head, inner = window.columns[0], window.columns[1:]
        start = (*around, *[ZERO] * len(window.rows), first, *[ZERO] * len(inner))[dropped:]
        at = (*around, *(loops[i] for i in window.rows), ir.add(first, loops[head]), *(loops[i] for i in inner))[
            dropped:
        ]
        sizes = tuple(self.scalars.integer(size) for size in shape)
        stride = ir.integer(self._count(window.columns))
        return Operand(buffer, ir.flat_index(start, sizes), (stride, ONE)), at


def _limits(window: Window, bounds: Bounds) -> list[tuple[Index, sp.Expr, sp.Expr]]:
    """(column, low, high): the element to copy exists, and its guard holds, where low ≤ column < high for all of these.

    None of them if it always exists, or if the guard says more than that it does.
    """
    element = _guarded_value(window.right)
    if not isinstance(element, Element):
        return []
    guard = window.right.args[0].cond if isinstance(window.right, sp.Piecewise) else sp.true
    found: list[tuple[Index, sp.Expr, sp.Expr]] = []
    told: set[sp.Basic] = set()
    for entry, size in axes_left(element, bounds):
        columns = [index for index in window.columns if index in entry.atoms(Index)]
        if len(columns) != 1 or not sp.expand(entry - columns[0]).free_symbols.isdisjoint({columns[0]}):
            return []
        rest = sp.expand(entry - columns[0])
        found.append((columns[0], -rest, size - rest))
    for relation in sp.And.make_args(guard):
        if relation == sp.true:
            continue
        if not isinstance(relation, (sp.Ge, sp.Gt, sp.Le, sp.Lt)):
            return []
        difference = sp.expand(relation.lhs - relation.rhs)
        if isinstance(relation, (sp.Le, sp.Lt)):
            difference = -difference
        if isinstance(relation, (sp.Gt, sp.Lt)):
            difference -= 1  # integers: a > b is a − 1 ≥ b
        told.add(sp.expand(difference))
    known = {sp.expand(index - low) for index, low, _ in found}
    known |= {sp.expand(high - 1 - index) for index, _, high in found}
    return found if told <= known else []


def _guarded_value(value: sp.Expr) -> sp.Expr:
    return value.args[0].expr if isinstance(value, sp.Piecewise) else value


def _less(value: Expr, by: Expr) -> Expr:
    return value if by == ZERO else ir.Op("-", (value, by), "int64")


def _larger(left: Expr, right: Expr) -> Expr:
    return ir.Call("maximum", (left, right), "int64")


def _smaller(left: Expr, right: Expr) -> Expr:
    return ir.Call("minimum", (left, right), "int64")


def _consecutive(places: Sequence[int]) -> bool:
    return list(places) == list(range(places[0], places[0] + len(places)))
