"""Loops over axes that lie one after the other are one loop; others stay two."""

from __future__ import annotations

import pytest

from codegen.loops.ir import ZERO, For, Load, Store, Var, integer
from codegen.loops.join import joined

P, Q, R = (Var(name, "int64") for name in "pqr")
SHAPES = {name: tuple(map(integer, shape)) for name, shape in {"h": (3, 4, 5), "v": (3, 4, 5), "w": (4, 6)}.items()}


def nest(value: Load, inner: int = 5) -> For:
    """for p: for q: for r: h[p, q, r] = value."""
    body = For(R, ZERO, integer(inner), (Store("h", (P, Q, R), value),))
    return For(P, ZERO, integer(3), (For(Q, ZERO, integer(4), (body,)),))


def test_all_loops_of_whole_arrays_are_one() -> None:
    (loop,) = joined([nest(Load("v", (P, Q, R), "real"))], SHAPES)
    at = (ZERO, ZERO, R)
    assert loop == For(R, ZERO, integer(60), (Store("h", at, Load("v", at, "real")),))


@pytest.mark.parametrize(
    "value, inner, loops",
    (
        (Load("v", (P, R, Q), "real"), 5, 3),  # another order
        (Load("w", (Q, R), "real"), 5, 3),  # rows of another length
        (Load("v", (P, Q, R), "real"), 4, 2),  # not all of a row: only whole rows of rows follow one another
        (Load("v", (P, ZERO, R), "real"), 5, 3),  # the same row for all
    ),
)
def test_other_loops_stay(value: Load, inner: int, loops: int) -> None:
    (found,) = joined([nest(value, inner)], SHAPES)
    count = 0
    while isinstance(found, For):
        count, found = count + 1, found.body[0]
    assert count == loops
