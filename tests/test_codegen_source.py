"""The emitted source of a few canonical programs, kept as golden files and read like code. Nothing is compiled here."""

from __future__ import annotations

from collections.abc import Callable

import sympy as sp

import codegen
import symgraph as sg

N = sg.dim("N")


def test_two_layers(golden: Callable[[str, str], None]) -> None:
    x = sg.input("x", (N, 64))
    t = sg.labels("t", (N,), classes=10)
    W1, b1 = sg.parameter("W1", (64, 32)), sg.parameter("b1", (32,))
    W2, b2 = sg.parameter("W2", (32, 10)), sg.parameter("b2", (10,))
    h = sg.sigmoid(x @ W1 + b1)
    z = h @ W2 + b2
    J = sg.cross_entropy(z, t)
    golden("source_two_layers.py.txt", codegen.train_step(J, sg.SGD(0.1)).source)


def test_softmax_of_rows(golden: Callable[[str, str], None]) -> None:
    a = sg.input("a", (N, 3))
    y = sg.softmax(a)
    golden("source_softmax.py.txt", codegen.function(a, y, "float32").source)


def test_one_step_of_adam(golden: Callable[[str, str], None]) -> None:
    w, x = sg.parameter("w", (3,)), sg.input("x", (N, 3))
    L = sg.mean((x @ w) ** 2)
    golden("source_adam.py.txt", codegen.train_step(L, sg.Adam()).source)


def test_mish_and_its_derivative_take_one_exponential(golden: Callable[[str, str], None]) -> None:
    x = sg.input("x", (N, 5))
    L = sg.sum(sg.mish(x))
    golden("source_mish.py.txt", codegen.function(x, [L, sg.grad(L, x)], "float32").source)


def test_scalars_that_were_there_before_change_nothing() -> None:
    symbols = sp.symbols("p q r", real=True)
    sources = []
    for first in (symbols, symbols[::-1]):
        held = [sg.as_tensor(symbol + 1) for symbol in first]  # the scalar of a symbol lives while something uses it
        x = sg.input("x", (N, 3))
        sources.append(codegen.function([x, *symbols], sg.sum(x * sum(symbols) + sp.prod(symbols)), "float32").source)
        del held, x
    assert sources[0] == sources[1]


def test_schedules_say_what_threads_share_and_how_the_rest_is_computed() -> None:
    x, W, v = sg.input("x", (N, 64)), sg.input("W", (64, 10)), sg.input("v", (2000, 300))
    outputs = [sg.softmax(x @ W), sg.sum(x, axis=0), sg.argmax(x, axis=1), sg.relu(v @ v.T)]
    kernels = codegen.function([x, W, v], outputs, "float32").executable("float32").compiled.program.kernels
    assert [kernel.schedule for kernel in kernels] == [
        "panels shared by 32 · tile any×10×64 of whole rows · in lanes of 16: "
        "10 [x_W_max max over 10] → 10 [e in scratch, e_sum sum over 10] → 10 [v]",
        "halves shared · (N - N//2)×64 [x_sum sum over (N - N//2)] → N//2×64 [x_sum sum over N//2]",
        "rows shared · row by row: [per_row]",
        "rows shared · row by row: 64 [x_argmax argmax over 64]",
        "blocks shared by 60 · tile 60×64×300 of 60×64, right operand transposed · row by row: 2000 [v]",
    ]
