"""What is asked of the two forms of a cotangent before one of them becomes its definition."""

from __future__ import annotations

import sympy as sp

from symgraph.core.cost import cost
from symgraph.core.graph import elements_of
from symgraph.core.indices import Index
from symgraph.core.tensor import Tensor
from symgraph.simplify import Step
from symgraph.simplify.sums import summed


def may_cancel(full: sp.Expr) -> bool:
    """Whether something is divided by a value of the program."""
    return any(p.exp.could_extract_minus_sign() and elements_of(p.base) for p in full.atoms(sp.Pow) if p.base != sp.E)


def summed_form(body: sp.Expr, over: tuple[Index, ...], extents: dict[Index, sp.Expr]) -> tuple[sp.Expr, list[Step]]:
    """A sum of a body, and the steps that have simplified it."""
    steps: list[Step] = []
    return summed(body, over, extents, steps), steps


def new_sums(after: sp.Expr, before: sp.Expr) -> set[Tensor]:
    """Sums that summing has made, as against those it has done away with."""
    return {e.tensor for e in elements_of(after)} - {e.tensor for e in elements_of(before)}


def inner_cost(expression: sp.Expr) -> float:
    """Cost of an expression and of one iteration of each sum it refers to."""
    total = cost(expression)
    for element in elements_of(expression):
        definition = element.tensor.definition
        if definition is not None and definition.op is not None and element.tensor.cotangent_of is None:
            total += 2 * cost(definition.body)
    return total
