"""Checks what users pass: each array against its leaf. Every error names the user's symbol and says what was expected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from symgraph.errors import ArgumentError, DomainError, ShapeError
from symgraph.indices import Dim, show_shape
from symgraph.provenance import at_line
from symgraph.tensor import Tensor


def as_array(leaf: Tensor, given: Any, dtype: np.dtype[Any]) -> np.ndarray:
    """``given`` as an array for a leaf that is only read: numbers and lists are converted, arrays must fit as they are.

    Raises
    ------
    DomainError
        for a dtype other than the program's; labels may have any integer dtype.
    ArgumentError
        if the array is not contiguous.
    """
    if leaf.is_label:
        array = np.asarray(given)
        if array.dtype.kind not in "iu":
            raise DomainError(at_line(f"{described(leaf)} needs integers, not dtype {array.dtype}"))
        return np.ascontiguousarray(array, dtype=np.int64)
    if leaf.ndim == 0 or not isinstance(given, np.ndarray):
        try:
            return np.ascontiguousarray(np.asarray(given, dtype=dtype)).reshape(np.shape(given))
        except (TypeError, ValueError) as error:
            raise DomainError(at_line(f"{described(leaf)} needs real numbers, not {type(given).__name__}")) from error
    if given.dtype != dtype:
        raise DomainError(
            at_line(f"{described(leaf)} needs dtype {dtype}, not {given.dtype}: pass {leaf.name}.astype(np.{dtype})")
        )
    if not given.flags.c_contiguous or not given.flags.aligned:
        raise ArgumentError(at_line(f"{described(leaf)} is not contiguous: pass np.ascontiguousarray({leaf.name})"))
    return given


def as_written(leaf: Tensor, given: Any, dtype: np.dtype[Any]) -> np.ndarray:
    """``given`` as an array for a leaf that is updated in place: it must be one already, in every respect."""
    if not isinstance(given, np.ndarray):
        raise DomainError(
            at_line(f"{described(leaf)} is updated in place: expected an array, not {type(given).__name__}")
        )
    if given.dtype != dtype:
        raise DomainError(at_line(f"{described(leaf)} needs dtype {dtype}, not {given.dtype}"))
    if not given.flags.c_contiguous or not given.flags.aligned:
        raise ArgumentError(at_line(f"{described(leaf)} is updated in place and must be contiguous"))
    if not given.flags.writeable:
        raise ArgumentError(at_line(f"{described(leaf)} is updated in place, but the array is read-only"))
    return given


def described(leaf: Tensor) -> str:
    """``parameter W (64, 32)``."""
    return f"{leaf.kind} {leaf.name} {show_shape(leaf.shape)}"


def bind_sizes(leaf: Tensor, array: np.ndarray, sizes: dict[str, int]) -> None:
    """Compare an array's shape with its leaf's, and learn sizes from it.

    Raises
    ------
    ShapeError
        if they do not fit; both shapes are shown.
    """
    if array.ndim != leaf.ndim:
        raise ShapeError(
            at_line(f"{leaf.kind} {leaf.name} has shape {show_shape(leaf.shape)}; the array has {array.shape}")
        )
    for axis, (size, actual) in enumerate(zip(leaf.shape, array.shape, strict=True)):
        if actual == 0:
            raise ArgumentError(
                at_line(f"{leaf.kind} {leaf.name} {show_shape(leaf.shape)} is empty: the array has {array.shape}")
            )
        if isinstance(size, Dim):
            expected = sizes.setdefault(size.name, actual)
        else:
            value = size.xreplace(
                {dim: dim.func(dim.name) if dim.name not in sizes else sizes[dim.name] for dim in size.atoms(Dim)}
            )
            if not getattr(value, "is_number", False) and not isinstance(value, int):
                continue
            expected = int(value)
        if expected != actual:
            known = f" with {size} = {expected}" if isinstance(size, Dim) else ""
            raise ShapeError(
                at_line(f"{leaf.kind} {leaf.name} has shape {show_shape(leaf.shape)}{known}; the array has {array.shape} "
                        f"(axis {axis} should be {expected})")
            )  # fmt: skip


def check_labels(leaf: Tensor, array: np.ndarray, sizes: Mapping[str, int]) -> None:
    """Labels must lie in their range."""
    assert leaf.classes is not None
    classes = int(leaf.classes.xreplace({dim: sizes[dim.name] for dim in leaf.classes.atoms(Dim)}))
    wrong = (array < 0) | (array >= classes)
    if wrong.any():
        at = tuple(int(i) for i in np.argwhere(wrong)[0])
        place = f"[{', '.join(map(str, at))}]" if at else ""
        raise ArgumentError(
            at_line(f"{leaf.name}{place} is {array[at]}; labels of {leaf.name} lie in 0 … {classes - 1}")
        )


def check_rows(leaf: Tensor, array: np.ndarray) -> None:
    """Declared probabilities must sum to one along the last axis."""
    wrong = ~(np.abs(array.sum(axis=-1) - 1) <= 1e-3)
    if wrong.any():
        at = tuple(int(i) for i in np.argwhere(wrong)[0])
        place = f"[{', '.join(map(str, at))}, :]" if at else ""
        total = array[at].sum()
        raise ArgumentError(
            at_line(f"{leaf.name}{place} sums to {total:.6g}; {leaf.name} was declared one-hot: rows sum to 1")
        )


def check_overlap(written: Sequence[tuple[Tensor, np.ndarray]], read: Sequence[tuple[Tensor, np.ndarray]]) -> None:
    """No array that is written may share memory with another."""
    spans = [(*_span(array), leaf, True) for leaf, array in written] + [
        (*_span(array), leaf, False) for leaf, array in read
    ]
    spans.sort(key=lambda span: span[0])
    end, owner, owner_written = 0, None, False
    for start, stop, leaf, is_written in spans:
        if start < end and (is_written or owner_written) and owner is not leaf:
            other = owner.name if owner is not None else "?"
            raise ArgumentError(
                at_line(f"the arrays of {other} and {leaf.name} overlap in memory; one of them is written")
            )
        if stop > end:
            end, owner, owner_written = stop, leaf, is_written


def _span(array: np.ndarray) -> tuple[int, int]:
    start = array.ctypes.data
    return start, start + array.nbytes


def check_names(given: Mapping[str, Any], leaves: Sequence[Tensor], optional: frozenset[str] = frozenset()) -> None:
    """Every leaf has a value, and nothing else is given."""
    known = {str(leaf.name) for leaf in leaves}
    for name in given:
        if name not in known and name not in optional:
            raise ArgumentError(
                at_line(f"there is no {name} here; expected {', '.join(sorted(known)) or 'no arguments'}")
            )
    for leaf in leaves:
        if leaf.name not in given:
            raise ArgumentError(at_line(f"{described(leaf)} has no value"))
