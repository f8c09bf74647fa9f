"""What practitioners do, against the tools that they do it with, each in a process of its own, taking turns.

``python -m tests.benchmarks.practice [ROW …] [--mnist DIR] [--rounds R]`` prints median seconds of every peer, theirs
over ours, and what is asked. Rows whose peers are not installed, and MNIST without its files, are left out.

    digits, mnist    fit of MLPClassifier: same net, batch, epochs as scikit-learn's; test accuracy beside it
    search           a grid search of 24 fits, n_jobs=2, in new processes, with the most threads that were running
    threads          the same, ours in two threads of this process (joblib.parallel_config("threading")): its fits leave
                     Python's lock alone, scikit-learn's are faster in processes
    quantile, focal  40 trees of LightGBM's by an objective: time in the objective alone, and how far the models differ
    value, slopes    a likelihood of 60 terms in SymPy over 10⁶ events: its value, its value with gradient
    disk             saving and loading 10⁷ parameters, beside writing and reading as many bytes
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

ROUNDS = 3
Found = tuple[float, str]
"""Seconds, and what else is to be said."""
EVENTS, TERMS, PARAMETERS = 10**6, 60, 10


# -- perceptrons ------------------------------------------------------------------------------------------------------
def _classifier(peer: str) -> Any:
    if peer == "symgraph":
        from symgraph.sklearn import MLPClassifier
    else:
        from sklearn.neural_network import MLPClassifier
    return MLPClassifier


def _digits() -> Any:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)
    return train_test_split((images / 16).astype(np.float32), labels, random_state=0)


def _fit(peer: str, data: Any, hidden: int, epochs: int, seeds: int = 1) -> Found:
    """Median seconds of several seeds, and their mean accuracy: that of one says as much of its shuffles."""
    images, tests, labels, answers = data
    options = {"batch_size": 64, "max_iter": epochs, "n_iter_no_change": epochs}
    # what is compiled is in the cache, or in this process, from the second fit on
    _classifier(peer)((hidden,), **{**options, "max_iter": 1}).fit(images, labels)
    seconds, right = [], []
    for seed in range(seeds):
        made = _classifier(peer)((hidden,), **options, random_state=seed)
        start = time.perf_counter()
        made.fit(images, labels)
        seconds.append(time.perf_counter() - start)
        right.append(made.score(tests, answers))
    told = f"accuracy {statistics.mean(right):.4f}" + (f" of {seeds} seeds" if seeds > 1 else "")
    return statistics.median(seconds), told


def digits(peer: str, folder: str | None) -> Found:
    return _fit(peer, _digits(), 64, 60, seeds=8)


def mnist(peer: str, folder: str | None) -> Found:
    from examples.mnist import load

    (images, labels), (tests, answers) = load(str(folder), "train"), load(str(folder), "t10k")
    return _fit(peer, (images[:10000], tests, labels[:10000], answers), 100, 15, seeds=4)


def search(peer: str, folder: str | None, backend: str = "loky") -> Found:
    from joblib import parallel_config
    from sklearn.model_selection import GridSearchCV

    images, tests, labels, answers = _digits()
    grid = {"alpha": [1e-4, 1e-2], "learning_rate_init": [1e-3, 3e-3], "hidden_layer_sizes": [(50,), (100,)]}
    made = GridSearchCV(_classifier(peer)(random_state=0), grid, cv=3, n_jobs=2)
    seen: list[int] = []
    done = threading.Event()
    watcher = threading.Thread(target=_watch, args=(done, seen, backend == "threading"))
    watcher.start()
    seconds = []
    for _ in range(2):  # the second finds joblib's processes as the first left them, with all that they import
        start = time.perf_counter()
        with parallel_config(backend):
            made.fit(images, labels)
        seconds.append(time.perf_counter() - start)
    done.set()
    watcher.join()
    again = f"again in {seconds[1]:.1f} s"
    return seconds[0], f"{again}, accuracy {made.score(tests, answers):.3f}, at most {max(seen)} threads ran at once"


def threads(peer: str, folder: str | None) -> Found:
    return search(peer, folder, "threading" if peer == "symgraph" else "loky")


def _watch(done: threading.Event, seen: list[int], with_own: bool) -> None:
    """How many threads of the processes below this one are running, every 50 ms; or of this one too, but for the one
    that looks."""
    own = os.getpid()
    while not done.wait(0.05):
        running = -with_own
        for process in [own] * with_own + _descendants(own):
            for task in Path(f"/proc/{process}/task").glob("*/stat"):
                try:
                    running += task.read_text().rsplit(")", 1)[1].split()[0] == "R"
                except OSError:  # it has ended
                    continue
        seen.append(running)


def _descendants(process: int) -> list[int]:
    found = []
    for children in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            for child in map(int, children.read_text().split()):
                found += [child, *_descendants(child)]
        except OSError:
            continue
    return found


# -- boosted trees ----------------------------------------------------------------------------------------------------
def _quantile_by_hand(target: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.where(target > score, -0.9, 0.1), np.ones_like(score)


def _focal_by_hand(target: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of Lin et al. with α = 1/4, γ = 2, by the derivatives in p of one class and of the other."""
    p = 1 / (1 + np.exp(-score))
    is_one = target > 0.5
    q, alpha = np.where(is_one, p, 1 - p), np.where(is_one, 0.25, 0.75)
    sign, log = np.where(is_one, 1.0, -1.0), np.log(q)
    gradient = alpha * sign * (1 - q) ** 2 * (2 * q * log - (1 - q))
    inner = (1 - q) * ((1 - q) * (2 * log + 3) - 2 * (2 * q * log - (1 - q)))
    return gradient, alpha * q * (1 - q) * inner


