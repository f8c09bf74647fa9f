"""The derivation that a user reads is the trace of what ran; golden files hold it."""

from __future__ import annotations

import pytest
import sympy as sp

import symgraph as sg
from symgraph.core.tensor import Tensor
from symgraph.derive.derivation import Derivation, derivation
from symgraph.display.text import text
from symgraph.errors import SymgraphError
from tests.test_display import balanced

N = sg.dim("N")


def classifier(t: Tensor) -> tuple[Tensor, Tensor]:
    n, k = sg.indices("n k")
    z = sg.input("z", (N, 10))
    y = sg.softmax(z)
    term = sg.log(y)[n, t[n]] if t.is_label else t[n, k] * sp.log(y[n, k])
    J = sg.define((), -sg.Sum(term, *((n,) if t.is_label else (n, k))) / N)
    return J, z


def last(found: Derivation) -> str:
    return text(found.steps[-1].right)


TARGETS = {
    "one_hot": (lambda: sg.one_hot("t", (N, 10)), "(y[n, i] − t[n, i])/N"),
    "labels": (lambda: sg.labels("t", (N,), 10), "(y[n, i] − δ[i = t[n]])/N"),
    "soft": (lambda: sg.input("t", (N, 10)), "(y[n, i]·s3[n] − t[n, i])/N"),
}


@pytest.mark.parametrize("kind", TARGETS)
def test_softmax_with_cross_entropy(kind: str, golden) -> None:
    make, expected = TARGETS[kind]
    J, z = classifier(make())
    found = derivation(J, z)
    assert last(found) == expected
    assert balanced(found.latex())
    golden(f"derivation_{kind}.txt", f"{found}\n\n{found.latex()}")


def test_through_a_layer(golden) -> None:
    x, t = sg.input("x", (N, 4)), sg.input("t", (N, 3))
    W, b = sg.parameter("W", (4, 3)), sg.parameter("b", (3,))
    y = sg.sigmoid(x @ W + b)
    J = sg.sum((y - t) ** 2) / N + sg.sum(W**2) / 100
    found = derivation(J, W)
    assert "y[n, j]·(1 − y[n, j])" in str(found)
    golden("derivation_layer.txt", str(found))


def test_every_rule_is_named_and_every_line_is_new() -> None:
    J, z = classifier(sg.one_hot("t", (N, 10)))
    found = derivation(J, z)
    rules = [step.rule for step in found.steps]
    assert all(rules) and {"chain rule", "fold through", "rows sum to 1", "cancel and collect"} <= set(rules)
    assert all(step.of is not None and step.of.text == "y" for step in found.steps if step.rule == "fold through")


def test_a_relu_keeps_its_guard() -> None:
    a = sg.input("a", (3,))
    h = sg.relu(a)
    J = sg.sum(h**2)
    found = derivation(J, a)
    assert "= {∂J/∂h[i] if a[i] > 0, else 0}" in str(found)
    assert last(found) == "{2·a[i] if a[i] > 0, else 0}"


def test_scalar_chain() -> None:
    x, y = sg.parameter("x"), sg.parameter("y")
    t = (x + y).named("t")
    z = t**2
    found = str(derivation(z, x))
    assert "∂z/∂t = 2·t" in found


def test_maximum() -> None:
    z = sg.input("z", (N, 3))
    J = sg.sum(sg.max(z, 1))
    assert last(derivation(J, z)) == "δ[i = argmax_j z[n, j]]"


def test_disconnected_is_an_error() -> None:
    x, w = sg.parameter("x"), sg.parameter("w")
    with pytest.raises(SymgraphError, match="w"):
        derivation(x**2, w)


def test_the_form_that_runs_reads_the_values_of_the_derivation_however_deep() -> None:
    """It was spelled out over the leaves, a formula in itself at each place where it is read: some 2ⁿ of n layers."""
    h = sg.input("x", (4,)) * (W := sg.parameter("W", (4,)))
    for _ in range(2):
        a = sg.layer_norm(h, (4,))
        h = h + sg.silu(a)
    lines = str(sg.derivation(sg.sum(h**2), W)).splitlines()
    assert any("as computed, through" in line for line in lines) and max(map(len, lines)) < 200
