"""What is known while one kernel is lowered: its names, where values are, and what has been computed already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sympy as sp

from codegen.loops import ir
from codegen.loops.ir import ZERO, Const, Expr, Load, Op, Stmt, Var
from codegen.loops.names import Names
from codegen.loops.share import Sharing
from codegen.lower.scalar import Access, ScalarLowering
from codegen.lower.schedule import Schedule
from codegen.lower.types import data_type
from codegen.plan.fuse import Group
from codegen.plan.value_names import value_name
from symgraph.core.indices import Index, axis
from symgraph.core.tensor import Tensor


@dataclass(frozen=True, slots=True)
class Storage:
    """Where values live: names of buffers, for every tensor that has memory, and of run-time sizes."""

    buffers: Mapping[Tensor, str]
    sizes: Mapping[str, str]


class Scope:
    """One kernel under way.

    Attributes
    ----------
    row : the loop over rows, where there is one; ``here``, the place that is computed.
    part : the rows [first, last) that a thread owns, where it owns some.
    first_row, first_column, last_column : where the block at hand begins, and ends.
    local, forwarded, scratch : values that are scalars in a row, and in one iteration; and those in scratch memory.
    numbers : of those of one iteration, what is known.
    copies : scratch memory of copies of operands.
    top : what is computed before all loops; ``available``, the variables that are bound there.
    reading : how an element is read.
    """

    def __init__(self, group: Group, storage: Storage, kept: set[Tensor], schedule: Schedule) -> None:
        self.group, self.storage, self.kept, self.schedule = group, storage, kept, schedule
        self.depth = schedule.depth
        self.names = Names(frozenset(storage.buffers.values()) | frozenset(storage.sizes.values()))
        self.reading: Access = self.read
        self.scalars = ScalarLowering(lambda tensor, index: self.reading(tensor, index), storage.sizes)
        self.row = Var(self.loop_name(group.nodes[0].shape[0]), "int64") if self.depth else None
        self.part: tuple[Var, Var] | None = None
        self.here: tuple[Expr, ...] = ()
        self.first_row: Expr = ZERO
        self.first_column: Expr = ZERO
        self.last_column: Expr = ZERO
        self.scratch: dict[Tensor, ir.Buffer] = {}
        self.unnamed_scratch: list[ir.Buffer] = []
        self.copies: list[ir.Buffer] = []
        self.local: dict[Tensor, Var] = {}
        self.forwarded: dict[Tensor, Var] = {}
        self.numbers: dict[Tensor, Const] = {}
        self.formulas: list[str] = []
        self.next_values = {n.value: f"next_{n.target.name}" for n in group.nodes if n.target is not None}
        outputs = {storage.buffers[v] for v in (*group.values, *group.written) if v in storage.buffers}
        self.sharing = Sharing(self.names, frozenset(outputs))
        self.top: list[Stmt] = []
        self.available = set(storage.sizes.values())

    @property
    def head(self) -> Tensor | None:
        """The value of the product at the head."""
        return self.group.nodes[0].value if self.group.head is not None else None

    def row_axes(self) -> list[Index]:
        """The axes around the segments."""
        return [axis(d) for d in range(self.depth)]

    def hoist(self, body: Sequence[Stmt]) -> list[Stmt]:
        """What is left of statements when all has gone to the top that needs nothing of a loop."""
        before, rest = self.sharing.hoist(body, self.available, outermost=True)
        self.top += before
        return rest

    # -- reading ------------------------------------------------------------------------------------------------------
    def read(self, tensor: Tensor, index: tuple[Expr, ...]) -> Expr:
        """An element, as the scalar that has just been computed, or from memory."""
        if tensor in self.forwarded and self.is_here(tensor, index):
            return self.numbers.get(tensor, self.forwarded[tensor])
        if tensor in self.local:
            return self.local[tensor]
        dtype = data_type(tensor)
        if tensor in self.scratch:
            return Load(self.scratch[tensor].name, self._within(tensor, index), dtype)
        return Load(self.storage.buffers[tensor], index, dtype)

    def is_here(self, tensor: Tensor, index: tuple[Expr, ...]) -> bool:
        return index == self.here[: len(index)] and len(index) == tensor.ndim

    def _within(self, tensor: Tensor, index: tuple[Expr, ...]) -> tuple[Expr, ...]:
        """Position in a scratch buffer: of the panel for the head, of one row for everything else."""
        if self.group.head is not None and tensor is self.head:
            row = index[int(self.group.head.row.name[1:])]
            row = ZERO if row == self.first_row else ir.add(row, minus(self.first_row))
            return row, ir.add(index[-1], minus(self.first_column))
        return index[self.depth :]

    # -- names and memory ---------------------------------------------------------------------------------------------
    def variable(self, text: str) -> Var:
        """A new integer variable."""
        return Var(self.names.unique(text), "int64")

    def loop_name(self, extent: sp.Expr) -> str:
        if isinstance(extent, sp.Symbol) and len(extent.name) == 1:
            return self.names.first_free(extent.name.lower(), "n", "m", "i", "j", "k", "l", "p", "q", "r")
        return self.names.first_free("i", "j", "k", "l", "m", "p", "q", "r")

    def loops(self, extents: Sequence[sp.Expr]) -> list[Var]:
        """The variables of new loops."""
        return [Var(self.loop_name(extent), "int64") for extent in extents]

    def value_name(self, tensor: Tensor) -> str:
        return self.next_values.get(tensor) or value_name(tensor)

    def shown_name(self, tensor: Tensor) -> str:
        """Name of a tensor in the comments: its buffer, its scalar, or what the user calls it."""
        if tensor in self.storage.buffers:
            return self.storage.buffers[tensor]
        known = self.forwarded.get(tensor) or self.local.get(tensor) or self.scratch.get(tensor)
        return known.name if known is not None else self.value_name(tensor)

    def sizes(self, extents: Sequence[sp.Expr]) -> tuple[Expr, ...]:
        """Extents as integers of the source."""
        return tuple(self.scalars.integer(size) for size in extents)

    def scratch_of(self, tensor: Tensor, extents: Sequence[sp.Expr]) -> ir.Buffer:
        """Scratch memory for a row of a value."""
        shape = self.sizes(extents)
        self.scratch[tensor] = self.buffer(f"{self.value_name(tensor)}_row", shape, data_type(tensor))
        return self.scratch[tensor]

    def unnamed(self, name: str, extents: Sequence[sp.Expr]) -> str:
        """Scratch memory of real numbers that stands for no tensor: its name."""
        shape = self.sizes(extents)
        self.unnamed_scratch.append(self.buffer(name, shape))
        return self.unnamed_scratch[-1].name

    def buffer(self, name: str, shape: tuple[Expr, ...], dtype: ir.DType = "real") -> ir.Buffer:
        """A buffer of a new name, in scratch memory."""
        made = ir.Buffer(self.names.unique(name), dtype, shape, "scratch")
        self.sharing.scratch.add(made.name)
        return made


def minus(value: Expr) -> Expr:
    """−value, folded."""
    return ir.integer(-int(value.value)) if isinstance(value, Const) else Op("neg", (value,), "int64")


def smaller(left: Expr, right: Expr) -> Expr:
    """min(left, right), folded."""
    if isinstance(left, Const) and isinstance(right, Const):
        return left if left.value <= right.value else right
    return ir.Call("minimum", (left, right), "int64")


def in_blocks(first: Var, last: Var, block: int) -> ir.Let:
    """The end of a block of what a loop shares."""
    return ir.Let(last, smaller(ir.add(first, ir.integer(block)), Var(f"{first.name}_end", "int64")))
