"""Losses of one row: over its classes, of its whole, of two or three rows. Classes are the last axis.

    cross_entropy:   ℓ[n] = −Σ_k w[k]·q[n, k]·log softmax(z)[n, k],    q = (1 − ε)·t + ε/C

With class weights and labels the mean is divided by Σ_n w[t[n]] over the rows that count, as in PyTorch; else by the
number of rows.
"""

from __future__ import annotations

from typing import Any

import sympy as sp

from symgraph.core.cases import Cases
from symgraph.core.define import Sum, as_tensor, define, pointwise
from symgraph.core.indices import Index, axis, bound, extents_of, show_shape
from symgraph.core.provenance import at_line, names_result
from symgraph.core.reading import call_first
from symgraph.core.scalars import as_formula
from symgraph.core.tensor import Element, Tensor, require_real
from symgraph.core.views import Views
from symgraph.errors import DomainError, ShapeError
from symgraph.simplify.sums import summed
from symgraph.vocabulary.elementary import maximum, minimum
from symgraph.vocabulary.functions import log_softmax, matmul, softmax, sum, transpose, where
from symgraph.vocabulary.gates import normalize, pairwise_distance
from symgraph.vocabulary.products import diagonal
from symgraph.vocabulary.reductions import Reduction, reduced, weights_of
from symgraph.vocabulary.shapes import shown


@names_result
def cross_entropy(
    logits: Any,
    target: Any,
    reduction: Reduction = "mean",
    weight: Any = None,
    ignore_index: int | None = None,
    label_smoothing: Any = 0,
    sample_weight: Any = None,
) -> Tensor:
    """−Σ_k t_k log y_k with y = softmax(logits) along the last axis, averaged over the rows.

    Parameters
    ----------
    logits : (…, C) real scores, no probabilities.
    target : labels of shape (…), or probabilities of shape (…, C): one-hot rows, or soft targets.
    weight : of classes, (C,); with labels the mean is then divided by the weights of the rows' labels.
    ignore_index : rows with this label count for nothing, in the divisor neither.
    label_smoothing : ε; the target is (1 − ε)t + ε/C (Szegedy et al., arXiv 1512.00567).
    sample_weight : of rows.

    Raises
    ------
    ShapeError
        if the target's shape is neither, or the classes differ in number.
    DomainError
        if ``logits`` are already probabilities (their rows sum to 1 by their own definition).
    """
    z, t = as_tensor(logits), as_tensor(target)
    require_real(z, "cross_entropy")
    _refuse_probabilities(z)
    y = softmax(z)
    call_first(y, "y")
    if weight is None and ignore_index is None and sample_weight is None and label_smoothing == 0:
        return _rows(y, t, reduction, z)
    _check_target(y, t, z)
    return _classes(y, t, True, reduction, weight, ignore_index, label_smoothing, sample_weight)


@names_result
def nll_loss(
    log_probabilities: Any,
    target: Any,
    weight: Any = None,
    ignore_index: int | None = None,
    reduction: Reduction = "mean",
    sample_weight: Any = None,
) -> Tensor:
    """−w_t·x_t of log-probabilities x (…, C); targets and divisor as in :func:`cross_entropy`."""
    x, t = as_tensor(log_probabilities), as_tensor(target)
    _check_target(x, t, x)
    return _classes(x, t, False, reduction, weight, ignore_index, 0, sample_weight)


@names_result
def nll_of_probabilities(probabilities: Any, target: Any, reduction: Reduction = "mean") -> Tensor:
    """−Σ_k t_k log y_k for given probabilities y (…, C); the target as in :func:`cross_entropy`."""
    y = as_tensor(probabilities)
    return _rows(y, as_tensor(target), reduction, y)


