"""Formulas of two variables that are formulas of one: of their difference, or of their quotient times a power.

    f(x + s, y + s) = f(x, y)       f = g(x − y)                       eˣ/(eˣ + eʸ) − eʸ/(eˣ + eʸ) = tanh((x − y)/2)
    f(λ·x, λ·y) = λᵏ·f(x, y)        f = yᵏ·g(w),  w = (x − y)/y        (x + y)/2 − √(x·y) = y·(1 + w/2 − √(1 + w))
                                    f = yᵏ·g(w),  w = x/y              y²·log(1 + x²/y²) = y²·log(1 + w²)
    f(x + s, y + s) = eᵏˢ·f(x, y)   f = eᵏʸ·g(x − y)           eˣ − eʸ − eʸ·(x − y) = eʸ·(eʷ − 1 − w)
    f(λ·x, y/λ) = λᵏ·f(x, y)        f = xᵏ·g(w),  w = x·y              (1 − cos(x·y))/x² = y²·(1 − cos w)/w²

Which of the equations holds is seen from values to forty digits, at several points; g is then proved free of the other
variable by algebra. g has the forms of a formula of one variable (:mod:`one_variable`), in the place of which no more
is lost: where x is near y, x − y is exact (P. H. Sterbenz 1974).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import mpmath
import sympy as sp

from symgraph.core.cases import Cases
from symgraph.core.cost import operations
from symgraph.core.graph import elements_of
from symgraph.core.rebuild import atoms_in, replaced
from symgraph.core.scalars import StableFunction, Written, erfcx, log_ndtr, ndtr
from symgraph.simplify.branches import guarded_product
from symgraph.simplify.rational import Kernels
from symgraph.stabilise.one_part import W, forms_of
from symgraph.stabilise.one_variable import improved
from symgraph.stabilise.ranges import ratio
from symgraph.stabilise.recombined import ordinary
from symgraph.stabilise.rewritings import power_of_one_and, without_common_factors

MOST_OPERATIONS = 40
NO_NUMBER = (NameError, AttributeError, TypeError, ValueError, ArithmeticError, NotImplementedError)
"""What SymPy and mpmath raise of a formula that is no number for them: one of a random number, say."""
DIGITS, AGREE = 40, mpmath.mpf(10) ** -30
PLACES = (("1.375", "0.6875"), ("0.40625", "2.1875"), ("3.0625", "2.75"))
SHIFT, SCALE = "0.53125", "1.71875"
MOST_DEGREE = 4
ENDS = [sign * sp.Integer(2) ** power for sign in (1, -1) for power in (200, -200)]
NEAR = sp.Rational(1, 4)
"""|x − y| < y/4: where x and y have a difference that is exact."""
X, Y, BODY = (sp.Symbol(name, real=True) for name in ("x", "y", "body"))


def of_one(body: sp.Expr) -> tuple[sp.Expr, ...]:
    """Forms of a formula of two values by a formula of one; none where there is no such formula."""
    elements = elements_of(body)
    if len(elements) > 2 or any(elements_of(power.exp) for power in atoms_in(body, sp.Pow) if power.base != sp.E):
        return _of_factor(body)
    if len(elements) != 2 or body.has(sp.Piecewise, Written) or operations([body]) > MOST_OPERATIONS:
        return ()
    if not atoms_in(body, sp.Add) or not (atoms_in(body, sp.Function) or atoms_in(body, sp.Pow)):
        return ()
    hidden = dict(zip(elements, (X, Y), strict=True))
    shown = {symbol: element for element, symbol in hidden.items()}
    found = forms_of_two(replaced(body, hidden))  # type: ignore[arg-type]
    return tuple(replaced(form, shown) for form in found)  # type: ignore[misc]


def _of_factor(body: sp.Expr) -> tuple[sp.Expr, ...]:
    """Forms of a product, of those of its factors that are a formula of two values, by a sum of them."""
    if body.has(sp.Piecewise, Written):
        return ()
    apart = sp.Mul(*(without_common_factors(factor) for factor in sp.Mul.make_args(body)))
    factors = sp.Mul.make_args(apart)
    total = next((f for f in factors if f.is_Add and len(elements_of(f)) == 2), None)
    if total is None:
        return ()
    own = [f for f in factors if f.as_base_exp()[1].is_number and set(elements_of(f)) <= set(elements_of(total))]
    others = [power_of_one_and(factor) or factor for factor in factors if factor not in own]
    return tuple(guarded_product(sp.Mul(*others), form) for form in of_one(sp.Mul(*own))) if others else ()


@lru_cache(maxsize=1024)
def forms_of_two(body: sp.Expr) -> tuple[sp.Expr, ...]:
    """The same of a formula of the symbols ``X`` and ``Y``."""
    if body.free_symbols != {X, Y}:
        return ()
    plain = body.replace(
        lambda e: isinstance(e, StableFunction) and not isinstance(e, erfcx | ndtr | log_ndtr),
        lambda e: e.rewrite_plain(),
    )
    try:
        value = sp.lambdify((X, Y), plain, "mpmath")
        with mpmath.workdps(DIGITS):
            return tuple(_forms(body, plain, value))
    except (*NO_NUMBER, sp.PolynomialError):
        return ()


def _forms(body: sp.Expr, plain: sp.Expr, value: Callable[..., Any]) -> Iterator[sp.Expr]:
    places = [tuple(map(mpmath.mpf, place)) for place in PLACES]
    shift, scale = mpmath.mpf(SHIFT), mpmath.mpf(SCALE)
    for sign in (1, -1):
        if all(_same(value(x + shift, y + sign * shift), value(x, y)) for x, y in places):
            one = _free_of(plain.xreplace({X: W + sign * Y}), Y)
            if one is not None:
                yield improved(one, W).xreplace({W: X - sign * Y})
            return
    rates = {_rate(value(x + shift, y + shift), value(x, y), shift) for x, y in places}
    rate = rates.pop()
    if rate and not rates:
        one = _free_of(plain.xreplace({X: W + Y}) * sp.exp(-rate * Y), Y)
        if one is not None:
            yield sp.exp(rate * Y) * improved(one, W).xreplace({W: X - Y})
        return
    for sign in (1, -1):
        degrees = {degree_of(value(scale * x, scale**sign * y), value(x, y), scale) for x, y in places}
        degree = degrees.pop()
        if degrees or degree is None:
            continue
        by_powers = tuple(_by_powers(body, plain, degree, sign)) if degree.is_Integer else ()
        yield from by_powers
        if sign == 1:
            for rest in (body, *by_powers[:1]):
                yield from _by_difference(rest, plain, degree)


def _by_powers(body: sp.Expr, plain: sp.Expr, degree: sp.Integer, sign: int) -> Iterator[sp.Expr]:
    """xᵏ·f(1, w), w = y/xˢ, and yᵏˢ·f(w, 1), w = x/yˢ, of f(λ·x, λˢ·y) = λᵏ·f(x, y), where one of them is improved;
    elsewhere the body as it was written."""
    for own, other, power in ((X, Y, degree), (Y, X, sign * degree)):
        one = plain.xreplace({own: sp.S.One, other: W})
        form = _at_ends(improved(one, W), one)
        if form == BODY:
            continue
        for found in forms_of(form, other * own**-sign):
            w = ratio(other, own) if sign == 1 else other * own
            for rest in (body, own**power * one.xreplace({W: w})):
                yield _each(found, {BODY: rest}, own**power)


def _by_difference(body: sp.Expr, plain: sp.Expr, degree: sp.Rational) -> Iterator[sp.Expr]:
    """yᵏ·g(w), w = (x − y)/y, of f(λ·x, λ·y) = λᵏ·f(x, y), where x is near y."""
    one = plain.xreplace({X: 1 + W, Y: sp.S.One})
    form = improved(one, W)
    if form == one:
        return
    w = {W: ratio(X - Y, Y)}
    where = sp.And(sp.Abs(X - Y) < NEAR * Y, ordinary(Y))
    pairs = [(v, c) for v, c in form.args if v != one] if isinstance(form, sp.Piecewise) else [(form, sp.true)]
    branches = [(Y**degree * v.xreplace(w), sp.And(c.xreplace(w), where)) for v, c in pairs]
    yield Cases(*branches, (body, True))


def _at_ends(form: sp.Expr, one: sp.Expr) -> sp.Expr:
    """Its branches at 0 and at infinity, and ``BODY`` elsewhere: near 1 w has lost what x − y has."""
    if not isinstance(form, sp.Piecewise):
        return BODY if form == one else form
    ends = [(v, c) for v, c in form.args if v != one and any(c.xreplace({W: end}) == sp.true for end in ENDS)]
    return Cases(*ends, (BODY, True))


def _each(form: sp.Expr, rule: Mapping[sp.Expr, sp.Expr], factor: sp.Expr = sp.S.One) -> sp.Expr:
    """The form with a factor in every branch, but for the branches that a rule names, which become its values."""
    if isinstance(form, sp.Piecewise):
        return Cases(*((_each(value, rule, factor), condition) for value, condition in form.args))
    return rule[form] if form in rule else factor * form


def _same(one: Any, other: Any) -> bool:
    return bool(isinstance(one, mpmath.mpf) and abs(one - other) <= AGREE * abs(other))


def degree_of(moved: Any, value: Any, scale: Any) -> sp.Rational | None:
    """k of λᵏ, in halves."""
    if not isinstance(value, mpmath.mpf) or not value or not isinstance(moved, mpmath.mpf) or moved / value <= 0:
        return None
    twice = 2 * mpmath.log(moved / value) / mpmath.log(scale)
    nearest = int(mpmath.nint(twice))
    return sp.Rational(nearest, 2) if abs(twice - nearest) < AGREE and abs(nearest) <= 2 * MOST_DEGREE else None


def _rate(moved: Any, value: Any, shift: Any) -> sp.Integer | None:
    """k of eᵏˢ."""
    if not isinstance(value, mpmath.mpf) or not value or not isinstance(moved, mpmath.mpf) or moved / value <= 0:
        return None
    rate = mpmath.log(moved / value) / shift
    return sp.Integer(int(mpmath.nint(rate))) if abs(rate - mpmath.nint(rate)) < AGREE and abs(rate) < 3 else None


def _free_of(formula: sp.Expr, other: sp.Symbol) -> sp.Expr | None:
    """The formula without a symbol that it does not depend on; None where algebra does not see that."""
    formula = formula.replace(lambda e: isinstance(e, sp.Add | sp.Mul) and not e.has(sp.Function), sp.expand)
    if not formula.has(other):
        return formula
    formula = formula.replace(lambda e: isinstance(e, sp.sinh | sp.cosh | sp.tanh), lambda e: e.rewrite(sp.exp))
    formula = formula.replace(sp.exp, lambda u: sp.expand(sp.exp(sp.expand(u)), power_exp=True))
    formula = formula.replace(sp.log, lambda u: sp.log(_lowest(u)))
    formula = _lowest(formula)
    return formula if not formula.has(other) else None


def _lowest(formula: sp.Expr) -> sp.Expr:
    kernels = Kernels([formula])
    return kernels.thaw(sp.cancel(kernels.freeze(formula)))
