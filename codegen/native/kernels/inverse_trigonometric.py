"""asin and acos on lanes: asin s = s + s³·p(s²) up to s = ½; beyond, of √((1 − s)/2), half the complement of the angle.

Coefficients: ``python -m tests.coefficients``.
"""

from __future__ import annotations

import math

from codegen.native.kernels.lane import Lane, call, copysign, fma, horner, in_double, select

ARCSINE = (
    0.03248503225077317, -0.020756273421500455, 0.021525159915789637, 0.003786459116408688, 0.010757459110103795,
    0.011403320515002124, 0.013980230957463868, 0.01735166646963064, 0.022372211580216763, 0.030381942846470323,
    0.04464285717120161, 0.07499999999975206, 0.16666666666666738,
)  # fmt: skip
"""(asin √z/√z − 1)/z, z ≤ ¼; relative error of the arcsine 2^−57."""

HALF_PI_LOW = 6.123233995736766e-17


def _halves(x: Lane) -> tuple[Lane, Lane, Lane]:
    """Whether |x| ≤ ½; and p, with asin |x| = p where it is, else π/2 − 2p, p = s + rest."""
    a = abs(x)
    small = a <= 0.5
    z = select(small, a * a, (1.0 - a) * 0.5)
    s = select(small, a, call("sqrt", z))
    return small, s, s * z * horner(z, ARCSINE)


@in_double
def asin(x: Lane) -> Lane:
    """Angle of [−π/2, π/2] whose sine is ``x``."""
    small, s, rest = _halves(x)
    far = math.pi / 2 - (fma(s, 2.0, fma(rest, 2.0, -HALF_PI_LOW)))
    return copysign(select(small, s + rest, far), x)


@in_double
def acos(x: Lane) -> Lane:
    """Angle of [0, π] whose cosine is ``x``."""
    small, s, rest = _halves(x)
    signed, signed_rest = copysign(s, x), copysign(rest, x)
    first = math.pi / 2 - signed
    lost = (math.pi / 2 - first) - signed
    near = first + (lost + (HALF_PI_LOW - signed_rest))
    far = (s + rest) * 2.0
    return select(small, near, select(x > 0.0, far, math.pi - (far - 2 * HALF_PI_LOW)))
