"""Lowers groups of definitions to kernels of loop nests. One group is one kernel.

rows, columns    codegen.lower_rows      loops over the segments of a row, or down columns
maps             codegen.lower_maps      one flat loop, where indices do not matter; transpositions
panels           codegen.lower_panels    a contraction, then the rows of its block
short rows       codegen.lower_lanes     a block of rows by columns, so that vectors hold one element of many rows
"""

from __future__ import annotations

from codegen import ir
from codegen.fuse import Group
from codegen.lower_lanes import LaneLowering, suits_lanes
from codegen.lower_panels import PanelLowering
from codegen.segments import Storage
from symgraph.tensor import Tensor


def lower(group: Group, storage: Storage, kept: set[Tensor], name: str) -> tuple[ir.Kernel, list[ir.Buffer]]:
    """The kernel of a group, and its scratch buffers. ``kept`` are the values that others read from memory."""
    chosen = LaneLowering if suits_lanes(group) else PanelLowering
    return chosen(group, storage, kept, name).kernel()
