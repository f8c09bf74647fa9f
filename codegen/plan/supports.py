"""Computes of a value what may be other than 0: beside it, its readers know what it is.

    d[p] = {g[⌊p/2⌋] if p < 10, else 0}, p < 11            →    e[p] = g[⌊p/2⌋], p < 10
    s = Σ_{p<11} d[p]·x[p]                                 →    s = Σ_{p<10} e[p]·x[p]
    y[m] = {d[m − r] if m − r ≥ 0 and m − r < 11, else 0}  →    y[m] = {e[m − r] if m − r ≥ 0 and m − r < 10, else 0}

A δ, or a branch, that is 0 is a selection and no factor: what stands beside it is not asked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import reduce

import sympy as sp

from codegen.loops.ranges import Bounds, bounds_of, narrowed, settled
from codegen.plan.slices import at_places, written_at
from symgraph.core.bounds import Interval, range_of, running
from symgraph.core.cases import Cases
from symgraph.core.graph import consumers, elements_of, rewrite, topological
from symgraph.core.indices import Index, axis, bound, extents_of, is_at_least_zero
from symgraph.core.reading import call_alike
from symgraph.core.rebuild import written_product
from symgraph.core.scalars import Delta
from symgraph.core.tensor import Definition, Element, Tensor

Supports = Mapping[Tensor, Mapping[int, Interval]]
"""Of values, the axes of which some places are 0 always, and between which they may be other than 0."""


def trim_values(roots: Sequence[Tensor]) -> dict[Tensor, Tensor]:
    """The replacement of every tensor under ``roots``."""
    order = topological(roots)
    readers = consumers(order)
    known: dict[Tensor, dict[int, Interval]] = {}
    trimmed: dict[Tensor, dict[int, Interval]] = {}
    for tensor in order:
        definition = tensor.definition
        if definition is None or definition.op not in (None, "sum") or tensor.dtype == "integer":
            continue
        spans = _spans(tensor, definition, known)
        if spans:
            known[tensor] = spans
            read = definition.op == "sum" if tensor in roots else all(
                _can_read(reader, tensor, spans) for reader in readers[tensor]
            )
            value, _ = _guard(definition.body) or (definition.body, sp.true)
            if read and at_places(value, _shifts(spans)) is not None:
                trimmed[tensor] = spans
    return rewrite(roots, _Trimmed(trimmed, roots).change) if trimmed else {tensor: tensor for tensor in order}


def _shifts(spans: Mapping[int, Interval]) -> dict[Index, sp.Expr]:
    return {axis(d): axis(d) + low for d, (low, _) in spans.items() if low != 0}


def _spans(tensor: Tensor, definition: Definition, known: Supports) -> dict[int, Interval]:
    """The axes on which a value is 0 in places, and between which others it is not."""
    whole = bounds_of(tensor.shape, definition)
    there = support(definition.body, whole, known)
    if there is None:
        return {}
    return {d: there[axis(d)] for d in range(tensor.ndim) if _is_part(there[axis(d)], whole[axis(d)])}


def _is_part(span: Interval, whole: Interval) -> bool:
    """Whether numbers are the ends of a range, which is in another one at every size, and not all of that."""
    first, last = span
    known = span != whole and first.is_Integer and last.is_Integer
    return bool(known and is_at_least_zero(whole[1] - last))


def support(body: sp.Expr, bounds: Bounds, known: Supports) -> Bounds | None:
    """Ranges of the indices beyond which a formula is 0; None if it is 0 everywhere."""
    if body == 0:
        return None
    if isinstance(body, sp.Piecewise):
        parts = ((value, _where(bounds, condition)) for value, condition in body.args)
        return _any((None if part is None else support(value, part, known) for value, part in parts), bounds)
    if isinstance(body, Delta):
        return _where(bounds, sp.Eq(*body.args))
    if isinstance(body, sp.Add):
        return _any((support(term, bounds, known) for term in body.args), bounds)
    if isinstance(body, sp.Mul):
        found: Bounds | None = bounds
        for factor in body.args:
            found = None if found is None else support(factor, found, known)
        return found
    if isinstance(body, Element) and body.tensor in known:
        spans = known[body.tensor]
        return _where(bounds, sp.And(*(c for d, span in spans.items() for c in _between(body.indices[d], span))))
    return bounds


def _where(bounds: Bounds, condition: sp.Basic) -> Bounds | None:
    """The ranges where a condition holds; None if one of them is empty."""
    found = narrowed(bounds, condition)
    return None if any(is_at_least_zero(sp.expand(low - high - 1)) for low, high in found.values()) else found


def _any(parts: Iterable[Bounds | None], whole: Bounds) -> Bounds | None:
    """Ranges in which all of several are; of ends of which none is known to be farther, those of the whole."""

    def both(one: Bounds | None, other: Bounds | None) -> Bounds | None:
        if one is None or other is None:
            return other if one is None else one
        return {i: one[i] if one[i] == other[i] else _hull(one[i], other[i], whole[i]) for i in one}

    return reduce(both, parts)


def _hull(one: Interval, other: Interval, whole: Interval) -> Interval:
    (low, high), (first, last) = one, other
    lows = (a for a, b in ((low, first), (first, low)) if is_at_least_zero(sp.expand(b - a)))
    highs = (a for a, b in ((high, last), (last, high)) if is_at_least_zero(sp.expand(a - b)))
    return next(lows, whole[0]), next(highs, whole[1])


def _can_read(reader: Tensor, tensor: Tensor, spans: Mapping[int, Interval]) -> bool:
    """Whether a reader is 0 where it would read beside what is left, or asks whether it is there once for all the terms
    of a sum."""
    definition = reader.definition
    if definition is None or definition.is_opaque or definition.op not in (None, "sum"):
        return False
    is_sum = tensor.definition is not None and tensor.definition.op == "sum"
    if is_sum and definition.op is None:
        return True
    value, condition = _guard(definition.body) or (definition.body, None)
    left = support(definition.body, bounds_of(reader.shape, definition), {tensor: spans})
    read = (element for element in elements_of(definition.body) if element.tensor is tensor)
    return all((condition is not None and _vanishes(value, e)) or _is_there(e, spans, left) for e in read)


def _is_there(element: Element, spans: Mapping[int, Interval], bounds: Bounds | None) -> bool:
    """Whether all that is read of a value is in what is left of it."""
    return bounds is None or all(_within(element.indices[d], span, bounds) for d, span in spans.items())


def _vanishes(body: sp.Expr, element: Element) -> bool:
    """Whether a formula is 0 where an element of it is."""
    if isinstance(body, sp.Pow):
        return bool(body.exp.is_positive) and _vanishes(body.base, element)
    if isinstance(body, sp.Mul):
        return any(_vanishes(factor, element) for factor in body.args)
    if isinstance(body, sp.Add):
        return all(_vanishes(term, element) for term in body.args)
    if isinstance(body, sp.Piecewise):
        return all(_vanishes(value, element) for value, _ in body.args)
    return body == element or body == 0


def _between(place: sp.Expr, span: Interval) -> tuple[sp.Basic, sp.Basic]:
    """That an index is in a range; ⌊i/m⌋ ≤ k as i < m·k + m."""
    number, unit = sp.fraction(sp.together(place.args[0])) if isinstance(place, sp.floor) else (place, sp.S.One)
    return sp.Ge(number, unit * span[0]), sp.Lt(number, unit * (span[1] + 1))


def _within(place: sp.Expr, span: Interval, bounds: Bounds) -> bool:
    ends = range_of(place, bounds)
    rooms = (ends[0] - span[0], span[1] - ends[1]) if ends is not None else (-sp.S.One,)
    return all(is_at_least_zero(sp.expand(room)) for room in rooms)


def _guard(body: sp.Expr) -> tuple[sp.Expr, sp.Basic] | None:
    """A value, and the condition on indices without which the body is 0."""
    if not isinstance(body, sp.Piecewise) or len(body.args) != 2 or body.args[1].expr != 0:
        return None
    value, condition = body.args[0]
    return None if condition.has(Element) else (value, condition)


class _Trimmed:
    """The values of which a part is left, and what reads them."""

    def __init__(self, spans: Supports, roots: Collection[Tensor]) -> None:
        self.spans, self.roots = spans, roots
        self.parts: dict[Tensor, tuple[Tensor, Mapping[int, Interval]]] = {}

    def change(self, tensor: Tensor, definition: Definition) -> Tensor:
        """A value over parts of others: a sum over what is left, a condition that says what is, or a part itself.

        Of a root, which is asked for as a whole, the part is a value that it reads.
        """
        own = self.spans.get(tensor, {})
        read = [element for element in elements_of(definition.body) if element.tensor in self.parts]
        if not own and not read:
            return tensor.redefined(definition)
        bounds = bounds_of(tensor.shape, definition)
        value, condition = _guard(definition.body) or (definition.body, sp.true)
        conditions, alone = [*sp.And.make_args(condition)], dict[Element, list[sp.Basic]]()
        known = {element.tensor: self.parts[element.tensor][1] for element in read}
        selected, there = support(definition.body, bounds, {}), support(definition.body, bounds, known)
        for element in read:
            inside = list(self._inside(element, selected or bounds))
            whole = _vanishes(value, element) or _is_there(element, known[element.tensor], there)
            alone[element] = [] if whole else inside
            conditions += inside if whole else []
        left = _where(bounds, sp.And(*conditions))
        if left is None:
            return tensor.redefined(Definition(None, (), sp.S.Zero))
        summed = _summed(definition, bounds, left)
        shift = _shifts(own) | {r: r + low for r, (low, _) in summed.items() if low != 0}
        sizes = {axis(d): span for d, span in own.items()} | summed
        shape, extents = (
            tuple(sizes[i][1] - sizes[i][0] + 1 if i in sizes else size for i, size in zip(indices, given, strict=True))
            for indices, given in (
                (map(axis, range(tensor.ndim)), tensor.shape),
                (map(bound, range(len(definition.extents))), definition.extents),
            )
        )
        ranges = running(extents_of(shape, extents))

        def guarded(formula: sp.Expr, needed: Sequence[sp.Basic]) -> sp.Expr:
            asked = _needed([c.xreplace(shift) for c in needed], ranges)
            return Cases((formula, sp.And(*asked)), (sp.S.Zero, sp.true)) if asked else formula

        moved = {e: guarded(self._moved(e).xreplace(shift), inside) for e, inside in alone.items()}
        body = guarded(_settled(written_at(value, shift, moved), ranges), conditions)
        new = Definition(definition.op, extents, body)
        if not own:
            return tensor.redefined(new)
        part = Tensor.define(shape, body, new.op, extents, tensor.cotangent_of)
        if tensor in self.roots:
            places = list(map(axis, range(tensor.ndim)))
            inside = sp.And(*_needed([c for d, span in own.items() for c in _between(places[d], span)], bounds))
            whole = Cases((_of_part(part, own, places), inside), (sp.S.Zero, sp.true))
            return tensor.redefined(Definition(None, (), whole))
        call_alike(part, tensor)
        whole = tensor.redefined(definition)
        self.parts[whole] = part, own
        return whole

    def _moved(self, element: Element) -> Element:
        return _of_part(*self.parts[element.tensor], element.indices)

    def _inside(self, element: Element, bounds: Bounds) -> Iterator[sp.Basic]:
        """What tells that an element is in the part, where that is not so throughout."""
        for d, span in self.parts[element.tensor][1].items():
            if not _within(element.indices[d], span, bounds):
                yield from _between(element.indices[d], span)


def _of_part(part: Tensor, spans: Mapping[int, Interval], places: Sequence[sp.Expr]) -> Element:
    """What is read at places of the whole; of one place nothing else is asked for."""
    first = {d: places[d] - low if low != high else sp.S.Zero for d, (low, high) in spans.items()}
    return Element(part, *(first.get(d, place) for d, place in enumerate(places)))


def _summed(definition: Definition, bounds: Bounds, left: Bounds) -> dict[Index, Interval]:
    """The indices of a sum of which some values are left."""
    over = [bound(d) for d in range(len(definition.extents)) if definition.op == "sum"]
    return {r: left[r] for r in over if _is_part(left[r], bounds[r])}


def _needed(conditions: Iterable[sp.Basic], bounds: Bounds) -> list[sp.Basic]:
    """The conditions that do not hold everywhere, of those on one expression the narrowest."""
    found: dict[sp.Expr, tuple[sp.Expr, sp.Basic]] = {}
    others: list[sp.Basic] = []
    for condition in conditions:
        if condition == sp.true or settled(condition, bounds) == sp.true:
            continue
        if not isinstance(condition, (sp.Ge, sp.Gt, sp.Le, sp.Lt)) or condition.has(Element):
            others.append(condition)
            continue
        room = sp.expand(condition.gts - condition.lts) - int(isinstance(condition, (sp.Gt, sp.Lt)))
        number, rest = room.as_coeff_Add()
        if rest not in found or number < found[rest][0]:
            found[rest] = number, condition
    return [*(condition for _, condition in found.values()), *dict.fromkeys(others)]


def _settled(body: sp.Expr, bounds: Bounds) -> sp.Expr:
    """A formula without the conditions on indices that hold everywhere."""
    if isinstance(body, sp.Mul):
        return written_product([_settled(factor, bounds) for factor in body.args])
    if isinstance(body, sp.Add):
        return sp.Add(*(_settled(term, bounds) for term in body.args), evaluate=False)
    if not isinstance(body, sp.Piecewise):
        return body
    branches = [
        (_settled(value, bounds), sp.And(*(c for c in sp.And.make_args(test) if settled(c, bounds) != sp.true)))
        for value, test in body.args
    ]
    return Cases(*branches)
