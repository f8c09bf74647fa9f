"""The catalogue as a page: of every row its formula, derivatives, a plot of the three, defaults and source.

In: entries of :mod:`symgraph.catalogue`, with second derivatives. Out: a page that opens without a network.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

from symgraph.catalogue import Entry, Lines
from symgraph.core.graph import topological
from symgraph.drawing.markup import Markup, element, joined
from symgraph.drawing.mathml import mathml, operator
from symgraph.drawing.page import Page
from symgraph.drawing.plots import STYLE, plot
from symgraph.reference import evaluate

POINTS = 161
RANGES = ((-4.0, 4.0), (0.0, 4.0), (0.0, 1.0))
"""Where a formula is plotted: the first on which it has values."""
TARGETS = (1.0, 0.0, -1.0)
"""What stands for a target in a plot: the first with which the formula has values that change."""
STEPS = 100
"""Of a schedule."""
WIDTH = ".formula{max-width:580px;padding:3px 0}"
"""A longer formula is scrolled."""
PLURAL = {"loss": "Losses"}
LEGEND = {
    "activation": "Plots: the value in blue, its derivative in red, its second derivative in green, cut off at ±4.",
    "loss": "u is the prediction and v the target; plots are over u, for a target of 1 where it has values.",
    "schedule": "Plots: the rate over 100 steps.",
}
MOST_LINES = 6
"""Equations of a formula; the rest is said in a word."""


def gallery(rows: Sequence[Entry]) -> Page:
    """The page; a section for each kind of row."""
    sections = {}
    for kind in dict.fromkeys(row.kind for row in rows):
        legend = element("p", LEGEND[kind], class_="soft") if kind in LEGEND else None
        table = _table([row for row in rows if row.kind == kind])
        title = PLURAL.get(kind, f"{kind.capitalize()}s")
        sections[title] = joined(element("style", Markup(STYLE + WIDTH)), legend, table)
    return Page("Catalogue", sections)


def _table(rows: Sequence[Entry]) -> Markup:
    plots = [_plot(row) for row in rows]
    titles = ["name", "formula and derivatives", *(["plot"] if any(plots) else []), "source"]
    found = []
    for row, drawn in zip(rows, plots, strict=True):
        name = joined(element("b", row.name), element("div", row.defaults, class_="soft"))
        formulas = joined(*map(_lines, (row.formula, row.derivative, row.second)))
        cells = (name, formulas, *([drawn] if any(plots) else []), row.source)
        found.append(element("tr", *(element("td", cell) for cell in cells), id=row.name))
    head = element("tr", *(element("th", title, scope="col") for title in titles))
    return element("div", element("table", element("thead", head), element("tbody", *found)), class_="wide")


def _lines(lines: Lines) -> Markup:
    """Formulas under each other; what is no formula as it is written."""
    found = []
    for line in lines[:MOST_LINES]:
        if not line.sides:
            found.append(element("div", element("code", line.text) if "←" in line.text else line.text))
            continue
        *left, right = line.sides
        written = mathml(*left, operator("="), right) if left else mathml(right)
        found.append(element("div", written, class_="wide formula"))
    if len(lines) > MOST_LINES:
        found.append(element("div", f"and {len(lines) - MOST_LINES} more that it reads", class_="soft"))
    return joined(*found)


def _plot(row: Entry) -> Markup:
    """The curves of a row of one element; nothing where it has none."""
    if not row.values:
        return Markup()
    if row.kind == "schedule":
        steps = np.arange(STEPS + 1.0)
        return plot(steps, evaluate(row.values, {"t": steps}), f"{row.name}: the rate over {STEPS} steps")
    xs, curves, given = _curves(row)
    at = "".join(f", {name} = {value:g}" for name, value in given.items())
    return plot(xs, curves, f"{row.name} and its two derivatives for u from {xs[0]:g} to {xs[-1]:g}{at}")


def _curves(row: Entry) -> tuple[np.ndarray, list[np.ndarray], dict[str, float]]:
    """Where the row is plotted, its values there, and what stands for its other arguments."""
    others = sorted({str(leaf.name) for leaf in topological(row.values) if leaf.definition is None} - {"u"})
    best, most = None, -1.0
    for target, (low, high) in product(TARGETS, RANGES):
        xs, given = np.linspace(low, high, POINTS), dict.fromkeys(others, target)
        curves = evaluate(row.values, {"u": xs, **given})
        share = _share(curves[0][1:-1])
        if share > most:
            best, most = (xs, curves, given), share
    assert best is not None
    return best


def _share(values: np.ndarray) -> float:
    """The part of values that is finite; 0 where they do not change."""
    finite = values[np.isfinite(values)]
    return len(finite) / len(values) if finite.size and np.ptp(finite) else 0.0
