"""What a picture looks like, measured on its SVG alone: boxes, texts, and the ways of its edges."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from xml.etree import ElementTree

SPACE = "{http://www.w3.org/2000/svg}"
NARROW = {11: 5.6, 13: 6.6}
"""Mean widths of a letter in DejaVu Sans, a wide face, by its size."""


@dataclass(frozen=True)
class Rectangle:
    """Left, top, right, bottom."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: Rectangle, by: float = 0.5) -> bool:
        across = min(self.right, other.right) - max(self.left, other.left)
        down = min(self.bottom, other.bottom) - max(self.top, other.top)
        return across > by and down > by

    def has(self, point: tuple[float, float]) -> bool:
        x, y = point
        return self.left + 1 < x < self.right - 1 and self.top + 1 < y < self.bottom - 1


@dataclass(frozen=True)
class Seen:
    """Nodes by position, the texts of labels and of nodes with where they are, and edges as many short segments."""

    nodes: list[Rectangle]
    labels: list[Rectangle]
    texts: list[str]
    ways: list[list[tuple[float, float]]]
    size: tuple[float, float]

    def overlaps(self) -> int:
        """Pairs of boxes or labels that lie on each other, and those that reach out of the picture."""
        boxes = [*self.nodes, *self.labels]
        outside = sum(
            min(b.left, b.top) < 0 or b.right > self.size[0] or b.bottom > self.size[1] for b in boxes
        )  # fmt: skip
        return (sum(a.meets(b) for a in boxes for b in self._beside(a)) - len(boxes)) // 2 + outside

    def struck(self) -> int:
        """Edges that go through a box or a text that is not at one of their ends."""
        return sum(
            any(box.has(point) for box in self._beside(_around(way)) for point in way[3:-3]) for way in self.ways
        )

    def _beside(self, place: Rectangle) -> list[Rectangle]:
        """Boxes and labels in the bands of the picture that a place lies in."""
        found = {box: None for band in _bands(place) for box in self.bands.get(band, ())}
        return list(found)

    @cached_property
    def bands(self) -> dict[int, list[Rectangle]]:
        bands: dict[int, list[Rectangle]] = {}
        for box in [*self.nodes, *self.labels]:
            for band in _bands(box):
                bands.setdefault(band, []).append(box)
        return bands

    def crossings(self) -> int:
        """Pairs of edges without a common end that cross."""
        return sum(_cross(a, b) for a, b in itertools.combinations(self.ways, 2))


def _bands(place: Rectangle) -> range:
    return range(int(place.top // 64), int(place.bottom // 64) + 1)


def seen(svg: str) -> Seen:
    """Measure a picture."""
    root = ElementTree.fromstring(svg)
    nodes, labels, ways = [], [], []
    for group in root.iter(f"{SPACE}g"):
        kind = group.get("class", "").split(" ")[0]
        if kind == "node":
            boxes = [_rectangle(e) for e in group.iter(f"{SPACE}rect")][-1:]
            written = [_text(e) for e in group.iter(f"{SPACE}text") if e.text]
            parts = boxes + written
            nodes.append(Rectangle(min(b.left for b in parts), min(b.top for b in parts),
                                   max(b.right for b in parts), max(b.bottom for b in parts)))  # fmt: skip
        elif kind == "label":
            labels += [_text(e) for e in group.iter(f"{SPACE}text")]
            labels += [_rectangle(e) for e in group.iter(f"{SPACE}rect")]
        elif kind == "link":
            ways.append(list(_points(group.find(f"{SPACE}path").get("d"))))
    texts = [e.text for e in root.iter(f"{SPACE}text") if e.text]
    return Seen(nodes, labels, texts, ways, (float(root.get("width")), float(root.get("height"))))


def _rectangle(e: ElementTree.Element) -> Rectangle:
    x, y, width, height = (float(e.get(name)) for name in ("x", "y", "width", "height"))
    return Rectangle(x, y, x + width, y + height)


def _text(e: ElementTree.Element) -> Rectangle:
    kind = e.get("class", "")
    size = 11 if any(word in kind for word in ("second", "above", "below")) else 13
    width, x, y = len(e.text) * NARROW[size], float(e.get("x")), float(e.get("y"))
    anchor = e.get("text-anchor") or ("middle" if "middle" in kind else "start")
    left = x - {"middle": width / 2, "end": width, "start": 0}[anchor]
    return Rectangle(left, y - 0.75 * size, left + width, y + 0.2 * size)


def _points(d: str) -> Iterator[tuple[float, float]]:
    """Points along a path, eight to a curve."""
    at = (0.0, 0.0)
    for command, told in re.findall(r"([MLC])([^MLC]*)", d):
        points = [tuple(map(float, pair.split(","))) for pair in told.split()]
        if command == "C":
            for step in range(1, 9):
                yield _bezier(at, *points, step / 8)
        else:
            if command == "L":
                for step in range(1, 9):
                    yield tuple(a + (b - a) * step / 8 for a, b in zip(at, points[0], strict=True))
            else:
                yield points[0]
        at = points[-1]


def _bezier(a, b, c, d, t):
    weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3)
    return tuple(sum(w * p[k] for w, p in zip(weights, (a, b, c, d), strict=True)) for k in (0, 1))


def _cross(one: list, other: list) -> bool:
    if one[0] == other[0] or abs(one[-1][0] - other[-1][0]) + abs(one[-1][1] - other[-1][1]) < 12:
        return False
    a, b = _around(one), _around(other)
    if not a.meets(b, by=-1):
        return False
    return any(_segments_cross(*p, *q) for p in itertools.pairwise(one) for q in itertools.pairwise(other))


def _around(way: list) -> Rectangle:
    xs, ys = zip(*way, strict=True)
    return Rectangle(min(xs), min(ys), max(xs), max(ys))


def _segments_cross(a, b, c, d) -> bool:
    def side(p, q, r):
        return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])

    one, other = (side(a, b, c), side(a, b, d)), (side(c, d, a), side(c, d, b))
    return any((*one, *other)) and one[0] * one[1] <= 0 and other[0] * other[1] <= 0


def edges(drawing: Any) -> dict[tuple[str, str], tuple[str, ...]]:
    """(tail, head): what is written above and below the edge."""
    nodes = drawing.figure.nodes
    told = {n: tuple(shown.text for shown in pair) for n, pair in drawing.labels.items()}
    return {
        (nodes[e.tail].lines[0], nodes[e.head].lines[0]): told.get(n, ()) for n, e in enumerate(drawing.figure.edges)
    }
