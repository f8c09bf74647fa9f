"""The domains that a user states for variables: where ``sg.accuracy`` looks, and nowhere else.

sg.accuracy(y, domain={p: (0, 1), x: (-5, oo)})        p is sampled at 0, near 0, within, near 1, and at 1
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import sympy as sp

from symgraph.core.provenance import at_line
from symgraph.core.tensor import Tensor
from symgraph.errors import ArgumentError

Interval = tuple[float, float]
EVERYWHERE: Interval = (-np.inf, np.inf)
DEEPEST = 50
"""A point may be nearer to an end by 2 to this power than the other end is."""


def domains_of(given: Mapping[Any, Any] | None) -> dict[Tensor, Interval]:
    """The stated domains, checked.

    Raises
    ------
    ArgumentError
        for what is no dict of variables, or an interval that is none.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise ArgumentError(at_line(f"domain is {given!r}; expected a dict such as {{x: (0, 1)}}"))
    return {_variable(variable): _interval(variable, ends) for variable, ends in given.items()}


def _variable(given: Any) -> Tensor:
    if isinstance(given, Tensor):
        return given
    if isinstance(given, sp.Symbol):
        return Tensor.scalar(given)
    raise ArgumentError(at_line(f"domain has {given!r}; expected the tensors or symbols that the formulas are of"))


def _interval(variable: Any, ends: Any) -> Interval:
    try:
        low, high = (float(end) for end in ends)
    except (TypeError, ValueError):
        low, high = np.nan, np.nan
    if not low <= high:
        name = getattr(variable, "name", None) or variable
        raise ArgumentError(at_line(f"the domain of {name} is {ends!r}; expected its two ends, the lower one first"))
    return low, high


def into(drawn: np.ndarray, intervals: Sequence[Interval]) -> np.ndarray:
    """Points, (variables, points), with those outside the intervals moved inside: mirrored at an end that is alone,
    else at all distances from either end."""
    moved = drawn.copy()
    count = drawn.shape[1]
    place = (np.arange(count) + 0.5) / max(count, 1)
    for row, (low, high) in enumerate(intervals):
        x = moved[row]
        outside = ~((x >= low) & (x <= high))
        if np.isfinite(low) and np.isfinite(high):
            near = np.exp2(-DEEPEST * place)
            kind = (np.arange(count) + row) % 4
            share = np.choose(kind, [np.roll(place, row), near, 1 - near, np.where(place < 0.5, 0.0, 1.0)])
            mirrored = np.clip(low + (high - low) * share, low, high)
        else:
            end = low if np.isfinite(low) else high
            mirrored = 2 * end - x
        moved[row] = np.where(outside, mirrored, x)
    return moved


def inside(points: np.ndarray, intervals: Sequence[Interval]) -> np.ndarray:
    """The points all of whose variables are in their intervals."""
    ends = np.array(intervals, np.float64).reshape(-1, 2)
    return points[:, ((points >= ends[:, :1]) & (points <= ends[:, 1:])).all(axis=0)]
