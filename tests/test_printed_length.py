"""Printed gradients are as short as a paper's: models with their hand formulas, of lengths at most 1.2 apart."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

import codegen
import symgraph as sg
from symgraph.core.graph import topological
from symgraph.core.tensor import Tensor
from symgraph.display.retell import retold
from symgraph.reference import evaluate

N = sg.dim("N")
HALF = sp.Rational(1, 2)
RATIO = 1.2


def gaussian() -> tuple[Tensor, Tensor]:
    x, m, s = sg.input("x", ()), sg.parameter("μ"), sg.parameter("σ")
    return (x - m) ** 2 / (2 * s**2) + sg.log(s**2) / 2, s


def gaussian_of_absolute() -> tuple[Tensor, Tensor]:
    x, m, s = sg.input("x", ()), sg.parameter("μ"), sg.parameter("σ")
    return ((x - m) / sg.abs(s)) ** 2 / 2 + sg.log(sg.abs(s)), s


def gaussians_of_rows() -> tuple[Tensor, Tensor]:
    x, m, s = sg.input("x", (N,)), sg.parameter("μ"), sg.parameter("σ")
    return sg.sum((x - m) ** 2 / (2 * s**2) + sg.log(s)), s


def features() -> tuple[Tensor, Tensor, Tensor]:
    return sg.input("x", (N, 5)), sg.input("t", (N,)), sg.parameter("w", (5,))


def logistic() -> tuple[Tensor, Tensor]:
    x, t, w = features()
    y = sg.sigmoid(x @ w)
    return -sg.mean(t * sg.log(y) + (1 - t) * sg.log(1 - y)), w


def softmax_cross_entropy() -> tuple[Tensor, Tensor]:
    x, t, W = sg.input("x", (N, 5)), sg.labels("t", (N,), 4), sg.parameter("W", (5, 4))
    return sg.cross_entropy(x @ W, t), W


def linear() -> tuple[Tensor, Tensor]:
    x, t, w = features()
    r = x @ w - t
    return sg.mean(r**2), w


def ridge() -> tuple[Tensor, Tensor]:
    x, t, w = features()
    r = x @ w - t
    return sg.sum(r**2) + sg.parameter("λ") * sg.sum(w**2), w


def poisson() -> tuple[Tensor, Tensor]:
    x, t, w = features()
    z = x @ w
    return sg.sum(sg.exp(z) - t * z), w


def network(activation: sg.Elementwise) -> tuple[Tensor, Tensor]:
    x, t, W, u = sg.input("x", (N, 5)), sg.input("t", (N,)), sg.parameter("W", (5, 3)), sg.parameter("u", (3,))
    a = x @ W
    h = activation(a)
    r = h @ u - t
    return sg.sum(r**2) / 2, W


def rbf() -> tuple[Tensor, Tensor]:
    x, c, g = sg.input("x", (N, 3)), sg.parameter("c", (3,)), sg.parameter("g")
    d = sg.sum((x - c) ** 2, 1)
    return sg.sum(sg.exp(-g * d)), g


def huber() -> tuple[Tensor, Tensor]:
    x, t, w = features()
    z = x @ w
    return sg.huber_loss(z, t), w


def kl_first() -> tuple[Tensor, Tensor]:
    m, s, n, r = (sg.parameter(name) for name in ("μ1", "σ1", "μ2", "σ2"))
    return sg.log(r / s) + (s**2 + (m - n) ** 2) / (2 * r**2) - HALF, s


def kl_second() -> tuple[Tensor, Tensor]:
    m, s, n, r = (sg.parameter(name) for name in ("μ1", "σ1", "μ2", "σ2"))
    return sg.log(r / s) + (s**2 + (m - n) ** 2) / (2 * r**2) - HALF, r


def quadratic() -> tuple[Tensor, Tensor]:
    x, A = sg.parameter("x", (3,)), sg.parameter("A", (3, 3))
    return sg.sum((A @ x) * x), A


def convolution() -> tuple[Tensor, Tensor]:
    s, K, t = sg.input("s", (20,)), sg.parameter("K", (3,)), sg.input("t", (18,))
    i, j = sg.indices("i j")
    r = sg.define((i,), sg.Sum(s[i + j] * K[j], j) - t[i], shape=(18,))
    return sg.sum(r**2), K


def embedding_mean() -> tuple[Tensor, Tensor]:
    E, words, u = sg.parameter("E", (10, 4)), sg.labels("l", (N,), 10), sg.parameter("u", (4,))
    n, k = sg.indices("n k")
    m = sg.define((k,), sg.Sum(E[words[n], k], n) / N)
    return sg.sum(m * u), u


def lotka_volterra() -> tuple[Tensor, Tensor]:
    p, q, a, b, h, x = (sg.parameter(name) for name in ("p", "q", "α", "β", "h", "x"))
    r = p + h * (a * p - b * p * q) - x
    return r**2, a


def attention() -> tuple[Tensor, Tensor]:
    Q, K, G = sg.parameter("Q", (4, 3)), sg.input("K", (4, 3)), sg.input("G", (4, 4))
    S = Q @ K.T / sp.sqrt(3)
    return sg.sum(S * G), Q


def layer_norm() -> tuple[Tensor, Tensor]:
    x, g, T, e = sg.input("x", (N, 5)), sg.parameter("γ", (5,)), sg.input("T", (N, 5)), sg.parameter("ε")
    n, i = sg.indices("n i")
    c = x - sg.mean(x, 1, keepdims=True)
    s = sg.mean(c**2, 1)
    y = sg.define((n, i), c[n, i] / sp.sqrt(s[n] + e.element))
    return sg.sum(y * g * T), g


def gelu() -> tuple[Tensor, Tensor]:
    x = sg.parameter("x", (5,))
    return sg.sum(sg.gelu(x)), x


def residual_of_an_equation() -> tuple[Tensor, Tensor]:
    """u' = −k·u at the points x, of the trial u = a·x + b·x²."""
    k, a, b, x = sg.parameter("k"), sg.parameter("a"), sg.parameter("b"), sg.input("x", (N,))
    r = a + 2 * b * x + k * (a * x + b * x**2)
    return sg.sum(r**2), k


