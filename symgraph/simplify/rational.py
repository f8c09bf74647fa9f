"""Rational normal form: an expression as a quotient of polynomials in its kernels, and its cheapest equal shape.

A *kernel* is what algebra does not look into: eᵘ, log u, √u, a branch, δ. Exponentials whose exponents are rational
multiples of one another are powers of one kernel, and so are roots of one base.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from itertools import combinations
from math import gcd, lcm

import sympy as sp

from symgraph.core.cost import ADD, NUMBER, POWER, READ, cost
from symgraph.core.scalars import sigmoid
from symgraph.simplify.polynomials import (
    Field,
    OutOfWorkError,
    Polynomial,
    Quotient,
    Work,
    expression_of,
    is_integer_power,
    written,
)

PROBLEM = 8_000
"""Work allowed to one simplification, in products of terms."""

MAX_COLLECTED = 6
MAX_JOINED = 64
BEST = 2
SHAPE = 100  # the work of writing an expression, in products of terms
_BOUNDED = (sigmoid, sp.tanh, sp.erf, sp.sin, sp.cos, sp.atan)


class Kernels:
    """A shared naming of kernels by symbols, over several expressions at once."""

    def __init__(self, expressions: Iterable[sp.Expr]) -> None:
        self.symbol_of: dict[sp.Expr, sp.Expr] = {}
        self.kernel_of: dict[sp.Symbol, sp.Expr] = {}
        found = list(dict.fromkeys(kernel for expression in expressions for kernel in _kernels(expression)))
        self._name_exponentials([kernel for kernel in found if isinstance(kernel, sp.exp)])
        self._name_roots([kernel for kernel in found if _is_root(kernel)])
        for kernel in found:
            if kernel not in self.symbol_of:
                self.symbol_of[kernel] = self._symbol(kernel)

    def _symbol(self, kernel: sp.Expr) -> sp.Symbol:
        symbol = sp.Symbol(f"_K{len(self.kernel_of)}", positive=True if isinstance(kernel, sp.exp) else None, real=True)
        self.kernel_of[symbol] = kernel
        return symbol

    def _name_exponentials(self, kernels: list[sp.Expr]) -> None:
        groups: dict[sp.Expr, list[tuple[sp.Rational, sp.Expr]]] = {}
        for kernel in kernels:
            factor, base = _primitive(kernel.args[0])
            groups.setdefault(base, []).append((factor, kernel))
        for base, members in groups.items():
            unit = _common_unit([factor for factor, _ in members])
            if all(factor < 0 for factor, _ in members):
                unit = -unit
            symbol = self._symbol(sp.exp(unit * base))
            for factor, kernel in members:
                self.symbol_of[kernel] = symbol ** (factor / unit)

    def _name_roots(self, kernels: list[sp.Expr]) -> None:
        groups: dict[sp.Expr, list[sp.Expr]] = {}
        for kernel in kernels:
            groups.setdefault(kernel.base, []).append(kernel)
        for base, members in groups.items():
            unit = _common_unit([kernel.exp for kernel in members])
            symbol = self._symbol(base**unit)
            for kernel in members:
                self.symbol_of[kernel] = symbol ** (kernel.exp / unit)

    def symbol_of_power(self, exponential: sp.Expr) -> sp.Symbol:
        """The symbol of which an exponential is a power, though perhaps none of the expressions has that very one."""
        base = _primitive(exponential.args[0])[1]
        return next(
            symbol
            for symbol, kernel in self.kernel_of.items()
            if isinstance(kernel, sp.exp) and _primitive(kernel.args[0])[1] == base
        )

    def freeze(self, expression: sp.Expr) -> sp.Expr:
        """The expression as a rational function of symbols."""
        if expression in self.symbol_of:
            return self.symbol_of[expression]
        if isinstance(expression, (sp.Add, sp.Mul)) or is_integer_power(expression):
            return expression.func(*(self.freeze(arg) for arg in expression.args))
        return expression

    def thaw(self, expression: sp.Expr) -> sp.Expr:
        """Back from symbols to kernels."""
        return expression.xreplace(self.kernel_of)


def _kernels(expression: sp.Expr) -> list[sp.Expr]:
    found: list[sp.Expr] = []
    pending = [expression]
    while pending:
        node = pending.pop()
        if isinstance(node, (sp.Add, sp.Mul)) or is_integer_power(node):
            pending.extend(reversed(node.args))
        elif node.args:
            found.append(node)
    return found


def _is_root(node: sp.Basic) -> bool:
    return isinstance(node, sp.Pow) and node.exp.is_Rational and not node.exp.is_Integer and not node.base.is_number


def _primitive(exponent: sp.Expr) -> tuple[sp.Rational, sp.Expr]:
    """Rational factor and primitive rest of an exponent, the rest without a leading minus sign."""
    factor, rest = exponent.as_content_primitive()
    if not factor.is_Rational:
        return sp.S.One, exponent
    return (-factor, -rest) if rest.could_extract_minus_sign() else (factor, rest)


def _common_unit(factors: list[sp.Rational]) -> sp.Rational:
    numerator = gcd(*(abs(int(f.p)) for f in factors))
    return sp.Rational(numerator, lcm(*(int(f.q) for f in factors)))


def cheapest(expression: sp.Expr, work: Work) -> sp.Expr:
    """The cheapest of the expression itself, cancelled, factored, and collected by one of its symbols."""
    if not isinstance(expression, (sp.Add, sp.Mul, sp.Pow)):
        return expression
    kernels = Kernels([expression])
    frozen = kernels.freeze(expression)
    if not frozen.args:
        return expression
    try:
        field = Field([frozen], work)
        return min(map(kernels.thaw, shapes(frozen, field.quotient(frozen), field)), key=preference)
    except OutOfWorkError:
        return kernels.thaw(presented(frozen))


def preference(expression: sp.Expr) -> tuple[float, int]:
    """Cheap first; of equal ones that which is right for large values: σ + y·(1 − σ), for y + σ·(1 − y) is 0 at 10¹⁶.

    A number that is added to what may be of any size is lost, unless that is a value of a bounded function.
    """
    sums = [total for total in expression.atoms(sp.Add) if any(term.is_number for term in total.args)]
    return cost(expression), sum(not total.has(*_BOUNDED) for total in sums)


def shapes(frozen: sp.Expr, quotient: Quotient, field: Field) -> list[sp.Expr]:
    """Equal shapes of a rational function, the given one first: in lowest terms, factored, a factor collected."""
    found = [presented(frozen)]
    joined = _joined(quotient, field)
    found.append(presented(written(joined)))
    for factor, power in joined.powers.items():
        if power == 1 and 2 <= len(factor) <= MAX_COLLECTED:
            rest = written(joined * Quotient(Fraction(1), {factor: -1}))
            found += [presented(collected * rest) for collected in _collected(factor, field)]
    field.work.spend(SHAPE * len(found))
    return list(dict.fromkeys(found))


def _joined(quotient: Quotient, field: Field) -> Quotient:
    """Factors of equal powers as their product, where that has fewer terms: (x − 1)·(x + 1) as x² − 1."""
    sums = [factor for factor in quotient.powers if len(factor) > 1]
    for first, second in combinations(sums, 2):
        power = quotient.powers[first]
        if quotient.powers[second] == power and len(first) * len(second) <= MAX_JOINED:
            product = field.multiplied({first: 1, second: 1})
            if len(product) < len(first) + len(second):
                rest = Quotient(quotient.number, {f: p for f, p in quotient.powers.items() if f not in (first, second)})
                return _joined(rest * Quotient(Fraction(1), {product: power}), field)
    return quotient


def _collected(factor: Polynomial, field: Field) -> list[sp.Expr]:
    """symbol·(…) + …, the coefficient as it is or with common factors out, by a symbol of two or more terms.

    Of all symbols those that promise most.
    """
    found: list[tuple[float, sp.Expr, Polynomial, Polynomial]] = []
    for symbol in sorted(field.symbols, key=lambda symbol: symbol.sort_key()):
        gen = field.ring.gens[field.position[symbol]]
        having = field.ring.from_dict({m: c for m, c in factor.items() if m[field.position[symbol]]})
        if len(having) > 1:
            part = having.exquo(gen)
            shared = field.ring.from_dict({tuple(map(min, zip(*part.keys(), strict=True))): part.content()})
            for common in (field.ring.one, shared)[: 1 + (shared != 1)]:
                price = _price(gen * common) + _price(part.exquo(common)) + _price(factor - having) + 2 * ADD
                found.append((price, symbol, having, common))
    best = sorted(found, key=lambda option: option[0])[:BEST]
    return [_by_common(factor, *option[1:], field) for option in best]


def _by_common(factor: Polynomial, symbol: sp.Expr, having: Polynomial, common: Polynomial, field: Field) -> sp.Expr:
    inner = having.exquo(common * field.ring.gens[field.position[symbol]])
    return symbol * (expression_of(common) * expression_of(inner)) + expression_of(factor - having)


def _price(polynomial: Polynomial) -> float:
    """What :func:`cost` makes of a sum of products, without its kernels' own."""
    total = ADD * max(len(polynomial) - 1, 0)
    for monomial, coefficient in polynomial.items():
        powers = [power for power in monomial if power]
        numbers = abs(coefficient) != 1 or not powers
        total += NUMBER * numbers + READ * len(powers) + POWER * sum(power > 1 for power in powers)
        total += ADD * (len(powers) + numbers - 1) + ADD / 2 * (coefficient == -1)
    return total


