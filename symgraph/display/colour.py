"""Plain text in a terminal's colours: headings bold, derivatives as in drawings, rules dim, verdicts green or red.

    shown(str(sg.derivation(L, a)), sys.stdout)

Nothing but escape sequences is added, and only where a terminal shows them: what is piped, or written to a file, stays
plain. NO_COLOR (no-color.org) switches them off, FORCE_COLOR on.
"""

from __future__ import annotations

import os
import re
from typing import Any

BOLD, DIM, GOOD, BAD, BACKWARD = "1", "2", "32", "1;31", "31"
HEADINGS = "Given|Forward as computed|Forward|Backward as computed|Backward|Update|Conventions|Derivation of"
ROWS = (
    (re.compile(rf"^(?:{HEADINGS})\b.*$", re.M), BOLD),
    (re.compile(r"(?m)(?:^|(?<=: ))equal$|(?<=^.{20} )ok\b|^all is well$"), GOOD),
    (re.compile(r"(?m)(?<=: )(?:different|equal where|not claimed)\b.*|(?<=^.{20} )FAILED|^failed: .*"), BAD),
    (re.compile(r"∂[^\s/·∂\[]+(?:\[[^\]]*\])?/∂\w[\w.′]*"), BACKWARD),
)
"""What stands out, and the parameter of its escape sequence; of what two rows would colour, the first has it."""
RULES = (re.compile(r"(?<=\S)   +\S.*$", re.M), DIM)
"""In a derivation the last column, where each step's rule is."""


def wanted(stream: Any) -> bool:
    """Whether a stream shows colours, and nobody has said otherwise."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    isatty = getattr(stream, "isatty", None)
    return os.environ.get("TERM") != "dumb" and bool(isatty and isatty())


def shown(text: str, stream: Any) -> str:
    """The text as the stream shows it best."""
    return coloured(text) if wanted(stream) else text


def coloured(text: str) -> str:
    """The text with escape sequences."""
    taken: list[tuple[int, int, str]] = []
    for pattern, style in (RULES, *ROWS) if text.startswith("Derivation of") else ROWS:
        for found in pattern.finditer(text):
            begin, end = found.span()
            if all(end <= other or begin >= last for other, last, _ in taken):
                taken.append((begin, end, style))
    parts, at = [], 0
    for begin, end, style in sorted(taken):
        parts += [text[at:begin], f"\x1b[{style}m{text[begin:end]}\x1b[0m"]
        at = end
    return "".join([*parts, text[at:]])
