"""Generated source, as tests look at it."""

from __future__ import annotations


def code_of(source: str) -> str:
    """The source without its comments."""
    return "\n".join(line for line in source.split("\n") if not line.lstrip().startswith("#"))
