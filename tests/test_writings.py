"""No value depends on a name, nor on what ran before: one program in many writings has one source and one value."""

from __future__ import annotations

import random
import re
from typing import Any

import numpy as np
import pytest
import sympy as sp

import codegen
import symgraph as sg
from codegen.run import loading
from symgraph.core.fingerprint import fingerprint
from symgraph.core.tensor import Tensor
from tests.sizes import examples

N = sg.dim("N")
UNARY = ("(-{})", "sg.exp({})", "sg.tanh({})", "(1/(1 + {}**2))", "sg.log(1 + sg.exp({}))", "sg.sigmoid({})", "(1/(1 + sg.exp({})))")
BINARY = ("({} + {})", "({} - {})", "({}*{})", "sg.maximum({}, {})")


def formula(draw: random.Random, depth: int) -> list[Any]:
    """A random formula as a tree: a template and what stands in it."""
    if not depth:
        return [draw.choice(("x", "y", "w"))]
    if draw.random() < 0.6:
        return [draw.choice(UNARY), formula(draw, depth - 1)]
    return [draw.choice(BINARY), formula(draw, depth - 1), formula(draw, draw.randrange(depth))]


def written(tree: list[Any], draw: random.Random, lines: list[str], share: float) -> str:
    """The formula as Python; a random part of its values is bound to variables, or returned by functions."""
    template, *parts = tree
    text = template.format(*(written(part, draw, lines, share) for part in parts))
    if not parts or draw.random() >= share:
        return text
    name = f"{draw.choice(('t', 'exp_', 'h', 'λ', 'tmp', 'y_'))}{len(lines)}"
    bound = text if draw.random() < 0.5 else f"(lambda: {text})()"
    lines.append(f"{name} = {bound}")
    return name


def program(tree: list[Any], seed: int, share: float) -> tuple[Tensor, dict[str, Tensor]]:
    """Σ of the formula's values, and its leaves, from a writing of its own."""
    leaves = {"x": sg.input("x", (N, 3)), "y": sg.input("y", (3,)), "w": sg.parameter("w", (3,))}
    lines: list[str] = []
    last = written(tree, random.Random(seed), lines, share)
    scope: dict[str, Any] = {"sg": sg, **leaves}
    exec("\n".join([*lines, f"J = sg.sum({last} + 0*x)"]), scope)
    return scope["J"], leaves


def unnamed(source: str) -> list[str]:
    """The operators of a source: what is left without names and comments, which are about names."""
    code = [line for line in source.splitlines() if not line.strip().startswith("#")]
    return [c for line in code for c in line if not (c.isalnum() or c in "_ ")]


GIVEN = {
    "x": np.array([[0.3, -90.0, 2.0], [100.0, 0.0, -1.5]]), "y": np.array([1.0, -0.5, 30.0]), "w": np.array([0.1, 2.0, -3.0])
}  # fmt: skip


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("seed", range(examples(6, 100)))
def test_one_program_in_many_writings(seed: int) -> None:
    dtype = ("float32", "float64")[seed % 2]
    tree = formula(random.Random(seed), 3)
    found: list[Any] = []
    kept: dict[Any, Any] = {}
    for share in (0.0, 0.4, 1.0):
        J, leaves = program(tree, seed, share)
        slopes = sg.grad(J, [leaves["x"], leaves["w"]], disconnected="zero")
        step = codegen.function(list(leaves.values()), [J, *slopes.values()], dtype)
        told = fingerprint([*step.request.outputs, *step.leaves])
        kept[told] = loading.key_of(step.executable(dtype).compiled.source)
        with np.errstate(all="ignore"):
            values = step(**{name: array.astype(dtype) for name, array in GIVEN.items()})
        found.append((sorted(unnamed(step.source.split('"""', 2)[2])), [np.asarray(value).tobytes() for value in values]))
    assert found[0] == found[1] == found[2]
    assert len(kept) == 1  # one declaration, however it is written: one key of the cache


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("seed", range(examples(4, 40)))
def test_what_was_declared_before_changes_no_byte_of_the_source(seed: int) -> None:
    tree = formula(random.Random(100 + seed), 3)

    def source() -> str:
        J, leaves = program(tree, seed, 0.5)
        return codegen.function(list(leaves.values()), [J, sg.grad(J, leaves["x"], disconnected="zero")], "float64").source

    first = source()
    kept = [program(formula(random.Random(s), 2), s, 0.5) for s in range(6)]
    assert source() == first and len(kept) == 6


