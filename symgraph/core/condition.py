"""Conditions on tensors: ``x > b`` is a tensor of 0 and 1, and for SymPy a condition that it does not look into.

mask = (x > b) & (x < 1)
sg.where(mask, x, 0)      sg.sum(mask)      mask * x      sp.Piecewise((x, mask), (0, True))
"""

from __future__ import annotations

from typing import Any

import sympy as sp
from sympy.logic.boolalg import Boolean

from symgraph.core.cases import Cases, Fails
from symgraph.core.indices import Shape
from symgraph.core.provenance import at_line
from symgraph.core.tensor import Definition, Tensor
from symgraph.errors import DomainError


class Condition(Tensor, Boolean):  # type: ignore[misc]
    """A tensor that is 1 where ``relation``, over elements at canonical indices, holds, and 0 elsewhere.

    SymPy asks a relation for its canonical form and its negation: the former is the condition itself.
    """

    is_Relational = True
    relation: Boolean

    @classmethod
    def of(cls, shape: Shape, relation: Boolean) -> Condition:
        """The one condition of this shape and relation."""
        value = Cases((1, relation), (0, True))
        made = {"definition": Definition(None, (), sp.sympify(value)), "relation": relation, "dtype": "boolean"}
        key = ("condition", shape, relation)
        return cls._intern(key, lambda: cls._new("definition", shape, **made))  # type: ignore[return-value]

    @property
    def canonical(self) -> Condition:
        """The condition itself: what is written is what is compared."""
        return self

    @property
    def negated(self) -> Condition:
        """The condition that holds where this one does not."""
        return Condition.of(self.shape, Fails(self.relation))

    def as_set(self) -> sp.Set:
        """It is on many values at once: SymPy, which asks for the interval of one variable, goes on without."""
        raise NotImplementedError

    @property
    def lhs(self) -> sp.Basic:
        """As ``self = True``, the form in which SymPy leaves it alone."""
        return self

    rhs = sp.true

    def __bool__(self) -> bool:
        raise DomainError(
            at_line(f"{self} is a condition on each element, not true or false: write sg.where(condition, yes, no); "
                    "& is 'and', | is 'or', ~ is 'not', and l < x < u is (l < x) & (x < u)")
        )  # fmt: skip

    def __invert__(self) -> Any:
        return self.negated
