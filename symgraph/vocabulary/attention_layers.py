"""Attention as layers, with PyTorch's names and parameters: ``MultiheadAttention``, ``TransformerEncoderLayer``."""

from __future__ import annotations

import copy
from typing import Any

import sympy as sp

from symgraph.core.cases import Cases
from symgraph.core.declare import parameter
from symgraph.core.define import as_tensor
from symgraph.core.indices import axis, show_shape
from symgraph.core.provenance import at_line
from symgraph.core.tensor import Tensor
from symgraph.errors import ArgumentError, ShapeError
from symgraph.vocabulary import activations, init
from symgraph.vocabulary.functions import matmul, mean, softmax, transpose, where
from symgraph.vocabulary.learned_layers import LayerNorm, Linear
from symgraph.vocabulary.module import Module
from symgraph.vocabulary.random import dropout
from symgraph.vocabulary.shapes import permute, reshape, shown, swapaxes, unsqueeze
from symgraph.vocabulary.statistics import is_condition


class MultiheadAttention(Module):
    """softmax(q·kᵀ/√d)·v in ``num_heads`` parts of the features, d = embed_dim/num_heads (Vaswani, arXiv 1706.03762).

    ``attention(query, key, value)`` of (steps, batch, embed_dim), or (batch, steps, embed_dim) with ``batch_first``,
    gives (output, weights): the output is like the query, the weights (batch, L, S) are the mean over heads. The key is
    the query and the value the key unless given.

    Parameters
    ----------
    embed_dim, num_heads : features, and into how many parts they are taken.
    dropout : of the weights, in training.
    bias : False for no biases.
    name : a prefix of the parameters' names: ``in_proj_weight`` (3·embed_dim, embed_dim), of query, key and value above
        each other as PyTorch lays it out, ``in_proj_bias``, and ``out_proj``, a :class:`.Linear`.

    Raises
    ------
    ArgumentError
        if the heads do not part the features.
    ShapeError
        when called, for another number of features or axes.
    """

    def __init__(
        self, embed_dim: int, num_heads: int, dropout: float = 0.0, bias: bool = True, batch_first: bool = False,
        name: str | None = None,
    ) -> None:  # fmt: skip
        if num_heads < 1 or embed_dim % num_heads:
            raise ArgumentError(at_line(f"MultiheadAttention: {embed_dim} features do not part into {num_heads} heads"))
        self.embed_dim, self.num_heads, self.dropout = embed_dim, num_heads, dropout
        self.bias, self.batch_first = bias, batch_first
        self.in_proj_weight: Tensor | None = None
        self.in_proj_bias: Tensor | None = None
        self.out_proj = Linear(embed_dim, embed_dim, bias=bias)
        if name is not None:
            self.build(f"{name}.")

    def build(self, prefix: str) -> None:
        if self.in_proj_weight is None:
            shape = (3 * self.embed_dim, self.embed_dim)
            self.in_proj_weight = parameter(f"{prefix}in_proj_weight", shape, init=init.xavier_uniform())
            if self.bias:
                self.in_proj_bias = parameter(f"{prefix}in_proj_bias", (3 * self.embed_dim,))
        super().build(prefix)

    def parameters(self) -> list[Tensor]:
        self.build("")
        return super().parameters()

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        self.build("")
        return self.forward(*map(as_tensor, inputs), **options)

    def forward(
        self, query: Tensor, key: Tensor | None = None, value: Tensor | None = None, key_padding_mask: Any = None,
        attn_mask: Any = None, is_causal: bool = False,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """Output and weights.

        Parameters
        ----------
        key_padding_mask : a condition of (batch, S) that holds where a key is left out, as in PyTorch's layer.
        attn_mask : a condition of (L, S) that holds where attention does *not* go, as in PyTorch's layer (its function
            ``scaled_dot_product_attention`` has it the other way); a real tensor is added to the scores.
        is_causal : a step attends to none after it.
        """
        key = query if key is None else key
        given = (query, key, key if value is None else value)
        for tensor in given:
            if tensor.ndim != 3 or tensor.shape[-1] != self.embed_dim:
                raise ShapeError(
                    at_line(f"MultiheadAttention({self.embed_dim}, {self.num_heads}) got {shown(tensor)}; expected "
                            f"three axes, the last of {self.embed_dim}")
                )  # fmt: skip
        q, k, v = (self._heads(number, tensor) for number, tensor in enumerate(given))
        scores = matmul(q, swapaxes(k, -1, -2)) / sp.sqrt(sp.Integer(self.embed_dim // self.num_heads))
        if attn_mask is not None:
            scores = _left_out(scores, attn_mask) if is_condition(attn_mask) else scores + attn_mask
        if is_causal:
            scores = Tensor.define(scores.shape, Cases((scores.element, axis(3) <= axis(2)), (-sp.oo, True)))
        if key_padding_mask is not None:
            mask, expected = as_tensor(key_padding_mask), (k.shape[0], k.shape[2])
            if mask.shape != expected:
                raise ShapeError(at_line(f"key_padding_mask is {shown(mask)}; expected {show_shape(expected)}"))
            scores = _left_out(scores, unsqueeze(unsqueeze(mask, 1), 1) > 0)
        weights = softmax(scores)
        parts = matmul(dropout(weights, self.dropout) if self.dropout else weights, v)
        joined = permute(parts, (0, 2, 1, 3) if self.batch_first else (2, 0, 1, 3))
        return self.out_proj(reshape(joined, query.shape)), mean(weights, 1)

    def _heads(self, number: int, tensor: Tensor) -> Tensor:
        """The projection of query, key or value, (batch, heads, steps, features of a head)."""
        size = self.embed_dim
        rows = slice(number * size, (number + 1) * size)
        weight, *bias = (tensor[rows] for tensor in (self.in_proj_weight, self.in_proj_bias) if tensor is not None)
        projected = matmul(tensor, transpose(weight))
        projected = projected + bias[0] if bias else projected
        parts = reshape(projected, (*tensor.shape[:2], self.num_heads, size // self.num_heads))
        return permute(parts, (0, 2, 1, 3) if self.batch_first else (1, 2, 0, 3))


def _left_out(scores: Tensor, mask: Any) -> Tensor:
    return where(mask, -sp.oo, scores)


class TransformerEncoderLayer(Module):
    """Attention to itself and two affine layers, each added to what it reads and normalised (arXiv 1706.03762).

    Parameters
    ----------
    d_model, nhead, dim_feedforward : features, heads of the attention, features between the affine layers.
    dropout : after the attention's weights, between the affine layers and before each sum, in training.
    activation : ``"relu"``, ``"gelu"``, or any name or function that there is.
    norm_first : normalise what each part reads, not the sums (Xiong et al., arXiv 2002.04745).
    """

    def __init__(
        self, d_model: int, nhead: int, dim_feedforward: int = 2048, dropout: float = 0.1, activation: Any = "relu",
        layer_norm_eps: float = 1e-5, batch_first: bool = False, norm_first: bool = False, bias: bool = True,
        name: str | None = None,
    ) -> None:  # fmt: skip
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, bias, batch_first)
        self.linear1, self.linear2 = Linear(d_model, dim_feedforward, bias), Linear(dim_feedforward, d_model, bias)
        self.norm1, self.norm2 = (LayerNorm(d_model, layer_norm_eps, bias=bias) for _ in range(2))
        self.dropout, self.norm_first = dropout, norm_first
        self.activation = activations.named(activation) if isinstance(activation, str) else activation
        if name is not None:
            self.build(f"{name}.")

    def __call__(self, *inputs: Any, **masks: Any) -> Tensor:
        Module.build(self, "")
        return self.forward(*map(as_tensor, inputs), **masks)

    def forward(
        self, src: Tensor, src_mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool = False
    ) -> Tensor:  # fmt: skip
        """Like ``src``, (steps, batch, d_model) or with ``batch_first`` (batch, steps, d_model); masks as PyTorch's."""

        def attend(x: Tensor) -> Tensor:
            found, _ = self.self_attn(x, key_padding_mask=src_key_padding_mask, attn_mask=src_mask, is_causal=is_causal)
            return self._dropped(found)

        def widen(x: Tensor) -> Tensor:
            return self._dropped(self.linear2(self._dropped(self.activation(self.linear1(x)))))

        if self.norm_first:
            src = src + attend(self.norm1(src))
            return src + widen(self.norm2(src))
        src = self.norm1(src + attend(src))
        return self.norm2(src + widen(src))

    def _dropped(self, x: Tensor) -> Tensor:
        return dropout(x, self.dropout) if self.dropout else x


class TransformerEncoder(Module):
    """Layers like a given one, each with parameters of its own, ``layers.0.norm1.weight``; ``norm`` comes last.

    Raises
    ------
    ArgumentError
        if the layer has parameters already: give it no name, and call it nowhere else.
    """

    def __init__(self, encoder_layer: TransformerEncoderLayer, num_layers: int, norm: Module | None = None) -> None:
        if encoder_layer.self_attn.in_proj_weight is not None:
            raise ArgumentError(at_line("TransformerEncoder copies a layer that has no parameters yet; this one has"))
        self.layers = [copy.deepcopy(encoder_layer) for _ in range(num_layers)]
        self.norm = norm

    def __call__(self, *inputs: Any, **masks: Any) -> Tensor:
        Module.build(self, "")
        return self.forward(*map(as_tensor, inputs), **masks)

    def forward(
        self, src: Tensor, mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool = False
    ) -> Tensor:  # fmt: skip
        """Like ``src``; masks are those of each layer."""
        for layer in self.layers:
            src = layer(src, src_mask=mask, src_key_padding_mask=src_key_padding_mask, is_causal=is_causal)
        return self.norm(src) if self.norm is not None else src
