"""Products of a decaying exponential and of what grows, in an order in which nothing overflows before it is multiplied.

    x²·e^{−x}               (e^{−x}·x)·x
    2·(x + c)·e^{−x²}       2·(e^{−x²}·(x + c))
    (4x² − 2)·e^{−x²}       4·((e^{−x²}·x)·x) − 2·e^{−x²}

Each is 0 where x² or 2·x is infinite though x is not, as in the formula that the chain rule gives; (4x² − 2)·e^{−x²}
is NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import sympy as sp

from symgraph.core.scalars import Written, slot

MOST_FACTORS = 6
"""Of a power that is multiplied by one by one."""


def decaying(body: sp.Expr) -> tuple[sp.Expr, ...]:
    """The body with its products of an exponential and of powers so; nothing if it has none."""
    if not body.has(sp.exp) or body.has(sp.Piecewise, Written):
        return ()
    found = body.replace(sp.Mul, _one_after_the_other)
    return () if found == body else (found,)


def _one_after_the_other(*factors: sp.Expr) -> sp.Expr:
    """e⁻ᵘ·Π f with the exponential multiplied by one factor after the other, in each term of a sum among them."""
    exponentials = [factor for factor in factors if isinstance(factor, sp.exp)]
    sums = [factor for factor in factors if isinstance(factor, sp.Add)]
    long = next((total for total in sums if any(len(_units(term)[1]) > 1 for term in total.args)), None)
    rest, units = _units(sp.Mul(*(factor for factor in factors if factor not in [*exponentials, long])))
    grows = bool(abs(rest.as_coeff_Mul()[0]) > 1)
    if len(exponentials) != 1 or (long is None and len(units) + grows < 2):
        return sp.Mul(*factors)
    value = _multiplied(exponentials[0], units)
    if long is not None:
        value = sp.Add(*(number * _multiplied(value, own) for number, own in map(_units, long.args)))
    return sp.Mul(rest, value)


def _units(product: sp.Expr) -> tuple[sp.Expr, list[sp.Expr]]:
    """What is no whole power, and the bases of those that are, each as often as it is a factor."""
    powers = [factor.as_base_exp() for factor in sp.Mul.make_args(product)]
    whole = [(f, q) for f, q in powers if not f.is_number and q.is_Integer and 0 < q <= MOST_FACTORS]
    rest = sp.Mul(*(f**q for f, q in powers if (f, q) not in whole))
    return rest, [f for f, q in whole for _ in range(int(q))]


def _multiplied(value: sp.Expr, units: Sequence[sp.Expr]) -> sp.Expr:
    return reduce(lambda so_far, unit: Written(slot(0) * slot(1), so_far, unit), units, value)
