"""Sums down columns in two halves, each of which is one thread's: that of the rows which it has just computed.

    s[j] = Σ_n x[n, j], n < N      →      u[j] = Σ_{n<⌊N/2⌋} x[n, j],  v[j] = Σ_{n<N−⌊N/2⌋} x[n + ⌊N/2⌋, j],  s = u + v

One thread that adds up all rows fetches half of them from another's cache, and takes from that thread what it writes
next. Halves are two whatever the number of threads: results must not depend on that.
"""

from __future__ import annotations

from collections.abc import Iterable

import sympy as sp

from codegen.plan.row_sums import summed_by_rows
from symgraph.core.graph import elements_of, rewrite
from symgraph.core.indices import Shape, axis, bound
from symgraph.core.scalars import Delta
from symgraph.core.tensor import Definition, Tensor

LEAST, MOST = 64, 256
"""Columns of a sum that is halved: fewer are soon added up, more are shared."""

LONG = 1 << 14
"""Elements that a sum adds up for each first index, from which on it is halved however few columns it has."""

LEAST_ROWS = 64
"""Rows of a known number, those of all axes, from which on it pays."""


def halve_column_sums(outputs: Iterable[Tensor]) -> dict[Tensor, Tensor]:
    """The replacement of every tensor under ``outputs``; what is summed up row by row first is short then."""

    def change(tensor: Tensor, definition: Definition) -> Tensor:
        new = tensor.redefined(definition)
        if (by_rows := summed_by_rows(new)) is not None:
            return by_rows
        rows = _rows_of(new.shape, definition)
        if rows is None or rows[0] != 0 or rows[1] != definition.extents[0] or not _is_worth_it(new.shape, definition):
            return new
        whole, half = rows[1], _half(rows[1])
        inner = definition.extents[1:]
        first = Tensor.define(new.shape, definition.body, "sum", (half, *inner))
        moved = definition.body.xreplace({bound(0): bound(0) + half})
        second = Tensor.define(new.shape, moved, "sum", (whole - half, *inner))
        return new.redefined(Definition(None, (), first.element + second.element))

    return rewrite(outputs, change)


def half_of(shape: Shape, definition: Definition) -> int | None:
    """Which half a definition sums, 0 or 1; None if it is none."""
    rows = _rows_of(shape, definition)
    if rows is None:
        return None
    (begin, whole), count = rows, definition.extents[0]
    halves = [(sp.S.Zero, _half(whole)), (_half(whole), whole - _half(whole))]
    return halves.index((begin, count)) if (begin, count) in halves else None


def _half(whole: sp.Expr) -> sp.Expr:
    return sp.floor(whole / 2)


def _rows_of(shape: Shape, definition: Definition) -> tuple[sp.Expr, sp.Expr] | None:
    """The first of the rows that a sum down columns adds up, and how many there are in all."""
    if definition.op != "sum" or len(shape) != 1 or definition.body.has(Delta):
        return None
    read = [element for element in elements_of(definition.body) if element.has(bound(0))]
    if not all(element.indices[0].has(bound(0)) for element in read):
        return None
    found = {(sp.expand(element.indices[0] - bound(0)), element.tensor.shape[0]) for element in read}
    if len(found) != 1 or any(index.has(bound(0)) for element in read for index in element.indices[1:]):
        return None
    (rows,) = found
    return None if rows[0].has(bound(0)) else rows


def _is_worth_it(shape: Shape, definition: Definition) -> bool:
    columns, rows = shape[0], sp.Mul(*definition.extents)
    few = rows.is_Integer and rows < LEAST_ROWS
    down = any(element.indices[-1] == axis(0) for element in elements_of(definition.body) if element.has(bound(0)))
    each = sp.Mul(columns, *(size for size in definition.extents[1:] if size.is_Integer))
    return bool(columns.is_Integer and (columns >= LEAST or each >= LONG) and columns <= MOST) and down and not few
