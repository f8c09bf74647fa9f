"""Direct calls of compiled functions: what native code checks, results into ``out``, and memory that is used again."""

from __future__ import annotations

import itertools
import sys
import threading
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import sympy as sp

import codegen
import symgraph as sg
from codegen.host import capi
from codegen.run.pool import LEAST, Blocks
from symgraph.errors import ArgumentError, DomainError, NameConflictError, ShapeError, SymgraphError


@pytest.fixture(scope="module")
def scale() -> Any:
    N = sg.dim("N")
    x, w = sg.input("x", (N, 3)), sg.parameter("w", (3,))
    return codegen.function([x, w], x * w, dtype="float32", strict=True)


def arrays(rows: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(rows)
    return generator.normal(size=(rows, 3)).astype("f"), generator.normal(size=3).astype("f")


@pytest.mark.parametrize("named", [False, True])
def test_sizes_change_between_calls(scale: Any, named: bool) -> None:
    for rows in (4, 4, 4, 9, 9, 1, 4, 9, 400, 400, 1, 4):
        x, w = arrays(rows)
        result = scale(x, w=w) if named else scale(x, w)
        np.testing.assert_array_equal(result, x * w)


def test_what_does_not_fit_is_refused_as_before(scale: Any) -> None:
    x, w = arrays(4)
    for _ in range(3):
        scale(x, w)
    for wrong, error in (
        ((x[:, :2].copy(), w), ShapeError), ((x.astype("d"), w), DomainError), ((x[::2], w), ArgumentError),
        ((x,), ArgumentError), ((x, w, w), ArgumentError),
    ):  # fmt: skip
        with pytest.raises(error):
            scale(*wrong)
    np.testing.assert_array_equal(scale(x, w), x * w)
    np.testing.assert_array_equal(scale(x.tolist(), w), x * w)


def test_every_keyword_is_looked_at(scale: Any) -> None:
    x, w = arrays(4)
    for _ in range(3):
        scale(x, w)
    with pytest.raises(ArgumentError, match="w is given twice"):
        scale(x, w, w=w)
    with pytest.raises(ArgumentError, match="there is no typo"):
        scale(x, w, typo=1)


def test_sizes_of_a_refused_call_do_not_stay(scale: Any) -> None:
    x, w = arrays(4)
    for _ in range(3):
        scale(x, w)
    larger, _ = arrays(23)  # of a size that no call has had
    with pytest.raises(ShapeError):
        scale(larger, w, out=np.zeros((1, 3), "f"))
    np.testing.assert_array_equal(scale(larger, w), larger * w)
    np.testing.assert_array_equal(scale(x, w), x * w)


def test_labels_of_as_many_classes_as_an_array_tells() -> None:
    N, K = sg.dim("N"), sg.dim("K")
    z, t = sg.input("z", (N, K)), sg.labels("t", (N,), classes=K)
    cost = codegen.function([z, t], sg.cross_entropy(z, t))
    for _ in range(3):
        assert cost(np.zeros((2, 5)), np.array([0, 4])) == pytest.approx(np.log(5))
    with pytest.raises(ArgumentError, match="lie in 0 … 4"):
        cost(np.zeros((2, 5)), np.array([0, 5]))


def test_results_are_the_callers_own(scale: Any) -> None:
    x, w = arrays(4)
    kept = [scale(x, w) for _ in range(5)]
    assert len({values.ctypes.data for values in kept}) == 5


def test_results_may_go_into_an_array(scale: Any) -> None:
    for rows in (4, 4, 4, 9):
        x, w = arrays(rows)
        out = np.full((rows, 3), np.nan, "f")
        assert scale(x, w, out=out) is out
        np.testing.assert_array_equal(out, x * w)


def test_out_that_does_not_fit_is_refused_before_anything_is_written(scale: Any) -> None:
    x, w = arrays(4)
    scale(x, w)
    scale(x, w)
    kept = x.copy()
    read_only = np.zeros((4, 3), "f")
    read_only.flags.writeable = False
    for out, error in (
        (np.zeros((5, 3), "f"), ShapeError), (np.zeros((4, 3)), DomainError), (read_only, ArgumentError),
        (np.zeros((4, 6), "f")[:, ::2], ArgumentError), (x, ArgumentError), ([np.zeros((4, 3), "f")], ArgumentError),
    ):  # fmt: skip
        with pytest.raises(error):
            scale(x, w, out=out)
    np.testing.assert_array_equal(x, kept)


def test_several_results_into_arrays() -> None:
    x = sg.input("x", (sg.dim("N"),))
    both = codegen.function([x], {"double": 2 * x, "sum": sg.sum(x), "x": x}, dtype="float64")
    values = np.arange(5.0)
    for _ in range(4):
        out = {"double": np.zeros(5), "sum": np.zeros(()), "x": np.zeros(5)}
        assert both(values, out=out) is out
        np.testing.assert_array_equal(out["double"], 2 * values)
        assert out["sum"] == 10
        np.testing.assert_array_equal(out["x"], values)
    one = np.zeros(5)
    with pytest.raises(ArgumentError, match="overlap"):
        both(values, out={"double": one, "sum": np.zeros(()), "x": one})


def test_an_input_named_out() -> None:
    given = sg.input("out", (3,))
    with pytest.raises(NameConflictError, match="out"):
        codegen.function([given], 2 * given)


def test_memory_is_used_again_only_when_nothing_refers_to_it() -> None:
    make = Blocks(np.dtype(np.float32)).maker((LEAST // 4,))
    first = make()
    address = first.ctypes.data
    view = first[5:9]
    del first
    assert make().ctypes.data != address  # the view still refers to it
    seen = memoryview(view)
    del view
    assert make().ctypes.data != address  # and so does the memoryview
    del seen
    assert address in {values.ctypes.data for values in [make(), make()]}


# -- numbers for arrays of rank 0 -------------------------------------------------------------------------------------

NUMBERS: tuple[Any, ...] = (
    0, 3, -7, 2.5, float("inf"), 2**53 + 1, -(2**63), 2**70, 10**400, True, np.bool_(True), 1j, None, "2.5", [2.0],
    np.float64(2.5), np.float32(0.1), np.float16(0.1), np.longdouble(0.1), np.int64(-4), np.uint8(200), np.array(2.5),
    np.array(2.5, "f"), np.array(3), np.array([2.5]), np.array([[1.0]]), np.ma.masked, np.complex64(1), b"2",
    Fraction(1, 3), Decimal("0.1"), sp.Rational(1, 3), sp.Float("0.1"), sp.pi, object, -1.0, np.float64(-1.0), -1,
)  # fmt: skip


def outcome(compiled: Any, *given: Any) -> Any:
    try:
        return compiled(*given)
    except SymgraphError as error:
        return type(error), str(error).splitlines()[0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_number_means_the_same_however_it_is_checked(dtype: str) -> None:
    """Native code takes Python's and NumPy's numbers; what it does not take is read, or refused, as at a first call."""
    a, b, v = sp.Symbol("a", real=True), sg.input("b", ()), sg.input("v", (3,))
    direct, first = (codegen.function([v, a, b], v * a * b, dtype=dtype) for _ in range(2))
    vector, listed = np.ones(3, dtype), [1.0, 1.0, 1.0]  # a list is never looked at by native code
    for value, place in itertools.product(NUMBERS, (0, 1)):
        given = [2.0, 3.0]
        assert direct(vector, *given).tolist() == direct(vector, *given).tolist() == [6.0, 6.0, 6.0]
        given[place] = value
        found, expected = outcome(direct, vector, *given), outcome(first, listed, *given)
        assert np.array_equal(found, expected), (value, found, expected)
        assert getattr(found, "dtype", dtype) == dtype


LABELS = (0, 3, 4, -1, -(2**63), 2**64, True, np.int64(2), np.uint8(3), 1.0, np.float64(1), np.array(2), "1", None)


@pytest.mark.parametrize("size", [4, sg.dim("K")])
def test_a_label_may_be_a_number(size: Any) -> None:
    v, t = sg.input("v", (size,)), sg.labels("t", (), classes=size)
    direct, first = (codegen.function([v, t], v[t], dtype="float64") for _ in range(2))
    values = np.arange(4.0) * 10
    for label in LABELS:
        assert direct(values, 1) == direct(values, 3) - 20 == 10
        assert outcome(direct, values, label) == outcome(first, values.tolist(), label)


def python_steps(compiled: Any, given: list[float]) -> int:
    """Calls of functions, Python's or C's, that one warm call makes."""
    for _ in range(4):
        compiled(*given)
    seen: list[str] = []
    sys.setprofile(lambda frame, event, argument: seen.append(event))
    try:
        compiled(*given)
    finally:
        sys.setprofile(None)
    return sum(event.endswith("call") for event in seen)


def test_a_call_with_a_hundred_and_twenty_symbols_costs_no_python_for_each() -> None:
    counts = []
    for size in (3, 120):
        symbols = sp.symbols(f"a0:{size}", real=True)
        compiled = codegen.function(list(symbols), sum(symbol**2 for symbol in symbols))
        given = [float(number) for number in range(size)]
        counts.append(python_steps(compiled, given))
        assert compiled(*given) == sum(value**2 for value in given)
        assert compiled(**{str(s): value for s, value in zip(symbols, given, strict=True)}) == compiled(*given)
    assert counts[0] == counts[1]


# -- the installation -------------------------------------------------------------------------------------------------


def scaled_step(count: int) -> tuple[codegen.TrainStep, dict[str, np.ndarray], dict[str, Any]]:
    """J = Σ c·w, whose scalars are positive, and steps of rate 1."""
    symbols = [sp.Symbol(f"c{number}", positive=True) for number in range(count)]
    whole = sp.Symbol("k", integer=True)
    x, w = sg.input("x", (sg.dim("N"), 2)), sg.parameter("w", (2,))
    step = codegen.train_step(sg.sum(x @ w) * (sum(symbols) + whole), sg.SGD(lr=1.0), dtype="float64")
    numbers = {str(symbol): 1.0 for symbol in symbols} | {"k": 2}
    params = step.init()
    for _ in range(3):
        step(params, x=np.ones((1, 2)), **numbers)
    return step, params, numbers


@pytest.mark.parametrize("count", [1, 120])
def test_a_direct_call_takes_scalars_by_name(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    step, params, numbers = scaled_step(count)

    def refuse(*given: Any) -> Any:
        raise AssertionError("this call need not be checked by Python")

    monkeypatch.setattr(type(step), "checked", refuse)
    monkeypatch.setattr("codegen.run.hyper.checked_number", refuse)
    for value in (0.5, 3, np.float64(0.25), np.float32(2), np.int64(4)):
        params["w"][...] = 1.0
        assert step(params, x=np.ones((1, 2)), **{**numbers, "c0": value, "k": -1.0}) == 2 * (float(value) + count - 2)
        np.testing.assert_array_equal(params["w"], 1 - (float(value) + count - 2))
        assert step.hyper["c0"] == value and step.hyper["k"] == -1


@pytest.mark.parametrize(
    "wrong",
    [{"c0": 0.0}, {"c0": np.float32(0)}, {"c0": -1}, {"c0": np.inf}, {"c0": np.nan}, {"c0": True}, {"c0": "1"},
     {"c0": 10**400}, {"k": 0.5}, {"k": np.inf}, {"c0": 5.0, "k": 0.5}, {"c0": 5.0, "speed": 1.0}],
)  # fmt: skip
def test_scalars_that_are_wrong_change_nothing(wrong: dict[str, Any]) -> None:
    step, params, numbers = scaled_step(1)
    before = params["w"].copy()
    name = next(name for name in reversed(wrong))
    with pytest.raises(SymgraphError, match=f"{name} must be a finite number|no speed here"):
        step(params, x=np.ones((1, 2)), **{**numbers, **wrong})
    assert step.hyper["c0"] == 1 and step.hyper["k"] == 2
    np.testing.assert_array_equal(params["w"], before)


def test_scalars_of_a_refused_call_do_not_stay() -> None:
    step, params, numbers = scaled_step(1)
    with pytest.raises(ShapeError):
        step(params, x=np.ones((1, 3)), **{**numbers, "c0": 9.0})
    assert step.hyper["c0"] == 1


def test_the_range_of_a_scalar_is_asked_of_sympy_once(monkeypatch: pytest.MonkeyPatch) -> None:
    step, params, numbers = scaled_step(1)
    monkeypatch.setattr("symgraph.vocabulary.ranges.FACTS", None)
    step(params, x=np.ones((1, 2)), **{**numbers, "c0": sp.Rational(1, 2)})
    assert step.hyper["c0"] == 0.5
    with pytest.raises(DomainError, match="hyper-parameter c0 must be a finite number, above 0, at least 0, not 0"):
        step.hyper["c0"] = 0


def test_an_installation_whose_arrays_are_others_is_told_and_works(monkeypatch: pytest.MonkeyPatch) -> None:
    x = sg.input("x", (sg.dim("N"),))
    assert not codegen.function(x, 2 * x).report().obstacle
    monkeypatch.setattr(capi, "arrays_are_as_published", lambda: False)
    double = codegen.function(x, 2 * x)
    for rows in (2, 2, 2, 3):
        assert double(np.ones(rows)).tolist() == [2.0] * rows
    assert "Python checks every call: array objects of this installation" in str(double.report())


def test_other_threads_run_while_a_direct_call_computes() -> None:
    """Native code holds Python's lock for its checks alone: another thread sees a result that is half written."""
    x = sg.input("x", (sg.dim("N"),))
    slow = codegen.function(x, sg.sin(sg.exp(sg.sin(sg.tanh(x)))), dtype="float64")
    slow.executable("float64").most_threads = 1
    values, written = np.ones(8_000_000), np.zeros(8_000_000)
    for _ in range(3):
        slow(values[:3], out=written[:3])
    written[:] = 0
    probes, ended, seen = written[::100_000], threading.Event(), set()
    worker = threading.Thread(target=lambda: (slow(values, out=written), ended.set()))
    worker.start()
    while not ended.is_set():
        seen.add(np.count_nonzero(probes))
    worker.join()
    assert seen - {0, len(probes)}


# -- labels -----------------------------------------------------------------------------------------------------------


def test_wrong_labels_of_a_direct_call_are_refused_before_anything_is_written() -> None:
    N = sg.dim("N")
    x, w = sg.input("x", (N, 4)), sg.parameter("w", (4,))
    t, unread = sg.labels("t", (N,), 4), sg.labels("u", (N,), 4)
    (n,) = sg.indices("n")
    step = codegen.train_step(sg.sum(sg.define([n], (x * w)[n, t[n]])), sg.SGD(lr=1.0), dtype="float64")
    pick = codegen.function([x, t, unread], sg.define([n], x[n, t[n]]))
    X, good, params, out = np.arange(12.0).reshape(3, 4), np.array([0, 3, 1]), step.init(), np.zeros(3)
    for _ in range(3):
        step(params, x=X, t=good)
        pick(X, good, good, out=out)
    np.testing.assert_array_equal(out, [0, 7, 9])
    np.testing.assert_array_equal(params["w"], [0, -27, 0, -21])
    before = params["w"].copy()
    for place, label in itertools.product(range(3), (-1, 4, 2**62, -(2**63))):
        bad = good.copy()
        bad[place] = label
        with pytest.raises(ArgumentError, match=rf"t\[{place}\] is {label}; labels of t lie in 0 … 3"):
            step(params, x=X, t=bad)
        with pytest.raises(ArgumentError, match=rf"t\[{place}\] is {label}"):
            pick(2 * X, bad, good, out=out)
        with pytest.raises(ArgumentError, match=rf"u\[{place}\] is {label}"):
            pick(2 * X, good, bad, out=out)
    np.testing.assert_array_equal(out, [0, 7, 9])
    np.testing.assert_array_equal(params["w"], before)


def test_the_type_of_an_object_is_looked_for() -> None:
    assert capi.type_at() is not None
    assert {id(np.ndarray), id(float)} <= {*capi.table()}
