"""Temporaries are merged into the formula that uses them: ``1/(1 + sg.exp(-a))`` is one definition, not four.

A value stays a definition of its own if it has a name (the user bound it to a variable, asked for its derivative, or it
is a cotangent) or if several definitions read it, as in a residual sum.
"""

from __future__ import annotations

from collections.abc import Iterable

import sympy as sp

from symgraph.graph import consumers, elements_of, rewrite, topological
from symgraph.indices import Index, axis
from symgraph.tensor import Definition, Element, Tensor

MAX_OPERATIONS = 60


def canonical(outputs: Iterable[Tensor]) -> dict[Tensor, Tensor]:
    """The canonical form of every tensor under the outputs."""
    roots = list(outputs)
    readers = consumers(topological(roots))
    merging: set[Tensor] = set()

    def change(tensor: Tensor, definition: Definition) -> Tensor:
        new = _merged(tensor, definition, merging)
        if is_temporary(tensor) and is_temporary(new) and len(readers[tensor]) == 1:
            merging.add(new)
        return new

    return rewrite(roots, change)


def is_temporary(tensor: Tensor) -> bool:
    """A pointwise definition that nobody refers to by name.

    One that reads a contraction is none: a = x·W + b stays, since its cotangent is the g of every backward equation.
    """
    definition = tensor.definition
    if definition is None or definition.op is not None or tensor.kept or tensor.hint is not None:
        return False
    return not any(is_contraction(element.tensor) for element in elements_of(definition.body))


def is_contraction(tensor: Tensor) -> bool:
    """Whether a tensor sums a product of at least two elements, as a matrix product does."""
    definition = tensor.definition
    if definition is None or definition.op != "sum" or not tensor.ndim:
        return False
    return len(elements_of(definition.body)) > 1


def _merged(tensor: Tensor, definition: Definition, merging: set[Tensor]) -> Tensor:
    rule = {
        element: inlined(element)
        for element in elements_of(definition.body)
        if element.tensor in merging and _covers(element, tensor, definition)
    }
    if rule:
        merged = definition.body.xreplace(rule)
        if merged.count_ops(visual=False) <= MAX_OPERATIONS:
            definition = Definition(definition.op, definition.extents, merged)
    return tensor.redefined(definition)


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
