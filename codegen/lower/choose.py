"""The choices of schedules, and the sizes from which on they pay: all of them, and nowhere else.

A group goes in, with what others read of it from memory; a :class:`codegen.lower.schedule.Schedule` comes out.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import sympy as sp

from codegen.loops.counts import PANEL_ROWS
from codegen.lower.residues import nests_of
from codegen.lower.schedule import Inside, Place, Product, Schedule, Segment, Share, Size, Stage
from codegen.lower.types import data_type
from codegen.lower.window_ways import windowed
from codegen.plan.contraction import PANEL_COLUMNS, Contraction, has_few_rows, has_whole_lines, is_narrow, is_seldom
from codegen.plan.fuse import Group, runs_along, runs_down_columns
from codegen.plan.halves import half_of
from codegen.plan.plan import Node
from codegen.plan.scatter import scatter_of
from codegen.plan.windows import Window, windows_of
from symgraph.core.indices import Index, axis, bound
from symgraph.core.tensor import Element, Tensor

SHORT = 32
"""Most elements of a row that are worth to be transposed."""

LANES = 16
"""Rows of a block in lanes: a whole number of vectors on every machine."""

FLAT_BLOCK = 2048
"""Elements of a block of a map over contiguous memory."""

COLUMN_GRAIN = 256
"""Columns that are reduced together: their results stay in the first-level cache."""

BLOCK_ROWS = 60
"""Rows of a block that is no panel of whole rows, nor has all rows: a multiple of nearly every number of rows that a
tile may have."""

PACKED_ROWS = 64
"""Rows of the result from which on it pays to copy columns of the right operand together first."""

CACHED = 1 << 16
"""Elements of a right operand that every row of blocks may read again; a batch is taken to be short enough."""

DOT_ROWS = 4
"""Rows of the left operand from which on it pays to transpose a large right operand, some columns at a time."""

LONG_ROW = 512
"""Elements of a row from which on rows soon are on other pages, and those of a power of two share few cache sets."""


def schedule_of(group: Group, kept: Collection[Tensor], repeated: bool = False) -> Schedule:
    """The schedule of a group; ``kept`` are the values that others read from memory. In what is ``repeated``, the step
    of a recurrence, threads share rows one by one: in every kernel the same."""
    product = None if group.head is None else _product(group, group.head)
    depth = _depth(group)
    share, inside = _share(group, product, repeated)
    segments = _Dealer(group, depth).segments(share, product, kept)
    if product is not None and not segments:
        inside = "nothing"
    return Schedule(share, inside, depth, segments, product, LANES if inside == "lanes" else 1)


def _depth(group: Group) -> int:
    """Axes around the segments: none, the rows, or those of all blocks of a product."""
    if group.head is not None and group.head.outer:
        return group.row_axes or len(group.nodes[0].shape) - 1
    return 1 if group.kind in ("rows", "panel") else 0


# -- what threads share -----------------------------------------------------------------------------------------------
def _share(group: Group, product: Product | None, repeated: bool) -> tuple[Share, Inside]:
    """What the threads share, and how what is theirs is computed."""
    lanes = _suits_lanes(group)
    if group.head is not None and product is not None:
        whole = product.width is None and not group.head.outer
        share = Share("panels", product.height, repeated) if whole else Share("blocks", product.height)
        return share, "lanes" if lanes else "elements" if whole and _is_flat(group) else "rows"
    if group.kind == "window":
        return Share("window"), "rows"
    if group.kind == "columns":
        first = group.nodes[0]
        halves = half_of(first.shape, first.definition) is not None
        return Share("halves") if halves else _share_of_columns(first), "rows"
    if group.kind != "rows":
        return Share("nothing"), "rows"
    if lanes:
        return Share("rows", LANES, repeated), "lanes"
    if _is_flat(group):
        return Share("elements", FLAT_BLOCK, repeated), "elements"
    if _is_transposition(group):
        return Share("rows", PANEL_ROWS), "transposed"
    return Share("rows"), "rows"


def _share_of_columns(node: Node) -> Share:
    """Columns, but not those of one block, whose number is then known to the compiler; else rows of a scatter, but
    those of a few elements, and without a sum."""
    scatter = scatter_of(len(node.shape), node.definition)
    if _exceeds(node.shape[-1], COLUMN_GRAIN) and (scatter is None or len(node.shape) - 1 not in scatter.axes):
        return Share("columns", COLUMN_GRAIN)
    is_small = node.definition.op is None and not _exceeds(sp.Mul(*node.shape), COLUMN_GRAIN)
    return Share("nothing") if scatter is None or is_small else Share("owned rows")


def _is_flat(group: Group) -> bool:
    """Whether everything a group does is done at one place of equally shaped arrays, so that it needs no indices."""
    nodes = [node for node in group.nodes if node.contraction is None]
    shape = group.nodes[0].shape
    if len(shape) < 2 or any(node.definition.op is not None or node.shape != shape for node in nodes):
        return False
    for node in nodes:
        everywhere = tuple(axis(d) for d in range(len(shape)))
        if not all(not e.indices or (e.indices == everywhere and e.tensor.shape == shape) for e in node.reads):
            return False
        if node.definition.body.xreplace({e: sp.Dummy() for e in node.reads}).atoms(Index):
            return False
    return True


def _is_transposition(group: Group) -> bool:
    """Whether a group is vᵀ, or parts of some."""
    return all(node.target is None and transposed_from(node) is not None for node in group.nodes)


def transposed_from(node: Node) -> tuple[Element, int, int] | None:
    """What a node is the transpose of, from which row and which column on; None if it is none."""
    body = node.definition.body
    if len(node.shape) != 2 or not isinstance(body, Element) or len(body.indices) != 2:
        return None
    if data_type(node.value) != "real" or data_type(body.tensor) != "real":
        return None
    row, column = sp.expand(body.indices[0] - axis(1)), sp.expand(body.indices[1] - axis(0))
    return (body, int(row), int(column)) if row.is_Integer and column.is_Integer else None


# -- lanes ------------------------------------------------------------------------------------------------------------
def _suits_lanes(group: Group) -> bool:
    """Whether all rows of a group are short, read only themselves, are worth being moved, and fill a block."""
    rows = group.nodes[0].shape[0] if group.nodes[0].shape else sp.S.Zero
    if rows.is_Integer and rows < LANES:
        return False
    nodes = [node for node in group.nodes if node.contraction is None]
    if group.kind not in ("panel", "rows") or (group.head is not None and (group.head.outer or not group.row_axes)):
        return False
    if group.head is not None and _exceeds(sp.Mul(*group.nodes[0].shape[1:]), SHORT):
        return False
    heavy = any(node.definition.op is not None and node.definition.extents for node in nodes)
    return heavy and all(map(_is_row_wise, nodes))


def _is_row_wise(node: Node) -> bool:
    if node.target is not None or node.definition.op in ("argmax", "argmin") or data_type(node.value) != "real":
        return False
    short = not _exceeds(sp.Mul(*node.shape[1:], *node.definition.extents), SHORT)
    return short and all(_is_simple(e, node.shape[0]) for e in node.reads)


def _is_simple(element: Element, rows: sp.Expr) -> bool:
    """x[n, k], x[n, t[n]] with short rows, of which there are as many, or b[k]."""
    indices = element.indices
    if element.tensor.dtype == "integer" and list(indices) != [axis(0)]:
        return False
    if indices and indices[0] == axis(0):
        if element.tensor.shape[0] != rows or _exceeds(sp.Mul(*element.tensor.shape[1:]), SHORT):
            return False
        indices = indices[1:]
    return all((isinstance(i, Index) and i != axis(0)) or isinstance(i, Element) for i in indices)


# -- products ---------------------------------------------------------------------------------------------------------
def _product(group: Group, head: Contraction) -> Product:
    """Blocks of whole rows where the matrix is small or narrow; else of rows and columns, of which those of one strip
    follow each other, and are copied together where enough rows use the copy."""
    result = group.nodes[0]
    rows, columns = result.extent(head.row), result.shape[-1]
    depth = sp.Mul(*result.definition.extents)
    whole = group.row_axes > 0 or is_narrow(columns)
    shared = whole and not head.outer  # all rows that a thread has; else blocks of rows and columns
    height = PANEL_ROWS if shared else int(rows) if has_few_rows(rows) else BLOCK_ROWS
    width = None if whole else PANEL_COLUMNS
    tiled = rows if shared else sp.Integer(height), columns if whole else sp.Integer(PANEL_COLUMNS), depth
    tile = _known(tiled[0]), _known(tiled[1]), _known(tiled[2])
    if shared:
        return Product(height, width, tile)
    if head.right.indices[-1] is not head.column:
        many = bool(rows >= DOT_ROWS) if rows.is_Integer else None
        return Product(height, width, tile, "transposed", DOT_ROWS, many)
    place = next(d for d, entry in enumerate(head.right.indices) if entry.has(head.depth[-1]))
    row = sp.Mul(*head.right.tensor.shape[place + 1 :])
    is_plain = len(head.depth) == 1 and not head.leaves_out_terms
    if is_plain and row.is_Integer and row >= LONG_ROW and _exceeds(rows, PACKED_ROWS - 1):
        return Product(height, width, tile, "copied", PACKED_ROWS, True if rows.is_Integer else None)
    return Product(height, width, tile, rows_first=width is not None and _rows_share_lines(columns, depth))


def _rows_share_lines(columns: sp.Expr, depth: sp.Expr) -> bool:
    """Whether a strip of columns ends within a cache line of every row: two threads that had a strip each would write
    to the same lines. They have rows, and read the right operand again, where it stays in the cache."""
    if has_whole_lines(columns):
        return False
    return not (depth.is_Integer and depth * columns > CACHED)


def _known(size: sp.Expr) -> Size:
    return int(size) if size.is_Integer else None


def _exceeds(size: sp.Expr, limit: int) -> bool:
    """Whether a size is above a limit, or not known."""
    return not (size.is_Integer and int(size) <= limit)


# -- segments ---------------------------------------------------------------------------------------------------------
class _Dealer:
    """Deals the nodes of a group to segments, in each of which a value may be read at the same place where it has just
    been computed; an overwritten leaf is read before."""

    def __init__(self, group: Group, depth: int) -> None:
        self.group, self.depth = group, depth
        self.producers = {node.value: node for node in group.nodes if node.target is None}
        self.has_windows = group.kind in ("rows", "window")

    def dealt(self) -> list[list[Node]]:
        """The nodes of each segment."""
        segments: list[list[Node]] = []
        place: dict[Tensor, int] = {}
        last_read: list[tuple[Tensor, int]] = []
        for node in (node for node in self.group.nodes if node.contraction is None):
            reads = [e for e in node.reads if e.tensor in place]
            at = max((place[e.tensor] + (not self.reads_in_place(node, e)) for e in reads), default=0)
            if node.target is not None:
                at = max([at, *(s for leaf, s in last_read if leaf is node.target)])
            fitting = range(at, len(segments) if self.is_plain(node) else 0)
            chosen = next((s for s in fitting if self.fits(node, segments[s])), len(segments))
            if chosen == len(segments):
                segments.append([])
            segments[chosen].append(node)
            overwritten = [e for e in node.reads if e.tensor in self.group.written]
            last_read += [(e.tensor, chosen + (not _is_element(e))) for e in overwritten]
            if node.target is None:
                place[node.value] = chosen
        return segments

    def fits(self, node: Node, segment: Sequence[Node]) -> bool:
        """Whether a node has the loops of a segment; a reduction has none that are taken apart by remainders."""
        other, reduces = segment[0], {one.definition.op is not None for one in (node, *segment)}
        if True in reduces and any(one.definition.body.has(sp.Mod) for one in (node, *segment)):
            return False
        same_half = half_of(node.shape, node.definition) == half_of(other.shape, other.definition)
        together = same_half and is_seldom(node.definition) == is_seldom(other.definition)
        return self.is_plain(other) and self.extents(node) == self.extents(other) and together

    def is_plain(self, node: Node) -> bool:
        """Whether a node is neither a scatter nor a window, which stand alone."""
        return scatter_of(len(node.shape), node.definition) is None and not self.windows(node)

    def windows(self, node: Node) -> tuple[Window, ...]:
        return windows_of(node.shape, node.definition, self.depth) if self.has_windows else ()

    def extents(self, node: Node) -> tuple[sp.Expr, ...]:
        return tuple(node.extent(index) for index in self.loops(node))

    def loops(self, node: Node) -> list[Index]:
        """Canonical indices of a node's inner loops, outermost first: last the one along which memory is read."""
        free = [axis(d) for d in range(self.depth, len(node.shape))]
        over = [bound(d) for d in range(len(node.definition.extents))]
        scatter = scatter_of(len(node.shape), node.definition)
        if scatter is not None:
            return over + [index for index in free if int(index.name[1:]) not in scatter.axes]
        return over + free if over and free and _contiguous_free(node) else free + over

    def reads_in_place(self, node: Node, element: Element) -> bool:
        """Whether the element is the one computed in the same iteration of the same loops."""
        if self.producers[element.tensor].definition.op is not None:
            return False
        return list(element.indices) == [*(axis(d) for d in range(self.depth)), *self.loops(node)]

    def segments(self, share: Share, product: Product | None, kept: Collection[Tensor]) -> tuple[Segment, ...]:
        """The segments, with where their values are kept, and what is known of their loops' periods."""
        dealt = self.dealt()
        elsewhere = {
            element.tensor
            for number, nodes in enumerate(dealt)
            for node in nodes
            for element in node.reads
            if element.tensor in self.producers
            and (self.producers[element.tensor] not in nodes or not self.reads_in_place(node, element))
        }
        some_columns = share.what == "columns" or (product is not None and product.width is not None)
        found = []
        for nodes in dealt:
            extents = self.extents(nodes[0])
            last = [len(extents) - 1] if some_columns else []
            shared = [axis(self.depth + d) for d in (*last, *([0] if share.what == "owned rows" else []))]
            stages = tuple(self.stage(node, bool(shared), kept, elsewhere) for node in nodes)
            nests = tuple(nests_of(nodes, extents, self.depth, shared)) if self.is_plain(nodes[0]) else ()
            windows = self.windows(nodes[0])
            way = windowed(windows, self.depth == 0) if windows else None
            scatter = scatter_of(len(nodes[0].shape), nodes[0].definition)
            found.append(Segment(extents, stages, nests, scatter, way))
        return tuple(found)

    def stage(self, node: Node, shared: bool, kept: Collection[Tensor], elsewhere: Collection[Tensor]) -> Stage:
        """A value, with what keeps it for those that read it in another segment, or at another place."""
        loops, free = self.loops(node), [axis(d) for d in range(self.depth, len(node.shape))]
        is_sum = node.definition.op is not None
        place: Place = "memory"
        if node.target is None and node.value not in kept:
            place = "scratch" if (free if is_sum else node.value in elsewhere) else "scalar"
        return Stage(node, tuple(loops), place, is_sum and not shared and loops[: len(free)] == free)


def _is_element(element: Element) -> bool:
    """Whether an overwritten leaf is read at the very element that the same iteration writes."""
    return all(index == axis(d) for d, index in enumerate(element.indices))


def _contiguous_free(node: Node) -> bool:
    last = axis(len(node.shape) - 1)
    votes = [along == last for along in map(runs_along, node.reads) if along is not None]
    return runs_down_columns(node) or 2 * sum(votes) > len(votes)
