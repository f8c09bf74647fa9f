"""Small charts as SVG: the histogram of an array, and a curve over epochs."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from symgraph.drawing.heat import number
from symgraph.drawing.markup import Markup, element

BINS = 24
TALL, WIDE = 24.0, 96.0
"""Of a histogram."""
STEEP = 50.0
"""Ratio of the largest to the smallest value, from which on a curve is drawn on a logarithmic scale."""


def histogram(values: np.ndarray) -> Markup:
    """How values are distributed, between their least and largest."""
    counts, _ = np.histogram(values, bins=BINS)
    width, unit = WIDE / BINS, TALL / (counts.max() or 1)
    bars = [
        element("rect", class_="bar-of", x=n * width, y=TALL - c * unit, width=width - 0.5, height=c * unit)
        for n, c in enumerate(counts.tolist()) if c
    ]  # fmt: skip
    return _svg(bars, WIDE, TALL, f"histogram of {values.size} values")


def curve(values: Sequence[float], name: str, width: float = 420.0, height: float = 150.0) -> Markup:
    """A curve with its first, last and least value; logarithmic where it spans orders of magnitude."""
    finite = [v for v in values if math.isfinite(v)]
    is_log = bool(finite) and min(finite) > 0 and max(finite) / min(finite) > STEEP
    heights = [(math.log10(v) if is_log else v) if math.isfinite(v) else math.nan for v in values]
    known = [h for h in heights if not math.isnan(h)] or [0.0]
    low, high = min(known), max(known)
    step = (width - 70) / max(len(values) - 1, 1)
    places = [(60 + n * step, 14 + (height - 34) * (1 - (h - low) / ((high - low) or 1.0)))
              for n, h in enumerate(heights) if not math.isnan(h)]  # fmt: skip
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    text = [
        element("text", f"{max(finite, default=0.0):.3g}", x=54, y=18, text_anchor="end", class_="second"),
        element("text", f"{min(finite, default=0.0):.3g}", x=54, y=height - 16, text_anchor="end", class_="second"),
        element("text", f"{name}{', logarithmic' if is_log else ''}", x=60, y=height - 2, class_="second"),
    ]
    line = element("polyline", points=points, class_="curve")
    last = f"from {number(values[0])} to {number(values[-1])}" if values else "empty"
    return _svg([*text, line], width, height, f"{name} over {len(values)} epochs, {last}")


def _svg(parts: Sequence[Markup], width: float, height: float, title: str) -> Markup:
    return element(
        "svg", element("title", title), *parts, xmlns="http://www.w3.org/2000/svg", class_="sg", role="img",
        aria_label=title, width=width, height=height, viewBox=f"0 0 {width:g} {height:g}",
    )  # fmt: skip
