"""The error function's family and Γ's, exactly, for arguments of every size."""

from __future__ import annotations

from typing import Any

import mpmath
from mpmath import libmp
from mpmath.libmp import finf, fnan, fninf, fone, fzero

from symgraph.rounding.raw import FAR, MOST_BITS, Exact, Raw, bits, exp, log, log1p

LARGE = 12
"""Bits before the point from which on Stirling's series is summed."""
WIDE = 60
"""Bits before the point from which on Γ is infinite."""


def erfcx(a: Raw, p: int) -> Raw:
    """e^{a²}·erfc a."""
    p += 8 + 2 * max(0, min(bits(a), MOST_BITS))
    square = libmp.mpf_mul(a, a, p, "n")
    if bits(square) > FAR and a[1]:  # by its asymptotic series' first terms
        if a[0]:
            return exp(square, p)
        lead = libmp.mpf_div(fone, libmp.mpf_mul(a, libmp.mpf_sqrt(libmp.mpf_pi(p), p, "n"), p, "n"), p, "n")
        return _asymptotic(lead, square, p)
    return libmp.mpf_mul(exp(square, p), libmp.mpf_erfc(a, p, "n"), p, "n")


def _asymptotic(lead: Raw, square: Raw, p: int) -> Raw:
    """lead·Σ (−1)ⁿ·(2n − 1)!!/(2·square)ⁿ."""
    term, total, n = lead, lead, 1
    while term[1] and bits(term) > bits(lead) - p and n < p:
        scaled = libmp.mpf_div(libmp.from_int(2 * n - 1), libmp.mpf_shift(square, 1), p, "n")
        term = libmp.mpf_neg(libmp.mpf_mul(term, scaled, p, "n"))
        total = libmp.mpf_add(total, term, p, "n")
        n += 1
    return total


def _half_root(a: Raw, p: int) -> Raw:
    """−a/√2."""
    return libmp.mpf_neg(libmp.mpf_div(a, libmp.mpf_sqrt(libmp.from_int(2), p, "n"), p, "n"))


def ndtr(a: Raw, p: int) -> Raw:
    """Φ(a)."""
    if not a[1]:
        return {libmp.fzero: libmp.fhalf, fninf: fzero, finf: fone}.get(a, fnan)
    return libmp.mpf_shift(erfc(_half_root(a, p + 8 + 2 * max(0, bits(a))), p), -1)


def erfc(a: Raw, p: int) -> Raw:
    """erfc a, in its tail by erfcx."""
    if not a[1] or bits(a) <= FAR:
        return libmp.mpf_erfc(a, p, "n")
    if a[0]:
        return libmp.from_int(2)
    square = libmp.mpf_mul(a, a, 2 * p, "n")
    return libmp.mpf_mul(exp(libmp.mpf_neg(square), p), erfcx(a, p), p, "n")


def log_ndtr(a: Raw, p: int) -> Raw:
    """log Φ(a)."""
    if a[1] and a[0] and bits(a) > 3:  # log(erfcx(w)/2) − w²
        q = p + 8
        w = _half_root(a, q)
        scaled = libmp.mpf_log(libmp.mpf_shift(erfcx(w, q), -1), q, "n")
        return libmp.mpf_sub(scaled, libmp.mpf_mul(w, w, q, "n"), p, "n")
    below = ndtr(libmp.mpf_neg(a), p)  # Φ(u) = 1 − Φ(−u)
    return log1p(libmp.mpf_neg(below), p) if a[1] and not a[0] else log(ndtr(a, p), p)


def psi(order: int) -> Exact:
    """ψ and its first two derivatives, where mpmath adds a term for each step of a negative or large argument."""

    def value(a: Raw, p: int) -> Raw:
        if not a[1] or (not a[0] and bits(a) <= LARGE) or order == 0:
            return libmp.mpf_psi(order, a, p, "n")
        with mpmath.workprec(p + 20 + 2 * max(0, bits(a))):
            u = mpmath.mp.make_mpf(a)
            if not a[0]:
                leading = 1 / u + 1 / (2 * u**2) if order == 1 else -1 / u**2 - 1 / u**3
                return (leading + _series(order + 1, u))._mpf_
            if u == mpmath.floor(u):
                raise ZeroDivisionError
            sine, other = mpmath.sinpi(u), mpmath.mp.make_mpf(value((1 - u)._mpf_, p + 20))
            if order == 1:
                return (mpmath.pi**2 / sine**2 - other)._mpf_
            return (other - 2 * mpmath.pi**3 * mpmath.cospi(u) / sine**3)._mpf_

    return value


def loggamma(a: Raw, p: int) -> Raw:
    """log |Γ(a)|."""
    if a[0]:  # log |Γ|
        with mpmath.workprec(p + 20):
            return log(libmp.mpf_abs(mpmath.gamma(mpmath.mp.make_mpf(a))._mpf_), p)
    return libmp.mpf_loggamma(a, p, "n")


def rest(order: int) -> Exact:
    """What Stirling's leading terms leave of log Γ and its derivatives: at a higher precision, or by their series."""

    def value(a: Raw, p: int) -> Raw:
        if not a[1]:
            return fzero if a == finf else fnan
        with mpmath.workprec(p + 20 if bits(a) > LARGE else 2 * p + 8 * LARGE):
            u = mpmath.mp.make_mpf(a)
            found = _series(order, u) if bits(a) > LARGE else _by_difference(order, u)
        return found._mpf_ if isinstance(found, mpmath.mpf) else fnan

    return value


def _by_difference(order: int, u: Any) -> Any:
    if order == 0:
        return mpmath.loggamma(u) - (u - 0.5) * mpmath.log(u) + u - mpmath.log(2 * mpmath.pi) / 2
    return mpmath.psi(order - 1, u) - (mpmath.log(u) - 1 / (2 * u) if order == 1 else 1 / u + 1 / (2 * u**2))


def _series(order: int, u: Any) -> Any:
    """Σ B₂ₖ/(2k·(2k − 1)·u^(2k−1)) and its derivatives."""
    total, k = mpmath.mpf(0), 1
    while True:
        scale = mpmath.mpf((1, -2 * k + 1, 2 * k * (2 * k - 1), -(2 * k + 1) * 2 * k * (2 * k - 1))[order])
        scale /= 2 * k * (2 * k - 1)
        term = scale * mpmath.bernoulli(2 * k) / u ** (2 * k - 1 + order)
        total += term
        if abs(term) < mpmath.eps * abs(total):
            return total
        k += 1


def gamma(a: Raw, p: int) -> Raw:
    """Γ(a), infinite far out."""
    if a[1] and bits(a) > WIDE:
        if a[0]:
            raise ValueError  # a whole number: a pole
        return finf
    return libmp.mpf_gamma(a, p, "n")
