"""Optimisers around optimisers: averages of weights, slow weights behind fast ones, gradients from a worse place.

    average_weights(SGD(0.1), 0.999)      A ← 0.999·A + 0.001·θ             beside the weights, which it leaves alone
    lookahead(Adam(), k=5)                φ ← φ + ½·(θ − φ), θ ← φ          at every fifth step
    sam(SGD(0.1), rho=0.05)               g = ∇J(θ + ρ·∇J/‖∇J‖)             takes the place of ∇J

Each is formulas over states and the number of the step, which ``explain`` prints and which run inside the step. They
may stand in each other: what is inside is done first, and what changes gradients works on those that it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import sympy as sp

from symgraph.core.define import as_tensor
from symgraph.core.graph import substitute
from symgraph.core.misuse import explained
from symgraph.core.provenance import at_line
from symgraph.core.reading import call_first
from symgraph.core.tensor import Tensor
from symgraph.errors import DomainError
from symgraph.vocabulary.functions import sum, where
from symgraph.vocabulary.ranges import checked_number, hyper_symbol
from symgraph.vocabulary.updating import Optimizer, Update, changed, checked_optimizer

Follow = Callable[[Update], list[Update]]


@dataclass(frozen=True, slots=True, repr=False)
class _Following(Optimizer):
    """An optimiser whose weights something follows: ``following(group)`` are updates for all of its parameters, and a
    function from a parameter's own update to those that take its place."""

    inner: Optimizer = field(default_factory=lambda: Optimizer("none"))
    following: Callable[[str], tuple[list[Update], Follow]] = lambda group: ([], lambda update: [update])
    shown: str = ""

    def __repr__(self) -> str:
        return f"{self.shown.format(inner=self.inner)}"

    def scalars(self, group: str) -> dict[str, float]:
        return Optimizer.scalars(self, group) | self.inner.scalars(group)

    def in_group(self, group: str, gradients: Mapping[Tensor, Tensor]) -> list[Update]:
        found, follow = self.following(group)
        for update in self.inner.in_group(group, gradients):
            found += follow(update) if update.leaf in gradients else [update]
        names = [str(update.leaf.name) for update in found]
        if twice := [name for name in names if names.count(name) > 1]:
            raise DomainError(at_line(f"{self!r} keeps {twice[0]} twice: write each wrapper once"))
        return found


def _counter(group: str, name: str) -> Tensor:
    """A state that counts for all parameters of a group."""
    return Tensor.leaf("state", f"{group or 'optimizer'}.{name}", ())


