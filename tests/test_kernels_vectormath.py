"""Vector functions: every row of the table against mpmath, at special values, and un-jitted."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import mpmath
import numpy as np
import pytest
from numpy import float32, float64, int64

from codegen.native.compile import Entry, compile_entry, load_entry
from codegen.native.kernels import (
    VECTOR_MATH,
    accumulate,
    floor,
    kernel,
    maximum,
    minimum,
    pointer,
    rsqrt,
    select,
    sign,
)
from codegen.native.kernels.trigonometric import LIMIT

UNARY = [row for row in VECTOR_MATH.values() if row.arity == 1]
DTYPES = (float32, float64)
SPECIAL = (
    0.0,
    -0.0,
    1.0,
    -1.0,
    2.0,
    -2.0,
    0.5,
    -0.5,
    3.0,
    -3.0,
    2.5,
    math.inf,
    -math.inf,
    math.nan,
    1e30,
    -1e30,
    1e-40,
)


@cache
def mapped(name: str, dtype: Any) -> Entry:
    """Entry that maps one function over arrays."""
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
        words = pointer(packed, int64, 4)
        size = words[3]
        loop(pointer(words[0], dtype, size), pointer(words[1], dtype, size), pointer(words[2], dtype, size), size)

    return load_entry(compile_entry(entry))


def native(name: str, x: Any, y: Any = None) -> Any:
    y = x if y is None else y
    out = np.full_like(x, np.nan)
    packed = np.array([x.ctypes.data, y.ctypes.data, out.ctypes.data, len(x)], int64)
    mapped(name, x.dtype.type)(packed.ctypes.data)
    return out


def oracle(name: str) -> Callable[[Any], Any]:
    own: dict[str, Callable[[Any], Any]] = {
        "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
        "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
        # mpmath's asymptotic series overflows for huge arguments.
        "erfc": lambda x: mpmath.mpf(0 if x > 0 else 2) if abs(x) > 50 else mpmath.erfc(x),
    }
    return own.get(name) or getattr(mpmath, name)


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


def samples(dtype: Any, ranges: tuple[tuple[float, float], ...]) -> Any:
    """Every exponent of float32 (every thirteenth of float64, and each near 0) with random mantissas and both signs;
    and dense intervals."""
    random = np.random.default_rng(20)
    mantissa, unsigned = (23, np.uint32) if dtype is float32 else (52, np.uint64)
    exponents = (
        np.arange(255) if dtype is float32 else np.union1d(np.arange(0, 2047, 29), np.arange(1023 - 55, 1023 + 12))
    )
    bits = np.repeat(exponents, 3).astype(np.int64) << mantissa | random.integers(0, 1 << mantissa, 3 * len(exponents))
    everywhere = bits.astype(unsigned).view(dtype)
    dense = [random.uniform(low, high, 250).astype(dtype) for low, high in ranges]
    return np.concatenate([everywhere, -everywhere, *dense])


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize("row", UNARY, ids=lambda row: row.name)
def test_error_is_within_the_bound_of_the_row(row: Any, dtype: Any) -> None:
    x = samples(dtype, row.ranges)
    angles = abs(x) <= LIMIT
    domain = {"log": x > 0, "log1p": x > -1, "sin": angles, "cos": angles, "erfinv": abs(x) < 1}.get(row.name)
    x = x if domain is None else x[domain]
    exact = oracle(row.oracle)
    with mpmath.workdps(50):
        errors = [
            ulps(value, exact(mpmath.mpf(float(at))), dtype) for at, value in zip(x, native(row.name, x), strict=True)
        ]
    worst = int(np.argmax(errors))
    assert errors[worst] <= row.ulp, f"{row.name}({x[worst]!r}) is {errors[worst]:.2f} ulp off"


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize("row", UNARY, ids=lambda row: row.name)
def test_special_values_and_plain_python_agree(row: Any, dtype: Any) -> None:
    """The un-jitted word is an independent implementation (NumPy, the C library): infinities, NaN and signs of zero
    included."""
    x = np.array(SPECIAL if row.name not in ("sin", "cos") else SPECIAL[:-3], dtype)
    with np.errstate(all="ignore"):
        plain = np.array([row.word(value) for value in x])
    assert plain.dtype == dtype
    got = native(row.name, x)
    np.testing.assert_allclose(got, plain, rtol=8 * np.finfo(dtype).eps, atol=0)
    numbers = ~np.isnan(plain)
    assert np.array_equal(np.signbit(got[numbers]), np.signbit(plain[numbers]))


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.__name__)
def test_pow_special_values_are_those_of_c(dtype: Any) -> None:
    x, y = (axis.ravel() for axis in np.meshgrid(np.array(SPECIAL, dtype), np.array(SPECIAL, dtype)))
    with np.errstate(all="ignore"):
        expected = np.power(x, y)
    got = native("pow", x, y)
    np.testing.assert_allclose(got, expected, rtol=8 * np.finfo(dtype).eps, atol=0)
    numbers = ~np.isnan(expected)
    assert np.array_equal(np.signbit(got[numbers]), np.signbit(expected[numbers]))


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.__name__)
def test_pow_error_is_within_its_bound_up_to_overflow(dtype: Any) -> None:
    random = np.random.default_rng(21)
    reach = 100 if dtype is float32 else 740
    x = np.exp(np.concatenate([random.uniform(-80, 80, 500), random.uniform(-0.5, 0.5, 500)])).astype(dtype)
    y = (random.uniform(-reach, reach, x.size) / np.log(x.astype(float64))).astype(dtype)
    with mpmath.workdps(50):
        exact = [mpmath.power(mpmath.mpf(float(a)), mpmath.mpf(float(b))) for a, b in zip(x, y, strict=True)]
        errors = [ulps(value, e, dtype) for value, e in zip(native("pow", x, y), exact, strict=True)]
    assert max(errors) <= VECTOR_MATH["pow"].ulp


def scalar_words(x: Any, out: Any, size: Any) -> None:
    largest, total = x[0], x[0]
    for i in range(1, size):
        largest = maximum(largest, x[i])
        total = accumulate(total, x[i])
    out[0], out[1], out[2] = largest, minimum(x[0], x[1]), total
    out[3], out[4], out[5] = sign(x[0]), sign(x[2]), select(x[0] > x[1], x[0], x[1])
    out[6], out[7] = floor(x[1]), rsqrt(x[3])


def test_scalar_words_agree_with_plain_python_and_carry_nan() -> None:
    words = kernel(scalar_words)

    def entry(packed: int) -> None:
        addresses = pointer(packed, int64, 3)
        words(pointer(addresses[0], float64, 5), pointer(addresses[1], float64, 8), addresses[2])

    run = load_entry(compile_entry(entry))
    for x in ([-1.5, 2.5, 0.0, 4.0, 3.0], [math.nan, 2.5, -0.0, 4.0, 3.0], [1.0, math.nan, -2.0, math.inf, 0.0]):
        values, plain, got = np.array(x), np.zeros(8), np.zeros(8)
        with np.errstate(all="ignore"):
            scalar_words(values, plain, 5)
        run(np.array([values.ctypes.data, got.ctypes.data, 5], int64).ctypes.data)
        np.testing.assert_array_equal(got, plain)
