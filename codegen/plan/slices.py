"""Computes of a value what is read of it: where every reader reads one and the same place of an axis, that place.

    d[i, j] = δ(i, 0)·v[i, j],  v[i, j] = Σ_n f(x[n, i, j])   →   d[i, j] = δ(i, 0)·u[j],  u[j] = Σ_n f(x[n, 0, j])

Beside a δ that gives an axis a place, a factor is read at that place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import sympy as sp

from codegen.plan.scatter import is_place
from symgraph.core.bounds import requirements, stays_inside
from symgraph.core.cases import Cases
from symgraph.core.graph import elements_of, rewrite, topological
from symgraph.core.indices import Index, Shape, axis, bound, extents_of, is_at_least_zero
from symgraph.core.reading import call_first, name_of
from symgraph.core.rebuild import literal, replaced, written_product
from symgraph.core.scalars import Delta
from symgraph.core.tensor import Definition, Element, Tensor


def slice_values(roots: Sequence[Tensor]) -> dict[Tensor, Tensor]:
    """The replacement of every tensor under ``roots``."""
    placed = rewrite(roots, lambda tensor, definition: tensor.redefined(_at_places(tensor, definition)))
    sliced = rewrite([placed[root] for root in roots], _Slices([placed[root] for root in roots]).change)
    return {tensor: sliced[new] for tensor, new in placed.items() if new in sliced}


def own_places(roots: Sequence[Tensor]) -> dict[Tensor, Tensor]:
    """The replacement of every tensor, in which the only place of an axis of 1 is the reader's own on such an axis."""

    def change(tensor: Tensor, definition: Definition) -> Tensor:
        if definition.is_opaque:
            return tensor.redefined(definition)
        rule = {
            element: placed
            for element in elements_of(definition.body)
            if (placed := _at_own_place(element, tensor.shape)) is not element
        }
        body = literal(definition.body, rule) if rule else None
        return tensor.redefined(definition if body is None else replace(definition, body=body))

    return rewrite(roots, change)


def _at_own_place(element: Element, shape: Sequence[sp.Expr]) -> Element:
    pairs = zip(element.indices, element.tensor.shape, strict=True)
    own = [axis(d) if d < len(shape) and i == 0 and size == shape[d] == 1 else i for d, (i, size) in enumerate(pairs)]
    return element if own == list(element.indices) else Element(element.tensor, *own)


def _at_places(tensor: Tensor, definition: Definition) -> Definition:
    """The definition in which factors are read at the places that a δ beside them gives."""
    if not definition.body.has(Delta) or definition.op not in (None, "sum"):
        return definition
    terms = [_before_branches(term) for term in sp.Add.make_args(definition.body)]
    if definition.op == "sum" and len(terms) == 1 and (split := _before_sum(tensor.shape, definition, terms[0])):
        definition, terms = split, [split.body]
    terms = [_at_place(term, tensor.ndim) for term in terms]
    body = sp.Add(*terms, evaluate=False) if len(terms) > 1 else terms[0]
    return Definition(definition.op, definition.extents, body)


def _before_sum(shape: Shape, definition: Definition, term: sp.Expr) -> Definition | None:
    """Σ_n δ(i, 0)·g[n, j] as δ(i, 0)·u[j],  u[j] = Σ_n g[n, j]: a place that no term of the sum has a say in."""
    summed = {bound(d) for d in range(len(definition.extents))}
    factors = sp.Mul.make_args(term)
    places = [factor for factor in factors if is_place(factor) and not factor.atoms(Index) & summed]
    rest = [factor for factor in factors if factor not in places]
    if not places or not rest:
        return None
    body = written_product(rest)
    own = [d for d in range(len(shape)) if body.has(axis(d))]
    moved = _read_at(body, {axis(d): axis(position) for position, d in enumerate(own)})
    if moved is None:
        return None
    total = Tensor.define(tuple(shape[d] for d in own), moved, "sum", definition.extents)
    return Definition(None, (), sp.Mul(*places, Element(total, *map(axis, own)), evaluate=False))


def _in_own_indices(element: Element, position: int) -> sp.Expr | None:
    """The place on one axis by the indices that the other axes of what is read are called by."""
    place = element.indices[position]
    own = {at: axis(d) for d, at in enumerate(element.indices) if isinstance(at, Index) and d != position}
    return place.xreplace(own) if place.atoms(Index) <= own.keys() else None


def _before_branches(term: sp.Expr) -> sp.Expr:
    """{δ·a if c, else 0} as δ·{a if c, else 0}: a place is the same in all branches that are not 0."""
    if not isinstance(term, sp.Piecewise):
        return term
    values = [sp.Mul.make_args(value) for value, _ in term.args if value != 0]
    first = values[0] if values else ()
    places = [factor for factor in first if is_place(factor) and all(factor in value for value in values)]
    if not places:
        return term
    branches = [
        (value if value == 0 else written_product([f for f in sp.Mul.make_args(value) if f not in places]), condition)
        for value, condition in term.args
    ]
    return sp.Mul(*places, Cases(*branches), evaluate=False)