def _whole(what: str, value: Any, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise DomainError(at_line(f"{what} must be an integer, at least {least}, not {value!r}"))
    return value


@explained
def average_weights(optimizer: Optimizer, decay: float | None = None, *, start: int = 0, every: int = 1) -> Optimizer:
    """An average A of the weights θ that an optimiser goes through, beside them: their path zigzags around the best.

        n ← n + 1;   A ← A + (θ − A)/n           stochastic weight averaging (Izmailov et al., arXiv 1803.05407)
        A ← decay·A + (1 − decay)·θ              with a decay: the last 1/(1 − decay) steps count most, a moving average
                                                 as of the mean teacher (Tarvainen & Valpola, arXiv 1703.01780)

    The first that is averaged is taken as it is, and until then A is θ, so that there is no bias to be corrected. These
    are ``torch.optim.swa_utils.AveragedModel`` and its ``get_ema_avg_fn``, called after the steps named below.

    Parameters
    ----------
    optimizer : what moves θ; the average changes nothing of it.
    decay : from 0 up to 1, a number ``step.hyper["average_decay"]`` that may be changed; None for the equal mean.
    start, every : the steps after which θ is averaged: start + every, start + 2·every, … counted from 1.

    Returns
    -------
    An optimiser. The averages of a step are its states ``step.state["W.average"]``, of the shape and dtype of W:
    ``predict(X, **{name: step.state[f"{name}.average"] for name in params})``. Parameters in a frozen group have none.
    Batch norm's running values belong to θ: where there are any, let some batches pass to estimate them anew.

    Raises
    ------
    DomainError
        for a decay outside [0, 1), for a start below 0, and unless every is an integer of at least 1.
    """
    inner = checked_optimizer("average_weights", optimizer)
    _whole("average_weights: start", start, 0)
    _whole("average_weights: every", every, 1)
    given: dict[str, Any] = {}
    if decay is not None:
        given["average_decay"] = checked_number("average_weights: decay", hyper_symbol("average_decay"), decay)

    def following(group: str) -> tuple[list[Update], Follow]:
        taken, steps, due = _counter(group, "averaged"), _counter(group, "step"), None
        found = [Update(taken, as_tensor(taken + 1), 0.0)]
        if start or every > 1:
            after = steps + 1
            due = (after > start) & sp.Eq((after - start) % every, 0)
            found = [Update(taken, as_tensor(where(due, taken + 1, taken)), 0.0), Update(steps, as_tensor(after), 0.0)]
        rate = Tensor.scalar(hyper_symbol("average_decay", group))

        def follow(update: Update) -> list[Update]:
            theta = update.value
            call_first(theta, f"{update.leaf.name}_new")
            held = Tensor.leaf("state", f"{update.leaf.name}.average", update.leaf.shape)
            mixed = held + (theta - held) / (taken + 1) if decay is None else rate * held + (1 - rate) * theta
            mixed = mixed if due is None else where(due, mixed, held)
            return [update, Update(held, as_tensor(where(taken < 1, theta, mixed)), 0.0)]

        return found, follow

    told = "" if decay is None else f", {decay}"
    told += (f", start={start}" if start else "") + (f", every={every}" if every > 1 else "")
    return _Following(inner.name, (), given, inner, following, f"average_weights({{inner!r}}{told})")


@explained
def lookahead(optimizer: Optimizer, k: int = 5, alpha: float = 0.5) -> Optimizer:
    """k steps forward, one step back (Zhang et al., arXiv 1907.08610): slow weights φ, before which fast ones θ run.

        θ ← what the optimiser makes of θ                        at every step
        φ ← φ + α·(θ − φ);   θ ← φ                               at every k-th

    φ begins where θ does. The fast weights explore, and their mean displacement is what counts: less variance, and a
    learning rate that matters less. The optimiser's own state goes on, as in the paper's experiments.

    Parameters
    ----------
    optimizer : what moves θ.
    k : steps from one synchronisation to the next.
    alpha : the part of the way that φ goes, from 0 up to 1: ``step.hyper["slow_step"]``.

    Raises
    ------
    DomainError
        unless k is an integer of at least 1 and alpha is in [0, 1).
    """
    inner = checked_optimizer("lookahead", optimizer)
    _whole("lookahead: k", k, 1)
    given = {"slow_step": checked_number("lookahead: alpha", hyper_symbol("slow_step"), alpha)}

    def following(group: str) -> tuple[list[Update], Follow]:
        ahead, part = _counter(group, "ahead"), Tensor.scalar(hyper_symbol("slow_step", group))
        due = sp.Eq((ahead + 1) % k, 0)

        def follow(update: Update) -> list[Update]:
            slow = Tensor.leaf("state", f"{update.leaf.name}.slow", update.leaf.shape)
            held = where(ahead < 1, update.leaf, slow)
            moved = held + part * (update.value - held)
            call_first(moved, f"{update.leaf.name}_synchronised")
            found = Update(slow, as_tensor(where(due, moved, held)), 0.0)
            return [found, Update(update.leaf, as_tensor(where(due, moved, update.value)), update.initial)]

        return [Update(ahead, as_tensor(ahead + 1), 0.0)], follow

    return _Following(inner.name, (), given, inner, following, f"lookahead({{inner!r}}, {k}, {alpha})")


@explained
def sam(optimizer: Optimizer, rho: float = 0.05, adaptive: bool = False) -> Optimizer:
    """Sharpness-aware minimisation (Foret et al., arXiv 2010.01412): gradients from the worst place nearby.

        min_θ max_{‖ε‖ ≤ ρ} J(θ + ε)      ε = ρ·∇J(θ)/(‖∇J(θ)‖ + 10⁻¹²)      g = ∇J(θ + ε)

    ε is where J grows most to first order; its own dependence on θ is left out of g. Around a flat minimum J is as
    low as in it, around a sharp one it is not. The norm is over all parameters that the optimiser is given. A step has
    two forward and two backward passes, which see the same random numbers; its loss is that at θ.

    Parameters
    ----------
    optimizer : what is done with g.
    rho : the radius, at least 0: ``step.hyper["radius"]``.
    adaptive : ε = ρ·θ²·∇J/(‖θ·∇J‖ + 10⁻¹²), a radius in proportion to each weight, so that nothing depends on how the
        weights of two layers are scaled against each other (Kwon et al., arXiv 2102.11600).

    Raises
    ------
    DomainError
        for a rho that is no number, or below 0.
    """

    def moved(gradients: Mapping[Tensor, Tensor], radius: Tensor) -> dict[Tensor, Tensor]:
        from symgraph.vocabulary.elementary import sqrt

        scaled = {theta: theta * slope if adaptive else slope for theta, slope in gradients.items()}
        squares = [sum(value**2) for value in scaled.values()]
        total = squares[0]
        for square in squares[1:]:
            total = total + square
        size = sqrt(total)
        call_first(size, "norm_g")
        reach = radius / (size + sp.Rational(1, 10**12))
        call_first(reach, "reach")
        worst: dict[Tensor, Any] = {}
        for theta, slope in gradients.items():
            worst[theta] = theta + reach * (theta**2 * slope if adaptive else slope)
            call_first(worst[theta], f"{theta.name}_worst")
        return {theta: substitute(slope, worst) for theta, slope in gradients.items()}

    return changed("sam", optimizer, "radius", rho, moved)
