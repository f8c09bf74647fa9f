"""Convolutions and poolings: values and gradients as PyTorch's."""

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
from symgraph.vocabulary import windows
from tests.test_shapes import weighted

torch = pytest.importorskip("torch")
F = torch.nn.functional
N, L = sg.dim("N"), sg.dim("L")
SIZES = {N: 2, L: 9}

Case = tuple[list[tuple[Any, ...]], Callable[..., Tensor], Callable[..., Any]]


def same(name: str, other: str | None = None, **options: Any) -> tuple[Callable[..., Tensor], Callable[..., Any]]:
    """One function under one name here and there, with equal options."""
    return (lambda *a: getattr(windows, name)(*a, **options), lambda *a: getattr(F, other or name)(*a, **options))


CASES: dict[str, Case] = {
    "conv1d": ([(N, 2, L), (3, 2, 4), (3,)], *same("conv1d")),
    "conv1d with stride, padding, dilation": ([(N, 2, 9), (3, 2, 3), (3,)],
                                              *same("conv1d", stride=2, padding=2, dilation=2)),
    "conv1d same": ([(N, 2, L), (3, 2, 4)], *same("conv1d", padding="same", dilation=2)),
    "conv1d in groups": ([(N, 4, 6), (6, 2, 3), (6,)], *same("conv1d", groups=2)),
    "conv1d depthwise": ([(N, 3, 6), (3, 1, 3)], *same("conv1d", groups=3, padding=1)),
    "conv1d of windows 1": ([(N, 3, 5), (2, 3, 1)], *same("conv1d", stride=2)),
    "conv2d": ([(N, 2, 5, 4), (3, 2, 3, 2), (3,)], *same("conv2d")),
    "conv2d with a stride of its own": ([(N, 2, 6, 5), (2, 2, 3, 2)], *same("conv2d", stride=(2, 3), padding=(1, 0))),
    "conv2d over its whole input": ([(N, 2, 3, 3), (2, 2, 3, 3)], *same("conv2d")),
    "conv2d of one channel": ([(N, 1, 4, 4), (2, 1, 2, 2)], *same("conv2d", padding="valid", stride=2)),
    "conv3d": ([(N, 1, 3, 3, 4), (2, 1, 2, 2, 3)], *same("conv3d", padding=1, stride=2)),
    "max_pool": ([(N, 2, 4, 6)], *same("max_pool", "max_pool2d", kernel_size=2)),
    "max_pool of an odd size": ([(N, 2, 5, 7)], *same("max_pool", "max_pool2d", kernel_size=(2, 3))),
    "max_pool, overlapping": ([(N, 2, 7)], *same("max_pool", "max_pool1d", kernel_size=3, stride=2, padding=1)),
    "max_pool, dilated": ([(N, 2, 7)], *same("max_pool", "max_pool1d", kernel_size=3, stride=1, dilation=2)),
    "avg_pool": ([(N, 2, 4, 6)], *same("avg_pool", "avg_pool2d", kernel_size=2)),
    "avg_pool, overlapping": ([(N, 2, 5, 6)], *same("avg_pool", "avg_pool2d", kernel_size=3, stride=2, padding=1)),
    "avg_pool of gaps": ([(N, 2, 8)], *same("avg_pool", "avg_pool1d", kernel_size=2, stride=3)),
    "max_pool beyond its border": ([(N, 2, 7, 8)], *same("max_pool", "max_pool2d", kernel_size=(3, 2), stride=2,
                                                         padding=1, ceil_mode=True)),
    "avg_pool beyond its border": ([(N, 2, 7, 8)], *same("avg_pool", "avg_pool2d", kernel_size=3, stride=(2, 3),
                                                         padding=1, ceil_mode=True)),
    "avg_pool of what is inside": ([(N, 2, L)], *same("avg_pool", "avg_pool1d", kernel_size=3, stride=2, padding=1,
                                                      count_include_pad=False)),
    "avg_pool of both": ([(N, 2, 8)], *same("avg_pool", "avg_pool1d", kernel_size=3, stride=2, padding=1,
                                            ceil_mode=True, count_include_pad=False)),
    "avg_pool by another number": ([(N, 2, 4, 4)], *same("avg_pool", "avg_pool2d", kernel_size=2, divisor_override=3)),
    "global_max_pool": ([(N, 2, 3, 4)], windows.global_max_pool, lambda x: x.amax((2, 3))),
    "global_avg_pool": ([(N, 2, 3, 4)], windows.global_avg_pool, lambda x: x.mean((2, 3))),
    "unfold": ([(N, 2, 4, 5)], *same("unfold", kernel_size=(2, 3))),
    "unfold with all": ([(N, 2, 5, 5)], *same("unfold", kernel_size=2, dilation=2, padding=1, stride=2)),
    "upsample": ([(N, 2, 3, 2)], lambda x: windows.upsample(x, (2, 3)),
                 lambda x: F.interpolate(x, scale_factor=(2, 3))),
}  # fmt: skip
COMPILED = ["avg_pool of both", "conv1d with stride, padding, dilation", "conv1d in groups", "conv2d",
            "max_pool, overlapping", "unfold"]  # fmt: skip


