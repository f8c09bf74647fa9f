"""The vocabulary: name, formula, derivatives as derived, defaults and source of every row.

    python -m symgraph catalogue            as text;   --html FILE a page, --json for programs, NAME one row alone

Nothing is written down here: formulas and derivatives are those of the rows, so that the page cannot drift.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sympy as sp

from symgraph.core.declare import input, labels
from symgraph.core.define import as_tensor, define
from symgraph.core.graph import topological
from symgraph.core.indices import Index, dim
from symgraph.core.reading import name_of
from symgraph.core.tensor import Element, Tensor
from symgraph.core.views import inlined
from symgraph.derive.differentiate import grad
from symgraph.derive.higher import jacobian
from symgraph.display.arrange import Arranger, Scope
from symgraph.display.latex import latex
from symgraph.display.names import Naming
from symgraph.display.notation import Entry as NotationEntry
from symgraph.display.notation import Name, Node
from symgraph.display.program import told as equations
from symgraph.display.text import text
from symgraph.vocabulary import schedules
from symgraph.vocabulary.activations import ACTIVATIONS
from symgraph.vocabulary.elementary import ELEMENTARY
from symgraph.vocabulary.elementwise import Elementwise, Row
from symgraph.vocabulary.functions import sum
from symgraph.vocabulary.init import INITIALISERS
from symgraph.vocabulary.losses import POINTWISE, ROWWISE
from symgraph.vocabulary.optimisers import OPTIMISERS

KINDS = ("activation", "function", "loss", "optimiser", "schedule", "initialiser")
LABELLED = ("cross_entropy", "nll_loss", "nll_of_probabilities", "focal_loss", "multi_margin_loss")
"""Losses whose target is labels."""
NEEDED = {"step_size": 30, "milestones": (30, 80), "gamma": 0.9, "T_max": 100, "T_0": 10, "total_steps": 100}
"""What a schedule is asked for."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text; of a formula also its LaTeX and its sides: the left one, where there is one, and the right."""

    text: str
    latex: str = ""
    sides: tuple[Node, ...] = ()

    def __str__(self) -> str:
        return self.text


