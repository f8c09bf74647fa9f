"""Small programs, each a scalar loss written with plain formulas: the rows of the tests of derivatives.

Shapes are tiny and the batch size ``N`` stays a symbol. A row states where its values may lie.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import sympy as sp

import symgraph as sg
from symgraph.core.tensor import Tensor
from symgraph.vocabulary.elementwise import u

SIZES = {"N": 3}
N = sg.dim("N")
n, i, j, k, c, p, q = sg.indices("n i j k c p q")


@dataclass(frozen=True, slots=True)
class Row:
    """A program: ``make`` returns the loss and the leaves to differentiate by."""

    name: str
    make: Callable[[], tuple[Tensor, list[Tensor]]]
    low: float = -2.0
    high: float = 2.0
    smooth: bool = True


def x_of(*shape: object) -> Tensor:
    return sg.input("x", shape)


def weighted(y: Tensor) -> Tensor:
    """Σ c·y with a leaf c, so that every element of y has a cotangent of its own."""
    return sg.sum(sg.input("c", y.shape) * y)


def affine() -> tuple[Tensor, list[Tensor]]:
    x, W, b = x_of(N, 2), sg.parameter("W", (2, 3)), sg.parameter("b", (3,))
    return weighted(x @ W + b), [x, W, b]


def two_layers(activation: Callable[[Tensor], Tensor] = sg.sigmoid) -> tuple[Tensor, list[Tensor]]:
    x, t = x_of(N, 2), sg.labels("t", (N,), classes=3)
    W1, b1 = sg.parameter("W1", (2, 3)), sg.parameter("b1", (3,))
    W2, b2 = sg.parameter("W2", (3, 3)), sg.parameter("b2", (3,))
    h = activation(x @ W1 + b1)
    z = h @ W2 + b2
    J = sg.cross_entropy(z, t) + sp.Rational(1, 200) * (sg.sum(W1**2) + sg.sum(W2**2))
    return J, [x, W1, b1, W2, b2]


def residual() -> tuple[Tensor, list[Tensor]]:
    x, W = x_of(N, 3), sg.parameter("W", (3, 3))
    h = x
    for _ in range(2):
        h = h + sg.tanh(h @ W)
    return weighted(h * h), [x, W]


def softmax_in_steps(targets: str) -> tuple[Tensor, list[Tensor]]:
    z = sg.input("z", (N, 3))
    t = sg.one_hot("t", (N, 3)) if targets == "one-hot" else sg.input("t", (N, 3))
    e = sg.exp(z)
    S = sg.sum(e, axis=1, keepdims=True)
    y = e / S
    L = -sg.sum(t * sg.log(y)) / N
    return L, [z]


def softmax_in_one_formula(targets: str) -> tuple[Tensor, list[Tensor]]:
    z = sg.input("z", (N, 3))
    y = sg.define((n, k), sp.exp(z[n, k]) / sg.Sum(sp.exp(z[n, j]), j))
    if targets == "labels":
        t = sg.labels("t", (N,), classes=3)
        return sg.define((), -sg.Sum(sp.log(y[n, t[n]]), n) / N), [z]
    t = sg.one_hot("t", (N, 3)) if targets == "one-hot" else sg.input("t", (N, 3))
    return sg.define((), -sg.Sum(t[n, k] * sp.log(y[n, k]), n, k) / N), [z]


def cross_entropy(targets: str, reduction: str = "mean") -> tuple[Tensor, list[Tensor]]:
    z = sg.input("z", (N, 3))
    t = {
        "labels": lambda: sg.labels("t", (N,), classes=3),
        "one-hot": lambda: sg.one_hot("t", (N, 3)),
        "soft": lambda: sg.input("t", (N, 3)),
    }[targets]()
    loss = sg.cross_entropy(z, t, reduction=reduction)
    return (loss if loss.ndim == 0 else weighted(loss)), [z]


def softmax_alone(function: Callable[[Tensor], Tensor]) -> tuple[Tensor, list[Tensor]]:
    z = sg.input("z", (N, 3))
    y = function(z)
    return weighted(y), [z]


def loss_row(function: Callable[..., Tensor], reduction: str) -> Callable[[], tuple[Tensor, list[Tensor]]]:
    def make() -> tuple[Tensor, list[Tensor]]:
        x, t = x_of(N, 2), sg.input("t", (N, 2))
        loss = function(x, t, reduction=reduction)
        return (loss if loss.ndim == 0 else weighted(loss)), [x, t]

    return make


def reduced(function: Callable[..., Tensor], axis: int | None, keepdims: bool = False) -> tuple[Tensor, list[Tensor]]:
    x = x_of(N, 4)
    return weighted(function(x, axis=axis, keepdims=keepdims) ** 2), [x]


def gather() -> tuple[Tensor, list[Tensor]]:
    t, W = sg.labels("t", (N, 2), classes=4), sg.parameter("W", (4, 3))
    h = sg.define((n, i, k), W[t[n, i], k])
    return weighted(sg.tanh(h)), [W]


def gather_twice() -> tuple[Tensor, list[Tensor]]:
    t, W = sg.labels("t", (N,), classes=4), sg.parameter("W", (4, 3))
    return weighted(sg.define((n, k), W[t[n], k] * sp.exp(W[t[n], 0]))), [W]


def convolution() -> tuple[Tensor, list[Tensor]]:
    x, w = x_of(N, 2, 6), sg.parameter("w", (3, 2, 3))
    y = sg.define((n, k, p), sg.Sum(x[n, c, p + q] * w[k, c, q], c, q), (N, 3, 4))
    return weighted(sg.tanh(y)), [x, w]


def strided_convolution() -> tuple[Tensor, list[Tensor]]:
    x, w = x_of(N, 7), sg.parameter("w", (3,))
    y = sg.define((n, p), sg.Sum(x[n, 2 * p + q] * w[q], q), (N, 3))
    return weighted(y * y), [x, w]


def reversed_correlation() -> tuple[Tensor, list[Tensor]]:
    x, w = x_of(N, 6), sg.parameter("w", (3,))
    y = sg.define((n, p), sg.Sum(x[n, p - q + 2] * w[q], q), (N, 4))
    return weighted(y**2), [x, w]


def diagonal() -> tuple[Tensor, list[Tensor]]:
    A = sg.parameter("A", (3, 3))
    return sg.define((), sg.Sum(A[i, i] ** 3 + A[i, j] * A[j, i], i, j)), [A]


def transposes() -> tuple[Tensor, list[Tensor]]:
    x, A = x_of(N, 3), sg.parameter("A", (2, 3))
    y = x @ A.T
    return weighted(sg.transpose(y) @ y * sg.sum(A.T @ A)), [x, A]


def broadcasting() -> tuple[Tensor, list[Tensor]]:
    x, a, s = x_of(N, 2, 3), sg.parameter("a", (2, 1)), sg.parameter("s")
    row = sg.parameter("row", (3,))
    return weighted((x + a) * row / (2 + s**2) - a * s), [x, a, row, s]


def slices() -> tuple[Tensor, list[Tensor]]:
    x = x_of(N, 5)
    return weighted(x[:, 1:4] * x[:, ::2] + x[:, -1:] * x[:, 0:1] + sg.exp(x[:, ::-1][:, 2:])), [x]


def shared_weights() -> tuple[Tensor, list[Tensor]]:
    x, W = x_of(N, 2), sg.parameter("W", (2, 2))
    return weighted(sg.sigmoid(sg.sigmoid(x @ W) @ W.T) @ W), [x, W]


def hyper_parameters() -> tuple[Tensor, list[Tensor]]:
    alpha, beta = sp.symbols("alpha beta")
    x = x_of(N, 2)
    J = sg.sum(x**2 / (1 + alpha**2) + sp.cos(beta) * sp.tanh(alpha * x)) / N
    return J, [x, sg.as_tensor(alpha), sg.as_tensor(beta)]


def layer_normalised() -> tuple[Tensor, list[Tensor]]:
    x, gain = x_of(N, 3), sg.parameter("gain", (3,))
    centred = x - sg.mean(x, axis=1, keepdims=True)
    variance = sg.mean(centred**2, axis=1, keepdims=True)
    return weighted(gain * centred / sp.sqrt(variance + sp.Rational(1, 1000))), [x, gain]


def regularised(formula: Callable[[Tensor], Tensor]) -> tuple[Tensor, list[Tensor]]:
    W, strength = sg.parameter("W", (2, 3)), sp.Symbol("lambda")
    return strength * sg.sum(formula(W)), [W]


def attention() -> tuple[Tensor, list[Tensor]]:
    x, Q, K, V = x_of(N, 2), sg.parameter("Q", (2, 2)), sg.parameter("K", (2, 2)), sg.parameter("V", (2, 2))
    scores = sg.softmax((x @ Q) @ (x @ K).T / sp.sqrt(2))
    return weighted(scores @ (x @ V)), [x, Q, K, V]


def masked_logarithm() -> tuple[Tensor, list[Tensor]]:
    x = x_of(N, 3)
    return weighted(sg.where(x > 0, sg.log(x), 0)), [x]


def binary_on_sigmoid() -> tuple[Tensor, list[Tensor]]:
    z, t = sg.input("z", (N, 2)), sg.input("t", (N, 2))
    y = sg.sigmoid(z)
    return sg.binary_cross_entropy(y, t), [z]


def constant_filter() -> tuple[Tensor, list[Tensor]]:
    x = x_of(N, 2)
    return weighted(sg.tanh(x @ sg.constant(np.array([[1.0, 2.0], [0.5, -1.0]])))), [x]


def normalised_by_its_norm() -> tuple[Tensor, list[Tensor]]:
    x = x_of(N, 3)
    norm = sp.sqrt(sg.sum(x**2, axis=1, keepdims=True))
    return weighted(x / norm), [x]


LOSSES: dict[str, tuple[Callable[..., Tensor], float, float, bool]] = {
    "mse_loss": (sg.mse_loss, -2, 2, True),
    "half_mse_loss": (sg.half_mse_loss, -2, 2, True),
    "l1_loss": (sg.l1_loss, -2, 2, False),
    "huber_loss": (sg.huber_loss, -2, 2, False),
    "smooth_l1_loss": (sg.smooth_l1_loss, -2, 2, False),
    "log_cosh_loss": (sg.log_cosh_loss, -2, 2, True),
    "binary_cross_entropy": (sg.binary_cross_entropy, 0.05, 0.95, True),
    "binary_cross_entropy_with_logits": (sg.binary_cross_entropy_with_logits, -3, 3, True),
}

ALIKE = ("sign", "relu6", "celu", "hardsigmoid", "tanhshrink", "softshrink", "hardshrink", "threshold")
"""Activations whose programs are those of others."""
ROWS: list[Row] = [
    Row("affine", affine),
    Row("two layers, sigmoid", two_layers),
    Row("two layers, tanh", lambda: two_layers(sg.tanh)),
    Row("two layers, relu", lambda: two_layers(sg.relu), smooth=False),
    Row("two layers, mish", lambda: two_layers(sg.mish)),
    Row("residual", residual),
    *(Row(f"softmax in steps, {t}", lambda t=t: softmax_in_steps(t)) for t in ("one-hot", "soft")),
    *(
        Row(f"softmax in one formula, {t}", lambda t=t: softmax_in_one_formula(t))
        for t in ("one-hot", "soft", "labels")
    ),
    *(
        Row(f"cross-entropy, {t}, {r}", lambda t=t, r=r: cross_entropy(t, r))
        for t in ("labels", "one-hot", "soft")
        for r in ("mean", "sum", "none")
    ),
    Row("softmax", lambda: softmax_alone(sg.softmax)),
    Row("softmax along the batch", lambda: softmax_alone(lambda z: sg.softmax(z, axis=0))),
    Row("log-softmax", lambda: softmax_alone(sg.log_softmax)),
    Row("logsumexp", lambda: softmax_alone(sg.logsumexp)),
    *(
        Row(f"{name}, {r}", loss_row(f, r), low, high, smooth)
        for name, (f, low, high, smooth) in LOSSES.items()
        for r in ("mean", "sum", "none")
    ),
    *(
        Row(f"{f.__name__} over {axis}, keepdims={keep}", lambda f=f, a=axis, kd=keep: reduced(f, a, kd))
        for f in (sg.sum, sg.mean, sg.max, sg.min)
        for axis, keep in ((None, False), (0, False), (1, True))
    ),
    Row("gather", gather),
    Row("gather twice", gather_twice),
    Row("convolution", convolution),
    Row("strided convolution", strided_convolution),
    Row("reversed correlation", reversed_correlation),
    Row("diagonal", diagonal),
    Row("transposes", transposes),
    Row("broadcasting", broadcasting),
    Row("slices", slices),
    Row("shared weights", shared_weights),
    Row("hyper-parameters", hyper_parameters),
    Row("layer normalisation", layer_normalised),
    Row("L2", lambda: regularised(lambda W: W**2)),
    Row("L1", lambda: regularised(abs), smooth=False),
    Row("elastic net", lambda: regularised(lambda W: abs(W) + W**2 / 2), smooth=False),
    Row("attention", attention),
    Row("masked logarithm", masked_logarithm, smooth=False),
    Row("binary cross-entropy on a sigmoid", binary_on_sigmoid),
    Row("constant filter", constant_filter),
    Row("divided by the norm", normalised_by_its_norm),
    *(
        Row(
            f"activation {name}",
            lambda f=f: softmax_alone(f),
            0.1 if name in ("log", "sqrt") else -3.0,
            3.0,
            name in SMOOTH,
        )
        for name, f in sg.activations.ELEMENTWISE.items()
        if f.arguments == (u,) and name not in ALIKE
        for SMOOTH in [
            ("exp", "log", "sqrt", "sin", "cos", "erf", "tanh", "sigmoid", "gelu", "silu", "mish", "softplus")
        ]
    ),
]
