"""Seconds of training until 784-50-10 is right on 0.965 of MNIST's test images: rate 0.1, batches of 100.

Each peer is a process of its own. Compiling and the first step are done before the clock starts; the test after every
epoch stops it. The clock is that of the peer's own training.
"""

from __future__ import annotations

import statistics
import tempfile

from tests.benchmarks.peers import installed
from tests.benchmarks.processes import run

GOAL, MOST_EPOCHS = 0.965, 40
LOAD = """
import time
import numpy as np
from examples.mnist import load
(x, t), (x_test, t_test) = load({folder!r}, "train"), load({folder!r}, "t10k")
generator = np.random.default_rng(0)
W1, W2 = (generator.normal(0, 0.01, size).astype("float32") for size in ((784, 50), (50, 10)))
b1, b2 = np.zeros(50, "float32"), np.zeros(10, "float32")
params = dict(W1=W1, b1=b1, W2=W2, b2=b2)
def accuracy(W1, b1, W2, b2):
    return np.mean((np.maximum(x_test @ W1 + b1, 0) @ W2 + b2).argmax(axis=1) == t_test)
seconds = 0.0
"""
SYMGRAPH = """
import codegen, symgraph as sg
from examples.mnist import declare
step = codegen.train_step(declare(sg.relu)[0], sg.SGD(lr=0.1), dtype="float32")
step.fit(step.init(0), dict(x=x[:200], t=t[:200]), 1, 100, progress=False)
for epoch in range({epochs}):
    seconds += step.fit(params, dict(x=x, t=t), 1, 100, seed=epoch, progress=False).seconds
    if accuracy(**params) >= {goal}: break
"""
TORCH = """
import torch
model = torch.nn.Sequential(torch.nn.Linear(784, 50), torch.nn.ReLU(), torch.nn.Linear(50, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
xs, ts = torch.from_numpy(x), torch.from_numpy(t)
for parameter, value in zip(model.parameters(), (W1.T, b1, W2.T, b2)):
    parameter.data = torch.from_numpy(value.copy())
def step(rows):
    optimizer.zero_grad(); torch.nn.functional.cross_entropy(model(xs[rows]), ts[rows]).backward(); optimizer.step()
for epoch in range({epochs}):
    start = time.perf_counter()
    for rows in torch.randperm(len(xs)).split(100): step(rows)
    seconds += time.perf_counter() - start
    W1, b1, W2, b2 = (p.detach().numpy() for p in model.parameters())
    if accuracy(W1.T, b1, W2.T, b2) >= {goal}: break
"""
JAX = """
import jax, jax.numpy as jnp
def loss(p, x, t):
    z = jax.nn.relu(x @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"]
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(z), t[:, None], axis=1))
@jax.jit
def step(p, x, t):
    return jax.tree.map(lambda a, g: a - 0.1 * g, p, jax.grad(loss)(p, x, t))
params = jax.tree.map(jnp.asarray, params)
jax.block_until_ready(step(params, x[:100], t[:100]))
for epoch in range({epochs}):
    start = time.perf_counter()
    order = generator.permutation(len(x))
    for first in range(0, len(x), 100):
        rows = order[first : first + 100]
        params = step(params, x[rows], t[rows])
    jax.block_until_ready(params)
    seconds += time.perf_counter() - start
    if accuracy(**{{k: np.asarray(v) for k, v in params.items()}}) >= {goal}: break
"""
END = """
print(seconds, epoch + 1)
"""
JOBS = {"symgraph": (SYMGRAPH, "numba"), "PyTorch": (TORCH, "torch"), "JAX jit": (JAX, "jax")}


def seconds_to_goal(folder: str, rounds: int = 3, epochs: int = MOST_EPOCHS, goal: float = GOAL) -> dict[str, float]:
    """Median seconds of every installed peer; peers take turns."""
    samples: dict[str, list[float]] = {name: [] for name, (_, needed) in JOBS.items() if installed(needed)}
    with tempfile.TemporaryDirectory() as cache:
        for _ in range(rounds):
            for name, found in samples.items():
                code = (LOAD + JOBS[name][0] + END).format(folder=folder, epochs=epochs, goal=goal)
                found.append(float(run(code, cache).split()[0]))
    return {name: statistics.median(found) for name, found in samples.items()}
