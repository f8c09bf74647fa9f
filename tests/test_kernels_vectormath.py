"""Vector functions: every row of the table against mpmath, at special values, and un-jitted."""

from __future__ import annotations

import math
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest
from numpy import float32, float64, int64

from codegen.native import compile as native_compile
from codegen.native.compile import compile_entry, load_entry
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
from codegen.native.kernels.trigonometric import FAR, LIMIT
from tests import lane_c, sizes
from tests.sizes import examples
from tests.vector_oracles import domain, errors_of, exact_values, mapped, native, oracle, samples, ulps

UNARY = [row for row in VECTOR_MATH.values() if row.arity == 1]
DTYPES = (float32, float64)
GAMMA = ("gamma", "lgamma", "digamma", "trigamma", "tetragamma")
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


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize("row", UNARY, ids=lambda row: row.name)
def test_error_is_within_the_bound_of_the_row(row: Any, dtype: Any) -> None:
    x = samples(dtype, row.ranges, examples(30, 250))
    x = x[domain(row.name, x)]
    with mpmath.workdps(50):
        errors = errors_of(native(row.name, x), exact_values(row.name, x), dtype)
    worst = int(np.argmax(errors))
    assert errors[worst] <= row.ulp, f"{row.name}({x[worst]!r}) is {errors[worst]:.2f} ulp off"


@pytest.mark.parametrize("row", UNARY, ids=lambda row: row.name)
def test_single_precision_is_within_the_bound_of_double_all_over(row: Any) -> None:
    """At numbers evenly spaced among all float32; what double makes of the same number is exact enough."""
    bits = np.arange(0, 2**32, 2**32 // examples(40_000, 4_000_000), dtype=np.uint64)
    x = bits.astype(np.uint32).view(float32)
    with np.errstate(all="ignore"):
        exact = native(row.name, x.astype(float64))
        x, exact = (values[abs(exact) <= np.finfo(float32).max] for values in (x, exact))
        unit = np.ldexp(1.0, np.maximum(np.frexp(exact)[1] - 24, -149))
        errors = abs(native(row.name, x) - exact) / unit
    worst = int(np.argmax(np.nan_to_num(errors, nan=math.inf)))
    assert errors[worst] <= row.ulp, f"{row.name}({x[worst]!r}) is {errors[worst]:.2f} ulp off"


@pytest.mark.parametrize("name", ["ndtr", "erfc", "exp", "erf", "sigmoid"])
def test_what_networks_use_of_float32_is_computed_in_float32(name: str) -> None:
    assert "double" not in lane_c.printed(name, "float32")


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize("row", UNARY, ids=lambda row: row.name)
def test_special_values_and_plain_python_agree(row: Any, dtype: Any) -> None:
    """The un-jitted word is an independent implementation (NumPy, the C library): infinities, NaN and signs of zero
    included."""
    chosen = SPECIAL
    if row.name in GAMMA:  # next to a root they are as good as their condition: the test below
        chosen = tuple(x for x in chosen if x not in (-0.5, -2.5))
    if row.name.endswith("_rest"):  # below, what they are the rest of is what one wants
        chosen = (*(x for x in chosen if not 0 < x < 12), 20.0, 1e3)
    x = np.array(chosen, dtype)
    with np.errstate(all="ignore"):
        plain = np.array([row.word(value) for value in x])
    assert plain.dtype == dtype
    got = native(row.name, x)
    np.testing.assert_allclose(got, plain, rtol=8 * np.finfo(dtype).eps, atol=0)
    numbers = ~np.isnan(plain)
    assert np.array_equal(np.signbit(got[numbers]), np.signbit(plain[numbers]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", FAR)
def test_angles_of_any_size_beside_each_other(name: str, dtype: Any) -> None:
    """Far ones are computed apart from the others; the third is the float64 nearest to a multiple of π/2."""
    nearest = 6381956970095103 * 2.0**797
    hard = [2.0**45, 2.0**45 * (1 + 2.0**-20), nearest, 1e22, 2.0**119 * 1.76, 16367173 * 2.0**72, 2.0**127, 1.7e308]
    with np.errstate(over="ignore"):
        far = np.array([x for x in hard if x <= np.finfo(dtype).max], dtype)
    x = np.concatenate([far, -far, np.linspace(-9, 9, 37).astype(dtype), [np.inf, -np.inf, np.nan]]).astype(dtype)
    for order in (x, x[::-1].copy(), np.resize(x, 7), np.resize(x[9:], 131)):
        with mpmath.workdps(400):
            finite = np.isfinite(order)
            found = native(name, order)
            assert np.isnan(found[~finite]).all()
            assert max(errors_of(found[finite], exact_values(name, order[finite]), dtype)) < 2


def test_a_loop_of_angles_is_one_of_vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    """What asks whether an argument is far is called by vectors, and is put into the loop in the end."""
    seen: list[str] = []

    def watched(stage: Callable[..., None]) -> Callable[..., None]:
        def run(module: Any, *given: Any) -> None:
            stage(module, *given)
            seen.append(str(module))

        return run

    for name in ("optimise", "_with_bodies"):
        monkeypatch.setattr(native_compile, name, watched(getattr(native_compile, name)))
    mapped.__wrapped__("cos")
    calls = [re.findall(r"call [^@]*<\d+ x double> @symgraph_far_cos_float64_\d+\(", text) for text in seen]
    assert calls[0] and not calls[1], calls
    assert "symgraph_far_cos_slow" in seen[1] and "llvm.compiler.used" not in seen[1]


@pytest.mark.parametrize("name", GAMMA)
def test_gamma_functions_of_negative_arguments_are_as_good_as_their_condition(name: str) -> None:
    x = -np.random.default_rng(5).uniform(0, 20, examples(40, 1000))
    with mpmath.workdps(50):
        for at, value in zip(x, native(name, x), strict=True):
            truth = oracle(name)(mpmath.mpf(at)).real
            moved = abs(oracle(name)(mpmath.mpf(at) * (1 + mpmath.mpf(2) ** -52)).real - truth)
            assert abs(value - truth) <= 4 * (moved + abs(truth) * 2.0**-52 + 2.0**-52), (name, at)


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


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a compiler of C")
def test_the_formulas_are_those_of_any_backend(tmp_path: Path) -> None:
    """Printed as C by another builder, they have the same bits."""
    names = list(VECTOR_MATH) if sizes.LONG else ["tanh", "sin", "pow"]
    library = lane_c.compiled(names, tmp_path, "cc")
    for name in names:
        for dtype in DTYPES:
            x = np.concatenate([samples(dtype, VECTOR_MATH[name].ranges, 40), np.array(SPECIAL, dtype)])
            x = x[~(np.abs(x) > LIMIT)] if name in FAR else x
            y = np.roll(x, 7)
            found, expected = lane_c.mapped(library, name, x, y), native(name, x, y)
            same = (found.view(np.uint8) == expected.view(np.uint8)).reshape(len(x), -1).all(axis=1)
            assert (same | (np.isnan(found) & np.isnan(expected))).all(), (name, dtype, x[~same], found[~same])
