"""Recurrences against unrolled definitions, PyTorch's layers, finite differences, and their own compiled loops."""

from __future__ import annotations

import functools
import gc
import re
import sys
from typing import Any

import numpy as np
import pytest
import sympy as sp
from sympy.core.cache import clear_cache

import codegen
import symgraph as sg
from symgraph.core import reading
from symgraph.errors import ArgumentError, DomainError, ShapeError
from symgraph.reference import evaluate
from tests import sizes

T, N = sg.dim("T"), sg.dim("N")
RNG = np.random.default_rng(7)


def two_values(backward: bool = False) -> tuple[sg.Tensor, list[sg.Tensor], dict[str, Any], Any]:
    """Two carries that read each other, one of them two steps late, with a readout: scan, and the same unrolled."""
    x, w, a, b = sg.input("x", (T, N, 2)), sg.parameter("w", (2, 2)), sg.input("a", (N, 2)), sg.input("b", (N, 2))

    def step(carry: Any, at: sg.Tensor) -> Any:
        p, q, before = carry
        new = sg.tanh(q @ w + at * before) - p / 2
        return (new, sg.sin(p) + at, p), new * q

    values = {"x": RNG.normal(size=(4, 3, 2)), "w": RNG.normal(size=(2, 2))}
    values |= {name: RNG.normal(size=(3, 2)) for name in "ab"}
    (p, q, _), y = sg.scan(step, (a, b, a), x, reverse=backward)
    loss = sg.sum(y**2) + sg.sum(p * q)
    carry, found = (a, b, a), []
    for t in reversed(range(4)) if backward else range(4):
        carry, out = step(carry, x[t])
        found.append(out)
    unrolled = sum(sg.sum(out**2) for out in found) + sg.sum(carry[0] * carry[1])
    return loss, [x, w, a, b], values, unrolled


@pytest.mark.parametrize("backward", [False, True])
def test_gradients_are_those_of_the_unrolled_steps(backward: bool) -> None:
    loss, leaves, values, unrolled = two_values(backward)
    assert evaluate(loss, values) == pytest.approx(evaluate(unrolled, values), rel=1e-14)
    got, expected = sg.grad(loss, leaves), sg.grad(unrolled, leaves, simplify=False)
    for leaf in leaves:
        np.testing.assert_allclose(evaluate(got[leaf], values), evaluate(expected[leaf], values), atol=1e-13)


def test_second_derivatives_are_the_same_call() -> None:
    loss, leaves, values, unrolled = two_values()
    w, a = leaves[1:3]
    first, bare = sg.grad(loss, [w, a]), sg.grad(unrolled, [w, a], simplify=False)
    got = sg.grad(sg.sum(first[w] ** 2) + sg.sum(first[a] ** 3), w)
    expected = sg.grad(sg.sum(bare[w] ** 2) + sg.sum(bare[a] ** 3), w, simplify=False)
    np.testing.assert_allclose(evaluate(got, values), evaluate(expected, values), rtol=1e-11)


def layer(kind: str, **how: Any) -> tuple[list[sg.Tensor], list[sg.Tensor], list[np.ndarray], list[np.ndarray]]:
    """A layer with its loss and gradients, arrays for its leaves, and what PyTorch's layer gives for them."""
    torch = pytest.importorskip("torch")
    net = getattr(sg.nn, kind)(3, 2, name="m", **how)
    peer = getattr(torch.nn, kind)(3, 2, **how).double()
    count = how.get("num_layers", 1) * (2 if how.get("bidirectional") else 1)
    x, first = sg.input("x", (T, N, 3)), [sg.input(name, (count, N, 2)) for name in ("h0", "c0")[: net.carried]]
    y, last = net(x, first if net.carried > 1 else first[0])
    loss = sg.sum(sg.sin(y) * y) + sum(sg.sum(end**2) for end in (last if net.carried > 1 else [last]))
    names = [f"m.{name}" for name, _ in peer.named_parameters()]
    assert [parameter.name for parameter in net.parameters()] == names
    leaves = [x, *first, *net.parameters()]
    arrays = [RNG.normal(size=size) for size in ((4, 2, 3), *[(count, 2, 2)] * net.carried)]
    given = [torch.tensor(array, requires_grad=True) for array in arrays]
    out, ends = peer(given[0], tuple(given[1:]) if net.carried > 1 else given[1])
    cost = (torch.sin(out) * out).sum() + sum((end**2).sum() for end in (ends if net.carried > 1 else [ends]))
    cost.backward()
    arrays += [parameter.detach().numpy().copy() for parameter in peer.parameters()]
    expected = [cost.item(), out.detach().numpy(), *(g.grad.numpy() for g in (*given, *peer.parameters()))]
    gradients = sg.grad(loss, leaves)
    return leaves, [loss, y, *(gradients[leaf] for leaf in leaves)], arrays, expected


