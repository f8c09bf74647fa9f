"""Calls of what is not ours, in code that runs un-jitted; natively the driver makes them itself."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

from codegen.native.kernels.pointer import FlatArray

FUNCTION = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)
"""``int64_t f(void **arrays, const int64_t *extents)``"""


def outside(function: int, arrays: Sequence[FlatArray], extents: Sequence[int]) -> int:
    """Call a C function at an address; 0 where it has not failed.

    Parameters
    ----------
    arrays
        The memory of the result, and of the operands.
    extents
        Of all of them, one after the other.
    """
    pointers = (ctypes.c_void_p * len(arrays))(*(array.ctypes.data for array in arrays))
    return int(FUNCTION(int(function))(pointers, (ctypes.c_int64 * max(1, len(extents)))(*map(int, extents))))
