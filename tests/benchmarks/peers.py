"""A training step in each peer: a function network → (run, steps per run), None where the peer is absent."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.benchmarks.networks import EPOCHS, RATE, Network

Run = tuple[Callable[[], Any], int]


def installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def loss_of(network: Network, batch: int | None = None) -> Any:
    """The network in this project's own language, of any batch or of one that is declared."""
    import symgraph as sg

    batch = sg.dim("N") if batch is None else batch
    z = sg.input("x", (batch, network.sizes[0]))
    t = sg.labels("t", (batch,), classes=network.sizes[-1])
    for k, (m, n) in enumerate(zip(network.sizes, network.sizes[1:], strict=False), 1):
        W, b = sg.parameter(f"W{k}", (m, n)), sg.parameter(f"b{k}", (n,))
        z = z @ W + b
        if k < len(network.sizes) - 1:
            z = getattr(sg, network.activation)(z)
    return sg.cross_entropy(z, t)


def _compiled(network: Network, batch: int | None = None) -> Any:
    import codegen
    import symgraph as sg

    return codegen.train_step(loss_of(network, batch), optimizer=sg.SGD(lr=RATE), dtype=network.dtype)


def symgraph_call(network: Network) -> Run:
    step, params = _compiled(network), network.parameters()
    x, t = network.data()
    return lambda: step(params, x=x, t=t), 1


def symgraph_loop(network: Network) -> Run:
    step, params = _compiled(network), network.parameters()
    x, t = network.data(network.batches)
    options = dict(epochs=EPOCHS, batch_size=network.batch, shuffle=False, progress=False)
    return lambda: step.fit(params, {"x": x, "t": t}, **options), EPOCHS * network.batches


def symgraph_declared(network: Network) -> Run:
    """Calls of a step whose batch is declared, as an array's shape declares it in JAX, one batch after the other."""
    step, params = _compiled(network, network.batch), network.parameters()
    x, t = network.data(network.batches)
    cuts = range(0, len(x), network.batch)
    batches = [{"x": x[at : at + network.batch], "t": t[at : at + network.batch]} for at in cuts]

    def run() -> None:
        for batch in batches:
            step(params, **batch)

    return run, len(batches)


def numpy_call(network: Network) -> Run:
    params, (x, t) = network.parameters(), network.data()
    depth = len(network.sizes) - 1
    forward = (lambda a: np.maximum(a, 0)) if network.activation == "relu" else np.tanh
    backward = (lambda z: z > 0) if network.activation == "relu" else (lambda z: 1 - z * z)
    rows, rate = np.arange(len(t)), np.dtype(network.dtype).type(RATE)

    def run() -> float:
        values = [x]
        for k in range(1, depth + 1):
            a = values[-1] @ params[f"W{k}"] + params[f"b{k}"]
            values.append(forward(a) if k < depth else a)
        a = values[-1]
        e = np.exp(a - a.max(axis=1, keepdims=True))
        y = e / e.sum(axis=1, keepdims=True)
        loss = -np.log(y[rows, t]).mean()
        g = y
        g[rows, t] -= 1
        g /= len(t)
        for k in range(depth, 0, -1):
            dW, db = values[k - 1].T @ g, g.sum(axis=0)
            if k > 1:
                g = (g @ params[f"W{k}"].T) * backward(values[k - 1])
            params[f"W{k}"] -= rate * dW
            params[f"b{k}"] -= rate * db
        return float(loss)

    return run, 1


def torch_call(network: Network) -> Run | None:
    if not installed("torch"):
        return None
    import torch

    dtype = getattr(torch, network.dtype)
    layers: list[Any] = []
    for k, (m, n) in enumerate(zip(network.sizes, network.sizes[1:], strict=False), 1):
        layers.append(torch.nn.Linear(m, n, dtype=dtype))
        if k < len(network.sizes) - 1:
            layers.append(torch.nn.ReLU() if network.activation == "relu" else torch.nn.Tanh())
    model = torch.nn.Sequential(*layers)
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    x, t = (torch.from_numpy(array) for array in network.data())

    def run() -> float:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x), t)
        loss.backward()
        optimizer.step()
        return loss.item()

    return run, 1


def _jax_step(network: Network) -> Any:
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", network.dtype == "float64")
    depth = len(network.sizes) - 1
    activation = jax.nn.relu if network.activation == "relu" else jnp.tanh

    def loss(params: Any, x: Any, t: Any) -> Any:
        for k in range(1, depth + 1):
            x = x @ params[f"W{k}"] + params[f"b{k}"]
            x = activation(x) if k < depth else x
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(x), t[:, None], axis=1))

    def step(params: Any, x: Any, t: Any) -> Any:
        value, gradient = jax.value_and_grad(loss)(params, x, t)
        return jax.tree.map(lambda p, g: p - RATE * g, params, gradient), value

    return step


def jax_call(network: Network) -> Run | None:
    if not installed("jax"):
        return None
    import jax

    step = jax.jit(_jax_step(network), donate_argnums=0)
    state = [jax.tree.map(jax.numpy.asarray, network.parameters())]
    x, t = (jax.numpy.asarray(array) for array in network.data())

    def run() -> None:
        state[0], loss = step(state[0], x, t)
        loss.block_until_ready()

    return run, 1


def jax_scan(network: Network) -> Run | None:
    if not installed("jax"):
        return None
    import jax

    step = _jax_step(network)
    epoch = jax.jit(lambda p, x, t: jax.lax.scan(lambda q, b: step(q, *b), p, (x, t)), donate_argnums=0)
    state = [jax.tree.map(jax.numpy.asarray, network.parameters())]
    x, t = network.data(network.batches)
    xs = jax.numpy.asarray(x.reshape(network.batches, network.batch, -1))
    ts = jax.numpy.asarray(t.reshape(network.batches, network.batch))

    def run() -> None:
        for _ in range(EPOCHS):
            state[0], losses = epoch(state[0], xs, ts)
        losses.block_until_ready()

    return run, EPOCHS * network.batches


def pytensor_call(network: Network) -> Run | None:
    if not installed("pytensor"):
        return None
    import pytensor
    import pytensor.tensor as pt

    depth = len(network.sizes) - 1
    shared = {name: pytensor.shared(value, name=name) for name, value in network.parameters().items()}
    x, t = pt.matrix("x", dtype=network.dtype), pt.lvector("t")
    z = x
    for k in range(1, depth + 1):
        z = z @ shared[f"W{k}"] + shared[f"b{k}"]
        z = (pt.maximum(z, 0) if network.activation == "relu" else pt.tanh(z)) if k < depth else z
    loss = -pt.mean(pt.special.log_softmax(z, axis=1)[pt.arange(t.shape[0]), t])
    rate = np.dtype(network.dtype).type(RATE)
    updates = [(p, p - rate * pytensor.grad(loss, p)) for p in shared.values()]
    function = pytensor.function([x, t], loss, updates=updates, mode="NUMBA")
    function.trust_input = True
    xv, tv = network.data()
    return lambda: function(xv, tv), 1


PEERS: dict[str, Callable[[Network], Run | None]] = {
    "symgraph call": symgraph_call,
    "symgraph loop": symgraph_loop,
    "NumPy": numpy_call,
    "PyTorch": torch_call,
    "JAX jit": jax_call,
    "JAX scan": jax_scan,
    "PyTensor": pytensor_call,
}
