"""Lessons as pages that open without a network, beside an index for each language."""

from __future__ import annotations

import io
import keyword
import tokenize
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from symgraph.drawing import measured, panes
from symgraph.drawing.course.lesson import LANGUAGES, Cell, Lesson, Result
from symgraph.drawing.course.markdown import html
from symgraph.drawing.markup import Markup, element, joined
from symgraph.drawing.measured import reachable
from symgraph.drawing.page import document, said, text_of
from symgraph.drawing.rich import formula, gradients
from symgraph.drawing.words import Say, words

WORDS = {
    "en": {
        "course": "Backpropagation, from the price of apples to LeNet and LSTM",
        "about": "Every number, formula and picture on these pages was computed by the code above it.",
        "hint": "Select a value, by click or by Tab and Enter, and it lights up wherever it stands.",
        "other": "中文", "index": "all lessons", "language": "en",
    },
    "zh": {
        "course": "反向传播：从苹果的价格到 LeNet 与 LSTM",
        "about": "页面上的每个数、每个公式、每张图，都由它上方的代码算出。",
        "hint": "单击某个量（或用 Tab 键移动、回车键选中），它出现的每一处都会高亮。",
        "other": "English", "index": "全部课程", "language": "zh-CN",
    },
}  # fmt: skip

IN_A_PAGE: dict[str, Callable[[Any, Say], Markup]] = {
    "Drawing": lambda drawing, say: drawing.picture.svg(say(drawing.title), alone=False, interactive=True, say=say),
    "Derivation": lambda derivation, say: panes.derivations([derivation], say),
    "Page": lambda page, say: Markup(page.framed()),
    "Tensor": formula, "Gradients": gradients, "Explanation": panes.formulas,
    "History": measured.curves, "Report": measured.cost,
}  # fmt: skip
"""Objects that a page with its script shows otherwise than a notebook."""


def page_name(name: str, language: str) -> str:
    """Of a file."""
    return f"{name}.{language}.html"


def lesson_page(lesson: Lesson, results: Mapping[Cell, Result], course: Sequence[Lesson], language: str) -> str:
    """The page of a lesson that has been run, with links to those before and after it in the course."""
    told = WORDS[language]
    number = [other.name for other in course].index(lesson.name)
    links = [_link(told["index"], "index", language)]
    links += [_link(f"← {course[n].title(language)}", course[n].name, language) for n in (number - 1,) if n >= 0]
    after = course[number + 1 : number + 2]
    links += [_link(f"{other.title(language)} →", other.name, language) for other in after]
    parts = []
    for cell in lesson.told(language):
        parts.append(html(cell.source) if cell.language else _code(cell.source, words(language)))
        if cell in results:
            parts += _result(results[cell], words(language))
    return _document(lesson.title(language), joined(*parts), links, lesson.name, language)


def index_page(course: Sequence[Lesson], language: str) -> str:
    """The lessons with their first paragraphs."""
    told = WORDS[language]
    items = [
        element("li", _link(lesson.title(language), lesson.name, language), html(lesson.summary(language)))
        for lesson in course
    ]
    inside = joined(element("h1", told["course"]), element("p", told["about"]), element("ol", *items, class_="lessons"))
    return _document(told["course"], inside, [], "index", language)


def _document(title: str, inside: Markup, links: Sequence[Markup], name: str, language: str) -> str:
    told, say = WORDS[language], words(language)
    other = next(other for other in LANGUAGES if other != language)
    switch = element("a", told["other"], href=page_name(name, other), lang=WORDS[other]["language"],
                     hreflang=WORDS[other]["language"])  # fmt: skip
    bar = element(
        "div", element("nav", *links, switch, aria_label=told["course"]),
        said(say), element("button", say("light or dark"), id="theme", type="button"), class_="bar",
    )  # fmt: skip
    hint = element("p", told["hint"], class_="soft")
    style = text_of(Path(__file__).parent / "lesson.css")
    return document(title, joined(element("header", bar), element("main", inside), element("footer", hint)),
                    style=style, language=told["language"])  # fmt: skip


def _link(text: str, name: str, language: str) -> Markup:
    return element("a", text, href=page_name(name, language))


def _result(result: Result, say: Say) -> list[Markup]:
    parts = []
    if result.printed:
        parts.append(element("pre", result.printed.rstrip("\n"), class_="printed wide", **reachable(say("output"))))
    for shown in result.shown:
        way = next((IN_A_PAGE[base.__name__] for base in type(shown).__mro__ if base.__name__ in IN_A_PAGE), None)
        rich = getattr(shown, "_repr_html_", lambda: None)() if way is None else way(shown, say)
        inside = element("pre", repr(shown)) if rich is None else Markup(rich)
        parts.append(element("div", inside, class_="shown wide", **reachable(say("result"))))
    return parts


def _code(source: str, say: Say) -> Markup:
    """Python with its comments, strings and keywords marked."""
    lines = source.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    parts: list[object] = []
    end = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        kind = _kind(token)
        if kind is not None:
            first, last = (starts[row - 1] + column for row, column in (token.start, token.end))
            parts += [source[end:first], element("span", source[first:last], class_=kind)]
            end = last
    return element("pre", element("code", *parts, source[end:]), class_="code wide", **reachable(say("code")))


def _kind(token: tokenize.TokenInfo) -> str | None:
    if token.type == tokenize.NAME and keyword.iskeyword(token.string):
        return "keyword"
    return {tokenize.COMMENT: "comment", tokenize.STRING: "string"}.get(token.type)
