"""How the losses of elements or rows become one number."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import sympy as sp

from symgraph.core.define import as_tensor, pointwise
from symgraph.core.provenance import at_line
from symgraph.core.tensor import Tensor
from symgraph.errors import DomainError, ShapeError
from symgraph.vocabulary.functions import mean, sum
from symgraph.vocabulary.shapes import reshape, shown

Reduction = Literal["mean", "sum", "batchmean", "none"]


def weights_of(given: Any) -> Tensor:
    """Weights from a tensor or an array of numbers."""
    return given if isinstance(given, Tensor) else as_tensor(np.asarray(given, dtype=np.float64))


def reduced(values: Tensor, reduction: Reduction, weight: Any = None, divisor: Tensor | None = None) -> Tensor:
    """The mean, sum, or all of the losses.

    Parameters
    ----------
    weight : of rows, or of elements: a shape with which that of ``values`` begins; the mean is Σ w·ℓ/Σ w.
    divisor : what each loss counts for in the mean, where that is not 1.

    Raises
    ------
    DomainError
        for another reduction.
    """
    if weight is not None:
        each = weights_of(weight)
        if each.shape != values.shape[: each.ndim]:
            raise ShapeError(at_line(f"sample_weight {shown(each)} does not fit losses of the shape {values.shape}"))
        each = reshape(each, (*each.shape, *([1] * (values.ndim - each.ndim)))) if each.ndim < values.ndim else each
        values = values * each
        divisor = each if divisor is None else divisor * each
    match reduction:
        case "mean":
            if divisor is None:
                return mean(values)  # type: ignore[no-any-return]
            times = sp.prod(_repeated(values, divisor))
            return pointwise(lambda u, v: u / (v * times), sum(values), sum(divisor))  # type: ignore[no-any-return]
        case "sum":
            return sum(values)  # type: ignore[no-any-return]
        case "batchmean":
            return pointwise(lambda u: u / values.shape[0], sum(values))  # type: ignore[no-any-return]
        case "none":
            return values
    raise DomainError(at_line(f'reduction is "mean", "sum", "batchmean" or "none", not {reduction!r}'))


def _repeated(values: Tensor, divisor: Tensor) -> list[sp.Expr]:
    """Sizes of the axes along which the divisor is repeated."""
    assert divisor.ndim == values.ndim
    return [size for size, own in zip(values.shape, divisor.shape, strict=True) if own == 1]
