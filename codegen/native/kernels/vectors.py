"""LLVM vectors: how many elements a register holds, and the few operations that tiles and packing are written with."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from llvmlite import ir

from codegen.native.compile import register_file
from codegen.native.kernels.pointer import Dtype

INDEX = ir.IntType(64)
_INT32 = ir.IntType(32)


def lanes(dtype: Dtype) -> int:
    """Elements of ``dtype`` in one register."""
    return register_file()[0] // np.dtype(dtype).itemsize


def widths(columns: int, dtype: Dtype) -> tuple[int, ...]:
    """Vectors that cover ``columns``: full registers, then one of the smallest power of two that holds the rest (at
    least 16 bytes)."""
    full, rest = divmod(columns, lanes(dtype))
    if not rest:
        return (lanes(dtype),) * full
    least = 16 // np.dtype(dtype).itemsize
    return (lanes(dtype),) * full + (max(least, 1 << (rest - 1).bit_length()),)


def vector_type(element: ir.Type, width: int) -> ir.VectorType:
    """LLVM's type of ``width`` elements."""
    return ir.VectorType(element, width)


@lru_cache(maxsize=1024)
def numbers(values: tuple[int, ...]) -> ir.Constant:
    """A vector of 32-bit numbers, as what selects lanes is; made, and written as text, once."""
    return ir.Constant(ir.VectorType(_INT32, len(values)), list(values))


def splat(builder: ir.IRBuilder, scalar: ir.Value, width: int) -> ir.Value:
    """A vector of ``width`` times the same scalar."""
    vector = ir.VectorType(scalar.type, width)
    first = builder.insert_element(ir.Constant(vector, ir.Undefined), scalar, ir.Constant(_INT32, 0))
    return builder.shuffle_vector(first, ir.Constant(vector, ir.Undefined), numbers((0,) * width))


def first_lanes(builder: ir.IRBuilder, live: ir.Value, start: int, width: int) -> ir.Value:
    """Mask of the lanes whose column ``start + lane`` lies below ``live``."""
    if register_file() == (64, 32) and width >= 8:
        # As the bits of a mask register. LLVM moves a comparison to where it is used, which is the inner loop.
        bits, most = ir.IntType(width), ir.Constant(INDEX, width)
        count = builder.sub(live, ir.Constant(INDEX, start))
        for relation, end in (("<", ir.Constant(INDEX, 0)), (">", most)):
            count = builder.select(builder.icmp_signed(relation, count, end), end, count)
        below = builder.sub(builder.shl(ir.Constant(INDEX, 1), count), ir.Constant(INDEX, 1))
        return builder.bitcast(builder.trunc(below, bits), ir.VectorType(ir.IntType(1), width))
    # Compared in 32 bits: a mask from 64-bit lanes would be made in two halves, again in every round of the inner loop.
    columns = numbers(tuple(range(start, start + width)))
    return builder.icmp_signed("<", columns, splat(builder, builder.trunc(live, _INT32), width))


def masked_load(builder: ir.IRBuilder, vector: ir.VectorType, address: ir.Value, mask: ir.Value) -> ir.Value:
    """Load the lanes in ``mask``; the others are not touched and become 0."""
    shape = ir.FunctionType(vector, [address.type, _INT32, mask.type, vector])
    load = _declare(builder, f"llvm.masked.load.{_suffix(vector)}.p0", shape)
    alignment = ir.Constant(_INT32, item_bytes(vector.element))
    return builder.call(load, [address, alignment, mask, ir.Constant(vector, None)])


def masked_store(builder: ir.IRBuilder, value: ir.Value, address: ir.Value, mask: ir.Value) -> None:
    """Store the lanes in ``mask``."""
    shape = ir.FunctionType(ir.VoidType(), [value.type, address.type, _INT32, mask.type])
    store = _declare(builder, f"llvm.masked.store.{_suffix(value.type)}.p0", shape)
    builder.call(store, [value, address, ir.Constant(_INT32, item_bytes(value.type.element)), mask])


def fused(builder: ir.IRBuilder, a: ir.Value, b: ir.Value, c: ir.Value) -> ir.Value:
    """``a*b + c`` lane by lane, rounded once."""
    shape = ir.FunctionType(a.type, [a.type] * 3)
    return builder.call(_declare(builder, f"llvm.fma.{_suffix(a.type)}", shape), [a, b, c])


def _declare(builder: ir.IRBuilder, name: str, shape: ir.FunctionType) -> Any:
    return builder.module.globals.get(name) or ir.Function(builder.module, shape, name)


def _suffix(vector: ir.VectorType) -> str:
    return f"v{vector.count}{'f64' if vector.element == ir.DoubleType() else 'f32'}"


def item_bytes(element: ir.Type) -> int:
    """Bytes of a floating number."""
    return 8 if element == ir.DoubleType() else 4
