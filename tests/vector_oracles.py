"""Running one vector function natively, and what mpmath says of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import mpmath
import numpy as np
from numpy import float32, float64, int64

from codegen.native.compile import Entry, compile_entry, load_entry
from codegen.native.kernels import VECTOR_MATH, kernel, pointer
from tests.sizes import examples


@cache
def mapped(name: str) -> Entry:
    """Entry that maps one function over arrays, of single or of double precision."""
    word, binary = VECTOR_MATH[name].word, VECTOR_MATH[name].arity == 2

    @kernel
    def unary_loop(x: Any, y: Any, out: Any, size: Any) -> None:
        for i in range(size):
            out[i] = word(x[i])

    @kernel
    def binary_loop(x: Any, y: Any, out: Any, size: Any) -> None:
        for i in range(size):
            out[i] = word(x[i], y[i])

    loop = binary_loop if binary else unary_loop

    def entry(packed: int) -> None:
        words = pointer(packed, int64, 5)
        x, y, out, size = words[0], words[1], words[2], words[3]
        if words[4] == 4:
            loop(pointer(x, float32, size), pointer(y, float32, size), pointer(out, float32, size), size)
        else:
            loop(pointer(x, float64, size), pointer(y, float64, size), pointer(out, float64, size), size)

    return load_entry(compile_entry(entry))


def native(name: str, x: Any, y: Any = None) -> Any:
    y = x if y is None else y
    out = np.full_like(x, np.nan)
    packed = np.array([x.ctypes.data, y.ctypes.data, out.ctypes.data, len(x), x.itemsize], int64)
    mapped(name)(packed.ctypes.data)
    return out


def _erfcx(x: Any) -> Any:
    if x < 40:
        return mpmath.exp(x * x) * mpmath.erfc(x)
    total, term, n = mpmath.mpf(1), mpmath.mpf(1), 0
    while abs(term) > mpmath.mpf(10) ** -45 and n < 100:
        n += 1
        term *= -(2 * n - 1) / (2 * x * x)
        total += term
    return total / (x * mpmath.sqrt(mpmath.pi))


def _log_ndtr(x: Any) -> Any:
    if x > 0:
        return mpmath.log1p(-_ndtr(-x))
    return mpmath.log(_erfcx(-x / mpmath.sqrt(2)) / 2) - x * x / 2


def _rest(x: Any, order: int) -> Any:
    """What Stirling's leading terms leave, in digits enough for what they cancel."""
    with mpmath.workdps(60 + 4 * max(0, int(mpmath.log10(x)))):
        log = mpmath.log(x)
        if order < 0:
            return mpmath.loggamma(x) - (x - mpmath.mpf(1) / 2) * log + x - mpmath.log(2 * mpmath.pi) / 2
        return mpmath.psi(1, x) - 1 / x - 1 / (2 * x**2) if order else mpmath.psi(0, x) - log + 1 / (2 * x)


def _ndtr(x: Any) -> Any:
    if abs(x) > 60:
        return mpmath.mpf(0 if x < 0 else 1)
    return mpmath.erfc(-x / mpmath.sqrt(2)) / 2


ORACLES: dict[str, Callable[[Any], Any]] = {
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
    # mpmath's asymptotic series overflows for huge arguments.
    "erfc": lambda x: mpmath.mpf(0 if x > 0 else 2) if abs(x) > 50 else mpmath.erfc(x),
    "erfcx": _erfcx,
    "bell": lambda x: mpmath.exp(-x * x / 2),
    "ndtr": _ndtr,
    "log_ndtr": _log_ndtr,
    "gamma": lambda x: mpmath.gamma(x) if x < 200 else mpmath.inf,
    "lgamma": mpmath.loggamma,
    "cbrt": lambda x: -mpmath.cbrt(-x) if x < 0 else mpmath.cbrt(x),
    "lgamma_rest": lambda x: _rest(x, -1),
    "digamma_rest": lambda x: _rest(x, 0),
    "trigamma_rest": lambda x: _rest(x, 1),
    "trigamma": lambda x: mpmath.psi(1, x),
    "tetragamma": lambda x: mpmath.psi(2, x),
}
DOMAINS: dict[str, Callable[[Any], Any]] = {
    "log": lambda x: x > 0,
    "log1p": lambda x: x > -1,
    "erfinv": lambda x: abs(x) < 1,
    "asin": lambda x: abs(x) <= 1,
    "acos": lambda x: abs(x) <= 1,
    "atanh": lambda x: abs(x) < 1,
    "acosh": lambda x: x >= 1,
    **dict.fromkeys(("lgamma_rest", "digamma_rest", "trigamma_rest"), lambda x: (x >= 3) & (x < 1e30)),
    **dict.fromkeys(("gamma", "lgamma", "digamma", "trigamma", "tetragamma"), lambda x: x > 0),
}
"""Where a bound in ulp holds: Γ's functions of negative arguments are as good as their condition."""


def oracle(name: str) -> Callable[[Any], Any]:
    return ORACLES.get(name) or getattr(mpmath, name)


def domain(name: str, x: Any) -> Any:
    """Mask of the arguments that are judged."""
    within = DOMAINS.get(name)
    return np.ones(len(x), bool) if within is None else within(x)


def exact_values(name: str, x: Any) -> list[Any]:
    exact = oracle(VECTOR_MATH[name].oracle)
    return [exact(mpmath.mpf(float(at))) for at in x]


def errors_of(values: Any, exact: Sequence[Any], dtype: Any) -> list[float]:
    return [ulps(value, truth, dtype) for value, truth in zip(values, exact, strict=True)]


def ulps(value: Any, exact: Any, dtype: Any) -> float:
    """Distance in units of the last place of the exact result; overflow to infinity is right where rounding
    overflows."""
    with np.errstate(over="ignore"):
        rounded = dtype(float(exact))
    if not np.isfinite(rounded):
        return 0.0 if value == rounded else math.inf
    if not np.isfinite(value):
        return math.inf
    mantissa, smallest = (23, -149) if dtype is float32 else (52, -1074)
    exponent = max(mpmath.mag(exact) - 1 - mantissa, smallest) if exact else smallest
    return float(mpmath.ldexp(abs(mpmath.mpf(float(value)) - exact), -exponent))


def samples(dtype: Any, ranges: tuple[tuple[float, float], ...], dense_points: int = 250) -> Any:
    """Every exponent of float32 (every thirteenth of float64, and each near 0) with a random mantissa (``--long``:
    with three) and both signs; and dense intervals."""
    random = np.random.default_rng(20)
    mantissa, unsigned = (23, np.uint32) if dtype is float32 else (52, np.uint64)
    exponents = (
        np.arange(255) if dtype is float32 else np.union1d(np.arange(0, 2047, 29), np.arange(1023 - 55, 1023 + 12))
    )
    exponents = np.repeat(exponents, examples(1, 3)).astype(np.int64)
    bits = exponents << mantissa | random.integers(0, 1 << mantissa, len(exponents))
    everywhere = bits.astype(unsigned).view(dtype)
    dense = [random.uniform(low, high, dense_points).astype(dtype) for low, high in ranges]
    return np.concatenate([everywhere, -everywhere, *dense])