@pytest.mark.parametrize(
    ("kind", "how"),
    [("RNN", {"nonlinearity": "relu", "bias": False, "num_layers": 2, "bidirectional": True}), ("GRU", {})],
)
def test_layers_are_pytorchs(kind: str, how: dict[str, Any]) -> None:
    leaves, outputs, arrays, expected = layer(kind, **how)
    values = {str(leaf.name): array for leaf, array in zip(leaves, arrays, strict=True)}
    for got, wanted in zip(evaluate(outputs, values), expected, strict=True):
        np.testing.assert_allclose(got, wanted, atol=1e-12)


def test_rows_of_unequal_length_are_pytorchs_packed_sequences() -> None:
    torch = pytest.importorskip("torch")
    x, length = sg.input("x", (T, N, 3)), sg.labels("length", (N,), classes=T + 1)
    net, peer = sg.nn.LSTM(3, 2, bidirectional=True, name="m"), torch.nn.LSTM(3, 2, bidirectional=True).double()
    y, (h, c) = net(x, length=length)
    loss = sg.sum(sg.sin(y) * y) + sg.sum(h**2) + sg.sum(c**3)
    array, counts = RNG.normal(size=(5, 3, 3)), np.array([2, 5, 1])
    given = torch.tensor(array, requires_grad=True)
    packed = torch.nn.utils.rnn.pack_padded_sequence(given, torch.tensor(counts), enforce_sorted=False)
    out, (h_n, c_n) = peer(packed)
    out = torch.nn.utils.rnn.pad_packed_sequence(out)[0]
    cost = (torch.sin(out) * out).sum() + (h_n**2).sum() + (c_n**3).sum()
    cost.backward()
    leaves = [x, *net.parameters()]
    for row, count in enumerate(counts):
        array[count:, row] = np.nan  # nobody reads what lies behind the end
    values = {str(p.name): w.detach().numpy() for p, w in zip(leaves[1:], peer.parameters(), strict=True)}
    values |= {"x": array, "length": counts}
    gradients = sg.grad(loss, leaves)
    outputs = [loss, y, h, c, *(gradients[leaf] for leaf in leaves)]
    wanted = [cost, out, h_n, c_n, given.grad, *(p.grad for p in peer.parameters())]
    for got, expected in zip(evaluate(outputs, values), wanted, strict=True):
        np.testing.assert_allclose(got, expected.detach().numpy(), atol=1e-12)


@pytest.mark.usefixtures("plain")
def test_gradients_stop_within_a_step() -> None:
    x, h0 = sg.input("x", (T,)), sg.input("h0", ())
    last, _ = sg.scan(lambda h, at: (sg.stop_gradient(h * h) + h * at, None), h0, x)
    run = codegen.function([x, h0], [last, sg.grad(last, h0)], dtype="float64")
    assert [float(value) for value in run(np.array([2.0, 3.0]), np.array(1.0))] == [18, 6]  # ((1 + 2)² + 3·3), 2·3


