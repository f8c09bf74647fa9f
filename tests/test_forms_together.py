"""Forms of which no one is right everywhere: what cancels by algebra, branches put together, points that tell."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

import symgraph as sg
from symgraph.core.cases import Cases
from symgraph.core.define import as_tensor
from symgraph.rounding.evaluate import floating
from symgraph.rounding.points import where_ranges_end
from symgraph.rounding.write import tape_of
from symgraph.stabilise.lowest import in_lowest_terms
from symgraph.stabilise.proposals import joined
from tests.mending import X, Y, mends

D = sp.log(X) / Y
ONE, OTHER = (sp.exp(-((D + sign * Y / 2) ** 2) / 2) for sign in (1, -1))
ALMOST = 1e150 * (1 + 1e-9)
TOGETHER = {
    # of an option's two densities the one times x is the other
    "slope of a price": ((X * ONE - OTHER) / Y + sp.exp(-900 * X), [(0.5, 0.1), (0.25, 2.0)]),
    # near 1 by log1p, far away by a quotient, whatever the sizes
    "log of a mean square": (
        sp.log((X**2 + Y**2) / (2 * X * Y)), [(2.5, 2.499999), (1e200, 1e150), (1e150, ALMOST), (3.0, 1.0)],
    ),
    "quotient of powers": (
        (-(X**4) + 4 * X**2 * Y**2 + Y**4) / (2 * (X**2 + Y**2) ** 2 * X**2), [(1e-150, 2e-150), (3.0, 1.0)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TOGETHER)
def test_forms_together_are_right_where_none_is_alone(name: str) -> None:
    mends(*TOGETHER[name])


def test_exponentials_that_differ_by_a_logarithm_are_one() -> None:
    x, y = (sg.input(name, ()).element for name in "xy")
    assert 0 in in_lowest_terms((X * ONE - OTHER).xreplace({X: x, Y: y}))
    assert in_lowest_terms(sp.exp(x) - sp.exp(y)) == ()


def test_branches_of_one_form_go_before_another() -> None:
    far, exact = Cases((1 / X, X > 9), (X - 1, sp.true)), sp.exp(X)
    near = Cases((X, X < 1), (X - 1, sp.true))
    found = joined(far, [far, near, exact])
    assert Cases((1 / X, X > 9), (exact, sp.true)) in found
    assert Cases((X, X < 1), (1 / X, X > 9), (X - 1, sp.true)) in found
    assert far not in found and exact not in found


def test_points_are_drawn_where_a_power_leaves_the_range() -> None:
    """x⁴ is 0 below 1e-81."""
    tape, points = tape_of(as_tensor(X**4)), np.array([[1e-85, 1e-75, 1.0, 1e60]])
    found = where_ranges_end(points, [(tape, floating(tape, points))])
    assert np.all((found > 1e-85) & (found < 1e-75)) and found.shape == (1, 3)
