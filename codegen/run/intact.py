"""What a step's updates must not ruin: parameters and state as they were before some epochs, given back where a number
of theirs is no longer finite though every loss was.

A step looks at its loss, and at slopes that may be infinite (:mod:`codegen.run.singular`), before it updates anything.
That a product in a gradient overflowed, or was 0·∞ of an infinite input, or that an update did, is seen in what was
written alone: gradient and update of a matrix are one pass over memory. It is looked at where an epoch ends.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from codegen.run import nonfinite
from symgraph.core.indices import show_shape
from symgraph.core.provenance import at_line, here
from symgraph.core.tensor import Tensor
from symgraph.errors import NonFiniteError, StillZeroWarning

if TYPE_CHECKING:
    from codegen.run.training import TrainStep


class Intact:
    """The arrays that a step updates, with copies of what is in them when they are to be remembered; none where
    nothing is to be looked at."""

    def __init__(self, step: TrainStep, stored: Mapping[Tensor, np.ndarray]) -> None:
        written = step.written(stored) if step.check_finite else []
        self.written = {leaf: values for leaf, values in written if isinstance(values, np.ndarray)}
        self.before = {leaf: np.empty_like(values) for leaf, values in self.written.items()}

    def remember(self) -> None:
        """Copy what is in them now."""
        for leaf, values in self.written.items():
            np.copyto(self.before[leaf], values)

    def check(self, first: int, last: int, data: Mapping[Tensor, np.ndarray] = MappingProxyType({})) -> None:
        """Give the arrays back and raise ``NonFiniteError`` of epochs ``first`` to ``last``, on some data if they are
        known, where a number is not finite and all were before."""
        if all(np.isfinite(values).all() for values in self.written.values()):
            return
        what = nonfinite.first_array(self.written)
        if nonfinite.first_array(self.before):
            return
        given = nonfinite.first_array(data)
        for leaf, values in self.written.items():
            values[...] = self.before[leaf]
        epochs = f"epoch {first}" if first == last else f"epochs {first} to {last}"
        cause = given or f"{nonfinite.OVERFLOW}; a lower rate, or sg.clip_grad_norm, may help"
        raise NonFiniteError(
            at_line(f"{what} in {epochs}, after a step whose loss was finite: {cause}. Parameters and state are again "
                    "as they were before; train_step(…, check_finite=False) goes on")
        ) from None  # fmt: skip

    def tell_of_zeros(self) -> None:
        """Warn of parameters that were zeros and still are, as those of two layers in a row that begin so."""
        found = [leaf for leaf, values in self.written.items() if leaf.kind == "parameter" and not values.any()]
        stuck = [leaf for leaf in found if not self.before[leaf].any()]
        if stuck:
            place, names = here(), ", ".join(f"{leaf.name} {show_shape(leaf.shape)}" for leaf in stuck)
            warnings.warn_explicit(
                f"{names}: zeros before and after an epoch, for their gradients are 0. Layers in a row need other "
                "first values: sg.parameter(…, init=sg.init.kaiming_uniform())",
                StillZeroWarning, place.file, place.line,
            )  # fmt: skip
