"""The main job: declare a network for scikit-learn's digits, read its gradients, train it, see how well it does.

python examples/digits.py [--epochs 30] [--seed 0] [--out digits.png]
"""

import argparse
import sys
import time

import matplotlib
import numpy as np
import sympy as sp
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from tqdm import tqdm

import codegen
import symgraph as sg

matplotlib.use("Agg")
from matplotlib import pyplot as plt


def declare():
    """The cost J = L + λΩ(θ) of a 64-32-10 network, its input, its scores and its parameters."""
    N = sg.dim("N")
    x = sg.input("x", (N, 64))
    t = sg.labels("t", (N,), classes=10)
    W1 = sg.parameter("W1", (64, 32), init=sg.init.kaiming_normal())
    b1 = sg.parameter("b1", (32,))
    W2 = sg.parameter("W2", (32, 10), init=sg.init.normal(0.01))
    b2 = sg.parameter("b2", (10,))
    h = sg.sigmoid(x @ W1 + b1)
    z = h @ W2 + b2
    J = sg.cross_entropy(z, t) + sp.Rational(1, 10**4) / 2 * (sg.sum(W1**2) + sg.sum(W2**2))
    return J, x, z, [W1, b1, W2, b2]


def load(seed):
    """Images as rows of 64 grey values in [0, 1], and digits: (train, test), four fifths and one fifth."""
    images, digits = load_digits(return_X_y=True)
    images = (images / 16).astype(np.float32)
    X, X_test, T, T_test = train_test_split(images, digits, test_size=0.2, random_state=seed, stratify=digits)
    return (X, T), (X_test, T_test)


def train(epochs=30, seed=0, show=True):
    """Train; returns the parameters, the history of losses, and the test accuracy after every epoch."""
    J, x, z, parameters = declare()
    (X, T), (X_test, T_test) = load(seed)
    optimizer = sg.SGD(lr=0.1, momentum=0.9)
    if show:
        print(sg.explain(J, optimizer), "\n")
    started = time.perf_counter()
    step = codegen.train_step(J, optimizer, dtype="float32")
    scores = codegen.function([x, *parameters], z)
    params = step.init(seed=seed)

    def accuracy(params):
        return float(np.mean(scores(X_test, **params).argmax(axis=1) == T_test))

    accuracy(params)
    step(step.init(seed), x=X, t=T)  # compiled at the first use: here, on other parameters, not inside the progress bar
    step.reset()
    if show:
        print(f"derived and compiled in {time.perf_counter() - started:.2f} s", flush=True)

    with tqdm(total=epochs, unit="epoch", disable=not show) as bar:

        def progress(epoch, history):
            bar.set_postfix(loss=f"{history.loss[-1]:.4f}", test=f"{history.validation[-1]:.4f}", refresh=False)
            bar.update()

        history = step.fit(
            params, {"x": X, "t": T}, epochs=epochs, batch_size=32, seed=seed,
            validation=accuracy, callback=progress, progress=False,
        )  # fmt: skip
    return params, history, history.validation


def draw(history, path):
    """Loss and accuracy over the epochs, as a picture."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    epochs = range(1, len(history.loss) + 1)
    left.plot(epochs, history.loss)
    left.set(xlabel="epoch", ylabel="cost J", yscale="log", title="training cost")
    right.plot(epochs, history.validation, color="tab:green")
    right.set(xlabel="epoch", ylabel="accuracy", ylim=(min(0.8, *history.validation), 1), title="test accuracy")
    right.axhline(0.96, color="grey", linewidth=0.8, linestyle="--")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=30, help="passes through the training images (30)")
    parser.add_argument("--seed", type=int, default=0, help="of the split, the first weights and the batches (0)")
    parser.add_argument("--out", default="digits.png", help="where the picture goes (digits.png)")
    chosen = parser.parse_args(arguments)
    if chosen.epochs < 1:
        parser.error("--epochs must be at least 1")
    if chosen.seed < 0:
        parser.error("--seed must be at least 0")

    _, history, accuracies = train(chosen.epochs, chosen.seed)
    if not accuracies:
        sys.exit("interrupted before the first epoch ended")
    draw(history, chosen.out)
    print(f"test accuracy {accuracies[-1]:.4f} after {len(accuracies)} epochs, {history.steps} steps")
    print(f"picture: {chosen.out}")
    return accuracies[-1]


if __name__ == "__main__":
    main()
