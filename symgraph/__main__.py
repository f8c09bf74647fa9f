"""``python -m symgraph``: what can be asked from a shell."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import webbrowser
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 if it was done, 1 if there is no such row, 2 for wrong arguments."""
    parser = argparse.ArgumentParser(prog="python -m symgraph", description="Formulas, their derivatives and programs.")
    commands = parser.add_subparsers(dest="command", required=True)
    catalogue = commands.add_parser("catalogue", help="every activation, loss, optimiser and schedule, from its row")
    catalogue.add_argument("name", nargs="?", help="one row alone")
    catalogue.add_argument("--kind", help="activation, loss, optimiser, schedule or initialiser")
    catalogue.add_argument("--html", metavar="FILE", type=Path, help="write a page")
    catalogue.add_argument("--json", action="store_true", help="print records for programs")
    catalogue.set_defaults(run=_catalogue)
    audit = commands.add_parser("audit", help="a claimed derivative against the derived one; 1 if they differ")
    audit.add_argument("forward", help="module:name of a tensor or formula")
    audit.add_argument("claimed", help="module:name of a formula, a dict of formulas, or a function of arrays")
    audit.add_argument("--of", nargs="+", metavar="LEAF", help="the leaves; all by default")
    audit.add_argument("--upstream", metavar="MODULE:NAME", help="the gradient that flows in, which formulas may read")
    audit.set_defaults(run=_audit)
    course = commands.add_parser("course", help="the lessons, run and opened as pages, or written as notebooks")
    course.add_argument("only", nargs="*", metavar="LESSON", help="how a lesson's name begins, 01; all by default")
    course.add_argument("--language", choices=("en", "zh"), default="en", help="the page that is opened: en, zh")
    course.add_argument(
        "--out", metavar="DIR", type=Path, help="where pages are written; a temporary folder by default"
    )
    course.add_argument("--notebooks", metavar="DIR", type=Path, help="write Jupyter notebooks instead; nothing is run")
    course.add_argument(
        "--lessons", metavar="DIR", type=Path, help="lessons of yours, or of a checkout: examples/course"
    )
    course.add_argument("--no-open", action="store_true", help="do not open a browser")
    course.set_defaults(run=_course)
    given = parser.parse_args(arguments)
    return int(given.run(given))


def _catalogue(given: argparse.Namespace) -> int:
    from symgraph.catalogue import as_html, as_records, entries

    rows = list(entries(given.kind, given.name))
    if not rows:
        asked = given.name or f"of the kind {given.kind}"
        print(f"there is no row {asked}; without a name or kind all are shown", file=sys.stderr)
        return 1
    if given.html:
        given.html.write_text(as_html(rows), encoding="utf-8")
    elif given.json:
        print(json.dumps(as_records(rows), ensure_ascii=False, indent=1))
    else:
        print("\n".join(map(str, rows)))
    return 0


def _audit(given: argparse.Namespace) -> int:
    from symgraph.auditing import audit
    from symgraph.errors import SymgraphError

    try:
        forward, claimed = _named(given.forward), _named(given.claimed)
        upstream = _named(given.upstream) if given.upstream else None
        found = audit(forward, claimed, given.of, upstream=upstream)
    except (ImportError, AttributeError, ValueError, SymgraphError) as error:
        print(error, file=sys.stderr)
        return 2
    print(found)
    return 0 if found else 1


def _course(given: argparse.Namespace) -> int:
    from symgraph.drawing.course.build import lessons, write_notebooks, write_pages
    from symgraph.errors import ArgumentError

    try:
        course = lessons(given.lessons, given.only)
    except ArgumentError as error:
        print(error, file=sys.stderr)
        return 2
    if given.notebooks:
        print(write_notebooks(course, given.notebooks))
        return 0
    out = write_pages(course, given.out or Path(tempfile.mkdtemp(prefix="symgraph-course-")))
    index = (out / f"index.{given.language}.html").resolve()
    print(index)
    if not given.no_open:
        webbrowser.open(index.as_uri())
    return 0


def _named(place: str) -> Any:
    """What ``module:name`` stands for; modules of the folder that the command runs in are found."""
    module, colon, name = place.partition(":")
    if not (module and colon and name):
        raise ValueError(f"{place!r} is no module:name")
    if "" not in sys.path:
        sys.path.insert(0, "")
    return getattr(import_module(module), name)


if __name__ == "__main__":
    sys.exit(main())
