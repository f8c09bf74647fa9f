"""A figure as SVG: boxes by their kinds, edges as curves, labels above and below a straight piece of each edge.

A label is a box of the layout like any other, so that nothing is written over anything else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Literal

from symgraph.display.widths import width
from symgraph.drawing.figure import Figure, Node
from symgraph.drawing.heat import Shown
from symgraph.drawing.layout import Lane, Layout, Size, layout
from symgraph.drawing.markup import Markup, element, joined
from symgraph.drawing.palette import drawing_style
from symgraph.drawing.words import Say, english

Direction = Literal["right", "down"]
Labels = Mapping[int, tuple[Shown, Shown]]
UNSAID = Shown(""), Shown("")
LETTER, SMALL = 7.6, 6.4
"""Widths of a letter, at 13 and 11 pixels, on the generous side."""
MARGIN, PAD, LINE, CELL = 12.0, 9.0, 16.0, 5.0
LARGEST = 96.0
"""Of a heat map, in pixels."""
ARROW, LOOP = 5.0, 20.0
WRAPPED, SMALL_LINE = 30, 14.0
"""Letters of a label in a line, and the height of one."""
WIDEST = 1080.0
"""Of a picture that goes to the right, unless asked: what a page shows; one with labels, which textbooks draw that way,
may be half as wide again."""
SMALLEST = 0.72
"""To which a page narrower than a picture shrinks it, before it scrolls."""


def picture_of(figure: Figure, labels: Labels, direction: str = "auto") -> Picture:
    """A figure with its places, in the direction that suits a page unless told."""
    if direction in ("right", "down"):
        return Picture(figure, labels, direction)  # type: ignore[arg-type]
    right = Picture(figure, labels, "right")
    if right.size[0] <= WIDEST * (1.5 if labels else 1):
        return right
    down = Picture(figure, labels, "down")
    return down if down.size[0] < right.size[0] else right


class Picture:
    """A figure with its places. ``layout`` has the number of crossings."""

    def __init__(self, figure: Figure, labels: Labels, direction: Direction) -> None:
        steps = {n: _at_step(edge.step, labels.get(n, UNSAID)) for n, edge in enumerate(figure.edges) if edge.step}
        self.figure, self.labels, self.direction = figure, {**labels, **steps}, direction
        self.loops: dict[int, list[int]] = {}
        for n, edge in enumerate(figure.edges):
            if edge.tail == edge.head:
                self.loops.setdefault(edge.tail, []).append(n)
        looped = {n for own in self.loops.values() for n in own}
        told = (n for n in self.labels if n not in looped and any(s.text for s in self.labels[n]))
        self.labelled = sorted(told)
        sizes = [self._size(self._room(n, node)) for n, node in enumerate(figure.nodes)]
        sizes += [self._size(self._label_size(*self.labels[n])) for n in self.labelled]
        count = len(figure.nodes)
        self.box_of = {n: count + position for position, n in enumerate(self.labelled)}
        self.sizes = sizes
        self.ways: dict[int, list[int]] = {}
        pairs: list[tuple[int, int]] = []
        for n, edge in enumerate(figure.edges):
            if edge.tail == edge.head:
                continue
            ends = (edge.head, edge.tail) if edge.step else (edge.tail, edge.head)  # to another step: against the rest
            stops = [ends[0], *([self.box_of[n]] if n in self.box_of else ()), ends[1]]
            self.ways[n] = list(range(len(pairs), len(pairs) + len(stops) - 1))
            pairs += pairwise(stops)
        self.layout: Layout = layout(sizes, pairs, gap=22.0 if labels else 30.0)

    @property
    def size(self) -> tuple[float, float]:
        """Width and height."""
        size = self.layout.size
        width, height = (size.along, size.across) if self.direction == "right" else (size.across, size.along)
        return width + 2 * MARGIN, height + 2 * MARGIN

    def svg(self, title: str, alone: bool = True, interactive: bool = False, say: Say = english) -> Markup:
        """The whole picture; ``alone`` with its own colours, ``interactive`` with nodes that take the keyboard."""
        width, height = self.size
        parts = [element("title", title)]
        if alone:  # on its own paper, that its ink be seen whatever is behind it
            parts.append(element("style", Markup(drawing_style())))
            parts.append(element("rect", class_="paper", width=width, height=height, rx=6.0))
        parts += [self._edge(n) for n in self.ways]
        parts += [self._loop(node) for node in self.loops]
        parts += [self._label(n) for n in self.labelled]
        parts += [self._node(n, node, interactive, say) for n, node in enumerate(self.figure.nodes)]
        return element(
            "svg", *parts, xmlns="http://www.w3.org/2000/svg", class_="sg", viewBox=f"0 0 {width:.1f} {height:.1f}",
            width=width, height=height, role="group" if interactive else "img", aria_label=title,
            style=f"max-width:100%;min-width:{SMALLEST * width:.0f}px;height:auto",
        )  # fmt: skip

    # -- places -----------------------------------------------------------------------------------------------------
    def _size(self, size: tuple[float, float]) -> Size:
        return Size(*(size if self.direction == "right" else size[::-1]))

    def _point(self, along: float, across: float) -> tuple[float, float]:
        x, y = (along, across) if self.direction == "right" else (across, along)
        return x + MARGIN, y + MARGIN

    def _room(self, n: int, node: Node) -> tuple[float, float]:
        """The size of a node, with the loop of one that reads itself at other steps, and what is written at it."""
        width, height = _node_size(node)
        if n not in self.loops:
            return width, height
        across, down = _stacked_size(self._of_loop(n))
        if self.direction == "right":
            return max(width, across), height + 2 * (LOOP + down)
        return width + 2 * (LOOP + 6 + across), max(height, down)

    def _slack(self, n: int) -> float:
        """From the end of a node's room to the node, where what is written at its loop is longer than it."""
        return (self.sizes[n].along - self._size(_node_size(self.figure.nodes[n])).along) / 2

    def _of_loop(self, node: int) -> list[tuple[Shown, str]]:
        """What is written at a node's loop, each with its kind: all steps in a line where there is nothing else."""
        found = [self.labels[n] for n in self.loops[node]]
        if not any(below.text for _, below in found):
            return [(Shown(", ".join(above.text for above, _ in found)), "above")]
        return [pair for above, below in found for pair in ((above, "above"), (below, "below"))]

    def _label_size(self, above: Shown, below: Shown) -> tuple[float, float]:
        first, second = _shown_size(above), _shown_size(below)
        if self.direction == "right":
            return max(first[0], second[0]) + 8, 2 * max(first[1], second[1]) + 10
        return 2 * max(first[0], second[0]) + 16, max(first[1], second[1]) + 4

    # -- parts ------------------------------------------------------------------------------------------------------
    def _node(self, n: int, node: Node, interactive: bool, say: Say) -> Markup:
        x, y = self._point(*self.layout.centres[n])
        width, height = _node_size(node)
        is_round = node.kind == "operation" and len(node.lines[0]) <= 3
        radius = height / 2 if node.kind in ("operation", "input", "labels", "scalar", "constant", "random") else 4.0
        box = element("rect", class_="box", x=x - width / 2, y=y - height / 2, width=width, height=height,
                      rx=width / 2 if is_round else radius)  # fmt: skip
        back = None
        if node.kind == "fold":
            back = element("rect", class_="box", x=x - width / 2 + 4, y=y - height / 2 - 4, width=width, height=height,
                           rx=radius)  # fmt: skip
        top = y - (len(node.lines) - 1) * LINE / 2 + 4.5
        lines = [
            element(
                "text",
                say(line) if line == node.kind else line,
                class_="middle" if row == 0 else "middle second",
                x=x,
                y=top + row * LINE,
            )
            for row, line in enumerate(node.lines)
        ]
        formula = node.formula
        if node.tensor is not None and node.tensor.definition is None:  # input x (N, 64)
            kind, _, declared = formula.partition(" ")
            formula = f"{say(kind)} {declared}"
        told = element("title", formula) if formula else None
        keyboard: dict[str, str] = {}
        if interactive and node.name:
            keyboard = {"tabindex": "0", "role": "button", "aria_label": formula}
        return element("g", told, back, box, *lines, class_=f"node {node.kind}", data_v=node.name or None, **keyboard)

    def _edge(self, n: int) -> Markup:
        lanes = [lane for way in self.ways[n] for lane in self.layout.lanes[way]]
        if n in self.box_of:
            lanes = _through(lanes, self.layout.lanes[self.ways[n][0]])
        edge = self.figure.edges[n]
        is_back = bool(edge.step)
        begin, stop = (edge.head, edge.tail) if is_back else (edge.tail, edge.head)
        lanes[0] = replace(lanes[0], start=lanes[0].start - self._slack(begin))
        lanes[-1] = replace(lanes[-1], end=lanes[-1].end + self._slack(stop))
        last = lanes[0] if is_back else lanes[-1]
        end, across, length = (last.start, last.across, -ARROW) if is_back else (last.end, last.across, ARROW)
        if is_back:
            lanes[0] = Lane(end - length, last.end, across)
        else:
            lanes[-1] = Lane(last.start, end - length, across)
        corners = ((end, across), *((end - length, across + side * ARROW * 0.7) for side in (-1, 1)))
        return self._link(n, self._path(lanes), [self._point(*corner) for corner in corners])

    def _loop(self, node: int) -> Markup:
        """From a node back to itself, above it, or beside it where edges go down."""
        x, y = self._point(*self.layout.centres[node])
        width, height = _node_size(self.figure.nodes[node])
        is_above = self.direction == "right"
        out, half = (height / 2, width / 3) if is_above else (width / 2, height / 4)

        def place(along: float, away: float) -> tuple[float, float]:
            return (x + along, y - out - away) if is_above else (x + out + away, y + along)

        path = _at("M", place(half, 0)) + _at("C", place(half, 24), place(-half, 24), place(-half, ARROW))
        corners = (place(-half, 0), *(place(-half + side * ARROW * 0.7, ARROW) for side in (-1, 1)))
        told = self._of_loop(node)
        down = _stacked_size(told)[1]
        left, top = place(0, LOOP + down) if is_above else (x + out + LOOP + 2, y - down / 2)
        written = []
        for shown, kind in told:
            written.append(_written(shown, left, top, kind, "middle" if is_above else "start", up=False))
            top += _shown_size(shown)[1]
        return joined(self._link(self.loops[node][0], path, corners), element("g", *written, class_="label"))

    def _link(self, n: int, path: str, corners: Sequence[tuple[float, float]]) -> Markup:
        edge = self.figure.edges[n]
        names = [self.figure.nodes[end].name for end in (edge.tail, edge.head)]
        arrow = " L".join(f"{x:.1f},{y:.1f}" for x, y in corners)
        return element(
            "g", element("path", d=path, class_="edge"), element("path", d=f"M{arrow}Z", class_="arrow"),
            class_="link back" if edge.step else "link", data_from=names[0] or None, data_to=names[1] or None,
        )  # fmt: skip

    def _path(self, lanes: Sequence[Lane]) -> str:
        parts = []
        for position, lane in enumerate(lanes):
            start = self._point(lane.start, lane.across)
            if position == 0:
                parts.append(_at("M", start))
            else:
                before = lanes[position - 1]
                middle = (before.end + lane.start) / 2
                bend = self._point(middle, before.across), self._point(middle, lane.across)
                straight = abs(before.across - lane.across) < 0.05
                parts.append(_at("L", start) if straight else _at("C", *bend, start))
            if lane.end - lane.start > 0.05:
                parts.append(_at("L", self._point(lane.end, lane.across)))
        return "".join(parts)

    def _label(self, n: int) -> Markup:
        x, y = self._point(*self.layout.centres[self.box_of[n]])
        above, below = self.labels[n]
        if self.direction == "right":
            first = _written(above, x, y - 4, "above", "middle", up=True)
            second = _written(below, x, y + 4, "below", "middle", up=False)
        else:
            first = _written(above, x - 5, y, "above", "end", up=None)
            second = _written(below, x + 5, y, "below", "start", up=None)
        return element("g", first, second, class_="label")


