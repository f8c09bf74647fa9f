"""Formulas of several values that are formulas of one expression of them: of a sum, or of a product of powers.

    √(1 + (x + y)²) − 1        √(1 + w²) − 1,   w = x + y
    1 − cos(2·x·y)             1 − cos(2·w),    w = x·y             log(1 + x²/y²)      log(1 + w²),  w = x/y
    1 − tanh(x[n] + n)²        1 − tanh(w)²,    w = x[n] + n        1 − tanh(x/√(n + 1))²   with w = x/√(n + 1)

The formula of w has the forms of a formula of one variable (:mod:`one_variable`). That w is rounded itself changes
nothing: the formula as it was written computes w too.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache, reduce

import sympy as sp

from symgraph.core.cases import Cases
from symgraph.core.cost import operations
from symgraph.core.graph import elements_of
from symgraph.core.rebuild import atoms_in, replaced
from symgraph.core.scalars import Written, slot
from symgraph.simplify.branches import guarded_product, per_branch
from symgraph.stabilise.one_variable import improved, may_lose
from symgraph.stabilise.ranges import scaled

MOST_OPERATIONS, MOST_VALUES = 40, 6
W = sp.Symbol("w", real=True)


def of_one_part(body: sp.Expr) -> tuple[sp.Expr, ...]:
    """Forms of a formula of several values by a formula of one expression; none where there is no such expression."""
    if body.has(sp.Piecewise, Written) or operations([body]) > MOST_OPERATIONS or not may_lose(body, body):
        return ()
    names = {element: sp.Symbol(f"e{n}", real=True) for n, element in enumerate(elements_of(body))}
    named = replaced(body, names)
    read = [name for name in names.values() if named.has(name)]  # others are in the places of these
    values = (*read, *sorted(named.free_symbols - set(read), key=sp.default_sort_key))
    if len(values) < 2 or not read:
        return ()
    shown = {name: element for element, name in names.items()}
    found = _of_one_part(named, values) or _of_factors(named, values)  # type: ignore[arg-type]
    return tuple(replaced(form, shown) for form in found)  # type: ignore[misc]


def _of_factors(body: sp.Expr, values: tuple[sp.Symbol, ...]) -> tuple[sp.Expr, ...]:
    """Forms of a product, of its factors over the same values together, or of a sum of these alone."""
    factors = sp.Mul.make_args(body)
    groups: dict[tuple[sp.Symbol, ...], list[sp.Expr]] = {}
    for factor in factors:
        groups.setdefault(tuple(value for value in values if factor.has(value)), []).append(factor)
    forms: list[tuple[sp.Expr, ...]] = []
    left = list(factors)
    for own, together in groups.items():
        sums = [[factor] for factor in together if isinstance(factor, sp.Add)]
        for some in (together, *sums) if own else ():
            found = _of_some(sp.Mul(*some), own) if len(some) < len(factors) and set(some) <= set(left) else ()
            if found:
                forms.append(found)
                left = [factor for factor in left if factor not in some]
    count = max(map(len, forms), default=0)
    return tuple(reduce(guarded_product, [f[min(n, len(f) - 1)] for f in forms], sp.Mul(*left)) for n in range(count))


def _of_some(body: sp.Expr, values: tuple[sp.Symbol, ...]) -> tuple[sp.Expr, ...]:
    if len(values) > 1:
        return _of_one_part(body, values)
    form = improved(body, values[0]) if may_lose(body, body) else body
    return (form,) if form != body else ()


@lru_cache(maxsize=1024)
def _of_one_part(body: sp.Expr, values: tuple[sp.Symbol, ...]) -> tuple[sp.Expr, ...]:
    if len(values) > MOST_VALUES:
        return ()
    for part, formula in _parts(body, values):
        if not formula.has(sp.Add):
            continue
        form = improved(formula, W)
        if form != formula or part.is_Mul:
            return forms_of(form, part)
    return ()


def forms_of(form: sp.Expr, part: sp.Expr) -> tuple[sp.Expr, ...]:
    """A formula of w at a part of the values, and the same in the range of floating point."""
    inside = per_branch(form, lambda branch, _: (*scaled(branch, lambda value: value), branch)[0])
    return tuple(_at(found, part) for found in dict.fromkeys((inside, form)))


def _at(form: sp.Basic, part: sp.Expr) -> sp.Basic:
    """The form at w, which is computed first: SymPy would write (x·y)² as x²·y², each of which leaves the range."""
    if not form.has(W) or form == W or part.is_Add or isinstance(form, Written):
        return form.xreplace({W: part})
    if isinstance(form, sp.Piecewise):
        return Cases(*((_at(value, part), _at(condition, part)) for value, condition in form.args))
    if form.has(Written, sp.Piecewise) or not isinstance(form, sp.Expr):
        return form.func(*(_at(operand, part) for operand in form.args))
    return Written(form.xreplace({W: slot(0)}), part)


def _parts(body: sp.Expr, values: tuple[sp.Symbol, ...]) -> Iterator[tuple[sp.Expr, sp.Expr]]:
    """Expressions of which a formula is one, with the formula in w."""
    totals = {total.as_independent(*values, as_Add=True)[1] for total in atoms_in(body, sp.Add)}
    for total in sorted((t for t in totals if isinstance(t, sp.Add)), key=sp.default_sort_key):
        if total.free_symbols == set(values) and total != body:
            formula = body.replace(
                lambda e, total=total: isinstance(e, sp.Add) and e.as_independent(*values, as_Add=True)[1] == total,
                lambda e, total=total: W + (e - total),
            ).xreplace({-total: -W})
            if formula.free_symbols == {W}:
                yield total, formula
    product = _product(body, values)
    if product is not None and (formula := _in_powers(body, product)) is not None:
        yield sp.Mul(*(value**power for value, power in product.items())), formula
    arguments = {function.args[0].as_coeff_Mul()[1] for function in atoms_in(body, sp.Function) if function.args}
    for argument in sorted((a for a in arguments if a.free_symbols == set(values)), key=sp.default_sort_key):
        formula = _in_argument(body, argument)
        if formula.free_symbols == {W}:
            yield argument, formula


def _in_argument(body: sp.Expr, argument: sp.Expr) -> sp.Expr:
    """A formula with w for what functions are taken of."""
    return body.replace(
        lambda e: isinstance(e, sp.Function) and len(e.args) == 1 and e.args[0].as_coeff_Mul()[1] == argument,
        lambda e: e.func(e.args[0].as_coeff_Mul()[0] * W),
    )


def _product(body: sp.Expr, values: tuple[sp.Symbol, ...]) -> dict[sp.Symbol, sp.Rational] | None:
    """The powers of the values in a product that all values are in, in lowest terms."""
    found = [powers for product in atoms_in(body, sp.Mul) if (powers := _powers(product)).keys() == set(values)]
    if not found or any(not power.is_Rational for powers in found for power in powers.values()):
        return None
    first = min(found, key=lambda powers: [abs(powers[value]) for value in values])
    whole = [power for power in first.values() if power.is_Integer]
    return {value: power / sp.igcd(*whole, 0) for value, power in first.items()} if whole else None


def _powers(product: sp.Expr) -> dict[sp.Symbol, sp.Expr]:
    pairs = (factor.as_base_exp() for factor in sp.Mul.make_args(product))
    return {base: power for base, power in pairs if base.is_Symbol}


def _in_powers(node: sp.Expr, product: dict[sp.Symbol, sp.Rational]) -> sp.Expr | None:
    """A formula with each product of the values' powers as a power of w; None where some are no such powers."""
    if node.is_Symbol:
        return None
    if not node.args:
        return node
    power = sp.S.Zero
    rest = list(node.args)
    if isinstance(node, sp.Mul):
        powers = _powers(node)
        if powers:
            if powers.keys() != product.keys():
                return None
            ratios = {powers[value] / product[value] for value in product}
            if len(ratios) != 1 or not (power := ratios.pop()).is_Integer:
                return None
            rest = [factor for factor in node.args if not factor.as_base_exp()[0].is_Symbol]
    args = [_in_powers(arg, product) for arg in rest]
    if any(arg is None for arg in args):
        return None
    return W**power * sp.Mul(*args) if isinstance(node, sp.Mul) else node.func(*args)
