"""A lesson is a Python file whose cells are marked by comments: text in each language, and code once.

    # %% [markdown] en            text of the cell as comments, in Markdown
    # %% [markdown] zh            the same in Chinese
    # %%                          code; the value of its last line is shown

As a script it runs alone, and editors that know ``# %%`` (VS Code, Spyder, PyCharm) run it cell by cell.
"""

from __future__ import annotations

import ast
import contextlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from symgraph.errors import ArgumentError

LANGUAGES = ("en", "zh")
_HEAD = re.compile(r"# %%(?: \[markdown\] (?P<language>\w+))?\s*")
_SHOW = "__shown__"


@dataclass(frozen=True, slots=True)
class Cell:
    """Text in one language, or code, whose ``language`` is None; ``line`` is the first in the file."""

    source: str
    language: str | None
    line: int


@dataclass(frozen=True, slots=True)
class Lesson:
    """A file and its cells."""

    path: Path
    cells: tuple[Cell, ...]

    @property
    def name(self) -> str:
        """The file's name without its ending: what a page is called."""
        return self.path.stem

    def told(self, language: str) -> list[Cell]:
        """The cells of one language, with the code."""
        return [cell for cell in self.cells if cell.language in (None, language)]

    def title(self, language: str) -> str:
        """The heading of the first cell."""
        return self._first(language).partition("\n")[0].removeprefix("# ")

    def summary(self, language: str) -> str:
        """The first paragraph."""
        return self._first(language).split("\n\n")[1]

    def _first(self, language: str) -> str:
        return next(cell.source for cell in self.cells if cell.language == language)


@dataclass(frozen=True, slots=True)
class Result:
    """What a code cell printed, and the objects it shows."""

    printed: str
    shown: tuple[Any, ...]


def read(path: Path) -> Lesson:
    """The lesson in a file.

    Raises
    ------
    ArgumentError
        with the file's line: for a head that is none, text that is no comment, a language that lacks a cell the other
        has, or a first cell without a heading and a paragraph.
    """
    cells: list[Cell] = []
    lines = path.read_text(encoding="utf-8").splitlines()
    starts = [n for n, line in enumerate(lines) if line.startswith("# %%")]
    if not starts or any(line.strip() for line in lines[: starts[0]]):
        raise ArgumentError(f"{path}:1: a lesson begins with a cell: # %% [markdown] en")
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        head = _HEAD.fullmatch(lines[start])
        language = None if head is None else head["language"]
        if head is None or language not in (None, *LANGUAGES):
            raise ArgumentError(f"{path}:{start + 1}: {lines[start]!r} is neither # %% nor # %% [markdown] en or zh")
        inside = lines[start + 1 : end]
        if language is not None:
            inside = list(_uncommented(inside, path, start + 2))
        if source := "\n".join(inside).strip("\n"):
            blank = next(n for n, line in enumerate(inside) if line)
            cells.append(Cell(source, language, start + 2 + blank))
    _check(path, cells)
    return Lesson(path, tuple(cells))


def _uncommented(lines: list[str], path: Path, number: int) -> Iterator[str]:
    for n, line in enumerate(lines, start=number):
        if line and not line.startswith("# ") and line != "#":
            raise ArgumentError(f"{path}:{n}: text of a cell stands in comments, '# …'; this is {line!r}")
        yield line[2:]


def _check(path: Path, cells: list[Cell]) -> None:
    for cell, after in zip(cells, [*cells[1:], None], strict=True):
        place = f"{path}:{cell.line}"
        if cell.language == LANGUAGES[0] and (after is None or after.language != LANGUAGES[1]):
            raise ArgumentError(f"{place}: after a cell in {LANGUAGES[0]} comes the same in {LANGUAGES[1]}")
    for language in LANGUAGES:
        told = [cell for cell in cells if cell.language == language]
        if len(told) != sum(cell.language == LANGUAGES[0] for cell in cells):
            raise ArgumentError(f"{path}: there are more cells in one language than in the other")
        if not told or not re.match(r"# .+\n\n.+", told[0].source):
            raise ArgumentError(f"{path}: the first cell in {language} has a heading, # …, and a paragraph")


def run(lesson: Lesson) -> dict[Cell, Result]:
    """Run the code of a lesson from top to bottom, in a namespace of its own.

    Raises
    ------
    what the code raises, with a note that says which cell of which lesson it was.
    """
    namespace: dict[str, Any] = {"__name__": f"lesson_{lesson.name}"}
    found = {}
    for cell in lesson.cells:
        if cell.language is not None:
            continue
        shown: list[Any] = []
        namespace[_SHOW] = shown.append
        output = io.StringIO()
        try:
            with contextlib.redirect_stdout(output):
                exec(_compiled(cell, lesson.path), namespace)
        except Exception as error:
            error.add_note(f"in the cell at {lesson.path}:{cell.line}")
            raise
        found[cell] = Result(output.getvalue(), tuple(value for value in shown if value is not None))
    return found


def _compiled(cell: Cell, path: Path) -> Any:
    """The cell with its own line numbers, so that values find their names and errors their lines."""
    tree = ast.parse("\n" * (cell.line - 1) + cell.source, str(path))
    last = tree.body[-1] if tree.body else None
    if isinstance(last, ast.Expr) and not cell.source.rstrip().endswith(";"):
        function = ast.copy_location(ast.Name(_SHOW, ast.Load()), last)
        last.value = ast.copy_location(ast.Call(function, [last.value], []), last)
    return compile(ast.fix_missing_locations(tree), str(path), "exec")
