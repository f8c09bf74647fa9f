"""Exact equations of the error function, the normal distribution and Γ, each read from the side that cancels.

    1 + erf w = 2·Φ(√2·w)           log erfc w = log 2 + log Φ(−√2·w)        e^{w²}·erfc w = erfcx w
    log Γ(u + n) − log Γ(u) = Σ log(u + k)          log Γ(u) of Γ(u) that overflows, u > 0

A row is what a node has to be and what it becomes, or None; no row says where it is used.
"""

from __future__ import annotations

from collections.abc import Callable

import sympy as sp

from symgraph.core.cases import Cases
from symgraph.core.cost import multiplied_out
from symgraph.core.graph import elements_of
from symgraph.core.rebuild import atoms_in, bottom_up, evaluated
from symgraph.core.scalars import StirlingRest, erfcx, log1p, log_ndtr, ndtr
from symgraph.core.tensor import Element
from symgraph.core.views import inlined

MOST_STEPS = 8
"""The largest whole difference of two arguments of Γ that is written as a product."""

Row = Callable[[sp.Expr], sp.Expr | None]


def special(body: sp.Expr) -> sp.Expr:
    """The body by the functions that do not cancel."""
    if not body.has(sp.erf, sp.erfc, sp.gamma, sp.loggamma, sp.polygamma, sp.log) and not any(
        map(_logarithms, elements_of(body))
    ):
        return body
    return bottom_up(body, _is_whole, lambda node, args: _changed(evaluated(node, args)), {})  # type: ignore[return-value]


def _is_whole(node: sp.Basic) -> bool:
    return not node.args or isinstance(node, Element)


def _changed(node: sp.Basic) -> sp.Basic:
    """The node by the first row that knows it, again until none does: every row makes what it changes simpler."""
    for kind, rows in ROWS.items():
        if isinstance(node, kind):
            for row in rows:
                found = row(node)
                if found is not None and found != node:
                    return _changed(found)
    return node


# -- the error function -----------------------------------------------------------------------------------------------
def _complement(total: sp.Add) -> sp.Expr | None:
    """c + c·erf w = 2c·Φ(√2·w), c − c·erf w = c·erfc w, c − c·erfc w = c·erf w and 2c − c·erfc w = 2c·Φ(√2·w)."""
    for term in total.args:
        for function in (factor for factor in sp.Mul.make_args(term) if isinstance(factor, sp.erf | sp.erfc)):
            c, w = term / function, function.args[0]
            # SymPy writes erfc(−w) as 2 − erfc w: below the median Φ is the function that does not cancel
            complements = (
                {c: 2 * c * ndtr(sp.sqrt(2) * w), -c: -c * sp.erfc(w)}
                if isinstance(function, sp.erf)
                else {-c: -c * sp.erf(w), -2 * c: -2 * c * ndtr(sp.sqrt(2) * w)}
            )
            for other, value in complements.items():
                if other in total.args:
                    return sp.Add(*(t for t in total.args if t not in (term, other)), value)
    return None


def _log_complement(logarithm: sp.log) -> sp.Expr | None:
    """log(c·erfc w) = log 2c + log Φ(−√2·w), c > 0."""
    c, rest = logarithm.args[0].as_coeff_Mul()
    factors = sp.Mul.make_args(rest)
    numbers = sp.Mul(c, *(factor for factor in factors if factor.is_number))
    others = [factor for factor in factors if not factor.is_number]
    if len(others) != 1 or not isinstance(others[0], sp.erfc) or not numbers.is_positive:
        return None
    w = others[0].args[0]
    tail = sp.log(2 * numbers) + log_ndtr(-sp.sqrt(2) * w)
    return tail if numbers != 1 else Cases((log1p(-sp.erf(w)), w < sp.S.Half), (tail, True))


def _log_ndtr(logarithm: sp.log) -> sp.Expr | None:
    """log(c·Φ u) = log c + log Φ(u), c > 0."""
    numbers, rest = logarithm.args[0].as_independent(ndtr, as_Add=False)
    if not isinstance(rest, ndtr) or not numbers.is_number or not numbers.is_positive:
        return None
    return sp.log(numbers) + log_ndtr(rest.args[0])


