"""Γ, log |Γ|, ψ and its derivatives on lanes.

Polynomials near 1 and 2, about the root of ψ and, in (x − 5)/(x + 5), for what Stirling's series leaves up to 13; the
series itself beyond; Euler's reflection for negative arguments, which are as good as their condition. A lane takes
its polynomial's coefficients by selection. Coefficients: ``python -m tests.coefficients``. float32 is computed in
double.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from codegen.native.kernels.exponential import DOUBLE, power_of_two, quotient, reduced
from codegen.native.kernels.lane import Lane, call, chosen_polynomial, copysign, fma, in_double, select
from codegen.native.kernels.logarithm import log
from codegen.native.kernels.power import log_pair
from codegen.native.kernels.trigonometric import cos, sin

AROUND_1 = (
    0.20595412121874226, -0.2251465079716781, -0.12877792426897533, 0.15357140986053106, 0.12519479902842767,
    -0.14547770107646915, 0.019926549013115014, -0.014303236416089925, 0.05511127137075034, -0.05990499756880064,
    0.054871373464311084, -0.057727382471169604, 0.06256135253126838, -0.06678397465181889, 0.07142965955069748,
    -0.07692413343730249, 0.08335392728309404, -0.09095442876136023, 0.10009945821108483, -0.11133425282971562,
    0.1255096694081855, -0.14404989701548213, 0.1695571770004023, -0.2073855510262465, 0.27058080842775617,
    -0.4006856343865408, 0.8224670334241133, -0.5772156649015329,
)  # fmt: skip
"""log Γ(1 + t)/t, |t| ≤ ½."""
AROUND_2 = (
    -1.4328594831821842e-07, 2.784962855557262e-07, -4.200524902578934e-07, 9.20312535550042e-07,
    -2.049750344708355e-06, 4.384590802887924e-06, -9.437237611092094e-06, 2.0505617114145864e-05,
    -4.492653102150406e-05, 9.945767007626759e-05, -0.0002231547351732796, 0.0005096695156722968,
    -0.0011927539127580943, 0.0028905103310239272, -0.007385551028649717, 0.020580808427780563, -0.06735230105319831,
    0.32246703342411326, 0.42278433509846713,
)  # fmt: skip
"""log Γ(2 + t)/t, |t| ≤ ½."""
LGAMMA_MIDDLE = (
    0.0006771505824735579, -0.001719081323824433, 0.0018145016928328144, -0.0012575604160968135, 0.001124487230359539,
    -0.0013708002108095635, 0.0015372628470392397, -0.0015972124992180167, 0.0016680095750523567,
    -0.0017622693555125722, 0.0018592524729511351, -0.0019546433209335743, 0.0020485900862367585,
    -0.00213856657688136, 0.002220602282323948, -0.0022898576348795298, 0.0023404516485800624, -0.0023654636686013457,
    0.002357156348462687, -0.002307415477755775, 0.0022084437877775355, -0.0020537018481599834, 0.0018390169572006646,
    -0.0015637001346017474, 0.0012314441764812104, -0.0008507541679420191, 0.00043471178321682793,
    0.08322345594910596,
)  # fmt: skip
"""x·(log Γ(x) − (x − ½)·log x + x − ½ log 2π) in powers of (x − 5)/(x + 5), 2.5 ≤ x ≤ 13."""
LGAMMA_FAR = (
    0.17964437236883057, -0.029550653594771242, 0.00641025641025641, -0.0019175269175269176, 0.0008417508417508417,
    -0.0005952380952380953, 0.0007936507936507937, -0.002777777777777778, 0.08333333333333333,
)  # fmt: skip
"""The same in powers of 1/x²: B₂ₖ/(2k(2k − 1))."""
DIGAMMA_NEAR = (
    -9.094630715118682e-06, 4.566164545270447e-05, -0.00010083600580623372, 0.00013812364131786676,
    -0.00016166080066707, 0.00022098877253209055, -0.00033944669205657137, 0.0005086480684280771, -0.0007408172082992,
    0.00107848927066376, -0.0015763169689455982, 0.002305095254046481, -0.0033698852461027866, 0.004926793048555885,
    -0.007204527311267624, 0.010538790257266943, -0.015424766280575784, 0.022597648315438926, -0.03316112646277191,
    0.048804288161377635, -0.07219956125667211, 0.1078240506913078, -0.16394270544240466, 0.25849976095565075,
    -0.44276316898359214, 0.9676722454476212,
)  # fmt: skip
"""ψ(x₀ + t)/t about the root x₀, 1 ≤ x ≤ 2.2."""
DIGAMMA_MIDDLE = (
    -0.0008343609950843923, 0.0015276047800781443, -0.0008534969623287257, 0.00029537046025450973,
    -0.0007141830487172796, 0.0011282991183453703, -0.0011735416189421926, 0.0012339309167097884,
    -0.0014164626087719372, 0.0016275395900053704, -0.0018497151732405597, 0.002102680329207993,
    -0.0023913081922460108, 0.0027141146097408426, -0.003069153926370069, 0.003451511772088128,
    -0.0038512881540457736, 0.004252275928096393, -0.004630744102227483, 0.004954812854371583, -0.0051850657909177636,
    0.005277000153260238, -0.005185712712344949, 0.004872722232485674, -0.004314076262881832, 0.0035080902777426537,
    -0.0024805645410554203, 0.0012854659511588472, 0.08300610005749755,
)  # fmt: skip
"""x²·(log x − 1/(2x) − ψ(x)), 2.2 ≤ x ≤ 13."""
DIGAMMA_FAR = (
    3.0539543302701198, -0.4432598039215686, 0.08333333333333333, -0.021092796092796094, 0.007575757575757576,
    -0.004166666666666667, 0.003968253968253968, -0.008333333333333333, 0.08333333333333333,
)  # fmt: skip
"""The same in powers of 1/x²."""
TRIGAMMA_LOW = (
    -3.1082027976379733e-11, 3.780399396545482e-11, -3.5778116294944227e-10, 7.966139391182014e-10,
    -3.073268685775451e-09, 1.1566750641499498e-08, -3.466314063836861e-08, 1.282274574221622e-07,
    -4.2556505246988937e-07, 1.3908633453627328e-06, -4.783118210836297e-06, 1.543575573689933e-05,
    -4.982147122220397e-05, 0.00016188677468538035, -0.0004970750403235343, 0.0014915636265586997,
    -0.00441069001669975, 0.011613709303915525, -0.024561243629878163, 0.03927215500509944, -0.04475104866566172,
    0.030777051365974823, 0.1576084589622383,
)  # fmt: skip
"""x³·(ψ′(x) − 1/x − 1/(2x²)) in powers of (x − 1.75)/(x + 1.75), 1 ≤ x ≤ 3."""
TRIGAMMA_MIDDLE = (
    -2.1045163730506454e-05, 8.414101587907646e-05, -0.00016938301254142, 0.000251778613789265,
    -0.0003438815095958891, 0.0004736128359723631, -0.000658321012969323, 0.0009111760884937136,
    -0.0012515050707289292, 0.001705172729230075, -0.0023023721575269993, 0.0030760621966009075,
    -0.004059189368488998, 0.005279288445928592, -0.006749890785674803, 0.008458563561665841, -0.010352347827758604,
    0.012323082970867046, -0.014197288892241974, 0.015737125334531983, -0.016659120379866423, 0.016674430076230082,
    -0.01554782269036397, 0.013163768540193603, -0.009580531523145397, 0.005051496443373114, 0.16536946713941567,
)  # fmt: skip
"""The same in powers of (x − 5)/(x + 5), 3 ≤ x ≤ 13."""
TRIGAMMA_FAR = (
    54.971177944862156, -7.092156862745098, 1.1666666666666667, -0.2531135531135531, 0.07575757575757576,
    -0.03333333333333333, 0.023809523809523808, -0.03333333333333333, 0.16666666666666666,
)  # fmt: skip
"""The same in powers of 1/x²."""
TETRAGAMMA_LOW = (
    1.6014993086250192e-11, 4.633472439546054e-11, 3.153877598641958e-11, 7.027557323986663e-11,
    -3.5084667852422224e-10, 1.5408038591560313e-10, -3.134939457334337e-09, 6.147004880442302e-09,
    -2.1687238698077565e-08, 8.152215909268747e-08, -2.1494612100793054e-07, 7.593997982511947e-07,
    -2.316967815701685e-06, 6.8022106197522884e-06, -2.1547163864329338e-05, 6.150669017689836e-05,
    -0.00017410137963522033, 0.0004941294158646233, -0.0012535324811269778, 0.003000757085900635,
    -0.006769079009129013, 0.010581730516734113, -0.0010492892979105002, -0.043809771641774145, 0.12218790360939291,
    -0.17777285282164693, 0.1370822027635862, 0.4574368512037275,
)  # fmt: skip
"""x⁴·(−ψ″(x) − 1/x² − 1/x³), likewise."""
TETRAGAMMA_MIDDLE = (
    5.3158057415225855e-05, -0.00021727896624603867, 0.00043539601765599776, -0.0006164984413308711,
    0.0007686882905421169, -0.000950247017359333, 0.0011796908818024463, -0.0014392701392056657,
    0.0017036037460311986, -0.0019376874317174764, 0.0020820225580130314, -0.002040536796405164,
    0.0016695580657974214, -0.0007671422403031999, -0.0009326705497451126, 0.003752846182108586,
    -0.008042947279863818, 0.014113296241301528, -0.022125269711945592, 0.031941832483067485, -0.042965801374654174,
    0.05402317043295469, -0.06337122461988687, 0.06890500598756165, -0.06858389045137671, 0.06100641947816335,
    -0.04596149915804004, 0.02473502085326474, 0.4935826531965605,
)  # fmt: skip
"""x⁴·(−ψ″(x) − 1/x² − 1/x³), likewise."""
TETRAGAMMA_FAR = (
    1044.452380952381, -120.56666666666666, 17.5, -3.2904761904761903, 0.8333333333333334, -0.3, 0.16666666666666666,
    -0.16666666666666666, 0.5,
)  # fmt: skip
"""The same in powers of 1/x²."""

ROOT = (1.4616321449683622, 9.549995429965697e-17)
"""The root x₀ of ψ to twice the precision."""
LOG_ROOT_TWO_PI = (0.9189385332046728, -3.878294158067242e-17)
NEAR_EDGE, LOW_EDGE, MIDDLE_EDGE, MIDDLE_CENTRE, LOW_CENTRE = 2.2, 3.0, 13.0, 5.0, 1.75


def _turn(a: Lane) -> tuple[Lane, Lane]:
    """sin πa and cos πa but for a common sign, of a ≥ 0."""
    part = (a - call("rint", a)) * math.pi
    return sin(part), cos(part)


def _logarithm(a: Lane) -> tuple[Lane, Lane]:
    """log Γ(a), of a < ½ log Γ(1 + a); for a > 0, as a sum."""
    small, first, second = a < 0.5, a < 1.5, a < 2.5
    t = select(small, a, select(first, a - 1.0, a - 2.0))
    inverse = 1.0 / a
    rest = chosen_polynomial(
        [
            (first, t, AROUND_1),
            (second, t, AROUND_2),
            (a < MIDDLE_EDGE, (a - MIDDLE_CENTRE) / (a + MIDDLE_CENTRE), LGAMMA_MIDDLE),
        ],
        (inverse * inverse, LGAMMA_FAR),
    )
    near = fma(t, rest, 0.0)  # +0 at 1 and 2
    logarithm, low = log_pair(a)
    less = a - 0.5
    product = less * logarithm
    lost = fma(less, low, fma(less, logarithm, -product))
    total = product - a
    taken = product - total
    lost = lost + ((product - (total + taken)) + (taken - a))
    rest = rest * inverse
    correction = LOG_ROOT_TWO_PI[0] + ((LOG_ROOT_TWO_PI[1] + lost) + rest)
    stirling = total + correction
    low = select(a < 4.0, total - (stirling - correction), correction - (stirling - total))
    finite = product < math.inf
    value = select(second, near, select(finite, stirling, select(a.is_nan(), a, a.constant(math.inf))))
    return value, select(second, 0.0, select(finite, low, 0.0))


@in_double
def lgamma(x: Lane) -> Lane:
    """log |Γ(x)|; +inf at its poles."""
    a = abs(x)
    small = a < 0.5
    value, _ = _logarithm(a)
    positive = select(small, value - log(a), value)
    sine, _ = _turn(a)
    area = select(small, 1.0, a) * abs(sine) * (1 / math.pi)
    negative = select(a < math.inf, -log(area) - value, a)
    return select(a.equals(0.0), x.constant(math.inf), select(x < 0.0, negative, positive))


@in_double
def gamma(x: Lane) -> Lane:
    """Γ(x); ±inf at ±0, NaN at the other poles."""
    a = abs(x)
    small = a < 0.5
    high, low = _logarithm(a)
    bounded = select(high > 712.0, 712.0, high)
    fraction, k = reduced(bounded, DOUBLE)
    fraction = fma(select(high > 712.0, 0.0, low), 1.0 + fraction, fraction)
    half = k >> 1
    value = (1.0 + fraction) * power_of_two(half, DOUBLE) * power_of_two(k - half, DOUBLE)
    sine, _ = _turn(a)
    part = a - call("floor", a * 0.5) * 2.0  # sin πa is negative where it is beyond 1
    signed = copysign(sine, select(part > 1.0, x.constant(-1.0), 1.0))
    negative = select(small, x.constant(-math.pi), -math.pi / a) / signed / value
    negative = select(sine.equals(0.0), x.constant(math.nan), negative)
    positive = select(small, value / a, value)
    zero = copysign(x.constant(math.inf), x)
    return select(a.equals(0.0), zero, select(x.is_nan(), x, select(x < 0.0, negative, positive)))


@in_double
def lgamma_rest(x: Lane) -> Lane:
    """log Γ(x) − (x − ½)·log x + x − ½·log 2π, x > 0."""
    logarithm = log(x)
    direct = ((lgamma(x) - (x - 0.5) * logarithm) + x) - LOG_ROOT_TWO_PI[0]
    far = _far_rest(x, LGAMMA_MIDDLE, LGAMMA_FAR, 1)
    return _where_positive(x, select(x < 2.5, direct, far))


@in_double
def digamma_rest(x: Lane) -> Lane:
    """The derivative of that: ψ(x) − log x + 1/(2x)."""
    direct = (digamma(x) - log(x)) + 0.5 / x
    return _where_positive(x, select(x < NEAR_EDGE, direct, -_far_rest(x, DIGAMMA_MIDDLE, DIGAMMA_FAR, 2)))


@in_double
def trigamma_rest(x: Lane) -> Lane:
    """The derivative of that: ψ′(x) − 1/x − 1/(2x²)."""
    inverse = 1.0 / x
    direct = trigamma(x) - (inverse + inverse * inverse * 0.5)
    return _where_positive(x, select(x < LOW_EDGE, direct, _far_rest(x, TRIGAMMA_MIDDLE, TRIGAMMA_FAR, 3)))


def _where_positive(x: Lane, value: Lane) -> Lane:
    return select(x > 0.0, value, x.constant(math.nan))


def _far_rest(x: Lane, middle: Sequence[float], far: Sequence[float], power: int) -> Lane:
    inverse, is_middle = 1.0 / x, x < MIDDLE_EDGE
    place = (x - MIDDLE_CENTRE) / (x + MIDDLE_CENTRE)
    rest = chosen_polynomial([(is_middle, place, middle)], (inverse * inverse, far))
    below, lost = x, x.constant(0.0)
    for _ in range(power - 1):
        product = below * x
        below, lost = product, fma(lost, x, fma(below, x, -product))
    value = quotient(rest, below, lost)
    return select(below < math.inf, value, 0.0)


@in_double
def digamma(x: Lane) -> Lane:
    """ψ(x); NaN at the poles −1, −2, …"""
    a = abs(x)
    small, near = a < 1.0, a < NEAR_EDGE
    t = select(small, a + (1.0 - ROOT[0]), a - ROOT[0]) - ROOT[1]
    inverse, lost = _inverse(a)
    rest = chosen_polynomial(
        [
            (near, t, DIGAMMA_NEAR),
            (a < MIDDLE_EDGE, (a - MIDDLE_CENTRE) / (a + MIDDLE_CENTRE), DIGAMMA_MIDDLE),
        ],
        (inverse * inverse, DIGAMMA_FAR),
    )
    about_root = t * rest
    rest = rest * inverse * inverse
    far = log(a) - (inverse * 0.5 + rest)
    positive = select(near, select(small, (about_root - lost) - inverse, about_root), far)
    sine, cosine = _turn(a)
    negative = select(small, about_root, positive + inverse) + math.pi * (cosine / sine)
    value = select(x < 0.0, select(sine.equals(0.0), x.constant(math.nan), negative), positive)
    return select(a.equals(0.0), copysign(x.constant(math.inf), -x), value)


def _inverse(a: Lane) -> tuple[Lane, Lane]:
    """1/a as a sum."""
    inverse = 1.0 / a
    lost = fma(-inverse, a, 1.0) * inverse
    return inverse, select(inverse < math.inf, select(inverse > 0.0, lost, 0.0), 0.0)


@in_double
def trigamma(x: Lane) -> Lane:
    """ψ′(x) = 1/x + 1/(2x²) + …; of a < 1, ψ′(1 + a) + 1/a²."""
    a = abs(x)
    small = a < 1.0
    shifted = select(small, a + 1.0, a)
    inverse, lost = _inverse(shifted)
    rest = _stirling(shifted, inverse, (TRIGAMMA_LOW, TRIGAMMA_MIDDLE), (TRIGAMMA_FAR, inverse * inverse * inverse))
    value = inverse + (fma(inverse * inverse, 0.5, rest) + lost)
    high, low = _square(a)
    positive = select(small, high + (low + value), value)
    sine, _ = _turn(a)
    turned = math.pi / sine
    negative = turned * turned - select(small, value, value - high)
    value = select(x < 0.0, negative, positive)
    return select(high.equals(math.inf), x.constant(math.inf), value)


@in_double
def tetragamma(x: Lane) -> Lane:
    """ψ″(x) = −1/x² − 1/x³ − …; of a < 1, ψ″(1 + a) − 2/a³."""
    a = abs(x)
    small = a < 1.0
    shifted = select(small, a + 1.0, a)
    inverse, lost = _inverse(shifted)
    square = inverse * inverse
    rest = _stirling(shifted, inverse, (TETRAGAMMA_LOW, TETRAGAMMA_MIDDLE), (TETRAGAMMA_FAR, square * square))
    taken = fma(inverse, inverse, -square) + inverse * lost * 2.0
    value = square + (fma(square, inverse, rest) + taken)
    own, own_lost = _inverse(a)
    high, low = _square(a)
    cube = high * own
    cube_lost = fma(high, own, -cube) + fma(low, own, high * own_lost)
    cube_lost = select(cube < math.inf, cube_lost, 0.0)
    positive = -select(small, fma(cube, 2.0, fma(cube_lost, 2.0, value)), value)
    sine, cosine = _turn(a)
    turned = math.pi / sine
    negative = select(small, -value, fma(cube, 2.0, -value)) + turned * turned * (turned * cosine) * 2.0
    value = select(x < 0.0, select(sine.equals(0.0), x.constant(math.nan), negative), positive)
    return select(cube.equals(math.inf), copysign(x.constant(math.inf), -x), value)


def _square(a: Lane) -> tuple[Lane, Lane]:
    """1/a² as a sum."""
    inverse, lost = _inverse(a)
    square = inverse * inverse
    return square, select(square < math.inf, fma(inverse, inverse, -square) + inverse * lost * 2.0, 0.0)


def _stirling(
    x: Lane, inverse: Lane, tables: tuple[Sequence[float], Sequence[float]], far: tuple[Sequence[float], Lane]
) -> Lane:
    """What the leading terms leave, for x ≥ 1: ``far`` has the coefficients and the power of 1/x before them."""
    is_low, is_middle = x < LOW_EDGE, x < MIDDLE_EDGE
    centre = select(is_low, x.constant(LOW_CENTRE), MIDDLE_CENTRE)
    place = (x - centre) / (x + centre)
    rest = chosen_polynomial([(is_low, place, tables[0]), (is_middle, place, tables[1])], (inverse * inverse, far[0]))
    return rest * far[1]
