"""Forms of which no one is right everywhere: what cancels by algebra, branches put together, points that tell."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

import symgraph as sg
from symgraph.core.cases import Cases
from symgraph.core.define import as_tensor
from symgraph.core.scalars import Written, expm1, slot
from symgraph.reference import evaluate
from symgraph.rounding.choose import Choice
from symgraph.rounding.evaluate import floating
from symgraph.rounding.points import points_of, where_ranges_end
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
    # powers that overflow, as exponentials
    "slope of a norm": ((X**Y + 1) ** (1 / Y - 1) * X ** (Y - 1), [(1e5, 80.0), (3.0, 900.0), (0.3, 2.0)]),
    "share of a power": (X**Y / (1 + X**Y) - sp.Rational(1, 4), [(3.0, 900.0), (1e200, 3.0), (0.5, 2.0)]),
    # hyperbolic functions that overflow though their quotient does not
    "under waves": (sp.cosh(X * Y) / sp.cosh(X), [(800.0, 0.999), (2e3, 0.9), (3.0, 0.5), (1e-9, 0.5)]),
    "pull under waves": (
        (Y * sp.sinh(X * Y) * sp.cosh(X) - sp.cosh(X * Y) * sp.sinh(X)) / sp.cosh(X) ** 2, [(800.0, 0.9), (3.0, 0.5)],
    ),
    "norm by a power": ((1 + X**Y) ** (1 / Y), [(3.0, 900.0), (1e5, 80.0), (0.3, 2.0)]),
    "both sides of a softplus": (sp.log(1 + sp.exp(X)) - sp.log(1 + sp.exp(-X)) - X + Y, [(0.4, 1e-20), (30.0, 1e-9)]),
    # a sum of both, and one of them: x·(1 − e^{−x−y})/(x + y) and its slope
    "chance of one of two": (
        sp.diff(X / (X + Y) * (1 - sp.exp(-(X + Y))), X, Y), [(1e-9, 2e-9), (1.0, 3.0), (1e-12, 5.0)],
    ),
    "slope of two rates": (
        sp.diff(X / (Y - X) * (sp.exp(-X) - sp.exp(-Y)), X), [(1.0, 1.000000001), (3.0, 2.0), (0.2, 30.0)],
    ),
    # homogeneous, where it leaves the range
    "tangent of a half": (Y / (X + sp.sqrt(X**2 + Y**2)), [(1e160, 1e160), (1e-170, 1e-170), (3.0, 4.0)]),
    "numbers nearly opposite": (
        1000001 * sp.exp(-X * 1000001 / sp.Integer(1000000)) - 1000000 * sp.exp(-X) + 0 * Y, [(0.8, 0.0), (25.0, 0.0)],
    ),
    "beside a pole": (X * Y / (X**2 + Y**2 - 2 * Y + 1) + 0 * X, [(1e-9, 1 + 1e-8), (2.0, 3.0)]),
    "log of sinh over x": (sp.log(sp.sinh(X) / X) + 0 * Y, [(800.0, 0.0), (-1e4, 0.0), (0.3, 0.0)]),
    "log of a product with an exponential": (sp.log((sp.exp(X) - 1) * Y), [(900.0, 2.0), (-3.0, -1.0), (1e-9, 1e-3)]),
    "Kepler, near a parabola": (X - sp.sin(X) * (10**10 - 1) / 10**10 + 0 * Y, [(1e-7, 0.0), (1e-3, 0.0), (0.5, 0.0)]),
}  # fmt: skip


@pytest.mark.parametrize("name", TOGETHER)
def test_forms_together_are_right_where_none_is_alone(name: str) -> None:
    mends(*TOGETHER[name])


def test_a_quotient_of_exponentials_of_high_powers_has_a_form() -> None:
    """M. Kimura's chance that a gene is fixed: multiplied out it has a reciprocal of e⁻²ˣ above the line."""
    x = sg.input("x", (3,))
    (form,) = sg.stabilise([(1 - sg.exp(-2 * x)) / (1 - sg.exp(-2000 * x))])
    found = evaluate(form, {"x": np.array([-0.2, -400.0, 1.0])})
    np.testing.assert_allclose(found, [9.4192770783559861e-175, 0.0, 0.86466471676338730], rtol=1e-12)


