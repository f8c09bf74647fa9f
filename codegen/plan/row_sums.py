"""Sums over several axes of what the program computes are added up row by row first, by whoever computes the row.

    s[k] = Σ_{n,p,q} d[n, p, q, k]      →      r[n, k] = Σ_{p,q} d[n, p, q, k],  s[k] = Σ_n r[n, k]

Rows are those of the first axis, which threads share. What a kernel has just computed is in the cache; what is left for
another to read is as much shorter as a row is long.
"""

from __future__ import annotations

import sympy as sp

from codegen.plan.contraction import contraction_of
from codegen.plan.windows import window_of
from symgraph.core.graph import elements_of
from symgraph.core.indices import Index, Shape, axis, bound
from symgraph.core.scalars import Delta
from symgraph.core.tensor import Definition, Element, Tensor

LEAST, LARGEST = 16, 1 << 13
"""Terms of a row, of a known number, from which on it pays, and elements of one that stays in the first-level cache."""


def summed_by_rows(tensor: Tensor) -> Tensor | None:
    """The sum over rows of the sums of each; None if it is no such sum, or that does not pay."""
    definition, free = tensor.definition, [axis(d) for d in range(tensor.ndim)]
    if definition is None or not _has_rows(tensor.shape, definition):
        return None
    if contraction_of(tensor) is not None or window_of(tensor.shape, definition, 0) is not None:
        return None
    rows, *inner = definition.extents
    moved: dict[sp.Basic, sp.Basic] = {axis(d): axis(d + 1) for d in range(tensor.ndim)}
    moved |= {bound(0): axis(0)} | {bound(d + 1): bound(d) for d in range(len(inner))}
    part = Tensor.define((rows, *tensor.shape), definition.body.xreplace(moved), "sum", tuple(inner))
    return tensor.redefined(Definition("sum", (rows,), Element(part, bound(0), *free)))


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
