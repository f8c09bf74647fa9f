"""Lowers maps over contiguous memory, which need no indices, and transpositions.

for e in a block of all elements: W[e] ← W[e] − η·g[e]            v[j, i] = W[i, j] in squares of a vector
"""

from __future__ import annotations

import sympy as sp

from codegen.loops import ir
from codegen.loops.counts import PANEL_ROWS
from codegen.loops.ir import ONE, ZERO, Copy, Expr, For, Let, Operand, Stmt, Var
from codegen.lower.comments import formula_text
from codegen.lower.rows import RowLowering, difference, smaller
from codegen.lower.types import data_type
from codegen.plan.fuse import Group
from symgraph.core.indices import Index, axis
from symgraph.core.tensor import Element

FLAT_BLOCK = 2048
"""Elements of a block of a map over contiguous memory."""


class MapLowering(RowLowering):
    """One group, as one flat loop or one transposition where it is no more than that."""

    def _body(self) -> list[Stmt]:
        if self.group.kind == "rows" and is_flat(self.group):
            return self._flat_blocks()
        if self.group.kind == "rows" and is_transposition(self.group):
            return self._transposition()
        return super()._body()

    def _flat_blocks(self) -> list[Stmt]:
        """One loop over all elements, whatever their axes, in blocks that the threads share."""
        total = ir.product(tuple(self.scalars.integer(size) for size in self.group.nodes[0].shape))
        block, last = Var(self.names.unique("first"), "int64"), Var(self.names.unique("last"), "int64")
        share = smaller(ir.add(block, ir.integer(FLAT_BLOCK)), Var(f"{block.name}_end", "int64"))
        body = [Let(last, share), *self._flat_loop(None, last, block)]
        grain = ir.product(tuple(map(self.scalars.integer, self.group.nodes[0].shape[1:]))) if self.repeated else None
        return [For(block, ZERO, total, tuple(body), ir.integer(FLAT_BLOCK), parallel=True, grain=grain)]

    def _flat_loop(self, row: Var | None, stop: Expr, start: Expr = ZERO) -> list[Stmt]:
        """The loop over ``stop`` rows from ``row`` on, or over the elements from ``start`` to ``stop``."""
        shape = self.group.nodes[0].shape
        width = ir.product(tuple(self.scalars.integer(size) for size in shape[1:]))
        element = Var(self.names.unique("e"), "int64")
        places: list[Expr] = [row or ZERO, *[ZERO] * (len(shape) - 2), element]
        self.here = tuple(places)
        self.shown_indices = {axis(d): Var(self._loop_name(size), "int64") for d, size in enumerate(shape) if d}
        self.shown_indices[axis(0)] = self.row or element
        inside: list[Stmt] = []
        for node in (node for node in self.group.nodes if node.contraction is None):
            self._lower_node(node, self.segments[0], places[:1], places[1:], [], inside, [])
        self.forwarded, self.shown_indices = {}, {}
        hoisted, inside = self.sharing.hoist(inside, self.available, outermost=True)
        self.top += hoisted
        count = ir.multiply(stop, width) if row is not None else stop
        return [For(element, start, count, tuple(self.sharing.once(inside)))]

    def _transposition(self) -> list[Stmt]:
        """vᵀ in squares of a vector, a strip of rows of the result at a time."""
        node = self.group.nodes[0]
        rows, columns = (self.scalars.integer(size) for size in node.shape)
        block, last = Var(self.names.unique("first"), "int64"), Var(self.names.unique("last"), "int64")
        names = {axis(d): Var(self._loop_name(size), "int64") for d, size in enumerate(node.shape)}
        self.formulas.append(formula_text(node, names, self._shown_name))
        to = Operand(self.storage.buffers[node.value], ir.multiply(block, columns), (columns, ONE))
        origin = Operand(self.storage.buffers[node.reads[0].tensor], block, (rows, ONE))
        share = smaller(ir.add(block, ir.integer(PANEL_ROWS)), Var(f"{block.name}_end", "int64"))
        move = Copy(to, origin, columns, difference(last, block), True, self.formulas[-1])
        return [For(block, ZERO, rows, (Let(last, share), move), step=ir.integer(PANEL_ROWS), parallel=True)]


def is_flat(group: Group) -> bool:
    """Whether everything a group does is done at one place of equally shaped arrays, so that it needs no indices."""
    nodes = [node for node in group.nodes if node.contraction is None]
    shape = group.nodes[0].shape
    if len(shape) < 2 or any(node.definition.op is not None or node.shape != shape for node in nodes):
        return False
    for node in nodes:
        everywhere = tuple(axis(d) for d in range(len(shape)))
        if not all(not e.indices or (e.indices == everywhere and e.tensor.shape == shape) for e in node.reads):
            return False
        if node.definition.body.xreplace({e: sp.Dummy() for e in node.reads}).atoms(Index):
            return False
    return True


def is_transposition(group: Group) -> bool:
    """Whether a group is one vᵀ."""
    node = group.nodes[0]
    if len(group.nodes) > 1 or node.target is not None or data_type(node.value) != "real" or len(node.shape) != 2:
        return False
    body = node.definition.body
    if not isinstance(body, Element) or body.indices != (axis(1), axis(0)) or body.tensor.shape != node.shape[::-1]:
        return False
    return data_type(body.tensor) == "real"
