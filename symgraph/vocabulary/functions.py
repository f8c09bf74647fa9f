"""Tensor functions: thin definitions in index notation. None of them knows a derivative or a kernel."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any

import numpy as np
import sympy as sp

from symgraph.core.bounds import check_element
from symgraph.core.broadcast import broadcast, broadcast_element
from symgraph.core.cases import Cases
from symgraph.core.declare import constant
from symgraph.core.define import (
    ArgMax,
    ArgMin,
    Max,
    Min,
    Sum,
    as_tensor,
    define,
    pointwise,
)
from symgraph.core.indices import Index, axis, extents_of, is_at_least_zero, is_size, several, show_shape
from symgraph.core.provenance import at_line, names_result
from symgraph.core.tensor import Element, Tensor, require_real
from symgraph.core.views import inlined
from symgraph.errors import DomainError, IndexNotationError, ShapeError
from symgraph.vocabulary.comparisons import condition as truth

__all__ = [
    "argmax", "argmin", "log_softmax", "logsumexp", "matmul", "max", "mean", "min", "softmax", "sum",
    "transpose", "where",
]  # fmt: skip

Axes = int | Iterable[int] | None


def _free(rank: int, prefix: str = "i") -> list[Index]:
    return [Index(f"{prefix}{d}") for d in range(rank)]


@names_result
def matmul(left: Any, right: Any) -> Tensor:
    """Matrix product as in NumPy: (…, m, k) @ (…, k, n) → (…, m, n); vectors on either side lose their axis.

    Raises
    ------
    ShapeError
        if the inner sizes differ, or an operand is a scalar.
    """
    a, b = as_tensor(left), as_tensor(right)
    require_real(a, "a matrix product")
    require_real(b, "a matrix product")
    shown = f"{a.display_name}{show_shape(a.shape)} @ {b.display_name}{show_shape(b.shape)}"
    if a.ndim == 0 or b.ndim == 0:
        raise ShapeError(at_line(f"{shown}: a matrix product needs at least one axis on each side"))
    inner, other = a.shape[-1], b.shape[0 if b.ndim == 1 else -2]
    if inner != other:
        turned = b.ndim == 2 and b.shape[1] == inner
        advice = f"write {b.display_name}.T on the right" if turned else "expected them equal"
        raise ShapeError(at_line(f"{shown}: the inner sizes differ, {inner} and {other}; {advice}"))
    batch = broadcast(a.shape[:-2], b.shape[:-2])
    outer = _free(len(batch), "b")
    rows, columns, k = [Index("m")] * (a.ndim > 1), [Index("n")] * (b.ndim > 1), Index("k")
    term = a[(*_aligned(a.shape[:-2], outer), *rows, k)] * b[(*_aligned(b.shape[:-2], outer), k, *columns)]
    shape = (*batch, *a.shape[-2:-1], *(b.shape[-1:] if b.ndim > 1 else ()))
    return define((*outer, *rows, *columns), Sum(term, k), shape)


def _aligned(shape: tuple[sp.Expr, ...], outer: list[Index]) -> list[Any]:
    """Indices of a broadcast operand: those of its own axes, 0 where its size is 1 and the result's is not."""
    own = outer[len(outer) - len(shape) :]
    return [0 if size == 1 else index for size, index in zip(shape, own, strict=True)]


@names_result
def transpose(x: Any, axes: Iterable[int] | None = None) -> Tensor:
    """Permute the axes; reverse them unless ``axes`` says otherwise."""
    a = as_tensor(x)
    order = list(reversed(range(a.ndim))) if axes is None else [axis_of(a, d) for d in axes]
    if sorted(order) != list(range(a.ndim)):
        raise ShapeError(
            at_line(f"axes {order} do not permute the {a.ndim} axes of {a.display_name}{show_shape(a.shape)}")
        )
    free = _free(a.ndim)
    return define([free[d] for d in order], a[tuple(free)] if free else Element(a), [a.shape[d] for d in order])


def axis_of(a: Tensor, position: Any) -> int:
    """A number of an axis, negative ones from the end.

    Raises
    ------
    ShapeError
        with the tensor's shape, if it has no such axis.
    """
    if not hasattr(position, "__index__") or not -a.ndim <= position < a.ndim:
        raise ShapeError(at_line(f"{a.display_name}{show_shape(a.shape)} has no axis {position}"))
    return int(position) % a.ndim


