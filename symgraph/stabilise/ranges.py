"""Equal forms for where an intermediate value leaves the range of floating point; sampled errors decide on them.

    √(x² + y²)      m·√((x/m)² + (y/m)²),   m = max(|x|, |y|)        (J. L. Blue 1978; W. Kahan: hypot)
    log(1 + x²)     2·log m + log((1/m)² + (x/m)²),   m = max(1, |x|)
    √(x·y)          √|x|·√|y|               log(x·y)      log|x| + log|y|
    x²/(x² + y²)^{3/2}      (x/m)·(x/m)/m/((x/m)² + (y/m)²)^{3/2}
    √Σ xᵢ²                  m·√Σ (xᵢ/m)²,  m = maxᵢ |xᵢ|
    Σ xᵢ/n                  (2ᵏ/n)·Σ xᵢ/2ᵏ,  or Σ (xᵢ/n)              (where the sum is infinite)

They are used where x² + y² is below 2⁻¹⁰⁰ or above 2¹⁰⁰ alone: elsewhere the value is that of the formula as it was
written, to the last bit, so that none of them can be worse there. Of a sum of up to ``SHORT`` terms m is always found;
that of a longer one, of what the caller gives, has {|xᵢ| if Σ xᵢ² is beyond those, else −∞} for terms, none of which
is computed where the sum is of ordinary size (:mod:`codegen.loops.seldom`): it takes no time, and is not chosen but
added.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import gcd

import sympy as sp
from sympy.core.relational import Relational

from symgraph.core.cases import Cases
from symgraph.core.compared import compared
from symgraph.core.graph import elements_of
from symgraph.core.indices import Index, axis, bound
from symgraph.core.rebuild import atoms_in
from symgraph.core.scalars import Written, log1p, slot
from symgraph.core.tensor import Definition, Element, Tensor
from symgraph.core.views import inlined
from symgraph.simplify.branches import per_branch

LEAST, MOST = sp.Integer(2) ** -100, sp.Integer(2) ** 100
"""Sums of squares in between, and their powers up to the fourth, are in the range of float64, and they of float32's."""
MOST_FACTORS = 8
"""Factors of a product, with their multiplicity, that are divided by a maximum one by one."""
SHORT = 32
"""Terms of a sum that is added up a second time, and a third for its largest term, in the same vectors."""

Opened = Callable[[sp.Expr], sp.Expr]


@dataclass(frozen=True)
class Reading:
    """How a body is read: ``opened`` puts the formulas of pointwise values in a formula; ``long`` where sums of more
    than ``SHORT`` terms are scaled and no others; ``conditions`` are those that the body has already."""

    opened: Opened
    long: bool = False
    conditions: frozenset[sp.Basic] = frozenset()

    def fits(self, element: sp.Expr) -> bool:
        """Whether a value is a sum that is scaled: a short one, or a long one along which memory is read."""
        definition = element.tensor.definition if isinstance(element, Element) else None
        if definition is None or definition.op != "sum":
            return False
        return (
            runs_along_leaves(definition)
            if self.long and not is_short_sum(element)
            else (not self.long and is_short_sum(element))
        )


def scaled(body: sp.Expr, opened: Opened) -> tuple[sp.Expr, ...]:
    """The body with its roots, logarithms and quotients of sums of squares scaled; nothing if it has none.

    ``opened`` puts the formulas of pointwise values in a formula.
    """
    return _forms(body, Reading(opened))


def with_long_sums_scaled(body: sp.Expr, opened: Opened) -> sp.Expr:
    """The same of long sums, in every branch: equal to the last bit where these are of ordinary size."""
    read = Reading(opened, True)
    if not any(map(read.fits, [e for element in elements_of(body) for e in (element, *elements_of(_meant(element)))])):
        return body
    read = Reading(opened, True, frozenset(atoms_in(body, Relational)))
    form = per_branch(body, lambda branch, _: (*_forms(branch, read), branch)[0])
    form = _without_squares_of_nought(form, read)
    return body if form == body else per_branch(form, lambda branch, _: branch)