OBJECTIVES: dict[str, tuple[str, Callable[..., Any], dict[str, Any]]] = {
    "quantile": ("quantile_loss", _quantile_by_hand, {"q": 0.9, "hessian": 1.0}),
    "focal": ("sigmoid_focal_loss", _focal_by_hand, {}),
}


def _trees(name: str, peer: str) -> Found:
    import lightgbm

    import symgraph as sg

    loss, by_hand, options = OBJECTIVES[name]
    random = np.random.default_rng(0)
    rows = random.normal(size=(10**6, 4))
    target = rows[:, 0] + 0.5 * random.normal(size=len(rows))
    target = (target > 0).astype(float) if loss == "sigmoid_focal_loss" else target
    ours = sg.objective(loss, "lightgbm", **options)
    spent = 0.0

    def timed(y_true: np.ndarray, y_pred: np.ndarray) -> Any:
        nonlocal spent
        start = time.perf_counter()
        found = ours(y_true, y_pred) if peer == "symgraph" else by_hand(y_true, y_pred)
        spent += time.perf_counter() - start
        return found

    timed(target, np.zeros(len(rows)))
    spent = 0.0
    made = lightgbm.LGBMRegressor(n_estimators=40, objective=timed, n_jobs=2, verbose=-1).fit(rows, target)
    return spent, f"sum of predictions {made.predict(rows[:1000]).sum():.6f}"


def quantile(peer: str, folder: str | None) -> Found:
    return _trees("quantile", peer)


def focal(peer: str, folder: str | None) -> Found:
    return _trees("focal", peer)


# -- likelihoods ------------------------------------------------------------------------------------------------------
def density(x: Any, y: Any, parameters: Any) -> Any:
    """A positive sum of 60 terms, as models of amplitudes and backgrounds are."""
    import sympy as sp

    terms = []
    for k in range(TERMS):
        weight, other = parameters[k % PARAMETERS] ** 2, parameters[(k + 3) % PARAMETERS]
        kinds = (
            sp.exp(-((x - sp.Rational(k, 20) * other) ** 2)),
            1 + sp.cos(sp.Rational(k, 4) * y + other),
            1 / (1 + (x - y * other) ** 2),
            sp.log(1 + sp.exp(other * x - sp.Rational(k, 30))),
        )
        terms.append(weight * kinds[k % len(kinds)])
    return sp.Add(*terms)


def _events() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    return random.normal(size=EVENTS), random.normal(size=EVENTS), random.uniform(0.5, 1.5, size=PARAMETERS)


def _likelihood(peer: str, gradient: bool) -> Found:
    import sympy as sp

    x, y, point = _events()
    parameters = sp.symbols(f"a:{PARAMETERS}", real=True)
    if peer == "symgraph":
        import codegen

        u, v = sp.IndexedBase("u"), sp.IndexedBase("v")
        i, n = sp.symbols("i n", integer=True)
        loss = -sp.Sum(sp.log(density(u[i], v[i], parameters)), (i, 0, n - 1))
        program = codegen.function([u, v, *parameters], loss, gradient=parameters if gradient else None)
        return _least(lambda: program(x, y, *point))
    a, b = sp.symbols("x y", real=True)
    formula = density(a, b, parameters)
    if peer == "lambdify":
        by_numpy = sp.lambdify([a, b, *parameters], formula, cse=True)
        return _least(lambda: -np.log(by_numpy(x, y, *point)).sum())
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    by_jax = sp.lambdify([a, b, *parameters], formula, modules="jax", cse=True)

    def total(point: Any, x: Any, y: Any) -> Any:
        return -jnp.log(by_jax(x, y, *point)).sum()

    compiled = jax.jit(jax.value_and_grad(total) if gradient else total)
    given = jnp.asarray(point), jnp.asarray(x), jnp.asarray(y)
    return _least(lambda: jax.block_until_ready(compiled(*given)))


