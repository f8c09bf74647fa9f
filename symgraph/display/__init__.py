"""Display: definitions as people write them, in text, in LaTeX and in matrix form."""

from symgraph.display.latex_names import latex_name
from symgraph.display.program import Equation, Program, formula, latex_formula

__all__ = ["Equation", "Program", "formula", "latex_formula", "latex_name"]
