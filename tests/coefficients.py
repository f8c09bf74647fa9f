"""Derives the coefficient tables of the special functions again: ``python -m tests.coefficients [NAME …]``.

Each row is a function, the weight of its error, the interval, the degree and, if not float64, the dtype that
:func:`tests.minimax.minimax` is asked for; what it prints stands in ``codegen/native/kernels``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
from mpmath import mp, mpf

from codegen.native.kernels.error_function import ERFC_TAIL, SingleTail
from codegen.native.kernels.normal import SINGLE_TAIL
from tests.minimax import minimax

TAIL_CENTRE = 3
MIDDLE_CENTRE, LOW_CENTRE = 5, 1.75
ROOT = mp.findroot(mp.digamma, 1.46)


def relative(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The weight of a relative error."""
    return lambda z: 1 / abs(function(z))


def scaled_tail(q: Any) -> Any:
    """(1 + 2x)·e^{x²}·erfc x at q = (x − 3)/(x + 3)."""
    if q == 1:
        return 2 / mp.sqrt(mp.pi)
    x = TAIL_CENTRE * (1 + q) / (1 - q)
    if x < 40:
        return (1 + 2 * x) * mp.exp(x * x) * mp.erfc(x)
    total, term = mpf(1), mpf(1)
    for n in range(1, 60):
        term *= -(2 * n - 1) / (2 * x * x)
        total += term
        if abs(term) < mpf(10) ** -45:
            break
    return (1 + 2 * x) / (x * mp.sqrt(mp.pi)) * total


def single_tail(tail: SingleTail, function: Callable[[Any], Any], last: float) -> tuple[Any, ...]:
    """The polynomial of the tail of a bell, to where its values are subnormal numbers."""
    shift, centre = mpf(tail.shift), mpf(tail.centre)

    def smooth(place: Any) -> Any:
        a = 1 / (place + centre) - shift
        return function(a) * mp.exp(-tail.power * a * a) / (place + centre)

    return smooth, relative(smooth), (1 / (last + shift) - centre, 1 / shift - centre), 10, np.float32


def taylor_safe(function: Callable[[Any], Any], at_zero: Any) -> Callable[[Any], Any]:
    """A quotient by t, whose value at 0 is given."""
    return lambda t: function(t) / t if abs(t) > mpf(10) ** -25 else mpmath.mpf(at_zero)


def from_q(q: Any, centre: float) -> Any:
    return centre * (1 + q) / (1 - q)


def stirling_rest(n: int) -> Callable[[Any], Any]:
    """What the leading terms of Stirling's series leave of lgamma (n = −1) and of ψ⁽ⁿ⁾, up to its sign."""

    def rest(x: Any) -> Any:
        if n < 0:
            return mp.loggamma(x) - ((x - mpf(1) / 2) * mp.log(x) - x + mp.log(2 * mp.pi) / 2)
        if n == 0:
            return mp.log(x) - 1 / (2 * x) - mp.digamma(x)
        if n == 1:
            return mp.psi(1, x) - 1 / x - 1 / (2 * x * x)
        return -mp.psi(2, x) - 1 / x**2 - 1 / x**3

    return rest


def stirling_series(n: int) -> list[float]:
    """The same in powers of 1/x², without the leading power (1/x for lgamma, 1/x^(n + 2) for ψ⁽ⁿ⁾)."""
    found = []
    for k in range(1, 10):
        b = mp.bernoulli(2 * k)
        found.append({-1: b / (2 * k * (2 * k - 1)), 0: b / (2 * k), 1: b, 2: b * (2 * k + 1)}[n])
    return [float(c) for c in reversed(found)]


def between(n: int, low: Any, high: Any, c: float) -> tuple[Any, ...]:
    """The rest times x^(n + 2), in (x − c)/(x + c) from low to high."""
    rest = stirling_rest(n)
    lo, hi = mpf(low), mpf(high)

    def scaled(q: Any) -> Any:
        x = from_q(q, c)
        return rest(x) * x ** (n + 2)

    return scaled, relative(scaled), ((lo - c) / (lo + c), (hi - c) / (hi + c))


def normal_near(z: Any) -> Any:
    """((Φ(x) − ½)/x − φ(0))/x² at x² = z."""
    density = 1 / mp.sqrt(2 * mp.pi)
    return (mp.erf(mp.sqrt(z / 2)) / (2 * mp.sqrt(z)) - density) / z if z > mpf(10) ** -15 else -density / 6


def arcsine_rest(z: Any) -> Any:
    """(asin √z/√z − 1)/z."""
    return (mp.asin(mp.sqrt(z)) / mp.sqrt(z) - 1) / z if z > mpf(10) ** -20 else mpf(1) / 6


def arcsine_weight(z: Any) -> Any:
    """Of a relative error of the arcsine."""
    return z + mpf(10) ** -3


A = taylor_safe(lambda t: mp.loggamma(1 + t), -mp.euler)
B = taylor_safe(lambda t: mp.loggamma(2 + t), 1 - mp.euler)
D = taylor_safe(lambda t: mp.digamma(ROOT + t), mp.psi(1, ROOT))
LOW, HIGH = 1 - ROOT, mpf("2.2") - ROOT

ROWS: dict[str, tuple[Any, ...]] = {
    "SCALED": (scaled_tail, relative(scaled_tail), (-1, 1), 25),
    "AROUND_1": (A, relative(A), (mpf(-1) / 2, mpf(1) / 2), 27),
    "AROUND_2": (B, relative(B), (mpf(-1) / 2, mpf(1) / 2), 18),
    "LGAMMA_MIDDLE": (*between(-1, "2.5", 13, MIDDLE_CENTRE), 27),
    "DIGAMMA_NEAR": (D, relative(D), (LOW, HIGH), 25),
    "DIGAMMA_MIDDLE": (*between(0, "2.2", 13, MIDDLE_CENTRE), 28),
    "TRIGAMMA_LOW": (*between(1, 1, 3, LOW_CENTRE), 22),
    "TRIGAMMA_MIDDLE": (*between(1, 3, 13, MIDDLE_CENTRE), 26),
    "TETRAGAMMA_LOW": (*between(2, 1, 3, LOW_CENTRE), 27),
    "TETRAGAMMA_MIDDLE": (*between(2, 3, 13, MIDDLE_CENTRE), 28),
    "SINGLE_TAIL": single_tail(SINGLE_TAIL, lambda a: mp.ncdf(-a), 13.25),
    "ERFC_TAIL": single_tail(ERFC_TAIL, mp.erfc, 9.375),
    "AROUND_MEDIAN": (normal_near, relative(normal_near), (0, 1), 12),
    "ARCSINE": (arcsine_rest, arcsine_weight, (0, mpf(1) / 4), 12),
    "CUBE_ROOT": (mp.cbrt, relative(mp.cbrt), (mp.sqrt(mpf(1) / 2), mp.sqrt(2)), 7),
}


def main(names: list[str]) -> None:
    print("root of digamma", float(ROOT), float(ROOT - mpf(float(ROOT))))
    for name, n in (("LGAMMA", -1), ("DIGAMMA", 0), ("TRIGAMMA", 1), ("TETRAGAMMA", 2)):
        if not names or name + "_FAR" in names:
            print(f"{name}_FAR = {tuple(stirling_series(n))}")
    for name, (function, weight, interval, degree, *dtype) in ROWS.items():
        if not names or name in names:
            coefficients, error = minimax(function, weight, interval, degree, *dtype or [np.float64])
            print(f"{name} = {tuple(coefficients)}\n# error 2^{mp.nstr(mp.log(error, 2), 4)}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
