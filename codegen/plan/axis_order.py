"""Orders the axes of values that nobody else sees, so that vectors run along the one that fills them.

    y[n, o, p, q] = Σ_{c,u,v} x[n, c, p + u, q + v]·W[o, c, u, v],  o < 64, q < 10
    →   y[n, p, q, o], since 10 lanes of 16 are few; and what is computed of it, element by element or as a maximum
    e[i, j] = exp(x[j, i] − m[i])   →   e[j, i], since x lies so
    d[j, i] = Σ_n h[n, j]·g[n, i],  W[i, j] ← W[i, j] − lr·d[j, i]   →   d[i, j], since it is read so
"""

from __future__ import annotations

from collections.abc import Sequence

import sympy as sp

from codegen.plan.slices import renamed
from codegen.plan.windows import LANES, window_of
from symgraph.core.graph import consumers, elements_of, rewrite, topological
from symgraph.core.indices import Index, Shape, axis, bound
from symgraph.core.reading import call_alike
from symgraph.core.rebuild import replaced
from symgraph.core.tensor import Definition, Element, Tensor


def order_axes(roots: Sequence[Tensor]) -> dict[Tensor, Tensor]:
    """The replacement of every tensor under ``roots``."""
    return rewrite(roots, _Orders(roots).change)


class _Orders:
    """Which values have another axis last, found from operands to readers."""

    def __init__(self, roots: Sequence[Tensor]) -> None:
        readers = consumers(topological(roots))
        opaque = {t for t, those in readers.items() for r in those if r.definition and r.definition.is_opaque}
        self.fixed = opaque | set(roots)
        self.turned = {t for t, those in readers.items() if _is_product(t) and all(_reads_turned(r, t) for r in those)}
        self.moved: dict[Tensor, tuple[Tensor, list[int]]] = {}
        self.made: set[Tensor] = set()

    def change(self, tensor: Tensor, definition: Definition) -> Tensor:
        """Note the value with its axes in order, for its readers to read instead."""
        last = None if tensor in self.fixed else self._last(tensor, definition)
        body = replaced(definition.body, {e: self._read(e) for e in elements_of(definition.body)})
        new = tensor.redefined(self._summed_along(tensor.shape, Definition(definition.op, definition.extents, body)))
        if last is None or last == tensor.ndim - 1 or new.definition is None:
            return new
        definition = new.definition
        order = _with_last(tensor.ndim, last)
        body = renamed(definition.body, {axis(d): axis(position) for position, d in enumerate(order)})
        shape = tuple(tensor.shape[d] for d in order)
        made = Tensor.define(shape, body, definition.op, definition.extents, new.cotangent_of)
        call_alike(made, tensor)
        self.moved[new] = made, order
        self.made.add(made)
        return new

    def _read(self, element: Element) -> Element:
        if element.tensor not in self.moved:
            return element
        made, order = self.moved[element.tensor]
        return Element(made, *(element.indices[d] for d in order))

    def _last(self, tensor: Tensor, definition: Definition) -> int | None:
        """The axis that is to be the last one; None if any may be."""
        if tensor.ndim < 2 or definition.is_opaque:
            return None
        pointwise = definition.op in (None, "max", "min")
        found = window_of(tensor.shape, definition, 1)
        if tensor in self.turned:
            return 0
        if found is None:
            return self._along(definition.body, [axis(d) for d in range(tensor.ndim)]) if pointwise else None
        is_known = all(size.is_Integer for size in tensor.shape[1:])
        if found.outer or len(found.rows) != 1 or found.rows_last or not is_known:
            return None
        row, column = (int(indices[-1].name[1:]) for indices in (found.rows, found.columns))
        return row if _filled(tensor.shape[row]) > _filled(tensor.shape[column]) else None

    def _summed_along(self, shape: Shape, definition: Definition) -> Definition:
        """The reduction whose last index is that along which most of what is read lies in memory."""
        count = len(definition.extents)
        if definition.op not in ("sum", "max", "min") or count < 2 or window_of(shape, definition, 0) is not None:
            return definition
        last = self._along(definition.body, [bound(d) for d in range(count)])
        if last is None or last == count - 1:
            return definition
        order = _with_last(count, last)
        body = renamed(definition.body, {bound(d): bound(position) for position, d in enumerate(order)})
        return Definition(definition.op, tuple(definition.extents[d] for d in order), body)

    def _along(self, body: sp.Expr, indices: Sequence[Index]) -> int | None:
        """Along which of some indices most of what is read lies in memory, if any of it has been moved, or else all of
        it that has all of these, if it is a formula; what has more indices is larger, and counts so."""
        read = [self._read(element) for element in elements_of(body)]
        is_free = any(element.tensor in self.made for element in read)
        places = {index: place for place, index in enumerate(indices)}
        votes: dict[int, int] = {}
        for element in read:
            if not is_free and not all(any(place.has(index) for place in element.indices) for index in indices):
                continue
            along = element.indices[-1].atoms(Index) if element.indices else set()
            place = places.get(along.pop()) if len(along) == 1 else None
            if place is not None:
                votes[place] = votes.get(place, 0) + sum(bool(i.atoms(Index)) for i in element.indices)
        if not is_free and (isinstance(body, Element) or votes.keys() & {len(indices) - 1}):
            return None
        return max(votes, key=lambda place: (votes[place], place)) if votes else None


def _is_product(tensor: Tensor) -> bool:
    """Whether a value is a product of matrices, which is computed in either order alike."""
    definition = tensor.definition
    if tensor.ndim != 2 or definition is None or definition.op != "sum" or not isinstance(definition.body, sp.Mul):
        return False
    axes = [{axis(0), axis(1)} & set().union(*(place.atoms(Index) for place in e.indices)) for e in definition.body.args
            if isinstance(e, Element)]  # fmt: skip
    return len(definition.body.args) == 2 and sorted(axes, key=str) == [{axis(0)}, {axis(1)}]


def _reads_turned(reader: Tensor, tensor: Tensor) -> bool:
    """Whether a formula goes along the first axis of what it reads, side by side."""
    definition, last = reader.definition, axis(reader.ndim - 1)
    if definition is None or definition.op is not None or reader.ndim < 2:
        return False
    read = [element.indices for element in elements_of(definition.body) if element.tensor is tensor]
    return all(first.has(last) and not second.has(last) for first, second in read)


def _with_last(count: int, last: int) -> list[int]:
    """So many numbers, one of them last."""
    return [*(d for d in range(count) if d != last), last]


def _filled(size: sp.Expr) -> float:
    """The part of vectors along an axis that is used."""
    return int(size) / (-(-int(size) // LANES) * LANES)
