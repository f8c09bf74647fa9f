"""Whole processes: the digits job in each peer, and what compiling costs, cold and from the cache."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.peers import installed

ROOT = Path(__file__).parents[2]
EPOCHS = 50
LOAD = """
import numpy as np
from sklearn.datasets import load_digits
data = load_digits()
x, t = (data.data / 16).astype("float32"), data.target.astype("int64")
"""
SYMGRAPH = """
import codegen, symgraph as sg
N = sg.dim("N"); X = sg.input("x", (N, 64)); T = sg.labels("t", (N,), classes=10)
W1, b1 = sg.parameter("W1", (64, 32), init=sg.init.kaiming_normal()), sg.parameter("b1", (32,))
W2, b2 = sg.parameter("W2", (32, 10), init=sg.init.kaiming_normal()), sg.parameter("b2", (10,))
J = sg.cross_entropy(sg.relu(X @ W1 + b1) @ W2 + b2, T)
step = codegen.train_step(J, optimizer=sg.SGD(lr=0.1), dtype="float32")
params = step.init(seed=0)
history = step.fit(params, {"x": x, "t": t}, epochs=EPOCHS, batch_size=32, seed=0, progress=False)
"""
TORCH = """
import torch
model = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
xs, ts = torch.from_numpy(x), torch.from_numpy(t)
for epoch in range(EPOCHS):
    order = torch.randperm(len(xs))
    for rows in order.split(32):
        optimizer.zero_grad(); torch.nn.functional.cross_entropy(model(xs[rows]), ts[rows]).backward(); optimizer.step()
"""
JAX = """
import jax, jax.numpy as jnp
generator = np.random.default_rng(0)
params = {"W1": generator.normal(size=(64, 32)).astype("float32") * 0.17, "b1": np.zeros(32, "float32"),
          "W2": generator.normal(size=(32, 10)).astype("float32") * 0.25, "b2": np.zeros(10, "float32")}
def loss(p, x, t):
    z = jax.nn.relu(x @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"]
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(z), t[:, None], axis=1))
def step(p, rows):
    return jax.tree.map(lambda a, g: a - 0.1 * g, p, jax.grad(loss)(p, xs[rows], ts[rows])), None
xs, ts = jnp.asarray(x), jnp.asarray(t)
whole = len(x) // 32
@jax.jit
def epoch(p, order):
    p, _ = jax.lax.scan(step, p, order[: whole * 32].reshape(whole, 32))
    return step(p, order[whole * 32 :])[0]
for _ in range(EPOCHS):
    params = epoch(params, generator.permutation(len(x)))
jax.block_until_ready(params)
"""
SKLEARN = """
import warnings
from sklearn.neural_network import MLPClassifier
warnings.simplefilter("ignore")
MLPClassifier((32,), solver="sgd", momentum=0, alpha=0, learning_rate_init=0.1, batch_size=32, max_iter=EPOCHS, tol=0,
              n_iter_no_change=EPOCHS).fit(x, t)
"""
JOBS = {"symgraph": SYMGRAPH, "scikit-learn": SKLEARN, "JAX": JAX, "PyTorch": TORCH}
NEEDS = {"symgraph": "numba", "scikit-learn": "sklearn", "JAX": "jax", "PyTorch": "torch"}
COMPILE = """
import time; start = time.perf_counter()
import numpy as np, codegen, symgraph as sg
imported = time.perf_counter()
SIZES = {sizes}
N = sg.dim("N"); z = sg.input("x", (N, SIZES[0])); T = sg.labels("t", (N,), classes=SIZES[-1]); shape = []
for k, (m, n) in enumerate(zip(SIZES, SIZES[1:]), 1):
    z = z @ sg.parameter(f"W{{k}}", (m, n)) + sg.parameter(f"b{{k}}", (n,))
    z = sg.relu(z) if k < len(SIZES) - 1 else z
J = sg.cross_entropy(z, T)
declared = time.perf_counter()
sg.grad(J, [p for p in J.free_symbols if getattr(p, "kind", "") == "parameter"])
derived = time.perf_counter()
step = codegen.train_step(J, optimizer=sg.SGD(lr=0.1), dtype="float32")
params = step.init(seed=0)
step(params, x=np.zeros((4, SIZES[0]), "float32"), t=np.zeros(4, "int64"))
print(imported - start, declared - imported, derived - declared, time.perf_counter() - derived)
"""


def digits_seconds(name: str, rounds: int = 5) -> float | None:
    """Median wall time of a whole process with a warm cache, less what loading the data alone takes."""
    if not installed(NEEDS[name]) or not installed("sklearn"):
        return None
    _wall(LOAD + f"EPOCHS = {EPOCHS}\n" + JOBS[name])
    pairs = [_wall(LOAD + f"EPOCHS = {EPOCHS}\n" + JOBS[name]) - _wall(LOAD) for _ in range(rounds)]
    return statistics.median(pairs)


def _wall(code: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)
    return time.perf_counter() - start


def compile_seconds(sizes: tuple[int, ...], rounds: int = 3) -> dict[str, dict[str, float]]:
    """Seconds of import, declaration, derivation, and the rest until the first step is done: cold, then cached."""
    found: dict[str, list[list[float]]] = {"cold": [], "cached": []}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            environment = os.environ | {"SYMGRAPH_CACHE": folder}
            for samples in found.values():
                code = COMPILE.format(sizes=sizes)
                done = subprocess.run(
                    [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True, env=environment
                )
                samples.append([float(word) for word in done.stdout.split()])
    stages = ("import", "declare", "derive", "compile and first step")
    return {
        kind: {
            stage: statistics.median(column) for stage, column in zip(stages, zip(*samples, strict=True), strict=True)
        }
        for kind, samples in found.items()
    }
