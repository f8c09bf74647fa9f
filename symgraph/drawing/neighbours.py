"""What passes between neighbours in a drawing: a value over those that it reads and that have nodes.

In recurrences too, of which a drawing shows the step:

    a[t] = h[t − 1]·V      over h, as it was a step before, over what h starts with, and V
    h[t] = tanh(a[t])      over a; and ∂L/∂a at all steps is the derivative by d, at 0, of h[t] = tanh(a[t] + d[t])
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from symgraph.core.graph import elements_of, replace_tensors, rewrite
from symgraph.core.recurrence import Loop, Recur, Recurrence, Track, recurrence_of
from symgraph.core.tensor import Definition, Element, Tensor
from symgraph.core.unfolded import Lag, added, carry_read, lag_of, of_step

Neighbour = tuple[Tensor, Lag]
"""What a value reads, and at how many steps from its own: h[t − 1] is (h, (−1,))."""


@dataclass(frozen=True)
class Alone:
    """A value over leaves, of which each stands for one thing that it reads.

    Attributes
    ----------
    leaves : by what is read. What a recurrence starts with, as the reader of h[t − 1] finds it at the first step, is
        apart, in ``first``, by h and its first value: an edge leads from this one to h.
    """

    value: Tensor
    leaves: dict[Neighbour, Tensor]
    first: dict[tuple[Tensor, Tensor], Tensor]

    def shown(self) -> dict[Tensor, Tensor]:
        """What the leaves stand for."""
        return {leaf: tensor for (tensor, _), leaf in self.leaves.items()} | {
            leaf: tensor for (_, tensor), leaf in self.first.items()
        }


def alone(value: Tensor, read: Iterable[Neighbour], is_open: bool, with_carries: bool = False) -> Alone | None:
    """A value over what it reads, in a drawing that opens recurrences or not; ``with_carries`` h[t − 1] stays that.

    None if it reads itself through values that have no nodes, without end.
    """
    leaves = {key: _leaf(f"at {n}", key[0]) for n, key in enumerate(dict.fromkeys(read))}
    first: dict[tuple[Tensor, Tensor], Tensor] = {}
    made: dict[Neighbour, Tensor] = {key: leaf for key, leaf in leaves.items() if key != (value, ())}
    pending: list[Neighbour] = [(value, ())]
    farthest = max((abs(move) for _, lag in leaves for move in lag), default=0)
    while pending:
        tensor, lag = key = pending[-1]
        if max(map(abs, lag), default=0) > farthest:
            return None
        definition = of_step(tensor) if is_open else tensor.definition
        carried = carry_read(tensor) if is_open else None
        if key in made or definition is None or (with_carries and carried is not None):
            made.setdefault(key, tensor)
            pending.pop()
            continue
        rule: dict[Tensor, Tensor] = {}
        needed: dict[Tensor, Neighbour] = {}
        earlier = None if carried is None else definition.body.args[0].args[0]
        for element in elements_of(definition.body):
            operand = element.tensor
            if carried is None:
                needed[operand] = operand, lag
            elif element == earlier:
                needed[operand] = operand, added(lag, lag_of(carried[0], element))
            else:
                rule[operand] = first.setdefault((carried[0], operand), _leaf(f"first {len(first)}", operand))
        missing = [other for other in needed.values() if other not in made]
        pending += missing
        if not missing:
            pending.pop()
            body = replace_tensors(definition.body, rule | {operand: made[other] for operand, other in needed.items()})
            made[key] = tensor.redefined(Definition(definition.op, definition.extents, body))
    return Alone(made[value, ()], leaves, first)


def _leaf(name: str, of: Tensor) -> Tensor:
    return Tensor.leaf("input", name, of.shape, classes=of.classes, dtype=of.dtype)


def with_additions(root: Tensor, inside: Iterable[Tensor]) -> tuple[dict[Tensor, Tensor], dict[Tensor, Tensor]]:
    """The graph with something added to values of its recurrences' steps: what becomes of each tensor, and by value
    the leaf that is added to it."""
    steps = [tensor for tensor in inside if recurrence_of(tensor) is not None and tensor.dtype == "real"]
    leaves = {tensor: _leaf(f"added {number}", tensor) for number, tensor in enumerate(steps)}
    return _with([root], leaves), leaves


def _with(values: Iterable[Tensor], leaves: Mapping[Tensor, Tensor]) -> dict[Tensor, Tensor]:
    """What becomes of values, and of all under them, where leaves are added to some: of a recurrence in its steps."""
    wanted: dict[Recurrence, dict[Tensor, Tensor]] = {}
    for tensor, leaf in leaves.items():
        found = recurrence_of(tensor)
        if found is not None:
            wanted.setdefault(found[0], {})[found[1]] = leaf
    loops = {recurrence: _added(recurrence.loop, list(inside)) for recurrence, inside in wanted.items()}

    def change(tensor: Tensor, definition: Definition) -> Tensor:
        found = recurrence_of(tensor)
        if found is not None and found[0] in loops:
            (recurrence, value), first = found, definition.body.args[1:]
            new, made = loops[recurrence]
            at = len(recurrence.loop.carries) + len(recurrence.loop.inputs)
            more = (Element(leaf, *[0] * leaf.ndim) for leaf in wanted[recurrence].values())
            body = Recur(Track(new, made[value]), *first[:at], *more, *first[at:])
            return tensor.redefined(Definition(definition.op, definition.extents, body))
        new_value = tensor.redefined(definition)
        return (
            new_value
            if tensor not in leaves
            else Tensor.define(tensor.shape, new_value.element + leaves[tensor].element)
        )

    return rewrite(values, change)


def _added(loop: Loop, values: list[Tensor]) -> tuple[Loop, dict[Tensor, Tensor]]:
    """The loop with an input more for each of the values, which is added to it; and what becomes of its values."""
    slots = {value: Tensor.slot(len(loop.slots) + n, value.shape, dtype="real") for n, value in enumerate(values)}
    made = _with(dict.fromkeys([*loop.steps, *values]), slots)
    following = tuple(made[value] for value in loop.following)
    return replace(loop, inputs=(*loop.inputs, *slots.values()), following=following), made
