"""Oracles for derivatives: evaluation in 50 digits, values drawn for the leaves of a program, comparison of arrays.

values = draw(leaves, seed, {"N": 3})        agree(precise(simplified, values), precise(bare, values))
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import mpmath
import numpy as np

from symgraph.core.graph import leaves
from symgraph.core.indices import Dim
from symgraph.core.tensor import Tensor
from symgraph.reference import evaluate

DIGITS = 50
CLOSE = mpmath.mpf(10) ** -35
CORNERS = (0.0, 1.0, -1.0, 0.5, 2.0)


def precise(outputs: Any, values: Mapping[str, Any], sizes: Mapping[str, int] | None = None) -> Any:
    """Values in 50 digits; what does not exist is NaN."""
    with mpmath.workdps(DIGITS):
        return evaluate(outputs, values, dtype="mpmath", sizes=sizes)


def draw(
    outputs: Iterable[Tensor],
    seed: int,
    sizes: Mapping[str, int],
    low: float = -2.0,
    high: float = 2.0,
    corners: Sequence[float] = (),
) -> dict[str, np.ndarray]:
    """Random values of every leaf under the outputs, in [low, high]; about a third of them corners if given."""
    generator = np.random.default_rng(seed)
    return {
        name: _array(tensor, generator, sizes, low, high, corners)
        for name, tensor in leaves(outputs).items()
        if tensor.value is None
    }


def _array(
    tensor: Tensor,
    generator: np.random.Generator,
    sizes: Mapping[str, int],
    low: float,
    high: float,
    corners: Sequence[float],
) -> np.ndarray:
    shape = [int(size.xreplace({Dim(name): value for name, value in sizes.items()})) for size in tensor.shape]
    if tensor.classes is not None:
        return generator.integers(0, int(tensor.classes.xreplace({Dim(n): v for n, v in sizes.items()})), shape)
    if tensor.rows_sum_to_one:
        return np.eye(shape[-1])[generator.integers(0, shape[-1], shape[:-1])]
    array = generator.uniform(low, high, shape)
    if corners:
        fitting = [corner for corner in corners if low <= corner <= high]
        return np.where(generator.random(shape) < 1 / 3, generator.choice(fitting, shape), array)
    return array


def agree(left: Any, right: Any, relative: Any = CLOSE, where_finite: bool = False) -> None:
    """Raise unless two arrays agree to ``relative``, measured against 1 and the larger one.

    With ``where_finite`` only places count at which ``right`` is finite; there ``left`` must be finite and equal.
    """
    a, b = np.asarray(left, dtype=object), np.asarray(right, dtype=object)
    assert a.shape == b.shape, f"shapes {a.shape} and {b.shape}"
    for place in np.ndindex(a.shape):
        x, y = mpmath.mpf(a[place]), mpmath.mpf(b[place])
        if where_finite and not mpmath.isfinite(y):
            continue
        same_infinity = mpmath.isinf(x) and x == y
        assert same_infinity or abs(x - y) <= relative * (1 + max(abs(x), abs(y))), f"at {place}: {x} against {y}"


def finite(array: Any) -> bool:
    """Whether every element of an array of floats or of mpmath numbers is finite."""
    return all(mpmath.isfinite(mpmath.mpf(value)) for value in np.asarray(array, dtype=object).ravel())
