"""``explain module:loss``: the whole table of formulas, or a page with graph, derivation and update."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from symgraph.commands import REFERENCE, Answer, Refused, named
from symgraph.commands.derive import scalar_of
from symgraph.display.explain import explain
from symgraph.drawing.page import report
from symgraph.vocabulary.optimisers import OPTIMISERS
from symgraph.vocabulary.updating import Optimizer, checked_optimizer


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("loss", metavar="LOSS", help=f"a scalar tensor or a training step: {REFERENCE}")
    parser.add_argument("--optimizer", metavar="NAME", help=f"{', '.join(OPTIMISERS)}, or a reference to one of yours")
    parser.add_argument("--of", nargs="+", metavar="LEAF", help="names; by default all parameters, else all leaves")
    parser.add_argument("--latex", action="store_true", help="LaTeX in place of text")
    parser.add_argument("--html", metavar="FILE", type=Path, help="write a page: graph, formulas, derivation, kernels")


def answer(given: argparse.Namespace) -> Answer:
    """The table."""
    found = named(given.loss)
    optimizer = optimizer_of(given.optimizer) if given.optimizer else getattr(found, "optimizer", None)
    loss, leaves = scalar_of(given.loss, found, given.of)
    if given.html:
        page = report(found if hasattr(found, "declared") else loss, given.html, optimizer=optimizer)
        return Answer(str(given.html), {"page": str(given.html), "sections": list(page.sections)})
    table = explain(loss, optimizer, leaves)
    sections = [{"title": section.title, "rows": [_record(row) for row in section.rows]} for section in table.sections]
    record = {"given": list(table.given), "sections": sections, "conventions": list(table.notes)}
    return Answer(table.latex() if given.latex else str(table), record)


def _record(row: Any) -> dict[str, str]:
    (name, index, matrix), (equation, _) = row.cells(), row.latex_cells()
    return {"name": name, "index form": index, "matrix form": matrix, "latex": equation.replace(" &", " ", 1)}


def optimizer_of(given: str) -> Optimizer:
    """An optimiser by its name, with its defaults, or by a reference to one."""
    if ":" in given:
        return checked_optimizer("--optimizer", named(given))
    for name, make in OPTIMISERS.items():
        if name.lower() == given.lower():
            return make()
    raise Refused(f"there is no optimiser {given}; there are {', '.join(OPTIMISERS)}")
