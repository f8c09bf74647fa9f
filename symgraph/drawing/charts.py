"""Small charts as SVG: the histogram of an array, and a curve over epochs."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from symgraph.drawing.heat import number
from symgraph.drawing.markup import Markup, element
from symgraph.drawing.palette import drawing_style
from symgraph.drawing.words import Say, english

BINS = 24
TALL, WIDE = 24.0, 96.0
"""Of a histogram."""
STEEP = 50.0
"""Ratio of the largest to the smallest value, from which on a curve is drawn on a logarithmic scale."""


def histogram(values: np.ndarray, say: Say = english) -> Markup:
    """How values are distributed, between their least and largest."""
    counts, _ = np.histogram(values, bins=BINS)
    width, unit = WIDE / BINS, TALL / (counts.max() or 1)
    bars = (f"M{n * width:g},{TALL:g}v{-max(c * unit, 0.5):.1f}h{width - 0.5:g}V{TALL:g}z"
            for n, c in enumerate(counts.tolist()) if c)  # fmt: skip
    told = say(f"histogram of {values.size} values")
    return _svg([element("path", class_="bar-of", d="".join(bars))], WIDE, TALL, told)


def curve(values: Sequence[float], name: str, say: Say = english, alone: bool = False) -> Markup:
    """A curve over epochs, with axes; logarithmic where it spans orders of magnitude, broken where it is not finite.

    ``alone`` it has its own colours and paper.
    """
    width, height = 420.0, 190.0
    finite = [v for v in values if math.isfinite(v)]
    is_log = bool(finite) and min(finite) > 0 and max(finite) / min(finite) > STEEP
    scale = math.log10 if is_log else float
    low, high = (scale(min(finite)), scale(max(finite))) if finite else (0.0, 1.0)
    left, right, top, bottom = 58.0, width - 12, 26.0, height - 34
    last = max(len(values) - 1, 1)

    def place(n: float, value: float) -> tuple[float, float]:
        part = (scale(value) - low) / (high - low) if high > low else 0.5
        return left + n / last * (right - left), bottom - part * (bottom - top)

    parts = []
    if alone:
        parts.append(element("style", Markup(drawing_style())))
        parts.append(element("rect", class_="paper", width=width, height=height, rx=6.0))
    parts.append(element("text", say(f"{name}, logarithmic") if is_log else name, x=left, y=14))
    for value in _log_ticks(low, high) if is_log else _ticks(low, high):
        y = place(0, value)[1]
        parts.append(element("line", class_="grid", x1=left, x2=right, y1=y, y2=y))
        parts.append(element("text", number(value), x=left - 6, y=y + 4, text_anchor="end", class_="second"))
    for epoch in sorted({round(n) for n in _ticks(1, max(len(values), 1))} | {1}):
        x = place(epoch - 1, finite[0] if finite else 0.0)[0]
        parts.append(element("text", epoch, x=x, y=bottom + 15, class_="second middle"))
    parts.append(element("text", say("epoch"), x=right, y=height - 4, text_anchor="end", class_="second"))
    for run in _runs(values):
        points = [place(n, values[n]) for n in run]
        if len(points) == 1:
            parts.append(element("circle", class_="bar-of", cx=points[0][0], cy=points[0][1], r=2.0))
        else:
            told = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            parts.append(element("polyline", points=told, class_="curve"))
    ends = f"from {number(values[0])} to {number(values[-1])}" if values else "empty"
    return _svg(parts, width, height, say(f"{name} over {len(values)} epochs, {ends}"))


def _ticks(low: float, high: float) -> list[float]:
    """Some round numbers in a range."""
    if high <= low:
        return [low]
    size = 10.0 ** math.floor(math.log10((high - low) / 4))
    step = next(size * m for m in (1, 2, 5, 10) if (high - low) / (size * m) <= 5)
    return [n * step for n in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten whose logarithms are in a range, and where these are few what is between them."""
    powers = range(math.floor(low), math.ceil(high) + 1)
    thin = max(1, len(powers) // 6)
    factors = (1, 2, 5) if len(powers) <= 4 else (1,)
    found = [m * 10.0**k for k in powers if k % thin == 0 for m in factors]
    return [value for value in found if low - 1e-9 <= math.log10(value) <= high + 1e-9]


def _runs(values: Sequence[float]) -> list[list[int]]:
    """Positions of finite values that follow one another."""
    runs: list[list[int]] = [[]]
    for n, value in enumerate(values):
        if math.isfinite(value):
            runs[-1].append(n)
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _svg(parts: Sequence[Markup], width: float, height: float, title: str) -> Markup:
    return element(
        "svg", element("title", title), *parts, xmlns="http://www.w3.org/2000/svg", class_="sg", role="img",
        aria_label=title, width=width, height=height, viewBox=f"0 0 {width:g} {height:g}",
    )  # fmt: skip
