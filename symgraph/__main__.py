"""``python -m symgraph``: what can be asked from a shell."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 if it was done, 1 if there is no such row, 2 for wrong arguments."""
    parser = argparse.ArgumentParser(prog="python -m symgraph", description="Formulas, their derivatives and programs.")
    commands = parser.add_subparsers(dest="command", required=True)
    catalogue = commands.add_parser("catalogue", help="every activation, loss, optimiser and schedule, from its row")
    catalogue.add_argument("name", nargs="?", help="one row alone")
    catalogue.add_argument("--kind", help="activation, loss, optimiser, schedule or initialiser")
    catalogue.add_argument("--html", metavar="FILE", type=Path, help="write a page")
    catalogue.add_argument("--json", action="store_true", help="print records for programs")
    return _catalogue(parser.parse_args(arguments))


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


if __name__ == "__main__":
    sys.exit(main())
