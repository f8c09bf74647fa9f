"""Branches: ``Piecewise``, ``Max``, ``Min``, ``|u|`` as guarded formulas whose guard no rewriting ever loses.

A product with a branch moves into the branch: g·{1/u if u > 0, else 0} is {g/u if u > 0, else 0}. So what belongs to a
branch that is not taken is never multiplied by anything, and 0·∞ does not arise.
"""

from __future__ import annotations

from collections.abc import Callable

import sympy as sp

from symgraph.core.cases import Cases, Fails, both, conditions, either
from symgraph.core.compared import compared
from symgraph.core.indices import Index
from symgraph.core.rebuild import evaluated, parts_of
from symgraph.core.scalars import Delta
from symgraph.core.tensor import Element

MOST_SHARED = 4
"""Arguments of an extremum that share its derivative where they tie: who ties with whom is a branch each."""
Change = Callable[[sp.Expr, dict[sp.Basic, sp.Expr]], sp.Expr]


def expand_extrema(expression: sp.Basic) -> sp.Basic:
    """Max and Min as branches; at a tie the value is a constant if there is one, else the mean of the two.

    max(u, 0) is {u if u > 0, else 0}: the derivative at 0 is 0. max(u, v) is {u if u > v, (u + v)/2 if u = v, else v}:
    each has half of it, whichever is named or written first. Of three values, or four, and in conditions, they stay:
    see :func:`shares`. Of more, some are compared one by one with all that follow.
    """
    if isinstance(expression, sp.Piecewise):
        return Cases(*((expand_extrema(value), condition) for value, condition in expression.args))
    if isinstance(expression, (sp.Max, sp.Min)):
        relation = sp.StrictGreaterThan if isinstance(expression, sp.Max) else sp.StrictLessThan
        fixed = [arg for arg in expression.args if _is_constant(arg)]
        varied = sorted((arg for arg in expression.args if arg not in fixed), key=sp.default_sort_key)
        if fixed and varied:
            free, bound = compared(expression.func, varied), expression.func(*fixed)
            return Cases((expand_extrema(free), relation(free, bound)), (expand_extrema(bound), True))
        first, *rest = varied or fixed
        if 1 < len(rest) < MOST_SHARED:
            return expression
        other = compared(expression.func, rest)
        one, two = expand_extrema(first), expand_extrema(other)
        shared = [((one + two) / 2, sp.Eq(first, other))] if len(rest) == 1 else []
        return Cases((one, relation(first, other)), *shared, (two, True))
    if not expression.has(sp.Max, sp.Min) or not isinstance(expression, sp.Expr):
        return expression
    return expression.func(*(expand_extrema(arg) for arg in expression.args))


def shares(extremum: sp.Expr) -> list[sp.Expr]:
    """What each argument of a Max or Min has of its derivative: all, or where k arguments tie for it, one k-th."""
    relation = sp.StrictGreaterThan if isinstance(extremum, sp.Max) else sp.StrictLessThan
    found = []
    for n, own in enumerate(extremum.args):
        others = [*extremum.args[:n], *extremum.args[n + 1 :]]
        best = compared(extremum.func, others)
        tied = sp.Add(*(Cases((1, sp.Eq(arg, own)), (0, True)) for arg in others))
        found.append(Cases((1, relation(own, best)), (1 / (1 + tied), sp.Eq(own, best)), (0, True)))
    return found


def _is_constant(expression: sp.Expr) -> bool:
    """Whether it is a number, as it stands or as the value of a tensor."""
    definition = expression.tensor.definition if isinstance(expression, Element) else None
    return bool(expression.is_number) or (definition is not None and bool(definition.body.is_number))


def guarded_product(left: sp.Expr, right: sp.Expr) -> sp.Expr:
    """left·right with each factor inside the other's branches."""
    if isinstance(left, sp.Piecewise):
        return Cases(*((_selected(guarded_product(v, right), c), c) for v, c in left.args))
    if isinstance(right, sp.Piecewise):
        return Cases(*((_selected(guarded_product(left, v), c), c) for v, c in right.args))
    return left * right


def _selected(value: sp.Expr, condition: sp.Basic) -> sp.Expr:
    """A value of a branch without the δ that its condition excludes."""
    if not condition.has(Index) or not value.has(Delta):
        return value
    return value.xreplace({d: sp.S.Zero for d in value.atoms(Delta) if not holds_somewhere(condition, sp.Eq(*d.args))})


