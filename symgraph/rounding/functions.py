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
from mpmath.libmp import finf, fnan, fninf, fone, fzero

from symgraph.core.scalars import StirlingRest, erfcx, expm1, log1p, log_ndtr, ndtr, sigmoid, softplus
from symgraph.rounding import raw, special
from symgraph.rounding.raw import ABSENT, FAR, MOST_BITS, Exact, Raw, as_float, bits


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


def _sigmoid(a: Raw, p: int) -> Raw:
    return libmp.mpf_div(fone, libmp.mpf_add(fone, raw.exp(libmp.mpf_neg(a), p), p, "n"), p, "n")


def _softplus(a: Raw, p: int) -> Raw:
    return raw.log1p(raw.exp(a, p), p)


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
    "pow": _same("power", raw.power),
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
    "exp": _same("exp", raw.exp),
    "expm1": _same("expm1", raw.expm1),
    "log": _same("log", raw.log),
    "log1p": _same("log1p", raw.log1p),
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
    "erfc": _special(special.erfc),
    "erfinv": _special(_context("erfinv")),
    "erfcx": _special(special.erfcx),
    "ndtr": _special(special.ndtr),
    "log_ndtr": _special(special.log_ndtr),
    "gamma": _special(special.gamma),
    "lgamma": _special(special.loggamma),
    "digamma": _special(special.psi(0)),
    "trigamma": _special(special.psi(1)),
    "tetragamma": _special(special.psi(2)),
    "lgamma_rest": _special(special.rest(0)),
    "digamma_rest": _special(special.rest(1)),
    "trigamma_rest": _special(special.rest(2)),
}  # fmt: skip


def _hyperbolic(function: Exact, a: Raw, p: int) -> Raw:
    if a[1] and bits(a) > MOST_BITS:
        return fninf if a[0] and function is libmp.mpf_sinh else finf
    return function(a, p, "n")


SLOW = frozenset(name for name, row in ROWS.items() if getattr(row.floating, "__qualname__", "").startswith("_rounded"))
"""Operations that take long with many bits."""

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
