"""The panes of a page that show measurements: generated kernels, their cost, distributions of values, curves.

Each takes what is known and gives markup, or nothing where there is nothing to show. What carries a name carries it as
``data-v``, by which a page lights it up everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from symgraph.drawing.charts import curve, histogram
from symgraph.drawing.folding import rows_folded
from symgraph.drawing.heat import duration, error, number, span
from symgraph.drawing.markup import Markup, element, joined
from symgraph.drawing.panes import named, spanning, table
from symgraph.drawing.words import Say, english

MOST_LINES = 4000
"""Of generated source in a page."""
STRANGE = 1e4
"""Ratio of a derivative to that nearest to the loss, from which on it vanishes or explodes."""
MOST_DEAD = 6
"""Columns without a value other than 0 that are told by their numbers."""


def kernels(source: str, reports: Sequence[Any], known: Mapping[str, str], say: Say = english) -> Markup:
    """Each kernel beside the formulas that it computes; one whose code is another's, with its call of that.

    ``known`` has the values that have names, by what they are called in the source.
    """
    texts = {
        found.group(1): text for text in source.split("\n\n\n") if (found := re.search(r"^def (\w+)\(", text, re.M))
    }
    calls = _calls(source, {kernel.name for kernel in reports})
    called = calls if len(calls) == len(reports) else [""] * len(reports)
    rows = []
    for kernel, call in zip(reports, called, strict=True):
        text = "\n".join(texts.get(kernel.name, call).splitlines()[:MOST_LINES])
        shown = element(
            "pre",
            joined(*(_code(f"{formula}\n", known) for formula in kernel.formulas)),
            **reachable(say(f"formulas of {kernel.name}")),
        )
        told = f"{kernel.operations:,.0f} operations, {kernel.bytes:,} bytes"
        left = element("div", element("h3", kernel.name), shown, element("p", say(told), class_="soft"))
        right = element("pre", _code(text, known), **reachable(say(f"code of {kernel.name}")))
        rows.append((kernel.name, element("div", left, right, class_="kernel")))
    return rows_folded(rows, lambda inside: element("div", inside), say)


def reachable(name: str) -> dict[str, str]:
    """Of what scrolls: the keyboard reaches it, and a screen reader says what it is."""
    return {"tabindex": "0", "role": "region", "aria_label": name}


def _calls(source: str, names: Container[str]) -> list[str]:
    """The calls of kernels in the order in which they run."""
    driver = source.rpartition("\ndef run(")[2]
    return [found[0] for found in re.finditer(r"(\w+)\([^()]*\)", driver) if found[1] in names]


def identifiers(names: Iterable[str]) -> dict[str, str]:
    """What values are called in generated source."""
    found: dict[str, str] = {}
    for name in names:
        plain = re.sub(r"\W", "_", name.rpartition("/∂")[2])
        found.setdefault(f"d_{plain}" if "/∂" in name else plain, name)
    return found


def _code(text: str, known: Mapping[str, str]) -> Markup:
    """Source, with the values that have names marked, and comments."""
    parts: list[Any] = []
    for word in re.findall(r"#.*|\w+|[^\w#]+", text):
        if word.startswith("#"):
            parts.append(element("span", _code(word[1:], known), class_="comment"))
            parts.insert(-1, element("span", "#", class_="comment"))
            continue
        stem = re.sub(r"^next_|(_panel|_lanes|_checked|_row|_T|_\d+)+$", "", word)
        name = known.get(word) or known.get(stem)
        parts.append(word if name is None else element("span", word, data_v=name))
    return joined(*parts)


def cost(report: Any, say: Say = english, live: bool = True) -> Markup:
    """Operations, bytes and, where measured, times of the kernels; the time of every stage."""
    is_timed = any(kernel.seconds for kernel in report.kernels)
    rows = []
    for kernel in report.kernels:
        figures = [f"{kernel.operations:,.0f}", f"{kernel.bytes:,}"]
        if is_timed:
            figures += [f"{kernel.seconds * 1e6:.3g}", f"{kernel.reached or 0:.0%}"] if kernel.seconds else ["", ""]
        cells = (element("td", f, class_="n") for f in figures)
        rows.append((kernel.name, element("tr", element("td", kernel.name), *cells)))
    at = ", ".join(f"{name} = {size}" for name, size in report.sizes.items())
    stages = ", ".join(f"{name} {duration(seconds)}" for name, seconds in report.stages.items())
    head = ["kernel", "operations", "bytes", *(["µs", "of the machine's limit"] if is_timed else [])]
    told = joined(say(f"At {at}."), " ") if at else ""
    inside = [rows_folded(rows, spanning(len(head)), say, live)]
    stated = element("p", told, say(f"Stages: {stages}."), class_="soft")
    return joined(stated, table(map(say, head), inside, figures=range(1, len(head))))


def errors(found: Any, say: Say = english) -> Markup:
    """The errors of formulas, in units of the last place, and what loses bits."""
    rows = []
    for line in found.lines:
        figures = (element("td", error(value), class_="n") for value in (line.written, line.runs, line.median))
        name = line.formula.partition(" = ")[0].partition("[")[0]
        first, last = (line.formula, line.dtype), (line.at, line.form or say("as written"))
        cells = (*(element("td", text) for text in first), *figures, *(element("td", text) for text in last))
        rows.append(element("tr", *cells, data_v=name))
    told = [element("p", text, class_="bad") for text in found.lint]
    told += [element("p", say(f"not measured: {text}"), class_="soft") for text in found.unmeasured]
    head = ("formula", "dtype", "written", "runs", "median", "worst at", "runs as")
    return joined(table(map(say, head), rows, figures=range(2, 5)), *told)


def distributions(
    values: Mapping[str, Any], findings: Iterable[str] = (), given: Container[str] = (), say: Say = english
) -> Markup:
    """Each value's range, mean, deviation and histogram, and what looks wrong with it; then what a diagnosis found.

    Of what is ``given`` nothing looks wrong but what is not finite: biases begin at 0, and pixels of a margin stay so.
    """
    rows = []
    nearest = _nearest(values)
    for name, value in values.items():
        array = np.asarray(value, dtype=np.float64)
        finite = array[np.isfinite(array)]
        told: tuple[str, ...] = ("", "", "")
        if finite.size:
            least, most = float(finite.min()), float(finite.max())
            told = span(least, most), *(number(float(f"{v:.3g}")) for v in (finite.mean(), finite.std()))
        picture = histogram(finite, say) if finite.size > 1 else Markup()
        figures = [element("td", text, class_="n") for text in told]
        strange = say(warning(array, name in given)) or (_beside(array, nearest, say) if "/∂" in name else "")
        shape = f"({', '.join(map(str, array.shape))}{',' if array.ndim == 1 else ''})" if array.ndim else ""
        rows.append(element("tr", element("td", named(name)), element("td", shape), *figures,
                            element("td", picture), element("td", strange, class_="bad"), data_v=name))  # fmt: skip
    found = [element("p", finding, class_="bad") for finding in findings]
    head = map(say, ("value", "shape", "range", "mean", "deviation", "distribution", ""))
    return joined(*found, table(head, rows, figures=range(2, 5)))


def warning(array: np.ndarray, is_given: bool = False) -> str:
    """What is wrong with an array by itself: not finite, 0 everywhere, columns that are dead; or nothing."""
    wrong = np.argwhere(~np.isfinite(array))
    if len(wrong):
        place = ", ".join(map(str, wrong[0]))
        return f"{len(wrong)} not finite, the first at [{place}]" if array.ndim else "not finite"
    if is_given or not array.size:
        return ""
    if not array.any():
        return "0 everywhere"
    if array.ndim == 2 and len(array) > 1:
        dead = np.flatnonzero(~array.any(axis=0))
        which = ", ".join(map(str, dead[:MOST_DEAD])) + (", …" if len(dead) > MOST_DEAD else "")
        return f"{len(dead)} of {array.shape[1]} columns are 0 in every row: {which}" if len(dead) else ""
    return ""


def _nearest(values: Mapping[str, Any]) -> tuple[str, float]:
    """The derivative nearest to the loss that is not 0, and its largest element."""
    for name, value in values.items():
        array = np.asarray(value, np.float64)
        largest = float(np.abs(array).max()) if "/∂" in name and array.size else 0.0
        if largest and np.isfinite(largest):
            return name, largest
    return "", 0.0


def _beside(array: np.ndarray, nearest: tuple[str, float], say: Say) -> str:
    """What is strange about a derivative beside the one nearest to the loss."""
    name, usual = nearest
    largest = float(np.abs(array).max()) if array.size else 0.0
    if not usual or not largest:
        return ""
    if largest < usual / STRANGE:
        return say(f"vanishes: {largest / usual:.0e} of {name}, the nearest to the loss")
    explodes = f"explodes: {largest / usual:.0e} times {name}, the nearest to the loss"
    return say(explodes) if largest > usual * STRANGE else ""


def epochs(history: Any) -> str:
    """How long a training was."""
    counts = ((len(history.loss), "epoch"), (history.steps, "step"))
    told = ", ".join(f"{count} {what}{'' if count == 1 else 's'}" for count, what in counts)
    return f"{told}, {duration(history.seconds)}"


def curves(history: Any, say: Say = english, alone: bool = False) -> Markup:
    """What has a number for each epoch: the loss, validation, metrics."""
    lines = {name: values.tolist() for name, values in history.arrays().items()}
    told = say(epochs(history))
    title = {name: say(name) for name in ("loss", "validation")}
    pictures = [curve(values, title.get(name, name), say, alone) for name, values in lines.items() if values]
    return joined(element("p", told, class_="soft"), element("div", *pictures, class_="bars"))
