"""Layers that differ between training and evaluation: batch norm, dropout and noise, by PyTorch's names.

net = sg.nn.Sequential(sg.nn.Linear(64, 128), sg.nn.BatchNorm1d(128), sg.nn.ReLU(), sg.nn.Dropout(0.5))
step = codegen.train_step(loss_of(net(x)), updates=net.updates(), key=0)
"""

from __future__ import annotations

import itertools
from typing import Any, ClassVar

from symgraph.core.declare import parameter
from symgraph.core.indices import show_shape
from symgraph.core.provenance import at_line
from symgraph.core.state import state
from symgraph.core.tensor import Tensor
from symgraph.errors import DomainError, ShapeError
from symgraph.vocabulary import init, random
from symgraph.vocabulary.module import Module
from symgraph.vocabulary.normalise import batch_norm, running


class BatchNorm(Module):
    """Batch norm over the channels of (N, C) or (N, C, …), with the conventions of Torch.

    Parameters
    ----------
    num_features : the channels.
    eps : added to the variance.
    momentum : of the newest batch in the running statistics, which :meth:`updates` gives.
    affine : whether there are a weight, ones at first, and a bias, zeros.
    """

    ranks: ClassVar[tuple[int, ...]]
    _unnamed = itertools.count(1)

    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float = 0.1, affine: bool = True, name: str | None = None
    ) -> None:
        if not 0 <= momentum <= 1:
            raise DomainError(at_line(f"{type(self).__name__}: momentum must lie in [0, 1], not {momentum!r}"))
        self.num_features, self.eps, self.momentum, self.affine = num_features, eps, momentum, affine
        self._tensors: dict[str, Tensor] = {}
        self._updates: dict[Tensor, Tensor] = {}
        if name is not None:
            self.build(f"{name}.")

    def build(self, prefix: str) -> None:
        if self._tensors:
            return
        size, made = (self.num_features,), {}
        if self.affine:
            made["weight"] = parameter(f"{prefix}weight", size, init=init.ones())
            made["bias"] = parameter(f"{prefix}bias", size)
        made["running_mean"] = state(f"{prefix}running_mean", size)
        made["running_var"] = state(f"{prefix}running_var", size, init=init.ones())
        self._tensors = made

    def parameters(self) -> list[Tensor]:
        return [tensor for tensor in self._built().values() if tensor.kind == "parameter"]

    def states(self) -> list[Tensor]:
        return [tensor for tensor in self._built().values() if tensor.kind == "state"]

    def updates(self) -> dict[Tensor, Tensor]:
        return dict(self._updates)

    def _built(self) -> dict[str, Tensor]:
        self.build("" if self._tensors else f"batch_norm_{next(self._unnamed)}.")
        return self._tensors

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim not in self.ranks or x.shape[1] != self.num_features:
            ranks = " or ".join(map(str, self.ranks))
            raise ShapeError(
                at_line(f"{type(self).__name__}({self.num_features}) got {x.display_name}{show_shape(x.shape)}; "
                        f"expected {ranks} axes, the second of {self.num_features}")
            )  # fmt: skip
        found = self._built()
        self._updates = running(x, found["running_mean"], found["running_var"], self.momentum)
        return batch_norm(x, **found, eps=self.eps)


class BatchNorm1d(BatchNorm):
    """Batch norm of (N, C) or (N, C, L)."""

    ranks = (2, 3)


class BatchNorm2d(BatchNorm):
    """Batch norm of (N, C, H, W)."""

    ranks = (4,)


class BatchNorm3d(BatchNorm):
    """Batch norm of (N, C, D, H, W)."""

    ranks = (5,)


def _random_layer(name: str, function: Any, first: float) -> type[Module]:
    """The class of a layer of one number, such as ``Dropout``; ``stream`` as in :mod:`symgraph.vocabulary.random`."""

    def __init__(self: Any, value: float = first, *, stream: int | None = None) -> None:
        self.value, self.stream = value, stream

    def forward(self: Any, x: Tensor) -> Tensor:
        return function(x, self.value, stream=self.stream)  # type: ignore[no-any-return]

    members = {"__init__": __init__, "forward": forward, "__doc__": function.__doc__, "__module__": __name__}
    return type(name, (Module,), members)


Dropout = _random_layer("Dropout", random.dropout, 0.5)
Dropout1d = _random_layer("Dropout1d", random.dropout1d, 0.5)
Dropout2d = _random_layer("Dropout2d", random.dropout2d, 0.5)
Dropout3d = _random_layer("Dropout3d", random.dropout3d, 0.5)
AlphaDropout = _random_layer("AlphaDropout", random.alpha_dropout, 0.5)
FeatureAlphaDropout = _random_layer("FeatureAlphaDropout", random.feature_alpha_dropout, 0.5)
GaussianNoise = _random_layer("GaussianNoise", random.gaussian_noise, 1.0)


class RReLU(Module):
    """Randomised leaky ReLU; see :func:`symgraph.vocabulary.random.rrelu`."""

    def __init__(self, lower: float = 1 / 8, upper: float = 1 / 3, *, stream: int | None = None) -> None:
        self.lower, self.upper, self.stream = lower, upper, stream

    def forward(self, x: Tensor) -> Tensor:
        return random.rrelu(x, self.lower, self.upper, stream=self.stream)
