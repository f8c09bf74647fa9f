"""atan on lanes: |x| is reflected into [−tan π/8, tan π/8], where an odd polynomial is short.

    atan a = π/4 + atan((a − 1)/(a + 1))        atan a = π/2 + atan(−1/a)

One division serves all three cases (S. L. Moshier, Methods and Programs for Mathematical Functions, 1989, ch. 5).
Coefficients: ``tests.coefficients``.
"""

from __future__ import annotations

from codegen.native.kernels.lane import Lane, copysign, fma, horner, select

TAN_PI_8, TAN_3PI_8 = 0.41421356237309503, 2.414213562373095

QUARTER_PI = {False: (0.7853981852531433, -2.185569414336896e-08), True: (0.7853981633974483, 3.061616997868383e-17)}
"""π/4 = the sum, of two numbers of a dtype."""

COEFFICIENTS = {
    False: (-0.06081171706318855, 0.10595143586397171, -0.1424373835325241, 0.1999848335981369, -0.33333316445350647),
    True: (
        -0.017907473804493097,
        0.03806506918554439,
        -0.05039335064759811,
        0.058478982524073644,
        -0.0666310555970176,
        0.07692060369405503,
        -0.0909089776740801,
        0.11111110783822219,
        -0.1428571428020411,
        0.19999999999953663,
        -0.333333333333332,
    ),
}
"""(atan r − r)/r³ in powers of r²; relative error of the arctangent 2^−28 (float32), 2^−58 (float64)."""


def atan(x: Lane) -> Lane:
    """Arctangent in radians; −0 keeps its sign."""
    high, low = QUARTER_PI[x.is_double]
    a = abs(x)
    middle, large = a > TAN_PI_8, a > TAN_3PI_8
    above = select(large, -1.0, select(middle, a - 1.0, a))
    below = select(large, a, select(middle, a + 1.0, a.constant(1.0)))
    r = above / below
    z = r * r
    value = fma(
        z * r,
        horner(z, COEFFICIENTS[x.is_double]),
        select(large, a.constant(2 * low), select(middle, a.constant(low), 0.0)),
    )
    value = select(large, a.constant(2 * high), select(middle, a.constant(high), 0.0)) + (value + r)
    return copysign(value, x)
