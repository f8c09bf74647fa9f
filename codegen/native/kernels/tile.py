"""The register tile of a matrix product: a small block of the output that stays in registers while the whole depth
streams past.

    out[out_start + r·out_row + c]  =  Σ_{k < depth} a[a_start + r·a_row + k·a_col] · b[b_start + k·b_row + c]
    r < live_rows, c < live_cols

Per k it loads one row of ``b`` into vectors, broadcasts one element of ``a`` per row, and does one fused multiply-add
per row and vector. ``a`` may have any layout, its transpose included; ``b`` has unit stride in c. Columns beyond
``live_cols`` are masked, rows beyond ``live_rows`` compute the last row again and are not stored, so a ragged edge
costs no more than a whole tile. A single live row, which is all of a batch of one, has a loop of its own: it waits for
``b`` and for nothing else. Where rows and depth of a window are several indices each, their :data:`Steps` take the
place of a stride: the offsets are constants in a table, and no copy of the window is made. Every element is summed in
the order of k, so a row does not depend on the others; a ``depth`` of more than ``SHORT_SUM`` in blocks of
``DEPTH_BLOCK``, whose sums are added in float64.
(K. Goto, R. van de Geijn, ACM Trans. Math. Softw. 34, 2008, sec. 4; the tile is their register block.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import from_dtype
from numba.core import cgutils, types

from codegen.loops.numbers import SHORT_SUM
from codegen.native.kernels.binding import bind
from codegen.native.kernels.pointer import Buffer, Dtype, FlatArray
from codegen.native.kernels.shared import call_shared
from codegen.native.kernels.vectors import (
    INDEX,
    first_lanes,
    fused,
    item_bytes,
    masked_load,
    masked_store,
    splat,
    vector_type,
    widths,
)

Tile = Callable[[FlatArray, int, int, FlatArray, int, int, int, FlatArray, int, int, int, int, int], None]
Steps = tuple[tuple[int, int], ...]
"""How many values each index of several has, and how far apart they lie, in elements; the first index changes last."""

_INT32 = ir.IntType(32)
_WAY_BYTES = 4096
"""Rows of ``b`` a multiple of this apart share few sets of the first-level cache, each of which holds eight lines or
so: the quick loop for one row would run further ahead, and evict what it has yet to read."""

DEPTH_BLOCK = 256
"""Terms of a block: its sums leave the registers once, for as many multiplications."""


def offsets(steps: Steps) -> np.ndarray:
    """Where each value of several indices lies, one after the other."""
    found = np.zeros(1, np.int32)
    for count, distance in steps:
        found = (found[:, None] + distance * np.arange(count, dtype=np.int32)).ravel()
    return found


@cache
def tile(
    rows: int,
    cols: int,
    dtype: Dtype,
    accumulate: bool = False,
    left: tuple[Steps, Steps] | None = None,
    right: Steps | None = None,
    out_rows: Steps | None = None,
    width: int | None = None,
) -> Tile:
    """Make the tile of one size: a word, callable natively and from Python.

    Parameters
    ----------
    rows, cols
        Size of the block; :func:`codegen.native.kernels.blocking.choose_tile` picks one that fits the registers.
    dtype
        ``float32`` or ``float64``, of all three buffers.
    accumulate
        Add to ``out`` instead of overwriting it.
    left
        Rows and depth of ``a``, where they are several indices each. ``a_row`` is then the number of the first row
        among all, and ``a_col`` is not used.
    right
        The same of the depth of ``b``, in place of ``b_row``.
    out_rows
        The same of the rows of ``out``. ``out_row`` is then the number of the first one.
    width
        Columns of the whole product, if known: what is left for the last tile of a row has vectors of its own.

    Returns
    -------
    tile
        ``tile(out, out_start, out_row, a, a_start, a_row, a_col, b, b_start, b_row, depth, live_rows, live_cols)``.
    """

    def block(
        out: FlatArray,
        out_start: int,
        out_row: int,
        a: FlatArray,
        a_start: int,
        a_row: int,
        a_col: int,
        b: FlatArray,
        b_start: int,
        b_row: int,
        depth: int,
        live_rows: int,
        live_cols: int,
    ) -> None:
        r, k, c = np.arange(live_rows), np.arange(depth), np.arange(live_cols)
        a_rows = r * a_row if left is None else offsets(left[0])[a_row + r]
        one = a[a_start + a_rows[:, None] + (k * a_col if left is None else offsets(left[1]))]
        other = b[b_start + (k * b_row if right is None else offsets(right))[:, None] + c]
        place = out_start + (r * out_row if out_rows is None else offsets(out_rows)[out_row + r])[:, None] + c
        # Row by row: the bits of a row do not depend on how many others are in the block.
        product = one[:, None] @ other if depth <= SHORT_SUM else _in_blocks(one[:, None], other)
        out[place] = product[:, 0] + (out[place] if accumulate else 0)

    block.__name__ = block.__qualname__ = (
        f"tile_{rows}x{cols}_{np.dtype(dtype).name}{'_accumulate' if accumulate else ''}"
    )
    element = from_dtype(np.dtype(dtype))
    steps = (*(left or (None, None)), right, out_rows)

    def typer(
        out: types.Type,
        out_start: types.Type,
        out_row: types.Type,
        a: types.Type,
        a_start: types.Type,
        a_row: types.Type,
        a_col: types.Type,
        b: types.Type,
        b_start: types.Type,
        b_row: types.Type,
        depth: types.Type,
        live_rows: types.Type,
        live_cols: types.Type,
    ) -> types.Type | None:
        return types.none if out == a == b == Buffer(element) else None

    def lower(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
        values = (
            value if isinstance(kind, Buffer) else context.cast(builder, value, kind, types.intp)
            for kind, value in zip(signature.args, arguments, strict=True)
        )
        kind = context.get_value_type(element)
        out, out_start, out_row, a, a_start, a_row, a_col, b, b_start, b_row, depth, *live = values
        out, a, b = (
            builder.gep(matrix, [start], inbounds=True, source_etype=kind)
            for matrix, start in ((out, out_start), (a, a_start), (b, b_start))
        )
        zero = ir.Constant(INDEX, 0)
        operands = _Operands(out, out_row, a, a_row, a_col, b, b_row, zero, depth, *live)
        last = (width or cols) % cols or cols
        whole, narrow = (_Tile(rows, widths(columns, dtype), kind, accumulate, steps) for columns in (cols, last))
        if narrow.vectors == whole.vectors:
            whole.call(builder, operands)
            return context.get_dummy_value()
        is_last = builder.icmp_signed("<=", operands.live_cols, ir.Constant(INDEX, last))
        with builder.if_else(is_last, likely=False) as (rest, others):
            with rest:
                narrow.call(builder, operands)
            with others:
                whole.call(builder, operands)
        return context.get_dummy_value()

    bind(block, typer, lower)
    return block


def _in_blocks(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """left @ right, whose blocks of depth are added in float64."""
    starts = range(0, len(right), DEPTH_BLOCK)
    parts = (left[..., k : k + DEPTH_BLOCK] @ right[k : k + DEPTH_BLOCK] for k in starts)
    total: np.ndarray = sum(part.astype(np.float64) for part in parts).astype(left.dtype)  # type: ignore[union-attr]
    return total


class _Operands(NamedTuple):
    """Arguments of a tile's function: matrices from their first element on, and terms first ≤ k < last of the sums."""

    out: ir.Value
    out_row: ir.Value
    a: ir.Value
    a_row: ir.Value
    a_col: ir.Value
    b: ir.Value
    b_row: ir.Value
    first: ir.Value
    last: ir.Value
    live_rows: ir.Value
    live_cols: ir.Value


