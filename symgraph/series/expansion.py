"""Truncated series of scalar formulas at a point, and how fast rounding grows on the way there.

A formula of one variable x is expanded in t > 0 with x = c ± t, x = ±1/t, or in t = e^{−|u|} where it depends on x by
eᵘ alone. The first coefficients say what the value is near the point; with them goes the order of its rounding error:

    x − sin x = t³/6 − …   is computed with an error ε·t, so that all digits are lost where t < √ε
    1 − cos t = t²/2 − …   with an error ε·1
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

import mpmath
import sympy as sp

from symgraph.core.rebuild import atoms_in
from symgraph.core.scalars import StableFunction, StirlingRest, erfcx
from symgraph.series.functions import FUNCTIONS, log
from symgraph.series.power import DIGITS, NEVER, NeedsRoot, NoSeries, Number, Scale, Series, exponential

NEARLY = 2**10
"""How many times larger than their sum terms are that nearly cancel."""


class Expansion(Scale):
    """A formula's values and error orders, as ``x`` goes to a point.

    Parameters
    ----------
    at : what the variables are in powers of t.
    logarithm : the number that log t is taken for: terms with it cancel, and two of them tell a coefficient of log t.
    terms : how many coefficients to find.
    """

    def __init__(self, at: Mapping[sp.Basic, Series], logarithm: Number, terms: int) -> None:
        super().__init__(terms, logarithm)
        self.at: dict[sp.Basic, Series] = dict(at)
        self.exact = set(at)
        self.found: dict[sp.Basic, Series] = {}
        self.errors: dict[sp.Basic, int] = {}

    # -- values -----------------------------------------------------------------------------------------------------
    def series(self, node: sp.Basic) -> Series:
        """The expansion of a formula.

        Raises
        ------
        NoSeries
            if there is none, or NeedsRoot, if it goes in powers of a root of t.
        """
        known = self.found.get(node)
        if known is None:
            known = self.found[node] = self._series(node)
        return known

    def _series(self, node: sp.Basic) -> Series:
        if node in self.at:
            return self.at[node]
        if node.is_number:
            value = sp.N(node, DIGITS)
            if not value.is_Float and not value.is_Rational:
                raise NoSeries
            return self.number(mpmath.mpf(value._to_mpmath(mpmath.mp.prec)) if value else 0)
        if isinstance(node, sp.Add):
            return reduce(Series.__add__, map(self.series, node.args))
        if isinstance(node, sp.Mul):
            return reduce(Series.__mul__, map(self.series, node.args))
        if isinstance(node, sp.exp):
            return exponential(self.series(node.args[0]))
        if isinstance(node, sp.Pow):
            if node.exp.is_Rational:
                return self.series(node.base).power(node.exp)
            return exponential(self.series(node.exp) * log(self, self.series(node.base)))
        if isinstance(node, sp.Piecewise):
            return next(self.series(value) for value, condition in node.args if self.holds(condition))
        if isinstance(node, StableFunction | StirlingRest) and not (
            isinstance(node, erfcx) and self.series(node.args[0]).order < 0
        ):
            return self.series(node.rewrite_plain())
        rule = FUNCTIONS.get(type(node))
        if rule is None:
            raise NoSeries
        return rule(self, *(self.series(argument) for argument in node.args if not argument.is_Integer), *(
            int(argument) for argument in node.args if argument.is_Integer
        ))  # fmt: skip

    def holds(self, condition: sp.Basic) -> bool:
        """Whether a condition is true at all points that are near enough."""
        if condition in (sp.true, sp.false):
            return condition == sp.true
        if isinstance(condition, sp.And | sp.Or):
            return (all if isinstance(condition, sp.And) else any)(map(self.holds, condition.args))
        if isinstance(condition, sp.Not):
            return not self.holds(condition.args[0])
        if not isinstance(condition, sp.core.relational.Relational):
            raise NoSeries
        gap = self.series(condition.lhs) - self.series(condition.rhs)
        if gap.vanishes and gap.order < NEVER:
            raise NoSeries
        side = 0 if gap.vanishes else gap.sign()
        return {"<": side < 0, "<=": side <= 0, ">": side > 0, ">=": side >= 0, "==": side == 0, "!=": side != 0}[
            condition.rel_op
        ]

    def may_hold(self, condition: sp.Basic) -> bool:
        """Whether a condition is not known to be false near the point."""
        try:
            return self.holds(condition)
        except (NoSeries, NeedsRoot):
            return True

    # -- errors -----------------------------------------------------------------------------------------------------
    def error(self, node: sp.Basic) -> int:
        """The order in t of the rounding error of a formula; the value's own order is the best there is."""
        known = self.errors.get(node)
        if known is None:
            known = self.errors[node] = self._error(node)
        return known

    def _error(self, node: sp.Basic) -> int:
        if self._is_plain(node):
            return NEVER
        own = self.series(node).order
        if node.is_number or node in self.at or own >= NEVER:
            return own
        if isinstance(node, sp.Function) and self._is_saturated(node):
            return NEVER
        if isinstance(node, sp.Piecewise):
            return next(self.error(value) for value, condition in node.args if self.holds(condition))
        errors = [self.error(argument) for argument in node.args]
        if isinstance(node, sp.Add):
            cancels = own > min(self.series(argument).order for argument in node.args)
            return min(min(errors), NEVER if cancels and all(map(self._is_plain, node.args)) else own)
        if isinstance(node, sp.Mul):
            orders = [self.series(argument).order for argument in node.args]
            if own >= NEVER:
                return NEVER
            return min([own] + [own - order + error for order, error in zip(orders, errors, strict=True)])
        if isinstance(node, sp.Abs):
            return errors[0]
        worst = own
        for argument, error in zip(node.args, errors, strict=True):
            if error < NEVER and (slope := self._slope(node, argument)) < NEVER:
                worst = min(worst, error + slope)
        return worst

    def _is_saturated(self, node: sp.Basic) -> bool:
        """Whether a function of what grows without end is a number of floating point: tanh 100 is 1."""
        value = self.series(node)
        if value.order or not value.differentiated().vanishes or value.leading not in (1, -1, 2, -2):
            return False
        return all(self.series(argument).order < 0 for argument in node.args)

    def _is_plain(self, node: sp.Basic) -> bool:
        """Whether a formula is exact, so that a sum of two that cancel is right to the last bit."""
        c, rest = node.as_coeff_Mul()
        return (node.is_number and is_exact(node)) or (rest in self.exact and is_exact(c) and _is_power_of_two(c))

    def _slope(self, node: sp.Basic, argument: sp.Basic) -> int:
        """The order of ∂f/∂u for f(u): that of f(u)′/u′."""
        if isinstance(node, sp.Pow) and argument == node.base:
            return self.series(node).order - self.series(argument).order + self.series(node.exp).order
        above, below = self.series(node).differentiated(), self.series(argument).differentiated()
        if isinstance(node, sp.exp):
            return self.series(node).order
        if above.vanishes:
            return NEVER
        if below.vanishes:
            return 0
        return above.order - below.order

    def loss(self, node: sp.Basic) -> int:
        """How many orders of t more than the value its rounding error has: 0 where all digits stay; 1 where numbers
        cancel that are nearly opposite: x − 0.9999999·sin x."""
        value = self.series(node)
        if value.vanishes:
            return 0
        orders = max(0, value.order - self.error(node))
        return orders or int(any(map(self._nearly_cancels, atoms_in(node, sp.Add))))

    def _nearly_cancels(self, total: sp.Add) -> bool:
        value = self.series(total)
        if value.vanishes:
            return False
        parts = [part for term in total.args if (part := self.series(term)).order == value.order]
        return sum(abs(part.coefficients[0]) for part in parts) > NEARLY * abs(value.coefficients[0])

    def overflows(self, node: sp.Basic, root: int) -> bool:
        """Whether a part grows like t⁻² where the value does not: infinite before it, or nought before it."""
        for part in sp.preorder_traversal(node):
            if isinstance(part, sp.Mul):
                orders = [self.series(factor).order for factor in part.args if not factor.is_number]
                orders = [order for order in orders if order < NEVER // 2]
                if orders and min(orders) < 0 < max(orders) and max(map(abs, orders)) >= 2 * root:
                    return True
                continue
            rooted = isinstance(part, sp.Pow) and part.exp.is_Rational and part.exp.q > 1
            if (rooted or isinstance(part, sp.log)) and self.series(part.args[0]).order <= -2 * root:
                return True
        return False


def is_exact(number: sp.Expr) -> bool:
    """Whether a number is one of floating point."""
    return bool(number.is_Rational) and number.q & (number.q - 1) == 0 and abs(number.p) < 2**24


def _is_power_of_two(number: sp.Expr) -> bool:
    return abs(number.p) & (abs(number.p) - 1) == 0
