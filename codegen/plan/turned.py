"""What is the same at every step of a recurrence is laid out for the step, once, before the loop.

    for t: y[i] = Σ_j A[i, j]·x[t, j]        →        B[j, i] = A[i, j];  for t: y[i] = Σ_j B[j, i]·x[t, j]

A product of a matrix and one row adds rows of B to y, in vectors; along rows of A it would add up every vector for each
number of y. Products of several rows pack their operands, whatever their order.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import sympy as sp

from symgraph.core.graph import elements_of, operands, rewrite
from symgraph.core.indices import axis, bound
from symgraph.core.rebuild import literal
from symgraph.core.tensor import Definition, Element, Tensor

LEAST, LARGEST = 8, 1 << 16
"""Numbers of y from which on it pays, and elements of a matrix that stays in the cache beside its copy."""


def turn_constants(roots: Sequence[Tensor], moving: Collection[Tensor]) -> dict[Tensor, Tensor]:
    """The replacement of every tensor under ``roots``, of a step in which ``moving`` slots differ from the last."""
    differs = set(moving)

    def change(tensor: Tensor, definition: Definition) -> Tensor:
        body = definition.body
        if definition.op == "sum" and len(definition.extents) == tensor.ndim == 1 and isinstance(body, sp.Mul):
            rule = {element: turned for element in elements_of(body) if (turned := _turned(element)) is not None}
            body = literal(body, rule) or body
        new = tensor.redefined(Definition(definition.op, definition.extents, body))
        if any(operand in differs for operand in operands(new)):
            differs.add(new)
        return new

    def _turned(element: Element) -> Element | None:
        """B[j, i] for A[i, j]."""
        matrix = element.tensor
        if matrix in differs or matrix.dtype != "real" or element.indices != (axis(0), bound(0)):
            return None
        rows, columns = matrix.shape
        if not (rows.is_Integer and columns.is_Integer and rows >= LEAST and rows * columns <= LARGEST):
            return None
        turned = Tensor.define((columns, rows), Element(matrix, axis(1), axis(0)))
        return Element(turned, bound(0), axis(0))

    return rewrite(roots, change)
