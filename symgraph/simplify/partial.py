"""Partial derivatives of scalar bodies: the rules of sums, products, powers and branches, and a slope per function.

Where a function has a corner or a jump the derivative is that of one side: max(u, 0)′ = 0 and |u|′ = 0 at u = 0;
sign, floor, ceiling and δ count as locally constant, and conditions have no derivative.

bᵉ with an exponent that is a value is differentiated as e·bᵉ⁻¹·b′ + bᵉ·log b·e′. The first term is 0 where e = 0,
since b⁰ = 1 for every b; the second is 0 where b = 0, since 0ᵉ = 0 for e > 0. Neither is right of an e < 0 at b = 0,
where the value itself is infinite. √b and other roots of a b that is nowhere negative, as in √(x² + y²), have a
smallest value where b = 0; of the slopes there (the subdifferential) 0 is taken. √x of an x of any sign keeps its
infinite slope.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import sympy as sp

from symgraph.core.cases import Cases, decided
from symgraph.core.provenance import at_line
from symgraph.core.scalars import Delta, Written, plain
from symgraph.core.tensor import Element
from symgraph.errors import DomainError
from symgraph.simplify.branches import expand_extrema, shares
from symgraph.simplify.fold import Relation, simplify

_LOCALLY_CONSTANT = (sp.sign, sp.floor, sp.ceiling, sp.Heaviside, Delta)


class _NoDerivativeError(Exception):
    """Why there is none, of formulas over stand-ins: text with a place for each of them."""

    def __init__(self, text: str, *formulas: sp.Expr) -> None:
        self.text, self.formulas = text, formulas


def partial(body: sp.Expr, variable: sp.Expr) -> sp.Expr:
    """∂body/∂variable, each branch for itself.

    Bodies that differ in their elements alone are differentiated once.

    Raises
    ------
    DomainError
        if SymPy knows no derivative of a function in the body, or a negative number has a power that is a value.
    """
    naming: dict[sp.Expr, sp.Expr] = {}
    if not variable.is_Symbol:
        body = plain(body)
        known = _is_nonnegative(variable) if _has_root(body) else None
        naming = {variable: _stand_in(0, known or None, None)}
        others = sorted(body.atoms(Element) - {variable}, key=sp.default_sort_key)
        naming |= {e: _stand_in(n, None, e.is_integer) for n, e in enumerate(others, 1)}
    back = {symbol: element for element, symbol in naming.items()}
    body = expand_extrema(body)  # before the elements are renamed: which side of a tie counts is by their order
    try:
        return _derivative(body.xreplace(naming), naming.get(variable, variable)).xreplace(back)
    except _NoDerivativeError as error:
        formulas = (formula.xreplace(back) for formula in error.formulas)
        raise DomainError(at_line(error.text.format(*formulas))) from None


@lru_cache(maxsize=4096)
def _stand_in(number: int, nonnegative: bool | None, integer: bool | None) -> sp.Symbol:
    """A symbol for an element, so that nothing looks into its indices."""
    return sp.Symbol(f"_x{number}", real=True, nonnegative=nonnegative, integer=integer)


def _has_root(body: sp.Expr) -> bool:
    return any(not power.exp.is_Integer for power in body.atoms(sp.Pow))


@lru_cache(maxsize=16384)
def _derivative(body: sp.Expr, variable: sp.Symbol) -> sp.Expr:
    """Sums, products, powers and branches by their rules, a function by its slopes and the chain rule."""
    if body == variable:
        return sp.S.One
    if not body.has(variable) or isinstance(body, (Element, *_LOCALLY_CONSTANT)):
        return sp.S.Zero
    match body:
        case sp.Piecewise():
            branches = [(_derivative(value, variable), condition) for value, condition in body.args]
            return branches[0][0] if len({value for value, _ in branches}) == 1 else Cases(*branches)
        case sp.Add():
            return sp.Add(*(_derivative(term, variable) for term in body.args))
        case sp.Mul():
            return _chain(
                (sp.Mul(*body.args[:n], *body.args[n + 1 :]), _derivative(factor, variable))
                for n, factor in enumerate(body.args)
            )
        case sp.Pow() if _needs_guard(body):
            return _power(body.base, body.exp, variable)
        case sp.Pow():
            base, exponent = body.args
            moves = (exponent * base ** (exponent - 1), _derivative(base, variable))
            return _chain([(body * sp.log(base), _derivative(exponent, variable)), moves])
        case Written():
            return _derivative(expand_extrema(body.plain()), variable)
        case sp.Max() | sp.Min():
            slopes = [_derivative(arg, variable) for arg in body.args]
            return _chain((slope, part) for slope, part in zip(slopes, shares(body), strict=True) if slope != 0)
    slopes = [(n, _derivative(arg, variable)) for n, arg in enumerate(body.args) if isinstance(arg, sp.Expr)]
    return _chain((_slope(body, n), inner) for n, inner in slopes if inner != 0)


def _chain(products: Iterable[tuple[sp.Expr, sp.Expr]]) -> sp.Expr:
    """Σ outer·inner, the outer factor inside the inner one's branches."""
    return sp.Add(*(_product(outer, inner) for outer, inner in products if inner != 0))


