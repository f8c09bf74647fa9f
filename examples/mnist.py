"""MNIST as in the textbook: 784-50-10 with ReLU, batches of 100, learning rate 0.1, 10,000 steps, weights 0.01·N(0, 1).

    python examples/mnist.py --data DIR

DIR holds the four IDX files of LeCun, Cortes and Burges, gzip'd or not: ``train-images-idx3-ubyte``,
``train-labels-idx1-ubyte``, ``t10k-images-idx3-ubyte``, ``t10k-labels-idx1-ubyte``; names may also end in ``.gz``
or have a dot for the second hyphen.
"""

import argparse
import gzip
import math
import sys
import time
import zlib
from pathlib import Path

import numpy as np

import codegen
import symgraph as sg

UNSIGNED_BYTE = 0x08
MAX_BYTES = 1 << 31  # no file is read further than this, whatever its header says


class IdxError(ValueError):
    """A file that is not what it should be; the message names the file and says what was found."""


def read_idx(path, ndim):
    """The array of unsigned bytes in an IDX file, gzip'd or not.

    The format: two zero bytes, the code of the data type, the number of axes; each axis' size as a big-endian 32-bit
    integer; then the elements in row-major order, and nothing else.

    Raises
    ------
    IdxError
        if the file is damaged, is no IDX file, or does not hold unsigned bytes with ``ndim`` axes.
    """
    path = Path(path)
    try:
        with open(path, "rb") as raw:
            zipped = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            with gzip.open(raw) if zipped else raw as file:
                return _read(path, file, ndim)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise IdxError(f"{path}: damaged gzip data ({error})") from error
    except OSError as error:
        raise IdxError(f"{path}: cannot be read ({error.strerror or error})") from error


def _read(path, file, ndim):
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0":
        begins = magic.hex(" ") or "nothing"
        raise IdxError(f"{path}: not an IDX file: it begins with {begins}, expected 00 00 08 {ndim:02x}")
    if magic[2] != UNSIGNED_BYTE:
        raise IdxError(f"{path}: data type 0x{magic[2]:02x}; expected 0x08, unsigned bytes")
    if magic[3] != ndim:
        raise IdxError(f"{path}: {magic[3]} axes; expected {ndim}")
    header = file.read(4 * ndim)
    if len(header) < 4 * ndim:
        raise IdxError(f"{path}: the header ends after {4 + len(header)} bytes of {4 + 4 * ndim}")
    shape = tuple(int(size) for size in np.frombuffer(header, dtype=">u4"))
    expected = math.prod(shape)
    if not 0 < expected <= MAX_BYTES:
        raise IdxError(f"{path}: a shape of {shape} is empty or too large")
    data = file.read(expected)
    if len(data) < expected:
        raise IdxError(f"{path}: {len(data)} bytes of data; the shape {shape} needs {expected}")
    if file.read(1):
        raise IdxError(f"{path}: more data than the shape {shape} has elements")
    return np.frombuffer(data, dtype=np.uint8).reshape(shape)


def find(folder, part, content):
    """The file with the ``content`` ("images-idx3" or "labels-idx1") of a ``part``, under one of its usual names."""
    spellings = [f"{part}-{content}-ubyte", f"{part}-{content.replace('-', '.')}-ubyte"]
    spellings += [f"{spelling}.gz" for spelling in spellings]
    for spelling in spellings:
        if (folder / spelling).is_file():
            return folder / spelling
    raise IdxError(f"{folder}: looked for {', '.join(spellings)} and found none of them")


def load(folder, part):
    """Images as rows of floats in [0, 1] and labels, of ``part`` "train" or "t10k"."""
    folder = Path(folder)
    if not folder.is_dir():
        raise IdxError(f"{folder}: there is no such folder")
    image_file, label_file = find(folder, part, "images-idx3"), find(folder, part, "labels-idx1")
    images, labels = read_idx(image_file, ndim=3), read_idx(label_file, ndim=1)
    if len(images) != len(labels):
        raise IdxError(f"{image_file} has {len(images)} images, but {label_file} has {len(labels)} labels")
    if labels.max() > 9:
        raise IdxError(f"{label_file}: label {labels.max()} at {labels.argmax()}; expected 0 … 9")
    return images.reshape(len(images), -1).astype(np.float32) / 255, labels.astype(np.int64)


