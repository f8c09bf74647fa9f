"""Masks: the condition of a derivative is asked of the maximum that the forward pass keeps, not of its argument.

h = max(0, z);  dz = (dh where z > 0, else 0)     →     dz = (dh where h > 0, else 0),  and z is never stored
"""

from __future__ import annotations

from collections.abc import Sequence

import sympy as sp

from symgraph.core.graph import consumers, elements_of, rewrite, topological
from symgraph.core.tensor import Definition, Element, Tensor


def mask_by_maxima(roots: Sequence[Tensor]) -> dict[Tensor, Tensor]:
    """The replacement of every tensor under ``roots``; where an argument has other readers, it is left as it is."""
    order = topological(roots)
    readers = consumers(order)
    found = {_rectified(tensor): tensor for tensor in order}
    hidden = {
        argument
        for argument, maximum in found.items()
        if argument is not None and argument not in roots
        and all(reader is maximum or _only_asks(reader, argument) for reader in readers[argument])
    }  # fmt: skip
    maximum_of: dict[Tensor, Tensor] = {}

    def change(tensor: Tensor, definition: Definition) -> Tensor:
        rule = {
            mask: Element(maximum_of[mask.gts.tensor], *mask.gts.indices) > 0
            for mask in _masks(definition.body)
            if mask.gts.tensor in maximum_of
        }
        new = tensor.redefined(Definition(definition.op, definition.extents, definition.body.xreplace(rule)))
        if tensor in hidden:
            maximum_of[new] = Tensor.define(new.shape, sp.Max(0, new.element))
        return new

    return rewrite(roots, change)


def _rectified(tensor: Tensor) -> Tensor | None:
    """z, if the tensor is max(0, z) element by element."""
    definition = tensor.definition
    if definition is None or definition.op is not None or not isinstance(definition.body, sp.Max):
        return None
    elements = elements_of(definition.body)
    if len(elements) != 1 or definition.body != sp.Max(0, elements[0]) or not elements[0].is_all_of(tensor.shape):
        return None
    return elements[0].tensor


def _masks(body: sp.Expr) -> list[sp.StrictGreaterThan]:
    """Conditions z > 0 of an element."""
    return [r for r in body.atoms(sp.StrictGreaterThan) if isinstance(r.gts, Element) and r.lts == 0]


def _only_asks(reader: Tensor, argument: Tensor) -> bool:
    """Whether a definition reads a tensor in masks alone."""
    assert reader.definition is not None
    body = reader.definition.body
    rest = body.xreplace({mask: sp.true for mask in _masks(body) if mask.gts.tensor is argument})
    return all(element.tensor is not argument for element in elements_of(rest))