@pytest.mark.usefixtures("plain")
def test_a_row_of_no_steps_keeps_its_first_value() -> None:
    x, h0, length = sg.input("x", (T, N)), sg.input("h0", (N,)), sg.labels("length", (N,), classes=T + 1)
    last, y = sg.scan(lambda h, at: (h * at, h), h0, x, length)
    run = codegen.function([x, h0, length], [last, y, sg.grad(sg.sum(last), x)], dtype="float64")
    given = np.array([[2.0, 3.0, np.inf], [5.0, np.nan, np.nan]]), np.array([7.0, 11.0, 13.0])
    values, outputs, slope = run(*given, np.array([2, 1, 0]))
    assert values.tolist() == [70, 33, 13] and outputs.tolist() == [[7, 11, 0], [14, 0, 0]]
    assert slope.tolist() == [[35, 11, 0], [14, 0, 0]]


@pytest.mark.usefixtures("plain")
def test_a_compiled_lstm_is_pytorchs() -> None:
    leaves, outputs, arrays, expected = layer("LSTM")
    for got, wanted in zip(codegen.function(leaves, outputs)(*arrays), expected, strict=True):
        np.testing.assert_allclose(got, wanted, atol=1e-11)


def test_native_loops_compute_what_the_reference_does() -> None:
    loss, leaves, values, _ = two_values(backward=True)
    wanted = [loss, sg.grad(loss, leaves[1])]
    for got, expected in zip(codegen.function(leaves, wanted)(**values), evaluate(wanted, values), strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-13)


def test_the_program_does_not_grow_with_the_number_of_steps() -> None:
    def kernels(length: int) -> int:
        x, w = sg.input("x", (length, N, 3)), sg.parameter("w", (3, 3))
        last, _ = sg.scan(lambda h, at: (sg.tanh(h @ w + at), None), x[0], x)
        return codegen.function([x, w], sg.grad(sg.sum(last), w), dtype="float64").source.count("@kernel")

    assert kernels(8) == kernels(512)


def test_what_depends_on_no_carry_is_one_product_outside_of_the_loop() -> None:
    x, u, h0 = sg.input("x", (T, N, 3)), sg.parameter("u", (3, 2)), sg.input("h0", (N, 2))
    _, y = sg.scan(lambda h, at: (sg.tanh(h + at @ u), h @ u.T), h0, x)
    source = codegen.function([x, u, h0], y, dtype="float64").source
    loop = source[source.index("    for step in range(T):") :]
    kernels = [line.strip() for line in loop.splitlines() if line.startswith(" " * 8) and "thread" in line]
    assert len(kernels) == 1  # and no meeting: every thread goes through time with its own rows


def test_derivatives_read_what_the_steps_have_computed() -> None:
    """No gate is computed again on the way back, and a layer's two biases have one gradient."""
    y, _ = sg.nn.LSTM(3, 4, name="net")(sg.input("x", (5, 2, 3)))
    source = codegen.train_step(sg.sum(y**2), sg.SGD(lr=0.1), "float64").source
    functions = [line for line in source.splitlines() if "# " in line and ("σ(" in line or "tanh(" in line)]
    assert functions and all(" = σ(" in line or " = tanh(" in line for line in functions)
    # One function adds up what passes back through a gate, and is called for each of the four.
    (name,) = re.findall(r"def (\w+)\([^)]*\):(?:\n(?!def ).*)*?= Σ_\{j,k\} v_\d+\[j, k, l\]$", source, re.M)
    assert source.count(f"\n        {name}(") == 4 and "Σ_{j,k} {" not in source


