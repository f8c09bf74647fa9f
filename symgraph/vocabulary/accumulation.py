"""One update for several batches: gradients add up in states of the step, and the optimiser sees their mean.

G ← G + g;   at every k-th step θ ← optimiser(θ, G/k), G ← 0
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import sympy as sp

from symgraph.core.define import as_tensor
from symgraph.core.misuse import explained
from symgraph.core.provenance import at_line
from symgraph.core.reading import call_first
from symgraph.core.tensor import Tensor
from symgraph.errors import DomainError
from symgraph.vocabulary.functions import where
from symgraph.vocabulary.updating import Optimizer, Update, checked_optimizer


@dataclass(frozen=True, slots=True, repr=False)
class _Accumulated(Optimizer):
    inner: Optimizer = field(default_factory=lambda: Optimizer("none"))
    batches: int = 1

    @property
    def inside(self) -> tuple[tuple[tuple[str, ...], Optimizer | None], ...]:
        return (((), self.inner),)

    def __repr__(self) -> str:
        return f"accumulate({self.inner!r}, {self.batches})"

    def scalars(self, group: str) -> dict[str, float]:
        return self.inner.scalars(group)

    def in_group(self, group: str, gradients: Mapping[Tensor, Tensor]) -> list[Update]:
        seen = Tensor.leaf("state", f"{group or 'optimizer'}.batches", ())
        due = sp.Ge(seen, self.batches - 1)
        found = [Update(seen, as_tensor(where(due, 0, seen + 1)), 0.0)]
        means: dict[Tensor, Tensor] = {}
        for parameter, slope in gradients.items():
            held = Tensor.leaf("state", f"{parameter.name}.total", parameter.shape)
            total = held + slope
            call_first(total, f"{parameter.name}_total")
            found.append(Update(held, as_tensor(where(due, 0, total)), 0.0))
            means[parameter] = total / self.batches
        for update in self.inner.in_group(group, means):
            found.append(Update(update.leaf, as_tensor(where(due, update.value, update.leaf)), update.initial))
        return found


@explained
def accumulate(optimizer: Optimizer, batches: int) -> Optimizer:
    """One update for every ``batches`` steps, with the mean of their gradients: memory of one batch, the update of all.

    Raises
    ------
    DomainError
        unless ``batches`` is an integer of at least 1.
    """
    if isinstance(batches, bool) or not isinstance(batches, int) or batches < 1:
        raise DomainError(at_line(f"accumulate: batches must be an integer, at least 1, not {batches!r}"))
    if getattr(optimizer, "maker", "") == "sam":
        raise DomainError(at_line("accumulate: no gradient at another place is a mean; write sam(accumulate(…), rho)"))
    return _Accumulated(checked_optimizer("accumulate", optimizer).name, inner=optimizer, batches=batches)
