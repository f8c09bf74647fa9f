"""Γ, log |Γ|, ψ and its derivatives on lanes.

Polynomials near 1 and 2, about the root of ψ and, in (x − 5)/(x + 5), for what Stirling's series leaves up to 10; the
series itself beyond; Euler's reflection for negative arguments, which are as good as their condition. A lane takes
its polynomial's coefficients by selection. Coefficients: ``python -m tests.coefficients``. float32 is computed in
double.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from codegen.native.kernels.exponential import DOUBLE, power_of_two, reduced
from codegen.native.kernels.lane import Lane, call, chosen_polynomial, copysign, fma, select
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
    0.03451419002969122, -0.03365572333772494, 0.010769479731236542, -0.012427741459365782, 0.02017810807373582,
    -0.020498513878366088, 0.019928248532228604, -0.020709868601210556, 0.021614439233035798, -0.02240889426629108,
    0.023235634307620094, -0.024107907377147336, 0.02501054526567577, -0.025936586397451146, 0.02687775072940717,
    -0.027822275375137866, 0.02875519016016552, -0.02965836200066997, 0.030510791122043617, -0.03128933488326149,
    0.03196987830166704, -0.032528907163882764, 0.032945346832767244, -0.03320244002299902, 0.016644691189821193,
)  # fmt: skip
"""log Γ(x) − (x − ½)·log x + x − ½ log 2π in powers of (x − 5)/(x + 5), 2.5 ≤ x ≤ 10; error 2^−59."""
LGAMMA_FAR = (
    0.17964437236883057, -0.029550653594771242, 0.00641025641025641, -0.0019175269175269176, 0.0008417508417508417,
    -0.0005952380952380953, 0.0007936507936507937, -0.002777777777777778, 0.08333333333333333,
)  # fmt: skip
"""The same times x in powers of 1/x²: B₂ₖ/(2k(2k − 1))."""
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
    -0.9485388219696356, 0.18918815291818517, 0.3318792438386238, 0.19109945213849494, -0.295409916005848,
    0.13276354154035608, -0.12274651891552534, 0.14828743971404185, -0.1443931992342389, 0.13770926961200164,
    -0.13407397698851295, 0.13003444498317104, -0.12523672715036765, 0.11989477376177761, -0.11395042269908613,
    0.10732582920669842, -0.0999620093096658, 0.0918092047717229, -0.0828323334490503, 0.07301847019732238,
    -0.062383760878386436, 0.05097924223207466, -0.038894364985545285, 0.02625705488457176, -0.013229557371153259,
    0.003320244002299902,
)  # fmt: skip
"""log x − 1/(2x) − ψ(x), 2.2 ≤ x ≤ 10; error 2^−60."""
DIGAMMA_FAR = (
    3.0539543302701198, -0.4432598039215686, 0.08333333333333333, -0.021092796092796094, 0.007575757575757576,
    -0.004166666666666667, 0.003968253968253968, -0.008333333333333333, 0.08333333333333333,
)  # fmt: skip
"""The same times x²."""
TRIGAMMA_LOW = (
    22.925607181422524, -20.115807346405948, 9.706852837704067, -9.78775618140444, 10.883208582850813,
    -10.117447453837968, 9.285782878447028, -8.64258368183962, 8.000984941405108, -7.347389285576455,
    6.693851969805269, -6.0408224318138375, 5.387817525641358, -4.734896688642301, 4.0822878362822825,
    -3.4306474987391113, 2.7819418003346126, -2.141734365220515, 1.5238562873389416, -0.9567078379434572,
    0.4865378713858949, -0.17070529724220737, 0.029407992342808314,
)  # fmt: skip
"""ψ′(x) − 1/x − 1/(2x²) in powers of (x − 1.75)/(x + 1.75), 1 ≤ x ≤ 3."""
TRIGAMMA_MIDDLE = (
    0.8101731700011097, -1.5739147392518753, 1.470559870640559, -1.1308850366302148, 1.0025137632693848,
    -0.956195787237135, 0.887120835703276, -0.8066424579757594, 0.7281061885051427, -0.6514210905457135,
    0.5758933828423775, -0.5018947404459947, 0.4299632229437892, -0.3607047106684128, 0.29484316283844064,
    -0.23322371417668314, 0.17679667817356512, -0.1265865398783958, 0.08364358371998809, -0.048979726861112544,
    0.02349408718660891, -0.00789732245114496, 0.0013229557371153254,
)  # fmt: skip
"""ψ′(x) − 1/x − 1/(2x²) in powers of (x − 5)/(x + 5), 3 ≤ x ≤ 10."""
TRIGAMMA_FAR = (
    54.971177944862156, -7.092156862745098, 1.1666666666666667, -0.2531135531135531, 0.07575757575757576,
    -0.03333333333333333, 0.023809523809523808, -0.03333333333333333, 0.16666666666666666,
)  # fmt: skip
"""The same times x³."""
TETRAGAMMA_LOW = (
    -958.7918275737057, 863.716802890786, -317.55276814786157, 300.57595017198963, -381.7733953331323,
    346.628436454067, -300.5980098501875, 271.5614145871731, -245.0799219866864, 218.7571230760918,
    -193.86232529441918, 170.53910011540955, -148.71146910594288, 128.37328281714818, -109.52772850459999,
    92.17502814500901, -76.31518173082631, 61.94845453662851, -49.07560228389635, 37.69863034033137,
    -27.822576735222427, 19.459001696489718, -12.629834172304648, 7.362755896734807, -3.659642262796975,
    1.4248515133189377, -0.37556752493034395, 0.048772942069202095,
)  # fmt: skip
"""−ψ″(x) − 1/x² − 1/x³ likewise."""
TETRAGAMMA_MIDDLE = (
    7.621903172730334, -15.839315875378281, 15.3032112901429, -11.207611301199274, 9.15975714055441,
    -8.40150657986371, 7.549290373964647, -6.579559036859896, 5.674520676722351, -4.850934522950907,
    4.094738610273685, -3.404432657050592, 2.7811272154981466, -2.2251962740444435, 1.7366432347317986,
    -1.3151063259856706, 0.9596399299932654, -0.6684657365506809, 0.4387058833762232, -0.26612198026949907,
    0.14490205497495845, -0.06754408704199952, 0.024881285178089158, -0.006278281927550751, 0.0007897322451144968,
)  # fmt: skip
"""−ψ″(x) − 1/x² − 1/x³ likewise."""
TETRAGAMMA_FAR = (
    1044.452380952381, -120.56666666666666, 17.5, -3.2904761904761903, 0.8333333333333334, -0.3, 0.16666666666666666,
    -0.16666666666666666, 0.5,
)  # fmt: skip
"""The same times x⁴."""

ROOT = (1.4616321449683622, 9.549995429965697e-17)
"""The root x₀ of ψ to twice the precision."""
LOG_ROOT_TWO_PI = (0.9189385332046728, -3.878294158067242e-17)
NEAR_EDGE, LOW_EDGE, MIDDLE_EDGE, MIDDLE_CENTRE, LOW_CENTRE = 2.2, 3.0, 10.0, 5.0, 1.75


def _turn(a: Lane) -> tuple[Lane, Lane]:
    """sin πa and cos πa but for a common sign, of a ≥ 0."""
    part = (a - call("llvm.rint", a)) * math.pi
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
    rest = select(a < MIDDLE_EDGE, rest, rest * inverse)
    correction = LOG_ROOT_TWO_PI[0] + ((LOG_ROOT_TWO_PI[1] + lost) + rest)
    stirling = total + correction
    low = select(a < 4.0, total - (stirling - correction), correction - (stirling - total))
    finite = product < math.inf
    value = select(second, near, select(finite, stirling, select(a.is_nan(), a, a.constant(math.inf))))
    return value, select(second, 0.0, select(finite, low, 0.0))


def lgamma(x: Lane) -> Lane:
    """log |Γ(x)|; +inf at its poles."""
    if not x.is_double:
        return lgamma(x.widened()).narrowed()
    a = abs(x)
    small = a < 0.5
    value, _ = _logarithm(a)
    positive = select(small, value - log(a), value)
    sine, _ = _turn(a)
    area = select(small, 1.0, a) * abs(sine) * (1 / math.pi)
    negative = select(a < math.inf, -log(area) - value, a)
    return select(a.equals(0.0), x.constant(math.inf), select(x < 0.0, negative, positive))


def gamma(x: Lane) -> Lane:
    """Γ(x); ±inf at ±0, NaN at the other poles."""
    if not x.is_double:
        return gamma(x.widened()).narrowed()
    a = abs(x)
    small = a < 0.5
    high, low = _logarithm(a)
    bounded = select(high > 712.0, 712.0, high)
    fraction, k = reduced(bounded, DOUBLE)
    fraction = fma(select(high > 712.0, 0.0, low), 1.0 + fraction, fraction)
    half = k >> 1
    value = (1.0 + fraction) * power_of_two(half, DOUBLE) * power_of_two(k - half, DOUBLE)
    sine, _ = _turn(a)
    part = a - call("llvm.floor", a * 0.5) * 2.0  # sin πa is negative where it is beyond 1
    signed = copysign(sine, select(part > 1.0, x.constant(-1.0), 1.0))
    negative = select(small, x.constant(-math.pi), -math.pi / a) / signed / value
    negative = select(sine.equals(0.0), x.constant(math.nan), negative)
    positive = select(small, value / a, value)
    zero = copysign(x.constant(math.inf), x)
    return select(a.equals(0.0), zero, select(x.is_nan(), x, select(x < 0.0, negative, positive)))


def digamma(x: Lane) -> Lane:
    """ψ(x); NaN at the poles −1, −2, …"""
    if not x.is_double:
        return digamma(x.widened()).narrowed()
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
    rest = select(a < MIDDLE_EDGE, rest, rest * inverse * inverse)
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


def trigamma(x: Lane) -> Lane:
    """ψ′(x) = 1/x + 1/(2x²) + …; of a < 1, ψ′(1 + a) + 1/a²."""
    if not x.is_double:
        return trigamma(x.widened()).narrowed()
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


def tetragamma(x: Lane) -> Lane:
    """ψ″(x) = −1/x² − 1/x³ − …; of a < 1, ψ″(1 + a) − 2/a³."""
    if not x.is_double:
        return tetragamma(x.widened()).narrowed()
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
    return select(is_middle, rest, rest * far[1])
