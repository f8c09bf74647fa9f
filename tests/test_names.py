"""Every name is either a name that works, or is refused where it is given; no text of a user's is ever executed."""

from __future__ import annotations

import keyword
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import codegen
import symgraph as sg
from symgraph.core.reading import call
from symgraph.errors import DomainError, NameConflictError, ShapeError, SymgraphError

N = sg.dim("N")
PROGRAM = 'N\n    pass\nopen("{file}", "w")\nif 1:\n    #'
HOSTILE = (
    "", " ", "\n", "a\nb", "a\rb", "a\x00b", "a\x0cb", "a\u2028b", "\ud800", "#", '"""', "a;b", "a%b", "%",
    "\u202e", "a" * 100_000, 7, None, b"x",
)  # fmt: skip
LEGAL = (
    *keyword.kwlist, *keyword.softkwlist, "print", "range", "abs", "int", "float", "__builtins__", "__debug__",
    "_", "__", "'''", "{0}", "\\n", "e", "n",
    "kernel", "chunk", "pointer", "select", "exp", "maximum", "real", "float64", "int64", "packed", "address", "thread",
    "threads", "sync", "run", "tile", "tile_row", "inf", "nan", "np", "n_begin", "n_end", "first_end", "i", "j",
    "tile_anyx3x3", "rows_anyx3x3", "panel_anyx3x3", "columns_anyx3x3", "forward_result", "scale", "inverse", "c",
    "int", "double", "struct", "define", "declare", "i32", "llvm.memcpy", "entry_team", "printf", "main",
    "λ", "θ̂", "x²", "W₁", "௰", "١", "ﬁ", "𝐱", "é", "W_{1}", "x'", "\\alpha", "a^{b}", "1", "0.weight", "a" * 150,
)  # fmt: skip

Make = Callable[[Any], Any]
PLACES: dict[str, Make] = {
    "dim": sg.dim,
    "indices": lambda name: sg.indices(name),
    "input": lambda name: sg.input(name, (2,)),
    "labels": lambda name: sg.labels(name, (2,), classes=3),
    "parameter": lambda name: sg.parameter(name, (2,)),
    "constant": lambda name: sg.constant([1.0, 2.0], name=name),
    "named": lambda name: (sg.input("x", (2,)) + 1).named(name),
    "elementwise": lambda name: sg.elementwise(sp.Symbol("u") ** 2, name=name),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: ascii(name)[:12])
def test_names_that_are_refused(place: str, name: Any) -> None:
    if name == " " and place in ("named", "elementwise"):
        return
    if place == "indices" and name in ("a\nb", "a\rb", "a\x0cb", "a\u2028b"):
        assert len(sg.indices(name)) == 2  # white space is between names
        return
    with pytest.raises(NameConflictError, match="not usable as"):
        PLACES[place](name)


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("name", LEGAL, ids=lambda name: ascii(name)[:16])
def test_names_that_work(name: str) -> None:
    """One program in which every kind of thing has that name, or one made of it."""
    size, (row, column) = sg.dim(name), sg.indices(f"{name} {name}_")
    x = sg.input(f"{name}.x", (size, 3))
    W = sg.parameter(name, (3, 3))
    rate = sp.Symbol(f"{name}_rate", positive=True)
    h = sg.define((row, column), sp.tanh((x @ W)[row, column]) * rate, shape=(size, 3)).named(name)
    y = sg.elementwise(sp.Symbol("u", real=True) ** 2, name=name)(h)
    loss = sg.sum(y)
    random = np.random.default_rng(0)
    values, weights = random.normal(size=(4, 3)), random.normal(size=(3, 3))
    value, gradient = codegen.function([x, W, rate], [loss, sg.grad(loss, W)])(values, weights, 2.0)
    hidden = np.tanh(values @ weights)
    np.testing.assert_allclose(value, np.sum(4 * hidden**2))
    np.testing.assert_allclose(gradient, values.T @ (8 * hidden * (1 - hidden**2)))


@pytest.mark.parametrize("name", ["n_end", "tile_anyx3x3", "λ", "lambda", "a" * 150, "௰"], ids=lambda name: name[:14])
def test_names_that_work_natively(name: str) -> None:
    x, W = sg.input(name, (N, 3)), sg.parameter(f"{name}_", (3, 3))
    values = np.arange(12.0).reshape(4, 3)
    np.testing.assert_allclose(codegen.function([x, W], x @ W)(values, np.eye(3)), values)


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("place", PLACES)
def test_text_that_would_be_a_program(place: str, tmp_path: Path) -> None:
    """A name with a line break and a program after it is refused, and the program does not run."""
    file = tmp_path / "written"
    with pytest.raises(SymgraphError):
        PLACES[place](PROGRAM.format(file=file))
    assert not file.exists()


@pytest.mark.usefixtures("plain")
def test_symbols_of_sympy(tmp_path: Path) -> None:
    """SymPy takes any text as the name of a symbol: as a scalar, a size, or what somebody calls a value later."""
    file = tmp_path / "written"
    text = PROGRAM.format(file=file)
    x = sg.input("x", (2,))
    with pytest.raises(NameConflictError, match="scalar"):
        x * sp.Symbol(text)
    with pytest.raises(ShapeError, match="size"):
        sg.input("x", (sp.Symbol(text, integer=True, positive=True),))
    value = x * 3
    call(value, text)
    found = codegen.function(x, sg.sum(value * value))(np.ones(2))
    assert found == 18 and not file.exists()


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(), min_size=1, max_size=8), st.sampled_from(["input", "dim", "named"]))
def test_any_text(name: str, place: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SYMGRAPH_PYTHON", "1")
        try:
            size = sg.dim(name) if place == "dim" else sg.dim("M")
            x = sg.input(name if place == "input" else "x", (size,))
            y = (x + 1).named(name) if place == "named" else x + 1
        except NameConflictError:
            return
        assert codegen.function(x, sg.sum(y * y))(np.ones(3)) == 12


@pytest.mark.parametrize("name", ["sigmoid", "exp", "softplus", "Delta", "f", "log1p"])
def test_functions_without_a_formula(name: str) -> None:
    """sympy.Function("sigmoid") is a name of the user's, and not the function that we have under that name."""
    x, (i,) = sg.input("x", (2,)), sg.indices("i")
    unknown = sp.Function(name)
    for use in (
        lambda: sg.define((i,), unknown(x[i])),
        lambda: sg.elementwise(unknown(sp.Symbol("u"))),
        lambda: codegen.function(x, unknown(x)),
    ):
        with pytest.raises(DomainError, match="nothing is known"):
            use()


def test_a_function_is_its_class() -> None:
    """A class of the user's with a name that we know is another function, for which there is no kernel."""

    class sigmoid(sp.Function):  # type: ignore[misc]
        pass

    x, (i,) = sg.input("x", (2,)), sg.indices("i")
    with pytest.raises(DomainError, match="no kernel"):
        codegen.function(x, sg.define((i,), sigmoid(x[i])))