SLOPES = {
    # (1 − 2z)² is not multiplied out
    "effectiveness": ((1 - sp.exp(-X / 2)) / (1 - sp.exp(-X / 2) / 2), [70.0, -3.0, 500.0]),
    # right where its cube is in the range, and elsewhere as it was written
    "gelu by tanh": (X / 2 * (1 + sp.tanh(sp.sqrt(2 / sp.pi) * (X + X**3 / 20))), [-7.0, 60.0, 0.3]),
    # steep, and looked at where its exponents are 0
    "chance of fixation": ((1 - sp.exp(-2 * X)) / (1 - sp.exp(-2000 * X)), [1e-12, -1e-7, 1e-3]),
    "gate": ((25 - X) / 10 / (sp.exp((25 - X) / 10) - 1), [25.0 + 1e-6, 25.0 - 1e-9, 90.0]),
    "annuity": (X / (1 - (1 + X) ** -360), [1e-12, 1e-7, 1e-3]),
    "product of exponentials": (sp.exp(X) * sp.exp(-(X**2)), [30.0, 0.1, -20.0]),
    # x¹³ overflows where x⁻⁷ does not
    "Lennard-Jones": (4 * (X**-12 - X**-6), [1e25, 3.0, 0.9]),
    # both zeros of what is divided by
    "logarithm of a rotation": (sp.acos(X) / sp.sqrt(1 - X**2), [1 - 1e-6, 1 - 1e-12, 0.3]),
}


@pytest.mark.parametrize("name", SLOPES)
def test_slopes_are_right_at_extreme_points(name: str) -> None:
    formula, points = SLOPES[name]
    x = sg.input("x", (len(points),))
    (form,) = sg.stabilise([sg.grad(sg.sum(sg.elementwise(formula, X)(x)), x)])
    found = evaluate(form, {"x": np.array(points)})
    true = [float(formula.diff(X).subs(X, sp.Rational(point)).evalf(30, maxn=2000)) for point in points]
    np.testing.assert_allclose(found, true, rtol=1e-12)


def test_the_slope_of_a_norm_is_no_nought_where_its_squares_are() -> None:
    x = sg.input("x", (3,))
    (form,) = sg.stabilise([sg.grad(sg.sqrt(x[0] ** 2 + x[1] ** 2 + x[2] ** 2), x)])
    for scale in (1e-200, 1.0, 0.0):
        found = evaluate(form, {"x": scale * np.array([2.0, -3.0, 6.0])})
        np.testing.assert_allclose(found, np.array([2.0, -3.0, 6.0]) / 7 * (scale > 0), rtol=1e-14)


POWERS = {
    "4-norm": (lambda x: sg.sum(x**4) ** sp.Rational(1, 4), 1.0),
    "cubes": (lambda x: sg.cbrt(sg.mean(sg.abs(x) ** 3)), 1.0),
    "root of a norm": (lambda x: sg.sum(x**2) ** sp.Rational(1, 4), 0.5),
    # a square that has a name, and a slope with a δ inside a factor
    "participation": (lambda x: sg.sum(x) ** 2 / sg.sum(x**2), 0.0),
    "crest": (lambda x: x[0] / sg.sqrt(sg.mean(x**2)), 0.0),
}


@pytest.mark.parametrize("name", POWERS)
def test_norms_and_their_quotients_stay_in_range(name: str) -> None:
    """Each of them, or its slope, was 0 or infinite at 2⁴³⁰ or 2⁵³⁰: their powers leave the range there."""
    x = sg.input("x", (3,))
    build, degree = POWERS[name]
    value = build(x)
    forms = sg.stabilise([value, sg.grad(value, x)])
    at = np.array([3.0, -4.0, 5.0])
    wanted = [evaluate(form, {"x": at}) for form in (value, sg.grad(value, x))]
    for scale in (2.0**-530, 2.0**-430, 2.0**430, 2.0**530):
        for form, plain, power in zip(forms, wanted, (degree, degree - 1), strict=True):
            found = evaluate(form, {"x": scale * at})
            np.testing.assert_allclose(found, plain * scale**power, rtol=1e-13, atol=1e-300 * scale**power)


