"""Updates of the rows that are touched: where a leaf's next value is itself and a number times a scatter.

    W ← W − η·S,  S[i, j] = Σ_n δ(i, t[n])·g[n, j]       →      W += Σ_n δ(i, t[n])·(−η·g[n, j])

Rows that no term has a place in are neither read nor written. By algebra, whatever the optimiser is called: momentum,
weight decay and moments change rows whose gradient is 0, and stay as they are.
"""

from __future__ import annotations

from collections.abc import Collection

import sympy as sp

from codegen.plan.scatter import scatter_of
from symgraph.core.graph import elements_of
from symgraph.core.indices import Index
from symgraph.core.rebuild import written_product
from symgraph.core.tensor import Element, Tensor
from symgraph.core.views import at_indices
from symgraph.simplify.selections import is_place


def added(leaf: Tensor, total: Tensor, value: Tensor, readers: Collection[Tensor]) -> Tensor | None:
    """The terms that are added to a leaf, each in its place, if that is what its next value says of a scatter's total.

    ``readers`` are those of the total. They must be the next value alone: nobody else would find it in memory.
    """
    if set(readers) != {value} or value.definition is None or total.definition is None:
        return None
    scatter = scatter_of(total.ndim, total.definition)
    rest = sp.expand(value.definition.body - leaf.element)
    factor = rest.coeff(total.element)
    if scatter is None or sp.expand(rest - factor * total.element) != 0 or not _is_number(factor):
        return None
    (term,) = scatter.terms
    if term.is_fixed:
        return None
    body = sp.Mul.make_args(total.definition.body)
    places = [part for part in body if is_place(part)]
    rest_of_it = [inner for part in body if part not in places for inner in _seen_through(part)]
    product = written_product([*places, *sp.Mul.make_args(factor), *rest_of_it])
    return Tensor.define(leaf.shape, product, "sum", total.definition.extents)


def scattered(value: Tensor) -> Tensor | None:
    """The one scatter that a formula reads, at its own place."""
    definition = value.definition
    if definition is None or definition.op is not None:
        return None
    found = [e.tensor for e in elements_of(definition.body) if e.is_all_of(value.shape) and _is_scatter(e.tensor)]
    return found[0] if len(found) == 1 else None


def _is_scatter(tensor: Tensor) -> bool:
    definition = tensor.definition
    return definition is not None and definition.op == "sum" and scatter_of(tensor.ndim, definition) is not None


def _is_number(factor: sp.Expr) -> bool:
    """Whether a factor is the same in all places, and so made of numbers and hyper-parameters."""
    return not factor.has(Index) and all(element.tensor.ndim == 0 for element in elements_of(factor))


def _seen_through(part: sp.Expr) -> tuple[sp.Expr, ...]:
    """The factors of a product that is only read here; it need not be in memory for every place that it goes to."""
    definition = part.tensor.definition if isinstance(part, Element) else None
    if definition is None or definition.op is not None:
        return (part,)
    factors = sp.Mul.make_args(definition.body)
    plain = all(factor.is_Rational or isinstance(factor, Element) for factor in factors)
    return sp.Mul.make_args(at_indices(definition.body, part.indices)) if plain else (part,)
