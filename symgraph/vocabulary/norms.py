"""Normalisation by the statistics of each row: functions of a value and, where told, a weight and a bias."""

from __future__ import annotations

from typing import Any

from symgraph.core.define import as_tensor
from symgraph.core.indices import as_shape, show_shape
from symgraph.core.provenance import at_line, names_result
from symgraph.core.tensor import Tensor
from symgraph.errors import ShapeError
from symgraph.vocabulary.elementary import sqrt
from symgraph.vocabulary.functions import mean
from symgraph.vocabulary.shapes import reshape, shown
from symgraph.vocabulary.statistics import var


@names_result
def layer_norm(x: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Tensor:
    """(x − mean)/√(var + ε)·weight + bias over the last axes (Ba, Kiros & Hinton, arXiv 1607.06450).

    Parameters
    ----------
    x : (…, *normalized_shape).
    normalized_shape : the sizes of the last axes, an integer for one.
    weight, bias : of that shape; left out where None.

    Raises
    ------
    ShapeError
        if x does not end in ``normalized_shape``, or weight or bias has another shape.
    """
    value, shape = _ends_in(x, normalized_shape, "layer_norm")
    normal = _whitened(value, _last(value, shape), eps)
    return _scaled(normal, shape, {"weight": weight, "bias": bias}, "layer_norm")


@names_result
def rms_norm(x: Any, normalized_shape: Any, weight: Any = None, eps: float = 2.0**-23) -> Tensor:
    """x/√(mean x² + ε)·weight over the last axes (Zhang & Sennrich, arXiv 1910.07467); as :func:`layer_norm`.

    ε is the distance from 1 to the next float32 unless told.
    """
    value, shape = _ends_in(x, normalized_shape, "rms_norm")
    normal = value / sqrt(mean(value**2, _last(value, shape), keepdims=True) + eps)
    return _scaled(normal, shape, {"weight": weight}, "rms_norm")


@names_result
def group_norm(x: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Tensor:
    """Each group of channels of each row normalised, then scaled by channel (Wu & He, arXiv 1803.08494).

    Parameters
    ----------
    x : (N, C) or (N, C, places…).
    num_groups : of C/num_groups channels each.
    weight, bias : (C,); left out where None.

    Raises
    ------
    ShapeError
        if x has less than two axes, its channels do not part into groups, or weight or bias is not (C,).
    """
    return _grouped(x, num_groups, weight, bias, eps, "group_norm")


@names_result
def instance_norm(x: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Tensor:
    """Each channel of each row of (N, C, places…) normalised (Ulyanov et al., arXiv 1607.08022), as in group norm."""
    return _grouped(x, None, weight, bias, eps, "instance_norm")


def _grouped(x: Any, groups: int | None, weight: Any, bias: Any, eps: float, who: str) -> Tensor:
    value = as_tensor(x)
    if value.ndim < 2 + (groups is None):
        expected = "(batch, channel, place, …)" if groups is None else "(batch, channel, …)"
        raise ShapeError(at_line(f"{who} needs {expected}; {shown(value)} has {value.ndim} axes"))
    batch, channels, *places = value.shape
    (count,) = as_shape((channels if groups is None else groups,))
    if count.is_Integer and (count < 1 or (channels / count).is_integer is False):
        raise ShapeError(at_line(f"{who}: {channels} channels of {shown(value)} do not part into {count} groups"))
    parts = reshape(value, (batch, count, channels / count, *places))
    normal = reshape(_whitened(parts, range(2, parts.ndim), eps), value.shape)
    return _scaled(normal, (channels,), {"weight": weight, "bias": bias}, who, len(places))


def _ends_in(x: Any, normalized_shape: Any, who: str) -> tuple[Tensor, tuple[Any, ...]]:
    """The value, and the shape in which its own must end."""
    value, shape = as_tensor(x), as_shape(normalized_shape)
    if not shape or value.shape[-len(shape) :] != shape:
        raise ShapeError(at_line(f"{who}: {shown(value)} does not end in {show_shape(shape)}"))
    return value, shape


def _last(value: Tensor, shape: tuple[Any, ...]) -> range:
    return range(value.ndim - len(shape), value.ndim)


def _whitened(x: Tensor, axes: Any, eps: float) -> Tensor:
    """(x − mean)/√(var + ε) over axes."""
    return (x - mean(x, axes, keepdims=True)) / sqrt(var(x, axes, keepdims=True) + eps)  # type: ignore[no-any-return]


def _scaled(y: Tensor, shape: tuple[Any, ...], given: dict[str, Any], who: str, places: int = 0) -> Tensor:
    """y·weight + bias, both of ``shape``, before so many axes of places."""
    for name, one in given.items():
        if one is None:
            continue
        found = as_tensor(one)
        if found.shape != shape:
            raise ShapeError(at_line(f"{who}: {name} is {shown(found)}; expected {show_shape(shape)}"))
        wide = reshape(found, (*shape, *[1] * places)) if places else found
        y = y * wide if name == "weight" else y + wide
    return y


__all__ = ["group_norm", "instance_norm", "layer_norm", "rms_norm"]
