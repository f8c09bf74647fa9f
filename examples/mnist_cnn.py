"""A convolutional network on MNIST: 0.985 of the test images after one epoch, and its time against PyTorch's.

    python examples/mnist_cnn.py --data DIR [--pytorch]

16c5-p-32c5-p-128-10: two convolutions of 5 × 5, each with ReLU and the largest of 2 × 2, and two linear layers; Adam
with a rate that falls from 0.003 to 0 as half a cosine, batches of 50. DIR holds the four IDX files, as for
``mnist.py``. With ``--pytorch`` PyTorch trains the same network too, where it is installed, on as many threads.
"""

import argparse
import importlib.util
import sys
import time
from pathlib import Path

import numpy as np
from mnist import IdxError, load

import codegen
import symgraph as sg
from codegen.host.placement import threads_available

RATE = 0.003


def declare():
    """The network's cost, input, scores and parameters."""
    x = sg.input("x", (sg.dim("N"), 1, 28, 28))
    t = sg.labels("t", (x.shape[0],), classes=10)
    net = sg.nn.Sequential(
        sg.nn.Conv2d(1, 16, 5, name="c1"), sg.nn.ReLU(), sg.nn.MaxPool2d(2),
        sg.nn.Conv2d(16, 32, 5, name="c2"), sg.nn.ReLU(), sg.nn.MaxPool2d(2), sg.nn.Flatten(),
        sg.nn.Linear(512, 128, name="f1"), sg.nn.ReLU(), sg.nn.Linear(128, 10, name="f2"),
    )  # fmt: skip
    z = net(x)
    return sg.cross_entropy(z, t), x, z, net.parameters()


def train(data, test, batch_size=50, seed=0):
    """One epoch; returns the part of the test images that is told right, and the seconds of training alone."""
    J, x, z, parameters = declare()
    images, labels = data
    rate = sg.schedules.CosineAnnealingLR(RATE, T_max=-(-len(images) // batch_size))
    step = codegen.train_step(J, sg.Adam(lr=rate), dtype="float32")
    scores = codegen.function([x, *parameters], z)
    params = step.init(seed)
    step(step.init(seed), x=images[:1], t=labels[:1])  # compiled at the first use: here, and before the clock starts
    step.reset()
    started = time.perf_counter()
    step.fit(params, {"x": images, "t": labels}, epochs=1, batch_size=batch_size, seed=seed, progress=False)
    seconds = time.perf_counter() - started
    images, labels = test
    return float(np.mean(scores(images, **params).argmax(axis=1) == labels)), seconds


def train_with_pytorch(data, test, batch_size=50, seed=0):
    """The same epoch by PyTorch."""
    import torch
    from torch import nn

    torch.manual_seed(seed)
    torch.set_num_threads(threads_available())
    net = nn.Sequential(
        nn.Conv2d(1, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(512, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip
    images, labels = map(torch.from_numpy, data)
    optimizer = torch.optim.Adam(net.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=-(-len(images) // batch_size))
    started = time.perf_counter()
    for chosen in torch.randperm(len(images)).split(batch_size):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(images[chosen]), labels[chosen]).backward()
        optimizer.step()
        schedule.step()
    seconds = time.perf_counter() - started
    with torch.no_grad():
        right = net(torch.from_numpy(test[0])).argmax(dim=1).numpy() == test[1]
    return float(np.mean(right)), seconds


def pictures(folder, part):
    """Images of ``part`` "train" or "t10k" as (N, 1, 28, 28), and labels."""
    rows, labels = load(folder, part)
    if rows.shape[1] != 784:
        raise IdxError(f"{folder}: images of {rows.shape[1]} pixels; expected 28 × 28 = 784")
    return rows.reshape(-1, 1, 28, 28), labels


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, type=Path, metavar="DIR", help="folder with the four IDX files")
    parser.add_argument("--pytorch", action="store_true", help="train the same network by PyTorch too")
    chosen = parser.parse_args(arguments)
    if chosen.pytorch and importlib.util.find_spec("torch") is None:
        parser.error("PyTorch is not installed (pip install torch)")
    try:
        data, test = pictures(chosen.data, "train"), pictures(chosen.data, "t10k")
    except IdxError as error:
        sys.exit(f"mnist_cnn.py: {error}")
    accuracy, seconds = train(data, test)
    print(f"one epoch: accuracy {accuracy:.4f} on the test images, {seconds:.2f} s")
    if chosen.pytorch:
        theirs, theirs_seconds = train_with_pytorch(data, test)
        print(f"PyTorch:   accuracy {theirs:.4f} on the test images, {theirs_seconds:.2f} s")
        print(f"{theirs_seconds / seconds:.1f} times as long")
    return accuracy


if __name__ == "__main__":
    main()
