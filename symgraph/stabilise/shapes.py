"""Formulas of a power with an exponent that is a value, as formulas of that times the base's logarithm.

    (xʸ − 1)/y                   u·(eʷ − 1)/w,             u = log x, w = u·y     (G. E. P. Box and D. R. Cox 1964)
    (xʸ·y·log x − xʸ + 1)/y²     u²·(w·eʷ − eʷ + 1)/w²     its derivative in y
    ((1 + x)ʸ − 1)/y             the same with u = log1p(x)

The formula of u and y has the forms of :mod:`two_variables`.
"""

from __future__ import annotations

import sympy as sp

from symgraph.core.cases import Cases
from symgraph.core.graph import elements_of
from symgraph.core.rebuild import atoms_in
from symgraph.core.scalars import Delta, Written, log1p
from symgraph.stabilise.two_variables import X, Y, forms_of_two


def of_logarithm(body: sp.Expr) -> tuple[sp.Expr, ...]:
    """Forms of a formula without branches that has one such power; none where it is no formula of u and y alone."""
    if body.has(sp.Piecewise, Written, Delta) or not body.has(sp.Add):
        return ()
    powers = sorted((p for p in atoms_in(body, sp.Pow) if elements_of(p.exp)), key=sp.default_sort_key)
    bases = {power.base for power in powers if power.base != sp.E}
    exponents = {element for power in powers for element in elements_of(power.exp)}
    if len(bases) != 1 or len(exponents) != 1:
        return ()
    (base,), (exponent,) = bases, exponents
    rest = base - 1 if sp.S.One in sp.Add.make_args(base) else None
    rule: dict[sp.Basic, sp.Basic] = {power: sp.exp(sp.expand(power.exp * X)) for power in powers if power.base == base}
    rule |= {sp.log(base): X} | ({log1p(rest): X} if rest is not None else {})
    hidden = body.xreplace(rule).xreplace({exponent: Y})
    if elements_of(hidden):
        return ()
    logarithm = sp.log(base) if rest is None else log1p(rest)
    shown = {X: logarithm, Y: exponent}
    return tuple(Cases((form.xreplace(shown), base > 0), (body, True)) for form in forms_of_two(hidden))
