"""What an expression costs to read and to compute: the one measure by which a simpler form is preferred.

Counts are in additions. A transcendental function is paid once however often it occurs, since its value is shared.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from math import comb, prod

import sympy as sp

from symgraph.core.scalars import Delta, sigmoid

ADD, READ, NUMBER, DIVIDE, POWER, ROOT, KERNEL, BRANCH = 1.0, 0.5, 0.25, 3.0, 1.75, 5.0, 9.0, 1.0
MOST_TERMS = 400
"""Terms of a formula that is still multiplied out."""
LOGISTIC = 3.5  # it shares its exponential and its division with the forward pass


@lru_cache(maxsize=65536)
def cost(expression: sp.Basic) -> float:
    """Cost of one evaluation, in additions."""
    total = 0.0
    seen: set[sp.Basic] = set()
    pending = [expression]
    while pending:
        node = pending.pop()
        if node.is_Number or isinstance(node, sp.logic.boolalg.BooleanAtom):
            total += NUMBER
        elif not node.args or node.is_Symbol or not isinstance(node, _OPERATIONS):
            total += READ
        elif isinstance(node, _CHEAP):
            total += _own_cost(node)
            pending.extend(_operands(node))
        elif node in seen:
            total += READ
        else:
            seen.add(node)
            total += _own_cost(node)
            pending.extend(_operands(node))
    return total


_CHEAP = (sp.Add, sp.Mul)
_OPERATIONS = (sp.Add, sp.Mul, sp.Pow, sp.Function, sp.Piecewise, sp.logic.boolalg.Boolean, sp.Tuple)


def _own_cost(node: sp.Basic) -> float:
    match node:
        case sp.Add():
            return ADD * (len(node.args) - 1)
        case sp.Mul():
            factors = [f for f in node.args if f is not sp.S.NegativeOne]
            divisions = sum(_is_reciprocal(f) for f in factors)
            numerators = len(factors) - divisions
            halved = 0.5 * (len(factors) < len(node.args))
            return halved + ADD * max(numerators - 1, 0) + (DIVIDE + ADD * (divisions - 1) if divisions else 0.0)
        case sp.Pow():
            if _is_reciprocal(node):
                return 0.0 if node.exp == -1 else POWER
            return POWER if node.exp.is_Integer else ROOT if node.exp.is_Rational else KERNEL
        case sp.Piecewise() | sp.Abs() | sp.sign() | sp.Max() | sp.Min() | sp.logic.boolalg.Boolean():
            return BRANCH
        case Delta():
            return BRANCH
        case sigmoid():
            return LOGISTIC + 0.75 * node.args[0].could_extract_minus_sign()
        case sp.Function():
            return KERNEL
        case _:
            return 0.0


def _is_reciprocal(node: sp.Basic) -> bool:
    return isinstance(node, sp.Pow) and bool(node.exp.is_Integer) and bool(node.exp.is_negative)


def _operands(node: sp.Basic) -> list[sp.Basic]:
    """What is evaluated under a node: the branches and conditions of a Piecewise, the base of an integer power."""
    if isinstance(node, sp.Mul):
        return [factor for factor in node.args if factor is not sp.S.NegativeOne and factor is not sp.S.One]
    if isinstance(node, sp.Piecewise):
        return [part for pair in node.args for part in pair.args]
    if isinstance(node, sp.Pow) and node.exp.is_Number:
        return [node.base]
    return list(node.args)


def operations(expressions: Iterable[sp.Basic]) -> int:
    """Operations of a first evaluation of several formulas together, each different subexpression once."""
    seen: set[sp.Basic] = set()
    pending, total = list(expressions), 0
    while pending:
        node = pending.pop()
        if node in seen or not isinstance(node, _OPERATIONS) or not node.args:
            continue
        seen.add(node)
        if isinstance(node, (sp.Add, sp.Mul)):
            negative = isinstance(node, sp.Mul) and node.args[0] is sp.S.NegativeOne
            total += len(node.args) - 1 - negative + (negative and len(node.args) == 2)
        elif not isinstance(node, (sp.Tuple, sp.logic.boolalg.BooleanAtom)):
            total += 1
        pending.extend(_operands(node))
    return total


def multiplied_out(expression: sp.Expr) -> sp.Expr:
    """``sp.expand``, of what stays a formula of moderate size; anything else as it is."""
    return sp.expand(expression) if is_short_multiplied_out(expression) else expression


def is_short_multiplied_out(expression: sp.Expr, most: int = MOST_TERMS) -> bool:
    """Whether an expression multiplied out, arguments of functions too, has no more than so many terms."""
    pending, done = [expression], set()
    while pending:
        node = pending.pop()
        if node not in done:
            done.add(node)
            if _terms(node, pending) > most:
                return False
    return True


def _terms(node: sp.Basic, inside: list[sp.Basic]) -> int:
    """Terms of sums, products and whole powers multiplied out, at most; the arguments of others are put ``inside``."""
    if isinstance(node, sp.Add):
        return sum(_terms(term, inside) for term in node.args)
    if isinstance(node, sp.Mul):
        return prod(_terms(factor, inside) for factor in node.args)
    if isinstance(node, sp.Pow) and node.exp.is_Integer:
        terms, power = _terms(node.base, inside), abs(int(node.exp))
        return terms if power == 1 or terms == 1 else comb(min(power, MOST_TERMS) + terms - 1, terms - 1)
    inside.extend(node.args)
    return 1
