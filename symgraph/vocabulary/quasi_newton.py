"""L-BFGS: the direction −H·g, where H is what the last pairs of steps s and differences of gradients y say of H⁻¹.

    y = g − before, kept with s where yᵀs > 10⁻¹⁰;  q = −g
    αᵢ = ρᵢ·sᵢᵀq,  q ← q − αᵢ·yᵢ                  from the last pair to the first;  r = h·q
    βᵢ = ρᵢ·yᵢᵀr,  r ← r + (αᵢ − βᵢ)·sᵢ           from the first to the last;  θ ← θ + lr·r

Nocedal & Wright, algorithm 7.4, by products of the pairs alone (Chen, Wang & Zhou, NIPS 2014): a pair's αᵢ and βᵢ need
SᵀY, YᵀY, Sᵀg and Yᵀg, small matrices that are sums over all parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sympy as sp

from symgraph.core.define import as_tensor
from symgraph.core.misuse import explained
from symgraph.core.provenance import at_line
from symgraph.core.reading import call_first
from symgraph.core.tensor import Tensor
from symgraph.errors import ArgumentError, DomainError
from symgraph.vocabulary.elementary import abs, minimum
from symgraph.vocabulary.functions import matmul, sum, transpose, where
from symgraph.vocabulary.joining import concatenate
from symgraph.vocabulary.products import diagonal, eye, tensordot
from symgraph.vocabulary.recurrent import scan
from symgraph.vocabulary.shapes import expand_dims
from symgraph.vocabulary.updating import COUNTER, Optimizer, Row, Schedule, Update, made

LEAST_CURVATURE = sp.Rational(1, 10**10)
"""Of a pair that is kept, as Torch has it."""


@dataclass(frozen=True, slots=True, repr=False)
class _LBFGS(Optimizer):
    pairs: int = 10

    def __repr__(self) -> str:
        return f"{Optimizer.__repr__(self)[:-1]}, history_size={self.pairs})"

    def in_group(self, group: str, gradients: Mapping[Tensor, Tensor]) -> list[Update]:
        known, found = self.shared(group)
        states = {theta: _Kept.of(theta, self.pairs) for theta in gradients}
        turns = {theta: named(g - states[theta].before, f"{theta.name}_turn") for theta, g in gradients.items()}
        curvature = total([sum(own.step * turns[theta]) for theta, own in states.items()], "curvature")
        kept = {theta: (_with(own.s, own.step, curvature), _with(own.y, turns[theta], curvature))
                for theta, own in states.items()}  # fmt: skip
        sy = total([_products(s, y) for s, y in kept.values()], "SY")
        yy = total([_products(y, y) for _, y in kept.values()], "YY")
        sg = total([_products(s, gradients[theta]) for theta, (s, _) in kept.items()], "Sg")
        yg = total([_products(y, gradients[theta]) for theta, (_, y) in kept.items()], "Yg")
        last = sy[self.pairs - 1, self.pairs - 1]
        scale = named(where(last > 0, last / yy[self.pairs - 1, self.pairs - 1], 1), "scale")
        alpha, weight = _two_loops(sy, yy, sg, yg, scale, self.pairs)
        size = total([sum(abs(g)) for g in gradients.values()], "size")
        rate = named(where(sp.Eq(known["k"], 1), minimum(1, 1 / size), 1) * known["lr"], "rate")
        for theta, g in gradients.items():
            (s, y), own = kept[theta], states[theta]
            along = tensordot(weight, s, 1) - scale * (g + tensordot(alpha, y, 1))
            step = named(rate * along, f"{theta.name}_move")
            found += [Update(own.s, s, 0.0), Update(own.y, y, 0.0), Update(own.before, g, 0.0)]
            found += [Update(own.step, step, 0.0), Update(theta, as_tensor(theta + step), None)]
        return found


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is kept of a parameter: pairs, the step before this one, and the gradient there."""

    s: Tensor
    y: Tensor
    step: Tensor
    before: Tensor

    @staticmethod
    def of(theta: Tensor, pairs: int) -> _Kept:
        def leaf(name: str, *more: int) -> Tensor:
            return Tensor.leaf("state", f"{theta.name}.{name}", (*map(sp.Integer, more), *theta.shape))

        return _Kept(leaf("s", pairs), leaf("y", pairs), leaf("step"), leaf("before"))