def _least(run: Callable[[], Any], repeats: int = 5) -> Found:
    """The least of a few runs, and the number that they find."""
    found = run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    value = found[0] if isinstance(found, tuple) else found
    return min(times), f"{float(value):.10g}"


def value(peer: str, folder: str | None) -> Found:
    return _likelihood(peer, gradient=False)


def slopes(peer: str, folder: str | None) -> Found:
    return _likelihood(peer, gradient=True)


# -- files ------------------------------------------------------------------------------------------------------------
def disk(peer: str, folder: str | None) -> Found:
    from codegen import load, save  # which imports what they need: that is not the time of a file

    parameters = {"W": np.random.default_rng(0).normal(size=(1000, 10000)).astype(np.float32)}
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / ("parameters.safetensors" if peer == "symgraph" else "parameters.bin")
        start = time.perf_counter()
        if peer == "symgraph":
            save(path, parameters)
        else:
            with path.open("wb") as file:
                file.write(parameters["W"].tobytes())
                file.flush()
                os.fsync(file.fileno())
        saved = time.perf_counter() - start
        start = time.perf_counter()
        if peer == "symgraph":
            load(path)
        else:
            path.read_bytes()
        loaded = time.perf_counter() - start
    return saved + loaded, f"saved in {saved:.3f} s, loaded in {loaded:.3f} s"


Row = tuple[Callable[[str, str | None], Found], tuple[str, ...], str]
ROWS: dict[str, Row] = {
    "digits": (digits, ("symgraph", "sklearn"), "≥ 5, accuracy no lower"),
    "mnist": (mnist, ("symgraph", "sklearn"), "≥ 5, accuracy no lower"),
    "search": (search, ("symgraph", "sklearn"), "≥ 4, no more threads than cores"),
    "threads": (threads, ("symgraph", "sklearn"), "≥ 4, no more threads than cores"),
    "quantile": (quantile, ("symgraph", "NumPy"), "≥ 3, one model"),
    "focal": (focal, ("symgraph", "NumPy"), "≥ 3, one model"),
    "value": (value, ("symgraph", "lambdify", "jax"), "lambdify ≥ 5"),
    "slopes": (slopes, ("symgraph", "jax"), "≥ 1.5"),
    "disk": (disk, ("symgraph", "bytes"), "less than 0.2 s more each way"),
}
INSTALLED = {"sklearn": "sklearn", "jax": "jax"}
"""Which module a peer needs."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"all by default: {', '.join(ROWS)}")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--mnist", default=os.environ.get("MNIST"), metavar="DIR", help="MNIST's four IDX files")
    parser.add_argument("--peer", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if wrong := set(given.rows) - set(ROWS):
        parser.error(f"there is no row {', '.join(sorted(wrong))}; there are {', '.join(ROWS)}")
    if given.peer:
        warnings.simplefilter("ignore")
        print(json.dumps(ROWS[given.rows[0]][0](given.peer, given.mnist)))
        return
    for name in given.rows or ROWS:
        _show(name, given)


def _show(name: str, given: argparse.Namespace) -> None:
    _, peers, asked = ROWS[name]
    if name == "mnist" and not given.mnist:
        print("mnist: skipped, --mnist DIR says where its files are")
        return
    peers = tuple(peer for peer in peers if find_spec(INSTALLED.get(peer, "numpy")))
    times: dict[str, list[float]] = {peer: [] for peer in peers}
    said: dict[str, str] = {}
    for _ in range(given.rounds):
        for peer in peers:
            command = [sys.executable, "-m", "tests.benchmarks.practice", name, "--peer", peer]
            command += ["--mnist", given.mnist] if given.mnist else []
            printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            seconds, said[peer] = json.loads(printed.splitlines()[-1])
            times[peer].append(seconds)
    own = statistics.median(times["symgraph"])
    for peer in peers:
        seconds = statistics.median(times[peer])
        ratio = "" if peer == "symgraph" else f"{seconds / own:6.2f} ×   ({asked})"
        print(f"{name:9} {peer:9} {seconds:9.4f} s   {said[peer]:45} {ratio}".rstrip(), flush=True)


if __name__ == "__main__":
    main()
