"""Splits long sums into parts, each of which is one thread's: what it reads is what it has in its own cache.

    Σ_k x[n, k]·W[k, j], W trained      →   p[h, n, j] = Σ_k x[n, 9·h + k]·W[9·h + k, j],   p[0, n, j] + p[1, n, j]
    Σ_n x[n, i]·d[n, j], n < N          →   p[h, i, j] = Σ_n {x[m, i]·d[m, j] if m < N},  m = ⌊(N + 1)/2⌋·h + n
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import sympy as sp

from codegen.plan.contraction import contraction_of, has_whole_lines, is_narrow
from codegen.plan.windows import window_of
from symgraph.core.cases import Cases
from symgraph.core.graph import rewrite
from symgraph.core.indices import Index, Shape, axis, bound, is_at_least_zero
from symgraph.core.tensor import Definition, Element, Tensor

PARTS = 2
"""Parts of a sum that is split. Not the number of threads: results must not depend on that."""

LEAST_PART = 256
"""Terms of a part, from which on it pays to split."""

LEAST_SUMMED, MOST_SUMMED = 4096, 16384
"""Elements of a product over rows of which each thread sums its own."""

MOST_SPLIT = 1 << 18
"""Elements of a matrix with lines that rows share, half of which stays in the second-level cache of a core."""

MOST_IN_WINDOWS = 1 << 16
"""The same of a sum over windows, which has many more terms."""


def split_sums(outputs: Iterable[Tensor], trained: Collection[Tensor]) -> dict[Tensor, Tensor]:
    """The replacement of every tensor under ``outputs``: long sums over a matrix that is trained, in parts, if threads
    update rows of it or it is multiplied by a single row.

    Threads that share the rows of x·W each need all of W, of which another has just updated a half. A thread that has a
    part of the sum needs the rows of W, and the columns of x, that it has in the update: they stay in its cache. Of a
    single row it walks over whole rows of W, which lie one after the other.
    """

    def change(tensor: Tensor, definition: Definition) -> Tensor:
        new = tensor.redefined(definition)
        if _sums_rows(new) or _sums_windows(new):
            return _in_halves(new)
        depth = _split_depth(new, trained)
        if depth is None or not definition.extents[0].is_Integer:
            return new
        size = definition.extents[0] // PARTS
        if definition.extents[0] % PARTS or size < LEAST_PART:
            return new
        moved: dict[sp.Basic, sp.Basic] = {axis(d): axis(d + 1) for d in range(new.ndim)}
        moved[depth] = size * axis(0) + depth
        return _added_up(new, definition.body.xreplace(moved), (size,))

    return rewrite(outputs, change)


def _updated_by_rows(shape: Shape) -> bool:
    """Whether threads have rows of a matrix when it is updated, which stay in their caches until it is read again."""
    columns = shape[-1]
    is_small = is_at_least_zero(MOST_SPLIT - sp.Mul(*shape)) is True
    return is_narrow(columns) or (is_small and not has_whole_lines(columns))


def _sums_rows(tensor: Tensor) -> bool:
    """Whether a product sums over the rows of both operands, as a weight's gradient does over a batch, and is so small
    that it is cheaper to add up two than to fetch half of the rows from another thread's cache."""
    found = contraction_of(tensor)
    if found is None or found.outer or found.end is not None or not all(size.is_Integer for size in tensor.shape):
        return False
    rows = tensor.definition.extents[0]  # type: ignore[union-attr]
    small = LEAST_SUMMED <= int(sp.prod(tensor.shape)) <= MOST_SUMMED
    read = (found.left, found.right)
    plain = all(isinstance(index, Index) for element in read for index in element.indices)
    leading = plain and all(e.indices[0] is found.depth[0] and e.tensor.shape[0] == rows for e in read)
    return small and leading and not (rows.is_Integer and rows < 2 * LEAST_PART)


def _sums_windows(tensor: Tensor) -> bool:
    """Whether a sum over windows is one over the rows of its factors too, as the gradient of a convolution's weight."""
    definition = tensor.definition
    if definition is None or not isinstance(definition.body, sp.Mul):
        return False
    found = window_of(tensor.shape, definition, 0)
    is_small = is_at_least_zero(MOST_IN_WINDOWS - sp.Mul(*tensor.shape))
    if found is None or found.outer or found.over[:1] != (bound(0),) or not is_small:
        return False
    rows = (bound(0), definition.extents[0])
    return all((factor.indices[0], factor.tensor.shape[0]) == rows for factor in definition.body.args)


def _in_halves(tensor: Tensor) -> Tensor:
    """A product over rows, of which each half is one thread's."""
    definition = tensor.definition
    assert definition is not None
    whole, *inner = definition.extents
    size = sp.floor((whole + 1) / PARTS)
    row = size * axis(0) + bound(0)
    moved: dict[sp.Basic, sp.Basic] = {axis(d): axis(d + 1) for d in range(tensor.ndim)} | {bound(0): row}
    body = Cases((definition.body.xreplace(moved), row < whole), (sp.S.Zero, True))
    return _added_up(tensor, body, (size, *inner))


def _added_up(tensor: Tensor, body: sp.Expr, extents: Shape) -> Tensor:
    """A sum as that of its parts, whose number is the first axis of ``body``."""
    parts = Tensor.define((sp.Integer(PARTS), *tensor.shape), body, "sum", extents)
    elements = (Element(parts, sp.Integer(h), *(axis(d) for d in range(tensor.ndim))) for h in range(PARTS))
    return tensor.redefined(Definition(None, (), sp.Add(*elements)))


def _split_depth(tensor: Tensor, trained: Collection[Tensor]) -> Index | None:
    """The index that a product of a matrix that is trained sums over, if it is one to be split."""
    found = contraction_of(tensor)
    if found is not None:
        plain = not found.outer and len(found.depth) == 1 and found.right.tensor in trained
        return found.depth[0] if plain and _updated_by_rows(found.right.tensor.shape) else None
    definition = tensor.definition
    if definition is None or definition.op != "sum" or tensor.ndim != 1 or len(definition.extents) != 1:
        return None
    factors = [factor for factor in sp.Mul.make_args(definition.body) if factor.has(axis(0))]
    if len(factors) != 1 or not isinstance(factors[0], Element) or factors[0].tensor not in trained:
        return None
    return bound(0) if factors[0].indices == (bound(0), axis(0)) else None
