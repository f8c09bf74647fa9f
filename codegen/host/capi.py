"""What native code may ask of Python while it holds Python's lock: functions of the stable C API, by their addresses.

An array object is read as NumPy publishes it: ``PyArrayObject_fields`` of ndarraytypes.h, which every extension
module has compiled in, behind a ``PyObject`` of ``object.__basicsize__`` bytes, in which the word of its type is looked
for. Nothing else is known by layout.
"""

from __future__ import annotations

import array
import ctypes
from functools import lru_cache

import numpy as np

FUNCTIONS = (
    "PyTuple_GetItem",
    "PyFloat_AsDouble",
    "PyLong_AsLongLong",
    "PyErr_Occurred",
    "PyErr_Clear",
    "PyEval_SaveThread",
    "PyEval_RestoreThread",
)
ITEM_OF, AS_DOUBLE, AS_INTEGER, HAS_FAILED, FORGET_FAILURE, UNLOCK, LOCK = range(7)
ARRAY_TYPE, OBJECT_BYTES, TYPE_AT, NUMBER_TYPES = 7, 8, 9, 10
"""Words of the table after the functions: ``ndarray``, bytes of an object before its fields, at which of them its type
is, how many number types there are, and these."""

DATA, RANK, EXTENTS, DTYPE, FLAGS = 0, 8, 16, 40, 48
"""Bytes from the first field of an array object: of a pointer, an int, a pointer, a pointer and an int."""

NUMBERS = (float, np.float64, int, np.float32, np.int64, np.int32, np.int16, np.int8)
"""Types whose objects stand for a number as it is, where one is expected; others are looked at by NumPy."""


@lru_cache(maxsize=1)
def table() -> array.array[int]:
    """The words that native code finds at ``PYTHON``."""
    functions = [ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value or 0 for name in FUNCTIONS]
    known = [id(np.ndarray), object.__basicsize__, type_at() or 0]
    return array.array("q", [*functions, *known, len(NUMBERS), *map(id, NUMBERS)])


def type_at() -> int | None:
    """The byte of an object at which the address of its type is; None if objects of all kinds do not agree on one."""
    found = [_places(value) for value in (np.zeros(3), 0.5, 5, np.float32(1))]
    return next(iter(set.intersection(*found)), None)


def _places(value: object) -> set[int]:
    words = range(0, object.__basicsize__, 8)
    return {at for at in words if ctypes.c_int64.from_address(id(value) + at).value == id(type(value))}


@lru_cache(maxsize=1)
def arrays_are_as_published() -> bool:
    """Whether an array object of this installation is what NumPy's header says."""
    sample = np.zeros((3, 5), dtype=np.float32)
    fields = id(sample) + object.__basicsize__
    if np.ndarray.__basicsize__ < object.__basicsize__ + FLAGS + 4 or type_at() is None:
        return False
    data, extents, dtype = (ctypes.c_int64.from_address(fields + at).value for at in (DATA, EXTENTS, DTYPE))
    rank, flags = (ctypes.c_int32.from_address(fields + at).value for at in (RANK, FLAGS))
    if data != sample.ctypes.data or rank != 2 or dtype != id(sample.dtype) or flags != sample.flags.num:
        return False
    return tuple((ctypes.c_int64 * 2).from_address(extents)) == sample.shape
