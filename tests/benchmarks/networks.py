"""The networks that every peer trains: sizes, batch, and data drawn from one seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Network:
    """Dense layers with one activation, softmax cross-entropy on labels, SGD with a fixed rate."""

    sizes: tuple[int, ...]
    batch: int
    activation: str = "relu"
    dtype: str = "float32"

    @property
    def name(self) -> str:
        return f"{'-'.join(map(str, self.sizes))} b{self.batch} {self.activation} {self.dtype}"

    @property
    def operations(self) -> int:
        """Floating-point operations of one training step: 2·m·n·k per product; no gradient of the input."""
        pairs = list(zip(self.sizes, self.sizes[1:], strict=False))
        forward = sum(2 * self.batch * m * n for m, n in pairs)
        return forward * 2 + sum(2 * self.batch * m * n for m, n in pairs[1:])

    @property
    def batches(self) -> int:
        """How many batches an epoch has: more for small networks, so that its start does not count."""
        return 5000 if self.operations < 10**6 else 50 if self.operations < 10**8 else 10

    def parameters(self) -> dict[str, np.ndarray]:
        generator = np.random.default_rng(0)
        found: dict[str, np.ndarray] = {}
        for k, (m, n) in enumerate(zip(self.sizes, self.sizes[1:], strict=False), 1):
            found[f"W{k}"] = (generator.normal(size=(m, n)) / np.sqrt(m)).astype(self.dtype)
            found[f"b{k}"] = np.zeros(n, self.dtype)
        return found

    def data(self, batches: int = 1) -> tuple[np.ndarray, np.ndarray]:
        generator = np.random.default_rng(1)
        x = generator.normal(size=(batches * self.batch, self.sizes[0])).astype(self.dtype)
        return x, generator.integers(0, self.sizes[-1], batches * self.batch)


NETWORKS = (
    Network((13, 16, 4), 16),
    Network((64, 32, 10), 32),
    Network((784, 50, 10), 100),
    Network((784, 512, 10), 128),
    Network((1024, 1024, 1024), 256),
)
RATE = 0.01
EPOCHS = 4
"""Epochs of a run in a native loop."""
