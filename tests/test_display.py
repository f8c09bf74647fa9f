"""Formulas as people read them: text, LaTeX, matrix form and the whole table, against golden files."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import sympy as sp

import codegen
import symgraph as sg
from symgraph.core.tensor import Tensor
from symgraph.display import Program, latex_name
from symgraph.display.arrange import Arranger, Scope
from symgraph.display.explain import explain
from symgraph.display.latex import latex
from symgraph.display.matrix import matrix_form
from symgraph.display.names import Naming
from symgraph.display.text import text
from symgraph.vocabulary import activations
from symgraph.vocabulary.optimisers import SGD
from tests.counting import calls_of

N = sg.dim("N")
SCALAR = Scope({}, frozenset())


def shown(formula: object) -> str:
    return text(Arranger(Naming([])).expression(sp.sympify(formula), SCALAR))


def shown_latex(formula: object) -> str:
    return latex(Arranger(Naming([])).expression(sp.sympify(formula), SCALAR))


def two_layers(activation: sg.Elementwise = sg.sigmoid) -> tuple[Tensor, dict[str, Tensor]]:
    x, t = sg.input("x", (N, 64)), sg.labels("t", (N,), 10)
    W1, b1 = sg.parameter("W1", (64, 32)), sg.parameter("b1", (32,))
    W2, b2 = sg.parameter("W2", (32, 10)), sg.parameter("b2", (10,))
    h = activation(x @ W1 + b1)
    z = h @ W2 + b2
    L = sg.cross_entropy(z, t)
    J = L + sp.Rational(1, 10**4) / 2 * (sg.sum(W1**2) + sg.sum(W2**2))
    return J, {"W1": W1, "b1": b1, "W2": W2, "b2": b2, "z": z, "x": x}


def residual(depth: int) -> tuple[Tensor, list[Tensor]]:
    h = sg.input("x", (N, 16))
    weights = []
    for layer in range(depth):
        W, b = sg.parameter(f"W{layer}", (16, 16)), sg.parameter(f"b{layer}", (16,))
        h = h + sg.relu(h @ W + b)
        weights += [W, b]
    J = sg.mean(h**2)
    return J, weights


def matrix(tensor: Tensor) -> str:
    program = Program([tensor])
    node = matrix_form(program.arranger, tensor)
    return "–" if node is None else text(node)


def balanced(formula: str) -> bool:
    depth = 0
    for position, c in enumerate(formula):
        if c in "{}" and formula[position - 1] != "\\":
            depth += 1 if c == "{" else -1
        if depth < 0:
            return False
    lefts, rights = formula.count(r"\left"), formula.count(r"\right") + formula.count(r"\leftarrow")
    return depth == 0 and lefts == rights and formula.count(r"\begin{") == formula.count(r"\end{")


# -- numbers, order and signs ---------------------------------------------------------------------------------------
u, v, y = sp.symbols("u v y", real=True)


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        (sp.Rational(1, 10000) * u, "u/10000"),
        (sp.Rational(999, 1000) * u, "0.999·u"),
        (sp.Rational(3, 2) * u, "3·u/2"),
        (u + sp.Rational(1, 10**8), "u + 10⁻⁸"),
        (sp.Rational("1.7580993408473768109170257921223") * u, "1.7580993408473768·u"),
        ((-v + u) / y, "(u − v)/y"),
        (y * (1 - y), "y·(1 − y)"),
        (1 - y**2, "1 − y²"),
        (1 + sp.exp(-u), "1 + exp(−u)"),
        (y + 1, "y + 1"),
        (-u, "−u"),
        (-u - v, "−u − v"),
        (u - (v - y), "u + y − v"),
        (u / sp.sqrt(2), "u/√2"),
        (sp.sqrt(2) / sp.sqrt(sp.pi), "√(2/π)"),
        (u ** sp.Rational(1, 3), "∛u"),
        (u**v, "u^v"),
        (sp.exp(u) ** 2, "exp(2·u)"),
        ((u + v) ** 2, "(u + v)²"),
        (1 / (u * v), "1/(u·v)"),
        (sp.Abs(u), "|u|"),
        (sp.Piecewise((u, u > 0), (0, True)), "{u if u > 0, else 0}"),
        (sp.Piecewise((1, u > 0), (0, True)), "1[u > 0]"),
        (sp.Max(0, u), "max(u, 0)"),
        (sp.floor(u / 2) ** 2, "⌊u/2⌋²"),
        (sp.ceiling(u) * sp.Mod(v, 3), "⌈u⌉·mod(v, 3)"),
    ],
)
def test_scalar_formula(formula: sp.Expr, expected: str) -> None:
    assert shown(formula) == expected
    assert balanced(shown_latex(formula))


def test_activations_and_derivatives(golden) -> None:
    lines = []
    for name, f in activations.ELEMENTWISE.items():
        slopes = f.derivative if isinstance(f.derivative, dict) else {f.arguments[0]: f.derivative}
        lines += [f"{name}: y = {shown(f.formula)}", f"    ${shown_latex(f.formula)}$"]
        for argument, slope in slopes.items():
            lines += [f"    ∂y/∂{argument} = {shown(slope)}", f"    ${shown_latex(slope)}$"]
            assert balanced(shown_latex(slope))
    golden("activations.txt", "\n".join(lines))


# -- names -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("W1", "W_{1}"),
        ("W_1", "W_{1}"),
        ("lambda", r"\lambda"),
        ("λ", r"\lambda"),
        ("theta_hat", r"\hat{\theta}"),
        ("hidden", r"\mathrm{hidden}"),
        ("x'", "x'"),
        (r"W^{(1)}", r"W^{(1)}"),
        ("a{", r"a\{"),
        ("I", "I"),
        ("pi", r"\pi"),
        ("0.W", "W_{0}"),
        ("W1.v", "v_{W_{1}}"),
        ("_", r"\_"),
    ],
)
def test_latex_name(name: str, expected: str) -> None:
    assert latex_name(name) == expected


def test_symbols_of_sympy_stay_plain_symbols() -> None:
    E, S, I, O, Q, pi, gamma, beta, zeta, lam = sp.symbols("E S I O Q pi gamma beta zeta lambda")  # noqa: E741
    x = sg.input("x", (3,))
    f = E * x**2 + S * sp.exp(-I) + pi * gamma / beta + Q * zeta * O * lam
    assert str(f) == "f[i] = O·Q·lambda·zeta + S·exp(−I) + gamma·pi/beta + E·x[i]²"
    assert r"\frac{\gamma \, \pi}{\beta}" in sp.latex(f) and r"\lambda" in sp.latex(f)


def test_letters_avoid_names() -> None:
    i, n = sg.input("i", (N, 4)), sg.parameter("n", (4, 3))
    k = i @ n
    assert str(k) == "k[j, m] = Σ_l i[j, l]·n[l, m]"


def test_values_bound_in_a_loop_are_numbered() -> None:
    J, _ = residual(3)
    names = [name.text for name in Program([J]).naming.names.values()]
    assert {"h1", "h2", "h3", "a1", "a2", "a3"} <= set(names)
    assert len(set(names)) == len(names)


# -- formulas --------------------------------------------------------------------------------------------------------
def test_gradient_formula(golden) -> None:
    J, of = two_layers()
    g = sg.grad(J, [of["W1"], of["b1"], of["W2"], of["b2"], of["x"]])
    lines = [str(J), sp.latex(J), ""]
    for gradient in g.values():
        lines += [str(gradient), sp.latex(gradient), ""]
        assert balanced(sp.latex(gradient))
    golden("gradients_two_layers.txt", "\n".join(lines))


def test_leaf_and_unnamed() -> None:
    x, W = sg.input("x", (N, 3)), sg.parameter("W", (3, 2))
    assert str(x) == "x" and sp.latex(x) == "x_{n,i}"
    assert str(x @ W) == "[n, j] ↦ Σ_i x[n, i]·W[i, j]"
    assert sp.latex(sg.parameter("lambda", ())) == r"\lambda"


def test_apples() -> None:
    price, count, tax = (sg.parameter(name) for name in ("price", "count", "tax"))
    total = price * count * tax
    assert str(total) == "total = price·count·tax"
    assert str(sg.grad(total, tax)) == "∂total/∂tax = price·count"


def test_second_derivative_is_named_after_its_values() -> None:
    w = sg.parameter("w", (4,))
    J = sg.sum(w**4)
    first = sg.grad(J, w)
    S = sg.sum(first * first)
    second = sg.grad(S, w)
    assert "∂S/∂w[i] =" in str(second)


def test_convolution() -> None:
    s, K = sg.input("s", (20,)), sg.parameter("K", (3,))
    i, j = sg.indices("i j")
    c = sg.define((i,), sg.Sum(s[i + j] * K[j], j), shape=(18,))
    J = sg.sum(c**2)
    assert str(c) == "c[k] = Σ_j s[k + j]·K[j]"
    assert "if" in str(sg.grad(J, s)) and balanced(sp.latex(sg.grad(J, s)))


# -- matrix form -----------------------------------------------------------------------------------------------------
def test_matrix_forms() -> None:
    A, B = sg.input("A", (N, 4)), sg.parameter("B", (4, 3))
    a, b, s = sg.parameter("a", (4,)), sg.parameter("b", (3,)), sg.parameter("s")
    i, j, n = sg.indices("i j n")
    rows = {
        "A·B": A @ B,
        "A·B + b": A @ B + b,
        "Bᵀ·a": B.T @ a,
        "a·bᵀ": sg.define((i, j), a[i] * b[j]),
        "aᵀ·a": sg.sum(a * sg.exp(a)),
        "Σ_n A": sg.sum(A, 0),
        "A ⊙ A": A**2,
        "‖B‖²": sg.sum(B**2),
        "s·A": s * A,
        "A/N": A / N,
        "exp(A) ⊘ Σ_j exp(A)": sg.softmax(A),
        "max(A, 0)": sg.relu(A),
        "Aᵀ": A.T,
        "(A ⊙ exp(A))·B": sg.define((n, j), sg.Sum(A[n, i] * sp.exp(A[n, i]) * B[i, j], i)),
    }
    found = {expected: matrix(tensor) for expected, tensor in rows.items()}
    found["aᵀ·a"] = found["aᵀ·a"].replace("exp(a)", "a")
    assert found == {expected: expected for expected in rows}


def test_no_matrix_form() -> None:
    s, K, t = sg.input("s", (20,)), sg.parameter("K", (3,)), sg.labels("t", (N,), 4)
    i, j, n = sg.indices("i j n")
    assert matrix(sg.define((i,), sg.Sum(s[i + j] * K[j], j), shape=(18,))) == "–"
    assert matrix(sg.define((n,), sg.parameter("W", (4,))[t[n]])) == "–"
    assert matrix(sg.input("X", (2, 3, 4)) * 2) == "–"


def test_the_seeds_backward_equations() -> None:
    """g ← g ⊙ f′(a);  ∇W = g·zᵀ + λ∇Ω;  g ← Wᵀ·g, for a = W·z + b with columns."""
    lam = sp.Symbol("lambda")
    x, t = sg.input("x", (64,)), sg.one_hot("t", (10,))
    W1, W2 = sg.parameter("W1", (32, 64)), sg.parameter("W2", (10, 32))
    b1, b2 = sg.parameter("b1", (32,)), sg.parameter("b2", (10,))
    z1 = sg.sigmoid(W1 @ x + b1)
    y = sg.softmax(W2 @ z1 + b2)
    L = -sg.sum(t * sg.log(y))
    J = L + lam * (sg.sum(W1**2) + sg.sum(W2**2)) / 2
    table = {row.cells()[0]: row.cells()[2] for section in explain(J).sections for row in section.rows}
    assert table["∂J/∂a2 (10,)"] == "y − t"
    assert table["∂J/∂W2 (10, 32)"] == "∂J/∂a2·z1ᵀ + lambda·W2"
    assert table["∂J/∂z1 (32,)"] == "W2ᵀ·∂J/∂a2"
    assert table["∂J/∂a1 (32,)"] == "∂J/∂z1 ⊙ z1 ⊙ (1 − z1)"
    assert table["∂J/∂W1 (32, 64)"] == "∂J/∂a1·xᵀ + lambda·W1"
    assert table["∂J/∂b1 (32,)"] == "∂J/∂a1"


# -- the whole table -------------------------------------------------------------------------------------------------
def test_explain_two_layers(golden) -> None:
    J, _ = two_layers()
    table = explain(J, SGD(momentum=0.9))
    assert balanced(table.latex())
    golden("explain_two_layers.txt", f"{table}\n\n{table.latex()}")


def test_an_axis_of_one_is_0_on_both_sides() -> None:
    N, W, b = sg.dim("N"), sg.parameter("W", (5, 1)), sg.parameter("b", (1,))
    x, t = sg.input("x", (N, 5)), sg.input("t", (N, 1))
    table = explain(sg.mean((x @ W + b - t) ** 2), SGD())
    assert [row.cells()[1:] for section in table.sections for row in section.rows] == [
        ("a1[n, 0] = Σ_i x[n, i]·W[i, 0] + b[0]", "x·W + b"),
        ("J = (1/N)·Σ_n (a1[n, 0] − t[n, 0])²", "‖a1 − t‖²/N"),
        ("∂J/∂a1[n, 0] = 2·(a1[n, 0] − t[n, 0])/N", "2·(a1 − t)/N"),
        ("∂J/∂W[i, 0] = Σ_n x[n, i]·∂J/∂a1[n, 0]", "xᵀ·∂J/∂a1"),
        ("∂J/∂b[0] = Σ_n ∂J/∂a1[n, 0]", "Σ_n ∂J/∂a1"),
        ("W[i, 0] ← W[i, 0] − lr·∂J/∂W[i, 0]", "W − lr·∂J/∂W"),
        ("b[0] ← b[0] − lr·∂J/∂b[0]", "b − lr·∂J/∂b"),
    ]


def test_explain_states_conventions(golden) -> None:
    x, t = sg.input("x", (N, 4)), sg.one_hot("t", (N, 3))
    W, b = sg.parameter("W", (4, 3)), sg.parameter("b", (3,))
    a = sg.relu(x @ W + b)
    y = sg.softmax(a)
    J = -sg.sum(t * sg.log(y)) / N + sg.sum(abs(W)) / 100 + sg.max(b)
    golden("explain_conventions.txt", str(explain(J)))


def print_everything(layers: int) -> None:
    J, weights = residual(layers)
    gradient = sg.grad(J, weights[0])
    assert str(J).startswith("J = ") and balanced(sp.latex(J))
    assert len(str(J * 2)) < 4000
    assert "more: sg.explain" in str(gradient)
    assert "∂J/∂" in sp.latex(gradient) or r"\partial J" in sp.latex(gradient)
    program = Program([gradient])
    for tensor in program.naming.names:
        program.equation(tensor)
        matrix_form(program.arranger, tensor)


def test_deep_networks_print_in_linear_time() -> None:
    """Twice the layers in less than 2.2 times the calls; the square would be four times."""
    few, many = (calls_of(partial(print_everything, layers))[0] for layers in (7, 14))
    assert many < 2.2 * few


def test_latex_renders_with_mathtext() -> None:
    mathtext = pytest.importorskip("matplotlib.mathtext")
    J, of = two_layers(sg.tanh)
    program = Program(list(sg.grad(J, [of["W1"], of["b2"]]).values()))
    parser = mathtext.MathTextParser("path")
    for tensor in program.naming.names:
        shown = program.equation(tensor).latex()
        if r"\begin" not in shown:
            parser.parse(f"${shown}$".replace(r"\lvert", "|").replace(r"\rvert", "|").replace(r"\top", "T"))


def test_a_product_with_0_is_told_as_it_is_computed() -> None:
    x = sg.input("x", (sg.dim("N"),))
    y, z = 0 * x, 0 * x / 2 + 1
    assert (str(y), str(z)) == ("y[n] = 0·x[n]", "z[n] = y[n]/2 + 1")


def test_a_part_of_an_array_is_not_written_as_the_whole() -> None:
    x = sg.input("x", (3, 8))
    a = x @ sg.transpose(x[:2])
    rows = [row for section in sg.explain(sg.sum(a**2), wrt=[]).sections for row in section.rows]
    assert rows[0].cells()[1:] == ("a[i, j] = Σ_k x[i, k]·x[j, k]", "–")


@pytest.mark.usefixtures("plain")
def test_a_sum_whose_terms_have_one_float_as_a_factor_is_shown() -> None:
    """1.47 − 1.47/x², of a series, was 1.47·(1.0 − 1.0/x²), and that again. The fuzzer's 92002000021."""
    (n,) = sg.indices("n")
    x = sg.input("x", (3,))
    assert shown(sp.Float("1.4375") - sp.Float("1.4375") * sp.Symbol("y")) == "1.4375 − 1.4375·y"
    body = sp.exp(-((x[n] * (x[n] / (2 + x[n] ** 2))) ** 2))
    found = codegen.function(x, sg.define((n,), body))([0.0, 1e9, 2.0])
    np.testing.assert_allclose(found, np.exp([0.0, -1.0, -4 / 9]), rtol=1e-14)