class _Tile:
    """The functions of a tile: one for the terms that are added in one go, and one for the blocks of a long sum, which
    calls the other, so that what it keeps in memory has no part in the loop that stays in registers."""

    def __init__(
        self, rows: int, vectors: tuple[int, ...], element: ir.Type, accumulate: bool, steps: Sequence[Steps | None]
    ) -> None:
        words = (f"{rows}x{'+'.join(map(str, vectors))}", element, "added" if accumulate else "", *steps)
        self.name = " ".join(map(str, ("symgraph tile", *words)))
        self.rows, self.element, self.accumulate, self.steps = rows, element, accumulate, steps
        self.vectors = [vector_type(element, width) for width in vectors]
        self.starts = [sum(vectors[:v]) for v in range(len(vectors))]
        self.part = _Tile(rows, vectors, element, False, steps) if accumulate else self

    def call(self, builder: ir.IRBuilder, at: _Operands) -> None:
        """The call; of a depth that is known, one function is written."""
        if isinstance(at.last, ir.Constant):
            (self._long if at.last.constant > SHORT_SUM else self._short)(builder, at)
            return
        is_long = builder.icmp_signed(">", at.last, ir.Constant(INDEX, SHORT_SUM))
        with builder.if_else(is_long, likely=False) as (long, short):
            with long:
                self._long(builder, at)
            with short:
                self._short(builder, at)

    def _short(self, builder: ir.IRBuilder, at: _Operands) -> None:
        call_shared(builder, self.name, at, lambda inner, *given: _Block(inner, self).emit(_Operands(*given)))

    def _long(self, builder: ir.IRBuilder, at: _Operands) -> None:
        call_shared(builder, f"{self.name} long", at, lambda inner, *given: self._blocks(inner, _Operands(*given)))

    def _blocks(self, builder: ir.IRBuilder, at: _Operands) -> None:
        """total = out or 0; of each block, out = its sums, total += out, out = total."""
        block, double, width = _Block(builder, self), ir.DoubleType(), sum(vector.count for vector in self.vectors)
        total = builder.alloca(double, ir.Constant(INDEX, self.rows * width))
        masks = block.masks(at.live_cols)

        def for_vectors(is_first: bool) -> None:
            with cgutils.for_range(builder, at.live_rows, intp=INDEX) as loop:
                row = block.row(at.out, block.out_rows, loop.index, at.out_row)
                for vector, start, mask in zip(self.vectors, self.starts, masks, strict=True):
                    kind = ir.VectorType(double, vector.count)
                    number = builder.add(builder.mul(loop.index, ir.Constant(INDEX, width)), ir.Constant(INDEX, start))
                    place = builder.gep(total, [number], inbounds=True, source_etype=double)
                    place = builder.bitcast(place, kind.as_pointer())
                    out = block.shifted(row, ir.Constant(INDEX, start))
                    value = masked_load(builder, vector, out, mask)
                    value = value if vector == kind else builder.fpext(value, kind)
                    if not is_first:
                        value = builder.fadd(builder.load(place, align=8), value)
                        rounded = value if vector == kind else builder.fptrunc(value, vector)
                        masked_store(builder, rounded, out, mask)
                    elif not self.accumulate:
                        value = ir.Constant(kind, None)
                    builder.store(value, place, align=8)

        for_vectors(is_first=True)
        step = ir.Constant(INDEX, DEPTH_BLOCK)
        with cgutils.for_range_slice(builder, at.first, at.last, step, INDEX) as (first, _):
            last = block.smaller(builder.add(first, step), at.last)
            self.part._short(builder, at._replace(first=first, last=last))
            for_vectors(is_first=False)