def logsumexp() -> tuple[Tensor, Tensor]:
    x = sg.parameter("x", (5,))
    return sg.logsumexp(x), x


def norm() -> tuple[Tensor, Tensor]:
    x = sg.parameter("x", (5,))
    return sg.sqrt(sg.sum(x**2)), x


def cosine_similarity() -> tuple[Tensor, Tensor]:
    x, y = sg.parameter("x", (5,)), sg.input("y", (5,))
    a, b = sg.sqrt(sg.sum(x**2)), sg.sqrt(sg.sum(y**2))
    return sg.sum(x * y) / (a * b), x


def softmax_attention() -> tuple[Tensor, Tensor]:
    Q, K, V, G = sg.input("Q", (4, 3)), sg.input("K", (4, 3)), sg.parameter("V", (4, 2)), sg.input("G", (4, 2))
    P = sg.softmax(Q @ K.T / sp.sqrt(3))
    return sg.sum(P @ V * G), V


def batch_norm() -> tuple[Tensor, Tensor]:
    x, g, T, e = sg.input("x", (N, 5)), sg.parameter("γ", (5,)), sg.input("T", (N, 5)), sg.parameter("ε")
    n, i = sg.indices("n i")
    c = x - sg.mean(x, 0)
    s = sg.mean(c**2, 0)
    y = sg.define((n, i), c[n, i] / sp.sqrt(s[i] + e.element))
    return sg.sum(y * g * T), g


def gru_cell() -> tuple[Tensor, Tensor]:
    h, x, c, G = (sg.input(name, (4,)) for name in "hxcG")
    U, W = sg.parameter("U", (4, 4)), sg.parameter("W", (4, 4))
    z = sg.sigmoid(x @ U + h @ W)
    return sg.sum(((1 - z) * h + z * c) * G), U


def divergence_of_a_vae() -> tuple[Tensor, Tensor]:
    """The part of the ELBO that has a closed form: from N(μ, σ²) to N(0, 1)."""
    m, s = sg.parameter("μ", (4,)), sg.parameter("σ", (4,))
    return sg.sum(m**2 + s**2 - 1 - sg.log(s**2)) / 2, s


def student() -> tuple[Tensor, Tensor]:
    """The negative log-likelihood of Student's t with location μ and scale σ."""
    x, m, s, v = sg.input("x", (N,)), sg.parameter("μ"), sg.parameter("σ"), sg.parameter("ν")
    z = (x - m) / s
    return sg.sum(sg.log(s) + (v + 1) / 2 * sg.log(1 + z**2 / v)), s


