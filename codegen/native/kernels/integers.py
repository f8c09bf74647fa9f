"""Loops over ``range``, and ``//`` and ``%`` by a constant, as few instructions.

Numba counts a loop's rounds before it, by a division, and raises where the step is zero; its ``//`` branches where the
divisor is zero, where the quotient overflows, and where signs differ. LLVM removes all this again, which is half of
what it does for a program. Here a loop compares its index with its end, and a quotient by a positive constant is
rounded down without a branch. The rest is Numba's.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.imputils import Registry
from numba.cpython import numbers

registry = Registry("symgraph integers")
"""To be installed after Numba's: of two lowerings of one signature the later holds."""

_INDEX = types.int64
_STATE, _ITERATOR = types.range_state64_type, types.range_iter64_type
Lowering = Callable[[Any, ir.IRBuilder, Any, Any], ir.Value]


def _packed(*fill: int) -> Lowering:
    """``{start, stop, step}`` of a range with ``start`` and ``step``, where they are not given, from ``fill``."""

    def lower(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
        before, after = (ir.Constant(ir.IntType(64), value) for value in fill)
        values = {1: [before, *arguments, after], 2: [*arguments, after], 3: arguments}[len(arguments)]
        return cgutils.pack_struct(builder, values)

    return lower


for _count in (1, 2, 3):
    registry.lower(range, *[_INDEX] * _count)(_packed(0, 1))


def _iterator(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
    """Numba's ``{place of the index, stop, step, place of the count}``, of which the last has no use."""
    start, stop, step = cgutils.unpack_tuple(builder, arguments[0], 3)
    place = cgutils.alloca_once_value(builder, start)
    return cgutils.pack_struct(builder, [place, stop, step, ir.Constant(place.type, None)])


def _next(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
    """``{index, whether it is one of the range}``. Of the two comparisons LLVM keeps one: it knows the step."""
    place, stop, step, _ = cgutils.unpack_tuple(builder, arguments[0], 4)
    index = builder.load(place)
    builder.store(builder.add(index, step, flags=["nsw"]), place)
    rises = builder.icmp_signed(">", step, ir.Constant(step.type, 0))
    below, above = builder.icmp_signed("<", index, stop), builder.icmp_signed(">", index, stop)
    return cgutils.pack_struct(builder, [index, builder.select(rises, below, above)])


registry.lower("getiter", _STATE)(_iterator)
registry.lower("iternext", _ITERATOR)(_next)


def _by_constant(rounded: Callable[[ir.IRBuilder, ir.Value, ir.Constant], ir.Value], general: Lowering) -> Lowering:
    """``rounded`` where a signed number is divided by a positive constant, else Numba's lowering."""

    def lower(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
        kind, divisor = signature.return_type, arguments[1]
        if not (kind.signed and isinstance(divisor, ir.Constant) and divisor.constant > 0):
            return general(context, builder, signature, arguments)
        value, divisor = (context.cast(builder, *of, kind) for of in zip(arguments, signature.args, strict=True))
        return rounded(builder, value, divisor)

    return lower


def _below_zero(builder: ir.IRBuilder, value: ir.Value) -> ir.Value:
    """−1 where the value is negative, else 0."""
    return builder.ashr(value, ir.Constant(value.type, value.type.width - 1))


def _quotient(builder: ir.IRBuilder, value: ir.Value, divisor: ir.Constant) -> ir.Value:
    """⌊value/divisor⌋: the machine's quotient, which is rounded to zero, less 1 where the remainder is negative."""
    return builder.add(builder.sdiv(value, divisor), _below_zero(builder, builder.srem(value, divisor)))


def _remainder(builder: ir.IRBuilder, value: ir.Value, divisor: ir.Constant) -> ir.Value:
    """``value`` modulo ``divisor``, in 0 … divisor − 1."""
    rest = builder.srem(value, divisor)
    return builder.add(rest, builder.and_(_below_zero(builder, rest), divisor))


for _words, _rounded, _general in (
    ((operator.floordiv, operator.ifloordiv), _quotient, numbers.int_floordiv_impl),
    ((operator.mod, operator.imod), _remainder, numbers.int_rem_impl),
):
    for _word in _words:
        registry.lower(_word, types.Integer, types.Integer)(_by_constant(_rounded, _general))
