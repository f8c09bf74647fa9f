"""What may be asked of a program: outputs that are leaves, sizes that inputs tell, functions that have a kernel."""

from __future__ import annotations

import pickle
from typing import Any, NamedTuple

import numpy as np
import pytest
import sympy as sp

import codegen
import symgraph as sg
from codegen.run.results import Outputs
from symgraph.errors import ArgumentError, DomainError, ShapeError
from tests.counting import calls_of
from tests.network import J, N, T, X, b2, z


@pytest.mark.usefixtures("plain")
def test_outputs_that_are_leaves() -> None:
    """∂pay/∂price is the count itself, once it is simplified."""
    price, count = sg.input("price", ()), sg.input("count", ())
    pay = price * count
    outputs = [sg.grad(pay, price), pay, sg.grad(pay, count), price, sg.grad(pay, price)]
    found = codegen.function([price, count], outputs, "float64")(2.0, 3.0)
    assert [float(value) for value in found] == [3.0, 6.0, 2.0, 2.0, 3.0]
    assert found[0] is not found[4]
    assert codegen.function([price, count], sg.grad(pay, price), "float64")(2.0, 3.0) == 3.0


@pytest.mark.usefixtures("plain")
def test_step_outputs_that_are_leaves() -> None:
    """They precede the update, also those that become the parameter only when simplified."""
    w, v = sg.parameter("w", (3,)), sg.input("v", (3,))
    loss = sg.sum(w * v)
    outputs = {"slope": sg.grad(loss, w), "w": sg.grad(loss, v), "loss": loss, "twice": 2 * w}
    step = codegen.train_step(loss, sg.SGD(1.0), "float64", outputs=outputs)
    params = {"w": np.ones(3)}
    for number in range(3):
        loss_before, found = step(params, v=np.full(3, 2.0))
        assert loss_before == found["loss"] == 6.0 - 12.0 * number
        np.testing.assert_array_equal(found["slope"], np.full(3, 2.0))
        np.testing.assert_array_equal(found["w"], np.full(3, 1.0 - 2.0 * number))
        np.testing.assert_array_equal(found["twice"], 2 * found["w"])
    with pytest.raises(DomainError, match="is s itself"):
        s = sg.parameter("s", ())
        codegen.train_step(sg.log(sg.exp(s)))({"s": np.zeros((), np.float32)})


@pytest.mark.parametrize("called", [False, True])
def test_epochs_write_no_outputs_into_results_that_were_handed_out(called: bool) -> None:
    """Nor into no memory at all, before the first call."""
    w, v = sg.parameter("w", (3,)), sg.input("v", (N, 3))
    loss = sg.mean((v @ w) ** 2)
    step = codegen.train_step(loss, sg.SGD(0.1), "float64", outputs={"y": v @ w, "size": sg.sum(w**2)})
    params, given = {"w": np.ones(3)}, np.arange(12.0).reshape(4, 3) / 10
    if called:
        _, found = step(params, v=given)
        kept = {name: array.copy() for name, array in found.items()}
    history = step.fit(params, {"v": given}, epochs=2, batch_size=3, shuffle=False)
    assert len(history.loss) == 2 and history.loss[1] < history.loss[0]
    if called:
        for name, array in found.items():
            np.testing.assert_array_equal(array, kept[name])


class Pair(NamedTuple):
    left: Any
    right: Any


@pytest.mark.usefixtures("plain")
def test_results_have_the_form_of_the_outputs() -> None:
    v = sg.input("v", (N,))
    given = np.ones(2)
    found = codegen.function(v, Pair(v + 1, v))(given)
    assert isinstance(found, Pair) and found.left[0] == 2.0
    assert codegen.function(v, [])(given) == []
    nested = {"plus": v + 1, "slopes": sg.grad(sg.sum(v**2), [v]), "more": [Pair(v, [v - 1]), ()]}
    found = codegen.function(v, nested)(given)
    assert found["slopes"]["v"].tolist() == found["slopes"][v].tolist() == [2.0, 2.0]
    assert isinstance(found["more"][0], Pair) and found["more"][0].right[0][1] == 0.0 and found["more"][1] == ()
    again = pickle.loads(pickle.dumps(codegen.function(v, nested)))
    assert again(given, out=found) is found
    with pytest.raises(KeyError, match="no value w was asked for; there are v"):
        found["slopes"]["w"]
    with pytest.raises(ArgumentError, match="out must have the form of the outputs"):
        again(given, out={**found, "more": []})
    assert codegen.function(v, 3)(given) == 3.0
    step = codegen.train_step(J, outputs=z)
    _, logits = step(step.init(0), x=X, t=T)
    assert logits.shape == (9, 3)


# -- what can be compiled ---------------------------------------------------------------------------------------------


