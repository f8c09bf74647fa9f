"""The choices of schedules, and the sizes from which on they pay: all of them, and nowhere else.

A group goes in, with what others read of it from memory; a :class:`codegen.lower.schedule.Schedule` comes out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import sympy as sp

from codegen.loops.counts import PANEL_ROWS
from codegen.lower.residues import nests_of
from codegen.lower.schedule import Inside, Place, Product, Schedule, Segment, Share, Size, Stage
from codegen.lower.types import data_type
from codegen.plan.contraction import PANEL_COLUMNS, Contraction
from codegen.plan.fuse import Group, runs_down_columns
from codegen.plan.plan import Node
from codegen.plan.scatter import Scatter, scatter_of
from codegen.plan.windows import Window, window_of
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
"""Rows of a block that is no panel of whole rows: a multiple of nearly every number of rows that a tile may have."""

PACKED_ROWS = 64
"""Rows of the result from which on it pays to copy columns of the right operand together first."""

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
    dealt = _dealt(group, depth)
    segments = tuple(_frozen(one, dealt, group, depth, share, product, kept) for one in dealt)
    if product is not None and not dealt:
        inside = "nothing"
    return Schedule(share, inside, depth, segments, product, LANES if inside == "lanes" else 1)


def _depth(group: Group) -> int:
    """Axes around the segments: none, the rows, or those of all blocks of a product."""
    if group.head is not None and group.head.outer:
        return len(group.nodes[0].shape) - 1
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
        return _share_of_columns(group.nodes[0]), "rows"
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
    """Whether a group is one vᵀ."""
    node = group.nodes[0]
    if len(group.nodes) > 1 or node.target is not None or data_type(node.value) != "real" or len(node.shape) != 2:
        return False
    body = node.definition.body
    if not isinstance(body, Element) or body.indices != (axis(1), axis(0)) or body.tensor.shape != node.shape[::-1]:
        return False
    return data_type(body.tensor) == "real"


# -- lanes ------------------------------------------------------------------------------------------------------------
def _suits_lanes(group: Group) -> bool:
    """Whether all rows of a group are short, read only themselves, are worth being moved, and fill a block."""
    rows = group.nodes[0].shape[0] if group.nodes[0].shape else sp.S.Zero
    if rows.is_Integer and rows < LANES:
        return False
    nodes = [node for node in group.nodes if node.contraction is None]
    if group.kind not in ("panel", "rows") or (group.head is not None and not group.whole_rows):
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
    whole = group.whole_rows or not _exceeds(columns, PANEL_COLUMNS)
    shared = whole and not head.outer  # all rows that a thread has; else blocks of rows and columns
    tiled = (rows if shared or not _exceeds(rows, BLOCK_ROWS) else sp.Integer(BLOCK_ROWS),
             columns if whole else sp.Integer(PANEL_COLUMNS), depth)  # fmt: skip
    height, width = PANEL_ROWS if shared else BLOCK_ROWS, None if whole else PANEL_COLUMNS
    tile = _known(tiled[0]), _known(tiled[1]), _known(tiled[2])
    if shared:
        return Product(height, width, tile)
    if head.right.indices[-1] is not head.column:
        many = bool(rows >= DOT_ROWS) if rows.is_Integer else None
        return Product(height, width, tile, "transposed", DOT_ROWS, many)
    place = next(d for d, entry in enumerate(head.right.indices) if entry.has(head.depth[-1]))
    row = sp.Mul(*head.right.tensor.shape[place + 1 :])
    if len(head.depth) == 1 and row.is_Integer and row >= LONG_ROW and _exceeds(rows, PACKED_ROWS - 1):
        return Product(height, width, tile, "copied", PACKED_ROWS, True if rows.is_Integer else None)
    return Product(height, width, tile)


def _known(size: sp.Expr) -> Size:
    return int(size) if size.is_Integer else None


def _exceeds(size: sp.Expr, limit: int) -> bool:
    """Whether a size is above a limit, or not known."""
    return not (size.is_Integer and int(size) <= limit)


# -- segments ---------------------------------------------------------------------------------------------------------
@dataclass(slots=True)
class _Dealt:
    """A segment to which nodes are being dealt."""

    extents: tuple[sp.Expr, ...]
    scatter: Scatter | None
    window: Window | None
    nodes: list[Node] = field(default_factory=list)


def _dealt(group: Group, depth: int) -> list[_Dealt]:
    """The nodes of a group in segments, in each of which a value may be read at the same place where it has just been
    computed; an overwritten leaf is read before."""
    segments: list[_Dealt] = []
    place: dict[Tensor, int] = {}
    last_read: list[tuple[Tensor, int]] = []
    producers = {node.value: node for node in group.nodes if node.target is None}
    for node in (node for node in group.nodes if node.contraction is None):
        extents = tuple(node.extent(index) for index in _loops(node, depth))
        at = max((_earliest(node, element, place, producers, depth) for element in node.reads), default=0)
        if node.target is not None:
            at = max([at, *(s for leaf, s in last_read if leaf is node.target)])
        scatter = scatter_of(len(node.shape), node.definition)
        window = window_of(node.shape, node.definition, depth) if group.kind in ("rows", "window") else None
        chosen = len(segments)
        if scatter is None and window is None:
            fitting = (s for s in range(at, len(segments)) if segments[s].extents == extents)
            chosen = next((s for s in fitting if segments[s].scatter is None is segments[s].window), chosen)
        if chosen == len(segments):
            segments.append(_Dealt(extents, scatter, window))
        segments[chosen].nodes.append(node)
        last_read += [(e.tensor, chosen + (not _is_element(e))) for e in node.reads if e.tensor in group.written]
        if node.target is None:
            place[node.value] = chosen
    return segments


def _earliest(
    node: Node, element: Element, place: Mapping[Tensor, int], producers: Mapping[Tensor, Node], depth: int
) -> int:
    """The first segment in which ``node`` may read ``element``."""
    if element.tensor not in place:
        return 0
    return place[element.tensor] + (not _reads_in_place(node, element, producers, depth))


def _reads_in_place(node: Node, element: Element, producers: Mapping[Tensor, Node], depth: int) -> bool:
    """Whether the element is the one computed in the same iteration of the same loops."""
    if producers[element.tensor].definition.op is not None:
        return False
    return list(element.indices) == [*(axis(d) for d in range(depth)), *_loops(node, depth)]


def _is_element(element: Element) -> bool:
    """Whether an overwritten leaf is read at the very element that the same iteration writes."""
    return all(index == axis(d) for d, index in enumerate(element.indices))


def _loops(node: Node, depth: int) -> list[Index]:
    """Canonical indices of a node's inner loops, outermost first: the one along which memory is read last."""
    free = [axis(d) for d in range(depth, len(node.shape))]
    over = [bound(d) for d in range(len(node.definition.extents))]
    scatter = scatter_of(len(node.shape), node.definition)
    if scatter is not None:
        return over + [axis(d) for d in range(depth, len(node.shape)) if d not in scatter.axes]
    return over + free if over and free and _contiguous_free(node) else free + over


