"""Which numbers of a formula the floating types have, and how many of them are added at once."""

from __future__ import annotations

import math

import sympy as sp

from symgraph.core.scalars import Uniform

SMALLEST, LARGEST, LEAST = sp.Rational(1, 2**126), sp.Integer(2**126), sp.Rational(1, 2**149)
"""Float32 has normal numbers from 2⁻¹²⁶ on, others from 2⁻¹⁴⁹ on, and none above 2¹²⁸."""

WIDEST = sp.Integer(2**1000)
"""Float64 has this number and its inverse."""

SHORT_SUM = 1024
"""Most terms that are added in one go; a longer sum is one of blocks, which are added in float64."""

LARGEST_SIZE = 2**63
"""Whole numbers below this are sizes in the generated code."""


def is_known(body: sp.Basic) -> bool:
    """Whether a value is one number, which no program has to compute."""
    return bool(body.is_number) and not body.free_symbols and not body.has(Uniform)


def nearest(number: sp.Expr) -> float:
    """The float64 that is nearest to a number; infinite where the number is too large, NaN where it is not real."""
    try:
        return number.p / number.q if isinstance(number, sp.Rational) else float(number)
    except OverflowError:
        return math.copysign(math.inf, 1 if number.is_positive else -1)
    except (TypeError, ValueError):  # √−1, or outside of where a function is defined
        return math.nan
