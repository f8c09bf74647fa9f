"""Leaves out loops that add nothing: a reduction whose terms are all nought unless something known before is true.

for i in 0..N: r += {(x[i]/m)² if s > 2¹⁰⁰, else 0}     →     if s > 2¹⁰⁰: for i in 0..N: r += (x[i]/m)²

Comes in: statements. Goes out: equal ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from codegen.loops import ir
from codegen.loops.ir import Assign, Const, Expr, For, If, Let, Select, Stmt

NOUGHT = {"sum": 0.0, "max": float("-inf"), "min": float("inf")}
"""The term that changes nothing."""


def with_loops_left_out(body: Sequence[Stmt]) -> tuple[Stmt, ...]:
    """The statements with every loop under its condition that has one."""
    found: list[Stmt] = []
    for statement in body:
        if isinstance(statement, For | If):
            condition = _condition(statement) if isinstance(statement, For) and not statement.parallel else None
            if condition is not None:
                found.append(If(condition, (_taken(statement),)))
                continue
            statement = replace(statement, body=with_loops_left_out(statement.body))
        found.append(statement)
    return tuple(found)


def _condition(loop: For) -> Expr | None:
    """What decides whether a loop changes anything, if it is known before the loop; None if nothing is."""
    inside = [loop, *ir.statements(loop.body)]
    conditions = {_decides(statement) for statement in inside if not isinstance(statement, For | Let)}
    if len(conditions) != 1 or None in conditions:
        return None
    (condition,) = conditions
    assert condition is not None
    bound = {statement.var for statement in inside if isinstance(statement, For | Let | Assign)}
    return condition if bound.isdisjoint(ir.subexpressions(condition)) else None


def _decides(statement: Stmt) -> Expr | None:
    """The condition of a term that is nought elsewhere."""
    match statement:
        case Assign(_, Select(condition, _, Const(nought)), op) if op is not None and nought == NOUGHT[op]:
            return condition
    return None


def _taken(statement: Stmt) -> Stmt:
    """A statement where its condition holds."""
    match statement:
        case For(body=body):
            return replace(statement, body=tuple(map(_taken, body)))
        case Assign(_, Select(_, yes)):
            return replace(statement, value=yes)
    return statement
