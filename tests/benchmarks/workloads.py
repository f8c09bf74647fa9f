"""Windows, gathers and attention as each peer writes them: one function a workload and peer → (run, steps in a run).

Every run is one training step: forward, backward and SGD in float32, with the same sizes and the same loss.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from tests.benchmarks import peers
from tests.benchmarks.networks import Network
from tests.benchmarks.peers import Run

RATE = 0.01
HEADS, WIDTH, HIDDEN = 4, 64, 256
IMAGES, CLASSES = (64, 1, 28, 28), 10
TABLE, BAGS = (20000, 64), (256, 16)
ONE_ROW = Network((1024, 1024, 1024), 1)


def _data(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def _labels(classes: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, classes, shape)


# -- here --------------------------------------------------------------------------------------------------------------
def _step(loss: Any, **given: np.ndarray) -> Run:
    import codegen
    import symgraph as sg

    step = codegen.train_step(loss, sg.SGD(lr=RATE), threads=2)
    parameters = step.init(0)
    return lambda: step(parameters, **given), 1


def _images(net: Any) -> Run:
    import symgraph as sg

    x = sg.input("x", (sg.dim("N"), *IMAGES[1:]))
    t = sg.labels("t", (x.shape[0],), classes=CLASSES)
    return _step(sg.cross_entropy(net(x), t), x=_data(*IMAGES), t=_labels(CLASSES, IMAGES[0]))


def lenet() -> Run:
    from symgraph import nn

    return _images(nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, CLASSES),
    ))  # fmt: skip


def cnn() -> Run:
    from symgraph import nn

    return _images(nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(1600, 128), nn.ReLU(), nn.Linear(128, CLASSES),
    ))  # fmt: skip


def conv2d() -> Run:
    """The image is trained too, so that all three products are in the step."""
    import symgraph as sg

    x = sg.parameter("x", (32, 64, 28, 28), init=sg.init.normal(1.0))
    W = sg.parameter("W", (64, 64, 3, 3), init=sg.init.normal(0.05))
    return _step(sg.mean(sg.conv2d(x, W, padding=1) ** 2))


def conv1d() -> Run:
    import symgraph as sg

    x = sg.input("x", (sg.dim("N"), 16, 256))
    return _step(sg.mean(sg.nn.Conv1d(16, 32, 5)(x) ** 2), x=_data(32, 16, 256))


def _attended(h: Any) -> Any:
    import symgraph as sg

    def heads(name: str) -> Any:
        split = sg.reshape(sg.nn.Linear(WIDTH, WIDTH, name=name)(h), (h.shape[0], 64, HEADS, WIDTH // HEADS))
        return sg.moveaxis(split, 2, 1)

    y = sg.scaled_dot_product_attention(heads("q"), heads("k"), heads("v"))
    return sg.nn.Linear(WIDTH, WIDTH, name="o")(sg.reshape(sg.moveaxis(y, 1, 2), (h.shape[0], 64, WIDTH)))


def attention() -> Run:
    import symgraph as sg

    x = sg.input("x", (sg.dim("N"), 64, WIDTH))
    return _step(sg.mean(_attended(x) ** 2), x=_data(16, 64, WIDTH))


def transformer() -> Run:
    import symgraph as sg
    from symgraph import nn

    x = sg.input("x", (sg.dim("N"), 64, WIDTH))
    h = x + _attended(nn.LayerNorm(WIDTH, name="n1")(x))
    mlp = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, WIDTH))
    return _step(sg.mean((h + mlp(h)) ** 2), x=_data(16, 64, WIDTH))


def embedding() -> Run:
    import symgraph as sg

    ids = sg.labels("ids", (sg.dim("N"), BAGS[1]), classes=TABLE[0])
    t = sg.labels("t", (ids.shape[0],), classes=CLASSES)
    y = sg.mean(sg.nn.Embedding(*TABLE, name="E")(ids), axis=1)
    loss = sg.cross_entropy(sg.nn.Linear(TABLE[1], CLASSES)(y), t)
    return _step(loss, ids=_labels(TABLE[0], *BAGS), t=_labels(CLASSES, BAGS[0]))


# -- PyTorch -----------------------------------------------------------------------------------------------------------
def _torch(parameters: Any, loss: Callable[[], Any]) -> Run:
    import torch

    torch.set_num_threads(2)
    optimizer = torch.optim.SGD(parameters, lr=RATE)

    def step() -> None:
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()

    return step, 1


def _torch_net(net: Any, x: np.ndarray, t: np.ndarray) -> Run:
    import torch

    rows, labels = torch.from_numpy(x), torch.from_numpy(t)
    return _torch(net.parameters(), lambda: torch.nn.functional.cross_entropy(net(rows), labels))


def torch_lenet() -> Run:
    from torch import nn

    net = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, CLASSES),
    )  # fmt: skip
    return _torch_net(net, _data(*IMAGES), _labels(CLASSES, IMAGES[0]))


def torch_cnn() -> Run:
    from torch import nn

    net = nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(1600, 128), nn.ReLU(), nn.Linear(128, CLASSES),
    )  # fmt: skip
    return _torch_net(net, _data(*IMAGES), _labels(CLASSES, IMAGES[0]))


def torch_conv2d() -> Run:
    import torch

    x, W = torch.randn(32, 64, 28, 28, requires_grad=True), torch.randn(64, 64, 3, 3, requires_grad=True)
    return _torch([x, W], lambda: (torch.nn.functional.conv2d(x, W, padding=1) ** 2).mean())


def torch_conv1d() -> Run:
    import torch

    net, x = torch.nn.Conv1d(16, 32, 5), torch.randn(32, 16, 256)
    return _torch(net.parameters(), lambda: (net(x) ** 2).mean())


def _torch_attention() -> Any:
    import torch
    from torch import nn

    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.q, self.k, self.v, self.o = (nn.Linear(WIDTH, WIDTH) for _ in range(4))

        def forward(self, h: Any) -> Any:
            q, k, v = (
                layer(h).reshape(h.shape[0], 64, HEADS, WIDTH // HEADS).transpose(1, 2)
                for layer in (self.q, self.k, self.v)
            )
            y = torch.nn.functional.scaled_dot_product_attention(q, k, v)
            return self.o(y.transpose(1, 2).reshape(h.shape))

    return Attention()


def torch_attention() -> Run:
    import torch

    net, x = _torch_attention(), torch.randn(16, 64, WIDTH)
    return _torch(net.parameters(), lambda: (net(x) ** 2).mean())


def torch_transformer() -> Run:
    import torch
    from torch import nn

    first = nn.Sequential(nn.LayerNorm(WIDTH), _torch_attention())
    second = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, WIDTH))
    x = torch.randn(16, 64, WIDTH)

    def loss() -> Any:
        h = x + first(x)
        return ((h + second(h)) ** 2).mean()

    return _torch([*first.parameters(), *second.parameters()], loss)


def torch_embedding() -> Run:
    """The mean of rows as one kernel, and a gradient of the rows touched: PyTorch's own way for large tables."""
    from torch import nn

    net = nn.Sequential(nn.EmbeddingBag(*TABLE, mode="mean", sparse=True), nn.Linear(TABLE[1], CLASSES))
    return _torch_net(net, _labels(TABLE[0], *BAGS), _labels(CLASSES, BAGS[0]))


