"""Definitions as one reads them: a value of a recurrence by the body of its step, which reads itself at another step.

    h[t, n, j] = tanh(Σ_k h[t − 1, n, k]·V[k, j] + x[t, n, j])      is what the loop of h′ = tanh(h·V + x) computes

A recurrence in the step of another is read at the steps of both: g[t, s] by g[t, s − 1], and by h[t − 1] at its first.
They are for reading alone: such definitions go in a circle, and no graph has them.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable
from functools import lru_cache
from itertools import chain, zip_longest

import sympy as sp

from symgraph.core.graph import elements_of
from symgraph.core.indices import Index, axis
from symgraph.core.recurrence import Course, Recurrence, below, recurrence_of
from symgraph.core.tensor import Definition, Element, Tensor

Lag = tuple[int, ...]
"""How many steps one value is from another, along each loop that both are values of; () for the same steps."""


@lru_cache(maxsize=4096)
def as_read(tensor: Tensor) -> Definition | None:
    """The definition of a tensor, with carries of the step before as elements at that step."""
    definition = of_step(tensor)
    if definition is None:
        return None
    body = at_steps(definition.body)
    return definition if body is definition.body else Definition(definition.op, definition.extents, body)


def of_step(tensor: Tensor) -> Definition | None:
    """The definition of a tensor; of a value of a recurrence that of its step, by values at all steps."""
    definition, found = tensor.definition, recurrence_of(tensor)
    if found is None:
        return definition
    recurrence, value = found
    inner = of_step(value)  # of a recurrence in the step, what its own step reads
    assert inner is not None
    later: dict[Index, sp.Expr] = {axis(d): axis(d + 1) for d in range(value.ndim)}
    return Definition(inner.op, inner.extents, _course(recurrence, inner.body).at(inner.body, axis(0), later))


def _course(recurrence: Recurrence, body: sp.Basic) -> Course:
    """The values at all steps, those in a body too; of a recurrence in the step its values at the steps of both."""
    course = recurrence.course()
    read = [element.tensor for element in elements_of(body)]
    tracks = (t for t in below(read, course.known) if recurrence_of(t) is not None)
    course.known |= {tensor: recurrence.track(tensor) for tensor in tracks}
    for tensor in read:
        course.of(tensor)
    return course


def at_steps(body: sp.Basic) -> sp.Basic:
    """A formula with carries of the step before as elements at that step."""
    rule: dict[sp.Basic, sp.Basic] = {}
    for element in elements_of(body):
        before = carry_read(element.tensor)
        if before is not None:
            track, moves = before
            rule[element] = Element(track, *map(operator.add, element.indices, (*moves, *[0] * track.ndim)))
    return body.xreplace(rule) if rule else body


def operands_as_read(tensor: Tensor) -> tuple[Tensor, ...]:
    """The tensors in a definition as it is read, each once."""
    definition = as_read(tensor)
    return () if definition is None else tuple(dict.fromkeys(e.tensor for e in elements_of(definition.body)))


def steps_before(tensor: Tensor) -> list[tuple[Tensor, Lag]]:
    """What a definition reads, and at how many steps from its own: h[t − 1], of its own loop, is (h, (−1,))."""
    definition = as_read(tensor)
    if definition is None:
        return []
    firsts = (first for _, first in first_values(tensor))
    read = chain(elements_of(definition.body), firsts)
    return list(dict.fromkeys((element.tensor, lag_of(tensor, element)) for element in read))


def lag_of(tensor: Tensor, element: Element) -> Lag:
    """How many steps from those of a tensor an element is that its definition reads, in the loops that both are of."""
    common = zip(loops_of(tensor), loops_of(element.tensor), element.indices, strict=False)
    moves: list[int] = []
    for d, (own, other, index) in enumerate(common):
        if own != other:
            break
        moved = index - axis(d)
        moves.append(int(moved) if isinstance(moved, sp.Integer) else 0)
    return added(moves)


def added(*lags: Iterable[int]) -> Lag:
    """The sum of some lags; none at all is ()."""
    moves = [sum(steps) for steps in zip_longest(*lags, fillvalue=0)]
    while moves and not moves[-1]:
        moves.pop()
    return tuple(moves)


def loops_of(tensor: Tensor) -> list[Recurrence]:
    """The recurrences whose steps are a tensor's first axes, the outer one first."""
    found: list[Recurrence] = []
    while (own := recurrence_of(tensor)) is not None:
        found.append(own[0])
        tensor = own[1]
    return found


