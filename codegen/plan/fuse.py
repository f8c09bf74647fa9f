"""Fuses nodes into groups, each of which becomes one kernel: one pass over the rows of its values.

    a = x·W;  h[n, j] = max(a[n, j] + b[j], 0)                         one group: a panel of rows, then its epilogue
    m[n] = max_k z[n, k];  e = exp(z − m);  S = Σ_k e;  y = e/S; …      one group: the softmax row

A node joins the group of its latest operand if it reads all values of that group within its own row (or, in a group
that is split by columns too, at its own element). Everything else starts a new group.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import sympy as sp

from codegen.plan.contraction import ROW_LIMIT, Contraction, has_few_rows, is_narrow
from codegen.plan.halves import half_of
from codegen.plan.plan import Node
from codegen.plan.request import Request
from codegen.plan.scatter import scatter_of
from codegen.plan.windows import window_of
from symgraph.core.indices import Index, axis
from symgraph.core.recurrence import Recurrence
from symgraph.core.tensor import Element, Tensor

Kind = Literal["panel", "window", "rows", "columns", "scalar", "loop", "external"]

@dataclass(slots=True)
class Group:
    """Nodes of one kernel, in order. ``head`` is the contraction of a panel. The first ``row_axes`` tell the row of a
    value, or the block of all rows, that is computed as a whole. A loop has values of one recurrence; what is external
    is alone."""

    kind: Kind
    nodes: list[Node]
    head: Contraction | None = None
    row_axes: int = 0
    values: set[Tensor] = field(default_factory=set)
    written: set[Tensor] = field(default_factory=set)

    def add(self, node: Node) -> None:
        self.nodes.append(node)
        if node.target is None:
            self.values.add(node.value)
        else:
            self.written.add(node.target)


def fuse(nodes: Sequence[Node]) -> list[Group]:
    """Groups in the order in which they run."""
    groups: list[Group] = []
    place: dict[Tensor, int] = {}
    last_read: dict[Tensor, int] = {}
    loops: dict[Recurrence, int] = {}
    readers = _readers(nodes)
    for node in nodes:
        latest = _latest(node, place)
        after_readers = last_read.get(node.target, -1) if node.target is not None else -1
        recurrence = node.recurrence
        if recurrence is None:
            at = _choose(groups, node, max(latest, after_readers), readers.get(node.value, ()))
        else:
            at = loops.setdefault(recurrence, len(groups))
        if at == len(groups):
            groups.append(opened(node))
        else:
            groups[at].add(node)
        if node.target is None:
            place[node.value] = at
        for element in node.reads:
            last_read[element.tensor] = max(at, last_read.get(element.tensor, -1))
    return groups


def _latest(node: Node, place: dict[Tensor, int]) -> int:
    found = [place[element.tensor] for element in node.reads if element.tensor in place]
    return max(found, default=-1)


def _readers(nodes: Sequence[Node]) -> dict[Tensor, list[Node]]:
    found: dict[Tensor, list[Node]] = {}
    for node in nodes:
        for element in node.reads:
            found.setdefault(element.tensor, []).append(node)
    return found


def _choose(groups: Sequence[Group], node: Node, earliest: int, readers: Sequence[Node]) -> int:
    """The group that a node joins: the earliest possible one, else the newest that shares an operand with it or with
    its only reader, else new. Half of a sum may join one before the newest."""
    if node.is_external or node.contraction is not None or is_window(node):
        return len(groups)
    if earliest >= 0 and fits(groups[earliest], node):
        return earliest
    newest = len(groups) - 1
    is_half = half_of(node.shape, node.definition) is not None
    for at in range(newest, earliest if is_half else max(earliest, newest - 1), -1):
        if fits(groups[at], node) and _related(groups[at], node, readers):
            return at
    return len(groups)


def _related(group: Group, node: Node, readers: Sequence[Node]) -> bool:
    """Whether a node, or what alone reads it and fits as well, has an operand in common with a group."""
    if group.kind == "scalar" or _shares_operand(group, node):
        return True
    if len(readers) != 1 or readers[0].shape != node.shape:
        return False
    return fits(group, readers[0]) and _shares_operand(group, readers[0])


def _shares_operand(group: Group, node: Node) -> bool:
    reads = {e.tensor for member in group.nodes for e in member.reads}
    return any(element.tensor in reads for element in node.reads if element.tensor.ndim)


def opened(node: Node) -> Group:
    """A new group that begins with a node."""
    head = node.contraction
    if node.recurrence is not None:
        group = Group("loop", [])
    elif node.is_external:
        group = Group("external", [])
    elif head is not None:
        group = Group("panel", [], head, _row_axes(node, head))
    elif is_window(node):
        group = Group("window", [])
    elif not node.shape:
        group = Group("scalar", [])
    elif scatter_of(len(node.shape), node.definition) is not None or runs_down_columns(node):
        group = Group("columns", [])
    else:
        group = Group("rows", [], row_axes=1)
    group.add(node)
    return group


def is_window(node: Node) -> bool:
    """Whether a node is a window of all its axes, and none inside each of its rows: it has a kernel of its own."""
    shape, definition = node.shape, node.definition
    return window_of(shape, definition, 0) is not None and window_of(shape, definition, 1) is None


def _row_axes(node: Node, head: Contraction) -> int:
    """The axes of the rows of a product, where a block has all columns: of a small matrix, or of few columns. Where it
    has all rows too, of a batch of products, those of the batch."""
    if head.outer:
        whole = head.row == axis(node.value.ndim - 2) and has_few_rows(node.extent(head.row))
        return node.value.ndim - 1 - whole if is_narrow(node.shape[-1]) else 0
    size = sp.prod(head.right.tensor.shape)
    return int(bool(size.is_Integer) and int(size) <= ROW_LIMIT)


def fits(group: Group, node: Node) -> bool:
    """Whether a node can be computed inside a group, right where its operands have just been."""
    if group.kind in ("window", "loop", "external") or node.is_external or node.contraction is not None:
        return False
    if is_window(node):
        return False
    if group.kind == "panel" and window_of(node.shape, node.definition, 1) is not None:
        return False
    if node.target is not None and not _may_overwrite(group, node):
        return False
    if group.kind == "scalar":
        return not node.shape
    rows = max(group.row_axes, 1)
    if len(node.shape) < rows or node.shape[:rows] != group.nodes[0].shape[:rows]:
        return False
    if scatter_of(len(node.shape), node.definition) is not None:
        return False
    if half_of(group.nodes[0].shape, group.nodes[0].definition) is not None:
        return _is_beside(group, node)
    if not group.row_axes:
        return _is_elementwise(group, node)
    if runs_down_columns(node):
        return False
    return all(_in_row(element, rows) for element in node.reads if element.tensor in group.values | group.written)


def _may_overwrite(group: Group, node: Node) -> bool:
    """Whether all that the group reads of the leaf to be written is read within the row (or element) being written."""
    if group.head is not None and node.target in (group.head.left.tensor, group.head.right.tensor):
        return False
    reads = [e for member in group.nodes for e in member.reads if e.tensor is node.target]
    if group.row_axes:
        return all(_in_row(element, group.row_axes) for element in reads)
    return all(_is_identity(element) for element in reads)


def _in_row(element: Element, axes: int) -> bool:
    return element.indices[:axes] == tuple(map(axis, range(axes)))


def _is_identity(element: Element) -> bool:
    return all(index == axis(d) for d, index in enumerate(element.indices))


def _is_elementwise(group: Group, node: Node) -> bool:
    if node.definition.op is not None or node.shape != group.nodes[0].shape:
        return False
    return all(_is_identity(element) for element in node.reads if element.tensor in group.values | group.written)


def _is_beside(group: Group, node: Node) -> bool:
    """Whether a node is half of a sum as those of a group are, and needs none of them."""
    if half_of(node.shape, node.definition) is None or node.shape != group.nodes[0].shape:
        return False
    return not any(element.tensor in group.values for element in node.reads)


def runs_down_columns(node: Node) -> bool:
    """Whether a reduction reads memory best with its last free index innermost, as Σ_n g[n, j] does."""
    definition = node.definition
    if definition.op not in ("sum", "max", "min", "argmax", "argmin") or not node.shape:
        return False
    if half_of(node.shape, definition) is not None:
        return True
    last = axis(len(node.shape) - 1)
    votes = 0
    for element in node.reads:
        along = runs_along(element)
        if along is not None:
            weight = sum(isinstance(index, Index) for index in element.indices[:-1]) + 1  # what has more axes is larger
            votes += weight if along == last else -weight
    leading = any(_reduces_leading(element.indices) for element in node.reads)
    return votes > 0 and leading


def runs_along(element: Element) -> Index | None:
    """The index along which an element runs through memory: j of g[n, j] and of g[n, j − 32]."""
    place = element.indices[-1] if element.indices else sp.S.Zero
    moving = [term for term in sp.Add.make_args(place) if term.has(Index)]
    return moving[0] if len(moving) == 1 and isinstance(moving[0], Index) else None


def _reduces_leading(indices: Iterable[sp.Expr]) -> bool:
    first = next(iter(indices), None)
    return isinstance(first, Index) and first.name.startswith("_r")


def spans(groups: Sequence[Group], request: Request) -> dict[Tensor, set[int]]:
    """For each computed value, the groups that read it; an output is read by the group after the last."""
    found: dict[Tensor, set[int]] = {value: set() for group in groups for value in group.values}
    for number, group in enumerate(groups):
        for node in group.nodes:
            for element in node.reads:
                if element.tensor in found:
                    found[element.tensor].add(number)
    for output in request.outputs:
        if output in found:
            found[output].add(len(groups))
    return found
