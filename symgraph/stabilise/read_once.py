"""Formulas that no other one is better than: sums and products of values that have nothing to do with each other.

    Σ w[k, n]·x[n]        p − lr·g        a·(b + c)        h + 1/100000

Each rounding is as if a value that is read had another last digit, and each value is read once: so no error is larger
than what the roundings of the values make of the result, whatever it is.
"""

from __future__ import annotations

from collections.abc import Callable

import sympy as sp

from symgraph.core.graph import elements_of
from symgraph.core.rebuild import atoms_in
from symgraph.core.scalars import Delta
from symgraph.core.tensor import Element
from symgraph.stabilise.ranges import is_short_sum


def is_read_once(body: sp.Expr, opened: Callable[[sp.Expr], sp.Expr]) -> bool:
    """Whether a body is such a formula, and stays one with the formulas of the values it reads.

    Of two values that are formulas themselves the parts may cancel, as in eᵘ·e⁻ᵛ or in (1 + a) − (1 + b), where a
    and b are gone when they are read; so may those of one with a number, and reductions of the same. A mean of few
    has a form (:mod:`ranges`).
    """
    read = _read(body)
    if not read or any(value.tensor.is_label for value in read):
        return False
    formulas = [opened(value) for value in read]
    if len(read) == 1 and isinstance(formulas[0], Element) and is_short_sum(formulas[0]):
        return False
    kinds = (sp.Add, sp.Function, sp.Pow, sp.Piecewise) if body.has(sp.Add) else (sp.Function,)
    if sum(formula.has(*kinds) for formula in formulas) > (not _numbers_in_sums(body)):
        return False
    found = [base for formula in formulas for base in elements_of(formula)]
    if any(formula.has(sp.Pow) and any(map(is_short_sum, elements_of(formula))) for formula in formulas):
        return False
    reductions = sum(base.tensor.definition is not None and base.tensor.definition.op is not None for base in found)
    return len(found) == len(set(found)) and (reductions < 2 or not body.has(sp.Add))


def _read(body: sp.Expr) -> list[Element] | None:
    """The values that a formula of sums and products reads, if it reads each once, and a number is in no sum but the
    only one; None of another formula."""
    values: list[Element] = []
    pending = [body]
    while pending:
        node = pending.pop()
        base, power = node.as_base_exp()
        if isinstance(base, Element) and power.is_Integer and power.is_positive:
            values.append(base)
        elif isinstance(node, sp.Add | sp.Mul) and not node.has(Delta):
            pending.extend(node.args)
        elif node.has(Element, Delta):
            return None
    is_fit = len(values) == len(set(values)) and (not _numbers_in_sums(body) or len(atoms_in(body, sp.Add)) == 1)
    return values if is_fit else None


def _numbers_in_sums(body: sp.Expr) -> bool:
    return any(not arg.has(Element) for total in atoms_in(body, sp.Add) for arg in total.args)
