"""Comparisons of tensors: broadcast like all else, selected by, joined, counted; what a condition may be made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sympy as sp

import codegen
import symgraph as sg
from symgraph.core.graph import leaves
from symgraph.errors import DomainError, IndexNotationError, ShapeError, SymgraphError
from symgraph.reference import evaluate
from symgraph.vocabulary.elementwise import u, v
from tests.sizes import examples

N = sg.dim("N")
x, y = sg.input("x", (N, 3)), sg.input("y", (N, 3))
row, column, one = sg.input("row", (1, 3)), sg.input("column", (N, 1)), sg.input("one", (1,))
scalar, labels = sg.input("scalar", ()), sg.labels("labels", (N,), classes=3)
X = np.array([[0.5, -1.0, 2.0], [0.0, 1.5, -0.5], [3.0, 0.25, 0.5], [-2.0, 1.0, 1.0]])
Y = np.array([[0.5, 1.0, -2.0], [0.5, -1.5, 0.5], [1.0, 0.5, 0.0], [-2.0, 0.0, 2.0]])
VALUES = {
    "x": X, "y": Y, "row": np.array([[0.5, 1.0, -0.5]]), "column": np.array([[0.0], [1.0], [0.25], [1.0]]),
    "one": np.array([0.5]), "scalar": np.array(0.25), "labels": np.array([0, 2, 1, 2]),
}  # fmt: skip
R, C = VALUES["row"], VALUES["column"]

WORTH: dict[str, tuple[Callable[[], Any], Any]] = {
    "of (1, 3)": (lambda: sg.where(x > row, 1, 0), X > R),
    "of (N, 1)": (lambda: sg.where(x >= column, x, y), np.where(X >= C, X, Y)),
    "of (1,)": (lambda: sg.where(x < one, 1, 0), X < 0.5),
    "of a scalar": (lambda: sg.where(scalar < x, x, 0), np.where(X > 0.25, X, 0)),
    "with a kept axis": (lambda: sg.where(x >= sg.max(x, axis=1, keepdims=True), x, 0),
                         np.where(X.max(axis=1, keepdims=True) <= X, X, 0)),
    "equal": (lambda: sg.where(sp.Eq(x, y), 1, 0), X == Y),
    "unequal": (lambda: sg.where(sp.Ne(x, row), 1, 0), X != R),
    "of labels": (lambda: sg.where(labels > 1, 1, 0), VALUES["labels"] > 1),
    "labels that are equal": (lambda: sg.where(sp.Eq(labels, 1), 1, 0), VALUES["labels"] == 1),
    "of an array": (lambda: sg.where(x > np.array([0.0, 1.0, 2.0]), 1, 0), np.array([0.0, 1.0, 2.0]) < X),
    "and": (lambda: sg.where((x > row) & (x < 2), 1, 0), (R < X) & (X < 2)),
    "or": (lambda: sg.where((x > row) | sp.Eq(x, 0), 1, 0), (R < X) | (X == 0)),
    "not": (lambda: sg.where(~(x > row), 1, 0), X <= R),
    "exclusive or": (lambda: sg.where((x > row) ^ (y > column), 1, 0), (R < X) ^ (C < Y)),
    "SymPy's And": (lambda: sg.where(sp.And(x > row, x < column), 1, 0), (R < X) & (X < C)),
    "SymPy's ITE": (lambda: sg.where(sp.ITE(x > row, y > 0, y < column), 1, 0), np.where(R < X, Y > 0, Y < C)),
    "Piecewise": (lambda: sg.as_tensor(sp.Piecewise((x, x > row), (y, y > column), (1, True))),
                  np.where(R < X, X, np.where(C < Y, Y, 1))),
    "NumPy's where": (lambda: np.where(x > row, x, 0), np.where(R < X, X, 0)),
    "NumPy's comparison": (lambda: sg.where(np.greater_equal(x, row), 1, 0), X >= R),
    "NumPy's words": (lambda: sg.where(np.logical_or(np.logical_not(x > row), np.logical_and(x > 1, y > 0)), 1, 0),
                      ~(R < X) | ((X > 1) & (Y > 0))),
    "itself": (lambda: (x > row) + 0, R < X),
    "counted": (lambda: sg.sum(x > 0), (X > 0).sum()),
    "counted along an axis": (lambda: sg.sum(x > row, axis=0), (R < X).sum(axis=0)),
    "averaged": (lambda: sg.mean(sp.Eq(x, y)), (X == Y).mean()),
    "any": (lambda: sg.max(x > row, axis=1), (R < X).any(axis=1)),
    "in products": (lambda: 2 * (x > row) - (y > 0) * x, 2.0 * (R < X) - (Y > 0) * X),
    "in a matrix product": (lambda: (x > row) @ y.T, (R < X) @ Y.T),
    "in a function": (lambda: sg.maximum(x > row, x), np.maximum(R < X, X)),
    "as a tensor": (lambda: sg.where(sg.as_tensor(x > row), 1, 0), R < X),
    "of branches": (lambda: sg.where(sg.leaky_relu(x) > sg.where(y > row, y, 0), 1, 0),
                    np.where(X > 0, X, X / 100) > np.where(R < Y, Y, 0)),
}  # fmt: skip


ODD = np.array([np.nan, np.inf, -np.inf, 1.0, 0.0, -2.0])
odd, yes, no = (sg.input(name, (6,)) for name in ("odd", "yes", "no"))
bare = sp.Symbol("bare")
DECIDED_OF_NUMBERS: dict[str, tuple[Callable[[], Any], Any]] = {
    "x ≥ x": (lambda: odd >= odd, ODD >= ODD),
    "x < x + 1": (lambda: odd < (odd + 1).named("next"), ODD < ODD + 1),
    "x² ≥ 0": (lambda: odd**2 >= 0, ODD**2 >= 0),
    "exp x > 0": (lambda: sg.exp(odd) > 0, np.exp(ODD) > 0),
    "of a plain symbol": (lambda: sg.elementwise(sp.Piecewise((1, bare < bare + 1), (0, True)))(odd), ODD < ODD + 1),
    "not": (lambda: ~(odd > 0), ~(ODD > 0)),
    "not of not": (lambda: ~~(odd > 0), ODD > 0),
    "either": (lambda: (odd > 0) | (odd <= 0), ~np.isnan(ODD)),
    "either, and another": (lambda: ((odd > 0) | (odd <= 0)) & (odd < 1), ODD < 1),
    "not both": (lambda: ~((odd > 0) & (odd < 1)), ~((ODD > 0) & (ODD < 1))),
    "of branches": (lambda: sg.where(odd > 0, yes, no) > 15, np.where(ODD > 0, np.arange(6), np.arange(6) * 10) > 15),
}  # fmt: skip


def test_what_every_number_fulfils_is_compared_where_it_may_be_nan() -> None:
    Y_, N_ = np.arange(6.0), np.arange(6.0) * 10
    masks = {name: condition() for name, (condition, _) in DECIDED_OF_NUMBERS.items()}
    chosen = {name: sg.where(mask > 0, yes**2, 3 * no) for name, mask in masks.items()}
    slopes = {name: sg.grad(sg.sum(value), [yes, no]) for name, value in chosen.items()}
    outputs = {name: [chosen[name], slopes[name][yes], slopes[name][no]] for name in masks}
    found = codegen.function([odd, yes, no], outputs, dtype="float64")(ODD, Y_, N_)
    for name, (_, holds) in DECIDED_OF_NUMBERS.items():
        expected = [np.where(holds, Y_**2, 3 * N_), np.where(holds, 2 * Y_, 0), np.where(holds, 0.0, 3.0)]
        np.testing.assert_array_equal(found[name], expected, err_msg=name)
        plainly = evaluate(chosen[name], {"odd": ODD, "yes": Y_, "no": N_})
        np.testing.assert_array_equal(plainly, expected[0], err_msg=name)
    assert str(masks["not"]) == "[i] ↦ 1[not (odd[i] > 0)]"


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("name", WORTH)
def test_what_a_comparison_is_worth(name: str) -> None:
    make, expected = WORTH[name]
    value = sg.as_tensor(make())
    assert value.shape == sg.as_tensor(value + 0).shape and str(value) and sp.latex(value)
    given = {leaf: array for leaf, array in VALUES.items() if leaf in leaves([value])}
    np.testing.assert_allclose(evaluate(value, given).astype(float), np.asarray(expected, dtype=float), rtol=1e-14)
    inputs = [leaf for leaf in (x, y, row, column, one, scalar, labels) if leaf.name in given]
    arrays = [VALUES[str(leaf.name)] for leaf in inputs]
    found = codegen.function(inputs, value, dtype="float64")(*arrays)
    np.testing.assert_allclose(found, np.asarray(expected, dtype=float), rtol=1e-14)


def test_gradient_flows_into_the_branch_that_is_taken() -> None:
    loss = sg.sum(sg.where(x > row, x**2, y * x))
    at_x, at_y = evaluate([sg.grad(loss, x), sg.grad(loss, y)], VALUES)
    np.testing.assert_allclose(at_x, np.where(R < X, 2 * X, Y))
    np.testing.assert_allclose(at_y, np.where(R < X, 0, X))


WRONG: dict[str, tuple[Callable[[], Any], type[SymgraphError], str]] = {
    "chained": (lambda: 0 < x < row, DomainError, "l < x < u is"),
    "as a truth value": (lambda: 1 if x > row else 0, DomainError, "sg.where"),
    "of shapes that do not fit": (lambda: x > sg.input("q", (2,)), ShapeError, r"\(N, 3\) and \(2,\)"),
    "with text": (lambda: x > "a", IndexNotationError, "text"),
    "with nothing": (lambda: x <= None, IndexNotationError, "None"),
    "with a complex number": (lambda: x > 1j, DomainError, "real"),
    "by identity": (lambda: sg.where(x == row, 1, 0), DomainError, "sp.Eq"),
    "without indices": (lambda: sg.define((), sp.Piecewise((scalar, x > 0), (0, True))), ShapeError, "indices"),
    "a number wanted": (lambda: float(x), DomainError, "symbol"),
    "rounded": (lambda: round(x), DomainError, "floor"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_misuse_says_what_to_write(name: str) -> None:
    make, error, text = WRONG[name]
    with pytest.raises(error, match=text) as caught:
        make()
    assert "test_conditions.py" in str(caught.value)


a = sp.Symbol("a")
branch = sp.Piecewise((u, u > 0), (u / 100, True))
FORMULAS: dict[str, sp.Basic] = {
    "maximum of branches": sp.Max(branch, v),
    "maximum of branches and others": sp.Max(branch, sp.Piecewise((v**2, v > 1), (v, True)), u * v, -1),
    "branches compared": sp.Piecewise((u, sp.exp(branch) > 2), (v, True)),
    "if-then-else": sp.Piecewise((u, sp.ITE(u > 0, v > 0, v < 1)), (0, True)),
    "exclusive or": sp.Piecewise((u, sp.Xor(u > 0, v > 0, u > v)), (0, True)),
    "implication": sp.Piecewise((u, sp.Implies(u > 0, v > 0)), (0, True)),
    "equivalence": sp.Piecewise((u, sp.Equivalent(u > 0, v > 0)), (0, True)),
    "neither": sp.Piecewise((u, sp.Not(sp.Or(u > 0, v > 0))), (0, True)),
    "in an interval": sp.Piecewise((u, sp.Contains(u, sp.Interval.Lopen(0, 1))), (v, True)),
    "in a union": sp.Piecewise((u, sp.Contains(u, sp.Interval(0, 1) + sp.Interval.open(2, 3))), (v, True)),
    "in a set": sp.Piecewise((u, sp.Contains(u, sp.FiniteSet(0, 1))), (v, True)),
    "a sum of three logarithms": sum((sp.log(k + sp.exp(-u)) for k in (1, 2, 3)), v),
    "a remainder": sp.Mod(u * v, 1 + v**2) * u,
    "a fraction": sp.frac(u * v) ** 2,
    "a step": v * sp.Heaviside(u, 1),
    "sinc": sp.sinc(u) * v,
    "an angle": sp.atan2(u, v),
    "inverse functions": sp.acot(u) + sp.asec(2 + v**2) + sp.acsch(1 + u**2) + sp.csch(1 + v**2),
    "rounding": u * sp.floor(v) + v * sp.ceiling(u),
    "four that compete": sp.Min(sp.Max(u, v), sp.Max(-u, 1 - v), u + v, 2),
}  # fmt: skip


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("name", [*FORMULAS][:: examples(2, 1)])
def test_formulas_in_any_of_sympys_notations(name: str) -> None:
    s, t = sg.input("s", (N,)), sg.input("t", (N,))
    formula = FORMULAS[name]
    points = {"s": np.array([0.31, -1.27, 2.43, 0.77]), "t": np.array([-0.62, 1.13, 0.58, -1.91])}
    value = sg.elementwise(formula, u, v)(s, t)
    gradients = sg.grad(sg.sum(value), [s, t], disconnected="zero")
    assert all(str(g) and sp.latex(g) for g in gradients.values())
    found = codegen.function([s, t], [value, gradients[s], gradients[t]], dtype="float64")(points["s"], points["t"])
    for place in range(4):
        at = {u: sp.Float(points["s"][place], 40), v: sp.Float(points["t"][place], 40)}
        step = sp.Float(10, 40) ** -15
        slopes = [
            (_value(formula, {**at, z: at[z] + step}) - _value(formula, {**at, z: at[z] - step})) / (2 * step)
            for z in (u, v)
        ]
        for number, expected in enumerate([_value(formula, at), *slopes]):
            assert abs(found[number][place] - expected) <= 1e-9 * (1 + abs(expected)), (number, place)


def _value(formula: sp.Basic, at: dict[sp.Symbol, sp.Float]) -> sp.Expr:
    return sp.N(formula.subs(at), 35)


REFUSED: dict[str, sp.Basic] = {
    "an integral": sp.Integral(sp.exp(-(a**2)), (a, 0, u)), "a sum": sp.Sum(u**a, (a, 0, 5)),
    "a limit": sp.Limit(u * a, a, 0), "a derivative": sp.Derivative(sp.sin(u), u),
    "a substitution": sp.Subs(a * u, a, u), "a matrix": sp.Matrix([[u, 1], [1, u]]),
    "an element of a matrix": sp.MatrixSymbol("M", 2, 2)[0, 0] * u, "an indexed base": sp.IndexedBase("M")[0] * u,
    "a function": sp.Lambda(u, u), "an order": u + sp.O(u**2), "bounds": sp.AccumBounds(0, 1) * u,
    "what does not commute": sp.Symbol("c", commutative=False) * u, "√−2": sp.sqrt(-2) * u, "asin 2": sp.asin(2) * u,
    "1/0": sp.zoo * u, "nothing": sp.nan, "integers": sp.Piecewise((u, sp.Contains(u, sp.S.Integers)), (0, True)),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_formula_is_refused_where_it_is_declared(name: str) -> None:
    with pytest.raises(SymgraphError, match=r"test_conditions\.py"):
        sg.elementwise(REFUSED[name], u)


def test_a_condition_on_a_sum_of_many_branches_is_refused_until_the_sum_has_a_name() -> None:
    """SymPy writes it out for all combinations of branches, and from 2⁸ on it recurses too deep."""
    xs, (i,) = [sg.parameter(f"x{k}", (2,)) for k in range(6)], sg.indices("i")
    total = sum(sp.Piecewise((x[i], x[i] > 0), (0, True)) for x in xs)
    with pytest.raises(DomainError, match=r"64 combinations of branches.*s = sg\.define"):
        sg.define((i,), sp.Piecewise((xs[0][i] ** 2, total > 3), (0, True)), shape=(2,))
    s = sg.define((i,), total, shape=(2,))
    y = sg.define((i,), sp.Piecewise((xs[0][i] ** 2, s[i] > 3), (0, True)), shape=(2,))
    values = {f"x{k}": np.array([2.0, 0.1 * k - 0.3]) for k in range(6)}
    value, slope = evaluate([sg.sum(y), sg.grad(sg.sum(y), xs[0])], values)
    assert value == 4
    assert slope.tolist() == [4, 0]


@pytest.mark.parametrize(
    "name", ["a__b", "__", "_", "a_", "__a", "a__", "'", "a''", "λ__1", "W__hat_1", "a.__b", ".", "a..b"]
)
def test_any_name_is_written_in_latex(name: str) -> None:
    assert sp.latex(sg.sum(sg.input(name, (3,)) ** 2))


GUARDED = {
    "a root": (lambda y: sg.sqrt(y), lambda v: v, 0.5 * 4**-0.5 * 3),
    "nested": (lambda y: sg.sqrt(y), lambda v: sg.log(v), 0.125),
    "a quotient": (lambda y: 1 / y, lambda v: v, -3 / 16),
}  # fmt: skip


@pytest.mark.parametrize("name", GUARDED)
def test_a_cotangent_is_guarded_by_the_branches_that_were_taken_where_nothing_is_comparable(name: str) -> None:
    """The guard of an else branch was x ≤ 1, under which the gradient was 0 for x = NaN, though the branch is taken."""
    inner, outer, slope = GUARDED[name]
    x, y, A = sg.input("x", ()), sg.input("y", (3,)), sg.input("A", (3, 3))
    value = outer(A @ inner(y))
    J = sg.sum(sg.where(x > 1, 0, sg.where(x > 5, 1, value) if name == "nested" else value))
    gradient = sg.grad(J, y)
    given = {"x": np.array(np.nan), "y": np.full(3, 4.0), "A": np.ones((3, 3))}
    np.testing.assert_allclose(evaluate(gradient, given), np.full(3, slope))
    assert "not (" not in str(gradient)


def test_what_no_branch_before_it_leaves_is_not_shown() -> None:
    x, y = sg.input("x", (3,)), sg.input("y", (3,))
    v = sg.where(x > 0, x, sg.where(y > 2, 3 * y, y))
    assert "and" not in str(sg.grad(sg.sum(sg.log(v) * sg.sqrt(y)), y))


U, V = sp.symbols("U V", real=True)
JOINED = {
    sp.ITE(U > 0, V > 0, V < 5): lambda a, b, v: np.where(a, b, v < 5),
    sp.Implies(U > 0, V > 0): lambda a, b, v: ~a | b,
    sp.Xor(U > 0, V > 0): lambda a, b, v: a ^ b, sp.Equivalent(U > 0, V > 0): lambda a, b, v: a == b,
    sp.Ne(U > 0, V > 0): lambda a, b, v: a != b,
}  # fmt: skip


@pytest.mark.parametrize("condition", JOINED, ids=lambda condition: type(condition).__name__)
def test_what_is_joined_by_not_holds_where_nothing_is_comparable(condition: sp.Basic) -> None:
    given = {"u": np.array([1, 1, -1, -1, np.nan, np.nan]), "v": np.array([1, -1, 1, -1, 1, -1.0])}
    u, v = sg.input("u", (6,)), sg.input("v", (6,))
    value = sg.elementwise(sp.Piecewise((1, condition), (0, True)), U, V)(u, v)
    np.testing.assert_array_equal(
        evaluate(value, given), JOINED[condition](given["u"] > 0, given["v"] > 0, given["v"])
    )  # fmt: skip


@pytest.mark.usefixtures("plain")
def test_what_is_never_a_real_number_is_nan_where_it_is_asked_for() -> None:
    """log of −1/(2 + x²), which SymPy compares with nothing: in a branch that is never taken, and in one that is."""
    never = sg.log(-1 / (2 + x**2)) - 1 / (2 + x**2)
    outputs = [sg.where(-1 / (2 + x**2) > 0, never, 1) ** 2, sg.sqrt(sg.where(x > 0, never, 1) ** 2 + x**2)]
    found = codegen.function(x, outputs)(np.array([[-1.0, 0.0, 2.0]]))
    np.testing.assert_array_equal(found, [[[1, 1, 1]], [[np.sqrt(2), 1, np.nan]]])


@pytest.mark.usefixtures("plain")
def test_a_quotient_by_a_branch_of_nought_is_infinite_there() -> None:
    """1/{log x if y > 0, else 0}²: forms are made of the branches that are numbers."""
    quotient = (sg.where(y > 0, sg.log(x), 0) * (x + y)) ** -2
    found = codegen.function([x, y], quotient)(np.array([[2.0, 3.0, 4.0]]), np.array([[-1.0, 1.0, 2.0]]))
    np.testing.assert_allclose(found, [[np.inf, (np.log(3) * 4) ** -2, (np.log(4) * 6) ** -2]])


@pytest.mark.usefixtures("plain")
def test_a_comparison_with_the_logarithm_of_nought_is_made() -> None:
    """min({log y if y > 0, else −1}, 0) of y = {x or 0}: the formulas are not put into one another at any cost."""
    inner = sg.where(x > 1, x, 0)
    value = sg.minimum(sg.where(inner > 0, sg.log(inner), -1), 0)
    found = codegen.function(x, [value, sg.grad(sg.sum(value), x)])(np.array([[0.5, 2.0, np.e]]))
    np.testing.assert_allclose(found, [[[-1, 0, 0]], [[0, 0, 0]]])
    with pytest.raises(DomainError, match="no real number in one of its branches"):
        sg.where(sp.log(sp.Piecewise((u, u > 1), (0, True))) < 0, 1, 0)


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("simplify", [True, False], ids=["simplified", "as derived"])
@pytest.mark.parametrize("name", ["place", "range", "value"])
def test_a_branch_has_its_slope_beside_one_where_there_is_none(name: str, simplify: bool) -> None:
    """log {x if c, else 0} has the slope 1/x where c, though 1/0 is none; it was NaN. Seed 96001002652."""
    (i,), z = sg.indices("i"), sg.input("z", (4,))
    condition = {"place": sp.Eq(i, 2), "range": i < 2, "value": z[i] > 0.25}[name]
    value = sg.define((i,), sp.log(sp.Piecewise((z[i], condition), (0, True))))
    at = np.array([0.1, 0.2, 0.3, 0.4])
    taken = {"place": [0, 0, 1, 0], "range": [1, 1, 0, 0], "value": [0, 0, 1, 1]}[name]
    for output, slope in ((value, 1 / at), (sg.exp(value), 1), (1 / value, -1 / (at * np.log(at) ** 2))):
        found = codegen.function(z, sg.grad(sg.sum(output), z, simplify=simplify), dtype="float64")(at)
        np.testing.assert_allclose(found, np.where(taken, slope, 0.0))


NO_NUMBER: dict[str, Callable[[Any], Any]] = {
    "least": lambda r: sg.minimum(r, 2),
    "least of two values": lambda r: sg.minimum(r, x),
    "below": lambda r: sg.where(r < 2, 1, r),
    "not below": lambda r: sg.where(r * x >= 2, 1, r),
    "unlike": lambda r: sg.where(sp.Eq(r, 2), 1, r),
    "below in a slope": lambda r: sg.leaky_relu(sg.log(-sg.exp(x + 0 * r))),
}


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("name", NO_NUMBER)
def test_what_is_never_a_real_number_is_compared_as_nan_is(name: str) -> None:
    """√(x − 2 − x), which is √−2 for SymPy, with which SymPy compares nothing. Seed 96002000750."""
    value = NO_NUMBER[name](((x - 2) - x) ** sp.Rational(1, 2))
    found = codegen.function(x, [value, sg.grad(sg.sum(value), x, disconnected="zero")])(np.array([[0.5, 2.0, 3.0]]))
    assert np.isnan(found[0]).all()
