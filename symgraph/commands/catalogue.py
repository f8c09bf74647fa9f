"""``catalogue [NAME] [--kind KIND] [--html FILE]``: the vocabulary, from its rows."""

from __future__ import annotations

import argparse
from difflib import get_close_matches
from pathlib import Path

from symgraph.catalogue import KINDS, entries, known
from symgraph.commands import NO, Answer, Refused


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("name", nargs="?", help="one row alone")
    parser.add_argument("--kind", choices=KINDS, help="rows of one kind")
    parser.add_argument("--html", metavar="FILE", type=Path, help="write a page: formulas, derivatives, plots, sources")


def answer(given: argparse.Namespace) -> Answer:
    """The rows; second derivatives too where one row, a record or a page is asked for."""
    rows = list(entries(given.kind, given.name, second=bool(given.name or given.html or given.json)))
    if not rows:
        near = get_close_matches(given.name.lower(), names := {name.lower(): name for name in known(given.kind)})
        listed = ", ".join(names[name] for name in near)
        told = f"; the nearest are {listed}" if near else "; without a name all are shown"
        raise Refused(f"there is no {given.kind or 'row'} {given.name}{told}", NO)
    if given.html:
        from symgraph.drawing.gallery import gallery

        given.html.write_text(str(gallery(rows)), encoding="utf-8")
        return Answer(str(given.html), {"page": str(given.html), "rows": len(rows)})
    return Answer("\n".join(map(str, rows)), [row.record() for row in rows])
