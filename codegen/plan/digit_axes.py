"""Reductions whose axis is read by its digits alone have an axis for each digit: vectors run along the last.

    b[i] = Σ_{n,t} g[n, ⌊i/16⌋, t, i mod 16]      →      u[h, l] = Σ_{n,t} g[n, h, t, l],   b[i] = u[⌊i/16⌋, i mod 16]

So does the gradient of a bias whose sum is divided among the heads of attention.
"""

from __future__ import annotations

from collections.abc import Iterable

import sympy as sp

from symgraph.core.digits import in_digits
from symgraph.core.graph import rewrite
from symgraph.core.indices import axis
from symgraph.core.tensor import Definition, Element, Tensor

LEAST = 8
"""Values of the last digit from which on it pays."""


def split_axes(outputs: Iterable[Tensor]) -> dict[Tensor, Tensor]:
    """The replacement of every tensor under ``outputs``."""
    return rewrite(outputs, lambda tensor, definition: tensor.redefined(_split(tensor, definition) or definition))


def _split(tensor: Tensor, definition: Definition) -> Definition | None:
    if definition.op is None or definition.is_opaque or tensor.ndim != 1:
        return None
    own = axis(0)
    names, sizes = in_digits({own: own}, {own: tensor.shape[0]}, [definition.body])
    digits = {read: sp.Dummy(integer=True) for read in names if read is not own}
    body = definition.body.xreplace(digits)
    if not digits or body.has(own) or not sizes[own] >= LEAST:
        return None
    (low,), (high,) = ([read for read in digits if (names[read] is own) == is_low] for is_low in (True, False))
    body = body.xreplace({digits[high]: axis(0), digits[low]: axis(1)})
    whole = Tensor.define((tensor.shape[0] / sizes[own], sizes[own]), body, definition.op, definition.extents)
    return Definition(None, (), Element(whole, high, low))
