"""Computes of a value what is read of it: of an axis of which every reader reads one place, that place, and of one of
which they read some, those.

    d[i, j] = δ(i, 0)·v[i, j],  v[i, j] = Σ_n f(x[n, i, j])   →   d[i, j] = δ(i, 0)·u[j],  u[j] = Σ_n f(x[n, 0, j])
    d[i, j] = δ(i, j)·v[i, j],  v[i, j] = Σ_n f(x[n, i, j])   →   d[i, j] = δ(i, j)·u[i],  u[i] = Σ_n f(x[n, i, i])
    d[i] = v[i + 1], i < 8,     v[i] = Σ_n f(x[n, i]), i < 10 →   d[i] = u[i],             u[i] = Σ_n f(x[n, i + 1])

Beside a δ that gives an axis a place, a factor is read at that place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import sympy as sp

from codegen.loops.ranges import is_within, narrowed
from symgraph.core.bounds import Intervals, range_of, requirements, running, stays_inside
from symgraph.core.graph import elements_of, rewrite, topological
from symgraph.core.indices import Index, Shape, axis, bound, extents_of, is_at_least_zero
from symgraph.core.kept import cached_property
from symgraph.core.reading import call_alike
from symgraph.core.rebuild import literal, replaced, unevaluated, written_product
from symgraph.core.scalars import Delta
from symgraph.core.tensor import Definition, Element, Tensor
from symgraph.simplify.selections import before_branches, is_place


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
    terms = [before_branches(term) for term in sp.Add.make_args(definition.body)]
    if definition.op == "sum" and len(terms) == 1 and (split := _before_sum(tensor.shape, definition, terms[0])):
        definition, terms = split, [split.body]
    terms = [_at_place(term, tensor.shape) for term in terms]
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
    moved = at_places(body, {axis(d): axis(position) for position, d in enumerate(own)})
    if moved is None:
        return None
    total = Tensor.define(tuple(shape[d] for d in own), moved, "sum", definition.extents)
    return Definition(None, (), sp.Mul(*places, Element(total, *map(axis, own)), evaluate=False))


def _in_own_indices(element: Element, position: int) -> sp.Expr | None:
    """The place on one axis by the indices that the other axes of what is read are called by."""
    place = element.indices[position]
    own = {at: axis(d) for d, at in enumerate(element.indices) if isinstance(at, Index) and d != position}
    return place.xreplace(own) if place.atoms(Index) <= own.keys() else None


def _at_place(term: sp.Expr, shape: Shape) -> sp.Expr:
    factors = sp.Mul.make_args(term)
    places = [found for factor in factors if is_place(factor) for found in _fixed(factor, shape)[:1]]
    rule = dict(places)
    if not rule:
        return term
    new = [factor if is_place(factor) else at_places(factor, rule) or factor for factor in factors]
    return written_product(new)


def _fixed(factor: sp.Expr, shape: Shape) -> list[tuple[Index, sp.Expr]]:
    """The axes that a δ gives a place, which is a number, a label or the index of no longer an axis, and the places."""
    extents, sides = extents_of(shape), factor.as_base_exp()[0].args
    found = []
    for index, place in (sides[::-1], sides):
        is_no_longer = place in extents and is_at_least_zero(extents.get(index, 0) - extents[place])
        is_known = place.is_Integer or (isinstance(place, Element) and not place.has(index))
        if index in extents and (is_known or is_no_longer):
            found.append((index, place))
    return found


def at_places(body: sp.Expr, rule: Mapping[Index, sp.Expr]) -> sp.Expr | None:
    """A formula at other indices, where nothing but an index is evaluated anew, and conditions on indices alone."""
    return literal(body, _with_parts(body, rule))


def written_at(body: sp.Expr, rule: Mapping[Index, sp.Expr], there: Mapping[sp.Basic, sp.Expr]) -> sp.Expr:
    """The same, told what some of its parts are there, as it would be written if SymPy evaluated more."""
    parts = {**_with_parts(body, rule), **there}
    found = literal(body, parts)
    return unevaluated(body, parts) if found is None else found


def renamed(body: sp.Expr, rule: Mapping[Index, Index]) -> sp.Expr:
    """A formula by other names of its indices, where nothing but these is looked at."""
    return unevaluated(body, _with_parts(body, rule))


def _with_parts(body: sp.Expr, rule: Mapping[Index, sp.Expr]) -> dict[sp.Basic, sp.Basic]:
    """The rule, and what it makes of that in which it may be evaluated."""
    parts = [*body.atoms(Element, Delta), *(c for c in body.atoms(sp.core.relational.Relational) if not c.has(Element))]
    return {**rule, **{part: part.xreplace(dict(rule)) for part in parts}}


@dataclass(frozen=True, slots=True)
class _Part:
    """What is read of a value: the one place of some axes, and of others ``size`` places from ``first`` on."""

    places: Mapping[Index, sp.Expr]
    spans: Mapping[Index, tuple[int, int]]

    def shape(self, tensor: Tensor) -> Shape:
        """The sizes of the axes that are left."""
        sizes = {index: sp.Integer(size) for index, (_, size) in self.spans.items()}
        return tuple(sizes.get(axis(d), size) for d, size in enumerate(tensor.shape) if axis(d) not in self.places)

    def of(self, body: sp.Expr) -> sp.Expr | None:
        """A body there, with the indices of the whole."""
        shift = {i: i + first for i, (first, _) in self.spans.items() if first}
        return at_places(body, {**{index: place.xreplace(shift) for index, place in self.places.items()}, **shift})

    def intervals(self, tensor: Tensor, definition: Definition) -> Intervals:
        """How far the indices of that body run."""
        sizes = {index: sp.Integer(size) for index, (_, size) in self.spans.items()}
        return running({**extents_of(tensor.shape, definition.extents), **sizes})


class _Slices:
    """What is read of which value, found from the readers to what they read."""

    def __init__(self, roots: Sequence[Tensor]) -> None:
        self.parts: dict[Tensor, _Part] = {}
        self.slices: dict[Tensor, tuple[Tensor, _Part]] = {}
        self.roots = roots
        reads: dict[Tensor, list[tuple[Element, Intervals]]] = {}
        whole = set(roots)
        for tensor in reversed(topological(roots)):
            definition = tensor.definition
            if definition is None:
                continue
            part, body = _Part({}, {}), definition.body
            if tensor not in whole and _may_be_smaller(tensor, definition):
                wanted = self._read_of(tensor, reads.get(tensor, []))
                found = wanted.of(body) if wanted.places or wanted.spans else None
                if found is not None:
                    self.parts[tensor], part, body = wanted, wanted, found
            intervals = part.intervals(tensor, definition)
            for element, where in _reads(body, intervals):
                reads.setdefault(element.tensor, []).append((element, where))
            if definition.is_opaque:
                whole.update(element.tensor for element in elements_of(body))

    def change(self, tensor: Tensor, definition: Definition) -> Tensor:
        """Note the slice of a value, for its readers to read instead."""
        body = replaced(definition.body, {e: self._sliced(e) for e in elements_of(definition.body)})
        part = self.parts.get(tensor)
        new = tensor.redefined(Definition(definition.op, definition.extents, body))
        small = part.of(body) if part is not None else None
        if part is not None and small is not None:
            kept = [d for d in range(tensor.ndim) if axis(d) not in part.places]
            small = replaced(small, {axis(d): axis(position) for position, d in enumerate(kept)})
            made = Tensor.define(part.shape(tensor), small, definition.op, definition.extents, new.cotangent_of)
            call_alike(made, tensor)
            self.slices[new] = made, part
        return new

    def _read_of(self, tensor: Tensor, reads: Sequence[tuple[Element, Intervals]]) -> _Part:
        """The axes of which all readers read one place, and those of which they read some."""
        places: dict[Index, sp.Expr] = {}
        spans: dict[Index, tuple[int, int]] = {}
        extents = extents_of(tensor.shape)
        for d, size in enumerate(tensor.shape):
            found = {_in_own_indices(element, d) for element, _ in reads}
            place = found.pop() if len(found) == 1 else None
            if place is not None and not place.atoms(Index) & places.keys() and self._is_inside(place, size, extents):
                places[axis(d)] = place
            elif (span := _span([(e.indices[d], intervals) for e, intervals in reads], size)) is not None:
                spans[axis(d)] = span
        return _Part(places, spans)

    def _is_inside(self, place: sp.Expr, size: sp.Expr, extents: Mapping[Index, sp.Expr]) -> bool:
        """Whether a place is a label, an index, or a number on an axis that has it in every call let through."""
        if not place.is_Integer:
            labels = elements_of(place)
            return is_within(place, size, running(extents)) and all(stays_inside(label, extents) for label in labels)
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
        tensor, part = self.slices[element.tensor]
        moved = [place - part.spans.get(axis(d), (0, 0))[0] for d, place in enumerate(element.indices)]
        return Element(tensor, *(place for d, place in enumerate(moved) if axis(d) not in part.places))


def _may_be_smaller(tensor: Tensor, definition: Definition) -> bool:
    """Whether each element is a formula or a reduction of its own, and no label that is handed on."""
    if tensor.dtype == "integer":
        return definition.op in ("argmax", "argmin")
    return definition.op in (None, "sum", "max", "min")


def _reads(body: sp.Basic, intervals: Intervals) -> Iterator[tuple[Element, Intervals]]:
    """The elements of a body, with how far the indices run where they are read."""
    if not isinstance(body, Element) and body.has(sp.Piecewise):
        for part in body.args:
            value, condition = part.args if isinstance(body, sp.Piecewise) else (part, sp.true)
            yield from _reads(value, narrowed(intervals, condition))
            yield from ((element, intervals) for element in elements_of(condition))
    else:
        yield from ((element, intervals) for element in elements_of(body))


def _span(places: Sequence[tuple[sp.Expr, Intervals]], size: sp.Expr) -> tuple[int, int] | None:
    """The first place that is read of an axis and how many there are, if these are known and not all."""
    ends = [range_of(place, intervals) for place, intervals in places]
    if not ends or not all(end and end[0].is_Integer and end[1].is_Integer for end in ends):
        return None
    first, last = max(0, min(int(end[0]) for end in ends if end)), max(int(end[1]) for end in ends if end)
    last = min(int(size) - 1, last) if size.is_Integer else last
    is_there = first <= last and is_at_least_zero(size - 1 - last)
    return (first, last - first + 1) if is_there and (first, last) != (0, size - 1) else None
