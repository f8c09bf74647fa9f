"""From formulas to machine code: compiled functions and training steps."""

from codegen.disk.checkpoint import Saved, load, save
from codegen.run.fitting import History
from codegen.run.function import Function, function
from codegen.run.training import TrainStep, train_step

__all__ = ["Function", "History", "Saved", "TrainStep", "function", "load", "save", "train_step"]
