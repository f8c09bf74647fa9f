"""What every layer is: a function of a tensor, with parameters and states that the enclosing network names."""

from __future__ import annotations

from typing import Any

from symgraph.core.define import as_tensor
from symgraph.core.provenance import names_result
from symgraph.core.tensor import Tensor


class Module:
    """A function of a tensor with parameters; names are given by the enclosing :class:`Sequential`."""

    def forward(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def build(self, prefix: str) -> None:
        """Declare the parameters under names that begin with ``prefix``."""

    def parameters(self) -> list[Tensor]:
        """The parameters, in order of declaration."""
        return []

    def states(self) -> list[Tensor]:
        """The states, such as running statistics; their arrays stand among those of the parameters."""
        return []

    def updates(self) -> dict[Tensor, Tensor]:
        """The next values of the states, by the last call: for ``train_step(…, updates=net.updates())``."""
        return {}

    @names_result
    def __call__(self, x: Any) -> Tensor:
        return self.forward(as_tensor(x))
