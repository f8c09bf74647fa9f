"""Layers as functions of their weights: affine and bilinear forms, norms. ``sg.nn`` has them with weights of their own.

    sg.linear(x, W, b)          x·W + b,  W (in, out)
    sg.layer_norm(x, (8,))      (x − mean)/√(var + ε) over the last axis

Names and order of arguments are those of ``torch.nn.functional``, apart from ``linear``'s weight, which is (in, out).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sympy as sp

from symgraph.core.define import as_tensor
from symgraph.core.provenance import at_line, names_result
from symgraph.core.tensor import Tensor
from symgraph.errors import ShapeError
from symgraph.vocabulary import statistics
from symgraph.vocabulary.activations import sqrt
from symgraph.vocabulary.functions import matmul, mean
from symgraph.vocabulary.products import einsum
from symgraph.vocabulary.shapes import reshape, shown

EPSILON = 1e-5
SINGLE = 2.0**-23
"""The ε of float32."""


@names_result
def linear(x: Any, weight: Any, bias: Any = None) -> Tensor:
    """y = x·W + b of (…, in), W (in, out) and b (out,).

    Raises
    ------
    ShapeError
        if the inner sizes differ.
    """
    product = matmul(x, weight)
    return product if bias is None else product + as_tensor(bias)


@names_result
def bilinear(x1: Any, x2: Any, weight: Any, bias: Any = None) -> Tensor:
    """y[…, o] = Σ_{i,j} x₁[…, i]·W[o, i, j]·x₂[…, j] + b[o]."""
    y = einsum("...i,oij,...j->...o", as_tensor(x1), as_tensor(weight), as_tensor(x2))
    return y if bias is None else y + as_tensor(bias)


@names_result
def layer_norm(x: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = EPSILON) -> Tensor:
    """(x − mean)/√(var + ε)·weight + bias over the last axes (Ba, Kiros & Hinton, arXiv 1607.06450).

    Raises
    ------
    ShapeError
        if the last sizes of ``x`` are others than ``normalized_shape``.
    """
    value, shape = as_tensor(x), _sizes(normalized_shape)
    return _scaled(_whitened(value, _last(value, shape, "layer_norm"), eps), shape, weight, bias)


@names_result
def rms_norm(x: Any, normalized_shape: Any, weight: Any = None, eps: float = SINGLE) -> Tensor:
    """x/√(mean x² + ε)·weight over the last axes (Zhang & Sennrich, arXiv 1910.07467); ε is float32's unless told.

    Raises
    ------
    ShapeError
        as of :func:`layer_norm`.
    """
    value, shape = as_tensor(x), _sizes(normalized_shape)
    axes = _last(value, shape, "rms_norm")
    return _scaled(value / sqrt(mean(value**2, axes, keepdims=True) + eps), shape, weight, None)


@names_result
def group_norm(x: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = EPSILON) -> Tensor:
    """Each group of channels of (N, C, places…) normalised, then scaled by channel (Wu & He, arXiv 1803.08494).

    Raises
    ------
    ShapeError
        if the channels, axis 1, do not part into so many groups.
    """
    value = as_tensor(x)
    channels = value.shape[1] if value.ndim > 1 else sp.S.Zero
    if not channels.is_Integer or not channels or channels % num_groups:
        raise ShapeError(at_line(f"group_norm: axis 1 of {shown(value)} does not part into {num_groups} groups"))
    parts = reshape(value, (value.shape[0], num_groups, channels // num_groups, *value.shape[2:]))
    y = reshape(_whitened(parts, range(2, parts.ndim), eps), value.shape)
    return _scaled(y, (channels, *([1] * (value.ndim - 2))), weight, bias)


@names_result
def instance_norm(x: Any, weight: Any = None, bias: Any = None, eps: float = EPSILON) -> Tensor:
    """Each channel of each row of (N, C, places…) normalised (Ulyanov et al., arXiv 1607.08022).

    Raises
    ------
    ShapeError
        if there is no axis of channels of a fixed size.
    """
    value = as_tensor(x)
    channels = value.shape[1] if value.ndim > 1 else sp.S.Zero
    if not channels.is_Integer or not channels:
        raise ShapeError(at_line(f"instance_norm: {shown(value)} needs channels in axis 1"))
    return group_norm(value, int(channels), weight, bias, eps)


def _sizes(given: Any) -> tuple[int, ...]:
    return (int(given),) if isinstance(given, int | sp.Integer) else tuple(given)


def _last(x: Tensor, shape: Sequence[int], name: str) -> range:
    if not shape or x.shape[-len(shape) :] != tuple(shape):
        raise ShapeError(at_line(f"{name}: {shown(x)} does not end in {tuple(shape)}"))
    return range(x.ndim - len(shape), x.ndim)


def _whitened(x: Tensor, axes: Any, eps: float) -> Tensor:
    """(x − mean)/√(var + ε) over axes."""
    return (x - mean(x, axes, keepdims=True)) / sqrt(statistics.var(x, axes, keepdims=True) + eps)  # type: ignore[no-any-return]


def _scaled(y: Tensor, shape: Sequence[Any], weight: Any, bias: Any) -> Tensor:
    y = y if weight is None else y * reshape(as_tensor(weight), tuple(shape))
    return y if bias is None else y + reshape(as_tensor(bias), tuple(shape))


__all__ = ["bilinear", "group_norm", "instance_norm", "layer_norm", "linear", "rms_norm"]
