"""Programs are kept by what was declared: what is equal is found, what differs is not, and what is found is right."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy as sp

import codegen
import symgraph as sg
from codegen.host import cache
from codegen.native import jit
from codegen.plan.request import Request, leaves_in
from codegen.run import kept, loading, pipeline
from codegen.run.declared import in_order
from codegen.run.formulas import StepFormulas
from symgraph.core.fingerprint import fingerprint
from symgraph.derive import differentiate

N = sg.dim("N")
X = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
T = (X[:, 0] > 0).astype(np.int64)


@pytest.fixture
def nothing_derives(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From its call on, nothing is derived, nor simplified, lowered, or compiled."""

    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("derived again")

    def forbid() -> None:
        monkeypatch.setattr(differentiate, "grad", never)
        monkeypatch.setattr(pipeline, "translate", never)
        monkeypatch.setattr(jit, "compile_program", never)

    return forbid


def network(weights: str = "W", rate: Any = 3, hidden: int = 4) -> tuple[sg.Tensor, ...]:
    x, t = sg.input("x", (N, 4)), sg.labels("t", (N,), classes=3)
    W, V = sg.parameter(weights, (4, hidden), init=sg.init.kaiming_normal()), sg.parameter("V", (hidden, 3))
    h = sg.tanh(x @ W)
    return sg.cross_entropy(h @ V, t) + rate * sg.sum(W**2), x, t, W, V


def trained(step: codegen.TrainStep) -> tuple[Any, ...]:
    params = step.init(0)
    losses = [step(params, x=X, t=T) for _ in range(4)]
    return losses, params, dict(step.state)