def _product(outer: sp.Expr, inner: sp.Expr) -> sp.Expr:
    if isinstance(inner, sp.Piecewise):
        return Cases(*((_product(outer, value), condition) for value, condition in inner.args))
    if isinstance(inner, sp.Add) and inner.has(sp.Piecewise):
        return sp.Add(*(_product(outer, term) for term in inner.args))
    return outer * inner


def _slope(function: sp.Expr, position: int) -> sp.Expr:
    """The derivative of a function in one of its arguments, at these arguments."""
    arguments = {_stand_in(n, None, None): arg for n, arg in enumerate(function.args) if not arg.is_number}
    here = {arg: symbol for symbol, arg in arguments.items()}
    slope = _slope_of(function.func(*(here.get(arg, arg) for arg in function.args)), _stand_in(position, None, None))
    if slope.has(sp.Derivative, sp.Subs):
        raise _NoDerivativeError("SymPy knows no derivative of {}", function)
    return slope.xreplace(arguments)


@lru_cache(maxsize=1024)
def _slope_of(function: sp.Expr, argument: sp.Symbol) -> sp.Expr:
    return sp.diff(function, argument)


def _needs_guard(power: sp.Pow) -> bool:
    """Whether a power has a value as its exponent, of a base that may be 0, or is a root that has a smallest value."""
    base, exponent = power.args
    if base.is_positive:
        return False
    return _is_smallest_root(base, exponent) if exponent.is_Rational else True


def _is_smallest_root(base: sp.Expr, exponent: sp.Expr) -> bool:
    root = not exponent.is_number or (exponent.is_positive and (1 - exponent).is_positive)
    return bool(root and base.is_nonnegative)


def _power(base: sp.Expr, exponent: sp.Expr, variable: sp.Expr) -> sp.Expr:
    """∂(bᵉ) = {e·bᵉ⁻¹·b′ if e ≠ 0, else 0} + {bᵉ·log b·e′ if b ≠ 0, else 0}"""
    total = sp.S.Zero
    slope = _derivative(base, variable)
    if slope != 0:
        moves = decided(sp.Ne(exponent, 0))
        if _is_smallest_root(base, exponent):
            moves = sp.And(moves, decided(sp.Ne(base, 0)))
        total += _where(moves, _product(exponent * base ** (exponent - 1), slope))
    slope = _derivative(exponent, variable)
    if slope != 0:
        if base.is_negative:
            text = "{} is real only where {} is an integer: it has no derivative"
            raise _NoDerivativeError(text, base**exponent, exponent)
        growth = base**exponent * sp.log(base) if base != 0 else sp.S.Zero
        total += _where(decided(sp.Ne(base, 0)), _product(growth, slope))
    return total


def _where(condition: sp.Basic, value: sp.Expr) -> sp.Expr:
    return Cases((value, condition), (0, True))


def _is_nonnegative(variable: sp.Expr, depth: int = 3) -> bool:
    """Whether the value is nowhere negative by its own definition, as a sum of squares is; not looking further down."""
    definition = variable.tensor.definition if isinstance(variable, Element) else None
    if definition is None or definition.op not in (None, "sum", "max", "min"):
        return False
    inner = {e: (_is_nonnegative(e, depth - 1) if depth else None) or None for e in definition.body.atoms(Element)}
    body = definition.body.xreplace({e: sp.Dummy(real=True, nonnegative=known) for e, known in inner.items()})
    return bool(plain(body).is_nonnegative)


def scalar_derivative(formula: sp.Expr, *by: sp.Symbol) -> sp.Expr:
    """The simplified derivative of an element-wise formula by symbols in turn, in its symbols and ``y``, its value."""
    real = {symbol: sp.Dummy(symbol.name, real=True) for symbol in sorted(formula.free_symbols, key=str)}
    value = sp.Symbol("y", real=True)
    body = formula.xreplace(real)
    result, slopes = body, dict[sp.Symbol, sp.Expr]()
    for argument in (real[argument] for argument in by):
        slope = slopes.get(argument) or simplify(partial(body, argument), (Relation(value, body),))[0]
        slopes[argument] = slope
        total = partial(result, argument) + partial(result, value) * slope
        result = slope if result is body else simplify(total, (Relation(value, body),))[0]
    result = result.xreplace({dummy: symbol for symbol, dummy in real.items()})
    return result.xreplace({branch: branch.shown() for branch in result.atoms(Cases)})
