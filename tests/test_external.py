"""External calls: what somebody else's function computes, in formulas, gradients and compiled programs."""

from __future__ import annotations

import ctypes
import pickle
from typing import Any

import numpy as np
import pytest
import sympy as sp

import codegen
import symgraph as sg
from codegen.loops import ir
from codegen.loops.program import External, Program
from codegen.loops.verify import InvalidProgram, verify_program
from codegen.native.compile import in_one_place
from symgraph.errors import ArgumentError, DomainError, ShapeError
from symgraph.reference import evaluate

N = sg.dim("N")
DATA = np.linspace(-1.0, 1.0, 12).reshape(4, 3)


def twice(a: np.ndarray) -> np.ndarray:
    return 2 * a


def doubled(a: Any) -> sg.Tensor:
    return sg.external(twice, a, derivative=lambda g, y, a: sg.external(twice, g))


def solve(A: Any, b: Any) -> sg.Tensor:
    """X of A·X = b, whose cotangent is a solve with Aᵀ."""

    def derivative(g: sg.Tensor, x: sg.Tensor, A: sg.Tensor, b: sg.Tensor) -> tuple[sg.Tensor, sg.Tensor]:
        back = solve(sg.transpose(A), g)
        return -back[:, None] * x[None, :], back

    return sg.external(np.linalg.solve, A, b, shape=b.shape, derivative=derivative, name="solve")


@pytest.mark.parametrize("as_python", [False, True])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_step_calls_it_forward_and_backward(threads: int, as_python: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if as_python:
        monkeypatch.setenv("SYMGRAPH_PYTHON", "1")
    x, W = sg.input("x", (N, 3)), sg.parameter("W", (3, 2))
    h = sg.tanh(x @ W)
    J = sg.sum(doubled(h) ** 2)
    step = codegen.train_step(J, sg.SGD(lr=0.01), "float64", threads=threads)
    step.executable.threads = step.executable.most_threads  # however little there is to do
    w = np.linspace(-0.5, 0.5, 6).reshape(3, 2)
    params = {"W": w.copy()}
    for _ in range(3):
        t = np.tanh(DATA @ w)
        assert step(params, x=DATA) == pytest.approx(4 * np.sum(t**2), rel=1e-12)
        w -= 0.01 * DATA.T @ (8 * t * (1 - t**2))
        assert np.allclose(params["W"], w, rtol=1e-12)
    history = step.fit(params, {"x": DATA}, epochs=2, batch_size=3, shuffle=False)
    for rows in (DATA[:3], DATA[3:]) * 2:
        t = np.tanh(rows @ w)
        w -= 0.01 * rows.T @ (8 * t * (1 - t**2))
    assert np.allclose(params["W"], w, rtol=1e-12) and history.steps == 4


def test_formulas_name_it() -> None:
    x = sg.input("x", (N, 3))
    h = sg.exp(x)
    y = sg.external(twice, h, derivative=lambda g, y, h: sg.external(twice, g))
    J = sg.sum(y * y)
    assert str(y) == "y[n, i] = twice(h)[n, i]"
    assert str(sg.grad(J, h)).startswith("∂J/∂h[n, i] = twice(∂J/∂y)[n, i]\n  where ∂J/∂y[n, i] = 2·y[n, i]")
    assert sp.latex(y) == r"y_{n,i} = \mathrm{twice}(h)_{n,i}"
    assert "outside(" in codegen.function([x], J).source
    assert pickle.loads(pickle.dumps(sg.external(twice, x))) is sg.external(twice, x)


def test_a_linear_solve_is_one_with_its_own_derivative() -> None:
    A, b = sg.input("A", (3, 3)), sg.input("b", (3,))
    J = sg.sum(solve(A, b) ** 2)
    gradients = sg.grad(J, [A, b])
    matrix, right = np.eye(3) + 0.1 * np.arange(9.0).reshape(3, 3), np.array([1.0, -2.0, 0.5])
    found = codegen.function([A, b], [J, gradients[A], gradients[b]], dtype="float64")(matrix, right)
    for values, wanted in zip(found, evaluate([J, *gradients.values()], {"A": matrix, "b": right}), strict=True):
        assert np.allclose(values, wanted, rtol=1e-10)

    def cost(matrix: np.ndarray, right: np.ndarray) -> float:
        return float(np.sum(np.linalg.solve(matrix, right) ** 2))

    for place in ((0, 1), (2, 2)):
        moved = np.zeros((3, 3))
        moved[place] = 1e-6
        slope = (cost(matrix + moved, right) - cost(matrix - moved, right)) / 2e-6
        assert found[1][place] == pytest.approx(slope, rel=1e-6)
    assert sg.gradcheck(J, {"A": matrix, "b": right})
    second = sg.grad(sg.sum(gradients[b] ** 2), b)  # twice through the procedure
    inverse = np.linalg.inv(matrix)
    wanted = 8 * np.linalg.matrix_power(inverse.T @ inverse, 2) @ right
    assert np.allclose(codegen.function([A, b], second, dtype="float64")(matrix, right), wanted, rtol=1e-10)


def test_an_optimiser_adds_the_gradients_of_all_machines() -> None:
    """An all-reduce between the gradients and the update; here the other machine has the same gradient."""
    from symgraph.vocabulary.updating import Optimizer, Row

    x, W = sg.input("x", (N, 3)), sg.parameter("W", (3,))
    reduced = Row("theta", lambda theta, g, lr: theta - lr * sg.external(twice, g, name="allreduce"))
    step = codegen.train_step(sg.mean((x @ W - 1) ** 2), Optimizer("reduced", (reduced,), {"lr": 0.1}), "float64")
    params = {"W": np.zeros(3)}
    step(params, x=DATA)
    assert np.allclose(params["W"], 0.1 * 2 * 2 * DATA.mean(axis=0))
    assert "external call" in str(step.report()) and "allreduce(" in str(step.report())


HALVED = """
define i64 @halved(ptr %arrays, ptr %extents) {
enter:
  %out = load ptr, ptr %arrays
  %in.word = getelementptr ptr, ptr %arrays, i64 1
  %in = load ptr, ptr %in.word
  %count = load i64, ptr %extents
  %negative = load double, ptr %in
  %bad = fcmp olt double %negative, 0.0
  br i1 %bad, label %fails, label %loop
loop:
  %i = phi i64 [ 0, %enter ], [ %next, %loop ]
  %from = getelementptr double, ptr %in, i64 %i
  %value = load double, ptr %from
  %half = fmul double %value, 0.5
  %to = getelementptr double, ptr %out, i64 %i
  store double %half, ptr %to
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %count
  br i1 %more, label %loop, label %ends
ends:
  ret i64 0
fails:
  ret i64 7
}
"""


def test_a_c_function_is_called_without_python() -> None:
    engine = in_one_place(HALVED)
    engine.finalize_object()
    signature = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)
    halved = signature(engine.get_function_address("halved"))
    v, T = sg.parameter("v", (3,)), sg.input("T", (3,))
    y = sg.external(halved, v * T, derivative=lambda g, y, x: sg.external(halved, g, name="halved"), name="halved")
    J = sg.sum(y)
    assert np.allclose(evaluate(y, {"v": np.arange(3.0), "T": np.ones(3)}), np.arange(3.0) / 2)
    step = codegen.train_step(J, sg.SGD(lr=1.0), "float64")
    params = {"v": np.arange(1.0, 4.0)}
    assert step(params, T=np.ones(3)) == 3.0 and np.allclose(params["v"], [0.5, 1.5, 2.5])
    assert not step.executable.outside.asks_python  # type: ignore[union-attr]
    with pytest.raises(ArgumentError, match="an external C function, of halved, has not returned 0"):
        step(params, T=-np.ones(3))
    assert np.allclose(params["v"], [0.5, 1.5, 2.5])