def _forms(body: sp.Expr, read: Reading) -> tuple[sp.Expr, ...]:
    if body.has(sp.Piecewise, Written) or not body.has(*RULES):
        return ()
    found = _scaled(body, read)
    return () if found == body else (found,)


def _scaled(node: sp.Expr, read: Reading) -> sp.Expr:
    if not node.args or isinstance(node, Element) or not isinstance(node, sp.Expr):
        return node
    for rule in RULES.get(node.func, ()):
        found = rule(node, read)
        if found is not None:
            return found
    args = [_scaled(arg, read) for arg in node.args]
    return node if all(new is old for new, old in zip(args, node.args, strict=True)) else node.func(*args)


def without_squares_of_nought(body: sp.Expr, opened: Opened) -> sp.Expr:
    """The body with the conditions Σ t² = 0 and Σ t² ≠ 0 as m = 0 and m ≠ 0, for squares underflow."""
    return _without_squares_of_nought(body, Reading(opened))


def _without_squares_of_nought(body: sp.Expr, read: Reading) -> sp.Expr:
    rule = {}
    for condition in atoms_in(body, sp.Eq, sp.Ne):
        squares = _squares(condition.lhs, read) if condition.rhs == 0 else None
        if squares is not None:
            rule[condition] = condition.func(squares.largest, 0)
    return body.xreplace(rule) if rule else body


# -- sums of squares ---------------------------------------------------------------------------------------------------
class _Squares:
    """A sum Σ cᵢ·tᵢᵏ with positive numbers cᵢ, and tᵢᵏ ≥ 0, as mᵏ·Σ cᵢ·(tᵢ/m)ᵏ."""

    def __init__(self, total: sp.Expr, largest: sp.Expr, rest: sp.Expr, k: int) -> None:
        self.total, self.largest, self.rest, self.k = total, largest, rest, k

    def used(self) -> sp.Basic:
        """Where the scaled form is taken: not where m is 0 or infinite, for there what is scaled is NaN."""
        return sp.And(sp.Or(self.total < LEAST, self.total > MOST), self.rest > 0)


def ratio(above: sp.Expr, below: sp.Expr) -> sp.Expr:
    """A quotient that algebra leaves as it is."""
    return Written(slot(0) / slot(1), above, below)


def _squares(total: sp.Expr, read: Reading) -> _Squares | None:
    if total.is_number or (total < LEAST) in read.conditions:
        return None
    formula = _meant(total.args[0] if isinstance(total, sp.Abs) else total)  # which no sum of tᵏ ≥ 0 needs
    sums = [factor for factor in sp.Mul.make_args(formula) if read.fits(factor)]
    if len(sums) == 1:
        number = sp.Mul(*(factor for factor in sp.Mul.make_args(formula) if factor not in sums))
        return _sum_of_squares(total, number, sums[0], read) if _is_positive_number(number) else None
    if not isinstance(formula, sp.Add):
        return None
    found = [(term, _degree(term), _squares(term, read)) for term in formula.args]
    degrees = [own if inner is None else inner.k for _, own, inner in found]
    k = 0 if None in degrees else gcd(*(degree or 0 for degree in degrees))
    if k < 2 or any(inner and inner.k != k for *_, inner in found):
        return None
    roots = [(inner.rest, inner.largest) if inner else _root(term, k) for term, _, inner in found]
    largest = compared(sp.Max, [sp.Abs(t) for _, t in roots])
    return _Squares(total, largest, sp.Add(*(c * ratio(t, largest) ** k for c, t in roots)), k)


