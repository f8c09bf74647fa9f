"""Formulas of one variable near the points where they lose their digits: by the first terms of their series there.

    (x − sin x)/x³   →   1/6 − x²/120 + …  where |x| < 2,   as it was written elsewhere
    √(x² + 1) − x    →   1/(2x) − 1/(8x³) + …  where x > 16

Where that is needed follows from the orders of value and rounding error (:mod:`symgraph.series`); how far it
reaches, from the coefficients: what is left out is below the last bit, and the terms that are kept do not cancel.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import mpmath
import sympy as sp

from symgraph.core.cases import Cases
from symgraph.core.rebuild import atoms_in
from symgraph.core.scalars import expm1, log_ndtr, ndtr, sigmoid, softplus
from symgraph.series.expansion import Expansion
from symgraph.series.power import DIGITS, NEVER, NeedsRoot, NoSeries, Number, Series, as_number

FEW, MANY, EXTRA = 10, 40, 12
"""Coefficients to see whether digits are lost, those of a series at the most, those that bound what it leaves out."""
MOST_TERMS = 20
"""Coefficients other than 0 of one series."""
MOST_DEGREE = 4
"""Of a polynomial whose zeros are looked for."""
STEEP = 16
"""Functions whose arguments change by so much more than x, or less, are looked at on a scale of their own."""
LOGARITHMS = (-37.375, -71.0625, -50.1875)
REACHES = tuple(mpmath.mpf(2) ** (-n) for n in range(-1, 12))
LAST_BIT = mpmath.mpf(2) ** -56
ZEROS = tuple(sign * sp.Integer(2) ** n for n in (0, -1, 1) for sign in (1, -1))
"""Where a formula is often 0: at a share of a half, at a ratio of 1."""
NOTHING = mpmath.mpf(2) ** -120
FAR_FROM_EXPONENTIALS = 64
"""e^{−64} beside a power of 1/64 is below the last bit of any sum of a few terms."""


_FALLING = (sp.exp, sp.tanh, sp.sinh, sp.cosh, sp.erf, sp.erfc, expm1, log_ndtr, ndtr, sigmoid, softplus)
"""Functions with a part that falls like an exponential; erfcx and log1p go in powers."""


def as_mpf(number: sp.Rational) -> Number:
    """A fraction in high precision."""
    return mpmath.mpf(int(number.p)) / int(number.q)


@dataclass(frozen=True)
class Point:
    """Where x goes: ``centre`` ± scale·t, or ±1/t where that is None."""

    centre: sp.Rational | None
    side: int
    scale: sp.Rational = sp.S.One

    def variable(self, root: int, terms: int) -> Series:
        """x in powers of s, t = s^root."""
        if self.centre is None:
            return Series(-root, [mpmath.mpf(self.side)] + [mpmath.mpf(0)] * (terms - 1))
        coefficients = [mpmath.mpf(0)] * (root + terms)
        coefficients[0] = as_mpf(self.centre)
        coefficients[root] = self.side * as_mpf(self.scale)
        return Series(0, coefficients)

    def distance(self, x: sp.Expr) -> sp.Expr:
        """t."""
        return self.side * (x - self.centre) / self.scale if self.centre is not None else self.side / x

    def away(self, t: Number) -> Number:
        """How far x is from the centre, or x."""
        return self.side * (t * as_mpf(self.scale) if self.centre is not None else 1 / t)


class Variable:
    """A formula over ``x`` and over values that are formulas of x themselves, which are right."""

    def __init__(
        self, body: sp.Expr, x: sp.Symbol, known: Mapping[sp.Basic, sp.Expr], guard: sp.Basic, written: sp.Expr
    ) -> None:
        self.body, self.x, self.known, self.guard, self.written = body, x, known, guard, written

    def expanded(self, point: Point, terms: int, logarithm: float = LOGARITHMS[0]) -> tuple[Expansion, int]:
        """The expansion with the root of t it goes in.

        Raises
        ------
        NoSeries
            if there is none.
        """
        for root in (1, 2, 3, 4, 6):
            found = Expansion({self.x: point.variable(root, terms * root)}, logarithm / root, terms * root)
            try:
                found.at |= {name: found.series(formula) for name, formula in self.known.items()}
                found.series(self.body)
                return found, root
            except NeedsRoot:
                continue
            except (ZeroDivisionError, ValueError, OverflowError, TypeError, StopIteration):
                raise NoSeries from None
        raise NoSeries

    def has_exponentials(self) -> bool:
        """Whether something in it falls faster than any power, so that the series leaves it out."""
        return any(formula.has(*_FALLING) for formula in (self.body, *self.known.values()))

    def is_defined(self, point: Point) -> bool:
        """Whether the formula as it is written has a value at the point itself."""
        try:
            found, _ = self.expanded(point, FEW)
            return all(series.order >= 0 for series in found.found.values())
        except (NoSeries, NeedsRoot):
            return False

    def suffers(self, point: Point) -> bool:
        """Whether digits are lost near a point, or a part overflows before the value does."""
        return self.nearest(point) is not None

    def nearest(self, point: Point) -> int | None:
        """From which of the reaches on a series is wanted: all where digits are lost, the last where a part overflows.

        None where neither happens.
        """
        try:
            found, root = self.expanded(point, FEW)
            if found.series(self.body).vanishes or not found.may_hold(self.guard):
                return None
            if found.loss(self.body) > 0:
                return 0
            return len(REACHES) - 1 if point.centre is None and found.overflows(self.body, root) else None
        except (NoSeries, NeedsRoot):
            return None

    def value(self, x: Number) -> Number | None:
        """The formula's value at a place, found without any series; None where it has none."""
        at = Expansion({self.x: Series(0, [x])}, 0, 1)
        try:
            at.at |= {name: at.series(formula) for name, formula in self.known.items()}
            return at.series(self.body).constant()
        except (NoSeries, NeedsRoot, ValueError, ZeroDivisionError, OverflowError, TypeError):
            return None

    def agrees(self, point: Point, parts: tuple[Series, Series | None], root: int, t: Number) -> bool:
        """Whether the series has the formula's values at two places, found without any series."""
        for place in (t * mpmath.mpf("0.83"), t * mpmath.mpf("0.31")):
            x = point.away(place) + (as_mpf(point.centre) if point.centre is not None else 0)
            value = self.value(x)
            if value is None:
                return False
            s = place ** (mpmath.mpf(1) / root)
            found = parts[0](s) + (parts[1](s) * mpmath.log(place) if parts[1] is not None else 0)
            if abs(found - value) > mpmath.mpf("1e-14") * abs(value):
                return False
        return True

    def series_at(self, point: Point) -> tuple[Series, Series | None, int] | None:
        """The series without log t, and the factor of log t, with the root of t they go in; None if there is none."""
        try:
            first, root = self.expanded(point, MANY + EXTRA)
            if not first.asked_logarithm:
                return first.series(self.body), None, root
            others = [self.expanded(point, MANY + EXTRA, logarithm)[0] for logarithm in LOGARITHMS[1:]]
            one, two, three = (expansion.series(self.body) for expansion in (first, *others))
        except (NoSeries, NeedsRoot):
            return None
        gap = one - two
        if gap.vanishes:
            return one, None, root
        slope = gap.scaled(1 / mpmath.mpf(LOGARITHMS[0] - LOGARITHMS[1]))
        constant = one - slope.scaled(LOGARITHMS[0])
        return (constant, slope, root) if (three - constant - slope.scaled(LOGARITHMS[2])).vanishes else None


