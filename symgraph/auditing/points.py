"""Points at which two formulas are compared: sizes, and values of the leaves, from small whole numbers to any.

The first points are the simplest, so that the first that tells two formulas apart is one that a person can check.
Values are exact in every precision: small numbers, and random ones of few binary digits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import sympy as sp

from symgraph.core.indices import Dim
from symgraph.core.tensor import Tensor

DIGITS = 60
"""Decimal digits in which formulas are evaluated."""
ROUNDS = 4
"""Points of each profile of values and each choice of sizes."""
SIZES = (1, 2, 3)
MOST_EXACT = 400
"""Numbers of a point up to which formulas are evaluated in high precision."""
PROFILES = ("small", "positive", "normal", "wide")


@dataclass(frozen=True)
class Point:
    """Sizes of the free dims and arrays of the leaves by name; reals are float64 with few digits."""

    sizes: Mapping[str, int]
    values: Mapping[str, np.ndarray]


def is_small(point: Point) -> bool:
    """Whether formulas are evaluated in high precision there."""
    return sum(array.size for array in point.values.values()) <= MOST_EXACT


def points(leaves: Sequence[Tensor], seed: int) -> Iterator[Point]:
    """Points for leaves, the simplest first; the same ones for the same leaves and seed."""
    random = np.random.default_rng(seed)
    dims = sorted({dim for leaf in leaves for size in leaf.shape for dim in size.atoms(Dim)}, key=str)
    for profile in PROFILES:
        for step, size in enumerate(SIZES if dims else SIZES[:1]):
            for number in range(ROUNDS):
                # sizes that differ from each other, so that an axis is not taken for another
                sizes = {dim.name: size + (d * (step + number)) % len(SIZES) for d, dim in enumerate(dims)}
                yield Point(sizes, {str(leaf.name): _drawn(leaf, sizes, profile, random) for leaf in leaves})


def _drawn(leaf: Tensor, sizes: Mapping[str, int], profile: str, random: np.random.Generator) -> np.ndarray:
    rule = {dim: sp.Integer(sizes[dim.name]) for size in leaf.shape for dim in size.atoms(Dim)}
    shape = tuple(int(size.xreplace(rule)) for size in leaf.shape)
    if leaf.classes is not None:
        return random.integers(0, int(leaf.classes.xreplace(rule)), shape)
    match profile:
        case "small":
            drawn = random.choice([1.0, 2.0, 3.0, -1.0, -2.0, 0.5], shape)
        case "positive":
            drawn = random.uniform(0.0625, 2, shape)
        case "normal":
            drawn = random.normal(0, 1, shape)
        case _:
            drawn = random.normal(0, 6, shape)
    drawn = np.round(drawn * 1024) / 1024
    if leaf.rows_sum_to_one:
        drawn = np.abs(drawn) + 0.125
        drawn = drawn / drawn.sum(axis=-1, keepdims=True)
    return drawn
