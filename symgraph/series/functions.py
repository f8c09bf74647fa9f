"""What functions are as power series: by their differential equations, by other functions, by Stirling's terms."""

from __future__ import annotations

import math
from collections.abc import Callable

import mpmath
import sympy as sp

from symgraph.core import scalars
from symgraph.series.power import NOUGHT_DIGITS, NoSeries, Number, Scale, Series, exponential


def log(scale: Scale, u: Series) -> Series:
    """log c + v·log t + log(1 + w)."""
    if u.vanishes or u.leading < 0:
        raise NoSeries
    one = Series(0, [c / u.leading for c in u.coefficients])
    rest = (one.differentiated() * one.inverse()).integrated(0) if len(one.coefficients) > 1 else Series(1, [])
    constant = mpmath.log(u.leading) + u.order * scale.logarithm
    scale.asked_logarithm |= u.order != 0
    if one.differentiated().vanishes:
        return scale.number(constant) + Series(len(one.coefficients), [])
    return scale.number(constant) + rest


def _by_slope(scale: Scale, u: Series, slope: Series, value: Callable[[Number], Number]) -> Series:
    """f(u) with f′(u) given."""
    return (slope * u.differentiated()).integrated(value(u.constant()))


def _one(scale: Scale) -> Series:
    return scale.number(1)


def _angle(scale: Scale, u: Series) -> tuple[Series, Series]:
    """sin u and cos u, by s′ = c·u′ and c′ = −s·u′."""
    first = u.constant()
    c = u.from_start()
    sine, cosine = [mpmath.sin(first)], [mpmath.cos(first)]
    for n in range(1, len(c)):
        steps = [(k, k * c[k]) for k in range(1, n + 1) if c[k]]
        sine.append(sum((w * cosine[n - k] for k, w in steps), mpmath.mpf(0)) / n)
        cosine.append(-sum((w * sine[n - k] for k, w in steps), mpmath.mpf(0)) / n)
    return Series(0, sine, 1), Series(0, cosine, 1)


def tan(scale: Scale, u: Series) -> Series:
    """By sin and cos."""
    sine, cosine = _angle(scale, u)
    return sine * cosine.inverse()


def acos(scale: Scale, u: Series) -> Series:
    """By its slope; at ±1 by asin of a root."""
    edge = u.constant()
    if abs(abs(edge) - 1) < mpmath.mpf(10) ** -NOUGHT_DIGITS:  # acos w = 2·asin √((1 − w)/2)
        half = (_one(scale) - (u if edge > 0 else -u)).scaled(mpmath.mpf("0.5")).power(sp.S.Half)
        angle = asin(scale, half).scaled(2)
        return angle if edge > 0 else scale.number(mpmath.pi) - angle
    return _by_slope(scale, u, -(_one(scale) - u * u).power(-sp.S.Half), mpmath.acos)


def asin(scale: Scale, u: Series) -> Series:
    """By its slope; at ±1 by acos."""
    if abs(abs(u.constant()) - 1) < mpmath.mpf(10) ** -NOUGHT_DIGITS:
        return scale.number(mpmath.pi / 2) - acos(scale, u)
    return _by_slope(scale, u, (_one(scale) - u * u).power(-sp.S.Half), mpmath.asin)


def atan(scale: Scale, u: Series) -> Series:
    """By its slope; far out by that of 1/u."""
    if u.order < 0:
        return scale.number(u.sign() * mpmath.pi / 2) - atan(scale, u.inverse())
    return _by_slope(scale, u, (_one(scale) + u * u).inverse(), mpmath.atan)


def asinh(scale: Scale, u: Series) -> Series:
    """By its slope; far out by a logarithm."""
    if u.order < 0:
        sign = u.sign()
        size = u.scaled(sign)
        return log(scale, size + (size * size + _one(scale)).power(sp.S.Half)).scaled(sign)
    return _by_slope(scale, u, (_one(scale) + u * u).power(-sp.S.Half), mpmath.asinh)


def acosh(scale: Scale, u: Series) -> Series:
    """By a logarithm."""
    return log(scale, u + (u * u - _one(scale)).power(sp.S.Half))


def atanh(scale: Scale, u: Series) -> Series:
    """By logarithms."""
    return log(scale, (_one(scale) + u) * (_one(scale) - u).inverse()).scaled(mpmath.mpf("0.5"))


def tanh(scale: Scale, u: Series) -> Series:
    """By one exponential."""
    sign = -1 if u.order < 0 and u.sign() > 0 else 1
    double = exponential(u.scaled(2 * sign))
    return (double - _one(scale)).scaled(sign) * (double + _one(scale)).inverse()


def erf(scale: Scale, u: Series) -> Series:
    """By its slope; ±1 but for what falls faster than any power."""
    return scale.number(u.sign()) if u.order < 0 else _by_slope(scale, u, _bell(scale, u), mpmath.erf)


