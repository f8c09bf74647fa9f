"""Threads of one native program: every thread runs the same driver with its number, works on its share, and meets the
others at barriers.

    first, last = chunk(N, 8, thread, threads)
    forward(..., first, last)
    barrier(sync, threads)              # what forward wrote, every thread may now read

There is no fork and join per loop, as with OpenMP or ``prange``: a barrier costs a fraction of a microsecond. For
results that do not depend on the number of threads, split what is independent (rows of an output) and never a sum; a
sum over a split axis adds partial results of *fixed* blocks in a fixed order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types

from codegen.native.barrier import SYMBOL, SYNC_WORDS
from codegen.native.kernels.binding import bind
from codegen.native.kernels.pointer import Buffer, FlatArray, allow_overlap

_INDEX = ir.IntType(64)


def barrier(sync: FlatArray, threads: int) -> None:
    """Wait until all ``threads`` threads are here; afterwards each sees what the others wrote before.

    Parameters
    ----------
    sync
        ``int64`` buffer of :data:`codegen.native.barrier.SYNC_WORDS` words, zero at first, shared by the threads.
    threads
        Their number. Un-jitted code runs one.

    Notes
    -----
    Call it in the function that holds the buffers which other threads write, not in one below it: a function with a
    barrier gives up the promise that its buffers do not overlap, since here they do change behind its back.
    """
    if threads != 1:
        raise ValueError(f"un-jitted code runs one thread, not {threads}")


def chunk(total: int, grain: int, thread: int, threads: int) -> tuple[int, int]:
    """The share [first, last) of ``thread`` in ``range(total)``: whole grains, as even as can be.

    ``first`` is a multiple of ``grain``; ``last`` too, save at the end. Shares of threads without work are empty.
    """
    grains = (total + grain - 1) // grain
    first = grains * thread // threads * grain
    last = grains * (thread + 1) // threads * grain
    return min(first, total), min(last, total)


def _type_barrier(sync: types.Type, threads: types.Type) -> types.Type | None:
    return types.none if sync == Buffer(types.int64) and isinstance(threads, types.Integer) else None


def _lower_barrier(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
    allow_overlap(builder.function)
    function = builder.module.globals.get(SYMBOL) or ir.Function(
        builder.module, ir.FunctionType(ir.VoidType(), [ir.PointerType(), _INDEX]), SYMBOL
    )
    threads = context.cast(builder, arguments[1], signature.args[1], types.intp)
    builder.call(function, [arguments[0], threads])
    return context.get_dummy_value()


def _type_chunk(total: types.Type, grain: types.Type, thread: types.Type, threads: types.Type) -> types.Type | None:
    pair = types.UniTuple(types.intp, 2)  # type: ignore[attr-defined]
    return pair if all(isinstance(kind, types.Integer) for kind in (total, grain, thread, threads)) else None


def _lower_chunk(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
    total, grain, thread, threads = (
        context.cast(builder, value, kind, types.intp) for kind, value in zip(signature.args, arguments, strict=True)
    )
    one = ir.Constant(_INDEX, 1)
    grains = builder.sdiv(builder.sub(builder.add(total, grain), one), grain)

    def bound(number: ir.Value) -> ir.Value:
        edge = builder.mul(builder.sdiv(builder.mul(grains, number), threads), grain)
        return builder.select(builder.icmp_signed("<", edge, total), edge, total)

    return context.make_tuple(builder, signature.return_type, [bound(thread), bound(builder.add(thread, one))])


def new_sync() -> np.ndarray[Any, np.dtype[np.int64]]:
    """A barrier's buffer, aligned to a cache line."""
    words = np.zeros(SYNC_WORDS + 8, np.int64)
    skip = -words.ctypes.data % 64 // 8
    return words[skip : skip + SYNC_WORDS]


bind(barrier, _type_barrier, _lower_barrier)
bind(chunk, _type_chunk, _lower_chunk)
