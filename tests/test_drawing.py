"""Graphs as pictures: the tutorial's own drawings with their numbers; nothing overlaps at 5, 50 and 500 nodes."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import pytest
import sympy as sp

import symgraph as sg
from symgraph.display.program import Program
from symgraph.display.widths import padded
from symgraph.drawing.draw import draw
from symgraph.drawing.figure import figure_of
from symgraph.drawing.flow import Flow, evaluated, passed_back
from symgraph.drawing.heat import shown
from symgraph.drawing.operations import exploded
from symgraph.drawing.svg import Picture
from symgraph.errors import ArgumentError, DomainError
from symgraph.reference import evaluate
from tests.counting import calls_of
from tests.pictures import edges, seen
from tests.test_architecture import run


def test_affine_passes_the_loss_back() -> None:
    """dX = dY·Wᵀ, dW = Xᵀ·dY, dB = Σ_n dY, wherever the loss that the layer goes on to has a name."""
    N = sg.dim("N")
    X, W, B = sg.input("X", (N, 2)), sg.parameter("W", (2, 3)), sg.parameter("B", (3,))
    Y = X @ W + B
    below = {tail: labels[1] for (tail, _), labels in edges(sg.draw(Y, upstream="L")).items()}
    assert below == {"X (N, 2)": "Σ_j ∂L/∂Y[n, j]·W[i, j]", "W (2, 3)": "Σ_n X[n, i]·∂L/∂Y[n, j]",
                     "B (3,)": "Σ_n ∂L/∂Y[n, j]", "Y (N, 3)": "∂L/∂Y[n, j]"}  # fmt: skip
    assert not sg.draw(Y).labels


def test_price_of_apples() -> None:
    apple, count, tax = (sg.input(name, ()) for name in ("apple", "count", "tax"))
    apple_price = apple * count
    price = apple_price * tax
    drawing = price.graph(level="scalar", values={"apple": 100, "count": 2, "tax": 1.1})
    assert edges(drawing) == {
        ("apple", "×"): ("100", "2.2"), ("count", "×"): ("2", "110"), ("×", "×"): ("200", "1.1"),
        ("tax", "×"): ("1.1", "200"), ("×", "price"): ("220", "1"),
    }  # fmt: skip
    picture = seen(drawing.svg())
    assert {"apple", "100", "2.2", "200", "220", "price", "×"} <= set(picture.texts)
    assert picture.overlaps() == picture.struck() == picture.crossings() == 0


def test_square_of_a_sum() -> None:
    x, y = sg.input("x", ()), sg.input("y", ())
    t = x + y
    z = t**2
    assert edges(sg.draw(z, level="scalar")) == {
        ("x", "+"): ("x", "2·t"), ("y", "+"): ("y", "2·t"), ("+", "x²"): ("t", "2·t"), ("x²", "z"): ("z", "1"),
    }  # fmt: skip


def test_sigmoid_has_four_nodes_and_the_derivative_is_simplified_at_the_end() -> None:
    x = sg.input("x", ())
    y = sg.sigmoid(x)
    drawing = sg.draw(y, level="scalar", upstream="L")
    assert edges(drawing) == {
        ("x", "× (−1)"): ("x", "∂L/∂y·y²·exp(−x) = ∂L/∂y·y·(1 − y)"),
        ("× (−1)", "exp"): ("−x", "−∂L/∂y·y²·exp(−x)"),
        ("exp", "+ 1"): ("exp(−x)", "−∂L/∂y·y²"),
        ("+ 1", "1/x"): ("1 + exp(−x)", "−∂L/∂y·y²"),
        ("1/x", "y"): ("y", "∂L/∂y"),
    }
    given = edges(sg.draw(y, level="scalar", upstream="L", values={"x": 0.0, "∂L/∂y": 8.0}))
    assert given["x", "× (−1)"] == ("0", "2") and given["1/x", "y"] == ("0.5", "8")


def test_affine_layer_by_formulas() -> None:
    N = sg.dim("N")
    X, W, B = sg.input("X", (N, 2)), sg.parameter("W", (2, 3)), sg.parameter("B", (3,))
    Y = X @ W + B
    assert edges(sg.draw(Y, level="scalar")) == {
        ("X", "dot"): ("X", "Σ_j ∂L/∂Y[n, j]·W[i, j]"),
        ("W", "dot"): ("W", "Σ_n X[n, i]·∂L/∂Y[n, j]"),
        ("B", "+"): ("B", "Σ_n ∂L/∂Y[n, j]"),
        ("dot", "+"): ("Σ_i X[n, i]·W[i, j]", "∂L/∂Y[n, j]"),
        ("+", "Y"): ("Y", "∂L/∂Y[n, j]"),
    }


def test_local_derivatives_are_over_values_of_the_program() -> None:
    N = sg.dim("N")
    x, b = sg.input("x", (N, 2)), sg.parameter("b", (2,))
    a = x**2 + b
    h = sg.sigmoid(a)
    told = edges(sg.draw(sg.sum(h * x), edges="local"))
    assert told["a (N, 2)", "h (N, 2)"] == (
        "", "h[n, i]·(1 − h[n, i])",
    )  # fmt: skip
    assert told["x (N, 2)", "a (N, 2)"] == ("", "2·x[n, i]") and told["b (2,)", "a (N, 2)"] == ("", "1")


def test_softmax_with_loss() -> None:
    a, t = sg.input("a", (3,)), sg.one_hot("t", (3,))
    y = sg.softmax(a)
    L = -sg.sum(t * sg.log(y))
    told = edges(sg.draw(L, level="scalar"))
    assert told["a", "exp"] == ("a", "y[i] − t[i]")
    assert told["/", "log"] == ("y", "−t[i]/y[i]")
    assert told["Σ", "/"][1] == "1/s1"
    picture = seen(sg.draw(L, level="scalar", values={"a": [0.3, 2.9, 4.0], "t": [0, 0, 1]}).svg())
    assert "0.30571" in picture.texts and "−0.263 … 0.245" in picture.texts
    assert picture.overlaps() == picture.struck() == picture.crossings() == 0


def test_what_readers_pass_back_adds_up() -> None:
    x = sg.input("x", (4,))
    h = sg.exp(x)
    J = sg.sum(h * sg.sin(h) / sg.sum(h)) + sg.sum(h) ** 2
    values = {"x": np.linspace(-1, 1, 4)}
    for level in ("definition", "scalar"):
        root = exploded(J)[J] if level == "scalar" else J
        figure = figure_of(root, Program([root], named=[root]), level)
        flow = Flow(root, "J", None)
        passed: dict[sg.Tensor, list[sg.Tensor]] = {}
        for _, tail, back in passed_back(flow, figure):
            passed.setdefault(tail, []).append(back)
        known = evaluated(flow, [t for found in passed.values() for t in found], values)
        assert any(len(found) > 1 for found in passed.values())
        assert evaluate(root, values) == pytest.approx(evaluate(J, values), rel=1e-14)
        for tail, found in passed.items():
            total = evaluate(sg.grad(root, tail), values)
            np.testing.assert_allclose(sum(known[t] for t in found), total, rtol=1e-12)


def network(layers: int, residual: bool = False, penalty: bool = False) -> sg.Tensor:
    N = sg.dim("N")
    h, t = sg.input("x", (N, 8)), sg.labels("t", (N,), classes=5)
    more = sp.S.Zero
    for k in range(1, layers + 1):
        W, b = sg.parameter(f"W{k}", (8, 8)), sg.parameter(f"b{k}", (8,))
        new = sg.relu(h @ W + b)
        h = (h + new if residual else new).named(f"h{k}")
        more = more + sg.sum(W**2)
    J = sg.cross_entropy(h @ sg.parameter("V", (8, 5)), t)
    return J + more / 100 if penalty else J


@pytest.mark.parametrize(
    ("layers", "options", "nodes", "crossings"),
    [(1, {}, 10, 0), (3, {"penalty": True}, 22, 3), (10, {"residual": True}, 56, 0), (80, {"penalty": True}, 484, 0)],
)  # fmt: skip
def test_nothing_overlaps(layers, options, nodes, crossings) -> None:
    J = network(layers, **options)
    calls, drawing = calls_of(lambda: sg.draw(J, fold=False))
    picture = seen(drawing.svg())
    assert len(picture.nodes) == nodes
    assert calls < 3000 * nodes, "1100 a node, whatever their number"
    assert picture.overlaps() == picture.struck() == 0
    assert drawing.picture.layout.crossings <= crossings
    if nodes < 100:
        assert picture.crossings() <= crossings
    assert picture.size[0] < 1300, "a page is wide enough for it"


def test_the_trunk_of_a_long_network_is_straight_where_edges_pass_beside_it() -> None:
    """Each second layer is passed by; the trunk went a little further to that side each time, 2,800 wide in the end."""
    h = sg.input("x", (sg.dim("N"), 16))
    for k in range(100):
        f = sg.tanh(h @ sg.parameter(f"W{k}", (16, 16)) + sg.parameter(f"b{k}", (16,))).named(f"f{k}")
        h = h + f if k % 2 else f
    picture = seen(sg.draw(sg.sum(h), fold=False).svg())
    assert picture.size[0] < 1300 and picture.overlaps() == picture.crossings() == 0


def test_a_tangle_of_operations_is_readable() -> None:
    """Each operation reads two of the last fourteen values: links must cross, some 190 times as they are drawn."""
    random = np.random.default_rng(0)
    found = [sg.input(f"x{n}", ()) for n in range(8)]
    for _ in range(200):
        a, b = (found[int(k)] for k in random.integers(max(0, len(found) - 14), len(found), 2))
        found.append((a * b, a + b, sg.sin(a), sg.exp(a) * b)[random.integers(4)])
    total = found[-1]
    for value in found[-14:-1]:
        total = total + value
    drawing = sg.draw(total, level="scalar", edges="none", fold=False)
    picture = seen(drawing.svg())
    assert len(picture.nodes) == 219 and picture.overlaps() == picture.struck() == 0
    assert drawing.picture.layout.crossings <= 194
    straight = [all(abs(a.across - b.across) < 0.5 for a, b in pairwise(way)) for way in drawing.picture.layout.lanes]
    assert sum(straight) > 25 and picture.size[0] < 700


def test_a_recurrence_goes_in_a_circle() -> None:
    T, N = sg.dim("T"), sg.dim("N")
    x, first, V = sg.input("x", (T, N, 2)), sg.input("first", (N, 2)), sg.parameter("V", (2, 2))

    def cell(c, at):
        a = (c @ V).named("a")
        c = (sg.tanh(a + at) + c).named("c")
        return c, c

    _, outputs = sg.scan(cell, first, x)
    assert str(outputs).endswith("c[−1, n, i] = first[n, i]\n  where a[t, n, i] = Σ_j c[t − 1, n, j]·V[j, i]")
    drawing = sg.draw(sg.sum(outputs))
    nodes = [node.name for node in drawing.figure.nodes]
    steps = {(nodes[e.tail], nodes[e.head]): e.step for e in drawing.figure.edges}
    assert steps == {("c", "a"): "t − 1", ("c", "c"): "t − 1", ("V", "a"): "", ("a", "c"): "", ("x", "c"): "",
                     ("first", "c"): "", ("c", "J"): ""}  # fmt: skip
    for direction in ("right", "down"):
        picture = seen(sg.draw(sg.sum(outputs), direction=direction).svg())
        assert picture.overlaps() == picture.struck() == 0 and picture.texts.count("t − 1") == 2
    assert '-.->|"t − 1"| ' in drawing.mermaid() and 'label="t − 1", style=dashed' in drawing.dot()
    local = edges(sg.draw(sg.sum(outputs), edges="local"))
    assert local["V (2, 2)", "a (T, N, 2)"][1] == "c[t − 1, n, j]" and local["c (T, N, 2)", "c (T, N, 2)"][1] == "1"


def test_the_measure_finds_what_is_planted() -> None:
    box = '<g class="node value"><rect x="{}" y="10" width="40" height="20"/></g>'
    link = '<g class="link"><path d="{}"/></g>'
    links = link.format("M0.0,20.0L200.0,20.0") + link.format("M5.0,0.0L5.0,40.0")
    boxes = "".join(map(box.format, (30, 60, 170)))
    picture = seen(f'<svg xmlns="http://www.w3.org/2000/svg" width="200" height="40">{boxes}{links}</svg>')
    assert picture.overlaps() == 2, "two boxes on each other, and one that reaches out of the picture"
    assert picture.struck() == 1 and picture.crossings() == 1


def test_layers_that_repeat_are_folded() -> None:
    drawing = sg.draw(network(20, penalty=True))
    folds = [node for node in drawing.figure.nodes if node.kind == "fold"]
    assert {node.lines for node in folds} == {
        ("17 × the same", "more3 … more19"), ("17 × the same", "h2 … h18, a3 … a19"),
    }  # fmt: skip
    assert len(drawing.figure.nodes) < 30
    assert seen(drawing.svg()).overlaps() == 0
    assert not [node for node in sg.draw(network(3)).figure.nodes if node.kind == "fold"]


def test_values_as_heat_maps_with_their_range() -> None:
    J = network(2)
    random = np.random.default_rng(0)
    shapes = {"x": (6, 8), "W1": (8, 8), "W2": (8, 8), "b1": (8,), "b2": (8,), "V": (8, 5)}
    values = {name: random.normal(size=shape) for name, shape in shapes.items()} | {"t": np.arange(6) % 5}
    svg = sg.draw(J, values=values).svg()
    picture = seen(svg)
    assert svg.count("data:image/png;base64,") == 2 * len(picture.ways) - 3  # J and the labels' missing derivative
    low, high = f"{values['W1'].min():.3g}".replace("-", "−"), f"{values['W1'].max():.3g}"
    assert f"{low} … {high}" in picture.texts
    assert picture.overlaps() == picture.struck() == 0


SHOWN = """
import symgraph as sg
x, W, b = sg.input("x", (4, 3)), sg.parameter("W", (3, 3)), sg.parameter("b", (3,))
h = sg.exp(x @ W + b)
J = sg.sum(h * sg.sin(h)) + sg.sum(W**2 + b)
for drawing in (sg.draw(J), sg.draw(J, level="scalar")):
    print(drawing.svg(), drawing.dot(), drawing.mermaid())
