"""erf and erfc on lanes.

Near nought erf x = x + x·p(x²). Away from it erfc falls like e^{−x²}/x, and (1 + 2x)·e^{x²}·erfc x is so smooth a
function of q = (x − 3)/(x + 3) that one polynomial serves the whole half-line (M. M. Shepherd and J. G. Laframboise,
Mathematics of Computation 36, 1981). Coefficients: ``tests.coefficients``.
"""

from __future__ import annotations

from codegen.native.kernels.exponential import DOUBLE, exp, power_of_two, quotient_pair, reduced
from codegen.native.kernels.lane import Lane, copysign, fma, horner, select

NEAR = {
    False: (
        7.889099651947618e-05,
        -0.0008020835812203586,
        0.005189534742385149,
        -0.026854444295167923,
        0.11283600330352783,
        -0.3761262595653534,
        0.12837916612625122,
    ),
    True: (
        5.960681677686845e-11,
        -1.1374953447997308e-09,
        1.4660328064339042e-08,
        -1.6350396108648497e-07,
        1.6461008464751155e-06,
        -1.4925595771172962e-05,
        0.00012055331132903609,
        -0.0008548326981423788,
        0.005223977624828395,
        -0.02686617064507787,
        0.11283791670954885,
        -0.3761263890318375,
        0.1283791670955126,
    ),
}
"""erf(x)/x − 1 in powers of x², |x| ≤ 1; absolute error 2^−26 (float32), 2^−56 (float64)."""

LOG_TAIL = (
    -1.9634006093838252e-05,
    0.0004162252589594573,
    -0.004076418932527304,
    0.024854132905602455,
    -0.10784545540809631,
    -0.63376384973526,
    -1.1292977333068848,
    0.00012723336112685502,
)
"""log erfc(x) in powers of x, 1 ≤ x ≤ 3.95; error of the float32 erf 2^−29."""

SCALED_TAIL = (
    7.475107382665004e-09,
    7.244020992763046e-08,
    -8.147714044607233e-08,
    -5.870365400384551e-07,
    3.00272428825265e-07,
    3.455608883795756e-06,
    -6.996977816913324e-07,
    -2.009474860147481e-05,
    4.9382863143695706e-06,
    0.00012509809156572256,
    -0.0001051573118365287,
    -0.0007798321025027277,
    0.0018886900184229775,
    0.002529391802416443,
    -0.023770514891600127,
    0.06830802734458744,
    -0.11927366341640523,
    0.1296451587027477,
    -0.047562294353433454,
    -0.1356211061245811,
    1.2530080582697296,
)
"""(1 + 2x)·e^{x²}·erfc x in powers of (x − 3)/(x + 3), ½ ≤ x ≤ 28; relative error 2^−54."""

SCALED_TAIL_SHORT = (
    -0.00018677126952841553,
    -0.0006938701028738677,
    0.0019545529525687028,
    0.0025070584567017996,
    -0.023788898931130592,
    0.06831061765096196,
    -0.11927156515869806,
    0.12964502828602342,
    -0.047562378249404846,
    -0.13562110399567817,
    1.253008058803202,
)
"""The same for ½ ≤ x ≤ 10.2 and a relative error of 2^−31."""


def tail(x: Lane, coefficients: tuple[float, ...]) -> Lane:
    """erfc of a double ½ ≤ x ≤ 28, with e^{−x²} corrected for the rounding of x²."""
    q = (x - 3.0) / (x + 3.0)
    slope = horner(q, coefficients[:-1])
    scaled = fma(slope, q, coefficients[-1])
    denominator = fma(x, 2.0, 1.0)
    smooth, rest = quotient_pair(scaled, denominator, fma(x, 2.0, 1.0 - denominator))
    rest = rest + fma(slope, q, coefficients[-1] - scaled) * (1.0 / denominator)
    square = x * x
    fraction, k = reduced(-square, DOUBLE)
    fraction = fraction - fma(x, x, -square) * (1.0 + fraction)
    half = k >> 1
    return (smooth + fma(smooth, fraction, rest)) * power_of_two(half, DOUBLE) * power_of_two(k - half, DOUBLE)


def erf(x: Lane) -> Lane:
    """Error function."""
    magnitude = abs(x)
    near = fma(x, horner(x * x, NEAR[x.is_double]), x)
    if x.is_double:
        bounded = select(magnitude > 6.0, 6.0, magnitude)
        far = 1.0 - tail(select(bounded < 1.0, 1.0, bounded), SCALED_TAIL)
    else:
        far = 1.0 - exp(horner(select(magnitude > 3.95, 3.95, magnitude), LOG_TAIL))
    # The comparison is false for NaN, which then leaves through the polynomial.
    return select(magnitude > 1.0, copysign(far, x), near)


def erfc(x: Lane) -> Lane:
    """1 − erf x, with the relative error of a small number where it is one."""
    return _erfc(x, SCALED_TAIL) if x.is_double else _erfc(x.widened(), SCALED_TAIL_SHORT).narrowed()


def _erfc(x: Lane, coefficients: tuple[float, ...]) -> Lane:
    magnitude = abs(x)
    bounded = select(magnitude > 28.0, 28.0, magnitude)
    far = tail(select(bounded < 0.75, 0.75, bounded), coefficients)
    # 1 − x − x·p: what the first difference rounds away goes into the second.
    first = 1.0 - x
    near = first - fma(x, horner(x * x, NEAR[True]), x - (1.0 - first))
    return select(magnitude > 0.75, select(x < 0.0, 2.0 - far, far), near)
