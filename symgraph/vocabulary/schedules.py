"""Schedules: hyper-parameters as formulas of the number t of steps done, computed in the step itself.

    sg.SGD(lr=sg.schedules.CosineAnnealingLR(0.1, T_max=1000))       lr·(1 + cos(π·t/T_max))/2

Names and formulas are those of ``torch.optim.lr_scheduler``, with steps where it has epochs. Their numbers are in
``step.hyper`` and may be changed at any time. Any formula is a schedule: ``Schedule("mine", lambda base, t: …, 0.1)``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import sympy as sp

from symgraph.core.misuse import explained
from symgraph.core.provenance import at_line
from symgraph.errors import DomainError
from symgraph.vocabulary.elementary import cos, maximum, minimum
from symgraph.vocabulary.functions import where
from symgraph.vocabulary.updating import Schedule


def _cosine(high: Any, low: Any, part: Any) -> Any:
    """From ``high`` at part 0 to ``low`` at part 1."""
    return low + (high - low) * (1 + cos(sp.pi * part)) / 2


def _positive(name: str, **given: float) -> None:
    for key, value in given.items():
        if not value > 0:
            raise DomainError(at_line(f"{name}: {key} must be above 0, not {value!r}"))


@explained
def StepLR(lr: float, step_size: int, gamma: float = 0.1) -> Schedule:
    """lr·γ^⌊t/step_size⌋."""
    _positive("StepLR", step_size=step_size)
    numbers = {"gamma": gamma, "step_size": step_size}
    return Schedule("StepLR", lambda base, t, gamma, step_size: base * gamma ** (t // step_size), lr, numbers)


@explained
def MultiStepLR(lr: float, milestones: Sequence[int], gamma: float = 0.1) -> Schedule:
    """lr·γ^(number of milestones reached)."""

    def formula(base: Any, t: Any, gamma: Any) -> Any:
        for milestone in milestones:
            base = where(t >= milestone, base * gamma, base)
        return base

    return Schedule("MultiStepLR", formula, lr, {"gamma": gamma})


@explained
def ExponentialLR(lr: float, gamma: float) -> Schedule:
    """lr·γᵗ."""
    return Schedule("ExponentialLR", lambda base, t, gamma: base * gamma**t, lr, {"gamma": gamma})


@explained
def ConstantLR(lr: float, factor: float = 1 / 3, total_iters: int = 5) -> Schedule:
    """lr·factor for ``total_iters`` steps, then lr."""
    return Schedule("ConstantLR", lambda base, t, factor, total_iters: where(t < total_iters, base * factor, base), lr,
                    {"factor": factor, "total_iters": total_iters})  # fmt: skip


@explained
def LinearLR(lr: float, start_factor: float = 1 / 3, end_factor: float = 1.0, total_iters: int = 5) -> Schedule:
    """lr times a factor that goes from one to the other along a line: a warm-up."""
    _positive("LinearLR", total_iters=total_iters)

    def formula(base: Any, t: Any, start_factor: Any, end_factor: Any, total_iters: Any) -> Any:
        return base * (start_factor + (end_factor - start_factor) * minimum(t / total_iters, 1))

    numbers = {"start_factor": start_factor, "end_factor": end_factor, "total_iters": total_iters}
    return Schedule("LinearLR", formula, lr, numbers)


@explained
def PolynomialLR(lr: float, total_iters: int = 5, power: float = 1.0) -> Schedule:
    """lr·(1 − t/total_iters)^power, 0 after that."""
    _positive("PolynomialLR", total_iters=total_iters)

    def formula(base: Any, t: Any, total_iters: Any, power: Any) -> Any:
        return base * maximum(1 - t / total_iters, 0) ** power

    return Schedule("PolynomialLR", formula, lr, {"total_iters": total_iters, "power": power})


@explained
def CosineAnnealingLR(lr: float, T_max: int, eta_min: float = 0.0) -> Schedule:
    """eta_min + (lr − eta_min)(1 + cos(π·t/T_max))/2 (Loshchilov & Hutter, arXiv 1608.03983)."""
    _positive("CosineAnnealingLR", T_max=T_max)
    return Schedule("CosineAnnealingLR", lambda base, t, T_max, eta_min: _cosine(base, eta_min, t / T_max), lr,
                    {"T_max": T_max, "eta_min": eta_min})  # fmt: skip


@explained
def CosineAnnealingWarmRestarts(lr: float, T_0: int, eta_min: float = 0.0) -> Schedule:
    """The cosine from the start again every T_0 steps."""
    _positive("CosineAnnealingWarmRestarts", T_0=T_0)
    return Schedule("CosineAnnealingWarmRestarts",
                    lambda base, t, T_0, eta_min: _cosine(base, eta_min, (t - T_0 * (t // T_0)) / T_0), lr,
                    {"T_0": T_0, "eta_min": eta_min})  # fmt: skip


@explained
def OneCycleLR(
    max_lr: float, total_steps: int, pct_start: float = 0.3, div_factor: float = 25.0, final_div_factor: float = 1e4
) -> Schedule:
    """Up from max_lr/div_factor and down to max_lr/(div_factor·final_div_factor) by cosines (Smith, 1708.07120)."""
    _positive("OneCycleLR", total_steps=total_steps, div_factor=div_factor, final_div_factor=final_div_factor)
    numbers = {"total_steps": total_steps, "pct_start": pct_start, "div_factor": div_factor,
               "final_div_factor": final_div_factor}  # fmt: skip

    def formula(base: Any, t: Any, total_steps: Any, pct_start: Any, div_factor: Any, final_div_factor: Any) -> Any:
        low, top = base / div_factor, pct_start * total_steps - 1
        down = minimum((t - top) / (total_steps - 1 - top), 1)
        return where(t <= top, _cosine(low, base, t / top), _cosine(base, low / final_div_factor, down))

    return Schedule("OneCycleLR", formula, max_lr, numbers)


SCHEDULES: dict[str, Callable[..., Schedule]] = {
    f.__name__: f
    for f in (
        *(StepLR, MultiStepLR, ExponentialLR, ConstantLR, LinearLR, PolynomialLR, CosineAnnealingLR),
        *(CosineAnnealingWarmRestarts, OneCycleLR),
    )
}
"""By name, as in ``torch.optim.lr_scheduler``."""
