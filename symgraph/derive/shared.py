"""What a recurrence's derivatives share with each other and with its steps: a formula that has a name is read.

    b̄[j] = Σ_n ḡ[n, j]·(1 − g[n, j]²),   ā[n, j] = ḡ[n, j]·(1 − g[n, j]²)     →     b̄[j] = Σ_n ā[n, j]
    ā[n, j] = ḡ[n, j]·(1 − tanh(x[n, j] + b[j])²),   g[n, j] = tanh(x[n, j] + b[j])     →     1 − g[n, j]²

Equal sums are one value then, as those of a layer's two biases, and functions are computed in the forward steps alone.
A function of one value stays: where it saturates, stabilisation has a better form for it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import sympy as sp

from symgraph.core.graph import elements_of, rewrite
from symgraph.core.indices import Index, axis, bound
from symgraph.core.rebuild import literal, parts_of
from symgraph.core.recurrence import below
from symgraph.core.tensor import Definition, Element, Tensor
from symgraph.core.views import at_indices, is_kernel

Known = dict[frozenset[Tensor], list[Tensor]]
"""Pointwise values by what their bodies read."""


def reading_values(found: Mapping[Tensor, Tensor], forward: Collection[Tensor]) -> dict[Tensor, Tensor]:
    """The values of a mapping over forward values and over each other."""
    functions: Known = {}
    for tensor in forward:
        body = _pointwise(tensor)
        if body is not None and is_kernel(body) and len(elements_of(body)) > 1:
            functions.setdefault(_read(body), []).append(tensor)
    inside = set(forward)

    def with_functions(tensor: Tensor, definition: Definition) -> Tensor:
        if tensor in inside or definition.is_opaque:
            return tensor.redefined(definition)
        sizes, body = _sizes(tensor, definition), definition.body
        kernels = [node for node in parts_of(body) if is_kernel(node) and not isinstance(node, Element)]
        named = {node: _named(node, functions, sizes) for node in kernels} if functions else {}
        body = literal(body, {node: element for node, element in named.items() if element is not None}) or body
        return tensor.redefined(Definition(definition.op, definition.extents, body))

    over = rewrite(list(found.values()), with_functions)
    known: Known = {}
    for tensor in below([over[value] for value in found.values()], inside):
        body = _pointwise(tensor)
        if body is not None:
            known.setdefault(_read(body), []).append(tensor)
    return {key: _over_values(over[value], known) for key, value in found.items()}


def _over_values(result: Tensor, known: Known) -> Tensor:
    definition = result.definition
    if definition is None or definition.op not in (None, "sum") or isinstance(definition.body, Element):
        return result
    element = _named(definition.body, known, _sizes(result, definition), result)
    if element is None:
        return result
    return Tensor.define(result.shape, element, definition.op, definition.extents, result.cotangent_of)


def _named(
    formula: sp.Basic, known: Known, sizes: Mapping[sp.Basic, sp.Expr], but: Tensor | None = None
) -> Element | None:
    """The element of a known value whose body a formula is."""
    for value in known.get(_read(formula), ()):
        place = None if value is but else _place(value, formula, sizes)
        if place is not None:
            return Element(value, *place)
    return None


def _place(value: Tensor, formula: sp.Basic, sizes: Mapping[sp.Basic, sp.Expr]) -> tuple[sp.Expr, ...] | None:
    """The indices at which a value's body is the formula, each of one of its axes or, where the size is 1, 0."""
    body = _pointwise(value)
    assert body is not None
    wide = [d for d, size in enumerate(value.shape) if size != 1]
    for own in elements_of(body):
        if not all(axis(d) in own.indices for d in wide):
            continue
        for element in elements_of(formula):
            if element.tensor is not own.tensor:
                continue
            at = {d: element.indices[own.indices.index(axis(d))] for d in wide}
            if any(not isinstance(i, Index) or sizes.get(i) != value.shape[d] for d, i in at.items()):
                continue
            place = tuple(at.get(d, sp.S.Zero) for d in range(value.ndim))
            if at_indices(body, place) == formula:
                return place
    return None


def _sizes(tensor: Tensor, definition: Definition) -> dict[sp.Basic, sp.Expr]:
    sizes: dict[sp.Basic, sp.Expr] = {axis(d): size for d, size in enumerate(tensor.shape)}
    return sizes | {bound(d): size for d, size in enumerate(definition.extents)}


def _pointwise(tensor: Tensor) -> sp.Expr | None:
    """A formula of its own, element by element."""
    definition = tensor.definition
    plain = definition is not None and definition.op is None and not isinstance(definition.body, Element)
    return definition.body if definition is not None and plain else None


def _read(formula: sp.Basic) -> frozenset[Tensor]:
    return frozenset(element.tensor for element in elements_of(formula))
