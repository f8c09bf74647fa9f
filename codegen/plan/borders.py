"""Sums over small windows read zeros around what they read, in place of asking for each term whether it is there.

    d_x[m] = Σ_{u<3} {g[1 + m − u]·W[u] if 1 + m − u ≥ 0 and 1 + m − u < N, else 0}
    →   d_x[m] = Σ_{u<3} e[2 + m − u]·W[u],     e[p] = {g[p − 1] if p ≥ 1 and p < N + 1, else 0},  p < N + 2

As the padding of a convolution that is declared. A loop without conditions runs in vectors of whole rows, where a row
in three parts would leave most of a small image to its ends. What holds everywhere is no condition either.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import sympy as sp

from codegen.loops.ranges import Bounds, at_least_zero, bounds_of, settled
from codegen.plan.windows import counted, unguarded, window_of
from symgraph.core.bounds import range_of
from symgraph.core.cases import Cases
from symgraph.core.graph import elements_of, rewrite
from symgraph.core.indices import axis
from symgraph.core.rebuild import replaced
from symgraph.core.tensor import Definition, Element, Tensor

MOST_TERMS = 128
"""Of a window that reads zeros: in a long sum, terms that are not there are half of it, and its loop's ends say so."""
MOST_GROWN = 2.5
"""What is read with zeros around it, over what is read."""
LEAST_READS = 4
"""Of each element from which on it pays to copy them."""


def surround_with_zeros(roots: Sequence[Tensor]) -> dict[Tensor, Tensor]:
    """The replacement of every tensor under ``roots``."""

    def change(tensor: Tensor, definition: Definition) -> Tensor:
        bounds = bounds_of(tensor.shape, definition)
        body = _without_settled(definition.body, bounds)
        if definition.op == "sum" and all(size.is_Integer for size in definition.extents):
            told = Definition("sum", definition.extents, body)
            if sp.prod(definition.extents) <= MOST_TERMS and window_of(tensor.shape, told, 1) is None:
                terms = prod(map(counted, (*tensor.shape, *definition.extents)))
                body = _surrounded(body, bounds, terms // LEAST_READS)
        return tensor.redefined(Definition(definition.op, definition.extents, body))

    return rewrite(roots, change)


def _without_settled(body: sp.Expr, bounds: Bounds) -> sp.Expr:
    """A value that is 0 without a condition, without what holds everywhere of that."""
    value, guard = unguarded(body)
    relations = sp.And.make_args(guard)
    kept = [relation for relation in relations if settled(relation, bounds) != sp.true]
    if guard == sp.true or len(kept) == len(relations):
        return body
    return Cases((value, sp.And(*kept)), (0, True)) if kept else value


def _surrounded(body: sp.Expr, bounds: Bounds, most: int) -> sp.Expr:
    """The body in which elements that may lie outside their tensors are those of tensors with zeros around them, and
    no condition asks; the body itself if that would not free it of all conditions, or take ``most`` elements."""
    value, guard = unguarded(body)
    asked = {at_least_zero(relation) for relation in sp.And.make_args(guard)}
    factors = value.args if isinstance(value, sp.Mul) else (value,)
    if guard == sp.true or None in asked or not all(isinstance(f, Element) or f.is_number for f in factors):
        return body
    rule: dict[sp.Basic, sp.Basic] = {}
    for element in elements_of(value):
        new, answered = _with_zeros(element, asked, bounds)
        if answered and prod(map(counted, new.tensor.shape)) <= most:
            rule[element] = new
            asked -= answered
    return replaced(value, rule) if rule and not asked else body  # type: ignore[return-value]


def _with_zeros(
    element: Element, asked: set[sp.Expr | None], bounds: Bounds
) -> tuple[Element, set[sp.Expr]]:
    """The element of a tensor with zeros around, and which conditions need not be asked then."""
    tensor, places, shape = element.tensor, list(element.indices), list(element.tensor.shape)
    conditions: list[sp.Basic] = []
    answered: set[sp.Expr] = set()
    inner = [axis(d) for d in range(tensor.ndim)]
    for d, (place, size) in enumerate(zip(element.indices, tensor.shape, strict=True)):
        ends, own = {sp.expand(place), sp.expand(size - 1 - place)} & asked, range_of(place, bounds)
        if not ends or own is None:
            continue
        before, after = sp.Max(0, -own[0]), sp.Max(0, sp.expand(own[1] - size + 1))
        if not (before.is_Integer and after.is_Integer):
            continue
        answered |= ends
        places[d], inner[d], shape[d] = sp.expand(place + before), axis(d) - before, size + before + after
        conditions += [axis(d) >= before, axis(d) < size + before]
    grown = sp.prod(new / old for new, old in zip(shape, tensor.shape, strict=True))
    if not answered or tensor.dtype == "integer" or (grown.is_number and grown > MOST_GROWN):
        return element, set()
    around = Tensor.define(tuple(shape), Cases((Element(tensor, *inner), sp.And(*conditions)), (0, True)))
    return Element(around, *places), answered