def _classes(
    y: Tensor, t: Tensor, is_probability: bool, reduction: Reduction, weight: Any, ignored: int | None, smoothing: Any,
    sample_weight: Any,
) -> Tensor:  # fmt: skip
    """The rows of a cross-entropy with all its options, and their reduction."""
    free, k = [Index(f"i{d}") for d in range(y.ndim - 1)], Index("k")
    count, eps = y.shape[-1], as_formula(smoothing)
    if eps.is_number and not 0 <= eps <= 1:
        raise DomainError(at_line(f"label_smoothing must lie in [0, 1], not {smoothing}"))
    each = None if weight is None else weights_of(weight)
    if each is not None and each.shape != (count,):
        raise ShapeError(at_line(f"the weights of classes {shown(each)} need the shape ({count},) of {shown(y)}"))

    def term(at: Any) -> Any:
        value = Element(y, *free, at)
        value = sp.log(value) if is_probability else value
        return value if each is None else Element(each, at) * value

    if not t.is_label:
        if ignored is not None:
            raise DomainError(at_line(f"ignore_index is of labels, and {shown(t)} holds probabilities"))
        return reduced(define(free, -Sum(((1 - eps) * Element(t, *free, k) + eps / count) * term(k), k)), reduction,
                       sample_weight)  # fmt: skip
    if ignored is not None and sp.Ge(as_formula(ignored), 0) & sp.Lt(as_formula(ignored), t.classes) == sp.false:
        raise DomainError(
            at_line(f"ignore_index is {ignored}, which is no label of {t.display_name}, below {t.classes}: give such "
                    f"rows any label and the weight 0, sample_weight=({t.display_name} != {ignored})")
        )  # fmt: skip
    label = Element(t, *free)
    body = -(1 - eps) * term(label) - (eps / count * Sum(term(k), k) if eps != 0 else 0)
    counted: Any = sp.S.One if each is None else Element(each, label)
    if ignored is not None:
        mask = Element(define(free, Cases((sp.S.Zero, sp.Eq(label, int(ignored))), (sp.S.One, True)), t.shape), *free)
        body, counted = mask * body, mask * counted
    divisor = None if each is None and ignored is None else define(free, counted, t.shape)
    return reduced(define(free, body, t.shape), reduction, sample_weight, divisor)


def _rows(y: Tensor, t: Tensor, reduction: Reduction, given: Tensor) -> Tensor:
    """−Σ_k t_k log y_k; errors speak of what was ``given``."""
    if not y.ndim:
        raise ShapeError(at_line(f"cross-entropy of the scalar {given.display_name}: it needs an axis of classes"))
    free, k = [Index(f"i{d}") for d in range(y.ndim - 1)], Index("k")
    shown = f"{given.display_name}{show_shape(y.shape)} against {t.display_name}{show_shape(t.shape)}"
    if t.is_label:
        if t.shape != y.shape[:-1]:
            raise ShapeError(at_line(f"cross-entropy of {shown}: labels need the shape {show_shape(y.shape[:-1])}"))
        if t.classes != y.shape[-1]:
            raise ShapeError(
                at_line(f"cross-entropy of {shown}: {t.classes} classes, but {y.shape[-1]} columns; expected the same")
            )
        term, over = sp.log(Element(y, *free, Element(t, *free))), free
    else:
        if t.shape != y.shape:
            raise ShapeError(at_line(f"cross-entropy of {shown}: target probabilities need the shape of the logits"))
        term, over = Element(t, *free, k) * sp.log(Element(y, *free, k)), [*free, k]
    if reduction == "none":
        return define(free, -term if t.is_label else -Sum(term, k))
    total = define((), -Sum(term, *over) if over else -term)
    if reduction == "sum" or not free:
        return total
    if reduction != "mean":
        return reduced(total, reduction)
    return pointwise(lambda value: value / sp.prod(y.shape[:-1]), total)  # type: ignore[no-any-return]


def _refuse_probabilities(z: Tensor) -> None:
    """Raise if the rows of ``z`` sum to 1 whatever its leaves are: a softmax before a loss on logits is a mistake."""
    if not z.ndim or (z.definition is not None and z.definition.op is not None):
        return
    element = Element(z, *(axis(d) for d in range(z.ndim - 1)), bound(0))
    body = element if z.definition is None else Views([z]).at(element)
    extents = extents_of(z.shape, z.shape[-1:])
    total = summed(body, (bound(0),), extents, [])
    if total == 1:
        raise DomainError(
            at_line(f"the rows of {z.display_name}{show_shape(z.shape)} already sum to 1: cross_entropy takes logits; "
                    "leave the softmax out, or use nll_of_probabilities")
        )  # fmt: skip