def test_formulas_read_as_back_propagation_through_time_does_in_books() -> None:
    x, h0 = sg.input("x", (T, N, 4)), sg.input("h0", (N, 4))
    V = sg.parameter("V", (4, 4))

    def step(h: sg.Tensor, at: sg.Tensor) -> Any:
        a = (h @ V).named("a")
        h = sg.tanh(a + at).named("h")
        return h, h

    _, h = sg.scan(step, h0, x)
    J = sg.sum(h**2).named("J")
    assert str(h).splitlines()[0] == "h[t, n, i] = tanh(x[t, n, i] + a[t, n, i]),  h[−1, n, i] = h0[n, i]"
    back = [
        "∂J/∂h[t, n, i] = Σ_j ∂J/∂a[t + 1, n, j]·V[i, j] + 2·h[t, n, i]",
        "∂J/∂a[t, n, i] = ∂J/∂h[t, n, i]·(1 − h[t, n, i]²)",
        "∂J/∂V[i, j] = Σ_{t,n} h[t − 1, n, i]·∂J/∂a[t, n, j]",
    ]
    told = [" ".join(line.split()) for line in str(sg.derivation(J, V)).splitlines()]
    for line in back:
        assert any(other.startswith(line) for other in told), line
    table = str(sg.explain(J))
    assert all(line in table for line in back)
    assert table.index("a[t, n, i] = Σ_j h[t − 1, n, j]·V[j, i]") < table.index("h[t, n, i] = tanh")
    assert r"h_{t - 1,n,i} \, \frac{\partial J}{\partial a_{t,n,j}}" in sp.latex(sg.grad(J, V))


@pytest.mark.parametrize(
    ("wrong", "error", "says"),
    [
        (lambda h, x: sg.scan(lambda c, a: (sg.sum(c), None), h, x), ShapeError, r"h\(N, 2\) becomes .*\(\)"),
        (lambda h, x: sg.scan(lambda c, a: c, h, x), ArgumentError, r"returns \(carry, y\)"),
        (lambda h, x: sg.scan(lambda c, a: ((c, c), None), h, x), ShapeError, "tuple of 2 as .*; init is one"),
        (lambda h, x: sg.scan(lambda c, a: ({"p": c["q"]}, None), {"q": h}, x), ShapeError, "dict of p .* dict of q"),
        (lambda h, x: sg.scan(lambda c, a: (c + a, None), h, x, length=7), ShapeError, "7 by length and T by x"),
        (lambda h, x: sg.scan(lambda c, a: (c + 1, None), h), ArgumentError, "needs length="),
        (lambda h, x: sg.scan(lambda c, a: (c + a, c), h, x, [1, 2]), ShapeError, r"length\(2,\).* h\(N, 2\)"),
        (lambda h, x: sg.scan(lambda c, a: (c, c), h[:2], x[:5, :2], [6, 1]), ShapeError, r"6, 1\].* 0 … 5 of each"),
        (lambda h, x: sg.scan(lambda c, a: (c, c), h[:2], x[:, :2], [-1, 1]), ShapeError, r"-1, 1\].* 0 … T of each"),
        (
            lambda h, x: sg.scan(lambda c, a: (c, c), h, x[:5], sg.labels("l", (N,), 7)),
            ShapeError,
            r"l\(N,\) in 0 … 6 does not fit 5 steps",
        ),
        (lambda h, x: sg.scan(lambda c, a: (c + a, c), h, x, checkpoint=0), ArgumentError, "at least 1, not 0"),
        (lambda h, x: sg.nn.LSTM(3, 2)(x), ShapeError, r"got x\(T, N, 2\); expected \(steps, batch, 3\)"),
        (lambda h, x: sg.nn.RNN(2, 2)(x, h), ShapeError, r"first state is h\(N, 2\); expected \(1, N, 2\)"),
        (lambda h, x: sg.scan(lambda t, a: (t, None), sg.labels("t", (N,), 3), x), DomainError, "t holds integers"),
    ],
)
def test_errors_name_the_symbol_and_the_line(wrong: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says) as caught:
        wrong(sg.input("h", (N, 2)), sg.input("x", (T, N, 2)))
    first, *place = str(caught.value).splitlines()  # the line that is shown has the pattern too
    assert re.search(says, first) and "test_recurrences.py" in place[-1]


