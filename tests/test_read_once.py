"""Formulas that no other one is better than are not looked at; those that are only like them are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import sympy as sp

import symgraph as sg
from symgraph.core.graph import elements_of
from symgraph.core.tensor import Element, Tensor
from symgraph.reference import evaluate
from symgraph.stabilise import rewriter
from symgraph.stabilise.read_once import is_read_once

a, b, c = (sg.input(name, ()).element for name in "abc")
n = sg.labels("n", (), classes=4).element
s, t = (sg.sum(sg.input(name, (40,))).element for name in "st")


@pytest.mark.parametrize(
    "body", [a * b, a - 3 * b, a * (b + c), a * b + c / 7, a**3 * b, 1 - a * b, s * t, a + s, a * (s - b)], ids=str
)
def test_sums_and_products_of_values_that_are_read_once_stay(body: sp.Expr) -> None:
    assert is_read_once(body, lambda value: value)


@pytest.mark.parametrize(
    "body",
    [a * b + a, a / b, (1 + a) * (1 + b) - 1, (1 + a) * (b + c), a + n, s + t, sp.exp(a), sp.sqrt(a), a**2 - a],
    ids=str,
)
def test_formulas_that_may_have_a_better_form_are_looked_at(body: sp.Expr) -> None:
    assert not is_read_once(body, lambda value: value)


@pytest.mark.parametrize(
    ("body", "formulas"),
    [
        (a + b, {a: sp.exp(c), b: sp.cos(n)}), (a * b, {a: sp.exp(c), b: sp.exp(n)}), (a * b, {a: c + 1, b: c - 1}),
        (a - 1, {a: sp.sqrt(1 + b**2)}), (a - 1, {a: b + 1}), (a - b, {a: b * c}),
    ],
    ids=str,
)  # fmt: skip
def test_values_that_may_cancel_by_what_they_are_are_looked_at(
    body: sp.Expr, formulas: dict[Element, sp.Expr]
) -> None:
    assert not is_read_once(body, lambda value: formulas.get(value, value))


LAYERS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "product": lambda x, w, b: x @ w, "affine": lambda x, w, b: x @ w + b, "step": lambda x, w, b: w - b * sg.sum(x),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
def test_for_what_most_layers_are_made_of_nothing_is_proposed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a gelu each was looked through, which took a fifth of all work on a transformer block."""
    x, w, b = sg.input("x", (8, 40)), sg.parameter("w", (40, 40)), sg.parameter("b", (40,))
    seen: list[list[sp.Expr]] = []
    monkeypatch.setattr(rewriter, "proposals", lambda forms, *_: seen.append(forms) or ())
    sg.stabilise([LAYERS[name](sg.gelu(x), w, b)])
    assert len(seen) == 1 and elements_of(seen[0][-1])[0].tensor is x


def test_a_mean_of_few_large_values_stays_finite() -> None:
    x = sg.input("x", (2, 8))
    (mean,) = sg.stabilise([sg.mean(x, axis=1, keepdims=True)])
    found = evaluate(mean, {"x": np.full((2, 8), 3e38)}, dtype=np.float32)
    np.testing.assert_allclose(found, np.full((2, 1), 3e38), rtol=1e-6)
