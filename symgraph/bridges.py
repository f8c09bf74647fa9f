"""A door to ``codegen``: what ``sg.objective``, ``sg.scipy``, ``sg.save`` and ``sg.load`` open when asked for."""

from codegen.bridges.objectives import objective
from codegen.bridges.optimise import scipy
from codegen.disk.checkpoint import load, save

__all__ = ["load", "objective", "save", "scipy"]
