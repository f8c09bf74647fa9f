"""How a window's product goes through the register tile: which operand is copied, and what the lanes are.

copied    the columns of every depth are copied side by side first; they are the lanes, but where the rows are last
direct    columns are the lanes; whole rows of the operand are read where they lie, with what lies between them
turned    rows are the lanes; an element of the operand is read where it lies, for all rows at once
straight  the same, where the rows are the last axis of the result: it is written where it stays
scattered rows are the lanes; an element of the operand is added to all columns that read it: none is read that is not
          there, where a guard lets as many through for each of the indices that move it
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod

import sympy as sp

from codegen.loops.ir import Steps
from codegen.loops.ranges import Bounds, at_least_zero, exists
from codegen.plan.windows import LANES, Window, bounds_in, counted, is_plain, moved_by
from symgraph.core.bounds import range_of
from symgraph.core.indices import Index
from symgraph.core.tensor import Element

PATCH = 1 << 16
"""Elements of the copied columns: they stay in the second-level cache."""

LEAST_COPIED = 8
"""Elements side by side from which on it pays to copy them as a vector."""

COPY, TURN, GATHER = 8, 6, 2
"""What it costs to copy a vector, to transpose one, and to copy an element alone, in multiply-adds of vectors."""

Sizes = Mapping[Index, int]
Bordered = tuple[Element, list[tuple[int, int]]]
"""An element to copy, and the least and the greatest index on each axis."""


@dataclass(frozen=True, slots=True)
class Shifts:
    """A guarded operand of which element e is read at column e + t.

    ``over`` are the indices of the depth that t depends on, ``kept`` the others; ``counts`` the values of e, and
    ``moves`` t, of each column; the element at e = 0 is at ``origin``.
    """

    over: tuple[Index, ...]
    kept: tuple[Index, ...]
    counts: Mapping[Index, int]
    moves: Mapping[Index, sp.Expr]
    origin: Element


@dataclass(frozen=True, slots=True)
class Way:
    """One of those above, and how many elements lie between one value of an index and the next."""

    name: str
    distances: Mapping[Index, int]
    shifts: Shifts | None = None

    def row(self, window: Window, width: int) -> int:
        """Elements from one line of columns of so many to the next."""
        return self.distances[window.columns[0]] if len(window.columns) > 1 and self.name == "direct" else width

    def steps(self, indices: Sequence[Index], sizes: Sizes) -> Steps:
        """Several indices that count as one."""
        return merged((sizes[index], self.distances[index]) for index in indices)


@dataclass(frozen=True, slots=True)
class Windowed:
    """How a window is computed: the way, ``wide`` values of its first column at a time; ``bordered`` is what has a copy
    with zeros around it. ``sizes`` are those of rows, columns and depth; where nobody knows one, what it is taken for,
    and of a depth as much as is summed at a time."""

    window: Window
    sizes: Sizes
    way: Way
    wide: int
    bordered: Bordered | None

    def __str__(self) -> str:
        return f"window {self.way.name}, {self.wide} of {self.window.sizes[self.window.columns[0]]} lines at once"


def merged(steps: Iterable[tuple[int, int]]) -> Steps:
    """The same steps, with those as one that are just as far apart as the values of the next are together."""
    found: list[tuple[int, int]] = []
    for count, distance in steps:
        if found and found[-1][1] == count * distance:
            count *= found.pop()[0]
        found.append((count, distance))
    return tuple(found)


def windowed(windows: Sequence[Window], shared: bool) -> Windowed:
    """The schedule of one of the windows that a value is; where its blocks are ``shared`` by threads there are two of
    them at least."""
    ways = [found for window in windows for found in _ways(window, bounds_in(window), shared)]
    _, window, way, border = min(ways, key=lambda found: found[0])
    sizes = _sizes(window)
    if way.shifts is not None:
        return Windowed(window, sizes, way, sizes[window.columns[0]], None)
    rest, depth, rows = (prod(sizes[i] for i in part) for part in (window.columns[1:], window.depth, window.rows))
    across = depth * rest if way.name == "copied" else rows * way.row(window, rest)
    extent = sizes[window.columns[0]]
    blocks = -(-extent // max(1, PATCH // across))
    return Windowed(window, sizes, way, -(-extent // max(blocks, 2 if shared else 1)), border)


def _sizes(window: Window) -> Sizes:
    return {index: counted(window.sizes[index]) for index in (*window.rows, *window.columns, *window.depth)}


def _ways(window: Window, bounds: Bounds, shared: bool) -> Iterator[tuple[int, Window, Way, Bordered | None]]:
    """The ways of a window with what they cost, and what has a border in them; none whose blocks overlap, where they
    are ``shared`` by threads."""
    border = bordered(window, bounds)
    entries, shape = read_from(window, border)
    is_read = border is not None or (bool(entries) and exists(window.right, bounds))
    distances = distances_of(window, entries, shape) if is_read else None
    for name, cost in costs_of(window, _sizes(window), distances).items():
        yield cost, window, Way(name, distances or {}), border
    if border is None or shared:
        return
    element, _ = border
    shifts, far = shifts_of(window, element, bounds), distances_of(window, element.indices, element.tensor.shape)
    if shifts is not None and far is not None:
        yield cost_of_shifts(window, _sizes(window), shifts), window, Way("scattered", far, shifts), None


def costs_of(window: Window, sizes: Sizes, distances: Mapping[Index, int] | None) -> dict[str, int]:
    """The multiply-adds of vectors that each way takes, with copies counted as such.

    A vector that is read where it lies is mostly of two cache lines: half as much again, as measured. One vector of
    lanes has an eighth more to load than to multiply.
    """
    rows, columns, depth = (prod(sizes[i] for i in part) for part in (window.rows, window.columns, window.depth))
    width, found = sizes[window.columns[-1]], dict[str, int]()
    lines, vectors, wide = columns // width, _vectors(width), _vectors(rows)
    beside = distances is not None and distances[window.columns[-1]] == 1
    gathered = 0 if is_plain(window.left, (*window.rows, *window.depth)) else rows * depth * GATHER
    packed = TURN * depth * wide if window.adds and not _beside(window.left, window.rows[-1]) else 0
    turned = depth * columns * wide * (9 if wide == 1 else 8) // 8 + packed
    copies = lines * vectors * COPY if width >= LEAST_COPIED and beside else columns * GATHER
    found["copied"] = depth * copies + (turned if window.rows_last else depth * rows * _vectors(columns))
    if distances is not None and window.rows_last:
        found["straight"] = turned
    elif distances is not None:
        found["turned"] = turned + TURN * columns * wide
        row = distances[window.columns[0]] if len(window.columns) == 2 else width
        if len(window.columns) <= 2 and beside and not window.adds and row >= width:
            apart = 0 if row == width else rows * lines * vectors * COPY
            found["direct"] = depth * rows * _vectors((lines - 1) * row + width) * 3 // 2 + apart
    return {name: cost + gathered for name, cost in found.items()}


def _beside(factor: sp.Expr, index: Index) -> bool:
    """Whether the values of an element for one value of an index after the other lie side by side."""
    return isinstance(factor, Element) and bool(factor.indices) and moved_by(factor.indices[-1], [index]) is index


def _vectors(elements: int) -> int:
    return -(-elements // LANES)


def distances_of(window: Window, entries: Sequence[sp.Expr], shape: Sequence[sp.Expr]) -> dict[Index, int] | None:
    """How many elements lie between one value of an index and the next, for each of the columns and the depth; None if
    that is not always as many, or nobody knows."""
    found = {index: advances(entries, shape, index) for index in (*window.columns, *window.depth)} if entries else {}
    known = {index: distance for index, distance in found.items() if distance is not None}
    return known if known and len(known) == len(found) else None


def shifts_of(window: Window, element: Element, bounds: Bounds) -> Shifts | None:
    """How the element that is 0 where it does not exist is scattered to the columns; None if it cannot be."""
    moves, counts, origin = dict[Index, sp.Expr](), dict[Index, int](), list(element.indices)
    for d, (entry, size) in enumerate(zip(element.indices, element.tensor.shape, strict=True)):
        column = moved_by(entry, window.columns)
        inside = range_of(entry if column is None else column - entry, bounds)
        if column is None:
            if not (entry.atoms(Index) & {*window.columns, *window.depth}):
                continue
            if entry.atoms(Index) & set(window.columns) or inside is None or inside[0] < 0 or inside[1] >= size:
                return None
            continue
        last = int(window.sizes[column]) - int(size)
        if column in moves or inside is None or inside[0] < 0 or inside[1] > last:
            return None
        moves[column], counts[column], origin[d] = sp.expand(column - entry), int(size), sp.S.Zero
    over = tuple(i for i in window.depth if any(i in move.atoms(Index) for move in moves.values()))
    kept = tuple(i for i in window.depth if i not in over)
    at = [window.depth.index(i) for i in kept]
    moving = {i for move in moves.values() for i in move.atoms(Index)}
    if set(moves) != set(window.columns) or not kept or at != list(range(at[0], at[0] + len(at))) or moving - set(over):
        return None
    rest = Element(element.tensor, *origin)
    return None if rest.atoms(Index) & set(over) else Shifts(over, kept, counts, moves, rest)


def cost_of_shifts(window: Window, sizes: Sizes, shifts: Shifts) -> int:
    """The multiply-adds of vectors, with what is loaded and stored again for each shift counted as such."""
    rows, columns, kept, over = (
        prod(sizes[i] for i in part) for part in (window.rows, window.columns, shifts.kept, shifts.over)
    )
    wide = _vectors(rows)
    for_result = columns * wide * (1 if window.rows_last else 1 + TURN)
    return over * prod(shifts.counts.values()) * wide * (kept * (9 if wide == 1 else 8) // 8 + 2) + for_result


def bordered(window: Window, bounds: Bounds) -> Bordered | None:
    """The element to copy and the least and the greatest index on each axis, where it is 0 just where it would not
    exist, and a copy of its tensor with a border of zeros is small."""
    if not isinstance(window.right, sp.Piecewise):
        return None
    element, guard = window.right.args[0]
    if not isinstance(element, Element) or exists(element, bounds):
        return None
    known, ranges = set(), []
    moving = {*window.columns, *window.depth}
    for entry, size in zip(element.indices, element.tensor.shape, strict=True):
        found = range_of(entry, bounds)
        moves = bool(entry.atoms(Index) & moving)
        if moves and (found is None or not size.is_Integer or not all(end.is_Integer for end in found)):
            return None
        known |= {sp.expand(entry), sp.expand(size - 1 - entry)} if moves else set()
        ranges.append((int(found[0]), int(found[1])) if moves and found is not None else (0, 0))
    told = {at_least_zero(relation) for relation in sp.And.make_args(guard)}
    size = prod(high - low + 1 for low, high in ranges)
    return (element, ranges) if told <= known and size <= PATCH else None


def read_from(window: Window, bordered: Bordered | None) -> tuple[list[sp.Expr], list[sp.Expr]]:
    """Where the columns are copied from: the index on each axis, and its size; nothing if that is no element."""
    if bordered is not None:
        element, ranges = bordered
        moving = {*window.columns, *window.depth}
        axes = [d for d, entry in enumerate(element.indices) if entry.atoms(Index) & moving]
        return [element.indices[d] for d in axes], [sp.Integer(ranges[d][1] - ranges[d][0] + 1) for d in axes]
    element = window.right
    return (list(element.indices), list(element.tensor.shape)) if isinstance(element, Element) else ([], [])


def advances(entries: Sequence[sp.Expr], shape: Sequence[sp.Expr], index: Index) -> int | None:
    """How many elements lie between one value of an index and the next, if it is always as many."""
    total: sp.Expr = sp.S.Zero
    for d, entry in enumerate(entries):
        slope = sp.expand(entry).coeff(index)
        if sp.expand(entry - slope * index).has(index):
            return None
        total += slope * sp.prod(shape[d + 1 :])
    return int(total) if total.is_Integer else None
