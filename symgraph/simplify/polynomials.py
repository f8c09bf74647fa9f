"""Quotients of sparse polynomials, kept as powers of irreducible factors; what they take is counted.

    (2·x²·y − 2·y)/(3·x + 3)   is   2/3 · (x − 1) · y

So a product is never multiplied out, only what a sum adds up is, and what cancels cancels by its power. A polynomial
that is linear in a symbol, u·x + v, has no factor but those of gcd(u, v); others go to SymPy's factorisation.

Work is counted in products of terms, before they are made: the same for the same formulas on every machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from functools import lru_cache
from math import prod
from typing import Any, TypeVar

import sympy as sp

Polynomial = Any
"""SymPy's ``PolyElement`` over the integers: a dict of exponents and coefficients."""


Found = TypeVar("Found")


class OutOfWorkError(Exception):
    """The work allowed to a problem is done."""


class Work:
    """Work done, in products of terms, and the most that is allowed; ``left`` says that more was asked for."""

    def __init__(self, limit: float = float("inf")) -> None:
        self.limit, self.done, self.left = limit, 0.0, False

    def spend(self, amount: float) -> None:
        """Account for work that is about to be done.

        Raises
        ------
        OutOfWorkError
            if it is more than what is left.
        """
        if self.done + amount > self.limit:
            self.left = True
            raise OutOfWorkError
        self.done += amount

    def affordable(self, found: Iterable[Found]) -> Iterator[Found]:
        """What is found before the work allowed is done."""
        try:
            yield from found
        except OutOfWorkError:
            return


class Quotient:
    """number · Π factorᵖᵒʷᵉʳ: factors irreducible, primitive, their leading coefficients positive; no power is 0."""

    __slots__ = ("number", "powers")

    def __init__(self, number: Fraction, powers: Mapping[Polynomial, int]) -> None:
        self.number = number
        self.powers = {factor: power for factor, power in powers.items() if power} if number else {}

    def __mul__(self, other: Quotient) -> Quotient:
        powers = dict(self.powers)
        for factor, power in other.powers.items():
            powers[factor] = powers.get(factor, 0) + power
        return Quotient(self.number * other.number, powers)

    def __pow__(self, exponent: int) -> Quotient:
        if not self.number:
            return self if exponent > 0 else Quotient(Fraction(0), {})
        return Quotient(self.number**exponent, {factor: power * exponent for factor, power in self.powers.items()})


class Field:
    """Quotients of polynomials in the symbols of some expressions; other atoms count as symbols."""

    def __init__(self, expressions: Iterable[sp.Expr], work: Work) -> None:
        self.work = work
        self.symbols = _in_order(frozenset().union(*map(_atoms, expressions)))
        self.ring = _ring(self.symbols)
        self.position = {symbol: n for n, symbol in enumerate(self.symbols)}
        self.known: dict[sp.Expr, Quotient] = {}

    def quotient(self, expression: sp.Expr) -> Quotient:
        """An expression in lowest terms."""
        found = self.known.get(expression)
        if found is None:
            found = self.known[expression] = self._quotient(expression)
        return found

    def _quotient(self, node: sp.Expr) -> Quotient:
        if node.is_Rational:
            return Quotient(Fraction(int(node.p), int(node.q)), {})
        if isinstance(node, sp.Mul):
            result = Quotient(Fraction(1), {})
            for factor in node.args:
                result = result * self.quotient(factor)
            return result
        if is_integer_power(node):
            return self.quotient(node.base) ** int(node.exp)
        if isinstance(node, sp.Add):
            return self.total([self.quotient(term) for term in node.args])
        return Quotient(Fraction(1), {self.ring.gens[self.position[node]]: 1})

    def total(self, terms: list[Quotient]) -> Quotient:
        """The sum of quotients: what all of them have in common, times what is left, factored."""
        terms = [term for term in terms if term.number]
        if not terms:
            return Quotient(Fraction(0), {})
        factors = dict.fromkeys(factor for term in terms for factor in term.powers)
        self.work.spend(len(terms) * len(factors))
        common = {factor: min(term.powers.get(factor, 0) for term in terms) for factor in factors}
        below = prod({term.number.denominator for term in terms})
        polynomial = self.ring.zero
        for term in terms:
            left = {factor: term.powers.get(factor, 0) - power for factor, power in common.items()}
            polynomial = polynomial + self.multiplied(left) * int(term.number * below)
        return Quotient(Fraction(1, below), common) * self.factored(polynomial)

    def multiplied(self, powers: Mapping[Polynomial, int]) -> Polynomial:
        """The product of polynomials, multiplied out; powers are not negative."""
        result = self.ring.one
        for factor, power in powers.items():
            if len(factor) == 1:
                result = result * factor**power
                continue
            for _ in range(power):
                self.work.spend(len(result) * len(factor))
                result = result * factor
        return result

    def factored(self, polynomial: Polynomial) -> Quotient:
        """A polynomial as a product of irreducible ones."""
        if not polynomial:
            return Quotient(Fraction(0), {})
        content, rest = polynomial.primitive()
        if rest.LC < 0:
            content, rest = -content, -rest
        self.work.spend(_effort(rest))
        return Quotient(Fraction(int(content)), dict(_factors(rest)))

    def by_power(self, polynomial: Polynomial, symbol: sp.Expr) -> dict[int, Polynomial]:
        """The coefficients of a polynomial in one symbol, by the power."""
        n = self.position[symbol]
        return {power: _coefficient(polynomial, n, power) for power in sorted({m[n] for m in polynomial})}

    def has(self, polynomial: Polynomial, symbol: sp.Expr) -> bool:
        """Whether a symbol occurs in a polynomial."""
        n = self.position[symbol]
        return any(monomial[n] for monomial in polynomial)

    def above(self, quotient: Quotient) -> Polynomial:
        """The numerator multiplied out, with the number's."""
        positive = {factor: power for factor, power in quotient.powers.items() if power > 0}
        return self.multiplied(positive) * quotient.number.numerator

    def below(self, quotient: Quotient) -> Polynomial:
        """The denominator multiplied out, without the number's."""
        return self.multiplied({factor: -power for factor, power in quotient.powers.items() if power < 0})

    def divisors(self, expression: sp.Expr) -> set[Polynomial]:
        """Irreducible polynomials that an expression is divided by as it is written."""
        found: set[Polynomial] = set()
        pending = [expression]
        while pending:
            node = pending.pop()
            if is_integer_power(node) and node.exp.is_negative:
                found |= {factor for factor, power in self.quotient(node.base).powers.items() if power > 0}
            if isinstance(node, (sp.Add, sp.Mul)) or is_integer_power(node):
                pending.extend(node.args)
        return found


