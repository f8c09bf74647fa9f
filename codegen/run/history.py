"""What ``fit`` reports: a row for every epoch, and how training ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np

from symgraph.core.provenance import at_line
from symgraph.core.shown import Shown
from symgraph.errors import ArgumentError


def _package(name: str, what: str) -> Any:
    """A package that is not installed for our sake."""
    try:
        return import_module(name)
    except ImportError:
        package = name.partition(".")[0]
        raise ArgumentError(
            at_line(f"{what} of the history needs the package {package}: pip install {package}; arrays() need none")
        ) from None


@dataclass(slots=True, repr=False)
class History(Shown):
    """What happened: a value for every finished epoch, and the time.

    Attributes
    ----------
    loss : mean loss of the epoch's batches, each before its update.
    validation : loss of the validation data after the epoch, or what the validation's function has returned.
    metrics : values after the epoch by name, of the validation data, or of the training data if there is none.
    steps, seconds : updates, and the time of training alone, without compiling, validation and callbacks.
    stopped : training was interrupted before its end, by Ctrl-C.
    ended : why it ended: ``"epochs"``, ``"early stopping"``, ``"callback"`` or ``"interrupted"``.
    best_epoch : the epoch whose parameters :class:`.EarlyStopping` has restored, counted from 0.
    """

    loss: list[float] = field(default_factory=list)
    validation: list[Any] = field(default_factory=list)
    steps: int = 0
    seconds: float = 0.0
    stopped: bool = False
    metrics: dict[str, list[float]] = field(default_factory=dict)
    ended: str = "epochs"
    best_epoch: int | None = None

    def arrays(self) -> dict[str, np.ndarray]:
        """A float64 array for everything that has a number for each epoch."""
        columns = {"loss": self.loss, "validation": self.validation, **self.metrics}
        found = {name: np.array(values) for name, values in columns.items() if values}
        return {name: values.astype(np.float64) for name, values in found.items() if values.dtype.kind in "biuf"}

    def frame(self) -> Any:
        """The same as a pandas data frame with a row for each epoch; ``ArgumentError`` without pandas."""
        pandas = _package("pandas", "a frame")
        columns = {name: pandas.Series(values) for name, values in self.arrays().items()}
        return pandas.DataFrame(columns).rename_axis("epoch")

    def plot(self, axes: Any = None) -> Any:
        """Curves over the epochs by matplotlib, on ``axes`` or new ones, which are returned; ``ArgumentError`` without
        matplotlib."""
        if axes is None:
            axes = _package("matplotlib.pyplot", "a plot").subplots()[1]
        for name, values in self.arrays().items():
            axes.plot(range(len(values)), values, label=name)
        axes.set_xlabel("epoch")
        if self.loss:
            axes.legend()
        return axes

    def monitored(self, name: str | None) -> list[float]:
        """The values to be watched: by name, else of the validation, else the loss; ``KeyError`` for another name."""
        columns = {"loss": self.loss, "validation": self.validation, **self.metrics}
        return columns[name] if name is not None else self.validation or self.loss
