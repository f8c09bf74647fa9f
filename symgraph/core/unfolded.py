"""Definitions as one reads them: a value of a recurrence by the body of its step, which reads itself at another step.

    h[t, n, j] = tanh(Σ_k h[t − 1, n, k]·V[k, j] + x[t, n, j])      is what the loop of h′ = tanh(h·V + x) computes

They are for reading alone: such definitions go in a circle, and no graph has them.
"""

from __future__ import annotations

from functools import lru_cache

import sympy as sp

from symgraph.core.graph import elements_of
from symgraph.core.indices import Index, axis
from symgraph.core.recurrence import Recurrence, recurrence_of
from symgraph.core.tensor import Definition, Element, Tensor


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
    inner = as_read(value)  # of a recurrence in the step, what its own step reads
    assert inner is not None
    later: dict[Index, sp.Expr] = {axis(d): axis(d + 1) for d in range(value.ndim)}
    course = recurrence.course()
    for element in elements_of(inner.body):
        course.of(element.tensor)
    return Definition(inner.op, inner.extents, course.at(inner.body, axis(0), later))


def at_steps(body: sp.Basic) -> sp.Basic:
    """A formula with carries of the step before as elements at that step."""
    rule: dict[sp.Basic, sp.Basic] = {}
    for element in elements_of(body):
        before = carry_read(element.tensor)
        if before is not None:
            track, move = before
            rule[element] = Element(track, element.indices[0] + move, *element.indices[1:])
    return body.xreplace(rule) if rule else body


def operands_as_read(tensor: Tensor) -> tuple[Tensor, ...]:
    """The tensors in a definition as it is read, each once."""
    definition = as_read(tensor)
    return () if definition is None else tuple(dict.fromkeys(e.tensor for e in elements_of(definition.body)))


def steps_before(tensor: Tensor) -> list[tuple[Tensor, int]]:
    """What a definition reads, and at how many steps from its own: h[t − 1], of its own loop, is (h, −1)."""
    definition, own = as_read(tensor), recurrence_of(tensor)
    if definition is None:
        return []
    found: dict[tuple[Tensor, int], None] = {}
    for element in elements_of(definition.body):
        other = recurrence_of(element.tensor)
        moved = element.indices[0] - axis(0) if own is not None and other is not None and own[0] == other[0] else None
        found[element.tensor, int(moved) if isinstance(moved, sp.Integer) else 0] = None
    return list(found | dict.fromkeys((first.tensor, 0) for _, first in first_values(tensor)))


def in_steps(order: list[Tensor]) -> list[Tensor]:
    """The order in which values are told: those of one recurrence together, as a step computes them."""
    found: dict[Tensor, None] = {}
    known = set(order)
    for tensor in order:
        recurrence = recurrence_of(tensor)
        tracks = [] if recurrence is None else [recurrence[0].track(v) for v in recurrence[0].loop.steps]
        found |= dict.fromkeys(t for t in (*tracks, tensor) if t in known)
    return list(found)


def first_values(tensor: Tensor) -> list[tuple[sp.Expr, Element]]:
    """For a carry of a recurrence: the steps before its first one, and what it is there; nothing for another value."""
    found = recurrence_of(tensor)
    if found is None or found[1] not in found[0].loop.following:
        return []
    recurrence, value = found
    number, told = recurrence.loop.following.index(value), []
    for place, operand in enumerate(recurrence.operands[: len(recurrence.loop.carries)]):
        base, lag = _carried_from(recurrence, place)
        if base == number:
            step = recurrence.loop.length + lag - 1 if recurrence.loop.backward else -sp.Integer(lag)
            told.append((step, Element(operand, *(axis(d + 1) for d in range(operand.ndim)))))
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


def carry_read(tensor: Tensor) -> tuple[Tensor, int] | None:
    """The track of which a tensor is the step before, and by how much it lies behind; None for every other tensor."""
    definition = tensor.definition
    if definition is None or definition.op is not None or not isinstance(definition.body, sp.Piecewise):
        return None
    read = definition.body.args[0].args[0]
    found = recurrence_of(read.tensor) if isinstance(read, Element) else None
    return _among_carries(tensor, read.tensor, found[0]) if found is not None else None


def _among_carries(tensor: Tensor, track: Tensor, recurrence: Recurrence) -> tuple[Tensor, int] | None:
    loop = recurrence.loop
    for number, value in enumerate(loop.following):
        if recurrence.track(value) is track and recurrence.previous(number) is tensor:
            base, lag = _carried_from(recurrence, number)
            return recurrence.track(loop.following[base]), lag if loop.backward else -lag
    return None
