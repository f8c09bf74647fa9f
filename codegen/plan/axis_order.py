"""Orders the axes of values that nobody else sees, so that vectors run along the one that fills them.

    y[n, o, p, q] = Σ_{c,u,v} x[n, c, p + u, q + v]·W[o, c, u, v],  o < 64, q < 10
    →   y[n, p, q, o], since 10 lanes of 16 are few; and what is computed of it, element by element or as a maximum
"""

from __future__ import annotations

from collections.abc import Sequence

import sympy as sp

from codegen.plan.slices import renamed
from codegen.plan.windows import LANES, window_of
from symgraph.core.graph import consumers, elements_of, rewrite, topological
from symgraph.core.indices import Index, axis
from symgraph.core.reading import call_first, name_of
from symgraph.core.rebuild import replaced
from symgraph.core.tensor import Definition, Element, Tensor

LEAST_RANK = 3
"""Axes from which on their order is ours to choose: rows stay first, and matrices are what products read."""


def order_axes(roots: Sequence[Tensor]) -> dict[Tensor, Tensor]:
    """The replacement of every tensor under ``roots``."""
    return rewrite(roots, _Orders(roots).change)


class _Orders:
    """Which values have another axis last, found from operands to readers."""

    def __init__(self, roots: Sequence[Tensor]) -> None:
        readers = consumers(topological(roots))
        opaque = {t for t, those in readers.items() for r in those if r.definition and r.definition.is_opaque}
        self.fixed = opaque | set(roots)
        self.moved: dict[Tensor, tuple[Tensor, list[int]]] = {}

    def change(self, tensor: Tensor, definition: Definition) -> Tensor:
        """Note the value with its axes in order, for its readers to read instead."""
        last = None if tensor in self.fixed else self._last(tensor, definition)
        body = replaced(definition.body, {e: self._read(e) for e in elements_of(definition.body)})
        new = tensor.redefined(Definition(definition.op, definition.extents, body))
        if last is None or last == tensor.ndim - 1:
            return new
        order = [*(d for d in range(tensor.ndim) if d != last), last]
        body = renamed(body, {axis(d): axis(position) for position, d in enumerate(order)})
        shape = tuple(tensor.shape[d] for d in order)
        made = Tensor.define(shape, body, definition.op, definition.extents, new.cotangent_of)
        name = name_of(tensor)
        if name is not None and made.definition is not None:
            call_first(made, name)
        self.moved[new] = made, order
        return new

    def _read(self, element: Element) -> Element:
        if element.tensor not in self.moved:
            return element
        made, order = self.moved[element.tensor]
        return Element(made, *(element.indices[d] for d in order))

    def _last(self, tensor: Tensor, definition: Definition) -> int | None:
        """The axis that is to be the last one; None if any may be."""
        if tensor.ndim < LEAST_RANK or definition.is_opaque:
            return None
        found = window_of(tensor.shape, definition, 1)
        if found is None:
            return self._read_along(tensor.ndim, definition) if definition.op in (None, "max", "min") else None
        if found.outer or len(found.rows) != 1 or found.rows_last:
            return None
        row, column = (int(indices[-1].name[1:]) for indices in (found.rows, found.columns))
        return row if _filled(tensor.shape[row]) > _filled(tensor.shape[column]) else None

    def _read_along(self, rank: int, definition: Definition) -> int | None:
        """The axis along which most of what is read lies in memory; what has more indices is larger, and counts so."""
        places = {axis(d): d for d in range(rank)}
        read = [self._read(element) for element in elements_of(definition.body)]
        moved = {made for made, _ in self.moved.values()}
        if not any(element.tensor in moved for element in read):
            return None
        votes: dict[int, int] = {}
        for element in read:
            along = element.indices[-1].atoms(Index) if element.indices else set()
            place = places.get(along.pop()) if len(along) == 1 else None
            if place is not None:
                votes[place] = votes.get(place, 0) + sum(bool(i.atoms(Index)) for i in element.indices)
        return max(votes, key=lambda place: (votes[place], place)) if votes else None


def _filled(size: sp.Expr) -> float:
    """The part of vectors along an axis that is used."""
    return int(size) / (-(-int(size) // LANES) * LANES)
