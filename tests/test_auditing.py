"""Claimed derivatives against derived ones: every known mistake is found, no right backward is accused."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy as sp

import symgraph as sg
from symgraph.auditing import Audit, audit, equal
from symgraph.errors import ArgumentError

N, K = sg.dim("N"), sg.dim("K")
z, g = sg.input("z", (N, K)), sg.input("g", (N, K))
x, W, b = sg.input("x", (N, 3)), sg.parameter("W", (3, 2)), sg.parameter("b", (2,))
go = sg.input("go", (N, 2))
gamma, beta = sg.parameter("gamma", (4,)), sg.parameter("beta", (4,))
h, gh = sg.input("h", (N, 4)), sg.input("gh", (N, 4))
t = sg.input("t", (N, K))
u = sp.Symbol("u", real=True)
p = sg.softmax(z)


def over_rows(value: Any) -> Any:
    return sg.sum(value, axis=1, keepdims=True)


def normed() -> tuple[Any, Any]:
    centred = h - sg.mean(h, axis=1, keepdims=True)
    scale = 1 / sg.sqrt(sg.mean(centred**2, axis=1, keepdims=True) + sp.Rational(1, 1000))
    return centred * scale, scale


h_hat, scale = normed()
dh_hat = gh * gamma
huber = sg.huber_loss(z, t, reduction="sum")

WRONG: dict[str, tuple[Callable[[], Audit], str]] = {
    "softmax's diagonal alone": (lambda: audit(p, g * p * (1 - p), upstream=g), "different"),
    "log-softmax without Σg": (lambda: audit(sg.log_softmax(z), g, upstream=g), "different"),
    "soft cross-entropy without Σt": (
        lambda: audit(-sg.sum(t * sg.log_softmax(z)), p - t, of="z"), "different"
    ),
    "layer norm without the mean terms": (
        lambda: audit(h_hat * gamma + beta, dh_hat * scale, of="h", upstream=gh), "different"
    ),
    "Huber with the wrong sign": (
        lambda: audit(huber, -sg.clip(z - t, -1, 1), of="z"), "its sign is wrong"
    ),
    "tanh with the wrong sign": (lambda: audit(sp.tanh(u), sp.tanh(u) ** 2 - 1), "its sign is wrong"),
    "a square without its 2": (lambda: audit(u**2, u), "it lacks the factor 2"),
    "a mean without its divisor": (
        lambda: audit(sg.mean((h - gh) ** 2), 2 * (h - gh), of="h"), "it lacks the factor 1/(4·N)"
    ),
    "a mean without 1/N": (lambda: audit(sg.mean(z[:, 0] ** 2), 2 * z, of="z"), "different"),
    "a bias averaged": (lambda: audit(x @ W + b, sg.mean(go, axis=0), of=b, upstream=go), "it lacks the factor N"),
    "a bias not summed": (
        lambda: audit(x @ W + b, lambda x, W, b, go: (go @ W.T, x.T @ go, go)), "it lacks a Σ over its axis 0"
    ),
    "a square weight transposed": (
        lambda: audit(h @ (Q := sg.parameter("Q", (4, 4))), {"Q": gh.T @ h}, of=Q, upstream=gh), "it is transposed"
    ),
    "relu without its mask": (lambda: audit(sg.relu(z), g, upstream=g), "equal where z[n, k] > 0"),
    "abs by 1": (lambda: audit(sg.abs(z), g, upstream=g), "equal where"),
    "sigmoid's y(1 − y) at x": (lambda: audit(sg.sigmoid(z), g * z * (1 - z), upstream=g), "different"),
    "a term forgotten": (lambda: audit(u**3 + sp.sin(u), 3 * u**2), "it lacks cos(u)"),
    "norm without its root": (lambda: audit(sg.sqrt(sg.sum(h**2)), h), "different"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_backward_is_found(name: str) -> None:
    make, expected = WRONG[name]
    found = make()
    assert not found and expected in str(found), found
    assert "for example" in str(found) or "shape" in str(found)


RIGHT: dict[str, Callable[[], Audit]] = {
    "softmax": lambda: audit(p, p * (g - over_rows(g * p)), upstream=g),
    "log-softmax": lambda: audit(sg.log_softmax(z), g - p * over_rows(g), upstream=g),
    "soft cross-entropy": lambda: audit(-sg.sum(t * sg.log_softmax(z)), p * over_rows(t) - t, of="z"),
    "layer norm": lambda: audit(
        h_hat * gamma + beta,
        {
            "h": scale * (dh_hat - over_rows(dh_hat) / 4 - h_hat * over_rows(dh_hat * h_hat) / 4),
            "gamma": sg.sum(gh * h_hat, axis=0),
            "beta": sg.sum(gh, axis=0),
        },
        upstream=gh,
    ),
    "Huber": lambda: audit(huber, sg.clip(z - t, -1, 1), of="z"),
    "affine": lambda: audit(x @ W + b, {"x": go @ W.T, "W": x.T @ go, "b": sg.sum(go, axis=0)}, upstream=go),
    "in NumPy": lambda: audit(x @ W + b, lambda x, W, b, go: (go @ W.T, x.T @ go, go.sum(0))),
    "relu": lambda: audit(sg.relu(z), sg.where(z > 0, g, 0), upstream=g),
    "a SymPy formula": lambda: audit(sp.log(1 + sp.exp(u)), 1 / (1 + sp.exp(-u))),
    "a function of sines": lambda: audit(sp.sin(u) ** 2, sp.sin(2 * u)),
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_backward_is_not_accused(name: str) -> None:
    found = RIGHT[name]()
    assert found and found.equal, found


POINTWISE = (
    "elu", "gelu", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu", "mish", "relu", "relu6", "selu", "sigmoid",
    "silu", "softplus", "softsign", "tanh", "tanhshrink",
)  # fmt: skip
OF_ROWS = ("softmax", "log_softmax", "logsumexp")


@pytest.mark.parametrize("name", POINTWISE + OF_ROWS)
def test_pytorch_s_backward_is_not_accused(name: str) -> None:
    """PyTorch's own derivative of the function of that name, as a function of arrays."""
    torch = pytest.importorskip("torch")
    arguments: tuple[Any, ...] = (1,) if name in OF_ROWS else ()

    def backward(z: np.ndarray, dy: np.ndarray) -> np.ndarray:
        given = torch.from_numpy(z).requires_grad_()
        function = torch.logsumexp if name == "logsumexp" else getattr(torch.nn.functional, name)
        function(given, *arguments).backward(torch.from_numpy(dy))
        return given.grad.numpy()

    found = audit(getattr(sg, name)(z), backward)
    assert found, found