def _check_target(y: Tensor, t: Tensor, given: Tensor) -> None:
    _rows(y, t, "none", given)


@names_result
def focal_loss(
    logits: Any,
    target: Any,
    gamma: Any = 2,
    weight: Any = None,
    reduction: Reduction = "mean",
    sample_weight: Any = None,
) -> Tensor:
    """−w_t(1 − y_t)^γ log y_t with y = softmax(logits) and labels t (Lin et al., arXiv 1708.02002), mean over rows."""
    z, t = as_tensor(logits), as_tensor(target)
    _refuse_probabilities(z)
    y = softmax(z)
    _check_target(y, t, z)
    if not t.is_label:
        raise DomainError(at_line(f"focal_loss takes labels, not {shown(t)}; for several at once sigmoid_focal_loss"))
    free = [Index(f"i{d}") for d in range(y.ndim - 1)]
    at = Element(y, *free, Element(t, *free))
    if isinstance(gamma, int | float | sp.Number) and not gamma >= 0:
        raise DomainError(at_line(f"focal_loss: gamma must be at least 0, not {gamma}"))
    body = -((1 - at) ** as_formula(gamma)) * sp.log(at)
    body = body if weight is None else body * Element(weights_of(weight), Element(t, *free))
    return reduced(define(free, body, t.shape), reduction, sample_weight)


@names_result
def multi_margin_loss(
    input: Any,
    target: Any,
    p: int = 1,
    margin: Any = 1,
    weight: Any = None,
    reduction: Reduction = "mean",
    sample_weight: Any = None,
) -> Tensor:
    """(1/C)·Σ_{k≠t} w_t·max(0, margin − x_t + x_k)ᵖ of (…, C) and labels (Crammer & Singer 2001)."""
    x, t = as_tensor(input), as_tensor(target)
    _check_target(x, t, x)
    free, k = [Index(f"i{d}") for d in range(x.ndim - 1)], Index("k")
    label = Element(t, *free)
    gap = sp.Max(0, as_formula(margin) - Element(x, *free, label) + Element(x, *free, k)) ** p
    gap = gap if weight is None else gap * Element(weights_of(weight), label)
    body = Sum(Cases((sp.S.Zero, sp.Eq(k, label)), (gap, True)), k) / x.shape[-1]
    return reduced(define(free, body, t.shape), reduction, sample_weight)


@names_result
def multilabel_margin_loss(input: Any, target: Any, reduction: Reduction = "mean", sample_weight: Any = None) -> Tensor:
    """(1/C)·Σ_{j,k} t_j(1 − t_k)·max(0, 1 − x_j + x_k) of (…, C); targets are 0 and 1, where PyTorch lists labels."""
    x, t = as_tensor(input), as_tensor(target)
    _same_shape("multilabel_margin_loss", x, t)
    free, j, k = [Index(f"i{d}") for d in range(x.ndim - 1)], Index("j"), Index("k")
    gap = sp.Max(0, 1 - Element(x, *free, j) + Element(x, *free, k))
    body = Sum(Element(t, *free, j) * (1 - Element(t, *free, k)) * gap, j, k) / x.shape[-1]
    return reduced(define(free, body), reduction, sample_weight)


@names_result
def multilabel_soft_margin_loss(
    input: Any, target: Any, weight: Any = None, reduction: Reduction = "mean", sample_weight: Any = None
) -> Tensor:
    """−(1/C)·Σ_k w_k(t_k log σ(x_k) + (1 − t_k) log σ(−x_k)) of (…, C) and targets of 0 and 1."""
    x, t = as_tensor(input), as_tensor(target)
    _same_shape("multilabel_soft_margin_loss", x, t)
    free, k = [Index(f"i{d}") for d in range(x.ndim - 1)], Index("k")
    z = Element(x, *free, k)
    body = sp.log(1 + sp.exp(z)) - Element(t, *free, k) * z
    body = body if weight is None else body * Element(weights_of(weight), k)
    return reduced(define(free, Sum(body, k) / x.shape[-1]), reduction, sample_weight)


