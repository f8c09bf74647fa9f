"""The difference of a function at two places, by the difference of these: one equation of each function.

    cos a − cos b  =  −2·sin h·sin s,   h = (a − b)/2,  s = (a + b)/2 = b + h, by the addition theorem where s is large
    tan a − tan b  =  sin(a − b)/(cos a·cos b)           atan a − atan b  =  atan((a − b)/(1 + a·b)),  a·b > 0
    eᵃ − eᵇ        =  eᵇ·expm1(a − b)                    aᵖ − bᵖ  =  bᵖ·expm1(p·log1p((a − b)/b)),  b > 0
    uᵛ − 1         =  expm1(v·log u),  u > 0             erf a − erf b  =  4h/√π·e^{−s²}·Σ H₂ₖ(s)·h²ᵏ/(2k + 1)!
    erf a − erf b  =  erfc b − erfc a,  a and b > 0;     erfc(−a) − erfc(−b),  a and b < 0
    σ(a) − σ(b)    =  σ(b)·σ(−a)·expm1(a − b),  a < b    log(1 + eᵃ) − log(1 + eᵇ)  =  log1p(σ(b)·expm1(a − b))
    σ(a) − σ(−a)   =  tanh(a/2)                          log(1 + eᵃ) − log(1 + e⁻ᵃ)  =  a

Where a and b are near each other a − b is exact (P. H. Sterbenz 1974), and of x + y and x it is y by algebra.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import sympy as sp

from symgraph.core.cases import Cases
from symgraph.core.cost import multiplied_out, operations
from symgraph.core.graph import elements_of
from symgraph.core.scalars import Written, expm1, log1p, ndtr, sigmoid, slot, softplus

LARGE = sp.Integer(2) ** 100
"""Up to it the product of two places is in the range of float32."""
NEARLY = sp.Rational(1, 16)
"""How much numbers may differ, of what they are, that are nearly opposite."""
MOST_FACTORED = 16
"""A power of which the difference has few factors."""
FEW = 7
"""Terms of a sum of Hermite's polynomials: where |h|·(1 + |s|) < 1/8, what is left out is below the last bit."""
FAR = 32
"""Beyond it e^{−s²} is 0 in float64, and powers of s are of no use."""


@dataclass(frozen=True)
class Places:
    """Two places, and the power of a difference of powers."""

    a: sp.Expr
    b: sp.Expr
    power: sp.Expr

    @property
    def gap(self) -> sp.Expr:
        """a − b, multiplied out."""
        return multiplied_out(self.a - self.b)

    @property
    def middle(self) -> sp.Expr:
        """(a + b)/2, multiplied out."""
        return multiplied_out((self.a + self.b) / 2)

    def scaled(self, number: sp.Expr) -> Places:
        """The places times a number."""
        return Places(number * self.a, number * self.b, self.power)


Branches = list[tuple[sp.Expr, sp.Basic]]


def difference(total: sp.Expr) -> sp.Expr | None:
    """A sum with its pairs c·f(a) − c·f(b), nearly so too, or c·uᵛ − c, each by the equation of f; None if it has
    none."""
    total = _with_logistic(total)
    found = [(term, *part) for term in sp.Add.make_args(total) for part in _parts(term)]
    for n, (one, c, first) in enumerate(found):
        for other, less, second in found[n + 1 :]:
            if _nearly_opposite(c, less) and _kind(first) == _kind(second):
                a, b = first.args[0], second.args[0]
                near = operations([b]) <= operations([a])  # of x + y and x it is x that is read alone
                f, power = _kind(first)
                places, factor = (Places(a, b, power), c) if near else (Places(b, a, power), -c)
                rest = total - one - other + (c + less) * second
                if f in OPPOSITE and places.a == -places.b:
                    return (difference(rest) or rest) + factor * OPPOSITE[f](places.a)
                branches = [(factor * value, where) for value, where in FORMS[f](places)]
                return (difference(rest) or rest) + Cases(*branches, (c * (first - second), True))
        if isinstance(first, sp.Pow) and -c in total.args and elements_of(first.base):
            u, v = first.args
            logarithm = v * (log1p(u - 1) if sp.S.One in sp.Add.make_args(u) else sp.log(u))
            where = sp.And(u > 0, sp.Abs(logarithm) < 1)
            return total - one + c + Cases((c * expm1(logarithm), where), (one - c, True))
    return None


