"""The step of a recurrence as a program of its own: planned and fused as any other, to be run once a step.

Comes in: the values of a recurrence that the program reads. Goes out: the groups of its step, over its slots.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from codegen.plan.fuse import Group, fuse
from codegen.plan.plan import plan
from codegen.plan.request import Request
from symgraph.core.recurrence import Recurrence, computed, recurrence_of
from symgraph.core.tensor import Tensor
from symgraph.stabilise import stabilise


@dataclass(frozen=True, slots=True)
class Steps:
    """A recurrence, the groups of one step, and what its values are called in them.

    ``results`` are the planned values of what is kept at all steps, by the values of the loop; those of carries come
    first. ``before`` are the groups of what is the same at every step: they run once.
    """

    recurrence: Recurrence
    results: Mapping[Tensor, Tensor]
    before: Sequence[Group]
    groups: Sequence[Group]


def steps_of(group: Group) -> Steps:
    """The planned step of a group of values of one recurrence."""
    found = [recurrence_of(node.value) for node in group.nodes]
    recurrence = next(one[0] for one in found if one is not None)
    wanted = list(dict.fromkeys([*recurrence.loop.following, *(one[1] for one in found if one is not None)]))
    loop = recurrence.loop
    planned, nodes = plan(Request(tuple(wanted if loop.stable else stabilise(wanted))), loop)
    if any(value.definition is None for value in planned.outputs):  # branches that were all one slot
        planned, nodes = plan(Request(tuple(computed(value) for value in planned.outputs)), loop)
    moving = {*loop.carries, *loop.inputs, *planned.outputs}
    for node in nodes:
        if any(element.tensor in moving for element in node.reads):
            moving.add(node.value)
    same = [node for node in nodes if node.value not in moving]
    rest = [node for node in nodes if node.value in moving]
    return Steps(recurrence, dict(zip(wanted, planned.outputs, strict=True)), fuse(same), fuse(rest))
