"""Stabilisation: the same values by formulas that are right in floating point. It comes after all simplification.

    Σ_k exp(z_k) = exp(m)·Σ_k exp(z_k − m),  m = max_k z_k     so that     exp(z)/S = exp(z − m)/S′,  log S = m + log S′
    log(1/(1 + e⁻ᵃ)) = −softplus(−a)          eᵘ/(1 + eᵘ) = σ(u)          log(1 + u) = log1p(u)

Nothing here names a layer: exponentials are found by algebra. A rewriting that needs a positive factor proves it first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from symgraph.core.misuse import explained

if TYPE_CHECKING:
    from symgraph.core.tensor import Tensor


@explained
def stabilise(outputs: Sequence[Tensor], left: list[Tensor] | None = None) -> list[Tensor]:
    """The outputs by stable formulas. What no rule rewrites stays as it was written.

    In ``left`` are put values that would take more than ``MOST_WORK`` of :mod:`.rewriter`, which stay too, and those
    that may overflow and are longer than ``MAX_OPENED``: what reads them does not look through them.
    """
    from symgraph.core.graph import rewrite
    from symgraph.stabilise.rewriter import Rewriter  # a sixth of all modules, for those who make something stable

    rewriter = Rewriter()
    forms = rewrite(outputs, rewriter.change)
    if left is not None:
        left += rewriter.left
    return [forms[output] for output in outputs]