def test_exponentials_that_differ_by_a_logarithm_are_one() -> None:
    x, y = (sg.input(name, ()).element for name in "xy")
    assert 0 in in_lowest_terms((X * ONE - OTHER).xreplace({X: x, Y: y}))
    assert in_lowest_terms(sp.exp(x) - sp.exp(y)) == ()


def test_branches_of_one_form_go_before_another() -> None:
    far, exact = Cases((1 / X, X > 9), (X - 1, sp.true)), sp.exp(X)
    near = Cases((X, X < 1), (X - 1, sp.true))
    found = joined(far, [near, exact], X - 1)
    assert Cases((1 / X, X > 9), (exact, sp.true)) in found
    assert Cases((X, X < 1), (1 / X, X > 9), (X - 1, sp.true)) in found
    assert far not in found and exact not in found


def test_a_form_goes_where_another_is_as_it_was_written() -> None:
    """The series of tanh(x)/x's curvature at 0 and at infinity had what cancels between them, for that has a branch of
    its own at 0."""
    written = Cases((X - 1, sp.Ne(X, 0)), (sp.S.One, sp.true))
    series = Cases((1 / X, sp.And(X > 9, sp.Ne(X, 0))), *written.args)
    other = Cases((sp.exp(X), sp.Ne(X, 0)), (sp.S.One, sp.true))
    assert Cases(series.args[0], *other.args) in joined(series, [other], written)
    x = sg.input("x", ())
    y = sg.elementwise(sp.Piecewise((sp.tanh(X) / X, sp.Ne(X, 0)), (1, True)), X)(x)
    slope = sg.grad(y, x)
    found = evaluate(sg.stabilise([sg.grad(slope, x)])[0], {"x": np.float32(40.0)})
    np.testing.assert_allclose(found, 2 / 40.0**3, rtol=1e-12)


@pytest.mark.parametrize("name", ["log Σ exp", "softmax of the first", "share by differences"])
def test_what_is_nought_where_a_part_is_the_whole_is_a_multiple_of_the_others(name: str) -> None:
    """S − e^{x₀} and (1 − y₀)·(1 − 2·y₀) were 0 where the first is all but e⁻⁶⁰ of it."""
    x = sg.input("x", (3,))
    value = {
        "log Σ exp": lambda: sg.grad(sg.log(sg.sum(sg.exp(x))), x)[0],
        "softmax of the first": lambda: sg.grad(sg.softmax(x)[0], x)[0],
        "share by differences": lambda: 1 / sg.sum(sg.exp(x - x[0])),
    }[name]()
    slope = sg.stabilise([sg.grad(value, x)])[0]
    found = evaluate(slope, {"x": np.array([60.0, -60.0, 0.0])})[0]
    np.testing.assert_allclose(found, (-1 if name == "softmax of the first" else 1) * np.exp(-60.0), rtol=1e-14)


def test_what_is_no_number_where_the_value_overflows_is_worth_it_elsewhere() -> None:
    """u + u·0, of u = eˣ − 1 by expm1."""
    nought = Written(slot(0) * slot(1), expm1(X), sp.S.Zero)
    plain, form = as_tensor(sp.exp(X) - 1), as_tensor(Written(slot(0) + slot(1), expm1(X), nought))
    assert Choice().among(plain, [plain, form]) == 1


def test_points_are_drawn_where_a_power_leaves_the_range() -> None:
    """x⁴ is 0 below 1e-81."""
    tape, points = tape_of(as_tensor(X**4)), np.array([[1e-85, 1e-75, 1.0, 1e60]])
    found = where_ranges_end(points, [(tape, floating(tape, points))])
    assert np.all((found > 1e-85) & (found < 1e-75)) and found.shape == (1, 2)


def test_points_are_drawn_where_one_value_is_nought_and_others_are_not() -> None:
    tape = tape_of(as_tensor(X * sp.log(Y)))
    points = points_of(tape, np.dtype(float), 48)
    for row, other in ((0, 1), (1, 0)):
        assert np.any((points[row] == 0) & (points[other] != 0) & np.isfinite(points[other]))
