"""exp, expm1, tanh and sigmoid on lanes, all from one core: x = k·ln 2 + r, |r| ≤ ½ ln 2, and a polynomial for eʳ − 1.

The reduction is W. J. Cody and W. Waite's (Software Manual for the Elementary Functions, 1980, ch. 6) with fused
multiply-adds. Powers of two are made by integer arithmetic on exponent bits. Everything is branch-free, so that a
loop over any of these vectorises. Coefficients: ``tests.coefficients``.
"""

from __future__ import annotations

from dataclasses import dataclass

from codegen.native.kernels.lane import Lane, clamp, copysign, fma, horner, select

LOG2_E = 1.4426950408889634


@dataclass(frozen=True, slots=True)
class Format:
    """What the exponential core needs to know of a floating-point format.

    Attributes
    ----------
    mantissa
        Explicit bits of the significand.
    bias
        Exponent bias.
    magic
        1.5·2^mantissa: adding it rounds to an integer and leaves that integer in the low bits of the sum.
    ln2_high, ln2_low
        Their sum is ln 2 to twice the precision.
    overflow, underflow
        exp is inf above the one and 0 below the other.
    saturation
        expm1(−saturation) = −1, and tanh(saturation / 2) = 1, to the last bit.
    quotient
        (eʳ − 1 − r)/r² on |r| ≤ ½ ln 2, relative error of eʳ − 1 below 2^−28.8 (float32) and 2^−60 (float64).
    """

    mantissa: int
    bias: int
    magic: float
    ln2_high: float
    ln2_low: float
    overflow: float
    underflow: float
    saturation: float
    quotient: tuple[float, ...]


SINGLE = Format(
    mantissa=23,
    bias=127,
    magic=1.5 * 2.0**23,
    ln2_high=float.fromhex("0x1.62e43p-1"),
    ln2_low=float.fromhex("-0x1.05c610p-29"),
    overflow=89.0,
    underflow=-104.0,
    saturation=20.0,
    quotient=(
        0.00019914373115170747,
        0.0013941102661192417,
        0.00833327230066061,
        0.04166635498404503,
        0.1666666716337204,
        0.5,
    ),
)
DOUBLE = Format(
    mantissa=52,
    bias=1023,
    magic=1.5 * 2.0**52,
    ln2_high=float.fromhex("0x1.62e42fefa39efp-1"),
    ln2_low=float.fromhex("0x1.abc9e3b39803fp-56"),
    overflow=710.0,
    underflow=-746.0,
    saturation=40.0,
    quotient=(
        2.092457770460596e-09,
        2.510914768766131e-08,
        2.7557242312070503e-07,
        2.7557243911267676e-06,
        2.4801587361105915e-05,
        0.00019841269886400963,
        0.0013888888888866533,
        0.008333333333321532,
        0.0416666666666667,
        0.16666666666666677,
        0.5,
    ),
)


def format_of(x: Lane) -> Format:
    """The constants for the dtype of ``x``."""
    return DOUBLE if x.is_double else SINGLE


def power_of_two(exponent: Lane, fmt: Format) -> Lane:
    """2^exponent for a normal result; only the low bits of the integer count."""
    return ((exponent << fmt.mantissa) + (fmt.bias << fmt.mantissa)).as_float()


def reduced(x: Lane, fmt: Format, lost: Lane | None = None) -> tuple[Lane, Lane]:
    """Split x + lost = k·ln 2 + r, ``lost`` small: returns eʳ − 1 and the integer k (in the low bits)."""
    shifted = fma(x, LOG2_E, fmt.magic)
    k = shifted - fmt.magic
    r = fma(k, -fmt.ln2_high, x)
    r = fma(k, -fmt.ln2_low, r) if lost is None else r + fma(k, -fmt.ln2_low, lost)
    return fma(r * r, horner(r, fmt.quotient), r), shifted.bits()


def exp(x: Lane) -> Lane:
    """eˣ = (1 + (eʳ − 1))·2^k, with 2^k in two factors so that results may be subnormal and k = 128 may overflow."""
    fmt = format_of(x)
    fraction, k = reduced(clamp(x, fmt.underflow, fmt.overflow), fmt)
    half = k >> 1
    return (1.0 + fraction) * power_of_two(half, fmt) * power_of_two(k - half, fmt)


def expm1(x: Lane) -> Lane:
    """eˣ − 1 = 2·((eʳ − 1)·2^(k−1) + (2^(k−1) − ½)): no cancellation at k = 0, no early overflow at the top."""
    fmt = format_of(x)
    fraction, k = reduced(clamp(x, -fmt.saturation, fmt.overflow), fmt)
    scale = power_of_two(k - 1, fmt)
    return copysign(fma(fraction, scale, scale - 0.5) * 2.0, x)


def tanh(x: Lane) -> Lane:
    """tanh |x| = E/(E + 2) with E = e^{2|x|} − 1."""
    fmt = format_of(x)
    doubled = abs(x) * 2.0
    fraction, k = reduced(select(doubled > fmt.saturation, fmt.saturation, doubled), fmt)
    scale = power_of_two(k, fmt)
    numerator = fma(fraction, scale, scale - 1.0)
    denominator = numerator + 2.0
    return copysign(quotient(numerator, denominator, numerator - (denominator - 2.0)), x)


def sigmoid(x: Lane) -> Lane:
    """1/(1 + e^{−x}) = {1 or z}/(1 + z) with z = e^{−|x|}, which keeps small results exact to the last subnormal."""
    z = exp(-abs(x))
    denominator = z + 1.0
    return quotient(select(x < 0.0, z, 1.0), denominator, z - (denominator - 1.0))


def quotient(numerator: Lane, denominator: Lane, lost: Lane) -> Lane:
    """numerator/(denominator + lost), where ``lost`` is what rounding took from the denominator: half an ulp, at one
    division and one Newton step."""
    first, correction = quotient_pair(numerator, denominator, lost)
    return first + correction


def quotient_pair(numerator: Lane, denominator: Lane, lost: Lane) -> tuple[Lane, Lane]:
    """The same as an unevaluated sum."""
    reciprocal = 1.0 / denominator
    first = numerator * reciprocal
    return first, fma(-first, lost, fma(-first, denominator, numerator)) * reciprocal
