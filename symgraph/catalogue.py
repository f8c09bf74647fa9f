"""The vocabulary as a page: name, formula, derivative as derived, defaults and source of every row.

    python -m symgraph catalogue            as text;   --html FILE a page, --json for programs, NAME one row alone

Nothing is written down here: formulas and derivatives are those of the rows, so that the page cannot drift.
"""

from __future__ import annotations

import html
import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sympy as sp

from symgraph.core.declare import input, labels
from symgraph.core.graph import topological
from symgraph.core.indices import dim
from symgraph.core.reading import name_of
from symgraph.core.tensor import Tensor
from symgraph.derive.differentiate import grad
from symgraph.display import latex_formula
from symgraph.display.arrange import Arranger, Scope
from symgraph.display.latex import latex
from symgraph.display.names import Naming
from symgraph.display.text import text
from symgraph.vocabulary import schedules
from symgraph.vocabulary.activations import ACTIVATIONS
from symgraph.vocabulary.elementwise import Row
from symgraph.vocabulary.init import INITIALISERS
from symgraph.vocabulary.losses import POINTWISE, ROWWISE
from symgraph.vocabulary.optimisers import OPTIMISERS

KINDS = ("activation", "loss", "optimiser", "schedule", "initialiser")
LABELLED = ("cross_entropy", "nll_loss", "nll_of_probabilities", "focal_loss", "multi_margin_loss")
"""Losses whose target is labels."""
NEEDED = {"step_size": 30, "milestones": (30, 80), "gamma": 0.9, "T_max": 100, "T_0": 10, "total_steps": 100}
"""What a schedule is asked for."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the catalogue; ``formula`` and ``derivative`` are lines of text, ``latex`` those of a formula."""

    kind: str
    name: str
    formula: tuple[str, ...]
    derivative: tuple[str, ...]
    latex: tuple[str, ...]
    defaults: str
    source: str

    def __str__(self) -> str:
        head = f"{self.name}({self.defaults})" if self.defaults else self.name
        lines = [f"{head}    {self.source}".rstrip(), *(f"    {line}" for line in (*self.formula, *self.derivative))]
        return "\n".join(lines)


def entries(kind: str | None = None, name: str | None = None) -> Iterator[Entry]:
    """The rows, of one of the :data:`KINDS` or of one name where that is asked for."""
    for found, (rows, described) in _tables().items():
        if kind in (None, found):
            yield from (described(key, row) for key, row in rows.items() if name in (None, key))


def known(kind: str | None = None) -> list[str]:
    """The names of the rows, of one of the :data:`KINDS` where that is asked for."""
    return [name for found, (rows, _) in _tables().items() if kind in (None, found) for name in rows]


def _tables() -> dict[str, tuple[dict[str, Any], Callable[[str, Any], Entry]]]:
    """The rows of each kind, and what tells one of them."""
    return {
        "activation": (ACTIVATIONS, lambda key, row: _elementwise("activation", row, row.source)),
        "loss": ({**POINTWISE, **ROWWISE}, _loss),
        "optimiser": (OPTIMISERS, _optimiser),
        "schedule": (schedules.SCHEDULES, _schedule),
        "initialiser": (INITIALISERS, _initialiser),
    }


# -- formulas of one element ------------------------------------------------------------------------------------------
def _elementwise(kind: str, row: Row, source: str) -> Entry:
    slopes = row.derivative if isinstance(row.derivative, dict) else {row.arguments[0]: row.derivative}
    wanted = row.arguments if kind == "activation" else row.arguments[:1]
    pairs = [("y", row.formula), *((f"∂y/∂{argument}", slopes[argument]) for argument in wanted)]
    told = [f"{left} = {text(_arranged(formula))}" for left, formula in pairs]
    written = (rf"\frac{{\partial y}}{{\partial {left[-1]}}}" if left != "y" else "y" for left, _ in pairs)
    tex = tuple(f"{left} = {latex(_arranged(formula))}" for left, (_, formula) in zip(written, pairs, strict=True))
    return Entry(kind, row.name, tuple(told[:1]), tuple(told[1:]), tex, _options(row.options), source)


def _arranged(formula: Any) -> Any:
    return Arranger(Naming([])).expression(sp.sympify(formula), Scope({}, frozenset()))


def _options(options: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in options.items())


