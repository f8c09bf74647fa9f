"""Layers for people who come from PyTorch: ``Sequential(Linear(64, 32), Sigmoid(), Linear(32, 10))(x)``.

A layer is a function of a tensor with parameters. Weights have the layout (in_features, out_features): y = x·W + b.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from symgraph.core.declare import parameter
from symgraph.core.define import as_tensor
from symgraph.core.provenance import at_line, names_result
from symgraph.core.tensor import Tensor
from symgraph.errors import DomainError
from symgraph.vocabulary import (
    activations,
    functions,
    gates,
    init,
    layouts,
    losses,
    resampling,
    row_losses,
    shapes,
    state_space,
    windows,
)
from symgraph.vocabulary.attention_layers import MultiheadAttention as MultiheadAttention
from symgraph.vocabulary.attention_layers import TransformerEncoder as TransformerEncoder
from symgraph.vocabulary.attention_layers import TransformerEncoderLayer as TransformerEncoderLayer
from symgraph.vocabulary.layouts import from_keras as from_keras
from symgraph.vocabulary.layouts import from_sklearn as from_sklearn
from symgraph.vocabulary.layouts import from_torch as from_torch
from symgraph.vocabulary.layouts import to_keras as to_keras
from symgraph.vocabulary.layouts import to_torch as to_torch
from symgraph.vocabulary.learned_layers import Bilinear as Bilinear
from symgraph.vocabulary.learned_layers import Conv1d as Conv1d
from symgraph.vocabulary.learned_layers import Conv2d as Conv2d
from symgraph.vocabulary.learned_layers import Conv3d as Conv3d
from symgraph.vocabulary.learned_layers import ConvTranspose1d as ConvTranspose1d
from symgraph.vocabulary.learned_layers import ConvTranspose2d as ConvTranspose2d
from symgraph.vocabulary.learned_layers import ConvTranspose3d as ConvTranspose3d
from symgraph.vocabulary.learned_layers import Embedding as Embedding
from symgraph.vocabulary.learned_layers import EmbeddingBag as EmbeddingBag
from symgraph.vocabulary.learned_layers import GroupNorm as GroupNorm
from symgraph.vocabulary.learned_layers import InstanceNorm1d as InstanceNorm1d
from symgraph.vocabulary.learned_layers import InstanceNorm2d as InstanceNorm2d
from symgraph.vocabulary.learned_layers import InstanceNorm3d as InstanceNorm3d
from symgraph.vocabulary.learned_layers import LayerNorm as LayerNorm
from symgraph.vocabulary.learned_layers import Linear as Linear
from symgraph.vocabulary.learned_layers import RMSNorm as RMSNorm
from symgraph.vocabulary.module import Module as Module
from symgraph.vocabulary.random_layers import AlphaDropout as AlphaDropout
from symgraph.vocabulary.random_layers import BatchNorm1d as BatchNorm1d
from symgraph.vocabulary.random_layers import BatchNorm2d as BatchNorm2d
from symgraph.vocabulary.random_layers import BatchNorm3d as BatchNorm3d
from symgraph.vocabulary.random_layers import Dropout as Dropout
from symgraph.vocabulary.random_layers import Dropout1d as Dropout1d
from symgraph.vocabulary.random_layers import Dropout2d as Dropout2d
from symgraph.vocabulary.random_layers import Dropout3d as Dropout3d
from symgraph.vocabulary.random_layers import FeatureAlphaDropout as FeatureAlphaDropout
from symgraph.vocabulary.random_layers import GaussianNoise as GaussianNoise
from symgraph.vocabulary.random_layers import RReLU as RReLU
from symgraph.vocabulary.recurrent_layers import GRU as GRU
from symgraph.vocabulary.recurrent_layers import LSTM as LSTM
from symgraph.vocabulary.recurrent_layers import RNN as RNN
from symgraph.vocabulary.recurrent_layers import GRUCell as GRUCell
from symgraph.vocabulary.recurrent_layers import LSTMCell as LSTMCell
from symgraph.vocabulary.recurrent_layers import RNNCell as RNNCell


class Function(Module):
    """A function as a layer without parameters: of a tensor, or of what the layer before has returned."""

    def __init__(self, function: Callable[..., Tensor]) -> None:
        self.function = function

    def __repr__(self) -> str:
        return str(getattr(self.function, "name", None) or getattr(self.function, "__name__", self.function))

    @names_result
    def __call__(self, x: Any) -> Any:
        return self.function(x if isinstance(x, tuple) else as_tensor(x))


class Sequential(Module):
    """Layers one after the other; parameters are named by position: ``0.weight``, ``0.bias``, ``2.weight``, …

    ``name`` is a prefix of their names, ``encoder.0.weight``, which two networks in one program need.
    """

    def __init__(self, *layers: Module | Callable[..., Tensor], name: str | None = None) -> None:
        for layer in layers:
            if isinstance(layer, type) or not callable(layer):
                example = f"{layer.__name__}(...)" if isinstance(layer, type) else "a layer or a function"
                example = "Sequential(*layers)" if isinstance(layer, list | tuple) else example
                raise DomainError(at_line(f"Sequential takes layers, not {layer!r}: write {example}"))
        self.layers = [layer if isinstance(layer, Module) else Function(layer) for layer in layers]
        if name is not None:
            self.build(f"{name}.")

    def children(self) -> dict[str, Module]:
        return {str(position): layer for position, layer in enumerate(self.layers)}

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x

    def __iter__(self) -> Iterator[Module]:
        return iter(self.layers)

    def __getitem__(self, position: int) -> Module:
        return self.layers[position]


def _layer(name: str, function: Callable[..., Tensor]) -> type[Module]:
    """The class of a layer without parameters, such as ``ReLU``; the options of the function are those of the layer."""

    def __init__(self: Any, *options: Any, **named: Any) -> None:
        self.options, self.named = options, named

    def forward(self: Any, *tensors: Any) -> Tensor:
        return function(*tensors, *self.options, **self.named)

    members = {"__init__": __init__, "forward": forward, "__call__": names_result(forward)}
    return type(name, (Module,), {**members, "__doc__": f"{name} as a layer.", "__module__": __name__})


class PReLU(Module):
    """Leaky ReLU with learned slopes, one or one for each channel (He et al., arXiv 1502.01852)."""

    _unnamed = itertools.count(1)

    def __init__(self, num_parameters: int = 1, init: float = 0.25, name: str | None = None) -> None:
        self.num_parameters, self.init = num_parameters, init
        self.slope: Tensor | None = None
        if name is not None:
            self.build(f"{name}.")

    def build(self, prefix: str) -> None:
        if self.slope is None:
            self.slope = parameter(f"{prefix}weight", (self.num_parameters,), init=init.constant(self.init))

    def parameters(self) -> list[Tensor]:
        self.build(f"prelu_{next(self._unnamed)}." if self.slope is None else "")
        return [tensor for tensor in (self.slope,) if tensor is not None]

    def forward(self, x: Tensor) -> Tensor:
        return gates.prelu(x, *self.parameters())


Affine = Linear
"""The textbook's name."""
Identity = _layer("Identity", lambda x, *options, **named: x)
ReLU = _layer("ReLU", activations.relu)
ReLU6 = _layer("ReLU6", activations.relu6)
LeakyReLU = _layer("LeakyReLU", activations.leaky_relu)
ELU = _layer("ELU", activations.elu)
CELU = _layer("CELU", activations.celu)
SELU = _layer("SELU", activations.selu)
GELU = _layer("GELU", activations.gelu)
SiLU = _layer("SiLU", activations.silu)
Mish = _layer("Mish", activations.mish)
Sigmoid = _layer("Sigmoid", activations.sigmoid)
LogSigmoid = _layer("LogSigmoid", activations.log_sigmoid)
Tanh = _layer("Tanh", activations.tanh)
Softplus = _layer("Softplus", activations.softplus)
Softsign = _layer("Softsign", activations.softsign)
Hardtanh = _layer("Hardtanh", activations.hardtanh)
Hardsigmoid = _layer("Hardsigmoid", activations.hardsigmoid)
Hardswish = _layer("Hardswish", activations.hardswish)
Tanhshrink = _layer("Tanhshrink", activations.tanhshrink)
Softshrink = _layer("Softshrink", activations.softshrink)
Hardshrink = _layer("Hardshrink", activations.hardshrink)
Threshold = _layer("Threshold", activations.threshold)
GLU = _layer("GLU", gates.glu)
Softmax = _layer("Softmax", functions.softmax)
Softmin = _layer("Softmin", gates.softmin)
LogSoftmax = _layer("LogSoftmax", functions.log_softmax)
CosineSimilarity = _layer("CosineSimilarity", gates.cosine_similarity)
PairwiseDistance = _layer("PairwiseDistance", gates.pairwise_distance)