def _through(lanes: list[Lane], first: Sequence[Lane]) -> list[Lane]:
    """The lanes of an edge with a label: straight through the label's box."""
    end, start = lanes[len(first) - 1], lanes[len(first)]
    return [*lanes[: len(first) - 1], Lane(end.start, start.end, end.across), *lanes[len(first) + 1 :]]


def _at(command: str, *points: tuple[float, float]) -> str:
    return command + " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _node_size(node: Node) -> tuple[float, float]:
    if node.kind == "end":
        return max(width(node.lines[0]) * LETTER, 4.0), 20.0
    widths = [width(line) * (LETTER if row == 0 else SMALL) for row, line in enumerate(node.lines)]
    height = len(node.lines) * LINE + (8.0 if len(node.lines) > 1 else 14.0)
    if node.kind == "leaf":
        return max(widths) + 6, 20.0
    return max(max(widths) + 2 * PAD, height), height


def _picture_size(shown: Shown) -> tuple[float, float]:
    """Of the heat map: cells of a few pixels, larger where they are few."""
    if not shown.picture:
        return 0.0, 0.0
    cell = max(CELL - 1, min(12.0, LARGEST / 2 / max(shown.columns, shown.rows)))
    return min(shown.columns * cell, LARGEST), min(shown.rows * cell, LARGEST)