def _loss(name: str, loss: Any) -> Entry:
    if name in POINTWISE:
        return _elementwise("loss", loss.row, "; ".join(part for part in (loss.text, loss.row.source) if part))
    required, options = _signature(loss)
    n, d = dim("N"), dim("C")
    tensors = [input(argument, (n, d)) for argument in required]
    if name in LABELLED:
        tensors[-1] = labels("t", (n,), classes=4)
        tensors[0] = input(required[0], (n, 4))
    if name == "cosine_embedding_loss":
        tensors[-1] = input("t", (n,))
    value = loss(*tensors)
    slope = grad(value, [tensors[0]])[tensors[0]]
    tex = (latex_formula(value), latex_formula(slope))
    return Entry("loss", name, _lines(value), _lines(slope), tex, options, _first_line(loss))


def _signature(function: Any) -> tuple[list[str], str]:
    """What a function needs, and its options with their defaults."""
    parameters = inspect.signature(function).parameters.values()
    needed = [p.name for p in parameters if p.default is p.empty]
    return needed, ", ".join(f"{p.name}={p.default!r}" for p in parameters if p.default is not p.empty)


def _first_line(function: Any) -> str:
    return (inspect.getdoc(function) or "").split("\n")[0].rstrip(".")


def _lines(value: Tensor) -> tuple[str, ...]:
    return tuple(str(value).splitlines())


# -- what is done at a step -------------------------------------------------------------------------------------------
def _optimiser(name: str, make: Callable[..., Any]) -> Entry:
    theta, g = input("θ", (dim("n"), dim("m"))), input("g", (dim("n"), dim("m")))
    updates = make().updates({theta: g})
    left = {update.value: str(update.leaf.name) for update in updates}
    told: list[str] = []
    for tensor in topological([update.value for update in updates]):
        if tensor.definition is None or not (tensor in left or name_of(tensor)):
            continue
        named, _, formula = str(tensor).partition(" = " if name_of(tensor) else " ↦ ")
        told.append(f"{left[tensor] + named.lstrip('θ') if not name_of(tensor) else named} ← {formula}")
    _, options = _signature(make)
    return Entry("optimiser", name, tuple(told), (), (), options, _first_line(make))


def _schedule(name: str, make: Callable[..., Any]) -> Entry:
    needed, options = _signature(make)
    made = make(0.1, *(NEEDED[argument] for argument in needed[1:]))
    names = {key: Tensor.scalar(sp.Symbol(key, real=True)) for key in ("lr", "t", *made.hyper)}
    value = made.formula(names.pop("lr"), names.pop("t"), **names)
    _, _, formula = str(value).partition(" = ") if " = " in str(value).split("\n")[0] else ("", "", str(value))
    return Entry("schedule", name, (f"lr[t] = {formula}",), (), (), options, _first_line(make))


def _initialiser(name: str, make: Callable[..., Any]) -> Entry:
    needed, options = _signature(make)
    return Entry("initialiser", name, (_first_line(make),), (), (), ", ".join([*needed, options]).strip(", "), "")


# -- pages ------------------------------------------------------------------------------------------------------------
def as_html(rows: Sequence[Entry]) -> str:
    """A page of its own, formulas as text."""
    body = []
    for kind in dict.fromkeys(row.kind for row in rows):
        body.append(f"<h2>{kind.capitalize()}s</h2><table><tr><th>name<th>formula<th>derivative<th>source</tr>")
        for row in (row for row in rows if row.kind == kind):
            name = f"<b>{row.name}</b><br><small>{html.escape(row.defaults)}</small>"
            cells = ("<br>".join(map(html.escape, lines)) for lines in (row.formula, row.derivative))
            body.append(f"<tr id={row.name}><td>{name}<td>{'<td>'.join(cells)}<td>{html.escape(row.source)}</tr>")
        body.append("</table>")
    style = "body{font:15px sans-serif;margin:2em}td,th{text-align:left;vertical-align:top;padding:.3em 1em .3em 0}"
    head = f'<!doctype html><meta charset="utf-8"><title>symgraph: catalogue</title><style>{style}</style>'
    return f"{head}<h1>Catalogue</h1>{''.join(body)}\n"


def as_records(rows: Sequence[Entry]) -> list[dict[str, Any]]:
    """The rows for JSON."""
    return [asdict(row) for row in rows]
