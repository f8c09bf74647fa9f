"""Why is this NaN, zero, huge? A training step's values as they are compiled, beside their formulas in high precision.

In: a step, parameters, a batch. Out: the first value that is not finite, the first that differs, and for each parameter
without influence the first derivative on the way to it that is 0, each with the part of its formula that is the cause.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy as sp

from codegen.plan.request import Request, leaves_in
from codegen.run.function import function
from codegen.run.stepping import Bound
from symgraph.core.chance import KEY, STEP
from symgraph.core.graph import rewrite, topological
from symgraph.core.indices import Dim
from symgraph.core.reading import name_of
from symgraph.core.tensor import Tensor
from symgraph.display.causes import Causes, bracketed
from symgraph.display.explain import Table
from symgraph.reference import evaluate

if TYPE_CHECKING:
    from codegen.run.training import TrainStep

FEW = 20_000
"""Products and elements of a program, up to which it is evaluated in fifty digits; else in NumPy's long double."""
DIGITS = 50
LOST = 4096.0
"""Units in the last place of the largest element, by which a value may differ."""


@dataclass(frozen=True, slots=True, repr=False)
class Diagnosis:
    """What is wrong, a sentence each, in the order in which a reader should look; none if nothing is."""

    findings: tuple[str, ...]
    worst: float
    """The largest difference from high precision, relative to the largest element of its value."""

    def __bool__(self) -> bool:
        return bool(self.findings)

    def __str__(self) -> str:
        fine = f"every value is finite, has influence, and agrees with high precision to {self.worst:.1e}"
        return "\n".join(self.findings) or fine

    __repr__ = __str__


def diagnosed(step: TrainStep, params: Any, inputs: Mapping[str, Any]) -> Diagnosis:
    """Compare a step's values with their formulas; nothing is updated.

    Raises
    ------
    ArgumentError, ShapeError, DomainError
        as a call of the step.
    """
    case = _Case(step, step.checked(params, inputs))
    causes = case.causes
    found = [*causes.not_finite(), *case.differing()]
    found += causes.without_influence(dict(zip(step.parameters, case.slopes, strict=True)))
    return Diagnosis(tuple(found), case.worst)


def _held(step: TrainStep, given: Bound) -> tuple[Tensor, dict[Tensor, np.ndarray]]:
    """The loss with the random values of the next step as inputs, and these."""
    random = [tensor for tensor in topological([step.loss]) if tensor.kind == "random"]
    if not random:
        return step.loss, {}
    held = {tensor: Tensor.leaf("input", f"{name_of(tensor) or tensor.draw.letter} {number}", tensor.shape)
            for number, tensor in enumerate(random, 1)}  # fmt: skip
    found = rewrite([step.loss], lambda tensor, definition: tensor.redefined(definition), held)
    draw = function(step.inputs, random, dtype=step.dtype, key=int(step.hyper[str(KEY.name)]))
    now = {str(STEP.name): np.asarray(step.state[str(STEP.name)], step.dtype)}
    arrays = draw(**{str(leaf.name): given.arrays[leaf] for leaf in step.inputs}, **now)
    return found[step.loss], dict(zip(held.values(), arrays, strict=True))


class _Case:
    """The values of one step, computed twice, under their names."""

    def __init__(self, step: TrainStep, given: Bound) -> None:
        self.dtype, self.sizes = step.dtype, dict(given.sizes)
        loss, held = _held(step, given)
        self.program, self.forward = Table(loss, list(step.parameters), None).computed()
        self.slopes = self.program.outputs[1:]
        self.order = [t for t in topological(self.program.outputs) if t.definition is not None]
        leaves = leaves_in(Request(tuple(self.program.outputs)))
        self.known: dict[Tensor, np.ndarray] = {}
        for leaf in leaves:
            name = str(leaf.name)
            if leaf in given.arrays:
                self.known[leaf] = given.arrays[leaf]
            elif leaf.value is not None:
                self.known[leaf] = np.asarray(leaf.value)
            elif leaf in held:
                self.known[leaf] = held[leaf]
            else:
                told = given.numbers[name] if name in given.numbers else step.state.get(name, step.hyper.get(name))
                self.known[leaf] = np.asarray(told, step.dtype)
        asked = [leaf for leaf in leaves if leaf.kind != "constant"]
        values = {str(leaf.name): self.known[leaf] for leaf in asked}
        compiled = function(asked, self.order, dtype=step.dtype)(**values)
        self.known |= dict(zip(self.order, compiled, strict=True))
        self.exact = dict(zip(self.order, self._high(values), strict=True))
        self.worst = 0.0
        self.causes = Causes(self.program, self.forward, self.known, self.dtype, self.sizes, self.exact)

    def _high(self, values: Mapping[str, Any]) -> list[np.ndarray]:
        """Every value in high precision."""
        work = sum(self.known[t].size * _reduced(t, self.sizes) for t in self.order)
        if work > FEW:
            return [np.asarray(value) for value in evaluate(self.order, values, np.longdouble, self.sizes)]
        import mpmath

        with mpmath.workdps(DIGITS), np.errstate(all="ignore"):
            return [np.asarray(value) for value in evaluate(self.order, values, "mpmath", self.sizes)]

    def differing(self) -> list[str]:
        """The first finite value that is not what its formula says in high precision."""
        found: list[str] = []
        allowed = LOST * float(np.finfo(self.dtype).eps)
        for tensor in self.order:
            computed, exact = self.known[tensor], self.exact[tensor].astype(np.float64)
            is_finite = np.isfinite(computed).all() and np.isfinite(exact).all()
            if tensor.dtype == "integer" or not is_finite or self.causes.is_rounding(tensor):
                continue
            scale = float(np.abs(exact).max()) or 1.0
            error = np.abs(computed.astype(np.float64) - exact) / scale
            self.worst = max(self.worst, float(error.max()))
            if not found and float(error.max()) > allowed:
                place = tuple(map(int, np.unravel_index(int(error.argmax()), error.shape)))
                is_named = tensor in self.program.naming.names
                said = f"{self.causes.called(tensor)}{bracketed(place) if is_named else self.causes.at(tensor, place)}"
                more = f": {self.program.equation(tensor)}" if is_named else ""
                both = f"{computed[place]:.6g}, and in high precision {exact[place]:.6g}"
                found = [f"{said} is {both}, {error.max():.1e} of its largest away{more}"]
        return found


def _reduced(tensor: Tensor, sizes: Mapping[str, int]) -> int:
    """Terms of one element."""
    assert tensor.definition is not None
    return int(sp.Mul(*tensor.definition.extents).xreplace({Dim(name): sp.Integer(n) for name, n in sizes.items()}))
