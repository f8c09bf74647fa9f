"""Why is this value infinite, NaN or 0? The first that is, and the smallest part of its formula that makes it so.

In: a program, and the arrays of all its values. Out: sentences. Nothing is computed here but parts of formulas.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

import numpy as np
import sympy as sp
from sympy.core.relational import Relational

from symgraph.core.cases import Cases
from symgraph.core.graph import elements_of, operands
from symgraph.core.indices import axis, bound
from symgraph.core.scalars import sigmoid
from symgraph.core.tensor import Element, Tensor
from symgraph.core.unfolded import at_steps, of_step
from symgraph.display.program import Program
from symgraph.display.text import text
from symgraph.reference import evaluate

MOST_ALONE = 3
"""Parameters of one cause that are told one by one."""
ROUNDING = 1e-6
"""Of what was computed, below which its value in high precision is 0 and the rest rounding."""


class Causes:
    """The values of a program under their names.

    Parameters
    ----------
    forward : values of the forward pass; the others are derivatives.
    known : arrays of all values, leaves first, operands before what reads them.
    exact : what they are in high precision, of those for which that is known.
    """

    def __init__(
        self, program: Program, forward: Container[Tensor], known: Mapping[Tensor, np.ndarray], dtype: Any,
        sizes: Mapping[str, int] | None = None, exact: Mapping[Tensor, np.ndarray] | None = None,
    ) -> None:  # fmt: skip
        self.program, self.forward, self.known = program, forward, known
        self.dtype, self.sizes, self.exact = dtype, sizes, exact or {}
        self._inside: dict[Tensor, np.ndarray] = {}

    def not_finite(self) -> list[str]:
        """The first array, or else the first value, with an infinity or NaN, and what in its formula made it."""
        for tensor, array in self.known.items():
            wrong = np.argwhere(~np.isfinite(array))
            if not len(wrong):
                continue
            place = tuple(map(int, wrong[0]))
            said = f"{self.called(tensor)}{bracketed(place)} is {array[place]}"
            if tensor.definition is None:
                return [f"{tensor.kind} {said}"]
            said = f"{said}: " if tensor in self.program.naming.names else ""
            true = float(self.exact[tensor][place]) if tensor in self.exact else np.nan
            more = f"; in high precision it is {true:.6g}" if np.isfinite(true) else ""
            return [f"{said}{self._cause(tensor, place)}{more}"]
        return []

    def without_influence(self, slopes: Mapping[Tensor, Tensor]) -> list[str]:
        """Why the derivatives of parameters are 0 everywhere, if they are: of each the first value on the way that is,
        and the cause. Many of one cause are told together; what consists of rounding errors is 0."""
        told: dict[str, list[tuple[str, str]]] = {}
        found: list[str] = []
        for parameter, slope in slopes.items():
            if self.is_rounding(slope) and (size := _largest(self.known[slope])):
                found.append(f"{self.called(slope)} is 0 but for rounding, which makes it {size:.1e} at most: "
                             f"{parameter.name} has no influence")  # fmt: skip
                continue
            if self.known[slope].any() or not np.isfinite(self.known[slope]).all():
                continue
            at = slope
            while zero := [
                o for o in operands(at) if o.definition and o not in self.forward and not self.known[o].any()
            ]:
                at = zero[0]
            through = "" if at is slope else f", because {self.called(at)} is 0"
            told.setdefault(f"{through}: {self._why_zero(at)}", []).append((self.called(slope), str(parameter.name)))
        for cause, of in told.items():
            if len(of) <= MOST_ALONE:
                found += [f"{slope} is 0 everywhere: {name} has no influence{cause}" for slope, name in of]
            else:
                (first, name), (last, other), more = of[0], of[-1], len(of) - 2
                found.append(f"{first}, {last} and {more} more are 0 everywhere: {name}, {other} and {more} others "
                             f"have no influence{cause}")  # fmt: skip
        return found

    def is_rounding(self, tensor: Tensor) -> bool:
        """Whether a value is nothing but rounding errors: in high precision it is 0, or as good as that beside what it
        is computed to be, or beside the terms of its sum if these cancel."""
        if tensor not in self.exact or not self.exact[tensor].size:
            return False
        computed, exact = _largest(self.known[tensor]), _largest(self.exact[tensor])
        if computed == 0 < exact:
            computed = self._terms(tensor)
        return bool(np.isfinite(computed) and exact < ROUNDING * computed)

    def _terms(self, tensor: Tensor) -> float:
        """The largest term of the sum that a value is."""
        definition = of_step(tensor)
        terms = () if definition is None else sp.Add.make_args(definition.body)
        return max((_largest(self._part(tensor, term)) for term in terms), default=0.0)

    # -- why --------------------------------------------------------------------------------------------------------
    def _cause(self, tensor: Tensor, place: tuple[int, ...]) -> str:
        """The smallest part of a formula that is not finite, and the values that it has."""
        definition = of_step(tensor)
        assert definition is not None
        for part in _parts(definition.body):
            array = self._part(tensor, part)[place]
            wrong = np.argwhere(~np.isfinite(array))
            if len(wrong):
                if isinstance(part, Element) and part.tensor.definition and part.is_all_of(tensor.shape):
                    return self._cause(part.tensor, place)  # in a recurrence: of the same step
                at = tuple(map(int, wrong[0]))
                inside = [e for e in _parts(part) if isinstance(e, Element)]
                values = [f"{self.written(tensor, e)} is {self._part(tensor, e)[place][at]:.6g}" for e in inside]
                where = self.at(tensor, (*place, *at))
                told = [f"; {self.program.equation(e.tensor)}" for e in inside if self._is_ours(e.tensor)]
                said = f"{self.written(tensor, part)} is {array[at]}{where}, where {', '.join(values)}"
                return "".join([said, *dict.fromkeys(told)])
        return f"{text(self.program.equation(tensor).right)} overflows{self.at(tensor, place)}"

    def _why_zero(self, tensor: Tensor, is_within: bool = False) -> str:
        """What is 0 in a formula, and of a value of the forward pass the deepest cause that there is."""
        definition = of_step(tensor)
        assert definition is not None
        if definition.body == 0:
            return "the formula of its derivative is 0"
        if isinstance(definition.body, sp.Max) and sp.S.Zero in definition.body.args:
            least = [part for part in definition.body.args if part != 0]
            return f"{', '.join(self.written(tensor, part) for part in least)} ≤ 0 everywhere"
        body = definition.body
        for part in sorted(body.atoms(Relational), key=sp.default_sort_key):
            held = self._part(tensor, Cases((1, part), (0, True)))
            if held.all() or not held.any():  # then a branch is the formula
                body = body.xreplace({part: sp.false if not held.any() else sp.true})
            if body == 0:
                return f"{self.written(tensor, part)} holds {'everywhere' if held.any() else 'nowhere'}"
        for factor in sp.Mul.make_args(body):
            if not self._part(tensor, factor).any():
                said = f"{self.written(tensor, factor)} is 0 everywhere"
                if isinstance(factor, sp.exp | sigmoid):
                    most = self._part(tensor, factor.args[0]).max()
                    said += f", because {self.written(tensor, factor.args[0])} ≤ {most:.6g}"
                if not isinstance(factor, Element) or factor.tensor.definition is None:
                    return said
                if factor.tensor not in self.forward:
                    return said
                cause = self._why_zero(factor.tensor, True)
                return cause if is_within else f"{said}, because {cause}"
        if terms := self._terms(tensor):
            return f"its terms, up to {terms:.3g}, cancel"
        if tensor in self.exact and self.exact[tensor].any():
            return f"it underflows, in high precision it is up to {_largest(self.exact[tensor]):.3g}"
        return f"in every term of {self.program.equation(tensor)} a factor is 0"

    # -- parts of formulas ------------------------------------------------------------------------------------------
    def _part(self, tensor: Tensor, part: sp.Expr) -> np.ndarray:
        """A part of a definition on the whole grid of its indices, free and bound, from the operands' arrays."""
        definition = of_step(tensor)
        assert definition is not None
        on_grid: dict[sp.Basic, sp.Basic] = {bound(d): axis(tensor.ndim + d) for d in range(len(definition.extents))}
        return self._evaluated((*tensor.shape, *definition.extents), part.xreplace(on_grid))

    def _evaluated(self, shape: tuple[sp.Expr, ...], body: sp.Expr, op: Any = None) -> np.ndarray:
        rename: dict[sp.Basic, sp.Basic] = {}
        arrays: dict[str, np.ndarray] = {}
        for operand in dict.fromkeys(element.tensor for element in elements_of(body)):
            name = f"operand {len(arrays)}"
            rename[operand] = Tensor.leaf("input", name, operand.shape, classes=operand.classes, dtype=operand.dtype)
            arrays[name] = self._array(operand)
        return np.asarray(evaluate(Tensor.define(shape, body.xreplace(rename), op), arrays, self.dtype, self.sizes))

    def _array(self, tensor: Tensor) -> np.ndarray:
        """The array of a value; those that a recurrence has inside are computed when somebody asks."""
        if tensor in self.known:
            return self.known[tensor]
        if tensor not in self._inside:
            definition = tensor.definition
            assert definition is not None and not (definition.extents and definition.op != "recurrence")
            self._inside[tensor] = self._evaluated(tensor.shape, definition.body, definition.op)
        return self._inside[tensor]

    def written(self, tensor: Tensor, part: sp.Basic) -> str:
        """A part of a value's formula."""
        return text(self.program.arranger.expression(at_steps(part), self._scope(tensor)))

    def _scope(self, tensor: Tensor) -> Any:
        definition = of_step(tensor)
        assert definition is not None
        arranger = self.program.arranger
        over = tuple(bound(d) for d in range(len(definition.extents)))
        return arranger.bind(tensor, over, arranger.scope(tensor))

    def at(self, tensor: Tensor, place: tuple[int, ...]) -> str:
        """A place by the letters of its indices: ``at n = 3, j = 1``."""
        letters = [text(letter) for letter in self._scope(tensor).called.values()]
        told = ", ".join(f"{letter} = {at}" for letter, at in zip(letters, place, strict=False))
        return f" at {told}" if told else ""

    def _is_ours(self, tensor: Tensor) -> bool:
        """Whether a value has a name that the user did not give."""
        naming = self.program.naming
        return tensor.definition is not None and tensor in naming.names and not naming.is_users(tensor)

    def called(self, tensor: Tensor) -> str:
        """The name of a value, else its formula."""
        name = self.program.naming.names.get(tensor)
        if name is not None:
            return name.text
        return text(self.program.equation(tensor).right)


def _parts(body: sp.Expr) -> list[sp.Expr]:
    """Parts of a formula, operands first; those of indices and of branches are left out."""
    found: dict[sp.Expr, None] = {}

    def visit(node: sp.Basic) -> None:
        if not isinstance(node, Element | sp.Piecewise):
            for part in node.args:
                visit(part)
        if isinstance(node, sp.Expr) and (node.args or isinstance(node, Element)):
            found[node] = None

    visit(body)
    return list(found)


def bracketed(place: tuple[int, ...]) -> str:
    """``[3, 1]``; nothing of a number."""
    return f"[{', '.join(map(str, place))}]" if place else ""


def _largest(array: np.ndarray) -> float:
    """The largest magnitude."""
    return float(np.abs(array.astype(np.float64)).max(initial=0.0))
