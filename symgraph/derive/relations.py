"""Which forward definitions are relations between the values in an expression, and simplification over them.

Expressions are simplified with their elements renamed e0, e1, ..., so that fifty equal layers are one cached problem.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping

import sympy as sp

from symgraph.core.cost import cost, operations
from symgraph.core.graph import elements_of
from symgraph.core.indices import Index, extents_of
from symgraph.core.tensor import Element, Tensor
from symgraph.core.views import Views, has_kernel
from symgraph.simplify import LEFT, Relation, Step, may_fold, simplify
from symgraph.simplify.polynomials import Work

MOST = 4
"""Relations of one problem; the formulas that say most come first."""

MOST_ELEMENTS, MOST_OPERATIONS = 12, 60
"""Of a problem: what polynomial algebra takes grows much faster than its formulas."""

SWEEP, EACH = 100_000, 400
"""Work allowed to all problems of one gradient, in products of terms: at first, and for each operation of the value."""


class Relations:
    """The pointwise values of a graph by their views, to be found by the elements that these contain."""

    def __init__(self, views: Views) -> None:
        self.views = views
        self.work = Work(SWEEP + EACH * operations(views.bodies.values()))
        self.solved: set[tuple[sp.Expr, tuple[Relation, ...]]] = set()
        self.relations: dict[Tensor, frozenset[Tensor]] = {}
        self.rarest: dict[Tensor, list[Tensor]] = {}  # relations under their operand that has fewest of them
        self.position = {tensor: position for position, tensor in enumerate(views.order)}
        for tensor in views.order:
            if _is_relation(tensor):
                body = views.bodies[tensor]
                if tensor in views.anchors or _tells_something(tensor, body):
                    self.relations[tensor] = frozenset(element.tensor for element in elements_of(body))
        readers = Counter(operand for operands in self.relations.values() for operand in operands)
        for tensor, operands in self.relations.items():
            rarest = min(operands, key=lambda operand: (readers[operand], self.position[operand]), default=tensor)
            self.rarest.setdefault(rarest, []).append(tensor)

    def simplify(self, expression: sp.Expr) -> tuple[sp.Expr, list[Step]]:
        """The cheapest equal form over forward values, with the steps that lead to it.

        A formula too long for algebra stays as the chain rule gave it, and so do those for which no work is left.
        """
        if len(elements_of(expression)) > MOST_ELEMENTS or operations([expression]) > MOST_OPERATIONS:
            return expression, [Step(LEFT, (expression, expression))]
        folds = may_fold(expression)
        if not folds and not expression.has(sp.Add):
            return expression, []
        relations = self._relevant(expression) if folds else []
        involved = sp.Tuple(expression, *(part for pair in relations for part in pair))
        naming = {element: _stand_in(n, element) for n, element in enumerate(self._in_order(_outermost(involved)))}
        back = {symbol: element for element, symbol in naming.items()}
        problem = tuple(Relation(naming[value], formula.xreplace(naming)) for value, formula in relations)
        asked = expression.xreplace(naming), problem
        if asked not in self.solved:
            if self.work.done >= self.work.limit:
                return expression, [Step(LEFT, (expression, expression))]
            self.solved.add(asked)
            self.work.done += simplify(*asked)[1].work
        result, steps = simplify(*asked)
        return result.xreplace(back), [_in_elements(step, back) for step in steps]

    def _in_order(self, elements: list[Element]) -> list[Element]:
        """Elements by the places of their tensors in the graph, so that equal layers are equal problems."""
        for element in elements:
            self.position.setdefault(element.tensor, len(self.position))
        return sorted(elements, key=lambda element: self.position[element.tensor])

    def _relevant(self, expression: sp.Expr) -> list[tuple[Element, sp.Expr]]:
        """Values that occur in the expression with the formulas they stand for, and values of what occurs in it."""
        present = elements_of(expression)
        found: dict[Element, sp.Expr] = {e: self.views.at(e) for e in present if self._has_view(e.tensor)}
        others: dict[Element, sp.Expr] = {}
        known = set(present)
        tensors = {element.tensor: None for element in present}
        consumers = [c for t in tensors for c in self.rarest.get(t, ()) if self.relations[c] <= tensors.keys()]
        consumers.sort(key=self.position.__getitem__)
        for consumer in consumers:
            for value in dict.fromkeys(placed(consumer, self.views.bodies[consumer], present)):
                view = self.views.at(value)
                if value not in found and known.issuperset(elements_of(view)):
                    others[value] = view
        best = sorted(others, key=lambda value: -cost(others[value]))[:MOST]
        return [*found.items(), *((value, others[value]) for value in others if value in best)]

    def _has_view(self, tensor: Tensor) -> bool:
        return tensor in self.views.bodies and _is_relation(tensor)


def placed(value: Tensor, body: sp.Expr, present: Collection[Element]) -> list[Element]:
    """The elements of a pointwise value of which all that ``body``, its formula, reads is ``present``, where these
    determine its indices."""
    own = extents_of(value.shape)
    found: list[dict[sp.Expr, sp.Expr]] = [{index: sp.S.Zero for index, size in own.items() if size == 1}]
    for read in elements_of(body):
        if all(size == own.get(index, 1) for index, size in zip(read.indices, read.tensor.shape, strict=True)):
            others = [element for element in present if element.tensor is read.tensor]
            matches = [_matched(at, read, element) for at in found for element in others]
            found = [at for at in matches if at is not None]
    return [Element(value, *(at[index] for index in own)) for at in found if at.keys() == own.keys()]


def _matched(at: dict[sp.Expr, sp.Expr], read: Element, element: Element) -> dict[sp.Expr, sp.Expr] | None:
    """The indices of a value that reads one element as another, if they agree with those that are known."""
    found = dict(at)
    for index, place in zip(read.indices, element.indices, strict=True):
        if found.setdefault(index, place) != place if isinstance(index, Index) else index != place:
            return None
    return found


def _is_relation(tensor: Tensor) -> bool:
    definition = tensor.definition
    return definition is not None and definition.op is None and tensor.cotangent_of is None


def _tells_something(temporary: Tensor, view: sp.Expr) -> bool:
    """Whether a temporary may shorten other formulas: a quotient, or a formula with a function; not their product."""
    own = temporary.definition
    assert own is not None
    product = isinstance(own.body, sp.Mul) and not own.body.atoms(sp.Pow)
    return not product and (bool(view.atoms(sp.Pow)) or has_kernel(view))


def _outermost(expression: sp.Basic) -> list[Element]:
    """Elements in an expression that are not inside the index of another one, in a fixed order."""
    every = elements_of(expression)
    inside = {inner for element in every for inner in element.atoms(Element) - {element}}
    free = [element for element in every if element not in inside or _stands_free(expression, element)]
    return free


def _stands_free(expression: sp.Basic, element: Element) -> bool:
    others = {e: sp.Dummy() for e in elements_of(expression) if e is not element and e.has(element)}
    return bool(expression.xreplace(others).has(element))


def _stand_in(number: int, element: Element) -> sp.Symbol:
    if element.tensor.dtype == "integer":
        return sp.Symbol(f"e{number}", integer=True, nonnegative=element.tensor.is_label or None)
    return sp.Symbol(f"e{number}", real=True)


def _in_elements(step: Step, back: Mapping[sp.Symbol, Element]) -> Step:
    """A step over stand-ins as one over elements; the rule names the forward value by its tensor."""
    *words, last = step.rule.split(" ")
    through = next((element for symbol, element in back.items() if symbol.name == last), None)
    rule = " ".join([*words, through.tensor.display_name if through else last])
    return Step(rule, lambda: (step.before.xreplace(back), step.after.xreplace(back)), through)
