"""Activations that are no formula of one element: gated ones, with a learned slope, over an axis, of two vectors.

glu:  y[n, i] = x[n, i]·σ(x[n, i + d])     of (N, 2·d), as torch.nn.functional.glu
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sympy as sp

from symgraph.core.define import as_tensor, pointwise
from symgraph.core.indices import show_shape, show_size
from symgraph.core.provenance import at_line, names_result
from symgraph.core.tensor import Tensor
from symgraph.errors import ShapeError
from symgraph.vocabulary.activations import gelu, leaky_relu, relu, sigmoid, silu
from symgraph.vocabulary.elementary import maximum, sqrt
from symgraph.vocabulary.functions import Axes, axis_of, softmax, sum
from symgraph.vocabulary.joining import split
from symgraph.vocabulary.shapes import reshape, shown
from symgraph.vocabulary.statistics import norm


@names_result
def prelu(x: Any, weight: Any) -> Tensor:
    """``x`` where it is positive, else ``weight·x`` (He, arXiv 1502.01852); begin with a weight of 0.25.

    Parameters
    ----------
    weight : one slope, or one for each channel, axis 1 of ``x``.

    Raises
    ------
    ShapeError
        if there is another number of slopes.
    """
    a, slope = as_tensor(x), as_tensor(weight)
    if slope.ndim and slope.shape != (1,):
        channels = a.shape[1] if a.ndim > 1 else sp.S.One
        if slope.shape != (channels,):
            raise ShapeError(at_line(f"prelu: {shown(slope)} needs one slope, or one for each of the "
                                     f"{show_size(channels)} channels of {shown(a)}"))  # fmt: skip
        slope = reshape(slope, (channels, *([1] * (a.ndim - 2))))
    return leaky_relu(a, slope)  # type: ignore[no-any-return]


def _gated(name: str, gate: Callable[[Any], Any], gate_is_second: bool, source: str) -> Callable[..., Tensor]:
    def gated(x: Any, axis: int = -1) -> Tensor:
        a = as_tensor(x)
        d = axis_of(a, axis)
        if a.shape[d].is_odd:
            raise ShapeError(at_line(f"{name}: axis {d} of {shown(a)} has no two halves"))
        first, second = split(a, 2, d)
        return first * gate(second) if gate_is_second else gate(first) * second

    halves = ("first", "second") if gate_is_second else ("second", "first")
    gated.__name__ = name
    gated.__doc__ = f"The {halves[0]} half of an axis times a function of the {halves[1]} ({source})."
    return names_result(gated)


glu = _gated("glu", sigmoid, True, "Dauphin et al., arXiv 1612.08083")
reglu = _gated("reglu", relu, False, "Shazeer, arXiv 2002.05202")
geglu = _gated("geglu", gelu, False, "Shazeer, arXiv 2002.05202")
swiglu = _gated("swiglu", silu, False, "Shazeer, arXiv 2002.05202")


@names_result
def softmin(x: Any, axis: int = -1) -> Tensor:
    """softmax(−x) along an axis."""
    return softmax(-as_tensor(x), axis)  # type: ignore[no-any-return]


@names_result
def normalize(x: Any, p: Any = 2, axis: Axes = 1, eps: float = 1e-12) -> Tensor:
    """x/max(‖x‖ₚ, ε) along an axis, PyTorch's ``normalize``."""
    a = as_tensor(x)
    return a / maximum(norm(a, p, axis, keepdims=True), eps)  # type: ignore[no-any-return]


@names_result
def cosine_similarity(x1: Any, x2: Any, axis: int = 1, eps: float = 1e-8) -> Tensor:
    """x₁·x₂/(max(‖x₁‖, ε)·max(‖x₂‖, ε)) along an axis."""
    a, b = as_tensor(x1), as_tensor(x2)
    sizes = maximum(norm(a, 2, axis), eps) * maximum(norm(b, 2, axis), eps)
    return sum(a * b, axis) / sizes  # type: ignore[no-any-return]


@names_result
def pairwise_distance(x1: Any, x2: Any, p: Any = 2, eps: float = 1e-6) -> Tensor:
    """‖x₁ − x₂ + ε‖ₚ along the last axis."""
    a, b = as_tensor(x1), as_tensor(x2)
    if a.shape != b.shape:
        raise ShapeError(
            at_line(f"pairwise_distance: {a.display_name}{show_shape(a.shape)} against "
                    f"{b.display_name}{show_shape(b.shape)}; expected one shape")
        )  # fmt: skip
    difference = pointwise(lambda u, v, w: u - v + w, a, b, sp.Rational(repr(eps)))
    return sqrt(sum(difference**2, -1)) if p == 2 else norm(difference, p, -1)  # type: ignore[no-any-return]


__all__ = [
    "cosine_similarity",
    "geglu",
    "glu",
    "normalize",
    "pairwise_distance",
    "prelu",
    "reglu",
    "softmin",
    "swiglu",
]
