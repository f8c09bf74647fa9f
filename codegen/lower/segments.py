"""Deals the nodes of a group to segments: loops over the inner axes of a row, in each of which a value may be read at
the same place where it has just been computed, and then it is a scalar that never reaches memory.

    [segment k: m = max z[n,k]] [segment k: e[k] = exp(z[n,k] − m); S += e[k]] [segment k: y[n,k] = e[k]/S]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import sympy as sp

from codegen.loops import ir
from codegen.loops.ir import ZERO, Const, Expr, Load, Op, Stmt, Var
from codegen.loops.names import Names
from codegen.loops.share import Sharing
from codegen.lower.scalar import ScalarLowering
from codegen.lower.types import data_type
from codegen.plan.fuse import Group, runs_down_columns
from codegen.plan.plan import Node
from codegen.plan.scatter import Scatter, scatter_of
from codegen.plan.value_names import value_name
from codegen.plan.windows import Window, window_of
from symgraph.core.indices import Index, axis, bound
from symgraph.core.tensor import Element, Tensor


@dataclass(frozen=True, slots=True)
class Storage:
    """Where values live: names of buffers, for every tensor that has memory, and of run-time sizes."""

    buffers: Mapping[Tensor, str]
    sizes: Mapping[str, str]


@dataclass(slots=True)
class Segment:
    """Nodes that share one nest of inner loops; a scatter or a window, whose loops are others, stands alone."""

    extents: tuple[sp.Expr, ...]
    nodes: list[Node] = field(default_factory=list)
    scatter: Scatter | None = None
    window: Window | None = None


class Segments:
    """The segments of a group, how they read values, and the names in them."""

    def __init__(self, group: Group, storage: Storage, kept: set[Tensor], name: str, repeated: bool = False) -> None:
        self.group, self.storage, self.kept, self.name, self.repeated = group, storage, kept, name, repeated
        self.names = Names(frozenset(storage.buffers.values()) | frozenset(storage.sizes.values()))
        self.depth = 1 if group.kind in ("rows", "panel") else 0
        self.has_windows = group.kind in ("rows", "window")
        self.scalars = ScalarLowering(self._read, storage.sizes)
        self.row = Var(self._loop_name(group.nodes[0].shape[0]), "int64") if self.depth else None
        self.here: tuple[Expr, ...] = ()
        self.first_row: Expr = ZERO
        self.first_column: Expr = ZERO
        self.last_column: Expr = ZERO
        self.scratch: dict[Tensor, ir.Buffer] = {}
        self.unnamed_scratch: list[ir.Buffer] = []
        self.local: dict[Tensor, Var] = {}
        self.forwarded: dict[Tensor, Var] = {}
        self.formulas: list[str] = []
        self.next_values = {n.value: f"next_{n.target.name}" for n in group.nodes if n.target is not None}
        self.shown_indices: dict[sp.Basic, Expr] = {}
        self.segments = self._dealt()
        outputs = {storage.buffers[v] for v in (*group.values, *group.written) if v in storage.buffers}
        self.sharing = Sharing(self.names, frozenset(outputs))
        self.top: list[Stmt] = []
        self.available = set(storage.sizes.values())

    # -- dealing nodes to segments ------------------------------------------------------------------------------------
    def _dealt(self) -> list[Segment]:
        segments: list[Segment] = []
        place: dict[Tensor, int] = {}
        last_read: list[tuple[Tensor, int]] = []
        for node in self.group.nodes:
            if node.contraction is not None:
                continue
            extents = tuple(self._extent(node, index) for index in self._loops(node))
            at = max((self._earliest(node, element, place) for element in node.reads), default=0)
            if node.target is not None:
                at = max([at, *(s for leaf, s in last_read if leaf is node.target)])
            scatter = scatter_of(len(node.shape), node.definition)
            window = window_of(node.shape, node.definition, self.depth) if self.has_windows else None
            fitting = (s for s in range(at, len(segments)) if segments[s].extents == extents)
            if scatter is None and window is None:
                chosen = next((s for s in fitting if segments[s].scatter is None is segments[s].window), len(segments))
            else:
                chosen = len(segments)
            if chosen == len(segments):
                segments.append(Segment(extents, scatter=scatter, window=window))
            segments[chosen].nodes.append(node)
            last_read += [
                (e.tensor, chosen + (not self._is_element(e))) for e in node.reads if e.tensor in self.group.written
            ]
            if node.target is None:
                place[node.value] = chosen
        return segments

    def _earliest(self, node: Node, element: Element, place: Mapping[Tensor, int]) -> int:
        """The first segment in which ``node`` may read ``element``; an overwritten leaf is read before its write."""
        if element.tensor not in place:
            return 0
        at = place[element.tensor]
        return at if self._reads_in_place(node, element) else at + 1

    def _reads_in_place(self, node: Node, element: Element) -> bool:
        """Whether the element is the one computed in the same iteration of the same loops."""
        producer = next(n for n in self.group.nodes if n.target is None and n.value is element.tensor)
        if producer.definition.op is not None:
            return False
        expected = [*(axis(d) for d in range(self.depth)), *self._loops(node)]
        return list(element.indices) == expected[: len(element.indices)] and len(expected) == len(element.indices)

    def _is_element(self, element: Element) -> bool:
        """Whether an overwritten leaf is read at the very element that the same iteration writes."""
        return all(index == axis(d) for d, index in enumerate(element.indices))

    def _loops(self, node: Node) -> list[Index]:
        """Canonical indices of a node's inner loops, outermost first."""
        free = [axis(d) for d in range(self.depth, len(node.shape))]
        over = [bound(d) for d in range(len(node.definition.extents))]
        scatter = scatter_of(len(node.shape), node.definition)
        if scatter is not None:
            return over + [axis(d) for d in range(self.depth, len(node.shape)) if d not in scatter.axes]
        return over + free if over and free and self._contiguous_free(node) else free + over

    def _contiguous_free(self, node: Node) -> bool:
        last = axis(len(node.shape) - 1)
        votes = [e.indices[-1] == last for e in node.reads if e.indices and isinstance(e.indices[-1], Index)]
        return runs_down_columns(node) or 2 * sum(votes) > len(votes)

    def _extent(self, node: Node, index: Index) -> sp.Expr:
        if index.name.startswith("_r"):
            return node.definition.extents[int(index.name[2:])]
        return node.shape[int(index.name[1:])]

    # -- reading and writing ------------------------------------------------------------------------------------------
    def _read(self, tensor: Tensor, index: tuple[Expr, ...]) -> Expr:
        if tensor in self.forwarded and self._is_here(tensor, index):
            return self.forwarded[tensor]
        if tensor in self.local:
            return self.local[tensor]
        dtype = data_type(tensor)
        if tensor in self.scratch:
            buffer = self.scratch[tensor]
            return Load(buffer.name, self._within(tensor, index), dtype)
        return Load(self.storage.buffers[tensor], index, dtype)

    def _is_here(self, tensor: Tensor, index: tuple[Expr, ...]) -> bool:
        return index == self.here[: len(index)] and len(index) == tensor.ndim

    def _within(self, tensor: Tensor, index: tuple[Expr, ...]) -> tuple[Expr, ...]:
        """Position in a scratch buffer: of the panel for the head, of one row for everything else."""
        if self.group.head is not None and tensor is self.group.nodes[0].value:
            row = index[int(self.group.head.row.name[1:])]
            row = ZERO if row == self.first_row else ir.add(row, minus(self.first_row))
            return row, ir.add(index[-1], minus(self.first_column))
        return index[self.depth :]

    def _needs_memory(self, node: Node, segment: Segment) -> bool:
        """Whether a value that nobody outside reads still needs a row of scratch memory."""
        for other in self.segments:
            for reader in other.nodes:
                for element in reader.reads:
                    if element.tensor is node.value and (
                        other is not segment or not self._reads_in_place(reader, element)
                    ):
                        return True
        return False

    # -- names --------------------------------------------------------------------------------------------------------
    def _loop_name(self, extent: sp.Expr) -> str:
        if isinstance(extent, sp.Symbol) and len(extent.name) == 1:
            return self.names.first_free(extent.name.lower(), "n", "m", "i", "j", "k", "l", "p", "q", "r")
        return self.names.first_free("i", "j", "k", "l", "m", "p", "q", "r")

    def _value_name(self, tensor: Tensor) -> str:
        return self.next_values.get(tensor) or value_name(tensor)

    def _shown_name(self, tensor: Tensor) -> str:
        """Name of a tensor in the comments: its buffer, its scalar, or what the user calls it."""
        if tensor in self.storage.buffers:
            return self.storage.buffers[tensor]
        known = self.forwarded.get(tensor) or self.local.get(tensor) or self.scratch.get(tensor)
        return known.name if known is not None else self._value_name(tensor)

    def _scratch(self, tensor: Tensor, extents: Sequence[sp.Expr]) -> ir.Buffer:
        shape = tuple(self.scalars.integer(size) for size in extents)
        name = self.names.unique(f"{self._value_name(tensor)}_row")
        self.scratch[tensor] = ir.Buffer(name, data_type(tensor), shape, "scratch")
        self.sharing.scratch.add(name)
        return self.scratch[tensor]

    def _unnamed_scratch(self, name: str, extents: Sequence[sp.Expr]) -> str:
        """Scratch memory of real numbers that stands for no tensor: its name."""
        shape = tuple(self.scalars.integer(size) for size in extents)
        self.unnamed_scratch.append(ir.Buffer(self.names.unique(name), "real", shape, "scratch"))
        self.sharing.scratch.add(self.unnamed_scratch[-1].name)
        return self.unnamed_scratch[-1].name


def minus(value: Expr) -> Expr:
    """−value, folded."""
    return ir.integer(-int(value.value)) if isinstance(value, Const) else Op("neg", (value,), "int64")
