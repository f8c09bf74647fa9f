"""The border: data as people have it is converted once and visibly, or refused with what to write."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import codegen
import symgraph as sg
from codegen.run.conversion import as_array, fitting
from symgraph.errors import ArgumentError, ConversionWarning, DomainError, ShapeError, SymgraphError

pytestmark = pytest.mark.usefixtures("plain")
N = sg.dim("N")
X = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
T = (X[:, 0] > 0).astype(np.int64)
x, t, q = sg.input("x", (N, 4)), sg.labels("t", (N,), classes=2), sg.input("q", (N, 1))
W = sg.parameter("W", (4, 2), init=sg.init.normal(1))
J = sg.cross_entropy(x @ W + q, t)
Q = np.ones((9, 1), np.float32)


def step(strict: bool = False) -> codegen.TrainStep:
    return codegen.train_step(J, sg.SGD(0.1), strict=strict)


def unaligned(array: np.ndarray) -> np.ndarray:
    memory = np.zeros(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
    memory[...] = array
    return memory


COPIED: dict[str, Callable[[], np.ndarray]] = {
    "float64": lambda: X.astype(float),
    "big-endian": lambda: X.astype(">f4"),
    "Fortran order": lambda: np.asfortranarray(X),
    "every other": lambda: np.repeat(X, 2, axis=1)[:, ::2],
    "backwards": lambda: X[::-1].copy()[::-1],
    "unaligned": lambda: unaligned(X),
}


@pytest.mark.parametrize("name", COPIED)
def test_arrays_of_any_kind_are_copied_and_that_is_said(name: str) -> None:
    given = COPIED[name]()
    once, params, again = step(), step().init(0), step().init(0)
    loss = once(params, x=X, t=T, q=Q)
    with pytest.warns(ConversionWarning, match=r"input x \(N, 4\) .* it is copied at every such call: pass ") as said:
        assert once(again, x=given, t=T, q=Q) == loss
    assert said[0].filename == __file__ and len(said) == 1
    np.testing.assert_array_equal(params["W"], again["W"])
    before = params["W"].copy()
    with pytest.raises(SymgraphError, match=r"x .*: pass "):
        step(strict=True)(params, x=given, t=T, q=Q)
    np.testing.assert_array_equal(params["W"], before)


def test_fit_and_functions_copy_once_as_calls_do() -> None:
    trained, plain = step(), step()
    params, again = trained.init(0), plain.init(0)
    plain.fit(again, {"x": X, "t": T, "q": Q}, epochs=2, batch_size=4)
    with pytest.warns(ConversionWarning, match="x") as said:
        trained.fit(params, {"x": np.asfortranarray(X, float), "t": T.astype(np.int8), "q": Q}, epochs=2, batch_size=4)
    assert len(said) == 1
    np.testing.assert_array_equal(params["W"], again["W"])
    product = codegen.function([x, W], x @ W)
    with pytest.warns(ConversionWarning, match=r"pass x.astype\(np.float32\)"):
        found = product(X.astype(float), params["W"])
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, product(X, params["W"]))
    both = codegen.function([x, q], x + q)
    with pytest.warns(ConversionWarning, match=r"pass q.astype\(np.float64\)"):
        assert both(X.astype(float), Q).dtype == np.float64


def frames() -> list[Any]:
    names = list("abcd")
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    return [pandas.DataFrame(X, columns=names), polars.DataFrame(X, schema=names)]


class Exported:
    """What other libraries' arrays have in common."""

    def __dlpack__(self, **options: Any) -> Any:
        return X.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return X.__dlpack_device__()


def test_frames_and_tensors_of_other_libraries() -> None:
    trained, params = step(), step().init(0)
    loss = trained(params, x=X, t=T, q=Q)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for given in (*frames(), Exported()):
            assert trained(trained.init(0), x=given, t=T, q=Q) == loss
        assert trained(trained.init(0), x=X, t=T == 1, q=Q) == loss, "truth values are two classes"
    with pytest.raises(DomainError, match=r"updated in place: .* not Exported: pass np.from_dlpack\(W\), which shares"):
        trained({**params, "W": Exported()}, x=X, t=T, q=Q)


TEXTS = np.array(["no", "yes"])[T]
SLIPS: dict[str, tuple[dict[str, Any], type[SymgraphError], str]] = {
    "text": ({"t": TEXTS}, DomainError, r"not text: pass np.unique\(t, return_inverse=True\)\[1\]"),
    "texts in a list": ({"t": TEXTS.tolist()}, DomainError, "not text: pass np.unique"),
    "text in objects": ({"t": TEXTS.astype(object)}, DomainError, "pass np.unique"),
    "floats": ({"t": T.astype(float)}, DomainError, r"pass t.astype\(np.int64\)"),
    "one-hot": ({"t": np.eye(2)[T]}, ShapeError, r"looks one-hot; pass t.argmax\(axis=-1\), or declare"),
    "labels (N, 1)": ({"t": T[:, None]}, ShapeError, r"has \(9, 1\): pass t\[..., 0\]"),
    "(N,) for (N, 1)": ({"q": Q[:, 0]}, ShapeError, r"has \(9,\): pass q\[..., None\]"),
    "one row": ({"x": X[0]}, ShapeError, r"one row of several is X\[:1\] and not X\[0\]; pass x\[None\]"),
    "from one": ({"t": T + 1}, ArgumentError, "labels of t lie in 0 … 1"),
}


@pytest.mark.parametrize("name", SLIPS)
def test_slips_are_told_with_what_to_write(name: str) -> None:
    given, error, message = SLIPS[name]
    with pytest.raises(error, match=message):
        step()(step().init(0), **{"x": X, "t": T, "q": Q, **given})


def test_class_numbers_for_one_hot_rows() -> None:
    y = sg.one_hot("y", (N, 2))
    with pytest.raises(ShapeError, match=r"pass np.eye\(2\)\[y\], or declare y with sg.labels"):
        codegen.function([x, W, y], sg.cross_entropy(x @ W, y))(X, np.ones((4, 2), np.float32), T)


class Lazy:
    def collect(self) -> None: ...


REFUSED: dict[str, tuple[Any, Any, str]] = {
    "text among numbers": (x, [["a", 1, 2, 3]], r"not list of <U\w+"),
    "objects": (x, np.array([[1, "a", 2, 3]], object), r"x\[0, 1\] is 'a'"),
    "numbers as objects": (x, X.astype(object), r"pass x\.astype\(np\.float32\)"),
    "missing": (x, [[1, None, 2, 3]], r"x\[0, 1\] is missing; fill such values"),
    "lazy": (x, Lazy(), r"not Lazy: pass x\.collect\(\)"),
    "missing labels": (t, np.array([1, np.nan]), r"t\[1\] is nan, which is missing"),
    "halves": (t, np.array([1, 0.5]), r"t\[1\] is 0\.5"),
    "names": (t, np.array([None, "b"], object)[1:], "np.unique"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_number_is_named_with_its_place(name: str) -> None:
    leaf, given, told = REFUSED[name]
    with pytest.raises(DomainError, match=told):
        fitting(leaf, as_array(leaf, given, False), np.dtype(np.float32), True, False, False)
