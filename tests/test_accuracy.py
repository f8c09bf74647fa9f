"""Errors of formulas: against errors known by hand, and truths that mpmath computes by itself."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
import sympy as sp
from mpmath import libmp

import codegen
import symgraph as sg
from symgraph.core.define import as_tensor
from symgraph.core.scalars import erfcx, expm1, log1p, log_ndtr, ndtr, sigmoid, softplus
from symgraph.rounding import points
from symgraph.rounding.choose import Choice, bits_lost
from symgraph.rounding.evaluate import exact
from symgraph.rounding.measure import errors_of
from symgraph.rounding.points import points_of
from symgraph.rounding.raw import as_float, power
from symgraph.rounding.tape import Unmeasured
from symgraph.rounding.write import tape_of

X, Y = sp.symbols("X Y", real=True)
FEW = 40


def lines(found: sg.Tensor | sp.Expr, dtype: str = "float64") -> tuple[float, float]:
    (line,) = sg.accuracy(found, dtype, points=FEW).lines
    return line.written, line.runs


TRUTHS = {
    "σ": (sigmoid(X), lambda x: 1 / (1 + mpmath.exp(-x))),
    "softplus": (softplus(X), lambda x: mpmath.log(1 + mpmath.exp(x))),
    "log(1 − tanh)": (sp.log(1 - sp.tanh(X)), lambda x: mpmath.log(1 - mpmath.tanh(x))),
    "erfcx": (erfcx(X), lambda x: mpmath.exp(x * x) * mpmath.erfc(x)),
    "Φ": (ndtr(X), lambda x: mpmath.ncdf(x)),
    "log Φ": (log_ndtr(X), lambda x: mpmath.log(mpmath.ncdf(x))),
    "ψ": (sp.digamma(X), lambda x: mpmath.digamma(x)),
    "log Γ": (sp.loggamma(X**2), lambda x: mpmath.loggamma(x * x)),
    "power": (sp.Abs(X) ** sp.pi, lambda x: abs(x) ** mpmath.pi),
    "branches": (
        sp.Piecewise((sp.sin(X), X > 0), (sp.cos(X), True)),
        lambda x: (mpmath.sin if x > 0 else mpmath.cos)(x),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TRUTHS)
def test_the_true_value_is_mpmaths(name: str) -> None:
    formula, other = TRUTHS[name]
    tape = tape_of(as_tensor(formula))
    for x in (1e-9, 0.7, -0.7, 6.5, -6.5, 33.5, -33.5):
        found = exact(tape, [x], np.dtype(np.float64))
        with mpmath.workdps(600 if name == "log Φ" else 60):
            wanted = other(mpmath.mpf(x))
        assert found is not None
        assert as_float(found[0]) == float(wanted)


def test_a_difference_too_small_for_the_precision_is_not_taken_for_zero() -> None:
    tape = tape_of(as_tensor(sp.log(1 - sp.tanh(X))))
    assert exact(tape, [1e6], np.dtype(np.float64)) is None
    same = tape_of(as_tensor(X - sp.floor(X)))
    found = exact(same, [3.0], np.dtype(np.float64))
    assert found is not None and as_float(found[0]) == 0


def test_errors_known_by_hand() -> None:
    """eˣ − 1 at x = 2⁻ᵏ is off by up to half a unit of 1; √(x² + 1) overflows; sin is only ill-conditioned."""
    written, runs = lines(sp.exp(X) - 1)
    assert written > 2**45 and runs < 1.5
    written, runs = lines(sp.sqrt(X**2 + 1) - 1)
    assert math.isinf(written)
    assert lines(sp.sin(X))[1] < 1.5
    assert lines(X * Y)[0] <= 0.5 and lines(X - Y)[0] <= 0.5


def test_a_stated_domain_is_all_that_is_looked_at() -> None:
    """e²ˣ overflows at 44.6 in float32, and nowhere in (−5, 5)."""
    logistic = sp.exp(2 * X) / (1 + sp.exp(2 * X))
    assert math.isinf(sg.accuracy(logistic, "float32", points=FEW).lines[0].written)
    assert sg.accuracy(logistic, "float32", points=FEW, domain={X: (-5, 5)}).lines[0].written < 2
    u = sg.input("u", (3,))
    (line,) = sg.accuracy(sg.sqrt(1 - u * u), "float64", points=FEW, domain={u: (0, 1)}).lines
    assert line.points >= FEW and line.written < 2 and line.at.startswith("u = 0.")
    (line,) = sg.accuracy(X + 1, "float64", points=FEW, domain={X: (3, sp.oo)}).lines
    assert line.points >= FEW / 2 and not line.at.startswith("X = -")


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_one_variable_is_drawn_large_beside_another_that_is_small(dtype: type) -> None:
    """Of three variables: the second opposite to the first, the third like it, so that either pair is met both ways."""
    x = [sg.input(name, ()) for name in "abc"]
    a, b, c = np.log2(np.abs(points_of(tape_of(x[0] * x[1] + x[2]), np.dtype(dtype), 48)[:, :48]))
    for large, small in ((a, b), (b, a), (c, b)):
        assert np.sum((large > 4) & (small < -4)) >= 2
        assert np.sum((large > 16) & (small < -16)) >= 1


def test_names_and_sums_are_looked_through() -> None:
    """p ln p of a softmax: a value of (0, 1), never negative, so that nothing is ill-defined."""
    x = sg.input("x", (sg.dim("N"), 4))
    e = sg.exp(x)
    p = e / sg.sum(e, axis=1, keepdims=True)
    found = sg.accuracy(p * sg.log(p), "float32", points=FEW)
    assert not found.unmeasured
    assert math.isinf(found.lines[-1].written) and found.lines[-1].runs < 64
    assert "as written" in found.lines[-1].why and "overflows" in found.lines[-1].why


def test_lint_names_the_place_and_what_is_so_by_nature() -> None:
    u, v = sg.input("u", (3,)), sg.input("v", (3,))
    (lost,) = sg.accuracy(sg.exp(u) - sg.cos(v), "float64", points=FEW).lint
    assert "of 53 bits of float64 at u = " in lost and "exp(u[i]) − cos(v[i]) cancels" in lost
    (steep,) = sg.accuracy(sg.sin(100 * u), "float64", points=FEW).lint
    assert "ill-conditioned by nature" in steep and "in sin(100·u[i])" in steep
    assert not sg.accuracy(sg.tanh(u), points=FEW).lint


def test_the_same_every_time_and_whatever_things_are_called() -> None:
    def told(name: str) -> str:
        other = sg.input(name, (3,))
        return str(sg.accuracy(sg.exp(other) / (1 + sg.exp(other)), points=FEW)).replace(name, "u")

    assert told("uu") == told("vv")


def test_a_form_that_is_measured_to_be_worse_is_refused() -> None:
    plain, stable, other = (as_tensor(f) for f in (sp.exp(X) - 1, expm1(X), (sp.exp(2 * X) - 1) / (sp.exp(X) + 1)))
    chosen = Choice().among
    assert chosen(plain, [plain, stable]) == 1
    assert chosen(plain, [stable, plain]) == 0
    assert chosen(plain, [other, plain]) == 1
    assert chosen(stable, [stable, stable]) == 0


def test_a_value_that_is_not_finite_loses_more_than_digits() -> None:
    plain, infinite = as_tensor(1 / (1 + sp.exp(-X))), as_tensor(sp.exp(X) / (1 + sp.exp(X)))
    assert Choice().among(plain, [infinite, plain]) == 1
    assert list(bits_lost(np.array([0.0, 1.0, np.inf, 1e300]))) == [0.0, 1.0, 128.0, 54.0]


def test_points_at_which_all_forms_are_alike_make_no_gain_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    """log(1 + x) is right beside 1, 3, 5, …, however many of them are looked at."""
    forms = [tape_of(as_tensor(form)) for form in (sp.log(1 + X), sp.log(1 + X), log1p(X))]
    counted = []
    for usual in ((), (1.0, 3.0, 5.0, 7.0, 9.0)):
        monkeypatch.setattr(points, "USUAL", usual)
        counted.append(errors_of(forms, np.dtype(np.float64), FEW, apart=2.0).defined)
    assert counted[0] == counted[1]


def test_a_form_that_cannot_be_measured_stops_no_choice() -> None:
    plain, stable = as_tensor(sp.exp(X) - 1), as_tensor(expm1(X))
    other = as_tensor(expm1(X) + sp.polygamma(9, X))
    assert Choice().among(plain, [plain, other, stable]) == 2


def test_report_of_a_function(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYMGRAPH_PYTHON", "1")
    u = sg.input("u", (3,))
    report = codegen.function(u, sg.log(1 + sg.exp(u)), dtype="float32").report(errors=True)
    assert report.errors is not None and report.errors.worst < 1.5
    assert "runs as softplus(u[i])" in str(report) and "<table" in report.errors._repr_html_()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": "float16"}, "dtype is 'float16'; expected 'float32' or 'float64'"),
        ({"points": 3}, "points is 3; expected a whole number of at least 8"),
        ({"domain": {X: (1, 0)}}, r"the domain of X is \(1, 0\); expected its two ends, the lower one first"),
        ({"domain": {X: math.nan}}, "the domain of X is nan; expected its two ends"),
        ({"domain": {Y: (0, 1)}}, "domain has Y, of which no formula is measured; they are of X"),
        ({"domain": {"X": (0, 1)}}, "domain has 'X'; expected the tensors or symbols"),
        ({"domain": [0, 1]}, r"domain is \[0, 1\]; expected a dict"),
    ],
)
def test_options_are_checked(options: dict[str, object], message: str) -> None:
    with pytest.raises(sg.errors.ArgumentError, match=message):
        sg.accuracy(sp.exp(X), **options)


def test_what_has_no_value_is_said() -> None:
    u, t = sg.input("u", (3,)), sg.labels("t", (3,), classes=4)
    found = sg.accuracy([sg.argmax(u), sg.log(-sg.exp(u)), u + t.element.tensor])
    assert not any(line.formula.startswith("argmax") for line in found.lines)
    assert "too few points at which it has a value" in found.unmeasured[0]


def test_a_value_is_certain_only_by_its_bound() -> None:
    """(x·eˣ − eˣ + 1)/x² is ½ at 0; with too few bits, however many, it is 1/x: two precisions would agree on it."""
    tape = tape_of(as_tensor((X * sp.exp(X) - sp.exp(X) + 1) / X**2))
    near, nearer = (exact(tape, [x], np.dtype(np.float64)) for x in (1e-100, 1e-290))
    assert near is not None and as_float(near[0]) == 0.5
    assert nearer is None


def test_long_chains_of_values_are_no_matter() -> None:
    y = u = sg.input("u", (3,))
    for _ in range(60):
        y = sg.tanh(y) + u
    value = sg.log(1 + sg.exp(y))
    assert Choice().among(value, [value, value]) == 0
    with pytest.raises(Unmeasured, match="values more than 24 deep"):
        tape_of(value)


def test_a_program_of_several_derivatives_is_measured() -> None:
    """A loss that only a derivative in the program is of has no value in it, and no line."""
    s, W, V = sg.input("s", (3, 1)), sg.parameter("W", (1, 2)), sg.parameter("V", (2, 1))
    u = sg.tanh(s @ W) @ V
    J = sg.mean((sg.grad(sg.sum(u), s) + u) ** 2)
    lines = sg.accuracy([J, sg.grad(J, V)], "float32").lines
    assert {"J", "∂J/∂V", "u"} <= {line.formula.partition(" = ")[0].partition("[")[0] for line in lines}


def test_a_power_with_a_huge_exponent_takes_no_memory() -> None:
    """The logarithm had as many bits as the exponent has before its point: 2⁴⁰ of them."""
    huge, half = libmp.mpf_shift(libmp.from_int(3), 2**40), libmp.from_float(0.5)
    assert power(half, huge, 420) == libmp.fzero
    assert power(half, libmp.mpf_neg(huge), 420) == libmp.finf
    assert power(libmp.fone, huge, 420) == libmp.fone
