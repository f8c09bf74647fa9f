"""sin and cos on lanes: x = k·π/2 + r, |r| ≤ π/4, two short polynomials, and the quadrant k mod 4.

With a fused multiply-add the first step r₁ = x − k·P₁ is exact for every k below 2^51 (both are multiples of the last
bit of P₁, and the difference is small), so two or three parts of π/2 reach further than a table of 2/π is usually
needed for (W. J. Cody and W. Waite 1980, ch. 8). What is beyond |x| = 2^45, where neighbouring float32 lie 4·10⁶
apart, is left to :mod:`.far`. Coefficients: ``tests.coefficients``.
"""

from __future__ import annotations

from collections.abc import Callable

from codegen.native.kernels.exponential import DOUBLE, format_of, quotient_pair
from codegen.native.kernels.lane import Lane, fma, horner, in_double, select, unless_far

LIMIT = 2.0**45
"""Largest argument that is reduced here."""

TWO_OVER_PI = 0.6366197723675814
HALF_PI = (
    float.fromhex("0x1.921fb54442d18p+0"),
    float.fromhex("0x1.1a62633145c07p-54"),
    float.fromhex("-0x1.f1976b7ed8fbcp-110"),
)
"""π/2 = the sum, to 160 bits."""

SINE = {
    False: (-0.00019516682368703187, 0.008332173340022564, -0.16666655242443085),
    True: (
        1.5896501484449627e-10,
        -2.505075321122966e-08,
        2.7557313661780567e-06,
        -0.0001984126982972472,
        0.008333333333322316,
        -0.16666666666666632,
    ),
}
"""(sin r − r)/r³ in powers of r²; relative error of the sine 2^−27 (float32), 2^−57 (float64)."""

COSINE = {
    False: (2.4437791580567136e-05, -0.001388736185617745, 0.04166664555668831),
    True: (
        -1.135945150527588e-11,
        2.08757196131814e-09,
        -2.755731432643042e-07,
        2.4801587289396315e-05,
        -0.0013888888888873992,
        0.0416666666666666,
    ),
}
"""(cos r − 1 + r²/2)/r⁴ in powers of r²; absolute error of the cosine 2^−31 (float32), 2^−59 (float64)."""


def quadrant(x: Lane) -> tuple[Lane, Lane]:
    """k as a float and as an integer (its low bits), for a double ``x``."""
    shifted = fma(x, TWO_OVER_PI, DOUBLE.magic)
    return shifted - DOUBLE.magic, shifted.bits()


def reduced_single(x: Lane) -> tuple[Lane, Lane, Lane]:
    """r of a float32 argument, computed in double; the part it loses is nought."""
    wide = x.widened()
    k, bits = quadrant(wide)
    r = fma(k, -HALF_PI[1], fma(k, -HALF_PI[0], wide)).narrowed()
    return r, r.constant(0.0), bits.low()


def reduced_double(x: Lane) -> tuple[Lane, Lane, Lane]:
    """r = high + low, to twice the precision, of a float64 argument."""
    k, bits = quadrant(x)
    first = fma(k, -HALF_PI[0], x)
    product = k * HALF_PI[1]
    high = first - product
    # TwoSum (D. E. Knuth, The Art of Computer Programming 2, 4.2.2, theorem B): neither operand is always the larger.
    taken = first - high
    lost = (first - (high + taken)) + (taken - product)
    low = fma(k, -HALF_PI[2], lost - fma(k, HALF_PI[1], -product))
    return high, low, bits


def turned(r: Lane, low: Lane, k: Lane, quarter: int) -> Lane:
    """sin(x + quarter·π/2) of x = k·π/2 + r."""
    quadrant_bits = k + quarter
    z = r * r
    half = z * 0.5
    sine = fma(z * r, horner(z, SINE[r.is_double]), low * (1.0 - half)) + r
    unit = 1.0 - half
    cosine = unit + (((1.0 - unit) - half) + fma(z * z, horner(z, COSINE[r.is_double]), -(r * low)))
    value = select((quadrant_bits & 1).equals(1), cosine, sine)
    sign = (quadrant_bits & 2) << (format_of(r).mantissa + (10 if r.is_double else 7))
    return (value.bits() ^ sign).as_float()


def reduced(x: Lane) -> tuple[Lane, Lane, Lane]:
    """r, what it loses, and k."""
    return reduced_double(x) if x.is_double else reduced_single(x)


def sin(x: Lane) -> Lane:
    """Sine; −0 keeps its sign."""
    return unless_far("sin", x, select(x.equals(0.0), x, turned(*reduced(x), 0)))


def cos(x: Lane) -> Lane:
    """Cosine."""
    return unless_far("cos", x, turned(*reduced(x), 1))


@in_double
def tan(x: Lane) -> Lane:
    """Tangent; −0 keeps its sign."""
    return unless_far("tan", x, select(x.equals(0.0), x, tangent(*reduced_double(x))))


def tangent(r: Lane, low: Lane, k: Lane) -> Lane:
    """A quotient of two sums, or its negative inverse."""
    z = r * r
    half = z * 0.5
    rest = fma(z * r, horner(z, SINE[True]), low * (1.0 - half))
    sine = r + rest
    sine_lost = rest - (sine - r)
    unit = 1.0 - half
    below = ((1.0 - unit) - half) + fma(z * z, horner(z, COSINE[True]), -(r * low))
    cosine = unit + below
    cosine_lost = below - (cosine - unit)
    odd = (k & 1).equals(1)
    numerator, denominator = select(odd, cosine, sine), select(odd, sine, cosine)
    taken, lost = select(odd, cosine_lost, sine_lost), select(odd, sine_lost, cosine_lost)
    first, correction = quotient_pair(numerator, denominator, lost)
    value = first + (correction + taken / denominator)
    return select(odd, -value, value)


FAR: dict[str, Callable[[Lane, Lane, Lane], Lane]] = {
    "sin": lambda r, low, k: turned(r, low, k, 0),
    "cos": lambda r, low, k: turned(r, low, k, 1),
    "tan": tangent,
}
"""The functions of r, what it loses, and k, however they were found."""
