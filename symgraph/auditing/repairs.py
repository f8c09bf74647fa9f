"""What would make a wrong derivative right: a sign, a factor, a transposition, a Σ, a term.

Each row is a way to change the claimed arrays; the first that gives the derived ones at every point is the repair.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from functools import partial
from itertools import combinations

import mpmath
import numpy as np
import sympy as sp

from symgraph.auditing.claims import values_of
from symgraph.auditing.points import Point
from symgraph.core.graph import elements_of
from symgraph.core.tensor import Definition, Tensor
from symgraph.core.views import inlined

Sample = tuple[Point, np.ndarray, np.ndarray]
"""A point, the derived derivative, and the claimed one."""
Same = Callable[[np.ndarray, np.ndarray], bool]
MOST_TERMS = 6
TINY = 1e-9
"""Claimed numbers below this tell no factor."""
LARGEST_PART = 1000
"""The largest numerator or denominator of a factor that is told."""


def repair_of(true: Tensor, samples: Sequence[Sample], same: Same) -> str | None:
    """In words what the claimed derivative needs to be the derived one; None if no row does it."""

    def mends(changed: Iterable[np.ndarray]) -> bool:
        pairs = zip(samples, changed, strict=True)
        return all(same(derived, np.asarray(new, object)) for (_, derived, _), new in pairs)

    claimed = [given for _, _, given in samples]
    for text, change in _reshapings(true.ndim, claimed[0].ndim):
        if mends(map(change, claimed)):
            return text
    sizes = sorted({name for point, _, _ in samples for name in point.sizes})
    for name, power in [("", 0), *((name, power) for name in sizes for power in (-1, 1))]:
        by_size = [mpmath.mpf(point.sizes[name] if name else 1) ** power for point, _, _ in samples]
        scaled = [np.asarray(given * size, object) for given, size in zip(claimed, by_size, strict=True)]
        factor = _factor([derived for _, derived, _ in samples], scaled)
        if factor is not None and mends(array * factor.numerator / factor.denominator for array in scaled):
            if factor == -1 and not name:
                return "its sign is wrong"
            return f"it lacks the factor {_written(factor, name, power)}"
    return _missing_terms(true, samples, same)


def _written(factor: Fraction, name: str, power: int) -> str:
    """A number times a power of a size: 2, N/3, 1/(3·N)."""
    above, below = str(factor.numerator), str(factor.denominator)
    if name and power > 0:
        above = name if above == "1" else f"{above}·{name}"
    elif name:
        below = name if below == "1" else f"({below}·{name})"
    return above if below == "1" else f"{above}/{below}"


def _reshapings(rank: int, claimed_rank: int) -> Iterator[tuple[str, Callable[[np.ndarray], np.ndarray]]]:
    """Transpositions, and sums over axes that the claimed derivative has too many, or has repeated."""
    if rank == claimed_rank == 2:
        yield "it is transposed", np.transpose
    for count in range(1, claimed_rank + 1):
        for axes in combinations(range(claimed_rank), count):
            named = f"axis {axes[0]}" if count == 1 else f"axes {', '.join(map(str, axes))}"
            if claimed_rank - count == rank:
                yield f"it lacks a Σ over its {named}", partial(np.sum, axis=axes)
            if claimed_rank == rank:
                yield f"it lacks a Σ over {named}", partial(_summed, axes=axes)


def _summed(array: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    return np.broadcast_to(array.sum(axis=axes, keepdims=True), array.shape)


def _factor(derived: Sequence[np.ndarray], claimed: Sequence[np.ndarray]) -> Fraction | None:
    """The one number by which the derived derivative is the claimed one everywhere."""
    ratios: list[float] = []
    for one, other in zip(derived, claimed, strict=True):
        if one.shape != other.shape:
            return None
        pairs = zip(one.ravel(), np.asarray(other).ravel(), strict=True)
        ratios += [float(mpmath.re(a / b)) for a, b in pairs if mpmath.isfinite(b) and abs(b) > TINY]
    if not ratios or not np.isfinite(ratios).all() or np.ptp(ratios) > 1e-6 * abs(ratios[0]):
        return None
    found = Fraction(ratios[0]).limit_denominator(LARGEST_PART)
    near = abs(float(found) - ratios[0]) <= 1e-6 * abs(ratios[0])
    return found if near and found and abs(found.numerator) <= LARGEST_PART else None


def _missing_terms(true: Tensor, samples: Sequence[Sample], same: Same) -> str | None:
    """The terms of the derived formula that the claimed one has not, or has with the other sign."""
    terms = terms_of(true)
    if not 2 <= len(terms) <= MOST_TERMS:
        return None
    by_term = {term: term for term in terms}
    values = [values_of(by_term, point) for point, _, _ in samples]
    for count in range(1, len(terms)):
        for chosen in combinations(terms, count):
            for times, text in ((1, "it lacks"), (2, "it has the wrong sign in")):
                pairs = [
                    (derived, np.asarray(claimed + times * sum((v[term] for term in chosen), np.zeros(())), object))
                    for (_, derived, claimed), v in zip(samples, values, strict=True)
                    if derived.shape == claimed.shape
                ]
                if len(pairs) == len(samples) and all(same(derived, new) for derived, new in pairs):
                    return f"{text} {' and '.join(told(term) for term in chosen)}"
    return None


def terms_of(tensor: Tensor) -> list[Tensor]:
    """The terms of a pointwise formula, multiplied out, each as a definition."""
    definition = tensor.definition
    if definition is None or definition.op is not None:
        return [tensor]
    body = definition.body
    for _ in range(2):
        terms = sp.Add.make_args(sp.expand_mul(body))
        if len(terms) > 1:
            return [Tensor.define(tensor.shape, term) for term in sorted(terms, key=sp.default_sort_key)]
        body = opened(body)
    return [tensor]


def opened(body: sp.Expr) -> sp.Expr:
    """The body with the formulas of the pointwise values that it reads."""
    rule: dict[sp.Basic, sp.Basic] = {}
    for element in elements_of(body):
        definition: Definition | None = element.tensor.definition
        if definition is not None and definition.op is None:
            rule[element] = inlined(element)
    return body.xreplace(rule)


def told(term: Tensor) -> str:
    """A formula without what stands before it."""
    text = str(term)
    return text.split("↦", 1)[1].strip() if "↦" in text else text