def _nearly_opposite(c: sp.Expr, other: sp.Expr) -> bool:
    """Whether c·f(a) + other·f(b) cancels where a is near b: then it is c·(f(a) − f(b)), and what c + other is."""
    ratio = other / c
    return bool(ratio.is_Rational and sp.Abs(ratio + 1) < NEARLY)


def _with_logistic(total: sp.Expr) -> sp.Expr:
    """The terms of a sum that have a factor 1/(1 + eᵘ) or log(1 + eᵘ), by its function."""

    def named(factor: sp.Expr) -> sp.Expr:
        is_quotient = isinstance(factor, sp.Pow) and factor.exp == -1
        if not (is_quotient or isinstance(factor, sp.log)):
            return factor
        one, kernel = factor.args[0].as_independent(sp.exp)
        if one != 1 or not isinstance(kernel, sp.exp):
            return factor
        return sigmoid(-kernel.args[0]) if is_quotient else softplus(kernel.args[0])

    terms = [sp.Mul.make_args(term) for term in sp.Add.make_args(total)]
    return sp.Add(*(sp.Mul(*map(named, factors)) for factors in terms))


def _parts(term: sp.Expr) -> Iterator[tuple[sp.Expr, sp.Expr]]:
    """The factors that are a function of ``FORMS``, each after what it is multiplied by."""
    factors = sp.Mul.make_args(term)
    for n, factor in enumerate(factors):
        is_long = isinstance(factor, sp.Pow) and not (factor.exp.is_Integer and abs(factor.exp) <= MOST_FACTORED)
        if is_long or factor.func in FORMS.keys() - {sp.Pow}:
            yield sp.Mul(*factors[:n], *factors[n + 1 :]), factor


def _kind(factor: sp.Expr) -> tuple[type[sp.Basic], sp.Expr]:
    """The function and the power, 1 of what is none."""
    return factor.func, factor.exp if isinstance(factor, sp.Pow) else sp.S.One


# -- the functions ----------------------------------------------------------------------------------------------------
Form = Callable[[Places], Branches]


def _by_addition(number: int, half: type[sp.Function], middle: type[sp.Function]) -> Form:
    """number·half(h)·middle(s)."""

    def form(at: Places) -> Branches:
        b, h = sp.symbols("b h", real=True, cls=sp.Dummy)
        apart = sp.expand_trig(middle(b + h)).xreplace({b: at.b, h: at.gap / 2})
        near = sp.Abs(at.gap) < 1
        first = number * half(at.gap / 2)
        return [(first * middle(at.middle), sp.And(near, sp.Abs(at.middle) < 1)), (first * apart, near)]

    return form


def _by_quotient(sine: type[sp.Function], cosine: type[sp.Function]) -> Form:
    return lambda at: [(sine(at.gap) / (cosine(at.a) * cosine(at.b)), sp.Abs(at.gap) < 4)]


def _arctangent(at: Places) -> Branches:
    product = at.a * at.b
    return [(sp.atan(at.gap / (1 + product)), sp.And(product > 0, product < LARGE))]


def _inverse_tanh(at: Places) -> Branches:
    product = at.a * at.b
    return [(sp.atanh(at.gap / (1 - product)), sp.Abs(product) < sp.S.Half)]


def _inverse_sinh(at: Places) -> Branches:
    a, b = at.a, at.b
    below = a * sp.sqrt(1 + b**2) + b * sp.sqrt(1 + a**2)
    return [(sp.asinh(at.gap * (a + b) / below), sp.And(a * b > 0, a * b < LARGE))]


def _inverse_sine(at: Places) -> Branches:
    a, b = at.a, at.b
    below = a * sp.sqrt((1 - b) * (1 + b)) + b * sp.sqrt((1 - a) * (1 + a))
    sine = at.gap * (a + b)
    is_small = 2 * sp.Abs(sine) < sp.Abs(below)  # an arcsine near ±1 loses half of the digits of its argument
    return [(sp.asin(sine / below), sp.And(a * b > 0, sp.Abs(a) < 1, sp.Abs(b) < 1, is_small))]


