"""Operations one by one against PyTorch: value, gradients and an update of each, on one thread, in float32.

``python -m tests.benchmarks.operations [WORD …]`` prints the median milliseconds of both, taking turns in one process,
and PyTorch's over ours; a row that is slower here ends in "◂ slower". What is measured is (operation)² averaged.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.benchmarks.timing import medians

Row = tuple[Callable[..., Any], Callable[..., Any], list[tuple[int, ...]]]
"""The operation here, given the module; the same in PyTorch, given its functional module; and the operands' shapes."""


def alike(operation: Callable[..., Any], shapes: list[tuple[int, ...]]) -> Row:
    """A row whose call is the same in both modules."""
    return operation, operation, shapes


ROWS: dict[str, Row] = {
    "conv2d 16-32 s2": alike(lambda m, x, W: m.conv2d(x, W, stride=2, padding=1), [(8, 16, 32, 32), (32, 16, 3, 3)]),
    "conv_transpose2d 16-32 k4 s2": alike(
        lambda m, x, W: m.conv_transpose2d(x, W, stride=2, padding=1),
        [(8, 16, 16, 16), (16, 32, 4, 4)],
    ),
    "conv2d dilation 2": alike(
        lambda m, x, W: m.conv2d(x, W, dilation=2, padding=2),
        [(8, 16, 32, 32), (32, 16, 3, 3)],
    ),
    "conv2d groups 4": alike(lambda m, x, W: m.conv2d(x, W, groups=4, padding=1), [(8, 32, 32, 32), (32, 8, 3, 3)]),
    "depthwise": alike(lambda m, x, W: m.conv2d(x, W, groups=32, padding=1), [(8, 32, 32, 32), (32, 1, 3, 3)]),
    "depthwise s2": alike(
        lambda m, x, W: m.conv2d(x, W, groups=32, padding=1, stride=2),
        [(8, 32, 32, 32), (32, 1, 3, 3)],
    ),
    "1x1": alike(lambda m, x, W: m.conv2d(x, W), [(8, 32, 32, 32), (64, 32, 1, 1)]),
    "conv3d": alike(lambda m, x, W: m.conv3d(x, W, padding=1), [(2, 8, 16, 16, 16), (16, 8, 3, 3, 3)]),
    "conv1d s2": alike(lambda m, x, W: m.conv1d(x, W, stride=2), [(8, 16, 256), (32, 16, 5)]),
    "7x7 s2 3-64 (resnet stem)": alike(
        lambda m, x, W: m.conv2d(x, W, stride=2, padding=3),
        [(4, 3, 64, 64), (64, 3, 7, 7)],
    ),
    "avg pool 3 s2": alike(lambda m, x: m.avg_pool2d(x, 3, stride=2), [(8, 32, 33, 33)]),
    "avg pool 2": alike(lambda m, x: m.avg_pool2d(x, 2), [(8, 32, 32, 32)]),
    "avg pool 3 s1 p1": alike(lambda m, x: m.avg_pool2d(x, 3, stride=1, padding=1), [(8, 32, 32, 32)]),
    "max pool 3 s2 p1": alike(lambda m, x: m.max_pool2d(x, 3, stride=2, padding=1), [(8, 32, 32, 32)]),
    "max pool 3 s1 p1": alike(lambda m, x: m.max_pool2d(x, 3, stride=1, padding=1), [(8, 32, 32, 32)]),
    "max pool 2": alike(lambda m, x: m.max_pool2d(x, 2), [(8, 32, 32, 32)]),
    "max pool 4": alike(lambda m, x: m.max_pool2d(x, 4), [(8, 32, 32, 32)]),
    "global avg": (lambda sg, x: sg.mean(x, axis=(2, 3)), lambda F, x: x.mean((2, 3)), [(8, 32, 32, 32)]),
    "global max": (lambda sg, x: sg.max(x, axis=(2, 3)), lambda F, x: x.amax((2, 3)), [(8, 32, 32, 32)]),
    "adaptive avg 7": alike(lambda m, x: m.adaptive_avg_pool2d(x, 7), [(8, 32, 30, 30)]),
    "bilinear x2": alike(lambda m, x: m.interpolate(x, scale_factor=2, mode="bilinear"), [(8, 16, 16, 16)]),
    "nearest x2": alike(lambda m, x: m.interpolate(x, scale_factor=2), [(8, 16, 16, 16)]),
    "group norm": alike(lambda m, x, g, b: m.group_norm(x, 8, g, b), [(8, 32, 32, 32), (32,), (32,)]),
    "layer norm chw": alike(lambda m, x, g: m.layer_norm(x, (32, 32, 32), g), [(8, 32, 32, 32), (32, 32, 32)]),
    "instance norm": alike(lambda m, x: m.instance_norm(x), [(8, 32, 32, 32)]),
    "pad reflect": (
        lambda sg, x: sg.pad(x, ((0, 0), (0, 0), (2, 2), (2, 2)), mode="reflect"),
        lambda F, x: F.pad(x, (2, 2, 2, 2), mode="reflect"),
        [(8, 32, 32, 32)],
    ),
    "unfold": alike(lambda m, x: m.unfold(x, 3), [(8, 16, 16, 16)]),
    "fold": alike(lambda m, x: m.fold(x, (16, 16), 3), [(8, 144, 196)]),
    "bmm": (lambda sg, x, y: sg.einsum("bij,bjk->bik", x, y), lambda F, x, y: x @ y, [(32, 64, 64), (32, 64, 64)]),
    "bmm T": (lambda sg, x, y: sg.einsum("bij,bkj->bik", x, y), lambda F, x, y: x @ y.mT, [(32, 64, 64), (32, 64, 64)]),
    "einsum bhid,bhjd": (
        lambda sg, x, y: sg.einsum("bhid,bhjd->bhij", x, y),
        lambda F, x, y: x @ y.mT,
        [(8, 8, 64, 32), (8, 8, 64, 32)],
    ),
    "einsum bihd,bjhd->bhij": (
        lambda sg, x, y: sg.einsum("bihd,bjhd->bhij", x, y),
        lambda F, x, y: F.torch.einsum("bihd,bjhd->bhij", x, y),
        [(8, 64, 8, 32), (8, 64, 8, 32)],
    ),
    "bilinear layer": (
        lambda sg, x, A, y: sg.einsum("ni,kij,nj->nk", x, A, y),
        lambda F, x, A, y: F.bilinear(x, y, A),
        [(128, 32), (32, 32, 32), (128, 32)],
    ),
    "cumsum": (lambda sg, x: sg.cumsum(x, 1), lambda F, x: x.cumsum(1), [(512, 512)]),
    "cumprod": (lambda sg, x: sg.cumprod(x, 1), lambda F, x: x.cumprod(1), [(128, 128)]),
    "softmax axis 0": (lambda sg, x: sg.softmax(x, axis=0), lambda F, x: x.softmax(0), [(512, 512)]),
    "logsumexp axis 1 of 3": (lambda sg, x: sg.logsumexp(x, axis=1), lambda F, x: x.logsumexp(1), [(64, 64, 64)]),
    "concat": (
        lambda sg, x, y: sg.concatenate([x, y], axis=1),
        lambda F, x, y: F.torch.cat([x, y], 1),
        [(512, 64), (512, 96)],
    ),
    "transpose 3": (lambda sg, x: sg.permute(x, (2, 0, 1)), lambda F, x: x.permute(2, 0, 1), [(64, 64, 64)]),
    "outer sum (pairwise dist)": (
        lambda sg, x, y: sg.sum((x[:, None, :] - y[None, :, :]) ** 2, axis=2),
        lambda F, x, y: ((x[:, None] - y[None]) ** 2).sum(2),
        [(256, 16), (256, 16)],
    ),
    "var axis 0": (lambda sg, x: sg.var(x, axis=0), lambda F, x: x.var(0), [(1024, 256)]),
    "norm axis 1": (lambda sg, x: sg.norm(x, axis=1), lambda F, x: x.norm(dim=1), [(1024, 256)]),
    "prod axis 1": (lambda sg, x: sg.prod(x, axis=1), lambda F, x: x.prod(1), [(256, 64)]),
    "roll": (lambda sg, x: sg.roll(x, 3, axis=1), lambda F, x: x.roll(3, 1), [(512, 512)]),
    "flip": (lambda sg, x: sg.flip(x, axis=1), lambda F, x: x.flip(1), [(512, 512)]),
    "tril matmul": (lambda sg, x, y: sg.tril(x) @ y, lambda F, x, y: x.tril() @ y, [(256, 256), (256, 256)]),
    "diag": (lambda sg, x: sg.diag(x), lambda F, x: x.diag(), [(512, 512)]),
    "kron": (lambda sg, x, y: sg.kron(x, y), lambda F, x, y: F.torch.kron(x, y), [(16, 16), (16, 16)]),
    "kl": (
        lambda sg, z: sg.sum(sg.softmax(z, axis=1) * sg.log_softmax(z, axis=1)),
        lambda F, z: (z.softmax(1) * z.log_softmax(1)).sum(),
        [(1024, 256)],
    ),
    "max axis 1": (lambda sg, x: sg.max(x, axis=1), lambda F, x: x.max(1)[0], [(1024, 256)]),
    "max axis 0": (lambda sg, x: sg.max(x, axis=0), lambda F, x: x.max(0)[0], [(1024, 256)]),
    "x over its norm": (
        lambda sg, x: x / sg.norm(x, axis=1, keepdims=True),
        lambda F, x: x / x.norm(dim=1, keepdim=True),
        [(1024, 256)],
    ),
    "gelu": alike(lambda m, x: m.gelu(x), [(1024, 256)]),
    "gelu tanh": alike(lambda m, x: m.gelu(x, approximate="tanh"), [(1024, 256)]),
    "silu": alike(lambda m, x: m.silu(x), [(1024, 256)]),
    "mish": alike(lambda m, x: m.mish(x), [(1024, 256)]),
    "softplus": alike(lambda m, x: m.softplus(x), [(1024, 256)]),
    "elu": alike(lambda m, x: m.elu(x), [(1024, 256)]),
    "sin": (lambda sg, x: sg.sin(x), lambda F, x: x.sin(), [(1024, 256)]),
    "pow 2.5": (lambda sg, x: sg.abs(x) ** 2.5, lambda F, x: x.abs() ** 2.5, [(1024, 256)]),
    "rms norm": alike(lambda m, x, g: m.rms_norm(x, (256,), g), [(1024, 256), (256,)]),
    "glu": alike(lambda m, x: m.glu(x), [(1024, 256)]),
    "attention causal": (
        lambda sg, q, k, v: sg.scaled_dot_product_attention(q, k, v, is_causal=True),
        lambda F, q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
        [(8, 4, 64, 32)] * 3,
    ),
    "attention 256": (
        lambda sg, q, k, v: sg.scaled_dot_product_attention(q, k, v),
        lambda F, q, k, v: F.scaled_dot_product_attention(q, k, v),
        [(2, 4, 256, 32)] * 3,
    ),
    "matmul wide": alike(lambda m, x, y: x @ y, [(64, 512), (512, 2048)]),
    "matmul vec": alike(lambda m, x, y: x @ y, [(1, 512), (512, 512)]),
    "xTx": alike(lambda m, x: x.T @ x, [(512, 128)]),
    "quadratic form": (
        lambda sg, x, A: sg.sum((x @ A) * x, axis=1),
        lambda F, x, A: ((x @ A) * x).sum(1),
        [(512, 64), (64, 64)],
    ),
    "sum of exp of pairwise": (
        lambda sg, x, y: sg.sum(sg.exp(-sg.sum((x[:, None, :] - y[None, :, :]) ** 2, axis=2)), axis=1),
        lambda F, x, y: F.torch.exp(-((x[:, None] - y[None]) ** 2).sum(2)).sum(1),
        [(128, 8), (128, 8)],
    ),
    "conv via unfold matmul": alike(lambda m, x, W: W @ m.unfold(x, 3), [(8, 8, 16, 16), (16, 72)]),
    "std axis (0,1)": (lambda sg, x: sg.std(x, axis=(0, 1)), lambda F, x: x.std((0, 1)), [(64, 64, 64)]),
    "where": (
        lambda sg, x, y: sg.where(x > y, x, 2 * y),
        lambda F, x, y: F.torch.where(x > y, x, 2 * y),
        [(1024, 256), (1024, 256)],
    ),
    "clip": (lambda sg, x: sg.clip(x, -0.5, 0.5), lambda F, x: x.clamp(-0.5, 0.5), [(1024, 256)]),
    "stack": (
        lambda sg, x, y: sg.stack([x, y], axis=1),
        lambda F, x, y: F.torch.stack([x, y], 1),
        [(1024, 64), (1024, 64)],
    ),
    "repeat axis0": (lambda sg, x: sg.repeat(x, 4, axis=0), lambda F, x: x.repeat_interleave(4, 0), [(256, 64)]),
    "broadcast mul": (
        lambda sg, x, y: x[:, None, :] * y[None, :, :],
        lambda F, x, y: x[:, None] * y[None],
        [(64, 64), (64, 64)],
    ),
    "slice stride": alike(lambda m, x: x[:, ::2] * x[:, 1::2], [(1024, 256)]),
    "cumsum axis 0": (lambda sg, x: sg.cumsum(x, 0), lambda F, x: x.cumsum(0), [(512, 64)]),
    "cummax": (lambda sg, x: sg.cummax(x, 1), lambda F, x: x.cummax(1)[0], [(256, 128)]),
    "triplet": (
        lambda sg, a, p, n: sg.triplet_margin_loss(a, p, n),
        lambda F, a, p, n: F.triplet_margin_loss(a, p, n),
        [(256, 64)] * 3,
    ),
    "huber": (lambda sg, x, y: sg.huber_loss(x, y), lambda F, x, y: F.huber_loss(x, y), [(1024, 256)] * 2),
    "einsum trace": (lambda sg, x: sg.einsum("bii->b", x), lambda F, x: F.torch.einsum("bii->b", x), [(64, 64, 64)]),
    "outer": (lambda sg, x, y: sg.outer(x, y), lambda F, x, y: F.torch.outer(x, y), [(512,), (512,)]),
    "tensordot 2": (
        lambda sg, x, y: sg.tensordot(x, y, 2),
        lambda F, x, y: F.torch.tensordot(x, y, 2),
        [(64, 16, 16), (16, 16, 64)],
    ),
}


