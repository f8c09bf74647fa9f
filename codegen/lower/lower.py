"""Lowers groups of definitions to kernels of loop nests. One group is one kernel.

rows, columns    codegen.lower.rows      loops over the segments of a row, or down columns
maps             codegen.lower.maps      one flat loop, where indices do not matter; transpositions
panels           codegen.lower.panels    a contraction, then the rows of its block
short rows       codegen.lower.lanes     a block of rows by columns, so that vectors hold one element of many rows
"""

from __future__ import annotations

from codegen.loops import ir
from codegen.lower.lanes import LaneLowering, suits_lanes
from codegen.lower.panels import PanelLowering
from codegen.lower.segments import Storage
from codegen.plan.fuse import Group
from symgraph.core.tensor import Tensor


def lower(
    group: Group, storage: Storage, kept: set[Tensor], name: str, repeated: bool = False
) -> tuple[ir.Kernel, list[ir.Buffer]]:
    """The kernel of a group, and its scratch buffers. ``kept`` are the values that others read from memory.

    In what is ``repeated``, the step of a recurrence, threads share rows one by one: in every kernel the same.
    """
    chosen = LaneLowering if suits_lanes(group) else PanelLowering
    return chosen(group, storage, kept, name, repeated).kernel()
