"""Partial derivatives of scalar bodies: SymPy's own ``diff``, with the conventions at corners stated.

Where a function has a corner or a jump the derivative is that of one side: max(u, 0)′ = 0 and |u|′ = 0 at u = 0;
sign, floor, ceiling and δ count as locally constant, and conditions have no derivative.

bᵉ with an exponent that is a value is differentiated as e·bᵉ⁻¹·b′ + bᵉ·log b·e′. The first term is 0 where e = 0,
since b⁰ = 1 for every b; the second is 0 where b = 0, since 0ᵉ = 0 for e > 0. Neither is right of an e < 0 at b = 0,
where the value itself is infinite. √b and other roots of a b that is nowhere negative, as in √(x² + y²), have a
smallest value where b = 0; of the slopes there (the subdifferential) 0 is taken. √x of an x of any sign keeps its
infinite slope.
"""

from __future__ import annotations

from functools import lru_cache

import sympy as sp

from symgraph.core.cases import Cases, decided
from symgraph.core.provenance import at_line
from symgraph.core.scalars import Delta, plain
from symgraph.core.tensor import Element
from symgraph.errors import DomainError
from symgraph.simplify.branches import expand_extrema, guarded_product
from symgraph.simplify.fold import Relation, simplify

_LOCALLY_CONSTANT = (sp.sign, sp.floor, sp.ceiling, sp.Heaviside, Delta)


@lru_cache(maxsize=16384)
def partial(body: sp.Expr, variable: sp.Expr) -> sp.Expr:
    """∂body/∂variable, each branch for itself.

    Raises
    ------
    DomainError
        if SymPy knows no derivative of a function in the body.
    """
    if not variable.is_Symbol:
        body = plain(body)
        stand_in = sp.Symbol("_x", real=True, nonnegative=_is_nonnegative(variable) or None)
        derivative = partial(expand_extrema(body).xreplace({variable: stand_in}), stand_in)
        return derivative.xreplace({stand_in: variable})
    expanded = expand_extrema(body)
    if isinstance(expanded, sp.Piecewise):
        branches = [(partial(value, variable), condition) for value, condition in expanded.args]
        return branches[0][0] if len({value for value, _ in branches}) == 1 else Cases(*branches)
    if isinstance(expanded, sp.Pow) and _has_own_rule(expanded):
        return _power(expanded.base, expanded.exp, variable)
    inner = [node for node in expanded.atoms(sp.Piecewise, sp.Pow) if node.has(variable)]
    parts = {node: sp.Dummy(real=True) for node in inner if isinstance(node, sp.Piecewise) or _has_own_rule(node)}
    steps = {node: sp.Dummy(real=True) for node in expanded.atoms(*_LOCALLY_CONSTANT)}
    elements = {node: _stand_in(node) for node in expanded.atoms(Element)}
    hidden = expanded.xreplace(elements | steps | parts)
    shown = {dummy: node for node, dummy in (elements | steps | parts).items()}
    derivative = sp.diff(hidden, variable)
    for part in sorted(parts, key=sp.default_sort_key):
        slope = sp.diff(hidden, parts[part])
        if slope != 0:
            derivative += guarded_product(slope, partial(part, variable))
    if derivative.has(sp.Derivative, sp.Subs):
        raise DomainError(at_line(f"SymPy knows no derivative of {body}"))
    return sp.powsimp(derivative.xreplace(shown)) if derivative.has(sp.Pow) else derivative.xreplace(shown)


def _stand_in(element: Element) -> sp.Dummy:
    """A symbol for an element, so that nothing looks into its indices."""
    return sp.Dummy(real=True, integer=element.is_integer)


def _has_own_rule(power: sp.Pow) -> bool:
    """Whether SymPy's derivative is not that of the value: it needs guards, or (x·y)^(3/2) gets 3/2·(x·y)^(3/2)/x."""
    return _needs_guard(power) or (isinstance(power.base, sp.Mul) and not power.exp.is_Integer)


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
    slope = partial(base, variable)
    if slope != 0:
        moves = decided(sp.Ne(exponent, 0))
        if _is_smallest_root(base, exponent):
            moves = sp.And(moves, decided(sp.Ne(base, 0)))
        total += _where(moves, guarded_product(exponent * base ** (exponent - 1), slope))
    slope = partial(exponent, variable)
    if slope != 0:
        if base.is_negative:
            raise DomainError(
                at_line(f"{base**exponent} is real only where {exponent} is an integer: it has no derivative")
            )
        growth = base**exponent * sp.log(base) if base != 0 else sp.S.Zero
        total += _where(decided(sp.Ne(base, 0)), guarded_product(growth, slope))
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


def scalar_derivative(formula: sp.Expr, argument: sp.Symbol, arguments: tuple[sp.Symbol, ...]) -> sp.Expr:
    """The simplified derivative of an element-wise formula, in its arguments and ``y``, its value."""
    real = {symbol: sp.Dummy(symbol.name, real=True) for symbol in sorted(formula.free_symbols, key=str)}
    value = sp.Symbol("y", real=True)
    body = formula.xreplace(real)
    result, _ = simplify(partial(body, real[argument]), (Relation(value, body),))
    result = result.xreplace({dummy: symbol for symbol, dummy in real.items()})
    return result.xreplace({branch: branch.shown() for branch in result.atoms(Cases)})
