"""What repeats, as the layers of a deep network do: the first and the last are shown, and what is between on request.

Rows of a page that differ in the numbers of their names alone are of one form. Those folded are kept as one of them
in a ``<template>``, with marks in the places of these numbers, and a list of the numbers: opened, they are put in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from symgraph.drawing.markup import Markup, element, joined
from symgraph.drawing.words import Say, english

LEAST_REPEATS, LONGEST_PERIOD = 5, 12
"""Of a block that repeats, to be folded."""
MOST_NAMES = 6
"""In the line that stands for folded rows."""
_NUMBER = re.compile(r"((?<=[^\W\d])\d+|(?<=<mn>)\d+(?=</mn>)|(?<=\.py:)\d+)")
"""A number in a name, a subscript, or the line of a file; never one of a shape."""
_OPEN, _CLOSE = "\ue000", "\ue001"
"""Around the position of a number in a template: characters that no text has a meaning for."""


def repeats(forms: Sequence[str], start: int) -> tuple[int, int]:
    """The block at ``start`` that covers most by its repetitions: its length, and how often it is there."""
    best = 1, 1
    for period in range(1, LONGEST_PERIOD + 1):
        count, at = 1, start + period
        while forms[at : at + period] == forms[start : start + period] and at + period <= len(forms):
            count, at = count + 1, at + period
        if count >= LEAST_REPEATS and period * count > best[0] * best[1]:
            best = period, count
    return best


def rows_folded(
    rows: Sequence[tuple[str, Markup]], outer: Callable[[Markup], Markup], say: Say = english, live: bool = True
) -> Markup:
    """Rows under each other, of which those that repeat are folded.

    Parameters
    ----------
    rows : each with the name of its value, or no name.
    outer : makes a row of what stands for folded ones.
    live : there is a script that opens them; else only their names are told.
    """
    forms = [_NUMBER.sub("#", markup) for _, markup in rows]
    parts: list[Markup] = []
    at = 0
    while at < len(rows):
        period, count = repeats(forms, at)
        end = at + period * count
        if count >= LEAST_REPEATS:
            inside = rows[at + period : end - period]
            parts += [markup for _, markup in rows[at : at + period]]
            parts.append(outer(_fold(inside, period, say, live)))
            at = end - period
        parts += [markup for _, markup in rows[at:end]]
        at = end
    return joined(*parts)


def _fold(rows: Sequence[tuple[str, Markup]], period: int, say: Say, live: bool) -> Markup:
    """The button that opens rows, and the template they are made from."""
    count = len(rows) // period
    last = rows[-period:]
    names = [f"{name} … {other}" for (name, _), (other, _) in zip(rows[:period], last, strict=True) if name]
    told = ", ".join(names[:MOST_NAMES]) + (", …" if len(names) > MOST_NAMES else "")
    label = say(f"{count} more of this form: {told}" if names else f"{count} more of this form")
    if not live:
        return element("span", label, class_="soft")
    blocks = [_NUMBER.split("".join(m for _, m in rows[n : n + period])) for n in range(0, len(rows), period)]
    columns = list(zip(*(block[1::2] for block in blocks), strict=True))
    position: dict[tuple[str, ...], int] = {}
    text = blocks[0][0]
    for column, after in zip(columns, blocks[0][2::2], strict=True):
        varies = len(set(column)) > 1
        text += f"{_OPEN}{position.setdefault(column, len(position))}{_CLOSE}" if varies else column[0]
        text += after
    numbers = ";".join(" ".join(row) for row in zip(*position, strict=True))
    return joined(
        element("button", label, type="button", class_="more", aria_expanded="false", data_numbers=numbers),
        element("template", Markup(text)),
    )
