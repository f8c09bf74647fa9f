"""``audit module:forward module:claimed``: a backward that somebody has written, against the derived one."""

from __future__ import annotations

import argparse

from symgraph.auditing import audit
from symgraph.commands import DONE, NO, REFERENCE, Answer, named


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("forward", metavar="FORWARD", help=f"a tensor or formula: {REFERENCE}")
    parser.add_argument("claimed", metavar="CLAIMED", help="a formula, a dict of formulas, or a function of arrays")
    parser.add_argument("--of", nargs="+", metavar="LEAF", help="the leaves; all by default")
    parser.add_argument("--upstream", metavar="REFERENCE", help="the gradient that flows in, which formulas may read")


def answer(given: argparse.Namespace) -> Answer:
    """The verdicts; the status says whether all are equal."""
    upstream = named(given.upstream) if given.upstream else None
    found = audit(named(given.forward), named(given.claimed), given.of, upstream=upstream)
    record = [
        {
            "leaf": str(verdict.leaf.name), "verdict": verdict.kind, "reason": verdict.reason,
            "condition": verdict.condition, "difference": verdict.difference,
            "counterexample": verdict.counterexample, "repair": verdict.repair,
        }
        for verdict in found.verdicts
    ]  # fmt: skip
    return Answer(str(found), {"equal": found.equal, "derivatives": record}, DONE if found else NO)
