"""From formulas to machine code: compiled functions and training steps."""

from codegen.disk.checkpoint import Saved, load, save
from codegen.run.callbacks import EarlyStopping, ReduceLROnPlateau
from codegen.run.function import Function, function
from codegen.run.history import History
from codegen.run.training import TrainStep, train_step

__all__ = [
    "EarlyStopping", "Function", "History", "ReduceLROnPlateau", "Saved", "TrainStep", "function", "load", "save",
    "train_step",
]  # fmt: skip