Flatten = _layer("Flatten", lambda x, start_dim=1, end_dim=-1: shapes.flatten(x, start_dim, end_dim))
MaxPool1d, MaxPool2d, MaxPool3d = (
    _layer(f"MaxPool{d}d", function)
    for d, function in enumerate((resampling.max_pool1d, resampling.max_pool2d, resampling.max_pool3d), 1)
)
AvgPool1d, AvgPool2d, AvgPool3d = (
    _layer(f"AvgPool{d}d", function)
    for d, function in enumerate((resampling.avg_pool1d, resampling.avg_pool2d, resampling.avg_pool3d), 1)
)
LPPool1d, LPPool2d, LPPool3d = (
    _layer(f"LPPool{d}d", function)
    for d, function in enumerate((resampling.lp_pool1d, resampling.lp_pool2d, resampling.lp_pool3d), 1)
)
AdaptiveAvgPool1d = _layer("AdaptiveAvgPool1d", resampling.adaptive_avg_pool1d)
AdaptiveAvgPool2d = _layer("AdaptiveAvgPool2d", resampling.adaptive_avg_pool2d)
AdaptiveAvgPool3d = _layer("AdaptiveAvgPool3d", resampling.adaptive_avg_pool3d)
AdaptiveMaxPool1d = _layer("AdaptiveMaxPool1d", resampling.adaptive_max_pool1d)
AdaptiveMaxPool2d = _layer("AdaptiveMaxPool2d", resampling.adaptive_max_pool2d)
AdaptiveMaxPool3d = _layer("AdaptiveMaxPool3d", resampling.adaptive_max_pool3d)
Upsample = _layer("Upsample", resampling.interpolate)
UpsamplingNearest2d = _layer("UpsamplingNearest2d", partial(resampling.interpolate, mode="nearest"))
UpsamplingBilinear2d = _layer(
    "UpsamplingBilinear2d", partial(resampling.interpolate, mode="bilinear", align_corners=True)
)
Unfold = _layer("Unfold", windows.unfold)
Fold = _layer("Fold", resampling.fold)