def _contiguous_free(node: Node) -> bool:
    last = axis(len(node.shape) - 1)
    votes = [e.indices[-1] == last for e in node.reads if e.indices and isinstance(e.indices[-1], Index)]
    return runs_down_columns(node) or 2 * sum(votes) > len(votes)


def _frozen(
    segment: _Dealt, dealt: Sequence[_Dealt], group: Group, depth: int, share: Share, product: Product | None,
    kept: Collection[Tensor],
) -> Segment:  # fmt: skip
    """The segment, with where its values are kept, and what of its loops is known of periods."""
    some_columns = share.what == "columns" or (product is not None and product.width is not None)
    last = [len(segment.extents) - 1] if some_columns else []
    shared = [axis(depth + position) for position in (*last, *([0] if share.what == "owned rows" else []))]
    producers = {node.value: node for node in group.nodes if node.target is None}
    stages = []
    for node in segment.nodes:
        loops = _loops(node, depth)
        free = [axis(d) for d in range(depth, len(node.shape))]
        in_row = node.definition.op is not None and not shared and loops[: len(free)] == free
        place: Place = "memory"
        if node.target is None and node.value not in kept:
            is_sum = node.definition.op is not None
            later = free if is_sum else _is_read_elsewhere(node, segment, dealt, producers, depth)
            place = "scratch" if later else "scalar"
        stages.append(Stage(node, tuple(loops), place, in_row))
    plain = segment.scatter is None and segment.window is None
    nests = tuple(nests_of(segment.nodes, segment.extents, depth, shared)) if plain else ()
    return Segment(segment.extents, tuple(stages), nests, segment.scatter, segment.window)


def _is_read_elsewhere(
    node: Node, segment: _Dealt, dealt: Sequence[_Dealt], producers: Mapping[Tensor, Node], depth: int
) -> bool:
    """Whether a value is read in another segment, or at another place."""
    readers = [(other, reader, element) for other in dealt for reader in other.nodes for element in reader.reads]
    return any(
        other is not segment or not _reads_in_place(reader, element, producers, depth)
        for other, reader, element in readers
        if element.tensor is node.value
    )

