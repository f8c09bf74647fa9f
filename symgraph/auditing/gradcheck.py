"""``sg.gradcheck``: derived gradients against differences of the value, without a formula in between.

    sg.gradcheck(J)                      at points of its own, in sixty digits
    sg.gradcheck(J, {"x": X, "W": W})    at yours; in float64 where the arrays are large

Along a random direction d, ⟨∂J/∂X, d⟩ is (J(X + h·d) − J(X − h·d))/2h up to h². Where the value has a kink the two
one-sided differences disagree, and nothing is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np

from symgraph.auditing.audit import _leaves_of, _total, _wanted
from symgraph.auditing.points import DIGITS, Point, is_small, points
from symgraph.core.define import as_tensor
from symgraph.core.external import procedure_of
from symgraph.core.graph import topological
from symgraph.core.misuse import explained
from symgraph.core.provenance import at_line
from symgraph.core.tensor import Tensor
from symgraph.derive.differentiate import grad
from symgraph.errors import ArgumentError
from symgraph.reference import evaluate

POINTS = 8
"""At which gradients are checked, of all sizes."""
EXACT, ROUNDED = (mpmath.mpf(10) ** -20, 1e-12), (1e-6, 1e-4)
"""Steps, and by how much a derivative may differ, in high precision and in float64. One-sided differences that are
further apart are on a kink."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found of one gradient: the largest relative difference, at so many directions, and the bound for it."""

    leaf: Tensor
    worst: float
    directions: int
    bound: float

    @property
    def good(self) -> bool:
        """Whether the derivative and the differences agree, somewhere at all."""
        return self.directions > 0 and self.worst <= self.bound

    def __str__(self) -> str:
        name = f"{self.leaf.name}: "
        if not self.directions:
            return f"{name}not checked: the value has a kink, or is not finite, at every point"
        told = "agrees" if self.good else "differs"
        return f"{name}{told}, by {self.worst:.1e} at most along {self.directions} directions (bound {self.bound:g})"


@dataclass(frozen=True)
class Gradcheck:
    """What was found of each gradient; true in a condition if all agree."""

    gradients: tuple[Checked, ...]

    def __bool__(self) -> bool:
        return all(checked.good for checked in self.gradients)

    def __str__(self) -> str:
        return "\n".join(map(str, self.gradients))

    __repr__ = __str__


@explained
def gradcheck(value: Any, values: Mapping[str, Any] | None = None, wrt: Any = None, *, seed: int = 0) -> Gradcheck:
    """Check the derived gradients of a value by differences.

    Parameters
    ----------
    value : tensor or SymPy formula; of one that is no scalar, the derivatives of Σ value·upstream are checked.
    values : arrays of all leaves by name, and of ``upstream`` where there is one; by default points of all sizes.
    wrt : the leaf or leaves, or their names; by default all that have derivatives.
    seed : where random directions and points begin.

    Raises
    ------
    ArgumentError, ShapeError
        if an array is missing or has another shape than its leaf, or ``wrt`` is no leaf.
    """
    given = as_tensor(value)
    upstream = Tensor.leaf("input", "upstream", given.shape) if given.ndim else None
    loss = _total(given, upstream)
    leaves = _leaves_of(loss)
    wanted = [leaf for leaf in _wanted(leaves, wrt) if leaf is not upstream or wrt is not None]
    slopes = grad(loss, wanted, disconnected="zero")
    every = list(points(leaves, seed)) if values is None else [_given(leaves, values)]
    where = every[:: -(-len(every) // POINTS)]
    rounds = any(procedure_of(tensor) is not None for tensor in topological([loss]))
    random = np.random.default_rng(seed)
    gaps: dict[Tensor, list[float]] = {leaf: [] for leaf in wanted}
    for point in where:
        for leaf, gap in _gaps(loss, {leaf: slopes[leaf] for leaf in wanted}, point, random, rounds).items():
            gaps[leaf] += [] if gap is None else [gap]
    bound = max((EXACT if is_small(point) and not rounds else ROUNDED)[1] for point in where)
    return Gradcheck(tuple(Checked(leaf, max(found, default=0.0), len(found), bound) for leaf, found in gaps.items()))


def _given(leaves: Sequence[Tensor], values: Mapping[str, Any]) -> Point:
    missing = [str(leaf.name) for leaf in leaves if str(leaf.name) not in values]
    if missing:
        raise ArgumentError(at_line(f"values has no {missing[0]}; needed are {', '.join(str(x.name) for x in leaves)}"))
    arrays = {str(leaf.name): np.asarray(values[str(leaf.name)]) for leaf in leaves}
    return Point({}, {name: a if a.dtype.kind in "iub" else a.astype(np.float64) for name, a in arrays.items()})


def _gaps(
    loss: Tensor, slopes: Mapping[Tensor, Tensor], point: Point, random: np.random.Generator, rounds: bool
) -> dict[Tensor, float | None]:
    """Relative differences along a direction of each leaf; None where there is nothing to compare. An external function
    ``rounds`` to float64."""
    exact = is_small(point) and not rounds
    (step, limit), mode = (EXACT, "mpmath") if exact else (ROUNDED, np.float64)
    found: dict[Tensor, float | None] = {}
    with mpmath.workdps(DIGITS), np.errstate(all="ignore"):
        here, *derived = evaluate([loss, *slopes.values()], point.values, mode, point.sizes)
        for leaf, slope in zip(slopes, derived, strict=True):
            centre = np.asarray(point.values[str(leaf.name)])
            direction = np.round(random.normal(size=centre.shape) * 1024) / 1024
            if exact:
                centre, direction = _high(centre), _high(direction)
            moved = [{**point.values, str(leaf.name): centre + shift * direction} for shift in (-step, step)]
            before, after = (evaluate([loss], values, mode, point.sizes)[0][()] for values in moved)
            left, right, along = (here[()] - before) / step, (after - here[()]) / step, np.sum(slope * direction)
            scale = abs(along) + abs(left) + abs(right) + (0 if exact else abs(here[()])) + 1e-6
            is_told = all(mpmath.isfinite(number) for number in (left, right, along))
            if is_told and abs(left - right) <= limit * scale:
                found[leaf] = float(abs((left + right) / 2 - along) / scale)
            else:
                found[leaf] = None
    return found


def _high(array: np.ndarray) -> np.ndarray:
    return np.array([mpmath.mpf(float(number)) for number in array.ravel()], object).reshape(array.shape)
