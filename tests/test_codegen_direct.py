"""Direct calls of compiled functions: what native code checks, results into ``out``, and memory that is used again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import codegen
import symgraph as sg
from codegen.blocks import LEAST, Blocks
from symgraph.errors import ArgumentError, DomainError, NameConflictError, ShapeError


@pytest.fixture(scope="module")
def scale() -> Any:
    N = sg.dim("N")
    x, w = sg.input("x", (N, 3)), sg.parameter("w", (3,))
    return codegen.function([x, w], x * w, dtype="float32")


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
