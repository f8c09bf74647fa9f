"""What a printed formula calls by a name, it defines: names of ours never hide the user's, in text and in LaTeX."""

from __future__ import annotations

import re

import pytest
import sympy as sp

import symgraph as sg
from symgraph.core.tensor import Tensor
from symgraph.display import Program

N = sg.dim("N")
WORD = re.compile(r"(?<![\w.])(?:∂J/∂[\w.]+|[^\W\d_∂][\w.]*+′?)(?!\()")
WORDS = {"if", "else", "and", "or", "not", "where", "δ", "e", "π", "max", "min"}
SUPERSCRIPTS = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]")


def taken_names() -> tuple[Tensor, dict[str, Tensor]]:
    """Leaves and a value called like the names that are made for values without one."""
    v1, t = sg.input("v1", (N, 4)), sg.input("t", (N,))
    a1, m1 = sg.parameter("a1", (4,)), sg.parameter("m_1", (4,))
    s1 = sg.sum(v1 * v1)
    for k in range(2):
        v = sg.tanh(v1 * a1) * (1 + k)
    u = sg.exp(v1 @ a1)
    y = [sg.softmax(v1 * v1 + k) for k in range(2)]
    top = sg.max(v1, 1)
    fit = sg.mean((u * u / (1 + u) - t * top * top) ** 2)
    J = fit + s1 * sg.sum(v * sg.sum(v)) + sg.sum(y[0] * y[1] * y[0]) + sg.sum(m1 * v1)
    return J, {"v1": v1, "a1": a1, "m_1": m1}


def looped() -> tuple[Tensor, dict[str, Tensor]]:
    """Three values called v, and one called v1."""
    x, w = sg.input("x", (N, 4)), sg.parameter("w", (4,))
    v = x * w
    for _ in range(3):
        v = v + sg.tanh(v * w)
    v1 = sg.sum(sg.sin(x) * v * v)
    J = sg.exp(v1) * v1
    return J, {"w": w, "x": x}


def unnamed_values() -> tuple[Tensor, dict[str, Tensor]]:
    x, W = sg.input("x", (N, 4)), sg.parameter("W", (4, 3))
    J = sg.sum(sg.softmax(sg.tanh(x @ W)) * sg.log_softmax(sg.tanh(x @ W))) / sg.sum(W**2)
    return J, {"W": W, "x": x}


PROGRAMS = [taken_names, looped, unnamed_values]


def names_in(line: str) -> set[str]:
    """Names in a formula: no functions, no letters of indices, no words of branches."""
    line = re.sub(r"δ\[\w+ =", "δ[", line)
    bare = re.sub(r"(Σ|max|min|argmax|argmin)_(\{[^}]*\}|\w+)", " ", re.sub(r"\[[^\[\]]*\]", "", line))
    return set(WORD.findall(SUPERSCRIPTS.sub("", bare))) - WORDS


def undefined(lines: list[str], known: set[str]) -> set[str]:
    """Names that some line reads and no line defines."""
    sides = [re.split(r" [=←] ", line.strip().removeprefix("where "), maxsplit=1) for line in lines]
    defined = {name for side in sides if len(side) == 2 for name in re.findall(r"^[^\[ ]+", side[0])}
    return {name for side in sides for name in names_in(side[-1])} - defined - known


@pytest.mark.parametrize("program", PROGRAMS)
def test_what_a_gradient_names_is_defined_or_the_users(program) -> None:
    J, of = program()
    users = {"v1", "t", "a1", "m_1", "s1", "u", "y", "top", "fit", "J", "x", "w", "W", "N"}
    for gradient in sg.grad(J, list(of.values())).values():
        shown = str(gradient)
        assert not undefined(shown.splitlines(), users)
        assert sp.latex(gradient).count(" &= " if "where" in shown else " = ") == len(shown.splitlines())