def test_an_exception_ends_the_step_before_its_update() -> None:
    failing: list[BaseException] = []

    def checked(a: np.ndarray) -> np.ndarray:
        assert np.float64(1e-300) * 1e-10 > 0  # numbers that are subnormal are as usual
        if failing:
            raise failing[0]
        return a

    x, W = sg.input("x", (N, 3)), sg.parameter("W", (3,))
    y = sg.external(checked, x @ W, derivative=lambda g, y, a: g)
    step = codegen.train_step(sg.sum(y), sg.SGD(lr=1.0), "float64")
    params = {"W": np.zeros(3)}
    failing.append(ValueError("no wind"))
    for run in (lambda: step(params, x=DATA), lambda: step.fit(params, {"x": DATA}, epochs=1, batch_size=2)):
        with pytest.raises(ValueError, match="no wind") as caught:
            run()
        assert "external function checked" in caught.value.__notes__[0]
    failing[0] = KeyboardInterrupt()
    history = step.fit(params, {"x": DATA}, epochs=1, batch_size=2)
    assert history.stopped and not params["W"].any()
    failing.clear()
    assert step(params, x=DATA) == 0.0 and params["W"].any()


def test_it_may_not_call_the_step_that_calls_it() -> None:
    x, W = sg.input("x", (N, 3)), sg.parameter("W", (3,))

    def again(a: np.ndarray) -> np.ndarray:
        step(params, x=DATA)
        return a

    step = codegen.train_step(sg.sum(sg.external(again, x @ W, derivative=lambda g, y, a: g)), sg.SGD(lr=1.0))
    params = step.init(seed=0)
    for run in (lambda: step(params, x=DATA), lambda: step.fit(params, {"x": DATA}, epochs=1)):
        with pytest.raises(ArgumentError, match="is running in this thread"):
            run()


