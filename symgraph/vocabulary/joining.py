"""Joining, parting and moving along an axis: definitions by cases, or by an index that is shifted.

concatenate:  y[k] = {a[k] if k < 3, else b[k − 3]}
roll:  y[k] = x[(k − 1) mod N]
pad:  {x[k − 1] if 1 ≤ k ≤ N, else 0}
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import numpy as np
import sympy as sp

from symgraph.core.bounds import unproved
from symgraph.core.cases import Cases
from symgraph.core.define import as_tensor, scalar_body
from symgraph.core.indices import Shape, as_shape, axis, extents_of, is_at_least_zero, several
from symgraph.core.misuse import explained
from symgraph.core.provenance import at_line, names_result
from symgraph.core.scalars import as_formula
from symgraph.core.tensor import Element, Tensor
from symgraph.errors import DomainError, ShapeError
from symgraph.vocabulary.functions import axes_of, axis_of, from_end
from symgraph.vocabulary.shapes import Sizes, along, expand_dims, in_order, places, ravel, reshape, shown

__all__ = ["concatenate", "flip", "pad", "repeat", "roll", "split", "stack", "take", "tile"]


# -- joining and parting ----------------------------------------------------------------------------------------------
@names_result
def concatenate(tensors: Iterable[Any], axis: int | None = 0) -> Tensor:
    """Join along an axis; the other sizes must agree. Without an axis the flattened tensors are joined.

    Raises
    ------
    ShapeError
        with the shapes, if ranks or other sizes differ.
    """
    parts = [as_tensor(part) if axis is not None else ravel(part) for part in tensors]
    if not parts:
        raise ShapeError(at_line("concatenate needs at least one tensor"))
    d = axis_of(parts[0], axis or 0)
    for part in parts:
        if part.ndim != parts[0].ndim or _others(part, d) != _others(parts[0], d):
            found = f"{shown(parts[0])} and {shown(part)} differ beside axis {d}"
            raise ShapeError(at_line(f"concatenate: {found}: expected equal sizes there"))
    cases: list[tuple[Any, Any]] = []
    start: sp.Expr = sp.S.Zero
    here = places(parts[0])[d]
    for part in parts:
        end = start + part.shape[d]
        cases.append((Element(part, *places(part, {d: here - start})), here < end))
        start = end
    cases[-1] = (cases[-1][0], True)
    return Tensor.define(as_shape((*parts[0].shape[:d], start, *parts[0].shape[d + 1 :])), Cases(*cases))


def _others(x: Tensor, d: int) -> Shape:
    return (*x.shape[:d], *x.shape[d + 1 :])


@names_result
def stack(tensors: Iterable[Any], axis: int = 0) -> Tensor:
    """Join along a new axis; the shapes must be equal."""
    parts = [as_tensor(part) for part in tensors]
    for part in parts:
        if part.shape != parts[0].shape:
            raise ShapeError(at_line(f"stack: {shown(parts[0])} and {shown(part)} differ in shape: expected one"))
    return concatenate([expand_dims(part, axis) for part in parts], axis)


@explained
def split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Tensor]:
    """Part along an axis: into equal sections, or before each of the given indices, as NumPy's ``split``."""
    a = as_tensor(x)
    d = axis_of(a, axis)
    size = a.shape[d]
    if hasattr(indices_or_sections, "__index__"):
        count = int(indices_or_sections)
        length = size / count if count > 0 else sp.nan
        if not length.is_integer:
            found = f"axis {d} of {shown(a)} has no {count} equal sections"
            raise ShapeError(at_line(f"split: {found}: give the indices where it is cut"))
        cuts = [length * n for n in range(count + 1)]
    else:
        told = (from_end(size, as_formula(cut)) for cut in several(indices_or_sections))
        cuts = [sp.S.Zero, *told, size]
    pairs = list(pairwise(cuts))
    for start, end in pairs:
        if is_at_least_zero(end - start - 1) is False or is_at_least_zero(size - end) is False:
            raise ShapeError(at_line(f"split: {start} to {end} is no part of axis {d} of {shown(a)}"))
    here = places(a)[d]
    return [along(a, d, end - start, here + start) for start, end in pairs]