def reach(series: Series, root: int, start: int) -> tuple[Number, int] | None:
    """How far a series may be used, in t, and how many of its terms; None if it is nowhere good."""
    terms = series.coefficients
    if series.order >= NEVER or len(terms) < 3:
        return None
    for t in REACHES[start:]:
        s = t ** (mpmath.mpf(1) / root)
        parts = [c * s**n for n, c in enumerate(terms)]
        total = abs(sum(parts[: len(terms) - EXTRA * root], mpmath.mpf(0)))
        turned = abs(sum(p * (-1) ** n for n, p in enumerate(parts)))
        if sum(map(abs, parts)) > 3 * min(total, turned):
            continue
        kept, tail = len(parts), mpmath.mpf(0)
        while kept > 1 and tail + abs(parts[kept - 1]) <= LAST_BIT * total:
            kept -= 1
            tail += abs(parts[kept])
        if kept < len(terms) - EXTRA * root and sum(1 for c in terms[:kept] if c) <= MOST_TERMS:
            return t, kept
    return None


def polynomial(series: Series, kept: int, t: sp.Expr, root: int) -> sp.Expr:
    """The first terms by Horner's rule in the step between their powers."""
    terms = [(n, c) for n, c in enumerate(series.coefficients[:kept]) if c]
    step = 0
    for n, _ in terms:
        step = int(sp.gcd(step, n))
    total: sp.Expr = sp.S.Zero
    by_power = dict(terms)
    if not step:
        total = as_number(terms[0][1])
    else:
        w = t ** sp.Rational(step, root)
        for n in range(terms[-1][0], -1, -step):
            c = as_number(by_power[n]) if n in by_power else sp.S.Zero
            total = c if total == 0 else sp.Add(c, sp.Mul(w, total))
    return sp.Mul(t ** sp.Rational(series.order, root), total)


