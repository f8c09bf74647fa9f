"""The border: what users have, as the arrays that a program reads. Converted or copied once, and visibly.

Comes in: arrays of any dtype, order and stride, numbers, lists, data frames, tensors of other libraries. Goes out: a
contiguous array of the program's dtype, the user's own wherever it is one. Where an array of the user's is copied, a
:class:`.ConversionWarning` says so and how to spare it; ``strict=True`` makes it an error.
"""

from __future__ import annotations

import keyword
import numbers
import warnings
from typing import Any

import numpy as np

from symgraph.core.indices import show_shape
from symgraph.core.misuse import pass_on
from symgraph.core.provenance import at_line, here
from symgraph.core.tensor import Tensor
from symgraph.errors import ArgumentError, ConversionWarning, DomainError, SymgraphError

NUMBERS = "biuf"
"""Kinds of dtypes that are real numbers."""
_told: dict[Any, Any] = {}
"""Python's own record of what has been said at which line."""


def described(leaf: Tensor) -> str:
    """``parameter W (64, 32)``."""
    return f"{leaf.kind} {leaf.name} {show_shape(leaf.shape)}"


def code(leaf: Tensor) -> str:
    """The leaf in a line of advice."""
    name = str(leaf.name)
    return name if name.isidentifier() and not keyword.iskeyword(name) else "array"


def as_array(leaf: Tensor, given: Any, is_written: bool) -> np.ndarray:
    """Any array, of real numbers or as it was given."""
    if isinstance(given, np.ndarray):
        if type(given) is not np.ndarray and isinstance(given, np.ma.MaskedArray):  # whose module is slow to import
            raise DomainError(at_line(f"{described(leaf)} is a masked array: masks are not supported"))
        return given
    if is_written:
        shared = f": pass np.from_dlpack({code(leaf)}), which shares its memory" if hasattr(given, "__dlpack__") else ""
        raise DomainError(
            at_line(f"{described(leaf)} is updated in place: expected an array, not {type(given).__name__}{shared}")
        )
    try:
        is_foreign = hasattr(given, "__dlpack__") and not hasattr(given, "__array__")
        array = np.from_dlpack(given) if is_foreign else np.asarray(given)
    except Exception as error:  # an object's own conversion may raise anything
        pass_on(error)
        told = str(error).rstrip(".") + _made_of(leaf, given)
        raise DomainError(at_line(f"{described(leaf)} needs an array of numbers: {told}")) from error
    kind = "integers" if leaf.dtype == "integer" else "real numbers"
    if array.dtype.kind == "O" and not array.ndim and not isinstance(given, numbers.Real):
        made = _made_of(leaf, given)
        raise DomainError(at_line(f"{described(leaf)} needs {kind}, not {type(given).__name__}{made}"))
    wrong = _no_number(leaf, array) if array.dtype.kind == "O" else ""
    if wrong or not (array.dtype.kind in "O" + NUMBERS or leaf.dtype == "integer"):
        told = f"{type(given).__name__} of {array.dtype}{wrong}"
        raise DomainError(at_line(f"{described(leaf)} needs {kind}, not {told}"))
    if array.dtype.kind == "O":
        try:
            array = array.astype(np.float64)
        except OverflowError as error:
            raise DomainError(at_line(f"{described(leaf)} needs numbers that float64 can hold: {error}")) from error
    return array


MAKERS = {"collect": "collect()", "toarray": "toarray()", "float": "detach().float().numpy()"}
"""Methods that make an array, or what NumPy makes one of: lazy frames, sparse matrices, tensors of dtypes that NumPy
does not know."""
MISSING = ("None", "nan", "<NA>", "NaT")
"""How objects print that stand for no value."""


def _made_of(leaf: Tensor, given: Any) -> str:
    found = next((call for method, call in MAKERS.items() if callable(getattr(given, method, None))), None)
    return f": pass {code(leaf)}.{found}" if found else ""


def _no_number(leaf: Tensor, array: np.ndarray) -> str:
    """What an array of objects has that is no number; nothing where it has none. Labels are told of by their own."""
    place = next((n for n, value in enumerate(array.flat) if not isinstance(value, numbers.Real)), None)
    if place is None:
        return ""
    value = array.flat[place]
    where = f"{leaf.name}[{', '.join(map(str, np.unravel_index(place, array.shape)))}]"
    if str(value) in MISSING:
        return f": {where} is missing; fill such values, or drop their rows"
    if leaf.dtype == "integer":
        return f": pass {_as_labels(leaf, array)}"
    return f": {where} is {value!r:.40}"


