"""Stable forms of scalar formulas: logarithms of products and sums of exponentials, quotients of exponentials.

log Σ_i eʷⁱ           as  m + log Σ_i e^{w_i − m},  m = max w_i
(e²ᵘ − 1)/(e²ᵘ + 1)  as  tanh u,    eᵘ/(1 + eᵘ)  as  σ(u),    eᵘ − 1  as  expm1(u),    log(1 + u)  as  log1p(u)
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import sympy as sp

from symgraph.core.cases import Cases
from symgraph.core.compared import compared
from symgraph.core.cost import cost, operations
from symgraph.core.rebuild import atoms_in, replaced
from symgraph.core.scalars import StableFunction, Written, expm1, log1p, sigmoid, slot, softplus
from symgraph.simplify.fold import Relation, eliminate
from symgraph.simplify.polynomials import Work
from symgraph.simplify.rational import PROBLEM, Kernels, in_lowest_terms, irreducible
from symgraph.stabilise.signs import is_below_largest

MOST_FACTORED = 8
"""Degree of a polynomial that is taken apart."""
WELL_SCALED = 2**10
"""Coefficients up to this, and down to its inverse, keep squares of a polynomial of e^{−|u|} far from overflow."""

Opener = Callable[[sp.Expr], sp.Expr]


def stable(expression: sp.Expr, opened: Opener) -> sp.Expr:
    """A stable form; ``opened`` replaces values by the exponentials that define them, for use under a logarithm."""
    if not expression.args or not isinstance(expression, sp.Expr):
        return expression
    if isinstance(expression, sp.log):
        return _stable_log(expression, opened)
    if isinstance(expression, sp.Piecewise):
        return expression.func(*((stable(value, opened), condition) for value, condition in expression.args))
    if not isinstance(expression, (sp.Add, sp.Mul)) and not _is_integer_power(expression):
        if (isinstance(expression, sp.Function) and len(expression.args) == 1) or isinstance(expression, sp.Pow):
            return expression.func(*(stable(arg, opened) for arg in expression.args))
        return expression
    bounded = _bounded_quotient(expression)
    if isinstance(bounded, sp.Piecewise):
        return bounded
    if isinstance(bounded, (sp.Add, sp.Mul, sp.Pow)):
        bounded = bounded.func(*(stable(arg, opened) for arg in bounded.args))
    return with_expm1(bounded) if isinstance(bounded, sp.Add) else bounded


def _is_integer_power(expression: sp.Expr) -> bool:
    return isinstance(expression, sp.Pow) and bool(expression.exp.is_Integer)


def with_one_exponential(expression: sp.Expr) -> sp.Expr:
    """Products of exponentials as the exponential of a sum, so that large factors cancel before they overflow."""
    if isinstance(expression, sp.exp):
        return sp.exp(with_one_exponential(expression.args[0]))
    if not isinstance(expression, (sp.Add, sp.Mul)) and not _is_integer_power(expression):
        return expression
    parts = [with_one_exponential(arg) for arg in expression.args]
    if not isinstance(expression, sp.Mul):
        return expression.func(*parts)
    exponents = [part.args[0] for part in parts if isinstance(part, sp.exp)]
    return sp.Mul(*(part for part in parts if not isinstance(part, sp.exp)), sp.exp(sp.Add(*exponents)))


# -- logarithms ---------------------------------------------------------------------------------------------------
def _stable_log(logarithm: sp.Expr, opened: Opener) -> sp.Expr:
    argument = logarithm.args[0]
    plain = opened(argument)
    plain = plain.replace(lambda e: isinstance(e, StableFunction), lambda e: e.rewrite_plain())
    plain = plain.replace(lambda e: isinstance(e, (sp.cosh, sp.sinh)), lambda e: e.rewrite(sp.exp))
    if plain.has(sp.exp):
        split = _split_log(plain)
        if split is not None:
            return split
    inner = stable(argument, opened)
    if isinstance(inner, sp.Add) and sp.S.One in inner.args:
        return log1p(inner - 1)
    return sp.log(inner)


def _split_log(argument: sp.Expr) -> sp.Expr | None:
    """log of a product as a sum over its factors, if each is an exponential, or provably positive; else None."""
    argument, inner = _without_inner_exponentials(argument)
    kernels = Kernels([argument])
    number, powers = irreducible(kernels.freeze(argument))
    if number.is_negative:
        number, powers = _without_sign(number, powers)
    if not number.is_positive:
        return None
    exponents = {s: k.args[0] for s, k in kernels.kernel_of.items() if isinstance(k, sp.exp)}
    total, differences = sp.S.Zero, 0
    for factor, power in _balanced(_with_number(number, powers, set(exponents)), set(exponents)).items():
        value = _log_of_factor(factor, exponents)
        if value is None:
            value = _log_of_difference(factor, exponents)
            if value is None and power == 1 and exponents and not factor.free_symbols & exponents.keys():
                value = sp.log(factor)  # of any sign: so is the logarithm's argument, whatever it is multiplied by
            differences += 1
        if value is None or differences > 1 or (differences and power % 2 == 0):
            return None
        total += power * value
    return kernels.thaw(total).xreplace(inner)


def has_nested_exponentials(expression: sp.Expr) -> bool:
    """Whether an exponential is in the exponent of another."""
    return any(exponential.args[0].has(sp.exp) for exponential in atoms_in(expression, sp.exp))


def _without_inner_exponentials(expression: sp.Expr) -> tuple[sp.Expr, dict[sp.Dummy, sp.Expr]]:
    """The formula with the exponentials in exponents as symbols, and what these stand for."""
    outer = {e for e in atoms_in(expression, sp.exp) if e.args[0].has(sp.exp)}
    found = {e: sp.Dummy(real=True, positive=True) for o in outer for e in atoms_in(o.args[0], sp.exp)}
    rule = {o: sp.exp(o.args[0].xreplace(found)) for o in outer}
    return expression.xreplace(rule), {symbol: e for e, symbol in found.items()}


def _balanced(powers: dict[sp.Expr, int], exponentials: set[sp.Symbol]) -> dict[sp.Expr, int]:
    """E/(1 + E) as 1/(1 + 1/E): a power of E is drawn into a sum with the opposite power."""
    result = dict(powers)
    for symbol in sorted(exponentials & powers.keys(), key=str):
        for factor in [f for f in result if isinstance(f, sp.Add) and result[f] == -result[symbol]]:
            if sp.degree(factor, symbol) == 1:
                power = result.pop(factor)
                del result[symbol]
                result[sp.expand(factor / symbol)] = power
                break
    return result


def _log_of_factor(factor: sp.Expr, exponents: dict[sp.Symbol, sp.Expr]) -> sp.Expr | None:
    terms = [_log_of_term(term, exponents) for term in sp.Add.make_args(factor)]
    if any(term is None for term in terms):
        return None
    if len(terms) > 1 and not factor.free_symbols & exponents.keys():
        return log1p(factor - 1) if sp.S.One in factor.args else sp.log(factor)
    known = [term for term in terms if term is not None]
    first, *others = sorted(known, key=lambda term: (not term.is_number, sp.default_sort_key(term)))
    if not others:
        return first
    if len(others) > 1:
        largest = compared(sp.Max, known)
        return _unless_infinite(largest, largest + sp.log(sp.Add(*(sp.exp(term - largest) for term in known))))
    gap = sp.expand(others[0] - first)
    if first.is_number:
        return first + softplus(gap)
    largest = compared(sp.Max, [first, others[0]])
    return _unless_infinite(largest, largest + softplus(-sp.Abs(gap)))


def _unless_infinite(largest: sp.Expr, value: sp.Expr) -> sp.Expr:
    """The logarithm of a sum whose largest term is given by its own: that, where it is infinite, for ∞ − ∞ is none."""
    return Cases((largest, sp.Ne(Written(slot(0) - slot(1), largest, largest), 0)), (value, True))


def _with_number(number: sp.Expr, powers: dict[sp.Expr, int], exponentials: set[sp.Symbol]) -> dict[sp.Expr, int]:
    """A number as a factor of its own, or of the first value: log(S/3), for log S − log 3 cancels where S is near 3."""
    values = [f for f, p in powers.items() if p == 1 and f.is_Symbol and f not in exponentials]
    if number == 1 or not values:
        return {number: 1} | powers
    return {number * f if f is values[0] else f: p for f, p in powers.items()}


def _without_sign(number: sp.Expr, powers: dict[sp.Expr, int]) -> tuple[sp.Expr, dict[sp.Expr, int]]:
    """−(v − u)ᵖ as (u − v)ᵖ, for the only difference among the factors."""
    mixed = [f for f, p in powers.items() if p % 2 and len({t.as_coeff_Mul()[0] > 0 for t in sp.Add.make_args(f)}) > 1]
    if len(mixed) != 1:
        return number, powers
    return -number, {sp.expand(-f) if f in mixed else f: p for f, p in powers.items()}


def _log_of_difference(factor: sp.Expr, exponents: dict[sp.Symbol, sp.Expr]) -> sp.Expr | None:
    """log(eᵘ − eᵛ) = u + log(1 − e^{v − u}): of the only factor that may be negative, so that u > v."""
    positive = [term for term in sp.Add.make_args(factor) if not term.as_coeff_Mul()[0].is_negative]
    negative = [-term for term in sp.Add.make_args(factor) if term.as_coeff_Mul()[0].is_negative]
    if len(positive) != 1 or len(negative) != 1:
        return None
    first, other = (_log_of_term(term, exponents) for term in (*positive, *negative))
    if first is None or other is None:
        return None
    gap = sp.expand(other - first)
    size = sp.Abs(gap)
    near, far = sp.log(-expm1(-size)), log1p(-sp.exp(-size))  # M. Mächler 2012
    inner = Cases((near, sp.And(gap < 0, size < sp.Rational(11, 16))), (far, gap < 0), (sp.log(-gap), True))
    return first + inner


def _log_of_term(term: sp.Expr, exponents: dict[sp.Symbol, sp.Expr]) -> sp.Expr | None:
    total, rest = sp.S.Zero, sp.S.One
    for factor in sp.Mul.make_args(term):
        base, power = factor.as_base_exp()
        if base in exponents:
            total += power * exponents[base]
        else:
            rest *= factor
    if not rest.is_positive:
        return None
    return total + (sp.S.Zero if rest == 1 else sp.log(rest))


def by_one_exponential(function: sp.Expr) -> sp.Expr | None:
    """tanh(log w) as (w² − 1)/(w² + 1), where that is rational in one exponential; else None.

    tanh(log(1 + eᵘ)), for u ≤ 0, is z·(z + 2)/(z·(z + 2) + 2) with z = e^{−|u|}: sums of positive terms, so that
    nothing cancels.
    """
    if not isinstance(function, sp.tanh):
        return None
    logarithm = function.args[0]
    if isinstance(logarithm, softplus | log1p):
        logarithm = logarithm.rewrite_plain()
    if not isinstance(logarithm, sp.log):
        return None
    kernels = Kernels(logarithm.args)
    polynomial = kernels.freeze(logarithm.args[0])
    exponentials = [symbol for symbol, kernel in kernels.kernel_of.items() if isinstance(kernel, sp.exp)]
    if len(exponentials) != 1 or not _is_well_scaled(polynomial, exponentials[0]):
        return None
    rational = sp.expand(polynomial**2 - 1) / sp.expand(polynomial**2 + 1)
    return _two_sided(rational, exponentials[0], kernels.kernel_of[exponentials[0]].args[0], kernels)


def _is_well_scaled(expression: sp.Expr, symbol: sp.Symbol) -> bool:
    """Whether it is a polynomial of two terms or more in ``symbol``, its coefficients positive and not far from 1."""
    if not (expression.is_Add and expression.free_symbols == {symbol} and expression.is_polynomial(symbol)):
        return False
    return all(c.is_number and 1 / WELL_SCALED <= c <= WELL_SCALED for c in sp.Poly(expression, symbol).coeffs())


# -- quotients ----------------------------------------------------------------------------------------------------
@lru_cache(maxsize=4096)
def _bounded_quotient(expression: sp.Expr) -> sp.Expr:
    """A quotient with an exponential in a sum below the line, so that neither side of it overflows."""
    if any(base.has(sp.cosh, sp.sinh) for base in _reciprocals(expression)):
        expression = expression.replace(lambda e: isinstance(e, (sp.cosh, sp.sinh)), lambda e: e.rewrite(sp.exp))
    for kernel in _exponentials_below(expression):
        below = _exponentials_below(expression)
        if kernel not in below:  # has gone with another of them
            continue
        options = _by_one_function(expression, kernel.args[0]) if _are_powers_of_one(below) else []
        if options:
            expression = min(options, key=lambda option: (_cancellations(option), cost(option)))
        else:
            kernels = Kernels([expression])
            shifted = _by_the_largest(kernels.freeze(expression), kernels)
            if shifted is not None and len(_exponentials_below(shifted)) < len(below):
                expression = shifted
                break
            symbol = kernels.symbol_of_power(kernel)
            power = kernels.kernel_of[symbol].args[0]
            expression = _two_sided(kernels.freeze(expression), symbol, power, kernels)
            break
    return expression


def _are_powers_of_one(exponentials: list[sp.Expr]) -> bool:
    """Whether the exponents are multiples of one: only then may one tanh or logistic take the place of all of them."""
    first = exponentials[0].args[0]
    return all((other.args[0] / first).is_number for other in exponentials[1:])


def _by_one_function(expression: sp.Expr, exponent: sp.Expr) -> list[sp.Expr]:
    """Forms by tanh or the logistic function of the exponent, that have no exponential below the line any more."""
    options: list[sp.Expr] = []
    for argument in (exponent, -exponent):
        for half in (argument / 2, argument):
            options += _eliminated(expression, Relation(sp.tanh(half), _tanh(half)))
        options += _eliminated(expression, Relation(sigmoid(argument), sigmoid.formula(argument)))
    return [o for o in options if not _exponentials_below(o) and not _quotient_of_saturated(o)]


def _by_the_largest(frozen: sp.Expr, kernels: Kernels) -> sp.Expr | None:
    """A quotient of sums of several exponentials, both sides divided by a power of the largest, m = max u:

    eᵘ/(eᵘ + eᵛ) is s/(s + t) with s = e^{u − m}, t = e^{v − m}, of which one is 1 and none more; a number beside them
    is one times e⁰. None for what has one exponential, or more above the line than below.
    """
    number, factors = irreducible(frozen)
    found = {s: kernels.kernel_of[s].args[0] for s in sorted(frozen.free_symbols & kernels.kernel_of.keys(), key=str)
             if isinstance(kernels.kernel_of[s], sp.exp)}  # fmt: skip
    if len(found) < 2:
        return None
    one = sp.Dummy("one", positive=True)
    sides = {factor: _homogeneous(factor, tuple(found), one) for factor in factors}
    if any(side is None for side in sides.values()):
        return None
    forms = [(*side, factors[factor]) for factor, side in sides.items() if side is not None]
    spare = -sum(power * degree for _, degree, power in forms)
    if spare < 0:
        return None
    has_one = any(form.has(one) for form, _, power in forms if power < 0)
    largest = compared(sp.Max, [*found.values(), *([sp.S.Zero] if has_one else [])])
    rule = {symbol: sp.exp(exponent - largest) for symbol, exponent in found.items()} | {one: sp.exp(-largest)}
    quotient = number * sp.Mul(one**spare, *(form**power for form, _, power in forms))
    return kernels.thaw(replaced(quotient, rule))  # type: ignore[arg-type]


def _homogeneous(form: sp.Expr, symbols: tuple[sp.Symbol, ...], one: sp.Dummy) -> tuple[sp.Expr, int] | None:
    """A polynomial with all terms brought to its degree by powers of ``one``, and that; None for anything else."""
    if not form.is_polynomial(*symbols):
        return None
    terms = sp.Poly(form, *symbols).terms()
    degree = max(sum(powers) for powers, _ in terms)
    products = ((c, sp.Mul(*map(sp.Pow, symbols, powers)), degree - sum(powers)) for powers, c in terms)
    return sp.Add(*(c * product * one**rest for c, product, rest in products)), degree


def _eliminated(expression: sp.Expr, relation: Relation) -> list[sp.Expr]:
    work = Work(PROBLEM)
    return [form for form, _ in work.affordable(eliminate(expression, relation, work))]


def _cancellations(expression: sp.Expr) -> int:
    """Sums that contain a number, in which a value near that number cancels: 2σ(2u) − 1, as against tanh u."""
    return sum(any(term.is_number for term in total.args) for total in atoms_in(expression, sp.Add))


def _tanh(u: sp.Expr) -> sp.Expr:
    return (sp.exp(2 * u) - 1) / (sp.exp(2 * u) + 1)


def _reciprocals(expression: sp.Expr) -> list[sp.Expr]:
    """Bases of negative integer powers at the rational level."""
    found: list[sp.Expr] = []
    pending = [expression]
    while pending:
        node = pending.pop()
        if isinstance(node, sp.Pow) and node.exp.is_Integer:
            if node.exp.is_negative:
                found.append(node.base)
            pending.append(node.base)
        elif isinstance(node, (sp.Add, sp.Mul)):
            pending.extend(node.args)
    return found


def _exponentials_below(expression: sp.Expr) -> list[sp.Expr]:
    """Exponentials that stand in a sum in a denominator, at the rational level."""
    found: dict[sp.Expr, None] = {}
    for base in _reciprocals(expression):
        if isinstance(base, sp.Add):
            for kernel in Kernels([base]).kernel_of.values():
                if isinstance(kernel, sp.exp) and not kernel.is_number and not is_below_largest(kernel.args[0]):
                    found.setdefault(kernel)
    return list(found)


@lru_cache(maxsize=4096)
def _quotient_of_saturated(expression: sp.Expr) -> bool:
    """Whether something is divided by 1 − σ or 1 ± tanh, which is 0 where they saturate."""
    return any(base.has(sp.tanh, sigmoid) for base in _reciprocals(expression))


def two_sided(quotient: sp.Expr, symbol: sp.Symbol, exponent: sp.Expr) -> sp.Expr:
    """A quotient in which ``symbol`` stands for e to the ``exponent``, without that: by z = e^{−|exponent|} ≤ 1."""
    kernels = Kernels([quotient])
    return _two_sided(kernels.freeze(quotient), symbol, exponent, kernels)


def _two_sided(frozen: sp.Expr, symbol: sp.Symbol, exponent: sp.Expr, kernels: Kernels) -> sp.Expr:
    """A quotient by z = e^{−|u|} in place of eᵘ, its ``symbol``; for positive u, both sides are divided by a power."""
    below = in_lowest_terms(frozen)
    above = in_lowest_terms(below.subs(symbol, 1 / symbol))
    small = {symbol: sp.exp(-sp.Abs(exponent))}
    above, below = (kernels.thaw(_nested(form, symbol).xreplace(small)) for form in (above, below))
    return Cases((above, exponent > 0), (below, True))


def _nested(quotient: sp.Expr, z: sp.Symbol) -> sp.Expr:
    """Numerator and denominator by Horner's rule, if they are polynomials of ``z`` alone, in factors where that is no
    longer: (1 − 2z)² multiplied out cancels where z is near a half."""
    parts = sp.fraction(quotient)
    if not all(part.is_polynomial(z) for part in parts):
        return quotient
    by_horner = sp.horner if quotient.free_symbols == {z} else lambda part, _: part
    form = by_horner(parts[0], z) / by_horner(parts[1], z)
    if max(sp.degree(part, z) for part in parts) > MOST_FACTORED:
        return form
    number, factors = irreducible(quotient)
    apart = sp.Mul(number, *(by_horner(f, z) ** power for f, power in factors.items()))
    return apart if operations([apart]) <= operations([form]) else form


def with_expm1(total: sp.Add) -> sp.Expr:
    """c·eᵘ − c as c·expm1(u)."""
    for term in total.args:
        coefficient, kernel = term.as_independent(sp.exp)
        if isinstance(kernel, sp.exp) and -coefficient in total.args:
            rest = [other for other in total.args if other is not term and other != -coefficient]
            return sp.Add(*rest, coefficient * expm1(kernel.args[0]))
    return total
