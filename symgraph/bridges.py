"""For other libraries: a door to ``codegen`` that ``sg.objective`` opens when it is asked for."""

from codegen.bridges.objectives import objective

__all__ = ["objective"]