Lines = tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the catalogue, with lines about it.

    ``second`` is the second derivative; of a loss of rows it is the diagonal of the Hessian. ``values`` are what a plot
    shows: of numbers ``u``, (P,), and scalars ``v`` and ``w`` the value and its derivatives; of steps ``t`` the rate.
    """

    kind: str
    name: str
    formula: Lines
    derivative: Lines
    second: Lines
    defaults: str
    source: str
    values: tuple[Tensor, ...] = ()

    def __str__(self) -> str:
        head = f"{self.name}({self.defaults})" if self.defaults else self.name
        told = (*self.formula, *self.derivative, *self.second)
        return "\n".join([f"{head}    {self.source}".rstrip(), *(f"    {line}" for line in told)])

    def record(self) -> dict[str, Any]:
        """What JSON says of it."""
        parts = {"formula": self.formula, "derivative": self.derivative, "second derivative": self.second}
        told = {part: [line.text for line in lines] for part, lines in parts.items()}
        latex = [line.latex for lines in parts.values() for line in lines if line.latex]
        return {"kind": self.kind, "name": self.name, **told, "latex": latex, "defaults": self.defaults,
                "source": self.source}  # fmt: skip


def entries(kind: str | None = None, name: str | None = None, second: bool = False) -> Iterator[Entry]:
    """The rows, of one of the :data:`KINDS` or of one name where that is asked for; ``second`` derivatives as well."""
    for found, (rows, described) in _tables().items():
        if kind in (None, found):
            yield from (described(key, row, second) for key, row in rows.items() if name in (None, key))


def known(kind: str | None = None) -> list[str]:
    """The names of the rows, of one of the :data:`KINDS` where that is asked for."""
    return [name for found, (rows, _) in _tables().items() if kind in (None, found) for name in rows]


def _tables() -> dict[str, tuple[dict[str, Any], Callable[[str, Any, bool], Entry]]]:
    """The rows of each kind, and what tells one of them."""
    return {
        "activation": (ACTIVATIONS, lambda key, row, second: _elementwise("activation", row, row.source, second)),
        "function": (ELEMENTARY, lambda key, row, second: _elementwise("function", row, row.source, second)),
        "loss": ({**POINTWISE, **ROWWISE}, _loss),
        "optimiser": (OPTIMISERS, _optimiser),
        "schedule": (schedules.SCHEDULES, _schedule),
        "initialiser": (INITIALISERS, _initialiser),
    }


# -- formulas of one element ------------------------------------------------------------------------------------------
def _elementwise(kind: str, row: Row, source: str, second: bool) -> Entry:
    arguments = row.arguments[:1] if kind == "loss" else row.arguments
    orders = [_by_argument(row, order) for order in ((1, 2) if second else (1,))]
    lines = [[_line(_derivative_name(order, argument), slopes[argument]) for argument in arguments]
             for order, slopes in enumerate(orders, 1)]  # fmt: skip
    derivative, then = (tuple(found) for found in (lines if second else [*lines, []]))
    curves = [slopes[row.arguments[0]] for slopes in orders]
    values = _curves(row, curves) if second else ()
    return Entry(kind, row.name, (_line(Y, row.formula),), derivative, then, _options(row.options), source, values)


def _by_argument(row: Row, order: int) -> dict[sp.Symbol, sp.Expr]:
    found = row.derivative if order == 1 else row.second_derivative
    return found if isinstance(found, dict) else {row.arguments[0]: found}


Y = Name("y", "y")


def _derivative_name(order: int, argument: sp.Symbol) -> Name:
    power, above = ("", "") if order == 1 else ("²", "^{2}")
    latex_text = rf"\frac{{\partial{above} y}}{{\partial {argument}{above}}}"
    return Name(f"∂{power}y/∂{argument}{power}", latex_text)


def _line(name: Name, formula: Any) -> Line:
    right = Arranger(Naming([])).expression(sp.sympify(formula), Scope({}, frozenset()))
    return Line(f"{name.text} = {text(right)}", f"{name.latex} = {latex(right)}", (NotationEntry(name), right))


def _curves(row: Row, formulas: Sequence[sp.Expr]) -> tuple[Tensor, ...]:
    """The value and derivatives of numbers u, (P,), and of scalars."""
    given = [input("u", (dim("P"),)), *map(Tensor.scalar, row.arguments[1:])]
    value = row(*given)
    symbols = (*row.arguments, sp.Symbol("y", real=True))
    return value, *(Elementwise(formula, *symbols, name="d")(*given, value) for formula in formulas)


def _options(options: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in options.items())


def _loss(name: str, loss: Any, second: bool) -> Entry:
    if name in POINTWISE:
        source = "; ".join(part for part in (loss.text, loss.row.source) if part)
        return _elementwise("loss", loss.row, source, second)
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
    then = _told(_diagonal(slope, tensors[0])) if second else ()
    return Entry("loss", name, _told(value), _told(slope), then, options, _first_line(loss))


def _diagonal(slope: Tensor, of: Tensor) -> Tensor:
    """∂²J/∂x[n, c]², called h: a row has a loss of its own, so that in Σ_n ∂J/∂x[n, c] one row depends on x[n]."""
    mixed = jacobian(sum(slope, axis=0), of)
    n, c = Index("n"), Index("c")
    element = Element(mixed, c, n, c)
    is_plain = mixed.definition is not None and mixed.definition.op is None
    return define((n, c), inlined(element) if is_plain else element, of.shape).named("h")


def _signature(function: Any) -> tuple[list[str], str]:
    """What a function needs, and its options with their defaults."""
    parameters = inspect.signature(function).parameters.values()
    needed = [p.name for p in parameters if p.default is p.empty]
    return needed, ", ".join(f"{p.name}={p.default!r}" for p in parameters if p.default is not p.empty)


def _first_line(function: Any) -> str:
    line = (inspect.getdoc(function) or "").split("\n")[0].rstrip(".")
    return re.sub(r":\w+:`\W*([^`]*)`|``([^`]*)``", r"\1\2", line)


def _told(value: Tensor) -> Lines:
    """The equation of a value and those that it needs, the second after "where"."""
    found = []
    for number, equation in enumerate(equations(value)):
        sides = (*((equation.left,) if equation.left is not None else ()), equation.right)
        before = {0: "", 1: "  where "}.get(number, "        ")
        found.append(Line(f"{before}{equation}", equation.latex(), sides))
    return tuple(found)


# -- what is done at a step -------------------------------------------------------------------------------------------
def _optimiser(name: str, make: Callable[..., Any], second: bool) -> Entry:
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
    return Entry("optimiser", name, tuple(map(Line, told)), (), (), options, _first_line(make))


def _schedule(name: str, make: Callable[..., Any], second: bool) -> Entry:
    needed, options = _signature(make)
    made = make(0.1, *(NEEDED[argument] for argument in needed[1:]))
    names = {key: Tensor.scalar(sp.Symbol(key, real=True)) for key in ("lr", "t", *made.hyper)}
    value = made.formula(names.pop("lr"), names.pop("t"), **names)
    left, right = NotationEntry(Name("lr", "lr"), (NotationEntry(Name("t", "t")),)), equations(value)[0].right
    line = Line(f"{text(left)} = {text(right)}", f"{latex(left)} = {latex(right)}", (left, right))
    numbers = {key: as_tensor(number) for key, number in made.hyper.items()}
    values = (made.formula(as_tensor(made.base), input("t", (dim("P"),)), **numbers),) if second else ()
    return Entry("schedule", name, (line,), (), (), options, _first_line(make), values)


def _initialiser(name: str, make: Callable[..., Any], second: bool) -> Entry:
    needed, options = _signature(make)
    told = (Line(_first_line(make)),)
    return Entry("initialiser", name, told, (), (), ", ".join([*needed, options]).strip(", "), "")
