"""Buffers: typed raw pointers, the only kind of memory that native kernels know.

``b[i]`` and ``b[i] = v`` on a ``Buffer`` are one address computation and one load or store: no bounds, no
wrap-around, no reference count. Un-jitted, the same source runs on flat one-dimensional NumPy arrays.

**Buffers that a function takes as arguments never overlap** (Fortran's rule for dummy arguments; ISO/IEC 1539-1:2018,
15.5.2.13), save those only read. The argument carries LLVM's ``noalias``, so the loop vectoriser needs no run-time
checks, however many buffers a kernel has; when a kernel is inlined, LLVM turns the attribute into alias scopes of
that one call, so memory of the arena that two kernels use one after the other stays correct. An array that a kernel
updates in place is one argument.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir

from codegen.native.kernels import types
from codegen.native.kernels.binding import Signature, bind
from codegen.native.kernels.types import Buffer, Integer, NumberClass, Type, cast

FlatArray = npt.NDArray[Any]

Dtype = type[Any]
"""A NumPy scalar type, such as ``numpy.float32``."""


def allow_overlap(function: ir.Function) -> None:
    """Withdraw that promise for one function: one that waits for other threads, which write into its buffers
    meanwhile."""
    for argument in function.args:
        argument.attributes.discard("noalias")


def element_address(
    builder: ir.IRBuilder, buffer: Buffer, base: ir.Value, index_type: Type, index: ir.Value
) -> ir.Value:
    """Address of ``buffer[index]``."""
    offset = cast(builder, index, index_type, types.int64)
    return builder.gep(base, [offset], inbounds=True, source_etype=buffer.dtype.llvm)


def at(arena: FlatArray, byte_offset: int, dtype: Dtype) -> FlatArray:
    """The typed buffer that starts ``byte_offset`` bytes into ``arena``.

    Parameters
    ----------
    arena
        A buffer, usually of ``uint8``; un-jitted a flat array.
    byte_offset
        A multiple of the item size of ``dtype``.
    dtype
        NumPy scalar type of the result, such as ``float32``.
    """
    rest = arena.view(np.uint8)[byte_offset:]
    size = np.dtype(dtype).itemsize
    return rest[: len(rest) // size * size].view(dtype)


def pointer(address: int, dtype: Dtype, count: int) -> FlatArray:
    """The buffer of ``count`` elements at a machine address. Native code does not look at ``count``; un-jitted it
    bounds the array."""
    # Un-jitted, both are usually elements of an array: NumPy integers, which ctypes does not take.
    size = int(count) * np.dtype(dtype).itemsize
    memory = (ctypes.c_uint8 * size).from_address(int(address))
    return np.frombuffer(memory, np.dtype(dtype))  # type: ignore[call-overload, no-any-return]


def _type_at(arena: Type, byte_offset: Type, dtype: Type) -> Type | None:
    return Buffer(dtype.dtype) if isinstance(arena, Buffer) and isinstance(dtype, NumberClass) else None


def _lower_at(builder: ir.IRBuilder, signature: Signature, arguments: Sequence[Any]) -> ir.Value:
    offset = cast(builder, arguments[1], signature.args[1], types.int64)
    return builder.gep(arguments[0], [offset], inbounds=True, source_etype=ir.IntType(8))


def _type_pointer(address: Type, dtype: Type, count: Type) -> Type | None:
    return Buffer(dtype.dtype) if isinstance(address, Integer) and isinstance(dtype, NumberClass) else None


def _lower_pointer(builder: ir.IRBuilder, signature: Signature, arguments: Sequence[Any]) -> ir.Value:
    return builder.inttoptr(arguments[0], signature.return_type.llvm)


bind(at, _type_at, _lower_at)
bind(pointer, _type_pointer, _lower_pointer)