def total(parts: list[Tensor], name: str) -> Tensor:
    """The sum over all parameters, with a name."""
    found = parts[0]
    for part in parts[1:]:
        found = found + part
    return named(found, name)


def named(value: Any, name: str) -> Tensor:
    """The value, which is printed under a name."""
    found = as_tensor(value)
    call_first(found, name)
    return found


def _products(vectors: Tensor, others: Tensor) -> Tensor:
    """Inner products of vectors[i, …] with others[j, …], or with one other."""
    own = range(1, vectors.ndim)
    return tensordot(vectors, others, (list(own), list(range(others.ndim - len(own), others.ndim))))


def _with(old: Tensor, new: Tensor, curvature: Tensor) -> Tensor:
    """Pairs of before, moved on by one with a new one at the end; or as they were, where the new one has no part."""
    moved = concatenate([old[1:], expand_dims(new, 0)], 0)
    return as_tensor(where(curvature > LEAST_CURVATURE, moved, old))


def _two_loops(sy: Tensor, yy: Tensor, sg: Tensor, yg: Tensor, scale: Tensor, pairs: int) -> tuple[Tensor, Tensor]:
    """α, and α − β; of pairs that are not there, 0. The direction is −scale·(g + Σ αᵢ·yᵢ) + Σ (αᵢ − βᵢ)·sᵢ."""
    own = diagonal(sy)
    rho = named(where(own > 0, 1 / own, 0), "rho")
    units, none = eye(pairs), 0 * sg

    def back(alpha: Tensor, given: tuple[Tensor, ...]) -> tuple[Tensor, None]:
        row, along, inverse, unit = given
        return alpha - inverse * (along + sum(row * alpha)) * unit, None

    alpha, _ = scan(back, none, (sy, sg, rho, units), reverse=True)
    alpha, across = named(alpha, "alpha"), yg + matmul(yy, alpha)

    def forth(weight: Tensor, given: tuple[Tensor, ...]) -> tuple[Tensor, None]:
        column, slope, first, inverse, unit = given
        return weight + (first - inverse * (sum(column * weight) - scale * slope)) * unit, None

    weight, _ = scan(forth, none, (transpose(sy), across, alpha, rho, units))
    return alpha, named(weight, "weight")


@explained
def LBFGS(
    lr: float | Schedule = 1.0, history_size: int = 10, line_search_fn: str | None = None
) -> Optimizer:  # fmt: skip
    """Limited-memory BFGS (Liu & Nocedal 1989) for batches of all rows: a step is one of Torch's iterations.

    The step is lr times the direction, the first at most lr/‖g‖₁ times. ``history_size`` pairs are kept, where Torch
    keeps 100. Without a line search, as is Torch's default, and without its tolerances: an end is a callback's.

    Raises
    ------
    ArgumentError
        for a line search, which evaluates the loss several times a step.
    """
    if line_search_fn is not None:
        raise ArgumentError(
            at_line(f"LBFGS: a line search, {line_search_fn!r}, evaluates the loss several times a step; minimise all "
                    "rows at once with scipy.optimize: minimize(p.fun, x0, jac=p.jac, method='L-BFGS-B') of "
                    "p = sg.scipy(loss, data)")
        )  # fmt: skip
    if isinstance(history_size, bool) or not isinstance(history_size, int) or history_size < 1:
        raise DomainError(at_line(f"LBFGS: history_size must be an integer, at least 1, not {history_size!r}"))
    given = made("LBFGS", [Row("theta", lambda lr: lr)], lr=lr).given
    return _LBFGS("LBFGS", (COUNTER,), given, history_size)
