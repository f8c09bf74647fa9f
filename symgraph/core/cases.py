"""Branches as SymPy's Piecewise that SymPy leaves as they are written.

SymPy turns 3·x > b into x > b/3, which rounds to another side; a > b into −b > −a and back without end; it solves
conditions that contain branches for their symbols. A body has :class:`Cases` in place of every Piecewise.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any

import sympy as sp
from sympy.core.relational import Relational
from sympy.functions.elementary.piecewise import ExprCondPair
from sympy.logic.boolalg import BooleanAtom

from symgraph.core.provenance import at_line
from symgraph.errors import DomainError

MOST_COMBINATIONS = 32
"""Combinations of branches that one condition is written out for."""


class Case(ExprCondPair):  # type: ignore[misc]
    """A value and the condition under which it is taken; no condition compares values with branches."""

    def __new__(cls, expr: Any, cond: Any) -> Case:
        return sp.Tuple.__new__(cls, sp.sympify(expr), decided(sp.sympify(cond)))  # type: ignore[no-any-return]


class Cases(sp.Piecewise):  # type: ignore[misc]
    """The first value whose condition holds. What is never reached is left out."""

    def __new__(cls, *args: Any, **_: Any) -> sp.Expr:
        cases: list[Case] = []
        for arg in args:
            case = Case(*getattr(arg, "args", arg))
            needed = set(sp.And.make_args(case.cond))
            if case.cond == sp.false or any(needed.issuperset(sp.And.make_args(earlier.cond)) for earlier in cases):
                continue
            cases.append(case)
            if case.cond == sp.true:
                break
        if not cases:
            return sp.nan
        return cases[0].expr if cases[0].cond == sp.true else sp.Basic.__new__(cls, *cases)

    def _sympystr(self, printer: Any) -> str:
        return f"Piecewise({', '.join(f'({printer._print(e)}, {printer._print(c)})' for e, c in self.args)})"

    def shown(self) -> sp.Expr:
        """As SymPy would have it."""
        return sp.Piecewise(*self.args)


class Fails(sp.Not):  # type: ignore[misc]
    """Where a condition does not hold. SymPy's ¬(x > 0) is x ≤ 0, which does not hold either where x is NaN."""

    @classmethod
    def eval(cls, arg: sp.Basic) -> sp.Basic | None:
        if isinstance(arg, Fails):
            return arg.args[0]
        exact = isinstance(arg, (BooleanAtom, sp.Not, sp.Eq, sp.Ne)) or (
            isinstance(arg, Relational) and all(side.is_number or side.is_integer for side in arg.args)
        )
        return sp.Not(arg) if exact else None


def either(*parts: sp.Basic) -> sp.Basic:
    """Whether one of some conditions holds; of x > 0 and x ≤ 0 too, where SymPy sees that one does of every number."""
    if any(Fails(part) in parts for part in parts):
        return sp.true
    found = sp.Or(*parts)
    return Fails(sp.And(*map(Fails, parts))) if found == sp.true and sp.true not in parts else found


@lru_cache(maxsize=8192)
def both(one: sp.Basic, other: sp.Basic) -> sp.Basic:
    """Whether two conditions hold: SymPy compares their canonical forms, which takes long, and is asked again."""
    return other if one == sp.true else one if other == sp.true else sp.And(one, other)


def decided(condition: sp.Basic) -> sp.Basic:
    """A condition that compares values with branches as one on the values of the branches.

    {u if c, else v} > 0 is (c and u > 0) or (not c and v > 0).

    Raises
    ------
    DomainError
        if that has more than ``MOST_COMBINATIONS`` parts: they are as many as the branches' products; and where it
        compares 1/0 or log 0.
    """
    if not condition.has(sp.Piecewise):
        return condition
    pieces = sorted(condition.atoms(sp.Piecewise), key=sp.default_sort_key)
    allow(prod(len(branches) for branches in {conditions(piece) for piece in pieces}))
    chosen = next(p for p in pieces if not any(p is not other and other.has(p) for other in pieces))
    same = [piece for piece in pieces if conditions(piece) == conditions(chosen)]
    found, before = sp.false, sp.true
    for number, holds in enumerate(conditions(chosen)):
        try:
            value = condition.xreplace({piece: piece.args[number].expr for piece in same})
        except TypeError:  # of 1/0 or log 0, which SymPy compares with nothing
            raise DomainError(
                at_line("a condition compares what is no real number in one of its branches: name the value first, "
                        "s = sg.define(…), and compare s")
            ) from None  # fmt: skip
        found = either(found, sp.And(before, holds, decided(value)))
        before = both(before, Fails(holds))
    return found


def allow(combinations: int) -> None:
    """Raise if a condition has more combinations of branches than are written out."""
    if combinations > MOST_COMBINATIONS:
        raise DomainError(
            at_line(f"a condition compares a value of {combinations} combinations of branches, at most "
                    f"{MOST_COMBINATIONS} are written out: name the value first, s = sg.define(…), and compare s")
        )  # fmt: skip


def conditions(piece: sp.Piecewise) -> tuple[sp.Basic, ...]:
    """The conditions of the branches, in order."""
    return tuple(condition for _, condition in piece.args)
