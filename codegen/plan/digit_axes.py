"""Reductions whose axis is read by its digits alone have an axis for each digit: vectors run along the last.

    b[i] = Σ_{n,t} g[n, ⌊i/16⌋, t, i mod 16]      →      u[h, l] = Σ_{n,t} g[n, h, t, l],   b[i] = u[⌊i/16⌋, i mod 16]

So does the gradient of a bias whose sum is divided among the heads of attention. Windows have digits of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import sympy as sp

from codegen.plan.windows import window_of
from symgraph.core.digits import in_digits
from symgraph.core.graph import rewrite
from symgraph.core.indices import Index, axis
from symgraph.core.tensor import Definition, Element, Tensor

LEAST = 8
"""Values of the last digit from which on it pays."""


def split_axes(outputs: Iterable[Tensor]) -> dict[Tensor, Tensor]:
    """The replacement of every tensor under ``outputs``."""
    return rewrite(outputs, lambda tensor, definition: tensor.redefined(_split(tensor, definition) or definition))


def _split(tensor: Tensor, definition: Definition) -> Definition | None:
    if definition.op is None or definition.is_opaque or any(window_of(tensor.shape, definition, d) for d in (0, 1)):
        return None
    axes = {axis(d): size for d, size in enumerate(tensor.shape)}
    names, sizes = in_digits({own: own for own in axes}, axes, [definition.body])
    digits = {own: _digits_of(own, names) if names[own] is not own else (own,) for own in axes}
    places = [place for own in axes for place in digits[own]]
    extents = tuple(sizes[next(iter(names[place].atoms(Index)))] for place in places)
    body = definition.body.xreplace({place: sp.Dummy(integer=True) for place in places})
    if len(places) == len(axes) or body.has(*axes) or not extents[-1] >= LEAST:
        return None
    body = definition.body.xreplace({place: axis(d) for d, place in enumerate(places)})
    return Definition(None, (), Element(Tensor.define(extents, body, definition.op, definition.extents), *places))


def _digits_of(own: Index, names: Mapping[sp.Expr, sp.Expr]) -> tuple[sp.Expr, sp.Expr]:
    """⌊i/k⌋ and i mod k of an index."""
    reads = [read for read in names if read is not own and read.has(own)]
    (low,), (high,) = ([read for read in reads if (names[read] is own) == is_low] for is_low in (True, False))
    return high, low
