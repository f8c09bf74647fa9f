"""Checks what users pass: each array against its leaf. Errors name the user's symbol and say what was expected."""

from __future__ import annotations

import operator
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import sympy as sp

from codegen.run.conversion import as_array, code, described, fitting, reshaped
from symgraph.core.indices import Dim, show_shape
from symgraph.core.misuse import pass_on
from symgraph.core.provenance import at_line
from symgraph.core.tensor import Tensor
from symgraph.errors import ArgumentError, DomainError, ShapeError


def collect(
    leaves: Sequence[Tensor],
    given: Mapping[str, Any],
    dtype: np.dtype[Any],
    written: Collection[Tensor] = (),
    strict: bool = False,
    is_copied: bool = False,
) -> tuple[dict[Tensor, np.ndarray], dict[str, int]]:
    """An array for every leaf, and the sizes that they tell. Shapes are looked at first, then dtypes, then values.

    Parameters
    ----------
    leaves : whose values are wanted; scalars are float64, labels int64, all others of ``dtype``.
    given : arrays by name. What is only read may also be a number, a list, or an object that NumPy can make an array of
        (a data frame, a tensor of another library): these are converted, and so is, visibly, an array of another
        dtype, order or stride. Labels may have any integer dtype.
    written : leaves that are updated in place.
    strict : such an array is an error.
    is_copied : what is given is copied in any case, so that there is nothing to be said of copies.

    Raises
    ------
    ArgumentError, ShapeError, DomainError
        for the first thing that does not fit.
    """
    check_names(given, leaves)
    written = frozenset(written)
    arrays = {leaf: as_array(leaf, given[str(leaf.name)], leaf in written) for leaf in leaves}
    sizes: dict[str, int] = {}
    for leaf, array in arrays.items():
        _learn_sizes(leaf, array, sizes)
    for leaf, array in arrays.items():
        _check_sizes(leaf, array, sizes)
    for leaf, array in arrays.items():
        is_given = array is given[str(leaf.name)] and (leaf.ndim > 0 or leaf in written) and not is_copied
        wanted = np.dtype(np.float64) if is_wide(leaf) else dtype
        arrays[leaf] = fitting(leaf, array, wanted, is_given, leaf in written, strict)
    for leaf, array in arrays.items():
        if leaf.is_label:
            check_labels(leaf, array, sizes)
        if leaf.rows_sum_to_one:
            check_rows(leaf, array)
    return arrays, sizes


def is_wide(leaf: Tensor) -> bool:
    """Whether a leaf is float64 in every program: a scalar, and a state of rank 0."""
    return leaf.kind == "scalar" or (leaf.kind == "state" and leaf.ndim == 0)


def _learn_sizes(leaf: Tensor, array: np.ndarray, sizes: dict[str, int]) -> None:
    """Compare an array's shape with its leaf's, and learn sizes from it."""
    if array.ndim != leaf.ndim:
        raise ShapeError(
            at_line(
                f"{leaf.kind} {leaf.name} has shape {show_shape(leaf.shape)}; the array has {array.shape}"
                f"{reshaped(leaf, array)}"
            )
        )
    if 0 in array.shape:
        raise ArgumentError(
            at_line(f"{leaf.kind} {leaf.name} {show_shape(leaf.shape)} is empty: the array has {array.shape}")
        )
    for axis, (size, actual) in enumerate(zip(leaf.shape, array.shape, strict=True)):
        if isinstance(size, Dim):
            expected = sizes.setdefault(size.name, actual)
            if expected != actual:
                raise ShapeError(_misfit(leaf, array, axis, expected, f" with {size} = {expected}"))


def _check_sizes(leaf: Tensor, array: np.ndarray, sizes: Mapping[str, int]) -> None:
    """Compare the sizes of an array that are numbers, or follow from other sizes."""
    for axis, (size, actual) in enumerate(zip(leaf.shape, array.shape, strict=True)):
        if isinstance(size, Dim):
            continue
        expected = int(
            size if size.is_Integer else size.xreplace({Dim(name): sp.Integer(n) for name, n in sizes.items()})
        )
        if expected != actual:
            known = ", ".join(f"{dim} = {sizes[dim.name]}" for dim in sorted(size.atoms(Dim), key=str))
            raise ShapeError(_misfit(leaf, array, axis, expected, f" with {known}" if known else ""))


def _misfit(leaf: Tensor, array: np.ndarray, axis: int, expected: int, known: str) -> str:
    turned = zip(leaf.shape, reversed(array.shape), strict=True)
    is_turned = array.ndim == 2 and all(size == actual or isinstance(size, Dim) for size, actual in turned)
    advice = f": pass {code(leaf)}.T" if is_turned and not known else f" (axis {axis} should be {expected})"
    return at_line(
        f"{leaf.kind} {leaf.name} has shape {show_shape(leaf.shape)}{known}; the array has {array.shape}{advice}"
    )


def one_dtype(
    leaves: Sequence[Tensor], given: Mapping[str, Any], allowed: Collection[np.dtype[Any]], strict: bool = False
) -> Any:
    """The floating dtype of the arrays among the values; None where they tell none. Of two, that of the parameters, or
    else the wider.

    Raises
    ------
    DomainError
        if there are two and ``strict``; it says which arrays to convert.
    """
    found = [
        (leaf, value.dtype)
        for leaf in leaves
        if isinstance(value := given.get(str(leaf.name)), np.ndarray) and value.ndim and value.dtype in allowed
    ]
    found = [(leaf, dtype) for leaf, dtype in found if leaf.dtype == "real"]
    dtypes = {dtype for _, dtype in found}
    if len(dtypes) < 2:
        return next(iter(dtypes), None)
    kept = next((dtype for leaf, dtype in found if leaf.kind == "parameter"), None)
    if not strict:
        return kept or max(dtypes, key=lambda dtype: dtype.itemsize)
    kept = kept or found[-1][1]
    others = [leaf for leaf, dtype in found if dtype != kept]
    example = next(leaf for leaf, dtype in found if dtype == kept)
    shown = ", ".join(
        f"{leaf.name} is {next(dtype for other, dtype in found if other is leaf)}" for leaf in [*others[:3], example]
    )
    advice = ", ".join(f"{code(leaf)}.astype(np.{kept})" for leaf in others[:3])
    raise DomainError(at_line(f"{shown}: one floating dtype is expected; pass {advice}"))


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


