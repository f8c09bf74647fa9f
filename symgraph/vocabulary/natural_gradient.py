"""The natural gradient: steps of one length in what the model says, not in its parameters.

    F = λ·I + Σ g·gᵀ over the steps so far,  G = F⁻¹          θ ← θ − lr·k·G·g

The mean of g·gᵀ is Fisher's information matrix where g is the gradient of a log-likelihood. G is kept, and no system is
solved: a new g changes it by one outer product (Sherman & Morrison), as Amari, Park & Fukumizu have it (2000).
"""

from __future__ import annotations

from math import prod

import sympy as sp

from symgraph.core.misuse import explained
from symgraph.core.tensor import Tensor
from symgraph.vocabulary.functions import matmul, sum, where
from symgraph.vocabulary.products import eye, outer
from symgraph.vocabulary.shapes import reshape
from symgraph.vocabulary.updating import Optimizer, Row, Schedule, made


def _square(shape: tuple[sp.Expr, ...]) -> tuple[sp.Expr, sp.Expr]:
    """Of all elements of a parameter with all."""
    return prod(shape, start=sp.S.One), prod(shape, start=sp.S.One)


def _flat(g: Tensor, G: Tensor) -> Tensor:
    return reshape(g, G.shape[0])


@explained
def NaturalGradient(lr: float | Schedule = 0.1, damping: float | Schedule = 1e-2) -> Optimizer:
    """Natural gradient by the empirical Fisher matrix of each parameter's gradients (Amari 1998), the mean of the steps
    so far, with ``damping``/k on its diagonal at step k. A parameter of n elements keeps n² numbers: for small models,
    and most like its name for batches of one example.
    """
    rows = [
        Row("before", lambda G, damping, k: where(sp.Eq(k, 1), eye(G.shape[0]) / damping, G)),
        Row("u", lambda before, g: matmul(before, _flat(g, before))),
        Row("G", lambda before, u, g: before - outer(u, u) / (1 + sum(_flat(g, before) * u)), 0.0, _square),
        Row("theta", lambda theta, G, g, k, lr: theta - lr * k * reshape(matmul(G, _flat(g, G)), *theta.shape)),
    ]
    return made("NaturalGradient", rows, lr=lr, damping=damping)
