"""From formulas to machine code: compiled functions and training steps."""

from codegen.fitting import History
from codegen.program import Function, function
from codegen.training import TrainStep, train_step

__all__ = ["Function", "History", "TrainStep", "function", "train_step"]