def axes_of(a: Tensor, axes: Axes) -> list[int]:
    """One or several axes, each once, or all of them, in order."""
    chosen = range(a.ndim) if axes is None else several(axes)
    found = sorted({axis_of(a, d) for d in chosen})
    if len(found) < len(chosen):
        raise ShapeError(at_line(f"axes {tuple(chosen)} of {a.display_name}{show_shape(a.shape)}: expected each once"))
    return found


def reduce(kind: Any, x: Any, axes: Axes, keepdims: bool) -> Tensor:
    """A reduction over all or some axes, which stay as axes of size 1 where ``keepdims`` says so."""
    a = as_tensor(x)
    over = axes_of(a, axes)
    if not over and kind not in (ArgMax, ArgMin):
        return a
    free = _free(a.ndim)
    kept = [index for d, index in enumerate(free) if d not in over]
    body = kind(Element(a, *free), *(free[d] for d in over))
    if not keepdims:
        return define(kept, body)
    shape = [sp.S.One if d in over else size for d, size in enumerate(a.shape)]
    return define(free, Element(define(kept, body), *kept), shape)


@names_result
def sum(x: Any, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """Sum over all or some axes."""
    return reduce(Sum, x, axis, keepdims)


@names_result
def mean(x: Any, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """Sum divided by the number of elements summed."""
    a = as_tensor(x)
    count = sp.prod(a.shape[d] for d in axes_of(a, axis))
    return pointwise(lambda total: total / count, sum(a, axis, keepdims))


@names_result
def max(x: Any, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """Largest element over axes; the derivative goes to the first one that attains it."""
    return reduce(Max, x, axis, keepdims)


@names_result
def min(x: Any, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """Smallest element over axes; the derivative goes to the first one that attains it."""
    return reduce(Min, x, axis, keepdims)


@names_result
def argmax(x: Any, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """First index of the largest element along an axis, as labels; over several axes, or all (None, as in NumPy), its
    position in row-major order. A NaN counts as largest, as in NumPy."""
    return reduce(ArgMax, x, axis, keepdims)


@names_result
def argmin(x: Any, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """First index of the smallest element along an axis, as labels; over several axes, or all (None, as in NumPy), its
    position in row-major order. A NaN counts as smallest, as in NumPy."""
    return reduce(ArgMin, x, axis, keepdims)


@names_result
def where(condition: Any, yes: Any, no: Any) -> Tensor:
    """``yes`` where the condition holds, else ``no``; what is not taken has no part in value or derivative.

    The condition is a comparison, ``x > b``, or ``sp.Eq(x, 0)`` (``x == 0`` compares symbols and is False), or several,
    joined by ``&``, ``|``, ``~``. A tensor of 0 and 1 holds where it is not 0. All three are broadcast.
    """
    known = isinstance(condition, (sp.logic.boolalg.Boolean, Tensor)) or _is_array(condition)
    if isinstance(condition, bool) or not known:
        hint = "x == 0 compares symbols: write sp.Eq(x, 0)" if isinstance(condition, bool) else "write x > 0"
        raise DomainError(at_line(f"where needs a condition, not {condition!r}; {hint}"))
    return as_tensor(Cases((as_tensor(yes), truth(condition)), (as_tensor(no), True)))


def _is_array(value: Any) -> bool:
    return hasattr(value, "__array__") and getattr(value, "ndim", 0) > 0


@names_result
def softmax(x: Any, axis: Axes = -1) -> Tensor:
    """exp(x) / Σ exp(x) along one or several axes; compiled so that no finite input overflows (Bridle 1990)."""
    a, free, total = _along(x, axis)
    return define(free, sp.exp(Element(a, *free)) / total)


@names_result
def log_softmax(x: Any, axis: Axes = -1) -> Tensor:
    """x − log Σ exp(x) along one or several axes."""
    a, free, total = _along(x, axis)
    return define(free, Element(a, *free) - sp.log(total))


@names_result
def logsumexp(x: Any, axis: Axes = -1, keepdims: bool = False) -> Tensor:
    """log Σ exp(x) along one or several axes."""
    a, _, _ = _along(x, axis)
    return reduce(lambda body, *over: sp.log(Sum(sp.exp(body), *over)), a, axis, keepdims)


def _along(x: Any, axes: Axes) -> tuple[Tensor, list[Index], sp.Expr]:
    """The tensor, its free indices, and Σ exp over the axes, each under an index of its own."""
    a = as_tensor(x)
    require_real(a, "softmax")
    if a.ndim == 0:
        raise ShapeError(at_line(f"{a.display_name} is a scalar and has no axis to sum over"))
    free, over = _free(a.ndim), {d: Index(f"k{d}") for d in axes_of(a, axes)}
    return a, free, Sum(sp.exp(Element(a, *(over.get(d, index) for d, index in enumerate(free)))), *over.values())


@names_result
def take(x: Tensor, key: Any) -> Any:
    """``x[n, i]``, an index or a label for each axis: an element. Integers, sizes, slices, ``None`` for a new axis,
    ``...`` for those that are left, arrays of labels: a tensor.

    As in NumPy, arrays of labels are broadcast together, and their axes stand where the first array stood, or in front
    if the arrays do not stand side by side.

    Along an axis of symbolic size N, ``x[-1]`` is ``x[N - 1]`` and ``x[1:]`` has N − 1 elements; what this asks of N is
    checked at every call. Nothing is clipped there: ``x[:3]`` needs N ≥ 3.

    Raises
    ------
    ShapeError
        for more keys than axes, an index outside its axis, and a slice without elements.
    """
    keys = key if isinstance(key, tuple) else (key,)
    for k in keys:
        _check_key(x, k)
    given = len([k for k in keys if k is not None and k is not Ellipsis])
    if given > x.ndim:
        raise ShapeError(at_line(f"{x.display_name}{show_shape(x.shape)} has {x.ndim} axes, not {given}"))
    rest = (slice(None),) * (x.ndim - given)
    dots = [position for position, k in enumerate(keys) if k is Ellipsis]
    if len(dots) > 1:
        raise ShapeError(at_line(f"{x.display_name}{show_shape(x.shape)}: an index has one '...', not {len(dots)}"))
    whole = keys[: dots[0]] + rest + keys[dots[0] + 1 :] if dots else keys + rest
    sizes = iter(x.shape)
    whole = tuple(None if k is None else constant_places(x, next(sizes), k) for k in whole)
    arrays = [position for position, k in enumerate(whole) if _is_labels(k)]
    varies = any(isinstance(k, sp.Basic) and not is_size(k) for k in keys)
    if varies and not arrays and not any(k is None or k is Ellipsis or isinstance(k, slice) for k in keys):
        return Element(x, *(from_end(size, k) for size, k in zip(x.shape, keys, strict=False)))
    together = broadcast(*(whole[position].shape for position in arrays))
    side_by_side = not arrays or arrays[-1] - arrays[0] == len(arrays) - 1
    first = arrays[0] if side_by_side and arrays else 0
    body: list[Any] = []
    shape: list[sp.Expr] = []
    start_of_arrays = 0
    sizes = iter(x.shape)
    for position, k in enumerate(whole):
        if arrays and position == first:
            start_of_arrays = len(shape)
            shape += together
        if k is None:
            shape.append(sp.S.One)
            continue
        size = next(sizes)
        if position in arrays:
            body.append(k)
        elif isinstance(k, slice):
            start, count, step = _slice(x, size, k)
            body.append(start + step * axis(len(shape)))
            shape.append(count)
        else:
            body.append(from_end(size, k))
    rename = {axis(d): axis(start_of_arrays + d) for d in range(len(together))}
    body = [_places(k, len(together)).xreplace(rename) if _is_labels(k) else k for k in body]
    element = Element(x, *body)
    check_element(element, extents_of(tuple(shape)))
    return Tensor.define(tuple(shape), element)


def _check_key(x: Tensor, key: Any) -> None:
    """Raise for a tensor that tells no places, a condition or real numbers."""
    if not isinstance(key, Tensor) or key.dtype == "integer":
        return
    shown = f"{x.display_name}{show_shape(x.shape)} is indexed with {key.display_name}{show_shape(key.shape)}"
    if key.dtype == "boolean":
        raise IndexNotationError(
            at_line(f"{shown}, a condition, and how many elements it selects depends on values: write "
                    "sg.where(condition, x, 0), and for their mean sg.sum(sg.where(condition, x, 0))/sg.sum(condition)")
        )  # fmt: skip
    declared = f"declare it as labels, sg.labels({key.name!r}, {show_shape(key.shape)}, classes=…)"
    advice = "compute them from labels or integers" if key.definition is not None else declared
    raise IndexNotationError(at_line(f"{shown}, real numbers, and places are integers: {advice}"))


def constant_places(x: Tensor, size: sp.Expr, key: Any) -> Any:
    """A list or an array of integers, or of one truth value for each place, as a constant of labels."""
    if isinstance(key, sp.Basic) or not (isinstance(key, list) or np.ndim(key)):
        return key
    shown_x = f"{x.display_name}{show_shape(x.shape)}"
    try:
        places = np.asarray(key)
    except ValueError:  # rows of several lengths
        places = np.empty(0)
    if places.dtype == bool:
        if places.shape != (size,):
            raise ShapeError(at_line(f"{shown_x}: a mask of shape {places.shape} for an axis of {size}"))
        places = np.flatnonzero(places)
    if places.dtype.kind not in "iu" or not places.size:
        raise ShapeError(at_line(f"{shown_x} is indexed with integers, at least one of them; not with {key!r}"))
    if places.min() < 0:
        if not size.is_Integer:
            raise ShapeError(at_line(f"{shown_x}: an array of places of an axis of {size} counts from its start"))
        places = np.where(places < 0, places + int(size), places)
    if places.min() < 0 or (size.is_Integer and places.max() >= size):
        raise ShapeError(at_line(f"{shown_x}: {key!r} leaves an axis of {size}"))
    return constant(places)


def _is_labels(key: Any) -> bool:
    """Whether an index is an array of integers."""
    return isinstance(key, Tensor) and key.dtype == "integer" and key.ndim > 0


def _places(key: Tensor, rank: int) -> sp.Expr:
    """The element of an index array among others: of labels itself, and the formula of what is computed of them."""
    element = broadcast_element(key, rank)
    computed = not key.is_label and key.definition is not None and key.definition.op is None
    return inlined(element) if computed else element


def from_end(size: sp.Expr, index: Any) -> Any:
    """An index of an axis; a negative number counts from the end."""
    if isinstance(index, bool):
        return index
    try:
        number = sp.Integer(operator.index(index))
    except TypeError:
        return index
    return number if number >= 0 else size + number


def _slice(x: Tensor, size: sp.Expr, k: slice) -> tuple[sp.Expr, sp.Expr, sp.Expr]:
    """First index, number of elements, and step of a slice."""
    if k == slice(None):
        return sp.S.Zero, size, sp.S.One
    for part in (k.start, k.stop):
        if part is not None and not hasattr(part, "__index__") and not is_size(part):
            raise ShapeError(at_line(f"{x.display_name}{show_shape(x.shape)}: a slice takes integers, not {part!r}"))
    if k.step is not None and (not hasattr(k.step, "__index__") or int(k.step) == 0):
        raise ShapeError(at_line(f"{x.display_name}{show_shape(x.shape)}: a slice has no step {k.step!r}"))
    step = sp.Integer(1 if k.step is None else int(k.step))
    if size.is_Integer and not any(isinstance(part, sp.Basic) for part in (k.start, k.stop)):
        start, stop, _ = (sp.Integer(part) for part in slice(k.start, k.stop, int(step)).indices(int(size)))
    else:
        first, last = (sp.S.Zero, size) if step > 0 else (size - 1, sp.S.NegativeOne)
        start = first if k.start is None else sp.sympify(from_end(size, k.start))
        stop = last if k.stop is None else sp.sympify(from_end(size, k.stop))
    count = sp.expand(sp.floor((stop - start + step - sp.sign(step)) / step))
    if is_at_least_zero(count - 1) is False:
        raise ShapeError(at_line(f"the slice {k} of an axis of size {size} of {x.display_name} is empty"))
    return start, count, step
