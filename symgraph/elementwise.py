"""Scalar formulas as functions of tensors: any SymPy formula is an activation, a loss or a regulariser.

mish = sg.elementwise(u*sp.tanh(sp.log(1 + sp.exp(u))))
h = mish(x @ W + b)
mish.derivative          # in u and in y = mish(u)
"""

from __future__ import annotations

from typing import Any

import sympy as sp

from symgraph.define import as_tensor, broadcast, broadcast_element, scalar_body
from symgraph.errors import IndexNotationError
from symgraph.indices import Dim, Index
from symgraph.language import as_value, in_language
from symgraph.provenance import at_line, names_result
from symgraph.scalars import as_formula
from symgraph.tensor import Element, Tensor, require_real

u, v, w = sp.symbols("u v w", real=True)


def _nothing(tensor: Tensor) -> sp.Basic:
    raise IndexNotationError(at_line(f"elementwise needs a formula of symbols, without {tensor.display_name}"))


class Elementwise:
    """A scalar formula applied to every element of broadcast tensors.

    Parameters
    ----------
    formula : SymPy expression in ``arguments``; other symbols are scalars of the program (hyper-parameters).
    arguments : the symbols that stand for the tensors, in the order of the call; the formula's only symbol by default.
    name : display name.
    merges : whether a result without a name merges into the formula that uses it, as that of ``exp`` does; the value
        of an activation stays, and derivatives are expressed through it.
    """

    def __init__(self, formula: Any, *arguments: sp.Symbol, name: str = "f", merges: bool = False) -> None:
        self.formula = as_formula(formula)
        if not isinstance(self.formula, (sp.Expr, sp.logic.boolalg.Boolean)) or self.formula.atoms(Tensor, Index, Dim):
            raise IndexNotationError(at_line(f"elementwise needs a scalar SymPy formula, not {formula!r}"))
        self.formula = as_value(in_language(self.formula, _nothing))
        symbols = sorted(self.formula.free_symbols, key=str)
        if not arguments and len(symbols) != 1:
            raise IndexNotationError(
                at_line(f"{self.formula} has the symbols {symbols}: name the arguments, elementwise(formula, u, ...)")
            )
        self.arguments = arguments or (symbols[0],)
        if not all(isinstance(a, sp.Symbol) for a in self.arguments) or len(set(self.arguments)) < len(self.arguments):
            raise IndexNotationError(at_line(f"the arguments of a formula are different symbols, not {self.arguments}"))
        self.name, self.merges = name, merges

    @names_result
    def __call__(self, *operands: Any) -> Tensor:
        if len(operands) != len(self.arguments):
            raise IndexNotationError(
                at_line(f"{self.name} takes {len(self.arguments)} tensors, {len(operands)} were given")
            )
        tensors = [as_tensor(operand) for operand in operands]
        for tensor in tensors:
            require_real(tensor, self.name)
        shape = broadcast(*(tensor.shape for tensor in tensors))
        rule = {a: broadcast_element(t, len(shape)) for a, t in zip(self.arguments, tensors, strict=True)}
        others = {s: Element(Tensor.scalar(s)) for s in sorted(self.formula.free_symbols, key=str) if s not in rule}
        result = Tensor.define(shape, scalar_body(self.formula.xreplace(rule | others)))
        result.kept |= not self.merges
        return result

    @property
    def derivative(self) -> sp.Expr | dict[sp.Symbol, sp.Expr]:
        """The simplified derivative in the arguments and ``y``, the value; one per argument where there are several."""
        from symgraph.simplify import scalar_derivative

        found = {argument: scalar_derivative(self.formula, argument, self.arguments) for argument in self.arguments}
        return found if len(found) > 1 else found[self.arguments[0]]

    def __repr__(self) -> str:
        return f"elementwise({self.formula}, {', '.join(map(str, self.arguments))}, name={self.name!r})"


def elementwise(formula: Any, *arguments: sp.Symbol, name: str = "f", merges: bool = False) -> Elementwise:
    """Make a function of tensors from a scalar formula; see :class:`Elementwise`."""
    return Elementwise(formula, *arguments, name=name, merges=merges)
