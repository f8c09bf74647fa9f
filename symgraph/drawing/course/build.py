"""``python -m symgraph course``: run the lessons and write their pages, or write them as notebooks."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from symgraph.drawing.course.lesson import LANGUAGES, Lesson, read, run
from symgraph.drawing.course.notebook import notebook
from symgraph.drawing.course.pages import index_page, lesson_page, page_name
from symgraph.errors import ArgumentError

HOME = Path(__file__).parents[3] / "examples" / "course"
"""The lessons, in a checkout of the repository."""


def lessons(folder: Path | None = None, names: Sequence[str] = ()) -> list[Lesson]:
    """The lessons of a folder in their order, or those whose names begin with one of ``names``.

    Raises
    ------
    ArgumentError
        if the folder has none, a name fits none, or a file is no lesson.
    """
    home = HOME if folder is None else folder
    found = [read(path) for path in sorted(home.glob("[0-9]*.py"))]
    if not found:
        raise ArgumentError(f"no lessons in {home}: they are in the repository's examples/course; name it by --lessons")
    for name in names:
        if not any(lesson.name.startswith(name) for lesson in found):
            known = ", ".join(lesson.name for lesson in found)
            raise ArgumentError(f"no lesson is called {name!r}; there are {known}")
    return [lesson for lesson in found if not names or lesson.name.startswith(tuple(names))]


def write_pages(course: Sequence[Lesson], folder: Path) -> Path:
    """Run each lesson once, and write its page in each language beside an index; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, lesson in enumerate(course, start=1):
        print(f"[{number}/{len(course)}] {lesson.name}", file=sys.stderr)
        results = run(lesson)
        for language in LANGUAGES:
            text = lesson_page(lesson, results, course, language)
            (folder / page_name(lesson.name, language)).write_text(text, encoding="utf-8")
    for language in LANGUAGES:
        (folder / page_name("index", language)).write_text(index_page(course, language), encoding="utf-8")
    return folder


def write_notebooks(course: Sequence[Lesson], folder: Path, languages: Sequence[str] = LANGUAGES) -> Path:
    """Write each lesson as a notebook in each language; nothing is run. Returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for lesson in course:
        for language in languages:
            (folder / f"{lesson.name}.{language}.ipynb").write_text(notebook(lesson, language), encoding="utf-8")
    return folder