def test_functions_of_pytorch_and_jax_with_their_own_derivatives() -> None:
    torch = pytest.importorskip("torch")
    jax = pytest.importorskip("jax")

    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, given: Any) -> Any:
            ctx.save_for_backward(given)
            return given**2

        @staticmethod
        def backward(ctx: Any, dy: Any) -> Any:
            return dy * ctx.saved_tensors[0]

    @jax.custom_vjp
    def square(given: Any) -> Any:
        return given**2

    square.defvjp(lambda given: (given**2, given), lambda given, dy: (2 * dy * given,))
    assert "it lacks the factor 2" in str(audit(z**2, Square))
    assert audit(z**2, square)


def test_equal_formulas() -> None:
    assert equal(sp.sin(u) ** 2 + sp.cos(u) ** 2, 1)
    assert equal(sg.softmax(z), sg.exp(sg.log_softmax(z)))
    assert equal(sg.sigmoid(-z), sg.sigmoid(z)).kind == "different" and not equal(sg.sigmoid(-z), sg.sigmoid(z))
    x = sg.input("x", (2,))
    half = equal(sg.relu(x), x)
    assert not half and half.kind == "equal where"
    assert repr(half).splitlines() == [
        "equal where x[i] ≥ 0", "  left − right: max(x[i], 0) − x[i]",
        "  for example: at x = [0.5, -1.0] the left[1] is 0, the right -1",
    ]  # fmt: skip
    with pytest.raises(ArgumentError, match=r"shapes differ: \(N, K\) and \(N,\)"):
        equal(z, z[:, 0])


