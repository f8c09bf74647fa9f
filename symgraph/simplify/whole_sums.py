"""Sums that algebra need not look into: x − μ where x stands nowhere else is a symbol of its own.

The change of variables can be undone, so nothing that cancels is missed but between the sum and its other terms. What
is gained: (x − μ)² is not multiplied out into x² + μ·(μ − 2·x), which loses all digits where x is near μ, and fewer
terms are divided and factored.
"""

from __future__ import annotations

from collections.abc import Iterable

import sympy as sp


def whole_sums(expressions: Iterable[sp.Expr]) -> dict[sp.Expr, sp.Expr]:
    """Each such sum as a multiple of a symbol: d for x − μ, −2·d for 2·μ − 2·x.

    Parameters
    ----------
    expressions : scalar formulas over symbols, between which a sum is shared.
    """
    multiples: dict[sp.Expr, list[tuple[sp.Expr, sp.Expr]]] = {}
    inside: dict[sp.Symbol, set[sp.Expr | None]] = {}
    seen: set[sp.Basic] = set()
    pending: list[sp.Basic] = list(expressions)
    while pending:
        node = pending.pop()
        if node in seen:
            continue
        seen.add(node)
        if node.is_Symbol or isinstance(node, sp.Mod | sp.floor):  # (32·i + j) mod 64 is no 32·(d mod 2)
            for symbol in node.free_symbols:
                inside.setdefault(symbol, set()).add(None)
        elif isinstance(node, sp.Add) and _is_linear(node):
            factor, primitive = _primitive(node)
            multiples.setdefault(primitive, []).append((node, factor))
            for symbol in node.free_symbols:
                inside.setdefault(symbol, set()).add(primitive)
        else:
            pending.extend(node.args)
    own = [s for s in multiples if any(inside[symbol] == {s} for symbol in s.free_symbols)]
    rule: dict[sp.Expr, sp.Expr] = {}
    for number, primitive in enumerate(own):
        symbol = sp.Symbol(f"_d{number}", real=True)
        rule |= {node: factor * symbol for node, factor in multiples[primitive]}
    return rule


def opened(expression: sp.Expr, sums: dict[sp.Symbol, sp.Expr]) -> sp.Expr:
    """The expression with the sums in place of their symbols; −(x − μ)·y is (μ − x)·y."""

    def turned(product: sp.Mul) -> sp.Expr:
        number, rest = product.as_coeff_Mul()
        symbol = next((factor for factor in sp.Mul.make_args(rest) if factor in sums), None)
        if symbol is None or not number.is_negative:
            return product.xreplace(sums)
        return sp.Mul(-number, -sums[symbol], *(f.xreplace(sums) for f in sp.Mul.make_args(rest) if f != symbol))

    products = {product: turned(product) for product in expression.atoms(sp.Mul)}
    return expression.xreplace(products | sums)  # type: ignore[no-any-return]


def sum_of(rule: dict[sp.Expr, sp.Expr]) -> dict[sp.Symbol, sp.Expr]:
    """The sums by their symbols, as they are most often written: without a number before them."""
    found: dict[sp.Symbol, sp.Expr] = {}
    for node, multiple in rule.items():
        factor, symbol = multiple.as_coeff_Mul()
        if symbol not in found or factor == 1:
            found[symbol] = node if factor == 1 else sp.Add(*(term / factor for term in node.args))
    return found


def _is_linear(node: sp.Add) -> bool:
    parts = [term.as_coeff_Mul() for term in node.args]
    return all(number.is_Rational and (rest.is_Symbol or rest == 1) for number, rest in parts)


def _primitive(node: sp.Add) -> tuple[sp.Expr, sp.Expr]:
    """A number and the sum without it, whose first term in SymPy's order has the coefficient 1."""
    first = min((term for term in node.args if not term.is_Number), key=lambda term: term.as_coeff_Mul()[1].sort_key())
    factor = first.as_coeff_Mul()[0]
    return factor, node if factor == 1 else sp.Add(*(term / factor for term in node.args))