def _scaled_complement(product: sp.Mul) -> sp.Expr | None:
    """Products with e^{±w²} and powers of erfc w by erfcx w, where that leaves no exponential of w²."""
    if not product.has(sp.erfc) or not product.has(sp.exp):
        return None
    for function in sorted(atoms_in(product, sp.erfc), key=sp.default_sort_key):
        w = function.args[0]
        changed = product.xreplace({function: sp.exp(-multiplied_out(w**2)) * erfcx(w)})
        for form in (changed, multiplied_out(changed)):
            form = form.replace(sp.exp, lambda u: sp.exp(multiplied_out(u)))
            if not form.has(sp.exp):
                return sp.factor_terms(form)
    return None


def _nought_logarithm(product: sp.Mul) -> sp.Expr | None:
    """u·log u is 0 at u = 0, its limit."""
    logarithms = [part for f in product.args for part in _logarithms(f)]
    for u in (factor for factor in product.args if isinstance(factor, Element)):
        if any(logarithm.args[0] in (u, _opened(u)) for logarithm in logarithms):
            return Cases((product, sp.Ne(u, 0)), (sp.S.Zero, True))
    return None


def _opened(value: sp.Basic) -> sp.Basic:
    """The formula of a pointwise value that is read; anything else as it is."""
    definition = value.tensor.definition if isinstance(value, Element) else None
    return inlined(value) if definition is not None and definition.op is None else value


def _logarithms(value: sp.Basic) -> tuple[sp.Basic, ...]:
    """The logarithms that a factor is: its own, that of the value it reads, or those of its branches' formulas."""
    formula = _opened(value)
    if isinstance(formula, sp.Piecewise):
        return tuple(branch for branch, _ in formula.args if isinstance(branch, sp.log))
    return (formula,) if isinstance(formula, sp.log) else ()


# -- Γ ----------------------------------------------------------------------------------------------------------------
LARGE, SHIFT = 3, 4
"""Beyond it log Γ and ψ are Stirling's leading terms and a small rest."""


def _log_gamma(logarithm: sp.log) -> sp.Expr | None:
    """log Γ(u) where Γ(u) overflows."""
    (u,) = logarithm.args
    if not isinstance(u, sp.gamma):
        return None
    return Cases((sp.loggamma(u.args[0]), u.args[0] > 0), (logarithm, True))


def _difference(total: sp.Add) -> sp.Expr | None:
    """c·F(a) − c·F(b) for F = log Γ or ψ⁽ⁿ⁾: of a whole a − b a finite sum, else by Stirling's terms' differences."""
    found = [(term, *_split(term)) for term in total.args]
    terms = [(term, c, function) for term, c, function in found if function is not None]
    for minus, c, upper in terms:
        others = [(t, f) for t, k, f in terms if k == -c and _order(f) == _order(upper) and t is not minus]
        for other, lower in others:
            steps = multiplied_out(upper.args[-1] - lower.args[-1])
            if steps.is_Integer and 0 < steps <= MOST_STEPS:
                return _without(total, minus, other) + c * _whole(_order(upper), lower.args[-1], int(steps))
    for minus, c, upper in terms:
        others = [(t, f) for t, k, f in terms if k == -c and _order(f) == _order(upper)]
        if others and not c.could_extract_minus_sign():
            continue
        values = [
            _without(total, minus, other)
            + c * _by_stirling(_order(upper), upper.args[-1], lower.args[-1], upper, lower)
            for other, lower in others[:2]
        ]
        if len(values) == 2:
            return Cases((values[0], others[0][1].args[-1] >= others[1][1].args[-1]), (values[1], True))
        if values:
            return values[0]
    return None


def _logarithm_less(total: sp.Add) -> sp.Expr | None:
    """c·ψ(u) − c·log u = c·(rest of ψ) − c/(2u), and its derivative with ψ′ and 1/u; u > 3."""
    for term in total.args:
        c, function = _split(term)
        if function is None or _order(function) < 0:
            continue
        order, u = function.args
        leading = sp.log(u) if order == 0 else 1 / u
        if -c * leading in total.args:
            second = -1 / (2 * u) if order == 0 else 1 / (2 * u**2)
            form = Cases((c * (StirlingRest(order + 1, u) + second), u > LARGE), (c * (function - leading), True))
            return _without(total, term, -c * leading) + form
    return None


