"""Reductions: what does not depend on the bound index leaves the sum, δ collapses, declared facts apply.

Σ_k δ(k, t)·f(k) = f(t)        Σ_k c = K·c        Σ_k c·f(k) = c·Σ_k f(k)        Σ_k t[n, k] = 1 for one-hot rows
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import sympy as sp

from symgraph.core.bounds import stays_inside
from symgraph.core.cases import Cases
from symgraph.core.cost import is_short_multiplied_out
from symgraph.core.indices import Dim, Index, axis, bound
from symgraph.core.scalars import Delta, selected
from symgraph.core.solve import solve_delta
from symgraph.core.tensor import Element, Tensor
from symgraph.simplify.fold import Step
from symgraph.simplify.rational import presented
from symgraph.simplify.selections import before_branches

Extents = Mapping[Index, sp.Expr]


def summed(body: sp.Expr, over: tuple[Index, ...], extents: Extents, steps: list[Step]) -> sp.Expr:
    """Σ over ``over`` of ``body`` as an expression in which each remaining sum is an element of its own definition."""
    single = {index: sp.S.Zero for index in over if extents[index] == 1}
    body, over = body.xreplace(single), tuple(index for index in over if index not in single)
    if body == 0 or not over:
        return body
    if isinstance(body, sp.Piecewise) and not _depends(sp.Tuple(*(cond for _, cond in body.args)), over):
        if not all(stays_inside(element, extents) for value, _ in body.args for element in value.atoms(Element)):
            return reduction(body, over, extents)  # a sum of its own would read where no branch allows it
        branches = [(summed(value, over, extents, steps), condition) for value, condition in body.args]
        return Cases(*branches)
    body = before_branches(body)
    terms = sp.Add.make_args(sp.expand_mul(body) if body.has(sp.Add) and is_short_multiplied_out(body) else body)
    if len(terms) > 1 and any(_collapses(term, over, extents) for term in terms):
        return presented(sp.Add(*(_sum_product(term, over, extents, steps) for term in terms)))
    return _sum_product(body, over, extents, steps)


def _depends(expression: sp.Basic, over: tuple[Index, ...]) -> bool:
    return not expression.free_symbols.isdisjoint(over)


def _collapses(term: sp.Expr, over: tuple[Index, ...], extents: Extents) -> bool:
    """Whether at least one bound index of this term's sum can be summed away."""
    factors = sp.Mul.make_args(term)
    inner = sp.Mul(*(factor for factor in factors if _depends(factor, over)))
    return (
        any(_solved_delta(factor, over, extents) for factor in factors)
        or any(not _depends(inner, (index,)) for index in over)
        or _sums_to_one(inner, over) is not None
    )


def _sum_product(body: sp.Expr, over: tuple[Index, ...], extents: Extents, steps: list[Step]) -> sp.Expr:
    factors = list(sp.Mul.make_args(body))
    for factor in factors:
        solved = _solved_delta(factor, over, extents)
        if solved is not None:
            index, value, where = solved
            rest = sp.Mul(*(f for f in factors if f is not factor)).xreplace({index: value})
            steps.append(Step("δ collapses the sum", partial(_shown_beside, body, over, rest)))
            if where != sp.true:
                rest = Cases((rest, where), (0, True))
            return summed(rest, tuple(i for i in over if i != index), extents, steps)
    inner = sp.Mul(*(factor for factor in factors if _depends(factor, over)))
    selects = _depends(selected(inner), over)  # then what it selects stays with it: 0·(1/0) would be NaN
    outer = sp.Mul(*(f for f in factors if not _depends(f, over) and not (selects and _is_value(f))))
    inner = sp.Mul(*(f for f in factors if _depends(f, over) or (selects and _is_value(f))))
    for index in over:
        if not _depends(inner, (index,)):
            outer *= extents[index]
    left = tuple(index for index in over if _depends(inner, (index,)))
    if not left:
        steps.append(Step("sum of a constant", partial(_shown_beside, body, over, outer)))
        return outer
    row = _sums_to_one(inner, left)
    if row is not None:
        steps.append(Step("rows sum to 1", partial(_shown_beside, body, over, outer)))
        return outer * sp.prod(extents[i] for i in left if i != row)
    if outer != 1:
        steps.append(Step("factor out of the sum", partial(_shown_apart, body, over, outer, inner, left)))
    return outer * reduction(inner, left, extents)


def _shown_beside(body: sp.Expr, over: tuple[Index, ...], after: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    return _shown(body, over), after


def _shown_apart(
    body: sp.Expr, over: tuple[Index, ...], outer: sp.Expr, inner: sp.Expr, left: tuple[Index, ...]
) -> tuple[sp.Expr, sp.Expr]:
    return _shown(body, over), outer * _shown(inner, left)


def _shown(body: sp.Expr, over: tuple[Index, ...]) -> sp.Expr:
    """For the derivation: the sum as a formula."""
    from symgraph.core.define import Sum

    return Sum(body, *over)


def _solved_delta(factor: sp.Expr, over: tuple[Index, ...], extents: Extents) -> tuple[Index, sp.Expr, sp.Basic] | None:
    """A bound index that δ fixes, its value, and where that lies within the index' extent."""
    if not isinstance(factor, Delta):
        return None
    for index in over:
        solved = solve_delta(factor, index, extents)
        if solved is not None:
            return index, *solved
    return None


def _is_value(factor: sp.Expr) -> bool:
    """Whether a factor may be NaN or infinite: all but numbers, sizes and δ."""
    return not isinstance(factor, Delta) and not all(isinstance(symbol, Dim) for symbol in factor.free_symbols)


def _sums_to_one(body: sp.Expr, over: tuple[Index, ...]) -> Index | None:
    """The bound index along which the body is a declared probability row, other bound indices not occurring."""
    if not isinstance(body, Element) or not body.tensor.rows_sum_to_one:
        return None
    last = body.indices[-1]
    if last not in over or any(_depends(index, (last,)) for index in body.indices[:-1]):
        return None
    rest = tuple(index for index in over if index != last)
    return last if not _depends(sp.Tuple(*body.indices[:-1]), rest) or not rest else None


def reduction(body: sp.Expr, over: tuple[Index, ...], extents: Extents) -> Element:
    """The element of the definition Σ_over body, over the free indices that occur in the body."""
    free = sorted(body.atoms(Index) - set(over), key=lambda index: index.name)
    rename = {index: axis(d) for d, index in enumerate(free)} | {index: bound(d) for d, index in enumerate(over)}
    shape = tuple(extents[index] for index in free)
    node = Tensor.define(shape, body.xreplace(rename), "sum", tuple(extents[index] for index in over))
    return Element(node, *free)