def is_integer_power(node: sp.Basic) -> bool:
    """Whether a node is a power with an integer, written out, as its exponent."""
    return isinstance(node, sp.Pow) and bool(node.exp.is_Integer)


def written(quotient: Quotient) -> sp.Expr:
    """A quotient as a product of powers."""
    number = sp.Rational(quotient.number.numerator, quotient.number.denominator)
    return sp.Mul(number, *(expression_of(factor) ** power for factor, power in quotient.powers.items()))


@lru_cache(maxsize=16384)
def expression_of(polynomial: Polynomial) -> sp.Expr:
    """A polynomial as a sum of products."""
    return polynomial.as_expr()


def _atoms(expression: sp.Expr) -> set[sp.Expr]:
    found: set[sp.Expr] = set()
    pending = [expression]
    while pending:
        node = pending.pop()
        if isinstance(node, (sp.Add, sp.Mul)):
            pending.extend(node.args)
        elif is_integer_power(node):
            pending.append(node.base)
        elif not node.is_Rational:
            found.add(node)
    return found


@lru_cache(maxsize=4096)
def _in_order(symbols: frozenset[sp.Expr]) -> tuple[sp.Expr, ...]:
    return tuple(sorted(symbols, key=_natural))


def _natural(symbol: sp.Expr) -> tuple[bool, str, int, str]:
    """e2 before e10, and kernels last."""
    name = str(symbol)
    stem = name.rstrip("0123456789")
    return name.startswith("_"), stem, int(name[len(stem) :] or 0), name


@lru_cache(maxsize=4096)
def _ring(symbols: tuple[sp.Expr, ...]) -> Any:
    return sp.ring(symbols, sp.ZZ)[0]


@lru_cache(maxsize=64)
def _numbered(count: int) -> Any:
    return sp.ring([f"x{n}" for n in range(count)], sp.ZZ)[0]


def _effort(polynomial: Polynomial) -> float:
    """What factoring a polynomial takes, roughly, in products of terms."""
    spans = [max(powers) - min(powers) for powers in zip(*polynomial.keys(), strict=True)]
    if len(polynomial) == 1 or 1 in spans:
        return float(len(polynomial) * (1 + sum(spans)))
    return len(polynomial) + 4.0 * max(spans) * prod(float(span + 1) for span in spans)


def _factors(polynomial: Polynomial) -> list[tuple[Polynomial, int]]:
    """The irreducible factors of a primitive polynomial with a positive leading coefficient, and their powers."""
    ring = polynomial.ring
    columns = list(zip(*polynomial.keys(), strict=True))
    lowest = [min(powers) for powers in columns]
    used = [n for n, powers in enumerate(columns) if max(powers) > lowest[n]]
    found = [(gen, power) for gen, power in zip(ring.gens, lowest, strict=True) if power]
    if used:
        terms = {tuple(monomial[n] - lowest[n] for n in used): c for monomial, c in polynomial.items()}
        small = _irreducible(_numbered(len(used)).from_dict(terms))
        found += [(_spread(factor, used, ring), power) for factor, power in small]
    return found


def _spread(polynomial: Polynomial, used: list[int], ring: Any) -> Polynomial:
    """A polynomial of few symbols in a ring of more."""
    terms = {}
    for monomial, coefficient in polynomial.items():
        wide = [0] * ring.ngens
        for n, power in zip(used, monomial, strict=True):
            wide[n] = power
        terms[tuple(wide)] = coefficient
    return ring.from_dict(terms)


@lru_cache(maxsize=16384)
def _irreducible(polynomial: Polynomial) -> tuple[tuple[Polynomial, int], ...]:
    """Of a polynomial that no symbol divides, and in which each of its ring occurs."""
    for n, powers in enumerate(zip(*polynomial.keys(), strict=True)):
        if max(powers) == 1:
            slope, rest = (_coefficient(polynomial, n, power) for power in (1, 0))
            if len(slope) == 1 or len(rest) == 1:
                return ((polynomial, 1),)
            shared = slope.gcd(rest)
            if shared.is_ground:
                return ((polynomial, 1),)
            linear = polynomial.exquo(shared)
            return (*_factors(shared), (linear, 1))
    return tuple((factor, int(power)) for factor, power in polynomial.factor_list()[1])


def _coefficient(polynomial: Polynomial, n: int, power: int) -> Polynomial:
    terms = {(*m[:n], 0, *m[n + 1 :]): c for m, c in polynomial.items() if m[n] == power}
    return polynomial.ring.from_dict(terms)