def holds_somewhere(*parts: sp.Basic) -> bool:
    """Whether conditions are not seen to exclude each other: i ≥ 1 and i = 0 do."""
    condition = sp.And(*parts)
    for part in sp.And.make_args(condition):
        for index, place in (part.args, part.args[::-1]) if isinstance(part, sp.Eq) else ():
            if isinstance(index, Index) and place.is_Integer and condition.xreplace({index: place}) == sp.false:
                return False
    return condition != sp.false


def per_branch(expression: sp.Expr, change: Change) -> sp.Expr:
    """Apply ``change`` inside every branch.

    ``change`` receives the formula of the branch and, for each Piecewise that was resolved, the value it has there.
    """
    pieces = _outer_pieces(expression)
    if not pieces:
        return change(expression, {})
    chosen = pieces[0]
    same = [piece for piece in pieces if conditions(piece) == conditions(chosen)]
    if len(same) < len(pieces) and isinstance(expression, sp.Add):
        return sp.Add(*(per_branch(term, change) for term in expression.args))
    branches = []
    for number, condition in enumerate(conditions(chosen)):
        rule = {piece: piece.args[number].expr for piece in same}
        value = _real(_selected(expression.xreplace(rule), condition))
        branches.append((value if value is sp.nan else per_branch(value, _within(rule, change)), condition))
    return flat_piecewise(branches)


def guard_of(taken: dict[sp.Basic, sp.Expr]) -> sp.Basic:
    """The condition under which each of some Piecewise has the value it has in a branch."""
    guards = []
    for piece, value in taken.items():
        before, holds = sp.true, sp.false
        for other, condition in piece.args:
            if other == value:
                holds = either(holds, both(before, condition))
            before = both(before, Fails(condition))
        guards.append(holds)
    return sp.And(*guards)


def _within(rule: dict[sp.Basic, sp.Expr], change: Change) -> Change:
    return lambda expression, inner: change(expression, rule | inner)


def flat_piecewise(branches: list[tuple[sp.Expr, sp.Basic]]) -> sp.Expr:
    """A Piecewise without nesting: a branch inside a branch needs both conditions; equal branches at the end merge."""
    flat: list[tuple[sp.Expr, sp.Basic]] = []
    for value, condition in branches:
        inner = value.args if isinstance(value, sp.Piecewise) else ((value, sp.true),)
        flat += [(part, both(split_extrema(condition), split_extrema(guard))) for part, guard in inner]
    flat = [(value, condition) for value, condition in flat if condition != sp.false]
    while len(flat) > 1 and flat[-2][0] == flat[-1][0] and flat[-1][1] == sp.true:
        del flat[-2]
    return Cases(*((_real(value), condition) for value, condition in flat))


def _real(value: sp.Expr) -> sp.Expr:
    """A value of a branch; what is no real number there, as 1/0 is, is NaN. Branches in it are values of their own."""
    own = parts_of(value, sp.Piecewise)
    return sp.nan if any(part in own for part in (sp.zoo, sp.nan, sp.I)) else value


def split_extrema(condition: sp.Basic) -> sp.Basic:
    """max(a, b) < c as a < c and b < c; min likewise."""
    if isinstance(condition, (sp.And, sp.Or)):
        return evaluated(condition, [split_extrema(part) for part in condition.args])
    match condition:
        case sp.StrictLessThan(args=(sp.Max() as extreme, edge)) | sp.LessThan(args=(sp.Max() as extreme, edge)):
            return sp.And(*(split_extrema(condition.func(arg, edge)) for arg in extreme.args))
        case sp.StrictGreaterThan(args=(sp.Min() as extreme, edge)) | sp.GreaterThan(args=(sp.Min() as extreme, edge)):
            return sp.And(*(split_extrema(condition.func(arg, edge)) for arg in extreme.args))
    return condition


def _outer_pieces(expression: sp.Expr) -> list[sp.Piecewise]:
    """Piecewise subexpressions that stand in no other function, in a fixed order."""
    found: list[sp.Piecewise] = []
    pending = [expression]
    while pending:
        node = pending.pop()
        if isinstance(node, sp.Piecewise):
            found.append(node)
        elif isinstance(node, (sp.Add, sp.Mul, sp.Pow)):
            pending.extend(reversed(node.args))
    return list(dict.fromkeys(found))
