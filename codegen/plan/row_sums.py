"""Sums over several axes of what the program computes are added up row by row first, by whoever computes the row.

    s[k] = Σ_{n,p,q} d[n, p, q, k]      →      r[n, k] = Σ_{p,q} d[n, p, q, k],  s[k] = Σ_n r[n, k]

Rows are those of the first axis, which threads share. What a kernel has just computed is in the cache; what is left for
another to read is as much shorter as a row is long.
"""

from __future__ import annotations

from collections.abc import Iterable

import sympy as sp

from codegen.plan.contraction import contraction_of
from codegen.plan.windows import window_of
from symgraph.core.graph import elements_of, rewrite
from symgraph.core.indices import Index, Shape, axis, bound
from symgraph.core.scalars import Delta
from symgraph.core.tensor import Definition, Element, Tensor

LEAST, LARGEST = 16, 1 << 13
"""Terms of a row, of a known number, from which on it pays, and elements of one that stays in the first-level cache."""


def sum_rows_first(outputs: Iterable[Tensor]) -> dict[Tensor, Tensor]:
    """The replacement of every tensor under ``outputs``."""

    def change(tensor: Tensor, definition: Definition) -> Tensor:
        new = tensor.redefined(definition)
        if not _has_rows(new.shape, definition) or contraction_of(new) or window_of(new.shape, definition, 0):
            return new
        rows, *inner = definition.extents
        moved: dict[sp.Basic, sp.Basic] = {axis(d): axis(d + 1) for d in range(new.ndim)}
        moved |= {bound(0): axis(0)} | {bound(d + 1): bound(d) for d in range(len(inner))}
        part = Tensor.define((rows, *new.shape), definition.body.xreplace(moved), "sum", tuple(inner))
        term = Element(part, bound(0), *(axis(d) for d in range(new.ndim)))
        return new.redefined(Definition("sum", (rows,), term))

    return rewrite(outputs, change)


def _has_rows(shape: Shape, definition: Definition) -> bool:
    """Whether a sum is one of long rows of values that are computed, of which each element is one term."""
    if definition.op != "sum" or not shape or len(definition.extents) < 2 or definition.body.has(Delta):
        return False
    terms, elements = sp.Mul(*definition.extents[1:]), sp.Mul(*definition.extents[1:], *shape)
    if not (elements.is_Integer and terms >= LEAST and elements <= LARGEST):
        return False
    free, summed = {axis(d) for d in range(len(shape))}, {bound(d) for d in range(len(definition.extents))}
    read = [element for element in elements_of(definition.body) if element.atoms(Index) & summed]
    ours = all(element.indices[0] == bound(0) and free | summed <= element.atoms(Index) for element in read)
    again = any(index.has(bound(0)) for element in read for index in element.indices[1:])
    return ours and not again and any(element.tensor.definition is not None for element in read)
