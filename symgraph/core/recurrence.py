"""Recurrences: a value that reads itself at an earlier step, as a step over slots and what fills them.

    h[t, n] = f(h[t−1, n], x[t, n], w),  h[−1] = h₀      a :class:`Loop`: h′ = f(h, x, w) over slots h (a carry), x (an
                                                         input, one slice a step) and w (a constant, the same always)

A loop is closed: it reads nothing but its slots, so that equal steps are one loop. A tensor of the graph is a value of
it at all steps; its body, :class:`Recur`, names the value and has an element of each operand, for what walks graphs.
What depends on no carry and sums is computed outside of the loop, for all steps at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sympy as sp

from symgraph.core.cases import Cases
from symgraph.core.graph import operands, replace_tensors, rewrite
from symgraph.core.indices import Index, axis, bound
from symgraph.core.kept import cached_property
from symgraph.core.provenance import at_line
from symgraph.core.reading import call_first, name_of
from symgraph.core.rebuild import bottom_up, evaluated
from symgraph.core.tensor import Definition, Element, Tensor
from symgraph.errors import DomainError


@dataclass(frozen=True)
class Loop:
    """``following`` over ``carries``, ``inputs`` and ``constants``, ``length`` times, from the last step if
    ``backward``. Derivatives ``recompute`` what a step computes from its slots, or read what was kept of it. Formulas
    that are ``stable`` stay as they are."""

    length: sp.Expr
    backward: bool
    carries: tuple[Tensor, ...]
    inputs: tuple[Tensor, ...]
    constants: tuple[Tensor, ...]
    following: tuple[Tensor, ...]
    recompute: bool = False
    stable: bool = False

    @property
    def slots(self) -> tuple[Tensor, ...]:
        return (*self.carries, *self.inputs, *self.constants)

    @cached_property
    def steps(self) -> tuple[Tensor, ...]:
        """What a step computes, operands first."""
        return tuple(tensor for tensor in below(self.following, ()) if tensor.definition is not None)


class Track(sp.AtomicExpr):  # type: ignore[misc]
    """One value of a loop, as an atom of the body that stands for it at all steps."""

    loop: Loop
    value: Tensor

    def __new__(cls, loop: Loop, value: Tensor) -> Track:
        track = sp.AtomicExpr.__new__(cls)
        track.loop, track.value = loop, value
        return track  # type: ignore[no-any-return]

    def __reduce__(self) -> Any:
        return Track, (self.loop, self.value)

    @cached_property
    def content(self) -> str:
        loop = self.loop
        told = [*map(str, (loop.length, loop.backward, loop.recompute, loop.stable)), self.value.content]
        told += [tensor.content for tensor in (*self.loop.slots, *self.loop.following)]
        return hashlib.blake2b(" ".join(told).encode(), digest_size=12).hexdigest()

    def _hashable_content(self) -> tuple[Any, ...]:
        return (self.content,)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.value is other.value and self.loop == other.loop

    def __hash__(self) -> int:
        return hash((self.loop, self.value))

    def sort_key(self, order: Any = None) -> Any:
        return self.class_key(), (1, (self.content,)), sp.S.One.sort_key(), sp.S.One

    def _sympystr(self, printer: Any) -> str:
        return self.content


class Recur(sp.Expr):  # type: ignore[misc]
    """The body of a value of a loop at all steps: the :class:`Track`, then the first element of each operand."""

    is_commutative = True


@dataclass(frozen=True)
class Recurrence:
    """A loop and what fills its slots: the first values of carries, all slices of inputs, constants."""

    loop: Loop
    operands: tuple[Tensor, ...]

    def track(self, value: Tensor) -> Tensor:
        """A value of the loop at all steps, shape (length, …)."""
        first = (Element(operand, *[sp.S.Zero] * operand.ndim) for operand in self.operands)
        body = Recur(Track(self.loop, value), *first)
        found = Tensor.define((self.loop.length, *value.shape), body, "recurrence")
        name = name_of(value)
        if name is not None:
            call_first(found, name)
        return found

    def previous(self, number: int) -> Tensor:
        """A carry at all steps, as a step reads it: shape (length, …)."""
        loop = self.loop
        track, first = self.track(loop.following[number]), self.operands[number]
        t, rest = axis(0), [axis(d + 1) for d in range(first.ndim)]
        earlier, inside = (t + 1, t < loop.length - 1) if loop.backward else (t - 1, t > 0)
        begin: sp.Expr = Element(first, *rest)
        if (definition := first.definition) is not None and definition.op is None and definition.body.is_Number:
            begin = definition.body  # nought, most often: no element of a matrix of noughts is read
        if loop.length == 1:
            return Tensor.define(track.shape, begin)
        return Tensor.define(track.shape, Cases((Element(track, earlier, *rest), inside), (begin, True)))

    def last(self, number: int) -> Tensor:
        """A carry after the last step."""
        track = self.track(self.loop.following[number])
        at = sp.S.Zero if self.loop.backward else self.loop.length - 1
        return Tensor.define(track.shape[1:], Element(track, at, *(axis(d) for d in range(track.ndim - 1))))

    def course(self) -> Course:
        """The values of the loop at all steps."""
        loop, count = self.loop, len(self.loop.carries)
        known = {carry: self.previous(number) for number, carry in enumerate(loop.carries)}
        known |= dict(zip(loop.inputs, self.operands[count:], strict=False))
        constants = zip(loop.constants, self.operands[count + len(loop.inputs) :], strict=True)
        tracked = {value: self.track(value) for value in loop.steps}
        return Course(loop.length, known | tracked, dict(constants))


def recurrence_of(tensor: Tensor) -> tuple[Recurrence, Tensor] | None:
    """The recurrence of which a tensor is a value at all steps, and that value; None for every other tensor."""
    definition = tensor.definition
    if definition is None or definition.op != "recurrence":
        return None
    track, *first = definition.body.args
    return Recurrence(track.loop, tuple(element.tensor for element in first)), track.value


def with_changed_steps(definition: Definition, change: Callable[[Tensor, Definition], Tensor]) -> Definition:
    """The definition of a value of a recurrence whose steps are rewritten, as :func:`symgraph.core.graph.rewrite` does.

    All values of one loop become values of one other loop.
    """
    track, *first = definition.body.args
    loop = track.loop
    made = rewrite([*loop.following, track.value], change)
    following = tuple(computed(made[value]) for value in loop.following)
    known = dict(zip(loop.following, following, strict=True))
    value = known.get(track.value, made[track.value])
    body = Recur(Track(replace(loop, following=following), value), *first)
    return Definition(definition.op, definition.extents, body)


def with_steps(order: Iterable[Tensor]) -> list[Tensor]:
    """Tensors, and what the steps of the recurrences among them compute."""
    found: dict[Tensor, None] = {}
    pending = list(order)[::-1]
    while pending:
        tensor = pending.pop()
        if tensor not in found:
            found[tensor] = None
            recurrence = recurrence_of(tensor)
            pending += recurrence[0].loop.steps[::-1] if recurrence is not None else ()
    return list(found)


class Course:
    """Values of a step at all steps: ``known`` ones, those that are the ``same`` at every step, and what is made of
    them."""

    def __init__(self, length: sp.Expr, known: Mapping[Tensor, Tensor], same: Mapping[Tensor, Tensor]) -> None:
        self.length, self.known, self.same = length, dict(known), dict(same)

    def of(self, value: Tensor) -> Tensor:
        """A value at all steps, shape (length, …)."""
        self._look(value)
        if value not in self.known:
            elements = Element(self.same[value], *(axis(d + 1) for d in range(value.ndim)))
            return Tensor.define((self.length, *value.shape), elements)
        return self.known[value]

    def total(self, value: Tensor) -> Tensor:
        """The sum of a value over all steps."""
        self._look(value)
        definition = value.definition
        if definition is None or definition.op != "sum" or (value in self.known and _is_track(self.known[value])):
            element = Element(self.of(value), bound(0), *(axis(d) for d in range(value.ndim)))
            return Tensor.define(value.shape, element, "sum", (self.length,))
        later: dict[Index, sp.Expr] = {bound(d): bound(d + 1) for d in range(len(definition.extents))}
        body = self.at(definition.body, bound(0), later)
        return Tensor.define(value.shape, body, "sum", (self.length, *definition.extents))

    def _look(self, value: Tensor) -> None:
        for tensor in below([value], {**self.known, **self.same}):
            definition = tensor.definition
            if not any(operand in self.known for operand in operands(tensor)):
                new = tensor
                if definition is not None:
                    body = replace_tensors(definition.body, self.same)
                    new = tensor.redefined(Definition(definition.op, definition.extents, body))
                self.same[tensor] = new
                continue
            assert definition is not None
            if definition.op == "external":
                raise DomainError(
                    at_line(f"{definition.body.args[0]} is an external function of what changes from step to step of a "
                            "recurrence: call it outside of the loop, for all steps at once")
                )  # fmt: skip
            if definition.op == "recurrence":
                found = self._side_by_side(tensor)
            else:
                later: dict[Index, sp.Expr] = {axis(d): axis(d + 1) for d in range(tensor.ndim)}
                body = self.at(definition.body, axis(0), later)
                found = Tensor.define((self.length, *tensor.shape), body, definition.op, definition.extents)
            name = name_of(tensor)
            if name is not None:
                call_first(found, name)
            self.known[tensor] = found

    def _side_by_side(self, tensor: Tensor) -> Tensor:
        """A value of a recurrence in the step at all steps: one recurrence, whose values have an axis of these."""
        found = recurrence_of(tensor)
        assert found is not None
        (inner, value), count = found, len(found[0].loop.carries)
        loop, slots, filled = inner.loop, dict[Tensor, Tensor](), dict[Tensor, Tensor]()
        known: dict[Tensor, Tensor] = {}
        same: dict[Tensor, Tensor] = {}
        for number, (slot, operand) in enumerate(zip(loop.slots, inner.operands, strict=True)):
            varies = slot in loop.carries or operand in self.known
            shape = (self.length, *slot.shape) if varies else slot.shape
            new = Tensor.slot(number, shape, slot.classes, slot.dtype)
            slots[slot] = (known if varies else same).setdefault(slot, new)
            given = self.of(operand) if varies else self.same.get(operand, operand)
            filled[slot] = _swapped(given) if varies and count <= number < count + len(loop.inputs) else given
        steps = Course(self.length, known, same)
        ends = {after: computed(steps.of(after)) for after in loop.following}
        carries, inputs, constants = (
            tuple(slots[slot] for slot in role) for role in (loop.carries, loop.inputs, loop.constants)
        )
        following = tuple(ends[after] for after in loop.following)
        made = Loop(loop.length, loop.backward, carries, inputs, constants, following, loop.recompute, loop.stable)
        recurrence = Recurrence(made, tuple(filled[slot] for slot in loop.slots))
        return _swapped(recurrence.track(ends[value] if value in ends else steps.of(value)))

    def at(self, body: sp.Expr, step: Index, rename: Mapping[Index, sp.Expr]) -> sp.Expr:
        """A body at one step, its indices renamed."""

        def build(node: sp.Basic, args: list[sp.Basic]) -> sp.Basic:
            if not isinstance(node, Element):
                return evaluated(node, args)
            if node.tensor in self.known:
                return Element(self.known[node.tensor], step, *args[1:])
            return Element(self.same.get(node.tensor, node.tensor), *args[1:])

        return bottom_up(body, lambda node: not node.args, build, rename)  # type: ignore[return-value]


def _swapped(tensor: Tensor) -> Tensor:
    """A tensor with its first two axes exchanged."""
    first, second, *rest = tensor.shape
    places = (axis(1), axis(0), *(axis(d) for d in range(2, tensor.ndim)))
    return Tensor.define((second, first, *rest), Element(tensor, *places))


def _is_track(tensor: Tensor) -> bool:
    return tensor.definition is not None and tensor.definition.op == "recurrence"


def below(values: Iterable[Tensor], stop: Iterable[Tensor]) -> list[Tensor]:
    """The tensors under some, operands first, themselves included; nothing at or under those at which to stop."""
    order: dict[Tensor, None] = {}
    ends = set(stop)
    pending = [(value, False) for value in reversed(list(values))]
    while pending:
        tensor, expanded = pending.pop()
        if tensor in order or tensor in ends:
            continue
        if expanded:
            order[tensor] = None
            continue
        pending.append((tensor, True))
        pending.extend((operand, False) for operand in reversed(operands(tensor)))
    return list(order)


def closed(
    length: sp.Expr,
    backward: bool,
    carries: Mapping[Tensor, Tensor],
    inputs: Mapping[Tensor, Tensor],
    following: Sequence[Tensor],
    recompute: bool = False,
    read: Sequence[Tensor] = (),
) -> tuple[Recurrence, Course]:
    """The recurrence of a step that was traced, and the traced values at all steps.

    ``carries`` and ``inputs`` are the leaves with which it was traced, with the first values and the slices of all
    steps; whatever else it reads is a constant of it. If derivatives ``recompute``, all that differs from step to step
    is computed step by step, what is to be ``read`` of it too, so that nothing else is kept of all steps at once.
    """
    outside = Course(length, inputs, {})
    wanted = [*following, *read] if recompute else following
    varying = _depending(wanted, {**carries, **inputs})
    moving = varying if recompute else _depending(following, carries)
    filled: dict[str, dict[Tensor, Tensor]] = {"inputs": {}, "constants": {}}
    body: list[Tensor] = []
    pending = list(reversed(wanted))
    seen: set[Tensor] = set(carries)
    while pending:
        tensor = pending.pop()
        if tensor in seen:
            continue
        seen.add(tensor)
        definition = tensor.definition
        if tensor not in varying:
            filled["constants"][tensor] = tensor
        elif tensor in inputs or (tensor not in moving and _ends_sum(tensor)):
            filled["inputs"][tensor] = outside.of(tensor)
        else:
            body.append(tensor)
            pending.extend(reversed(operands(tensor)))
    made = {carry: Tensor.slot(n, carry.shape, dtype="real") for n, carry in enumerate(carries)}
    places: dict[tuple[str, Tensor], Tensor] = {}
    for role in ("inputs", "constants"):
        for tensor, operand in filled[role].items():
            free = Tensor.slot(len(carries) + len(places), tensor.shape, tensor.classes, tensor.dtype)
            made[tensor] = places.setdefault((role, operand), free)
    for tensor in below(wanted, made):
        definition = tensor.definition
        assert definition is not None
        written = replace_tensors(definition.body, made)
        made[tensor] = Tensor.define(tensor.shape, written, definition.op, definition.extents)
        name = name_of(tensor)
        if name is not None:
            call_first(made[tensor], name)
    own = {role: tuple(dict.fromkeys(made[t] for t in filled[role])) for role in filled}
    given = {made[t]: operand for role in filled for t, operand in filled[role].items()}
    ends = tuple(computed(made[value]) for value in following)
    slots = (tuple(made[carry] for carry in carries), own["inputs"], own["constants"])
    loop = Loop(length, backward, *slots, ends, recompute)
    recurrence = Recurrence(loop, (*carries.values(), *(given[s] for s in (*own["inputs"], *own["constants"]))))
    known: dict[Tensor, Tensor] = {carry: recurrence.previous(n) for n, carry in enumerate(carries)} | dict(inputs)
    known |= {tensor: recurrence.track(made[tensor]) for tensor in body if tensor in moving}
    return recurrence, Course(length, known, {})


def computed(value: Tensor) -> Tensor:
    """A next value that the step computes itself: what only hands a slot on is a sum of one term."""
    return value if value.definition is not None else Tensor.define(value.shape, value.element, "sum", (sp.S.One,))


def _ends_sum(tensor: Tensor) -> bool:
    """Whether a value is a sum, or is made of one element by element: of x·U where a bias is added to it."""

    def sums(value: Tensor) -> bool:
        return value.definition is not None and value.definition.op is not None

    return sums(tensor) or any(sums(operand) and operand.shape == tensor.shape for operand in operands(tensor))


def _depending(values: Iterable[Tensor], sources: Iterable[Tensor]) -> set[Tensor]:
    """Tensors under some that depend on others, these included."""
    found = set(sources)
    for tensor in below(values, found):
        if any(operand in found for operand in operands(tensor)):
            found.add(tensor)
    return found
