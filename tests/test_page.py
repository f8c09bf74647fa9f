"""One offline page: its parts, its size, that no text becomes markup, and how it acts in a browser."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
import sympy as sp

import codegen
import symgraph as sg
from codegen.run.fitting import History
from symgraph.display.program import Program
from symgraph.drawing.charts import curve
from symgraph.drawing.folding import rows_folded
from symgraph.drawing.markup import element, joined
from symgraph.drawing.mathml import mathml, name_markup, operator
from symgraph.drawing.measured import distributions, kernels
from symgraph.drawing.page import Page, graph_pane
from symgraph.drawing.panes import formulas
from symgraph.errors import ArgumentError, DomainError
from tests import browser, firefox, sizes
from tests.test_drawing import network

NASTY = "</script><img src=x onerror=alert(1)>"


def model() -> sg.Tensor:
    N = sg.dim("N")
    x, t = sg.input("x", (N, 6)), sg.labels("t", (N,), classes=3)
    W1, b1, W2 = sg.parameter("W1", (6, 4)), sg.parameter("b1", (4,)), sg.parameter("W2", (4, 3))
    h = sg.sigmoid(x @ W1 + b1)
    z = h @ W2
    return sg.cross_entropy(z, t) + sp.Rational(1, 100) * sg.sum(W1**2)


def values() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    shapes = {"x": (5, 6), "W1": (6, 4), "b1": (4,), "W2": (4, 3)}
    return {name: random.normal(size=shape) for name, shape in shapes.items()} | {"t": np.arange(5) % 3}


HISTORY = History(loss=[2.0, 1.0, 0.02], validation=[0.5, 0.6, 0.7], steps=9, seconds=0.1)


@pytest.fixture(scope="module")
def step():
    """A training step, whose kernels are not compiled but run as Python."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SYMGRAPH_PYTHON", "1")
        step = codegen.train_step(model(), sg.SGD(lr=0.1))
        assert step.source
    return step


