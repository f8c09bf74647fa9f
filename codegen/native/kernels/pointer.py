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
import operator
from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import lower_builtin, models, register_model, type_callable

from codegen.native.kernels.binding import bind

FlatArray = npt.NDArray[Any]

Dtype = type[Any]
"""A NumPy scalar type, such as ``numpy.float32``."""


class Buffer(types.Type):  # type: ignore[misc]
    """Numba type of a raw pointer to elements of one dtype.

    Parameters
    ----------
    dtype
        Numba scalar type of an element: ``float32``, ``float64``, ``int64``, ``int32``, ``uint8``, …
    """

    def __init__(self, dtype: types.Type) -> None:
        self.dtype = dtype
        super().__init__(name=f"Buffer({dtype})")


@register_model(Buffer)
class BufferModel(models.PrimitiveModel):  # type: ignore[misc]
    """A buffer is a plain LLVM pointer everywhere; as an argument it is also promised not to overlap others."""

    def __init__(self, manager: Any, buffer: Buffer) -> None:
        element = manager.lookup(buffer.dtype).get_data_type()
        super().__init__(manager, buffer, element.as_pointer())

    def from_argument(self, builder: ir.IRBuilder, value: ir.Argument) -> ir.Value:
        value.add_attribute("noalias")
        return value


def allow_overlap(function: ir.Function) -> None:
    """Withdraw the promise of :class:`BufferModel` for one function: one that waits for other threads, which write
    into its buffers meanwhile."""
    for argument in function.args:
        argument.attributes.discard("noalias")


def element_address(
    context: Any, builder: ir.IRBuilder, buffer: Buffer, base: ir.Value, index_type: types.Type, index: ir.Value
) -> ir.Value:
    """Address of ``buffer[index]``."""
    offset = context.cast(builder, index, index_type, types.intp)
    element = context.data_model_manager[buffer.dtype].get_data_type()
    return builder.gep(base, [offset], inbounds=True, source_etype=element)


@type_callable(operator.getitem)  # type: ignore[untyped-decorator]
def _type_getitem(context: Any) -> Any:
    def typer(buffer: types.Type, index: types.Type) -> types.Type | None:
        return buffer.dtype if isinstance(buffer, Buffer) and isinstance(index, types.Integer) else None

    return typer


@type_callable(operator.setitem)  # type: ignore[untyped-decorator]
def _type_setitem(context: Any) -> Any:
    def typer(buffer: types.Type, index: types.Type, value: types.Type) -> types.Type | None:
        return types.none if isinstance(buffer, Buffer) and isinstance(index, types.Integer) else None

    return typer


@lower_builtin(operator.getitem, Buffer, types.Integer)  # type: ignore[untyped-decorator]
def _lower_getitem(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
    buffer, index_type = signature.args
    address = element_address(context, builder, buffer, arguments[0], index_type, arguments[1])
    return context.unpack_value(builder, buffer.dtype, address)


@lower_builtin(operator.setitem, Buffer, types.Integer, types.Any)  # type: ignore[untyped-decorator]
def _lower_setitem(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
    buffer, index_type, value_type = signature.args
    address = element_address(context, builder, buffer, arguments[0], index_type, arguments[1])
    value = context.cast(builder, arguments[2], value_type, buffer.dtype)
    context.pack_value(builder, buffer.dtype, value, address)
    return context.get_dummy_value()


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


def _type_at(arena: types.Type, byte_offset: types.Type, dtype: types.Type) -> types.Type | None:
    return Buffer(dtype.dtype) if isinstance(arena, Buffer) and isinstance(dtype, types.NumberClass) else None


def _lower_at(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
    offset = context.cast(builder, arguments[1], signature.args[1], types.intp)
    byte = builder.bitcast(arguments[0], cgutils.voidptr_t)
    start = builder.gep(byte, [offset], inbounds=True, source_etype=cgutils.int8_t)
    return builder.bitcast(start, context.get_value_type(signature.return_type))


def _type_pointer(address: types.Type, dtype: types.Type, count: types.Type) -> types.Type | None:
    return Buffer(dtype.dtype) if isinstance(address, types.Integer) and isinstance(dtype, types.NumberClass) else None


def _lower_pointer(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
    return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))


bind(at, _type_at, _lower_at)
bind(pointer, _type_pointer, _lower_pointer)
