"""Names that users give: what is a name, and what is refused where it is given, with the reason."""

from __future__ import annotations

from typing import Any

from symgraph.core.provenance import at_line
from symgraph.errors import NameConflictError

LONGEST = 200
MARKS = "_.{}^\\'"


def checked_name(name: Any, what: str = "a name", more: str = "") -> str:
    """The name, if it is one: letters and digits of any script, and a few marks; ``more`` are further ones.

    Raises
    ------
    NameConflictError
        for anything else, with what is expected.
    """
    if isinstance(name, str) and 0 < len(name) <= LONGEST and all(_is_part(c) or c in MARKS + more for c in name):
        return name
    marks = " ".join(MARKS + more.strip())
    shown = repr(name) if len(repr(name)) <= LONGEST else f"{repr(name)[:40]}…"
    raise NameConflictError(
        at_line(f"{shown} is not usable as {what}: expected 1 to {LONGEST} letters, digits, and {marks}")
    )


def _is_part(c: str) -> bool:
    """A letter or digit, or what is written on one, as the hat of θ̂."""
    return c.isalnum() or f"v{c}".isidentifier()