# -- what stands elsewhere on the same axis ---------------------------------------------------------------------------
@names_result
def flip(x: Any, axis: Any = None) -> Tensor:
    """Reverse all or some axes."""
    a = as_tensor(x)
    back = {d: a.shape[d] - 1 - places(a)[d] for d in axes_of(a, axis)}
    return Tensor.define(a.shape, Element(a, *places(a, back)))


@names_result
def roll(x: Any, shift: Any, axis: Any = None) -> Tensor:
    """Shift along axes, what leaves at the end returns at the start; without axes, of a vector."""
    a = as_tensor(x)
    if axis is None and a.ndim > 1:
        return reshape(roll(ravel(a), shift), a.shape)
    over = in_order(a, 0 if axis is None else axis)
    shifts = several(shift) * (len(over) if hasattr(shift, "__index__") else 1)
    if len(shifts) != len(over):
        raise ShapeError(at_line(f"roll of {shown(a)}: {len(shifts)} shifts for {len(over)} axes"))
    for d, by in zip(over, shifts, strict=True):
        a = _rolled(a, d, int(by))
    return a


def _rolled(a: Tensor, d: int, by: int) -> Tensor:
    size, here = a.shape[d], places(a)[d]
    if size.is_Integer:
        by = by % int(size)
        if by == 0:
            return a
        moved = Element(a, *places(a, {d: here - by + size}))
        return Tensor.define(a.shape, Cases((moved, here < by), (Element(a, *places(a, {d: here - by})), True)))
    return along(a, d, size, sp.Mod(here - by, size))


@names_result
def repeat(x: Any, repeats: Any, axis: int | None = None) -> Tensor:
    """Every element so many times, side by side; or each of an axis of fixed size a number of times of its own."""
    a = as_tensor(x) if axis is not None else ravel(x)
    d = axis_of(a, axis or 0)
    if np.ndim(repeats) and np.size(repeats) > 1:
        if a.shape[d] != np.size(repeats) or np.min(repeats) < 0:
            raise ShapeError(
                at_line(f"repeat: {repeats} are not a number of times for each of axis {d} of {shown(a)}")
            )
        return take(a, np.repeat(np.arange(np.size(repeats)), repeats), d)
    (times,) = as_shape(repeats if np.ndim(repeats) else (repeats,))
    return a if times == 1 else along(a, d, a.shape[d] * times, sp.floor(places(a)[d] / times))


@names_result
def tile(x: Any, reps: Sizes) -> Tensor:
    """The whole so many times along each axis; axes are aligned at the right, as in NumPy."""
    a = as_tensor(x)
    times = as_shape(reps)
    a = expand_dims(a, range(len(times) - a.ndim)) if len(times) > a.ndim else a
    times = (sp.S.One,) * (a.ndim - len(times)) + times
    at = [index if n == 1 else _mod(index, size) for index, n, size in zip(places(a), times, a.shape, strict=True)]
    return Tensor.define(tuple(n * size for n, size in zip(times, a.shape, strict=True)), Element(a, *at))


def _mod(index: sp.Expr, size: sp.Expr) -> sp.Expr:
    return sp.S.Zero if size == 1 else sp.Mod(index, size)


@names_result
def take(x: Any, indices: Any, axis: int | None = None) -> Tensor:
    """Elements along an axis at integers, labels or an array of them; without an axis, of the flattened tensor."""
    a = as_tensor(x) if axis is not None else ravel(x)
    d = axis_of(a, axis or 0)
    indices = list(indices) if isinstance(indices, tuple) else indices
    return a[(*[slice(None)] * d, indices)]  # type: ignore[no-any-return]


PAD_MODES = ("constant", "edge", "reflect", "symmetric", "circular")
_OTHER_NAMES = {"replicate": "edge", "wrap": "circular", "zeros": "constant"}