@pytest.mark.parametrize("upstream", [None, sg.input("g", ())], ids=["none told", "told"])
def test_a_function_for_a_scalar_may_take_what_flows_in(upstream: sg.Tensor | None) -> None:
    """One array more than there are leaves is the gradient from above, of any name and, by names, at any place."""
    v, w = sg.input("v", (N,)), sg.input("w", (N,))
    loss = sg.mean((v - w) ** 2)

    def right(grad_output: np.ndarray, v: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        slope = grad_output * 2 * (v - w) / len(v)
        return slope, -slope

    def forgets(v: np.ndarray, w: np.ndarray, grad_output: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return right(np.ones(()), v, w)

    assert audit(loss, right, upstream=upstream) and not audit(loss, forgets, upstream=upstream)


def test_what_cannot_be_audited() -> None:
    other = sg.input("other", (N, K))
    with pytest.raises(ArgumentError, match="reads input other, which the forward value does not: it has z, upstream"):
        audit(sg.tanh(z), other)
    with pytest.raises(ArgumentError, match="y is no leaf of the forward value; it has z"):
        audit(sg.tanh(z), {"y": z})
    with pytest.raises(ArgumentError, match="has 3 leaves, x, W, b: give of="):
        audit(x @ W + b, go, upstream=go)
    with pytest.raises(ArgumentError, match=r"upstream has shape \(N, 2\); expected that of .*\(N, K\)"):
        audit(sg.tanh(z), z, upstream=go)
    with pytest.raises(ArgumentError, match=r"takes \(z\); it is given the arrays z, upstream: too many"):
        audit(sg.tanh(z), lambda z: z)


def test_the_command(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import sympy as sp\nu = sp.Symbol('u', real=True)\nforward, right, wrong = sp.sin(u), sp.cos(u), -sp.cos(u)\n"
    )
    command = [sys.executable, "-m", "symgraph", "audit", "mine:forward"]
    found = subprocess.run([*command, "mine:wrong"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (found.returncode, "its sign is wrong" in found.stdout) == (1, True), found.stderr
    found = subprocess.run([*command, "nothing:right"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert found.returncode == 2 and "nothing" in found.stderr


def test_gradcheck_by_differences() -> None:
    N = sg.dim("N")
    v, w = sg.input("v", (N, 2)), sg.parameter("w", (2,))
    cost = sg.sum(sg.relu(v @ w) ** 2 + sg.tanh(v @ w)).named("cost")
    found = sg.gradcheck(cost)
    assert found and all(0 <= checked.worst < 1e-30 and checked.directions == 8 for checked in found.gradients)
    assert str(found).startswith("v: agrees, by ")
    wrong = sg.gradcheck(sg.sum(sg.stop_gradient(v) * v), wrt="v")
    assert not wrong and "v: differs, by " in str(wrong), "a gradient that is stopped is not that of the value"
    large = {"v": np.random.default_rng(0).normal(size=(300, 2)), "w": np.array([0.5, -1.0])}
    assert sg.gradcheck(cost, large).gradients[0].bound == 1e-4
    kink = sg.gradcheck(sg.abs(w), {"w": np.zeros(2), "upstream": np.ones(2)})
    assert not kink and str(kink) == "w: not checked: the value has a kink, or is not finite, at every point"
    with pytest.raises(ArgumentError, match="values has no w; needed are v, w"):
        sg.gradcheck(cost, {"v": large["v"]})
