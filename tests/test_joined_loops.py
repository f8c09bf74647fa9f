"""Loops over axes that lie one after the other are one loop, several terms of a sum are added to a row at once, and a
loop asks nothing that is known before it."""

from __future__ import annotations

import pytest

from codegen.loops.ir import ZERO, Expr, For, If, Load, Op, Select, Store, Var, integer
from codegen.loops.jam import jammed
from codegen.loops.join import joined
from codegen.loops.unswitch import unswitched

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


def row_sum(value: Load, terms: int, row: int = 16) -> For:
    """for q: for r: y[r] += value."""
    return For(Q, ZERO, integer(terms), (For(R, ZERO, integer(row), (Store("y", (R,), value, op="sum"),)),))


@pytest.mark.parametrize("terms", (8, 11))
def test_four_terms_are_added_to_a_row_at_once(terms: int) -> None:
    whole, *rest = jammed([row_sum(Load("w", (Q, R), "real"), terms)])
    assert isinstance(whole, For) and (whole.start, whole.stop, whole.step) == (ZERO, integer(8), integer(4))
    (row,) = whole.body
    assert isinstance(row, For) and isinstance(add := row.body[0], Store)
    first, *others = (Load("w", (Op("+", (Q, integer(n)), "int64") if n else Q, R), "real") for n in range(4))
    pairs = [Op("+", (a, b), "real") for a, b in ((first, others[0]), (others[1], others[2]))]
    assert add.value == Op("+", tuple(pairs), "real")
    assert [(one.start, one.stop) for one in rest if isinstance(one, For)] == [(integer(8), integer(11))][: terms % 8]


@pytest.mark.parametrize(
    "loop",
    (
        row_sum(Load("w", (Q, R), "real"), 4),  # few terms
        row_sum(Load("w", (Q, R), "real"), 8, row=4),  # a short row
        row_sum(Load("w", (Q, R), "real", guarded=True), 8),
        For(Q, ZERO, integer(8), (For(R, ZERO, Q, (Store("y", (R,), Load("w", (Q, R), "real"), op="sum"),)),)),
        For(
            Q, ZERO, integer(8), (For(R, ZERO, integer(8), (Store("y", (R, Q), Load("w", (Q, R), "real"), op="sum"),)),)
        ),
    ),
)
def test_other_sums_stay(loop: For) -> None:
    assert jammed([loop]) == (loop,)


def choosing(condition: Expr, is_guarded: bool = True) -> For:
    """for r: h[p, q, r] = v[p, q, r] if condition else w[q, r]."""
    yes, no = Load("v", (P, Q, R), "real", guarded=is_guarded), Load("w", (Q, R), "real")
    return For(R, ZERO, integer(5), (Store("h", (P, Q, R), Select(condition, yes, no, "real")),))


def test_a_choice_that_a_loop_does_not_change_is_taken_before_it() -> None:
    before = Op(">", (P, ZERO), "bool")
    yes, no = unswitched([choosing(before)])
    assert isinstance(yes, If) and isinstance(no, If)
    assert (yes.condition, no.condition) == (before, Op("<=", (P, ZERO), "bool"))
    sides = Load("v", (P, Q, R), "real", guarded=True), Load("w", (Q, R), "real")
    assert [one.body for one in (yes, no)] == [
        (For(R, ZERO, integer(5), (Store("h", (P, Q, R), value),)),) for value in sides
    ]


def test_a_condition_of_several_asks_the_others_in_a_loop_where_it_holds() -> None:
    first, of_each, last = Op(">", (P, ZERO), "bool"), Op(">", (R, ZERO), "bool"), Op(">", (R, P), "bool")
    several = Op("and", (Op("and", (of_each, first), "bool"), last), "bool")
    (alone,), (beside,) = choosing(first).body, choosing(several).body
    yes, no = unswitched([For(R, ZERO, integer(5), (alone, beside))])
    (wanted,) = choosing(Op("and", (of_each, last), "bool")).body
    assert isinstance(yes, If) and yes.body[0].body[1] == wanted
    assert isinstance(no, If) and no.body[0].body[1] == Store("h", (P, Q, R), Load("w", (Q, R), "real"))


@pytest.mark.parametrize(
    "loop",
    (
        choosing(Op(">", (R, ZERO), "bool")),  # of each element
        choosing(Op(">", (P, ZERO), "bool"), is_guarded=False),  # both sides exist: a selection of two vectors
        choosing(Op(">", (Load("w", (Q, P), "real"), ZERO), "bool")),  # what is stored may change it
    ),
)
def test_other_choices_stay(loop: For) -> None:
    assert unswitched([loop]) == (loop,)
