"""A table of formulas, as text in columns and as LaTeX: name and shape, index form, matrix form."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from textwrap import wrap
from typing import Any

from symgraph.core.shown import Shown
from symgraph.display.latex import latex
from symgraph.display.notation import Node
from symgraph.display.program import Equation
from symgraph.display.text import text
from symgraph.display.widths import padded, width

WIDTHS = (26, 84, 60)


@dataclass(frozen=True, slots=True)
class Row:
    """One definition: name and shape, the element's formula, the matrix form where there is one."""

    name: str
    equation: Equation
    matrix: Node | None
    sign: str = "="

    def cells(self) -> tuple[str, str, str]:
        """The three columns as text."""
        left, right = self.equation.left, text(self.equation.right)
        index = f"{text(left)} {self.sign} {right}" if left is not None else right
        matrix = "–" if self.matrix is None else text(self.matrix)
        return self.name, index + self.equation.start(), "" if matrix == right else matrix

    def latex_cells(self) -> tuple[str, str]:
        """Left and right of the alignment sign, and the matrix form."""
        sign = "=" if self.sign == "=" else r"\leftarrow"
        left = "" if self.equation.left is None else latex(self.equation.left)
        right = latex(self.equation.right) + self.equation.start_latex()
        return f"{left} &{sign} {right}", "" if self.matrix is None else latex(self.matrix)


@dataclass(frozen=True, slots=True)
class Section:
    """A titled group of rows."""

    title: str
    rows: tuple[Row, ...]

    def __str__(self) -> str:
        return "\n".join([self.title, *(f"  {row.cells()[1]}" for row in self.rows)])


@dataclass(frozen=True, repr=False)
class Explanation(Shown):
    """What a program computes: sections of rows, what is given, and the conventions that apply."""

    given: tuple[str, ...]
    sections: tuple[Section, ...]
    notes: tuple[str, ...] = field(default=())

    def __str__(self) -> str:
        rows = [row.cells() for section in self.sections for row in section.rows]
        widths = [min(max([1, *(width(cells[c]) for cells in rows)]), WIDTHS[c]) for c in range(3)]
        widths[0] = max(widths[0], *(len(section.title) - 2 for section in self.sections))
        lines = ["Given", *(f"  {line}" for line in self.given)]
        for section in self.sections:
            lines += ["", f"{section.title:<{widths[0] + 2}}  {'index form':<{widths[1]}}  matrix form"]
            for row in section.rows:
                lines += [f"  {line}" for line in _columns(row.cells(), widths)]
        if self.notes:
            lines += ["", "Conventions", *(f"  {note}" for note in self.notes)]
        return "\n".join(line.rstrip() for line in lines)

    def latex(self) -> str:
        """All rows as an amsmath ``aligned`` environment."""
        rows: list[str] = []
        for section in self.sections:
            rows.append(rf"& \textbf{{{section.title}}} &&")
            rows += [rf"{equation} && {matrix}" for equation, matrix in (row.latex_cells() for row in section.rows)]
        return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"

    def _latex(self, printer: Any) -> str:
        return self.latex()


def _wrapped(cell: str, columns: int) -> list[str]:
    """A formula over several lines, broken before its plus and minus signs."""
    lines = [""]
    for piece in re.split(r"(?= [+−] )", cell):
        if width(lines[-1]) + width(piece) > columns and lines[-1].strip():
            lines.append("   ")
        first, *rest = wrap(lines[-1] + piece, columns, subsequent_indent="      ", break_long_words=False) or [""]
        lines[-1:] = [first, *rest]
    return lines


def _columns(cells: tuple[str, str, str], widths: list[int]) -> list[str]:
    """The cells side by side, long ones over several lines."""
    parts = [_wrapped(cell, width) for cell, width in zip(cells, widths, strict=True)]
    height = max(map(len, parts))
    lines = zip(*(part + [""] * (height - len(part)) for part in parts), strict=True)
    return ["  ".join(map(padded, line, widths)) for line in lines]
