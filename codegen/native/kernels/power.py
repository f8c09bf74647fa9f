"""pow on lanes: xʸ = ±exp(y·log |x|), the logarithm carried to twice the precision, since y multiplies its error by
up to 745.

float32 simply computes in double. float64 uses pairs high + low of doubles (T. J. Dekker, Numerische Mathematik 18,
1971). Special values are those of ISO/IEC 9899:2018, F.10.4.4. Coefficients: ``tests.coefficients``.
"""

from __future__ import annotations

import math

from codegen.native.kernels.exponential import DOUBLE, LOG2_E, SINGLE, power_of_two, reduced
from codegen.native.kernels.lane import Lane, call, clamp, fma, horner, select
from codegen.native.kernels.logarithm import LN2, SUBNORMAL_SCALE, normalised

ATANH_TAIL = (
    0.11970636560204578,
    0.11677250400108781,
    0.13336183932781515,
    0.15384560789678522,
    0.18181818804313438,
    0.22222222218168697,
    0.2857142857144196,
    0.39999999999999986,
)
"""(2·atanh(s)/s − 2 − ⅔s²)/s⁴ in powers of s²."""

ATANH_SHORT = (0.23582119799430912, 0.28537310859156434, 0.4000033514041298, 0.6666666564575365)
"""(2·atanh(s)/s − 2)/s² in powers of s², relative error of the logarithm 2^−36: enough for float32."""

TWO_THIRDS = (0.6666666666666666, 3.700743415417188e-17)

Pair = tuple[Lane, Lane]
"""high + low, with low at most half an ulp of high."""


def product(a: Pair, b: Pair) -> Pair:
    """The product of two pairs; what falls below low·low is dropped."""
    high = a[0] * b[0]
    return fast_sum(high, fma(a[0], b[0], -high) + fma(a[0], b[1], a[1] * b[0]))


def fast_sum(large: Lane, small: Lane) -> Pair:
    """The sum and what it rounds away, for \\|large\\| ≥ \\|small\\|."""
    high = large + small
    return high, small - (high - large)


def log_pair(x: Lane) -> Pair:
    """log x of a positive finite double as a pair: relative error about 2^−64."""
    smallest, shift = SUBNORMAL_SCALE[True]
    tiny = x < smallest
    k, f = normalised(select(tiny, x * 2.0**shift, x))
    exponent = select(tiny, k - shift, k).to_float()

    denominator = f + 2.0
    reciprocal = 1.0 / denominator
    s_high = f * reciprocal
    residual = fma(-s_high, f - (denominator - 2.0), fma(-s_high, denominator, f))
    s = fast_sum(s_high, residual * reciprocal)
    z = product(s, s)
    third = product(z, (f.constant(TWO_THIRDS[0]), f.constant(TWO_THIRDS[1])))
    inner = fast_sum(third[0], fma(z[0] * z[0], horner(z[0], ATANH_TAIL), third[1]))
    twice = fast_sum(f.constant(2.0), inner[0])
    mantissa = product(s, (twice[0], twice[1] + inner[1]))

    ln2_high, ln2_low = LN2[True]
    total = fast_sum(exponent * ln2_high, mantissa[0])
    # k·ln2 outweighs log m unless k = 0, when it is nought and the sum is exact either way.
    return fast_sum(total[0], total[1] + fma(exponent, ln2_low, mantissa[1]))


def pow_magnitude_double(x: Lane, y: Lane) -> Lane:
    """exp(y·log x) of a positive finite x, the rounding of the product going into the exponential."""
    high, low = log_pair(x)
    exponent = y * high
    rest = fma(y, low, fma(y, high, -exponent))
    bounded = clamp(exponent, DOUBLE.underflow, DOUBLE.overflow)
    rest = select(bounded.equals(exponent), rest, 0.0)
    fraction, k = reduced(bounded, DOUBLE)
    fraction = fma(rest, fraction, fraction + rest)
    half = k >> 1
    return (1.0 + fraction) * power_of_two(half, DOUBLE) * power_of_two(k - half, DOUBLE)


def pow_magnitude_single(x: Lane, y: Lane) -> Lane:
    """The same for doubles that come from float32: 2^−36 of relative error is plenty, and every power is a normal
    double."""
    k, f = normalised(x)
    s = f / (f + 2.0)
    z = s * s
    logarithm = fma(k.to_float(), math.log(2.0), s * fma(z, horner(z, ATANH_SHORT), 2.0))
    exponent = clamp(y * logarithm, -200.0, 200.0)
    shifted = fma(exponent, LOG2_E, DOUBLE.magic)
    r = fma(shifted - DOUBLE.magic, -math.log(2.0), exponent)
    return fma(r * r, horner(r, SINGLE.quotient), 1.0 + r) * power_of_two(shifted.bits(), DOUBLE)


def pow_(x: Lane, y: Lane) -> Lane:
    """xʸ, with C's special values."""
    single = not x.is_double
    if single:
        x, y = x.widened(), y.widened()
    magnitude = abs(x)
    value = (pow_magnitude_single if single else pow_magnitude_double)(magnitude, y)

    # |x| is 0 or ∞: the power is 0 or ∞ by the sign of y.
    vanishes = (y < 0.0) ^ magnitude.equals(0.0)
    extreme = magnitude.equals(0.0) | magnitude.equals(math.inf)
    value = select(extreme, select(vanishes, 0.0, x.constant(math.inf)), value)

    integral = call("trunc", y).equals(y)
    half = y * 0.5
    odd = integral & ((call("trunc", half).equals(half)) ^ 1)
    negative = x.bits() < 0
    value = select(odd & negative, -value, value)
    undefined = (x < 0.0) & (x > -math.inf) & (integral ^ 1)
    value = select(undefined | x.is_nan() | y.is_nan(), x.constant(math.nan), value)
    # |x| = 1 and y = ±∞ gives 1; x = 1 or y = 0 gives 1 whatever the other is, NaN included.
    certain = x.equals(1.0) | y.equals(0.0) | (magnitude.equals(1.0) & abs(y).equals(math.inf))
    value = select(certain, 1.0, value)
    return value.narrowed() if single else value
