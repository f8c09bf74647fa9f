"""NumPy's rule for shapes that meet, and a warning where it is not what was meant."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import sympy as sp

from symgraph.core.indices import Dim, Shape, axis, show_shape, show_size
from symgraph.core.provenance import at_line, here
from symgraph.core.tensor import Element, Tensor
from symgraph.errors import BroadcastWarning, ShapeError

_told: dict[Any, Any] = {}


def broadcast(*shapes: Shape, of: Sequence[Tensor] = ()) -> Shape:
    """NumPy's rule: axes are aligned at the right, and a size of 1 stretches.

    Raises
    ------
    ShapeError
        with every shape as it was given, and what the tensors are called whose they are.
    """
    rank = max(map(len, shapes), default=0)
    result = []
    for position in range(-rank, 0):
        sizes = {shape[position] for shape in shapes if len(shape) >= -position} - {sp.S.One}
        if len(sizes) > 1:
            given = " and ".join(show_shape(shape) for shape in shapes)
            fits = len(shapes) == 2 and all(map(len, shapes)) and shapes[0][-1] == shapes[1][max(-2, -len(shapes[1]))]
            advice = "; * goes element by element, a matrix product is @" if fits else ""
            names = [f"{show_size(t.shape[position])} in {t.display_name}" for t in of if t.ndim >= -position]
            differs = ", ".join([f"axis {position} differs", *names])
            raise ShapeError(at_line(f"shapes {given} do not broadcast together: {differs}{advice}"))
        result.append(sizes.pop() if sizes else sp.S.One)
    for size in result:
        if isinstance(size, Dim) and result.count(size) == 2:
            _warn_of_pairs(size, of, tuple(result))
    return tuple(result)


def _warn_of_pairs(size: Dim, of: Sequence[Tensor], shape: Shape) -> None:
    """Say where a column (N, 1) meets a row (N,), if nobody has written the column's axis as one, x[:, None]."""
    columns = [t for t in of if t.ndim > 1 and t.shape.count(size) == 1 and t.shape[-1] == 1]
    rows = [t for t in of if t.shape == (size,)]
    if not columns or not rows or any(map(_is_given_an_axis, columns)):
        return
    (column, *_), (row, *_) = columns, rows
    shown = f"{column.display_name}{show_shape(column.shape)} and {row.display_name}{show_shape(row.shape)}"
    place = here()
    message = (
        f"{shown} make {show_shape(shape)}: each row of one meets all rows of the other. For row by row write "
        f"{column.display_name}[..., 0]; for all pairs {row.display_name}[None, :]"
    )
    warnings.warn_explicit(message, BroadcastWarning, place.file, place.line, registry=_told)


def _is_given_an_axis(tensor: Tensor) -> bool:
    """Whether a tensor is another one with axes of size 1."""
    made = tensor.definition
    body = None if made is None or made.op is not None else made.body
    return isinstance(body, Element) and body.tensor.ndim < tensor.ndim


def broadcast_element(tensor: Tensor, rank: int) -> Element:
    """The element of ``tensor`` at ``axis(0..rank-1)`` of a broadcast result."""
    offset = rank - tensor.ndim
    return Element(tensor, *(sp.S.Zero if size == 1 else axis(offset + d) for d, size in enumerate(tensor.shape)))
