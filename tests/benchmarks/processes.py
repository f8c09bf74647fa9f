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
step = codegen.train_step(J, optimizer=sg.SGD(lr=0.1), dtype="float32")
params = step.init(seed=0)
made = time.perf_counter()
executable = step.executable
lowered = time.perf_counter()
derived = executable.seconds.get("derive", 0.0)  # nothing, where the program is in the cache
executable.entry
compiled = time.perf_counter()
batch = {{"x": np.zeros((4, SIZES[0]), "float32"), "t": np.zeros(4, "int64")}}
step(params, **batch)
first = time.perf_counter()
for _ in range(3):
    step(params, **batch)
again = time.perf_counter()
for _ in range(20):
    step(params, **batch)
print(imported - start, declared - imported, derived, made - declared - derived, lowered - made, compiled - lowered,
      first - compiled, (time.perf_counter() - again) / 20)
"""
STAGES = ("import", "declare", "derive and simplify", "make", "lower", "compile", "first call", "warm call")


def digits_seconds(rounds: int = 5, epochs: int = EPOCHS) -> dict[str, float]:
    """Median wall time of a whole process of each peer, less what loading the data alone takes; peers take turns.

    ``symgraph cold`` begins with an empty cache; all others have one, and the bytecode that an installed package has.
    """
    if not installed("sklearn"):
        return {}
    jobs = {name: LOAD + f"EPOCHS = {epochs}\n" + job for name, job in JOBS.items() if installed(NEEDS[name])}
    samples: dict[str, list[float]] = {name: [] for name in ("symgraph cold", *jobs)}
    with tempfile.TemporaryDirectory() as folder:
        for job in jobs.values():
            run(job, folder)
        for _ in range(rounds):
            loading = _wall(LOAD, folder)
            for name, job in jobs.items():
                samples[name].append(_wall(job, folder) - loading)
        with tempfile.TemporaryDirectory() as empty:
            samples["symgraph cold"].append(_wall(jobs["symgraph"], empty) - loading)
    return {name: statistics.median(values) for name, values in samples.items()}


def run(code: str, cache: str) -> str:
    """What a process prints; with bytecode, as installed packages have it, wherever this process does without."""
    environment = os.environ | {"SYMGRAPH_CACHE": cache}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True, env=environment
    )
    return done.stdout


def _wall(code: str, cache: str) -> float:
    start = time.perf_counter()
    run(code, cache)
    return time.perf_counter() - start


def import_seconds(rounds: int = 20) -> dict[str, float]:
    """Median processor time of a process that imports: of which ours is what SymPy's is not."""
    cases = {"nothing": "", "SymPy": "import sympy", "SymPy, NumPy": "import sympy, numpy"}
    cases["symgraph, codegen"] = "import symgraph, codegen"
    samples: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(1 + rounds):
        for name, code in cases.items():
            before = os.times()
            run(code, "off")
            if number:  # the first may write bytecode
                after = os.times()
                spent = after.children_user + after.children_system - before.children_user - before.children_system
                samples[name].append(spent)
    return {name: statistics.median(values) for name, values in samples.items()}


def compile_seconds(sizes: tuple[int, ...], rounds: int = 3) -> dict[str, dict[str, float]]:
    """Seconds of :data:`STAGES`: with an empty cache, where ``compile`` compiles, then with one, where it loads."""
    found: dict[str, list[list[float]]] = {"cold": [], "cached": []}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            for samples in found.values():
                samples.append([float(word) for word in run(COMPILE.format(sizes=sizes), folder).split()])
    return {
        kind: {
            stage: statistics.median(column) for stage, column in zip(STAGES, zip(*samples, strict=True), strict=True)
        }
        for kind, samples in found.items()
    }
