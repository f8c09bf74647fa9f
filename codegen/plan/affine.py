"""A recurrence of few numbers that is affine in them takes a step as one small product.

    λ[t] = f(λ[t + 1], x[t]), f affine in λ      →      λ[t] = A[t]·λ[t + 1] + b[t]

A, b and whatever a step computes beside λ are values of all steps at once, A and b before the loop and the rest after
it: they need not wait for each other. Back-propagation through time is affine in what it hands on, so that the chain of
operations of a method of Runge and Kutta is walked forwards alone.

A is found as tangents: the step is written out for each number and taken three ways, with λ = 0 (that is b), with λ one
of the unit vectors and without the terms that have no λ (a column of A), and as it is. A step that selects, by a branch
or a δ, stays as it is: what is not selected is 0, while a 0 in A would make NaN of an infinite λ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Literal

import sympy as sp

from symgraph.core.cases import Cases
from symgraph.core.graph import elements_of, operands, rewrite
from symgraph.core.indices import Shape, axis, bound
from symgraph.core.recurrence import Course, Loop, Recurrence, below, computed, recurrence_of
from symgraph.core.scalars import Delta
from symgraph.core.tensor import Definition, Element, Tensor
from symgraph.stabilise import stabilise

MOST_NUMBERS = 4
"""Numbers that a step hands on: A has as many squared."""

MOST_PLACES = 16
"""Places of a value of the step, or terms of a sum, that are written out."""

LEAST_STEPS = 16
"""Steps from which on it pays to compute them side by side."""

Place = tuple[int, ...]
Way = int | Literal["offset", "whole"]
"""A column of A, b, or the value itself."""


def few_numbers_by_products(roots: Sequence[Tensor]) -> dict[Tensor, Tensor]:
    """The replacement of every tensor under ``roots``: recurrences whose chain of operations becomes shorter so."""
    known: dict[Recurrence, _Affine | None] = {}

    def change(tensor: Tensor, definition: Definition) -> Tensor:
        new = tensor.redefined(definition)
        found = recurrence_of(new)
        if found is None:
            return new
        recurrence, value = found
        if recurrence not in known:
            known[recurrence] = _affine(recurrence)
        affine = known[recurrence]
        return new if affine is None else affine.at_all_steps(value)

    return rewrite(roots, change)


class _NotAffine(Exception):
    """A step is not affine in what it hands on, or has too many numbers to be written out."""


def _affine(recurrence: Recurrence) -> _Affine | None:
    loop = recurrence.loop
    sizes = [size for carry in loop.carries for size in carry.shape]
    if loop.recompute or (loop.length.is_Integer and loop.length < LEAST_STEPS):
        return None
    if not all(size.is_Integer for size in sizes) or any(carry.dtype != "real" for carry in loop.carries):
        return None
    numbers = sum(int(sp.prod(carry.shape)) for carry in loop.carries)
    if numbers > MOST_NUMBERS:
        return None
    try:
        if _Numbers(loop, dict(zip(loop.steps, loop.steps, strict=True))).longest <= 2 * (numbers + 1):
            return None
        return _Affine(recurrence, dict(zip(loop.steps, stabilise(loop.steps), strict=True)))
    except _NotAffine:
        return None


class _Numbers:
    """The numbers of a step that depend on what it hands on, each in every way, as formulas over scalars.

    ``handed`` are the numbers that the step is handed, as slots beside its own. ``longest`` is the number of operations
    that follow each other from these to what it hands on.
    """

    def __init__(self, loop: Loop, stable: Mapping[Tensor, Tensor]) -> None:
        self.carried = [(carry, place) for carry in loop.carries for place in _places(carry.shape)]
        self.handed = _slots(len(loop.slots), len(self.carried))
        self.made: dict[tuple[Tensor, Place, Way], sp.Expr] = {}
        self.levels: dict[sp.Basic, int] = {}
        for number, key in enumerate(self.carried):
            self.made[*key, "offset"], self.made[*key, "whole"] = sp.S.Zero, self.handed[number].element
            self.made |= {(*key, column): sp.Integer(column == number) for column in range(len(self.carried))}
        self.moving = set(loop.carries)
        ends = tuple(stable[value] for value in loop.following)
        for tensor in below([*ends, *stable.values()], ()):  # what is kept of a step need not be under its ends
            if any(operand in self.moving for operand in operands(tensor)):
                self._write_out(tensor)
        self.longest = max(self._level(value.element) for value in ends)

    def of(self, value: Tensor, place: Place, way: Way) -> sp.Expr:
        """A number of the step: the value itself where nothing of it is handed on."""
        if value in self.moving:
            return self.made[value, place, way]
        return Element(value, *place) if way in ("offset", "whole") else sp.S.Zero

    def _write_out(self, tensor: Tensor) -> None:
        definition = tensor.definition
        assert definition is not None
        if definition.op not in (None, "sum"):
            raise _NotAffine
        self.moving.add(tensor)
        self.levels[tensor] = self._level(definition.body)
        terms = _places(definition.extents)
        ways: list[Way] = ["offset", "whole", *range(len(self.carried))]
        for place in _places(tensor.shape):
            at: dict[sp.Basic, sp.Basic] = {axis(d): sp.Integer(number) for d, number in enumerate(place)}
            bodies = [
                definition.body.xreplace(at | {bound(d): sp.Integer(k) for d, k in enumerate(term)}) for term in terms
            ]
            for way in ways:
                found = sp.Add(*(self._image(body, way) for body in bodies))
                simple = found.is_Number or isinstance(found, Element)
                self.made[tensor, place, way] = found if simple else Tensor.define((), found).element

    def _image(self, node: sp.Basic, way: Way) -> sp.Expr:
        """A formula in one way, without the terms that have nothing of what is handed on in a column of A."""
        if not self._moves(node):
            return node if way in ("offset", "whole") else sp.S.Zero
        if isinstance(node, Element):
            place = tuple(int(index) for index in node.indices if index.is_Integer)
            if len(place) < len(node.indices):
                raise _NotAffine
            return self.made[node.tensor, place, way]
        if isinstance(node, sp.Add):
            return sp.Add(*(self._image(term, way) for term in node.args))
        moving = [part for part in node.args if self._moves(part)]
        if not isinstance(node, sp.Mul) or len(moving) != 1 or node.has(Delta):
            raise _NotAffine
        return sp.Mul(*(part for part in node.args if part is not moving[0]), self._image(moving[0], way))

    def _moves(self, node: sp.Basic) -> bool:
        return any(element.tensor in self.moving for element in elements_of(node))

    def _level(self, node: sp.Basic) -> int:
        """Operations on the longest way from what is handed on to a formula."""
        if not self._moves(node):
            return 0
        if isinstance(node, Element):
            return self.levels.get(node.tensor, 0)
        return 1 + max(map(self._level, node.args))


class _Affine:
    """The recurrence of single numbers that takes another's place."""

    def __init__(self, recurrence: Recurrence, stable: Mapping[Tensor, Tensor]) -> None:
        loop = recurrence.loop
        self.loop, self.stable = loop, stable
        self.numbers = _Numbers(loop, stable)
        filled = dict(zip(loop.slots, recurrence.operands, strict=True))
        self.inputs = {slot: filled[slot] for slot in loop.inputs}
        self.constants = {slot: filled[slot] for slot in loop.constants}
        before = Course(loop.length, self.inputs, self.constants)
        self.before = before
        slots = _slots(0, len(self.numbers.carried))
        given: dict[str, dict[Tensor, Tensor]] = {"inputs": {}, "constants": {}}
        made: dict[Tensor, Tensor] = {}

        def slot_of(number: sp.Expr) -> sp.Expr:
            """What stands for a number of A or b in the loop."""
            if number.is_Number:
                return number
            value = Tensor.define((), number)
            if value not in made:
                whole = before.of(value)
                role = "inputs" if value in before.known else "constants"
                made[value] = Tensor.slot(len(slots) + len(made), (), dtype="real")
                given[role][made[value]] = whole if role == "inputs" else before.same[value]
            return made[value].element

        following = []
        for carry, place in self.numbers.carried:
            value = stable[loop.following[loop.carries.index(carry)]]
            body = slot_of(self.numbers.of(value, place, "offset"))
            for column, slot in enumerate(slots):
                body = body + slot_of(self.numbers.of(value, place, column)) * slot.element
            following.append(computed(Tensor.define((), body)))
        first = [Tensor.define((), Element(filled[carry], *place)) for carry, place in self.numbers.carried]
        roles = (tuple(slots), tuple(given["inputs"]), tuple(given["constants"]))
        made_loop = Loop(loop.length, loop.backward, *roles, tuple(following))
        self.recurrence = Recurrence(made_loop, (*first, *given["inputs"].values(), *given["constants"].values()))
        carried = {slot: self.recurrence.previous(number) for number, slot in enumerate(self.numbers.handed)}
        self.after = Course(loop.length, {**self.inputs, **carried}, self.constants)

    def at_all_steps(self, value: Tensor) -> Tensor:
        """A value of the loop at all steps, shape (length, …)."""
        new = self.stable[value]
        if new not in self.numbers.moving:
            return self.before.of(new)
        places = _places(value.shape)
        if value in self.loop.following:
            carry = self.loop.carries[self.loop.following.index(value)]
            following = self.recurrence.loop.following
            found = [following[self.numbers.carried.index((carry, place))] for place in places]
            parts = [self.recurrence.track(number) for number in found]
        else:
            parts = [self.after.of(Tensor.define((), self.numbers.of(new, place, "whole"))) for place in places]
        cases = [
            (Element(part, axis(0)), sp.And(*(sp.Eq(axis(d + 1), number) for d, number in enumerate(place))))
            for part, place in zip(parts, places, strict=True)
        ]
        body = Cases(*cases[:-1], (cases[-1][0], True))
        return Tensor.define((self.loop.length, *value.shape), body)


def _slots(first: int, count: int) -> list[Tensor]:
    """Slots of one number each, by their numbers."""
    return [Tensor.slot(first + number, (), dtype="real") for number in range(count)]


def _places(shape: Shape) -> list[Place]:
    """All places of a shape of few elements."""
    if not all(size.is_Integer for size in shape) or not 0 < int(sp.prod(shape)) <= MOST_PLACES:
        raise _NotAffine
    return list(product(*(range(int(size)) for size in shape)))
