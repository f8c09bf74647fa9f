"""sinh, cosh and the inverses asinh, acosh, atanh on lanes, by the cores of exp and log1p with what they round away.

float32 is computed in double.
"""

from __future__ import annotations

import math

from codegen.native.kernels.exponential import DOUBLE, power_of_two, quotient_pair, reduced
from codegen.native.kernels.lane import Lane, call, copysign, fma, in_double, select
from codegen.native.kernels.logarithm import assembled, normalised, reciprocal

LARGE = 40.0
"""Beyond it e^{−x} is nothing beside eˣ."""
HUGE = 2.0**28
"""Beyond it 1 is nothing beside x²."""


def _halved_exponential(a: Lane) -> tuple[Lane, Lane, Lane]:
    """eʳ − 1, 2ᵏ for a ≤ 40, and ½·eᵃ."""
    bounded = select(a > 712.0, 712.0, a)
    fraction, k = reduced(bounded, DOUBLE)
    less = k - 1
    half = less >> 1
    large = (1.0 + fraction) * power_of_two(half, DOUBLE) * power_of_two(less - half, DOUBLE)
    return fraction, power_of_two(select(a > LARGE, 0, k), DOUBLE), large


@in_double
def sinh(x: Lane) -> Lane:
    """½·(m + m/(m + 1)) with m = eˣ − 1, a sum whose rounding is kept."""
    a = abs(x)
    fraction, scale, large = _halved_exponential(a)
    less, part = scale - 1.0, fraction * scale
    m = less + part
    lost = part - (m - less)
    value = (m + (lost + m / (m + 1.0))) * 0.5
    return copysign(select(a > LARGE, large, value), x)


@in_double
def cosh(x: Lane) -> Lane:
    """½·(eˣ + e^{−x})."""
    a = abs(x)
    fraction, scale, large = _halved_exponential(a)
    part = fraction * scale
    e = scale + part
    lost = part - (e - scale)
    return select(a > LARGE, large, (e + (lost + 1.0 / e)) * 0.5)


def log1p_of_sum(high: Lane, low: Lane, doubled: Lane) -> Lane:
    """log(1 + high + low) for high ≥ 0; where ``doubled``, log 2·high."""
    u = select(doubled, high, high + 1.0)
    lost = select(high > 1.0, 1.0 - (u - high), high - (u - 1.0)) + low
    k, f = normalised(u)
    scale = power_of_two(-select(k > 64, 64, k), DOUBLE)
    value = assembled(select(doubled, k + 1, k), f, select(doubled, 0.0, lost * scale * reciprocal(f)))
    return select(high < math.inf, value, high)


@in_double
def asinh(x: Lane) -> Lane:
    """log(1 + a + a²/(1 + √(1 + a²)))."""
    a = abs(x)
    square = a * a
    huge = a > HUGE
    rest = select(huge, 0.0, square / (1.0 + call("sqrt", square + 1.0)))
    high = a + rest
    return copysign(log1p_of_sum(high, rest - (high - a), huge), x)


@in_double
def acosh(x: Lane) -> Lane:
    """log(1 + t + √(t² + 2t)) with t = x − 1."""
    t = x - 1.0
    huge = x > HUGE
    twice = t * 2.0
    square = fma(t, t, twice)
    root = call("sqrt", square)
    # What square and root round away; t² is exact to the last bit that counts where t < 1.
    lost = fma(-root, root, square) + select(t < 1.0, fma(t, t, twice - square), 0.0)
    rest = select(root > 0.0, lost / (root * 2.0), 0.0)
    high = t + root
    low = select(t < root, t - (high - root), root - (high - t)) + rest
    value = log1p_of_sum(select(huge, x, high), select(huge, 0.0, low), huge)
    return select(x >= 1.0, value, x.constant(math.nan))


@in_double
def atanh(x: Lane) -> Lane:
    """½·log(1 + 2a/(1 − a))."""
    a = abs(x)
    below = 1.0 - a
    high, low = quotient_pair(a * 2.0, below, (1.0 - below) - a)
    value = log1p_of_sum(high + low, low - ((high + low) - high), a < 0.0) * 0.5
    value = select(a < 1.0, value, select(a.equals(1.0), x.constant(math.inf), math.nan))
    return copysign(value, x)
