"""Tests of the testers: the gradient checker passes what is right and catches planted mistakes of every kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import sympy as sp

import symgraph as sg
from symgraph.core.tensor import Tensor
from symgraph.derive import differentiate, forms, higher
from symgraph.reference import evaluate
from symgraph.simplify import fold
from tests.checks import GradientError, check_gradient
from tests.oracles import agree, draw
from tests.programs import SIZES, N, affine, softmax_alone, two_layers

Planted = Callable[..., Any]


def check(program: tuple[Tensor, list[Tensor]], order: int = 1) -> None:
    loss, wrt = program
    check_gradient(loss, wrt, draw([loss], 3, SIZES), order, SIZES)


def broadcast_bias() -> tuple[Tensor, list[Tensor]]:
    x, b = sg.input("x", (N, 2)), sg.parameter("b", (2,))
    return sg.sum((x + b) ** 2), [x, b]


def test_right_derivatives_pass() -> None:
    check(two_layers(), order=2)


def wrong_sign(right: Planted) -> Planted:
    return lambda body, variable: -right(body, variable)


def wrong_factor(right: Planted) -> Planted:
    return lambda body, variable: right(body, variable) * sp.Rational(1001, 1000)


def wrong_tanh(right: Planted) -> Planted:
    """loopy's mistake: one row of a table of derivatives."""
    return lambda body, variable: right(body, variable).replace(sp.tanh, lambda u: sp.tanh(u) * sp.Rational(9, 10))


def sum_dropped(right: Planted) -> Planted:
    return lambda body, over, extents, steps: body.xreplace(dict.fromkeys(over, sp.S.Zero))


def no_constant_factor(right: Planted) -> Planted:
    return lambda body, over, extents, steps: right(body, over, dict.fromkeys(extents, sp.Integer(1)), steps)


@pytest.mark.parametrize(
    ("module", "name", "plant", "program"),
    [
        (differentiate, "partial", wrong_sign, affine),
        (differentiate, "partial", wrong_factor, two_layers),
        (differentiate, "partial", wrong_tanh, lambda: two_layers(sg.tanh)),
        (forms, "summed", sum_dropped, affine),
        (forms, "summed", sum_dropped, broadcast_bias),
        (forms, "summed", no_constant_factor, broadcast_bias),
        (differentiate, "guarded_product", lambda right: lambda left, slope: left + slope, affine),
        (differentiate, "solve", lambda right: lambda *given: replace(right(*given), deltas=sp.S.One),
         lambda: two_layers()),
    ],
)  # fmt: skip
def test_planted_mistake_in_the_chain_rule_is_caught(
    module: Any, name: str, plant: Callable[[Planted], Planted], program: Planted, monkeypatch: pytest.MonkeyPatch
) -> None:
    loss, wrt = program()
    values = draw([loss], 3, SIZES)
    monkeypatch.setattr(module, name, plant(getattr(module, name)))
    with pytest.raises(GradientError):
        check_gradient(loss, wrt, values, 1, SIZES)


def test_planted_fold_relation_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    right = fold._solution
    monkeypatch.setattr(fold, "_solution", lambda equation, *rest: right(7 * equation + 1, *rest))
    fold.simplify.cache_clear()
    with pytest.raises(GradientError):
        check(softmax_alone(lambda z: sg.elementwise(1 / (1 + sp.exp(-3 * sp.Symbol("u", real=True))))(z)))
    fold.simplify.cache_clear()


def test_planted_mistake_of_second_order_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    right = higher.define
    monkeypatch.setattr(higher, "define", lambda free, body: right(free, body) * 2)
    loss, wrt = softmax_alone(sg.sigmoid)
    with pytest.raises(GradientError, match="d²J"):
        check((loss, wrt), order=2)


def test_dropped_guard_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    x, valid, W = sg.input("x", (2, 1)), sg.input("valid", (2, 1)), sg.parameter("W", (1, 1))
    logarithm = sg.log(x)
    a = logarithm @ W
    loss = sg.sum(sg.where(valid > 0, a, 0))
    values = {"x": [[1.0], [0.0]], "valid": [[1.0], [0.0]], "W": [[2.0]]}
    agree(evaluate(sg.grad(loss, x), values), [[2], [0]])
    monkeypatch.setattr(differentiate, "guarded", lambda form, condition: form)
    with pytest.raises(AssertionError):
        agree(evaluate(sg.grad(loss, x), values), [[2], [0]])
