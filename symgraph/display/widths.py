"""Widths of text in a terminal, in columns: combining marks have none, Chinese characters two."""

from __future__ import annotations

import unicodedata


def width(text: str) -> int:
    """Columns that a text takes (Unicode Standard Annex 11; marks and format characters take none)."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def padded(text: str, columns: int) -> str:
    """The text with spaces up to so many columns."""
    return text + " " * (columns - width(text))


def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
