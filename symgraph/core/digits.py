"""Numbers in mixed radix: the digits of one number make it, and a number that is a sum of digits has each of them.

    m = ⌊i/20⌋, k = ⌊i/5⌋ mod 4, l = i mod 5      →      20·m + 5·k + l = i
    m = 20·i + 5·j + k,  j < 4, k < 5             →      i = ⌊m/20⌋, j = ⌊m/5⌋ mod 4, k = m mod 5

So the gradient of a reshape is a reshape, and that of windows side by side visits one window. A loop of which one digit
alone is asked for is one over the other: Σ_j δ(m, ⌊j/3⌋)·g[j] = Σ_{j<3} g[3·m + j].
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from itertools import count

import sympy as sp

from symgraph.core.indices import Index, fresh, is_at_least_zero
from symgraph.core.tensor import Element

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
) -> tuple[dict[Index, sp.Expr], list[Equation]] | None:
    """Values of the open indices of target = expression, and equations for the labels in it, if these are its digits.

    m = 2·i + a[i], a label of two classes, is i = ⌊m/2⌋ and a[i] = m mod 2. What a digit may not be, for it lies beyond
    its extent, is for guards to say. None if they are no digits, or there is one alone.
    """
    whole = sp.expand(expression)
    labels = {term.as_coeff_Mul()[1] for term in sp.Add.make_args(whole)}
    extents = {label: label.tensor.classes for label in labels if isinstance(label, Element)}
    extents |= {index: sizes[index] for index in whole.atoms(Index) & open_indices if whole.coeff(index) != 0}
    factors = {digit: whole.coeff(digit) for digit in extents}
    rest = sp.expand(target - whole + sum(factor * digit for digit, factor in factors.items()))
    found = [digit for digit in extents if isinstance(digit, Index)]
    if not found or len(extents) < 2 or rest.atoms(Index) & open_indices or any(_is_fraction(t) for t in _terms(rest)):
        return None
    if not all(factor.is_Integer and factor > 0 for factor in factors.values()):
        return None
    order = sorted(extents, key=lambda digit: (factors[digit], sp.default_sort_key(digit)))
    if factors[order[0]] != 1:
        return None
    values: dict[sp.Expr, sp.Expr] = {}
    for digit, above in zip(order, [*order[1:], None], strict=True):
        value = rest if factors[digit] == 1 else sp.floor(sp.expand(rest / factors[digit]))
        if above is not None:
            radix = factors[above] / factors[digit]
            if not radix.is_Integer or radix == 1 or not is_at_least_zero(radix - extents[digit]):
                return None
            value = sp.Mod(value, radix)
        values[digit] = value
    equations = [(value, label) for label, value in values.items() if isinstance(label, Element)]
    return {index: values[index] for index in found}, equations


def unused(taken: Container[Index]) -> Index:
    """An index that no stored body uses, and none of these is."""
    return next(index for index in map(fresh, count()) if index not in taken)


def in_digits(
    rename: Mapping[sp.Expr, sp.Expr], sizes: Extents, read: Iterable[sp.Basic]
) -> tuple[dict[sp.Expr, sp.Expr], dict[Index, sp.Expr]]:
    """What indices are called, and the loops, where those of which ⌊i/k⌋ or i mod k is ``read``, k a divisor of their
    extent, are k·h + i, i < k, with a loop h of their own."""
    radices: dict[sp.Basic, set[sp.Expr]] = {}
    for part in {part for one in read for part in one.atoms(sp.floor, sp.Mod)}:
        index, radix = part.args if isinstance(part, sp.Mod) else sp.fraction(part.args[0])
        radices.setdefault(index, set()).add(radix)
    names, loops = dict(rename), dict(sizes)
    for index, new in rename.items():
        found = radices.get(new, set())
        radix = min(found, key=sp.default_sort_key, default=sp.S.One)
        turns = sp.expand(sizes[new] / radix) if new in sizes else sp.S.One
        if len(found) != 1 or not radix.is_Integer or not turns.is_integer:
            continue
        high = unused(loops)
        names |= {index: radix * high + new, sp.floor(index / radix): high, sp.Mod(index, radix): new}
        loops |= {new: radix, high: turns}
    return names, loops


def _terms(expression: sp.Expr) -> tuple[sp.Expr, ...]:
    return sp.Add.make_args(expression)  # type: ignore[no-any-return]


def _is_fraction(term: sp.Expr) -> bool:
    factor = term.as_coeff_Mul()[0]
    return factor.is_Rational and not factor.is_Integer


# -- numbers of their own digits --------------------------------------------------------------------------------------
def recombined(body: sp.Basic) -> sp.Basic:
    """A formula in which 2·⌊m/2⌋ + m mod 2 is m."""
    if not body.has(sp.Mod):
        return body
    numbers = [number for number in body.atoms(sp.Add) if number.has(sp.Mod) and number.is_integer]
    rule = {number: _number(sp.expand(number)) for number in numbers}
    return body.xreplace({number: made for number, made in rule.items() if made != number})


def _number(total: sp.Expr) -> sp.Expr:
    for term in _terms(total):
        factor, remainder = term.as_coeff_Mul()
        if not isinstance(remainder, sp.Mod) or not remainder.args[1].is_Integer:
            continue
        number, modulus = remainder.args
        high = factor * modulus * _quotient(number, modulus)
        if high in _terms(total):
            return _number(sp.expand(total - term - high + factor * number))
    return total
