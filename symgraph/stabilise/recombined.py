"""Equal forms of sums whose terms may cancel: over one denominator, in factors, by conjugates. Sampled errors decide.

    1/h − x²/h³   =  y²/h³,  h = √(x² + y²)              x³ − 3·x² + 3·x − 1   =  (x − 1)³
    x² − 2·x + 1 + y²  =  (x − 1)² + y²
    √x − √y       =  (x − y)/(√x + √y)                   √(x² + y) − x         =  y/(√(x² + y) + x)  where x > 0

What algebra cancels does not cancel in floating point any more: the numerator is expanded with √S² as S, and factored.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import sympy as sp

from symgraph.core.cases import Cases
from symgraph.core.cost import is_short_multiplied_out, operations
from symgraph.core.graph import elements_of
from symgraph.core.rebuild import atoms_in, replaced
from symgraph.core.scalars import Written
from symgraph.simplify.rational import Kernels

MOST_OPERATIONS, MOST_SYMBOLS, MOST_DEGREE = 40, 5, 16
"""Of a formula that is expanded."""
MOST_LEFT = 6
"""Terms of a sum that a conjugate leaves: it is there for what cancels, and many terms cancel again."""
MOST_TERMS = 60
"""Of a numerator that is multiplied out to see what cancels: one with more is no form that anybody chooses."""
ORDINARY = sp.Integer(2) ** 60


def recombined(body: sp.Expr) -> tuple[sp.Expr, ...]:
    """Forms of a formula in one value of which more than one term is, or of the sums in its functions and roots; none
    where nothing can cancel."""
    found = _of_whole(body)
    for part in sorted(_inside(body), key=sp.default_sort_key):
        found += tuple(body.xreplace({part: form}) for form in _of_whole(part))
    return found


def _inside(body: sp.Expr) -> set[sp.Expr]:
    """The sums that are the argument of a function, or under a root, without the number that they are multiplied by."""
    if body.has(sp.Piecewise, Written) or not body.has(sp.Function, sp.Pow):
        return set()
    functions = {f.args[0] for f in atoms_in(body, sp.Function) if len(f.args) == 1}
    roots = {power.base for power in atoms_in(body, sp.Pow) if not power.exp.is_Integer}
    return {part for part in functions | roots if isinstance(part, sp.Add)}


def _of_whole(body: sp.Expr) -> tuple[sp.Expr, ...]:
    if body.has(sp.Piecewise, Written, sp.exp) or not _may_cancel(body) or operations([body]) > MOST_OPERATIONS:
        return ()
    names = {e: sp.Symbol(f"e{n}", real=True) for n, e in enumerate(elements_of(body))}
    shown = {symbol: element for element, symbol in names.items()}
    found = _recombined(replaced(body, names))  # type: ignore[arg-type]
    return tuple(replaced(form, shown) for form in found)  # type: ignore[misc]


def _may_cancel(body: sp.Expr) -> bool:
    """Whether a sum reads one value in several terms, is a difference of roots or of a quotient and a number, or of a
    root and what may be negative."""
    for total in atoms_in(body, sp.Add):
        signs = {bool(term.as_coeff_Mul()[0].is_negative) for term in total.args}
        read = [set(elements_of(term)) for term in total.args]
        several = sum(map(len, read)) > len(set().union(*read))
        rooted = {any(p.exp.is_Rational and p.exp.q > 1 for p in atoms_in(term, sp.Pow)) for term in total.args}
        beside_one = total.args[0].is_number and any(atoms_in(term, sp.Add) for term in total.args)
        if len(rooted) == 2 or (len(signs) == 2 and (several or True in rooted or beside_one)):
            return True
    return False


@lru_cache(maxsize=1024)
def _recombined(body: sp.Expr) -> tuple[sp.Expr, ...]:
    try:
        return tuple(form for form in dict.fromkeys(_forms(body)) if form != body)
    except (sp.PolynomialError, NotImplementedError):
        return ()


def _forms(body: sp.Expr) -> Iterator[sp.Expr]:
    kernels = Kernels([body])
    frozen = kernels.freeze(body)
    symbols = sorted(frozen.free_symbols, key=str)
    if len(symbols) > MOST_SYMBOLS or not frozen.is_rational_function(*symbols):
        return
    roots = {
        s: (kernel.exp.q, kernels.freeze(kernel.base))
        for s in symbols
        if isinstance(kernel := kernels.kernel_of.get(s), sp.Pow) and kernel.exp.is_Rational and kernel.exp.p == 1
    }
    above, below = sp.fraction(sp.together(frozen))
    if not above.is_polynomial(*symbols) or not is_short_multiplied_out(above, MOST_TERMS):
        return
    if sum(sp.degree(above, s) for s in symbols) > MOST_DEGREE or (above := _reduced(above, roots)) is None:
        return
    below = sp.factor(below)
    form = kernels.thaw(sp.factor(above) / below)
    yield form
    if (squared := _with_squares(form)) != form:
        yield squared
    if not below.is_number:
        yield Cases((form, ordinary(kernels.thaw(below))), (body, True))
    for s, (q, base) in roots.items():
        if q == 2 and above.has(s) and sp.degree(above, s) == 1:
            rest, slope = above.coeff(s, 0), above.coeff(s, 1)
            product = _reduced(rest**2 - slope**2 * base, roots)
            if product is None or any(len(total.args) > MOST_LEFT for total in atoms_in(sp.factor(product), sp.Add)):
                continue
            divisor = below * (rest - slope * s)
            form, apart = kernels.thaw(sp.factor(product) / divisor), kernels.thaw(rest * slope) < 0
            yield form
            yield Cases((form, apart), (body, True))  # elsewhere it is the divisor that cancels
            yield Cases((form, sp.And(apart, ordinary(kernels.thaw(divisor)))), (body, True))


def _with_squares(form: sp.Expr) -> sp.Expr:
    """x² − 2·x + 1 + y² in a form as (x − 1)² + y², which does not cancel where x is near 1."""
    rule = {total: square for total in atoms_in(form, sp.Add) if (square := _with_square(total)) is not None}
    return form.xreplace(rule)


def _with_square(total: sp.Add) -> sp.Expr | None:
    number, _ = total.as_coeff_Add()
    factor_of = {rest: factor for factor, rest in (term.as_coeff_Mul() for term in total.args)}
    for power, a in factor_of.items():
        u, exponent = power.as_base_exp()
        if exponent == 2 and u in factor_of and number * 4 * a == factor_of[u] ** 2:
            b = factor_of[u]
            return total - number - b * u - a * power + a * (u + b / (2 * a)) ** 2
    return None


def ordinary(divisor: sp.Expr) -> sp.Basic:
    """Whether a divisor is of ordinary size, so that products in it have not left the range."""
    return sp.And(sp.Abs(divisor) > 1 / ORDINARY, sp.Abs(divisor) < ORDINARY)


def _reduced(polynomial: sp.Expr, roots: dict[sp.Symbol, tuple[int, sp.Expr]]) -> sp.Expr | None:
    """The polynomial, multiplied out, with the q-th power of each q-th root as what is under it; None if it is long."""
    for s, (q, base) in roots.items():
        if polynomial.has(s):
            terms = sp.Poly(polynomial, s).terms()
            polynomial = sp.Add(*(c * s ** (power % q) * base ** (power // q) for (power,), c in terms))
        if not is_short_multiplied_out(polynomial, MOST_TERMS):
            return None
    return sp.expand(polynomial)
