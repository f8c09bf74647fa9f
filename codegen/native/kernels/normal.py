"""The normal distribution on lanes: its bell, erfcx, Φ and log Φ.

(1 + 2x)·e^{x²}·erfc x as one polynomial in (x − 3)/(x + 3) for all x ≥ 0 (M. M. Shepherd and J. G. Laframboise,
Mathematics of Computation 36, 1981). Coefficients: ``python -m tests.coefficients``. float32 is computed in double,
but for Φ and the bell.
"""

from __future__ import annotations

import math

from codegen.native.kernels.error_function import NEAR, SingleTail
from codegen.native.kernels.exponential import DOUBLE, power_of_two, quotient_pair, reduced
from codegen.native.kernels.lane import Lane, fma, horner, in_double, select
from codegen.native.kernels.logarithm import assembled, log1p, normalised, reciprocal
from codegen.native.kernels.power import fast_sum

SCALED = (
    -4.321531776320833e-11, 8.383310339124999e-10, 1.2576281271167237e-09, -8.211611847610587e-09,
    -1.4063002726944319e-08, 4.1049086781113435e-08, 1.0303607755868387e-07, -1.4045532339629178e-07,
    -6.178297001730261e-07, 3.557419335825945e-07, 3.473211742428297e-06, -7.308171383042536e-07,
    -2.0100932188564283e-05, 4.949192456790395e-06, 0.00012509946406878884, -0.00010515971855949687,
    -0.0007798322944497363, 0.0018886903448462327, 0.0025293918188217146, -0.02377051491715867, 0.06830802734378877,
    -0.11927366341538687, 0.12964515870276666, -0.04756229435344919, -0.13562110612458123, 1.2530080582697296,
)  # fmt: skip
"""(1 + 2x)·e^{x²}·erfc x in powers of (x − 3)/(x + 3), 0 ≤ x; relative error 2^−54."""
AROUND_MEDIAN = (
    -2.334936404315294e-16, 7.977629464520464e-15, -2.119196062402048e-13, 5.112160154082801e-12,
    -1.1301151716128318e-10, 2.2735297249057234e-09, -4.122667411459177e-08, 6.659693516238526e-07,
    -9.444656259502463e-06, 0.00011543468761615518, -0.0011873282154804543, 0.009973557010035817,
    -0.06649038006690544,
)  # fmt: skip
"""((Φ(x) − ½)/x − φ(0))/x² in powers of x², x² ≤ 1."""

SINGLE_TAIL = SingleTail(
    power=-0.5,
    farthest=14.5,
    shift=2.5,
    centre=0.1689453125,
    coefficients=(
        -266.8224792480469,
        466.8713684082031,
        -231.34486389160156,
        -14.805145263671875,
        47.694091796875,
        -3.192502021789551,
        -10.406597137451172,
        0.14091399312019348,
        3.3470685482025146,
        1.9614219665527344,
        0.642522931098938,
    ),
)
"""Φ(−a)."""

MEDIAN_EDGE, ZERO_EDGE = 1.0, 0.75
DENSITY = (0.3989422804014327, -2.49232720227773e-17)
"""φ(0) to twice the precision."""
ROOT_TWO = (math.sqrt(2.0), -9.667293313452913e-17)
"""√2 to twice the precision."""


def _scaled(place: Lane, denominator: Lane, lost: Lane) -> tuple[Lane, Lane]:
    """The polynomial over ``denominator`` + ``lost``, as a sum."""
    slope = horner(place, SCALED[:-1])
    scaled = fma(slope, place, SCALED[-1])
    high, rest = quotient_pair(scaled, denominator, lost)
    return high, rest + fma(slope, place, SCALED[-1] - scaled) * (1.0 / denominator)


def _times_exponential(high: Lane, low: Lane, a: Lane, factor: float) -> tuple[Lane, Lane]:
    """(high + low)·e^{factor·a²}, factor ±½ or ±1, with what a² rounds away; as a sum."""
    square = a * a
    fraction, k = reduced(square * factor, DOUBLE)
    fraction = fma(fma(a, a, -square) * factor, 1.0 + fraction, fraction)
    half = k >> 1
    value, lost = fast_sum(high, fma(high, fraction, low))
    first, second = power_of_two(half, DOUBLE), power_of_two(k - half, DOUBLE)
    return value * first * second, lost * first * second


