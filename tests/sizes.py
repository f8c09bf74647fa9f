"""How many random examples a test draws: few in the suite, many with ``pytest --long``."""

from __future__ import annotations

LONG = False
"""Set by ``conftest``."""


def examples(few: int, many: int) -> int:
    """``many`` in a long run, else ``few``."""
    return many if LONG else few
