"""erf⁻¹ on lanes, by the percentage points of the normal distribution: erf⁻¹ x = Φ⁻¹((1 + x)/2)/√2.

Three rational functions, of ¼·(0.85² − x²) in the middle and of r = √(−log((1 − |x|)/2)) towards the ends (M. J.
Wichura, Algorithm AS 241, Applied Statistics 37, 1988, pp. 477–484: PPND16), and one step of Newton's method on
erf y = x or erfc y = 1 − x.
"""

from __future__ import annotations

import math

from codegen.native.kernels.error_function import NEAR as NEAR_ZERO
from codegen.native.kernels.exponential import exp
from codegen.native.kernels.lane import Lane, call, chosen_polynomial, copysign, fma, horner, select
from codegen.native.kernels.logarithm import log
from codegen.native.kernels.normal import complement

MIDDLE, NEAR, FAR = "middle", "near", "far"
COEFFICIENTS: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
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
}  # fmt: skip
"""Numerator and denominator, from the highest power down."""
MIDDLE_EDGE, MIDDLE_SQUARE, NEAR_SHIFT, FAR_SHIFT = 0.85, 0.180625, 1.6, 5.0
HALF_ROOT = math.sqrt(0.5)


def middle(a: float) -> float:
    """erf⁻¹ of a number of [0, 0.85), by Python."""
    place, values = MIDDLE_SQUARE - a * a / 4, []
    for coefficients in COEFFICIENTS[MIDDLE]:
        value = 0.0
        for coefficient in coefficients:
            value = value * place + coefficient
        values.append(value)
    return a / 2 * values[0] / values[1] * HALF_ROOT


def erfinv(x: Lane) -> Lane:
    """The inverse of the error function; ±inf at ±1, NaN beyond."""
    if not x.is_double:
        return _first(x.widened()).narrowed()
    a, y = abs(x), abs(_first(x))
    density = exp(-(y * y)) * (2 / math.sqrt(math.pi))
    tail, lost = complement(select(y < 6.0, y, 6.0))
    over = select(y < 1.0, fma(-y, horner(y * y, NEAR_ZERO[True]), a - y), (tail - (1.0 - a)) + lost)
    return select(a < 1.0, copysign(y + over / density, x), _first(x))


def _first(x: Lane) -> Lane:
    """The inverse to five units of the last place."""
    a = abs(x)
    in_middle = a < MIDDLE_EDGE
    r = call("sqrt", -log((1.0 - a) * 0.5))
    beyond = r > FAR_SHIFT
    place = select(in_middle, fma(a * a, -0.25, MIDDLE_SQUARE), select(beyond, r - FAR_SHIFT, r - NEAR_SHIFT))
    above, below = (
        chosen_polynomial([(in_middle, place, middle), (beyond, place, far)], (place, near))
        for middle, near, far in zip(*(COEFFICIENTS[part] for part in (MIDDLE, NEAR, FAR)), strict=True)
    )
    value = select(in_middle, a * 0.5, 1.0) * above / below * HALF_ROOT
    return copysign(select(a.equals(1.0), math.inf, value), x)
