"""Formulas of two values that are polynomials in one, with formulas of one expression of both before its powers.

    (1 − e^{−w})/w + x·(w·e^{−w} + e^{−w} − 1)/w²      w = x + y:   the derivative of x·(1 − e^{−x−y})/(x + y)
    log(1 + w) − w/(1 + w), times x²/w²                w = x·y:     in that of (1 + x·y)^{−1/y}

Each of these has the forms of a formula of one variable (:mod:`one_variable`). That w is rounded itself changes nothing
where the formula as it was written computes w too; measured errors decide.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import product
from math import prod

import sympy as sp

from symgraph.core.cases import Case, Cases
from symgraph.core.cost import is_short_multiplied_out, operations
from symgraph.core.graph import elements_of
from symgraph.core.rebuild import atoms_in, replaced
from symgraph.core.scalars import Written
from symgraph.simplify.branches import guarded_product
from symgraph.simplify.rational import Kernels
from symgraph.stabilise.one_part import W, forms_of
from symgraph.stabilise.one_variable import improved, may_lose
from symgraph.stabilise.rewritings import without_common_factors
from symgraph.stabilise.scalar import has_nested_exponentials

MOST_OPERATIONS, MOST_POWERS, MOST_BRANCHES = 60, 4, 8


def in_powers(body: sp.Expr) -> tuple[sp.Expr, ...]:
    """Forms of a formula of two values without branches, or of those of its factors that are sums of both."""
    if body.has(sp.Piecewise, Written) or operations([body]) > MOST_OPERATIONS or len(elements_of(body)) != 2:
        return ()
    names = {element: sp.Symbol(f"e{n}", real=True) for n, element in enumerate(elements_of(body))}
    shown = {name: element for element, name in names.items()}
    factors = sp.Mul.make_args(without_common_factors(replaced(body, names)))  # type: ignore[arg-type]
    x, y = names.values()
    for whole in dict.fromkeys((sp.Mul(*factors), *factors)):
        if whole.has(sp.Add) and whole.free_symbols == {x, y} and may_lose(whole, whole):
            found = _in_powers(whole, x, y)
            rest = sp.Mul(*(factor for factor in factors if factor != whole)) if whole in factors else sp.S.One
            if found:
                return tuple(replaced(guarded_product(rest, form), shown) for form in found)  # type: ignore[misc]
    return ()


@lru_cache(maxsize=1024)
def _in_powers(body: sp.Expr, x: sp.Symbol, y: sp.Symbol) -> tuple[sp.Expr, ...]:
    found: list[sp.Expr] = []
    for own, other in ((x, y), (y, x)):
        for part, inverse in _parts(body, own, other):
            form = _by_powers(body, body.xreplace({other: inverse}), own, part)
            if form is not None:
                found.append(form)
    return tuple(dict.fromkeys(found))


def _parts(body: sp.Expr, own: sp.Symbol, other: sp.Symbol) -> Iterator[tuple[sp.Expr, sp.Expr]]:
    """Expressions w of both values, and what the other is by w and its own."""
    for total in sorted(atoms_in(body, sp.Add), key=sp.default_sort_key):
        apart = total.as_independent(own, other, as_Add=True)[1]
        slopes = [apart.coeff(symbol) for symbol in (own, other)]
        if all(slope.is_Rational and slope for slope in slopes) and apart == slopes[0] * own + slopes[1] * other:
            yield apart, (W - slopes[0] * own) / slopes[1]
    products = atoms_in(body, sp.Mul)
    for sign in (1, -1):
        w = other * own**sign
        if any({own: sign, other: 1}.items() <= p.as_powers_dict().items() for p in products):
            yield w, W * own**-sign


def _by_powers(body: sp.Expr, changed: sp.Expr, own: sp.Symbol, part: sp.Expr) -> sp.Expr | None:
    """A formula of its own value and w, by powers of the first and of e to it, and as it was written where none of
    their factors is another formula; None where it is no such formula, or nothing is won."""
    if has_nested_exponentials(changed):
        return None
    changed = changed.replace(lambda e: isinstance(e, sp.Add | sp.Mul) and not e.has(sp.Function), sp.expand)
    changed = changed.replace(sp.exp, lambda u: sp.expand(sp.exp(u), power_exp=True))
    kernels = Kernels([changed])
    steep = {symbol: kernel for symbol, kernel in kernels.kernel_of.items() if kernel.has(own) and kernel != own}
    if any(not isinstance(kernel, sp.exp) or kernel.has(W) for kernel in steep.values()):
        return None
    own_kernels = {own: own, **steep}
    above, below = sp.fraction(sp.together(kernels.freeze(changed)))
    rest, powers = below.as_independent(*own_kernels)
    if not above.is_polynomial(*own_kernels) or not is_short_multiplied_out(above):
        return None
    if powers != 1 and not all(f.as_base_exp()[0] in own_kernels for f in sp.Mul.make_args(powers)):
        return None
    terms = sp.Poly(above, *own_kernels).terms()
    is_homogeneous = len(terms) == 1 and part.is_Mul  # two_variables has forms by x − y too
    if len(terms) > MOST_POWERS or is_homogeneous:
        return None
    coefficients = {degrees: kernels.thaw(sp.factor(c) / rest) for degrees, c in terms}
    forms = {degrees: improved(c, W) for degrees, c in coefficients.items()}
    if forms == coefficients:
        return None
    parts = []
    for degrees, form in forms.items():
        factor = sp.Mul(*(symbol**degree for symbol, degree in zip(own_kernels, degrees, strict=True)))
        part_of = guarded_product(kernels.thaw(factor / powers), forms_of(form, part)[0])
        parts.append(part_of.args if isinstance(part_of, sp.Piecewise) else (Case(part_of, sp.true),))
    if len(forms) > 1 and prod(map(len, parts)) > MOST_BRANCHES:
        return None
    branches = []
    for chosen in product(*parts):
        elsewhere = all(case == cases[-1] for case, cases in zip(chosen, parts, strict=True))
        total = body if elsewhere and prod(map(len, parts)) > 1 else sp.Add(*(case.expr for case in chosen))
        branches.append((total, sp.And(*(case.cond for case in chosen))))
    return Cases(*branches)