# -- JAX ---------------------------------------------------------------------------------------------------------------
def _jax(loss: Callable[..., Any], shapes: Mapping[str, tuple[int, ...]], *given: np.ndarray) -> Run:
    import jax

    def step(parameters: Any, *data: Any) -> Any:
        value, gradient = jax.value_and_grad(loss)(parameters, *data)
        return jax.tree.map(lambda p, g: p - RATE * g, parameters, gradient), value

    compiled = jax.jit(step, donate_argnums=0)
    state = [{name: jax.numpy.asarray(0.1 * _data(*shape)) for name, shape in shapes.items()}]
    data = [jax.numpy.asarray(array) for array in given]

    def run() -> None:
        state[0], value = compiled(state[0], *data)
        value.block_until_ready()

    return run, 1


def _jax_cross_entropy(z: Any, t: Any) -> Any:
    import jax

    return -jax.numpy.mean(jax.numpy.take_along_axis(jax.nn.log_softmax(z), t[:, None], axis=1))


def _jax_convolution(x: Any, W: Any, padding: int = 0) -> Any:
    from jax import lax

    places = W.ndim - 2
    return lax.conv_general_dilated(x, W, (1,) * places, [(padding, padding)] * places)


def _jax_block(p: Any, x: Any, number: int, padding: int) -> Any:
    """Convolution, ReLU, the largest of 2 × 2."""
    import jax

    h = _jax_convolution(x, p[f"W{number}"], padding) + p[f"b{number}"][:, None, None]
    return jax.lax.reduce_window(jax.nn.relu(h), -np.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")


def _jax_images(convolutions: list[tuple[int, int, int, int]], sizes: list[int]) -> Run:
    import jax

    shapes: dict[str, tuple[int, ...]] = {}
    for k, (inner, outer, window, _) in enumerate(convolutions, 1):
        shapes |= {f"W{k}": (outer, inner, window, window), f"b{k}": (outer,)}
    for k, (m, n) in enumerate(pairwise(sizes), 1):
        shapes |= {f"V{k}": (m, n), f"c{k}": (n,)}

    def loss(p: Any, x: Any, t: Any) -> Any:
        for k, (*_, padding) in enumerate(convolutions, 1):
            x = _jax_block(p, x, k, padding)
        x = x.reshape(x.shape[0], -1)
        for k in range(1, len(sizes)):
            x = x @ p[f"V{k}"] + p[f"c{k}"]
            x = jax.nn.relu(x) if k < len(sizes) - 1 else x
        return _jax_cross_entropy(x, t)

    return _jax(loss, shapes, _data(*IMAGES), _labels(CLASSES, IMAGES[0]))


def jax_conv2d() -> Run:
    import jax.numpy as jnp

    shapes = {"x": (32, 64, 28, 28), "W": (64, 64, 3, 3)}
    return _jax(lambda p: jnp.mean(_jax_convolution(p["x"], p["W"], 1) ** 2), shapes)


def jax_conv1d() -> Run:
    import jax.numpy as jnp

    def loss(p: Any, x: Any) -> Any:
        return jnp.mean((_jax_convolution(x, p["W"]) + p["b"][:, None]) ** 2)

    return _jax(loss, {"W": (32, 16, 5), "b": (32,)}, _data(32, 16, 256))


ATTENTION = {name: (WIDTH, WIDTH) for name in "qkvo"} | {f"b{name}": (WIDTH,) for name in "qkvo"}


def _jax_attended(p: Any, h: Any) -> Any:
    import jax

    q, k, v = ((h @ p[n] + p[f"b{n}"]).reshape(h.shape[0], 64, HEADS, WIDTH // HEADS) for n in "qkv")
    scores = jax.numpy.einsum("blhe,bshe->bhls", q, k) / (WIDTH // HEADS) ** 0.5
    y = jax.numpy.einsum("bhls,bshe->blhe", jax.nn.softmax(scores), v)
    return y.reshape(h.shape) @ p["o"] + p["bo"]


def jax_attention() -> Run:
    import jax.numpy as jnp

    return _jax(lambda p, x: jnp.mean(_jax_attended(p, x) ** 2), ATTENTION, _data(16, 64, WIDTH))


def jax_transformer() -> Run:
    import jax
    import jax.numpy as jnp

    def norm(h: Any, scale: Any, shift: Any) -> Any:
        centred = h - h.mean(axis=-1, keepdims=True)
        return centred / jnp.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5) * scale + shift

    def loss(p: Any, x: Any) -> Any:
        h = x + _jax_attended(p, norm(x, p["s1"], p["t1"]))
        mlp = jax.nn.gelu(norm(h, p["s2"], p["t2"]) @ p["V1"] + p["c1"], approximate=False) @ p["V2"] + p["c2"]
        return jnp.mean((h + mlp) ** 2)

    norms = {name: (WIDTH,) for name in ("s1", "t1", "s2", "t2")}
    mlp = {"V1": (WIDTH, HIDDEN), "c1": (HIDDEN,), "V2": (HIDDEN, WIDTH), "c2": (WIDTH,)}
    return _jax(loss, ATTENTION | norms | mlp, _data(16, 64, WIDTH))


def jax_embedding() -> Run:
    def loss(p: Any, ids: Any, t: Any) -> Any:
        return _jax_cross_entropy(p["E"][ids].mean(axis=1) @ p["W"] + p["b"], t)

    shapes = {"E": TABLE, "W": (TABLE[1], CLASSES), "b": (CLASSES,)}
    return _jax(loss, shapes, _labels(TABLE[0], *BAGS), _labels(CLASSES, BAGS[0]))


WORKLOADS: dict[str, dict[str, Callable[[], Run | None]]] = {
    "LeNet 6c5p2-p-16c5-p-120-84-10, B64": {
        "symgraph": lenet, "PyTorch": torch_lenet,
        "JAX": lambda: _jax_images([(1, 6, 5, 2), (6, 16, 5, 0)], [400, 120, 84, CLASSES]),
    },
    "32c3-p-64c3-p-128-10, B64": {
        "symgraph": cnn, "PyTorch": torch_cnn,
        "JAX": lambda: _jax_images([(1, 32, 3, 0), (32, 64, 3, 0)], [1600, 128, CLASSES]),
    },
    "convolution 64-64, 3×3 on 28×28, B32": {"symgraph": conv2d, "PyTorch": torch_conv2d, "JAX": jax_conv2d},
    "conv1d 16-32 k5, L256, B32": {"symgraph": conv1d, "PyTorch": torch_conv1d, "JAX": jax_conv1d},
    "attention B16 T64 D64 H4": {"symgraph": attention, "PyTorch": torch_attention, "JAX": jax_attention},
    "transformer block, MLP 256": {"symgraph": transformer, "PyTorch": torch_transformer, "JAX": jax_transformer},
    "embedding 20000×64, N256 L16": {"symgraph": embedding, "PyTorch": torch_embedding, "JAX": jax_embedding},
    "1024-1024-1024, batch 1, in a loop": {
        "symgraph": lambda: peers.symgraph_declared(ONE_ROW), "JAX": lambda: peers.jax_scan(ONE_ROW),
    },
}  # fmt: skip
