"""Means, norms and variances of many values: in the range, and centred."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

import codegen
import symgraph as sg
from symgraph.reference import evaluate

N = sg.dim("N")


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_mean_of_values_whose_sum_overflows_is_their_mean(dtype: type) -> None:
    x = sg.input("x", (4,))
    (form,) = sg.stabilise([sg.mean(x)])
    largest = float(np.finfo(dtype).max)
    for at in ([0.9, 0.7, 0.9, 0.8], [-0.9, -0.7, -0.9, 0.2], [0.25, 0.125, 0.5, 0.0625]):
        given = (np.array(at) * largest).astype(dtype)
        with np.errstate(over="ignore", invalid="ignore"):
            found = evaluate(form, {"x": given.astype(float)}, dtype=dtype)
        np.testing.assert_allclose(found / largest, np.mean(given.astype(float) / largest), rtol=1e-6)
    assert np.isnan(evaluate(form, {"x": np.array([1.0, np.nan, 0.0, 0.0])}))
    assert evaluate(form, {"x": np.array([1.0, np.inf, 0.0, 0.0])}) == np.inf


@pytest.mark.parametrize(("dtype", "scales"), [(np.float64, (1e200, 1e-200, 1.0)), (np.float32, (1e30, 1e-30, 1.0))])
def test_norms_and_means_of_any_length_stay_in_range(dtype: type, scales: tuple[float, ...]) -> None:
    """√Σ x² was infinite at 1e30 in float32 and 0 at 1e-30, its gradient 0, wherever Σ has more than a few terms."""
    x, v = sg.input("x", (sg.dim("N"), 40)), sg.input("v", (sg.dim("M"),))
    rows, whole = sg.sqrt(sg.sum(x**2, axis=1)), sg.sqrt(sg.sum(x**2))
    outputs = [rows, sg.grad(sg.sum(rows), x), whole, sg.sqrt(sg.mean(v**2)), sg.log(1 + sg.sum(v**2)), sg.mean(v)]
    run = codegen.function([x, v], outputs, dtype=np.dtype(dtype).name)
    random, info = np.random.default_rng(0), np.finfo(dtype)
    for scale in scales:
        given = [(random.uniform(0.5, 1, shape) * scale).astype(dtype) for shape in ((3, 40), (5,))]
        given[0][1] = 0
        a, b = (np.array([[mpmath.mpf(float(e)) for e in row] for row in np.atleast_2d(g)]) for g in given)
        norms = [mpmath.sqrt(sum(row**2)) for row in a]
        slopes = [[e / (n or 1) for e in row] for row, n in zip(a, norms, strict=True)]
        square = np.sum(b**2)
        with mpmath.workdps(500):
            size = mpmath.log(1 + square)
        wanted = [norms, slopes, mpmath.sqrt(np.sum(a**2)), mpmath.sqrt(square / 5), size, np.sum(b) / 5]
        for found, true in zip(run(*given), wanted, strict=True):
            np.testing.assert_allclose(found, np.array(true, float), rtol=20 * info.eps, atol=info.smallest_normal)


def test_the_curvature_of_a_norm_of_what_is_given_stays_in_range() -> None:
    x = sg.input("x", (3,))
    first = sg.grad(sg.sqrt(sg.mean(x**2)), x)[0]
    (form,) = sg.stabilise([sg.grad(first, x)])
    for scale in (1e200, 1e-200):
        given = np.array([3.0, 4.0, -5.0])
        found = evaluate(form, {"x": scale * given}) * scale
        norm = np.sqrt(3 * np.sum(given**2))
        np.testing.assert_allclose(found, (np.eye(3)[0] - given[0] * given / np.sum(given**2)) / norm, rtol=1e-12)


def test_a_second_pass_over_a_long_sum_is_a_loop_that_is_left_out() -> None:
    x = sg.input("x", (sg.dim("N"), 40))
    lines = codegen.function(x, sg.sqrt(sg.sum(x**2, axis=1))).source.splitlines()
    loops = [n for n, line in enumerate(lines) if line.strip().startswith("for i ") or " in range(40)" in line]
    assert len(loops) == 3 and [lines[n - 1].strip().startswith("if ") for n in loops] == [False, True, True]


def test_a_sum_of_squares_less_a_square_of_a_sum_is_centred() -> None:
    x = sg.input("x", (3,))
    values = np.array([1e8, 1e8 + 1, 1e8 + 2])
    for form in sg.stabilise([sg.sum(x**2) - sg.sum(x) ** 2 / 3, 3 * (sg.mean(x**2) - sg.mean(x) ** 2)]):
        np.testing.assert_allclose(evaluate(form, {"x": values}), 2.0, rtol=1e-12)


@pytest.mark.parametrize("weights", ["a constant", "a mask", "an input"])
def test_a_weighted_variance_is_centred(weights: str) -> None:
    """Of 1e8 and numbers beside it nothing was left."""
    x, w = sg.input("x", (4,)), np.array([1.0, 0.0, 2.0, 1.0])
    m = sg.input("m", (4,)) if weights == "an input" else sg.constant(w if weights == "a constant" else np.sign(w))
    count = sg.sum(m)
    spread = sg.sum(m * x**2) / count - (sg.sum(m * x) / count) ** 2
    given = {"x": 1e8 + np.array([0.0, 9.0, 1.0, 2.0]), "m": w}
    w = np.sign(w) if weights == "a mask" else w
    mean = np.average(given["x"] - 1e8, weights=w)
    (form,) = sg.stabilise([spread])
    expected = np.average((given["x"] - 1e8 - mean) ** 2, weights=w)
    np.testing.assert_allclose(evaluate(form, given), expected, rtol=1e-12)
