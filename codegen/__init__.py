"""From formulas to machine code: compiled functions and training steps."""

from typing import TYPE_CHECKING

from symgraph.asked import asked

_PLACES = {  # imported when somebody asks for it: who only reads formulas does not wait for the machine
    "codegen.disk.checkpoint": "Saved load save",
    "codegen.run.callbacks": "EarlyStopping ReduceLROnPlateau",
    "codegen.run.function": "Function function",
    "codegen.run.history": "History",
    "codegen.run.training": "TrainStep train_step",
}
if TYPE_CHECKING:  # the same for editors
    from codegen.disk.checkpoint import Saved as Saved
    from codegen.disk.checkpoint import load as load
    from codegen.disk.checkpoint import save as save
    from codegen.run.callbacks import EarlyStopping as EarlyStopping
    from codegen.run.callbacks import ReduceLROnPlateau as ReduceLROnPlateau
    from codegen.run.function import Function as Function
    from codegen.run.function import function as function
    from codegen.run.history import History as History
    from codegen.run.training import TrainStep as TrainStep
    from codegen.run.training import train_step as train_step
else:
    __all__, __getattr__ = asked(__name__, _PLACES)

    def __dir__() -> list[str]:
        return __all__
