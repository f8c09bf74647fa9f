"""From formulas to machine code: compiled functions and training steps."""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # else imported when somebody asks for it: who only reads formulas does not wait for the machine
    from codegen.disk.checkpoint import Saved, load, save
    from codegen.run.callbacks import EarlyStopping, ReduceLROnPlateau
    from codegen.run.function import Function, function
    from codegen.run.history import History
    from codegen.run.training import TrainStep, train_step

__all__ = [
    "EarlyStopping", "Function", "History", "ReduceLROnPlateau", "Saved", "TrainStep", "function", "load", "save",
    "train_step",
]  # fmt: skip
_PLACES = {
    "codegen.disk.checkpoint": ("Saved", "load", "save"),
    "codegen.run.callbacks": ("EarlyStopping", "ReduceLROnPlateau"),
    "codegen.run.function": ("Function", "function"),
    "codegen.run.history": ("History",),
    "codegen.run.training": ("TrainStep", "train_step"),
}


def __getattr__(name: str) -> Any:
    for place, names in _PLACES.items():
        if name in names:
            globals()[name] = getattr(import_module(place), name)
            return globals()[name]
    from symgraph.core.habits import unknown

    raise unknown("module 'codegen'", name, sys.modules[__name__])


def __dir__() -> list[str]:
    return __all__
