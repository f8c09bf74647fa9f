"""Statistics, and what networks gather and attend to: definitions over sums, means and softmax."""

from __future__ import annotations

from typing import Any

import sympy as sp

from symgraph.core import declare
from symgraph.core.cases import Cases
from symgraph.core.define import Max, Min, as_tensor, pointwise
from symgraph.core.indices import as_shape, is_at_least_zero, show_size
from symgraph.core.indices import axis as place
from symgraph.core.misuse import explained
from symgraph.core.provenance import at_line, names_result
from symgraph.core.scalars import Delta
from symgraph.core.tensor import Element, Tensor, require_real
from symgraph.errors import DomainError, ShapeError
from symgraph.vocabulary.comparisons import condition as truth
from symgraph.vocabulary.elementary import abs, maximum, minimum, sqrt
from symgraph.vocabulary.functions import (
    Axes,
    axes_of,
    from_end,
    matmul,
    mean,
    reduce,
    softmax,
    sum,
    transpose,
    where,
)
from symgraph.vocabulary.functions import max as largest
from symgraph.vocabulary.functions import min as smallest
from symgraph.vocabulary.joining import repeat
from symgraph.vocabulary.normalise import stop_gradient
from symgraph.vocabulary.random import dropout
from symgraph.vocabulary.reductions import weights_of
from symgraph.vocabulary.shapes import expand_dims, in_order, reshape, shown, swapaxes

__all__ = [
    "all", "any", "average", "clip", "embedding", "norm", "one_hot", "scaled_dot_product_attention", "std",
    "var",
]  # fmt: skip


@names_result
def var(x: Any, axis: Axes = None, ddof: int = 0, keepdims: bool = False) -> Tensor:
    """Mean squared distance from the mean, divided by n − ddof, as NumPy's (PyTorch's has ddof = 1).

    Raises
    ------
    ShapeError
        where n − ddof is not positive.
    """
    a = as_tensor(x)
    count = sp.prod(a.shape[d] for d in axes_of(a, axis)) - ddof
    if is_at_least_zero(count - 1) is False:
        raise ShapeError(at_line(f"var of {shown(a)}: n − ddof is {show_size(count)}; expected it positive"))
    total = sum((a - mean(a, axis, keepdims=True)) ** 2, axis, keepdims)
    return pointwise(lambda u: u / count, total)  # type: ignore[no-any-return]


@names_result
def std(x: Any, axis: Axes = None, ddof: int = 0, keepdims: bool = False) -> Tensor:
    """The square root of :func:`var`."""
    return sqrt(var(x, axis, ddof, keepdims))  # type: ignore[no-any-return]


@names_result
def average(x: Any, axis: Axes = None, weights: Any = None, keepdims: bool = False) -> Tensor:
    """Σ w·x/Σ w, the mean without weights, as NumPy's.

    ``weights`` have the shape of ``x``, or the sizes of the axes averaged over.

    Raises
    ------
    ShapeError
        if they have neither.
    """
    a = as_tensor(x)
    if weights is None:
        return mean(a, axis, keepdims)  # type: ignore[no-any-return]
    w, over = weights_of(weights), in_order(a, range(a.ndim) if axis is None else axis)
    if w.shape != a.shape:
        if w.shape != tuple(a.shape[d] for d in over):
            found = f"average of {shown(a)} over {axis}: the weights {shown(w)} have neither its shape"
            raise ShapeError(at_line(f"{found} nor the sizes of these axes"))
        w = transpose(w, sorted(range(len(over)), key=over.__getitem__))
        w = reshape(w, [size if d in over else 1 for d, size in enumerate(a.shape)])
    return sum(a * w, over, keepdims) / sum(w, over, keepdims)  # type: ignore[no-any-return]


