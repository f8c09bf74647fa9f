"""Numbers with an exact value, a bound of what plain floating point may lose, and what plain floating point gives.

An operation enters its result on the tape with its parents and partial derivatives, which are made of the same
operations, so that derivatives of derivatives, and their error bounds, come of themselves.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import mpmath
import numpy as np
from mpmath import mpf

PRECISION = 170
"""Bits of exact values."""
TOO_LARGE = mpf(10) ** 4000
FUNCTION_ULPS = 4
WHOLE = 2**20
WIDE = 1e100
"""An error bound that says nothing."""
BELOW_NORMAL = 1e-308
"""The size of all that underflows: less than the smallest normal number of float64, so that an error is that large."""
MOST_FACTORS = 8
"""Of a power that counts as a product."""
NAN = mpf("nan")


class Num:
    """A number on the tape.

    Attributes
    ----------
    value : exact; nan where the formula has no value.
    error : bound of the error of the formula as written, in the tape's dtype.
    plain : what the formula as written gives in the tape's dtype.
    loose : True where no bound can be given: overflow, a condition that rounding may turn, a corner.
    factors : of a product, the binary exponents of what was multiplied and divided by.
    fragile : True where a product of three factors or more, multiplied in another order, leaves the numbers of the
        type on the way: nobody says in which order, so that nobody says whether the result is finite; and of a
        quotient by what rounding may make 0, as a difference of two equal numbers in one order of its terms.
    """

    __slots__ = ("error", "factors", "fragile", "loose", "parents", "plain", "serial", "value")
    _serial = itertools.count()

    def __init__(
        self, value: Any, error: float, plain: Any, loose: bool, parents: Any = (), factors: tuple[float, ...] = ()
    ) -> None:
        self.value, self.error, self.plain, self.loose, self.parents = value, error, plain, loose, parents
        self.serial = next(Num._serial)
        self.factors = factors
        way = max(sum(e for e in factors if e > 0), -sum(e for e in factors if e < 0)) if len(factors) > 2 else 0
        most = 1000 if isinstance(plain, float) else 120
        self.fragile = way > most or any(parent.fragile for parent, _ in parents)

    @property
    def exponents(self) -> tuple[float, ...]:
        """Those of its factors; its own, if it is no product."""
        if self.factors or not mpmath.isfinite(self.value):
            return self.factors
        if self.value == 0:
            return (-1100.0 if self.error else 0.0,)
        return (float(self.value.exp + self.value.bc),)


Parents = Sequence[tuple[Num, Callable[[], Num]]]


def _magnitude(value: Any) -> float:
    if value == 0:
        return 0.0
    exponent = value.exp + value.bc
    return math.inf if exponent > 1020 else abs(float(value)) if exponent > -1020 else BELOW_NORMAL


def _is_whole(number: Num) -> bool:
    """A whole number without error, on which sums, products and exact quotients lose nothing."""
    value = number.value
    return bool(number.error == 0 and mpmath.isfinite(value) and abs(value) < WHOLE and value == int(value))


class Tape:
    """Operations on :class:`Num` for one dtype."""

    def __init__(self, dtype: str) -> None:
        self.real = np.dtype(dtype).type
        info = np.finfo(dtype)
        self.epsilon, self.largest, self.smallest = float(info.eps), float(info.max), float(info.tiny)

    def number(self, text: Any) -> Num:
        """A constant of a formula, or a given value."""
        value = mpf(text) if not isinstance(text, str) else mpmath.fraction(*map(int, (text + "/1").split("/")[:2]))
        value = mpf(value)
        plain = self.real(float(value)) if mpmath.isfinite(value) else self.real(value)
        exact = not mpmath.isfinite(value) or mpf(float(plain)) == value
        return Num(value, 0.0 if exact else self.epsilon * _magnitude(value), plain, not mpmath.isfinite(value))

    def _enter(
        self, value: Any, error: float, plain: Any, parents: Parents, loose: bool = False, ulps: float = 1,
        factors: tuple[float, ...] = (),
    ) -> Num:  # fmt: skip
        loose = loose or any(parent.loose for parent, _ in parents)
        if not mpmath.isfinite(value) or abs(value) > TOO_LARGE:
            return Num(NAN, 0.0, plain, True, tuple(parents), factors)
        size = _magnitude(value)
        if ulps == 1 and size < WHOLE and all(_is_whole(parent) for parent, _ in parents) and value == int(value):
            return Num(value, 0.0, plain, loose, tuple(parents), factors)
        error += ulps * self.epsilon * size + (self.smallest if 0 < size < self.smallest else 0.0)
        loose = loose or size > self.largest / 4 or not error < math.inf
        return Num(value, error, plain, loose, tuple(parents), factors)

    # -- arithmetic -----------------------------------------------------------------------------------------------
    def total(self, terms: Sequence[Num]) -> Num:
        """Sum of any number of terms, in any order; of one term, that term.

        What multiplies a sum may be multiplied into its terms: it has the factors of its largest one.
        """
        if len(terms) < 2:
            return terms[0] if terms else self.number(0)
        value = mpmath.fsum(t.value for t in terms)
        error = sum(t.error for t in terms)
        error += len(terms) * self.epsilon * sum(_magnitude(t.value) if mpmath.isfinite(t.value) else 0 for t in terms)
        plain = terms[0].plain
        for term in terms[1:]:
            plain = plain + term.plain
        one, largest = self.number(1), max(terms, key=lambda t: _magnitude(t.value) if self._finite(t) else 0.0)
        return self._enter(value, error, plain, [(t, lambda: one) for t in terms], factors=largest.exponents)

    def add(self, a: Num, b: Num) -> Num:
        return self.total([a, b])

    def neg(self, a: Num) -> Num:
        return Num(-a.value, a.error, -a.plain, a.loose, ((a, lambda: self.number(-1)),), a.exponents)

    def sub(self, a: Num, b: Num) -> Num:
        return self.total([a, self.neg(b)])

    def mul(self, a: Num, b: Num) -> Num:
        error = a.error * (_magnitude(b.value) + b.error) + _magnitude(a.value) * b.error if self._finite(a, b) else 0.0
        return self._enter(a.value * b.value, error, a.plain * b.plain, [(a, lambda: b), (b, lambda: a)],
                           factors=a.exponents + b.exponents)  # fmt: skip

    def div(self, a: Num, b: Num) -> Num:
        quotient = a.value / b.value if b.value != 0 else NAN
        error, loose = 0.0, True
        if self._finite(a, b) and b.value != 0:
            size = max(_magnitude(b.value), 1e-307)
            loose = b.error > 0.1 * size
            error = a.error / size + 1.2 * _magnitude(quotient) * b.error / size
        plain = np.divide(a.plain, b.plain)

        def over_b() -> Num:
            return self.neg(self.div(self.div(a, b), b))

        result = self._enter(quotient, error, plain, [(a, lambda: self.div(self.number(1), b)), (b, over_b)], loose,
                             factors=a.exponents + tuple(-e for e in b.exponents))  # fmt: skip
        result.fragile |= 0 < b.error >= _magnitude(b.value)
        return result

    def pow(self, a: Num, b: Num, constant: bool) -> Num:
        """a to the power b; a constant exponent has no derivative."""
        base, exponent = a.value, b.value
        value = _power(base, exponent)
        error, loose = 0.0, True
        if mpmath.isfinite(value) and self._finite(a, b):
            loose = a.error > 0.1 * _magnitude(base) and a.error > 0
            if base != 0:
                size = _magnitude(value)
                error = 1.5 * size * _magnitude(exponent) * a.error / max(_magnitude(base), 1e-307)
                error += 1.5 * size * _magnitude(mpmath.log(abs(base))) * b.error
                error += 4 * size * self.epsilon * max(1.0, _magnitude(exponent * mpmath.log(abs(base))))
                error += self.smallest if value == 0 else 0.0
        plain = np.power(a.plain, b.plain)

        def by_base() -> Num:
            if constant and exponent == 0:
                return self.number(0)
            return self.mul(b, self.pow(a, self.sub(b, one), constant))

        def by_exponent() -> Num:
            return self.number(0) if base == 0 and exponent > 0 else self.mul(result, self.log(a))

        one = self.number(1)
        parents = [(a, by_base)] + ([] if constant else [(b, by_exponent)])
        result = self._enter(value, error, plain, parents, loose, factors=_factors_of_power(a, b) if constant else ())
        result.fragile |= exponent < 0 and 0 < a.error >= _magnitude(base)
        return result

    @staticmethod
    def _finite(*numbers: Num) -> bool:
        return all(mpmath.isfinite(n.value) for n in numbers)

    # -- selections -----------------------------------------------------------------------------------------------
    def same(self, a: Num, ambiguous: bool = False, corner: bool = False, losers: Sequence[Num] = ()) -> Num:
        """``a``, chosen: ``ambiguous`` if rounding may choose another, a ``corner`` if only its slope is open.

        What multiplies a branch may be multiplied into it: it has the factors of what is chosen.
        """
        one, zero = self.number(1), self.number(0)
        one.loose = zero.loose = ambiguous or corner
        parents = [(a, lambda: one)] + [(loser, lambda: zero) for loser in losers if ambiguous or corner]
        plain = self.real(np.nan) if ambiguous else a.plain
        return Num(a.value, a.error, plain, a.loose or ambiguous, tuple(parents), a.exponents)

    def order(self, a: Num, b: Num) -> tuple[int, bool]:
        """Sign of a − b, and whether rounding may turn it."""
        if not self._finite(a, b):
            return 0, True
        difference = a.value - b.value
        error = a.error + b.error
        unsure = a.loose or b.loose or (error > 0 and _magnitude(difference) <= 64 * error)
        return int(mpmath.sign(difference)), unsure

    def best(self, numbers: Sequence[Num], sign: int) -> tuple[int, bool]:
        """Position of the first largest (``sign`` 1) or smallest, and whether rounding may choose another."""
        chosen, unsure = 0, False
        for position, number in enumerate(numbers[1:], 1):
            if self.order(number, numbers[chosen])[0] * sign > 0:
                chosen = position
        for position, number in enumerate(numbers):
            if position != chosen:
                unsure |= self.order(number, numbers[chosen])[1]
        return chosen, unsure or any(np.isnan(number.plain) for number in numbers)

    # -- functions ------------------------------------------------------------------------------------------------
    def _function(
        self, a: Num, f: Any, plain: Any, slope: Callable[[], Num], steepness: Any, loose: bool = False
    ) -> Num:
        """Enter f(a); ``steepness`` is |f′| at the exact value."""
        if not mpmath.isfinite(a.value) or loose or a.error > WIDE:
            defined = mpmath.isfinite(a.value)
            return self._enter(f(a.value) if defined else NAN, 0.0, plain(a.plain), [(a, slope)], True)
        error = _magnitude(steepness(a.value)) * a.error + a.error**2
        return self._enter(f(a.value), error, plain(a.plain), [(a, slope)], False, FUNCTION_ULPS)

    def exp(self, a: Num) -> Num:
        if mpmath.isfinite(a.value) and abs(a.value) > 9000:
            tiny = a.value < 0
            r = Num(mpf(0) if tiny else NAN, self.smallest, np.exp(a.plain), not tiny or a.loose, ((a, lambda: r),))
            return r
        f = mpmath.exp
        r = self._function(a, f, np.exp, lambda: r, lambda v: 2 * f(v), a.error > 1)
        return r

    def expm1(self, a: Num) -> Num:
        """eᵃ − 1, which is not 0 where a is less than the precision."""
        if mpmath.isfinite(a.value) and abs(a.value) > 9000:
            return self.sub(self.exp(a), self.number(1))
        return self._function(a, mpmath.expm1, np.expm1, lambda: self.exp(a), lambda v: 2 * mpmath.exp(v), a.error > 1)

    def log(self, a: Num) -> Num:
        f = lambda v: mpmath.log(v) if v > 0 else NAN  # noqa: E731
        bad = a.error > 0.1 * _magnitude(a.value) if mpmath.isfinite(a.value) else True
        return self._function(a, f, np.log, lambda: self.div(self.number(1), a), lambda v: 1.2 / v if v else 0, bad)

    def sqrt(self, a: Num) -> Num:
        f = lambda v: mpmath.sqrt(v) if v >= 0 else NAN  # noqa: E731
        bad = a.error > 0.1 * _magnitude(a.value) if mpmath.isfinite(a.value) else True
        bad &= not (a.value == 0 and a.error == 0)

        def slope() -> Num:
            return self.div(self.number("1/2"), result)

        result = self._function(a, f, np.sqrt, slope, lambda v: 1.2 / (2 * mpmath.sqrt(v)) if v > 0 else 0, bad)
        return result

    def sin(self, a: Num) -> Num:
        return self._function(a, mpmath.sin, np.sin, lambda: self.cos(a), mpmath.cos)

    def cos(self, a: Num) -> Num:
        return self._function(a, mpmath.cos, np.cos, lambda: self.neg(self.sin(a)), mpmath.sin)

    def atan(self, a: Num) -> Num:
        def slope() -> Num:
            return self.div(self.number(1), self.add(self.number(1), self.mul(a, a)))

        return self._function(a, mpmath.atan, np.arctan, slope, lambda v: 1 / (1 + v * v))

    def tanh(self, a: Num) -> Num:
        def slope() -> Num:  # 4·σ(2a)·σ(−2a), which does not cancel
            double = self.add(a, a)
            return self.mul(self.number(4), self.mul(self.sigmoid(double), self.sigmoid(self.neg(double))))

        return self._function(a, mpmath.tanh, np.tanh, slope, lambda v: mpmath.sech(min(abs(v), mpf(500))) ** 2)

    def sigmoid(self, a: Num) -> Num:
        def plain(v: Any) -> Any:
            e = np.exp(-abs(v))
            return 1 / (1 + e) if v > 0 else e / (1 + e)

        f = _logistic
        slope = lambda: self.mul(self.sigmoid(a), self.sigmoid(self.neg(a)))  # noqa: E731
        return self._function(a, f, plain, slope, lambda v: f(v) * f(-v))

    def softplus(self, a: Num) -> Num:
        plain = lambda v: np.maximum(v, 0) + np.log1p(np.exp(-abs(v)))  # noqa: E731
        f = lambda v: max(v, mpf(0)) + mpmath.log1p(mpmath.exp(-min(abs(v), mpf(9000))))  # noqa: E731
        return self._function(a, f, plain, lambda: self.sigmoid(a), _logistic)

    def erf(self, a: Num) -> Num:
        def slope() -> Num:
            scale = self.number(2 / mpmath.sqrt(mpmath.pi))
            return self.mul(scale, self.exp(self.neg(self.mul(a, a))))

        plain = lambda v: self.real(math.erf(float(v)))  # noqa: E731
        f = lambda v: mpmath.erf(max(min(v, mpf(50)), mpf(-50)))  # noqa: E731
        return self._function(a, f, plain, slope, lambda v: 2 * mpmath.exp(-min(v * v, mpf(9000))))


def _logistic(v: Any) -> Any:
    if abs(v) > 9000:
        return mpf(1) if v > 0 else mpf(0)
    return 1 / (1 + mpmath.exp(-v))


def _power(base: Any, exponent: Any) -> Any:
    if not (mpmath.isfinite(base) and mpmath.isfinite(exponent)):
        return NAN
    if base == 0:
        return NAN if exponent < 0 else mpf(1) if exponent == 0 else mpf(0)
    whole = exponent == mpmath.floor(exponent)
    if base < 0 and not whole:
        return NAN
    if abs(exponent * mpmath.log(abs(base))) > 9000:
        return NAN if (exponent > 0) == (abs(base) > 1) else mpf(0)
    size = mpmath.exp(exponent * mpmath.log(abs(base)))
    return -size if base < 0 and int(exponent) % 2 else size


def _factors_of_power(base: Num, exponent: Num) -> tuple[float, ...]:
    """Of a whole power, its base so many times."""
    times = int(exponent.value) if _is_whole(exponent) else 0
    return tuple(e if times > 0 else -e for e in base.exponents) * abs(times) if abs(times) <= MOST_FACTORS else ()


def derivatives(tape: Tape, output: Num, wrt: Sequence[Num]) -> list[Num]:
    """∂output/∂wrt for each of ``wrt``, by reverse accumulation; the results are on the tape."""
    targets = {id(number) for number in wrt}
    needed = _depending(output, targets)
    contributions: dict[int, list[Num]] = {id(output): [tape.number(1)]}
    pending, queued = [(-output.serial, output)], {id(output)}
    found: dict[int, Num] = {}
    while pending:
        _, number = heapq.heappop(pending)
        cotangent = tape.total(contributions.pop(id(number)))
        if id(number) in targets:
            found[id(number)] = cotangent
        for parent, partial in number.parents:
            if id(parent) in needed:
                contributions.setdefault(id(parent), []).append(tape.mul(cotangent, partial()))
                if id(parent) not in queued:
                    queued.add(id(parent))
                    heapq.heappush(pending, (-parent.serial, parent))
    return [found.get(id(number)) or tape.number(0) for number in wrt]


def _depending(output: Num, targets: set[int]) -> set[int]:
    order, seen, pending = [], {id(output)}, [output]
    while pending:
        number = pending.pop()
        order.append(number)
        for parent, _ in number.parents:
            if id(parent) not in seen:
                seen.add(id(parent))
                pending.append(parent)
    needed: set[int] = set()
    for number in sorted(order, key=lambda n: n.serial):
        if id(number) in targets or any(id(parent) in needed for parent, _ in number.parents):
            needed.add(id(number))
    return needed
