"""Lowers maps over contiguous memory, which need no indices, and transpositions.

for e in a block of all elements: W[e] ← W[e] − η·g[e]            v[j, i] = W[i, j] in squares of a vector
"""

from __future__ import annotations

import sympy as sp

from codegen.loops import ir
from codegen.loops.ir import ONE, ZERO, Copy, Expr, For, Operand, Stmt, Var
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
    node, height = scope.group.nodes[0], scope.schedule.share.block
    rows, columns = scope.sizes(node.shape)
    block, last = scope.variable("first"), scope.variable("last")
    names = {axis(d): Var(scope.loop_name(size), "int64") for d, size in enumerate(node.shape)}
    scope.formulas.append(formula_text(node, names, scope.shown_name))
    to = Operand(scope.storage.buffers[node.value], ir.multiply(block, columns), (columns, ONE))
    origin = Operand(scope.storage.buffers[node.reads[0].tensor], block, (rows, ONE))
    move = Copy(to, origin, columns, ir.difference(last, block), True, scope.formulas[-1])
    return [For(block, ZERO, rows, (in_blocks(block, last, height), move), step=ir.integer(height), parallel=True)]
