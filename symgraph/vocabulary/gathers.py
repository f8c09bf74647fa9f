"""Elements at places that are values: gathers, and sums into places; products along an axis.

take_along_axis:  y[i, k] = x[i, t[i, k]]       index_add:  y[i, j] = x[i, j] + Σ_k s[k, j]·δ[i = t[k]]
"""

from __future__ import annotations

from typing import Any

import sympy as sp

from symgraph.core.declare import constant
from symgraph.core.define import Sum, as_tensor, define
from symgraph.core.indices import Index, show_shape
from symgraph.core.indices import axis as place
from symgraph.core.provenance import at_line, names_result
from symgraph.core.scalars import Delta
from symgraph.core.tensor import Element, Tensor
from symgraph.errors import DomainError, ShapeError
from symgraph.vocabulary.functions import axis_of, max, mean, sum
from symgraph.vocabulary.shapes import along, expand_dims, places, shown
from symgraph.vocabulary.statistics import embedding


def _labels(name: str, given: Any) -> Tensor:
    t = given if isinstance(given, Tensor) else constant(given)
    if not t.is_label:
        raise DomainError(at_line(f"{name}: the places {shown(t)} are integers or labels, not real numbers"))
    return t


@names_result
def take_along_axis(x: Any, indices: Any, axis: int) -> Tensor:
    """y[i, k] = x[i, t[i, k]]: an element of a line of ``x`` for each integer of ``indices``, of the rank of ``x``."""
    a, t = as_tensor(x), _labels("take_along_axis", indices)
    d = axis_of(a, axis)
    if t.ndim != a.ndim or any(t.shape[e] != a.shape[e] for e in range(a.ndim) if e != d):
        raise ShapeError(at_line(f"take_along_axis: {shown(t)} and {shown(a)} differ beside axis {d}"))
    return _gathered(a, d, t)


@names_result
def gather(input: Any, dim: int, index: Any) -> Tensor:
    """PyTorch's ``gather``: as :func:`take_along_axis`, but ``index`` may be shorter along the other axes."""
    a, t = as_tensor(input), _labels("gather", index)
    d = axis_of(a, dim)
    if t.ndim != a.ndim:
        raise ShapeError(at_line(f"gather: {shown(t)} needs the {a.ndim} axes of {shown(a)}"))
    return _gathered(a, d, t)


def _gathered(a: Tensor, d: int, t: Tensor) -> Tensor:
    return Tensor.define(t.shape, Element(a, *places(a, {d: t.element})))


@names_result
def index_add(input: Any, dim: int, index: Any, source: Any) -> Tensor:
    """``input`` with slice k of ``source`` added to slice index[k] along an axis; equal places add up."""
    a, t, s = as_tensor(input), _labels("index_add", index), as_tensor(source)
    d = axis_of(a, dim)
    if t.ndim != 1 or s.shape != (*a.shape[:d], t.shape[0], *a.shape[d + 1 :]):
        wanted = show_shape((*a.shape[:d], *t.shape[:1], *a.shape[d + 1 :]))
        raise ShapeError(
            at_line(f"index_add: {shown(t)} places along axis {d} of {shown(a)} need a source of the shape {wanted}, "
                    f"not {shown(s)}")
        )  # fmt: skip
    free, k = [Index(f"i{e}") for e in range(a.ndim)], Index("k")
    added = Sum(Element(s, *free[:d], k, *free[d + 1 :]) * Delta(Element(t, k), free[d]), k)
    return define(free, Element(a, *free) + added, a.shape)


@names_result
def scatter_add(input: Any, dim: int, index: Any, src: Any) -> Tensor:
    """``input`` with src[i, k] added at [i, index[i, k]]: what :func:`take_along_axis` takes, given back."""
    a, t, s = as_tensor(input), _labels("scatter_add", index), as_tensor(src)
    d = axis_of(a, dim)
    if t.shape != s.shape or t.ndim != a.ndim or any(t.shape[e] != a.shape[e] for e in range(a.ndim) if e != d):
        raise ShapeError(at_line(f"scatter_add: {shown(t)}, {shown(s)} and {shown(a)} differ beside axis {d}"))
    free, k = [Index(f"i{e}") for e in range(a.ndim)], Index("k")
    at = (*free[:d], k, *free[d + 1 :])
    return define(free, Element(a, *free) + Sum(Element(s, *at) * Delta(Element(t, *at), free[d]), k), a.shape)


@names_result
def embedding_bag(input: Any, weight: Any, mode: str = "mean", per_sample_weights: Any = None) -> Tensor:
    """The rows of ``weight`` at labels (N, L), summed, averaged, or their largest: (N, d).

    ``per_sample_weights`` of (N, L) multiply the rows of a sum.
    """
    rows = embedding(input, weight)
    if per_sample_weights is not None:
        if mode != "sum":
            raise DomainError(at_line(f'embedding_bag: per_sample_weights go with mode "sum", not {mode!r}'))
        rows = rows * expand_dims(per_sample_weights, -1)
    kinds = {"sum": sum, "mean": mean, "max": max}
    if mode not in kinds:
        raise DomainError(at_line(f"embedding_bag: mode is one of {', '.join(kinds)}, not {mode!r}"))
    return kinds[mode](rows, -2)  # type: ignore[no-any-return]


@names_result
def prod(x: Any, axis: int | None = None) -> Tensor:
    """The product along an axis of fixed size, or of all elements: by halves, so that no element is divided by.

    Raises
    ------
    ShapeError
        for an axis whose size is no number.
    """
    a = as_tensor(x)
    if axis is None:
        for _ in range(a.ndim):
            a = prod(a, -1)
        return a
    d = axis_of(a, axis)
    if not a.shape[d].is_Integer:
        raise ShapeError(at_line(f"prod: axis {d} of {shown(a)} needs a size that is a number"))
    while a.shape[d] > 1:
        half = a.shape[d] // 2
        here = places(a)[d]
        both = along(a, d, half, here) * along(a, d, half, here + half)
        rest = along(a, d, 1, here + 2 * half) if a.shape[d] % 2 else None
        a = both if rest is None else _with_last(both, rest, d)
    return Tensor.define(
        (*a.shape[:d], *a.shape[d + 1 :]),
        Element(a, *(place(e) for e in range(d)), sp.S.Zero, *(place(e) for e in range(d, a.ndim - 1))),
    )


def _with_last(both: Tensor, rest: Tensor, d: int) -> Tensor:
    from symgraph.vocabulary.joining import concatenate

    return concatenate([both, rest], d)  # type: ignore[no-any-return]


__all__ = [
    "embedding_bag",
    "gather",
    "index_add",
    "prod",
    "scatter_add",
    "take_along_axis",
]
