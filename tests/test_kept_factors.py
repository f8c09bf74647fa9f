"""What is kept for a later factor: the factor, where it would be several values."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest

import codegen
import symgraph as sg
from symgraph.reference import evaluate

N = sg.dim("N")
x, W, b, V = sg.input("x", (N, 8)), sg.parameter("W", (8, 32)), sg.parameter("b", (32,)), sg.parameter("V", (32, 8))
GATES: dict[str, Callable[[sg.Tensor], sg.Tensor]] = {
    "gelu": sg.gelu,
    "z·atan z": lambda z: z * sg.arctan(z),
    "two functions": lambda z: sg.sin(z) * sg.exp(-z),
}


def _kept(function: codegen.Function) -> set[str]:
    """Arrays that the kernel of a value hands on to that of its slope."""
    heads = dict(re.findall(r"^def (\w+)\((.*), N, thread, threads\):$", function.source, re.MULTILINE))
    first = next(heads[name].split(", ") for name in heads if "b" in heads[name].split(", "))
    last = next(heads[name].split(", ") for name in heads if "V_T" in heads[name].split(", "))
    return {*first} & {*last}


@pytest.mark.parametrize("gate", GATES.values(), ids=GATES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_slope_of_a_gate_is_kept_in_place_of_what_it_is_made_of(
    gate: Callable[[sg.Tensor], sg.Tensor], dtype: str
) -> None:
    loss = sg.sum((gate(x @ W + b) @ V) ** 2)
    gradients = [sg.grad(loss, leaf) for leaf in (W, b, V)]
    function = codegen.function([x, W, b, V], [loss, *gradients], dtype)
    assert len(_kept(function)) == 1, function.source
    random = np.random.default_rng(0)
    given = {"x": random.normal(size=(70, 8)), "W": random.normal(size=(8, 32)) / 2}
    given |= {"b": random.normal(size=32), "V": random.normal(size=(32, 8))}
    found = function(*(value.astype(dtype) for value in given.values()))
    close = 1e-4 if dtype == "float32" else 1e-11
    for value, got in zip([loss, *gradients], found, strict=True):
        expected = evaluate(value, given)
        np.testing.assert_allclose(got, expected, rtol=close, atol=close * abs(expected).max())


def test_a_bell_and_its_integral_are_computed_together() -> None:
    """Φ and e^{−z²/2} of one kernel have most operations in common."""
    loss = sg.sum((sg.gelu(x @ W + b) @ V) ** 2)
    source = codegen.function([x, W, b, V], sg.grad(loss, W), "float32").source
    kernels = source.split("@kernel")
    (with_bell,) = (kernel for kernel in kernels if "bell(" in kernel)
    assert with_bell.count("ndtr(") == 2 and source.count("ndtr(") == 2  # once in a comment


def test_what_is_asked_for_too_is_kept_as_it_is() -> None:
    z = x @ W + b
    loss = sg.sum((sg.gelu(z) @ V) ** 2)
    assert len(_kept(codegen.function([x, W, b, V], [z, sg.grad(loss, W)], "float64"))) == 2
