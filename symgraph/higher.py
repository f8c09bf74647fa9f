"""Jacobians, Hessians and products with them: the one derivative rule, applied again."""

from __future__ import annotations

from typing import Any

import sympy as sp

from symgraph.define import as_tensor, define
from symgraph.differentiate import grad
from symgraph.errors import DomainError, ShapeError
from symgraph.functions import sum
from symgraph.indices import Index, axis, show_shape
from symgraph.provenance import at_line, names_result
from symgraph.scalars import Delta
from symgraph.tensor import Element, Tensor


@names_result
def jacobian(output: Any, wrt: Any) -> Tensor:
    """∂output[f]/∂wrt[m] as a tensor of shape output.shape + wrt.shape.

    It is the gradient of Σ_f seed[f]·output[f] with the seed set to δ(f, f′): one reverse sweep, no loop.
    """
    y, x = as_tensor(output), as_tensor(wrt)
    if y.ndim == 0:
        return grad(y, x, disconnected="zero")
    rows = [Index(f"f{d}") for d in range(y.ndim)]
    # the rows of the Jacobian are an axis of their own: the seed is a leaf with them in front
    seed = Tensor.leaf("input", "seed", y.shape)
    total = define((), _total(seed, y))
    product = grad(total, x, disconnected="zero")
    return _linear_part(product, seed, rows)


def _total(seed: Tensor, y: Tensor) -> Any:
    from symgraph.define import Sum

    over = [Index(f"s{d}") for d in range(y.ndim)]
    return Sum(Element(seed, *over) * Element(y, *over), *over)


def _linear_part(product: Tensor, seed: Tensor, rows: list[Index]) -> Tensor:
    """A tensor linear in the seed, with the seed's element at f′ replaced by δ(f, f′) for new leading axes f."""
    raise NotImplementedError