def fitting(
    leaf: Tensor, array: np.ndarray, dtype: np.dtype[Any], is_given: bool, is_written: bool, strict: bool
) -> np.ndarray:
    """The array as the program reads it: the user's own if it can be read as it is.

    Parameters
    ----------
    is_given : the user has given this array; anything else has been made of what was given, and is converted silently.
    is_written : the program updates it in place, so that it cannot be a copy.
    strict : an array that cannot be read as it is is an error.
    """
    if leaf.dtype == "boolean":
        if array.dtype.kind != "b":
            advice = f"pass {code(leaf)} != 0"
            raise DomainError(at_line(f"{described(leaf)} needs truth values, not {_what(array)}: {advice}"))
        return np.ascontiguousarray(array, dtype=dtype).reshape(array.shape)
    if leaf.dtype == "integer":
        if array.dtype.kind not in ("iub" if leaf.classes == 2 else "iu"):  # truth values are two classes
            told = _no_integer(leaf, array) or f"needs integers, not {_what(array)}: pass {_as_labels(leaf, array)}"
            raise DomainError(at_line(f"{described(leaf)} {told}"))
        if array.dtype == np.uint64 and not leaf.is_label and array.size and array.max() > np.iinfo(np.int64).max:
            raise DomainError(at_line(f"{described(leaf)} has {array.max()}, which 64 bits with a sign do not hold"))
        return np.ascontiguousarray(array, dtype=np.int64).reshape(array.shape)
    if array.dtype.kind not in NUMBERS:
        advice = f": pass {code(leaf)}.real if its imaginary part is to be dropped" if array.dtype.kind == "c" else ""
        if array.dtype.kind == "O":
            advice = _no_number(leaf, array) or f": pass {code(leaf)}.astype(np.{dtype})"
        raise DomainError(at_line(f"{described(leaf)} needs real numbers, not dtype {array.dtype}{advice}"))
    found = _misfit(leaf, array, dtype) if is_given else None
    if found is not None:
        kind, text, advice = found
        if strict or is_written:
            raise kind(at_line(f"{described(leaf)} {text}: pass {advice}"))
        place = here()
        message = f"{described(leaf)} {text}; it is copied at every such call: pass {advice}"
        warnings.warn_explicit(message, ConversionWarning, place.file, place.line, registry=_told)
    if is_written and not array.flags.writeable:
        raise ArgumentError(at_line(f"{described(leaf)} is updated in place, but the array is read-only"))
    return np.ascontiguousarray(array, dtype=dtype).reshape(array.shape)


def _misfit(leaf: Tensor, array: np.ndarray, dtype: np.dtype[Any]) -> tuple[type[SymgraphError], str, str] | None:
    """Why a program cannot read an array as it is, and what to pass."""
    if array.dtype != dtype:
        return DomainError, f"needs dtype {dtype}, not {array.dtype}", f"{code(leaf)}.astype(np.{dtype})"
    if not array.flags.aligned:
        return ArgumentError, "is not aligned in memory", f"{code(leaf)}.copy()"
    if not array.flags.c_contiguous:
        return ArgumentError, "is not contiguous", f"np.ascontiguousarray({code(leaf)})"
    return None


def _what(array: np.ndarray) -> str:
    return "text" if array.dtype.kind in "UST" else f"dtype {array.dtype}"


def _no_integer(leaf: Tensor, array: np.ndarray) -> str:
    """Which number is no integer; nothing where all are, or are no numbers."""
    if array.dtype.kind != "f":
        return ""
    places = np.argwhere(~np.isfinite(array) | (array != np.floor(array)))
    if not len(places):
        return ""
    value = array[tuple(places[0])]
    where = f"{leaf.name}[{', '.join(map(str, places[0]))}]"
    if np.isnan(value):
        return f"needs integers: {where} is nan, which is missing; drop such rows"
    return f"needs integers: {where} is {value:g}"


def _as_labels(leaf: Tensor, array: np.ndarray) -> str:
    name = code(leaf)
    if array.dtype.kind in "USTO":
        return f"np.unique({name}, return_inverse=True)[1], the numbers of the classes"
    return f"{name}.astype(np.int64)"


def reshaped(leaf: Tensor, array: np.ndarray) -> str:
    """What to write for an array of another rank, where that is one of the usual slips; else nothing."""
    name, last = code(leaf), leaf.shape[-1:]
    if array.ndim == leaf.ndim + 1:
        if array.shape[-1] == 1:
            return f": pass {name}[..., 0]"
        if leaf.is_label and array.shape[-1] == leaf.classes:
            return f": it looks one-hot; pass {name}.argmax(axis=-1), or declare {name} with sg.one_hot"
    if array.ndim == leaf.ndim - 1:
        if leaf.rows_sum_to_one and array.dtype.kind in "iu":
            return f": these are class numbers; pass np.eye({last[0]})[{name}], or declare {name} with sg.labels"
        if last == (1,):
            return f": pass {name}[..., None]"
        if array.shape == leaf.shape[1:]:
            return f": one row of several is X[:1] and not X[0]; pass {name}[None]"
    return ""