def _negative(form: Form) -> Form:
    return lambda at: [(-value, where) for value, where in form(at)]


def _power(at: Places) -> Branches:
    """aᵖ − bᵖ, and log a − log b where the power is 0."""
    step = log1p(at.gap / at.b)
    value = step if at.power == 0 else at.b**at.power * expm1(at.power * step)
    return [(value, sp.Abs(at.gap) < at.b / 2)]


def _error_function(at: Places) -> Branches:
    h, s = at.gap / 2, at.middle
    w, step = sp.symbols("w h", real=True, cls=sp.Dummy)
    total = sp.S.Zero
    for k in reversed(range(FEW)):
        total = sp.hermite(2 * k, w) / sp.factorial(2 * k + 1) + step**2 * total
    value = 4 * h / sp.sqrt(sp.pi) * sp.exp(-(s**2)) * total.xreplace({w: s, step: h})
    return [(value, sp.And(sp.Abs(h) * (1 + sp.Abs(s)) < sp.Rational(1, 8), sp.Abs(s) < FAR))]


def _tails(tail: Callable[[sp.Expr], sp.Expr]) -> Form:
    """By what a function lacks to its limit at ∞, and the same mirrored, which SymPy would write as 2 − tail(a)."""

    def form(at: Places) -> Branches:
        left, right = (Written(tail(slot(0)), -place) for place in (at.a, at.b))
        return [
            (tail(at.b) - tail(at.a), sp.And(at.a > 0, at.b > 0)),
            (left - right, sp.And(at.a < 0, at.b < 0)),
        ]

    return form


def _error(at: Places) -> Branches:
    return _error_function(at) + _tails(sp.erfc)(at)


def _normal(at: Places) -> Branches:
    near = [(value / 2, where) for value, where in _error_function(at.scaled(1 / sp.sqrt(2)))]
    return near + _tails(lambda u: Written(ndtr(slot(0)), -u))(at)


def _logistic(at: Places) -> Branches:
    a, b, gap = at.a, at.b, at.gap
    return [
        (sigmoid(b) * sigmoid(-a) * expm1(gap), sp.And(gap < 0, gap > -LARGE)),
        (-sigmoid(a) * sigmoid(-b) * expm1(-gap), sp.And(gap > 0, gap < LARGE)),
    ]


FORMS: dict[type[sp.Basic], Form] = {
    sp.cos: _by_addition(-2, sp.sin, sp.sin),
    sp.sin: _by_addition(2, sp.sin, sp.cos),
    sp.cosh: _by_addition(2, sp.sinh, sp.sinh),
    sp.sinh: _by_addition(2, sp.sinh, sp.cosh),
    sp.tan: _by_quotient(sp.sin, sp.cos),
    sp.tanh: _by_quotient(sp.sinh, sp.cosh),
    sp.atan: _arctangent,
    sp.atanh: _inverse_tanh,
    sp.asinh: _inverse_sinh,
    sp.asin: _inverse_sine,
    sp.acos: _negative(_inverse_sine),
    sp.exp: lambda at: [(sp.exp(at.b) * expm1(at.gap), sp.Abs(at.gap) < 1)],
    sp.log: lambda at: _power(Places(at.a, at.b, sp.S.Zero)),
    sp.Pow: _power,
    sp.erf: _error,
    sp.erfc: _negative(_error),
    ndtr: _normal,
    sigmoid: _logistic,
    softplus: lambda at: [(log1p(sigmoid(at.b) * expm1(at.gap)), sp.Abs(at.gap) < 1)],
}
"""What each difference is near, each branch with its condition; elsewhere it is as it was written."""
OPPOSITE: dict[type[sp.Basic], Callable[[sp.Expr], sp.Expr]] = {
    softplus: lambda a: a,
    sigmoid: lambda a: sp.tanh(a / 2),
    sp.erfc: lambda a: -2 * sp.erf(a),
    ndtr: lambda a: sp.erf(a / sp.sqrt(2)),
}
"""f(a) − f(−a)."""
