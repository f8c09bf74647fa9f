"""The numbers of a program's leaves, drawn by their profiles."""

from __future__ import annotations

import numpy as np

from tests.fuzz.programs import Leaf, Program, run_size


def data_of(program: Program, sizes: dict[str, int] | None = None) -> dict[str, np.ndarray]:
    """Arrays of the leaves by name, exact in the program's dtype; ``sizes`` in place of the program's own."""
    return {leaf.name: _draw(leaf, program, sizes or program.size_of) for leaf in program.leaves}


def _draw(leaf: Leaf, program: Program, sizes: dict[str, int]) -> np.ndarray:
    generator = np.random.default_rng([program.seed, *leaf.name.encode()])
    shape = tuple(run_size(size, sizes) for size in leaf.shape)
    if leaf.kind == "labels":
        return np.asarray(generator.integers(0, run_size(leaf.classes, sizes), size=shape))
    values = np.asarray(_numbers(leaf.profile, generator, shape, program.dtype), dtype=np.float64)
    largest = float(np.finfo(program.dtype).max) / 1e3
    return np.clip(values, -largest, largest).astype(program.dtype)


def _numbers(profile: str, generator: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    normal = generator.normal(size=shape)
    far = 30 if dtype == "float32" else 250
    match profile:
        case "simple":
            return np.round(normal * 2) / 2 + 0.25
        case "positive":
            return np.abs(normal) + 0.1
        case "ties":
            return np.round(normal)
        case "zeros":
            return np.where(generator.random(shape) < 0.5, 0.0, normal)
        case "large":
            return normal * 50
        case "small":
            return normal * 1e-3
        case "huge":
            return normal * 10.0 ** (far // 3)
        case "tiny":
            return normal * 10.0 ** -(far // 3)
        case "extreme":
            return normal * 10.0 ** generator.integers(-far, far, size=shape).astype(float)
    return normal
