"""Scalar formulas as functions of tensors: any SymPy formula is an activation, a loss or a regulariser.

mish = sg.elementwise(u*sp.tanh(sp.log(1 + sp.exp(u))))
h = mish(x @ W + b)
mish.derivative          # in u and in y = mish(u)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp

from symgraph.core.broadcast import broadcast, broadcast_element
from symgraph.core.checked_names import checked_name
from symgraph.core.define import (
    as_tensor,
    element_of,
    exact,
    finite,
    in_index_notation,
    is_index_notation,
    scalar_body,
)
from symgraph.core.indices import Dim, Index
from symgraph.core.kept import cached_property
from symgraph.core.language import as_value, in_language
from symgraph.core.misuse import explained
from symgraph.core.pieces import defined
from symgraph.core.provenance import at_line, names_result
from symgraph.core.rebuild import replaced
from symgraph.core.scalars import as_formula, slot
from symgraph.core.tensor import DISPLAYED, Tensor, require_real
from symgraph.core.writing import as_written
from symgraph.errors import IndexNotationError

__all__ = ["Elementwise", "elementwise"]

u, v, w = sp.symbols("u v w", real=True)


def _nothing(tensor: Tensor) -> sp.Basic:
    raise IndexNotationError(at_line(f"elementwise needs a formula of symbols, without {tensor.display_name}"))


def _checked(formula: Any) -> sp.Expr:
    found = as_formula(formula)
    if not isinstance(found, (sp.Expr, sp.logic.boolalg.Boolean)) or found.atoms(Tensor, Index, Dim):
        raise IndexNotationError(at_line(f"elementwise needs a scalar SymPy formula, not {formula!r}"))
    found = as_value(in_language(found, _nothing))
    finite(found)
    return found

LARGEST = 64
"""The size of a number that is put into a formula: SymPy would write Γ(10⁸) and 2^(10³⁰) out."""


class Elementwise:
    """A scalar formula applied to every element of broadcast tensors.

    Parameters
    ----------
    formula : SymPy expression in ``arguments``; other symbols are scalars of the program (hyper-parameters).
    arguments : the symbols that stand for the tensors, in the order of the call; the formula's only symbol by default.
    name : display name.
    """

    def __init__(self, formula: Any, *arguments: sp.Symbol, name: str = "f") -> None:
        self.formula = _checked(formula)
        symbols = sorted(self.formula.free_symbols, key=str)
        if not arguments and len(symbols) != 1:
            raise IndexNotationError(
                at_line(f"{self.formula} has the symbols {symbols}: name the arguments, elementwise(formula, u, ...)")
            )
        self.arguments = arguments or (symbols[0],)
        if not all(isinstance(a, sp.Symbol) for a in self.arguments) or len(set(self.arguments)) < len(self.arguments):
            raise IndexNotationError(at_line(f"the arguments of a formula are different symbols, not {self.arguments}"))
        self.name = checked_name(name, more=DISPLAYED)

    def __eq__(self, other: object) -> bool:
        """Of one formula, as copies are."""
        return type(other) is type(self) and self._told() == other._told()

    def __hash__(self) -> int:
        return hash(self._told())

    def _told(self) -> tuple[Any, ...]:
        return self.name, self.formula, self.arguments

    @names_result
    def __call__(self, *operands: Any) -> Any:
        if len(operands) != len(self.arguments):
            raise IndexNotationError(
                at_line(f"{self.name} takes {len(self.arguments)} tensors, {len(operands)} were given")
            )
        if any(is_index_notation(operand) for operand in operands):
            return self._in_index_notation(operands)
        tensors = [as_tensor(operand) for operand in operands]
        for tensor in tensors:
            require_real(tensor, self.name)
        shape = broadcast(*(tensor.shape for tensor in tensors), of=tensors)
        elements, opaque = ([at(tensor, len(shape)) for tensor in tensors] for at in (element_of, broadcast_element))
        elements = [o if e.is_number and abs(e) > LARGEST else e for e, o in zip(elements, opaque, strict=True)]
        formula = scalar_body(replaced(self.formula, {a: slot(n) for n, a in enumerate(self.arguments)}))
        return defined(shape, as_written(formula, elements, opaque))

    def _in_index_notation(self, operands: tuple[Any, ...]) -> Any:
        """The formula at scalars of a formula over indices, for use in :func:`symgraph.core.define.define`."""
        rule = dict(zip(self.arguments, map(in_index_notation, operands), strict=True))
        return scalar_body(self.formula.xreplace(rule))

    @property
    def derivative(self) -> sp.Expr | dict[sp.Symbol, sp.Expr]:
        """The simplified derivative in the arguments and ``y``, the value; one per argument where there are several."""
        return self._derivatives(1)

    @property
    def second_derivative(self) -> sp.Expr | dict[sp.Symbol, sp.Expr]:
        """The simplified second derivative, as :attr:`derivative`; one by each argument, not by two of them."""
        return self._derivatives(2)

    def _derivatives(self, order: int) -> sp.Expr | dict[sp.Symbol, sp.Expr]:
        from symgraph.simplify import scalar_derivative

        found = {argument: scalar_derivative(self.formula, *[argument] * order) for argument in self.arguments}
        return found if len(found) > 1 else found[self.arguments[0]]

    def __repr__(self) -> str:
        return f"elementwise({self.formula}, {', '.join(map(str, self.arguments))}, name={self.name!r})"


class Row(Elementwise):
    """One of the vocabulary's own, whose formula is made when somebody asks for it: an import evaluates nothing.

    Parameters
    ----------
    formula : makes the formula of options, which have defaults: ``elu(x)``, ``elu(x, alpha=2)``. An option is a
        number, a symbol, or a tensor, which is broadcast and differentiated like any other; a flag or a word chooses.
    source : where the definition is from.
    """

    def __init__(
        self, name: str, formula: Callable[..., Any], *arguments: sp.Symbol, source: str = "", **options: Any
    ) -> None:
        self.name, self.arguments, self.source, self.options, self._make = name, arguments, source, options, formula
        self.__module__ = formula.__module__

    __eq__, __hash__ = object.__eq__, object.__hash__  # there is one of each

    def __reduce__(self) -> str:
        return self.name  # a global of its module, as functions are

    @cached_property
    def formula(self) -> sp.Expr:  # type: ignore[override]
        return _checked(self._make(**{name: _option(value) for name, value in self.options.items()}))

    @names_result
    def __call__(self, *operands: Any, **options: Any) -> Any:
        if not self.options and not options:
            return super().__call__(*operands)
        count = len(self.arguments)
        given = dict(zip(self.options, operands[count:], strict=False)) | options
        given = {name: np.asarray(v) if isinstance(v, list | tuple) else v for name, v in given.items()}
        if len(operands) < count or len(operands) - count > len(self.options) or given.keys() - self.options.keys():
            takes = ", ".join((*map(str, self.arguments), *(f"{name}={value}" for name, value in self.options.items())))
            raise IndexNotationError(
                at_line(
                    f"{self.name} takes ({takes}); given were {len(operands)} operands {' '.join(options)}".rstrip()
                )
            )
        if not given:
            return super().__call__(*operands)
        tensors = {name: value for name, value in given.items() if _varies(value)}
        symbols = {name: sp.Symbol(name, real=True) for name in tensors}
        formula = self._make(**{name: _option(value) for name, value in (self.options | given | symbols).items()})
        changed = Elementwise(formula, *self.arguments, *symbols.values(), name=self.name)
        return changed(*operands[:count], *tensors.values())


def _varies(value: Any) -> bool:
    """Whether an option is a tensor, or an element of one."""
    return isinstance(value, Tensor) or is_index_notation(value) or bool(getattr(value, "ndim", 0))


def _option(value: Any) -> Any:
    return (
        exact(sp.Float(value))
        if isinstance(value, float)
        else value
        if isinstance(value, bool | str)
        else as_formula(value)
    )


@explained
def elementwise(formula: Any, *arguments: sp.Symbol, name: str = "f") -> Elementwise:
    """Make a function of tensors from a scalar formula; see :class:`Elementwise`."""
    return Elementwise(formula, *arguments, name=name)