def test_a_carry_is_told_by_its_key_whatever_the_order() -> None:
    x = sg.input("x", (T,))
    last, _ = sg.scan(lambda c, a: ({"q": c["q"] + a, "p": c["p"] * 2}, None), {"p": 1, "q": 0}, x)
    assert [float(evaluate(last[name], {"x": np.ones(3)})) for name in "pq"] == [8.0, 3.0]


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("backward", [False, True])
def test_checkpoints_compute_segments_again_and_keep_less(backward: bool) -> None:
    """Of 11 steps: segments of 4 and the 3 that are left over, rows that end, values of every step."""
    x, w, h0 = sg.input("x", (11, N, 2)), sg.parameter("w", (2, 2)), sg.input("h0", (N, 2))
    length = sg.labels("length", (N,), 12)

    def step(carry: Any, at: sg.Tensor) -> Any:
        h, g = carry
        new = sg.tanh(h @ w + at * g)
        return (new, sg.sin(g + h)), new * g

    values = {"x": RNG.normal(size=(11, 3, 2)), "w": RNG.normal(size=(2, 2)), "h0": RNG.normal(size=(3, 2))}
    values["length"] = np.array([11, 6, 0])
    found, memory = [], []
    for size in (None, 4):
        (h, g), y = sg.scan(step, (h0, h0), x, length, backward, checkpoint=size)
        loss = sg.sum(y**2) + sg.sum(h * g)
        slopes = sg.grad(loss, [x, w, h0])
        run = codegen.function([x, w, h0, length], [loss, *slopes.values()], dtype="float64")
        found.append(run(**values))
        z = sg.input("z", (T, N, 2))
        long = sg.scan(step, (h0, h0), z, checkpoint=size)[0][0]
        lone = codegen.function([z, w, h0], sg.grad(sg.sum(long), w), dtype="float64")
        memory.append(lone.report(sizes={"T": 256}).memory)
    assert found[0][0] == found[1][0]
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14)
    assert memory[1] < memory[0] / 3


def scans_in_scans() -> tuple[sg.Tensor, list[sg.Tensor], sg.Tensor, dict[str, Any]]:
    """A loss through a scan in the step of another, the same unrolled, and values for its leaves."""
    x, w, h0 = sg.input("x", (T, N, sg.dim("K"))), sg.parameter("w", ()), sg.input("h0", (N,))

    def cell(g: sg.Tensor, a: sg.Tensor) -> Any:
        g = sg.tanh(g * w + a)
        return g, g * a

    def row(h: sg.Tensor, at: sg.Tensor) -> Any:
        g, inner = sg.scan(cell, h, at.T)
        _, beside = sg.scan(cell, at[:, 0], at.T)  # reads no carry
        return g, sg.sum(inner**2) + sg.sum(g) * sg.sum(beside)

    last, outputs = sg.scan(row, h0, x)
    carry, found = h0, []
    for t in range(3):
        h, b, inner, beside = carry, x[t, :, 0], [], []
        for k in range(2):
            (h, one), (b, other) = cell(h, x[t, :, k]), cell(b, x[t, :, k])
            inner.append(sg.sum(one**2))
            beside.append(sg.sum(other))
        carry = h
        found.append(sum(inner) + sg.sum(h) * sum(beside))
    values = {"x": RNG.normal(size=(3, 2, 2)), "w": np.array(0.7), "h0": RNG.normal(size=2)}
    return sg.sum(outputs) + sg.sum(last**3), [x, w, h0], sum(found) + sg.sum(carry**3), values


def test_scans_in_scans_run_natively_with_their_derivatives() -> None:
    loss, leaves, unrolled, values = scans_in_scans()
    first, bare = sg.grad(loss, leaves), sg.grad(unrolled, leaves, simplify=False)
    wanted = evaluate([unrolled, *bare.values()], values)
    for got, expected in zip(evaluate([loss, *first.values()], values), wanted, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-13)
    run = codegen.function(leaves, [loss, *first.values()], dtype="float64")
    for got, expected in zip(run(**values), wanted, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-13)
    if not sizes.LONG:
        return
    second, expected = sg.grad(first[leaves[1]], leaves[2]), sg.grad(bare[leaves[1]], leaves[2], simplify=False)
    np.testing.assert_allclose(evaluate(second, values), evaluate(expected, values), rtol=1e-11)