class _Block:
    """Writes the instructions of one tile."""

    def __init__(self, builder: ir.IRBuilder, tile: _Tile) -> None:
        self.builder, self.tile, self.element = builder, tile, tile.element
        tables = (None if one is None else self._table(one) for one in tile.steps)
        self.left_rows, self.left_depth, self.right_depth, self.out_rows = tables

    def masks(self, live_cols: ir.Value) -> list[ir.Value]:
        """Of each vector of a row, which of its columns there are."""
        parts = zip(self.tile.starts, self.tile.vectors, strict=True)
        return [first_lanes(self.builder, live_cols, start, vector.count) for start, vector in parts]

    def emit(self, at: _Operands) -> None:
        tables = self.left_rows, self.right_depth, self.out_rows
        if self.tile.rows == 1 or any(table is not None for table in tables):
            self._rows(self.tile.rows, at)
            return
        builder, one = self.builder, ir.Constant(INDEX, 1)
        period = ir.Constant(INDEX, _WAY_BYTES // item_bytes(self.element))
        is_single = builder.icmp_signed("==", at.live_rows, one)
        spreads = builder.icmp_signed("!=", builder.srem(at.b_row, period), ir.Constant(INDEX, 0))
        with builder.if_else(builder.and_(is_single, spreads)) as (single, several):
            with single:
                self._rows(1, at._replace(live_rows=one))
            with several:
                self._rows(self.tile.rows, at)

    def _rows(self, rows: int, at: _Operands) -> None:
        """A tile of so many rows."""
        builder, vectors, starts = self.builder, self.tile.vectors, self.tile.starts
        last = builder.sub(at.live_rows, ir.Constant(INDEX, 1))
        masks = self.masks(at.live_cols)
        row_numbers = [self.smaller(ir.Constant(INDEX, r), last) for r in range(rows)]
        out_rows = [self.row(at.out, self.out_rows, r, at.out_row) for r in row_numbers]
        a_rows = [self.row(at.a, self.left_rows, r, at.a_row) for r in row_numbers]
        initial = [
            masked_load(builder, vector, self.shifted(row, ir.Constant(INDEX, start)), mask)
            if self.tile.accumulate
            else ir.Constant(vector, None)
            for row in out_rows
            for vector, start, mask in zip(vectors, starts, masks, strict=True)
        ]
        sums = self._loop(initial, a_rows, at, masks)
        for r, row in enumerate(out_rows):
            with builder.if_then(builder.icmp_signed(">", at.live_rows, ir.Constant(INDEX, r))):
                for v, mask in enumerate(masks):
                    place = self.shifted(row, ir.Constant(INDEX, starts[v]))
                    masked_store(builder, sums[r * len(masks) + v], place, mask)

    def _loop(
        self, initial: Sequence[ir.Value], a_rows: list[ir.Value], at: _Operands, masks: list[ir.Value]
    ) -> list[ir.Value]:
        """Accumulators after first ≤ k < last, which are phi nodes: nothing but registers."""
        builder = self.builder
        before = builder.block
        head, body, after = (builder.append_basic_block(f"tile.{part}") for part in ("head", "body", "end"))
        builder.branch(head)

        builder.position_at_end(head)
        k = builder.phi(INDEX)
        sums = [builder.phi(value.type) for value in initial]
        k.add_incoming(at.first, before)
        for phi, value in zip(sums, initial, strict=True):
            phi.add_incoming(value, before)
        builder.cbranch(builder.icmp_signed("<", k, at.last), body, after)

        builder.position_at_end(body)
        begin = builder.mul(k, at.b_row) if self.right_depth is None else self._listed(self.right_depth, k)
        line = self.shifted(at.b, begin)
        b_vectors = [
            masked_load(builder, vector, self.shifted(line, ir.Constant(INDEX, start)), mask)
            for vector, start, mask in zip(self.tile.vectors, self.tile.starts, masks, strict=True)
        ]
        offset = builder.mul(k, at.a_col) if self.left_depth is None else self._listed(self.left_depth, k)
        count = len(b_vectors)
        for r, row in enumerate(a_rows):
            scalar = builder.load(self.shifted(row, offset), typ=self.element)
            for v, b_vector in enumerate(b_vectors):
                total, broadcast = sums[r * count + v], splat(builder, scalar, b_vector.type.count)
                total.add_incoming(fused(builder, broadcast, b_vector, total), body)
        k.add_incoming(builder.add(k, ir.Constant(INDEX, 1)), body)
        builder.branch(head)

        builder.position_at_end(after)
        return sums

    def row(self, matrix: ir.Value, table: ir.GlobalVariable | None, row: ir.Value, step: ir.Value) -> ir.Value:
        """Where a row of a matrix begins: so many steps from its start, or as the table says, from that number on."""
        builder = self.builder
        return self.shifted(
            matrix, builder.mul(row, step) if table is None else self._listed(table, builder.add(step, row))
        )

    def _table(self, steps: Steps) -> ir.GlobalVariable:
        """The offsets of several indices, as constants."""
        module, values = self.builder.module, offsets(steps)
        kind = ir.ArrayType(_INT32, len(values))
        table = ir.GlobalVariable(module, kind, module.get_unique_name("offsets"))
        table.linkage, table.global_constant, table.unnamed_addr = "internal", True, True
        table.initializer = ir.Constant(kind, [int(value) for value in values])
        return table

    def _listed(self, table: ir.GlobalVariable, number: ir.Value) -> ir.Value:
        builder = self.builder
        place = builder.gep(table, [number], inbounds=True, source_etype=_INT32)
        return builder.sext(builder.load(place, typ=_INT32), INDEX)

    def smaller(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return self.builder.select(self.builder.icmp_signed("<", a, b), a, b)

    def shifted(self, pointer: ir.Value, elements: ir.Value) -> ir.Value:
        return self.builder.gep(pointer, [elements], inbounds=True, source_etype=self.element)