print(sg.report(J))
"""


def test_the_same_text_under_any_hash_seed_and_whatever_was_before(capsys) -> None:
    exec(SHOWN, {})
    assert run(SHOWN, PYTHONHASHSEED="7") == capsys.readouterr().out


def test_no_name_becomes_markup() -> None:
    bad = sg.Tensor.leaf("input", '<img src=x onerror="alert(1)">]"|`;', ())
    drawing = sg.draw(sg.exp(bad), edges="flow")
    assert "<img" not in drawing.svg() and "&lt;img" in drawing.svg()
    assert "<img" not in drawing.mermaid() and "`" not in drawing.mermaid()
    assert r"onerror=\"alert(1)\"" in drawing.dot()


def test_dot_and_mermaid() -> None:
    x = sg.input("x", ())
    y = sg.exp(x)
    assert sg.draw(y).dot() == (
        'digraph {\n  rankdir=LR;\n  n0 [label="x\\ninput", shape=ellipse];\n  n1 [label="y\\nexp(x)", shape=box];\n'
        "  n0 -> n1;\n}"
    )
    assert 'n2([" "])' in sg.draw(y, edges="flow").mermaid(), "Mermaid has no empty labels"
    assert '"%' not in sg.draw(sg.Tensor.leaf("input", "%%{init}%%#35;", ())).mermaid()
    assert sg.draw(y).mermaid() == 'flowchart LR\n  n0(["x<br/>input"])\n  n1["y<br/>exp(x)"]\n  n0 --> n1'


def test_arrays_of_any_numbers_are_small_pictures() -> None:
    nan, inf = np.nan, np.inf
    told = {"1": np.ones((50, 50)), "1e308": np.full((50, 30), 1e308), "empty": np.zeros((0, 3)), "−inf": -inf,
            "1, not all finite": [nan, 1, inf], "not finite": np.array([inf] * 15 + [-inf] * 15)}  # fmt: skip
    assert {name: shown(array).text for name, array in told.items()} == {name: name for name in told}
    assert (shown(np.ones((50, 30))).columns, shown(np.ones((2, 3, 4))).rows) == (24, 6)


def test_values_by_leaf_or_by_name_and_nothing_else() -> None:
    x = sg.input("x", (2,))
    J = sg.sum(x**2)
    by_name, by_leaf = (sg.draw(J, values={key: [1, 2]}).svg() for key in ("x", x))
    assert by_name == by_leaf
    for wrong, said in (({"x": [1j, 2]}, "x needs real numbers, not complex128"), ([1, 2], "a dict of arrays by name"),
                        ({"x": ["a", "b"]}, "x needs real numbers, not <U1")):  # fmt: skip
        with pytest.raises((ArgumentError, DomainError), match=said):
            sg.draw(J, values=wrong)


def test_boxes_are_as_wide_as_their_letters() -> None:
    """A Chinese character is wider than a letter, a combining mark has no width."""
    widths = [
        Picture(sg.draw(sg.input(name, ())).figure, {}, "right").size[0]
        for name in ("输入层参数名称", "ab", "a\u0301b")
    ]
    assert widths[0] > widths[1] + 20 and widths[1] == widths[2]
    assert padded("x̂̂ 名", 6) == "x̂̂ 名  "


def test_errors_say_what_to_write(tmp_path) -> None:
    x = sg.input("x", ())
    with pytest.raises(ArgumentError, match="level must be one of definition, scalar, not 'op'"):
        sg.draw(x, level="op")
    with pytest.raises(ArgumentError, match=re.escape("saved as .svg, .dot, .gv, .mmd, not as 'a.png'")):
        draw(x).save(tmp_path / "a.png")
    draw(x).save(tmp_path / "a.SVG")
    draw(x).save(tmp_path / "a.svg")
    assert (tmp_path / "a.svg").read_text(encoding="utf-8").startswith("<svg")
    with pytest.raises(ArgumentError, match=r"input x\(\) has no value"):
        sg.draw(sg.exp(x), values={})
