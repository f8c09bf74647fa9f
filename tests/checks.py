"""The gradient checker: derivatives against differences of values along random directions, to second order.

    ⟨∇J, v⟩ = dJ(θ + h·v)/dh        ⟨H·v, w⟩ = d⟨∇J(θ + h·v), w⟩/dh        ⟨H·v, w⟩ = ⟨v, H·w⟩

Values are computed in 50 digits, so that a central difference is right to about 20 of them and no tolerance hides a
mistake. The values must not lie at a corner of the loss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import mpmath
import numpy as np

import symgraph as sg
from symgraph.core.tensor import Tensor
from symgraph.reference import evaluate

DIGITS = 50
STEP = mpmath.mpf(10) ** -12
TOLERANCE = mpmath.mpf(10) ** -15
DIRECTIONS = 2


class GradientError(AssertionError):
    """A derivative differs from what differences of values say."""


def check_gradient(
    loss: Tensor,
    wrt: Sequence[Tensor],
    values: Mapping[str, Any],
    order: int = 2,
    sizes: Mapping[str, int] | None = None,
    seed: int = 0,
) -> None:
    """Check ``sg.grad`` of a scalar loss, and for ``order=2`` ``sg.hvp``, at ``values``.

    Parameters
    ----------
    loss : scalar.
    wrt : leaves with real values.
    values : arrays of all leaves, by name.
    order : 1 for gradients, 2 for Hessian-vector products too.
    sizes : sizes that no leaf tells.
    seed : of the random directions.

    Raises
    ------
    GradientError
        with the leaf and both numbers.
    """  # fmt: skip
    generator = np.random.default_rng(seed)
    gradients = sg.grad(loss, list(wrt), disconnected="zero")
    with mpmath.workdps(DIGITS):
        for leaf in wrt:
            name, shape = str(leaf.name), np.shape(values[str(leaf.name)])
            for _ in range(DIRECTIONS):
                direction = generator.normal(size=shape)
                slope = _inner(_at(gradients[leaf], values, sizes), direction)
                _compare(f"dJ/d{name}", slope, _difference(loss, values, name, direction, sizes))
        if order >= 2:
            for leaf in wrt:
                _check_curvature(loss, leaf, gradients[leaf], values, sizes, generator)


def _check_curvature(
    loss: Tensor, leaf: Tensor, gradient: Tensor, values: Mapping[str, Any], sizes: Any, generator: np.random.Generator
) -> None:
    name, shape = str(leaf.name), np.shape(values[str(leaf.name)])
    vector = sg.input("direction", leaf.shape)
    product = sg.hvp(loss, leaf, vector)
    v, w = generator.normal(size=shape), generator.normal(size=shape)
    along_v, along_w = (_at(product, {**values, "direction": d}, sizes) for d in (v, w))
    _compare(f"d²J/d{name}²", _inner(along_v, w), _inner(_difference(gradient, values, name, v, sizes), w))
    _compare(f"the symmetry of d²J/d{name}²", _inner(along_v, w), _inner(along_w, v))


def _at(tensor: Tensor, values: Mapping[str, Any], sizes: Any) -> Any:
    return evaluate(tensor, values, dtype="mpmath", sizes=sizes)


def _difference(tensor: Tensor, values: Mapping[str, Any], name: str, direction: np.ndarray, sizes: Any) -> Any:
    """Central difference of a tensor's value along a direction of one leaf; its error is of order h²."""
    start, step = _numbers(values[name]), _numbers(direction) * STEP
    above, below = (_at(tensor, {**values, name: start + sign * step}, sizes) for sign in (1, -1))
    return (above - below) / (2 * STEP)


def _numbers(array: Any) -> np.ndarray:
    return np.asarray(np.vectorize(mpmath.mpf, otypes=[object])(array), dtype=object)


def _inner(left: Any, right: Any) -> Any:
    return mpmath.fsum(np.asarray(left * _numbers(right), dtype=object).ravel())


def _compare(what: str, symbolic: Any, numeric: Any) -> None:
    a, b = (mpmath.mpf(np.asarray(number, dtype=object).item()) for number in (symbolic, numeric))
    if not abs(a - b) <= TOLERANCE * (1 + max(abs(a), abs(b))):
        raise GradientError(f"{what}: {mpmath.nstr(a, 20)} by the formula, {mpmath.nstr(b, 20)} by differences")
