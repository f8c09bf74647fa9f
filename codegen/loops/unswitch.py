"""Takes a choice out of a loop that does not change it: two loops, neither of which asks.

for l in 0..64: v[j, l] = c[j − 1, l] if j > 0 else s[l]
    →    if j > 0: for l in 0..64: v[j, l] = c[j − 1, l]
         if j <= 0: for l in 0..64: v[j, l] = s[l]

An element that exists on one side alone must not be read on the other, so that such a loop has a branch in every step,
which no vector has; and what takes long is not computed for nothing. This is known as loop unswitching. Comes in:
statements. Goes out: equal ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce

from codegen.loops import ir
from codegen.loops.ir import Assign, Call, Const, Expr, For, If, Let, Load, Op, Select, Stmt, Store, Var
from codegen.loops.share import replaced, with_expressions

OPPOSITE = {"<": ">=", ">": "<=", "<=": ">", ">=": "<", "==": "!=", "!=": "=="}
"""Of comparisons of integers."""

LONG = 6
"""Operations that take longer than to ask before the loop."""


def unswitched(body: Sequence[Stmt]) -> tuple[Stmt, ...]:
    """The statements with such choices before the innermost loops that have them."""
    found: list[Stmt] = []
    for statement in body:
        if isinstance(statement, For) and (condition := _choice(statement)) is not None:
            found += [If(asked, (_where(statement, condition, holds),)) for asked, holds in _ways(condition)]
        elif isinstance(statement, For | If):
            found.append(replace(statement, body=unswitched(statement.body)))
        else:
            found.append(statement)
    return tuple(found)


def _choice(loop: For) -> Expr | None:
    """The one condition of an innermost loop that is known before it, and guards what it reads or what takes long; None
    if there is none, or several."""
    if loop.parallel or not all(isinstance(statement, Let | Assign | Store) for statement in loop.body):
        return None
    bound = {loop.var, *(statement.var for statement in loop.body if isinstance(statement, Let | Assign))}
    asked = {
        part.condition
        for statement in loop.body
        for expression in ir.expressions_of(statement)
        for part in ir.subexpressions(expression)
        if isinstance(part, Select) and _guards(part) and _is_known(part.condition, bound)
    }
    return asked.pop() if len(asked) == 1 else None


def _guards(choice: Select) -> bool:
    parts = [part for side in (choice.yes, choice.no) for part in ir.subexpressions(side)]
    reads = any(isinstance(part, Load) and part.guarded for part in parts)
    return reads or sum(_duration(part) for part in parts) >= LONG


def _duration(part: Expr) -> int:
    """Of a part by itself: functions take long."""
    if isinstance(part, Call) and part.function not in ("minimum", "maximum"):
        return LONG
    return int(isinstance(part, Op | Call) and part.dtype != "int64")


def _is_known(condition: Expr, bound: set[Var]) -> bool:
    """Whether a condition is one of numbers that are bound before the loop."""
    parts = list(ir.subexpressions(condition))
    return all(isinstance(part, Const | Var | Op | Call) for part in parts) and bound.isdisjoint(parts)


def _ways(condition: Expr) -> tuple[tuple[Expr, bool], ...]:
    """The condition, and its opposite."""
    if isinstance(condition, Op) and condition.op in OPPOSITE and all(part.dtype == "int64" for part in condition.args):
        return (condition, True), (replace(condition, op=OPPOSITE[condition.op]), False)
    return (condition, True), (Op("not", (condition,), "bool"), False)


def _conjuncts(condition: Expr) -> tuple[Expr, ...]:
    """What must hold for a condition to hold, in its order."""
    if isinstance(condition, Op) and condition.op == "and":
        return tuple(one for part in condition.args for one in _conjuncts(part))
    return (condition,)


def _where(loop: For, condition: Expr, holds: bool) -> Stmt:
    """The loop where the condition holds, or where it does not."""

    def decided(part: Expr) -> Expr | None:
        if not isinstance(part, Select) or condition not in (asked := _conjuncts(part.condition)):
            return None
        if holds and (rest := [one for one in asked if one != condition]):
            asks = reduce(lambda left, right: Op("and", (left, right), "bool"), rest)
            return replace(part, condition=asks, yes=replaced(part.yes, decided), no=replaced(part.no, decided))
        return replaced(part.yes if holds else part.no, decided)

    body = tuple(with_expressions(statement, lambda value: replaced(value, decided)) for statement in loop.body)
    return replace(loop, body=_read_later(body))


def _read_later(body: Sequence[Stmt]) -> tuple[Stmt, ...]:
    """The statements without numbers that none of them reads."""
    left: list[Stmt] = []
    read: set[Expr] = set()
    for statement in reversed(body):
        if not isinstance(statement, Let) or statement.var in read:
            left.append(statement)
            read.update(part for value in ir.expressions_of(statement) for part in ir.subexpressions(value))
    return tuple(reversed(left))
