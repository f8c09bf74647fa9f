"""The order of groups: what has little to do runs as soon as it can, beside others that threads do not wait for.

    Uᵀ · x·Uᵀ · Vᵀ · x·Vᵀ    →    Uᵀ, Vᵀ · x·Uᵀ, x·Vᵀ        threads meet at each ·, between what is written and read

Transposed weights are small; moved up they keep little memory for longer.
"""

from __future__ import annotations

from collections.abc import Sequence

import sympy as sp

from codegen.plan.fuse import Group
from symgraph.core.tensor import Tensor

SMALL, SMALL_TOGETHER = 1 << 14, 1 << 16
"""Elements of a value that is moved, and of all of them."""


def ordered(groups: Sequence[Group]) -> list[Group]:
    """The groups, small ones right after the last that they need."""
    found: list[tuple[Group, set[Tensor], set[Tensor]]] = []
    spent = 0
    for group in groups:
        reads = {element.tensor for node in group.nodes for element in node.reads}
        writes = group.values | group.written
        place, size = len(found), _elements(group)
        if size is not None and spent + size <= SMALL_TOGETHER:
            while place and _may_pass(reads, writes, *found[place - 1][1:]):
                place -= 1
            spent += size if place < len(found) else 0
        found.insert(place, (group, reads, writes))
    return [group for group, _, _ in found]


def _may_pass(reads: set[Tensor], writes: set[Tensor], others_reads: set[Tensor], others_writes: set[Tensor]) -> bool:
    """Whether a group may run before another, as neither needs what the other writes, nor writes the same."""
    return others_writes.isdisjoint(reads) and writes.isdisjoint(others_reads | others_writes)


def _elements(group: Group) -> int | None:
    """How many elements a small group writes; None if it is not small, is more than a kernel, or updates something."""
    if group.kind in ("loop", "external") or group.written:
        return None
    total = sum((sp.prod(node.shape) for node in group.nodes), sp.S.Zero)
    return int(total) if total.is_Integer and total <= SMALL else None
