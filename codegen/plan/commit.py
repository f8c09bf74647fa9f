"""Nothing is updated before the loss is known: updates that were fused with the way to the loss become kernels of their
own behind it, so that a program can stop there and has changed nothing.

    [… J; t ← t + 1]  [W ← W − η·g]      →      [… J]  [t ← t + 1]  [W ← W − η·g]
"""

from __future__ import annotations

from collections.abc import Sequence

from codegen.plan.fuse import Group, fits, opened
from codegen.plan.plan import Node
from symgraph.core.tensor import Tensor


def updates_after(groups: Sequence[Group], loss: Tensor) -> list[Group]:
    """Groups with the same nodes, the group of the loss before all that update. A later update reads what it did: by
    the plan's order, all readers of an old value come before its update, and nothing reads it afterwards."""
    last = next((number for number, group in enumerate(groups) if loss in group.values), -1)
    late: list[Group] = []
    before: list[Group] = []
    for group in groups[: last + 1]:
        if not group.written:
            before.append(group)
            continue
        for node in (node for node in group.nodes if node.target is not None):
            _place(late, node)
        rest = [node for node in group.nodes if node.target is None]
        if rest:
            before.append(_with_nodes(group, rest))
    return [*before, *late, *groups[last + 1 :]]


def _place(late: list[Group], update: Node) -> None:
    if late and fits(late[-1], update):
        late[-1].add(update)
    else:
        late.append(opened(update))


def _with_nodes(group: Group, nodes: Sequence[Node]) -> Group:
    made = Group(group.kind, [], group.head, group.row_axes)
    for node in nodes:
        made.add(node)
    return made
