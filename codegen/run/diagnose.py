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
from sympy.core.relational import Relational

from codegen.plan.plan import Request
from codegen.run.function import function
from codegen.run.pipeline import leaves_in
from codegen.run.stepping import Bound
from symgraph.core.cases import Cases
from symgraph.core.chance import KEY, STEP
from symgraph.core.graph import operands, rewrite, topological
from symgraph.core.indices import Dim, axis, bound
from symgraph.core.reading import name_of
from symgraph.core.tensor import Element, Tensor
from symgraph.display.explain import Table
from symgraph.display.text import text
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
    found = [*case.not_finite(), *case.differing()]
    for parameter, slope in zip(step.parameters, case.slopes, strict=True):
        found += case.without_influence(parameter, slope)
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

    def _high(self, values: Mapping[str, Any]) -> list[np.ndarray]:
        """Every value in high precision."""
        work = sum(self.known[t].size * _reduced(t, self.sizes) for t in self.order)
        if work > FEW:
            return [np.asarray(value) for value in evaluate(self.order, values, np.longdouble, self.sizes)]
        import mpmath

        with mpmath.workdps(DIGITS), np.errstate(all="ignore"):
            return [np.asarray(value) for value in evaluate(self.order, values, "mpmath", self.sizes)]

    # -- what may be wrong ------------------------------------------------------------------------------------------
    def not_finite(self) -> list[str]:
        """The first array, or else the first value, with an infinity or NaN, and what in its formula made it."""
        for tensor, array in self.known.items():
            wrong = np.argwhere(~np.isfinite(array))
            if not len(wrong):
                continue
            place = tuple(map(int, wrong[0]))
            said = f"{self._called(tensor)}{_shown(place)} is {array[place]}"
            if tensor.definition is None:
                return [f"{tensor.kind} {said}"]
            said = f"{said}: " if tensor in self.program.naming.names else ""
            true = float(self.exact[tensor][place])
            more = f"; in high precision it is {true:.6g}" if np.isfinite(true) else ""
            return [f"{said}{self._cause(tensor, place)}{more}"]
        return []

    def differing(self) -> list[str]:
        """The first finite value that is not what its formula says in high precision."""
        found: list[str] = []
        allowed = LOST * float(np.finfo(self.dtype).eps)
        for tensor in self.order:
            computed, exact = self.known[tensor], self.exact[tensor].astype(np.float64)
            if tensor.is_label or not np.isfinite(computed).all() or not np.isfinite(exact).all():
                continue
            scale = float(np.abs(exact).max()) or 1.0
            error = np.abs(computed.astype(np.float64) - exact) / scale
            self.worst = max(self.worst, float(error.max()))
            if not found and float(error.max()) > allowed:
                place = tuple(map(int, np.unravel_index(int(error.argmax()), error.shape)))
                is_named = tensor in self.program.naming.names
                said = f"{self._called(tensor)}{_shown(place) if is_named else self._at(tensor, place)}"
                more = f": {self.program.equation(tensor)}" if is_named else ""
                both = f"{computed[place]:.6g}, and in high precision {exact[place]:.6g}"
                found = [f"{said} is {both}, {error.max():.1e} of its largest away{more}"]
        return found

    def without_influence(self, parameter: Tensor, slope: Tensor) -> list[str]:
        """Why a parameter's derivative is 0 everywhere, if it is: the first value on the way that is, and its cause."""
        if self.known[slope].any() or not np.isfinite(self.known[slope]).all():
            return []
        said = f"{self._called(slope)} is 0 everywhere: {parameter.name} has no influence"
        at = slope
        while zero := [o for o in operands(at) if o.definition and o not in self.forward and not self.known[o].any()]:
            at = zero[0]
        through = "" if at is slope else f", because {self._called(at)} is 0"
        return [f"{said}{through}: {self._why_zero(at)}"]

    # -- why --------------------------------------------------------------------------------------------------------
    def _cause(self, tensor: Tensor, place: tuple[int, ...]) -> str:
        """The smallest part of a formula that is not finite, and the values that it has."""
        definition = tensor.definition
        assert definition is not None
        for part in _parts(definition.body):
            array = self._part(tensor, part)[place]
            wrong = np.argwhere(~np.isfinite(array))
            if len(wrong):
                at = tuple(map(int, wrong[0]))
                inside = [e for e in _parts(part) if isinstance(e, Element)]
                values = [f"{self._written(tensor, e)} is {self._part(tensor, e)[place][at]:.6g}" for e in inside]
                where = self._at(tensor, (*place, *at))
                told = [f"; {self.program.equation(e.tensor)}" for e in inside if self._is_ours(e.tensor)]
                said = f"{self._written(tensor, part)} is {array[at]}{where}, where {', '.join(values)}"
                return "".join([said, *dict.fromkeys(told)])
        return f"the sum overflows: {self.program.equation(tensor)}"

    def _why_zero(self, tensor: Tensor) -> str:
        definition = tensor.definition
        assert definition is not None
        if definition.body == 0:
            return "the formula of its derivative is 0"
        for part in sorted(definition.body.atoms(Relational), key=sp.default_sort_key):
            held = self._part(tensor, Cases((1, part), (0, True)))
            if not held.any():
                return f"{self._written(tensor, part)} holds nowhere"
        for factor in sp.Mul.make_args(definition.body):
            if not self._part(tensor, factor).any():
                return f"{self._written(tensor, factor)} is 0 everywhere"
        if self.exact[tensor].any():
            return f"it underflows, in high precision it is up to {float(np.abs(self.exact[tensor]).max()):.3g}"
        return f"in every term of {self.program.equation(tensor)} a factor is 0"

    # -- parts of formulas ------------------------------------------------------------------------------------------
    def _part(self, tensor: Tensor, part: sp.Expr) -> np.ndarray:
        """A part of a definition on the whole grid of its indices, free and bound, from the compiled operands."""
        definition = tensor.definition
        assert definition is not None
        rename: dict[sp.Basic, sp.Basic] = {bound(d): axis(tensor.ndim + d) for d in range(len(definition.extents))}
        arrays: dict[str, np.ndarray] = {}
        for operand in operands(tensor):
            name = f"operand {len(arrays)}"
            rename[operand] = Tensor.leaf("input", name, operand.shape, classes=operand.classes)
            arrays[name] = self.known[operand]
        value = Tensor.define((*tensor.shape, *definition.extents), part.xreplace(rename))
        return np.asarray(evaluate(value, arrays, self.dtype, self.sizes))

    def _written(self, tensor: Tensor, part: sp.Basic) -> str:
        return text(self.program.arranger.expression(part, self._scope(tensor)))

    def _scope(self, tensor: Tensor) -> Any:
        definition = tensor.definition
        assert definition is not None
        arranger = self.program.arranger
        over = tuple(bound(d) for d in range(len(definition.extents)))
        return arranger.bind(tensor, over, arranger.scope(tensor))

    def _at(self, tensor: Tensor, place: tuple[int, ...]) -> str:
        letters = [text(letter) for letter in self._scope(tensor).called.values()]
        told = ", ".join(f"{letter} = {at}" for letter, at in zip(letters, place, strict=False))
        return f" at {told}" if told else ""

    def _is_ours(self, tensor: Tensor) -> bool:
        """Whether a value has a name that the user did not give."""
        naming = self.program.naming
        return tensor.definition is not None and tensor in naming.names and not naming.is_users(tensor)

    def _called(self, tensor: Tensor) -> str:
        name = self.program.naming.names.get(tensor)
        if name is not None:
            return name.text
        return text(self.program.equation(tensor).right)


def _reduced(tensor: Tensor, sizes: Mapping[str, int]) -> int:
    """Terms of one element."""
    assert tensor.definition is not None
    return int(sp.Mul(*tensor.definition.extents).xreplace({Dim(name): sp.Integer(n) for name, n in sizes.items()}))


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


def _shown(place: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, place))}]" if place else ""
