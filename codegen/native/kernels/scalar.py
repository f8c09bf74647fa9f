"""Scalar words that need no polynomial: maximum, minimum, select, sign, roots, fma and the free-order sum.

``maximum`` and ``minimum`` return NaN if either operand is NaN, and of 0 and −0 either: what NumPy's functions of these
names do, and one the loop vectoriser turns into a reduction. They take integers too; Python's own ``min`` and ``max``
are overloads in Numba, each compiled like a function.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types

from codegen.native.kernels.binding import bind
from codegen.native.kernels.lane import Lane, call, copysign
from codegen.native.kernels.lane import fma as fused
from codegen.native.kernels.lane import select as choose
from codegen.native.kernels.lane_llvm import lowering

Scalar = Any
"""A Python or NumPy scalar."""


def maximum(a: Scalar, b: Scalar) -> Scalar:
    """The larger of two; NaN if either is NaN."""
    return np.maximum(a, b)


def minimum(a: Scalar, b: Scalar) -> Scalar:
    """The smaller of two; NaN if either is NaN."""
    return np.minimum(a, b)


def select(condition: Scalar, a: Scalar, b: Scalar) -> Scalar:
    """``a if condition else b`` with both evaluated: no branch, and neither value can reach the other's result."""
    return a if condition else b


def sign(x: Scalar) -> Scalar:
    """−1, 0 or 1 (±0 for ±0, NaN for NaN)."""
    return np.sign(x)


def sqrt(x: Scalar) -> Scalar:
    """Square root, correctly rounded."""
    return np.sqrt(x)


def rsqrt(x: Scalar) -> Scalar:
    """1/√x, two roundings."""
    return type(x)(1) / np.sqrt(x)


def floor(x: Scalar) -> Scalar:
    """The largest integer not above ``x``, as a float."""
    return np.floor(x)


def fma(a: Scalar, b: Scalar, c: Scalar) -> Scalar:
    """``a*b + c``, natively rounded once."""
    return a * b + c


def accumulate(total: Scalar, term: Scalar) -> Scalar:
    """``total + term`` in a sum whose order is free: the one addition that the vectoriser may reorder into lanes."""
    return total + term


def _same_floats(first: types.Type, *others: types.Type) -> types.Type | None:
    return first if isinstance(first, types.Float) and all(other == first for other in others) else None


def _as_int64(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> list[ir.Value]:
    pairs = zip(arguments, signature.args, strict=True)
    return [context.cast(builder, value, kind, types.int64) for value, kind in pairs]


def _lower_accumulate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
    if signature.return_type == types.int64:
        return builder.add(*_as_int64(context, builder, signature, arguments))
    return builder.fadd(*arguments, flags=("reassoc", "nsz", "contract"))


def _sign(x: Lane) -> Lane:
    return choose(x.equals(0.0) | x.is_nan(), x, copysign(x.constant(1.0), x))


def _lower_select(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
    return builder.select(*arguments)


def _same_numbers(a: types.Type, b: types.Type) -> types.Type | None:
    return types.int64 if isinstance(a, types.Integer) and isinstance(b, types.Integer) else _same_floats(a, b)


def _lower_extremum(of_floats: str, of_integers: str) -> Callable[..., Any]:
    floats = lowering(lambda a, b: call(of_floats, a, b))

    def lower(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
        if signature.return_type != types.int64:
            return floats(context, builder, signature, arguments)
        first, second = _as_int64(context, builder, signature, arguments)
        return builder.select(builder.icmp_signed(of_integers, first, second), first, second)

    return lower


bind(maximum, lambda a, b: _same_numbers(a, b), _lower_extremum("maximum", ">"))
bind(minimum, lambda a, b: _same_numbers(a, b), _lower_extremum("minimum", "<"))
bind(select, lambda condition, a, b: a if isinstance(condition, types.Boolean) and a == b else None, _lower_select)
bind(sign, lambda x: _same_floats(x), lowering(_sign))
bind(sqrt, lambda x: _same_floats(x), lowering(lambda x: call("sqrt", x)))
bind(rsqrt, lambda x: _same_floats(x), lowering(lambda x: 1.0 / call("sqrt", x)))
bind(floor, lambda x: _same_floats(x), lowering(lambda x: call("floor", x)))
bind(fma, lambda a, b, c: _same_floats(a, b, c), lowering(fused))
bind(accumulate, lambda total, term: _same_numbers(total, term), _lower_accumulate)
