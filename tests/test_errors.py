"""Bad input: every error is of the project's own types and names symbol, shapes as mathematics, and the user's line."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sympy as sp

import codegen
import symgraph as sg
from symgraph.core.graph import leaves
from symgraph.errors import (
    ArgumentError,
    BroadcastWarning,
    DisconnectedError,
    DomainError,
    IndexNotationError,
    NameConflictError,
    ShapeError,
    SymgraphError,
)
from symgraph.reference import evaluate
from tests.programs import N

M = sg.dim("M")
(n,) = sg.indices("n")
V = sg.input("V", (3,))
LOSS = sg.sum(V**2)


def x() -> sg.Tensor:
    return sg.input("x", (N, 64))


def labels(classes: int = 10) -> sg.Tensor:
    return sg.labels("t", (N,), classes=classes)


ROWS: list[tuple[str, Callable[[], Any], type[SymgraphError], list[str]]] = [
    ("inner sizes", lambda: x() @ sg.parameter("W1", (32, 10)), ShapeError, ["x(N, 64) @ W1(32, 10)", "64 and 32"]),
    ("matmul with a scalar", lambda: x() @ sg.parameter("s"), ShapeError, ["s()", "at least one axis"]),
    ("broadcasting", lambda: x() + sg.parameter("b", (10,)), ShapeError, ["(N, 64)", "(10,)", "do not broadcast"]),
    ("two batch sizes", lambda: x() + sg.input("z", (M, 64)), ShapeError,
     ["(N, 64)", "(M, 64)", "N in x, M in z"]),
    ("symbolic parameter", lambda: sg.parameter("W", (N, 3)), ShapeError, ["W", "integers"]),
    ("empty axis", lambda: sg.input("x", (0, 3)), ShapeError, ["positive integer", "0"]),
    ("negative axis", lambda: sg.input("x", (-2,)), ShapeError, ["-2"]),
    ("fractional axis", lambda: sg.input("x", (2.5,)), ShapeError, ["2.5"]),
    ("slice beyond a symbolic axis", lambda: x()[N + 1 :], ShapeError, ["empty", "N", "x"]),
    ("empty slice", lambda: x()[:, 70:], ShapeError, ["empty", "64", "x"]),
    ("index out of range", lambda: x()[:, 64], ShapeError, ["index 64", "axis 1", "x(N, 64)"]),
    ("from the end", lambda: x()[:, -65], ShapeError, ["index −65", "axis 1", "x(N, 64)", "expected −64 … 63"]),
    ("an axis twice", lambda: sg.sum(x(), axis=(1, -1)), ShapeError, ["axes (1, -1)", "x(N, 64)", "each once"]),
    ("a window too wide", lambda: sg.max_pool(sg.reshape(x(), (N, 1, 64)), 65), ShapeError,
     ["window of 65", "axis 2", "64", "padding"]),
    ("elements of a shape", lambda: sg.reshape(sg.input("v", (12,)), (5, -1)), ShapeError,
     ["v(12,)", "12 elements", "a multiple of 5"]),
    ("a carry of truth values", lambda: sg.scan(lambda h, _: (h > 0, h), sg.input("h", (64,)), x()), DomainError,
     ["carry h", "truth values", "expected real numbers", "sg.where"]),
    ("a carry of integers", lambda: sg.scan(lambda h, at: (h + at, h), sg.input("h", (64,), dtype=int), x()),
     DomainError, ["carry h", "integers", "1.0*h"]),
    ("no carry", lambda: sg.scan(lambda h, _: (None, h), sg.input("h", ()), x()), ArgumentError, ["(carry, y)"]),
    ("too many indices", lambda: x()[0, 0, 0], ShapeError, ["x(N, 64) has 2 axes, not 3"]),
    ("no such axis", lambda: sg.sum(x(), axis=2), ShapeError, ["x(N, 64) has no axis 2"]),
    ("no permutation", lambda: sg.transpose(x(), (0, 0)), ShapeError, ["[0, 0]", "x"]),
    ("loss shapes", lambda: sg.mse_loss(x(), sg.input("t", (N, 10))), ShapeError,
     ["x(N, 64)", "t(N, 10)", "one shape"]),
    ("classes", lambda: sg.cross_entropy(x(), labels()), ShapeError, ["10 classes", "64 columns", "x" ]),
    ("label shape", lambda: sg.cross_entropy(x(), sg.labels("t", (N, 2), 64)), ShapeError, ["t(N, 2)", "(N,)"]),
    ("target shape", lambda: sg.cross_entropy(x(), sg.input("t", (N, 10))), ShapeError,
     ["t(N, 10)", "shape of the logits"]),
    ("softmax first", lambda: sg.cross_entropy(sg.softmax(x()), labels(64)), DomainError,
     ["sum to 1", "nll_of_probabilities"]),
    ("labels as reals", lambda: sg.sigmoid(labels()), DomainError, ["t holds class labels"]),
    ("matmul of labels", lambda: labels() @ x(), DomainError, ["t holds class labels"]),
    ("vector loss", lambda: sg.grad(sg.sigmoid(x()), []), DomainError, ["scalar", "(N, 64)"]),
    ("derivative by labels", lambda: by_labels(), DomainError, ["t holds class labels", "no derivative"]),
    ("disconnected", lambda: sg.grad(sg.sum(x()), sg.parameter("W2", (3,))), DisconnectedError,
     ["W2(3,)", "does not depend"]),
    ("reduction", lambda: sg.mse_loss(x(), x(), reduction="max"), DomainError, ["'max'"]),
    ("cross-entropy reduction", lambda: sg.cross_entropy(x(), labels(64), "max"), DomainError, ["'max'"]),
    ("one index", lambda: 2 * sg.indices("i") + 1, IndexNotationError, ["(i,) = sg.indices('i')"]),
    ("a sum over a tuple", lambda: sg.Sum(x()[0, 0], sg.indices("i")), IndexNotationError, ["(i,) = sg.indices('i')"]),
    ("index notation", lambda: sg.grad(sg.Sum(x()[n, 0] ** 2, n) / 2, x()), IndexNotationError, ["sg.define(()"]),
    ("a tensor as a list", lambda: sg.concatenate(x()), DomainError, ["iterating over tensor", "sg.split"]),
    ("an axis that is none", lambda: sg.sum(x(), axis=2.5), DomainError, ["sum(x=x(N, 64), axis=2.5)"]),
    ("of a method", lambda: x().sum(axis=2.5), DomainError, ["sum(x=x(N, 64), axis=2.5)", "expected sum(x, axis=None"]),
    ("of a layer", lambda: sg.nn.LayerNorm(N), DomainError, ["LayerNorm(normalized_shape=N)", "eps=1e-05"]),
    ("of a schedule", lambda: sg.schedules.StepLR(0.1, [3]), DomainError, ["StepLR(lr=0.1, step_size=[3])"]),
    ("of an initialiser", lambda: sg.init.trunc_normal(std="a"), DomainError, ["trunc_normal(std='a')", "mean=0.0"]),
    ("of an optimiser", lambda: sg.SGD(weight_decay=np.zeros(3)), ArgumentError, ["SGD(weight_decay=array("]),
    ("a seed that is none", lambda: sg.equal(x(), x(), seed=N), DomainError, ["equal(left=x(N, 64)", "seed=N"]),
    ("δ of what is no index", lambda: sg.Delta(object(), n), IndexNotationError, ["two index expressions"]),
    ("no dtype", lambda: codegen.function(x(), x(), dtype=x()), DomainError,
     ["float32 or float64"]),
    ("an array for a size", lambda: sg.input("x", np.array(np.nan)), ShapeError, ["positive integer", "nan"]),
    ("a masked axis", lambda: sg.sum(x(), axis=np.ma.masked_array([1.0], [True])), ArgumentError, ["sum(x=x(N, 64)"]),
    ("δ of truth values", lambda: sg.Delta(True, n), IndexNotationError, ["two index expressions", "True"]),
    ("δ of what is no number", lambda: sg.Delta(np.nan, n), IndexNotationError, ["two index expressions", "nan"]),
    ("a remainder by nought", lambda: x() % 0, DomainError, ["divides by 0"]),
    ("a tensor by its class", lambda: sg.Tensor("x"), DomainError, ["sg.input"]),
    ("a flag that is none", lambda: sg.grad(LOSS, V, simplify=np.zeros(2)), ArgumentError, ["grad(loss="]),
    ("no initialiser", lambda: sg.parameter("W", (2,), np.zeros(2)), ArgumentError, ["parameter(name='W'"]),
    ("a schedule of text", lambda: sg.schedules.StepLR("a", 3), DomainError, ["StepLR", "finite number", "'a'"]),
    ("a callback's patience", lambda: codegen.EarlyStopping(-1), ArgumentError, ["patience", "-1"]),
    ("name", lambda: sg.input("a b", (2,)), NameConflictError, ["'a b'"]),
    ("empty name", lambda: sg.input("", (2,)), NameConflictError, ["''"]),
    ("complex constant", lambda: sg.constant(np.array([1j])), DomainError, ["complex128"]),
    ("empty constant", lambda: sg.constant(np.zeros((0, 2))), ShapeError, ["empty"]),
    ("what a symbol has in it", lambda: 3.0 in x(), DomainError, ["'in'", "x (N, 64)", "sg.any(sp.Eq(x, value))"]),
    ("its length", lambda: len(x()), DomainError, ["len of", "N rows", "x.shape[0]"]),
    ("the length of a number", lambda: len(sg.sum(x())), DomainError, ["no axis"]),
    ("an element that is set", lambda: operator.setitem(x(), 0, 1), DomainError, ["not set", "sg.where"]),
    ("an element that is deleted", lambda: operator.delitem(x(), 0), DomainError, ["not set", "sg.where"]),
    ("places that are real", lambda: x()[sg.input("w", (N,))], IndexNotationError,
     ["x(N, 64)", "w(N,)", "real numbers", "sg.labels('w', (N,), classes=…)"]),
    ("computed real places", lambda: x()[0, 2 * sg.input("w", ())], IndexNotationError, ["labels or integers"]),
    ("text to cut at", lambda: sg.split(x(), ["1 + 1"], axis=1), IndexNotationError, ["'1 + 1'", "no number"]),
    ("text for the first step", lambda: sg.define((n,), lambda y: y[n - 1], (8,), {"-1": 1}), IndexNotationError,
     ["'-1'", "no number"]),
    ("a place of no end", lambda: sg.sum(x(), axis=sp.IndexedBase("ib")), DomainError, ["sum(x=x(N, 64), axis=ib)"]),
    ("a tensor for a number", lambda: sg.var(x(), ddof=sg.input("k", ())), DomainError, ["k ()", "number is expected"]),
    ("an array that is no place", lambda: x()[np.array("1")], IndexNotationError, ["array('1'"]),
    ("places in rows of several lengths", lambda: x()[[[1, 2], [3]]], ShapeError, ["x(N, 64)", "integers", "[3]"]),
    ("a condition for places", lambda: x()[x() > 0], IndexNotationError, ["x(N, 64)", "condition", "sg.where"]),
    ("unknown ufunc", lambda: np.gcd(x(), x()), DomainError, ["np.gcd"]),
    ("ufunc reduction", lambda: np.add.reduce(x()), DomainError, ["np.add.reduce"]),
]  # fmt: skip


def by_labels() -> sg.Tensor:
    t = labels(64)
    return sg.grad(sg.cross_entropy(x(), t), t)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_error_names_what_is_wrong_and_the_users_line(
    row: tuple[str, Callable[[], Any], type[SymgraphError], list[str]],
) -> None:
    _, make, error, words = row
    with pytest.raises(error) as caught:
        make()
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert "test_errors.py:" in message


def test_one_name_for_two_leaves_is_an_error_with_both_places() -> None:
    first, second = sg.input("x", (2,)), sg.parameter("x", (2,))
    with pytest.raises(NameConflictError, match="x stands for two different tensors") as caught:
        leaves([first + second])
    assert str(caught.value).count("test_errors.py:") == 2


def test_probabilities_by_any_formula_are_refused_as_logits() -> None:
    z, (n, k, j) = x(), sg.indices("n k j")
    written = sg.define((n, k), sp.exp(z[n, k]) / sg.Sum(sp.exp(z[n, j]), j))
    e = sg.exp(z)
    steps = e / sg.sum(e, axis=1, keepdims=True)
    for probabilities in (written, steps, sg.one_hot("p", (N, 64))):
        with pytest.raises(DomainError, match="sum to 1"):
            sg.cross_entropy(probabilities, labels(64))
    row, t = x()[:, 0], sg.input("truth", (N,))
    for probabilities in (sg.sigmoid(row), 1 / (1 + sg.exp(2 * row - 1))):
        with pytest.raises(DomainError, match=r"is a sigmoid, .* leave the sigmoid out, or use binary_cross_entropy"):
            sg.binary_cross_entropy_with_logits(probabilities, t)
    sg.binary_cross_entropy_with_logits(2 * sg.sigmoid(row), t)


MEETINGS: dict[str, Callable[[Any, Any], Any]] = {
    "minus": lambda p, t: p - t, "turned": lambda p, t: t - p, "of NumPy": np.subtract, "greatest": sg.maximum,
    "compared": lambda p, t: p > t, "own function": sg.elementwise(sp.Symbol("u") - sp.Symbol("v"), *sp.symbols("u v")),
}  # fmt: skip


@pytest.mark.parametrize("meet", MEETINGS.values(), ids=MEETINGS)
def test_a_column_that_meets_a_row_is_warned_of(meet: Callable[[Any, Any], Any]) -> None:
    """(N, 1) and (N,) make all pairs; who writes the axis, or (1, N), wants them."""
    x, t = sg.input("x", (N, 3)), sg.input("t", (N,))
    p = x @ sg.parameter("w", (3, 1))
    told = r"^p\(N, 1\) and t\(N,\) make \(N, N\): .* write p\[..., 0\]; for all pairs t\[None, :\]"
    with pytest.warns(BroadcastWarning, match=told):
        assert meet(p, t).shape == (N, N)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert meet(p, t[None, :]).shape == meet(t[:, None], t).shape == (N, N)
        assert meet(p[..., 0], t).shape == (N,) and meet(x @ sg.parameter("v", (3, 3)), p).shape == (N, 3)


def test_missing_and_misshapen_values_are_refused_by_the_reference() -> None:
    y = sg.sum(x())
    with pytest.raises(ArgumentError, match=r"x\(N, 64\) has no value"):
        evaluate(y, {})
    with pytest.raises(ArgumentError, match=r"x has shape \(N, 64\); the array has \(2, 3\)"):
        evaluate(y, {"x": np.ones((2, 3))})
    z = sg.sum(x() + sg.input("z", (N, 1)))
    with pytest.raises(ArgumentError, match="the array has"):
        evaluate(z, {"x": np.ones((2, 64)), "z": np.ones((3, 1))})


def test_errors_of_users_own_code_pass() -> None:
    def body(carry: sg.Tensor, row: sg.Tensor) -> sg.Tensor:
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        sg.scan(body, sg.input("h", (64,)), x())
    with pytest.raises(TypeError, match="unexpected keyword"):
        sg.sum(x(), axes=1)  # type: ignore[call-arg]


@pytest.mark.parametrize("module", [sg, codegen])
def test_python_can_tell_what_a_misspelt_name_may_mean(module: Any) -> None:
    """Did you mean: 'cross_entropy'? It looks among the names of what the error says that it was asked of."""
    with pytest.raises(AttributeError) as found:
        module.crossentropy  # noqa: B018
    assert (found.value.name, found.value.obj) == ("crossentropy", module)


HABITS: list[tuple[str, Callable[[], Any], str]] = [
    ("PyTorch's backward", lambda: LOSS.backward(), "sg.grad(J"), ("its gradients", lambda: V.grad, "sg.grad(J"),
    ("its numbers", lambda: LOSS.item(), "codegen.function"), ("its modules", lambda: sg.optim, "sg.SGD"),
    ("JAX's compiler", lambda: codegen.jit, "codegen.function"), ("NumPy's arrays", lambda: sg.zeros, "sg.constant"),
    ("Keras's fit", lambda: codegen.function([V], LOSS).fit, "codegen.train_step"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "call", "written"), HABITS, ids=[row[0] for row in HABITS])
def test_what_other_libraries_call_it_is_answered_with_what_is_written_here(
    name: str, call: Callable[[], Any], written: str
) -> None:
    with pytest.raises(AttributeError) as found:
        call()
    assert f": write {written}" in str(found.value).replace("g = ", "").replace("step = ", "")
    assert found.value.name is not None


@pytest.mark.parametrize(
    ("call", "parts"),
    [
        (lambda: sg.sum(x(), dim=1), ["'dim'", "write axis=…", "sum(x, axis=None"]),
        (lambda: sg.SGD(learning_rate=0.1), ["'learning_rate'", "write lr=…", "SGD(lr"]),
        (lambda: codegen.function([V], LOSS, threads=2), ["'threads'", "SYMGRAPH_THREADS"]),
        (lambda: sg.mean(x(), keepdms=True), ["'keepdms'", "write keepdims=…"]),
    ],
    ids=["axis", "rate", "threads", "misspelt"],
)
def test_a_keyword_that_is_not_there_is_answered_with_the_one_that_is(
    call: Callable[[], Any], parts: list[str]
) -> None:
    with pytest.raises(TypeError) as found:
        call()
    assert all(part in str(found.value) for part in ["unexpected keyword", *parts])


def test_a_forgotten_parameter_is_named_with_all_that_is_expected() -> None:
    W = sg.parameter("W", (64, 2))
    with pytest.raises(ArgumentError, match=r"parameter W \(64, 2\).*codegen.function\(\[x, W\], …\)"):
        codegen.function([x()], x() @ W)
    data = x()
    with pytest.raises(ArgumentError, match=r"parameter W \(64, 2\) has no value: expected x, W"):
        codegen.function([data, W], data @ W)(np.zeros((3, 64)))
