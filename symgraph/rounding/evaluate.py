"""A tape at points: in floating point, all points at once, and exactly, one point after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import sympy as sp
from mpmath import libmp
from mpmath.libmp import fnan

from symgraph.rounding.functions import ABSENT, ROWS, Raw, as_float, bits
from symgraph.rounding.tape import Operation, Tape

PRECISIONS = {"float32": (96, 144, 320, 400), "float64": (112, 160, 400, 1300, 1400)}
"""Bits, one after the other: where two in turn give one value, it is certain."""
Point = Sequence[float] | np.ndarray
STEP = 64
"""Bits below its own by which a variable is moved."""
CERTAIN = 72
"""Bits that both have to agree in."""


def floating(tape: Tape, points: np.ndarray) -> list[Any]:
    """The value of every operation, rounded as the points' dtype rounds; ``points`` are (variables, points)."""
    dtype = points.dtype
    given = dict(zip(tape.variables, points, strict=True))
    found: list[Any] = []
    with np.errstate(all="ignore"):
        for position, operation in enumerate(tape.operations):
            if operation.number is not None:
                found.append(dtype.type(nearest(operation.number)))
            elif operation.key is not None:
                found.append(given[position])
            else:
                found.append(ROWS[operation.name].floating(*(found[n] for n in operation.operands)))
    return found


@lru_cache(maxsize=4096)
def nearest(number: sp.Expr) -> float:
    """The float64 nearest to a number; NaN where it is not real."""
    try:
        return number.p / number.q if isinstance(number, sp.Rational) else float(number)
    except OverflowError:
        return np.inf if number.is_positive else -np.inf
    except TypeError:
        return np.nan


@lru_cache(maxsize=4096)
def number_at(number: sp.Expr, bits: int) -> Raw:
    """A number to so many bits."""
    if isinstance(number, sp.Rational):
        return libmp.from_rational(number.p, number.q, bits, "n")  # type: ignore[no-any-return]
    if number.is_infinite or number is sp.nan:
        return {sp.oo: libmp.finf, -sp.oo: libmp.fninf}.get(number, fnan)  # type: ignore[no-any-return]
    found = number._eval_evalf(bits) if isinstance(number, sp.Float) else sp.N(number, int(bits * 0.302) + 3)
    return getattr(found, "_mpf_", fnan)  # type: ignore[no-any-return]


def at_precision(tape: Tape, point: Mapping[int, Raw], precision: int) -> list[Raw]:
    """The value of every operation at one point, each to so many bits; NaN where there is none."""
    found: list[Raw] = []
    for position, operation in enumerate(tape.operations):
        if operation.number is not None:
            found.append(number_at(operation.number, precision))
        elif operation.key is not None:
            found.append(point[position])
        else:
            try:
                found.append(ROWS[operation.name].exact(*(found[n] for n in operation.operands), precision))
            except ABSENT:
                found.append(fnan)
    return found


def exact(tape: Tape, point: Point, dtype: np.dtype[Any]) -> tuple[Raw, int] | None:
    """The value at one point, certain to ``CERTAIN`` bits, and the bits it took; None where it has none, or is not
    certain. What is far below the least number of ``dtype`` is 0."""
    given = {position: libmp.from_float(float(x)) for position, x in zip(tape.variables, point, strict=True)}
    before, values, precision = fnan, [], 0
    for precision in PRECISIONS[dtype.name]:
        values = at_precision(tape, given, precision)
        value = values[tape.result]
        if value == before == fnan:
            return None
        if value[1] and before[1]:
            gap = libmp.mpf_sub(value, before, 40, "n")
            if not gap[1] or bits(gap) < bits(value) - CERTAIN:
                return value, precision
        last, before = before, value
    if before[1] or last != before or _is_lost(tape, values):
        return None
    return before, precision


def _is_lost(tape: Tape, values: Sequence[Raw]) -> bool:
    """Whether a difference of values that are not rational is 0: it may have been too small for the precision."""

    def is_doubtful(operation: Operation, value: Raw) -> bool:
        if operation.name not in ("add", "sub") or value != libmp.fzero or len(set(operation.operands)) == 1:
            return False
        return any(values[n][1] for n in operation.operands) and not all(tape.rational[n] for n in operation.operands)

    return any(map(is_doubtful, tape.operations, values))


def condition(tape: Tape, point: Point, precision: int) -> float:
    """Σ |xᵢ·∂f/∂xᵢ|: how far the value moves, at the first order, if every variable moves by its own size."""
    given = {position: libmp.from_float(float(x)) for position, x in zip(tape.variables, point, strict=True)}
    precision += 2 * STEP
    step = libmp.mpf_add(libmp.fone, libmp.mpf_shift(libmp.fone, -STEP), precision, "n")
    at = at_precision(tape, given, precision)[tape.result]
    total = libmp.fzero
    for position, x in given.items():
        if x[1]:
            moved = given | {position: libmp.mpf_mul(x, step, precision, "n")}
            gap = libmp.mpf_sub(at_precision(tape, moved, precision)[tape.result], at, 53, "n")
            total = libmp.mpf_add(total, libmp.mpf_abs(libmp.mpf_shift(gap, STEP)), 53, "n")
    return as_float(total)
