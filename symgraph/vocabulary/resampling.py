"""Windows the other way, and other resolutions: transposed convolutions, fold, adaptive pooling, interpolation.

    conv_transpose1d:  y[n, o, l] = Σ_{c,m} {x[n, c, m]·W[c, o, l − 2·m] if 0 ≤ l − 2·m < 3, else 0}

A transposed convolution is what the rule makes of a convolution: the derivative of Σ conv(v, W)·x by v, which v has no
part in. Fold is that of unfold. Axes and names are PyTorch's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import sympy as sp

from symgraph.core.cases import Cases
from symgraph.core.declare import input
from symgraph.core.define import Max, Sum, as_tensor, define
from symgraph.core.indices import Index, Ranged, as_shape, axis, is_at_least_zero, several, show_shape
from symgraph.core.provenance import at_line, names_result
from symgraph.core.tensor import Element, Tensor
from symgraph.derive.differentiate import grad
from symgraph.errors import DomainError, ShapeError
from symgraph.vocabulary import functions
from symgraph.vocabulary.joining import pad
from symgraph.vocabulary.ranges import checked_number
from symgraph.vocabulary.shapes import along, reshape, shown
from symgraph.vocabulary.windows import (
    Numbers,
    avg_pool,
    conv1d,
    conv2d,
    conv3d,
    max_pool,
    numbers,
    unfold,
)


def _adjoint(linear: Callable[[Tensor], Tensor], shape: tuple[Any, ...], x: Tensor) -> Tensor:
    """The transpose of a linear function of an array of ``shape``, applied to x, as a definition of its own."""
    v = input("v", shape)
    found = grad(functions.sum(linear(v) * x), [v])[v]
    definition = found.definition
    assert definition is not None
    return Tensor.define(found.shape, definition.body, definition.op, definition.extents)


def _transposed(places: int, convolution: Callable[..., Tensor]) -> Callable[..., Tensor]:
    name = f"conv_transpose{places}d"

    def transposed(
        x: Any,
        weight: Any,
        bias: Any = None,
        stride: Numbers = 1,
        padding: Numbers = 0,
        output_padding: Numbers = 0,
        groups: int = 1,
        dilation: Numbers = 1,
    ) -> Tensor:
        a, w = as_tensor(x), as_tensor(weight)
        if a.ndim != places + 2 or w.ndim != places + 2 or a.shape[1] != w.shape[0]:
            raise ShapeError(at_line(f"{name}: {shown(a)} and {shown(w)} need {places + 2} axes each, and the first of "
                                     "the weight is the channels of the input"))  # fmt: skip
        moves = [numbers(stride, places, f"{name}: stride"), numbers(dilation, places, f"{name}: dilation")]
        edges = [numbers(padding, places, f"{name}: padding", 0),
                 numbers(output_padding, places, f"{name}: output_padding", 0)]  # fmt: skip
        if any(more >= max(pair) for more, *pair in zip(edges[1], *moves, strict=True)):
            found = f"{name}: output_padding {edges[1]} is not below the stride {moves[0]}"
            raise ShapeError(at_line(f"{found}, or the dilation {moves[1]}"))
        sizes = [
            (size - 1) * s - 2 * p + d * (k - 1) + more + 1
            for size, k, s, d, p, more in zip(a.shape[2:], w.shape[2:], *moves, *edges, strict=True)
        ]
        shape = (a.shape[0], w.shape[1] * groups, *sizes)
        options = {"stride": moves[0], "padding": edges[0], "dilation": moves[1], "groups": groups}

        def forward(v: Tensor) -> Tensor:
            found = convolution(v, w, **options)
            return found if found.shape == a.shape else found[:, :, *map(slice, a.shape[2:])]

        y = _adjoint(forward, shape, a)
        return y if bias is None else y + reshape(bias, (shape[1], *([1] * places)))

    transposed.__name__ = name
    transposed.__doc__ = (
        f"The transpose of conv{places}d: (N, C, …) and a weight (C, O/groups, window…) → (N, O, …), each size "
        "(L − 1)s − 2p + d(K − 1) + output_padding + 1."
    )
    return names_result(transposed)


conv_transpose1d = _transposed(1, conv1d)
conv_transpose2d = _transposed(2, conv2d)
conv_transpose3d = _transposed(3, conv3d)


@names_result
def fold(
    x: Any, output_size: Any, kernel_size: Numbers, dilation: Numbers = 1, padding: Numbers = 0, stride: Numbers = 1
) -> Tensor:
    """Columns (N, C·window, number of windows) added where :func:`unfold` took them: (N, C, *output_size)."""
    a = as_tensor(x)
    sizes = tuple(output_size)
    window = sp.prod(numbers(kernel_size, len(sizes), "fold: kernel_size"))
    if a.ndim != 3 or not a.shape[1].is_Integer or a.shape[1] % window:
        raise ShapeError(at_line(f"fold: {shown(a)} needs the shape (N, C·{window}, number of windows)"))
    shape = (a.shape[0], a.shape[1] / window, *sizes)
    columns = unfold(input("v", shape), kernel_size, dilation, padding, stride)
    if columns.shape != a.shape:
        raise ShapeError(
            at_line(f"fold: {shown(a)} needs the shape {show_shape(columns.shape)} for {show_shape(shape)}")
        )
    return _adjoint(lambda v: unfold(v, kernel_size, dilation, padding, stride), shape, a)


# -- pooling to a size ------------------------------------------------------------------------------------------------
def _adaptive(name: str, x: Any, output_size: Any, largest: bool) -> Tensor:
    a = as_tensor(x)
    told = several(output_size) * (a.ndim - 2 if hasattr(output_size, "__index__") else 1)
    numbers([1 if count is None else count for count in told], a.ndim - 2, f"{name}: output_size")
    for d, count in enumerate(told, 2):
        a = a if count is None else _adapted(name, a, d, sp.Integer(count), largest)
    return a


def _adapted(name: str, a: Tensor, d: int, count: sp.Integer, largest: bool) -> Tensor:
    """One axis pooled to so many places: place p is over ⌊p·L/P⌋ … ⌈(p + 1)·L/P⌉."""
    size = a.shape[d]
    if count == 1:
        return functions.max(a, d, keepdims=True) if largest else functions.mean(a, d, keepdims=True)
    if not size.is_Integer:
        raise ShapeError(at_line(f"{name}: axis {d} of {shown(a)} must be a number, to be parted into {count}"))
    free = [Index(f"i{e}") for e in range(a.ndim)]
    p = free[d] = Ranged("p", count)
    start = sp.floor(p * size / count)
    length = sp.floor(((p + 1) * size + count - 1) / count) - start
    widest = max(int(length.xreplace({p: sp.Integer(n)})) for n in range(int(count)))
    u = Ranged("u", sp.Integer(widest))
    at = Element(a, *free[:d], start + u, *free[d + 1 :])
    inside = Cases((at, u < length), (-sp.oo if largest else sp.S.Zero, True))
    body = Max(inside, u) if largest else Sum(inside, u) / length
    return define(free, body, (*a.shape[:d], count, *a.shape[d + 1 :]))


@names_result
def adaptive_avg_pool(x: Any, output_size: Any) -> Tensor:
    """Means over windows that make (N, C, *output_size), from ⌊p·L/P⌋ to ⌈(p + 1)·L/P⌉; None leaves an axis."""
    return _adaptive("adaptive_avg_pool", x, output_size, largest=False)


@names_result
def adaptive_max_pool(x: Any, output_size: Any) -> Tensor:
    """Largest elements of windows that make (N, C, *output_size); None leaves an axis."""
    return _adaptive("adaptive_max_pool", x, output_size, largest=True)


# -- interpolation ----------------------------------------------------------------------------------------------------
_PLACES = {"nearest": None, "linear": 1, "bilinear": 2, "trilinear": 3}
"""Axes of places of a mode."""


@names_result
def interpolate(
    x: Any, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None
) -> Tensor:
    """(N, C, places…) at other places: ``"nearest"``, or ``"linear"``, ``"bilinear"``, ``"trilinear"``, as PyTorch's.

    ``size`` is how many places there are, or ``scale_factor`` times how many, s = P/L, rounded down. Nearest:
    y[p] = x[⌊p/s⌋]. Linear: y[p] = (1 − f)·x[⌊q⌋] + f·x[⌊q⌋ + 1] with q = ⌊q⌋ + f = (p + ½)/s − ½ along each axis, the
    border repeated, or with ``align_corners`` q = p·(L − 1)/(P − 1).

    Raises
    ------
    ShapeError
        for other than one of ``size`` and ``scale_factor``, and places that are no numbers where s is no integer.
    """
    a = as_tensor(x)
    if mode not in _PLACES or _PLACES[mode] not in (None, a.ndim - 2):
        known = ", ".join(f'"{name}"' + (f" of {count} places" if count else "") for name, count in _PLACES.items())
        raise DomainError(at_line(f"interpolate of {shown(a)}: mode is {known}, not {mode!r}"))
    if align_corners is not None and mode == "nearest":
        raise DomainError(at_line('interpolate: align_corners goes with the linear modes, not with "nearest"'))
    if (size is None) == (scale_factor is None):
        raise ShapeError(at_line(f"interpolate of {shown(a)}: expected either size or scale_factor"))
    given = scale_factor if size is None else size
    told = list(given) if isinstance(given, Iterable) else [given] * (a.ndim - 2)
    if len(told) != a.ndim - 2:
        raise ShapeError(at_line(f"interpolate of {shown(a)}: {given} are not {a.ndim - 2} numbers"))
    for d, number in enumerate(told, 2):
        count, scale = _resized(a, d, number, size is None)
        if mode == "nearest":
            a = a if scale == 1 else along(a, d, count, sp.floor(axis(d) / scale if count != 1 else 0))
        elif align_corners:
            a = _between(a, d, count, (a.shape[d] - 1) / sp.Max(count - 1, 1), 0)
        elif scale != 1:
            a = _between(a, d, count, 1 / scale, (1 / scale - 1) / 2)
    return a


def _resized(a: Tensor, d: int, number: Any, is_scale: bool) -> tuple[sp.Expr, sp.Expr]:
    """How many places an axis gets, and how many times those it has."""
    length = a.shape[d]
    if not is_scale:
        (count,) = as_shape((number,))
        if not length.is_Integer or not count.is_Integer:
            raise ShapeError(at_line(f"interpolate: axis {d} of {shown(a)} needs a size that is a number, or a factor"))
        return count, count / length
    if not isinstance(number, int | float | sp.Rational) or not number > 0 or number == sp.oo:
        raise ShapeError(at_line(f"interpolate: scale_factor is a number above 0, or one for each axis: {number!r}"))
    scale = sp.nsimplify(str(number), rational=True)
    count = sp.floor(length * scale)
    if is_at_least_zero(count - 1) is False or not (length.is_Integer or scale.is_Integer):
        raise ShapeError(at_line(f"interpolate: axis {d} of {shown(a)} has no {number} times as many places"))
    return count, scale


def _between(a: Tensor, d: int, count: sp.Expr, step: sp.Expr, first: sp.Expr) -> Tensor:
    """An axis read at places first + p·step, between two elements; the border is repeated."""
    if not step.is_Rational:
        raise ShapeError(at_line(f"interpolate: axis {d} of {shown(a)} needs a size that is a number"))
    wide = pad(a, [(0, 0)] * d + [(1, 1)] + [(0, 0)] * (a.ndim - d - 1), mode="edge")
    parts = sp.ilcm(step.q, sp.Rational(first).q)
    place = parts * (first + 1) + (parts * step * axis(d) if count != 1 else 0)
    before, part = sp.floor(place / parts), sp.Mod(place, parts) / parts
    free = [axis(e) for e in range(a.ndim)]
    left, right = (Element(wide, *free[:d], before + more, *free[d + 1 :]) for more in (0, 1))
    return Tensor.define((*a.shape[:d], count, *a.shape[d + 1 :]), (1 - part) * left + part * right)


@names_result
def lp_pool(
    x: Any, norm_type: Any, kernel_size: Numbers, stride: Numbers | None = None, ceil_mode: bool = False
) -> Tensor:
    """(Σ xᵖ)^(1/p) of every window over the places of (N, C, places…), p = ``norm_type``, as PyTorch's: towards the
    largest of numbers that are at least 0 for large p. In windows that ``ceil_mode`` adds Σ is the mean of what there
    is, times the elements of a whole one."""
    number = checked_number("lp_pool: norm_type", sp.Symbol("norm_type", positive=True), norm_type)
    power = sp.nsimplify(number, rational=True)
    a = as_tensor(x)
    count = sp.prod(numbers(kernel_size, a.ndim - 2, "lp_pool: kernel_size"))
    return (avg_pool(a**power, kernel_size, stride, ceil_mode=ceil_mode) * count) ** (1 / power)  # type: ignore[no-any-return]


# -- PyTorch's names of pooling ---------------------------------------------------------------------------------------
def _named(name: str, places: int, pooling: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def pooled(x: Any, *options: Any, **named: Any) -> Tensor:
        a = as_tensor(x)
        if a.ndim != places + 2:
            raise ShapeError(at_line(f"{name}: {shown(a)} needs {places + 2} axes, (batch, channels, places…)"))
        return pooling(a, *options, **named)

    pooled.__name__, pooled.__doc__ = name, f"``{pooling.__name__}`` over {places} axes of places."
    return names_result(pooled)


max_pool1d, max_pool2d, max_pool3d = (_named(f"max_pool{d}d", d, max_pool) for d in (1, 2, 3))
avg_pool1d, avg_pool2d, avg_pool3d = (_named(f"avg_pool{d}d", d, avg_pool) for d in (1, 2, 3))
lp_pool1d, lp_pool2d, lp_pool3d = (_named(f"lp_pool{d}d", d, lp_pool) for d in (1, 2, 3))
adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d = (
    _named(f"adaptive_avg_pool{d}d", d, adaptive_avg_pool) for d in (1, 2, 3)
)
adaptive_max_pool1d, adaptive_max_pool2d, adaptive_max_pool3d = (
    _named(f"adaptive_max_pool{d}d", d, adaptive_max_pool) for d in (1, 2, 3)
)

__all__ = [
    "adaptive_avg_pool",
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "fold",
    "interpolate",
    "lp_pool",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
]