def complement(x: Lane) -> tuple[Lane, Lane]:
    """erfc of a double ½ ≤ x ≤ 27, as a sum."""
    denominator = fma(x, 2.0, 1.0)
    high, low = _scaled((x - 3.0) / (x + 3.0), denominator, fma(x, 2.0, 1.0 - denominator))
    return _times_exponential(high, low, x, -1.0)


@in_double
def erfcx(x: Lane) -> Lane:
    """e^{x²}·erfc x; of negative x, 2·e^{x²} − erfcx(−x)."""
    a = abs(x)
    bounded = select(a > 2.0**500, 2.0**500, a)
    denominator = fma(bounded, 2.0, 1.0)
    place = (bounded - 3.0) / (bounded + 3.0)
    high, low = _scaled(place, denominator, fma(bounded, 2.0, 1.0 - denominator))
    small = select(a > 27.0, 27.0, a)
    doubled, _ = _times_exponential(x.constant(2.0), x.constant(0.0), small, 1.0)
    # 1 − a − a·p(a²), and what the first difference rounds away
    first = 1.0 - a
    complement, rest = fast_sum(first, ((1.0 - first) - a) - a * horner(a * a, NEAR[True]))
    near, _ = _times_exponential(complement, rest, small, 1.0)
    negative = select(a < 26.7, doubled - select(a < ZERO_EDGE, near, high + low), math.inf)
    tail = select(a > 2.0**500, (1 / math.sqrt(math.pi)) / a, high + low)
    return select(x < 0.0, negative, select(x.is_nan(), x, select(a < ZERO_EDGE, near, tail)))


def _mills(a: Lane) -> tuple[Lane, Lane]:
    """Φ(−a)·e^{a²/2}, a ≥ 0, as a sum."""
    bounded = select(a > 2.0**500, 2.0**500, a)
    denominator = fma(bounded, ROOT_TWO[0], 1.0)
    lost = fma(bounded, ROOT_TWO[1], fma(bounded, ROOT_TWO[0], 1.0 - denominator))
    centre = 3 * ROOT_TWO[0]
    high, low = _scaled((bounded - centre) / (bounded + centre), denominator, lost)
    return high * 0.5, low * 0.5


def bell(x: Lane) -> Lane:
    """e^{−x²/2}, by operations that Φ has too: where both are asked for, they are done once."""
    if not x.is_double:
        return SINGLE_TAIL.bell(abs(x))
    return _times_exponential(x.constant(1.0), x.constant(0.0), _bounded(abs(x)), -0.5)[0]


def ndtr(x: Lane) -> Lane:
    """Φ(x), the normal distribution function."""
    tail = _tail(abs(x))[0] if x.is_double else SINGLE_TAIL(abs(x))
    return select(x < 0.0, tail, 1.0 - tail)


def _tail(a: Lane) -> tuple[Lane, Lane]:
    """Φ(−a) of a ≥ 0, as a sum."""
    bounded, near = _bounded(a), a < MEDIAN_EDGE
    high, low = _times_exponential(*_mills(bounded), bounded, -0.5)
    half, lost = _near(a)
    return select(near, half, high), select(near, lost, low)


def _bounded(a: Lane) -> Lane:
    """a, or a number from which on Φ(−a) and the bell are 0."""
    return select(a > 39.0, 39.0, a)


def _near(a: Lane) -> tuple[Lane, Lane]:
    """The same about the median."""
    square = a * a
    product = a * DENSITY[0]
    half = 0.5 - product
    lost = ((0.5 - half) - product) - fma(a, DENSITY[0], -product)
    return fast_sum(half, lost - a * fma(square, horner(square, AROUND_MEDIAN), DENSITY[1]))


@in_double
def log_ndtr(x: Lane) -> Lane:
    """log Φ(x): −x²/2 + log(e^{x²/2}·Φ(x)) of negative x, else log(1 − Φ(−x))."""
    a = abs(x)
    high, low = _mills(a)
    near = a < MEDIAN_EDGE
    half, rest = _near(a)
    k, f = normalised(select(near, half, high))
    lost = select(near, rest, low)
    scaled = assembled(k, f, lost * power_of_two(-k, DOUBLE) * reciprocal(f))
    below = select(near, scaled, fma(a * -0.5, a, scaled))
    below = select(a > 2.0**500, x.constant(-math.inf), below)
    tail, rest = _tail(a)
    above = -abs(log1p(-tail) - rest / (1.0 - tail))
    return select(x < 0.0, below, select(x.is_nan(), x, above))
