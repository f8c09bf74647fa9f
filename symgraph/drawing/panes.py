"""The panes of a page: what is declared, the graph, formulas, derivations, kernels, costs, values, curves.

Each takes what is known and gives markup, or nothing where there is nothing to show. What carries a name carries it as
``data-v``, by which a page lights it up everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from symgraph.core.indices import show_shape
from symgraph.core.tensor import Tensor
from symgraph.derive.derivation import Derivation, Line
from symgraph.display.notation import Name
from symgraph.display.table import Explanation
from symgraph.drawing.charts import curve, histogram
from symgraph.drawing.heat import number, span
from symgraph.drawing.markup import Markup, element, joined
from symgraph.drawing.mathml import mathml, name_markup, operator
from symgraph.drawing.svg import Picture

MOST_LINES = 4000
"""Of generated source in a page."""
STRANGE = 1e4
"""Ratio of a derivative to the usual one, from which on it vanishes or explodes."""


def declaration(leaves: Iterable[Tensor]) -> Markup:
    """What is given: kinds, shapes, and the user's lines."""
    rows = []
    for leaf in leaves:
        extra = f"0 … {leaf.classes - 1}" if leaf.classes is not None else ""
        extra = "rows sum to 1" if leaf.rows_sum_to_one else extra
        shape = show_shape(leaf.shape) if leaf.ndim else "scalar"
        cells = (named(str(leaf.name)), leaf.kind, shape, extra, element("code", leaf.place, class_="soft"))
        rows.append(row(str(leaf.name), *cells))
    return table(("name", "kind", "shape", "values", "declared at"), rows)


def graph(title: str, folded: Picture, whole: Picture | None) -> Markup:
    """The graph, and where layers are folded also the whole of it."""
    first = element("div", folded.svg(title, alone=False, interactive=True), class_="wide", id="folded")
    if whole is None:
        return first
    second = element("div", whole.svg(f"{title}, all layers", alone=False, interactive=True), class_="wide", id="whole")
    button = element("button", "Fold or open the layers that repeat", id="open", type="button", hidden="",
                     aria_expanded="false")  # fmt: skip
    return joined(button, first, second)


def formulas(explanation: Explanation) -> Markup:
    """Forward, backward and update: index form and matrix form."""
    parts: list[Markup] = []
    for section in explanation.sections:
        rows = []
        for found in section.rows:
            left = found.equation.left
            name = found.name.partition(" (")[0]
            sides = (left, operator(found.sign)) if left is not None else ()
            matrix = "–" if found.matrix is None else mathml(found.matrix)
            rows.append(row(name, named(name, found.name), mathml(*sides, found.equation.right), matrix))
        parts += [element("h3", section.title), table(("value", "index form", "matrix form"), rows)]
    return joined(*parts, *(element("p", note, class_="soft") for note in explanation.notes))


def derivations(found: Sequence[Derivation], language: str = "derivative") -> Markup:
    """Derivations as lists of steps, of which a page shows one after the other."""
    options = [element("option", f"{language} {derivation.title.text}") for derivation in found]
    controls = element(
        "div", element("select", *options, id="which", aria_label="which derivative"),
        element("button", "← back", id="back", type="button"), element("button", "on →", id="on", type="button"),
        element("button", "all steps", id="all", type="button"),
        element("span", id="at", class_="soft", aria_live="polite"),
        element("span", "or the arrow keys", class_="soft"), class_="controls",
    )  # fmt: skip
    return joined(controls, *map(steps, found))


def steps(derivation: Derivation) -> Markup:
    """One derivation: given equations, then every step with its rule."""
    lines = [
        _step(mathml(*((e.left, operator("=")) if e.left is not None else ()), e.right), "given", None)
        for e in derivation.given
    ]
    lines += map(_line, derivation.steps)
    title = element("h3", "Derivation of ", element("math", name_markup_of(derivation.title)))
    return element("div", title, element("ol", *lines, class_="steps"), class_="derivation")


def name_markup_of(name: Name) -> Markup:
    """A name, or the ratio ∂J/∂X, as MathML."""
    if name.ratio is None:
        return name_markup(name.text)
    above, below = map(name_markup_of, name.ratio)
    return element("mfrac", element("mrow", operator("∂"), above), element("mrow", operator("∂"), below))


def _line(line: Line) -> Markup:
    left = () if line.left is None else (line.left,)
    return _step(mathml(*left, operator("="), line.right), line.rule, line.of, "deep" if line.depth else None)


def _step(formula: Markup, rule: str, of: Name | None, kind: str | None = None) -> Markup:
    used = None if of is None else joined(" ", element("span", of.text, data_v=of.text))
    return element("li", element("span", formula, class_="wide"), element("span", rule, used), class_=kind)


def kernels(source: str, reports: Sequence[Any], names: Iterable[str]) -> Markup:
    """Each kernel beside the formulas that it computes."""
    texts = {
        found.group(1): text for text in source.split("\n\n\n") if (found := re.search(r"^def (\w+)\(", text, re.M))
    }
    known = _identifiers(names)
    rows = []
    for kernel in reports:
        text = "\n".join(texts.get(kernel.name, "").splitlines()[:MOST_LINES])
        shown = [element("pre", _code(formula, known)) for formula in kernel.formulas]
        told = element("p", f"{kernel.operations:,.0f} operations, {kernel.bytes:,} bytes", class_="soft")
        left = element("div", element("h3", kernel.name), *shown, told)
        rows.append(element("div", left, element("pre", _code(text, known), tabindex="0"), class_="kernel"))
    return joined(*rows)


