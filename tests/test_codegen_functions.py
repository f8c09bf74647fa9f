"""What users pass to compiled functions: what is converted, what is refused, and with what advice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import codegen
import symgraph as sg
from symgraph.errors import ArgumentError, DomainError, NameConflictError, ShapeError, SymgraphError
from tests.network import W1, W2, J, N, X, b1, b2, x, z


class Frame:
    """What NumPy sees of a pandas DataFrame."""

    def __init__(self, values: Any) -> None:
        self.values = np.asfortranarray(values)

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return self.values


@pytest.fixture(scope="module")
def predict() -> codegen.Function:
    return codegen.function([x, W1, b1, W2, b2], sg.softmax(z))


@pytest.fixture(scope="module")
def weights() -> dict[str, np.ndarray]:
    return codegen.train_step(J).init(0)


@pytest.mark.usefixtures("plain")
def test_what_is_converted(predict: codegen.Function, weights: dict[str, np.ndarray]) -> None:
    """Lists, numbers and data frames have no say in the dtype, and take that of the arrays."""
    expected = predict(X, **weights)
    for given in (X.tolist(), Frame(X.astype(np.float64))):
        found = predict(given, **weights)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, expected)
    v = sg.input("v", (N,))
    double = codegen.function(v, v * 2)
    assert double([1, 2.5]).dtype == np.float64 and double(np.ones(1, np.float32)).dtype == np.float32
    assert double(np.asfortranarray(np.ones((1,)))).shape == (1,)


def unaligned(shape: tuple[int, int]) -> np.ndarray:
    return np.zeros(4 * shape[0] * shape[1] + 1, np.uint8)[1:].view(np.float32).reshape(shape)


TWO_DTYPES = r"x is float64, W1 is float32: one floating dtype is expected; pass x.astype\(np.float32\)"
INPUTS: dict[str, tuple[Callable[[], Any], type[SymgraphError], str]] = {
    "float64": (lambda: X.astype(float), DomainError, TWO_DTYPES),
    "complex": (lambda: X + 1j, DomainError, "x .* needs real numbers, not dtype complex64: pass x.real if"),
    "complex list": (lambda: (X + 1j).tolist(), DomainError, "real numbers, not list of complex128"),
    "integers": (lambda: X.astype(int), DomainError, "x .* needs dtype float32, not int64"),
    "objects": (lambda: X.astype(object), DomainError, "real numbers"),
    "masked": (lambda: np.ma.array(X, mask=X > 0), DomainError, "masked"),
    "strided, wrong shape": (lambda: np.ones((9, 8), np.float32)[:, ::2], ShapeError, r"the array has \(9, 4\)"),
    "strided": (lambda: np.ones((9, 10), np.float32)[:, ::2], ArgumentError, r"pass np.ascontiguousarray\(x\)"),
    "Fortran order": (lambda: np.asfortranarray(X), ArgumentError, "not contiguous"),
    "unaligned": (lambda: unaligned((9, 5)), ArgumentError, r"not aligned.*x.copy\(\)"),
    "ragged": (lambda: [[1.0, 2.0], [3.0]], DomainError, "x .* needs an array of numbers"),
    "text": (lambda: [["1", "2", "3", "4", "5"]], DomainError, "real numbers, not list of"),
    "None": (lambda: None, DomainError, "real numbers, not NoneType"),
    "no rows": (lambda: X[:0], ArgumentError, "empty"),
    "a tensor": (lambda: x, DomainError, "symbol"),
}  # fmt: skip


@pytest.mark.parametrize("name", INPUTS)
def test_inputs_that_are_refused(name: str, predict: codegen.Function, weights: dict[str, np.ndarray]) -> None:
    make, error, message = INPUTS[name]
    strict = codegen.function(predict.inputs, predict.outputs[0], strict=True)
    with pytest.raises(error, match=message):
        strict(make(), **weights)


def test_functions_that_cannot_be() -> None:
    wrong: tuple[tuple[Any, Any, type[SymgraphError]], ...] = (
        (None, z, DomainError), ("x", z, SymgraphError), ([N, x], x, DomainError), ([x, x], x, NameConflictError),
        ([x], z, ArgumentError), ([x], None, SymgraphError), ([z], z, ArgumentError),
    )  # fmt: skip
    for inputs, outputs, error in wrong:
        with pytest.raises(error):
            codegen.function(inputs, outputs)


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("name", ["self", "params", "I", "lambda", "def", "W_{1}", "λ", "__class__", "N", "packed"])
def test_names_of_inputs(name: str) -> None:
    v, w = sg.input(name, (N, 2)), sg.parameter(f"{name}.w", (2,))
    step = codegen.train_step(sg.sum((v * w - 1) ** 2), dtype="float64")
    assert step(step.init(0), **{name: np.ones((3, 2))}) == 6.0
    assert codegen.function(v, v * 2)(**{name: np.ones((1, 2))}).sum() == 4.0


def test_report_of_a_function() -> None:
    x = sg.input("x", (sg.dim("N"), 3))
    report = codegen.function(x, sg.exp(x)).report(sizes={"N": 5})
    assert report.sizes == {"N": 5} and [kernel.bytes for kernel in report.kernels] == [2 * 8 * 15]
    assert "derive" not in report.stages and "lower" in report.stages


@pytest.mark.parametrize("columns", (5, 70, 1090))
def test_batched_products_share_what_their_threads_do(columns: int) -> None:
    """A block is one of a batch, of columns and of rows; long rows of the right operand are packed anew for each."""
    left, right = sg.input("A", (3, N, 40)), sg.input("B", (3, 40, columns))
    random = np.random.default_rng(0)
    A, B = random.normal(size=(3, 131, 40)), random.normal(size=(3, 40, columns))
    product = codegen.function([left, right], sg.maximum(left @ right, 0.1))
    np.testing.assert_allclose(product(A, B), np.maximum(A @ B, 0.1), rtol=1e-12, atol=1e-12)


def test_a_batched_product_of_narrow_matrices_far_apart() -> None:
    """Rows of the right operand that are no rows of memory are packed for each of the batch."""
    h, n, k, c = sg.indices("h n k c")
    left, right = sg.input("A", (N, 40)), sg.input("B", (40, 30, 50))
    random = np.random.default_rng(0)
    A, B = random.normal(size=(131, 40)), random.normal(size=(40, 30, 50))
    product = sg.define((h, n, c), sg.Sum(left[n, k] * right[k, h, c], k))
    found = codegen.function([left, right], sg.tanh(product))(A, B)
    np.testing.assert_allclose(found, np.tanh(np.einsum("nk,khc->hnc", A, B)), rtol=1e-12, atol=1e-12)