def same(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    return one[0] == other[0] and all(
        list(a) == list(b) and all(np.array_equal(a[name], b[name]) for name in a)
        for a, b in zip(one[1:], other[1:], strict=True)
    )


def test_a_step_is_neither_derived_nor_lowered_again(nothing_derives: Callable[[], None]) -> None:
    loss, *_ = network()
    first = codegen.train_step(loss, sg.Adam(0.1))
    expected, told = trained(first), repr(first)
    nothing_derives()
    other, *_ = network()  # called otherwise
    again = codegen.train_step(other, sg.Adam(0.1))
    assert same(trained(again), expected) and repr(again).replace("other", "loss") == told
    assert again.fit(again.init(0), {"x": X, "t": T}, epochs=2, batch_size=4).steps == 6
    with pytest.raises(AssertionError, match="derived again"):
        _ = again.source
    with pytest.raises(sg.errors.ShapeError, match="axis 1 should be 4"):
        again(again.init(0), x=X[:, :3].copy(), t=T)
    with pytest.raises(sg.errors.ArgumentError, match="labels of t lie in 0 … 2"):
        again(again.init(0), x=X, t=T + 2)


def test_what_is_read_of_a_kept_program_is_derived_for_the_reader() -> None:
    first = codegen.train_step(network()[0], sg.Adam(0.1))
    trained(first)
    loss, *_ = network()
    again = codegen.train_step(loss, sg.Adam(0.1))
    expected = trained(again)
    assert "derive" not in again.executable.seconds
    assert again.source == first.source
    assert loading.key_of(again.executable.compiled.source) == again.executable.linked.code
    report = again.report()
    assert [row.name for row in report.kernels] == [row.name for row in first.report().kernels]
    assert "derive" in report.stages
    assert {str(update.leaf.name) for update in again.updates} == {*again.state, "W", "V"}
    assert same(trained(again), expected)


def test_functions_are_kept_too(nothing_derives: Callable[[], None]) -> None:
    _, x, _, W, V = network()
    first = codegen.function([x, W, V], {"y": sg.softmax(sg.tanh(x @ W) @ V), "x": x})
    w, v = np.ones((4, 4), np.float32), np.ones((4, 3), np.float32)
    expected = first(X, w, v)
    nothing_derives()
    _, a, _, b, c = network()
    scores = sg.tanh(a @ b) @ c
    again = codegen.function([a, b, c], {"y": sg.softmax(scores), "x": a})(X, w, v)
    assert np.array_equal(again["y"], expected["y"]) and np.array_equal(again["x"], X)


def test_errors_of_sizes_are_told_in_the_words_of_who_asks() -> None:
    def shifted() -> codegen.Function:
        signal = sg.input("signal", (N,))
        (n,) = sg.indices("n")
        return codegen.function(signal, sg.define(n, 2 * signal[n + 3], (N - 3,)))

    assert shifted()(np.arange(5.0)).tolist() == [6.0, 8.0]
    with pytest.raises(sg.errors.ArgumentError, match=r"needs N ≥ 4; here N = 2"):
        shifted()(np.arange(2.0))


def by_name(theta: sg.Tensor, g: sg.Tensor, lr: sg.Tensor) -> Any:
    return theta - lr * g * (2 if theta.name == "V" else 1)


def key(
    loss: Any, optimizer: Any = None, dtype: str = "float32", names: str = "WV", extra: tuple[Any, ...] = ()
) -> str | None:
    """Of a step of which nothing is derived."""
    leaves = [leaf for leaf in in_order(leaves_in(Request((loss,)))) if str(leaf.name)[0] in names]
    step = StepFormulas(loss, extra, {}, tuple(leaves), optimizer or sg.SGD(0.1))
    return kept._declared(step, dtype)[1]


def test_what_the_key_is_made_of() -> None:
    made = network()
    rows = sg.Optimizer("mine", (sg.Row("theta", lambda theta, g, lr: theta - lr * g),), {"lr": 0.1})
    other = sg.Optimizer("mine", (sg.Row("theta", lambda theta, g, lr: theta - lr * g / 2),), {"lr": 0.1})
    different = {
        "it": key(made[0]),
        "dtype": key(made[0], dtype="float64"),
        "another optimiser": key(made[0], sg.SGD(0.1, momentum=0.5)),
        "clipped": key(made[0], sg.clip_grad_norm(sg.SGD(0.1), 1.0)),
        "a group": key(made[0], sg.grouped(sg.SGD(0.1), head=("V", sg.SGD(0.1)))),
        "another group": key(made[0], sg.grouped(sg.SGD(0.1), head=("W", sg.SGD(0.1)))),
        "accumulated": key(made[0], sg.accumulate(sg.SGD(0.1), 2)),
        "accumulated for longer": key(made[0], sg.accumulate(sg.SGD(0.1), 3)),
        "rows that somebody wrote": key(made[0], other),
        "a first value": key(made[0], sg.Adagrad(0.1)),
        "another first value": key(made[0], sg.Adagrad(0.1, initial_accumulator_value=0.5)),
        "a row that knows a name": key(made[0], sg.Optimizer("mine", (sg.Row("theta", by_name),), {"lr": 0.1})),
        "fewer parameters": key(made[0], names="W"),
        "outputs": key(made[0], extra=(made[1],)),
        "a constant": key(network(rate=2)[0]),
        "an array": key(network()[0] + sg.sum(sg.constant(np.arange(3.0)))),
        "another array": key(network()[0] + sg.sum(sg.constant(np.arange(3.0) + 1))),
        "a symbol": key(network(rate=sp.Symbol("rate", positive=True))[0]),
        "another symbol": key(network(rate=sp.Symbol("rate", real=True))[0]),
        "a name of a parameter": key(network("W0")[0]),
        "a size": key(network(hidden=5)[0]),
    }
    assert None not in different.values() and len(set(different.values())) == len(different)
    assert key(network()[0], sg.SGD(0.7)) == different["it"]
    assert key(made[0], rows) == key(network()[0], rows)


def test_the_order_of_declaration_is_part_of_it() -> None:
    def told(turned: bool) -> str | None:
        first = sg.parameter("a", (3,)) if not turned else None
        second = sg.parameter("b", (3,))
        return fingerprint([sg.sum((first if first is not None else sg.parameter("a", (3,))) * second)])

    assert told(False) == told(False) != told(True) == told(True)


def test_an_operation_of_somebody_elses_class_is_not_told() -> None:
    class Twice(sp.exp):  # type: ignore[misc]
        pass

    x = sg.input("x", (3,))
    assert fingerprint([x + 1]) is not None
    strange = sg.Tensor.define((3,), sp.Basic.__new__(Twice, x.element))
    assert fingerprint([strange]) is None


def entry(content: bytes, name: str) -> bytes:
    return cache.MAGIC + hashlib.sha256(name.encode() + content).digest() + content


def test_a_damaged_entry_is_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYMGRAPH_CACHE", str(tmp_path))

    def value() -> list[float]:
        x = sg.input("x", (N,))
        return codegen.function(x, x + 2)(np.zeros(2)).tolist()

    assert value() == [2.0, 2.0]
    (path,) = tmp_path.glob("*.program")
    good = path.read_bytes()
    told = json.loads(good[len(cache.MAGIC) + 32 :])
    assert told[0] == "Linked"
    wrong = [
        b"", b"[", b"null", b"7", b"[]", b"[[]]", b'["Linked"]', b'["os.system","echo"]', b'["()",1,2,3]',
        json.dumps([*told, 1]).encode(), json.dumps(["Arena", *told[1:]]).encode(), b"[" * 100_000, b"\xff\xfe",
    ]  # fmt: skip
    for content in (good[:50], good[:-1] + b"]]", *(entry(text, path.stem) for text in wrong)):
        path.write_bytes(content)
        assert value() == [2.0, 2.0]
        assert path.read_bytes() == good, content[:80]


def test_a_program_without_its_object_code_is_compiled_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYMGRAPH_CACHE", str(tmp_path))
    x = sg.input("x", (N,))
    values = codegen.function(x, x + 2)(np.zeros(2))
    (path,) = tmp_path.glob("*.o")
    path.unlink()
    assert np.array_equal(codegen.function(x, x + 2)(np.zeros(2)), values) and path.exists()


@pytest.mark.usefixtures("plain")
def test_object_code_has_the_name_of_what_it_does() -> None:
    def source(name: str, power: int) -> Any:
        x, w = sg.input(name, (N, 3)), sg.parameter(f"{name}_weights", (3, 3))
        return codegen.function([x, w], sg.tanh(x @ w) ** power).executable("float32").compiled.source

    one, other, cube = source("x", 2), source("images", 2), source("x", 3)
    assert one.text != other.text and loading.key_of(one) == loading.key_of(other) != loading.key_of(cube)
    text = "from numpy import exp\nreal = a\ndef f(b):\n    c = 1.5e-07*exp(b)  # of b\ndef g(c):\n    f(real, b)"
    bare = "from numpy import exp\n_m0 = _m1\ndef _m2(_0):\n    _1 = 1.5e-07*exp(_0)\ndef _m3(_0):\n    _m2(_m0, _1)"
    assert loading.without_names(text) == bare