def saturation() -> tuple[Tensor, Tensor]:
    """Michaelis and Menten's rate f of a reaction, fitted by least squares."""
    S, V, K, v = sg.input("S", (N,)), sg.parameter("V"), sg.parameter("K"), sg.input("v", (N,))
    f = V * S / (K + S)
    r = f - v
    return sg.sum(r**2), K


def kepler() -> tuple[Tensor, Tensor]:
    p, q, m = sg.parameter("p", (3,)), sg.parameter("q", (3,)), sg.parameter("m")
    r = sg.sqrt(sg.sum(q**2))
    return sg.sum(p**2) / (2 * m) - m / r, q


def mixture_of_gaussians() -> tuple[Tensor, Tensor]:
    x, m, e, w = sg.input("x", (N,)), *(sg.parameter(name, (3,)) for name in ("m", "λ", "w"))
    n, k = sg.indices("n k")
    q = sg.define((n, k), w[k] + e[k] - sg.exp(2 * e[k]) * (x[n] - m[k]) ** 2 / 2)
    return -sg.mean(sg.logsumexp(q, 1)) + sg.logsumexp(w), m


def epidemic() -> tuple[Tensor, Tensor]:
    """A step of the infected I in an SIR model, fitted to observations o."""
    beta, gamma, h = (sg.parameter(name) for name in ("β", "γ", "h"))
    S, I, o = (sg.input(name, (N,)) for name in "SIo")  # noqa: E741
    q = beta * S * I - gamma * I
    s = I + h * q
    return sg.mean((s - o) ** 2), beta


CHAIN = "∂J/∂W[i, j] = Σ_n x[n, i]·∂J/∂a[n, j]  where ∂J/∂a[n, j] = ∂J/∂h[n, j]·{} ∂J/∂h[n, j] = r[n]·u[j]"
MODELS = {
    gaussian: "∂J/∂σ = 1/σ − (x − μ)²/σ³",
    gaussian_of_absolute: "∂J/∂σ = 1/σ − (x − μ)²/σ³",
    gaussians_of_rows: "∂J/∂σ = N/σ − Σ_n (x[n] − μ)²/σ³",
    logistic: "∂J/∂w[i] = Σ_n x[n, i]·∂J/∂a1[n] where ∂J/∂a1[n] = (y[n] − t[n])/N",
    softmax_cross_entropy: "∂J/∂W[i, j] = Σ_n x[n, i]·∂J/∂a1[n, j] where ∂J/∂a1[n, j] = (y[n, j] − δ[j = t[n]])/N",
    linear: "∂J/∂w[i] = (2/N)·Σ_n x[n, i]·r[n]",
    ridge: "∂J/∂w[i] = 2·Σ_n x[n, i]·r[n] + 2·λ·w[i]",
    poisson: "∂J/∂w[i] = Σ_n x[n, i]·(exp(z[n]) − t[n])",
    rbf: "∂J/∂g = −Σ_n d[n]·exp(−g·d[n])",
    kl_first: "∂J/∂σ1 = σ1/σ2² − 1/σ1",
    kl_second: "∂J/∂σ2 = 1/σ2 − (σ1² + (μ1 − μ2)²)/σ2³",
    quadratic: "∂J/∂A[i, j] = x[i]·x[j]",
    convolution: "∂J/∂K[i] = 2·Σ_j s[i + j]·r[j]",
    embedding_mean: "∂J/∂u[i] = m[i]",
    lotka_volterra: "∂J/∂α = 2·h·p·r",
    attention: "∂J/∂Q[i, j] = (1/√3)·Σ_k G[i, k]·K[k, j]",
    layer_norm: "∂J/∂γ[i] = Σ_n T[n, i]·y[n, i]",
    huber: "∂J/∂w[i] = Σ_n x[n, i]·∂J/∂z[n] "
    "where ∂J/∂z[n] = {(z[n] − t[n])/N if |z[n] − t[n]| ≤ 1, else sign(z[n] − t[n])/N}",
    gelu: "∂J/∂x[i] = (1 + erf(x[i]/√2))/2 + x[i]·exp(−x[i]²/2)/√(2·π)",
    residual_of_an_equation: "∂J/∂k = 2·Σ_n r[n]·(a·x[n] + b·x[n]²)",
    logsumexp: "∂J/∂x[i] = exp(x[i])/Σ_j exp(x[j])",
    norm: "∂J/∂x[i] = x[i]/J",
    cosine_similarity: "∂J/∂x[i] = y[i]/(a·b) − J·x[i]/a²",
    softmax_attention: "∂J/∂V[i, k] = Σ_j P[j, i]·G[j, k]",
    batch_norm: "∂J/∂γ[i] = Σ_n T[n, i]·y[n, i]",
    gru_cell: "∂J/∂U[j, i] = x[j]·G[i]·(c[i] − h[i])·z[i]·(1 − z[i])",
    divergence_of_a_vae: "∂J/∂σ[i] = σ[i] − 1/σ[i]",
    student: "∂J/∂σ = N/σ − ((ν + 1)/σ)·Σ_n z[n]²/(ν + z[n]²)",
    saturation: "∂J/∂K = −2·Σ_n f[n]·r[n]/(S[n] + K)",
    mixture_of_gaussians: "∂J/∂m[i] = −exp(2·λ[i])·Σ_n exp(q[n, i])·(x[n] − m[i])/(N·Σ_j exp(q[n, j]))",
    epidemic: "∂J/∂β = (2·h/N)·Σ_n S[n]·I[n]·(s[n] − o[n])",
    kepler: "∂J/∂q[i] = m·q[i]/r³",
}
NETWORKS = {
    sg.sigmoid: CHAIN.format("h[n, j]·(1 − h[n, j])"),
    sg.tanh: CHAIN.format("(1 − h[n, j]²)"),
    sg.relu: CHAIN.format("1[a[n, j] > 0]"),
}


