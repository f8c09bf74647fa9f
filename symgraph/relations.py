"""Which forward definitions are relations between the values in an expression, and simplification over them.

Expressions are simplified with their elements renamed e0, e1, ..., so that fifty equal layers are one cached problem.
"""

from __future__ import annotations

from collections.abc import Mapping

import sympy as sp

from symgraph.canonical import inlined
from symgraph.graph import elements_of
from symgraph.indices import Index, axis
from symgraph.simplify import Relation, Step, simplify
from symgraph.tensor import Element, Tensor


class Relations:
    """The pointwise definitions of a graph, to be found by the elements they contain."""

    def __init__(self, consumers: Mapping[Tensor, list[Tensor]]) -> None:
        self.consumers = consumers

    def simplify(self, expression: sp.Expr) -> tuple[sp.Expr, list[Step]]:
        """The cheapest equal form over forward values, with the steps that lead to it."""
        relations = self._relevant(expression)
        involved = sp.Tuple(expression, *(part for pair in relations for part in pair))
        naming = {element: _stand_in(n, element) for n, element in enumerate(_outermost(involved))}
        back = {symbol: element for element, symbol in naming.items()}
        problem = tuple(Relation(naming[value], formula.xreplace(naming)) for value, formula in relations)
        result, steps = simplify(expression.xreplace(naming), problem)
        return result.xreplace(back), [_in_elements(step, back) for step in steps]

    def _relevant(self, expression: sp.Expr) -> list[tuple[Element, sp.Expr]]:
        """Elements whose definition is over elements of the expression: those in it, and the consumers of those."""
        found: dict[Element, None] = {}
        for element in elements_of(expression):
            found.setdefault(element)
            for consumer in self.consumers.get(element.tensor, ()):
                value = _consumer_element(element, consumer)
                if value is not None:
                    found.setdefault(value)
        return [(element, inlined(element)) for element in found if _is_relation(element.tensor)]


def _is_relation(tensor: Tensor) -> bool:
    definition = tensor.definition
    return definition is not None and definition.op is None and tensor.cotangent_of is None


def _consumer_element(element: Element, consumer: Tensor) -> Element | None:
    """The element of a pointwise consumer that reads ``element``, where that determines all its indices."""
    if not _is_relation(consumer):
        return None
    assert consumer.definition is not None
    for read in elements_of(consumer.definition.body):
        if read.tensor is element.tensor and all(isinstance(index, Index) for index in read.indices):
            at = dict(zip(read.indices, element.indices, strict=True))
            extents = {axis(d): size for d, size in enumerate(consumer.shape)}
            covers = all(extents.get(i) == size for i, size in zip(read.indices, read.tensor.shape, strict=True))
            if covers and len(at) == consumer.ndim == element.tensor.ndim:
                return Element(consumer, *(at[axis(d)] for d in range(consumer.ndim)))
    return None


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
    if element.tensor.is_label:
        return sp.Symbol(f"e{number}", integer=True, nonnegative=True)
    return sp.Symbol(f"e{number}", real=True)


def _in_elements(step: Step, back: Mapping[sp.Symbol, Element]) -> Step:
    """A step over stand-ins as one over elements; the rule names the forward value by its tensor."""
    *words, last = step.rule.split(" ")
    through = next((element for symbol, element in back.items() if symbol.name == last), None)
    rule = " ".join([*words, through.tensor.display_name if through else last])
    return Step(rule, step.before.xreplace(back), step.after.xreplace(back), through)