def settled(
    body: sp.Expr,
    x: sp.Symbol,
    known: Mapping[sp.Basic, sp.Expr],
    guard: sp.Basic = sp.true,
    written: sp.Expr | None = None,
) -> sp.Expr:
    """The formula with the branches it needs; as it was if it needs none.

    Parameters
    ----------
    body : over ``x`` and the names in ``known``.
    known : values that are computed right, with what they are in terms of ``x``.
    guard : where the formula is used; points that it excludes need no branch.
    written : an equal formula that tells where to look, if it is not the body.
    """
    with mpmath.workdps(DIGITS):
        return _settled(Variable(body, x, known, guard, body if written is None else written))


def suffers_anywhere(body: sp.Expr, x: sp.Symbol, known: Mapping[sp.Basic, sp.Expr], guard: sp.Basic) -> bool:
    """Whether a formula loses digits, or overflows before its time, near a point of those that are looked at."""
    with mpmath.workdps(DIGITS):
        variable = Variable(body, x, known, guard, body)
        return any(variable.suffers(point) for points in _points(variable) for point in points)


def _settled(variable: Variable) -> sp.Expr:
    body, x = variable.body, variable.x
    branches: list[tuple[sp.Expr, sp.Basic]] = []
    for points in _points(variable):
        starts = {point: variable.nearest(point) for point in points}
        found = {point: _near(variable, point, n) for point, n in starts.items() if n is not None}
        forms = {point: form for point, form in found.items() if form is not None}
        above, below = (forms.get(point) for point in points)
        if above is not None and below is not None and above.same_as(below):
            branches.append(above.branch(points[0], x, both=True))
        else:
            branches += [form.branch(point, x, both=False) for point, form in forms.items()]
    return Cases(*branches, (body, True)) if branches else body


@dataclass(frozen=True)
class _Near:
    """A series that is used up to ``t``."""

    plain: Series
    with_logarithm: Series | None
    kept: tuple[int, int]
    root: int
    t: Number
    defined: bool

    def same_as(self, other: _Near) -> bool:
        """Whether the series from the other side is this one with −t for t."""
        if self.root > 1 or self.with_logarithm is not None or other.root > 1 or other.with_logarithm is not None:
            return False
        turned = [c * (-1) ** (self.plain.order + n) for n, c in enumerate(self.plain.coefficients)]
        return self.t == other.t and (Series(self.plain.order, turned) - other.plain).vanishes

    def branch(self, point: Point, x: sp.Expr, both: bool) -> tuple[sp.Expr, sp.Basic]:
        distance = point.distance(x)
        value = polynomial(self.plain, self.kept[0], distance, self.root)
        if self.with_logarithm is not None:
            value += sp.log(distance) * polynomial(self.with_logarithm, self.kept[1], distance, self.root)
        edge = sp.Rational(int(mpmath.floor(self.t * 2**20)), 2**20) * point.scale
        if point.centre is None:
            edge = 1 / edge
            return value, (sp.Abs(x) > edge) if both else (x > edge if point.side > 0 else x < -edge)
        away = x - point.centre
        if both:
            return value, sp.And(sp.Abs(away) < edge, sp.true if self.defined else sp.Ne(x, point.centre))
        if point.side > 0:
            return value, sp.And(x < point.centre + edge, x > point.centre)
        return value, sp.And(x > point.centre - edge, x < point.centre)


