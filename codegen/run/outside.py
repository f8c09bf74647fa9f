"""What external calls of a program call: C functions as they are, and Python's behind one that asks for Python's lock.

What Python is given are copies, which it may keep. An exception is kept, and the program ends; who has called it raises
it then. Nothing here is native, and no exception passes through native code.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from codegen.loops.program import External
from symgraph.core.external import Procedure
from symgraph.errors import ArgumentError

_FUNCTION = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)


class Outside:
    """The functions of a program's external calls.

    Attributes
    ----------
    addresses : what native code calls, one for each call.
    asks_python : whether one of them runs Python.
    """

    def __init__(
        self, calls: Sequence[tuple[External, Procedure]], kinds: Sequence[Sequence[tuple[np.dtype[Any], int]]]
    ) -> None:
        """``kinds`` are dtype and rank of the arguments of each call."""
        self.asks_python = any(not procedure.is_native for _, procedure in calls)
        self._names = ", ".join(dict.fromkeys(procedure.name for _, procedure in calls if procedure.is_native))
        self._error: tuple[str, BaseException] | None = None
        self._functions: list[Any] = [
            procedure.function if procedure.is_native else _FUNCTION(partial(self._call, procedure, arguments))
            for (_, procedure), arguments in zip(calls, kinds, strict=True)
        ]
        self.addresses = [ctypes.cast(function, ctypes.c_void_p).value or 0 for function in self._functions]

    def _call(
        self, procedure: Procedure, arguments: Sequence[tuple[np.dtype[Any], int]], arrays: int, extents: int
    ) -> int:
        try:
            pointers = (ctypes.c_void_p * len(arguments)).from_address(arrays)
            sizes = iter((ctypes.c_int64 * sum(rank for _, rank in arguments)).from_address(extents))
            shapes = [tuple(next(sizes) for _ in range(rank)) for _, rank in arguments]
            result, *given = (
                _array(pointer, dtype, shape)
                for pointer, (dtype, _), shape in zip(pointers, arguments, shapes, strict=True)
            )
            procedure.fill(result, [array.copy() for array in given])
        except BaseException as error:
            self._error = procedure.name, error
            return 1
        return 0

    def failed(self) -> BaseException:
        """The error of a call that has ended the program."""
        found, self._error = self._error, None
        if found is None:
            return ArgumentError(f"an external C function, of {self._names}, has not returned 0")
        name, error = found
        if isinstance(error, Exception):
            error.add_note(f"raised in the external function {name}; nothing that reads its result was computed")
        return error


def _array(pointer: int | None, dtype: np.dtype[Any], shape: tuple[int, ...]) -> np.ndarray:
    memory = (ctypes.c_uint8 * (math.prod(shape) * dtype.itemsize)).from_address(pointer or 0)
    return np.ndarray(shape, dtype, memoryview(memory))
