"""Sums of terms that δ selects: which may be simplified as one, and which only term by term.

    (y − δ)/N is one quotient;   2·δ₀·u − δ₁/v² is none: over v², the first term would be NaN where v = 0

A common denominator is harmless where it is a number or a size, or where what no δ selects is divided by it anyway.
"""

from __future__ import annotations

import sympy as sp

from symgraph.core.cases import Cases
from symgraph.core.cost import multiplied_out
from symgraph.core.indices import Dim
from symgraph.core.rebuild import written_product
from symgraph.core.scalars import Delta

Parts = list[tuple[sp.Expr, sp.Expr]]


def is_place(factor: sp.Basic) -> bool:
    """Whether a factor is a δ, or a power of one, which says where a product is not 0."""
    base, exponent = factor.as_base_exp()
    return isinstance(base, Delta) and bool(exponent.is_positive)


def before_branches(term: sp.Expr) -> sp.Expr:
    """{δ·a if c, else 0} as δ·{a if c, else 0}: a place is the same in all branches that are not 0."""
    if not isinstance(term, sp.Piecewise):
        return term
    values = [sp.Mul.make_args(value) for value, _ in term.args if value != 0]
    first = values[0] if values else ()
    places = [factor for factor in first if is_place(factor) and all(factor in value for value in values)]
    if not places:
        return term
    branches = [
        (value if value == 0 else written_product([f for f in sp.Mul.make_args(value) if f not in places]), condition)
        for value, condition in term.args
    ]
    return sp.Mul(*places, Cases(*branches), evaluate=False)


def parts(expression: sp.Expr) -> Parts | None:
    """(product of δ, what it selects) for each product of δ in a sum, if these must not mix; else None."""
    if not expression.has(Delta):
        return None
    terms = _terms(expression)
    found: dict[sp.Expr, sp.Expr] = {}
    for term in terms:
        deltas, rest = split(term)
        found[deltas] = found.get(deltas, sp.S.Zero) + rest
    if len(found) < 2:
        return None
    below = {deltas: _divisors(rest) for deltas, rest in found.items()}
    always = below.get(sp.S.One, set())
    if all(divisors <= always for divisors in below.values()):
        return None
    return sorted(found.items(), key=lambda part: sp.default_sort_key(part[0]))


def joined(selections: Parts) -> sp.Expr:
    """Σ δ·(what it selects), with the factors that all of them have in front."""
    powers = [rest.as_powers_dict() for _, rest in selections]
    shared = [(b, e) for b, e in powers[0].items() if not b.is_number and all(p.get(b) == e for p in powers)]
    common = sp.Mul(*(base**exponent for base, exponent in shared))
    return common * sp.Add(*(deltas * (rest / common) for deltas, rest in selections))


def split(term: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """The product of the δ in a term, and that of its other factors."""
    factors = sp.Mul.make_args(term)
    deltas = [factor for factor in factors if isinstance(factor, Delta)]
    return sp.Mul(*deltas), sp.Mul(*(factor for factor in factors if not isinstance(factor, Delta)))


def _terms(expression: sp.Expr) -> list[sp.Expr]:
    """The terms of a sum, with sums that have a δ in them multiplied out."""
    if isinstance(expression, sp.Add):
        return [term for arg in expression.args for term in _terms(arg)]
    if isinstance(expression, sp.Pow) and expression.exp.is_Integer and expression.exp > 1 and expression.has(Delta):
        out = multiplied_out(expression)
        return _terms(out) if out != expression else [expression]
    if not isinstance(expression, sp.Mul):
        return [expression]
    products = [sp.S.One]
    for factor in expression.args:
        terms = _terms(factor) if factor.has(Delta) and isinstance(factor, (sp.Add, sp.Pow)) else [factor]
        products = [product * term for product in products for term in terms]
    return products


def _divisors(expression: sp.Expr) -> set[sp.Expr]:
    """Powers that an expression is divided by, but for numbers and sizes."""
    powers = {node for node in expression.atoms(sp.Pow) if node.exp.could_extract_minus_sign() and node.base != sp.E}
    return {power for power in powers if not all(isinstance(s, Dim) for s in power.free_symbols)}
