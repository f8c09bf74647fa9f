"""A formula in lowest terms, with one exponential for those whose exponents differ by logarithms; an equal form.

    (x·e^{−(ℓ/y + y/2)²/2} − e^{−(ℓ/y − y/2)²/2})/y  =  0,  ℓ = log x

What cancels by algebra, over all that functions give, does not cancel in floating point any more.
"""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp

from symgraph.core.rebuild import atoms_in
from symgraph.core.scalars import Written
from symgraph.simplify.polynomials import Field, OutOfWorkError, Work, written
from symgraph.simplify.rational import Kernels

WORK = 8_000
"""Products of terms, of one formula."""
MOST_EXPONENTIALS = 8
"""Exponentials that are compared with each other."""


def in_lowest_terms(body: sp.Expr) -> tuple[sp.Expr, ...]:
    """The formula in lowest terms over each of the exponentials that stand for others; none where none does."""
    if body.has(sp.Piecewise, Written) or not body.has(sp.exp, sp.log):
        return ()
    found = (reduced(body.xreplace(rule)) for rule in _over_one(body))
    return tuple(form for form in dict.fromkeys(found) if form is not None and form != body)


def _over_one(body: sp.Expr) -> Iterator[dict[sp.Basic, sp.Expr]]:
    """The exponentials of a formula by one of them, for the first and the last that have others."""
    kernels = sorted(atoms_in(body, sp.exp), key=sp.default_sort_key)
    if not 2 <= len(kernels) <= MOST_EXPONENTIALS or not any(kernel.args[0].has(sp.log) for kernel in kernels):
        return
    for one in (kernels[0], kernels[-1]):
        rule = {kernel: one * factor for kernel in kernels if (factor := _ratio(kernel, one)) not in (None, 1)}
        if rule:
            yield rule


def _ratio(exponential: sp.Expr, other: sp.Expr) -> sp.Expr | None:
    """eᵘ/eᵛ where u − v is a sum of multiples of logarithms."""
    gap = sp.expand(exponential.args[0] - other.args[0])
    factors = [_power(term) for term in sp.Add.make_args(gap)]
    return None if None in factors else sp.Mul(*factors)


def _power(term: sp.Expr) -> sp.Expr | None:
    """e to a rational multiple of a logarithm."""
    number, rest = term.as_coeff_Mul()
    if not number.is_Rational or not (isinstance(rest, sp.log) or term == 0):
        return None
    return rest.args[0] ** number if term != 0 else sp.S.One


def reduced(body: sp.Expr) -> sp.Expr | None:
    """A formula without branches in lowest terms; None where that takes too much work."""
    kernels = Kernels([body])
    frozen = kernels.freeze(body)
    try:
        return kernels.thaw(written(Field([frozen], Work(WORK)).quotient(frozen)))
    except OutOfWorkError:
        return None