def _at_place(term: sp.Expr, rank: int) -> sp.Expr:
    factors = sp.Mul.make_args(term)
    rule = dict(found for factor in factors if is_place(factor) and (found := _fixed(factor, rank)))
    if not rule:
        return term
    new = [factor if is_place(factor) else _read_at(factor, rule) or factor for factor in factors]
    return written_product(new)


def _fixed(factor: sp.Expr, rank: int) -> tuple[Index, sp.Expr] | None:
    """The axis that a δ gives a place, which is a number or a label, and the place."""
    one, other = sorted(factor.as_base_exp()[0].args, key=lambda side: side.is_Integer is True or not side.is_Symbol)
    fixed = other.is_Integer or (isinstance(other, Element) and not other.has(one))
    return (one, other) if fixed and one in {axis(d) for d in range(rank)} else None


def _read_at(body: sp.Expr, rule: Mapping[Index, sp.Expr]) -> sp.Expr | None:
    """A formula at other indices, where nothing but an index is evaluated anew."""
    parts = body.atoms(Element, Delta)
    return literal(body, {**rule, **{part: part.xreplace(dict(rule)) for part in parts}})


class _Slices:
    """Which place is read of which value, found from the readers to what they read."""

    def __init__(self, roots: Sequence[Tensor]) -> None:
        self.places: dict[Tensor, dict[Index, sp.Expr]] = {}
        self.slices: dict[Tensor, tuple[Tensor, tuple[int, ...]]] = {}
        self.roots = roots
        reads: dict[Tensor, list[Element]] = {}
        whole = set(roots)
        for tensor in reversed(topological(roots)):
            definition = tensor.definition
            if definition is None:
                continue
            body = definition.body
            if tensor not in whole and definition.op in (None, "sum", "max", "min") and tensor.dtype != "integer":
                there = self._places_read(tensor, reads.get(tensor, []))
                found = _read_at(body, there) if there else None
                if found is not None:
                    self.places[tensor], body = there, found
            for element in elements_of(body):
                reads.setdefault(element.tensor, []).append(element)
            if definition.is_opaque:
                whole.update(element.tensor for element in elements_of(body))

    def change(self, tensor: Tensor, definition: Definition) -> Tensor:
        """Note the slice of a value, for its readers to read instead."""
        body = replaced(definition.body, {e: self._sliced(e) for e in elements_of(definition.body)})
        there = self.places.get(tensor, {})
        new = tensor.redefined(Definition(definition.op, definition.extents, body))
        small = _read_at(body, there) if there else None
        if small is not None:
            kept = tuple(d for d in range(tensor.ndim) if axis(d) not in there)
            small = replaced(small, {axis(d): axis(position) for position, d in enumerate(kept)})
            shape = tuple(tensor.shape[d] for d in kept)
            part = Tensor.define(shape, small, definition.op, definition.extents, new.cotangent_of)
            name = name_of(tensor)
            if name is not None and part.definition is not None:
                call_first(part, name)
            self.slices[new] = part, kept
        return new

    def _places_read(self, tensor: Tensor, reads: Sequence[Element]) -> dict[Index, sp.Expr]:
        """The axes of which all readers read one place, and that place."""
        found: dict[Index, sp.Expr] = {}
        extents = extents_of(tensor.shape)
        for d, size in enumerate(tensor.shape):
            places = {_in_own_indices(element, d) for element in reads}
            place = places.pop() if len(places) == 1 else None
            if place is None or place.atoms(Index) & found.keys():
                continue
            if self._is_inside(place, size, extents):
                found[axis(d)] = place
        return found

    def _is_inside(self, place: sp.Expr, size: sp.Expr, extents: Mapping[Index, sp.Expr]) -> bool:
        """Whether a place is a label, or a number on an axis that has it in every call that is let through."""
        if not place.is_Integer:
            return isinstance(place, Element) and stays_inside(place, extents)
        room = size - 1 - place
        return bool(place >= 0) and bool(
            is_at_least_zero(room) or any(is_at_least_zero(room - asked) for asked in self.asked)
        )

    @cached_property
    def asked(self) -> list[sp.Expr]:
        """What is at least 0 in such a call."""
        return [requirement.size for requirement in requirements(self.roots)]

    def _sliced(self, element: Element) -> Element:
        if element.tensor not in self.slices:
            return element
        tensor, kept = self.slices[element.tensor]
        return Element(tensor, *(element.indices[d] for d in kept))
