"""What each operation of a tape is, in floating point and in high precision: one row each.

The column ``floating`` says how a kernel gets the value: its own functions are right to one or two units of the last
place, as NumPy's are; what NumPy lacks is the exact value, rounded. The column ``exact`` works on mpmath's raw numbers
(sign, mantissa, exponent, bits) to a number of bits, and raises one of ``ABSENT`` where there is no value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np
import sympy as sp
from mpmath import libmp
from mpmath.libmp import ComplexResult, finf, fnan, fninf, fone, fzero

from symgraph.core.scalars import StirlingRest, erfcx, expm1, log1p, log_ndtr, ndtr, sigmoid, softplus

Raw = tuple[int, int, int, int]
Exact = Callable[..., Raw]

MOST_BITS = 1100
"""Exponentials of numbers of more bits before the point are infinite or 0."""
FAR = 40
"""Bits before the point from which on a function is at its limit, or its asymptotic series is what is computed."""
ABSENT = (ZeroDivisionError, ValueError, OverflowError, ComplexResult, NotImplementedError)
"""What is raised where there is no value."""


def bits(a: Raw) -> int:
    """Bits before the point, negative for small numbers."""
    return a[2] + a[3]


def _exp(a: Raw, p: int) -> Raw:
    if a[1] and bits(a) > MOST_BITS:
        return fzero if a[0] else finf
    return libmp.mpf_exp(a, p, "n")


def _trigonometric(function: Exact) -> Exact:
    def value(a: Raw, p: int) -> Raw:
        return fnan if (not a[1] and a != fzero) or bits(a) > MOST_BITS else function(a, p, "n")

    return value


def _saturating(function: Exact) -> Exact:
    def value(a: Raw, p: int) -> Raw:
        if a[1] and bits(a) > FAR:
            return libmp.mpf_neg(fone) if a[0] else fone
        return function(a, p, "n")

    return value


def _by(function: Exact) -> Exact:
    return lambda a, p: function(a, p, "n")


def _context(name: str) -> Exact:
    """A function of mpmath's context, at a precision, on raw numbers."""

    def value(a: Raw, p: int) -> Raw:
        with mpmath.workprec(p):
            found = getattr(mpmath.mp, name)(mpmath.mp.make_mpf(a))
        return found._mpf_ if isinstance(found, mpmath.mpf) else fnan

    return value


def _add_one(a: Raw, p: int) -> Raw:
    return libmp.mpf_add(fone, a, p + max(0, -bits(a)) if a[1] else p, "n")


def _expm1(a: Raw, p: int) -> Raw:
    if not a[1]:
        return libmp.mpf_sub(_exp(a, p), fone, p, "n")
    p += 8 + max(0, -bits(a))
    return libmp.mpf_sub(_exp(a, p), fone, p, "n")


def _log1p(a: Raw, p: int) -> Raw:
    return _log(_add_one(a, p + 8), p)


def _log(a: Raw, p: int) -> Raw:
    return fninf if a == fzero else libmp.mpf_log(a, p, "n")


def _sigmoid(a: Raw, p: int) -> Raw:
    return libmp.mpf_div(fone, libmp.mpf_add(fone, _exp(libmp.mpf_neg(a), p), p, "n"), p, "n")


def _softplus(a: Raw, p: int) -> Raw:
    return _log1p(_exp(a, p), p)


def _erfcx(a: Raw, p: int) -> Raw:
    p += 8 + 2 * max(0, min(bits(a), MOST_BITS))
    square = libmp.mpf_mul(a, a, p, "n")
    if bits(square) > FAR and a[1]:  # by its asymptotic series' first terms
        if a[0]:
            return _exp(square, p)
        lead = libmp.mpf_div(fone, libmp.mpf_mul(a, libmp.mpf_sqrt(libmp.mpf_pi(p), p, "n"), p, "n"), p, "n")
        return _asymptotic(lead, square, p)
    return libmp.mpf_mul(_exp(square, p), libmp.mpf_erfc(a, p, "n"), p, "n")


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


def _ndtr(a: Raw, p: int) -> Raw:
    if not a[1]:
        return {libmp.fzero: libmp.fhalf, fninf: fzero, finf: fone}.get(a, fnan)
    return libmp.mpf_shift(_erfc(_half_root(a, p + 8 + 2 * max(0, bits(a))), p), -1)


def _erfc(a: Raw, p: int) -> Raw:
    if not a[1] or bits(a) <= FAR:
        return libmp.mpf_erfc(a, p, "n")
    if a[0]:
        return libmp.from_int(2)
    square = libmp.mpf_mul(a, a, 2 * p, "n")
    return libmp.mpf_mul(_exp(libmp.mpf_neg(square), p), _erfcx(a, p), p, "n")


def _log_ndtr(a: Raw, p: int) -> Raw:
    if a[1] and a[0] and bits(a) > 3:  # log(erfcx(w)/2) − w²
        q = p + 8
        w = _half_root(a, q)
        scaled = libmp.mpf_log(libmp.mpf_shift(_erfcx(w, q), -1), q, "n")
        return libmp.mpf_sub(scaled, libmp.mpf_mul(w, w, q, "n"), p, "n")
    below = _ndtr(libmp.mpf_neg(a), p)  # Φ(u) = 1 − Φ(−u)
    return _log1p(libmp.mpf_neg(below), p) if a[1] and not a[0] else _log(_ndtr(a, p), p)


