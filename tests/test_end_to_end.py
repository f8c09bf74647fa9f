"""Declare, differentiate, compile, run: random programs against 50 digits, whole nets against PyTorch and JAX."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings

import codegen
import symgraph as sg
from symgraph.core.graph import leaves
from symgraph.core.tensor import Tensor
from symgraph.reference import evaluate
from tests.oracles import draw, precise
from tests.sizes import examples
from tests.strategies import programs

SIZES = {"N": 3}


def compare(loss: Tensor, wanted: list[Tensor], tolerance: float, seed: int = 0) -> None:
    outputs = [loss, *sg.grad(loss, wanted, disconnected="zero").values()]
    values = draw(outputs, seed, SIZES)
    function = codegen.function([leaf for leaf in leaves(outputs).values() if leaf.value is None], outputs, "float64")
    for actual, expected in zip(function(**values), precise(outputs, values, SIZES), strict=True):
        wanted_values = np.asarray(expected, dtype=np.float64)
        assert np.allclose(actual, wanted_values, rtol=tolerance, atol=tolerance, equal_nan=True), sg.explain(loss)


@settings(
    max_examples=examples(6, 100), deadline=None, derandomize=True, database=None, phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(program=programs())
def test_random_program_runs_as_plain_python(
    program: tuple[Tensor, list[Tensor]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYMGRAPH_PYTHON", "1")
    monkeypatch.setenv("SYMGRAPH_CHECK", "1")
    compare(*program, tolerance=1e-9)


@settings(max_examples=examples(3, 30), deadline=None, derandomize=True, database=None, phases=[Phase.generate])
@given(program=programs())
def test_random_program_runs_natively(program: tuple[Tensor, list[Tensor]]) -> None:
    compare(*program, tolerance=1e-9)


def network(activation: str) -> tuple[Tensor, dict[str, np.ndarray]]:
    N = sg.dim("N")
    x, t = sg.input("x", (N, 5)), sg.labels("t", (N,), classes=3)
    W1, b1 = sg.parameter("W1", (5, 7)), sg.parameter("b1", (7,))
    W2, b2 = sg.parameter("W2", (7, 3)), sg.parameter("b2", (3,))
    h = getattr(sg, activation)(x @ W1 + b1)
    z = h @ W2 + b2
    return sg.cross_entropy(z, t), draw([z, t], seed=1, sizes={"N": 6})


ACTIVATIONS = ("relu", "sigmoid", "tanh", "gelu", "silu", "mish", "softplus", "elu")


def ours(activation: str) -> tuple[dict[str, np.ndarray], list[np.ndarray]]:
    loss, values = network(activation)
    names = ("W1", "b1", "W2", "b2")
    wanted = [leaf for name, leaf in leaves([loss]).items() if name in names]
    outputs = [loss, *(sg.grad(loss, wanted)[name] for name in names)]
    return values, evaluate(outputs, values)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_are_those_of_pytorch(activation: str) -> None:
    torch = pytest.importorskip("torch")
    values, (loss, *gradients) = ours(activation)
    x, t, W1, b1, W2, b2 = (torch.tensor(values[name]) for name in ("x", "t", "W1", "b1", "W2", "b2"))
    parameters = [p.requires_grad_() for p in (W1, b1, W2, b2)]
    h = getattr(torch.nn.functional, activation)(x @ W1 + b1) if activation != "sigmoid" else torch.sigmoid(x @ W1 + b1)
    theirs = torch.nn.functional.cross_entropy(h @ W2 + b2, t)
    theirs.backward()
    np.testing.assert_allclose(loss, theirs.item(), rtol=1e-12)
    for actual, parameter in zip(gradients, parameters, strict=True):
        np.testing.assert_allclose(actual, parameter.grad, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_are_those_of_jax(activation: str) -> None:
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    values, (loss, *gradients) = ours(activation)
    function = getattr(jax.nn, activation)
    if activation == "gelu":
        function = lambda u: jax.nn.gelu(u, approximate=False)  # noqa: E731

    def cost(parameters: list) -> object:
        W1, b1, W2, b2 = parameters
        z = function(values["x"] @ W1 + b1) @ W2 + b2
        return -jax.numpy.mean(jax.nn.log_softmax(z)[np.arange(6), values["t"]])

    theirs, theirs_gradients = jax.value_and_grad(cost)([values[name] for name in ("W1", "b1", "W2", "b2")])
    np.testing.assert_allclose(loss, theirs, rtol=1e-12)
    for actual, expected in zip(gradients, theirs_gradients, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-13)
