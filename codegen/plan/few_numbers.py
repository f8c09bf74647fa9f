"""A recurrence of few numbers is written out, number by number, and only what a step hands on stays in the loop.

    v[t] = v[t − 1] + h·k(v[t − 1])                →      v₀[t] = v₀[t − 1] + h·k₀(v₀[t − 1], v₁[t − 1]), v₁[t] = …
    λ[t] = f(λ[t + 1], x[t]), f affine in λ        →      λ[t] = A[t]·λ[t + 1] + b[t]

Whatever a step computes beside is a value of all steps at once, after the loop; so are A and b, before it: they do not
wait for each other. Back-propagation through time is affine in what it hands on, so that the chain of operations of a
method of Runge and Kutta is walked forwards alone, and that without a way through memory from operation to operation.

A is found as tangents: the step is written out for each number and taken three ways, with λ = 0 (that is b), with λ one
of the unit vectors and without the terms that have no λ (a column of A), and as it is. A step that selects by values,
or by a δ, has no A: what is not selected is 0, while a 0 in A would make NaN of an infinite λ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Literal

import sympy as sp

from codegen.plan.slices import at_places
from symgraph.core.cases import Cases
from symgraph.core.graph import elements_of, operands, rewrite
from symgraph.core.indices import Shape, axis, bound
from symgraph.core.rebuild import literal, replaced
from symgraph.core.recurrence import Course, Loop, Recurrence, below, computed, recurrence_of
from symgraph.core.scalars import Delta, Uniform
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


def write_out_numbers(roots: Sequence[Tensor]) -> dict[Tensor, Tensor]:
    """The replacement of every tensor under ``roots``: recurrences whose chain of operations becomes shorter so."""
    known: dict[Recurrence, _WrittenOut | None] = {}

    def change(tensor: Tensor, definition: Definition) -> Tensor:
        new = tensor.redefined(definition)
        found = recurrence_of(new)
        if found is None:
            return new
        recurrence, value = found
        if recurrence not in known:
            known[recurrence] = _written_out(recurrence)
        written = known[recurrence]
        return new if written is None else written.at_all_steps(value)

    return rewrite(roots, change)


class _StaysError(Exception):
    """A step is not affine in what it hands on, or is not written out."""


def _written_out(recurrence: Recurrence) -> _WrittenOut | None:
    loop = recurrence.loop
    sizes = [size for carry in loop.carries for size in carry.shape]
    if loop.recompute or (loop.length.is_Integer and loop.length < LEAST_STEPS):
        return None
    if not all(size.is_Integer for size in sizes) or any(carry.dtype != "real" for carry in loop.carries):
        return None
    count = sum(int(sp.prod(carry.shape)) for carry in loop.carries)
    if count > MOST_NUMBERS:
        return None
    kind = None if all(value.ndim == 0 for value in loop.steps) else _Numbers
    try:
        if _Tangents(loop, dict(zip(loop.steps, loop.steps, strict=True))).longest > 2 * (count + 1):
            kind = _Tangents
    except _StaysError:
        pass
    if kind is None:
        return None
    try:
        stable = dict(zip(loop.steps, stabilise(loop.steps), strict=True))
        return _WrittenOut(recurrence, stable, kind(loop, stable))
    except _StaysError:
        return None


class _Numbers:
    """The numbers of a step that depend on what it hands on, as formulas over scalars.

    ``handed`` are the numbers that the step is handed, as slots beside its own.
    """

    ways: Sequence[Way] = ("whole",)

    def __init__(self, loop: Loop, stable: Mapping[Tensor, Tensor]) -> None:
        self.carried = [(carry, place) for carry in loop.carries for place in _places(carry.shape)]
        self.handed = _slots(len(loop.slots), len(self.carried))
        self.made: dict[tuple[Tensor, Place, Way], sp.Expr] = {}
        for slot, key in zip(self.handed, self.carried, strict=True):
            self.made[*key, "whole"] = slot.element
        self.moving = set(loop.carries)
        ends = tuple(stable[value] for value in loop.following)
        for tensor in below([*ends, *stable.values()], ()):  # what is kept of a step need not be under its ends
            if any(operand in self.moving for operand in operands(tensor)):
                self._write_out(tensor)

    def of(self, value: Tensor, place: Place, way: Way = "whole") -> sp.Expr:
        """A number of the step: the value itself where nothing of it is handed on."""
        if value in self.moving:
            return self.made[value, place, way]
        return Element(value, *place) if way in ("offset", "whole") else sp.S.Zero

    def next_of(self, value: Tensor, place: Place, outside: Callable[[sp.Expr], sp.Expr]) -> sp.Expr:
        """What the step makes of a number that it hands on; ``outside`` gives what stands for a number of all steps."""
        return self.of(value, place)

    def _write_out(self, tensor: Tensor) -> None:
        definition = tensor.definition
        assert definition is not None
        if definition.op not in (None, "sum") or definition.body.has(Uniform):
            raise _StaysError
        self.moving.add(tensor)
        terms = _places(definition.extents)
        for place in _places(tensor.shape):
            bodies = [_at(definition.body, place, term) for term in terms]
            for way in self.ways:
                found = sp.Add(*(self._image(body, way) for body in bodies))
                simple = found.is_Number or isinstance(found, Element)
                self.made[tensor, place, way] = found if simple else Tensor.define((), found).element

    def _image(self, node: sp.Basic, way: Way) -> sp.Expr:
        """A formula over numbers."""
        rule = {e: self._number(e, way) for e in elements_of(node) if e.tensor in self.moving}
        as_values = {e: Tensor.define((), number).element if number.is_Number else number for e, number in rule.items()}
        for tried in (rule, as_values):
            if (found := literal(node, tried)) is not None:
                return found  # type: ignore[return-value]
        raise _StaysError

    def _number(self, element: Element, way: Way) -> sp.Expr:
        place = tuple(int(index) for index in element.indices if index.is_Integer)
        if len(place) < len(element.indices) or (element.tensor, place, way) not in self.made:
            raise _StaysError
        return self.made[element.tensor, place, way]


class _Tangents(_Numbers):
    """The numbers of a step that is affine in what it hands on, each in every way. ``longest`` is the number of
    operations that follow each other from what it is handed to what it hands on."""

    def __init__(self, loop: Loop, stable: Mapping[Tensor, Tensor]) -> None:
        count = sum(len(_places(carry.shape)) for carry in loop.carries)
        self.ways = ["offset", "whole", *range(count)]
        self.levels: dict[sp.Basic, int] = {}
        super().__init__(loop, stable)
        self.longest = max(self._level(stable[value].element) for value in loop.following)

    def next_of(self, value: Tensor, place: Place, outside: Callable[[sp.Expr], sp.Expr]) -> sp.Expr:
        """A·λ + b."""
        body = outside(self.of(value, place, "offset"))
        for column, slot in enumerate(self.handed):
            body = body + outside(self.of(value, place, column)) * slot.element
        return body

    def _number(self, element: Element, way: Way) -> sp.Expr:
        if way == "whole" or all(carry is not element.tensor for carry, _ in self.carried):
            return super()._number(element, way)
        return sp.Integer(way != "offset" and self.carried[way] == (element.tensor, element.indices))

    def _write_out(self, tensor: Tensor) -> None:
        super()._write_out(tensor)
        assert tensor.definition is not None
        self.levels[tensor] = self._level(tensor.definition.body)

    def _image(self, node: sp.Basic, way: Way) -> sp.Expr:
        """A formula in one way, without the terms that have nothing of what is handed on in a column of A."""
        if not self._moves(node):
            return node if way in ("offset", "whole") else sp.S.Zero
        if isinstance(node, Element):
            return self._number(node, way)
        if isinstance(node, sp.Add):
            return sp.Add(*(self._image(term, way) for term in node.args))
        moving = [part for part in node.args if self._moves(part)]
        if not isinstance(node, sp.Mul) or len(moving) != 1 or node.has(Delta):
            raise _StaysError
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


class _WrittenOut:
    """The recurrence of single numbers that takes another's place."""

    def __init__(self, recurrence: Recurrence, stable: Mapping[Tensor, Tensor], numbers: _Numbers) -> None:
        loop = recurrence.loop
        self.loop, self.stable, self.numbers = loop, stable, numbers
        filled = dict(zip(loop.slots, recurrence.operands, strict=True))
        inputs = {slot: filled[slot] for slot in loop.inputs}
        constants = {slot: filled[slot] for slot in loop.constants}
        self.before = Course(loop.length, inputs, constants)
        given: dict[str, dict[Tensor, Tensor]] = {"inputs": {}, "constants": {}}
        made: dict[Tensor, Tensor] = {}

        def outside(number: sp.Expr) -> sp.Expr:
            """What stands for a number of all steps in the loop."""
            if number.is_Number:
                return number
            value = Tensor.define((), number)
            if value not in made:
                whole = self.before.of(value)
                role = "inputs" if value in self.before.known else "constants"
                made[value] = Tensor.slot(len(loop.slots) + len(numbers.handed) + len(made), (), dtype="real")
                given[role][made[value]] = whole if role == "inputs" else self.before.same[value]
            return made[value].element

        following = []
        for carry, place in numbers.carried:
            value = stable[loop.following[loop.carries.index(carry)]]
            following.append(computed(Tensor.define((), numbers.next_of(value, place, outside))))
        read = {*below(following, ())}
        for role, slots in (("inputs", inputs), ("constants", constants)):
            given[role] = {slot: whole for slot, whole in slots.items() if slot in read} | given[role]
        first = [Tensor.define((), Element(filled[carry], *place)) for carry, place in numbers.carried]
        roles = (tuple(numbers.handed), tuple(given["inputs"]), tuple(given["constants"]))
        made_loop = Loop(loop.length, loop.backward, *roles, tuple(following), stable=True)
        self.recurrence = Recurrence(made_loop, (*first, *given["inputs"].values(), *given["constants"].values()))
        carried = {slot: self.recurrence.previous(number) for number, slot in enumerate(numbers.handed)}
        self.after = Course(loop.length, {**inputs, **carried}, constants)

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
            parts = [self.after.of(Tensor.define((), self.numbers.of(new, place))) for place in places]
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
        raise _StaysError
    return list(product(*(range(int(size)) for size in shape)))


def _at(body: sp.Expr, place: Place, term: Place) -> sp.Expr:
    """A body at one place, and one term of its sum."""
    rule = {axis(d): sp.Integer(n) for d, n in enumerate(place)} | {bound(d): sp.Integer(n) for d, n in enumerate(term)}
    decided = {piece: piece.xreplace(rule) for piece in body.atoms(sp.Piecewise)}
    chosen = {piece: found for piece, found in decided.items() if not isinstance(found, sp.Piecewise)}
    body = replaced(body, chosen)
    found = body.xreplace(rule) if body.has(Delta) else at_places(body, rule)  # what a δ selects, or leaves out
    if found is None:
        raise _StaysError
    return found