def erfc(scale: Scale, u: Series) -> Series:
    """By its slope, so that its digits far out are not those of 1 − erf u; 0 or 2 as u grows without end."""
    return scale.number(1 - u.sign()) if u.order < 0 else _by_slope(scale, u, -_bell(scale, u), mpmath.erfc)


def _bell(scale: Scale, u: Series) -> Series:
    """2/√π·e^{−u²}."""
    return (exponential(-(u * u)) if not u.vanishes else _one(scale)).scaled(2 / mpmath.sqrt(mpmath.pi))


def erfcx(scale: Scale, u: Series) -> Series:
    """Far out 1/(√π·u)·Σ (2n − 1)!!·(−1/(2u²))ⁿ."""
    if u.sign() < 0:
        raise NoSeries
    step = (u * u).inverse().scaled(mpmath.mpf("-0.5"))
    term = total = _one(scale)
    for n in range(1, scale.terms // 2 + 1):
        term = (term * step).scaled(2 * n - 1)
        total = total + term
    return total * u.inverse().scaled(1 / mpmath.sqrt(mpmath.pi))


def _stirling(scale: Scale, u: Series, order: int) -> Series:
    """ψ⁽ⁿ⁾(u) as u grows: derivatives of (u − ½)·log u − u + ½·log 2π + Σ B₂ₖ/(2k·(2k − 1)·u^(2k − 1))."""
    inverse = u.inverse()
    if order < 0:
        first = (u - scale.number(0.5)) * log(scale, u) - u + scale.number(mpmath.log(2 * mpmath.pi) / 2)
    elif order == 0:
        first = log(scale, u) - inverse.scaled(mpmath.mpf("0.5"))
    else:
        sign, factorial = (-1) ** (order - 1), math.factorial(order - 1)
        first = inverse.power(sp.Integer(order)).scaled(sign * factorial)
        first = first + inverse.power(sp.Integer(order + 1)).scaled(sign * factorial * order / mpmath.mpf(2))
    for k in range(1, scale.terms // 2 + 1):
        c = mpmath.bernoulli(2 * k) / (2 * k * (2 * k - 1)) * (-1) ** (order + 1)
        for step in range(order + 1):
            c *= 2 * k - 1 + step
        first = first + inverse.power(sp.Integer(2 * k + order)).scaled(c)
    return first


def polygamma(scale: Scale, u: Series, order: int) -> Series:
    """ψ⁽ⁿ⁾, log Γ as n = −1; at 0 by what 1 more gives."""
    if u.order < 0 and u.sign() > 0:
        return _stirling(scale, u, order)
    first = u.constant()
    if abs(first) < mpmath.mpf(10) ** -NOUGHT_DIGITS:
        later = polygamma(scale, u + _one(scale), order)
        if order < 0:
            return later - log(scale, u)
        return later - u.power(sp.Integer(-order - 1)).scaled((-1) ** order * math.factorial(order))
    if first < 0:
        raise NoSeries
    w = u - scale.number(first)
    slope: Series | None = None
    for k in range(scale.terms - 1, -1, -1):
        order_k = order + k
        c = mpmath.loggamma(first) if order_k < 0 else mpmath.psi(order_k, first)
        c = scale.number(c / math.factorial(k))
        slope = c if slope is None else c + slope * w
    assert slope is not None
    return slope


def gamma(scale: Scale, u: Series) -> Series:
    """By log Γ; at 0 by Γ(u + 1)/u."""
    if abs(u.constant()) < mpmath.mpf(10) ** -NOUGHT_DIGITS:
        return gamma(scale, u + _one(scale)) * u.inverse()
    return exponential(polygamma(scale, u, -1))


FUNCTIONS: dict[type[sp.Basic], Callable[..., Series]] = {
    sp.log: log,
    sp.sin: lambda e, u: _angle(e, u)[0],
    sp.cos: lambda e, u: _angle(e, u)[1],
    sp.tan: tan,
    sp.asin: asin,
    sp.acos: acos,
    sp.atan: atan,
    sp.sinh: lambda e, u: (exponential(u) - exponential(-u)).scaled(mpmath.mpf("0.5")),
    sp.cosh: lambda e, u: (exponential(u) + exponential(-u)).scaled(mpmath.mpf("0.5")),
    sp.tanh: tanh,
    sp.asinh: asinh,
    sp.acosh: acosh,
    sp.atanh: atanh,
    sp.erf: erf,
    sp.erfc: erfc,
    scalars.erfcx: erfcx,
    sp.gamma: gamma,
    sp.loggamma: lambda e, u: polygamma(e, u, -1),
    sp.polygamma: lambda e, u, order: polygamma(e, u, order),
    sp.Abs: lambda e, u: u.scaled(u.sign()),
    sp.sign: lambda e, u: e.number(u.sign()),
}
"""What a function's series is, from those of its arguments."""
