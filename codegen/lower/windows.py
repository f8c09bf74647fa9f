"""Lowers a window (:mod:`codegen.plan.windows`) to register tiles: no array of all patches is ever in memory.

for a block of columns:                                       y[n, :, p:p + 4, :] = W·patches
    for c, u, v: for p, q of the block: patch[(c, u, v), (p, q)] = x[n, c, p + u, q + v]
    Contract y[n, o, (p, q)] = W[o, (c, u, v)] · patch[(c, u, v), (p, q)]

Every element is summed in the order of its depth, whatever the blocks are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

import sympy as sp

from codegen.loops import ir
from codegen.loops.ir import ONE, ZERO, Contract, Copy, Expr, For, Let, Load, Operand, Stmt, Store, Var
from codegen.loops.ranges import Bounds, bounds_of, exists
from codegen.lower.comments import formula_text
from codegen.lower.scope import Scope
from codegen.plan.plan import Node
from codegen.plan.windows import Window
from symgraph.core.bounds import range_of
from symgraph.core.indices import Index
from symgraph.core.tensor import Element

PATCH = 1 << 16
"""Elements of the copied columns: they stay in the second-level cache."""


LEAST_COPIED = 8
"""Elements side by side from which on it pays to copy them as a vector."""


class WindowLowering:
    """The segment of a window."""

    def __init__(self, scope: Scope) -> None:
        self.scope, self.scalars = scope, scope.scalars

    def product(self, node: Node, window: Window, row: Sequence[Expr], shared: bool) -> list[Stmt]:
        """The product, block of columns after block; ``shared`` among the threads."""
        self.window_sizes = {index: int(node.extent(index)) for index in (*window.rows, *window.columns)}
        self.window_sizes |= {index: int(node.extent(index)) for index in window.depth}
        loops = {
            index: Var(self.scope.loop_name(node.extent(index)), "int64")
            for index in (*window.outer, *window.rows, *window.columns, *window.over, *window.depth)
        }
        around = {index: loops[index] for index in (*window.outer, *window.over)}
        self.scalars.indices = {**dict(zip(self.scope.row_axes(), row, strict=True)), **loops}
        self.scalars.bounds = bounds_of(node.shape, node.definition)
        self.scope.formulas.append(formula_text(node, self.scalars.indices, self.scope.shown_name))
        columns, rest = self._count(window.columns), self._count(window.columns[1:])
        depth, rows = self._count(window.depth), self._count(window.rows)
        first_extent = columns // rest
        blocks = -(-first_extent // max(1, PATCH // (depth * rest)))
        block = -(-first_extent // max(blocks, 2 if shared else 1))
        first = Var(self.scope.names.unique("first"), "int64")
        width: Expr = ir.integer(block)
        lets: list[Stmt] = []
        if first_extent % block:
            last = Var(self.scope.names.unique("last"), "int64")
            share = ir.Call("minimum", (ir.add(first, width), ir.integer(first_extent)), "int64")
            lets.append(Let(last, share))
            width = ir.Op("-", (last, first), "int64")
        patch, fill, border = self._patch(window, loops, first, width, block * rest, depth)
        left, before = self._left(node, window, loops, rows, depth)
        out, at = self._out(node, window, loops, first)
        contract = Contract(
            out, left, Operand(patch, ZERO, (ir.integer(block * rest), ONE)),
            ir.integer(rows), ir.multiply(width, ir.integer(rest)), ir.integer(depth),
            (rows, block * rest, depth), self.scope.formulas[-1], accumulate=bool(window.over),
        )  # fmt: skip
        inside = bool(window.over) or shared
        body: list[Stmt] = [*before, *(border if inside else []), *fill, contract]
        for index in reversed(window.over):
            body = [For(around[index], ZERO, self.scalars.integer(node.extent(index)), tuple(body))]
        if window.over:
            zero: tuple[Stmt, ...] = (Store(out.buffer, at, ir.Const(0.0, "real")),)
            for index in reversed((*window.rows, *window.columns)):
                stop = width if index is window.columns[0] else ir.integer(self.window_sizes[index])
                zero = (For(loops[index], ZERO, stop, zero),)
            body = [*zero, *body]
        body = [For(first, ZERO, ir.integer(first_extent), (*lets, *body), step=ir.integer(block), parallel=shared)]
        body = body if inside else [*border, *body]
        for index in reversed(window.outer):
            body = [For(around[index], ZERO, self.scalars.integer(node.extent(index)), tuple(body))]
        return body

    def _count(self, indices: Sequence[Index]) -> int:
        count = 1
        for index in indices:
            count *= self.window_sizes[index]
        return count

    def _flat(self, indices: Sequence[Index], loops: Mapping[Index, Expr]) -> Expr:
        return ir.flat_index(
            tuple(loops[index] for index in indices), tuple(ir.integer(self.window_sizes[index]) for index in indices)
        )

    def _patch(
        self, window: Window, loops: dict[Index, Var], first: Var, width: Expr, wide: int, depth: int
    ) -> tuple[str, list[Stmt], list[Stmt]]:
        """The buffer of a block's columns, the loops that fill it, and what they need beforehand."""
        name = self.scope.unnamed("patch", (sp.Integer(depth), sp.Integer(wide)))
        head = window.columns[0]
        stops = {index: ir.integer(self.window_sizes[index]) for index in window.columns} | {head: width}
        bordered = _bordered(window, self.scalars.bounds)
        entries, shape = _read_from(window, bordered)
        last = window.columns[-1]
        copied = self.window_sizes[last] >= LEAST_COPIED and _advances(entries, shape, last) == 1
        block = window.columns[-2:] if copied else ()
        step = _advances(entries, shape, block[0]) if block else None
        block = block if step is not None else block[1:]
        at: dict[Index, Expr] = {**loops, **dict.fromkeys(block, ZERO)}
        self.scalars.indices |= at
        self.scalars.indices |= {head: ir.add(first, at[head])}
        value, before = self._with_border(*bordered, window) if bordered else (self.scalars.value(window.right), [])
        self.scalars.indices |= loops
        place = self._flat(window.depth, loops), self._flat(window.columns, at)
        body: tuple[Stmt, ...] = (Store(name, place, value),)
        if block and isinstance(value, Load) and not value.guarded:
            sizes = tuple(self.scalars.integer(size) for size in shape[len(shape) - len(value.index) :])
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

    def _left(
        self, node: Node, window: Window, loops: dict[Index, Var], rows: int, depth: int
    ) -> tuple[Operand, list[Stmt]]:
        """The other factor where it lies, if its rows and its depth each have one stride; else a copy."""
        found = self._strided(window, loops)
        if found is not None:
            return found, []
        name = self.scope.unnamed("rows", (sp.Integer(rows), sp.Integer(depth)))
        value = self.scalars.value(window.left)
        place = (self._flat(window.rows, loops), self._flat(window.depth, loops))
        body: tuple[Stmt, ...] = (Store(name, place, value),)
        order = (*window.rows, *window.depth)
        for index in reversed(order):
            body = (For(loops[index], ZERO, ir.integer(self.window_sizes[index]), body),)
        whole = Operand(name, ZERO, (ir.integer(depth), ONE))
        own = self.scope.group.values | self.scope.group.written
        if window.left.atoms(Index) <= set(order) and not any(e.tensor in own for e in window.left.atoms(Element)):
            self.scope.top += body  # the same for all rows of the kernel
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
        kept = node.value in self.scope.kept
        dropped = 0 if kept else self.scope.depth
        shape = node.shape[dropped:]
        buffer = self.scope.storage.buffers[node.value] if kept else self.scope.scratch_of(node.value, shape).name
        around = [*(self.scalars.indices[index] for index in self.scope.row_axes()), *(loops[i] for i in window.outer)]
        head, inner = window.columns[0], window.columns[1:]
        start = (*around, *[ZERO] * len(window.rows), first, *[ZERO] * len(inner))[dropped:]
        at = (*around, *(loops[i] for i in window.rows), ir.add(first, loops[head]), *(loops[i] for i in inner))[
            dropped:
        ]
        sizes = tuple(self.scalars.integer(size) for size in shape)
        stride = ir.integer(self._count(window.columns))
        return Operand(buffer, ir.flat_index(start, sizes), (stride, ONE)), at


