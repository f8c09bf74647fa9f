"""Formulas of one variable that depend on it by powers of one exponential eᵘ, by z = e^{−|u|}, on each side of u = 0.

    1 − tanh u      →   2z²/(1 + z²) where u > 0,       2/(1 + z²) elsewhere,   z = e^{−|u|}
    log(e²ᵘ − 1)    →   2u + log(1 − z²) where u > 0
    σ″(u)           →   z·(z − 1)/(1 + z)³ where u > 0,  with 1 − z as −expm1(−|u|)

Numerator and denominator are in lowest terms and factored, so that what can cancel is no sum any more; z never
overflows. It is used where the formula as it is loses all digits, or overflows before its value does, as |u| grows.
"""

from __future__ import annotations

from collections.abc import Mapping

import mpmath
import sympy as sp

from symgraph.core.cases import Cases
from symgraph.core.cost import multiplied_out
from symgraph.core.rebuild import atoms_in
from symgraph.core.scalars import StableFunction, erfcx, expm1, log1p, log_ndtr, ndtr
from symgraph.series.expansion import Expansion
from symgraph.series.power import DIGITS, NEVER, NeedsRoot, NoSeries, Series

TERMS = 6
MOST_POWERS = 24
"""The largest power of z of a factor."""
MOST_POWERS_IN_ALL = 240
"""The largest of a formula over one denominator."""
MOST_NESTED = 2
"""Exponentials in exponents, as in tanh(log(1 + eᵘ)); written out, each doubles what is in it."""
_HYPERBOLIC = (sp.sinh, sp.cosh, sp.tanh)


class NotRational(Exception):
    """The formula is not of this kind."""


def _by_exponentials(body: sp.Expr) -> sp.Expr:
    """Logistic and hyperbolic functions by their exponentials."""
    kinds = (StableFunction, *_HYPERBOLIC)
    return body.replace(
        lambda e: isinstance(e, kinds) and not isinstance(e, erfcx | ndtr | log_ndtr),
        lambda e: _tanh(e.args[0]) if isinstance(e, sp.tanh)
        else e.rewrite_plain() if isinstance(e, StableFunction) else e.rewrite(sp.exp),
    )  # fmt: skip


def _nested(node: sp.Basic, known: dict[sp.Basic, int]) -> int:
    """How many exponential, logistic and hyperbolic functions are in one another."""
    if node not in known:
        inside = max((_nested(part, known) for part in node.args), default=0)
        known[node] = inside + isinstance(node, sp.exp | StableFunction | sp.sinh | sp.cosh | sp.tanh)
    return known[node]


def _tanh(u: sp.Expr) -> sp.Expr:
    return (sp.exp(2 * u) - 1) / (sp.exp(2 * u) + 1)


def exponent_of(body: sp.Expr, x: sp.Symbol) -> sp.Expr | None:
    """u, of which all exponents of a formula that has only exponentials are whole multiples plus numbers."""
    found: sp.Expr | None = None
    ratios: list[sp.Rational] = []
    for kernel in sorted(atoms_in(body, sp.exp), key=sp.default_sort_key):
        if not kernel.has(x):
            continue
        exponent = multiplied_out(kernel.args[0])
        varying = exponent.as_independent(x, as_Add=True)[1]
        if exponent.has(sp.exp, sp.Piecewise):
            return None
        found = varying if found is None else found
        ratio = sp.cancel(varying / found)
        if not ratio.is_Rational:
            return None
        ratios.append(ratio)
    if found is None:
        return None
    step = sp.gcd_list(ratios) * (1 if found.as_coeff_Mul()[0].is_positive else -1)
    return sp.expand(found * step)