@pytest.mark.usefixtures("plain")
def test_a_sigmoid_by_hand_is_right_however_it_is_bound() -> None:
    """1/(1 + t) with t = exp(−x) named had NaN in its float32 gradients where the formula in one had none."""
    x = sg.input("x", (N,))
    t = sg.exp(-x)
    y = 1 / (1 + t)
    values = np.linspace(-200, 200, 4001).astype(np.float32)
    slope = codegen.function(x, sg.grad(sg.sum(y), x))(values)
    assert np.isfinite(slope).all()
    s = sg.exp(x)
    np.testing.assert_allclose(codegen.function(x, sg.log(1 + s))(np.float32([90.0, 500.0])), [90.0, 500.0])


@pytest.mark.usefixtures("plain")
def test_softmax_with_cross_entropy_by_hand_in_a_helper() -> None:
    a, t = sg.input("a", (N, 3)), sg.one_hot("t", (N, 3))

    def loss() -> Tensor:
        e = sg.exp(a)
        return -sg.sum(t * sg.log(e / sg.sum(e, axis=1, keepdims=True))) / N

    J = loss()
    value, slope = codegen.function([a, t], [J, sg.grad(J, a)])(np.array([[1000.0, 0.0, -1000.0]]), np.eye(3)[:1])
    assert value == 0.0
    np.testing.assert_allclose(slope, [[0.0, 0.0, 0.0]], atol=1e-15)


@pytest.mark.usefixtures("plain")
def test_naming_a_value_later_changes_nothing() -> None:
    x = sg.input("x", (N,))
    J = sg.sum(1 / (1 + sg.exp(-x)) ** 2)
    before = codegen.function(x, [J, sg.grad(J, x)])(np.linspace(-100, 100, 9))
    inner = next(iter(J.definition.body.atoms(Tensor)))  # type: ignore[union-attr]
    inner.named("later")
    after = codegen.function(x, [J, sg.grad(J, x)])(np.linspace(-100, 100, 9))
    assert [a.tobytes() for a in before] == [a.tobytes() for a in after]


# -- what is written is what is computed ------------------------------------------------------------------------------
@pytest.mark.usefixtures("plain")
def test_nothing_that_is_written_is_dropped() -> None:
    """x − x, 0·x, x/x, exp(log x), √x·√x and a/b·b are what NumPy says, at infinities, NaN and the wrong side of 0."""
    x, y = sg.input("x", (N,)), sg.input("y", (N,))
    pairs = [
        (x - x, lambda a, b: a - a), (x * 0, lambda a, b: a * 0), (0 / x, lambda a, b: 0 / a), (x / x, lambda a, b: a / a),
        (sg.exp(sg.log(x)), lambda a, b: np.exp(np.log(a))), (sg.sqrt(x) * sg.sqrt(x), lambda a, b: np.sqrt(a) * np.sqrt(a)),
        (x / y * y, lambda a, b: a / b * b), ((x - x) + y, lambda a, b: (a - a) + b),
        (sg.elementwise(u - v, u, v)(x, x), lambda a, b: a - a),
    ]  # fmt: skip
    a = np.array([1.5, np.inf, -np.inf, np.nan, -2.0, 0.0])
    for b in (np.full(6, 3.0), np.zeros(6)):
        with np.errstate(all="ignore"):
            for expression, expected in pairs:
                given = [x, y] if y in expression.free_symbols else [x]
                np.testing.assert_allclose(codegen.function(given, expression)(*[a, b][: len(given)]), expected(a, b))


u, v = sp.symbols("u v", real=True)


