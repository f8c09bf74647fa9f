"""How objects look in a notebook: a row for each class, a column for HTML, LaTeX, SVG and text.

IPython takes the richest form that its page can show; None is no such form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

from symgraph.core.graph import topological
from symgraph.core.indices import show_shape
from symgraph.display.program import Equation, latex_formula, told
from symgraph.drawing import measured, panes
from symgraph.drawing.charts import curve
from symgraph.drawing.draw import draw
from symgraph.drawing.heat import number
from symgraph.drawing.markup import Markup, element, joined
from symgraph.drawing.page import Page
from symgraph.drawing.palette import notebook_style
from symgraph.drawing.words import Say, english

MOST_DRAWN = 60
"""Values under a tensor that a notebook draws without being asked."""
MOST_TOLD = 20
"""Equations of a formula."""
STEPPER = 480
"""Height of a derivation in a notebook."""
PACKAGES = ("symgraph", "codegen")
"""Whose classes have rows; a user's class may be called the same."""
Form = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Row:
    """The forms of one class; without SVG or LaTeX where there is none."""

    html: Form
    latex: Form = lambda shown: None
    svg: Form = lambda shown: None
    pretty: Form = str


def represented(form: str, shown: Any) -> Any:
    """An object in one form, by the first of its classes that has a row; None if there is no such form."""
    own = (base for base in type(shown).__mro__ if base.__module__.partition(".")[0] in PACKAGES)
    row = next((ROWS[base.__name__] for base in own if base.__name__ in ROWS), None)
    found = None if row is None else getattr(row, form)(shown)
    return found if found is None else str(found)


def formula(tensor: Any, say: Say = english) -> Markup:
    """The formula, and the definitions of what it reads."""
    if tensor.definition is None:
        return element("code", repr(tensor))
    return equations(told(tensor)[: MOST_TOLD + 1], say)


def equations(found: list[Equation], say: Say = english) -> Markup:
    """Equations under each other, those after the first with "where"."""
    rows = []
    for place, equation in enumerate(found):
        where = say("where") if place == 1 else ""
        rows.append(element("tr", element("td", where), element("td", panes.whole(equation, say=say), align="left")))
    return element("table", *rows, class_="plain")


def gradients(found: Any, say: Say = english) -> Markup:
    """The formulas of several gradients."""
    return joined(*(element("div", formula(gradient, say)) for gradient in found.values()))


def _derivation(derivation: Any) -> str:
    page = Page(f"Derivation of {derivation.title.text}", {"Derivation": panes.derivations([derivation])})
    return page.framed(STEPPER)


def _styled(inside: Markup) -> Markup:
    return element("div", element("style", Markup(notebook_style())), inside, class_="sg-shown")


def _drawn(tensor: Any) -> str | None:
    if tensor.definition is None or len(topological([tensor])) > MOST_DRAWN:
        return None
    return draw(tensor).svg()


def _curve(history: Any) -> str | None:
    return curve(history.loss, "loss", alone=True) if history.loss else None


def _trained(history: Any) -> str:
    """A line for each curve: the first value and the last."""
    ends = [f"\n  {name}: {number(v[0])} … {number(v[-1])}" for name, v in history.arrays().items() if len(v)]
    return f"<history of {measured.epochs(history)}, ended by {history.ended}{''.join(ends)}>"


def layers(module: Any, say: Say = english) -> Markup:
    """The layers of a network with what is declared in them so far: to look declares nothing."""
    rows, total = [], 0
    for name, layer in _inside(module, ""):
        own = layer.declared_tensors()
        count = sum(prod(map(int, tensor.shape)) for tensor in own if tensor.kind == "parameter")
        total += count
        told = ", ".join(f"{tensor.name} {show_shape(tensor.shape)}" for tensor in own)
        first = repr(layer).partition("\n")[0]
        cells = (element("td", cell) for cell in (name, element("code", first), told))
        rows.append(element("tr", *cells, element("td", f"{count:,}" if count else "", class_="n")))
    head = (say(title) for title in ("layer", "", "declared", "parameters"))
    last = element("p", say(f"{total:,} parameters"), class_="soft") if total else None
    return joined(panes.table(head, rows, figures=(3,)), last)


def _inside(module: Any, name: str) -> Iterator[tuple[str, Any]]:
    yield name or type(module).__name__, module
    for key, layer in module.children().items():
        yield from _inside(layer, f"{name}.{key}" if name else key)


def _fitted(estimator: Any) -> Markup:
    """scikit-learn's diagram, and the formulas of a model that has been fitted, to be opened."""
    if not estimator.__sklearn_is_fitted__():
        return Markup(estimator.diagram())
    told = Markup(represented("html", estimator.explain()))
    return joined(Markup(estimator.diagram()), element("details", element("summary", "formulas"), told))


def _latex(shown: Any) -> str:
    return f"$\\displaystyle {shown.latex()}$"


ROWS = {
    "Tensor": Row(
        lambda tensor: _styled(formula(tensor)), lambda tensor: f"$\\displaystyle {latex_formula(tensor)}$", _drawn,
    ),
    "Gradients": Row(
        lambda found: _styled(gradients(found)),
        lambda found: "$$" + r" \\ ".join(map(latex_formula, found.values())) + "$$",
        pretty=lambda found: "\n".join(map(str, found.values())),
    ),
    "Derivation": Row(_derivation, _latex),
    "Explanation": Row(lambda found: _styled(panes.formulas(found, live=False)), _latex),
    "Module": Row(lambda module: _styled(layers(module)), pretty=repr),
    "Trained": Row(_fitted, pretty=repr),
    "Drawing": Row(lambda drawing: drawing.svg(), svg=lambda drawing: drawing.svg()),
    "Page": Row(lambda page: page.framed(), pretty=repr),
    "History": Row(lambda history: _styled(measured.curves(history, alone=True)), svg=_curve, pretty=_trained),
    "Accuracy": Row(lambda found: _styled(measured.errors(found))),
    "Report": Row(lambda report: _styled(measured.cost(report, live=False))),
}  # fmt: skip