def _identifiers(names: Iterable[str]) -> dict[str, str]:
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


def cost(report: Any) -> Markup:
    """Operations, bytes and, where measured, times of the kernels; the time of every stage."""
    rows = []
    for kernel in report.kernels:
        timed = [f"{kernel.seconds * 1e6:.3g}", f"{kernel.reached or 0:.0%}"] if kernel.seconds else ["", ""]
        figures = (f"{kernel.operations:,.0f}", f"{kernel.bytes:,}", *timed)
        rows.append(element("tr", element("td", kernel.name), *(element("td", f, class_="n") for f in figures)))
    at = ", ".join(f"{name} = {size}" for name, size in report.sizes.items())
    stages = ", ".join(f"{name} {number(seconds)} s" for name, seconds in report.stages.items())
    head = ("kernel", "operations", "bytes", "µs", "of the machine's limit")
    return joined(element("p", f"At {at}. " if at else "", f"Stages: {stages}.", class_="soft"), table(head, rows))


def errors(found: Any) -> Markup:
    """The errors of formulas, in units of the last place, and what loses bits."""
    rows = []
    for line in found.lines:
        figures = (element("td", f"{value:.3g}", class_="n") for value in (line.written, line.runs, line.median))
        rows.append(element("tr", element("td", line.formula), element("td", line.dtype), *figures,
                            element("td", line.at), element("td", line.form or "as written")))  # fmt: skip
    told = [element("p", text, class_="bad") for text in found.lint]
    told += [element("p", f"not measured: {text}", class_="soft") for text in found.unmeasured]
    return joined(table(("formula", "dtype", "written", "runs", "median", "worst at", "runs as"), rows), *told)


def distributions(values: Mapping[str, Any], findings: Iterable[str] = ()) -> Markup:
    """Each value's range, mean, deviation and histogram, and what looks wrong with it; then what a diagnosis found."""
    rows = []
    usual = _usual(values)
    for name, given in values.items():
        array = np.asarray(given, dtype=np.float64)
        finite = array[np.isfinite(array)]
        told: tuple[str, ...] = ("", "", "")
        if finite.size:
            told = span(float(finite.min()), float(finite.max())), *map(number, (finite.mean(), finite.std()))
        picture = histogram(finite) if finite.size > 1 else Markup()
        figures = [element("td", text, class_="n") for text in told]
        strange = warning(array) or (_beside(array, usual) if "/∂" in name else "")
        rows.append(element("tr", element("td", named(name)), element("td", array.shape), *figures,
                            element("td", picture), element("td", strange, class_="bad"), data_v=name))  # fmt: skip
    found = [element("p", finding, class_="bad") for finding in findings]
    return joined(*found, table(("value", "shape", "range", "mean", "deviation", "distribution", ""), rows))


def warning(array: np.ndarray) -> str:
    """What is wrong with an array by itself: not finite, 0 everywhere, columns that are dead; or nothing."""
    wrong = np.argwhere(~np.isfinite(array))
    if len(wrong):
        place = ", ".join(map(str, wrong[0]))
        return f"{len(wrong)} not finite, the first at [{place}]"
    if array.size and not array.any():
        return "0 everywhere"
    if array.ndim == 2 and len(array) > 1:
        dead = int((~array.any(axis=0)).sum())
        return f"{dead} of {array.shape[1]} columns are 0 in every row" if dead else ""
    return ""


def _usual(values: Mapping[str, Any]) -> float:
    """The median, over all derivatives, of the largest element of each."""
    found = [float(np.abs(np.asarray(array, np.float64)).max()) for name, array in values.items()
             if "/∂" in name and np.size(array)]  # fmt: skip
    finite = [value for value in found if value and np.isfinite(value)]
    return float(np.median(finite)) if finite else 0.0


def _beside(array: np.ndarray, usual: float) -> str:
    """What is strange about a derivative beside the others."""
    largest = float(np.abs(array).max()) if array.size else 0.0
    if not usual or not largest:
        return ""
    if largest < usual / STRANGE:
        return f"vanishes: {largest / usual:.0e} of the usual derivative"
    return f"explodes: {largest / usual:.0e} times the usual derivative" if largest > usual * STRANGE else ""


def curves(history: Any) -> Markup:
    """What has a number for each epoch: the loss, validation, metrics."""
    lines = {name: values.tolist() for name, values in history.arrays().items()}
    told = f"{len(history.loss)} epochs, {history.steps} steps, {number(history.seconds)} s"
    pictures = [curve(values, name) for name, values in lines.items() if values]
    return joined(element("p", told, class_="soft"), element("div", *pictures, class_="bars"))


def named(name: str, shown: str | None = None) -> Markup:
    """A name that the keyboard reaches and that selects its value."""
    return element("button", shown or name, class_="name", type="button", data_v=name)


def row(name: str, *cells: Any) -> Markup:
    """A row of a table that belongs to a value."""
    return element("tr", *(element("td", cell) for cell in cells), data_v=name)


def table(head: Iterable[str], rows: Iterable[Markup]) -> Markup:
    """A table that scrolls where it is too wide."""
    titles = element("tr", *(element("th", title, scope="col") for title in head))
    return element("div", element("table", element("thead", titles), element("tbody", *rows)), class_="wide")
