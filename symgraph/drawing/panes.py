"""The panes of a page that show mathematics: what is declared, the graph, formulas, derivations.

Each takes what is known and gives markup, or nothing where there is nothing to show. What carries a name carries it as
``data-v``, by which a page lights it up everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from itertools import chain
from typing import Any

from symgraph.core.indices import show_shape
from symgraph.core.tensor import Tensor
from symgraph.derive.derivation import Derivation, Line
from symgraph.display.notation import Name
from symgraph.display.program import Equation
from symgraph.display.table import Explanation
from symgraph.drawing.beside import Beside
from symgraph.drawing.folding import rows_folded
from symgraph.drawing.markup import Markup, element, joined
from symgraph.drawing.mathml import mathml, name_markup, operator
from symgraph.drawing.svg import Picture
from symgraph.drawing.words import Say, english


def declaration(leaves: Iterable[Tensor], declared: Container[Tensor], say: Say = english) -> Markup:
    """What is given: kinds, shapes, and the user's lines of those ``declared``; the others belong to the optimiser."""
    rows = []
    for leaf in leaves:
        extra = f"0 … {leaf.classes - 1}" if leaf.classes is not None else ""
        extra = say("rows sum to 1") if leaf.rows_sum_to_one else extra
        shape = show_shape(leaf.shape) if leaf.ndim else say("scalar")
        place = element("code", leaf.place) if leaf in declared else say("of the optimiser")
        cells = (named(str(leaf.name)), say(leaf.kind), shape, extra, element("span", place, class_="soft"))
        rows.append((str(leaf.name), row(str(leaf.name), *cells)))
    head = ("name", "kind", "shape", "values", "declared at")
    return table(map(say, head), [rows_folded(rows, spanning(len(head)), say)])


def graph(title: str, folded: Picture, whole: Picture | None, say: Say = english) -> Markup:
    """The graph, and where layers are folded also the whole of it."""
    first = element("div", folded.svg(title, alone=False, interactive=True, say=say), class_="wide", id="folded")
    if whole is None:
        return first
    other = whole.svg(say(f"{title}, all layers"), alone=False, interactive=True, say=say)
    second = element("div", other, class_="wide", id="whole")
    button = element("button", say("Fold or open the layers that repeat"), id="open", type="button", hidden="",
                     aria_expanded="false")  # fmt: skip
    return joined(button, first, second)


def formulas(explanation: Explanation, say: Say = english, beside: Beside | None = None, live: bool = True) -> Markup:
    """Forward, backward and update in one table: index form, matrix form, and their cost if it is told.

    ``live`` where there is a script, as in a page; else, in a notebook, nothing is there to be pressed.
    """
    parts = []
    head = ["value", "index form", "matrix form", *(["cost"] if beside else [])]
    for section in explanation.sections:
        parts.append(
            element("tr", element("th", say(section.title), colspan=len(head), scope="rowgroup"), class_="group")
        )
        rows = []
        for found in section.rows:
            name = found.name.partition(" (")[0]
            matrix = "–" if found.matrix is None else mathml(found.matrix, say=say)
            shown = named(name, found.name) if live else element("b", found.name)
            index = element("div", whole(found.equation, found.sign, say), class_="long")
            cells = shown, index, matrix
            more = [element("div", beside(found), class_="beside")] if beside else []
            rows.append((name, row(name, *cells, *more)))
        parts.append(rows_folded(rows, spanning(len(head)), say, live))
    return joined(table(map(say, head), parts), *(element("p", say(note), class_="soft") for note in explanation.notes))


def derivations(found: Sequence[Derivation], say: Say = english) -> Markup:
    """Derivations as lists of steps, of which a page shows one after the other."""
    options = [element("option", say(f"derivative {derivation.title.text}")) for derivation in found]
    choice = element("select", *options, id="which", aria_label=say("which derivative")) if len(found) > 1 else None
    controls = element(
        "div", choice,
        element("button", say("← back"), id="back", type="button"),
        element("button", say("on →"), id="on", type="button"),
        element("button", say("all steps"), id="all", type="button"),
        element("span", id="at", class_="soft", aria_live="polite", data_text=say("step {} of {}")),
        element("span", say("or the arrow keys"), class_="soft"), class_="controls",
    )  # fmt: skip
    return joined(controls, *(steps(derivation, say) for derivation in found))


def steps(derivation: Derivation, say: Say = english) -> Markup:
    """One derivation: what is given, then every step with its rule."""
    given = [
        ("", element("li", element("span", whole(equation, say=say), class_="wide"))) for equation in derivation.given
    ]
    lines = rows_folded([("", _line(line, say)) for line in derivation.steps], listed, say)
    title = element("h3", say("Derivation of "), element("math", name_markup_of(derivation.title)))
    known = (
        joined(
            element("p", say("given"), class_="soft"), element("ul", rows_folded(given, listed, say), class_="given")
        )
        if given
        else None
    )
    return element("div", title, known, element("ol", lines, class_="steps", aria_live="polite"), class_="derivation")


def whole(equation: Equation, sign: str = "=", say: Say = english) -> Markup:
    """An equation as one formula, with the first values of what reads itself."""
    sides = () if equation.left is None else (equation.left, operator(sign))
    begin = ((element("mtext", ",\u2003"), place, operator("="), value) for place, value in equation.first)
    return mathml(*sides, equation.right, *chain.from_iterable(begin), say=say)


def name_markup_of(name: Name) -> Markup:
    """A name, or the ratio ∂J/∂X, as MathML."""
    if name.ratio is None:
        return name_markup(name.text)
    above, below = map(name_markup_of, name.ratio)
    return element("mfrac", element("mrow", operator("∂"), above), element("mrow", operator("∂"), below))


def _line(line: Line, say: Say) -> Markup:
    left = () if line.left is None else (line.left,)
    formula = mathml(*left, operator("="), line.right, say=say)
    used = None if line.of is None else joined(" ", element("span", line.of.text, data_v=line.of.text))
    rule = element("span", say(line.rule), used)
    return element("li", element("span", formula, class_="wide"), rule, class_="deep" if line.depth else None)


def named(name: str, shown: str | None = None) -> Markup:
    """A name that the keyboard reaches and that selects its value."""
    return element("button", shown or name, class_="name", type="button", data_v=name)


def row(name: str, *cells: Any) -> Markup:
    """A row of a table that belongs to a value."""
    return element("tr", *(element("td", cell) for cell in cells), data_v=name)


def spanning(columns: int) -> Callable[[Markup], Markup]:
    """A row of a table of so many columns, for what stands for rows that are folded."""
    return lambda inside: element("tr", element("td", inside, colspan=columns))


def listed(inside: Markup) -> Markup:
    """The same in a list."""
    return element("li", inside)


def table(head: Iterable[str], rows: Iterable[Markup], figures: Container[int] = ()) -> Markup:
    """A table that scrolls where it is too wide; columns of ``figures`` have their titles at the right."""
    titles = (element("th", title, scope="col", class_="n" if n in figures else None) for n, title in enumerate(head))
    inside = element("table", element("thead", element("tr", *titles)), element("tbody", *rows))
    return element("div", inside, class_="wide")
