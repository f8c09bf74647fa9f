"""Leaves out what nobody reads of rows, and what is 0 of them: the steps of a recurrence behind the end of a short row.

    s[n, j] = Σ_k h[n, k]·V[k, j],  i[n, j] = σ(s[n, j]),  c′[n, j] = {i[n, j]·g[n, j] if t < length[n], else c[n, j]}
    →   i[n, j] = {σ(s[n, j]) if t < length[n], else 0},  s[n, j] = {Σ_k h[n, k]·V[k, j] if t < length[n], else 0}

    g[t, n, j] = {… if t < length[n], else 0}     →     Σ_{t,n} g[t, n, j]·x[t, n, k] without the terms where g is 0

A condition is one of order, of places and of integers that are given. Where it does not hold, a value that nobody reads
there is 0: nothing is computed, and a product has the rows and terms alone for which it holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import sympy as sp

from codegen.plan.contraction import Contraction, contraction_of
from symgraph.core.cases import Cases, Fails
from symgraph.core.graph import elements_of, rewrite, topological
from symgraph.core.indices import Index, axis
from symgraph.core.rebuild import replaced
from symgraph.core.recurrence import Recurrence, below, recurrence_of, with_changed_steps, with_steps
from symgraph.core.tensor import Definition, Element, Tensor
from symgraph.core.views import at_indices, has_kernel, inlined

Conditions = frozenset[sp.Basic]
"""All of them hold; of none, always."""
ALWAYS: Conditions = frozenset()
TOTAL = (sp.Add, sp.Mul, sp.Piecewise, sp.Max, sp.Min, sp.sin, sp.cos, sp.tanh, sp.atan, sp.exp)
"""What is made of numbers is a number, whatever they are."""


def guard_values(roots: Sequence[Tensor]) -> dict[Tensor, Tensor]:
    """The replacement of every tensor under ``roots``: functions of rows are computed where they are read."""
    order = topological(roots)
    if not _have_conditions(order):
        return {tensor: tensor for tensor in order}
    needed = _Known(roots, guards=True).needed

    def change(tensor: Tensor, definition: Definition) -> Tensor:
        if definition.op == "recurrence":
            return tensor.redefined(with_changed_steps(definition, change))
        asked = _asked(tensor, needed.get(tensor, ALWAYS))
        return tensor.redefined(Definition(None, (), _guarded(definition.body, asked)) if asked else definition)

    return rewrite(roots, change)


def _asked(tensor: Tensor, needed: Conditions) -> list[sp.Basic]:
    """Conditions on its rows that a value is computed under: one that takes long, and is none of several cases."""
    definition = tensor.definition
    assert definition is not None
    if definition.op is not None or isinstance(definition.body, sp.Piecewise) or not has_kernel(definition.body):
        return []
    return [condition for condition in needed if tensor.ndim and axis(tensor.ndim - 1) not in condition.atoms(Index)]


def leave_out(roots: Sequence[Tensor]) -> dict[Tensor, Tensor]:
    """The replacement of every tensor under ``roots``: a product says which of its rows are read, or which of its
    operand's rows are other than 0."""
    order = topological(roots)
    if not _have_conditions(order):
        return {tensor: tensor for tensor in order}
    known = _Known(roots, guards=False)

    def change(tensor: Tensor, definition: Definition) -> Tensor:
        found = contraction_of(tensor)
        asked = [] if found is None else known.left_of(tensor, found)
        if asked:
            definition = Definition(definition.op, definition.extents, _guarded(definition.body, asked))
        return tensor.redefined(definition)

    return rewrite(roots, change)


def _about(conditions: Conditions, indices: set[Index]) -> list[sp.Basic]:
    return [condition for condition in conditions if condition.atoms(Index) <= indices]


def _guarded(body: sp.Expr, asked: Iterable[sp.Basic]) -> sp.Expr:
    """A body that is 0 where some conditions do not hold."""
    asked = sorted(asked, key=sp.default_sort_key)
    if isinstance(body, sp.Piecewise):
        (body, condition), _ = body.args
        asked = [condition, *asked]
    return Cases((body, sp.And(*asked)), (sp.S.Zero, sp.true))