def presented(expression: sp.Expr) -> sp.Expr:
    """A leading minus sign moved into a difference: −y·(y − 1) is y·(1 − y)."""
    if isinstance(expression, sp.Add):
        return sp.Add(*(presented(term) for term in expression.args))
    if not isinstance(expression, sp.Mul):
        return expression
    sign, factors = sp.S.One, [presented(f) if isinstance(f, sp.Add) else f for f in expression.args]
    for position, factor in enumerate(factors):  # y − 1 as 1 − y
        base, power = factor.as_base_exp()
        if isinstance(base, sp.Add) and power % 2 and any(term.is_number and term.is_negative for term in base.args):
            factors[position], sign = sp.Add(*(-term for term in base.args)) ** power, -sign
    if (sign * factors[0]).is_negative:  # −(t − y) as y − t
        for position, factor in enumerate(factors):
            if _is_difference(factor):
                factors[position], sign = sp.Add(*(-term for term in factor.args)), -sign
                break
    return sp.Mul(sign, *factors)


def _is_difference(factor: sp.Expr) -> bool:
    """A sum without a number in which a term is negative."""
    return (
        isinstance(factor, sp.Add)
        and any(term.could_extract_minus_sign() for term in factor.args)
        and not any(term.is_number for term in factor.args)
    )


def in_lowest_terms(expression: sp.Expr) -> sp.Expr:
    """Numerator and denominator multiplied out, without a common factor; as it is where that takes too much work."""
    try:
        field = Field([expression], Work(PROBLEM))
        quotient = field.quotient(expression)
        above, below = field.above(quotient), field.below(quotient)
    except OutOfWorkError:
        return expression
    return sp.Rational(1, quotient.number.denominator) * (expression_of(above) / expression_of(below))


def irreducible(expression: sp.Expr) -> tuple[sp.Rational, dict[sp.Expr, int]]:
    """The number and the irreducible factors with their powers; one factor where that takes too much work."""
    try:
        quotient = Field([expression], Work(PROBLEM)).quotient(expression)
    except OutOfWorkError:
        return sp.S.One, {expression: 1}
    number = sp.Rational(quotient.number.numerator, quotient.number.denominator)
    return number, {expression_of(factor): power for factor, power in quotient.powers.items()}
