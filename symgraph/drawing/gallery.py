"""The catalogue as a page: of every row its formula, derivatives, a plot of the three, defaults and source.

In: entries of :mod:`symgraph.catalogue`, with second derivatives. Out: a page that opens without a network.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

from symgraph.catalogue import Entry, Lines
from symgraph.core.graph import topological
from symgraph.drawing.markup import Markup, element, joined
from symgraph.drawing.mathml import mathml, operator
from symgraph.drawing.page import Page
from symgraph.drawing.plots import STYLE, plot
from symgraph.reference import evaluate
from symgraph.rounding.report import accuracy

POINTS = 161
RANGES = ((-4.0, 4.0), (0.0, 4.0), (0.0, 1.0))
"""Where a formula is plotted: the first on which it has values."""
TARGETS = (1.0, 0.0, -1.0)
"""What stands for a target in a plot: the first with which the formula has values that change."""
STEPS = 100
"""Of a schedule."""
WIDTH = ".formula{max-width:580px;padding:3px 0}"
"""A longer formula is scrolled."""
ULP = (
    "Accuracy: the worst error in units of the last place of float32, over numbers of all sizes, what "
    "rounding the variables changes counted apart; as sg.accuracy measures it."
)
PLURAL = {"loss": "Losses"}
CURVES = f"Plots: the value in blue, derivatives in red and green, cut off at ±4. {ULP}"
LEGEND = {
    "activation": CURVES,
    "function": CURVES,
    "loss": f"u is the prediction and v the target; plots are over u, for a target of 1 where it has values. {ULP}",
    "schedule": "Plots: the rate over 100 steps.",
}
MEASURED = 40
"""Points at which accuracy is measured, beside those at borders."""
FAR = 10.0
"""How much worse a formula as written has to be, to be told."""
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
    columns: dict[str, list[Any]] = {
        "name": [joined(element("b", row.name), element("div", row.defaults, class_="soft")) for row in rows],
        "formula and derivatives": [joined(*map(_lines, (row.formula, row.derivative, row.second))) for row in rows],
        "plot": [_plot(row) for row in rows],
        "accuracy": [_accuracy(row) for row in rows],
        "source": [row.source for row in rows],
    }
    columns = {title: cells for title, cells in columns.items() if any(cells)}
    titles = columns.keys()
    found = [
        element("tr", *(element("td", cells[place]) for cells in columns.values()), id=row.name)
        for place, row in enumerate(rows)
    ]
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


def _accuracy(row: Entry) -> Markup:
    """The worst error of value and derivative in float32, with its place; nothing where there are none."""
    if row.kind == "schedule":
        return Markup()
    found = []
    for title, value in zip(("value", "derivative"), row.values, strict=False):
        lines = accuracy([value], "float32", MEASURED).lines
        if lines:
            line = lines[-1]
            written = f" ({_ulp(line.written)} as written)" if line.written > FAR * max(line.runs, 1.0) else ""
            more = f"at {line.at}; median {_ulp(line.median)}"
            found.append(element("div", f"{title} {_ulp(line.runs)}{written}", title=more))
    return joined(*found)


def _ulp(error: float) -> str:
    return "∞" if np.isinf(error) else f"{error:.1f}" if error < FAR * FAR else f"{error:.0e}".replace("e+0", "e+")


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