class Criterion(Module):
    """A loss with its options by name: ``CrossEntropyLoss(label_smoothing=0.1)(z, t)``."""

    function: Callable[..., Tensor]

    def __init__(self, **options: Any) -> None:
        self.options = options

    @names_result
    def __call__(self, *tensors: Any) -> Tensor:
        return type(self).function(*tensors, **self.options)


def _criterion(name: str, function: Callable[..., Tensor]) -> type[Criterion]:
    return type(name, (Criterion,), {"function": staticmethod(function), "__doc__": f"{name}: {function.__name__}.",
                                     "__module__": __name__})  # fmt: skip


CTCLoss = _criterion("CTCLoss", state_space.ctc_loss)
MSELoss = _criterion("MSELoss", losses.mse_loss)
HalfMSELoss = _criterion("HalfMSELoss", losses.half_mse_loss)
L1Loss = _criterion("L1Loss", losses.l1_loss)
HuberLoss = _criterion("HuberLoss", losses.huber_loss)
SmoothL1Loss = _criterion("SmoothL1Loss", losses.smooth_l1_loss)
CrossEntropyLoss = _criterion("CrossEntropyLoss", row_losses.cross_entropy)
NLLLoss = _criterion("NLLLoss", row_losses.nll_loss)
BCELoss = _criterion("BCELoss", losses.binary_cross_entropy)
BCEWithLogitsLoss = _criterion("BCEWithLogitsLoss", losses.binary_cross_entropy_with_logits)
KLDivLoss = _criterion("KLDivLoss", losses.kl_div)
PoissonNLLLoss = _criterion("PoissonNLLLoss", losses.poisson_nll_loss)
GaussianNLLLoss = _criterion("GaussianNLLLoss", losses.gaussian_nll_loss)
HingeEmbeddingLoss = _criterion("HingeEmbeddingLoss", losses.hinge_embedding_loss)
MarginRankingLoss = _criterion("MarginRankingLoss", losses.margin_ranking_loss)
MultiMarginLoss = _criterion("MultiMarginLoss", row_losses.multi_margin_loss)
MultiLabelMarginLoss = _criterion("MultiLabelMarginLoss", row_losses.multilabel_margin_loss)
MultiLabelSoftMarginLoss = _criterion("MultiLabelSoftMarginLoss", row_losses.multilabel_soft_margin_loss)
SoftMarginLoss = _criterion("SoftMarginLoss", losses.soft_margin_loss)
CosineEmbeddingLoss = _criterion("CosineEmbeddingLoss", row_losses.cosine_embedding_loss)
TripletMarginLoss = _criterion("TripletMarginLoss", row_losses.triplet_margin_loss)


def __dir__() -> list[str]:
    layers = [name for name, value in globals().items() if isinstance(value, type) and issubclass(value, Module)]
    return sorted([*layers, *layouts.__all__])