def _sum_of_squares(total: sp.Expr, number: sp.Expr, element: Element, read: Reading) -> _Squares | None:
    """Those of a sum over an index."""
    definition, shape = element.tensor.definition, element.tensor.shape
    assert definition is not None
    found = _roots(_read(definition.body)) or _roots(read.opened(definition.body))
    if found is None:
        return None
    parts, k = found
    at = tuple(axis(d) for d in range(len(shape)))
    squares = number * Element(element.tensor, *at)
    beyond = sp.Or(squares < LEAST, squares > MOST) if read.long else sp.true
    largest = compared(sp.Max, [sp.Abs(t) for _, t in parts])
    greatest = Tensor.define(shape, Cases((largest, beyond), (-sp.oo, True)), "max", definition.extents)
    m = Element(greatest, *at)
    scaled = sp.Add(*(c * ratio(t, m) ** k for c, t in parts))
    rest = Tensor.define(shape, Cases((scaled, beyond), (sp.S.Zero, True)), "sum", definition.extents)
    return _Squares(total, Element(greatest, *element.indices), number * Element(rest, *element.indices), k)


def _meant(value: sp.Expr) -> sp.Expr:
    """The formula of a mean that is read; anything else as it is."""
    definition = value.tensor.definition if isinstance(value, Element) else None
    is_multiple = definition is not None and definition.op is None and isinstance(definition.body, sp.Mul)
    return inlined(value) if is_multiple else value


def _is_positive_number(number: sp.Expr) -> bool:
    """Whether it is positive and the same everywhere: of numbers and sizes."""
    return not atoms_in(number, Element, Index) and bool(number.is_positive)


def _read(body: sp.Expr) -> sp.Expr:
    """The formula of what a body is another name for: t², of a value t that has a name, and |t|³ of one of |t|."""
    base, _ = body.as_base_exp()
    definition = base.tensor.definition if isinstance(base, Element) else None
    if definition is None or definition.op is not None:
        return body
    formula = inlined(base)
    if base == body:
        return _read(formula) if isinstance(formula.as_base_exp()[0], Element) else formula
    return body.xreplace({base: formula}) if isinstance(formula, sp.Abs) else body


def is_short_sum(element: Element) -> bool:
    """Whether it is a sum of at most ``SHORT`` terms, the number of which is known, over axes, and not over a window:
    an image of averages is not computed twice."""
    definition = element.tensor.definition
    if definition is None or definition.op != "sum":
        return False
    size, over = sp.Mul(*definition.extents), {bound(d) for d in range(len(definition.extents))}
    places = [place for read in elements_of(definition.body) for place in read.indices if place.free_symbols & over]
    return bool(size.is_Integer) and int(size) <= SHORT and all(place in over for place in places)


def runs_along_leaves(definition: Definition) -> bool:
    """Whether a reduction reads what the caller gives alone, and along the last axes of it."""
    over = {bound(d) for d in range(len(definition.extents))}

    def runs_along(element: Element) -> bool:
        first = next((n for n, index in enumerate(element.indices) if index.free_symbols & over), element.tensor.ndim)
        return element.tensor.dtype != "integer" and all(index in over for index in element.indices[first:])

    read = elements_of(_read(definition.body))
    return bool(read) and all(element.tensor.definition is None and runs_along(element) for element in read)


def _roots(total: sp.Expr) -> tuple[list[tuple[sp.Expr, sp.Expr]], int] | None:
    """c and t of the terms c·tᵏ of a sum, and k; None where there are others."""
    terms = sp.Add.make_args(total)
    degrees = [_degree(term) for term in terms]
    k = 0 if None in degrees else gcd(*(degree or 0 for degree in degrees))
    return ([_root(term, k) for term in terms], k) if k > 1 else None


def _degree(term: sp.Expr) -> int | None:
    """The largest k of a term c·tᵏ with tᵏ ≥ 0 and a positive number c, 0 of c alone; None of what is no such term."""
    number, powers = _powers(term)
    if not number.is_positive or any(base == sp.E or not q.is_Integer for base, q in powers.items()):
        return None
    signed = term.as_powers_dict()
    return None if any(sp.S(signed.get(base, 0)).is_odd for base in powers) else gcd(*map(int, powers.values()))


