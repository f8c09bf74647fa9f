"""Markup: the one place where text becomes SVG, MathML or HTML. What is not markup already is escaped.

element("text", "a < b", x=3, class_="name")     →     <text x="3" class="name">a &lt; b</text>
"""

from __future__ import annotations

import re
from html import escape
from typing import Any

_VOID = frozenset({"br", "meta", "link", "img", "input", "hr"})
_EMPTY = frozenset({"path", "rect", "circle", "line", "image", "polyline", "mspace", "use"})
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML has no way to write; in its place stands the sign for what cannot be shown."""


class Markup(str):
    """Text that is markup."""

    __slots__ = ()


def as_text(value: Any) -> Markup:
    """A value as markup that shows it: numbers short, text escaped, markup as it is, None as nothing."""
    if isinstance(value, Markup):
        return value
    if value is None:
        return Markup()
    shown = f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
    return Markup(escape(_FORBIDDEN.sub("\ufffd", shown), quote=True))


def element(name: str, /, *inside: Any, **attributes: Any) -> Markup:
    """An element; an attribute that is None is left out, ``class_`` is ``class`` and ``data_v`` is ``data-v``."""
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{as_text(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Markup(f"<{name}{told}>")
    if name in _EMPTY and not inside:
        return Markup(f"<{name}{told}/>")
    return Markup(f"<{name}{told}>{joined(*inside)}</{name}>")


def joined(*parts: Any) -> Markup:
    """Parts in a row."""
    return Markup("".join(map(as_text, parts)))
