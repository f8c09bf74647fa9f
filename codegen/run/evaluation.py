"""Loss and metrics of data that is not trained on: one compiled function, called after every epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import sympy as sp

from codegen.plan.request import Request, leaves_in
from codegen.run.conversion import described
from codegen.run.declared import in_order
from codegen.run.function import Function
from symgraph.core.define import as_tensor
from symgraph.core.indices import show_shape
from symgraph.core.mode import in_mode
from symgraph.core.provenance import at_line
from symgraph.core.tensor import Tensor
from symgraph.errors import ArgumentError, DomainError


def _scalars(metrics: Any) -> dict[str, Tensor]:
    example = '{"accuracy": sg.metrics.accuracy(z, t)}'
    if not isinstance(metrics, Mapping):
        raise DomainError(at_line(f"metrics must be scalar tensors by name, {example}, not {type(metrics).__name__}"))
    for name, value in metrics.items():
        if isinstance(value, str) or (callable(value) and not isinstance(value, sp.Basic)):
            raise DomainError(
                at_line(f"metric {name} must be a scalar tensor, {example}, not {value!r}; a function of the "
                        "parameters is for validation=")
            )  # fmt: skip
    return {name: as_tensor(value) for name, value in metrics.items()}


class Evaluation:
    """The loss of a step and further scalars, at data that stays as it is.

    Parameters
    ----------
    loss : the step's loss.
    metrics : scalar tensors of the same inputs, by name.
    data : arrays by input, for all of them at once.
    key : of random values that are there in use too, those of step 0 every time.

    Raises
    ------
    DomainError, ArgumentError
        for a metric that is no scalar, has a taken name, or reads an input that the data lack.
    """

    def __init__(
        self, loss: Tensor, metrics: Mapping[str, Any], data: Mapping[Tensor, np.ndarray], dtype: np.dtype[Any],
        key: int = 0,
    ) -> None:  # fmt: skip
        tensors = _scalars(metrics)
        for name, tensor in tensors.items():
            if name in ("loss", "validation"):
                raise ArgumentError(at_line(f"a metric cannot be called {name}: the history has a column of that name"))
            if tensor.ndim:
                raise DomainError(at_line(f"metric {name} must be a scalar, not of shape {show_shape(tensor.shape)}"))
        self.names = list(tensors)
        outputs = in_mode([loss, *tensors.values()], "evaluate")
        found = [leaf for leaf in leaves_in(Request(tuple(outputs))) if leaf.kind not in ("constant", "random")]
        self.leaves = in_order(found)
        for leaf in self.leaves:
            if leaf.kind in ("input", "labels") and leaf not in data:
                raise ArgumentError(at_line(f"a metric reads {described(leaf)}, which is not in the data"))
        self.data = {str(leaf.name): data[leaf] for leaf in self.leaves if leaf in data}
        self.function = Function(self.leaves, outputs, dtype, key=key)

    def __call__(self, params: Mapping[str, np.ndarray], hyper: Mapping[str, float]) -> tuple[float, dict[str, float]]:
        """Loss, and metrics by name."""
        names = [str(leaf.name) for leaf in self.leaves if str(leaf.name) not in self.data]
        given = {name: params[name] if name in params else np.float64(hyper[name]) for name in names}
        loss, *values = self.function(**self.data, **given)
        return float(loss), {name: float(value) for name, value in zip(self.names, values, strict=True)}