def test_a_size_that_no_input_tells() -> None:
    n, m = sg.indices("n m")
    with pytest.raises(ArgumentError, match="no input tells the size N of ones"):
        ones = sg.define((n,), sp.Integer(1), shape=(N,))
        codegen.function([], ones)
    doubled = sg.input("doubled", (2 * N,))
    with pytest.raises(ArgumentError, match="size N of doubled"):
        codegen.function([doubled], doubled * 2)
    v = sg.input("v", (N,))
    both = codegen.function([doubled, v], [doubled * 2, v])
    with pytest.raises(ShapeError, match=r"doubled has shape \(2\*N,\) with N = 3; the array has \(5,\)"):
        both(np.ones(5), np.ones(3))
    with pytest.raises(ArgumentError, match="size M"):
        codegen.train_step(sg.sum(sg.define((m,), b2[0], shape=(sg.dim("M"),))))


u = sp.Symbol("u", real=True)
FUNCTIONS: dict[Any, tuple[float, ...]] = {
    sp.tan: (-1.5, -0.7, 0.0, 1e-8, 0.5),
    sp.cot: (-1.5, -0.7, 1e-8, 0.5),
    sp.sec: (-1.5, 0.0, 0.5),
    sp.csc: (-1.5, 0.1, 0.5),
    sp.atan: (-1e300, -3.0, -1e-9, 0.0, 0.3, 0.9, 50.0),
    sp.asin: (-1.0, -0.999999, -1e-9, 0.0, 0.5, 1.0),
    sp.acos: (-1.0, -0.999999, 0.0, 0.5, 0.999999, 1.0),
    sp.sinh: (-700.0, -30.0, -1e-9, 0.0, 1e-9, 0.5, 30.0),
    sp.cosh: (-700.0, -30.0, 0.0, 0.5, 30.0),
    sp.coth: (-30.0, -1e-3, 0.5),
    sp.sech: (-30.0, 0.0, 0.5),
    sp.asinh: (-1e300, -3.0, -1e-9, 0.0, 1e-9, 0.5, 1e200),
    sp.acosh: (1.0, 1.000001, 1.5, 1e300),
    sp.atanh: (-0.999999, -1e-9, 0.0, 0.5, 0.9),
    sp.Heaviside: (-1.0, 0.0, 2.0),
}


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("function", FUNCTIONS, ids=str)
def test_functions_made_of_words(function: Any) -> None:
    v = sg.input("v", (N,))
    given = np.array(FUNCTIONS[function])
    found = codegen.function(v, sg.elementwise(function(u), u)(v))(given)
    expected = [float(sp.N(function(sp.Rational(value)), 30)) for value in given]
    np.testing.assert_allclose(found, expected, rtol=1e-15 * 8)


@pytest.mark.parametrize("function", [sp.Si, sp.zeta, lambda a: sp.besselj(0, a)])
def test_functions_without_a_kernel(function: Any) -> None:
    v = sg.input("v", (N,))
    spread = sg.elementwise(function(u), u)(v)
    with pytest.raises(DomainError, match=r"spread \(N,\) needs \w+, for which there is no kernel") as caught:
        codegen.function(v, spread)
    assert "spread = sg.elementwise" in str(caught.value)


def test_a_form_of_many_outputs_is_looked_at_once() -> None:
    """121 arrays in a dict of dicts took 200 µs, of which 170 went into asking what the dict is made of."""
    xs = [sg.input(f"x{n}", ()) for n in range(120)]
    form = {"J": xs[0], "g": {x: x + 1 for x in xs}, "pair": (xs[1], [xs[2]])}
    outputs = Outputs(form)
    values = [np.array(float(n)) for n in range(len(outputs.tensors))]
    calls, found = calls_of(lambda: outputs.arranged(values))
    assert list(found) == list(form) and list(found["g"]) == xs and found["pair"] == (values[121], [values[122]])
    assert found["g"]["x3"] is values[4]
    assert calls < 1.2 * len(values)  # a hash for each name that is a tensor


def test_a_tensor_that_is_asked_for_twice_is_computed_and_checked_once() -> None:
    """A form with one tensor twice, or an argument in it, took a thousand Python calls at every call."""
    xs = [sg.input(f"x{n}", ()) for n in range(40)]
    total, product = sg.sum(xs[0] * xs[1]), xs[2] * xs[3]
    function = codegen.function(xs, {"J": total, "again": [total, product], "x": xs[5], "twice": xs[5]})
    numbers = [np.array(float(n)) for n in range(40)]
    for _ in range(3):
        function(*numbers)
    calls, found = calls_of(lambda: function(*numbers))
    assert (found["J"], found["again"][0], found["again"][1], found["x"]) == (0.0, 0.0, 6.0, 5.0)
    memory = [found["J"], found["again"][0], found["x"], found["twice"], numbers[5]]
    assert not any(np.shares_memory(a, b) for n, a in enumerate(memory) for b in memory[:n])
    assert calls < 100
