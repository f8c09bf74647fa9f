"""Equal forms by one equation each, wherever its left side is found in a formula; sampled errors decide on them.

v·eᵘ − v·cos u            v·(eᵘ − cos u), so that the difference is of one value
(1 − eᵘ)·e^{u − exp u}    e^{u − exp u} − e^{2u − exp u}: ∞·0 is the exponential of −∞
log(1 + u)                log1p(u)
(1 + u)ᵛ                  e to v·log1p(u)
cosh u/cosh v             e^{|u| − |v|} times what is near 1
uᵛ/(1 + uᵛ)               σ(v·log u)
f(a) − f(b)               by a − b (:mod:`differences`)
erf a − tanh b            by what these lack to 1 (:mod:`tails`)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import sympy as sp

from symgraph.core.cases import Cases
from symgraph.core.cost import is_short_multiplied_out, multiplied_out, operations
from symgraph.core.graph import elements_of
from symgraph.core.rebuild import atoms_in, bottom_up, evaluated
from symgraph.core.scalars import Written, expm1, log1p, softplus
from symgraph.core.tensor import Element
from symgraph.errors import DomainError
from symgraph.simplify.branches import per_branch
from symgraph.stabilise.differences import MOST_FACTORED, difference
from symgraph.stabilise.places import GROWING
from symgraph.stabilise.scalar import stable, with_expm1, with_one_exponential
from symgraph.stabilise.tails import by_tails, log_by_tail, without_falling

MOST_OF_POWERS = 20
"""Operations of a formula whose powers are written as exponentials."""


def rewritten(body: sp.Expr) -> Iterator[sp.Expr]:
    """What each row makes of a formula without branches, if anything."""
    if body.has(sp.Piecewise, Written):
        return
    for row, kind in ROWS.items():
        if atoms_in(body, kind) and (found := _everywhere(body, row, kind)) != body:
            yield found
    if (found := _by_exponentials(body)) is not None:
        yield found


def _everywhere(body: sp.Expr, row: Row, kind: type[sp.Basic]) -> sp.Expr:
    def built(node: sp.Basic, args: list[sp.Basic]) -> sp.Basic:
        node = evaluated(node, args)
        try:
            found = row(node) if isinstance(node, kind) else None  # type: ignore[arg-type]
        except DomainError:  # conditions on what has more branches already than are written out
            found = None
        return node if found is None else found

    return bottom_up(body, _has_no_formulas, built, {})  # type: ignore[return-value]


def _has_no_formulas(node: sp.Basic) -> bool:
    return not node.args or isinstance(node, Element) or not isinstance(node, sp.Expr)


def without_common_factors(total: sp.Expr) -> sp.Expr:
    """A sum as a product of what all its terms have as a factor, xʸ of xʸ and xʸ⁻¹ too, and of the rest; the formula
    itself otherwise."""
    if not isinstance(total, sp.Add):
        return total
    terms = [term.as_powers_dict() for term in total.args]
    powers = {f: [sp.S(t.get(f, 0)) for t in terms] for f in terms[0] if elements_of(sp.Tuple(f, terms[0][f]))}
    shared = {f: p for f, p in powers.items() if elements_of(p[0]) or all(one.is_positive for one in p)}
    differences = {f: [sp.expand(one - p[0]) for one in p] for f, p in shared.items()}
    least = {f: sp.expand(shared[f][0] + min(d)) for f, d in differences.items() if all(one.is_Rational for one in d)}
    if not least:
        return total
    factor = sp.Mul(*(f**power for f, power in least.items()))
    rest = sp.Add(*(sp.Mul(*(f ** sp.expand(p - least.get(f, 0)) for f, p in t.items())) for t in terms))
    return total if rest.is_number else sp.Mul(factor, rest)


def without_products(body: sp.Expr) -> sp.Expr:
    """A formula with its products multiplied out, if that is short."""
    return sp.expand_mul(body) if is_short_multiplied_out(body) else body


def _multiplied_out(product: sp.Expr) -> sp.Expr | None:
    """(c + eᵘ)·eᵛ as c·eᵛ + e^{u + v}, where v has an exponential in it; but where u is small, for c may be −1."""
    sums = [f for f in product.args if isinstance(f, expm1) or (isinstance(f, sp.Add) and f.has(sp.exp))]
    steep = [f for f in product.args if isinstance(f, sp.exp) and f.args[0].has(sp.exp)]
    if len(sums) != 1 or not steep:
        return None
    total = sums[0].rewrite_plain() if isinstance(sums[0], expm1) else sums[0]
    rest = sp.Mul(*(f for f in product.args if f is not sums[0]))
    apart = sp.Add(*(with_one_exponential(rest * term) for term in total.args))
    far = [kernel.args[0] > 1 for kernel in atoms_in(total, sp.exp)]
    return Cases((apart, sp.Or(*far)), (product, True))


def _as_one_exponential(product: sp.Expr) -> sp.Expr | None:
    """eᵘ·eᵛ as e^{u + v}, since one of them may overflow alone."""
    exponents = [factor.args[0] for factor in product.args if isinstance(factor, sp.exp)]
    if len(exponents) < 2:
        return None
    return sp.Mul(sp.exp(sp.Add(*exponents)), *(f for f in product.args if not isinstance(f, sp.exp)))


def _of_hyperbolic(product: sp.Expr) -> sp.Expr | None:
    """cosh u/cosh v as e^{|u| − |v|}·(1 + e^{−2|u|})/(1 + e^{−2|v|}), for both overflow where the quotient does not;
    the same of sinh, and of the terms of what is divided."""
    if not product.has(sp.cosh, sp.sinh):
        return None
    terms = sp.Add.make_args(without_products(product))
    found = [_by_sizes(term) for term in terms]
    return sp.Add(*(new or term for new, term in zip(found, terms, strict=True))) if any(found) else None


def _by_sizes(product: sp.Expr) -> sp.Expr | None:
    """One quotient of hyperbolic functions by exponentials that do not overflow but for their quotient."""
    powers = {f: f.as_base_exp() for f in sp.Mul.make_args(product)}
    found = {f: (u, p) for f, (u, p) in powers.items() if isinstance(u, sp.cosh | sp.sinh) and p.is_Integer}
    if len({p.is_positive for _, p in found.values()}) < 2:
        return None
    exponent, rest = sp.S.Zero, sp.Mul(*(f for f in powers if f not in found))
    for base, p in found.values():
        size = sp.Abs(base.args[0])
        exponent += p * size
        half = 1 + sp.exp(-2 * size) if isinstance(base, sp.cosh) else -sp.sign(base.args[0]) * expm1(-2 * size)
        rest *= (half / 2) ** p
    return sp.exp(exponent) * rest


def _over_a_power(product: sp.Expr) -> sp.Expr | None:
    """(c − uᵐ)/uⁿ as (c/uᵐ − 1)/uⁿ⁻ᵐ, for uⁿ may leave the range where the quotient does not."""
    for total in (factor for factor in product.args if isinstance(factor, sp.Add)):
        for u, n in product.as_powers_dict().items():
            if isinstance(u, Element) and n.is_Integer and n < -2:
                powers = [term.as_powers_dict().get(u, sp.S.Zero) for term in total.args]
                most = max((power for power in powers if power.is_Integer), default=0)
                if most > 0:
                    return product / total * u**most * sp.Add(*(term * u**-most for term in total.args))
    return None


def _logarithm_of_one_and(logarithm: sp.Expr) -> sp.Expr | None:
    """log(1 + u) as log1p(u), unless u is of exponentials, which overflow in either, and of which no sum divides; of a
    quotient where it is near 1,
    and of what is 1 + u multiplied out."""
    argument = logarithm.args[0]
    divided = any(power.exp.is_negative and power.base.has(sp.exp) for power in atoms_in(argument, sp.Pow))
    if argument.has(sp.exp) and not divided:
        return None
    if sp.S.One in sp.Add.make_args(argument):
        return log1p(stable(argument - 1, lambda inside: inside) if divided else argument - 1)
    if divided:
        return None
    above, below = sp.fraction(argument)
    rest = multiplied_out(above - below)
    factors = sp.factor(rest)
    if not (isinstance(below, sp.Add) or sp.S.One in sp.Add.make_args(rest + below) or not isinstance(factors, sp.Add)):
        return None
    rest = factors / below
    return Cases((log1p(rest), sp.Abs(rest) < sp.S.Half), (logarithm, True))


def _logarithm_of_growing(logarithm: sp.Expr) -> sp.Expr | None:
    """log(f/x) as log f − log x where f grows as an exponential: f overflows long before its logarithm does."""
    factors = sp.Mul.make_args(logarithm.args[0])
    growing = sp.Mul(*(factor for factor in factors if factor.has(*GROWING)))
    rest = logarithm.args[0] / growing
    if not growing.has(sp.Add, sp.sinh, sp.cosh) or rest.is_number:
        return None
    first, other = (stable(sp.log(sign * growing), lambda inside: inside) + sp.log(sign * rest) for sign in (1, -1))
    return Cases((first, rest > 0), (other, rest < 0), (logarithm, True))


def power_of_one_and(power: sp.Expr) -> sp.Expr | None:
    """(1 + u)ᵛ as e to v·log1p(u), where u is small: v may be large."""
    base, exponent = power.as_base_exp()
    is_large = not exponent.is_number or abs(exponent) > MOST_FACTORED
    if sp.S.One not in sp.Add.make_args(base) or not is_large:
        return None
    return Cases((sp.exp(exponent * log1p(base - 1)), sp.Abs(base - 1) < sp.S.Half), (power, True))


def _by_exponentials(body: sp.Expr) -> sp.Expr | None:
    """Powers uᵛ, uᵛ⁻¹, … of one value as eʷ, eʷ/u, …, w = v·log u, by the forms of exponentials: uᵛ/(1 + uᵛ) = σ(w).

    What has one power alone, as a bias correction 1/(1 − βᵏ), is right where that overflows; not (1 + uᵛ)¹ᐟᵛ.
    """
    powers = [power for power in atoms_in(body, sp.Pow) if isinstance(power.base, Element) and elements_of(power.exp)]
    if not powers or len({power.base for power in powers}) > 1 or operations([body]) > MOST_OF_POWERS:
        return None
    is_under_another = any(elements_of(p.exp) and p.base.has(*powers) for p in atoms_in(body, sp.Pow))
    if sum(body.count(power) for power in powers) == 1 and not is_under_another:
        return None
    u, v = min(powers, key=sp.default_sort_key).args
    v -= v.as_coeff_Add()[0]
    steps = {power: sp.expand(power.exp - v) for power in powers}
    if not all(step.is_Rational for step in steps.values()):
        return None
    w = sp.Dummy("w", real=True)
    over = body.xreplace({power: sp.exp(w) * u**step for power, step in steps.items()})
    over = over.replace(
        lambda e: isinstance(e, sp.Pow) and e.base != sp.E and e.base.has(w) and elements_of(e.exp),
        lambda e: sp.exp(e.exp * stable(sp.log(e.base), lambda inside: inside)),
    )
    form = with_one_exponential(stable(over, lambda inside: inside))
    large = form.replace(sp.exp, lambda e: sp.exp(sp.expand(e.xreplace({softplus(w): w + softplus(-w)}))))
    branches = [(form, True)] if large == form else [(large, w > 0), (form, True)]
    found = Cases(*branches).xreplace({w: v * sp.log(u)})
    return per_branch(Cases((found, u > 0), (body, True)), lambda branch, _: branch)


Row = Callable[[sp.Expr], "sp.Expr | None"]
ROWS: dict[Row, type[sp.Basic]] = {
    without_common_factors: sp.Add,
    with_expm1: sp.Add,
    _multiplied_out: sp.Mul,
    _as_one_exponential: sp.Mul,
    _over_a_power: sp.Mul,
    _of_hyperbolic: sp.Mul,
    _logarithm_of_one_and: sp.log,
    _logarithm_of_growing: sp.log,
    power_of_one_and: sp.Pow,
    difference: sp.Add,
    by_tails: sp.Add,
    log_by_tail: sp.log,
    without_falling: sp.Add,
}
"""Each row with what it changes."""
