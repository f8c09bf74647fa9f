"""A sum of exponentials by its largest term: Σ c·exp(u) = exp(m)·S′ with m = max u, d = u − m, S′ = Σ c·exp(d)."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

import sympy as sp

from symgraph.core.cases import Cases
from symgraph.core.graph import elements_of
from symgraph.core.indices import Index, Shape, axis, bound
from symgraph.core.rebuild import atoms_in, replaced
from symgraph.core.tensor import Element, Tensor
from symgraph.core.views import inlined


@dataclass(frozen=True, slots=True)
class Shift:
    """What a sum of exponentials with the exponent u becomes: m, d and S′."""

    exponent: sp.Expr
    largest: Tensor
    gap: Tensor
    scaled: Tensor


def exponent_along(term: sp.Expr, over: Set[sp.Basic]) -> sp.Expr | None:
    """The exponent of the only exponential factor that varies along a sum; None where there is none, or are several."""
    found = [f.args[0] for f in sp.Mul.make_args(term) if isinstance(f, sp.exp) and f.free_symbols & over]
    return found[0] if len(found) == 1 else None


def shift(shape: Shape, extents: Shape, term: sp.Expr, mask: sp.Basic, exponent: sp.Expr) -> Shift | None:
    """The shift of Σ term, where ``mask`` holds; None if the exponent is the same along an axis of the sum, and what it
    is a factor of is not: Σ_j W[i, j]·exp(u[j]) is a product of matrices."""
    if not atoms_in(exponent, Index) >= atoms_in(sp.Tuple(term, mask), Index) & {axis(d) for d in range(len(shape))}:
        return None
    own = without_multiples(exponent)
    largest = Tensor.define(shape, Cases((own, mask), (-sp.oo, True)), "max", extents)
    along = {bound(d): axis(len(shape) + d) for d in range(len(extents))}
    gap = Tensor.define(shape + extents, own.xreplace(along) - largest.element)
    at = [*(axis(d) for d in range(len(shape))), *along]
    rest = (factor for factor in sp.Mul.make_args(term) if factor != sp.exp(exponent))  # e^{u−m}·e^{m−u} stays
    scaled = Cases((sp.Mul(*rest, sp.exp(Element(gap, *at))), mask), (0, True))
    return Shift(own, largest, gap, Tensor.define(shape, scaled, "sum", extents))


def without_multiples(exponent: sp.Expr) -> sp.Expr:
    """The formula with v for a value that is v times a number, whatever that is called."""
    while rule := {e: inlined(e) for e in elements_of(exponent) if _is_multiple(e)}:
        exponent = replaced(exponent, rule)  # type: ignore[assignment]
    return exponent


def _is_multiple(element: Element) -> bool:
    definition = element.tensor.definition
    if definition is None or definition.op is not None or element.tensor.is_label:
        return False
    return isinstance(definition.body.as_coeff_Mul()[1], Element)


def without_aliases(expression: sp.Expr) -> sp.Expr:
    """The expression with x[2] for a value that is x[2]."""
    while rule := {e: inlined(e) for e in elements_of(expression) if _is_alias(e)}:
        expression = replaced(expression, rule)  # type: ignore[assignment]
    return expression


def are_equal(one: sp.Expr, other: sp.Expr) -> bool:
    """Whether two exponents are equal, whatever multiples of values are called."""
    return sp.expand(one - other) == 0 or sp.expand(without_multiples(one) - without_multiples(other)) == 0


def _is_alias(element: Element) -> bool:
    definition = element.tensor.definition
    return definition is not None and definition.op is None and isinstance(definition.body, Element)
