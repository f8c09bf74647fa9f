"""Partial derivatives of scalar bodies: SymPy's own ``diff``, with the conventions at corners stated.

Where a function has a corner or a jump the derivative is that of one side: max(u, 0)′ = 0 and |u|′ = 0 at u = 0;
sign, floor, ceiling and δ count as locally constant.
"""

from __future__ import annotations

from functools import lru_cache

import sympy as sp

from symgraph.errors import DomainError
from symgraph.scalars import Delta
from symgraph.simplify.branches import expand_extrema, guarded_product
from symgraph.simplify.fold import Relation, simplify
from symgraph.tensor import Element

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
        stand_in = sp.Symbol("_x", real=True)
        derivative = partial(expand_extrema(body).xreplace({variable: stand_in}), stand_in)
        return derivative.xreplace({stand_in: variable})
    expanded = expand_extrema(body)
    if isinstance(expanded, sp.Piecewise):
        branches = [(partial(value, variable), condition) for value, condition in expanded.args]
        return branches[0][0] if len({value for value, _ in branches}) == 1 else sp.Piecewise(*branches, evaluate=False)
    elements = {node: sp.Dummy(real=True, integer=node.is_integer) for node in expanded.atoms(Element)}
    steps = {node: sp.Dummy(real=True) for node in expanded.atoms(*_LOCALLY_CONSTANT)}
    pieces = {node: sp.Dummy(real=True) for node in expanded.atoms(sp.Piecewise)}
    hidden = expanded.xreplace(pieces | steps | elements)
    shown = {dummy: node for node, dummy in (pieces | steps | elements).items()}
    derivative = sp.diff(hidden, variable)
    for piece, dummy in pieces.items():
        inner = partial(piece, variable)
        if inner != 0:
            derivative += guarded_product(sp.diff(hidden, dummy), inner)
    if derivative.has(sp.Derivative, sp.Subs):
        raise DomainError(f"SymPy knows no derivative of {body}")
    return sp.powsimp(derivative.xreplace(shown)) if derivative.has(sp.Pow) else derivative.xreplace(shown)


def scalar_derivative(formula: sp.Expr, argument: sp.Symbol, arguments: tuple[sp.Symbol, ...]) -> sp.Expr:
    """The simplified derivative of an element-wise formula, in its arguments and ``y``, its value."""
    real = {symbol: sp.Dummy(symbol.name, real=True) for symbol in sorted(formula.free_symbols, key=str)}
    value = sp.Symbol("y", real=True)
    body = formula.xreplace(real)
    result, _ = simplify(partial(body, real[argument]), (Relation(value, body),))
    return result.xreplace({dummy: symbol for symbol, dummy in real.items()})
