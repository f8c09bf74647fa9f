"""The order of groups: what has little to do runs beside others of the kind, so that threads meet once for all of them.

    Uᵀ · x·Uᵀ · Vᵀ · x·Vᵀ    →    Uᵀ, Vᵀ · x·Uᵀ, x·Vᵀ        threads meet at each ·, between what is written and read

Transposed weights are small; moved up they keep little memory for longer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import sympy as sp

from codegen.plan.fuse import Group
from symgraph.core.tensor import Tensor

SMALL, SMALL_TOGETHER = 1 << 14, 1 << 16
"""Elements of a value that is moved, and of all of them."""


def ordered(groups: Sequence[Group]) -> list[Group]:
    """The groups, each small one beside the nearest small one before it, if it may run there."""
    found: list[_Placed] = []
    spent = 0
    for group in groups:
        reads = {element.tensor for node in group.nodes for element in node.reads}
        new, place = _Placed(group, reads, group.values | group.written, _elements(group)), len(found)
        if new.size is not None and spent + new.size <= SMALL_TOGETHER:
            at = next((at for at in range(place, 0, -1) if _stops(new, found[at - 1])), 0)
            if at and found[at - 1].size is not None:
                spent += new.size if at < place else 0
                place = at
        found.insert(place, new)
    return [one.group for one in found]


class _Placed(NamedTuple):
    """A group with what it reads and writes, and its ``size`` if it is small."""

    group: Group
    reads: set[Tensor]
    writes: set[Tensor]
    size: int | None


def _stops(new: _Placed, other: _Placed) -> bool:
    """Whether a group does not go before another: it is small as well, or one needs what the other writes."""
    meets = not (other.writes.isdisjoint(new.reads) and new.writes.isdisjoint(other.reads | other.writes))
    return meets or other.size is not None


def _elements(group: Group) -> int | None:
    """How many elements a small group writes; None if it is not small, is more than a kernel, or updates something."""
    if group.kind in ("loop", "external") or group.written:
        return None
    total = sum((sp.prod(node.shape) for node in group.nodes), sp.S.Zero)
    return int(total) if total.is_Integer and total <= SMALL else None
