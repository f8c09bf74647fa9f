"""Elements at places that are values: gathers, and sums into places; products along an axis.

take_along_axis:  y[i, k] = x[i, t[i, k]]       index_add:  y[i, j] = x[i, j] + Σ_k s[k, j]·δ[i = t[k]]
"""

from __future__ import annotations

from typing import Any

import sympy as sp

from symgraph.core.bounds import check_element
from symgraph.core.broadcast import broadcast
from symgraph.core.define import Sum, as_tensor, define, scalar_body
from symgraph.core.indices import Index, extents_of, is_at_least_zero, show_shape
from symgraph.core.provenance import at_line, names_result
from symgraph.core.scalars import Delta
from symgraph.core.tensor import Element, Tensor
from symgraph.errors import DomainError, ShapeError
from symgraph.vocabulary.cumulative import cumprod
from symgraph.vocabulary.elementary import maximum
from symgraph.vocabulary.functions import (
    Axes,
    axes_of,
    axis_of,
    constant_places,
    from_end,
    max,
    mean,
    sum,
    where,
)
from symgraph.vocabulary.joining import concatenate, pad
from symgraph.vocabulary.shapes import along, broadcast_to, expand_dims, places, ravel, shown, squeeze
from symgraph.vocabulary.statistics import embedding


def _labels(name: str, a: Tensor, d: int, given: Any) -> Tensor:
    """Labels as they are; numbers as a constant of places of axis ``d``, negative ones from its end."""
    t = constant_places(a, a.shape[d], given)
    if not isinstance(t, Tensor) or not t.is_label:
        what = shown(t) if isinstance(t, Tensor) else repr(t)
        raise DomainError(at_line(f"{name}: the places {what} are integers or labels, not real numbers"))
    return t


@names_result
def take_along_axis(x: Any, indices: Any, axis: int | None) -> Tensor:
    """y[i, k] = x[i, t[i, k]]: an element of a line of ``x`` for each integer of ``indices``, of the rank of ``x``.

    As in NumPy, the other axes are broadcast; without an axis it is of the flattened tensor.
    """
    a = as_tensor(x) if axis is not None else ravel(x)
    d = axis_of(a, axis or 0)
    t = _labels("take_along_axis", a, d, indices)
    ours, theirs = ((*s[:d], sp.S.One, *s[d + 1 :]) for s in (a.shape, t.shape))
    if t.ndim != a.ndim or any(m != n and 1 not in (m, n) for m, n in zip(ours, theirs, strict=True)):
        raise ShapeError(at_line(f"take_along_axis: {shown(t)} and {shown(a)} differ beside axis {d}"))
    sizes = broadcast(ours, theirs)
    wide = (broadcast_to(y, (*sizes[:d], y.shape[d], *sizes[d + 1 :])) for y in (a, t))
    return _gathered(next(wide), d, next(wide))


@names_result
def gather(input: Any, dim: int, index: Any) -> Tensor:
    """PyTorch's ``gather``: as :func:`take_along_axis`, but ``index`` may be shorter along the other axes."""
    a = as_tensor(input)
    d = axis_of(a, dim)
    t = _labels("gather", a, d, index)
    if t.ndim != a.ndim:
        raise ShapeError(at_line(f"gather: {shown(t)} needs the {a.ndim} axes of {shown(a)}"))
    for e in range(a.ndim):
        if e != d and is_at_least_zero(a.shape[e] - t.shape[e]) is False:
            raise ShapeError(at_line(f"gather: {shown(t)} has more places along axis {e} than {shown(a)}"))
    return _gathered(a, d, t)


def _gathered(a: Tensor, d: int, t: Tensor) -> Tensor:
    element = Element(a, *places(a, {d: t.element}))
    check_element(element, extents_of(t.shape))
    return Tensor.define(t.shape, element)


@names_result
def index_add(input: Any, dim: int, index: Any, source: Any, alpha: Any = 1) -> Tensor:
    """``input`` with α times slice k of ``source`` added to slice index[k] along an axis; equal places add up."""
    a, s = as_tensor(input), as_tensor(source)
    d = axis_of(a, dim)
    t = _labels("index_add", a, d, index)
    if t.ndim != 1 or s.shape != (*a.shape[:d], t.shape[0], *a.shape[d + 1 :]):
        wanted = show_shape((*a.shape[:d], *t.shape[:1], *a.shape[d + 1 :]))
        raise ShapeError(
            at_line(f"index_add: {shown(t)} places along axis {d} of {shown(a)} need a source of the shape {wanted}, "
                    f"not {shown(s)}")
        )  # fmt: skip
    free, k = [Index(f"i{e}") for e in range(a.ndim)], Index("k")
    added = Sum(Element(s, *free[:d], k, *free[d + 1 :]) * Delta(Element(t, k), free[d]), k)
    return define(free, Element(a, *free) + (added if alpha == 1 else scalar_body(alpha) * added), a.shape)


