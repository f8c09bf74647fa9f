"""scikit-learn's ways with the rate and with an end: callbacks between the epochs of a fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from codegen.run.callbacks import EarlyStopping
from codegen.run.history import History

if TYPE_CHECKING:
    from codegen.run.training import Params, TrainStep

KINDS = ("constant", "invscaling", "adaptive")
"""What ``learning_rate`` may be, for stochastic gradient descent."""
LEAST_RATE, DIVISOR = 1e-6, 5.0
"""Down to which an adaptive rate is divided, and by what."""


@dataclass
class NoChange(EarlyStopping):
    """scikit-learn's ``n_iter_no_change``: an epoch counts that is not better than the best one by more than ``tol``,
    also where a little of it adds up. An adaptive rate is divided first, and training ends when it is small."""

    is_adaptive: bool = False

    def improved(self, history: History) -> bool:
        value = self.value(history)
        is_best, is_far = value < self.best, value < self.best - self.min_delta
        self.best, self.waited = min(self.best, value), 0 if is_far else self.waited + 1
        return is_best

    def unasked(self) -> int:
        """Epochs after which it may end training at the earliest; the best ones' parameters are to be kept at once."""
        return 1 if self.restore_best else self.patience - self.waited + 1

    def __call__(self, epoch: int, history: History) -> bool:
        before, ends = history.ended, super().__call__(epoch, history)
        if not ends or not self.is_adaptive or self.step.hyper["lr"] <= LEAST_RATE:
            return ends
        self.step.hyper["lr"] = self.step.hyper["lr"] / DIVISOR
        self.waited, history.ended = 0, before
        return False


@dataclass
class InverseScaling:
    """After each epoch the rate is ``first``/(t + 1)^power, where t rows have been seen, ``seen`` of them before."""

    first: float
    power: float
    rows: int
    seen: int = 0

    def begin(self, step: TrainStep, params: Params) -> None:
        self.step = step
        self._set(self.seen)

    def __call__(self, epoch: int, history: History) -> None:
        self._set(self.seen + self.rows * len(history.loss))

    def _set(self, seen: int) -> None:
        self.step.hyper["lr"] = self.first / (seen + 1) ** self.power