def _lines(text: str) -> list[str]:
    """A formula in lines: broken before its = where it is long, and then before signs outside its parentheses."""
    if len(text) <= WRAPPED:
        return [text]
    first, found, last = text.partition(" = ")
    if found:
        return [*_lines(first), *_lines(f"= {last}")]
    lines, depth = [""], 0
    for piece in re.split(r"(?= [+−] )", text):
        is_long = len(lines[-1]) + len(piece) > WRAPPED
        lines = [*lines, piece.lstrip()] if is_long and not depth and lines[-1] else [*lines[:-1], lines[-1] + piece]
        depth += sum(piece.count(sign) for sign in "([{") - sum(piece.count(sign) for sign in ")]}")
    return lines


def _shown_size(shown: Shown) -> tuple[float, float]:
    across, height = _picture_size(shown)
    if not shown.text:
        return 0.0, 0.0
    lines = _lines(shown.text)
    down = SMALL_LINE * len(lines) + (height + 4 if height else 0)
    return max(*(width(line) * SMALL for line in lines), across), down


def _at_step(step: str, told: tuple[Shown, Shown]) -> tuple[Shown, Shown]:
    """What is written at an edge to another step: which one, before the value."""
    value, back = told
    return replace(value, text=f"{step}: {value.text}" if value.text else step), back


def _stacked_size(told: Sequence[tuple[Shown, str]]) -> tuple[float, float]:
    """Of what is written one below the other."""
    sizes = [_shown_size(shown) for shown, _ in told]
    return max(across for across, _ in sizes), sum(down for _, down in sizes)


def _written(shown: Shown, x: float, y: float, kind: str, anchor: str, up: bool | None) -> Markup:
    """A text with its heat map; ``up`` above the line, below it, or (None) beside a line that goes down."""
    if not shown.text:
        return Markup()
    width, height = _picture_size(shown)
    total = _shown_size(shown)[1]
    top = {True: y - total, False: y, None: y - total / 2}[up]
    lines = _lines(shown.text)
    text = joined(*(
        element("text", line, class_=kind, x=x, y=top + 11 + SMALL_LINE * n, text_anchor=anchor)
        for n, line in enumerate(lines)
    ))  # fmt: skip
    if not shown.picture:
        return text
    left = {"middle": x - width / 2, "end": x - width, "start": x}[anchor]
    place = {"x": left, "y": top + 1 + SMALL_LINE * len(lines), "width": width, "height": height}
    image = element("image", href=shown.picture, preserveAspectRatio="none", **place)
    return joined(text, image, element("rect", class_="frame", **place))
