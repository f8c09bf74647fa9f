"""What the special functions mean un-jitted: plain Python that shares nothing with their algorithms on lanes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

Scalar = Any
"""A Python float or NumPy floating scalar; results keep NumPy's dtype."""

BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6)
"""B₂, B₄, …"""


def tan(x: Scalar) -> Scalar:
    """Tangent of an angle in radians."""
    return np.tan(x)


def asin(x: Scalar) -> Scalar:
    """Angle of [−π/2, π/2] whose sine is ``x``."""
    return np.arcsin(x)


def acos(x: Scalar) -> Scalar:
    """Angle of [0, π] whose cosine is ``x``."""
    return np.arccos(x)


def sinh(x: Scalar) -> Scalar:
    """Hyperbolic sine."""
    return np.sinh(x)


def cosh(x: Scalar) -> Scalar:
    """Hyperbolic cosine."""
    return np.cosh(x)


def asinh(x: Scalar) -> Scalar:
    """Number whose hyperbolic sine is ``x``."""
    return np.arcsinh(x)


def acosh(x: Scalar) -> Scalar:
    """Number ≥ 0 whose hyperbolic cosine is ``x``; NaN below 1."""
    return np.arccosh(x)


def atanh(x: Scalar) -> Scalar:
    """Number whose hyperbolic tangent is ``x``; ±inf at ±1, NaN beyond."""
    return np.arctanh(x)


def cbrt(x: Scalar) -> Scalar:
    """The real cube root, of negative numbers too."""
    return np.cbrt(x)


def erfcx(x: Scalar) -> Scalar:
    """e^{x²}·(1 − erf x), without underflow."""
    return type(x)(_erfcx(float(x)))


def bell(x: Scalar) -> Scalar:
    """e^{−x²/2}, the normal density without its factor."""
    return type(x)(math.exp(-float(x) * float(x) / 2))


def ndtr(x: Scalar) -> Scalar:
    """Φ(x), the normal distribution function."""
    return type(x)(math.erfc(-float(x) * math.sqrt(0.5)) / 2)


def log_ndtr(x: Scalar) -> Scalar:
    """log Φ(x), without underflow."""
    y = float(x)
    if y < -1:
        return type(x)(math.log(_erfcx(-y * math.sqrt(0.5)) / 2) - y * y / 2 if y > -1e150 else -math.inf)
    return type(x)(math.log1p(-math.erfc(y * math.sqrt(0.5)) / 2))


def lgamma(x: Scalar) -> Scalar:
    """log |Γ(x)|; +inf at the poles 0, −1, −2, …"""
    y = float(x)
    if math.isinf(y) or (y <= 0 and y == math.floor(y)):
        return type(x)(math.inf)
    return type(x)(y * (math.log(y) - 1) if y > 1e305 else math.lgamma(y))


def gamma(x: Scalar) -> Scalar:
    """Γ(x); ±inf at ±0, NaN at the other poles and at −inf."""
    y = float(x)
    if y == 0 or (y < 0 and (math.isinf(y) or y == math.floor(y))):
        return type(x)(math.copysign(math.inf, y) if y == 0 else math.nan)
    with np.errstate(over="ignore"):
        return type(x)(math.inf if y > 172 else math.gamma(y))


def digamma(x: Scalar) -> Scalar:
    """ψ(x) = Γ′(x)/Γ(x); −inf at +0, +inf at −0, NaN at the other poles."""
    return _polygamma(x, 0)


def trigamma(x: Scalar) -> Scalar:
    """ψ′(x); +inf at its poles."""
    return _polygamma(x, 1)


def tetragamma(x: Scalar) -> Scalar:
    """ψ″(x); −inf at +0, +inf at −0, NaN at the other poles."""
    return _polygamma(x, 2)


def lgamma_rest(x: Scalar) -> Scalar:
    """log Γ(x) − (x − ½)·log x + x − ½·log 2π, x > 0: what Stirling's leading terms leave."""
    y = float(x)
    if y < 12:
        return type(x)(math.nan if y <= 0 else math.lgamma(y) - (y - 0.5) * math.log(y) + y - math.log(2 * math.pi) / 2)
    return type(x)(sum(b / (2 * k * (2 * k - 1)) * (1 / y) ** (2 * k - 1) for k, b in enumerate(BERNOULLI, 1)))


def digamma_rest(x: Scalar) -> Scalar:
    """The derivative of that: ψ(x) − log x + 1/(2x)."""
    y = float(x)
    if y < 12:
        return type(x)(math.nan if y <= 0 else float(digamma(y)) - math.log(y) + 0.5 / y)
    return type(x)(-sum(b / (2 * k) * (1 / y) ** (2 * k) for k, b in enumerate(BERNOULLI, 1)))


def trigamma_rest(x: Scalar) -> Scalar:
    """The derivative of that: ψ′(x) − 1/x − 1/(2x²)."""
    y = float(x)
    if y < 12:
        return type(x)(math.nan if y <= 0 else float(trigamma(y)) - 1 / y - 0.5 / y**2)
    return type(x)(sum(b * (1 / y) ** (2 * k + 1) for k, b in enumerate(BERNOULLI, 1)))


def _erfcx(x: float) -> float:
    if x < 3:
        return math.exp(x * x) * math.erfc(x) if x > -26.6 else math.inf
    fraction = x
    for n in range(80, 0, -1):
        fraction = x + n / 2 / fraction
    return 1 / (math.sqrt(math.pi) * fraction)


_LEADING: tuple[Callable[[float], float], ...] = (
    lambda x: math.log(x) - 0.5 / x,
    lambda x: 1 / x + 0.5 / x / x,
    lambda x: -1 / x / x - 1 / x / x / x,
)


def _polygamma(x: Scalar, n: int) -> Scalar:
    y = float(x)
    if y == 0:
        return type(x)(math.inf if n == 1 else math.copysign(math.inf, -y))
    if y < 0:
        turn = y - math.floor(y) if y > -math.inf else math.nan
        if not turn > 0:
            return type(x)(math.inf if n == 1 and turn == 0 else math.nan)
        sine, cosine = math.sin(math.pi * turn), math.cos(math.pi * turn)
        turned = math.pi / sine
        added = (-turned * cosine, turned**2, -2 * turned**3 * cosine)[n]
        return type(x)(added + (-1) ** n * float(_polygamma(1 - y, n)))
    if y == math.inf:
        return type(x)((math.inf, 0.0, -0.0)[n])
    with np.errstate(all="ignore"):
        return type(x)(_positive(np.float64(y), n))


def _positive(x: Any, n: int) -> Any:
    shifted, total = x, 0.0
    while shifted < 12:
        total -= (-1) ** n * math.factorial(n) / shifted ** (n + 1)
        shifted = shifted + 1.0
    series = 0.0
    for k, b in enumerate(BERNOULLI, 1):
        factor = math.prod(range(2 * k + 1, 2 * k + n)) if n else 1 / (2 * k)
        series += b * factor / shifted ** (2 * k + n)
    return total + _LEADING[n](shifted) - (-1) ** n * series
