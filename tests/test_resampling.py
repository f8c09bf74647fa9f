"""Transposed convolutions, fold, adaptive pooling, interpolation, gathers and products: as PyTorch's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import codegen
import symgraph as sg
from symgraph.core.tensor import Tensor
from symgraph.errors import SymgraphError
from symgraph.reference import evaluate
from symgraph.vocabulary import gathers, resampling
from tests.test_shapes import weighted

torch = pytest.importorskip("torch")
F = torch.nn.functional
N = sg.dim("N")
IDS = np.array([[0, 2, 2], [1, 0, 2]])
BAGS = np.array([[0, 2, 1], [2, 2, 2], [1, 1, 2]])
ROWS = np.array([2, 0, 2, 1])
Case = tuple[list[tuple[Any, ...]], Callable[..., Tensor], Callable[..., Any]]


def same(name: str, other: str | None = None, **options: Any) -> tuple[Callable[..., Tensor], Callable[..., Any]]:
    return (lambda *a: getattr(resampling, name)(*a, **options), lambda *a: getattr(F, other or name)(*a, **options))


CASES: dict[str, Case] = {
    "conv_transpose1d": ([(N, 2, 4), (2, 3, 3), (3,)], *same("conv_transpose1d")),
    "conv_transpose1d with all": ([(N, 2, 4), (2, 3, 3)], *same("conv_transpose1d", stride=3, padding=2, dilation=2,
                                                                output_padding=1)),
    "conv_transpose1d in groups": ([(N, 4, 3), (4, 2, 2), (4,)], *same("conv_transpose1d", groups=2, stride=2)),
    "conv_transpose2d": ([(N, 2, 3, 2), (2, 3, 2, 3)], *same("conv_transpose2d", stride=2, padding=(0, 1))),
    "fold": ([(2, 8, 6)], *same("fold", output_size=(3, 4), kernel_size=2)),
    "fold with all": ([(2, 4, 9)], *same("fold", output_size=(5, 5), kernel_size=2, dilation=2, padding=1, stride=2)),
    "adaptive_avg_pool": ([(N, 2, 7)], *same("adaptive_avg_pool1d", output_size=3)),
    "adaptive_avg_pool to one": ([(N, 2, 5, 4)], *same("adaptive_avg_pool2d", output_size=(1, 3))),
    "adaptive_avg_pool wider": ([(N, 2, 3)], *same("adaptive_avg_pool1d", output_size=5)),
    "adaptive_max_pool": ([(N, 2, 7, 4)], *same("adaptive_max_pool2d", output_size=(3, 2))),
    "max_pool2d": ([(N, 2, 4, 6)], *same("max_pool2d", kernel_size=2)),
    "avg_pool1d": ([(N, 2, 6)], *same("avg_pool1d", kernel_size=3, stride=2, padding=1)),
    "linear": ([(N, 2, 4)], *same("interpolate", scale_factor=3, mode="linear")),
    "conv_transpose1d, dilated and padded": ([(N, 2, 4), (2, 3, 3)], *same("conv_transpose1d", dilation=3,
                                                                           output_padding=2)),
    "adaptive_avg_pool of one axis": ([(N, 2, 3, 4)], *same("adaptive_avg_pool2d", output_size=(None, 2))),
    "adaptive_max_pool of a symbolic size": ([(2, 2, N)], *same("adaptive_max_pool1d", output_size=1)),
    "nearest": ([(N, 1, 5, 4)], *same("interpolate", scale_factor=(1.5, 0.5))),
    "nearest to a size": ([(N, 1, 5, 4)], *same("interpolate", size=(7, 3))),
    "bilinear to a size": ([(N, 1, 5, 4)], *same("interpolate", size=(3, 7), mode="bilinear")),
    "linear by a fraction": ([(N, 1, 5)], *same("interpolate", scale_factor=1.7, mode="linear")),
    "corners on corners": ([(N, 1, 5, 4)], *same("interpolate", size=(3, 7), mode="bilinear", align_corners=True)),
    "corners of one place": ([(N, 1, 5)], *same("interpolate", size=1, mode="linear", align_corners=True)),
    "linear along a symbolic size": ([(1, 1, N)], *same("interpolate", scale_factor=3, mode="linear")),
    "bilinear": ([(N, 1, 3, 2)], *same("interpolate", scale_factor=(2, 3), mode="bilinear")),
    "take_along_axis": ([(2, 3)], lambda x: gathers.take_along_axis(x, IDS, 1),
                        lambda x: torch.take_along_dim(x, torch.tensor(IDS), 1)),
    "take_along_axis, stretched": ([(2, 3)], lambda x: gathers.take_along_axis(x, [[-1, 0, 1, 0]], 1),
                                   lambda x: torch.take_along_dim(x, torch.tensor([[2, 0, 1, 0]]), 1)),
    "take_along_axis, flat": ([(2, 3)], lambda x: gathers.take_along_axis(x, [0, -1], None),
                              lambda x: x.ravel()[[0, -1]]),
    "gather": ([(3, 4)], lambda x: gathers.gather(x, 0, IDS), lambda x: torch.gather(x, 0, torch.tensor(IDS))),
    "index_add": ([(3, 2), (4, 2)], lambda x, s: gathers.index_add(x, 0, ROWS, s),
                  lambda x, s: torch.index_add(x, 0, torch.tensor(ROWS), s)),
    "scatter_add": ([(2, 3), (2, 3)], lambda x, s: gathers.scatter_add(x, 1, IDS, s),
                    lambda x, s: torch.scatter_add(x, 1, torch.tensor(IDS), s)),
    "index_add, a number of times": ([(3, 2), (4, 2)], lambda x, s: gathers.index_add(x, 0, ROWS, s, 2),
                                     lambda x, s: torch.index_add(x, 0, torch.tensor(ROWS), s, alpha=2)),
    "scatter_add of fewer": ([(3, 4), (2, 3)], lambda x, s: gathers.scatter_add(x, 1, IDS, s),
                             lambda x, s: torch.scatter_add(x, 1, torch.tensor(IDS), s)),
    "embedding_bag": ([(4, 2)], lambda w: gathers.embedding_bag(sg.constant(IDS), w),
                      lambda w: F.embedding_bag(torch.tensor(IDS), w)),
    "embedding_bag, weighted": ([(4, 2), (2, 3)], lambda w, s: gathers.embedding_bag(sg.constant(IDS), w, "sum", s),
                                lambda w, s: F.embedding_bag(torch.tensor(IDS), w, mode="sum", per_sample_weights=s)),
    **{f"embedding_bag of some, {mode}": (
        [(3, 2)], lambda w, mode=mode: gathers.embedding_bag(sg.constant(BAGS), w, mode, padding_idx=-1),
        lambda w, mode=mode: F.embedding_bag(torch.tensor(BAGS), w, mode=mode, padding_idx=-1))
       for mode in ("sum", "mean", "max")},
    "embedding, one row at rest": ([(3, 2)], lambda w: sg.embedding(sg.constant(IDS), w, padding_idx=2),
                                   lambda w: F.embedding(torch.tensor(IDS), w, padding_idx=2)),
    "prod": ([(N, 5)], lambda x: gathers.prod(x, 1), lambda x: x.prod(1)),
    "prod in the middle": ([(2, 4, 3)], lambda x: gathers.prod(x, 1), lambda x: x.prod(1)),
    "prod of all": ([(2, 3)], gathers.prod, torch.prod),
    "prod over axes": ([(2, 3, 3)], lambda x: gathers.prod(x, (0, -1), True), lambda x: x.prod(0, True).prod(2, True)),
    "prod of a symbolic size": ([(N, 3)], lambda x: x.prod(0), lambda x: x.prod(0)),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_value_and_gradients(name: str) -> None:
    leaves, outputs, values, expected = case(name)
    compare(evaluate(outputs, {str(leaf.name): value for leaf, value in zip(leaves, values, strict=True)}), expected)


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("name", ["conv_transpose1d in groups", "linear", "index_add"])
def test_value_and_gradients_of_a_program(name: str) -> None:
    leaves, outputs, values, expected = case(name)
    compare(codegen.function(leaves, outputs, dtype="float64")(*values), expected)


def case(name: str) -> tuple[list[Tensor], list[Tensor], list[np.ndarray], list[np.ndarray]]:
    shapes, ours, theirs = CASES[name]
    leaves = [sg.input(letter, shape) for letter, shape in zip("xwb", shapes, strict=False)]
    draw = np.random.default_rng(7)
    values = [draw.normal(size=tuple(2 if size is N else int(size) for size in shape)) for shape in shapes]
    y = ours(*leaves)
    tensors = [torch.tensor(value, requires_grad=True) for value in values]
    expected = theirs(*tensors)
    positions = torch.arange(expected.numel(), dtype=torch.float64).reshape(expected.shape)
    (expected**2 * (1 + positions / 7)).sum().backward()
    outputs = [y, *(sg.grad(weighted(y), leaf) for leaf in leaves)]
    return leaves, outputs, values, [expected.detach().numpy(), *(tensor.grad.numpy() for tensor in tensors)]


def compare(found: list[np.ndarray], expected: list[np.ndarray]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert np.shape(one) == other.shape
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)


def test_a_transposed_convolution_reads_as_one() -> None:
    x, w = sg.input("x", (N, 2, 4)), sg.parameter("w", (2, 3, 3))
    y = sg.conv_transpose1d(x, w, stride=2)
    expected = "y[n, k, m] = Σ_{i,j} {x[n, i, j]·w[i, k, m − 2·j] if m − 2·j ≥ 0 and m − 2·j < 3, else 0}"
    assert str(y) == expected


def test_the_product_of_zeros_has_a_gradient() -> None:
    x = sg.input("x", (3,))
    assert evaluate(sg.grad(sg.prod(x), x), {"x": [0.0, 2.0, 3.0]}).tolist() == [6, 0, 0]


X = sg.input("x", (N, 4, 5))
WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "channels": (lambda: sg.conv_transpose1d(X, sg.input("w", (3, 2, 2))),
                 r"x\(N, 4, 5\) and w\(3, 2, 2\) need 3 axes"),
    "output padding": (lambda: sg.conv_transpose1d(X, sg.input("w", (4, 2, 2)), output_padding=1),
                       "not below the stride"),
    "columns": (lambda: sg.fold(X, (3, 4), 2), r"fold: x\(N, 4, 5\) needs the shape \(N, 4, 6\) for \(N, 1, 3, 4\)"),
    "a size": (lambda: sg.adaptive_avg_pool(sg.input("x", (2, 3, N)), 2), r"axis 2 of x\(2, 3, N\) must be a number"),
    "a bag": (lambda: sg.embedding_bag(sg.labels("t", (N,), 4), sg.input("w", (4, 2))),
              r"t\(N,\) needs two axes, .* padding_idx="),
    "size and scale": (lambda: sg.interpolate(X, 2, 3), r"x\(N, 4, 5\): expected either size or scale_factor"),
    "a scale": (lambda: sg.interpolate(sg.input("x", (1, 2, N)), None, 1.5),
                r"axis 2 of x\(1, 2, N\) has no 1.5 times"),
    "no place": (lambda: sg.interpolate(X, None, 0.1), r"axis 2 of x\(N, 4, 5\) has no 0.1 times as many places"),
    "corners": (lambda: sg.interpolate(X, 2, align_corners=True), "goes with the linear modes"),
    "a mode": (lambda: sg.interpolate(X, 2, mode="cubic"), "mode is .*, not 'cubic'"),
    "a rank": (lambda: sg.max_pool2d(X, 2), r"max_pool2d: x\(N, 4, 5\) needs 4 axes"),
    "places": (lambda: sg.take_along_axis(X[0], sg.input("t", (4, 2)), 1), "are integers or labels"),
    "a source": (lambda: sg.index_add(X[0], 0, ROWS, sg.input("s", (3, 5))), r"need a source of the shape \(4, 5\)"),
    "more places": (lambda: sg.gather(X[0], 1, np.zeros((6, 2), int)), r"c\(6, 2\) has more places along axis 0 than"),
    "more classes": (lambda: sg.gather(X[0], 1, sg.labels("t", (4, 2), 6)), r"6 classes"),
    "places of more": (lambda: sg.scatter_add(X[0], 1, np.zeros((4, 6), int), X[0]), r"\(4, 6\) does not fit into"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_errors_name_the_tensor_and_its_sizes(name: str) -> None:
    wrong, text = WRONG[name]
    with pytest.raises(SymgraphError, match=text):
        wrong()