@pytest.mark.parametrize("write, expected", [
    (lambda u: sp.Mul(sp.sqrt(u), 0, evaluate=False), lambda a: np.sqrt(a) * 0),
    (lambda u: sp.Mul(sp.sqrt(u), 0, evaluate=False) + u, lambda a: np.sqrt(a) * 0 + a),
    (lambda u: sp.Add(u, -u, evaluate=False), lambda a: a - a),
    (lambda u: sp.Mul(u, 1 / u, evaluate=False), lambda a: a / a),
    (lambda u: sp.exp(sp.log(u), evaluate=False), lambda a: np.exp(np.log(a))),
    (lambda u: sp.Pow(sp.sqrt(u), 2, evaluate=False), lambda a: np.sqrt(a) ** 2),
    (lambda u: u - sp.UnevaluatedExpr(u), lambda a: a - a),
    (lambda u: sp.Add(u, 1 / u, -1 / u, evaluate=False), lambda a: a + (1 / a - 1 / a)),
    (lambda u: sp.cos(sp.Mul(sp.log(u), 1 / sp.log(u), evaluate=False) - u), lambda a: np.cos(1 + 0 * np.log(a) - a)),
    (lambda u: sp.Piecewise((sp.Mul(sp.sqrt(u), 0, evaluate=False), u < 5), (1, True)),
     lambda a: np.where(a < 5, np.sqrt(a) * 0, 1.0)),
    (lambda u: sp.Piecewise((u, True), evaluate=False) * u, lambda a: a * a),
    (lambda u: sp.Piecewise((u, u < 1), (u, True), evaluate=False), lambda a: a),
])  # fmt: skip
def test_what_sympy_is_told_not_to_evaluate_is_not_dropped(write: Any, expected: Any) -> None:
    """In a function of tensors, in a formula of tensors and by elements."""
    x, (n,) = sg.input("x", (5,)), sg.indices("n")
    a = np.array([1.5, np.inf, np.nan, -2.0, 5.0])
    with np.errstate(all="ignore"):
        wanted = expected(a)
        exponential = np.exp(wanted)
    for y in (sg.elementwise(write(u), u)(x), sg.define((n,), write(x[n]))):
        np.testing.assert_allclose(codegen.function([x], y, dtype="float64")(a), wanted)
    np.testing.assert_allclose(codegen.function([x], sg.exp(write(x)), dtype="float64")(a), exponential)


def test_zero_times_what_may_be_infinite_is_added_in_both_forms() -> None:
    x = sg.input("x", (5,))
    y = sg.elementwise(sp.Mul(sp.sqrt(u), 0, evaluate=False) + sp.sin(u), u)(x)
    assert "sin(x[i]) + 0·√x[i]  sin(x) + 0·√x" in str(sg.explain(y))


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_compensated_sums_keep_their_order(dtype: str) -> None:
    """Kahan's (t − x) − y with t = x + y is the rounding error, named or not; so is Dekker's product of halves."""
    x, y = sg.input("x", (N,)), sg.input("y", (N,))
    t = x + y
    lost = (t - x) - y
    big, small = np.full(3, 1e16, dtype), np.array([1.0, 3.0, 0.1], dtype)
    np.testing.assert_array_equal(codegen.function([x, y], lost)(big, small), ((big + small) - big) - small)
    np.testing.assert_array_equal(
        codegen.function([x, y], ((x + y) - x) - y)(big, small), ((big + small) - big) - small
    )


NUMBERS = (0, 1, -1, 2, sp.Rational(1, 2))
OF_TWO = ("arctan2", "hypot", "logaddexp", "heaviside", "maximum", "minimum", "power", "remainder", "floor_divide")


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("name", [*OF_TWO, "xlogy"])
def test_a_number_for_an_argument_decides_what_it_decides(name: str) -> None:
    """``arctan2(x, 0)`` printed "0 if 0 = 0 and x[n] = 0" and five branches more, some of which are never taken."""
    x = sg.input("x", (N,))
    data = np.array([-np.inf, -2.5, -1.0, -0.3, 0.0, 0.3, 1.0, 2.5, np.inf, np.nan])
    reference = getattr(np, name, lambda a, b: np.where(a == 0, np.where(np.isnan(b), b, 0), a * np.log(b)))
    for number in NUMBERS:
        for order in (1, -1):
            y = getattr(sg, name)(*(x, number)[::order])
            assert not re.search(r"(?<![\w\]])−?\d+ [=<>≤≥] −?\d+(?!\w)", str(y)), y
            with np.errstate(all="ignore"):
                wanted = np.broadcast_to(reference(*(data, float(number))[::order]), data.shape)
            got = np.broadcast_to(codegen.function([x], y)(x=data), data.shape)
            at = np.isfinite(data) if name in ("remainder", "floor_divide", "arctan2", "logaddexp") else data == data
            if name in ("remainder", "floor_divide") and number == 0:
                continue  # x/0 is NaN or infinite, and so is what follows
            np.testing.assert_allclose(got[at], wanted[at], rtol=1e-14, err_msg=str(y))


@pytest.mark.usefixtures("plain")
def test_a_case_drops_no_operand_that_another_names() -> None:
    x = sg.input("x", (N,))
    data = np.array([np.inf, np.nan, -1.0])
    f = sg.elementwise(sp.Piecewise((u - v, u > 0), (v, True)), u, v)
    assert np.array_equal(codegen.function([x], f(x, x))(x=data), [np.nan, np.nan, -1.0], equal_nan=True)
    assert np.array_equal(codegen.function([x], sg.xlogy(x, 1))(x=data), [np.nan, np.nan, 0.0], equal_nan=True)