def test_labels_integers_and_scalars_are_operands() -> None:
    t, x, c = sg.labels("t", (N,), classes=3), sg.input("x", (N, 3)), sg.input("c", ())
    seen: list[Any] = []

    def chosen(t: np.ndarray, x: np.ndarray, c: np.ndarray) -> np.ndarray:
        seen.append((t.dtype, x.dtype, c.shape))
        return np.array(c * x[np.arange(len(t)), t].sum())

    y = sg.external(chosen, t, x, c, shape=())
    labels = np.array([0, 2, 1, 0])
    value = codegen.function([t, x, c], y * y, dtype="float32")(labels, DATA.astype(np.float32), np.float32(3))
    assert value == pytest.approx((3 * DATA[np.arange(4), labels].sum()) ** 2, rel=1e-5)
    assert seen == [(np.dtype(np.int64), np.dtype(np.float32), ())]
    with pytest.raises(ArgumentError, match=r"t\[1\] is 3; labels of t lie in 0 … 2"):
        codegen.function([t, x, c], y)(np.array([0, 3, 1, 0]), DATA, 3.0)
    assert len(seen) == 1  # a label out of range is found before


def test_what_is_kept_of_an_operand_is_a_copy() -> None:
    kept: list[np.ndarray] = []

    def keeps(a: np.ndarray) -> np.ndarray:
        kept.append(a)
        a[...] = 7
        return a

    x = sg.input("x", (N,))
    function = codegen.function([x], [sg.external(keeps, x + 1), x * 1], dtype="float64")
    found = function(np.zeros(3))
    del function
    assert np.array_equal(found[0], [7, 7, 7]) and not found[1].any() and np.array_equal(kept[0], [7, 7, 7])


def test_a_program_that_calls_what_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYMGRAPH_CHECK", "1")
    shape = (ir.integer(3),)
    buffers = {n: ir.Buffer(n, "real", shape, "temporary" if n == "a" else "output") for n in ("a", "y")}
    for arguments, what in ((("y", "a"), "forward_y reads a, which nothing"), (("y", "y"), "no buffer of its own")):
        with pytest.raises(InvalidProgram, match=what):
            verify_program(Program(buffers, (External("forward_y", 0, arguments, ()),), (), ("y",)))


def test_slips_are_told() -> None:
    x, W = sg.input("x", (N, 3)), sg.parameter("W", (3,))
    a = x @ W
    with pytest.raises(DomainError, match="needs a function that can be called, not 3"):
        sg.external(3, x)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="at least one operand"):
        sg.external(twice)
    with pytest.raises(DomainError, match=r"must be called as derivative\(g, y, a\), with 3 tensors"):
        sg.external(twice, a, derivative=lambda g, a: g)
    y = sg.external(twice, a)
    with pytest.raises(DomainError, match=r"twice of y\(N,\) has no derivative: give external\(…, derivative="):
        sg.grad(sg.sum(y), W)
    assert sg.grad(sg.sum(sg.stop_gradient(y) * a), W) is not None
    z = sg.external(twice, a, x, derivative=lambda g, y, a, x: g)
    with pytest.raises(ShapeError, match="must give 2 cotangents, one of each operand, not 1"):
        sg.grad(sg.sum(z), W)
    z = sg.external(twice, a, derivative=lambda g, y, a: x)
    with pytest.raises(ShapeError, match=r"the shape of a\(N,\), not \(N, 3\)"):
        sg.grad(sg.sum(z), W)
    for returned, error, what in (
        (lambda a: a[1:], ShapeError, r"must return an array of shape \(4,\), not \(3,\)"),
        (lambda a: "wind", ArgumentError, "must return an array of numbers, not str"),
    ):
        wrong = sg.external(returned, a, name="wrong")
        with pytest.raises(error, match=what):
            codegen.function([x, W], wrong)(DATA, np.ones(3))
    with pytest.raises(DomainError, match="no Jacobian rows through the external function twice"):
        sg.jacobian(doubled(W), W)


def test_a_step_of_a_recurrence_calls_it() -> None:
    W, steps = sg.parameter("W", (3,)), sg.input("steps", (sg.dim("T"), 3))

    def cell(h: sg.Tensor, at: sg.Tensor) -> tuple[sg.Tensor, sg.Tensor]:
        h = sg.tanh(doubled(h) * at)
        return h, h

    outputs = sg.scan(cell, W, steps)[1]
    J = sg.sum(outputs**2)
    w, wanted = np.array([0.1, 0.2, 0.3]), 0.0
    h = w
    for at in DATA:
        h = np.tanh(2 * h * at)
        wanted += np.sum(h**2)
    assert codegen.function([W, steps], J, dtype="float64")(w, DATA) == pytest.approx(wanted, rel=1e-12)
    assert "twice(" in str(outputs)
