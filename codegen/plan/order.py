"""The order of groups: what has little to do runs beside others of the kind, so that threads meet once for all of them.

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
    """The groups, each small one beside the nearest small one before it, if it may run there."""
    found: list[tuple[Group, set[Tensor], set[Tensor]]] = []
    spent = 0
    for group in groups:
        reads = {element.tensor for node in group.nodes for element in node.reads}
        writes = group.values | group.written
        place, size = len(found), _elements(group)
        if size is not None and spent + size <= SMALL_TOGETHER:
            at = next((at for at in range(place, 0, -1) if _stops(reads, writes, *found[at - 1])), 0)
            if at and _elements(found[at - 1][0]) is not None:
                spent += size if at < place else 0
                place = at
        found.insert(place, (group, reads, writes))
    return [group for group, _, _ in found]


def _stops(reads: set[Tensor], writes: set[Tensor], other: Group, its_reads: set[Tensor], its_own: set[Tensor]) -> bool:
    """Whether a group does not go before another: it is small as well, or one needs what the other writes."""
    meets = not (its_own.isdisjoint(reads) and writes.isdisjoint(its_reads | its_own))
    return meets or _elements(other) is not None


def _elements(group: Group) -> int | None:
    """How many elements a small group writes; None if it is not small, is more than a kernel, or updates something."""
    if group.kind in ("loop", "external") or group.written:
        return None
    total = sum((sp.prod(node.shape) for node in group.nodes), sp.S.Zero)
    return int(total) if total.is_Integer and total <= SMALL else None
