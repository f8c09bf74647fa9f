"""Packing: copies a block of a matrix, as it is or transposed, to where a tile can stream it with unit stride.

    copy_block        out[out_start + r·out_row + c]  =  source[source_start + r·source_row + c]
    transpose_block   out[out_start + c·out_row + r]  =  source[source_start + r·source_row + c]        r < rows, c <
    cols

A copy moves vectors of a row. A transposition goes through registers in squares of one vector: log₂(lanes) rounds that
exchange the off-diagonal halves, quarters, … of the square (J. O. Eklundh, IEEE Trans. Computers C-21, 1972), so that
all memory traffic is whole vectors.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types

from codegen.native.compile import register_file
from codegen.native.kernels.binding import bind
from codegen.native.kernels.pointer import Buffer, FlatArray
from codegen.native.kernels.shared import call_shared
from codegen.native.kernels.vectors import INDEX, first_lanes, masked_load, masked_store, numbers, vector_type


def copy_block(
    out: FlatArray,
    out_start: int,
    out_row: int,
    source: FlatArray,
    source_start: int,
    source_row: int,
    rows: int,
    cols: int,
) -> None:
    """Copy ``rows`` × ``cols`` elements between two row lengths."""
    r, c = np.arange(rows)[:, None], np.arange(cols)
    out[out_start + r * out_row + c] = source[source_start + r * source_row + c]


def transpose_block(
    out: FlatArray,
    out_start: int,
    out_row: int,
    source: FlatArray,
    source_start: int,
    source_row: int,
    rows: int,
    cols: int,
) -> None:
    """Copy the transpose of ``rows`` × ``cols`` elements: row r of the source becomes column r of ``out``."""
    r, c = np.arange(rows)[:, None], np.arange(cols)
    out[out_start + c * out_row + r] = source[source_start + r * source_row + c]


def _typer(
    out: types.Type,
    out_start: types.Type,
    out_row: types.Type,
    source: types.Type,
    source_start: types.Type,
    source_row: types.Type,
    rows: types.Type,
    cols: types.Type,
) -> types.Type | None:
    return types.none if isinstance(out, Buffer) and out == source and isinstance(out.dtype, types.Float) else None


LEAST_SQUARES = 4
"""Of a block that a function copies."""
Walk = Callable[..., None]
"""``(builder, element, arguments …)`` in, the instructions of a block out."""


def _vector_of(element: ir.Type) -> ir.VectorType:
    """A whole register of reals."""
    return vector_type(element, register_file()[0] // (8 if element == ir.DoubleType() else 4))


def _walk(write: Callable[..., None], height: int | None = None) -> Walk:
    """Over the block in squares of one vector, or pieces of ``height``; what the edges leave over is masked."""

    def walk(
        builder: ir.IRBuilder,
        element: ir.Type,
        out: ir.Value,
        out_start: ir.Value,
        out_row: ir.Value,
        source: ir.Value,
        source_start: ir.Value,
        source_row: ir.Value,
        rows: ir.Value,
        cols: ir.Value,
    ) -> None:
        vector = _vector_of(element)
        zero, step = ir.Constant(INDEX, 0), ir.Constant(INDEX, vector.count)
        with (
            cgutils.for_range_slice(builder, zero, rows, ir.Constant(INDEX, height or vector.count), INDEX) as (r, _),
            cgutils.for_range_slice(builder, zero, cols, step, INDEX) as (c, _),
        ):
            to_row, to_col = (r, c) if write is _copy_row else (c, r)
            to = _shifted(builder, out, element, out_start, to_row, out_row, to_col)
            origin = _shifted(builder, source, element, source_start, r, source_row, c)
            write(builder, vector, to, out_row, origin, source_row, builder.sub(rows, r), builder.sub(cols, c))

    return walk


def _called(name: str, walk: Walk) -> Walk:
    """A walk as a function, which all the kernels of a program have in common: its code is long. A block that is not
    known to be of ``LEAST_SQUARES`` is walked over in its place, as a call would be much of the work."""

    def call(builder: ir.IRBuilder, element: ir.Type, *values: ir.Value) -> None:
        sizes = [extent.constant if isinstance(extent, ir.Constant) else 1 for extent in values[-2:]]
        if math.prod(-(-size // _vector_of(element).count) for size in sizes) < LEAST_SQUARES:
            walk(builder, element, *values)
            return
        call_shared(builder, f"symgraph_{name}_{element}", values, lambda inner, *given: walk(inner, element, *given))

    return call


def _lowering(walk: Walk) -> Callable[..., Any]:
    def lower(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
        values = (
            value if isinstance(kind, Buffer) else context.cast(builder, value, kind, types.intp)
            for kind, value in zip(signature.args, arguments, strict=True)
        )
        walk(builder, context.get_value_type(signature.args[0].dtype), *values)
        return context.get_dummy_value()

    return lower


def _shifted(
    builder: ir.IRBuilder,
    pointer: ir.Value,
    element: ir.Type,
    start: ir.Value,
    row: ir.Value,
    stride: ir.Value,
    col: ir.Value,
) -> ir.Value:
    offset = builder.add(start, builder.add(builder.mul(row, stride), col))
    return builder.gep(pointer, [offset], inbounds=True, source_etype=element)


def _load_rows(
    builder: ir.IRBuilder, vector: ir.VectorType, origin: ir.Value, stride: ir.Value, rows: ir.Value, cols: ir.Value
) -> tuple[list[ir.Value], ir.Value]:
    """The rows of a square, those past the edge being copies of the last one, and the mask of its columns."""
    mask = first_lanes(builder, cols, 0, vector.count)
    last = builder.sub(rows, ir.Constant(INDEX, 1))
    loaded = []
    for r in range(vector.count):
        number = ir.Constant(INDEX, r)
        row = builder.select(builder.icmp_signed("<", number, last), number, last)
        address = builder.gep(origin, [builder.mul(row, stride)], inbounds=True, source_etype=vector.element)
        loaded.append(masked_load(builder, vector, address, mask))
    return loaded, mask


def _store_rows(
    builder: ir.IRBuilder, values: list[ir.Value], to: ir.Value, stride: ir.Value, rows: ir.Value, mask: ir.Value
) -> None:
    for r, value in enumerate(values):
        number = ir.Constant(INDEX, r)
        with builder.if_then(builder.icmp_signed("<", number, rows)):
            address = builder.gep(to, [builder.mul(number, stride)], inbounds=True, source_etype=value.type.element)
            masked_store(builder, value, address, mask)


def _copy_row(
    builder: ir.IRBuilder,
    vector: ir.VectorType,
    to: ir.Value,
    to_row: ir.Value,
    origin: ir.Value,
    row: ir.Value,
    rows: ir.Value,
    cols: ir.Value,
) -> None:
    mask = first_lanes(builder, cols, 0, vector.count)
    masked_store(builder, masked_load(builder, vector, origin, mask), to, mask)


def _transpose_square(
    builder: ir.IRBuilder,
    vector: ir.VectorType,
    to: ir.Value,
    to_row: ir.Value,
    origin: ir.Value,
    row: ir.Value,
    rows: ir.Value,
    cols: ir.Value,
) -> None:
    values, _ = _load_rows(builder, vector, origin, row, rows, cols)
    distance = vector.count // 2
    while distance:
        for i in range(vector.count):
            if not i & distance:
                values[i], values[i + distance] = _exchanged(builder, values[i], values[i + distance], distance)
        distance //= 2
    _store_rows(builder, values, to, to_row, cols, first_lanes(builder, rows, 0, vector.count))


def _exchanged(builder: ir.IRBuilder, upper: ir.Value, lower: ir.Value, distance: int) -> tuple[ir.Value, ir.Value]:
    """Swap the lanes of ``upper`` that have the bit ``distance`` set with the lanes of ``lower`` that have not."""
    count = upper.type.count
    first = numbers(tuple(lane if not lane & distance else count + lane - distance for lane in range(count)))
    second = numbers(tuple(lane + distance if not lane & distance else count + lane for lane in range(count)))
    return builder.shuffle_vector(upper, lower, first), builder.shuffle_vector(upper, lower, second)


bind(copy_block, _typer, _lowering(_walk(_copy_row, height=1)))
bind(transpose_block, _typer, _lowering(_called("transpose_block", _walk(_transpose_square))))
