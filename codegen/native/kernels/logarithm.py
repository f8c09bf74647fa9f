"""log, log1p and softplus on lanes: x = 2^k·m with √½ ≤ m < √2, and log m from f = m − 1.

float32 takes a polynomial in f; float64 takes 2·atanh(f/(2 + f)), as fdlibm's ``e_log.c`` does (Sun Microsystems
1993; K. C. Ng's error analysis), since a polynomial in f would need twenty coefficients.
Coefficients: ``tests.coefficients``.
"""

from __future__ import annotations

import math

from codegen.native.kernels.exponential import exp, format_of, power_of_two
from codegen.native.kernels.lane import Lane, copysign, fma, horner, select

SQRT_HALF_BITS = {False: 0x3F3504F3, True: 0x3FE6A09E667F3BCD}
"""Bit pattern of √½ as float32 and, for ``True``, as float64."""

LN2 = {
    False: (0.693145751953125, 1.428606820309417e-06),
    True: (float.fromhex("0x1.62e42feep-1"), float.fromhex("0x1.a39ef35793c76p-33")),
}
"""ln 2 = high + low; high ends in zeros, so that k·high is exact."""

SINGLE_QUOTIENT = (
    0.0691651776432991,
    -0.11790534853935242,
    0.1187281534075737,
    -0.12384200841188431,
    0.14218662679195404,
    -0.1666925996541977,
    0.20002226531505585,
    -0.24999986588954926,
    0.3333331048488617,
)
"""(log(1 + f) − f + f²/2)/f³ on √½ − 1 ≤ f ≤ √2 − 1, relative error of the logarithm 2^−30."""

DOUBLE_QUOTIENT = (
    0.14796006370826373,
    0.15314045224243805,
    0.18183564515560072,
    0.22222198570072346,
    0.285714287424098,
    0.3999999999941464,
    0.6666666666666734,
)
"""(2·atanh(s)/s − 2)/s² in powers of s², s ≤ (√2 − 1)/(√2 + 1), relative error of the logarithm 2^−58."""

SUBNORMAL_SCALE = {False: (2.0**-126, 25), True: (2.0**-1022, 54)}


def normalised(x: Lane) -> tuple[Lane, Lane]:
    """Integer k and f = m − 1 with x = 2^k·(1 + f), for positive finite normal x; (0, 0) for x = 1."""
    double, fmt = x.is_double, format_of(x)
    shifted = x.bits() - SQRT_HALF_BITS[double]
    k = shifted >> fmt.mantissa
    m = ((shifted & ((1 << fmt.mantissa) - 1)) + SQRT_HALF_BITS[double]).as_float()
    return k, m - 1.0


def assembled(k: Lane, f: Lane, correction: Lane | float) -> Lane:
    """k·ln 2 + log(1 + f) + correction, the smallest terms first."""
    high, low = LN2[f.is_double]
    exponent = k.to_float()
    tail = fma(exponent, low, correction)
    if not f.is_double:
        square = f * f
        tail = fma(square * f, horner(f, SINGLE_QUOTIENT), fma(square, -0.5, tail))
        return fma(exponent, high, f + tail)
    s = f / (f + 2.0)
    z = s * s
    half_square = f * f * 0.5
    tail = fma(s, fma(z, horner(z, DOUBLE_QUOTIENT), half_square), tail)
    return fma(exponent, high, f - (half_square - tail))


def log(x: Lane) -> Lane:
    """Natural logarithm; log 0 = −inf, negative arguments give NaN."""
    smallest, shift = SUBNORMAL_SCALE[x.is_double]
    tiny = x < smallest
    k, f = normalised(select(tiny, x * 2.0**shift, x))
    value = assembled(select(tiny, k - shift, k), f, 0.0)
    value = select(x < math.inf, value, x)
    return select(x > 0.0, value, select(x.equals(0.0), x.constant(-math.inf), x + math.nan))


def reciprocal(f: Lane) -> Lane:
    """1/(1 + f) to a few percent: 1 − f + f²."""
    return fma(f, f, 1.0 - f)


def log1p(x: Lane) -> Lane:
    """log(1 + x) = log u + c/u, where u is 1 + x rounded and c what the rounding lost."""
    u = x + 1.0
    lost = select(x > 1.0, 1.0 - (u - x), x - (u - 1.0))
    k, f = normalised(u)
    # Beyond 2^64 what was lost is far below half an ulp of the logarithm, and 2^−k would leave the range of normal
    # numbers.
    scale = power_of_two(-select(k > 64, 64, k), format_of(x))
    value = copysign(assembled(k, f, lost * scale * reciprocal(f)), x)
    value = select(x < math.inf, value, x)
    return select(x > -1.0, value, select(x.equals(-1.0), x.constant(-math.inf), x + math.nan))


def softplus(x: Lane) -> Lane:
    """log(1 + eˣ) = max(x, 0) + log(1 + z) with z = e^{−|x|}: the exponential that sigmoid shares."""
    z = exp(-abs(x))
    u = z + 1.0
    k, f = normalised(u)
    lost = z - (u - 1.0)
    scale = power_of_two(-k, format_of(x))
    return select(x < 0.0, 0.0, x) + assembled(k, f, lost * scale * reciprocal(f))
