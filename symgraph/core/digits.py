"""Numbers in mixed radix: the digits of one number make it, and a number that is a sum of digits has each of them.

    m = ⌊i/20⌋, k = ⌊i/5⌋ mod 4, l = i mod 5      →      20·m + 5·k + l = i
    m = 20·i + 5·j + k,  j < 4, k < 5             →      i = ⌊m/20⌋, j = ⌊m/5⌋ mod 4, k = m mod 5

So the gradient of a reshape is a reshape, and that of windows side by side visits one window.
"""

from __future__ import annotations

from collections.abc import Mapping

import sympy as sp

from symgraph.core.indices import Index, is_at_least_zero

Equation = tuple[sp.Expr, sp.Expr]
Extents = Mapping[Index, sp.Expr]


def joined(equations: list[Equation], extents: Extents) -> list[Equation]:
    """Equations with those for a quotient and its remainder as one: m = ⌊u/q⌋ + a, k = u mod q → q·m + k = u + q·a.

    They say the same where 0 ≤ k < q: q·a does not change the remainder, and the rest is the quotient.
    """
    found = list(equations)
    while pair := _pair(found, extents):
        high, low = pair
        number, modulus = found[low][1].args
        quotient = _quotient(number, modulus)
        target = sp.expand(modulus * found[high][0] + found[low][0])
        expression = sp.expand(modulus * (found[high][1] - quotient) + number)
        found = [equation for place, equation in enumerate(found) if place not in pair]
        found.insert(0, (target, expression))
    return found


def _pair(equations: list[Equation], extents: Extents) -> tuple[int, int] | None:
    """The places of an equation for a quotient and of one for its remainder."""
    for low, (digit, remainder) in enumerate(equations):
        if not isinstance(remainder, sp.Mod) or digit not in extents:
            continue
        number, modulus = remainder.args
        if not modulus.is_Integer or not is_at_least_zero(modulus - extents[digit]):
            continue
        quotient = _quotient(number, modulus)
        for high, (_, expression) in enumerate(equations):
            if high != low and sp.expand(expression).coeff(quotient) == 1:
                return high, low
    return None


def _quotient(number: sp.Expr, modulus: sp.Expr) -> sp.Expr:
    """⌊number/modulus⌋, of a quotient as one: ⌊⌊i/5⌋/4⌋ = ⌊i/20⌋."""
    while isinstance(number, sp.floor):
        inner, below = sp.fraction(sp.together(number.args[0]))
        if not (below.is_Integer and inner.is_integer):
            break
        number, modulus = inner, modulus * below
    return sp.floor(sp.expand(number / modulus))


def digits(
    target: sp.Expr, expression: sp.Expr, open_indices: set[Index], sizes: Extents
) -> dict[Index, sp.Expr] | None:
    """Values of two or more open indices of target = expression, if they are its digits; None if they are not.

    What a digit may not be, for it lies beyond its extent, is for guards to say.
    """
    whole = sp.expand(expression)
    used = sorted(whole.atoms(Index) & open_indices, key=lambda index: index.name)
    factors = {index: whole.coeff(index) for index in used}
    rest = sp.expand(target - whole + sum(factor * index for index, factor in factors.items()))
    if len(used) < 2 or rest.has(*used) or any(c.is_Rational and not c.is_Integer for c in _coefficients(rest)):
        return None
    if not all(factor.is_Integer and factor > 0 for factor in factors.values()):
        return None
    order = sorted(used, key=lambda index: (factors[index], index.name))
    if factors[order[0]] != 1:
        return None
    values: dict[Index, sp.Expr] = {}
    for index, above in zip(order, [*order[1:], None], strict=True):
        value = rest if factors[index] == 1 else sp.floor(sp.expand(rest / factors[index]))
        if above is not None:
            radix = factors[above] / factors[index]
            if not radix.is_Integer or radix == 1 or not is_at_least_zero(radix - sizes[index]):
                return None
            value = sp.Mod(value, radix)
        values[index] = value
    return values


def _coefficients(expression: sp.Expr) -> list[sp.Expr]:
    return [term.as_coeff_Mul()[0] for term in sp.Add.make_args(expression)]
