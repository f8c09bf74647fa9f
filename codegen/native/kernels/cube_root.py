"""∛x on lanes: x = 8^q·m·2^j, a polynomial for ∛m and one step of Halley's and one of Newton's method.

Coefficients: ``python -m tests.coefficients``.
"""

from __future__ import annotations

import math

from codegen.native.kernels.exponential import DOUBLE, power_of_two
from codegen.native.kernels.lane import Lane, copysign, fma, horner, in_double, select
from codegen.native.kernels.logarithm import SUBNORMAL_SCALE, normalised

CUBE_ROOT = (
    0.016033289216715492, -0.1386932674411587, 0.5263934091012407, -1.153709615275868, 1.6252938160246935,
    -1.5849726707270702, 1.3301956922906413, 0.3794593606501113,
)  # fmt: skip
"""∛m, √½ ≤ m ≤ √2, relative error 2^−25."""


@in_double
def cbrt(x: Lane) -> Lane:
    """The real cube root, of negative numbers too."""
    a = abs(x)
    smallest, _ = SUBNORMAL_SCALE[True]
    tiny = a < smallest
    k, f = normalised(select(tiny, a * 2.0**54, a))
    shifted = fma(k.to_float(), 1 / 3, DOUBLE.magic)
    j = k - shifted.bits() * 3 + x.constant(DOUBLE.magic).bits() * 3  # −1, 0 or 1
    whole = f + 1.0
    m = select(j.equals(0), whole, select(j > 0, whole * 2.0, whole * 0.5))
    y = horner(whole, CUBE_ROOT) * select(j.equals(0), 1.0, select(j > 0, x.constant(2.0 ** (1 / 3)), 2.0 ** (-1 / 3)))
    cube = y * y * y
    y = y * fma(m, 2.0, cube) / fma(cube, 2.0, m)
    square = y * y
    # y³ − m, with what the square rounds away
    rest = fma(square, y, -m) + fma(y, y, -square) * y
    y = y - rest / (square * 3.0)
    value = y * power_of_two(shifted.bits(), DOUBLE) * select(tiny, x.constant(2.0**-18), 1.0)
    same = a.equals(0.0) | a.equals(math.inf) | x.is_nan()
    return select(same, x, copysign(value, x))
