"""Derives the polynomials of the vector functions: how the coefficient tables of ``codegen/native/kernels`` were made,
for whoever wants to check or extend one.

The best polynomial p with |w·(f − p)| smallest in the maximum norm has an error that alternates at one point more
than it has coefficients (Chebyshev); the exchange of E. Ya. Remez (1934) finds it, here in 50 digits of mpmath.
Constants that must be exact are kept out of the polynomial by the way a function is written (``1 + r + r²·p(r)``), so
rounding the others to the dtype costs far less than half an ulp.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mpmath import mp, mpf

Real = Any
"""An ``mpmath`` number."""

mp.dps = 50


def minimax(
    function: Callable[[Real], Real],
    weight: Callable[[Real], Real],
    interval: tuple[Real, Real],
    degree: int,
    dtype: type[Any],
) -> tuple[list[float], float]:
    """Coefficients of the best polynomial, highest power first, rounded to ``dtype``; and its weighted maximal error.

    Parameters
    ----------
    function, weight
        The error that is made smallest is ``weight(z)·(function(z) − p(z))``; the weight is positive.
    interval
        Where ``z`` lies.
    """
    low, high = (mp.mpmathify(bound) for bound in interval)
    count = degree + 2
    nodes = [_chebyshev(low, high, (mpf(i) + mpf(1) / 2) / count) for i in range(count)]
    grid = [_chebyshev(low, high, mpf(i) / (24 * count)) for i in range(24 * count + 1)]
    samples = [(z, function(z), weight(z)) for z in grid]
    coefficients: list[Real] = []
    for _ in range(20):
        rows = mp.matrix(
            [[z**power for power in range(degree + 1)] + [(-1) ** i / weight(z)] for i, z in enumerate(nodes)]
        )
        solution = list(mp.lu_solve(rows, mp.matrix([function(z) for z in nodes])))
        coefficients, levelled = solution[-2::-1], abs(solution[-1])
        errors = [(z, w * (f - mp.polyval(coefficients, z))) for z, f, w in samples]
        if max(abs(error) for _, error in errors) < levelled * mpf("1.01"):
            break
        nodes = _alternating_extrema(errors, count)
    rounded = [float(dtype(float(c))) for c in coefficients]
    return rounded, float(max(abs(w * (f - mp.polyval(rounded, z))) for z, f, w in samples))


def _chebyshev(low: Real, high: Real, fraction: Real) -> Real:
    """Points of [low, high] that crowd towards both ends, where the error of a polynomial is largest."""
    return (low + high) / 2 - (high - low) / 2 * mp.cos(mp.pi * fraction)


def _alternating_extrema(errors: list[tuple[Real, Real]], count: int) -> list[Real]:
    """The largest error of each run of one sign; of these the ``count`` neighbours that hold the largest."""
    extrema: list[tuple[Real, Real]] = []
    for z, error in errors:
        if extrema and (error > 0) == (extrema[-1][1] > 0):
            extrema[-1] = max(extrema[-1], (z, error), key=lambda pair: abs(pair[1]))
        else:
            extrema.append((z, error))
    while len(extrema) > count:
        extrema.pop(0 if abs(extrema[0][1]) < abs(extrema[-1][1]) else -1)
    return [z for z, _ in extrema]
