"""``python -m symgraph``: what can be asked from a shell. The commands are in :mod:`symgraph.commands`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from symgraph import __version__
from symgraph.commands import COMMANDS, STATUS, STOPPED, WRONG, Refused
from symgraph.display.colour import shown
from symgraph.errors import SymgraphError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and print its answer; the status is one of those in :mod:`symgraph.commands`."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    asked = next((word for word in words if not word.startswith("-")), None)
    parser = argparse.ArgumentParser(
        prog="python -m symgraph", description="Formulas, their derivatives and programs.", epilog=STATUS
    )
    parser.add_argument("--version", action="version", version=f"symgraph {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (place, told) in COMMANDS.items():
        command = commands.add_parser(name, help=told, description=f"{told[0].upper()}{told[1:]}.", epilog=STATUS)
        if name == asked:
            module = import_module(place)
            module.arguments(command)
            command.add_argument("--json", action="store_true", help="print a record for programs")
    given = parser.parse_args(words)
    try:
        answer = module.answer(given)
        told = shown(answer.text, sys.stdout)
        _print(json.dumps(answer.record, ensure_ascii=False, indent=1) if given.json else told)
    except (Refused, SymgraphError, OSError) as error:
        kind = "ArgumentError" if isinstance(error, Refused) else type(error).__name__
        if given.json:
            _print(json.dumps({"error": kind, "message": str(error)}, ensure_ascii=False, indent=1))
        else:
            print(f"{parser.prog} {given.command}: {error}", file=sys.stderr)
        return error.status if isinstance(error, Refused) else WRONG
    except KeyboardInterrupt:
        return STOPPED
    return int(answer.status)


def _print(text: str) -> None:
    """Print, also where the reader closes the pipe early, as ``head`` does."""
    try:
        if text:
            print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
