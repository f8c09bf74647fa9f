"""Which formulas are positive, over values some of which are known to be, and which are not above a number."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache

import sympy as sp

from symgraph.core.graph import elements_of
from symgraph.core.rebuild import atoms_in, parts_of, replaced
from symgraph.core.tensor import Element, Tensor

_PARTIAL = (sp.log, sp.asin, sp.acos, sp.acosh, sp.atanh)
"""Functions that are real for some arguments alone; roots of negative numbers have √−1 for a factor."""


def is_positive(body: sp.Expr, positive: Collection[Tensor]) -> bool:
    """Whether a formula is proved to be positive, if those values are."""
    names = {e: _stand_in(n, e, e.tensor in positive) for n, e in enumerate(elements_of(body))}
    return _is_positive_formula(replaced(body, names))  # type: ignore[arg-type]


def _stand_in(number: int, element: Element, positive: bool) -> sp.Symbol:
    whole, label = element.tensor.dtype == "integer" or None, element.tensor.is_label or None
    return sp.Symbol(f"e{number}", real=True, positive=positive or None, integer=whole, nonnegative=label)


@lru_cache(maxsize=4096)
def _is_positive_formula(body: sp.Expr) -> bool:
    """Whether a formula over stand-ins is positive: asked once of equal ones, since SymPy searches its rules."""
    return bool(body.is_positive)


def with_real_values(body: sp.Expr) -> sp.Expr:
    """The body with NaN for each function that is no real number anywhere, as log(−1/(x² + 2)), which SymPy compares
    with nothing."""
    never = {f: sp.nan for f in atoms_in(body, *_PARTIAL) if f.is_extended_real is False}
    return body.xreplace(never) if never else body


def is_below_largest(exponent: sp.Expr) -> bool:
    """Whether an exponent is −|u|, or a multiple of u − max(…, u + c, …) with a number c, so that it is not above
    one of −c."""
    if _of_real_values(exponent).is_nonpositive:
        return True
    for term in sp.Add.make_args(exponent):
        times, largest = (-term).as_coeff_Mul()
        if isinstance(largest, sp.Max) and times.is_positive:
            rest = exponent - term
            if any((times * other - rest).is_number for other in largest.args):
                return True
    return False


def _of_real_values(body: sp.Expr) -> sp.Expr:
    """The body with a real symbol for each function that may be none for SymPy: where log u is no real number it is
    NaN, and so (log u)² is nowhere below 0."""
    partial = [f for f in parts_of(body) if isinstance(f, _PARTIAL) and f.is_extended_real is None]
    return body.xreplace({f: sp.Symbol(f"f{n}", real=True) for n, f in enumerate(partial)}) if partial else body
