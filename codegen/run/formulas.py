"""What a training step computes: gradients, simplified, and updates, derived when somebody reads them.

A step whose program is in the cache derives nothing until it is asked for its formulas, its source or its report.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from codegen.host.collector import resting
from codegen.plan.request import Request, leaves_in
from codegen.run.declared import in_order, with_chance
from codegen.run.singular import checked_value
from symgraph.core.kept import cached_property
from symgraph.core.tensor import Tensor
from symgraph.vocabulary.optimisers import Optimizer
from symgraph.vocabulary.updating import Update


@dataclass(frozen=True, slots=True)
class Roles:
    """The leaves of a step by what they are to it, each kind in the order of declaration."""

    inputs: tuple[Tensor, ...]
    stored: tuple[Tensor, ...]
    """Parameters, then states of the user's."""
    scalars: tuple[Tensor, ...]
    kept: tuple[Tensor, ...]
    """States of the optimiser's."""
    constants: tuple[Tensor, ...]

    @staticmethod
    def of(leaves: Iterable[Tensor]) -> Roles:
        """The roles of leaves that are in the order of declaration."""
        found: dict[str, list[Tensor]] = {}
        for leaf in leaves:
            role = {"labels": "input", "state": "state" if leaf.init is not None else "kept"}.get(leaf.kind, leaf.kind)
            found.setdefault(role, []).append(leaf)
        row = {role: tuple(members) for role, members in found.items()}
        stored = (*row.get("parameter", ()), *row.get("state", ()))
        return Roles(row.get("input", ()), stored, row.get("scalar", ()), row.get("kept", ()), row.get("constant", ()))

    @property
    def all(self) -> tuple[Tensor, ...]:
        """In the order of a program's interface."""
        return (*self.inputs, *self.stored, *self.scalars, *self.kept, *self.constants)


@dataclass(eq=False)
class StepFormulas:
    """The formulas of a step.

    Attributes
    ----------
    loss, extra : the loss and further outputs, in training.
    own : next values of states of the user's.
    parameters, optimizer : what is trained, and by which rows.
    given, checked : the updates, and what is looked at before them, where they come from another process.
    """

    loss: Tensor
    extra: tuple[Tensor, ...]
    own: Mapping[Tensor, Tensor]
    parameters: tuple[Tensor, ...]
    optimizer: Optimizer
    given: Sequence[Update] | None = None
    checked: Tensor | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    """Those of deriving, and then of the stages of the compiler."""

    @cached_property
    @resting()
    def _derived(self) -> tuple[Request, list[Update], tuple[str, ...]]:
        from symgraph.derive.differentiate import grad

        start, left, checked = time.perf_counter(), tuple[str, ...](), self.checked
        if self.given is not None:
            found = list(self.given)
        else:
            gradients = grad(self.loss, list(self.parameters))
            checked = checked_value(self.loss, gradients.values())
            found = self.optimizer.updates({p: gradients[p] for p in self.parameters})
            found += [Update(leaf, value, None) for leaf, value in self.own.items()]
            left = tuple(f"∂{self.loss.display_name}/∂{tensor.display_name}" for tensor in gradients.left)
        first = () if checked is None else (checked,)
        request = with_chance((*first, self.loss, *self.extra), found)
        self.seconds["derive"] = time.perf_counter() - start
        return request, found, left

    @property
    def request(self) -> Request:
        """The program. Before the loss there may be what is looked at in its place before anything is updated."""
        return self._derived[0]

    @property
    def before_loss(self) -> int:
        """The number of outputs before the loss."""
        return len(self.request.outputs) - len(self.extra) - 1

    @property
    def updates(self) -> list[Update]:
        """Next values of parameters and states, with the count of random steps where there is one."""
        return self._derived[1]

    @property
    def left(self) -> tuple[str, ...]:
        """Gradients that were too long for algebra."""
        return self._derived[2]

    @cached_property
    def leaves(self) -> tuple[Tensor, ...]:
        """All leaves, in the order of the interface."""
        return Roles.of(in_order(leaves_in(self.request))).all
