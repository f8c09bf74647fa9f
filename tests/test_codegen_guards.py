"""What exists only under a guard is read only there: in a process of its own, since a fault would end this one."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import sympy as sp

import codegen
import symgraph as sg
from tests.sizes import examples
from tests.source import code_of

B = sg.dim("B")
b, i, k = sg.indices("b i k")


@pytest.mark.parametrize(("seed", "count"), [(0, examples(3, 40))])
def test_random_guards(seed: int, count: int) -> None:
    """Windows under And, Or, Not, Max and Min, between pages that may not be read; ``python -m tests.guarded``."""
    command = [sys.executable, "-m", "tests.guarded", str(seed), str(count)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, f"program {ended.stdout.split()[-1:]}:\n{ended.stderr}"


@pytest.mark.usefixtures("plain")
def test_a_bound_in_the_condition_of_a_gradient() -> None:
    """∂ Σ_i min_b max(exp(−y[b, i]), w[i + 1, i + 1])·w[i + 4, 7 − i]/∂w, whose conditions read windows of w."""
    y, w = sg.input("y", (B, 6)), sg.input("w", (10, 8))
    smallest = sg.Min(sp.Max(sp.exp(-y[b, i]), w[i + 1, i + 1]) * w[i + 4, 7 - i], b)
    gradient = codegen.function([y, w], sg.grad(sg.sum(sg.define((i,), smallest)), w))
    random = np.random.default_rng(1)
    given, weights = random.normal(size=(5, 6)), random.uniform(size=(10, 8))
    expected = np.zeros((10, 8))
    for column in range(6):
        kept = np.maximum(np.exp(-given[:, column]), weights[column + 1, column + 1])
        best = np.argmin(kept * weights[column + 4, 7 - column])
        expected[column + 4, 7 - column] += kept[best]
        if weights[column + 1, column + 1] > np.exp(-given[best, column]):
            expected[column + 1, column + 1] += weights[column + 4, 7 - column]
    np.testing.assert_allclose(gradient(given, weights), expected)


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize(
    "condition",
    [
        lambda x: sp.And(x[k - 1] > 0, k > 0),
        lambda x: sp.Not(sp.Or(k < 1, x[k - 1] <= 0)),
        lambda x: sp.ITE(k > 0, x[k - 1] > 0, sp.false),
        lambda x: sp.And(k >= 1, sp.Xor(x[k - 1] > 0, x[k] > 9)),
    ],
)
def test_conditions_that_read_what_they_guard(condition: object) -> None:
    """x[k − 1] where k > 0 and x[k − 1] > 0, however it is written; memory before x is another's."""
    x = sg.input("x", (6,))
    guarded = sg.define((k,), sp.Piecewise((x[k - 1] * x[k], condition(x)), (0, True)), shape=(6,))  # type: ignore[operator]
    given = np.array([1.0, 2, -3, 4, -5, 6])
    expected = [0, *(np.maximum(given[:-1], 0) * given[1:])]
    np.testing.assert_array_equal(codegen.function(x, guarded)(given), expected)


def test_a_window_inside_its_array_needs_no_branch() -> None:
    """Where the range of an index is known to lie inside, both values are read, and the loop becomes vectors."""
    x = sg.input("x", (B, 8))
    masked = sg.define((b, k), sp.Piecewise((x[b, k + 2], x[b, k + 1] > 0), (0, True)), shape=(B, 6))
    source = codegen.function(x, masked, dtype="float64").source
    assert "select(" in source and " if " not in code_of(source)