def _near(variable: Variable, point: Point, start: int) -> _Near | None:
    found = variable.series_at(point)
    if found is None:
        return None
    plain, slope, root = found
    parts = [reach(series, root, start) for series in (plain, slope) if series is not None]
    if any(part is None for part in parts):
        return None
    t = min(part[0] for part in parts if part is not None)
    if point.centre is None and variable.has_exponentials():
        t = min(t, mpmath.mpf(1) / FAR_FROM_EXPONENTIALS)
    kept = tuple(part[1] for part in parts if part is not None)
    if not variable.agrees(point, (plain, slope), root, t):
        return None
    return _Near(plain, slope, (kept[0], kept[-1]), root, t, variable.is_defined(point))


def _points(variable: Variable) -> Iterator[tuple[Point, Point]]:
    """Both sides of each of the places, at the scale of the functions' arguments: of e^{−2000·x} it is 1/1024."""
    arguments = {f.args[0]: sp.S.One for f in atoms_in(variable.written, sp.Function) if len(f.args) == 1}
    arguments |= {p.base: p.exp for p in atoms_in(variable.written, sp.Pow) if p.exp.is_Rational and abs(p.exp) > STEEP}
    slopes = [sp.Abs(slope * times) for u, times in arguments.items() if (slope := _slope(u, variable.x))]
    steepest = max(slopes, default=sp.S.One)
    scale = sp.Integer(2) ** -sp.floor(sp.log(steepest, 2)) if max(steepest, 1 / steepest) >= STEEP else sp.S.One
    for centre in _places(variable):
        yield Point(centre, 1, scale), Point(centre, -1, scale)


def _slope(argument: sp.Expr, x: sp.Symbol) -> sp.Rational | None:
    """The number that x is multiplied by in an argument, if that is linear."""
    rest, product = argument.as_independent(x, as_Add=True)
    number, factor = product.as_coeff_Mul()
    return number if rest.is_number and factor == x and number.is_Rational else None


def _places(variable: Variable) -> Iterator[sp.Rational | None]:
    """0, infinity as None, where what is divided by, is under a root or a logarithm, or is what a function is taken of,
    is 0, or 1 under a logarithm, and those of ``ZEROS`` where the formula is 0."""
    found: dict[sp.Rational, None] = {}
    x = variable.x
    yield sp.S.Zero
    may_cancel = variable.body.has(sp.Add)
    for node in sp.preorder_traversal(variable.written):
        if isinstance(node, sp.Pow) and not (node.exp.is_Integer and node.exp.is_positive):
            parts = [node.base]
        elif isinstance(node, sp.log):
            parts = [node.args[0], node.args[0] - 1]
        elif isinstance(node, sp.Function) and len(node.args) == 1:
            parts = [node.args[0]]
        else:
            continue
        for part in parts:
            if part.is_polynomial(x) and part.has(x) and part.free_symbols == {x}:
                polynomial = sp.Poly(part, x)
                if polynomial.degree() <= MOST_DEGREE and polynomial.domain.is_QQ | polynomial.domain.is_ZZ:
                    found |= dict.fromkeys(sorted(polynomial.ground_roots()))
    for place in ZEROS if may_cancel else ():
        if place not in found and (value := variable.value(as_mpf(place))) is not None and abs(value) < NOTHING:
            found[place] = None
    yield from (point for point in found if point and point.q & (point.q - 1) == 0)
    yield None