def _psi(order: int) -> Exact:
    return lambda a, p: libmp.mpf_psi(order, a, p, "n")


def _loggamma(a: Raw, p: int) -> Raw:
    if a[0]:  # log |Γ|
        with mpmath.workprec(p + 20):
            return _log(libmp.mpf_abs(mpmath.gamma(mpmath.mp.make_mpf(a))._mpf_), p)
    return libmp.mpf_loggamma(a, p, "n")


def _rest(order: int) -> Exact:
    """What Stirling's leading terms leave of log Γ and its derivatives, at a higher precision."""

    def value(a: Raw, p: int) -> Raw:
        with mpmath.workprec(2 * p + 8 * max(0, bits(a))):
            u = mpmath.mp.make_mpf(a)
            if order == 0:
                found = mpmath.loggamma(u) - (u - 0.5) * mpmath.log(u) + u - mpmath.log(2 * mpmath.pi) / 2
            elif order == 1:
                found = mpmath.psi(0, u) - mpmath.log(u) + 1 / (2 * u)
            else:
                found = mpmath.psi(1, u) - 1 / u - 1 / (2 * u**2)
        return found._mpf_ if isinstance(found, mpmath.mpf) else fnan

    return value


def _pow(a: Raw, b: Raw, p: int) -> Raw:
    if b == fzero:
        return fone
    if a == fzero:
        if b[0]:
            raise ZeroDivisionError
        return fzero
    if a[0]:
        return libmp.mpf_pow(a, b, p, "n")
    if not a[1] or not b[1]:
        return _exp(libmp.mpf_mul(b, _log(a, p), p, "n"), p)
    p += max(0, bits(b)) + 16
    return _exp(libmp.mpf_mul(b, libmp.mpf_log(a, p, "n"), p, "n"), p)


def _sign(a: Raw, p: int) -> Raw:
    return fnan if a == fnan else fzero if a == fzero else libmp.from_int(libmp.mpf_sign(a))


def _extremum(larger: bool) -> Exact:
    def value(a: Raw, b: Raw, p: int) -> Raw:
        if fnan in (a, b):
            return fnan
        return a if libmp.mpf_gt(a, b) == larger else b

    return value


def _truth(relation: Callable[[Raw, Raw], bool]) -> Exact:
    return lambda a, b, p: fone if fnan not in (a, b) and relation(a, b) else fzero


def _floor(a: Raw, p: int) -> Raw:
    return libmp.mpf_floor(a, max(p, bits(a) + 2), "n") if a[1] else a


# -- in floating point ------------------------------------------------------------------------------------------------
def _float_sigmoid(u: np.ndarray) -> np.ndarray:
    small = np.exp(-np.abs(u))
    return np.where(u >= 0, 1 / (1 + small), small / (1 + small))


def _float_softplus(u: np.ndarray) -> np.ndarray:
    return np.maximum(u, 0) + np.log1p(np.exp(-np.abs(u)))


def _rounded(exact: Exact) -> Callable[[np.ndarray], np.ndarray]:
    """The exact value of each number, rounded."""

    def value(u: np.ndarray) -> np.ndarray:
        def each(x: float) -> float:
            try:
                return as_float(exact(libmp.from_float(float(x)), 80))
            except ABSENT:
                return np.nan

        return np.array([each(x) for x in u.ravel()], u.dtype).reshape(u.shape)

    return value


def as_float(a: Raw) -> float:
    """The nearest float64."""
    if not a[1]:
        return {fzero: 0.0, finf: np.inf, fninf: -np.inf}.get(a, np.nan)
    if bits(a) > 1024:
        return -np.inf if a[0] else np.inf
    return 0.0 if bits(a) < -1090 else float(libmp.to_float(a, rnd="n"))


@dataclass(frozen=True, slots=True)
class Row:
    """An operation."""

    floating: Callable[..., Any]
    exact: Exact


def _same(name: str, exact: Exact) -> Row:
    return Row(getattr(np, name), exact)


def _special(exact: Exact) -> Row:
    return Row(_rounded(exact), exact)


