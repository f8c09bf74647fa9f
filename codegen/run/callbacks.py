"""Callbacks between epochs: any function of (epoch, history), and those that many people need.

step.fit(…, validation=0.1, callback=[codegen.EarlyStopping(patience=5), codegen.ReduceLROnPlateau(factor=0.5)])

A callback may have ``begin(step, params)``, called before the first epoch, and ``end(history)``, called after the last;
and ``unasked()``, how many epochs may run before it changes anything: then it is called for each after the last.
Names and defaults are those of Keras and PyTorch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import sympy as sp

from codegen.run import arguments
from codegen.run.history import History
from symgraph.core.provenance import at_line
from symgraph.errors import ArgumentError, DomainError
from symgraph.vocabulary.ranges import DecayRate, checked_number

if TYPE_CHECKING:
    from codegen.run.training import Params, TrainStep


@dataclass
class _Patient:
    """Counts epochs since a value was best.

    Parameters
    ----------
    patience : epochs without improvement that are borne; at the next one something is done.
    min_delta : what counts as an improvement is larger than this.
    monitor : ``"loss"``, ``"validation"`` or a metric's name; by default the validation where there is one.
    mode : ``"min"`` if less is better, ``"max"`` if more is.
    """

    patience: int = 10
    min_delta: float = 0.0
    monitor: str | None = None
    mode: Literal["min", "max"] = "min"
    best: float = field(default=math.inf, init=False)
    waited: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.patience = arguments.whole_number("patience", self.patience, 0)
        if not isinstance(self.mode, str) or self.mode not in ("min", "max"):
            raise ArgumentError(at_line(f'mode must be "min" or "max", not {self.mode!r}'))
        self.min_delta = checked_number("min_delta", sp.Symbol("min_delta", nonnegative=True), self.min_delta)

    def begin(self, step: TrainStep, params: Params) -> None:
        self.step, self.params = step, params
        self.best, self.waited = math.inf, 0

    def improved(self, history: History) -> bool:
        """Whether the last epoch was the best so far; else it has been waited for."""
        value = self.value(history)
        if value < self.best - self.min_delta:
            self.best, self.waited = value, 0
            return True
        self.waited += 1
        return False

    def value(self, history: History) -> float:
        """What is monitored, at the last epoch; less is better."""
        try:
            value = float(history.monitored(self.monitor)[-1])
        except (KeyError, IndexError):
            known = ", ".join(["loss", *(["validation"] if history.validation else []), *history.metrics])
            wanted = self.monitor or "loss of an epoch"
            raise ArgumentError(at_line(f"there is no {wanted} to monitor; known are {known}")) from None
        except (TypeError, ValueError) as error:
            raise ArgumentError(at_line(f"what is monitored must be a number for each epoch: {error}")) from error
        return -value if self.mode == "max" else value


@dataclass
class EarlyStopping(_Patient):
    """End training when a value has not improved for more than ``patience`` epochs (Prechelt 1998).

    With ``restore_best`` parameters, optimiser state and hyper-parameters are those of the best epoch afterwards,
    however training has ended; ``history.best_epoch`` says which.
    """

    restore_best: bool = True

    def begin(self, step: TrainStep, params: Params) -> None:
        super().begin(step, params)
        self._kept: tuple[int, dict[str, np.ndarray], dict[str, np.ndarray], np.ndarray] | None = None

    def __call__(self, epoch: int, history: History) -> bool:
        if self.improved(history) and self.restore_best:
            params = {name: values.copy() for name, values in self.params.items()}
            state = {name: values.copy() for name, values in self.step.state.items()}
            self._kept = epoch, params, state, self.step.hyper.values_array.copy()
        if self.waited > self.patience:
            history.ended = "early stopping"
        return self.waited > self.patience

    def end(self, history: History) -> None:
        if self._kept is not None:
            history.best_epoch, params, state, hyper = self._kept
            for name, values in params.items():
                self.params[name][...] = values
            for name, values in state.items():
                self.step.state[name] = values
            self.step.hyper.values_array[:] = hyper
            self._kept = None


@dataclass
class ReduceLROnPlateau(_Patient):
    """Multiply the rate by ``factor`` when a value has not improved for more than ``patience`` epochs, down to
    ``min_lr`` (``torch.optim.lr_scheduler.ReduceLROnPlateau``); ``hyper`` is the name of the rate."""

    factor: float = 0.1
    min_lr: float = 0.0
    hyper: str = "lr"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.factor = checked_number("factor", DecayRate("factor", positive=True), self.factor)
        self.min_lr = checked_number("min_lr", sp.Symbol("min_lr", nonnegative=True), self.min_lr)

    def begin(self, step: TrainStep, params: Params) -> None:
        super().begin(step, params)
        if self.hyper not in step.hyper:
            raise ArgumentError(at_line(f"there is no rate {self.hyper}; known are {', '.join(step.hyper)}"))

    def __call__(self, epoch: int, history: History) -> None:
        if not self.improved(history) and self.waited > self.patience:
            rates = self.step.hyper
            rates[self.hyper] = max(self.min_lr, rates[self.hyper] * self.factor)
            self.waited = 0


def all_of(callback: Any) -> list[Any]:
    """One callback, or several, as a list."""
    if callback is None:
        return []
    found = list(callback) if isinstance(callback, list | tuple) else [callback]
    for each in found:
        if not callable(each) or isinstance(each, type):
            advice = f": write {each.__name__}()" if isinstance(each, type) else ""
            raise DomainError(at_line(f"callback must be a function, or a list of functions, not {each!r}{advice}"))
    return found