# -- conditions -------------------------------------------------------------------------------------------------------
def is_condition(relation: sp.Basic) -> bool:
    """Whether a relation is one of order, of places and of integers that are given."""
    if not isinstance(relation, (sp.Lt, sp.Le, sp.Gt, sp.Ge)):
        return False
    elements = elements_of(relation)
    return any(e.tensor.dtype == "integer" for e in elements) and all(e.tensor.definition is None for e in elements)


def _in(test: sp.Basic) -> Conditions:
    return frozenset(filter(is_condition, map(_seen_through, sp.And.make_args(test))))


def _seen_through(relation: sp.Basic) -> sp.Basic:
    """A relation over what is given, where it reads other views of that."""
    while views := {e: inlined(e) for e in elements_of(relation) if _is_view(e.tensor)}:
        relation = replaced(relation, views)
    return relation


def _is_view(tensor: Tensor) -> bool:
    """Whether a value is elements of another one, or its own places."""
    definition = tensor.definition
    return definition is not None and definition.op is None and isinstance(definition.body, Element | Index)


def _have_conditions(order: Iterable[Tensor]) -> bool:
    for tensor in with_steps(order):
        branches = set() if tensor.definition is None else tensor.definition.body.atoms(sp.Piecewise)
        if any(_in(test) for one in branches for _, test in one.args):
            return True
    return False


def _outside(condition: sp.Basic, recurrence: Recurrence) -> sp.Basic | None:
    """A condition of a step as one of all steps, the first axis; None if it is about what the step computes."""
    loop, rule = recurrence.loop, dict[sp.Basic, sp.Basic]()
    filled = dict(zip(loop.slots, recurrence.operands, strict=True))
    free = (index for index in condition.atoms(Index) if not index.name.startswith("_r"))
    later = {index: axis(int(index.name[1:]) + 1) for index in free}
    for element in elements_of(condition):
        operand = filled.get(element.tensor)
        if operand is None or element.tensor in loop.carries:
            return None
        step = (axis(0),) if element.tensor in loop.inputs else ()
        places = (*step, *(replaced(place, later) for place in element.indices))
        rule[element] = Element(operand, *places)
    found = _seen_through(replaced(condition, {**later, **rule}))
    return found if is_condition(found) else None


def _all_outside(conditions: Conditions, recurrence: Recurrence) -> Conditions:
    outside = (_outside(condition, recurrence) for condition in conditions)
    return frozenset(condition for condition in outside if condition is not None)


