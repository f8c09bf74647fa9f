"""Moments about the mean in place of differences of large moments.

    Σ x·y − (Σ x)·(Σ y)/n  =  Σ (x − x̄)·(y − ȳ),   x̄ = Σ x/n
    E[x²] − E[x]²          =  Σ (x − x̄)²/n
    Σ w·x² − (Σ w·x)²/Σ w  =  Σ w·(x − x̄)²,         x̄ = Σ w·x/Σ w

The left side has an error of ε·E[x²], whatever the variance is (T. F. Chan, G. H. Golub and R. J. LeVeque 1983).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import combinations

import numpy as np
import sympy as sp

from symgraph.core.cost import multiplied_out
from symgraph.core.graph import elements_of
from symgraph.core.indices import Shape, axis, bound
from symgraph.core.rebuild import atoms_in
from symgraph.core.tensor import Element, Tensor
from symgraph.simplify.polynomials import Field, OutOfWorkError, Work, written

Opened = Callable[[sp.Expr], sp.Expr]
MOST_WORK = 20_000
"""Products of terms that the question whether one sum is of a product of two others' terms may take."""


def centred(body: sp.Expr, opened: Opened) -> sp.Expr | None:
    """A pointwise body with its differences of moments as sums about means; None if it has none.

    Parameters
    ----------
    opened : puts the formulas of pointwise values in a formula.
    """
    form = opened(body)
    if sum(_is_sum(element) for element in elements_of(form)) < 2:
        return None
    if not any(_may_multiply(part) for part in atoms_in(form, sp.Mul, sp.Pow)):
        return None
    rule: dict[sp.Basic, sp.Basic] = {}
    for total in sorted(atoms_in(form, sp.Add), key=sp.default_sort_key):
        found = _about_means(total, opened)
        if found is not None:
            rule[total] = found
    return form.xreplace(rule) if rule else None


def _about_means(total: sp.Add, opened: Opened) -> sp.Expr | None:
    sums = [element for element in elements_of(total) if _is_sum(element)]
    places = Counter(map(_places, sums))
    known = sums
    sums = [element for element in sums if places[_places(element)] > 1]
    pairs = _multiplied(total, sums) if sums else []
    for product in sums:
        for one, other in pairs:
            ratio = None if product in (one, other) else _ratio(product, one, other, opened)
            if ratio is None:
                continue
            number, weight = (ratio, sp.S.One) if ratio.is_number else (sp.S.One, 1 / ratio)
            count = _count(product) if ratio.is_number else _total(weight, product, known, opened)
            if count is None:
                continue
            about = Element(_deviations(one, other, weight, count, opened), *product.indices)
            form = multiplied_out(total.xreplace({product: number * (about + one * other / count)}))
            if form.has(about) and not form.has(one, other):
                return form
    return None


def _multiplied(total: sp.Add, sums: list[Element]) -> list[tuple[Element, Element]]:
    """The pairs of sums whose product is in a term of the total: without it there is nothing to be subtracted."""
    place = {element: number for number, element in enumerate(sums)}
    found: set[tuple[int, int]] = set()
    for term in sp.Add.make_args(sp.expand(_over(total, set(sums), {}))):
        powers = [(place[base], power) for base, power in term.as_powers_dict().items() if base in place]
        held = sorted(number for number, power in powers if power >= 1)
        found |= {*combinations(held, 2), *((number, number) for number, power in powers if power >= 2)}
    return [(sums[one], sums[other]) for one, other in sorted(found)]


def _over(part: sp.Expr, sums: set[Element], others: dict[sp.Expr, sp.Expr]) -> sp.Expr:
    """A formula as a polynomial of the sums: all that is none is a symbol, which multiplying out need not open."""
    if part in sums:
        return part
    if isinstance(part, (sp.Add, sp.Mul)):
        inside = [arg for arg in part.args if sums.intersection(elements_of(arg))]
        rest = [others.setdefault(part.func(*(arg for arg in part.args if arg not in inside)), sp.Dummy())]
        return part.func(*(_over(arg, sums, others) for arg in inside), *rest * (len(inside) < len(part.args)))
    if isinstance(part, sp.Pow) and part.exp.is_Integer and part.exp > 1:
        return _over(part.base, sums, others) ** part.exp
    return others.setdefault(part, sp.Dummy())


def _may_multiply(part: sp.Expr) -> bool:
    """Whether a product or a power may have two sums as factors, multiplied out."""
    factors = [part.base] * 2 if isinstance(part, sp.Pow) else part.args
    return [any(map(_is_sum, elements_of(factor))) for factor in factors].count(True) > 1


def _ratio(product: Element, one: Element, other: Element, opened: Opened) -> sp.Expr | None:
    """The number c of Σ c·f·g, Σ f and Σ g over the same places, or 1/w of Σ w·f·g, Σ w·f and Σ w·g."""
    definitions = [element.tensor.definition for element in (product, one, other)]
    if len(set(map(_places, (product, one, other)))) != 1:
        return None
    whole, left, right = (opened(definition.body) for definition in definitions if definition is not None)
    if left == 0 or right == 0 or set(elements_of(whole)) != set(elements_of(left * right)):
        return None
    try:
        field = Field((whole, left, right), Work(MOST_WORK))
        below = field.quotient(left) * field.quotient(right)
        ratio = field.quotient(whole) * below**-1 if below.number else below
    except OutOfWorkError:
        return None
    return written(ratio) if ratio.number else None


def _deviations(one: Element, other: Element, weight: sp.Expr, count: sp.Expr, opened: Opened) -> Tensor:
    """Σ w·(f − Σ w·f/W)·(g − Σ w·g/W)."""
    factors = [weight]
    for element in (one, other):
        definition = element.tensor.definition
        assert definition is not None
        at = Element(element.tensor, *(axis(d) for d in range(element.tensor.ndim)))
        factors.append(sp.Add(*(sp.cancel(term / weight) for term in sp.Add.make_args(opened(definition.body)))))
        factors[-1] -= at / count
        extents = definition.extents
    return Tensor.define(one.tensor.shape, sp.Mul(*factors), "sum", extents)


def _total(weight: sp.Expr, product: Element, sums: list[Element], opened: Opened) -> sp.Expr | None:
    """Σ w: a sum that is there, or of a constant a number; None where there is neither."""
    definition = product.tensor.definition
    assert definition is not None
    over = tuple(bound(d) for d in range(len(definition.extents)))
    for element in sums:
        own = element.tensor.definition
        if own is not None and own.extents == definition.extents and opened(own.body) == weight:
            return element
    if isinstance(weight, Element) and weight.tensor.value is not None and weight.indices == over:
        return sp.Rational(float(np.sum(weight.tensor.value, dtype=np.float64)))
    return None


def _count(element: Element) -> sp.Expr:
    definition = element.tensor.definition
    assert definition is not None
    return sp.Mul(*definition.extents)


def _places(element: Element) -> tuple[Shape, tuple[sp.Expr, ...]]:
    """Over what is summed, and where the sum stands: three sums of one mean have both in common."""
    definition = element.tensor.definition
    assert definition is not None
    return definition.extents, element.indices


def _is_sum(element: Element) -> bool:
    definition = element.tensor.definition
    return definition is not None and definition.op == "sum"
