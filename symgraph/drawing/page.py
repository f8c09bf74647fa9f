"""``sg.report``: a program as one page that opens without a network: panes that show the same values in linked views.

sg.report(J, "model.html")        sg.report(step, "model.html", values={**params, "x": X, "t": T}, history=history)
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from symgraph.core.define import as_tensor
from symgraph.core.graph import topological
from symgraph.core.misuse import explained
from symgraph.core.provenance import at_line
from symgraph.core.shown import Shown
from symgraph.core.tensor import Tensor
from symgraph.derive.derivation import Derivation, derivation
from symgraph.display.causes import Causes
from symgraph.display.explain import Table
from symgraph.display.program import Program
from symgraph.drawing import measured, panes
from symgraph.drawing.beside import costs_beside
from symgraph.drawing.figure import figure_of, folded, with_near_leaves
from symgraph.drawing.flow import by_name, in_use
from symgraph.drawing.markup import Markup, element, joined
from symgraph.drawing.palette import page_style
from symgraph.drawing.svg import picture_of
from symgraph.drawing.words import Say, english, words
from symgraph.errors import ArgumentError
from symgraph.reference import evaluate
from symgraph.vocabulary.updating import checked_optimizer

MOST_DERIVATIONS, MOST_STEPS = 8, 200
"""In a page; the others are ``sg.derivation``."""
MOST_DERIVED = 60
"""Values of a program, beyond which only the way to the parameters next to the loss is derived."""
FEW_DERIVATIONS = 3
"""Of such a program."""
MOST_NODES = 600
"""Of a graph that is shown whole beside its folded form."""


class Page(Shown):
    """One HTML document; ``str`` is its text, and a notebook shows it in a frame."""

    def __init__(self, title: str, sections: Mapping[str, Markup], language: str = "en") -> None:
        self.title, self.language = title, language
        self.sections = {name: inside for name, inside in sections.items() if inside}

    def __repr__(self) -> str:
        return f"<page {self.title!r}: {', '.join(self.sections)}>"

    def __str__(self) -> str:
        say = words(self.language)
        title = say(self.title)
        links = [element("a", say(name), href=f"#{_anchor(name)}") for name in self.sections]
        panes = element("nav", *links, aria_label=say("panes")) if len(links) > 1 else None
        bar = element(
            "div", panes, said(say),
            element("button", say("light or dark"), id="theme", type="button"), class_="bar",
        )  # fmt: skip
        hint = say("Select a value, by click or by Tab and Enter, and it lights up everywhere.")
        header = element("header", element("h1", title), element("p", hint, class_="soft"), bar)
        inside = element("main", *(self._section(name, say(name), inside) for name, inside in self.sections.items()))
        return document(title, joined(header, inside), language={"zh": "zh-CN"}.get(self.language, self.language))

    def _section(self, name: str, title: str, inside: Markup) -> Markup:
        anchor = _anchor(name)
        return element("section", element("h2", title, id=f"{anchor}-title"), inside, id=anchor,
                       aria_labelledby=f"{anchor}-title")  # fmt: skip

    def framed(self, height: int = 700) -> Markup:
        """The page in a frame of its own, for a notebook."""
        style = "border:1px solid #8b949e;border-radius:8px"
        return element("iframe", srcdoc=str(self), width="100%", height=height, title=self.title, style=style)


def said(say: Say) -> Markup:
    """Where a page says what is selected, to those who see it and to those who hear it."""
    text = say("{}: in {} places. Escape ends the selection.")
    return element("p", id="said", role="status", aria_live="polite", data_text=text)


def document(title: str, body: Markup, style: str = "", language: str = "en") -> str:
    """A whole HTML document with the page's style and script; ``style`` comes after it."""
    rules, script = page_style() + _file("page.css") + style, _file("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{digest}'"
    head = element(
        "head", element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title), element("style", Markup(rules)),
    )  # fmt: skip
    inside = element("body", body, element("script", Markup(script)))
    return f"<!DOCTYPE html>\n{element('html', head, inside, lang=language)}\n"


