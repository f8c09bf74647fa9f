"""A layered layout of a directed acyclic graph: ranks, few crossings, straight edges. Nothing is drawn here.

In: the sizes of boxes and the pairs of them that are joined. Out: the centre of each box, and of each edge the lanes
through which it passes. Coordinates are ``along`` the direction of the edges and ``across`` it.

rank → bend (an edge over several ranks gets a point in each) → order (barycentres, sifting) → place (least squares)
after Sugiyama, Tagawa & Toda 1981 and Gansner et al. 1993; least squares with distances is isotonic regression.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

SWEEPS = 16
"""Passes that lessen crossings; the best order is kept."""
PULLS, STRAIGHTENED = 8, 8
"""Passes that move points to the mean of their neighbours, and then to the median, so that most edges are straight."""
LIGHT, JOINT, HEAVY = 0.02, 1.0, 8.0
"""How much an edge from a source pulls, one that passes through ranks where it begins and ends, and between."""
SIFTINGS, SIFTED = 8, 6000
"""Passes in which each point is tried at all places of its rank, and up to how many points."""
EXCHANGES = 1500
"""Points of a graph in which neighbours are exchanged one by one as well."""


@dataclass(frozen=True, slots=True)
class Size:
    """Of a box, along the edges and across them."""

    along: float
    across: float


@dataclass(frozen=True, slots=True)
class Lane:
    """A straight piece of an edge, from ``start`` to ``end`` at one place across; curves join them."""

    start: float
    end: float
    across: float


@dataclass(frozen=True, slots=True)
class Layout:
    """Centres of the boxes as (along, across), lanes of the edges, the size of all, and how often edges cross."""

    centres: tuple[tuple[float, float], ...]
    lanes: tuple[tuple[Lane, ...], ...]
    size: Size
    crossings: int


def layout(sizes: Sequence[Size], edges: Sequence[tuple[int, int]], gap: float = 26.0, space: float = 14.0) -> Layout:
    """Lay out a graph.

    Parameters
    ----------
    sizes : of the boxes.
    edges : (tail, head), positions in ``sizes``; the graph has no cycle.
    gap, space : the least distance of two ranks, and of two boxes in a rank.
    """
    if not sizes:
        return Layout((), (), Size(0, 0), 0)
    rank = ranks(len(sizes), edges)
    boxes = list(sizes)
    chains: list[list[int]] = []
    for tail, head in edges:
        chain = [tail]
        for between in range(rank[tail] + 1, rank[head]):
            rank.append(between)
            chain.append(len(boxes))
            boxes.append(Size(0, 4))
        chains.append([*chain, head])
    links = [link for chain in chains for link in pairwise(chain)]
    graph = _Layers(rank, links, len(sizes))
    across = _placed(graph, boxes, space)
    starts, ends = _along(graph, boxes, across, gap)
    middle = [(starts[r] + ends[r]) / 2 for r in rank]
    half = [size.along / 2 for size in boxes]
    lanes = []
    for chain in chains:
        found = []
        for point in chain:
            start, end = starts[rank[point]], ends[rank[point]]
            if point == chain[0]:
                start = middle[point] + half[point]
            if point == chain[-1]:
                end = middle[point] - half[point]
            found.append(Lane(start, end, across[point]))
        lanes.append(tuple(found))
    breadth = max(c + size.across / 2 for c, size in zip(across, boxes, strict=True))
    centres = tuple((middle[n], across[n]) for n in range(len(sizes)))
    return Layout(centres, tuple(lanes), Size(ends[-1], breadth), graph.crossings())


def ranks(count: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """The rank of each node: after all that it reads, and as near to its readers as that allows."""
    heads: list[list[int]] = [[] for _ in range(count)]
    tails: list[list[int]] = [[] for _ in range(count)]
    for tail, head in edges:
        heads[tail].append(head)
        tails[head].append(tail)
    waiting = [len(found) for found in tails]
    order = [node for node in range(count) if not waiting[node]]
    for node in order:
        for head in heads[node]:
            waiting[head] -= 1
            if not waiting[head]:
                order.append(head)
    rank = [0] * count
    for node in order:
        rank[node] = max((rank[tail] + 1 for tail in tails[node]), default=0)
    for node in reversed(order):
        if heads[node] and len(tails[node]) <= len(heads[node]):
            rank[node] = min(rank[head] for head in heads[node]) - 1
    first = min(rank)
    return [r - first for r in rank]


class _Layers:
    """The points of each rank in their order, which sweeps improve."""

    def __init__(self, rank: list[int], links: Sequence[tuple[int, int]], boxes: int) -> None:
        self.rank, self.links, self.boxes = rank, links, boxes
        self.before: list[list[int]] = [[] for _ in rank]
        self.after: list[list[int]] = [[] for _ in rank]
        for tail, head in links:
            self.before[head].append(tail)
            self.after[tail].append(head)
        self.layers: list[list[int]] = []
        self.at = [0] * len(rank)
        self._order()

    def _met(self, away: list[list[int]], back: list[list[int]]) -> list[list[int]]:
        """Ranks in the order in which their points are met depth first from those without ``away``, by ``back``: what
        is joined starts out near."""
        met: dict[int, None] = {}
        pending = [point for point in range(len(self.rank)) if not away[point]]
        while pending:
            point = pending.pop()
            if point not in met:
                met[point] = None
                pending.extend(reversed(back[point]))
        layers: list[list[int]] = [[] for _ in range(max(self.rank) + 1)]
        for point in met:
            layers[self.rank[point]].append(point)
        return layers

    def _number(self) -> None:
        for layer in self.layers:
            for position, point in enumerate(layer):
                self.at[point] = position

    def _order(self) -> None:
        """The best order that sweeps find from two beginnings, from the ends and from the sources."""
        best: list[list[int]] = []
        least = -1
        for away, back in ((self.after, self.before), (self.before, self.after)):
            self.layers = self._met(away, back)
            self._number()
            for sweep in range(SWEEPS + 1):
                if sweep:
                    self._sweep(sweep % 2 == 1, sweep % 4 >= 2)
                count = self.crossings()
                if least < 0 or count < least:
                    best, least = [list(layer) for layer in self.layers], count
                if not least:
                    break
            if not least:
                break
        self.layers = best
        self._number()
        for _ in range(SIFTINGS if least else 0):
            if len(self.rank) > SIFTED or not self._sift():
                break

    def _sift(self) -> bool:
        """Move each point to where in its rank its links cross fewest (Matuszewski, Schönfeld & Molitor 1999)."""
        moved = False
        for layer in self.layers:
            for point in tuple(layer):
                here = self.at[point]
                best, gain = here, 0
                for step in (-1, 1):
                    change, place = 0, here + step
                    while 0 <= place < len(layer):
                        left, right = (layer[place], point) if step < 0 else (point, layer[place])
                        change += self._between(right, left) - self._between(left, right)
                        if change < gain:
                            best, gain = place, change
                        place += step
                if best != here:
                    layer.insert(best, layer.pop(here))
                    for position in range(min(here, best), max(here, best) + 1):
                        self.at[layer[position]] = position
                    moved = True
        return moved

    def _sweep(self, down: bool, turned: bool) -> None:
        for number in range(len(self.layers)) if down else reversed(range(len(self.layers))):
            self._sort(number, self.before if down else self.after, turned)
        if len(self.rank) <= EXCHANGES:
            self._exchange()

    def _sort(self, number: int, beside: list[list[int]], turned: bool) -> None:
        """Order a rank by the mean position of each point's neighbours; what has none stays where it is, and equal
        ones too, unless ``turned``."""
        layer = self.layers[number]
        if turned:
            layer.reverse()

        def key(point: int) -> float:
            found = beside[point]
            return sum(self.at[other] for other in found) / len(found) if found else float(self.at[point])

        layer.sort(key=key)
        for position, point in enumerate(layer):
            self.at[point] = position

    def _exchange(self) -> None:
        """Exchange neighbours in a rank as long as that lessens crossings."""
        for _ in range(8):
            better = False
            for layer in self.layers:
                for position in range(len(layer) - 1):
                    left, right = layer[position], layer[position + 1]
                    if self._between(left, right) > self._between(right, left):
                        layer[position], layer[position + 1] = right, left
                        self.at[left], self.at[right] = position + 1, position
                        better = True
            if not better:
                return

    def _between(self, left: int, right: int) -> int:
        """Crossings of the links of two points, if ``left`` comes first."""
        return sum(
            self.at[a] > self.at[b] for beside in (self.before, self.after) for a in beside[left] for b in beside[right]
        )

    def crossings(self) -> int:
        """Pairs of links between neighbouring ranks that cross."""
        total = 0
        for layer in self.layers[:-1]:
            ends = [self.at[head] for point in layer for head in sorted(self.after[point], key=self.at.__getitem__)]
            total += _inversions(ends)
        return total


def _inversions(values: list[int]) -> int:
    """Pairs out of order, counted in a tree of sums (Fenwick 1994)."""
    size = max(values, default=0) + 1
    tree = [0] * (size + 1)
    total = 0
    for seen, value in enumerate(values):
        not_after, at = 0, value + 1
        while at:
            not_after += tree[at]
            at &= at - 1
        total += seen - not_after
        at = value + 1
        while at <= size:
            tree[at] += 1
            at += at & -at
    return total


def _placed(graph: _Layers, boxes: Sequence[Size], space: float) -> list[float]:
    """Places across: each rank moves to the middle of its neighbours, at the distances its boxes need."""
    across = [0.0] * len(boxes)
    offsets: list[list[float]] = []
    for layer in graph.layers:
        offset = [0.0]
        for left, right in pairwise(layer):
            offset.append(offset[-1] + (boxes[left].across + boxes[right].across) / 2 + space)
        offsets.append(offset)
        for point, place in zip(layer, offset, strict=True):
            across[point] = place - offset[-1] / 2
    pulls = _pulls(graph)
    rank = graph.rank.__getitem__

    def pull_of(point: int, other: int) -> float:
        is_joint = (point < graph.boxes) != (other < graph.boxes)
        own = pulls[min(point, other, key=rank)]
        return min(own, JOINT) if is_joint else own

    sides = ((graph.before,), (graph.after,), (graph.before, graph.after))
    for pull in range(PULLS + STRAIGHTENED):
        used = sides[2] if pull >= PULLS + STRAIGHTENED - 4 else sides[pull % 2]
        numbers = range(len(graph.layers))
        for number in numbers if pull % 2 == 0 else reversed(numbers):
            layer = graph.layers[number]
            wanted, weights = [], []
            for point in layer:
                near = [(other, pull_of(point, other)) for side in used for other in side[point]]
                weight = sum(w for _, w in near)
                places = [(across[other], w) for other, w in near]
                if pull >= PULLS:
                    wanted.append(_median(places, across[point]))
                else:
                    wanted.append(sum(p * w for p, w in places) / weight if near else across[point])
                weights.append(weight or 0.01)
            moved = _isotonic([w - o for w, o in zip(wanted, offsets[number], strict=True)], weights)
            for point, place, beyond in zip(layer, moved, offsets[number], strict=True):
                across[point] = place + beyond
    least = min(c - size.across / 2 for c, size in zip(across, boxes, strict=True))
    return [c - least for c in across]


def _median(places: Sequence[tuple[float, float]], here: float) -> float:
    """The median of places with weights; of all that are, the nearest to ``here``."""
    order = sorted(places)
    half, below = sum(weight for _, weight in order) / 2, 0.0
    for (place, weight), (after, _) in pairwise([*order, (here, 0.0)]):
        below += weight
        if below > half + 1e-9:
            return place
        if below > half - 1e-9:
            return min(max(here, place), after)
    return here


def _pulls(graph: _Layers) -> list[float]:
    """How much the links that leave a point pull: little from a source, much from what has many before it, so that the
    trunk of a network is straight and its parameters stand beside it; most where an edge only passes by."""
    pulls = [LIGHT] * len(graph.rank)
    for layer in graph.layers:
        for point in layer:
            before = graph.before[point]
            if point >= graph.boxes:
                pulls[point] = HEAVY
            elif len(before) == 1 and len(graph.after[point]) == 1 and before[0] < graph.boxes:
                pulls[point] = pulls[before[0]]
            elif before:
                pulls[point] = min(1 + max(pulls[tail] for tail in before), HEAVY)
    return pulls


def _isotonic(values: Sequence[float], weights: Sequence[float]) -> list[float]:
    """The nearest non-decreasing values in weighted least squares: neighbours out of order are pooled."""
    pools: list[tuple[float, float, int]] = []
    for value, weight in zip(values, weights, strict=True):
        pool = (value, weight, 1)
        while pools and pools[-1][0] > pool[0]:
            mean, before, count = pools.pop()
            total = before + pool[1]
            pool = ((mean * before + pool[0] * pool[1]) / total, total, count + pool[2])
        pools.append(pool)
    return [mean for mean, _, count in pools for _ in range(count)]


def _along(
    graph: _Layers, boxes: Sequence[Size], across: Sequence[float], gap: float
) -> tuple[list[float], list[float]]:
    """Where each rank starts and ends; steep edges get more room."""
    steep = [0.0] * (len(graph.layers) + 1)
    for tail, head in graph.links:
        steep[graph.rank[tail]] = max(steep[graph.rank[tail]], abs(across[tail] - across[head]))
    starts, ends = [], []
    place = 0.0
    for number, layer in enumerate(graph.layers):
        starts.append(place)
        ends.append(place + max(boxes[point].along for point in layer))
        place = ends[-1] + gap + min(steep[number] / 6, 3 * gap)
    return starts, ends