ROWS: Mapping[str, Row] = {
    "same": Row(lambda a: a, lambda a, p: a),
    "add": _same("add", lambda a, b, p: libmp.mpf_add(a, b, p, "n")),
    "sub": _same("subtract", lambda a, b, p: libmp.mpf_sub(a, b, p, "n")),
    "mul": _same("multiply", lambda a, b, p: libmp.mpf_mul(a, b, p, "n")),
    "div": _same("divide", lambda a, b, p: libmp.mpf_div(a, b, p, "n")),
    "neg": _same("negative", lambda a, p: libmp.mpf_neg(a)),
    "sqrt": _same("sqrt", _by(libmp.mpf_sqrt)),
    "pow": _same("power", _pow),
    "maximum": _same("maximum", _extremum(True)),
    "minimum": _same("minimum", _extremum(False)),
    "select": Row(np.where, lambda holds, yes, no, p: yes if holds == fone else no),
    "and": Row(np.logical_and, lambda a, b, p: fone if a == fone and b == fone else fzero),
    "or": Row(np.logical_or, lambda a, b, p: fone if fone in (a, b) else fzero),
    "not": Row(np.logical_not, lambda a, p: fzero if a == fone else fone),
    "<": Row(np.less, _truth(libmp.mpf_lt)),
    "<=": Row(np.less_equal, _truth(libmp.mpf_le)),
    ">": Row(np.greater, _truth(libmp.mpf_gt)),
    ">=": Row(np.greater_equal, _truth(libmp.mpf_ge)),
    "==": Row(np.equal, _truth(libmp.mpf_eq)),
    "!=": Row(np.not_equal, lambda a, b, p: fzero if libmp.mpf_eq(a, b) else fone),
    "floor": _same("floor", _floor),
    "ceiling": _same("ceil", lambda a, p: libmp.mpf_neg(_floor(libmp.mpf_neg(a), p))),
    "sign": _same("sign", _sign),
    "abs": _same("abs", lambda a, p: libmp.mpf_abs(a)),
    "exp": _same("exp", _exp),
    "expm1": _same("expm1", _expm1),
    "log": _same("log", _log),
    "log1p": _same("log1p", _log1p),
    "sin": _same("sin", _trigonometric(libmp.mpf_sin)),
    "cos": _same("cos", _trigonometric(libmp.mpf_cos)),
    "tan": _same("tan", _trigonometric(libmp.mpf_tan)),
    "asin": _same("arcsin", _by(libmp.mpf_asin)),
    "acos": _same("arccos", _by(libmp.mpf_acos)),
    "atan": _same("arctan", _by(libmp.mpf_atan)),
    "sinh": _same("sinh", lambda a, p: _hyperbolic(libmp.mpf_sinh, a, p)),
    "cosh": _same("cosh", lambda a, p: _hyperbolic(libmp.mpf_cosh, a, p)),
    "tanh": _same("tanh", _saturating(libmp.mpf_tanh)),
    "asinh": _same("arcsinh", _by(libmp.mpf_asinh)),
    "acosh": _same("arccosh", _by(libmp.mpf_acosh)),
    "atanh": _same("arctanh", _by(libmp.mpf_atanh)),
    "sigmoid": Row(_float_sigmoid, _sigmoid),
    "softplus": Row(_float_softplus, _softplus),
    "erf": _special(_saturating(libmp.mpf_erf)),
    "erfc": _special(_erfc),
    "erfinv": _special(_context("erfinv")),
    "erfcx": _special(_erfcx),
    "ndtr": _special(_ndtr),
    "log_ndtr": _special(_log_ndtr),
    "gamma": _special(_by(libmp.mpf_gamma)),
    "lgamma": _special(_loggamma),
    "digamma": _special(_psi(0)),
    "trigamma": _special(_psi(1)),
    "tetragamma": _special(_psi(2)),
    "lgamma_rest": _special(_rest(0)),
    "digamma_rest": _special(_rest(1)),
    "trigamma_rest": _special(_rest(2)),
}  # fmt: skip


def _hyperbolic(function: Exact, a: Raw, p: int) -> Raw:
    if a[1] and bits(a) > MOST_BITS:
        return fninf if a[0] and function is libmp.mpf_sinh else finf
    return function(a, p, "n")


FUNCTIONS: Mapping[type[sp.Basic], str] = {
    sp.exp: "exp", expm1: "expm1", sp.log: "log", log1p: "log1p", sp.tanh: "tanh", sigmoid: "sigmoid",
    softplus: "softplus", sp.erf: "erf", sp.erfc: "erfc", sp.erfinv: "erfinv", sp.sin: "sin", sp.cos: "cos",
    sp.tan: "tan", sp.asin: "asin", sp.acos: "acos", sp.atan: "atan", sp.sinh: "sinh", sp.cosh: "cosh",
    sp.asinh: "asinh", sp.acosh: "acosh", sp.atanh: "atanh", sp.floor: "floor", sp.ceiling: "ceiling",
    sp.sign: "sign", sp.Abs: "abs", erfcx: "erfcx", ndtr: "ndtr", log_ndtr: "log_ndtr", sp.loggamma: "lgamma",
    sp.gamma: "gamma",
}  # fmt: skip
"""The row of each class of functions."""
POLYGAMMA = ("digamma", "trigamma", "tetragamma")
RESTS = ("lgamma_rest", "digamma_rest", "trigamma_rest")


def function_of(node: sp.Basic) -> str | None:
    """The row of a function, None where there is none."""
    for kind, rows in ((sp.polygamma, POLYGAMMA), (StirlingRest, RESTS)):
        if isinstance(node, kind):
            return rows[int(node.args[0])] if node.args[0] in range(len(rows)) else None
    return FUNCTIONS.get(type(node)) if len(node.args) == 1 else None