def _root(term: sp.Expr, k: int) -> tuple[sp.Expr, sp.Expr]:
    """c and t of a term c·tᵏ."""
    number, powers = _powers(term)
    return number, sp.Mul(*((base if k % 2 == 0 else sp.Abs(base)) ** (q // k) for base, q in powers.items()))


def _powers(term: sp.Expr) -> tuple[sp.Expr, dict[sp.Expr, sp.Expr]]:
    """The number of a term, and the powers of the others of its factors; |x| is one of x, as in x²·|x|."""
    number, rest = term.as_coeff_Mul()
    powers: dict[sp.Expr, sp.Expr] = {}
    for factor in sp.Mul.make_args(rest) if rest != 1 else ():
        base, q = factor.as_base_exp()
        base = base.args[0] if isinstance(base, sp.Abs) else base
        powers[base] = powers.get(base, sp.S.Zero) + q
    return number, powers


def _power_of_squares(power: sp.Expr, read: Reading) -> sp.Expr | None:
    """(Σ tᵏ)ᵖ = mᵏᵖ·(Σ (t/m)ᵏ)ᵖ."""
    base, p = power.args
    if p.is_Rational and p.q == 2 and isinstance(base, sp.Mul):
        return _power_of_product(base, p)
    squares = _squares(base, read)
    if squares is None or not p.is_Rational or (p.is_Integer and p > 0):
        return None
    if p < 0:
        return _quotient(power, read)
    return Cases((squares.largest ** (squares.k * p) * squares.rest**p, squares.used()), (power, True))


def _logarithm(logarithm: sp.Expr, read: Reading) -> sp.Expr | None:
    """log Σ tᵏ = k·log m + log Σ (t/m)ᵏ, and log Π fᵖ = Σ p·log|f|."""
    argument = logarithm.args[0] + (1 if isinstance(logarithm, log1p) else 0)
    squares = _squares(argument, read)
    if squares is not None:
        return Cases((squares.k * sp.log(squares.largest) + sp.log(squares.rest), squares.used()), (logarithm, True))
    factors = _factors(argument)
    if factors is None:
        return None
    number, powers = factors
    total = sp.Add(*(p * sp.log(sp.Abs(f)) for f, p in powers), sp.log(number))
    return Cases((total, _outside(argument, powers)), (logarithm, True))


def _power_of_product(product: sp.Expr, p: sp.Rational, others: Sequence[sp.Expr] = ()) -> sp.Expr | None:
    """√(Π f) = Π √|f|, times other factors."""
    factors = _factors(product)
    if factors is None:
        return None
    number, powers = factors
    value = number**p * sp.Mul(*(sp.Abs(f) ** (q * p) for f, q in powers), *map(_of_size, others))
    return Cases((value, _outside(product, powers)), (sp.Mul(sp.Pow(product, p), *others), True))


def _of_size(factor: sp.Expr) -> sp.Expr:
    """An even power as that of the size, so that it joins other powers of it."""
    base, q = factor.as_base_exp()
    return sp.Abs(base) ** q if q.is_Integer and q.is_even else factor


def _factors(product: sp.Expr) -> tuple[sp.Expr, list[tuple[sp.Expr, sp.Expr]]] | None:
    """A positive number and the powers of a product of values that may overflow though their root does not."""
    number, rest = product.as_coeff_Mul()
    powers = [factor.as_base_exp() for factor in sp.Mul.make_args(rest)]
    if not number.is_positive or any(base == sp.E or base.is_number or not q.is_Integer for base, q in powers):
        return None
    return (number, powers) if sum(abs(q) for _, q in powers) > 1 else None


def _outside(product: sp.Expr, powers: Sequence[tuple[sp.Expr, sp.Expr]]) -> sp.Basic:
    """Whether a product leaves the range, though its factors are neither 0 nor of a sign that makes it negative."""
    odd = [f for f, q in powers if q.is_odd]
    if len(odd) <= 2:
        positive = sp.Or(sp.And(*(f > 0 for f in odd)), sp.And(*(f < 0 for f in odd)) if len(odd) == 2 else sp.false)
    else:
        positive = sp.Mul(*map(sp.sign, odd)) > 0
    apart = sp.And(*(sp.Ne(f, 0) for f, q in powers if not q.is_odd))
    return sp.And(sp.Or(product < LEAST, product > MOST), positive, apart)


def _sign(sign: sp.Expr, read: Reading) -> sp.Expr | None:
    """sign Σ tᵏ = sign m: the sum is 0 where all powers underflow."""
    squares = _squares(sign.args[0], read)
    return None if squares is None else sp.sign(squares.largest)


def _quotient(product: sp.Expr, read: Reading) -> sp.Expr | None:
    """Π f·(Σ tᵏ)⁻ᵖ: k·p of the factors are divided by m before they are multiplied."""
    for factor in sp.Mul.make_args(product):
        base, p = factor.as_base_exp()
        if not (p.is_Rational and p.is_negative):
            continue
        others = [other for other in sp.Mul.make_args(product) if other is not factor]
        if p.q == 2 and isinstance(base, sp.Mul):
            return _power_of_product(base, p, others)
        squares = _squares(base, read)
        if squares is not None and (n := -squares.k * p) <= MOST_FACTORS:
            times = int(n)
            others = [(isinstance(other, sp.sign) and _sign(other, read)) or other for other in others]
            value = _divided(others, squares.largest, times) * squares.largest ** (times - n) * squares.rest**p
            return Cases((value, squares.used()), (product, True))
        if p.is_Integer and -MOST_FACTORS <= p <= -2 and _is_norm(read.opened(base), read):
            return _divided(others, base, int(-p))
    return None


def _is_norm(value: sp.Expr, read: Reading) -> bool:
    """Whether it is (Σ tᵏ)¹ᐟᵏ."""
    squares = _squares(value.base, read) if isinstance(value, sp.Pow) and value.exp.is_Rational else None
    return squares is not None and squares.k * value.exp == 1


def _divided(factors: Sequence[sp.Expr], divisor: sp.Expr, times: int) -> sp.Expr:
    """A product that is divided by the divisor so many times, one factor after the other."""
    units: list[sp.Expr] = []
    rest: list[sp.Expr] = []
    for factor in factors:
        base, q = factor.as_base_exp()
        if q.is_Integer and 0 < q <= MOST_FACTORS and not base.is_number and len(units) + q <= MOST_FACTORS:
            units += [base] * int(q)
        else:
            rest.append(factor)
    value = sp.Mul(*(ratio(unit, divisor) for unit in units[:times]), *units[times:], *rest)
    for _ in range(times - len(units)):
        value = ratio(value, divisor)
    return value


def _mean(product: sp.Expr, read: Reading) -> sp.Expr | None:
    """Σ x/n by smaller terms, where the sum of values that the caller gives overflows: of a short one by Σ x/2ᵏ."""
    sums = [factor for factor in product.args if read.fits(factor)]
    number = sp.Mul(*(factor for factor in product.args if factor not in sums))
    if len(sums) != 1 or not _is_positive_number(number) or (number >= 1) == sp.true:
        return None
    (total,) = sums
    definition, shape = total.tensor.definition, total.tensor.shape
    body = _read(definition.body)
    if not isinstance(body, Element) or body.tensor.definition is not None or body.tensor.is_label:
        return None
    infinite = sp.Ne(Written(slot(0) - slot(1), total, total), 0)
    if infinite in read.conditions:
        return None
    if read.long:
        own = Element(total.tensor, *(axis(d) for d in range(len(shape))))
        least, term = number, Cases((number * body, infinite.xreplace({total: own})), (sp.S.Zero, True))
    else:
        least = sp.Integer(2) ** -int(sp.Mul(*definition.extents)).bit_length()  # products by it are exact
        term = least * body
    small = Element(Tensor.define(shape, term, "sum", definition.extents), *total.indices)
    return Cases((number / least * small, infinite), (product, True))


Rule = Callable[[sp.Expr, Reading], "sp.Expr | None"]
RULES: dict[type[sp.Basic], tuple[Rule, ...]] = {
    sp.Pow: (_power_of_squares,),
    sp.log: (_logarithm,),
    log1p: (_logarithm,),
    sp.sign: (_sign,),
    sp.Mul: (_quotient, _mean),
}
