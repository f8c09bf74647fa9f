"""Loops that stand one right after the other are one, where each step needs nothing of another step."""

from __future__ import annotations

import numpy as np
import pytest

import codegen
import symgraph as sg
from codegen.loops.ir import ZERO, Call, Const, Expr, For, Load, Op, Stmt, Store, Var, integer
from codegen.loops.together import together

J, K = Var("j", "int64"), Var("k", "int64")
NOTHING = Const(0.0, "real")


def loop(var: Var, *body: Stmt, stop: int = 8) -> For:
    return For(var, ZERO, integer(stop), body)


def read(buffer: str, place: Expr) -> Load:
    return Load(buffer, (place,), "real")


def later(var: Var) -> Expr:
    return Op("+", (var, integer(1)), "int64")


def test_sums_are_cleared_ended_and_read_in_one_loop() -> None:
    first = loop(J, Store("s", (J,), NOTHING), Store("w", (J,), NOTHING))
    second = loop(K, Store("s", (K,), read("w", K)))
    third = loop(K, Store("out", (K,), Op("*", (read("s", K), read("x", ZERO)), "real")))
    (found,) = together([first, second, third])
    assert isinstance(found, For) and found.var == K and len(found.body) == 4
    assert found.body[2:] == (
        Store("s", (K,), read("w", K)), Store("out", (K,), Op("*", (read("s", K), read("x", ZERO)), "real")),
    )  # fmt: skip


@pytest.mark.parametrize(
    "second",
    (
        loop(K, Store("s", (K,), NOTHING), stop=7),
        loop(K, Store("t", (K,), read("s", later(K)))),  # which the first loop has not written yet
        loop(K, Store("s", (later(K),), NOTHING)),  # over what the first loop writes next
        loop(K, Store("t", (ZERO,), read("s", K))),  # one place for all
        loop(K, Store("t", (K,), Call("exp", (read("s", K),), "real"))),  # enough work for a loop of its own
    ),
)
def test_other_loops_stay_two(second: For) -> None:
    first = loop(J, Store("s", (J,), read("x", J)))
    assert together([first, second]) == (first, second)


def test_a_bias_is_updated_where_its_gradient_ends() -> None:
    x, b = sg.input("x", (sg.dim("N"), 5)), sg.parameter("b", (5,))
    step = codegen.train_step(sg.mean((x - b) ** 2), sg.SGD(lr=0.5))
    values = np.random.default_rng(0).normal(size=(3000, 5)).astype(np.float32)
    p = step.init(0)
    step(p, x=values)
    np.testing.assert_allclose(p["b"], values.mean(axis=0) / 5, rtol=1e-4, atol=1e-6)
    (kernel,) = [text for text in step.source.split("@kernel") if "def update_b(" in text]
    assert kernel.count("for ") == 7, "start; blocks, carry, rows and columns; end; update"