class Saturation(Expansion):
    """A formula in powers of z = e^{−|u|}, with x itself as a number of no meaning."""

    def __init__(self, x: sp.Symbol, u: sp.Expr, side: int, known: Mapping[sp.Basic, sp.Expr]) -> None:
        number = sp.Rational(501372994610027, 10**13) * _sign_of_variable(u, x, side)
        start = mpmath.mpf(int(number.p)) / int(number.q)
        size = abs(mpmath.mpf(sp.N(u.subs(x, number), DIGITS)._to_mpmath(mpmath.mp.prec)))
        super().__init__({x: Series(0, [start] + [mpmath.mpf(0)] * (TERMS - 1))}, -size, TERMS)
        self.x, self.u, self.side = x, u, side
        self.at = {**self.at, **{name: self.series(formula) for name, formula in known.items()}}

    def _series(self, node: sp.Basic) -> Series:
        if node in self.at:
            return self.at[node]
        if isinstance(node, sp.exp) and node.has(self.x):
            varying, constant = self._split(node.args[0])
            power = sp.cancel(varying / self.u)
            if not power.is_Integer:
                raise NoSeries
            one = self.number(mpmath.exp(mpmath.mpf(constant._to_mpmath(mpmath.mp.prec))))
            return Series(-self.side * int(power), one.coefficients)
        if isinstance(node, _HYPERBOLIC) and node.has(self.x):
            return self._series(_by_exponentials(node))
        return super()._series(node)

    def _split(self, exponent: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
        exponent = multiplied_out(exponent.replace(sp.Abs, lambda w: w * self.series(w).sign()))
        constant, varying = exponent.as_independent(self.x, as_Add=True)
        return varying, sp.N(constant, DIGITS)

    def _slope(self, node: sp.Basic, argument: sp.Basic) -> int:
        """Of what varies with z: an argument that is a number of no meaning moves z by its own rounding."""
        change = self.series(node).differentiated()
        if self.series(argument).differentiated().vanishes:
            return NEVER if change.vanishes else change.order + 1
        return super()._slope(node, argument)

    def suffers(self, body: sp.Expr) -> bool:
        """Whether digits are lost, or an exponential overflows before the value does."""
        value = self.series(body)
        if value.vanishes:
            return self.error(body) < NEVER
        return self.loss(body) > 0 or self._overflows_before(body, value.order)

    def _overflows_before(self, body: sp.Expr, order: int) -> bool:
        for part in sp.preorder_traversal(body):
            if isinstance(part, sp.Mul | sp.Add):
                orders = [self.series(factor).order for factor in part.args if not factor.is_number]
                orders = [order for order in orders if order < NEVER]
                mixed = bool(orders) and min(orders) < 0 < max(orders)
                if mixed and (isinstance(part, sp.Mul) or self.series(part).order > min(orders)):
                    return True
            elif isinstance(part, sp.log | log1p):
                if self.series(part.args[0] + int(isinstance(part, log1p))).order:
                    return True
            elif isinstance(part, sp.Pow) and part.exp.is_Rational and part.exp.q > 1 and self.series(part.base).order:
                return True
        return False


def _sign_of_variable(u: sp.Expr, x: sp.Symbol, side: int) -> int:
    """Whether u → side·∞ is x → ∞ or −∞ (where it is both, ∞)."""
    leading = sp.Poly(u, x).LC() if u.is_polynomial(x) else sp.S.One
    return side if (leading > 0) == sp.true else -side


def saturates(body: sp.Expr, x: sp.Symbol, known: Mapping[sp.Basic, sp.Expr], guard: sp.Basic) -> bool:
    """Whether a formula loses digits, or overflows before its time, where an exponential in it is large or small."""
    whole = body.xreplace(dict(known))
    u = _exponent(_by_exponentials(whole), x) if _nested(whole, {}) <= MOST_NESTED else None
    if u is None:
        return False
    with mpmath.workdps(DIGITS):
        return any(_suffers(body, x, u, side, known, guard) for side in _sides(u, x))


def saturating(
    body: sp.Expr, x: sp.Symbol, known: Mapping[sp.Basic, sp.Expr], guard: sp.Basic = sp.true
) -> sp.Expr | None:
    """The formula in powers of z on both sides, if as it is it suffers on one of them; else None.

    Parameters
    ----------
    body : over ``x`` and the names in ``known``.
    known : values that are computed right, with what they are in terms of ``x``.
    guard : where the formula is used.
    """
    if not saturates(body, x, known, guard):
        return None
    opened = _by_exponentials(body.xreplace(dict(known)))
    u = _exponent(opened, x)
    assert u is not None
    with mpmath.workdps(DIGITS):
        sides = [side for side in _sides(u, x) if _is_reached(x, u, side, guard)]
        forms = {side: _side_form(opened, body, x, u, side, known) for side in sides}
    if len(set(forms.values())) == 1:
        (form,) = set(forms.values())
        return None if form == body else form
    return Cases((forms[1], u / sp.Abs(u.as_coeff_Mul()[0]) > 0), (forms[-1], True))


def _exponent(opened: sp.Expr, x: sp.Symbol) -> sp.Expr | None:
    """u, if it is a polynomial that goes to ∞ at one end at the least, and is nowhere below 0 if it does at both."""
    u = exponent_of(opened, x)
    if u is None or not u.is_polynomial(x):
        return None
    return u if sp.degree(u, x) % 2 or u.is_nonnegative else None


def _sides(u: sp.Expr, x: sp.Symbol) -> tuple[int, ...]:
    return (1, -1) if sp.degree(u, x) % 2 else (1,)


def _is_reached(x: sp.Symbol, u: sp.Expr, side: int, guard: sp.Basic) -> bool:
    return Saturation(x, u, side, {}).may_hold(guard)


def _suffers(
    body: sp.Expr, x: sp.Symbol, u: sp.Expr, side: int, known: Mapping[sp.Basic, sp.Expr], guard: sp.Basic = sp.true
) -> bool:
    try:
        found = Saturation(x, u, side, known)
        return found.may_hold(guard) and found.suffers(body)
    except (NoSeries, NeedsRoot, ZeroDivisionError, ValueError, TypeError, OverflowError, StopIteration):
        return False


def _side_form(
    opened: sp.Expr, body: sp.Expr, x: sp.Symbol, u: sp.Expr, side: int, known: Mapping[sp.Basic, sp.Expr]
) -> sp.Expr:
    """The form on one side; the body as it is where there is none."""
    try:
        resolved = _resolved(opened, x, u, side)
        form = _Side(x, u, side).form(resolved)
        worse = _suffers(form, x, u, side, {}) and not _suffers(body, x, u, side, known)
    except (NotRational, sp.PolynomialError, NoSeries):
        return body
    return body if worse else form


def _resolved(body: sp.Expr, x: sp.Symbol, u: sp.Expr, side: int) -> sp.Expr:
    """The body without branches that the sign of u decides."""
    towards = _sign_of_variable(u, x, side)
    if sp.cancel(u / x).is_number is not True and body.has(sp.Piecewise, sp.Abs, sp.sign):
        raise NotRational

    def chosen(piece: sp.Piecewise) -> sp.Expr:
        for value, condition in piece.args:
            holds = condition
            for relation in atoms_in(condition, sp.core.relational.Relational):
                ratio = sp.cancel((relation.lhs - relation.rhs) / x)
                if not ratio.is_number:
                    raise NotRational
                positive = bool(ratio.is_positive) == (towards > 0)
                true = relation.rel_op in ((">", ">=", "!=") if positive else ("<", "<=", "!="))
                holds = holds.xreplace({relation: sp.sympify(true)})
            if holds == sp.true:
                return value
        raise NotRational

    while pieces := atoms_in(body, sp.Piecewise):
        body = body.xreplace({piece: chosen(piece) for piece in pieces if not any(
            piece is not other and other.has(piece) for other in pieces)})  # fmt: skip
    body = body.xreplace({node: towards * node.args[0] for node in atoms_in(body, sp.Abs) if node.args[0] == x})
    if body.has(sp.Abs):
        raise NotRational
    return body


class _Side:
    """A formula in z on one side of u = 0."""

    def __init__(self, x: sp.Symbol, u: sp.Expr, side: int) -> None:
        self.x, self.u, self.side = x, u, side
        self.z = sp.Dummy("z", positive=True)
        self.size = sp.Abs(u) if u != x else sp.Abs(x)
        self.kernels: dict[sp.Dummy, sp.Expr] = {}

    def form(self, body: sp.Expr) -> sp.Expr:
        rule = {}
        for kernel in atoms_in(body, sp.exp):
            if kernel.has(self.x):
                constant, varying = multiplied_out(kernel.args[0]).as_independent(self.x, as_Add=True)
                power = sp.cancel(varying / self.u)
                rule[kernel] = sp.exp(constant) * self.z ** (-self.side * power)
        body = body.xreplace(rule)
        if self._powers(body) > MOST_POWERS_IN_ALL:
            raise NotRational
        body = self._without_logarithms(self._without_roots(body))
        if body.has(sp.exp) and any(kernel.has(self.z) for kernel in atoms_in(body, sp.exp)):
            raise NotRational
        total = self._rational(body)
        return total.xreplace(self.kernels).xreplace({self.z: sp.exp(-self.size)})

    def _powers(self, node: sp.Basic) -> sp.Expr:
        """The degree in z of a formula over one denominator, at most."""
        if isinstance(node, sp.Pow) and node.exp.is_Integer:
            return abs(node.exp) * self._powers(node.base)
        return sp.Integer(node == self.z) + sum(map(self._powers, node.args))

    def _kernel(self, value: sp.Expr) -> sp.Dummy:
        for dummy, known in self.kernels.items():
            if known == value:
                return dummy
        dummy = sp.Dummy("w", real=True)
        self.kernels[dummy] = value
        return dummy

    def _without_roots(self, body: sp.Expr) -> sp.Expr:
        """Numbers that are no fractions as symbols, so that polynomials have whole coefficients."""
        rule: dict[sp.Basic, sp.Dummy] = {}
        walk = sp.preorder_traversal(body)
        for node in walk:
            if isinstance(node, sp.Expr) and node.is_number and not node.is_Rational:
                walk.skip()
                if node not in rule and not isinstance(node, sp.Mul):
                    sign = node.is_positive or None
                    rule[node] = sp.Dummy("c", real=True, positive=sign)
        for node in sorted(rule, key=sp.default_sort_key):
            self.kernels[rule[node]] = node
        return body.xreplace(rule)

    def _without_logarithms(self, body: sp.Expr) -> sp.Expr:
        rule = {node: self._logarithm(node.args[0]) for node in atoms_in(body, sp.log) if node.has(self.z)}
        return body.xreplace(rule)

    def _logarithm(self, argument: sp.Expr) -> sp.Expr:
        if argument.has(sp.log):
            raise NotRational
        total, number = sp.S.Zero, sp.S.One
        for sign, side in zip((1, -1), sp.fraction(sp.cancel(sp.together(argument))), strict=True):
            c, factors = sp.factor_list(side, self.z)
            number *= c**sign
            for factor, power in factors:
                if factor == self.z:
                    total -= sign * power * self.side * self.u
                    continue
                first = factor.subs(self.z, 0)
                if factor.free_symbols != {self.z} or not first.is_Rational:
                    raise NotRational
                number *= first ** (sign * power)
                total += sign * power * self._log_of_one_and(sp.expand(factor / first - 1))
        if not number.is_positive:
            raise NotRational
        return total + sp.log(number)

    def _log_of_one_and(self, rest: sp.Expr) -> sp.Expr:
        if rest != -self.z:
            return self._kernel(log1p(sp.horner(rest, self.z).xreplace({self.z: sp.exp(-self.size)})))
        near = sp.log(-expm1(-self.size))
        return self._kernel(Cases((near, self.size < sp.Rational(11, 16)), (log1p(-sp.exp(-self.size)), True)))

    def _rational(self, body: sp.Expr) -> sp.Expr:
        if not all(power.exp.is_Integer for power in atoms_in(body, sp.Pow) if power.has(self.z)):
            raise NotRational
        sides = []
        for side in sp.fraction(sp.cancel(sp.together(body))):
            c, factors = sp.factor_list(side)
            sides.append(c * sp.Mul(*(self._factor(factor) ** power for factor, power in factors)))
        return sides[0] / sides[1]

    def _factor(self, factor: sp.Expr) -> sp.Expr:
        """A polynomial of z, or of z and others by the others' powers."""
        if not factor.has(self.z) or factor.free_symbols == {self.z}:
            return self._nested(factor)
        groups: dict[sp.Expr, sp.Expr] = {}
        for term in sp.Add.make_args(sp.expand(factor)):
            rest, varying = term.as_independent(self.z, as_Add=False)
            number, rest = rest.as_coeff_Mul()
            groups[rest] = groups.get(rest, sp.S.Zero) + number * varying
        return sp.Add(*(rest * self._factored(varying) for rest, varying in groups.items()))

    def _factored(self, polynomial: sp.Expr) -> sp.Expr:
        c, factors = sp.factor_list(polynomial)
        return c * sp.Mul(*(self._nested(factor) ** power for factor, power in factors))

    def _nested(self, factor: sp.Expr) -> sp.Expr:
        if not factor.has(self.z):
            return factor
        if sp.degree(factor, self.z) > MOST_POWERS:
            raise NotRational
        ratio = sp.cancel(factor / (self.z - 1))
        if ratio.is_number:
            return ratio * self._kernel(expm1(-self.size))
        if factor.free_symbols == {self.z}:
            return sp.horner(factor, self.z)
        return sp.collect(factor, self.z)
