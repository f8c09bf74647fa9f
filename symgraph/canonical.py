"""Temporaries are merged into the formula that uses them: ``1/(1 + sg.exp(-a))`` is one definition, not four.

A value that has a name (the user bound it to a variable, asked for its derivative, or it is a cotangent) stays a
definition of its own. The rule looks at one definition at a time, so equal graphs stay equal whoever else uses them.
"""

from __future__ import annotations

from collections.abc import Iterable

import sympy as sp

from symgraph.graph import elements_of, rewrite
from symgraph.indices import Index, axis
from symgraph.tensor import Definition, Element, Tensor

MAX_OPERATIONS = 60


def canonical(outputs: Iterable[Tensor]) -> dict[Tensor, Tensor]:
    """The canonical form of every tensor under the outputs."""
    return rewrite(outputs, _merge)


def is_temporary(tensor: Tensor) -> bool:
    """A pointwise definition that nobody refers to by name.

    One that reads a contraction is none: a = x·W + b stays, since its cotangent is the g of every backward equation.
    """
    definition = tensor.definition
    if definition is None or definition.op is not None or tensor.kept or tensor.hint is not None:
        return False
    return not any(_is_contraction(element.tensor) for element in elements_of(definition.body))


def _is_contraction(tensor: Tensor) -> bool:
    definition = tensor.definition
    if definition is None or definition.op != "sum" or not tensor.ndim:
        return False
    return len(elements_of(definition.body)) > 1


def _merge(tensor: Tensor, definition: Definition) -> Tensor:
    rule = {
        element: inlined(element)
        for element in elements_of(definition.body)
        if is_temporary(element.tensor) and _covers(element, tensor, definition)
    }
    if rule:
        merged = definition.body.xreplace(rule)
        if merged.count_ops(visual=False) <= MAX_OPERATIONS:
            definition = Definition(definition.op, definition.extents, merged)
    return Tensor.define(tensor.shape, definition.body, definition.op, definition.extents)


def inlined(element: Element) -> sp.Expr:
    """The body of the element's definition at the element's indices."""
    definition = element.tensor.definition
    assert definition is not None and definition.op is None
    return definition.body.xreplace({axis(d): index for d, index in enumerate(element.indices)})


def _covers(element: Element, tensor: Tensor, definition: Definition) -> bool:
    """Whether merging repeats no work: a reduction's body must read the temporary at each of its indices."""
    if definition.op is None:
        return True
    every = tensor.ndim + len(definition.extents)
    return len({index for index in element.indices if isinstance(index, Index)}) == every
