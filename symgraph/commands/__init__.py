"""What can be asked from a shell: a row for each command, a file for each that declares its arguments and answers.

In: the words of a command line, of which ``module:object`` names what a user has declared; no text is evaluated. Out:
an :class:`Answer`, as text and as a record for programs, with the status that the shell sees.
"""

from __future__ import annotations

import sys
import traceback
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from symgraph.errors import SymgraphError

DONE, NO, WRONG, STOPPED = 0, 1, 2, 130
"""The status of a command: done; done, and the answer is no; wrong arguments; stopped by Ctrl-C."""
STATUS = "exit status: 0 done, 1 the answer is no (no such row, derivatives differ, a check failed), 2 wrong arguments"
REFERENCE = "module:object, as entry points are written; modules of the working folder are found"
COMMANDS = {
    "catalogue": ("symgraph.commands.catalogue", "every activation, loss, optimiser and schedule, from its row"),
    "derive": ("symgraph.commands.derive", "the gradients of a formula of yours, or the steps that lead to them"),
    "explain": ("symgraph.commands.explain", "forward, backward and update of a loss of yours as one table"),
    "audit": ("symgraph.commands.audit", "a claimed derivative against the derived one"),
    "course": ("symgraph.commands.course", "the lessons, run and opened as pages, or written as notebooks"),
    "bench": ("codegen.commands.bench", "how fast training steps are here, of yours or of standard networks"),
    "cache": ("codegen.commands.cache", "the compiled programs that are kept on disk: show or clear them"),
    "doctor": ("codegen.commands.doctor", "versions, processor, threads, cache; compiles, runs and checks a step"),
}
"""Each command, where it is, and what it is for. What it needs is imported when it is asked for."""
MOST_NAMES = 20
"""Names that an error lists."""


class Refused(Exception):
    """Arguments that a command cannot take, or a name that there is not; the text says what to write instead."""

    def __init__(self, text: str, status: int = WRONG) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command has found: ``text`` for people, ``record`` for ``--json``, and the status for the shell."""

    text: str
    record: Any
    status: int = DONE


def named(place: str) -> Any:
    """The object that ``module:object`` names; ``module:object.part`` is an attribute of it.

    Raises
    ------
    Refused
        if there is no such module or object, or if importing the module fails, with the user's line.
    """
    module, colon, path = place.partition(":")
    if not (module and colon and path):
        raise Refused(f"{place!r} is no module:object; write {module or 'model'}:J for J in {module or 'model'}.py")
    if module.endswith(".py") or "/" in module:
        raise Refused(f"{module} is a file: write its module's name, {Path(module).stem}:{path}")
    if "" not in sys.path:
        sys.path.insert(0, "")
    found: Any = _imported(module)
    for part in path.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            known = sorted(name for name in getattr(found, "__dict__", ()) if not name.startswith("_"))
            has = f"; there are {', '.join(known[:MOST_NAMES])}" if known else ""
            raise Refused(f"{place}: {module} has no {path}{has}") from None
    return found


def _imported(module: str) -> Any:
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and (module == error.name or module.startswith(f"{error.name}.")):
            raise Refused(f"there is no module {module} in {Path.cwd()}, nor is one installed") from None
        raise Refused(f"{module} cannot be imported: {error}") from error
    except Exception as error:  # whatever a user's module raises; ours tell the line themselves
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = "" if isinstance(error, SymgraphError) else f" ({Path(last.filename).name}:{last.lineno})"
        raise Refused(f"{module} cannot be imported: {type(error).__name__}: {error}{place}") from error
