"""The Markdown that lessons are written in, as HTML: headings, paragraphs, lists, tables, code, emphasis, links.

What is not of this language is text; nothing of it becomes markup unescaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from symgraph.drawing.markup import Markup, element, joined

_WIDE = "\u2e80-\u9fff\uff00-\uffef\u3000-\u303f\u201c\u201d\u2018\u2019\u2014"
_BREAK = re.compile(f"(?<=[{_WIDE}])\n|\n(?=[{_WIDE}])")
"""A line's end beside a Chinese character, where no space belongs."""
_INLINE = re.compile(
    r"`(?P<code>[^`]+)`|\*\*(?P<strong>[^*]+)\*\*|\*(?P<em>[^*]+)\*|\[(?P<text>[^\]]+)\]\((?P<href>#?[\w./-]+)\)"
)
_INDICES = re.compile(r"\[[\w+−, ]+\]")
_QUOTIENT = re.compile(r"(?<=[\w)\]])/(?=[\w(∂])")
_HEADING = re.compile(r"(#{1,3}) (.+)")


def blocks(source: str) -> Iterator[str]:
    """What blank lines separate; fenced code is one block."""
    held: list[str] = []
    is_fenced = False
    for line in [*source.split("\n"), ""]:
        is_fenced ^= line.startswith("```")
        if line or is_fenced:
            held.append(line)
        elif held:
            yield "\n".join(held)
            held = []


def unbroken(source: str) -> str:
    """The same text with every paragraph and item on a line of its own, for readers that show line ends as spaces."""
    return "\n\n".join(block if _is_literal(block) else _flowed(block) for block in blocks(source))


def html(source: str) -> Markup:
    """A cell's text."""
    return joined(*map(_block, blocks(source)))


def _is_literal(block: str) -> bool:
    return block.startswith(("```", "|"))


def _flowed(block: str) -> str:
    items = re.split(r"\n(?=- )", block)
    return "\n".join(re.sub(r"\n *", " ", _BREAK.sub("", re.sub(r"\n +", "\n", item))) for item in items)


def _block(block: str) -> Markup:
    if block.startswith("```"):
        return element("pre", element("code", block.partition("\n")[2].removesuffix("```").rstrip("\n")), class_="wide")
    if block.startswith("|"):
        return _table(block.split("\n"))
    text = _flowed(block)
    if text.startswith("- "):
        return element("ul", *(element("li", _inline(item.removeprefix("- "))) for item in text.split("\n")))
    heading = _HEADING.fullmatch(text)
    if heading is not None:
        return element(f"h{len(heading[1])}", _inline(heading[2]))
    return element("p", _inline(text))


def _table(lines: list[str]) -> Markup:
    """Rows with bars; the second is the rule under the head."""
    head, _, *rows = ([cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines)
    told = [element("tr", *(element("td", _inline(cell)) for cell in row)) for row in rows]
    above = element("tr", *(element("th", _inline(cell), scope="col") for cell in head))
    return element("div", element("table", element("thead", above), element("tbody", *told)), class_="wide")


def _inline(text: str) -> Markup:
    parts: list[object] = []
    end = 0
    for found in _INLINE.finditer(text):
        parts.append(_held(text[end : found.start()]))
        end = found.end()
        if found["href"] is not None:
            parts.append(element("a", _inline(found["text"]), href=found["href"]))
        else:
            kind = str(found.lastgroup)
            parts.append(element(kind, found[kind] if kind == "code" else _inline(found[kind])))
    return joined(*parts, _held(text[end:]))


def _held(text: str) -> str:
    """No line ends inside a quotient, or between the indices of an element."""
    return _QUOTIENT.sub("/\u2060", _INDICES.sub(lambda found: found[0].replace(", ", ",\u00a0"), text))
