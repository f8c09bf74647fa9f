"""Random chains of convolutions, poolings, slices, borders and masks of odd sizes, of which a part is read and a part
is 0: compiled values and gradients against the reference evaluator, and PyTorch where it is installed.

``python -m tests.test_window_chains FIRST LAST`` tries more.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import codegen
import symgraph as sg
from symgraph.core.tensor import Tensor
from symgraph.reference import evaluate
from tests.sizes import examples

try:
    import torch
except ImportError:
    torch = None  # type: ignore[assignment]

Link = tuple[str, Callable[..., Tensor], Callable[..., Any], tuple[int, ...] | None]
"""What it is, here, in PyTorch, and the shape of its weights."""


def links(draw: np.random.Generator, shape: tuple[int, ...]) -> Iterator[Link]:
    """One link that suits an array of that shape, or none."""
    channels, high, wide = shape[1:]
    kind = draw.choice(["conv", "max", "avg", "slice", "relu", "pad", "product", "difference", "repeat", "where"])
    a, b, s, q = (int(draw.integers(*ends)) for ends in ((0, 2), (0, 2), (1, 4), (2, 4)))
    if kind == "conv":
        u, v = (int(draw.integers(1, min(4, size + 1))) for size in (high, wide))
        weights = (int(draw.choice([1, 2, 3, 16, 17])), channels, u, v)  # from 16 on channels may be the last axis
        yield (f"conv {weights}, stride {a + 1}, padding {b}",
               lambda y, w: sg.conv2d(y, w, stride=a + 1, padding=b),
               lambda y, w: torch.nn.functional.conv2d(y, w, stride=a + 1, padding=b), weights)  # fmt: skip
    elif kind in ("max", "avg") and min(high, wide) >= 3:
        name = f"{kind}_pool2d"
        yield (f"{name} {q}, stride {s}", lambda y: getattr(sg, name)(y, q, stride=s),
               lambda y: getattr(torch.nn.functional, name)(y, q, stride=s), None)  # fmt: skip
    elif kind == "slice" and min(high, wide) >= 3:
        part = (slice(None), slice(None), slice(a, None, s), slice(0, wide - b))
        yield f"[{a}::{s}, :{wide - b}]", lambda y: y[part], lambda y: y[part], None
    elif kind == "relu":
        yield "relu", sg.relu, lambda y: torch.relu(y), None
    elif kind == "pad":
        yield ("pad", lambda y: sg.pad(y, ((0, 0), (0, 0), (1, a), (b, 2))),
               lambda y: torch.nn.functional.pad(y, (b, 2, 1, a)), None)  # fmt: skip
    elif kind == "product":
        yield "tanh(y)·y", lambda y: sg.tanh(y) * y, lambda y: torch.tanh(y) * y, None
    elif kind == "difference" and high >= 3:
        yield ("difference", lambda y: y[:, :, 1:] - y[:, :, :-1], lambda y: y[:, :, 1:] - y[:, :, :-1], None)
    elif kind == "repeat" and high * wide < 60:
        yield "repeat", lambda y: sg.repeat(y, 2, axis=2), lambda y: y.repeat_interleave(2, 2), None
    elif kind == "where":
        yield ("where", lambda y: sg.where(y > 0.1, 2 * y, 0), lambda y: torch.where(y > 0.1, 2 * y, 0 * y), None)


def check(seed: int) -> None:
    """Compile a chain and its gradients, and compare."""
    draw = np.random.default_rng(seed)
    shape = (2, int(draw.integers(1, 4)), int(draw.integers(6, 13)), int(draw.integers(6, 13)))
    y = sg.input("x", shape)
    leaves, values, chain = [y], [draw.normal(size=shape)], list[Link]()
    for _ in range(int(draw.integers(2, 6))):
        for link in links(draw, tuple(map(int, y.shape))):
            _, here, _, weights = link
            if weights is not None:
                leaves.append(sg.input(f"w{len(leaves)}", weights))
                values.append(draw.normal(size=weights) / 2)
            y = here(y, *(leaves[-1:] if weights is not None else []))
            chain.append(link)
    upstream = draw.normal(size=tuple(map(int, y.shape)))
    loss = sg.sum(sg.sin(y) * sg.constant(upstream))
    outputs = [loss, *sg.grad(loss, leaves, disconnected="zero").values()]
    story = f"{seed}: x {shape}; " + "; ".join(what for what, *_ in chain)
    found = codegen.function(leaves, outputs, dtype="float64")(*values)
    expected = evaluate(outputs, {str(leaf.name): value for leaf, value in zip(leaves, values, strict=True)})
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9, err_msg=story)
    if torch is not None:
        tensors = [torch.tensor(value, requires_grad=True) for value in values]
        given = iter(tensors)
        their = next(given)
        for _, _, there, weights in chain:
            their = there(their, *([next(given)] if weights is not None else []))
        (torch.sin(their) * torch.tensor(upstream)).sum().backward()
        for one, tensor in zip(found[1:], tensors, strict=True):
            slope = np.zeros(tuple(tensor.shape)) if tensor.grad is None else tensor.grad.numpy()
            np.testing.assert_allclose(one, slope, rtol=1e-8, atol=1e-9, err_msg=story)


@pytest.mark.parametrize("seed", [26, 53, 388, *range(1, examples(7, 200))])
def test_chains_of_windows_of_odd_sizes(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYMGRAPH_PYTHON", "1")
    check(seed)


def test_what_a_pooling_leaves_out_is_computed_by_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """13 × 13 convolved by 3 × 3 is 11 × 11, of which a pooling reads 10 × 10, and so 12 × 12 of the image."""
    monkeypatch.setenv("SYMGRAPH_PYTHON", "1")
    x, w = sg.input("x", (sg.dim("N"), 8, 13, 13)), sg.input("w", (16, 8, 3, 3))
    h = sg.tanh(x)
    loss = sg.sum(sg.max_pool2d(sg.relu(sg.conv2d(h, w)), 2) ** 2)
    source = codegen.function([x, w], [loss, *sg.grad(loss, [x, w]).values()], dtype="float32").source
    tiles = [line.split(" = ")[0] for line in source.splitlines() if " = tile(" in line]
    assert len(tiles) == 3 and "121" not in source and not any("169" in name.split("_")[1] for name in tiles)


if __name__ == "__main__":
    for number in range(*map(int, sys.argv[1:3])):
        check(number)
