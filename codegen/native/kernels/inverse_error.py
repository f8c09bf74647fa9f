"""erf⁻¹ on lanes, by the percentage points of the normal distribution: erf⁻¹ x = Φ⁻¹((1 + x)/2)/√2.

Three rational functions, of ¼·(0.85² − x²) in the middle and of r = √(−log((1 − |x|)/2)) towards the ends (M. J.
Wichura, Algorithm AS 241, Applied Statistics 37, 1988, pp. 477–484: PPND7 for float32, PPND16 for float64).
"""

from __future__ import annotations

import math

from codegen.native.kernels.lane import Lane, call, copysign, fma, horner, select
from codegen.native.kernels.logarithm import log

MIDDLE, NEAR, FAR = "middle", "near", "far"
COEFFICIENTS: dict[bool, dict[str, tuple[tuple[float, ...], tuple[float, ...]]]] = {
    False: {
        MIDDLE: (
            (59.109374720, 159.29113202, 50.434271938, 3.3871327179),
            (67.187563600, 78.757757664, 17.895169469, 1.0),
        ),
        NEAR: (
            (0.17023821103, 1.3067284816, 2.7568153900, 1.4234372777),
            (0.12021132975, 0.73700164250, 1.0),
        ),
    },
    True: {
        MIDDLE: (
            (2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457,
             13731.693765509461125, 1971.5909503065514427, 133.14166789178437745, 3.3871328727963666080),
            (5226.4952788528545610, 28729.085735721942674, 39307.895800092710610, 21213.794301586595867,
             5394.1960214247511077, 687.18700749205790830, 42.313330701600911252, 1.0),
        ),
        NEAR: (
            (7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1,
             1.27045825245236838258, 3.64784832476320460504, 5.76949722146069140550, 4.63033784615654529590,
             1.42343711074968357734),
            (1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2,
             1.48103976427480074590e-1, 6.89767334985100004550e-1, 1.67638483018380384940, 2.05319162663775882187,
             1.0),
        ),
        FAR: (
            (2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3,
             2.65321895265761230930e-2, 2.96560571828504891230e-1, 1.78482653991729133580, 5.46378491116411436990,
             6.65790464350110377720),
            (2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5,
             7.86869131145613259100e-4, 1.48753612908506148525e-2, 1.36929880922735805310e-1,
             5.99832206555887937690e-1, 1.0),
        ),
    },
}  # fmt: skip
"""Numerator and denominator, from the highest power down. float32 has no far end: there r is at most 4.2."""
MIDDLE_EDGE, MIDDLE_SQUARE, NEAR_SHIFT, FAR_SHIFT = 0.85, 0.180625, 1.6, 5.0
HALF_ROOT = math.sqrt(0.5)


def middle(a: float) -> float:
    """erf⁻¹ of a number of [0, 0.85), by Python."""
    place, values = MIDDLE_SQUARE - a * a / 4, []
    for coefficients in COEFFICIENTS[True][MIDDLE]:
        value = 0.0
        for coefficient in coefficients:
            value = value * place + coefficient
        values.append(value)
    return a / 2 * values[0] / values[1] * HALF_ROOT


def erfinv(x: Lane) -> Lane:
    """The inverse of the error function; ±inf at ±1, NaN beyond."""
    parts = COEFFICIENTS[x.is_double]
    a = abs(x)
    in_middle = a < MIDDLE_EDGE
    r = call("llvm.sqrt", -log((1.0 - a) * 0.5))
    place = select(in_middle, fma(a * a, -0.25, MIDDLE_SQUARE), r - NEAR_SHIFT)
    above, below = (
        select(in_middle, horner(place, middle), horner(place, near))
        for middle, near in zip(parts[MIDDLE], parts[NEAR], strict=True)
    )
    if FAR in parts:
        beyond, far = r > FAR_SHIFT, r - FAR_SHIFT
        above, below = (
            select(beyond, horner(far, own), found) for own, found in zip(parts[FAR], (above, below), strict=True)
        )
    value = select(in_middle, a * 0.5, 1.0) * above / below * HALF_ROOT
    return copysign(select(a.equals(1.0), math.inf, value), x)
