"""Random numbers as a word: ``uniform(width, key, stream, step, row, column)``, of (0, width) by Threefry-2×32.

The rounds are additions, rotations and exclusive or of 32-bit integers, which the loop vectoriser widens; the algorithm
and its Python meaning are :mod:`symgraph.core.threefry`. ``width`` tells the dtype.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types

from codegen.native.kernels.binding import bind
from codegen.native.kernels.lane import Lane, call, fma
from codegen.native.kernels.lane_llvm import lanes
from symgraph.core import threefry

Scalar = Any


def uniform(width: Scalar, key: int, stream: int, step: int, row: int, column: int) -> Scalar:
    """The random number of (0, width) at key, stream, step and place row + column, which count modulo 2³².

    The place comes in two parts, so that the loop over the second counts in 32 bits.
    """
    dtype = type(width) if isinstance(width, np.floating) else np.float64
    return width * threefry.uniform(key, stream, step, row + column, dtype)


def _rotated(word: Lane, count: int) -> Lane:
    return call("fshl", word, word, word.constant(count))


def threefry_lanes(key: tuple[Lane, Lane], counter: tuple[Lane, Lane]) -> tuple[Lane, Lane]:
    """The two words, of 32-bit lanes."""
    keys = (*key, key[0] ^ key[1] ^ threefry.PARITY)
    a, b = counter[0] + keys[0], counter[1] + keys[1]
    for group in range(threefry.GROUPS):
        for rotation in threefry.ROTATIONS[:4] if group % 2 == 0 else threefry.ROTATIONS[4:]:
            a = a + b
            b = _rotated(b, rotation) ^ a
        a = a + keys[(group + 1) % 3]
        b = b + keys[(group + 2) % 3] + (group + 1)
    return a, b


def uniform_lanes(width: Lane, *integers: Lane) -> Lane:
    """(w + ½)/2ᵏ of the first 23 or 52 bits, times the width: exact up to there."""
    key, stream, step, row, column = (lane.low() for lane in integers)
    first, second = threefry_lanes((key, stream), (row + column, step))
    if not width.is_double:
        number = first.unsigned_shift(9).to_float()
        return fma(number, 2.0**-23, 2.0**-24) * width
    high, low = first.unsigned(), second.unsigned_shift(12).unsigned()
    above_one = (high << 20 | low | 0x3FF0000000000000).as_float()
    return (above_one - (1.0 - 2.0**-53)) * width


def _type(
    width: types.Type, key: types.Type, stream: types.Type, step: types.Type, row: types.Type, column: types.Type
) -> types.Type | None:
    integers = all(isinstance(part, types.Integer) for part in (key, stream, step, row, column))
    return width if isinstance(width, types.Float) and integers else None


def _lower(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
    width, *rest = arguments
    whole = [
        context.cast(builder, value, kind, types.int64) for value, kind in zip(rest, signature.args[1:], strict=True)
    ]
    return uniform_lanes(*lanes(builder, (width, *whole))).value


bind(uniform, _type, _lower)
