"""Derivatives that may be infinite where the loss is finite, as that of √u is at u = 0: they are checked with it.

    J = Σ √u[n],  ∂J/∂u[n] = 1/(2·√u[n])     →     what a step looks at before it updates is J + Σ 0·∂J/∂u[n]

0·∞ and 0·NaN are NaN. What the loss is divided by already is not looked at again, so that networks without such
derivatives, which are most, compute nothing more. An overflow of finite numbers in a gradient is not looked for.
"""

from __future__ import annotations

from collections.abc import Iterable

import sympy as sp

from symgraph.core.graph import elements_of, topological
from symgraph.core.rebuild import parts_of
from symgraph.core.tensor import Element, Tensor
from symgraph.vocabulary import functions


def checked_value(loss: Tensor, gradients: Iterable[Tensor]) -> Tensor | None:
    """A scalar that is the loss, but NaN where a gradient is not finite; None where the loss tells it itself."""
    value = loss
    for tensor in suspects(loss, gradients):
        value = value + functions.sum(tensor * 0)
    return None if value is loss else value


def suspects(loss: Tensor, gradients: Iterable[Tensor]) -> list[Tensor]:
    """Values on the way to the gradients that may be the first that are not finite."""
    forward, every = topological([loss]), topological([loss, *gradients])
    zeros = _Zeros(every)
    known = {_tensors(base) for tensor in forward for base in zeros.divisors(tensor)}
    own = frozenset(forward)
    return [
        tensor
        for tensor in every
        if tensor not in own
        and any(_tensors(base) not in known for base in zeros.divisors(tensor) | zeros.logarithms(tensor))
    ]


class _Zeros:
    """Where formulas are infinite: at the zeros of values that are not proved to be positive."""

    def __init__(self, order: Iterable[Tensor]) -> None:
        self.signs: dict[Tensor, str] = {}
        for tensor in order:
            formula = self._by_signs(_formula(tensor))
            if formula.is_positive:
                self.signs[tensor] = "positive"
            elif formula.is_nonnegative and not formula.is_number:
                self.signs[tensor] = "nonnegative"

    def is_positive(self, formula: sp.Expr) -> bool:
        return self._by_signs(formula).is_positive is True

    def _by_signs(self, formula: sp.Expr) -> sp.Expr:
        """The formula over symbols that have the signs of what it reads."""
        known = [element for element in elements_of(formula) if element.tensor in self.signs]
        return formula.xreplace({element: sp.Dummy(**{self.signs[element.tensor]: True}) for element in known})

    def divisors(self, tensor: Tensor) -> set[sp.Expr]:
        """What a formula is divided by."""
        powers = [part for part in parts_of(_formula(tensor)) if isinstance(part, sp.Pow)]
        return {p.base for p in powers if not p.exp.is_nonnegative and not self.is_positive(p.base)}

    def logarithms(self, tensor: Tensor) -> set[sp.Expr]:
        """What a formula, or a value that it reads, has the logarithm of: u·log u is 0 at 0, log u is not."""
        formulas = [_formula(tensor), *(_formula(element.tensor) for element in elements_of(_formula(tensor)))]
        found = {part.args[0] for formula in formulas for part in parts_of(formula) if isinstance(part, sp.log)}
        return {inside for inside in found if not self.is_positive(inside)}


def _formula(tensor: Tensor) -> sp.Expr:
    """The formula of a real value, or of what a sum adds; 0 for others."""
    definition = tensor.definition
    if definition is None or definition.op not in (None, "sum") or tensor.dtype != "real":
        return sp.S.Zero
    return definition.body


def _tensors(base: sp.Expr) -> sp.Expr:
    """A value whatever its indices are called."""
    return base.replace(Element, lambda tensor, *_: tensor)