def here(make: Callable[..., Any], arrays: list[np.ndarray]) -> Callable[[], Any]:
    """A training step of the mean square of an operation on parameters."""
    import codegen
    import symgraph as sg

    leaves = [sg.parameter(f"p{k}", array.shape) for k, array in enumerate(arrays)]
    step = codegen.train_step(sg.mean(make(sg, *leaves) ** 2), sg.SGD(lr=1e-3), threads=1)
    parameters = {f"p{k}": array.copy() for k, array in enumerate(arrays)}
    return lambda: step(parameters)


def in_torch(make: Callable[..., Any], arrays: list[np.ndarray]) -> Callable[[], Any]:
    """The same in PyTorch."""
    import torch
    import torch.nn.functional as F

    torch.set_num_threads(1)
    F.torch = torch  # type: ignore[attr-defined]
    leaves = [torch.tensor(array, requires_grad=True) for array in arrays]

    def run() -> None:
        (make(F, *leaves) ** 2).mean().backward()
        with torch.no_grad():
            for leaf in leaves:
                leaf -= 1e-3 * leaf.grad
                leaf.grad = None

    return run


def main(words: list[str]) -> None:
    for name, (ours, theirs, shapes) in ROWS.items():
        if words and not any(word in name for word in words):
            continue
        arrays = [np.random.default_rng(k).normal(size=shape).astype(np.float32) for k, shape in enumerate(shapes)]
        found = medians({"here": (here(ours, arrays), 1), "PyTorch": (in_torch(theirs, arrays), 1)}, 0.5)
        mine, other = (1e3 * seconds for seconds in found.values())
        slower = "  ◂ slower" if other < mine else ""
        print(f"{name:26} symgraph {mine:8.3f} ms   PyTorch {other:8.3f} ms {other / mine:6.2f} ×{slower}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