def length(shown: str) -> int:
    return len("".join(shown.split()))


LONGER = {norm: "the guard at 0 has a line of its own"}
"""Not there yet, and why."""


@pytest.mark.parametrize(
    "model",
    [pytest.param(m, marks=pytest.mark.xfail(strict=True, reason=LONGER[m]) if m in LONGER else ()) for m in MODELS],
    ids=lambda model: model.__name__,
)
def test_a_gradient_is_as_short_as_by_hand(model) -> None:
    loss, of = model()
    shown = str(sg.grad(loss.named("J"), of))
    assert length(shown) <= RATIO * length(MODELS[model]), shown


@pytest.mark.parametrize("activation", NETWORKS, ids=lambda a: a.name)
def test_a_networks_gradient_is_as_short_as_by_hand(activation) -> None:
    loss, of = network(activation)
    shown = str(sg.grad(loss.named("J"), of))
    assert length(shown) <= RATIO * length(NETWORKS[activation]), shown


def test_a_sum_keeps_its_digits_where_its_terms_are_large_or_its_total_is_not() -> None:
    """x − μ is not multiplied out, and f is not found again from f − v."""
    loss, of = student()
    x = 2.0**27 + np.arange(5.0)
    values = {"x": x, "μ": 2.0**27 + 2.5, "σ": 1.5, "ν": 3.0}
    z = (x - values["μ"]) / 1.5
    expected = 5 / 1.5 - 4 / 1.5 * np.sum(z**2 / (3 + z**2))
    assert np.isclose(evaluate(sg.grad(loss, of), values), expected, rtol=1e-14, atol=0)
    loss, of = saturation()
    values = {"S": np.array([1e-20]), "V": 2.0, "K": 3.0, "v": np.array([5.0])}
    assert np.isclose(evaluate(sg.grad(loss, of), values), 2 * 5 * 2e-20 / 9, rtol=1e-14, atol=0)


@pytest.mark.parametrize("model", [gaussian, gaussian_of_absolute, kl_first, kl_second, lotka_volterra])
def test_what_is_told_in_another_way_is_equal(model) -> None:
    loss, of = model()
    gradient = sg.grad(loss, of)
    forms = [gradient, *retold(gradient)]
    leaves = [t for t in topological(forms) if t.definition is None]
    evaluate = codegen.function(leaves, forms, "float64")
    generator = np.random.default_rng(0)
    for _ in range(20):
        first, *others = evaluate(*generator.normal(size=len(leaves)))
        assert np.allclose(others, first, rtol=1e-9, atol=0)
    assert len(forms) > 1


@pytest.mark.parametrize("model", [kl_first, lotka_volterra], ids=lambda model: model.__name__)
def test_the_table_tells_a_gradient_as_the_gradient_does(model) -> None:
    """Scalars alone, so that the column of the matrix form is empty."""
    loss, of = model()
    loss = loss.named("J")
    assert str(sg.grad(loss, of)) in str(sg.explain(loss, wrt=[of]))
