"""erf and erfc on lanes.

Near nought erf x = x + x·p(x²). Away from it erfc falls like e^{−x²}/x, and (1 + 2x)·e^{x²}·erfc x is so smooth a
function of q = (x − 3)/(x + 3) that one polynomial serves the whole half-line (M. M. Shepherd and J. G. Laframboise,
Mathematics of Computation 36, 1981). In float32, e^{x²}·erfc x itself is such a function of 1/(x + c), and takes one
division (:class:`SingleTail`). Coefficients: ``tests.coefficients``.
"""

from __future__ import annotations

from dataclasses import dataclass

from codegen.native.kernels.exponential import DOUBLE, SINGLE, exp, power_of_two, quotient_pair, reduced
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



@dataclass(frozen=True, slots=True)
class SingleTail:
    """The tail of a bell in float32: T(a) = e^{power·a²}·t·p(t − centre), t = 1/(a + shift), for all a ≥ 0.

    Attributes
    ----------
    power
        −1 or −½.
    farthest
        From there on T is 0 in float32.
    coefficients
        p, highest power first; relative error 2^−26.9.
    """

    power: float
    farthest: float
    shift: float
    centre: float
    coefficients: tuple[float, ...]

    def __call__(self, a: Lane) -> Lane:
        """T of a float32 a ≥ 0. What is rounded away is kept: of a² in e's argument, of the rest in a sum. All is 2^−64
        times as large as it will be, so that only the last product may be subnormal."""
        bounded, fraction, k = self._exponential(a)
        denominator = bounded + self.shift
        guess = 1.0 / denominator
        missing = fma(-guess, bounded - (denominator - self.shift), fma(-guess, denominator, 1.0))
        place = fma(guess, missing, guess - self.centre)
        *steeper, second, last = (coefficient * 2.0**-64 for coefficient in self.coefficients)
        steep = horner(place, steeper)
        slope = fma(steep, place, second)
        smooth = fma(slope, place, last)
        rest = fma(fma(steep, place, second - slope), place, fma(slope, place, last - smooth))
        product = guess * smooth
        lost = fma(product, missing, fma(guess, smooth, -product) + guess * rest)
        return (fma(product, fraction, lost) + product) * power_of_two(k + 64, SINGLE)

    def bell(self, a: Lane) -> Lane:
        """e^{power·a²} of a float32 a ≥ 0, by the operations that T has too: beside T it takes two more."""
        _, fraction, k = self._exponential(a)
        return fma(fraction, 2.0**-64, 2.0**-64) * power_of_two(k + 64, SINGLE)

    def _exponential(self, a: Lane) -> tuple[Lane, Lane, Lane]:
        """a, or the farthest; e^{power·a²} = (1 + fraction)·2^k, with what a² rounds away."""
        bounded = select(a > self.farthest, self.farthest, a)
        scaled = bounded * self.power
        exponent = bounded * scaled
        return bounded, *reduced(exponent, SINGLE, fma(bounded, scaled, -exponent))


ERFC_TAIL = SingleTail(
    power=-1.0,
    farthest=10.25,
    shift=1.75,
    centre=0.228515625,
    coefficients=(
        -13.554228782653809,
        30.912857055664062,
        -21.855792999267578,
        -0.8393087387084961,
        8.183789253234863,
        -1.006046175956726,
        -3.500056743621826,
        0.10829885303974152,
        2.2477304935455322,
        1.869147777557373,
        0.8831537365913391,
    ),
)


def tail(x: Lane) -> Lane:
    """erfc of a double ½ ≤ x ≤ 28, with e^{−x²} corrected for the rounding of x²."""
    q = (x - 3.0) / (x + 3.0)
    slope = horner(q, SCALED_TAIL[:-1])
    scaled = fma(slope, q, SCALED_TAIL[-1])
    denominator = fma(x, 2.0, 1.0)
    smooth, rest = quotient_pair(scaled, denominator, fma(x, 2.0, 1.0 - denominator))
    rest = rest + fma(slope, q, SCALED_TAIL[-1] - scaled) * (1.0 / denominator)
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
        far = 1.0 - tail(select(bounded < 1.0, 1.0, bounded))
    else:
        far = 1.0 - exp(horner(select(magnitude > 3.95, 3.95, magnitude), LOG_TAIL))
    # The comparison is false for NaN, which then leaves through the polynomial.
    return select(magnitude > 1.0, copysign(far, x), near)


def erfc(x: Lane) -> Lane:
    """1 − erf x, with the relative error of a small number where it is one."""
    magnitude = abs(x)
    if not x.is_double:
        far = ERFC_TAIL(magnitude)
        return select(x < 0.0, 2.0 - far, far)
    bounded = select(magnitude > 28.0, 28.0, magnitude)
    far = tail(select(bounded < 0.75, 0.75, bounded))
    # 1 − x − x·p: what the first difference rounds away goes into the second.
    first = 1.0 - x
    near = first - fma(x, horner(x * x, NEAR[True]), x - (1.0 - first))
    return select(magnitude > 0.75, select(x < 0.0, 2.0 - far, far), near)