def case(name: str) -> tuple[list[Tensor], list[Tensor], list[np.ndarray], list[np.ndarray]]:
    """Leaves that no other case has, value and gradients, arrays, and what PyTorch says of these."""
    shapes, ours, theirs = CASES[name]
    number = [*CASES].index(name)
    leaves = [sg.input(f"{letter}{number}", shape) for letter, shape in zip("xwb", shapes, strict=False)]
    draw = np.random.default_rng(3)
    values = [draw.normal(size=tuple(int(SIZES.get(size, size)) for size in shape)) for shape in shapes]
    y = ours(*leaves)
    tensors = [torch.tensor(value, requires_grad=True) for value in values]
    expected = theirs(*tensors)
    positions = torch.arange(expected.numel(), dtype=torch.float64).reshape(expected.shape)
    (expected**2 * (1 + positions / 7)).sum().backward()
    outputs = [y, *(sg.grad(weighted(y), leaf) for leaf in leaves)]
    return leaves, outputs, values, [expected.detach().numpy(), *(tensor.grad.numpy() for tensor in tensors)]


def compare(found: list[np.ndarray], expected: list[np.ndarray], name: str) -> None:
    assert np.shape(found[0]) == expected[0].shape
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-10, atol=1e-12, err_msg=name)
    for gradient, wanted in zip(found[1:], expected[1:], strict=True):
        np.testing.assert_allclose(gradient, wanted, rtol=1e-9, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("name", CASES)
def test_value_and_gradients(name: str) -> None:
    leaves, outputs, values, expected = case(name)
    found = evaluate(outputs, {str(leaf.name): value for leaf, value in zip(leaves, values, strict=True)})
    compare(found, expected, name)


def test_value_and_gradients_in_one_native_program() -> None:
    made = {name: case(name) for name in COMPILED}
    leaves, outputs, values = ([one for parts in made.values() for one in parts[k]] for k in range(3))
    found = iter(codegen.function(leaves, outputs, dtype="float64")(*values))
    for name, (_, own, _, expected) in made.items():
        compare([next(found) for _ in own], expected, name)


X, W = sg.input("x", (N, 4, 6, 6)), sg.input("w", (8, 4, 3, 3))
ERRORS: dict[str, tuple[Callable[[], Any], str]] = {
    "channels": (lambda: windows.conv2d(X[:, :3], W), r"w\(8, 4, 3, 3\) takes 4 channels, .* has 3"),
    "groups": (lambda: windows.conv2d(X, W, groups=3), "12 channels in 3 groups"),
    "rank": (lambda: windows.conv1d(X, W), r"x\(N, 4, 6, 6\) needs 3 axes"),
    "too large": (lambda: windows.conv2d(X[:, :, :2], W), "reaches over 3 elements, axis 2 of .* has, padded, 2"),
    "bias": (lambda: windows.conv2d(X, W, sg.input("b", (4,))), r"bias b\(4,\) needs the shape \(8,\)"),
    "same with a stride": (lambda: windows.conv2d(X, W, stride=2, padding="same"), 'padding "same" needs stride 1'),
    "padding": (lambda: windows.conv2d(X, W, padding="full"), "not 'full'"),
    "stride": (lambda: windows.max_pool(X, 2, stride=0), "stride is a number of at least 1"),
    "kernel": (lambda: windows.max_pool(X, (2, 2, 2)), "kernel_size is a number of at least 1, or 2 of them"),
    "ceil of a symbol": (lambda: windows.max_pool(sg.input("s", (N, 2, L)), 2, ceil_mode=True),
                         r"ceil_mode needs places that are numbers, not those of s\(N, 2, L\)"),
    "half": (lambda: windows.max_pool(X, 2, padding=2), "more than half of the window"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_name_the_tensor_and_its_sizes(name: str) -> None:
    wrong, text = ERRORS[name]
    with pytest.raises(SymgraphError, match=text):
        wrong()