def declare(activation):
    """The textbook's network: its cost, input, scores and parameters."""
    N = sg.dim("N")
    x = sg.input("x", (N, 784))
    t = sg.labels("t", (N,), classes=10)
    W1 = sg.parameter("W1", (784, 50), init=sg.init.normal(0.01))
    b1 = sg.parameter("b1", (50,))
    W2 = sg.parameter("W2", (50, 10), init=sg.init.normal(0.01))
    b2 = sg.parameter("b2", (10,))
    h = activation(x @ W1 + b1)
    z = h @ W2 + b2
    J = sg.cross_entropy(z, t)
    return J, x, z, [W1, b1, W2, b2]


def train(data, test, activation=sg.relu, steps=10_000, batch_size=100, lr=0.1, seed=0, show=True):
    """Train for a number of steps; returns the parameters and the accuracies on training and test images."""
    J, x, z, parameters = declare(activation)
    step = codegen.train_step(J, sg.SGD(lr=lr), dtype="float32")
    scores = codegen.function([x, *parameters], z)
    params = step.init(seed=seed)

    def accuracy(part):
        images, labels = part
        return float(np.mean(scores(images, **params).argmax(axis=1) == labels))

    if show:
        for gradient in sg.grad(J, parameters).values():
            print(gradient)
        print(f"\nbefore training: test accuracy {accuracy(test):.4f}", flush=True)
    images, labels = data
    epochs, rest = divmod(steps, -(-len(images) // batch_size))

    def report(epoch, history):
        if show:
            print(f"epoch {epoch + 1:2}: loss {history.loss[-1]:.4f}, test accuracy {accuracy(test):.4f}", flush=True)

    step(step.init(seed), x=images[:1], t=labels[:1])  # compiled at the first use: here, and before the clock starts
    started = time.perf_counter()
    whole = {"x": images, "t": labels}
    history = step.fit(params, whole, epochs, batch_size, seed=seed, callback=report, progress=False)
    if rest and not history.stopped:  # the last steps are part of an epoch
        chosen = np.random.default_rng(seed).permutation(len(images))[: rest * batch_size]
        step.fit(params, {"x": images[chosen], "t": labels[chosen]}, 1, batch_size, seed=seed + 1, progress=False)
    seconds = time.perf_counter() - started
    if show:
        print(f"{steps} steps in {seconds:.2f} s")
    return params, accuracy(data), accuracy(test)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, type=Path, metavar="DIR", help="folder with the four IDX files")
    parser.add_argument("--activation", choices=("relu", "sigmoid"), default="relu", help="of the hidden layer (relu)")
    parser.add_argument("--steps", type=int, default=10_000, help="updates of the parameters (10,000)")
    parser.add_argument("--batch", type=int, default=100, help="images in an update (100)")
    parser.add_argument("--lr", type=float, default=0.1, help="learning rate (0.1)")
    parser.add_argument("--seed", type=int, default=0, help="of the first weights and the batches (0)")
    chosen = parser.parse_args(arguments)
    if chosen.steps < 1 or chosen.batch < 1 or chosen.seed < 0 or not chosen.lr > 0:
        parser.error("--steps, --batch and --lr must be positive, --seed at least 0")
    try:
        data, test = load(chosen.data, "train"), load(chosen.data, "t10k")
    except IdxError as error:
        sys.exit(f"mnist.py: {error}")
    if data[0].shape[1:] != (784,) or test[0].shape[1:] != (784,):
        sys.exit(f"mnist.py: images of {data[0].shape[1]} and {test[0].shape[1]} pixels; expected 28 × 28 = 784")

    activation = {"sigmoid": sg.sigmoid, "relu": sg.relu}[chosen.activation]
    _, on_train, on_test = train(data, test, activation, chosen.steps, chosen.batch, chosen.lr, chosen.seed)
    print(f"accuracy: {on_train:.4f} on the training images, {on_test:.4f} on the test images")
    return on_test


if __name__ == "__main__":
    main()