@pytest.fixture(scope="module")
def page(step, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "model.html"
    sg.report(step, path, values=values(), history=HISTORY, errors=True)
    return path


class Tags(HTMLParser):
    """Whether every element that is opened is closed, in its order; and what is in the page."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict]] = []

    def handle_starttag(self, tag, attrs) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag


def tags(text: str) -> Tags:
    found = Tags()
    found.feed(text)
    found.close()
    assert not found.open
    return found


def test_the_page_is_whole_small_and_alone(page) -> None:
    text = page.read_text(encoding="utf-8")
    assert len(text.encode()) < 300_000
    found = tags(text)
    titles = re.findall(r'<h2 id="[a-z]+-title">(\w+)</h2>', text)
    assert titles == ["Declaration", "Graph", "Formulas", "Derivation", "Kernels", "Cost", "Errors", "Values",
                      "Training"]  # fmt: skip
    addresses = [a[key] for _, a in found.seen for key in ("src", "href") if key in a]
    assert all(address.startswith(("#", "data:")) for address in addresses), "nothing comes from elsewhere"
    ids = [a["id"] for _, a in found.seen if "id" in a]
    assert len(ids) == len(set(ids))
    assert not [a for _, a in found.seen if any(key.startswith("on") for key in a)]
    assert "def forward_" in text and "← " in text and "cancel and collect" in text


def test_one_value_is_marked_in_every_pane(page) -> None:
    text = page.read_text(encoding="utf-8")
    for anchor in ("graph", "formulas", "derivation", "kernels", "values"):
        pane = re.search(rf'<section id="{anchor}".*?</section>', text, re.S)
        assert pane is not None and 'data-v="h"' in pane.group(), anchor
    assert 'data-v="∂J/∂h"' in text


def test_what_a_formula_costs_stands_beside_it(page) -> None:
    text = page.read_text(encoding="utf-8")
    text = text.partition('<section id="formulas"')[2]
    rows = dict(re.findall(r'<tr data-v="([^"]+)">.*?class="beside">(.*?)</div></td></tr>', text))
    assert "operations: 52·N" in rows["a1"], "6 products and sums for each of 4, and 4 biases"
    assert "operations: 48·N + 48" in rows["∂J/∂W1"] and "<code>update_W1</code>" in rows["W1"]
    assert "ulp at worst" in rows["∂J/∂b1"], "a sum of computed terms is as exact as they are"
    assert "ulp at worst" in rows["a1"] and "<code>forward_h</code>" in rows["h"]


def test_no_text_of_a_user_becomes_markup() -> None:
    leaf = sg.Tensor.leaf("parameter", NASTY, (sp.Integer(3),))
    h = sg.exp(leaf).named("h")
    J = sg.sum(h**2)
    page = str(sg.report(J))
    assert "<img" not in page and page.count("</script>") == 1
    assert "&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;" in page
    tags(page)
    for shown in (J, sg.grad(J, [leaf]), sg.derivation(J, leaf), sg.explain(J)):
        assert "<img" not in shown._repr_html_() and "<script>" not in shown._repr_html_()


def test_mathml_is_the_formula() -> None:
    assert name_markup("W1") == "<msub><mi>W</mi><mn>1</mn></msub>"
    assert name_markup("lambda") == "<mi>λ</mi>" and name_markup("θ") == "<mi>θ</mi>"
    assert name_markup("hidden") == '<mi mathvariant="normal">hidden</mi>'
    N = sg.dim("N")
    x, b = sg.input("x", (N, 3)), sg.parameter("b", (3,))
    y = sg.where(x > 0, sg.sqrt(x) / (1 + abs(b)), sg.exp(-x)) ** 3
    u, v = Program([y], named=[y]).equation(y), Program([s := sg.sum(x, axis=1)], named=[s]).equation(s)
    for equation in (u, v):
        root = ElementTree.fromstring(mathml(equation.left, operator("="), equation.right))
        entries = {e.get("data-v") for e in root.iter("mrow")} - {None}
        assert entries >= {"x"}
    z = x**2 * b
    a, c = sg.input("a", ()), sg.input("c", ())
    w = a**3 * c
    curve = sg.grad(sg.grad(w, a), a)
    assert '<msup><mo lspace="0" rspace="0">∂</mo><mn>2</mn></msup><mi>w</mi>' in curve._repr_html_()
    assert "<msup><mi>a</mi><mn>2</mn></msup>" in curve._repr_html_()
    assert "<msubsup><mi>x</mi>" in z._repr_html_(), "the power stands over the indices"
    shown = mathml(u.right)
    assert all(f"<{tag}" in shown for tag in ("msqrt", "mfrac", "msup", "mtable"))
    assert "<munder>" in mathml(v.right) and "∑" in mathml(v.right)


def test_what_notebooks_show() -> None:
    x = sg.input("x", (2,))
    y = sg.exp(x)
    assert "<math" in y._repr_html_() and y._repr_latex_().startswith("$") and "<svg" in y._repr_svg_()
    gradient = sg.grad(sg.sum(y), [x])
    assert "<mfrac>" in gradient._repr_html_()
    assert "srcdoc=" in sg.derivation(sg.sum(y), x)._repr_html_()
    told = sg.explain(sg.sum(network(13)), wrt=[])._repr_html_()
    assert "<table>" in told and "more of this form" in told and "<button" not in told, "a notebook has no script"
    assert "3 epochs" in HISTORY._repr_html_() and "<polyline" in HISTORY._repr_svg_()
    assert repr(HISTORY).splitlines()[1:] == ["  loss: 2 … 0.02", "  validation: 0.5 … 0.7>"]
    assert ":root" not in told + HISTORY._repr_html_() + y._repr_html_(), "nothing of a notebook changes its colours"
    for shown in (sg.derivation(sg.sum(y), x), sg.explain(sg.sum(y), wrt=[x])):
        assert repr(shown) == str(shown)
    assert History()._repr_svg_() is None
    assert sg.draw(y)._repr_svg_().startswith("<svg") and sg.draw(y)._repr_latex_() is None

    pretty = pytest.importorskip("IPython.lib.pretty").pretty
    assert pretty(y) == "y[i] = exp(x[i])" and pretty(gradient).startswith("∂J/∂x[i] = ")
    assert pretty(sg.explain(sg.sum(y), wrt=[x])).startswith("Given\n")


def test_what_is_wrong_with_values_is_said(step, monkeypatch) -> None:
    monkeypatch.setenv("SYMGRAPH_PYTHON", "1")
    dead = values() | {"b1": np.full(4, -1e3)}
    page = str(sg.report(step, values=dead))
    assert "0 everywhere" in page and "W1 has no influence" not in page, "its penalty has"
    assert "b1 has no influence, because ∂J/∂a1 is 0" in page
    steep = {"∂J/∂a": np.ones(3), "∂J/∂b": np.full(3, 2.0), "∂J/∂c": np.full(3, 1e-6), "∂J/∂d": np.full(3, 1e6)}
    text = distributions(steep)
    assert "vanishes: 1e-06 of ∂J/∂a, the nearest to the loss" in text and "explodes: 1e+06 times ∂J/∂a" in text
    halves = np.ones((2, 3)) * [0, 1, 0]
    assert "2 of 3 columns are 0 in every row: 0, 2" in distributions({"h": halves})
    assert 'class="bad"></td>' in distributions({"h": halves}, given={"h"}), "a margin of an image is no dead unit"


def test_the_first_value_of_a_loss_that_is_not_finite_is_named() -> None:
    x, w = sg.input("x", (4,)), sg.parameter("w", ())
    y = sg.relu(w * x)
    page = str(sg.report(-sg.mean(sg.log(y)), values={"x": np.array([1.0, -2.0, 3.0, 4.0]), "w": 1.0}))
    assert '<p class="bad">log(y[i]) is -inf at i = 1, where y[i] is 0</p>' in page
    z = sg.input("z", (2,))
    stable = str(sg.report(sg.log(sg.sum(sg.exp(z))), values={"z": np.array([1e4, 0.0])}))
    assert "not finite" not in stable, "what runs is shifted by the largest"


def test_a_page_in_chinese() -> None:
    text = str(sg.report(model(), language="zh", values=values(), history=HISTORY, optimizer=sg.Adam()))
    said = re.findall(r"<(?:h1|h2|th|option|button|p)[^>]*>([^<]+)<", text)
    names = re.compile(r"[\w′./∂]+( \([\w, ]*\))?|loss|validation")
    assert not [phrase for phrase in said if not re.search("[一-鿿]", phrase) and not names.fullmatch(phrase)]
    rules = set(re.findall(r"</math></span><span>([^<]+)<", text))
    assert {"链式法则，经过 ", "约分并合并"} <= rules and not [rule for rule in rules if re.search("[a-z]{3}", rule)]
    assert '<html lang="zh-CN">' in text and ">参数<" in text and 'aria-label="参数 W1 (6, 4)"' in text
    u = sg.input("u", (3,))
    assert "histogram of" not in text and "损失，共 3 轮，从 2 到 0.02" in text and "20 个值的直方图" in text
    branches = [str(sg.report(sg.sum(sg.elu(u)), language=language)) for language in ("zh", "en")]
    words = [set(re.findall("<mtext>([^<]*[^<, \u2003][^<]*)</mtext>", page)) for page in branches]
    assert words == [{"若\xa0", "其他情形"}, {"if\xa0", "otherwise"}]
    with pytest.raises(ArgumentError, match="language must be one of en, zh, not 'fr'"):
        sg.report(model(), language="fr")


def test_curves_have_axes() -> None:
    told = curve([2.0, 0.5, float("nan"), 0.004], "loss")
    assert all(f">{tick}<" in told for tick in ("1", "0.1", "0.01", "2", "4", "loss, logarithmic", "epoch"))
    assert told.count("<polyline") == 1 and told.count("<circle") == 1, "broken where it is not finite"
    assert ">1.4<" in curve([2.0, 1.0], "loss") and "<svg" in curve([float("inf")], "x") and "<svg" in curve([], "x")


def test_rows_that_repeat_are_made_from_one_of_them() -> None:
    J = network(13)
    program = Program([J], named=[J])
    values = [t for t in program.naming.order if t.definition is not None and t in program.naming.names]
    cells = [(program.naming.names[t].text, mathml(program.equation(t).right)) for t in values]
    rows = [(name, element("tr", element("td", name), element("td", formula))) for name, formula in cells]
    told = rows_folded(rows, lambda inside: element("tr", inside))

    def opened(found: re.Match[str]) -> str:
        made = ""
        for line in found[1].split(";"):
            numbers = line.split(" ")
            made += re.sub("\ue000(.*?)\ue001", lambda n, numbers=numbers: numbers[int(n[1])], found[2])
        return made

    button = r'<tr><button.*?data-numbers="(.*?)">[^<]*</button><template>(.*?)</template></tr>'
    assert re.sub(button, opened, told) == joined(*(markup for _, markup in rows))
    assert "more of this form: " in told and len(told) < 0.8 * sum(len(markup) for _, markup in rows)


def test_kernels_with_the_code_of_another_show_their_call(monkeypatch) -> None:
    monkeypatch.setenv("SYMGRAPH_PYTHON", "1")
    step = codegen.train_step(network(2), sg.SGD(lr=0.1))
    text = re.sub("<[^>]*>", "", kernels(step.source, step.report().kernels, {}))
    assert "forward_h2h1_W2[n, i] =" in text.replace("\n", "") and "forward_h1(h1, W2, b2," in text


def test_a_report_is_html(tmp_path) -> None:
    x = sg.input("x", ())
    with pytest.raises(ArgumentError, match=r"saved as \.html, not as 'a\.pdf'"):
        sg.report(sg.exp(x), tmp_path / "a.pdf")
    with pytest.raises(ArgumentError, match=r"history is what step\.fit has returned, not list"):
        sg.report(sg.exp(x), history=[1.0])
    with pytest.raises(DomainError, match="'adam' is no optimiser"):
        sg.report(sg.exp(x), optimizer="adam")


def test_a_plain_formula_has_one_name_in_all_panes() -> None:
    u, v = sp.symbols("u v")
    text = str(sg.report(sp.exp(-v * u**2) + sp.sin(u), values={u: 1.0, "v": 2.0}))
    assert 'data-v="J"' in text and "v1" not in text and text.count('<section id="') == 5


def test_what_tells_its_cost_has_a_page() -> None:
    class Fitted:
        def reported(self, given):
            return model(), sg.Adam(), HISTORY, {**values(), **given}

    page = sg.report(Fitted(), values={"b1": np.zeros(4)})
    assert list(page.sections) == ["Declaration", "Graph", "Formulas", "Derivation", "Values", "Training"]
    assert "Update (Adam)" in str(page)


@pytest.mark.skipif(firefox.PROGRAM is None, reason=firefox.ABSENT)
@pytest.mark.skipif(not sizes.LONG, reason="--long")
def test_in_firefox(page) -> None:
    fox = firefox.Firefox()
    try:
        fox.open(page.as_uri())
        fox.value("document.querySelector('#graph [data-v=h]').dispatchEvent(new MouseEvent('click', {bubbles: true}))")
        lit = set(fox.value("[...document.querySelectorAll('.lit')].map(e => e.closest('section').id)"))
        assert lit >= {"graph", "formulas", "kernels", "values"}
        fox.press("Escape")
        assert fox.value("document.querySelectorAll('.lit').length") == 0
        for key, count in (("ArrowRight", 2), ("ArrowRight", 3), ("ArrowLeft", 2)):
            fox.press(key)
            assert fox.value("document.querySelectorAll('.chosen .steps > li:not(.later)').length") == count, key
        heights = "[...document.querySelectorAll('mfrac')].map(e => e.getBoundingClientRect().height)"
        assert min(height for height in fox.value(heights) if height) > 20, "a fraction stands above its denominator"
        clipped = "[...document.querySelectorAll('.long')].filter(e => e.scrollWidth > e.clientWidth + 1).length"
        assert fox.value(clipped) == 0
        for width in (500, 1600):  # a window of Firefox is not narrower
            fox.resize(width)
            assert fox.value("document.documentElement.scrollWidth") <= width
    finally:
        fox.close()


@pytest.mark.skipif(browser.PROGRAM is None, reason=browser.ABSENT)
def test_in_a_browser(page, tmp_path) -> None:
    deep = tmp_path / "deep.html"
    J = network(13)
    panes = {"Graph": graph_pane(J, Program([J], named=[J])), "Formulas": formulas(sg.explain(J, wrt=[]))}
    deep.write_text(str(Page("deep", panes)), encoding="utf-8")
    chromium = browser.Browser()
    try:
        chromium.open(page.as_uri())
        lit = "[...document.querySelectorAll('.lit')].map(e => e.closest('section').id)"
        # select by click, then by keyboard
        click = "dispatchEvent(new MouseEvent('click', {bubbles: true}))"
        chromium.value(f"document.querySelector('#graph [data-v=h]').{click}")
        assert set(chromium.value(lit)) >= {"graph", "formulas", "kernels", "values"}
        assert chromium.value("document.getElementById('said').textContent").startswith("h: in ")
        chromium.press("Escape")
        assert chromium.value(lit) == []
        chromium.value("document.querySelector('#graph [data-v=W1]').focus()")
        chromium.press("Enter")
        assert "declaration" in chromium.value(lit)
        assert chromium.value("document.activeElement.getAttribute('aria-pressed')") == "true"
        unnamed = [node["role"]["value"] for node in chromium.call("Accessibility.getFullAXTree")["nodes"]
                   if not node["ignored"] and not node.get("name", {}).get("value")
                   and any(p["name"] == "focusable" for p in node.get("properties", ()))]  # fmt: skip
        assert unnamed == [], "whatever the keyboard reaches says what it is"
        chromium.value("document.activeElement.blur()")
        # step by the arrow keys; Home and End are the page's own, but for where the derivation is
        chromium.press("End")
        assert chromium.value("document.querySelectorAll('.chosen .steps > li:not(.later)').length") == 1
        seen = "document.querySelectorAll('.chosen .steps > li:not(.later)').length"
        assert chromium.value(seen) == 1
        for key, count in (("ArrowRight", 2), ("ArrowRight", 3), ("ArrowLeft", 2)):
            chromium.press(key)
            assert chromium.value(seen) == count, key
        chromium.value("document.getElementById('on').focus()")
        for key, count in (("Home", 1), ("ArrowLeft", 1)):
            chromium.press(key)
            assert chromium.value(seen) == count, key
        chromium.press("End")
        assert chromium.value(seen) == chromium.value("document.querySelectorAll('.chosen .steps > li').length") > 10
        # dark, narrow, wide
        paper = "getComputedStyle(document.body).backgroundColor"
        assert chromium.value(paper) == "rgb(255, 255, 255)"
        chromium.value("document.getElementById('theme').click()")
        assert chromium.value(paper) == "rgb(20, 23, 26)"
        for width in (320, 1600):
            chromium.resize(width)
            assert chromium.value("document.documentElement.scrollWidth") <= width
        # on paper: all steps of all derivations, light, without what is to be pressed
        chromium.press("Home")
        chromium.prefer("dark", media="print")
        shown = "[...document.querySelectorAll('.steps li, .bar, .controls')].map(e => e.getClientRects().length)"
        counts = chromium.value(shown)
        assert counts.count(0) == 2 and counts.count(1) == len(counts) - 2 > 40
        assert chromium.value(paper) == "rgb(255, 255, 255)"
        chromium.value("delete document.documentElement.dataset.theme")
        for scheme, colour in (("dark", "rgb(20, 23, 26)"), ("light", "rgb(255, 255, 255)")):
            chromium.prefer(scheme)
            assert chromium.value(paper) == colour
        # layers that repeat open by a click
        chromium.open(deep.as_uri())
        hidden = "['folded', 'whole'].map(id => document.getElementById(id).hidden)"
        assert chromium.value(hidden) == [False, True]
        chromium.value(f"document.querySelector('.node.fold').{click}")
        assert chromium.value(hidden) == [True, False]
        rows = "document.querySelectorAll('#formulas tr').length"
        count = chromium.value(rows)
        chromium.value("document.querySelector('#graph [data-v=W4]').focus()")
        chromium.press("Enter")
        assert chromium.value("document.querySelectorAll('#formulas .lit').length") == 0
        chromium.value("document.querySelectorAll('.more').forEach(e => e.click())")
        assert chromium.value(rows) > count + 10
        assert chromium.value("document.querySelectorAll('#formulas .lit').length") > 1
        chromium.value("document.querySelectorAll('.more').forEach(e => e.click())")
        assert chromium.value(rows) == count
        assert chromium.said == []
    finally:
        chromium.close()