@pytest.mark.usefixtures("plain")
def test_a_batch_of_one_is_fused_as_any_other() -> None:
    """The only place of an axis of 1 is every reader's own; and one row is nothing for threads to share."""
    kernels = []
    for batch in (1, 2):
        x, target = sg.input("x", (12, batch, 3)), sg.input("target", (batch, 4))
        y, _ = sg.nn.GRU(3, 4, name="net")(x)
        step = codegen.train_step(sg.mse_loss(y[11], target), sg.SGD(lr=0.1), "float64", threads=2)
        kernels.append(step.source.count("@kernel"))
        if batch == 1:
            params, random = step.init(0), np.random.default_rng(0)
            given = {"x": random.normal(size=(12, 1, 3)), "target": random.normal(size=(1, 4))}
            slopes = evaluate(
                list(sg.grad(sg.mse_loss(y[11], target), list(step.parameters)).values()), {**given, **params}
            )
            before = {name: array.copy() for name, array in params.items()}
            step(params, **given)
            for parameter, slope in zip(step.parameters, slopes, strict=True):
                name = str(parameter.name)
                np.testing.assert_allclose(params[name], before[name] - 0.1 * slope, rtol=1e-12, atol=1e-15)
    assert kernels[0] <= kernels[1] + 2


@pytest.mark.usefixtures("plain")
def test_a_step_that_hands_on_what_it_is_given_is_computed_too() -> None:
    """Found by random recurrences: padded segments of it were a loop without a kernel."""
    x, h = sg.input("x", (T, N, 2)), sg.input("h", (N, 2))
    _, y = sg.scan(lambda carry, at: (carry, carry), h, x, checkpoint=2)
    f = codegen.function([x, h], sg.sum(y, axis=0), dtype="float64")
    np.testing.assert_array_equal(f(np.zeros((5, 3, 2)), np.ones((3, 2))), np.full((3, 2), 5.0))


def test_jacobian_and_hessian_run_through_the_steps() -> None:
    torch = pytest.importorskip("torch")
    x, h0, V = sg.input("x", (3, 2, 2)), sg.input("h0", (2, 2)), sg.parameter("V", (2, 2))

    def cell(h: sg.Tensor, at: sg.Tensor) -> tuple[sg.Tensor, sg.Tensor]:
        h = sg.tanh(h @ V + at)
        return h, h

    last, outputs = sg.scan(cell, h0, x)
    values = {name: RNG.normal(size=shape) for name, shape in (("x", (3, 2, 2)), ("h0", (2, 2)), ("V", (2, 2)))}

    def run(h: Any, V: Any) -> Any:
        found = []
        for at in values["x"]:
            h = torch.tanh(h @ V + torch.tensor(at))
            found.append(h)
        return torch.stack(found)

    first, matrix = torch.tensor(values["h0"]), torch.tensor(values["V"])
    expected = torch.autograd.functional.jacobian(run, (first, matrix))
    second = torch.autograd.functional.hessian(lambda V: (run(first, V)[-1] ** 2).sum(), matrix)
    found = [sg.jacobian(outputs, h0), sg.jacobian(outputs, V), sg.hessian(sg.sum(last**2), V)]
    for tensor, array in zip(found, (*expected, second), strict=True):
        np.testing.assert_allclose(evaluate(tensor, values), array.numpy(), rtol=1e-10, atol=1e-13)
        assert "where" in str(tensor)


def test_what_loops_values_are_called_keeps_no_model_alive() -> None:
    def model() -> None:
        x, w = sg.input("x", (T, N, 2)), sg.parameter("w", (2, 2))
        last, _ = sg.scan(lambda h, at: (sg.tanh(h @ w + at), None), sg.input("h", (N, 2)), x)
        sg.grad(sg.sum(last**2), w)

    def kept() -> int:
        ours = [vars(module) for name, module in sys.modules.items() if name.startswith(("symgraph", "codegen"))]
        for found in {id(value): value for names in ours for value in names.values()}.values():
            if isinstance(found, functools._lru_cache_wrapper):
                found.cache_clear()
        clear_cache()
        gc.collect()
        return len(reading._cotangents)

    before = (kept(), kept())[1]
    model()
    assert kept() <= before