def _same_shape(name: str, first: Tensor, *others: Tensor) -> None:
    for other in others:
        if other.shape != first.shape:
            raise ShapeError(at_line(f"{name}: {shown(first)} against {shown(other)}; expected one shape"))


@names_result
def tversky_loss(
    input: Any,
    target: Any,
    alpha: Any = 0.5,
    beta: Any = 0.5,
    smooth: Any = 1,
    reduction: Reduction = "mean",
    sample_weight: Any = None,
) -> Tensor:
    """1 − (TP + s)/(TP + α·FP + β·FN + s) of every row of probabilities (N, …) (Salehi et al., arXiv 1706.05721)."""
    p, t = as_tensor(input), as_tensor(target)
    _same_shape("tversky_loss", p, t)
    over = range(1, p.ndim)
    true, false, missed = (sum(part, over) for part in (p * t, p * (1 - t), (1 - p) * t))
    return reduced(1 - (true + smooth) / (true + alpha * false + beta * missed + smooth), reduction, sample_weight)


@names_result
def dice_loss(
    input: Any, target: Any, smooth: Any = 1, reduction: Reduction = "mean", sample_weight: Any = None
) -> Tensor:
    """1 − (2Σp·t + s)/(Σp + Σt + s) of every row of probabilities (N, …) (Milletari et al., arXiv 1606.04797)."""
    p, t = as_tensor(input), as_tensor(target)
    _same_shape("dice_loss", p, t)
    over = range(1, p.ndim)
    return reduced(
        1 - (2 * sum(p * t, over) + smooth) / (sum(p, over) + sum(t, over) + smooth), reduction, sample_weight
    )


@names_result
def cosine_embedding_loss(
    input1: Any, input2: Any, target: Any, margin: Any = 0, reduction: Reduction = "mean", sample_weight: Any = None
) -> Tensor:
    """1 − cos(x₁, x₂) where t = 1, max(0, cos(x₁, x₂) − margin) where t = −1, of rows (N, d)."""
    a, b, t = as_tensor(input1), as_tensor(input2), as_tensor(target)
    _same_shape("cosine_embedding_loss", a, b)
    tiny = sp.Rational(1, 10**12)
    squares = pointwise(lambda u, v: sp.sqrt((u + tiny) * (v + tiny)), sum(a**2, -1), sum(b**2, -1))
    cosine = sum(a * b, -1) / squares
    return reduced(where(sp.Eq(t, 1), 1 - cosine, maximum(cosine - margin, 0)), reduction, sample_weight)


@names_result
def triplet_margin_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    margin: Any = 1,
    p: Any = 2,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: Reduction = "mean",
    sample_weight: Any = None,
) -> Tensor:
    """max(0, d(a, p) − d(a, n) + margin) of rows (N, d), d = ‖· + ε‖ₚ (Schroff et al., arXiv 1503.03832).

    ``swap`` takes the smaller of d(a, n) and d(p, n) (Balntas et al. 2016).
    """
    a, b, c = as_tensor(anchor), as_tensor(positive), as_tensor(negative)
    _same_shape("triplet_margin_loss", a, b, c)
    far = pairwise_distance(a, c, p, eps)
    far = minimum(far, pairwise_distance(b, c, p, eps)) if swap else far
    return reduced(maximum(pairwise_distance(a, b, p, eps) - far + margin, 0), reduction, sample_weight)


@names_result
def info_nce_loss(
    query: Any, key: Any, temperature: Any = 0.1, reduction: Reduction = "mean", sample_weight: Any = None
) -> Tensor:
    """−log softmax(q̂·k̂ᵀ/τ)[n, n] of rows (N, d): the key of a row is its own among all (van den Oord, 1807.03748)."""
    q, k = as_tensor(query), as_tensor(key)
    _same_shape("info_nce_loss", q, k)
    scores = matmul(normalize(q), transpose(normalize(k))) / temperature
    return reduced(-diagonal(log_softmax(scores)), reduction, sample_weight)


__all__ = [
    "cosine_embedding_loss",
    "cross_entropy",
    "dice_loss",
    "focal_loss",
    "info_nce_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "nll_loss",
    "nll_of_probabilities",
    "triplet_margin_loss",
    "tversky_loss",
]