def in_steps(order: list[Tensor]) -> list[Tensor]:
    """The order in which values are told: those of one recurrence together, as a step computes them."""
    found: dict[Tensor, None] = {}
    known = set(order)
    for tensor in order:
        recurrence = recurrence_of(tensor)
        tracks = [] if recurrence is None else [recurrence[0].track(v) for v in recurrence[0].loop.steps]
        found |= dict.fromkeys(t for t in (*tracks, tensor) if t in known)
    return list(found)


def first_values(tensor: Tensor) -> list[tuple[tuple[sp.Expr, ...], Element]]:
    """For a carry of a recurrence: the steps before its first one, and what it is there; nothing for another value.

    The steps are indices of the tensor's first axes: (−1,), or (t, −1) of a carry of a recurrence in the step at t.
    """
    return [(steps, at_steps(first)) for steps, first in _first_values(tensor)]  # type: ignore[misc]


def _first_values(tensor: Tensor) -> list[tuple[tuple[sp.Expr, ...], Element]]:
    found = recurrence_of(tensor)
    if found is None:
        return []
    recurrence, value = found
    told: list[tuple[tuple[sp.Expr, ...], Element]] = []
    later: dict[Index, sp.Expr] = {axis(d): axis(d + 1) for d in range(value.ndim)}
    for steps, first in _first_values(value):
        lifted = _course(recurrence, first).at(first, axis(0), later)
        told.append(((axis(0), *(step.xreplace(later) for step in steps)), lifted))
    if value in recurrence.loop.following:
        number = recurrence.loop.following.index(value)
        for place, operand in enumerate(recurrence.operands[: len(recurrence.loop.carries)]):
            base, lag = _carried_from(recurrence, place)
            if base == number:
                step = recurrence.loop.length + lag - 1 if recurrence.loop.backward else -sp.Integer(lag)
                told.append(((step,), Element(operand, *(axis(d + 1) for d in range(operand.ndim)))))
    return sorted(told, key=lambda pair: str(pair[0]))


def _carried_from(recurrence: Recurrence, number: int) -> tuple[int, int]:
    """The carry that another one hands on, and how many steps late: h[t − 2] is the carry h one step later."""
    loop, lag = recurrence.loop, 1
    seen = {number}
    while (definition := loop.following[number].definition) is not None:
        body = definition.body
        handed = isinstance(body, Element) and body.tensor in loop.carries and definition.extents == (sp.S.One,)
        if not handed or not body.is_all_of(body.tensor.shape) or (other := loop.carries.index(body.tensor)) in seen:
            break
        seen.add(other)
        number, lag = other, lag + 1
    return number, lag


def carry_read(tensor: Tensor) -> tuple[Tensor, Lag] | None:
    """The track of which a tensor is the step before, and how it lies behind; None for every other tensor."""
    definition = tensor.definition
    if definition is None or definition.op is not None or not isinstance(definition.body, sp.Piecewise):
        return None
    read = definition.body.args[0].args[0]
    loops = loops_of(read.tensor) if isinstance(read, Element) else []
    for depth, recurrence in enumerate(loops):
        for number in range(len(recurrence.loop.following)):
            if _lifted(recurrence.previous(number), loops[:depth]) is tensor:
                base, lag = _carried_from(recurrence, number)
                track = recurrence.track(recurrence.loop.following[base])
                behind = lag if recurrence.loop.backward else -lag
                return _lifted(track, loops[:depth]), (*[0] * depth, behind)
    return None


def _lifted(tensor: Tensor, loops: list[Recurrence]) -> Tensor:
    """A value in the steps of some recurrences at all steps of these."""
    for recurrence in reversed(loops):
        tensor = _course(recurrence, tensor.element).of(tensor)
    return tensor
