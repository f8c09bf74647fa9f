"""For other libraries: a door to ``codegen`` that ``sg.objective`` and ``sg.scipy`` open when they are asked for."""

from codegen.bridges.objectives import objective
from codegen.bridges.optimise import scipy

__all__ = ["objective", "scipy"]
