"""Normalisation by the statistics of a batch, and values held out of the derivative."""

from __future__ import annotations

from typing import Any

import sympy as sp

from symgraph.core import scalars
from symgraph.core.define import as_tensor, pointwise
from symgraph.core.indices import is_at_least_zero, show_shape
from symgraph.core.mode import in_training
from symgraph.core.provenance import at_line, names_result
from symgraph.core.reading import call_first
from symgraph.core.tensor import Tensor
from symgraph.errors import ShapeError
from symgraph.vocabulary.elementary import sqrt
from symgraph.vocabulary.functions import mean
from symgraph.vocabulary.shapes import reshape, shown

__all__ = ["batch_norm", "stop_gradient"]


@names_result
def stop_gradient(x: Any) -> Tensor:
    """x itself, with derivative 0: no cotangent passes."""
    return pointwise(scalars.stop_gradient, as_tensor(x))  # type: ignore[no-any-return]


def _along_channel(values: Tensor, rank: int) -> Tensor:
    """A value for each channel, (C,), as an array that broadcasts against (N, C, …)."""
    return values if rank == 2 else reshape(values, (values.shape[0], *[1] * (rank - 2)))


@names_result
def batch_norm(
    x: Any, running_mean: Any, running_var: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Tensor:
    """(x − μ)/√(v + ε)·weight + bias, for each channel (Ioffe & Szegedy, arXiv 1502.03167).

    In training μ and v are the mean and the biased variance of the batch, over all axes but the channel's; in
    evaluation the running ones.

    Parameters
    ----------
    x : (N, C) or (N, C, …).
    running_mean, running_var : of shape (C,), as weight and bias, which may be left out.

    Raises
    ------
    ShapeError
        if x has less than two axes, or one of the others is not of shape (C,).
    """
    value = as_tensor(x)
    given = {"running_mean": running_mean, "running_var": running_var, "weight": weight, "bias": bias}
    found = {name: as_tensor(each) for name, each in given.items() if each is not None}
    if value.ndim < 2:
        raise ShapeError(at_line(f"batch_norm needs (batch, channel, …); {value.display_name} has {value.ndim} axes"))
    for name, each in found.items():
        if each.shape != value.shape[1:2]:
            raise ShapeError(
                at_line(f"batch_norm: {name} has shape {show_shape(each.shape)}; {value.display_name}"
                        f"{show_shape(value.shape)} needs {show_shape(value.shape[1:2])}")
            )  # fmt: skip
    places = {name: _along_channel(each, value.ndim) for name, each in found.items()}
    average, variance = (_along_channel(each, value.ndim) for each in statistics(value))
    average = in_training(average, places["running_mean"])
    variance = in_training(variance, places["running_var"])
    normal = (value - average) / sqrt(variance + eps)
    call_first(normal, "xhat")
    scaled = normal * places["weight"] if "weight" in places else normal
    return scaled + places["bias"] if "bias" in places else scaled


def statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """The mean and the biased variance of each channel of a batch, (C,)."""
    over = (0, *range(2, x.ndim))
    average = mean(x, over)
    variance = mean((x - _along_channel(average, x.ndim)) ** 2, over)
    call_first(average, "mu")
    call_first(variance, "var")
    return average, variance


def running(x: Tensor, mean_before: Tensor, var_before: Tensor, momentum: Any) -> dict[Tensor, Tensor]:
    """Updates of a running mean and variance, r ← (1 − momentum)·r + momentum·new, with the unbiased variance.

    Raises
    ------
    ShapeError
        for a batch of one value a channel, which has no unbiased variance.
    """
    count = sp.prod(size for d, size in enumerate(x.shape) if d != 1)
    if is_at_least_zero(count - 2) is False:
        raise ShapeError(at_line(f"batch norm needs more than one value a channel in training; {shown(x)} has one"))
    average, variance = statistics(x)
    rate = as_tensor(momentum)
    return {
        mean_before: (1 - rate) * mean_before + rate * average,
        var_before: (1 - rate) * var_before + rate * (variance * count / (count - 1)),
    }
