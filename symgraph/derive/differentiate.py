"""The one derivative rule: the reverse-mode chain rule in index form.

For every element X[e] that occurs in the body of Y[f] = R_b body::

    X̄[m]  +=  Σ_{f, b}  Ȳ[f] · ∂body/∂X[e] · δ(m, e)

A plain or affine index is solved away; an index that is a label stays as δ. There is no table of tensor gradients.
Each cotangent is kept in two equal forms: *full*, a formula over forward values, in which cancellations can happen, and
*reference*, in which earlier cotangents are elements. The cheaper one becomes its definition.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, overload

import sympy as sp

from symgraph.core.cases import Cases, either
from symgraph.core.cost import READ, cost
from symgraph.core.define import as_tensor
from symgraph.core.digits import recombined
from symgraph.core.external import cotangents
from symgraph.core.graph import elements_of, operands, topological
from symgraph.core.indices import Index, axis, bound, extents_of, fresh, show_shape
from symgraph.core.misuse import explained
from symgraph.core.provenance import at_line
from symgraph.core.recurrence import Recurrence, recurrence_of
from symgraph.core.shown import Shown
from symgraph.core.solve import solve
from symgraph.core.tensor import Definition, Element, Tensor
from symgraph.core.views import Views
from symgraph.derive.forms import inner_cost, may_cancel, new_sums, summed_form
from symgraph.derive.relations import Relations
from symgraph.derive.through_time import contributions
from symgraph.errors import DisconnectedError, DomainError
from symgraph.series.removable import with_limit
from symgraph.simplify import LEFT, Step, partial
from symgraph.simplify.branches import guarded_product, holds_somewhere
from symgraph.simplify.finite import FiniteValues, for_some, guarded, support, within
from symgraph.simplify.selections import before_branches, split
from symgraph.simplify.sums import reduction

MAX_FULL_COST = 40.0  # beyond that a cotangent goes on as an element
MAX_WHOLE_COST = 8.0  # likewise where it has no denominator that could cancel
MAX_PENDING_COST = 16.0  # likewise where its full form is not the cheaper one, but might cancel later


@dataclass(slots=True)
class Contribution:
    """What one occurrence of X in Y's body adds to X̄: Σ_over Ȳ[at]·∂Y[at]/∂X[m].

    ``terms`` are the products of the chain rule, ``steps`` what simplified them, for the full and the reference form.
    """

    consumer: Tensor
    at: tuple[sp.Expr, ...]
    over: tuple[Index, ...]
    terms: tuple[sp.Expr, sp.Expr]
    full: sp.Expr
    reference: sp.Expr
    steps: tuple[list[Step], list[Step]]


@dataclass(slots=True)
class Cotangent:
    """∂J/∂X of one tensor: contributions, the steps that combine them, and the definition that results.

    ``folded`` says that the full form became the definition, not the one in which earlier cotangents are elements.
    Outside ``guard`` it is 0 because a branch is not taken: what it is multiplied by there need not be finite. Nor
    where no label reads X, outside ``reached``; that is asked for only beside a slope that has a pole.
    """

    of: Tensor
    contributions: list[Contribution] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    full: sp.Expr = sp.S.Zero
    folded: bool = True
    result: Tensor | None = None
    guard: sp.Basic = sp.false
    reached: sp.Basic = sp.false

    @property
    def element(self) -> sp.Expr:
        """The result at its axes, with the δ of indices that say where it is not 0: what it is multiplied by elsewhere
        need not be a number."""
        assert self.result is not None
        definition = self.result.definition
        if definition is None or definition.op is not None:
            return self.result.element
        places, _ = split(before_branches(definition.body))
        return sp.Mul(*(place for place in sp.Mul.make_args(places) if not elements_of(place)), self.result.element)

    @property
    def is_left(self) -> bool:
        """Whether a formula on the way to the definition was left as the chain rule gave it."""
        traces = [c.steps[0 if self.folded else 1] for c in self.contributions]
        return any(step.rule == LEFT for steps in [self.steps, *traces] for step in steps)


class Gradients(Shown, dict[Tensor, Tensor]):
    """Gradients by tensor; a leaf's gradient also by its name.

    ``left`` are the tensors whose cotangents, on the way from the loss, algebra left as the chain rule gave them.
    """

    left: tuple[Tensor, ...] = ()

    def __repr__(self) -> str:
        """``<gradients of W1 (64, 32), b1 (32,)>``; each prints as its formula."""
        of = (f"{tensor.display_name} {show_shape(tensor.shape)}".rstrip() for tensor in self)
        return f"<gradients of {', '.join(of)}>"

    def __missing__(self, key: object) -> Tensor:
        for tensor, gradient in self.items():
            if tensor.name == key or tensor is key:
                return gradient
        if isinstance(key, sp.Basic) and as_tensor(key) in self:
            return self[as_tensor(key)]
        raise KeyError(f"no gradient with respect to {key} was asked for; there are {', '.join(map(_told, self))}")


def _told(tensor: Tensor) -> str:
    return str(tensor.name or tensor.display_name)


@overload
def grad(
    loss: Tensor, wrt: list[Any] | tuple[Any, ...], *, disconnected: str = "error", simplify: bool = True
) -> Gradients: ...
@overload
def grad(loss: Tensor, wrt: Any, *, disconnected: str = "error", simplify: bool = True) -> Tensor: ...
@explained
def grad(loss: Any, wrt: Any, *, disconnected: str = "error", simplify: bool = True) -> Any:
    """Gradient of a scalar with respect to tensors: inputs, parameters, plain symbols, or values in between.

    Parameters
    ----------
    loss : scalar (shape ``()``).
    wrt : one tensor, or a list of them.
    disconnected : ``"error"``, or ``"zero"`` to get zeros for what the loss does not depend on.
    simplify : False for the bare chain rule, term by term, as the oracle of what simplification does.

    Returns
    -------
    A tensor of the shape of ``wrt``, again an expression: ``grad`` of it works. For a list, a dict by tensor and name.

    Raises
    ------
    DomainError
        if the loss is no scalar, or labels are differentiated.
    DisconnectedError
        if the loss does not depend on one of them.
    """
    several = isinstance(wrt, (list, tuple))
    tensors = [as_tensor(variable) for variable in (wrt if several else [wrt])]
    cotangents = reverse(loss, tensors, simplify)
    found = Gradients()
    found.left = tuple(cotangent.of for cotangent in cotangents.values() if cotangent.is_left)
    for tensor in tensors:
        cotangent = cotangents.get(tensor)
        if cotangent is not None and cotangent.result is not None:
            found[tensor] = cotangent.result
        elif disconnected == "zero":
            found[tensor] = Tensor.define(tensor.shape, sp.S.Zero)
        else:
            name = f"{tensor.display_name}{show_shape(tensor.shape)}"
            raise DisconnectedError(at_line(f"the loss does not depend on {name}, declared at {tensor.place}"))
    return found if several else found[tensors[0]]


def gradient(loss: Any, wrt: Tensor) -> Tensor:
    """Gradient with respect to one tensor, zeros where the loss does not depend on it."""
    return grad(loss, [wrt], disconnected="zero")[wrt]


def reverse(
    loss: Any, wrt: Iterable[Tensor], simplify: bool = True, cuts: Iterable[Tensor] = ()
) -> dict[Tensor, Cotangent]:
    """Run the sweep; every cotangent on the way from the loss to ``wrt``, under the tensors it belongs to.

    A value in ``cuts`` gets a cotangent of its own, where algebra would look through it: for reading.
    """
    output, targets = as_tensor(loss), list(wrt)
    if output.ndim:
        raise DomainError(
            at_line(f"a gradient needs a scalar; {output.display_name} has shape {show_shape(output.shape)}: "
                    "sum it, or take sg.jacobian")
        )  # fmt: skip
    for target in targets:
        if target.dtype != "real":
            values = {"integer": "integers", "boolean": "truth values"}[target.dtype]
            values = "class labels" if target.is_label else values
            raise DomainError(at_line(f"{target.display_name} holds {values} and has no derivative"))
    inside = set(topological([output]))
    sweep = _Sweep(output, [target for target in targets if target in inside], simplify, cuts)
    sweep.run()
    return sweep.cotangents


def _depending(order: list[Tensor], targets: set[Tensor]) -> set[Tensor]:
    """Tensors that are a target or depend on one."""
    found: set[Tensor] = set()
    for tensor in order:
        definition = tensor.definition
        differentiable = definition is not None and definition.op not in ("argmax", "argmin")
        if tensor in targets or (differentiable and any(operand in found for operand in operands(tensor))):
            found.add(tensor)
    return found


class _Sweep:
    def __init__(self, root: Tensor, targets: list[Tensor], simplify: bool, cuts: Iterable[Tensor]) -> None:
        self.root, self.targets, self.simplify = root, set(targets), simplify
        self.views = Views([root], [*targets, *cuts])
        self.needed = _depending(self.views.order, set(targets))
        self.relations = Relations(self.views)
        self.values = FiniteValues(self.views.order)
        self.cotangents: dict[Tensor, Cotangent] = {}
        self.loops: dict[Recurrence, list[Tensor]] = {}
        for tensor in self.views.order:
            found = recurrence_of(tensor)
            if found is not None:
                self.loops.setdefault(found[0], []).append(tensor)

    def run(self) -> None:
        for tensor in reversed(self.views.order):
            reached = tensor is self.root or tensor in self.cotangents
            if tensor in self.needed and (reached or (tensor in self.targets and self.root in self.needed)):
                self._finish(tensor)
                definition = self.views.definition(tensor)
                if definition is not None and definition.op != "recurrence":
                    self._propagate(tensor, definition)
            found = recurrence_of(tensor)
            if found is not None and self.loops[found[0]][0] is tensor:
                self._through_time(found[0])

    def _through_time(self, recurrence: Recurrence) -> None:
        """Once all values of a recurrence have their cotangents: what it adds to those of its operands."""
        given: dict[Tensor, Tensor] = {}
        for tensor in self.loops[recurrence]:
            cotangent, found = self.cotangents.get(tensor), recurrence_of(tensor)
            if cotangent is not None and cotangent.result is not None and cotangent.full != 0 and found is not None:
                given[found[1]] = cotangent.result
        if not given:
            return

        def rule(loss: Tensor, wrt: list[Tensor]) -> dict[Tensor, Tensor]:
            found = reverse(loss, wrt, self.simplify)
            return {t: cotangent.result for t, cotangent in found.items() if cotangent.result is not None}

        for operand, value in contributions(self.root, recurrence, given, self.needed, rule):
            self._add(self.loops[recurrence][0], operand, value)

    def _add(self, consumer: Tensor, operand: Tensor, value: Tensor) -> None:
        """A whole tensor to the cotangent of an operand."""
        cotangent, full = self.cotangents.setdefault(operand, Cotangent(operand)), value.element
        cotangent.guard = cotangent.reached = sp.true
        at = tuple(axis(d) for d in range(operand.ndim))
        cotangent.contributions.append(Contribution(consumer, at, (), (full, full), full, full, ([], [])))

    def _finish(self, tensor: Tensor) -> None:
        """Combine the contributions to a tensor's cotangent and choose the form that becomes its definition."""
        cotangent = self.cotangents.setdefault(tensor, Cotangent(tensor))
        if tensor is self.root and not cotangent.contributions:
            full = reference = sp.S.One
            cotangent.guard = cotangent.reached = sp.true
        elif not self.simplify:
            full = reference = sp.Add(*(c.reference for c in cotangent.contributions))
        else:
            total = sp.Add(*(c.full for c in cotangent.contributions))
            full, cotangent.steps = self.relations.simplify(total)
            other = sp.Add(*(c.reference for c in cotangent.contributions))
            reference, other_steps = (full, cotangent.steps) if other == total else self.relations.simplify(other)
        folds = cotangent.folded = full == reference or cost(full) < self._cost_with_operands(reference, tensor.ndim)
        if not folds:
            cotangent.steps = other_steps
        chosen, limit = (full, MAX_FULL_COST) if folds else (reference, MAX_PENDING_COST)
        result = cotangent.result = self._named(tensor, chosen)
        if result.definition is not None and result.definition.op is not None:
            full = result.element  # the sum under the cotangent's own name
        limit = limit if may_cancel(full) else min(limit, MAX_WHOLE_COST)
        cotangent.full = full if self.simplify and cost(full) <= limit else cotangent.element

    def _named(self, tensor: Tensor, value: sp.Expr) -> Tensor:
        """A cotangent's definition, which knows what it is a cotangent of."""
        if recurrence_of(tensor) is not None:
            return Tensor.define(tensor.shape, value)  # a part of what it is in the loop that runs the other way
        of = (self.root, tensor)
        if not isinstance(value, Element) or not value.is_all_of(tensor.shape):
            return Tensor.define(tensor.shape, value, cotangent_of=of)
        same = value.tensor
        definition = same.definition
        known = same.cotangent_of is not None or same in self.views.bodies or same.definition is None
        if definition is not None and definition.op not in (None, "recurrence") and not known:
            return Tensor.define(tensor.shape, definition.body, definition.op, definition.extents, of)
        return Tensor.define(tensor.shape, value, cotangent_of=of) if tensor.definition is None else same

    def _cost_with_operands(self, reference: sp.Expr, rank: int) -> float:
        """Cost of a reference form and of the pointwise cotangents it refers to; one of lower rank counts half."""
        total = cost(reference)
        for tensor in {element.tensor for element in elements_of(reference)}:
            definition = tensor.definition
            if tensor.cotangent_of is not None and definition is not None and definition.op is None:
                total += (cost(definition.body) - READ) * (0.5 if tensor.ndim < rank else 1.0)
        return total

    def _propagate(self, tensor: Tensor, definition: Definition) -> None:
        """Apply the rule to every element in a definition's body."""
        cotangent = self.cotangents[tensor]
        result = cotangent.result
        assert result is not None
        if cotangent.full == 0:
            return
        if definition.op == "external":
            for operand, value in cotangents(tensor, result):
                if operand in self.needed:
                    self._add(tensor, operand, value)
            return
        varies = any(element.tensor.kind != "scalar" for element in elements_of(cotangent.full))
        plain = isinstance(cotangent.full, Element) or (not varies and cost(cotangent.full) <= MAX_WHOLE_COST)
        reference = cotangent.full if plain else cotangent.element
        body, extents = definition.body, definition.extents
        if definition.op in ("max", "min"):
            best = Tensor.define(tensor.shape, body, "argmax" if definition.op == "max" else "argmin", extents)
            body, extents = body.xreplace({bound(0): best.element}), ()
        indices = [*map(axis, range(tensor.ndim)), *map(bound, range(len(extents)))]
        size_of = dict(zip(indices, [*tensor.shape, *extents], strict=True))
        rename = {index: fresh(n) if size_of[index] != 1 else sp.S.Zero for n, index in enumerate(indices)}
        sizes = {rename[index]: size for index, size in size_of.items() if size != 1}
        for element in elements_of(body):
            if element.tensor not in self.needed:
                continue
            slope = with_limit(partial(body, element), body, element)
            if slope == 0:
                continue
            forms = [cotangent.full, reference]
            if not self.values.is_finite(slope, overflow=True):
                where = cotangent.guard if self.values.is_finite(slope) else cotangent.reached
                forms = [guarded(form, where) for form in forms]
            self._contribute(tensor, element, slope, forms, rename, sizes)

    def _contribute(
        self,
        consumer: Tensor,
        element: Element,
        slope: sp.Expr,
        forms: list[sp.Expr],
        rename: dict[Index, sp.Expr],
        sizes: dict[Index, sp.Expr],
    ) -> None:
        given = self.cotangents[consumer]
        operand = self.cotangents.setdefault(element.tensor, Cotangent(element.tensor))
        found = solve(element, rename, sizes)
        deltas, guard, left = found.deltas, found.where, tuple(found.left)
        at = tuple(found.rename[axis(d)] for d in range(consumer.ndim))
        extents = extents_of(element.tensor.shape) | found.left
        solved = {index: value for index, value in found.rename.items() if index != value}
        slope = slope.xreplace(solved)
        own = sp.And(guard, support(slope), support(deltas))
        taken, reached = (
            sp.And(known.xreplace(solved), own) if holds_somewhere(known.xreplace(solved), own) else sp.false
            for known in (given.guard, given.reached)
        )
        operand.guard = either(operand.guard, within(taken, left))
        operand.reached = either(operand.reached, for_some(reached, left, extents))
        terms: list[sp.Expr] = []
        for form in forms:
            term = guarded_product(form.xreplace(solved), slope).xreplace(found.same)
            term = recombined(guarded_product(deltas, term))
            terms.append(term if guard == sp.true else Cases((term, guard), (0, True)))
        if not self.simplify:
            bare = reduction(terms[1], left, extents) if left else terms[1]
            contribution = Contribution(consumer, at, left, (terms[1], terms[1]), bare, bare, ([], []))
            operand.contributions.append(contribution)
            return
        full, steps = self.relations.simplify(terms[0])
        reference, other_steps = (full, steps) if terms[1] == terms[0] else self.relations.simplify(terms[1])
        if left:
            full_sum, full_steps = summed_form(full, left, extents)
            reference_sum, reference_steps = summed_form(reference, left, extents)
            if not new_sums(full_sum, full) and not new_sums(reference_sum, reference):
                full, reference = full_sum, reference_sum
                steps, other_steps = steps + full_steps, other_steps + reference_steps
            elif reference_sum == full_sum or inner_cost(full_sum) < inner_cost(reference_sum):
                full = reference = full_sum
                steps = other_steps = steps + full_steps
                terms[1] = terms[0]
            else:
                full = reference = reference_sum
                steps = other_steps = other_steps + reference_steps
                terms[0] = terms[1]
        contribution = Contribution(consumer, at, left, (terms[0], terms[1]), full, reference, (steps, other_steps))
        operand.contributions.append(contribution)
