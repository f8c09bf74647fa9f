"""Whether the form of a formula of two variables is right where the formula as written is not."""

from __future__ import annotations

import mpmath
import numpy as np
import sympy as sp

import symgraph as sg
from symgraph.reference import evaluate

X, Y = sp.symbols("X Y", real=True)


def mends(formula: sp.Expr, points: list[tuple[float, float]]) -> None:
    """That the form of a formula of ``X`` and ``Y`` is right at points, at some of which the formula itself is not."""
    given = np.array(points).T
    leaves = [sg.input(str(symbol), given[0].shape) for symbol in (X, Y)]
    (form,) = sg.stabilise([sg.elementwise(formula, X, Y)(*leaves)])
    with np.errstate(all="ignore"):
        found = evaluate(form, {"X": given[0], "Y": given[1]})
        plain = sp.lambdify((X, Y), formula, ["scipy", "numpy"])(*given)
    with mpmath.workdps(1000):
        true = [sp.lambdify((X, Y), formula, "mpmath")(*map(mpmath.mpf, point)) for point in points]
    wanted = np.array([float(value) for value in true])
    np.testing.assert_allclose(found, wanted, rtol=1e-12)
    assert not np.allclose(plain, wanted, rtol=1e-10, atol=0)
