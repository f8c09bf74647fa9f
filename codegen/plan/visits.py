"""Sums over windows visit those that a condition lets through, and not all of them.

    d_x[m] = Σ_p {g[p]·W[m − 2·p] if 0 ≤ m − 2·p < 3, else 0}
    →   d_x[m] = Σ_{v<2} {g[⌊m/2⌋ − v]·W[2·v + m mod 2] if 2·v + m mod 2 < 3 and 0 ≤ ⌊m/2⌋ − v < P, else 0}

    d_x[m] = Σ_p δ[a[p] + 2·p = m]·g[p],  a label of 3 classes    →   the same, with δ[a[⌊m/2⌋ − v] = 2·v + m mod 2]

Where u = m − s·p has K values, ⌈K/s⌉ of p do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import sympy as sp

from codegen.loops.ranges import at_least_zero, settled
from codegen.plan.windows import unguarded
from symgraph.core.bounds import running
from symgraph.core.cases import Cases
from symgraph.core.graph import rewrite
from symgraph.core.indices import Index, Shape, bound, extents_of
from symgraph.core.rebuild import written_product
from symgraph.core.scalars import Delta
from symgraph.core.tensor import Definition, Element, Tensor


def visit_windows(roots: Sequence[Tensor]) -> dict[Tensor, Tensor]:
    """The replacement of every tensor under ``roots``."""

    def change(tensor: Tensor, definition: Definition) -> Tensor:
        if definition.op == "sum":
            for d in range(len(definition.extents)):
                definition = _visited(tensor.shape, definition, d)
        return tensor.redefined(definition)

    return rewrite(roots, change)


@dataclass(frozen=True, slots=True)
class _Visit:
    """The values of an index p for which 0 ≤ ``above`` − ``stride``·p < ``width``; the index is v from then on."""

    index: Index
    above: sp.Expr
    stride: sp.Expr
    width: sp.Expr

    @property
    def count(self) -> sp.Expr:
        """How many there are at most."""
        return sp.ceiling(self.width / self.stride)

    @property
    def value(self) -> sp.Expr:
        """p by v."""
        return sp.floor(sp.expand(self.above / self.stride)) - self.index

    def at(self, place: sp.Expr) -> sp.Expr:
        """An expression by v, in which a multiple of the place in the window is one of that."""
        slope = sp.expand(place).coeff(self.index)
        times = -slope / self.stride
        rest = sp.expand(place - times * (self.above - self.stride * self.index))
        if slope != 0 and times.is_Integer and not rest.has(self.index):
            return sp.expand(times * (sp.Mod(self.above, self.stride) + self.stride * self.index) + rest)
        return sp.expand(place.xreplace({self.index: self.value}))


def _visited(shape: Shape, definition: Definition, d: int) -> Definition:
    """The sum in which an index runs over what is visited alone; the same if that is all, or nothing says what is."""
    factors, relations = _selection(definition.body)
    index, extent = bound(d), definition.extents[d]
    visits = [*_between(relations, index), *(visit for factor in factors for visit in _of_label(factor, index))]
    found = min(visits, key=lambda visit: int(visit.count), default=None)
    if found is None or (extent.is_Integer and found.count >= extent):
        return definition
    new = [_factor_at(factor, found) for factor in factors]
    if any(factor is None for factor in new):
        return definition
    extents = (*definition.extents[:d], found.count, *definition.extents[d + 1 :])
    bounds = running(extents_of(shape, extents))
    asked = [*(_relation_at(relation, found) for relation in relations), found.value >= 0, found.value < extent]
    guard = sp.And(*(relation for relation in asked if settled(relation, bounds) != sp.true))
    product = written_product([factor for factor in new if factor is not None])
    return Definition("sum", extents, product if guard == sp.true else Cases((product, guard), (0, True)))


def _selection(body: sp.Expr) -> tuple[list[sp.Expr], list[sp.Basic]]:
    """The factors of a product, and the conditions without which it is 0: those of a factor beside which there are δ
    alone, for 0·NaN is NaN."""
    value, guard = unguarded(body)
    relations = [] if guard == sp.true else list(sp.And.make_args(guard))
    factors = list(sp.Mul.make_args(value))
    others = [factor for factor in factors if not isinstance(factor, Delta)]
    if len(others) == 1 and others[0] is not body:
        inner, conditions = _selection(others[0])
        factors = [*(factor for factor in factors if factor is not others[0]), *inner]
        relations += conditions
    return factors, relations


def _between(relations: Sequence[sp.Basic], index: Index) -> Iterator[_Visit]:
    """What comparisons bound an index by from both sides: above − stride·p is at least 0, and at most a number."""
    least: list[tuple[sp.Expr, sp.Expr]] = []
    most: list[tuple[sp.Expr, sp.Expr]] = []
    for relation in relations:
        ahead = at_least_zero(relation)
        if ahead is not None:
            slope = ahead.coeff(index)
            if slope.is_Integer and slope != 0 and not (ahead - slope * index).has(index):
                (least if slope < 0 else most).append((abs(slope), sp.expand(ahead - slope * index)))
    for stride, above in least:
        for other, below in most:
            width = sp.expand(above + below + 1)
            if stride == other and width.is_Integer and width > 0:
                yield _Visit(index, above, stride, width)


def _of_label(factor: sp.Expr, index: Index) -> Iterator[_Visit]:
    """What a δ of a label bounds an index by, whose place in a window the label is."""
    if not isinstance(factor, Delta):
        return
    label, rest = _label(factor)
    slope = rest.coeff(index)
    if label is None or not slope.is_Integer or slope == 0 or (rest - slope * index).has(index):
        return
    classes = label.tensor.classes
    if classes is not None and classes.is_Integer:
        above = rest - slope * index
        yield _Visit(index, above if slope < 0 else sp.expand(classes - 1 - above), abs(slope), classes)


def _label(delta: Delta) -> tuple[Element | None, sp.Expr]:
    """A label that a δ fixes, and at what."""
    difference = sp.expand(delta.args[0] - delta.args[1])
    for term in sp.Add.make_args(difference):
        sign, label = term.as_coeff_Mul()
        if isinstance(label, Element) and abs(sign) == 1:
            return label, sp.expand(label - difference / sign)
    return None, sp.S.Zero


def _factor_at(factor: sp.Expr, visit: _Visit) -> sp.Expr | None:
    if isinstance(factor, Delta):
        label, rest = _label(factor)
        return Delta(_factor_at(label, visit), visit.at(rest)) if label is not None else None
    if isinstance(factor, Element):
        places = (visit.at(place) if place.has(visit.index) else place for place in factor.indices)
        return Element(factor.tensor, *places)
    return None if factor.has(visit.index) else factor


def _relation_at(relation: sp.Basic, visit: _Visit) -> sp.Basic:
    if not isinstance(relation, sp.core.relational.Relational):
        return relation.xreplace({visit.index: visit.value})
    return relation.func(visit.at(relation.lhs), visit.at(relation.rhs))