@names_result
def pad(x: Any, pad_width: Any, mode: str = "constant", value: Any = 0) -> Tensor:
    """Widen axes: by a number, by (before, after), or by such a pair for each axis, as NumPy's ``pad``.

    Parameters
    ----------
    mode : what stands in the border: ``"constant"`` a value, ``"edge"`` (``"replicate"``) the nearest element,
        ``"reflect"`` the mirror image without the edge, ``"symmetric"`` with it, ``"circular"``
        (``"wrap"``) the other side.

    Raises
    ------
    ShapeError
        for widths that are negative, or wider than the mode can fill.
    """
    a = as_tensor(x)
    mode = _OTHER_NAMES.get(mode, mode)
    if mode not in PAD_MODES:
        raise DomainError(at_line(f"pad has no mode {mode!r}; known are {', '.join(PAD_MODES)}"))
    widths = _widths(a, pad_width)
    shape = tuple(size + before + after for size, (before, after) in zip(a.shape, widths, strict=True))
    if mode != "constant":
        for d, width in enumerate(widths):
            a = _bordered(a, d, width, mode)
        return a
    at = [index - before for index, (before, _) in zip(places(a), widths, strict=True)]
    inside = sp.And(*(_within(a, d, index, shape) for d, index in enumerate(at)))
    return Tensor.define(shape, Cases((Element(a, *at), inside), (scalar_body(value), True)))


def _within(a: Tensor, d: int, index: sp.Expr, shape: Shape) -> sp.Basic:
    """Where an index of a wider axis lies on the axis, as far as that is not proved."""
    bounds = unproved(index, a.shape[d], extents_of(shape))
    here = axis(d)
    return sp.And(*(here >= here - b if b.coeff(here) == 1 else here < here + b + 1 for b, _ in bounds))


def _widths(a: Tensor, given: Any) -> list[tuple[int, int]]:
    pairs = given if not hasattr(given, "__index__") else (given, given)
    pairs = [tuple(pairs)] * a.ndim if all(hasattr(w, "__index__") for w in pairs) else [tuple(p) for p in pairs]
    pairs = pairs * a.ndim if len(pairs) == 1 else pairs
    fits = len(pairs) == a.ndim and all(len(p) == 2 and all(hasattr(w, "__index__") for w in p) for p in pairs)
    if not fits or any(int(w) < 0 for p in pairs for w in p):
        raise ShapeError(
            at_line(f"pad of {shown(a)} by {given}: expected a number, (before, after), or {a.ndim} such pairs")
        )
    return [(int(before), int(after)) for before, after in pairs]


def _bordered(a: Tensor, d: int, width: tuple[int, int], mode: str) -> Tensor:
    """One axis widened by elements of its own."""
    size, (before, after) = a.shape[d], width
    if width == (0, 0):
        return a
    most = {"edge": None, "reflect": size - 1, "symmetric": size, "circular": size}[mode]
    if most is not None and is_at_least_zero(most - max(before, after)) is False:
        raise ShapeError(at_line(f"pad, {mode}: axis {d} of {shown(a)} is too short for a border of {width}"))
    inner = places(a)[d] - before
    left, right = {
        "edge": (sp.S.Zero, size - 1),
        "reflect": (-inner, 2 * size - 2 - inner),
        "symmetric": (-inner - 1, 2 * size - 1 - inner),
        "circular": (inner + size, inner - size),
    }[mode]
    cases = [(left, places(a)[d] < before), (inner, places(a)[d] < before + size), (right, True)]
    kept = [c for c, used in zip(cases, (before > 0, True, after > 0), strict=True) if used]
    kept[-1] = (kept[-1][0], True)
    shape = as_shape((*a.shape[:d], size + before + after, *a.shape[d + 1 :]))
    return Tensor.define(shape, Cases(*((Element(a, *places(a, {d: at})), where) for at, where in kept)))
