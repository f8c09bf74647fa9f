"""Small plots of functions of a number: the value and its derivatives as curves in one frame."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from symgraph.drawing.heat import number
from symgraph.drawing.markup import Markup, element

WIDE, TALL, FOOT = 190.0, 104.0, 14.0
"""Of a plot, and of the line of numbers under it."""
MOST = 4.0
"""Values beyond this are cut off, where some lie within."""


def plot(xs: np.ndarray, curves: Sequence[np.ndarray], title: str, most: float = MOST) -> Markup:
    """Curves over ``xs``, the first drawn strongest; broken where a value is not finite."""
    finite = np.concatenate([curve[np.isfinite(curve)] for curve in curves])
    least, largest = _range(finite, most)
    margin = 0.06 * (largest - least)
    low, high = least - margin, largest + margin
    across, up = WIDE / (xs[-1] - xs[0]), (TALL - 8) / (high - low)

    def place(x: float, y: float) -> tuple[float, float]:
        far = 2 * (high - low)
        return (x - xs[0]) * across, 4 + (high - min(max(y, low - far), high + far)) * up

    lines = []
    if low <= 0 <= high:
        lines.append(element("line", x1=0, x2=WIDE, y1=place(0, 0)[1], y2=place(0, 0)[1], class_="axis"))
    if xs[0] <= 0 <= xs[-1]:
        lines.append(element("line", x1=place(0, 0)[0], x2=place(0, 0)[0], y1=0, y2=TALL, class_="axis"))
    for order, curve in reversed(list(enumerate(curves))):
        for part in _parts(curve):
            points = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(xs[n], curve[n]) for n in part))
            lines.append(element("polyline", points=points, class_=f"order{order}"))
    inside = element("svg", *lines, width=WIDE, height=TALL, viewBox=f"0 0 {WIDE:g} {TALL:g}")
    ends = [
        element("text", number(float(x)), x=at, y=TALL + FOOT - 3, text_anchor=anchor, class_="second")
        for x, at, anchor in ((xs[0], 0, "start"), (xs[-1], WIDE, "end"))
    ]
    tops = [
        element("text", number(float(f"{y:.3g}")), x=2, y=at, class_="second")
        for y, at in ((largest, 12), (least, TALL - 4))
    ]
    return element(
        "svg", element("title", title), inside, *ends, *tops, class_="sg plot", role="img", aria_label=title,
        width=WIDE, height=TALL + FOOT, viewBox=f"0 0 {WIDE:g} {TALL + FOOT:g}",
    )  # fmt: skip


def _range(finite: np.ndarray, most: float) -> tuple[float, float]:
    """What is shown of the values: all of them, but no more than ``most`` where some are within it."""
    if not finite.size:
        return -1.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    if low < most and high > -most:
        low, high = max(low, -most), min(high, most)
    return (low, high) if low < high else (low - 1, high + 1)


def _parts(curve: np.ndarray) -> list[list[int]]:
    """Positions of finite values that follow one another."""
    parts: list[list[int]] = [[]]
    for n, value in enumerate(curve):
        if math.isfinite(value):
            parts[-1].append(n)
        elif parts[-1]:
            parts.append([])
    return [part for part in parts if len(part) > 1]


STYLE = (
    ".plot .axis{stroke:var(--rule);stroke-width:1}.plot polyline{fill:none;stroke-linejoin:round}"
    ".plot .order0{stroke:var(--forward);stroke-width:1.8}.plot .order1{stroke:var(--backward);stroke-width:1.3}"
    ".plot .order2{stroke:var(--good);stroke-width:1.1;stroke-dasharray:4 2}"
)