# -- values -----------------------------------------------------------------------------------------------------------
class _Known:
    """What is known of all values, and of those of steps, in their own indices: conditions that hold wherever a value
    is not 0, and wherever it is ``needed``, so that elsewhere it may as well be another number. With ``guards``, values
    that take long are going to be 0 there."""

    def __init__(self, roots: Sequence[Tensor], guards: bool) -> None:
        order, self.guards = topological(roots), guards
        self.nonzero: dict[Tensor, Conditions] = {}
        self._look(order)
        self.needed: dict[Tensor, Conditions] = dict.fromkeys(roots, ALWAYS)
        wanted: dict[Recurrence, dict[Tensor, Conditions]] = {}
        for tensor in reversed(order):
            for recurrence in [one for one in wanted if tensor in one.operands]:  # all its values have been met
                self._add_steps(recurrence, wanted.pop(recurrence))
            found = recurrence_of(tensor)
            if found is None:
                self._add_reads(self.needed, tensor)
            else:
                wanted.setdefault(found[0], {})[found[1]] = self.needed[tensor]

    def left_of(self, tensor: Tensor, product: Contraction) -> list[sp.Basic]:
        """What tells which rows of a product are left, or which terms of all its sums."""
        if product.right.indices[-1] is not product.column:
            return []
        left, right = self._nonzero(product.left), self._nonzero(product.right)
        rows = _about(self.needed[tensor] | left, {*product.outer, product.row})
        return rows or _about(left | right, {*product.outer, *product.depth})

    # -- what is not 0 ------------------------------------------------------------------------------------------------
    def _look(self, order: Iterable[Tensor]) -> None:
        for tensor in order:
            found, definition = recurrence_of(tensor), tensor.definition
            if found is not None:
                self._look(below([*found[0].loop.following, found[1]], self.nonzero))
                self.nonzero[tensor] = _all_outside(self.nonzero[found[1]], found[0])
            elif tensor not in self.nonzero:
                is_sum = definition is None or definition.op is not None
                self.nonzero[tensor] = ALWAYS if is_sum else self._nonzero(definition.body)  # type: ignore[union-attr]

    def _nonzero(self, body: sp.Expr) -> Conditions:
        """Conditions that hold wherever a formula is not 0."""
        if isinstance(body, sp.Mul):
            return ALWAYS.union(*map(self._nonzero, body.args))
        if isinstance(body, sp.Piecewise):
            return _in(body.args[0].cond) if len(body.args) == 2 and body.args[1].expr == 0 else ALWAYS
        if not isinstance(body, Element):
            return ALWAYS
        return frozenset(at_indices(condition, body.indices) for condition in self.nonzero.get(body.tensor, ALWAYS))

    # -- what is read -------------------------------------------------------------------------------------------------
    def _add_reads(self, needed: dict[Tensor, Conditions], tensor: Tensor) -> None:
        """What a definition reads."""
        definition = tensor.definition
        if definition is not None:
            guards = _asked(tensor, needed[tensor]) if self.guards else ()
            under = needed[tensor] if _is_total(definition.body) else frozenset(guards)
            for element, where in self._reads(definition, under):
                _add(needed, element.tensor, _own(element, where))

    def _reads(self, definition: Definition, under: Conditions) -> Iterator[tuple[Element, Conditions]]:
        """Every element of a formula, with the conditions under which it is read."""
        pending: list[tuple[sp.Basic, Conditions]] = [(definition.body, ALWAYS if definition.is_opaque else under)]
        while pending:
            body, under = pending.pop()
            if isinstance(body, Element):
                yield from ((element, under) for element in elements_of(body))
            elif isinstance(body, sp.Piecewise):
                for value, test in body.args:
                    pending += [(test, under), (value, under | _in(test))]
                    under |= _in(Fails(test))
            else:
                beside = ALWAYS if definition.is_opaque else self._nonzero(body)
                pending += [(part, under | beside if beside and _is_total(part) else under) for part in body.args]

    def _add_steps(self, recurrence: Recurrence, wanted: Mapping[Tensor, Conditions]) -> None:
        """What the steps of a recurrence read, of which some values are wanted at all steps."""
        loop = recurrence.loop
        steps = [value for value in below([*loop.following, *wanted], ()) if value.definition is not None]
        inside: dict[sp.Basic, sp.Basic] = {}
        for value in steps:
            for branches in value.definition.body.atoms(sp.Piecewise):  # type: ignore[union-attr]
                for condition in {c for _, test in branches.args for c in _in(test)}:
                    outside = _outside(condition, recurrence)
                    if outside is not None:
                        inside[outside] = condition
        own: dict[Tensor, Conditions] = dict.fromkeys(loop.following, ALWAYS)
        for value, conditions in wanted.items():
            _add(own, value, frozenset(inside[c] for c in conditions if c in inside))
        for value in reversed(steps):
            self._add_reads(own, value)
        for slot, operand in zip(loop.slots, recurrence.operands, strict=True):
            conditions = own.get(slot, ALWAYS) if slot in loop.inputs else ALWAYS
            _add(self.needed, operand, _all_outside(conditions, recurrence))
        for value in steps:
            _add(self.needed, value, own[value])


def _add(needed: dict[Tensor, Conditions], tensor: Tensor, conditions: Conditions) -> None:
    needed[tensor] = needed[tensor] & conditions if tensor in needed else conditions


def _is_total(body: sp.Basic) -> bool:
    """Whether a formula is a finite number whatever numbers its elements are: beside 0 it does not matter which."""
    pending = [body]
    while pending:
        part = pending.pop()
        if isinstance(part, sp.Piecewise):
            pending += [value for value, _ in part.args]
        elif isinstance(part, TOTAL) or (isinstance(part, sp.Pow) and part.exp.is_Integer and part.exp > 0):
            pending += part.args
        elif not (isinstance(part, Element | Index) or part.is_number):
            return False
    return True


def _own(element: Element, conditions: Conditions) -> Conditions:
    """Of conditions, those that are about the places of an element, in its tensor's own indices."""
    rule: dict[sp.Basic, sp.Basic] = {}
    for d, place in enumerate(element.indices):
        number, index = place.as_coeff_Add()
        if isinstance(index, Index):
            rule[index] = axis(d) - number
    return frozenset(replaced(c, rule) for c in conditions if c.atoms(Index) <= rule.keys())  # type: ignore[misc]
