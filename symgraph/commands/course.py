"""``course [LESSON …]``: the lessons of ``examples/course/``, run and opened as pages, or written as notebooks."""

from __future__ import annotations

import argparse
import tempfile
import webbrowser
from pathlib import Path

from symgraph.commands import Answer
from symgraph.drawing.course.build import lessons, write_notebooks, write_pages


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("only", nargs="*", metavar="LESSON", help="how a lesson's name begins, 01; all by default")
    parser.add_argument("--language", choices=("en", "zh"), default="en", help="the page that is opened: en, zh")
    parser.add_argument(
        "--out", metavar="DIR", type=Path, help="where pages are written; a temporary folder by default"
    )
    parser.add_argument("--notebooks", metavar="DIR", type=Path, help="write Jupyter notebooks instead; nothing is run")
    parser.add_argument(
        "--lessons", metavar="DIR", type=Path, help="lessons of yours, or of a checkout: examples/course"
    )
    parser.add_argument("--no-open", action="store_true", help="do not open a browser")


def answer(given: argparse.Namespace) -> Answer:
    """Where the pages or notebooks are."""
    course = lessons(given.lessons, given.only)
    if given.notebooks:
        folder = write_notebooks(course, given.notebooks)
        return Answer(str(folder), {"notebooks": str(folder)})
    out = write_pages(course, given.out or Path(tempfile.mkdtemp(prefix="symgraph-course-")))
    index = (out / f"index.{given.language}.html").resolve()
    if not given.no_open:
        webbrowser.open(index.as_uri())
    return Answer(str(index), {"page": str(index)})