def _bordered(window: Window, bounds: Bounds) -> tuple[Element, list[tuple[int, int]]] | None:
    """The element to copy and the least and the greatest index on each axis, where it is 0 just where it would not
    exist, and a copy of its tensor with a border of zeros is small."""
    if not isinstance(window.right, sp.Piecewise):
        return None
    element, guard = window.right.args[0]
    if not isinstance(element, Element) or exists(element, bounds):
        return None
    known, ranges = set(), []
    moving = {*window.columns, *window.depth}
    for entry, size in zip(element.indices, element.tensor.shape, strict=True):
        found = range_of(entry, bounds)
        moves = bool(entry.atoms(Index) & moving)
        if moves and (found is None or not size.is_Integer or not all(end.is_Integer for end in found)):
            return None
        known |= {sp.expand(entry), sp.expand(size - 1 - entry)}
        ranges.append((int(found[0]), int(found[1])) if moves and found is not None else (0, 0))
    told = {_at_least_zero(relation) for relation in sp.And.make_args(guard)}
    size = prod(high - low + 1 for low, high in ranges)
    return (element, ranges) if told <= known and size <= PATCH else None


def _read_from(
    window: Window, bordered: tuple[Element, list[tuple[int, int]]] | None
) -> tuple[list[sp.Expr], list[sp.Expr]]:
    """Where the columns are copied from: the index on each axis, and its size; nothing if that is no element."""
    if bordered is not None:
        element, ranges = bordered
        moving = {*window.columns, *window.depth}
        axes = [d for d, entry in enumerate(element.indices) if entry.atoms(Index) & moving]
        return [element.indices[d] for d in axes], [sp.Integer(ranges[d][1] - ranges[d][0] + 1) for d in axes]
    element = window.right
    return (list(element.indices), list(element.tensor.shape)) if isinstance(element, Element) else ([], [])


def _advances(entries: Sequence[sp.Expr], shape: Sequence[sp.Expr], index: Index) -> int | None:
    """How many elements lie between one value of an index and the next, if it is always as many."""
    total = sp.S.Zero
    for d, entry in enumerate(entries):
        slope = sp.expand(entry).coeff(index)
        if sp.expand(entry - slope * index).has(index):
            return None
        total += slope * sp.prod(shape[d + 1 :])
    return int(total) if total.is_Integer and total > 0 else None


def _at_least_zero(relation: sp.Basic) -> sp.Expr | None:
    """What is at least 0 where a comparison of integers holds."""
    if not isinstance(relation, (sp.Ge, sp.Gt, sp.Le, sp.Lt)):
        return None
    strict = int(isinstance(relation, (sp.Gt, sp.Lt)))  # a > b is a − 1 ≥ b
    return sp.expand(relation.gts - relation.lts - strict)


def _consecutive(places: Sequence[int]) -> bool:
    return list(places) == list(range(places[0], places[0] + len(places)))
