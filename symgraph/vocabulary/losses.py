"""Losses: each a plain formula of one element, and the reduction over elements. Gradients and stable forms follow.

Order of arguments, names and divisors as in ``torch.nn.functional``: (input, target), ``reduction`` "mean", "sum" or
"none"; the mean is over all elements, for cross-entropy over the batch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import sympy as sp

from symgraph.core.define import Sum, as_tensor, define, pointwise
from symgraph.core.indices import Index, axis, bound, extents_of, show_shape
from symgraph.core.provenance import at_line, names_result
from symgraph.core.reading import call_first
from symgraph.core.scalars import as_formula
from symgraph.core.tensor import Element, Tensor, require_real
from symgraph.core.views import Views
from symgraph.errors import DomainError, ShapeError
from symgraph.simplify.sums import summed
from symgraph.vocabulary.elementwise import Elementwise, elementwise, u, v
from symgraph.vocabulary.functions import mean, softmax, sum

Reduction = Literal["mean", "sum", "none"]

squared_error = elementwise((u - v) ** 2, u, v, name="squared_error")
half_squared_error = elementwise((u - v) ** 2 / 2, u, v, name="half_squared_error")
absolute_error = elementwise(sp.Abs(u - v), u, v, name="absolute_error")
binary_error = elementwise(-v * sp.log(u) - (1 - v) * sp.log(1 - u), u, v, name="binary_error")
logistic_error = elementwise(sp.log(1 + sp.exp(u)) - v * u, u, v, name="logistic_error")
log_cosh_error = elementwise(sp.log(sp.cosh(u - v)), u, v, name="log_cosh_error")


def _reduced(values: Tensor, reduction: Reduction) -> Tensor:
    match reduction:
        case "mean":
            return mean(values)
        case "sum":
            return sum(values)
        case "none":
            return values
    raise DomainError(at_line(f'reduction is "mean", "sum" or "none", not {reduction!r}'))


def _loss(formula: Elementwise, text: str) -> Callable[..., Tensor]:
    """A loss that applies a formula of (input, target) to tensors of one shape and reduces."""

    def loss(input: Any, target: Any, reduction: Reduction = "mean") -> Tensor:
        prediction, wanted = as_tensor(input), as_tensor(target)
        if prediction.shape != wanted.shape:
            raise ShapeError(
                at_line(f"{formula.name}: {prediction.display_name}{show_shape(prediction.shape)} against "
                        f"{wanted.display_name}{show_shape(wanted.shape)}; expected one shape")
            )  # fmt: skip
        return _reduced(formula(prediction, wanted), reduction)

    loss.__name__ = formula.name
    loss.__doc__ = f"{text}, elements of (input, target) of one shape, averaged over all of them unless told."
    return names_result(loss)


mse_loss = _loss(squared_error, "Squared error (y − t)²")
half_mse_loss = _loss(half_squared_error, "Half squared error ½(y − t)²")
l1_loss = _loss(absolute_error, "Absolute error |y − t|")
binary_cross_entropy = _loss(binary_error, "−t log y − (1 − t) log(1 − y), y probabilities")
binary_cross_entropy_with_logits = _loss(logistic_error, "log(1 + eᶻ) − t·z, z logits")
log_cosh_loss = _loss(log_cosh_error, "log cosh(y − t)")


@names_result
def huber_loss(input: Any, target: Any, delta: Any = 1, reduction: Reduction = "mean") -> Tensor:
    """½r² where |r| ≤ δ, else δ(|r| − ½δ), with r = input − target (Huber 1964)."""
    r = u - v
    d = as_formula(delta)
    formula = sp.Piecewise((r**2 / 2, sp.Abs(r) <= d), (d * (sp.Abs(r) - d / 2), True))
    return _loss(elementwise(formula, u, v, name="huber"), "Huber's loss")(input, target, reduction)


@names_result
def smooth_l1_loss(input: Any, target: Any, beta: Any = 1, reduction: Reduction = "mean") -> Tensor:
    """½r²/β where |r| < β, else |r| − ½β; huber_loss(δ) is δ times this with β = δ (Girshick, arXiv 1504.08083)."""
    r = u - v
    b = as_formula(beta)
    formula = sp.Piecewise((r**2 / (2 * b), sp.Abs(r) < b), (sp.Abs(r) - b / 2, True))
    return _loss(elementwise(formula, u, v, name="smooth_l1"), "Smooth L1")(input, target, reduction)


@names_result
def cross_entropy(logits: Any, target: Any, reduction: Reduction = "mean") -> Tensor:
    """−Σ_k t_k log y_k with y = softmax(logits) along the last axis, averaged over the rows.

    Parameters
    ----------
    logits : (…, C) real scores, no probabilities.
    target : labels of shape (…), or probabilities of shape (…, C): one-hot rows, or soft targets.

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
    return _rows(y, t, reduction, z)


@names_result
def nll_of_probabilities(probabilities: Any, target: Any, reduction: Reduction = "mean") -> Tensor:
    """−Σ_k t_k log y_k for given probabilities y (…, C); the target as in :func:`cross_entropy`."""
    y = as_tensor(probabilities)
    return _rows(y, as_tensor(target), reduction, y)


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
        return _reduced(total, reduction)
    return pointwise(lambda value: value / sp.prod(y.shape[:-1]), total)


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
