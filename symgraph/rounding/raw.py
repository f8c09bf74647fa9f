"""Exact arithmetic on mpmath's raw numbers, (sign, mantissa, exponent, bits): what mpmath does not do for every size.

Each function takes operands and a number of bits, and raises one of ``ABSENT`` where there is no value.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from mpmath import libmp
from mpmath.libmp import ComplexResult, finf, fninf, fone, fzero

Raw = tuple[int, int, int, int]
Exact = Callable[..., Raw]

MOST_BITS = 1100
"""Exponentials of numbers of more bits before the point are infinite or 0."""
FAR = 40
"""Bits before the point from which on a function is at its limit, or its asymptotic series is what is computed."""
ABSENT = (ZeroDivisionError, ValueError, OverflowError, ComplexResult, NotImplementedError)
"""What is raised where there is no value."""


def bits(a: Raw) -> int:
    """Bits before the point, negative for small numbers."""
    return a[2] + a[3]


def as_float(a: Raw) -> float:
    """The nearest float64."""
    if not a[1]:
        return {fzero: 0.0, finf: np.inf, fninf: -np.inf}.get(a, np.nan)
    if bits(a) > 1024:
        return -np.inf if a[0] else np.inf
    return 0.0 if bits(a) < -1090 else float(libmp.to_float(a, rnd="n"))


def exp(a: Raw, p: int) -> Raw:
    """eᵃ; infinite, or 0, beyond numbers of ``MOST_BITS`` bits."""
    size = bits(a)
    if not a[1] or size < 3:
        return libmp.mpf_exp(a, p, "n")
    if size > MOST_BITS:
        return fzero if a[0] else finf
    wide = p + size + 8  # e^a = 2ⁿ·e^(a − n·log 2), where mpmath multiplies e so often as a whole a says
    two = libmp.mpf_ln2(wide)
    n = libmp.to_int(libmp.mpf_div(a, two, size + 8, "n"), "n")
    rest = libmp.mpf_sub(a, libmp.mpf_mul(libmp.from_int(n), two, wide, "n"), wide, "n")
    return libmp.mpf_shift(libmp.mpf_exp(rest, p, "n"), n)


def _near_zero(a: Raw, sign: int, p: int) -> Raw:
    """a + sign·a²/2, all that the precision sees of a function where a is that small."""
    square = libmp.mpf_shift(libmp.mpf_mul(a, a, p, "n"), -1)
    return libmp.mpf_add(a, square if sign > 0 else libmp.mpf_neg(square), p, "n")


def expm1(a: Raw, p: int) -> Raw:
    """eᵃ − 1."""
    if not a[1]:
        return libmp.mpf_sub(exp(a, p), fone, p, "n")
    if bits(a) < -p:
        return _near_zero(a, 1, p)
    p += 8 + max(0, -bits(a))
    return libmp.mpf_sub(exp(a, p), fone, p, "n")


def log1p(a: Raw, p: int) -> Raw:
    """log(1 + a)."""
    if a[1] and bits(a) < -p:
        return _near_zero(a, -1, p)
    return log(libmp.mpf_add(fone, a, p + 8 + (max(0, -bits(a)) if a[1] else 0), "n"), p)


def log(a: Raw, p: int) -> Raw:
    """log a."""
    return fninf if a == fzero else libmp.mpf_log(a, p, "n")


def power(a: Raw, b: Raw, p: int) -> Raw:
    """aᵇ; of a negative number whole powers alone, 0⁰ = 1."""
    if b == fzero:
        return fone
    if a == fzero:
        if b[0]:
            raise ZeroDivisionError
        return fzero
    if a[0] and a[1]:
        if b[2] < 0 or not b[1]:
            raise ValueError  # of a negative number only whole powers
        size = power(libmp.mpf_neg(a), b, p)
        return size if b[2] > 0 else libmp.mpf_neg(size)
    p += min(max(0, bits(b)), MOST_BITS) + 16  # of a larger b what matters is the sign of log a
    return exp(libmp.mpf_mul(b, log(a, p), p, "n"), p)
