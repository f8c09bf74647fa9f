"""The derivative of a recurrence is a recurrence that runs the other way, and sums over its steps.

    h[t] = f(h[t−1], x[t], w)        λ[t] = ∂J/∂h[t] by readers + λ[t+1]·∂f/∂h[t]
                                     ∂J/∂x[t] = λ[t]·∂f/∂x[t]        ∂J/∂w = Σ_t λ[t]·∂f/∂w        ∂J/∂h₀ = λ[0]·∂f/∂h

The rule for one step is the chain rule of :mod:`symgraph.derive.differentiate`, applied to Σ_h λ·f. Values of the step
that its derivative reads come from the forward loop, or are computed again from what the step reads. The result is
differentiated like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

import sympy as sp

from symgraph.core.graph import replace_tensors
from symgraph.core.indices import bound
from symgraph.core.reading import call_cotangent, name_of
from symgraph.core.recurrence import Recurrence, below, closed, recurrence_of
from symgraph.core.tensor import Element, Tensor
from symgraph.derive.shared import reading_values

Rule = Callable[[Tensor, list[Tensor]], Mapping[Tensor, Tensor]]
"""Cotangents of a scalar on the way to some tensors, and of these."""


def contributions(
    root: Tensor, recurrence: Recurrence, cotangents: Mapping[Tensor, Tensor], needed: Collection[Tensor], rule: Rule
) -> Iterator[tuple[Tensor, Tensor]]:
    """What a recurrence adds to the cotangents of its operands: (operand, tensor of its shape).

    ``cotangents`` are those of the values of its loop at all steps; ``needed`` the operands that are asked for.
    """
    loop = recurrence.loop
    later = {carry: Tensor.leaf("input", "later", carry.shape) for carry in loop.carries}
    given = {value: Tensor.leaf("input", "given", value.shape) for value in cotangents}
    products = [_product(later[carry], value) for carry, value in zip(loop.carries, loop.following, strict=True)]
    products += [_product(leaf, value) for value, leaf in given.items()]
    step = Tensor.define((), sp.Add(*(product.element for product in products)))
    filled = dict(zip(loop.slots, recurrence.operands, strict=True))
    targets = [s for s, operand in filled.items() if s in loop.carries or operand in needed]
    forward = dict.fromkeys(loop.slots if loop.recompute else below([*loop.following, *cotangents], ()))
    course = recurrence.course()
    slices: dict[Tensor, Tensor] = {given[value]: cotangent for value, cotangent in cotangents.items()}
    made: dict[Tensor, Tensor] = {}
    found = dict(rule(step, targets))
    for target in targets:
        found.setdefault(target, Tensor.define(target.shape, sp.S.Zero))
    found = reading_values(found, forward)
    results = [found[target] for target in targets]
    for tensor in [value for value in _read(results, forward) if value not in made]:
        whole = course.of(tensor)
        if tensor in course.same:
            made[tensor] = course.same[tensor]
        else:
            made[tensor] = Tensor.leaf("input", "value", tensor.shape, classes=tensor.classes, dtype=tensor.dtype)
            slices[made[tensor]] = whole
    for tensor in below(results, made):
        definition = tensor.definition
        if definition is None:
            made[tensor] = tensor
        else:
            body = replace_tensors(definition.body, made)
            made[tensor] = Tensor.define(tensor.shape, body, definition.op, definition.extents)
    zeros = {leaf: Tensor.define(leaf.shape, sp.S.Zero) for leaf in later.values()}
    following = [made[found[carry]] for carry in loop.carries]
    asked = [made[found[slot]] for slot, operand in filled.items() if operand in needed and slot not in loop.carries]
    reverse, values = closed(loop.length, not loop.backward, zeros, slices, following, loop.recompute, asked)
    found_of = {track: recurrence_of(track) for track in values.known.values()}
    tracks = [track for track, own in found_of.items() if own is not None and own[0] == reverse]
    for value in sorted(found, key=lambda value: name_of(value) is None):
        track = values.known.get(made.get(found[value], found[value]))
        if value in loop.steps and track in tracks:
            call_cotangent(track, (root, recurrence.track(value)))
    for track in tracks:
        track.__dict__["beside"] = tracks  # what a loop's values are called is known as long as one of them is
    for number, (target, operand) in enumerate(filled.items()):
        if operand not in needed:
            continue
        if target in loop.carries:
            yield operand, reverse.last(number)
        elif target in loop.inputs:
            yield operand, values.of(made[found[target]])
        else:
            yield operand, values.total(made[found[target]])


def _product(left: Tensor, right: Tensor) -> Tensor:
    """Σ left·right."""
    if not right.ndim:
        return Tensor.define((), left.element * right.element)
    at = [bound(d) for d in range(right.ndim)]
    return Tensor.define((), Element(left, *at) * Element(right, *at), "sum", right.shape)


def _read(results: list[Tensor], forward: Collection[Tensor]) -> list[Tensor]:
    """Forward values that the results read, or are."""
    inner = below(results, forward)
    reads = (e.tensor for t in inner if t.definition is not None for e in _elements(t))
    return list(dict.fromkeys([*(r for r in results if r in forward), *(r for r in reads if r in forward)]))


def _elements(tensor: Tensor) -> tuple[Element, ...]:
    from symgraph.core.graph import elements_of

    assert tensor.definition is not None
    return elements_of(tensor.definition.body)