@names_result
def norm(x: Any, ord: Any = 2, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """(Σ |x|ᵖ)^(1/p) of all elements or along axes: p is a positive number, ``np.inf`` or ``-np.inf``.

    The order is that of vectors; of a matrix without ``axis`` p = 2 is Frobenius' norm.
    """
    a = as_tensor(x)
    order = sp.nsimplify(ord) if isinstance(ord, int | float | sp.Basic) else sp.nan
    if order in (sp.oo, -sp.oo):
        return (largest if order > 0 else smallest)(abs(a), axis, keepdims)
    if not order.is_number or not order.is_positive:
        raise DomainError(at_line(f"norm of {shown(a)}: the order is a positive number or ∞, not {ord!r}"))
    if order == 2:
        return sqrt(sum(a**2, axis, keepdims))  # type: ignore[no-any-return]
    total = sum(abs(a) ** order, axis, keepdims)
    return total if order == 1 else total ** (1 / order)  # type: ignore[no-any-return]


@names_result
def any(x: Any, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """1 where some element is not 0, or some condition holds, else 0."""
    return reduce(Max, _as_numbers(x), axis, keepdims)


@names_result
def all(x: Any, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """1 where no element is 0, or every condition holds, else 0."""
    return reduce(Min, _as_numbers(x), axis, keepdims)


def _as_numbers(x: Any) -> Tensor:
    found = truth(x)
    return found if isinstance(found, Tensor) else where(found, 1, 0)


@names_result
def clip(x: Any, min: Any = None, max: Any = None) -> Tensor:
    """``x`` between two bounds; None is no bound."""
    found = as_tensor(x)
    found = found if min is None else maximum(found, min)
    return found if max is None else minimum(found, max)


@explained
def one_hot(name: Any, shape: Any) -> Tensor:
    """A leaf of one-hot rows, ``one_hot("t", (N, 10))``; or labels as such rows, ``one_hot(y, 10)``: 1 at the label.

    Raises
    ------
    ShapeError
        if there are fewer columns than the labels have classes.
    """
    return _from_labels(name, shape) if isinstance(name, Tensor) else declare.one_hot(name, shape)


@names_result
def _from_labels(t: Tensor, classes: Any) -> Tensor:
    (size,) = as_shape((classes,))
    if t.classes is None:
        raise DomainError(at_line(f"one_hot is of labels, and {shown(t)} is real"))
    if not is_at_least_zero(size - t.classes):
        raise ShapeError(at_line(f"one_hot of {shown(t)}: {show_size(t.classes)} classes in {show_size(size)} columns"))
    return Tensor.define((*t.shape, size), Delta(t.element, place(t.ndim)))


@names_result
def embedding(input: Any, weight: Any, padding_idx: int | None = None) -> Tensor:
    """The rows of ``weight`` (classes, d) at labels of any shape: (…, d); the gradient is a sum over equal labels.

    The row of ``padding_idx`` is read as any, and has no gradient.
    """
    t, table = as_tensor(input), as_tensor(weight)
    if not t.is_label or table.ndim != 2:
        raise DomainError(at_line(f"embedding takes labels and a matrix, not {shown(t)} and {shown(table)}"))
    if t.classes is not None and is_at_least_zero(table.shape[0] - t.classes) is False:
        raise ShapeError(
            at_line(f"embedding: {shown(t)} has {show_size(t.classes)} classes, {shown(table)} fewer rows")
        )
    rows = Tensor.define((*t.shape, table.shape[1]), Element(table, t.element, place(t.ndim)))
    if padding_idx is None:
        return rows
    held = sp.Ne(expand_dims(t, -1), from_end(table.shape[0], padding_idx))
    return where(held, rows, stop_gradient(rows))  # type: ignore[no-any-return]


@names_result
def scaled_dot_product_attention(
    query: Any, key: Any, value: Any, attn_mask: Any = None, dropout_p: Any = 0.0, is_causal: bool = False,
    scale: Any = None, enable_gqa: bool = False,
) -> Tensor:  # fmt: skip
    """softmax(q·kᵀ·scale)·v over the last two axes: (…, L, E), (…, S, E), (…, S, V) → (…, L, V) (Vaswani 2017).

    Parameters
    ----------
    attn_mask : a condition of (…, L, S), which holds where attention goes; a real tensor is added to the scores.
    dropout_p : in training, the part of the weights that is 0, the others scaled up (:func:`sg.dropout`).
    is_causal : row i attends to rows up to i.
    scale : 1/√E unless told.
    enable_gqa : each head of the keys and values serves as many queries' heads (axis −3) as there are for it.
    """
    q, k, v = as_tensor(query), as_tensor(key), as_tensor(value)
    for tensor in (q, k, v):
        require_real(tensor, "attention")
        if tensor.ndim < 2:
            raise ShapeError(at_line(f"attention: {shown(tensor)} needs two axes, (…, rows, features)"))
    if attn_mask is not None and is_causal:
        raise DomainError(at_line("attention takes attn_mask or is_causal, not both"))
    if enable_gqa:
        k, v = (_shared(q, heads) for heads in (k, v))
    scores = matmul(q, swapaxes(k, -1, -2)) * (1 / sp.sqrt(q.shape[-1]) if scale is None else scale)
    if is_causal:
        i, j = place(scores.ndim - 2), place(scores.ndim - 1)
        scores = Tensor.define(scores.shape, Cases((scores.element, j <= i), (-sp.oo, True)))
    elif attn_mask is not None and is_condition(attn_mask):
        scores = where(attn_mask, scores, -sp.oo)
    elif attn_mask is not None:
        scores = scores + attn_mask
    weights = softmax(scores)
    return matmul(weights if dropout_p == 0 else dropout(weights, dropout_p), v)


def _shared(q: Tensor, heads: Tensor) -> Tensor:
    """Heads of keys or values, each repeated for the queries' heads that share it."""
    if q.ndim < 3 or heads.ndim < 3 or not (times := q.shape[-3] / heads.shape[-3]).is_Integer:
        raise ShapeError(at_line(f"attention: the heads of {shown(heads)} are not shared by those of {shown(q)}"))
    return repeat(heads, times, -3)


def is_condition(mask: Any) -> bool:
    """Whether a mask says where, rather than how much."""
    from symgraph.core.condition import Condition

    dtype = getattr(mask, "dtype", None)
    return isinstance(mask, Condition | sp.logic.boolalg.Boolean) or getattr(dtype, "kind", "") == "b"
