"""A tape at points: in floating point, all points at once, and exactly, one point after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import sympy as sp
from mpmath import libmp
from mpmath.libmp import fnan, fzero

from symgraph.rounding.bounds import EXACT, bound_of
from symgraph.rounding.functions import ROWS, SLOW
from symgraph.rounding.raw import ABSENT, Raw, as_float, bits
from symgraph.rounding.tape import Operation, Tape

FIRST, FEW, MOST = 128, 400, {"float32": 600, "float64": 1800}
"""Bits of the first evaluation; the most that are tried, of functions that mpmath has from series and of others."""
Point = Sequence[float] | np.ndarray
CERTAIN = 72
"""Bits that a value is certain to."""


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


def holds_numbers(tape: Tape, dtype: np.dtype[Any]) -> bool:
    """Whether no number of a formula is too large for a type."""
    numbers = (nearest(operation.number) for operation in tape.operations if operation.number is not None)
    return not any(float(np.finfo(dtype).max) < abs(number) < np.inf for number in numbers)


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
    if number.is_zero:  # which SymPy evaluates to the integer
        return fzero  # type: ignore[no-any-return]
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
            found.append(_applied(operation, found, precision))
    return found


def _applied(operation: Operation, values: Sequence[Raw], precision: int) -> Raw:
    try:
        return ROWS[operation.name].exact(*[values[n] for n in operation.operands], precision)
    except ABSENT:
        return fnan  # type: ignore[no-any-return]


def _moved(tape: Tape, before: Sequence[Raw], variable: int, x: Raw, precision: int) -> Raw:
    """The result where one variable alone is another than it was before."""
    found = list(before)
    found[variable] = x
    for position in tape.reached[variable]:
        found[position] = _applied(tape.operations[position], found, precision)
    return found[tape.result]


def bounded(tape: Tape, point: Mapping[int, Raw], precision: int) -> tuple[Raw, int]:
    """The value at one point to so many bits, and the power of two that its error is below."""
    found: list[Raw] = []
    bounds: list[int] = []
    for position, operation in enumerate(tape.operations):
        if operation.number is not None:
            value = number_at(operation.number, precision)
            dyadic = isinstance(operation.number, sp.Rational) and operation.number.q & (operation.number.q - 1) == 0
            bound = EXACT if dyadic or not value[1] else bits(value) - precision + 1
        elif operation.key is not None:
            value, bound = point[position], EXACT
        else:
            value = _applied(operation, found, precision)
            values = [found[n] for n in operation.operands]
            bound = bound_of(operation.name, values, [bounds[n] for n in operation.operands], value, precision)
        found.append(value)
        bounds.append(bound)
    return found[tape.result], bounds[tape.result]


def exact(tape: Tape, point: Point, dtype: np.dtype[Any], most: int = 10**6) -> tuple[Raw, int] | None:
    """The value at one point, certain to ``CERTAIN`` bits, and the bits it took; None where it has none, or is not
    certain with ``most`` bits. What is far below the least number of ``dtype`` is 0."""
    given = {position: libmp.from_float(float(x)) for position, x in zip(tape.variables, point, strict=True)}
    most = min(most, FEW if any(operation.name in SLOW for operation in tape.operations) else MOST[dtype.name])
    least = int(np.finfo(dtype).minexp) - CERTAIN
    precision = FIRST
    while True:
        value, bound = bounded(tape, given, precision)
        if bound == EXACT:
            return None if value == fnan else (value, precision)
        size = bits(value) if value[1] else EXACT
        if size - bound >= CERTAIN:
            return value, precision
        if max(size, bound) < least:
            return fzero, precision
        if precision == most:
            return None
        lost = bound - size if size > bound else 2 * precision
        precision = min(precision + CERTAIN + lost, most)


def condition(tape: Tape, point: Point, precision: int, dtype: np.dtype[Any]) -> float:
    """Σ |f(x₁, …, xᵢ·(1 + ε), …) − f(x)|/ε: how far the value moves if variables are rounded, in units of ε.

    To the first order it is Σ |xᵢ·∂f/∂xᵢ|; where that is 0, as of a variance of equal values, it is what is left.
    """
    given = {position: libmp.from_float(float(x)) for position, x in zip(tape.variables, point, strict=True)}
    digits = int(np.finfo(dtype).nmant)
    precision += 3 * digits
    step = libmp.mpf_add(libmp.fone, libmp.mpf_shift(libmp.fone, -digits), precision, "n")
    before = at_precision(tape, given, precision)
    total = libmp.fzero
    for position, x in given.items():
        if x[1]:
            after = _moved(tape, before, position, libmp.mpf_mul(x, step, precision, "n"), precision)
            gap = libmp.mpf_sub(after, before[tape.result], 53, "n")
            total = libmp.mpf_add(total, libmp.mpf_abs(libmp.mpf_shift(gap, digits)), 53, "n")
    return as_float(total)
