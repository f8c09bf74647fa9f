"""``//`` and ``%`` by a constant, as few instructions.

Numba's branch where the divisor is zero, where the quotient overflows, and where signs differ, which LLVM removes
again. Here a quotient by a positive constant is rounded down without a branch. The rest is Numba's.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.imputils import Registry
from numba.cpython import numbers

registry = Registry("symgraph integers")
"""To be installed after Numba's: of two lowerings of one signature the later holds."""

Lowering = Callable[[Any, ir.IRBuilder, Any, Any], ir.Value]


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
