"""Masks: the condition of a derivative is asked of the maximum that the forward pass keeps, not of its argument.

h = max(0, z);  dz = (dh where z > 0, else 0)     →     dz = (dh where h > 0, else 0),  and z is never stored
y = (2·h where u ≥ ½, else 0)                     →     y > 0 in place of u ≥ ½ and h > 0: u, a random number say, is
                                                        computed once
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sympy as sp

from symgraph.core.graph import consumers, elements_of, replace_tensors, rewrite, topological
from symgraph.core.tensor import Definition, Element, Tensor
from symgraph.core.views import at_indices


@dataclass(frozen=True, slots=True)
class Maximum:
    """A value that is positive exactly where its argument z is, under a condition, which may be true."""

    value: Tensor
    argument: Tensor
    where: sp.Basic

    def masks(self, body: sp.Expr) -> dict[sp.Basic, tuple[sp.Expr, ...]]:
        """Conditions that hold exactly where the value is positive, or with others, and its indices in each."""
        found: dict[sp.Basic, tuple[sp.Expr, ...]] = {}
        for mask in body.atoms(sp.StrictGreaterThan):
            if isinstance(mask.gts, Element) and mask.gts.tensor is self.argument and mask.lts == 0:
                if self.where == sp.true:
                    found[mask] = mask.gts.indices
                    continue
                asked = {mask, *_parts(at_indices(self.where, mask.gts.indices))}
                found |= {one: mask.gts.indices for one in body.atoms(sp.And) if asked <= set(one.args)}
        return found

    def in_masks_alone(self, reader: Tensor) -> bool:
        """Whether a definition reads the argument in such conditions alone."""
        assert reader.definition is not None
        body = reader.definition.body
        rest = body.xreplace(dict.fromkeys(self.masks(body), sp.true))
        return all(element.tensor is not self.argument for element in elements_of(rest))

    def again(self, renamed: Mapping[Tensor, Tensor]) -> Tensor | None:
        """The value over other tensors, None where one that it reads has no other yet."""
        assert self.value.definition is not None
        body = self.value.definition.body
        if any(element.tensor not in renamed for element in elements_of(body)):
            return None
        return Tensor.define(renamed[self.argument].shape, replace_tensors(body, renamed))

    def asked(self, body: sp.Expr, new: Tensor) -> sp.Expr:
        """The body with these conditions asked of the value, ``new`` by now."""
        rule = {}
        for mask, indices in self.masks(body).items():
            known = {*_parts(at_indices(self.where, indices)), Element(self.argument, *indices) > 0}
            rule[mask] = sp.And(Element(new, *indices) > 0, *(part for part in _parts(mask) if part not in known))
        return body.xreplace(rule)


def mask_by_maxima(roots: Sequence[Tensor]) -> dict[Tensor, Tensor]:
    """The replacement of every tensor under ``roots``; where an argument has other readers, it is left as it is."""
    masked = _masked(roots)
    again = _masked([masked[root] for root in roots])  # what is asked of a maximum now may be asked of what reads it
    return {tensor: again.get(new, new) for tensor, new in masked.items()}


def _masked(roots: Sequence[Tensor]) -> dict[Tensor, Tensor]:
    order = topological(roots)
    readers = consumers(order)
    found = [one for one in map(_maximum, order) if one is not None]
    if not found:
        return {tensor: tensor for tensor in order}
    hidden = [
        one
        for one in found
        if one.argument not in roots
        and all(reader is one.value or one.in_masks_alone(reader) for reader in readers[one.argument])
    ]
    by_argument = {one.argument: one for one in hidden}
    renamed: dict[Tensor, Tensor] = {tensor: tensor for tensor in order if tensor.definition is None}

    def change(tensor: Tensor, definition: Definition) -> Tensor:
        assert tensor.definition is not None
        body = tensor.definition.body
        for argument in dict.fromkeys(element.tensor for element in elements_of(body)):
            one = by_argument.get(argument)
            new = None if one is None or one.value is tensor else one.again(renamed)
            if one is not None and new is not None:
                body = one.asked(body, new)
        body = replace_tensors(body, renamed)
        renamed[tensor] = tensor.redefined(Definition(definition.op, definition.extents, body))
        return renamed[tensor]

    return rewrite(roots, change)


def _maximum(tensor: Tensor) -> Maximum | None:
    """max(0, z) of each element, or under a condition, else 0, a multiple of it or of z that cannot underflow."""
    definition = tensor.definition
    if definition is None or definition.op is not None:
        return None
    where, value = sp.true, definition.body
    if isinstance(value, sp.Piecewise) and len(value.args) == 2 and _is_zero(value.args[1][0]):
        value, where = value.args[0]
        factor, value = value.as_coeff_Mul()
        if not (factor - 1).is_nonnegative or value.has(sp.Piecewise):
            return None
    elements = elements_of(value)
    if len(elements) != 1 or not elements[0].is_all_of(tensor.shape):
        return None
    if value != sp.Max(0, elements[0]) and (where == sp.true or value != elements[0]):
        return None
    return Maximum(tensor, elements[0].tensor, where)


def _is_zero(value: sp.Expr) -> bool:
    definition = value.tensor.definition if isinstance(value, Element) else None
    return value == 0 or (definition is not None and definition.op is None and definition.body == 0)


def _parts(condition: sp.Basic) -> tuple[sp.Basic, ...]:
    """The conditions that hold where one does."""
    return condition.args if isinstance(condition, sp.And) else (condition,)
