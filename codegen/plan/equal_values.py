"""Equal values are computed once: cotangents of several tensors that have one definition are one.

∂J/∂b_ih[j] = Σ_n ā[n, j];  ∂J/∂b_hh[j] = Σ_n ā[n, j]     →     one sum
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symgraph.core.graph import rewrite
from symgraph.core.tensor import Definition, Tensor


def compute_once(roots: Sequence[Tensor]) -> dict[Tensor, Tensor]:
    """The replacement of every tensor under ``roots``: of equal definitions the first stands for all."""
    known: dict[Any, Tensor] = {}

    def change(tensor: Tensor, definition: Definition) -> Tensor:
        new = tensor.redefined(definition)
        return known.setdefault((new.shape, new.definition), new)

    return rewrite(roots, change)
