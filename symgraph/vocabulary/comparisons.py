"""Comparisons of tensors, broadcast like every other operation: conditions, to be joined, selected by, and counted."""

from __future__ import annotations

from typing import Any

import sympy as sp
from sympy.core.relational import Relational
from sympy.logic.boolalg import Boolean

from symgraph.core.broadcast import broadcast
from symgraph.core.cases import decided, either
from symgraph.core.compared import related
from symgraph.core.condition import Condition
from symgraph.core.define import as_tensor, element_of, opened
from symgraph.core.indices import Index
from symgraph.core.tensor import Tensor


def compared(relation: type[Relational], left: Any, right: Any) -> Any:
    """``left ≷ right`` as a condition; of index notation, ``z > x[n]``, SymPy's relation.

    Raises
    ------
    ShapeError
        if the shapes do not broadcast.
    IndexNotationError, DomainError
        for what is no real value.
    """
    if _is_index_notation(left) or _is_index_notation(right):
        return relation(left, right)
    tensors = [as_tensor(left), as_tensor(right)]
    shape = broadcast(*(tensor.shape for tensor in tensors), of=tensors)
    return Condition.of(shape, decided(related(relation, *(element_of(tensor, len(shape)) for tensor in tensors))))


def joined(operation: Any, *conditions: Any) -> Any:
    """``And``, ``Or``, ``Not``, ``Xor`` of conditions; a tensor that is none holds where it is not 0."""
    asked = [condition(part) for part in conditions]
    if any(_is_index_notation(part) for part in asked):
        return operation(*asked)
    value = either(*asked) if operation is sp.Or else operation(*asked)
    if isinstance(value, Condition):
        return value
    shape = broadcast(*(tensor.shape for tensor in value.atoms(Tensor)))
    return Condition.of(shape, opened(value, len(shape)))


def condition(value: Any) -> Boolean:
    """A condition as it is, True and False, and of anything else whether it is not 0."""
    if isinstance(value, bool) or (isinstance(value, Boolean) and not isinstance(value, sp.Symbol)):
        return sp.sympify(value)
    return compared(sp.Ne, value, 0)  # type: ignore[no-any-return]


def _is_index_notation(value: Any) -> bool:
    return isinstance(value, sp.Basic) and not isinstance(value, Tensor) and bool(value.atoms(Index))