@explained
def report(
    program: Any, path: Any = None, *, values: Mapping[str, Any] | None = None, history: Any = None,
    optimizer: Any = None, measure: bool = False, errors: bool = False, language: str = "en",
) -> Page:  # fmt: skip
    """Write a page about a loss or a training step.

    Parameters
    ----------
    program : a scalar tensor, or a training step: then there are its update, kernels and costs as well, for which the
        step is compiled; or a fitted estimator: its cost, optimiser and curves, with ``values={"X": X, "y": y}``.
    path : where the page is written, ``"model.html"``; it is returned as well.
    values : arrays of all leaves, by name or by leaf, parameters and a batch: then there are distributions of values
        and gradients, and where one of them looks wrong the formula that makes it so; of a step what ``step.diagnose``
        says.
    history : of ``step.fit``: curves.
    optimizer : whose update is shown, of a loss; that of a step is known.
    measure : also the times of kernels, as ``step.report(measure=True)``.
    errors : also how far off each formula is, in units of the last place, as ``sg.accuracy`` says.
    language : ``"en"`` or ``"zh"``.

    Raises
    ------
    ArgumentError
        if a leaf has no value in ``values``, the path does not end in ``.html``, the history is none that ``fit`` has
        returned, or the language is another.
    """
    if path is not None and Path(path).suffix.lower() not in (".html", ".htm"):
        raise ArgumentError(at_line(f"a report is saved as .html, not as {Path(path).name!r}"))
    say = words(language)
    if hasattr(program, "reported"):
        program, made_by, curves, values = program.reported(values)
        optimizer, history = optimizer or made_by, history or curves
    values = None if values is None else by_name(values)
    if history is not None and not hasattr(history, "arrays"):
        raise ArgumentError(at_line(f"history is what step.fit has returned, not {type(history).__name__}"))
    if optimizer is not None:
        checked_optimizer("report", optimizer)
    is_step = hasattr(program, "source") and hasattr(program, "loss")
    loss = as_tensor(program.loss if is_step else program)
    targets = sorted((t for t in topological([loss]) if t.kind == "parameter"), key=lambda t: t.age)
    if not targets:
        targets = [t for t in topological([loss]) if t.definition is None and not t.is_label and t.kind != "constant"]
    told = Table(loss, targets, program.optimizer if is_step else optimizer)
    explanation = told.explanation()
    naming = told.program.naming
    title = f"{naming.names[loss].text}: formula, graph, derivation" + (", kernels" if is_step else "")
    leaves = [t for t in naming.reading_order if t.definition is None]
    names = measured.identifiers(name.text for name in naming.names.values())
    costs = program.report(measure=measure) if is_step else None
    found = _accuracy(told, program.dtype if is_step else None) if errors else None
    named = naming.names.keys() | told.computed()[0].naming.names.keys()
    beside = costs_beside(named, costs.kernels if costs else (), names, found, say)
    sections = {
        "Declaration": panes.declaration(leaves, told.forward, say),
        "Graph": graph_pane(loss, told.program, say),
        "Formulas": panes.formulas(explanation, say, beside),
        "Derivation": panes.derivations(_derivations(loss, targets), say),
    }
    if costs is not None:
        sections["Kernels"] = measured.kernels(program.source, costs.kernels, names, say)
        sections["Cost"] = measured.cost(costs, say)
    if found is not None:
        sections["Errors"] = measured.errors(found, say)
    if values is not None:
        arrays, causes = _values(told, values)
        given = {str(leaf.name) for leaf in leaves}
        is_wrong = any(measured.warning(np.asarray(v, np.float64), name in given) for name, v in arrays.items())
        findings = causes() if is_wrong and not is_step else _diagnosis(program, values) if is_wrong else ()
        sections["Values"] = measured.distributions(arrays, findings, given, say)
    if history is not None:
        sections["Training"] = measured.curves(history, say)
    page = Page(title, sections, language)
    if path is not None:
        Path(path).write_text(str(page), encoding="utf-8", errors="replace")
    return page


def graph_pane(loss: Tensor, program: Program, say: Say = english) -> Markup:
    """The graph with its repeated layers folded, and the whole of it."""
    figure = figure_of(loss, program, is_open=True)
    whole, short = with_near_leaves(figure), with_near_leaves(folded(figure))
    name = say(f"Graph of {program.naming.names[loss].text}")
    is_folded = len(short.nodes) < len(whole.nodes)
    other = picture_of(whole, {}) if is_folded and len(whole.nodes) <= MOST_NODES else None
    return panes.graph(name, picture_of(short, {}), other, say)


def _accuracy(told: Table, dtype: Any) -> Any:
    """The errors of the loss and of the gradients, in a step's dtype, else in float32."""
    from symgraph.rounding.report import accuracy

    return accuracy([told.root, *told.results], "float32" if dtype is None else dtype)


def _derivations(loss: Tensor, targets: list[Tensor]) -> list[Derivation]:
    found: list[Derivation] = []
    steps = 0
    if len(topological([loss])) > MOST_DERIVED:
        targets = targets[: -FEW_DERIVATIONS - 1 : -1]
    for target in targets[:MOST_DERIVATIONS]:
        made = derivation(loss, target)
        steps += len(made.steps)
        if found and steps > MOST_STEPS:
            break
        found.append(made)
    return found


def _values(told: Table, values: Mapping[str, Any]) -> tuple[dict[str, Any], Callable[[], list[str]]]:
    """The values of all that has a name, by the formulas that run, forward and then backward; and what is wrong there,
    to those who ask."""
    program, forward = told.computed()
    slopes = dict(zip((t for t, c in told.slopes.items() if c.result is not None), program.outputs[1:], strict=False))
    order = sorted(topological([program.outputs[0], *slopes.values()]), key=lambda t: (t not in forward, _rank(t)))
    known = dict(zip(order, evaluate(order, in_use(values)), strict=True))
    names = program.naming.names
    shown = {names[t].text: array for t, array in known.items() if t in names and not t.is_label}
    causes = Causes(program, forward, {t: np.asarray(array) for t, array in known.items()}, np.float64)
    return shown, lambda: [*causes.not_finite(), *causes.without_influence(slopes)]


def _rank(tensor: Tensor) -> bool:
    return tensor.definition is not None


def _diagnosis(step: Any, values: Mapping[str, Any]) -> Sequence[str]:
    """What the step itself finds wrong."""
    kept = {str(leaf.name): np.array(values[str(leaf.name)], step.dtype) for leaf in step.stored}
    given = {name: array if np.asarray(array).dtype.kind in "iu" else np.array(array, step.dtype)
             for name, array in values.items() if name not in kept}  # fmt: skip
    return step.diagnose(kept, **given).findings  # type: ignore[no-any-return]


def _anchor(name: str) -> str:
    return name.lower().replace(" ", "-")


def _file(name: str) -> str:
    return text_of(Path(__file__).parent / name)


@lru_cache
def text_of(path: Path) -> str:
    """A style or script that lies beside the code."""
    return path.read_text(encoding="utf-8")
