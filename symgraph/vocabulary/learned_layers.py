"""Layers with weights of their own: affine, (in, out); convolutions, embeddings and norms, laid out as in PyTorch."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp

from symgraph.core.declare import parameter
from symgraph.core.indices import as_shape, show_shape
from symgraph.core.provenance import at_line, names_result
from symgraph.core.tensor import Tensor
from symgraph.errors import ShapeError
from symgraph.vocabulary import gathers, init, norms, resampling, statistics, windows
from symgraph.vocabulary.init import Initializer
from symgraph.vocabulary.layer_functions import bilinear, linear
from symgraph.vocabulary.module import Module
from symgraph.vocabulary.shapes import shown

Declared = dict[str, tuple[tuple[int, ...], Initializer]]


def check_sizes(layer: str, **sizes: Any) -> None:
    """Raise unless sizes are integers of at least 1, or tuples of such."""
    for name, given in sizes.items():
        for size in given if isinstance(given, tuple | list) else (given,):
            if isinstance(size, bool) or not isinstance(size, int | np.integer | sp.Integer) or size < 1:
                raise ShapeError(at_line(f"{layer}: {name} must be an integer, at least 1, not {given!r}"))


class Linear(Module):
    """Affine layer y = x·W + b, shapes (…, in) → (…, out); by default as in Torch, U(±1/√in) for W and b."""

    _unnamed = itertools.count(1)

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        init: Initializer | None = None,
        name: str | None = None,
    ) -> None:
        check_sizes("Linear", in_features=in_features, out_features=out_features)
        self.in_features, self.out_features, self.bias, self.init = in_features, out_features, bias, init
        self.W: Tensor | None = None
        self.b: Tensor | None = None
        if name is not None:
            self.build(f"{name}.")

    def build(self, prefix: str) -> None:
        if self.W is not None:
            return
        edge = 1 / math.sqrt(self.in_features)
        default = init.uniform(-edge, edge)
        self.W = parameter(f"{prefix}weight", (self.in_features, self.out_features), init=self.init or default)
        if self.bias:
            self.b = parameter(f"{prefix}bias", (self.out_features,), init=default)

    def parameters(self) -> list[Tensor]:
        self.build(f"linear_{next(self._unnamed)}." if self.W is None else "")
        return [tensor for tensor in (self.W, self.b) if tensor is not None]

    def forward(self, x: Tensor) -> Tensor:
        weight, *bias = self.parameters()
        if not x.ndim or x.shape[-1] != self.in_features:
            raise ShapeError(
                at_line(f"Linear({self.in_features}, {self.out_features}) got {x.display_name}{show_shape(x.shape)}; "
                        f"expected a last axis of {self.in_features}")
            )  # fmt: skip
        return linear(x, weight, *bias)


class Learned(Module):
    """A layer that declares its parameters by name: shapes and first values, under the name of its place."""

    _unnamed = itertools.count(1)

    def __init__(self, declared: Declared, name: str | None = None) -> None:
        self.declared = declared
        self.made: dict[str, Tensor] = {}
        if name is not None:
            self.build(f"{name}.")

    def build(self, prefix: str) -> None:
        if not self.made:
            self.made = {
                name: parameter(f"{prefix}{name}", shape, init=first) for name, (shape, first) in self.declared.items()
            }

    def parameters(self) -> list[Tensor]:
        self.build("" if self.made else f"{type(self).__name__.lower()}_{next(Learned._unnamed)}.")
        return list(self.made.values())

    @property
    def weight(self) -> Tensor:
        """The first parameter."""
        return self.parameters()[0]

    @property
    def bias(self) -> Tensor | None:
        """The second parameter, if there is one."""
        return self.parameters()[1] if len(self.declared) > 1 else None


def _uniform(weight: tuple[int, ...], bias: tuple[int, ...] | None, fan_in: int) -> Declared:
    """U(±1/√fan_in) for both, as PyTorch."""
    edge = 1 / math.sqrt(fan_in)
    first = init.uniform(-edge, edge)
    return {"weight": (weight, first)} | ({"bias": (bias, first)} if bias else {})


# -- convolutions -----------------------------------------------------------------------------------------------------
def _convolution(places: int, function: Callable[..., Tensor], transposed: bool) -> type[Learned]:
    name_of_class = f"Conv{'Transpose' if transposed else ''}{places}d"

    def __init__(
        self: Any,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        *moves: Any,
        bias: bool = True,
        groups: int = 1,
        name: str | None = None,
        **options: Any,
    ) -> None:
        check_sizes(name_of_class, in_channels=in_channels, out_channels=out_channels, groups=groups)
        kernel = windows.numbers(kernel_size, places, "kernel_size")
        first, second = (in_channels, out_channels) if transposed else (out_channels, in_channels)
        weight = (first, second // groups, *kernel)
        order = ("stride", "padding", "output_padding" if transposed else "dilation")
        self.options = {"groups": groups, **dict(zip(order, moves, strict=False)), **options}
        Learned.__init__(self, _uniform(weight, (out_channels,) if bias else None, math.prod(weight[1:])), name)

    def forward(self: Any, x: Tensor) -> Tensor:
        return function(x, self.weight, self.bias, **self.options)

    text = f"``{function.__name__}`` with a weight and a bias of its own: (in, out, window, stride, padding, …)."
    members = {"__init__": __init__, "forward": forward, "__doc__": text, "__module__": __name__}
    return type(name_of_class, (Learned,), members)


Conv1d = _convolution(1, windows.conv1d, transposed=False)
Conv2d = _convolution(2, windows.conv2d, transposed=False)
Conv3d = _convolution(3, windows.conv3d, transposed=False)
ConvTranspose1d = _convolution(1, resampling.conv_transpose1d, transposed=True)
ConvTranspose2d = _convolution(2, resampling.conv_transpose2d, transposed=True)
ConvTranspose3d = _convolution(3, resampling.conv_transpose3d, transposed=True)


# -- tables and products ----------------------------------------------------------------------------------------------
class Embedding(Learned):
    """The rows of a table at labels, N(0, 1) at first: (…) → (…, embedding_dim)."""

    def __init__(self, num_embeddings: int, embedding_dim: int, name: str | None = None) -> None:
        check_sizes("Embedding", num_embeddings=num_embeddings, embedding_dim=embedding_dim)
        super().__init__({"weight": ((num_embeddings, embedding_dim), init.normal(1.0))}, name)

    def forward(self, x: Tensor) -> Tensor:
        return statistics.embedding(x, self.weight)


class EmbeddingBag(Embedding):
    """The sum, mean or largest of the rows at labels: (N, L) → (N, embedding_dim)."""

    def __init__(self, num_embeddings: int, embedding_dim: int, mode: str = "mean", name: str | None = None) -> None:
        super().__init__(num_embeddings, embedding_dim, name)
        self.mode = mode

    def forward(self, x: Tensor) -> Tensor:
        return gathers.embedding_bag(x, self.weight, self.mode)


class Bilinear(Learned):
    """y[n, o] = Σ_{i,j} x₁[n, i]·W[o, i, j]·x₂[n, j] + b[o]."""

    def __init__(
        self, in1_features: int, in2_features: int, out_features: int, bias: bool = True, name: str | None = None
    ) -> None:
        check_sizes("Bilinear", in_features=(in1_features, in2_features), out_features=out_features)
        shape = (out_features, in1_features, in2_features)
        super().__init__(_uniform(shape, (out_features,) if bias else None, in1_features), name)

    @names_result
    def __call__(self, x1: Any, x2: Any = None) -> Tensor:
        return bilinear(x1, x1 if x2 is None else x2, self.weight, self.bias)


# -- norms ------------------------------------------------------------------------------------------------------------
class _Norm(Learned):
    """Scaled and, where told, shifted by learned values of a shape."""

    def __init__(self, shape: tuple[int, ...], affine: bool, bias: bool, eps: float, name: str | None) -> None:
        self.shape, self.eps = shape, eps
        weight: Declared = {"weight": (shape, init.ones())} if affine else {}
        super().__init__(weight | ({"bias": (shape, init.zeros())} if affine and bias else {}), name)

    def learned(self) -> dict[str, Tensor]:
        """The weight and the bias, of those there are."""
        self.parameters()
        return self.made


class LayerNorm(_Norm):
    """:func:`sg.layer_norm` with a weight, ones at first, and a bias, zeros."""

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        name: str | None = None,
    ) -> None:
        shape = tuple(int(size) for size in as_shape(normalized_shape))
        super().__init__(shape, elementwise_affine, bias, eps, name)

    def forward(self, x: Tensor) -> Tensor:
        return norms.layer_norm(x, self.shape, **self.learned(), eps=self.eps)


class RMSNorm(LayerNorm):
    """:func:`sg.rms_norm` with a weight, ones at first."""

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...],
        eps: float = 2.0**-23,
        elementwise_affine: bool = True,
        name: str | None = None,
    ) -> None:
        super().__init__(normalized_shape, eps, elementwise_affine, False, name)

    def forward(self, x: Tensor) -> Tensor:
        return norms.rms_norm(x, self.shape, **self.learned(), eps=self.eps)


class GroupNorm(_Norm):
    """:func:`sg.group_norm` with a weight, ones at first, and a bias, zeros."""

    def __init__(
        self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True, name: str | None = None
    ) -> None:
        check_sizes(type(self).__name__, num_groups=num_groups, num_channels=num_channels)
        if num_channels % num_groups:
            raise ShapeError(at_line(f"GroupNorm: {num_channels} channels do not part into {num_groups} groups"))
        self.groups = num_groups
        super().__init__((num_channels,), affine, True, eps, name)

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim < 2 or x.shape[1:2] != self.shape:
            raise ShapeError(at_line(f"{type(self).__name__}: {shown(x)} needs {self.shape[0]} channels in axis 1"))
        return norms.group_norm(x, self.groups, **self.learned(), eps=self.eps)


class InstanceNorm(GroupNorm):
    """:func:`sg.instance_norm`; with a weight and a bias if it is ``affine``."""

    def __init__(self, num_features: int, eps: float = 1e-5, affine: bool = False, name: str | None = None) -> None:
        super().__init__(num_features, num_features, eps, affine, name)


InstanceNorm1d = InstanceNorm2d = InstanceNorm3d = InstanceNorm
