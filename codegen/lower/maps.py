"""Lowers maps over contiguous memory, which need no indices, and transpositions.

for e in a block of all elements: W[e] ← W[e] − η·g[e]            v[j, i] = W[i, j] in squares of a vector
"""

from __future__ import annotations

import sympy as sp

from codegen.loops import ir
from codegen.loops.ir import ONE, ZERO, Copy, Expr, For, Operand, Stmt, Var
from codegen.lower.choose import transposed_from
from codegen.lower.comments import formula_text
from codegen.lower.rows import Loops
from codegen.lower.scope import Scope, in_blocks
from symgraph.core.indices import axis


def blocks_of_elements(scope: Scope) -> list[Stmt]:
    """One loop over all elements, whatever their axes, in blocks that the threads share."""
    share, shape = scope.schedule.share, scope.group.nodes[0].shape
    total = ir.product(scope.sizes(shape))
    block, last = scope.variable("first"), scope.variable("last")
    body = [in_blocks(block, last, share.block), *elements(scope, None, last, block)]
    grain = ir.product(scope.sizes(shape[1:])) if share.by_rows else None
    return [For(block, ZERO, total, tuple(body), ir.integer(share.block), parallel=True, grain=grain)]


def elements(scope: Scope, row: Expr | None, stop: Expr, start: Expr = ZERO) -> list[Stmt]:
    """The loop over ``stop`` rows from ``row`` on, or over the elements from ``start`` to ``stop``."""
    shape = scope.group.nodes[0].shape
    width = ir.product(scope.sizes(shape[1:]))
    element = scope.variable("e")
    places: list[Expr] = [row or ZERO, *[ZERO] * (len(shape) - 2), element]
    scope.here = tuple(places)
    shown: dict[sp.Basic, Expr] = {axis(d): Var(scope.loop_name(size), "int64") for d, size in enumerate(shape) if d}
    shown[axis(0)] = scope.row or element
    (segment,) = scope.schedule.segments
    loop = Loops(scope, segment, places[:1], places[1:], shown=shown)
    for stage in segment.stages:
        loop.lower(stage)
    scope.forwarded = {}
    inside = scope.hoist(loop.inside)
    count = ir.multiply(stop, width) if row is not None else stop
    return [For(element, start, count, tuple(scope.sharing.once(inside)))]


def transposition(scope: Scope) -> list[Stmt]:
    """vᵀ in squares of a vector, a strip of rows of the result at a time."""
    shape, height = scope.group.nodes[0].shape, scope.schedule.share.block
    block, last = scope.variable("first"), scope.variable("last")
    names = {axis(d): Var(scope.loop_name(size), "int64") for d, size in enumerate(shape)}
    moves: list[Stmt] = []
    for node in scope.group.nodes:
        found = transposed_from(node)
        assert found is not None
        (element, row, column), (_, columns) = found, scope.sizes(node.shape)
        _, width = scope.sizes(element.tensor.shape)
        scope.formulas.append(formula_text(node, names, scope.shown_name))
        to = Operand(scope.storage.buffers[node.value], ir.multiply(block, columns), (columns, ONE))
        begin = ir.add(ir.add(ir.multiply(width, ir.integer(row)), block), ir.integer(column))
        origin = Operand(scope.storage.buffers[element.tensor], begin, (width, ONE))
        moves.append(Copy(to, origin, columns, ir.difference(last, block), True, scope.formulas[-1]))
    body: tuple[Stmt, ...] = (in_blocks(block, last, height), *moves)
    return [For(block, ZERO, scope.sizes(shape)[0], body, step=ir.integer(height), parallel=True)]
