"""Rearranging: NumPy's and PyTorch's functions of shapes, each a definition by what one element of the result is.

    transpose:  y[i, j] = x[j, i]   reshape:  y[k] = x[k//5, k mod 5]   repeat:  y[k] = x[k//2]

None of them knows a derivative or a kernel: the gradient of a reshape is a reshape because its index equations say so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import sympy as sp

from symgraph.core.broadcast import broadcast, broadcast_element
from symgraph.core.define import as_tensor
from symgraph.core.indices import Shape, as_shape, axis, is_at_least_zero, several, show_shape, show_size
from symgraph.core.provenance import at_line, names_result
from symgraph.core.tensor import Element, Tensor
from symgraph.errors import ShapeError
from symgraph.vocabulary.functions import axes_of, axis_of, transpose

__all__ = [
    "broadcast_to", "expand_dims", "flatten", "moveaxis", "permute", "ravel", "reshape", "squeeze", "swapaxes",
    "unsqueeze",
]  # fmt: skip

Sizes = int | Iterable[Any]


def shown(x: Tensor) -> str:
    """A tensor with its shape, for errors."""
    return f"{x.display_name}{show_shape(x.shape)}"


def places(x: Tensor, changed: dict[int, Any] | None = None) -> list[Any]:
    """The indices of ``x`` in a result of its rank: those of the result, but for the axes that are changed."""
    return [(changed or {}).get(d, axis(d)) for d in range(x.ndim)]


def along(x: Tensor, d: int, size: Any, index: Any) -> Tensor:
    """``x`` with axis ``d`` of another size, and read at another index there."""
    shape = as_shape((*x.shape[:d], size, *x.shape[d + 1 :]))
    return Tensor.define(shape, Element(x, *places(x, {d: index})))


# -- axes -------------------------------------------------------------------------------------------------------------
@names_result
def squeeze(x: Any, axis: Any = None) -> Tensor:
    """Leave out axes of size 1: all, or those of ``axis``, which must have it."""
    a = as_tensor(x)
    gone = [d for d, size in enumerate(a.shape) if size == 1] if axis is None else axes_of(a, axis)
    for d in gone:
        if a.shape[d] != 1:
            raise ShapeError(at_line(f"squeeze: axis {d} of {shown(a)} has size {show_size(a.shape[d])}, not 1"))
    return _renumbered(a, [d for d in range(a.ndim) if d not in gone])


@names_result
def expand_dims(x: Any, axis: Any) -> Tensor:
    """Put axes of size 1 at the places ``axis`` of the result (NumPy's ``expand_dims``, PyTorch's ``unsqueeze``)."""
    a = as_tensor(x)
    new = several(axis)
    rank = a.ndim + len(new)
    at = {int(d) % rank for d in new if hasattr(d, "__index__") and -rank <= d < rank}
    if len(at) != len(new):
        raise ShapeError(at_line(f"expand_dims: {shown(a)} gets no new axes at {axis}; expected places below {rank}"))
    old = iter(range(a.ndim))
    return _renumbered(a, [None if d in at else next(old) for d in range(rank)])


unsqueeze = expand_dims


def _renumbered(a: Tensor, order: Sequence[int | None]) -> Tensor:
    """The tensor whose axis d is axis order[d] of ``a``, or a new one of size 1; axes left out have size 1."""
    where = {d: axis(position) for position, d in enumerate(order) if d is not None}
    shape = tuple(sp.S.One if d is None else a.shape[d] for d in order)
    return Tensor.define(shape, Element(a, *(where.get(d, sp.S.Zero) for d in range(a.ndim))))


@names_result
def moveaxis(x: Any, source: Sizes, destination: Sizes) -> Tensor:
    """Move axes to other places; the others keep their order."""
    a = as_tensor(x)
    away, to = in_order(a, source), in_order(a, destination)
    if not len(away) == len(to) == len(set(away)) == len(set(to)):
        found = f"moveaxis of {shown(a)}: {source} and {destination} differ in number or name an axis twice"
        raise ShapeError(at_line(f"{found}: expected each once"))
    order = [d for d in range(a.ndim) if d not in away]
    for d, place in sorted(zip(away, to, strict=True), key=lambda pair: pair[1]):
        order.insert(place, d)
    return _renumbered(a, order)


def in_order(a: Tensor, given: Any) -> list[int]:
    """Axes in the order they are given in."""
    return [axis_of(a, d) for d in ([given] if hasattr(given, "__index__") else given)]


@names_result
def swapaxes(x: Any, axis1: int, axis2: int) -> Tensor:
    """Exchange two axes."""
    a = as_tensor(x)
    order = list(range(a.ndim))
    first, second = axis_of(a, axis1), axis_of(a, axis2)
    order[first], order[second] = second, first
    return _renumbered(a, order)


@names_result
def permute(x: Any, *dims: Any) -> Tensor:
    """The axes in another order: ``permute(x, 0, 2, 1)`` or ``permute(x, (0, 2, 1))``."""
    return transpose(x, _one_or_many(dims))


def _one_or_many(given: tuple[Any, ...]) -> Any:
    return given[0] if len(given) == 1 and not isinstance(given[0], sp.Basic | int) else given


@names_result
def broadcast_to(x: Any, shape: Any) -> Tensor:
    """``x`` stretched to a shape by NumPy's rule.

    Raises
    ------
    ShapeError
        if an axis has neither that size nor 1.
    """
    a, sizes = as_tensor(x), as_shape(shape)
    if a.ndim > len(sizes) or broadcast(a.shape, sizes) != sizes:
        raise ShapeError(at_line(f"{shown(a)} does not broadcast to {show_shape(sizes)}"))
    return Tensor.define(sizes, broadcast_element(a, len(sizes)))


# -- one axis for several ---------------------------------------------------------------------------------------------
@names_result
def reshape(x: Any, *shape: Any) -> Tensor:
    """The same elements, in row-major order, in another shape; one size may be −1 and follows from the others.

    Raises
    ------
    ShapeError
        if the shapes have different numbers of elements.
    """
    a = as_tensor(x)
    sizes = _told_shape(a, _one_or_many(shape))
    at: list[sp.Expr] = []
    for inner, outer in _groups(a.shape, sizes):
        flat = _flat([axis(d) for d in outer], [sizes[d] for d in outer])
        at += _digits(flat, [a.shape[d] for d in inner])
    return Tensor.define(sizes, Element(a, *at))


def _told_shape(a: Tensor, given: Any) -> Shape:
    listed = [given] if isinstance(given, sp.Basic) else several(given)
    total = sp.prod(a.shape)
    unknown = [d for d, size in enumerate(listed) if size == -1]
    if len(unknown) == 1:
        listed[unknown[0]] = 1
        rest = sp.cancel(total / sp.prod(map(sp.sympify, listed)))
        listed[unknown[0]] = rest if rest.is_integer and rest.is_positive else 1
    sizes = as_shape(listed)
    if sp.expand(sp.prod(sizes) - total) != 0:
        multiple = "a multiple of " if unknown else ""
        raise ShapeError(
            at_line(f"reshape of {shown(a)} to {tuple(given) if not hasattr(given, '__index__') else given}: "
                    f"it has {show_size(total)} elements, not {multiple}{show_size(sp.prod(sizes))}; "
                    "expected sizes of that product, one of which may be -1")
        )  # fmt: skip
    return sizes


def _groups(old: Shape, new: Shape) -> Iterator[tuple[list[int], list[int]]]:
    """The shortest runs of axes, of both shapes, that have the same number of elements."""
    left, right = list(range(len(old))), list(range(len(new)))
    inner: list[int] = []
    outer: list[int] = []
    while left or right:
        missing = sp.expand(sp.prod(new[d] for d in outer) - sp.prod(old[d] for d in inner))
        if missing == 0:
            yield inner, outer
            inner, outer = left[:1], right[:1]
            left, right = left[1:], right[1:]
        elif left and (not right or is_at_least_zero(missing) is not False):
            inner.append(left.pop(0))
        else:
            outer.append(right.pop(0))
    yield inner, outer


def _flat(at: list[sp.Expr], sizes: list[sp.Expr]) -> sp.Expr:
    """The row-major position of an element."""
    found: sp.Expr = sp.S.Zero
    for index, size in zip(at, sizes, strict=True):
        found = found * size + (index if size != 1 else 0)
    return sp.expand(found)


def _digits(flat: sp.Expr, sizes: list[sp.Expr]) -> list[sp.Expr]:
    """The indices of an element by its row-major position."""
    found: list[sp.Expr] = []
    below: sp.Expr = sp.S.One
    for size in reversed(sizes):
        digit = flat if below == 1 else sp.floor(flat / below)
        below *= size
        is_top = below == sp.prod(sizes) or sp.expand(below - sp.prod(sizes)) == 0
        found.append(sp.S.Zero if size == 1 else digit if is_top else sp.Mod(digit, size))
    return found[::-1]


@names_result
def ravel(x: Any) -> Tensor:
    """All elements in one axis, in row-major order."""
    return reshape(x, -1)


@names_result
def flatten(x: Any, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Axes from ``start_dim`` to ``end_dim`` as one, as PyTorch's ``flatten``: ``flatten(x, 1)`` keeps the batch."""
    a = as_tensor(x)
    if a.ndim == 0:
        return reshape(a, 1)
    first, last = axis_of(a, start_dim), axis_of(a, end_dim)
    if first > last:
        raise ShapeError(at_line(f"flatten of {shown(a)}: axis {start_dim} stands behind axis {end_dim}"))
    return reshape(a, (*a.shape[:first], sp.prod(a.shape[first : last + 1]), *a.shape[last + 1 :]))
