"""A value with a formula of its own at each of a few places of an axis is as many values.

    v[t, j] = {a[t] if j = 0, else b[t]},  d[t, j] = 2·(v[t, j] − y[t, j])    →    d₀[t] = 2·(a[t] − y[t, 0]),  …
    Σ_j d[t, j]²,  j < 2                                                      →    d₀[t]² + d₁[t]²

A loop over two places that asks at each which of them it is would be the innermost one; now that is the one over t.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

import sympy as sp

from codegen.plan.slices import written_at
from symgraph.core.graph import consumers, elements_of, rewrite, topological
from symgraph.core.indices import Index, axis, bound
from symgraph.core.reading import call_alike
from symgraph.core.tensor import Definition, Element, Tensor

MOST_PLACES = 4
"""Places of an axis that are values of their own."""


def split_stacks(roots: Sequence[Tensor]) -> dict[Tensor, Tensor]:
    """The replacement of every tensor under ``roots``, none of which is split itself."""
    order = topological(roots)
    axes: dict[Tensor, int] = {}
    for tensor in order:
        found = None if tensor in roots else _stacked(tensor, axes)
        if found is not None:
            axes[tensor] = found
    readers = consumers(order)
    while rest := [tensor for tensor in axes if not all(_reads_places(r, tensor, axes) for r in readers[tensor])]:
        for tensor in rest:
            del axes[tensor]
    return rewrite(roots, _Split(axes).change) if axes else {tensor: tensor for tensor in order}


def _stacked(tensor: Tensor, axes: Mapping[Tensor, int]) -> int | None:
    """The axis whose places have formulas of their own, or read such values."""
    definition = tensor.definition
    if definition is None or definition.op is not None or definition.is_opaque or tensor.dtype != "real":
        return None
    conditions = [c for piece in definition.body.atoms(sp.Piecewise) for _, c in piece.args if not c.has(Element)]
    told = {index for condition in conditions if len(found := condition.atoms(Index)) == 1 for index in found}
    told |= {e.indices[axes[e.tensor]] for e in elements_of(definition.body) if e.tensor in axes}
    few = (d for d, size in enumerate(tensor.shape) if size.is_Integer and 2 <= size <= MOST_PLACES)
    return next((d for d in few if axis(d) in told), None)


def _reads_places(reader: Tensor, tensor: Tensor, axes: Mapping[Tensor, int]) -> bool:
    """Whether each place that is read of a value is a number, or will be one."""
    definition = reader.definition
    assert definition is not None
    if definition.is_opaque:
        return False
    ours = axis(axes[reader]) if reader in axes else None
    summed = {bound(d) for d, _ in _written_out(definition, axes)}
    read = (e.indices[axes[tensor]] for e in elements_of(definition.body) if e.tensor is tensor)
    return all(place.is_Integer or place == ours or place in summed for place in read)


def _written_out(definition: Definition, axes: Mapping[Tensor, int]) -> list[tuple[int, int]]:
    """The summed axes over places of values that are split, each with how many these are; none if they are many."""
    if definition.op != "sum":
        return []
    read = {e.indices[axes[e.tensor]] for e in elements_of(definition.body) if e.tensor in axes}
    found = [(d, size) for d, size in enumerate(definition.extents) if bound(d) in read and size.is_Integer]
    return [(d, int(size)) for d, size in found] if sp.prod([size for _, size in found]) <= MOST_PLACES else []


def _decided(piece: sp.Expr, rule: Mapping[Index, sp.Expr]) -> sp.Expr | None:
    """The branch that is taken at some places, if indices alone decide."""
    for value, condition in piece.args:
        holds = condition if condition.has(Element) else condition.xreplace(dict(rule))
        if holds != sp.false:
            return value if holds == sp.true else None
    return None


class _Split:
    """The values that are split, and what reads them."""

    def __init__(self, axes: Mapping[Tensor, int]) -> None:
        self.axes = axes
        self.parts: dict[Tensor, tuple[int, list[Tensor]]] = {}

    def change(self, tensor: Tensor, definition: Definition) -> Tensor:
        """The value; of one that is split, its parts are kept for its readers."""
        over = _written_out(definition, {whole: d for whole, (d, _) in self.parts.items()})
        op, body, extents = definition.op, definition.body, definition.extents
        if over:
            gone = [d for d, _ in over]
            left = [d for d in range(len(extents)) if d not in gone]
            moved = {bound(d): bound(place) for place, d in enumerate(left)}
            places = product(*(map(sp.Integer, range(count)) for _, count in over))
            terms = [self._at(body, {**moved, **dict(zip(map(bound, gone), place, strict=True))}) for place in places]
            body, extents = sp.Add(*terms, evaluate=False), tuple(extents[d] for d in left)
            op = op if extents else None
        elif not definition.is_opaque:
            body = self._at(body, {})
        whole = tensor.redefined(Definition(op, extents, body))
        if tensor in self.axes:
            d = self.axes[tensor]
            shape = tensor.shape[:d] + tensor.shape[d + 1 :]
            moved = {axis(e): axis(e - 1) for e in range(d + 1, tensor.ndim)}
            rules = ({**moved, axis(d): sp.Integer(n)} for n in range(int(tensor.shape[d])))
            parts = [Tensor.define(shape, self._at(definition.body, rule)) for rule in rules]
            for part in parts:
                call_alike(part, tensor)
            self.parts[whole] = d, parts
        return whole

    def _at(self, body: sp.Expr, rule: Mapping[Index, sp.Expr]) -> sp.Expr:
        """A formula at other indices, over the parts whose places are numbers there, where conditions are decided."""
        there: dict[sp.Basic, sp.Expr] = dict(self._there(body, rule))
        for piece in body.atoms(sp.Piecewise):
            chosen = _decided(piece, rule)
            if chosen is not None:
                there[piece] = self._at(chosen, rule)
        return written_at(body, rule, there) if rule or there else body

    def _there(self, body: sp.Expr, rule: Mapping[Index, sp.Expr]) -> Iterator[tuple[Element, Element]]:
        for element in elements_of(body):
            if element.tensor in self.parts:
                d, parts = self.parts[element.tensor]
                indices = [index.xreplace(dict(rule)) for index in element.indices]
                place = indices.pop(d)
                if place.is_Integer and 0 <= place < len(parts):  # others are read where a condition does not hold
                    yield element, Element(parts[int(place)], *indices)
