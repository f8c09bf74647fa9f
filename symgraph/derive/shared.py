"""Sums over values that have a name: a sum whose terms are a definition's elements reads that definition.

    b̄[j] = Σ_n ḡ[n, j]·(1 − tanh(a[n, j])²),   ā[n, j] = ḡ[n, j]·(1 − tanh(a[n, j])²)     →     b̄[j] = Σ_n ā[n, j]

Equal sums are one value then, as those of a layer's two biases.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import permutations

import sympy as sp

from symgraph.core.graph import elements_of
from symgraph.core.indices import axis, bound
from symgraph.core.recurrence import below
from symgraph.core.tensor import Definition, Element, Tensor
from symgraph.core.views import at_indices

MOST_AXES = 4
"""Of a value whose places are compared in every order."""


def reading_values(results: Sequence[Tensor], stop: Iterable[Tensor]) -> dict[Tensor, Tensor]:
    """What each result is over the pointwise values under all of them; nothing under those at which to ``stop``."""
    known: dict[frozenset[Tensor], list[Tensor]] = {}
    for tensor in below(results, stop):
        definition = tensor.definition
        if definition is not None and definition.op is None and not isinstance(definition.body, Element):
            known.setdefault(_read(definition.body), []).append(tensor)
    return {result: _over_values(result, known) for result in results}


def _over_values(result: Tensor, known: dict[frozenset[Tensor], list[Tensor]]) -> Tensor:
    definition = result.definition
    if definition is None or definition.op not in (None, "sum") or isinstance(definition.body, Element):
        return result
    for value in known.get(_read(definition.body), ()):
        place = None if value is result else _place(value, result, definition)
        if place is not None:
            body = Element(value, *place)
            return Tensor.define(result.shape, body, definition.op, definition.extents, result.cotangent_of)
    return result


def _place(value: Tensor, result: Tensor, definition: Definition) -> tuple[sp.Expr, ...] | None:
    """The indices at which a value's body is that of a result: each of the result's once, and 0 where the size is 1."""
    own = value.definition
    assert own is not None
    sizes = {axis(d): size for d, size in enumerate(result.shape)}
    sizes |= {bound(d): size for d, size in enumerate(definition.extents)}
    wide = [d for d, size in enumerate(value.shape) if size != 1]
    if len(wide) != len(sizes) or len(wide) > MOST_AXES:
        return None
    for order in permutations(sizes):
        if all(value.shape[d] == sizes[index] for d, index in zip(wide, order, strict=True)):
            at = dict(zip(wide, order, strict=True))
            place = tuple(at.get(d, sp.S.Zero) for d in range(value.ndim))
            if at_indices(own.body, place) == definition.body:
                return place
    return None


def _read(body: sp.Expr) -> frozenset[Tensor]:
    return frozenset(element.tensor for element in elements_of(body))
