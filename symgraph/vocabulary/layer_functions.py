"""Layers as functions of their weights: ``sg.linear(x, W, b)`` and ``sg.bilinear(x1, x2, W, b)``.

Names and order of arguments are those of ``torch.nn.functional``, apart from ``linear``'s weight, which is (in, out).
"""

from __future__ import annotations

from typing import Any

from symgraph.core.define import as_tensor
from symgraph.core.provenance import names_result
from symgraph.core.tensor import Tensor
from symgraph.vocabulary.functions import matmul
from symgraph.vocabulary.products import einsum


@names_result
def linear(x: Any, weight: Any, bias: Any = None) -> Tensor:
    """y = x·W + b of (…, in), W (in, out) and b (out,).

    Raises
    ------
    ShapeError
        if the inner sizes differ.
    """
    product = matmul(x, weight)
    return product if bias is None else product + as_tensor(bias)


@names_result
def bilinear(x1: Any, x2: Any, weight: Any, bias: Any = None) -> Tensor:
    """y[…, o] = Σ_{i,j} x₁[…, i]·W[o, i, j]·x₂[…, j] + b[o]."""
    y = einsum("...i,oij,...j->...o", as_tensor(x1), as_tensor(weight), as_tensor(x2))
    return y if bias is None else y + as_tensor(bias)


__all__ = ["bilinear", "linear"]