@names_result
def scatter_add(input: Any, dim: int, index: Any, src: Any) -> Tensor:
    """``input`` with src[i, k] added at [i, index[i, k]]: what :func:`gather` takes, given back.

    As in PyTorch, ``index`` may be shorter than ``src``, and than ``input`` along the other axes.
    """
    a, s = as_tensor(input), as_tensor(src)
    d = axis_of(a, dim)
    t = _labels("scatter_add", a, d, index)
    longer = [(s.shape[e], t.shape[e]) for e in range(min(s.ndim, t.ndim))]
    longer += [(a.shape[e], t.shape[e]) for e in range(min(a.ndim, t.ndim)) if e != d]
    if not t.ndim == s.ndim == a.ndim or not all(is_at_least_zero(size - least) for size, least in longer):
        raise ShapeError(
            at_line(f"scatter_add: {shown(t)} does not fit into {shown(s)}, and into {shown(a)} beside axis {d}: "
                    "expected three of one rank, and places for no more than there is")
        )  # fmt: skip
    s = s if s.shape == t.shape else s[tuple(slice(0, size) for size in t.shape)]
    free, k = [Index(f"i{e}") for e in range(a.ndim)], Index("k")
    at = (*free[:d], k, *free[d + 1 :])
    shape = (*t.shape[:d], a.shape[d], *t.shape[d + 1 :])
    added = Sum(Element(s, *at) * Delta(Element(t, *at), free[d]), k)
    if shape == a.shape:
        return define(free, Element(a, *free) + added, shape)
    widths = [(0, size - own) for size, own in zip(a.shape, shape, strict=True)]
    return a + pad(define(free, added, shape), widths)  # type: ignore[no-any-return]


@names_result
def embedding_bag(
    input: Any, weight: Any, mode: str = "mean", per_sample_weights: Any = None, padding_idx: int | None = None
) -> Tensor:
    """The rows of ``weight`` at labels (N, L), summed, averaged, or their largest: (N, d).

    Parameters
    ----------
    per_sample_weights : of (N, L), which multiply the rows of a sum.
    padding_idx : the label of places that hold none, so that bags have sizes of their own; an empty bag is 0.
    """
    rows = embedding(input, weight)
    t = as_tensor(input)
    if t.ndim < 2:
        found = f"embedding_bag: {shown(t)} needs two axes, (bags, labels of a bag)"
        raise ShapeError(at_line(f"{found}; fill shorter bags with a label, padding_idx="))
    if mode not in _BAGS:
        raise DomainError(at_line(f"embedding_bag: mode is one of {', '.join(_BAGS)}, not {mode!r}"))
    if per_sample_weights is not None:
        if mode != "sum":
            raise DomainError(at_line(f'embedding_bag: per_sample_weights go with mode "sum", not {mode!r}'))
        rows = rows * expand_dims(per_sample_weights, -1)
    if padding_idx is None:
        return _BAGS[mode](rows, -2)  # type: ignore[no-any-return]
    held = expand_dims(where(sp.Ne(t, from_end(as_tensor(weight).shape[0], padding_idx)), 1, 0), -1)
    counts = sum(held, -2)
    if mode == "max":
        return where(counts > 0, max(where(held, rows, -sp.oo), -2), 0)  # type: ignore[no-any-return]
    total = sum(where(held, rows, 0), -2)
    return total / maximum(counts, 1) if mode == "mean" else total  # type: ignore[no-any-return]


_BAGS = {"sum": sum, "mean": mean, "max": max}
"""How the rows of a bag become one."""


@names_result
def prod(x: Any, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """The product along one or several axes, or of all elements, so that no element is divided by.

    Along an axis of fixed size it is made by halves; along one of symbolic size it is the last running product.
    """
    a = as_tensor(x)
    over = axes_of(a, axis)
    for d in over:
        a = _product(a, d)
    return a if keepdims else squeeze(a, over) if over else a


def _product(a: Tensor, d: int) -> Tensor:
    """The product along an axis, which stays as one of size 1."""
    here = places(a)[d]
    if not a.shape[d].is_Integer:
        return along(cumprod(a, d), d, 1, a.shape[d] - 1 + here)
    while a.shape[d] > 1:
        half = a.shape[d] // 2
        both = along(a, d, half, here) * along(a, d, half, here + half)
        a = concatenate([both, along(a, d, 1, here + 2 * half)], d) if a.shape[d] % 2 else both
    return a


__all__ = [
    "embedding_bag",
    "gather",
    "index_add",
    "prod",
    "scatter_add",
    "take_along_axis",
]