@pytest.mark.parametrize("program", PROGRAMS)
def test_names_are_told_apart_in_text_and_in_latex(program) -> None:
    J, of = program()
    naming = Program(list(sg.grad(J, list(of.values())).values()), named=[J]).naming
    assert len({name.text for name in naming.names.values()}) == len(naming.names)
    assert len({name.latex for name in naming.names.values()}) == len(naming.names)
    for leaf, name in naming.names.items():
        if leaf.definition is None:
            assert name.text == leaf.name


def test_a_value_keeps_the_users_name() -> None:
    J, of = looped()
    assert str(J) == "J = v1·exp(v1)"  # v1 is the user's sum, not the first of the values called v
    assert " v1 =" not in str(sg.grad(J, of["w"]))


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_derivation_defines_what_it_names(program) -> None:
    J, of = program()
    found = sg.derivation(J, next(iter(of.values())))
    users = {"v1", "t", "a1", "m_1", "s1", "x", "w", "W", "N", "J", "u", "y", "top", "fit"}
    lines = [re.sub(r" {3,}[a-z].*$", "", line) for line in str(found).splitlines()[1:] if "=" in line]
    assert not undefined(lines, users)
    shown = found.latex()
    left = shown.splitlines()[1]
    assert " &= " in left and left.split("&=")[0].strip()
    assert all(equation.latex("&=") in shown for equation in found.given)


def test_names_that_look_alike_in_latex_are_told_apart() -> None:
    """x, x_, _x and x__ are four values, as x1 and x_1, alpha and α, and s_1 and a sum that is numbered are."""
    names = ["x", "x_", "_x", "x__", "x1", "x_1", "x_1_2", "x1_2", "alpha", "α", "é", "x__y", "x_y", "s_1"]
    leaves = [sg.input(name, (3,)) for name in names]
    total = sg.sum(leaves[0])
    for leaf in leaves:
        total = sg.sum(sg.tanh(total) * leaf)
    naming = Program([total], named=[total]).naming
    latex = [naming.names[leaf].latex for leaf in leaves]
    assert len(set(latex)) == len(names), latex
    assert latex[names.index("x")] == "x" and latex[names.index("x_")] == r"\mathrm{x\_}"
    assert all(part in sp.latex(total) for part in latex)


def test_sizes_are_told_apart_from_tensors_and_from_each_other() -> None:
    """N_ beside N was N in LaTeX, and of a tensor N and a size N the one was the other in text too."""
    x = sg.input("x", (sg.dim("N"), sg.dim("N_")))
    shown = sg.grad(sg.sum(x) / x.shape[0] / x.shape[1], x)
    assert str(shown).endswith("= 1/(N·N_)")
    assert sp.latex(shown).endswith(r"= \frac{1}{N \, \mathrm{N\_}}")
    N = sg.input("N", ())
    shown = sg.grad(sg.sum(x * N) / x.shape[0] / x.shape[1], x)
    assert str(shown).endswith("= N/(size(N)·N_)")
    assert sp.latex(shown).endswith(r"= \frac{N}{\operatorname{size}(N) \, \mathrm{N\_}}")
    z, alpha = sg.input("z", (sg.dim("alpha"),)), sp.Symbol("alpha", real=True)
    shown = sg.grad(alpha * sg.sum(z * sg.input("α", ())) / z.shape[0], z)
    assert str(shown).endswith("= alpha·α/size(alpha)")
    assert sp.latex(shown).endswith(r"= \frac{\mathrm{alpha} \, \alpha}{\operatorname{size}(\mathrm{alpha})}")


def test_a_gradient_that_is_told_in_one_line_has_the_names_of_what_it_is_of() -> None:
    """That of a geometric mean could not be printed: the mean was written out where the gradient is called by it."""
    x = sg.input("x", (3,))
    shown = str(sg.grad([sg.prod(x) ** sp.Rational(1, 3)][0], x))
    assert shown.startswith("∂J/∂x[i] = ") and "where J = " in shown