def _quotient(product: sp.Mul) -> sp.Expr | None:
    """Γ(a)/Γ(b): of a whole a − b a product, else the exponential of a difference of logarithms."""
    above = [factor.args[0] for factor in product.args if isinstance(factor, sp.gamma)]
    below = [
        f.base.args[0] for f in product.args if isinstance(f, sp.Pow) and f.exp == -1 and isinstance(f.base, sp.gamma)
    ]
    for a in above:
        for b in below:
            others = product / sp.gamma(a) * sp.gamma(b)
            steps = multiplied_out(a - b)
            if steps.is_Integer and abs(steps) <= MOST_STEPS:
                low = b if steps > 0 else a
                return others * sp.Mul(*(low + k for k in range(abs(int(steps))))) ** sp.sign(steps)
            logarithm = _difference(sp.loggamma(a) - sp.loggamma(b))
            form = Cases((sp.exp(logarithm), sp.And(a > LARGE, b > LARGE)), (sp.gamma(a) / sp.gamma(b), True))
            return others * form
    return None


def _split(term: sp.Expr) -> tuple[sp.Expr, sp.Expr | None]:
    """A multiple of log Γ or of ψ⁽ⁿ⁾ as the multiple and the function."""
    for factor in sp.Mul.make_args(term):
        if isinstance(factor, sp.loggamma) or (isinstance(factor, sp.polygamma) and factor.args[0] in (0, 1)):
            return term / factor, factor
    return term, None


def _order(function: sp.Expr) -> int:
    """−1 of log Γ, n of ψ⁽ⁿ⁾."""
    return -1 if isinstance(function, sp.loggamma) else int(function.args[0])


def _without(total: sp.Add, *terms: sp.Expr) -> sp.Expr:
    return sp.Add(*(term for term in total.args if term not in terms))


def _whole(order: int, u: sp.Expr, steps: int) -> sp.Expr:
    """F(u + steps) − F(u)."""
    places = [u + k for k in range(steps)]
    if order < 0:
        return sp.Add(*(sp.log(sp.Abs(place)) for place in places))
    return (-1) ** order * sp.Add(*(1 / place ** (order + 1) for place in places))


def _by_stirling(order: int, a: sp.Expr, b: sp.Expr, upper: sp.Expr, lower: sp.Expr) -> sp.Expr:
    """F(a) − F(b) without the cancellation of leading terms: both large, or shifted up where they are near."""
    gap = multiplied_out(a - b)
    shifted = _far_difference(order, a + SHIFT, b + SHIFT, gap)
    for k in range(SHIFT):
        shifted -= {
            -1: log1p(gap / (b + k)),
            0: -gap / ((a + k) * (b + k)),
            1: gap * (a + b + 2 * k) / ((a + k) ** 2 * (b + k) ** 2),
        }[order]
    return Cases(
        (_far_difference(order, a, b, gap), sp.And(a > LARGE, b > LARGE)),
        (shifted, sp.And(b > 0, sp.Abs(gap) < b / 2)),
        (upper - lower, True),
    )


def _far_difference(order: int, a: sp.Expr, b: sp.Expr, gap: sp.Expr) -> sp.Expr:
    rests = StirlingRest(order + 1, a) - StirlingRest(order + 1, b)
    leading = {
        -1: (b - sp.S.Half) * log1p(gap / b) + gap * (sp.log(a) - 1),
        0: log1p(gap / b) + gap / (2 * a * b),
        1: -gap / (a * b) - gap * (a + b) / (2 * a**2 * b**2),
    }[order]
    return leading + rests


ROWS: dict[type[sp.Basic], tuple[Row, ...]] = {
    sp.Add: (_complement, _logarithm_less, _difference),
    sp.log: (_log_complement, _log_ndtr, _log_gamma),
    sp.Mul: (_scaled_complement, _quotient, _nought_logarithm),
}
