"""Leaves: inputs, labels, parameters, constants. Values arrive under these names when a compiled function is called."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import sympy as sp

from symgraph.core.checked_names import checked_name
from symgraph.core.dtypes import as_dtype
from symgraph.core.indices import as_shape
from symgraph.core.misuse import explained
from symgraph.core.provenance import at_line
from symgraph.core.tensor import Tensor
from symgraph.errors import DomainError, ShapeError
from symgraph.vocabulary import init as initializers
from symgraph.vocabulary.init import Initializer

__all__ = ["constant", "input", "labels", "parameter"]


@explained
def input(name: str, shape: Iterable[Any] | Any, dtype: Any = "real") -> Tensor:
    """An array given at every call, of ``shape`` (integers and :func:`sg.dim` sizes).

    ``dtype`` is ``"real"``; ``"integer"``, computed exactly in 64 bits, of arrays of integers alone; or ``"boolean"``,
    of arrays of truth values. Integers that index an axis are :func:`labels`, which say their range.

    Raises
    ------
    DomainError
        for another dtype: whether reals are float32 or float64 is said where a program is compiled.
    """
    return Tensor.leaf("input", checked_name(name), as_shape(shape), dtype=as_dtype(dtype))


@explained
def labels(name: str, shape: Iterable[Any] | Any, classes: int) -> Tensor:
    """Class indices: integers in ``[0, classes)``, checked at every call; they may index an axis: ``y[n, t[n]]``."""
    sizes = as_shape((classes,))
    return Tensor.leaf("labels", checked_name(name), as_shape(shape), classes=sizes[0])


@explained
def one_hot(name: str, shape: Iterable[Any] | Any) -> Tensor:
    """Target probabilities whose last axis sums to 1, as one-hot rows do; the sum is checked at every call."""
    sizes = as_shape(shape)
    if not sizes:
        raise ShapeError(at_line(f"{name} needs a last axis to sum over"))
    return Tensor.leaf("input", checked_name(name), sizes, rows_sum_to_one=True)


@explained
def parameter(name: str, shape: Iterable[Any] | Any = (), init: Initializer | None = None) -> Tensor:
    """A real array that training updates in place; ``init`` from :mod:`symgraph.vocabulary.init`, zeros unless told.

    Zeros are right for biases and for what is linear in its parameters. Matrices of layers in a row need other values:
    of W1 and W2 in tanh(x·W1)·W2 the gradients are 0 where both are. ``fit`` warns of what stays 0.
    """
    sizes = as_shape(shape)
    if not all(size.is_Integer for size in sizes):
        raise ShapeError(at_line(f"parameter {name} needs a shape of integers, not {sizes}"))
    return Tensor.leaf("parameter", checked_name(name), sizes, init=init or initializers.zeros())


@explained
def constant(value: Any, name: str = "c") -> Tensor:
    """A fixed array that is part of the formula: a mask, class weights, filter taps.

    Integers of at least 0 are labels, ``x[c[i]]``, with one class more than the largest; they are numbers all the same.
    """
    try:
        array = np.array(value)
    except ValueError:
        raise ShapeError(at_line(f"constant {name} is no array: its rows differ in length")) from None
    if array.dtype.kind not in "biuf":
        what = f"{value!r}: write constant(value, name)" if isinstance(value, str) else f"dtype {array.dtype}"
        raise DomainError(at_line(f"a constant needs real numbers, not {what}"))
    if array.size == 0:
        raise ShapeError(at_line(f"constant {name} is empty: shape {array.shape}"))
    is_label = array.dtype.kind in "iu" and array.min() >= 0 and array.max() < np.iinfo(np.int64).max
    array = array.astype(np.int64 if is_label else np.float64)
    array.setflags(write=False)
    if array.ndim == 0:
        from symgraph.core.define import as_tensor

        return as_tensor(sp.Float(array.item()))
    classes = sp.Integer(int(array.max()) + 1) if is_label else None
    return Tensor.leaf("constant", checked_name(name), as_shape(array.shape), value=array, classes=classes)
