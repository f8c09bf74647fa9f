"""Fifty-four backwards as practitioners write them, all of them right: none is accused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sympy as sp

import symgraph as sg
from symgraph.auditing import Audit, audit
from tests.sizes import examples

N, K = sg.dim("N"), sg.dim("K")
z, g, t = (sg.input(name, (N, K)) for name in "zgt")
x, y, A, b = sg.input("x", (N, 3)), sg.input("y", (N, 3)), sg.parameter("A", (3, 3)), sg.input("b", (N,))
u, a = sp.Symbol("u", real=True), sp.Symbol("a", positive=True)
p, s = sg.softmax(z), sg.sigmoid(z)
e, ln, sq, pi = sp.exp, sp.log, sp.sqrt, sp.pi
density, normal = e(-(u**2) / 2) / sq(2 * pi), (1 + sp.erf(u / sq(2))) / 2
logistic = 1 / (1 + e(-u))


def rows(value: Any) -> Any:
    return sg.sum(value, axis=1, keepdims=True)


def mean(value: Any) -> Any:
    return sg.mean(value, axis=1, keepdims=True)


rms, squares, between = sg.sqrt(mean(x**2)), sg.sum(x**2), sg.sqrt(sg.sum(x**2) * sg.sum(y**2))

OF_NUMBERS = {
    "gelu": (u * normal, normal + u * density),
    "mish": (
        u * sp.tanh(ln(1 + e(u))), sp.tanh(ln(1 + e(u))) + u * (1 - sp.tanh(ln(1 + e(u))) ** 2) * logistic,
    ),
    "log cosh": (ln(sp.cosh(u)), sp.tanh(u)),
    "arctangent": (sp.atan(u), 1 / (1 + u**2)),
    "inverse sinh": (sp.asinh(u), 1 / sq(1 + u**2)),
    "inverse sinh by its logarithm": (ln(u + sq(1 + u**2)), 1 / sq(1 + u**2)),
    "Cauchy": (ln(1 + u**2), 2 * u / (1 + u**2)),
    "cube": (a**3 / 3, a**2),
    "root": (sq(a), 1 / (2 * sq(a))),
    "one over the root": (1 / sq(a), -1 / (2 * a * sq(a))),
    "Gauss": (e(-(u**2)), -2 * u * e(-(u**2))),
    "Φ": (normal, density),
    "logit": (ln(a / (1 - a)), 1 / (a * (1 - a))),
    "sinh by exponentials": (sp.sinh(u), (e(u) + e(-u)) / 2),
    "tangent": (sp.tan(u), 1 + sp.tan(u) ** 2),
    "focal": (
        -((1 - logistic) ** 2) * ln(logistic), 2 * (1 - logistic) ** 2 * logistic * ln(logistic) - (1 - logistic) ** 3,
    ),
    "log Γ": (sp.loggamma(a), sp.digamma(a)),
    "Planck": (a**3 / (e(a) - 1), 3 * a**2 / (e(a) - 1) - a**3 * e(a) / (e(a) - 1) ** 2),
    "Student": (ln(1 + u**2 / a) * (a + 1) / 2, (a + 1) * u / (a + u**2)),
    "softsign on the right": (a / (1 + a), 1 / (1 + a) ** 2),
    "logistic by its own value": (logistic, logistic * (1 - logistic)),
    "softplus by tanh": (ln(1 + e(u)), (1 + sp.tanh(u / 2)) / 2),
    "entropy": (-a * ln(a) - (1 - a) * ln(1 - a), ln((1 - a) / a)),
    "a power of itself": (a**a, a**a * (1 + ln(a))),
    "sinc": (sp.sin(a) / a, (a * sp.cos(a) - sp.sin(a)) / a**2),
    "Charbonnier": (sq(u**2 + 1) - 1, u / sq(u**2 + 1)),
    "swish of a gate": (u * sp.tanh(u), sp.tanh(u) + u / sp.cosh(u) ** 2),
    "Gompertz": (e(-e(-u)), e(-u - e(-u))),
}  # fmt: skip
"""A formula and what is claimed to be its derivative."""

OF_ARRAYS: dict[str, Callable[[], Audit]] = {
    "silu": lambda: audit(sg.silu(z), g * (s + z * s * (1 - s)), upstream=g),
    "softplus": lambda: audit(sg.softplus(z), g * s, upstream=g),
    "log sigmoid": lambda: audit(sg.log_sigmoid(z), g * (1 - s), upstream=g),
    "softmax": lambda: audit(p, p * (g - rows(g * p)), upstream=g),
    "log-softmax": lambda: audit(sg.log_softmax(z), g - p * rows(g), upstream=g),
    "log-sum-exp": lambda: audit(sg.logsumexp(z, axis=1), b[:, None] * p, upstream=b),
    "entropy of a softmax": lambda: audit(
        -sg.sum(p * sg.log(p)), -p * (sg.log(p) - rows(p * sg.log(p))), of="z"
    ),
    "divergence": lambda: audit(sg.sum(t * (sg.log(t) - sg.log_softmax(z))), p * rows(t) - t, of="z"),
    "tanh": lambda: audit(sg.tanh(z), g * (1 - sg.tanh(z) ** 2), upstream=g),
    "norm": lambda: audit(sg.sqrt(squares), x / sg.sqrt(squares), of="x"),
    "mean square": lambda: audit(sg.mean((x - y) ** 2), 2 * (x - y) / (3 * N), of="x"),
    "dot of rows": lambda: audit(sg.sum(x * y, axis=1), b[:, None] * y, of="x", upstream=b),
    "matrix product": lambda: audit(x @ A, x.T @ y, of=A, upstream=y),
    "quadratic form": lambda: audit(sg.sum((x @ A) * x), x.T @ x, of=A),
    "quadratic form, both sides": lambda: audit(sg.sum((x @ A) * x), x @ A + x @ A.T, of="x"),
    "square of a product": lambda: audit(sg.sum((x @ A) ** 2), 2 * (x @ A) @ A.T, of="x"),
    "cosine": lambda: audit(
        sg.sum(x * y) / between, y / between - sg.sum(x * y) * x / (squares * between), of="x"
    ),
    "RMS norm": lambda: audit(x / rms, y / rms - x * mean(x * y) / rms**3, of="x", upstream=y),
    "variance": lambda: audit(sg.mean((x - sg.mean(x)) ** 2), 2 * (x - sg.mean(x)) / (3 * N), of="x"),
    "weight decay": lambda: audit(sg.sum(A**2) / 2, A, of=A),
    "binary cross-entropy of logits": lambda: audit(sg.sum(sg.softplus(z) - t * z), s - t, of="z"),
    "Poisson": lambda: audit(sg.sum(sg.exp(z) - t * z), sg.exp(z) - t, of="z"),
    "squared hinge": lambda: audit(sg.sum(sg.relu(1 - t * z) ** 2), -2 * t * sg.relu(1 - t * z), of="z"),
    "max norm's square by a mask": lambda: audit(sg.sum(sg.relu(z) ** 2), 2 * z * sg.relu(sg.sign(z)), of="z"),
    "soft attention": lambda: audit(sg.sum(p * t), p * (t - rows(p * t)), of="z"),
    "temperature": lambda: audit(sg.logsumexp(2 * z, axis=1) / 2, b[:, None] * sg.softmax(2 * z), upstream=b),
}  # fmt: skip


def test_there_are_fifty() -> None:
    assert len(OF_NUMBERS) + len(OF_ARRAYS) >= 50


@pytest.mark.parametrize("name", list(OF_NUMBERS)[:: examples(4, 1)])
def test_a_right_derivative_of_numbers_is_not_accused(name: str) -> None:
    formula, claimed = OF_NUMBERS[name]
    found = audit(formula, claimed, of=u if formula.has(u) else a)
    assert found.equal, found


@pytest.mark.parametrize("name", list(OF_ARRAYS)[:: examples(4, 1)])
def test_a_right_backward_of_arrays_is_not_accused(name: str) -> None:
    found = OF_ARRAYS[name]()
    assert found.equal, found
