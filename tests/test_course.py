"""The course: lessons are read, run, and told as pages and notebooks, in both languages."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from symgraph.__main__ import main
from symgraph.drawing.course import build, markdown
from symgraph.drawing.course.lesson import LANGUAGES, read, run
from symgraph.drawing.course.notebook import notebook
from symgraph.drawing.course.pages import index_page, lesson_page
from symgraph.drawing.markup import as_text
from symgraph.errors import ArgumentError
from tests import browser, sizes
from tests.test_page import tags

COURSE = build.lessons()
IN_THE_SUITE = ("01", "02")
"""Lessons that take a second; the others are run with --long."""


def each(short: tuple[str, ...]) -> pytest.MarkDecorator:
    """All lessons, those that are not short only with --long."""
    long = pytest.mark.skipif(not sizes.LONG, reason="--long")
    marks = {lesson: [] if lesson.name.startswith(short) else [long] for lesson in COURSE}
    return pytest.mark.parametrize("lesson", [pytest.param(k, marks=v, id=k.name) for k, v in marks.items()])


@each(IN_THE_SUITE)
def test_the_pages_of_a_lesson(lesson) -> None:
    results = run(lesson)
    assert any(result.shown for result in results.values()), "a lesson shows something"
    for language in LANGUAGES:
        text = lesson_page(lesson, results, COURSE, language)
        assert len(text.encode()) < 400_000
        found = tags(text)
        ids = [a["id"] for _, a in found.seen if "id" in a]
        assert len(ids) == len(set(ids)), "a lesson has one derivation, the stepper's"
        assert not [a for _, a in found.seen if any(key.startswith("on") for key in a)]
        targets = [a["href"] for tag, a in found.seen if tag == "a"]
        known = {f"{name}.{one}.html" for name in ["index", *(c.name for c in COURSE)] for one in LANGUAGES}
        assert set(targets) <= known
        assert ('<html lang="zh-CN">' in text) == (language == "zh")
        prose = re.sub(r"<(pre|svg|math|style|script).*?</\1>", "", text, flags=re.S)
        assert bool(re.search("[一-鿿]{8}", prose)) == (language == "zh")


def test_price_of_apples_has_the_numbers_of_the_tutorial() -> None:
    lesson = COURSE[0]
    text = lesson_page(lesson, run(lesson), COURSE, "en")
    picture = re.search(r"<svg.*?</svg>", text, re.S)
    assert picture is not None
    told = set(re.findall(r'class="(?:above|below)"[^>]*>([^<]+)<', picture.group()))
    assert told == {"100", "2.2", "2", "110", "200", "1.1", "220", "1"}


@each(("01",))
def test_a_notebook_runs_from_top_to_bottom(lesson) -> None:
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    book = nbformat.reads(notebook(lesson, "zh"), as_version=4)
    nbformat.validate(book)
    nbclient.NotebookClient(book, timeout=600, resources={"metadata": {"path": str(lesson.path.parent)}}).execute()
    forms = {form for cell in book.cells for output in cell.get("outputs", ()) for form in output.get("data", ())}
    errors = [o for cell in book.cells for o in cell.get("outputs", ()) if o["output_type"] == "error"]
    assert not errors and {"text/html", "text/plain"} <= forms
    assert "image/svg+xml" in forms or not any("sg.draw(" in cell.source for cell in lesson.told("zh"))


def test_notebooks_and_the_index_are_the_lessons_texts(tmp_path, capsys) -> None:
    assert main(["course", "--notebooks", str(tmp_path)]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path)
    assert len(list(tmp_path.iterdir())) == 2 * len(COURSE)
    book = json.loads((tmp_path / f"{COURSE[0].name}.zh.ipynb").read_text(encoding="utf-8"))
    first = book["cells"][0]
    assert first["cell_type"] == "markdown" and first["source"][0] == "# 苹果的价格\n"
    assert len(first["source"]) == 3, "a paragraph is one line"
    for language in LANGUAGES:
        text = index_page(COURSE, language)
        tags(text)
        assert all(as_text(lesson.title(language)) in text for lesson in COURSE)


def test_pages_are_written_by_the_command(tmp_path, capsys) -> None:
    assert main(["course", "02", "--no-open", "--language", "zh", "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out.strip().endswith("index.zh.html")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "02_chain_rule.en.html", "02_chain_rule.zh.html", "index.en.html", "index.zh.html",
    ]  # fmt: skip
    assert main(["course", "nothing", "--no-open"]) == 2
    assert "no lesson is called 'nothing'; there are 01_price_of_apples" in capsys.readouterr().err
    assert main(["course", "--lessons", str(tmp_path)]) == 2
    assert "no lessons in" in capsys.readouterr().err


def test_markdown_is_escaped_and_flows() -> None:
    told = markdown.html("# A < B\n\n一行\n两行 `a<b>` **x** [y](02_chain_rule.en.html)\n\n- one\n- two\n  more")
    assert told == (
        "<h1>A &lt; B</h1><p>一行两行 <code>a&lt;b&gt;</code> <strong>x</strong> "
        '<a href="02_chain_rule.en.html">y</a></p><ul><li>one</li><li>two more</li></ul>'
    )
    assert markdown.html("∂L/∂y[n, i] `a/b[n, i]`") == "<p>∂L/\u2060∂y[n,\u00a0i] <code>a/b[n, i]</code></p>"
    assert markdown.html("[z](javascript:alert)") == "<p>[z](javascript:alert)</p>"
    assert "<img" not in markdown.html("</script><img src=x onerror=alert(1)>")
    assert markdown.html("| a | b |\n| --- | --- |\n| 1 | `2` |").count("<td>") == 2
    assert markdown.unbroken("a\nb\n\n```\nc\nd\n```") == "a b\n\n```\nc\nd\n```"


GOOD = "# %% [markdown] en\n# # A\n#\n# a\n# %% [markdown] zh\n# # 甲\n#\n# 乙\n# %%\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import symgraph", ":1: a lesson begins with a cell"),
        (GOOD + "# %% [markdown] fr\n", ":10: '# %% [markdown] fr' is neither"),
        (GOOD + "# %% [markdown] en\nx = 1\n", ":11: text of a cell stands in comments"),
        (GOOD + "# %% [markdown] en\n# more\n", ":11: after a cell in en comes the same in zh"),
        (GOOD + "# %% [markdown] zh\n# 多\n", "more cells in one language"),
        (GOOD.replace("# # A", "# A"), "has a heading"),
    ],
)
def test_what_is_no_lesson(text, message, tmp_path) -> None:
    path = tmp_path / "01_a.py"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ArgumentError, match=re.escape(message)):
        read(path)


def test_an_error_names_the_cell(tmp_path) -> None:
    path = tmp_path / "01_a.py"
    path.write_text(GOOD + "x = 1\nx / 0\n", encoding="utf-8")
    with pytest.raises(ZeroDivisionError) as raised:
        run(read(path))
    assert raised.value.__notes__ == [f"in the cell at {path}:10"]
    assert raised.traceback[-1].lineno == 10


@pytest.mark.skipif(browser.PROGRAM is None, reason=browser.ABSENT)
@pytest.mark.skipif(not sizes.LONG, reason="--long")
def test_lessons_in_a_browser(tmp_path) -> None:
    build.write_pages(build.lessons(names=IN_THE_SUITE), tmp_path)
    chromium = browser.Browser()
    try:
        for path in sorted(Path(tmp_path).glob("*.html")):
            for width in (320, 1600):
                chromium.open(path.as_uri(), width)
                assert chromium.value("document.documentElement.scrollWidth") <= width, path.name
        chromium.open((tmp_path / "02_chain_rule.en.html").as_uri())
        seen = "document.querySelectorAll('.chosen .steps > li:not(.later)').length"
        chromium.press("ArrowRight")
        assert chromium.value(seen) == 2
        chromium.value(
            "document.querySelector('.sg [data-v=t]').dispatchEvent(new MouseEvent('click', {bubbles: true}))"
        )
        assert chromium.value("document.querySelectorAll('.lit').length") > 1
        assert chromium.said == []
    finally:
        chromium.close()
