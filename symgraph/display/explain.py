"""The whole table of a training program: forward, backward, update; index form and matrix form side by side.

In: a loss, an optimiser if there is one, what to differentiate by. Out: an object to print, in text, HTML or LaTeX.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import sympy as sp

from symgraph.core.define import as_tensor
from symgraph.core.graph import topological
from symgraph.core.indices import show_shape
from symgraph.core.kept import cached_property
from symgraph.core.misuse import explained
from symgraph.core.mode import in_mode
from symgraph.core.recurrence import recurrence_of
from symgraph.core.state import checked_updates
from symgraph.core.tensor import Tensor
from symgraph.core.unfolded import in_steps
from symgraph.derive.differentiate import Cotangent, reverse
from symgraph.display.latex_names import latex_name
from symgraph.display.matrix import matrix_form
from symgraph.display.names import ratio
from symgraph.display.notation import Entry, Name
from symgraph.display.program import Equation, Program, sweep_pairs
from symgraph.display.retell import retold
from symgraph.display.table import Explanation, Row, Section
from symgraph.stabilise import stabilise
from symgraph.vocabulary.updating import Optimizer, Update, checked_optimizer

MAX_PARAMETERS = 8
_KINDS = {
    "input": "inputs", "labels": "labels", "parameter": "parameters", "state": "states", "random": "random",
    "scalar": "scalars",
}  # fmt: skip


@explained
def explain(
    loss: Any,
    optimizer: Optimizer | None = None,
    wrt: Iterable[Any] | None = None,
    updates: Mapping[Tensor, Any] | None = None,
) -> Explanation:
    """The formulas of a loss, of its gradients and of the updates.

    Parameters
    ----------
    loss : scalar.
    optimizer : adds the section of updates; the formulas are then those of training.
    wrt : what to differentiate by; all parameters unless told.
    updates : next values of states, as ``train_step`` takes them.

    Raises
    ------
    DomainError
        if ``optimizer`` is none: what to differentiate by is told with ``wrt``.
    """
    if optimizer is not None:
        checked_optimizer("explain", optimizer)
    states = checked_updates(updates)
    roots = [as_tensor(loss), *states.values()]
    output, *values = in_mode(roots, "train") if optimizer is not None or states else roots
    if wrt is None:
        targets = sorted((t for t in topological([output]) if t.kind == "parameter"), key=lambda t: t.age)
    else:
        targets = [as_tensor(variable) for variable in wrt]
    states = dict(zip(states, values, strict=True))
    return Table(output, targets, optimizer, states).explanation()


class Table:
    """What is said about one loss: its cotangents, their names, and the rows of the table."""

    def __init__(
        self,
        output: Tensor,
        targets: list[Tensor],
        optimizer: Optimizer | None = None,
        states: Mapping[Tensor, Tensor] | None = None,
    ) -> None:
        self.targets, self.optimizer = targets, optimizer
        self.cotangents: Mapping[Tensor, Cotangent] = reverse(output, targets) if targets else {}
        self.root = output
        self.forward = topological([self.root])
        rank = {tensor: position for position, tensor in enumerate(self.forward)}
        last = {target: position for position, target in enumerate(targets) if target.definition is None}
        self.sweep = sorted(self.cotangents.values(), key=lambda c: (last.get(c.of, -1), -rank[c.of]))
        self.slopes = {t: self.cotangents[t] for t in targets if t in self.cotangents}
        self.results = [c.result for c in self.slopes.values() if c.result is not None]
        needed = set(topological(self.results))
        self.sweep = [c for c in self.sweep if c.result in needed or c in self.slopes.values()]
        self.updates = self._updates() + [Update(leaf, value, None) for leaf, value in (states or {}).items()]
        self.program = Program(
            [self.root, *self.results, *(update.value for update in self.updates)],
            named=[self.root, *(c.of for c in self.slopes.values())],
            given=self._new_values(),
            pairs=sweep_pairs(self.root, [(c.of, c.result) for c in self.sweep if c.contributions]),
        )
        self.names = self.program.naming.names
        self.begun: set[Tensor] = set()

    def explanation(self) -> Explanation:
        inside = set(self.forward)
        loops = {found[0] for found in map(recurrence_of, self.forward) if found is not None}
        for tensor in self.program.naming.order:
            found = recurrence_of(tensor)
            if found is not None and found[0] in loops:
                inside.add(tensor)  # what its steps compute beside what is asked for
        named = [t for t in in_steps(self.program.naming.order) if t.definition is not None and t in self.names]
        forward = [self._row(t) for t in named if t in inside]
        rows: dict[Tensor, Row] = {}
        backward = self._backward(inside, rows) if self.slopes else []
        updates = self._update_rows(inside, rows) if self.updates else []
        before, after = self._as_computed({row.cells()[1] for row in (*forward, *backward, *updates)})
        titled = {
            "Forward": forward,
            "Forward as computed": before,
            "Backward": backward,
            "Backward as computed": after,
            f"Update ({self.optimizer.name})" if self.optimizer else "Update": updates,
        }
        sections = tuple(Section(title, tuple(found)) for title, found in titled.items() if found or title == "Forward")
        return Explanation(tuple(self._given()), sections, tuple(self._notes()))

    def _row(self, tensor: Tensor, equation: Equation | None = None, name: Name | None = None, sign: str = "=") -> Row:
        equation = equation or self.program.equation(tensor)
        matrix = matrix_form(self.program.arranger, tensor)
        shown = (name or self.names[tensor]).text
        return Row(f"{shown} {show_shape(tensor.shape)}" if tensor.ndim else shown, equation, matrix, sign)

    def _backward(self, inside: set[Tensor], rows: dict[Tensor, Row]) -> list[Row]:
        repeated: list[Row] = []
        for cotangent in self.sweep:
            result = cotangent.result
            if result is None or not cotangent.contributions:
                continue
            if self.program.naming.pair(result) == (self.root, cotangent.of):
                self._add_with_operands(result, rows, inside)
            elif cotangent.of in self.slopes or cotangent in self.slopes.values():
                self._add_operands([result] if result in self.names else self.program.reads(result), rows, inside)
                repeated.append(self._alias(cotangent, result))
        return [*rows.values(), *repeated]

    def _add_with_operands(self, tensor: Tensor, rows: dict[Tensor, Row], inside: set[Tensor]) -> None:
        """The row of a value, after those of all that it reads and no earlier row has shown."""
        if tensor.definition is not None and tensor not in rows and tensor not in inside and tensor not in self.begun:
            self.begun.add(tensor)  # a value of a loop reads itself
            self._add_operands(self.program.reads(tensor), rows, inside)
            rows[tensor] = self._told(tensor)

    def _told(self, tensor: Tensor) -> Row:
        """The row of a value, in the shortest of its forms if it is a gradient that was asked for."""
        found = [self._row(tensor)]
        for form in retold(tensor, self.forward) if tensor in self.results else ():
            arranger, plain = self.program.arranger, found[0].equation
            equation = Equation(tensor, plain.left, plain.indices, arranger.right(form, tensor))
            found.append(Row(found[0].name, equation, matrix_form(arranger, form, tensor)))
        return min(found, key=lambda row: len(row.cells()[1]))

    def _add_operands(self, operands: Iterable[Tensor], rows: dict[Tensor, Row], inside: set[Tensor]) -> None:
        for operand in sorted(operands, key=self.program.naming.position.__getitem__):
            self._add_with_operands(operand, rows, inside)

    def _alias(self, cotangent: Cotangent, result: Tensor) -> Row:
        """A cotangent that is another value of the program: ∂J/∂b = ∂J/∂a."""
        name = ratio(self.names[self.root], self.names[cotangent.of])
        indices = tuple(self.program.arranger.scope(cotangent.of).called.values())
        named = result in self.names
        right = Entry(self.names[result], indices) if named else self.program.arranger.right(result)
        matrix = Entry(self.names[result]) if named else matrix_form(self.program.arranger, result)
        shown = f"{name.text} {show_shape(result.shape)}" if result.ndim else name.text
        return Row(shown, Equation(result, Entry(name, indices), indices, right), matrix)

    # -- updates --------------------------------------------------------------------------------------------------
    def _updates(self) -> list[Update]:
        if self.optimizer is None:
            return []
        shown = dict(list(self.slopes.items())[:MAX_PARAMETERS])
        return self.optimizer.updates({t: c.result for t, c in shown.items() if c.result is not None})

    def _new_values(self) -> dict[Tensor, Name]:
        """A stored value after its update is written with a prime: v′."""
        found: dict[Tensor, Name] = {}
        for update in self.updates:
            if update.value.definition is not None and update.leaf.init is None:
                found[update.value] = Name(f"{update.leaf.name}′", f"{latex_name(str(update.leaf.name))}'")
        return found

    def _update_rows(self, inside: set[Tensor], shown: dict[Tensor, Row]) -> list[Row]:
        """The updates, each after what it reads and no row has shown; ``shown`` are the rows of the backward pass."""
        rows: list[Row] = []
        told = dict(shown)
        for update in self.updates:
            scope = self.program.arranger.scope(update.leaf)
            indices = tuple(scope.called.values())
            name = self.names.get(update.leaf) or Name(str(update.leaf.name), latex_name(str(update.leaf.name)))
            left = Entry(self.names.get(update.value, name) if update.leaf.init is None else name, indices)
            right = self.program.arranger.right(update.value)
            sign = "=" if update.leaf.init is None else "←"
            count = len(told)
            self._add_operands(self.program.reads(update.value), told, inside)
            rows += list(told.values())[count:]
            row = self._row(update.value, Equation(update.value, left, indices, right), left.name, sign)
            rows.append(told.setdefault(update.value, row))
        return rows

    # -- what is given, what holds ---------------------------------------------------------------------------------
    def _given(self) -> list[str]:
        """Leaves by kind, with shapes, in the order of declaration."""
        leaves = sorted((t for t in self.program.naming.order if t.definition is None), key=sp.default_sort_key)
        lines = []
        for kind, title in _KINDS.items():
            found = [t for t in leaves if t.kind == kind and (kind != "state" or t.init is not None)]
            if found:
                lines.append(f"{title}: {', '.join(_declared(leaf, self.names[leaf].text) for leaf in found)}")
        return lines

    def computed(self) -> tuple[Program, set[Tensor]]:
        """The program by the formulas that run, stabilised all at once, under the same names; and its forward part."""
        return self._computed

    @cached_property
    def _computed(self) -> tuple[Program, set[Tensor]]:
        roots = [self.root, *self.results, *(update.value for update in self.updates)]
        sources = list(dict.fromkeys([*roots, *self.names, *(c.of for c in self.sweep)]))
        form = dict(zip(sources, stabilise(sources), strict=True))
        given: dict[Tensor, Name] = {}
        for source, name in self.names.items():
            given.setdefault(form[source], name)
        swept = [(form[c.of], form.get(c.result)) for c in self.sweep if c.contributions and c.result is not None]
        pairs = sweep_pairs(form[self.root], swept)
        inside = set(topological([form[t] for t in self.forward if t in form]))
        return Program([form[root] for root in roots], given=given, pairs=pairs), inside

    def _as_computed(self, shown: set[str]) -> tuple[list[Row], list[Row]]:
        """What a program computes by another formula than is declared, forward and backward."""
        stable, inside = self.computed()
        sides: tuple[list[Row], list[Row]] = [], []
        for tensor in topological(stable.outputs):
            if tensor.definition is None or tensor not in stable.naming.names:
                continue
            equation = stable.equation(tensor)
            if str(equation) not in shown:
                called = stable.naming.names[tensor].text
                label = f"{called} {show_shape(tensor.shape)}" if tensor.ndim else called
                sides[tensor not in inside].append(Row(label, equation, matrix_form(stable.arranger, tensor)))
        return sides

    def _notes(self) -> list[str]:
        notes = []
        bodies = [t.definition for t in self.forward if t.definition is not None]
        if any(d.body.has(sp.Max, sp.Min) for d in bodies):
            notes.append("max(u, c)′ = 0 at u = c: a branch that is not taken has derivative 0 (ReLU′(0) = 0).")
        if any(d.body.has(sp.Abs) for d in bodies):
            notes.append("|u|′ = sign(u), 0 at u = 0.")
        if any(d.op in ("max", "min") for d in bodies):
            notes.append(
                "A maximum or minimum over an axis passes its derivative to the first element that attains it."
            )
        if any(d.body.has(sp.sign, sp.floor, sp.ceiling) for d in bodies):
            notes.append("sign, floor and ceiling count as locally constant.")
        rules = {step.rule for c in self.cotangents.values() for step in _all_steps(c)}
        if "rows sum to 1" in rules:
            facts = [str(t.name) for t in self.forward if t.rows_sum_to_one]
            notes.append(f"Declared and used: the rows of {', '.join(facts)} sum to 1.")
        hidden = len(self.slopes) - MAX_PARAMETERS
        if self.optimizer is not None and hidden > 0:
            notes.append(f"The other {hidden} parameters are updated by the same formulas.")
        return [*notes, *self._matrix_notes()]

    def _matrix_notes(self) -> list[str]:
        if all(tensor.ndim == 0 for tensor in self.forward):
            return []
        return ["Matrix form: functions, ⊙ and ⊘ are element-wise; an array that lacks an axis is repeated along it."]


def _declared(tensor: Tensor, name: str) -> str:
    shape = show_shape(tensor.shape) if tensor.ndim else ""
    classes = f" in 0…{tensor.classes - 1}" if tensor.classes is not None else ""
    distribution = f" ~ {tensor.draw.distribution.shown}" if tensor.draw is not None else ""
    return f"{name} {shape}".rstrip() + classes + distribution


def _all_steps(cotangent: Cotangent) -> list[Any]:
    return [*cotangent.steps, *(step for c in cotangent.contributions for steps in c.steps for step in steps)]