def check_out(tensor: Tensor, array: np.ndarray, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """An array that a result is written into must be just like the result."""
    what = f"out for {tensor.display_name} {show_shape(tensor.shape)}"
    if array.shape != shape:
        raise ShapeError(at_line(f"{what} must have shape {shape}; the array has {array.shape}"))
    if array.dtype != dtype:
        raise DomainError(at_line(f"{what} needs dtype {dtype}, not {array.dtype}"))
    if not array.flags.carray:
        raise ArgumentError(at_line(f"{what} must be contiguous, aligned and writeable"))


def check_overlap(written: Sequence[tuple[Tensor, np.ndarray]], read: Sequence[tuple[Tensor, np.ndarray]]) -> None:
    """No array that is written may share memory with another."""
    spans = [(*_span(array), leaf, True) for leaf, array in written] + [
        (*_span(array), leaf, False) for leaf, array in read
    ]
    spans.sort(key=lambda span: span[0])
    end, owner, owner_written = 0, None, False
    for start, stop, leaf, is_written in spans:
        if start < end and (is_written or owner_written) and owner is not leaf:
            other = owner.display_name if owner is not None else "?"
            raise ArgumentError(
                at_line(f"the arrays of {other} and {leaf.display_name} overlap in memory; one of them is written")
            )
        if stop > end:
            end, owner, owner_written = stop, leaf, is_written


def _span(array: np.ndarray) -> tuple[int, int]:
    start = array.ctypes.data
    return start, start + array.nbytes


def check_names(given: Mapping[str, Any], leaves: Sequence[Tensor]) -> None:
    """Every leaf has a value, and nothing else is given."""
    known = {str(leaf.name) for leaf in leaves}
    for name in given:
        if name not in known:
            raise ArgumentError(
                at_line(f"there is no {name} here; expected {', '.join(sorted(known)) or 'no arguments'}")
            )
    for leaf in leaves:
        if leaf.name not in given:
            wanted = ", ".join(str(other.name) for other in leaves)
            raise ArgumentError(at_line(f"{described(leaf)} has no value: expected {wanted}"))


MOST_COLUMNS = 12
"""Of a data frame, that an error lists."""


def columns_of(frame: Any, leaves: Sequence[Tensor], others: Iterable[str]) -> dict[str, Any]:
    """The columns of a data frame that are inputs, or other names; it may have more.

    Raises
    ------
    ArgumentError
        for an input without a column.
    """
    if not hasattr(frame, "__getitem__") or (hasattr(frame, "collect") and not hasattr(frame, "__array__")):
        raise DomainError(at_line(f"{type(frame).__name__} has no values yet: pass data.collect()"))
    columns = {str(name): name for name in frame.columns}
    for leaf in leaves:
        if leaf.name not in columns:
            listed = ", ".join(list(columns)[:MOST_COLUMNS]) + ", …" * (len(columns) > MOST_COLUMNS)
            raise ArgumentError(
                at_line(f"the frame has no column {leaf.name} for {described(leaf)}; it has {listed}: a matrix of "
                        f"columns is data={{\"{leaf.name}\": frame[[…]].to_numpy(), …}}")
            )  # fmt: skip
    wanted = [*(str(leaf.name) for leaf in leaves), *(name for name in others if name in columns)]
    return {name: frame[columns[name]] for name in wanted}


def check_mapping(given: Any, what: str) -> None:
    """Arrays by name come in a dict."""
    if not isinstance(given, Mapping):
        raise DomainError(
            at_line(f"{what} must be a dict of arrays by name, {{\"x\": X, …}}, not {type(given).__name__}")
        )


def whole_number(what: str, given: Any, least: int, most: int | None = None) -> int:
    """An integer of at least ``least``, and at most ``most``."""
    try:
        number = least - 1 if isinstance(given, bool) else operator.index(given)
    except Exception as error:  # an object's own conversion may raise anything
        pass_on(error)
        number = least - 1
    if number < least:
        shown = f"an array of shape {given.shape}" if isinstance(given, np.ndarray) else repr(given)
        raise ArgumentError(at_line(f"{what} must be an integer, at least {least}, not {shown}"))
    if most is not None and number > most:
        raise ArgumentError(at_line(f"{what} must be an integer of {least} … {most}, not {given!r}"))
    return number


def flag(what: str, given: Any) -> bool:
    """True or False."""
    if not isinstance(given, bool | np.bool_):
        raise ArgumentError(at_line(f"{what} must be True or False, not {given!r}"))
    return bool(given)


def listed(what: str, given: Any) -> list[Any]:
    """The items of a list, tuple or other iterable."""
    told = at_line(f"{what} must be a list, not {given!r}")
    if not isinstance(given, Iterable):  # as an IndexedBase, which has places and no end
        raise DomainError(told)
    try:
        return list(given)
    except Exception as error:  # an object's own iterator may raise anything
        pass_on(error)
        raise DomainError(told) from error
