"""Truncated power series in t > 0 with coefficients of 90 digits, so that what cancels is seen to cancel.

Powers may be negative; those of a root of t are whole powers of the root. The logarithm of t is a number that is
chosen: terms with it cancel, and two choices of it tell what it is multiplied by.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import mpmath
import sympy as sp

Number = Any
DIGITS = 90
NOUGHT_DIGITS = 55
"""What is smaller than its terms by so many digits has cancelled."""
MOST_NOUGHTS = 64
"""Coefficients of a formula that is 0 everywhere."""
NEVER = 10**6
"""The order of an error that there is not."""


class NoSeries(Exception):
    """The formula has no such expansion, or none that is known here."""


class NeedsRoot(Exception):
    """The expansion goes in powers of a root of t, of this degree."""


class Series:
    """t^order·(c₀ + c₁·t + …), as many terms as there are coefficients; no coefficient: nothing but O(t^order)."""

    __slots__ = ("coefficients", "order")

    def __init__(self, order: int, coefficients: list[Number], size: Number = 0) -> None:
        """Leading coefficients that are nought beside ``size`` have cancelled."""
        bound = mpmath.mpf(10) ** -NOUGHT_DIGITS * (size or max((abs(c) for c in coefficients), default=0))
        start = next((n for n, c in enumerate(coefficients) if abs(c) > bound), len(coefficients))
        self.order = order + start
        self.coefficients = [c if abs(c) > bound else mpmath.mpf(0) for c in coefficients[start:]]

    @property
    def vanishes(self) -> bool:
        """Whether no coefficient is known but 0."""
        return not self.coefficients

    @property
    def leading(self) -> Number:
        """The first coefficient."""
        return self.coefficients[0]

    @property
    def end(self) -> int:
        """The first power that is not known."""
        return self.order + len(self.coefficients)

    def __add__(self, other: Series) -> Series:
        start, end = min(self.order, other.order), min(self.end, other.end)
        total = [mpmath.mpf(0)] * max(end - start, 0)
        for part in (self, other):
            for n, c in enumerate(part.coefficients[: max(end - part.order, 0)]):
                total[part.order - start + n] += c
        size = max((abs(c) for part in (self, other) for c in part.coefficients[:1]), default=0)
        return Series(start, total, size)

    def __neg__(self) -> Series:
        return self.scaled(-1)

    def __sub__(self, other: Series) -> Series:
        return self + -other

    def scaled(self, by: Number) -> Series:
        """The series times a number."""
        return Series(self.order, [c * by for c in self.coefficients])

    def __mul__(self, other: Series) -> Series:
        terms = min(len(self.coefficients), len(other.coefficients))
        a, b = self.coefficients[:terms], other.coefficients[:terms]
        total = [mpmath.mpf(0)] * terms
        for n, c in enumerate(a):
            if c:
                for m in range(terms - n):
                    if b[m]:
                        total[n + m] += c * b[m]
        return Series(self.order + other.order, total)

    def power(self, exponent: sp.Rational) -> Series:
        """(c·t^v·(1 + w))^r, by the equation r·w′·y = (1 + w)·y′."""
        if self.vanishes:
            raise NoSeries
        r = mpmath.mpf(int(exponent.p)) / int(exponent.q)
        if (self.order * exponent.p) % exponent.q:
            raise NeedsRoot(exponent.q // math.gcd(int(exponent.q), self.order))
        if exponent.q > 1 and self.leading < 0:
            raise NoSeries
        w = [c / self.leading for c in self.coefficients]
        y = [mpmath.mpf(1)]
        for n in range(1, len(w)):
            y.append(sum((((r + 1) * k - n) * w[k] * y[n - k] for k in range(1, n + 1) if w[k]), mpmath.mpf(0)) / n)
        first = self.leading ** (int(exponent) if exponent.q == 1 else r)
        return Series(self.order * int(exponent.p) // int(exponent.q), [first * c for c in y])

    def inverse(self) -> Series:
        """1 over the series."""
        return self.power(sp.S.NegativeOne)

    def differentiated(self) -> Series:
        """The derivative by t."""
        return Series(self.order - 1, [(self.order + n) * c for n, c in enumerate(self.coefficients)])

    def integrated(self, constant: Number) -> Series:
        """The series with this derivative, which must have no term 1/t, and this value at t = 0."""
        if self.order < 0:
            raise NoSeries
        terms = [c / (self.order + n + 1) for n, c in enumerate(self.coefficients)]
        return Series(0, [mpmath.mpf(constant)] + [mpmath.mpf(0)] * min(self.order, MOST_NOUGHTS) + terms)

    def from_start(self) -> list[Number]:
        """The coefficients of 1, t, t², …"""
        return [mpmath.mpf(0)] * min(self.order, MOST_NOUGHTS) + self.coefficients

    def constant(self) -> Number:
        """The value at t = 0."""
        if self.order < 0:
            raise NoSeries
        return self.coefficients[0] if self.order == 0 and self.coefficients else mpmath.mpf(0)

    def sign(self) -> int:
        """The sign near t = 0."""
        if self.vanishes:
            raise NoSeries
        return 1 if self.leading > 0 else -1

    def __call__(self, t: Number) -> Number:
        return t**self.order * mpmath.polyval(self.coefficients[::-1], t)


def exponential(u: Series) -> Series:
    """eᵘ, by y′ = u′·y; an exponent that falls without end leaves nothing in powers of t."""
    if u.order < 0:
        if u.leading > 0:
            raise NoSeries
        return Series(NEVER, [])
    c = u.from_start()
    y = [mpmath.exp(u.constant())]
    for n in range(1, len(c)):
        y.append(sum((k * c[k] * y[n - k] for k in range(1, n + 1) if c[k]), mpmath.mpf(0)) / n)
    return Series(0, y)


@dataclass
class Scale:
    """How many coefficients there are, and the number that log t is taken for; whether anybody asked for it."""

    terms: int
    logarithm: Number
    asked_logarithm: bool = False

    def number(self, value: Number) -> Series:
        """A number as a series."""
        return Series(0, [mpmath.mpf(value)] + [mpmath.mpf(0)] * (self.terms - 1)) if value else Series(NEVER, [])


def as_number(value: Number) -> sp.Expr:
    """A coefficient as a fraction, if it is one of few digits, else to 20 digits."""
    with mpmath.workdps(40):
        rest, before, here = abs(value), (0, 1), (1, 0)
        while here[0] * here[1] < 10**18:
            whole = int(mpmath.floor(rest))
            before, here = here, (whole * here[0] + before[0], whole * here[1] + before[1])
            if abs(mpmath.mpf(here[0]) / here[1] - abs(value)) <= abs(value) * mpmath.mpf(10) ** -36:
                return sp.Rational(here[0] if value > 0 else -here[0], here[1])
            rest = 1 / (rest - whole)
    return sp.Float(mpmath.nstr(value, 20), 20)
