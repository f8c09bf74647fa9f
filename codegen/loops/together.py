"""Joins loops that stand one right after the other: each costs the compiler as much as what it computes.

for j in 0..64: s[j] = 0        for k in 0..64: w[k] = 0    →    for k in 0..64: s[k] = 0; w[k] = 0

Comes in: statements. Goes out: equal ones, in which each step of a loop does what the same steps of several did.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from codegen.loops import ir
from codegen.loops.ir import Call, Expr, For, If, Let, Load, Stmt, Store
from codegen.loops.rename import Renaming


def together(body: Sequence[Stmt]) -> tuple[Stmt, ...]:
    """The statements with loops joined that have equal bounds and move, add and scale elements at their own place."""
    found: list[Stmt] = []
    for statement in body:
        if isinstance(statement, For | If):
            statement = replace(statement, body=together(statement.body))
        if found and isinstance(statement, For) and (one := _of_both(found[-1], statement)) is not None:
            found[-1] = one
        else:
            found.append(statement)
    return tuple(found)


def _of_both(first: Stmt, second: For) -> For | None:
    """One loop of two, over the second's variable, if no step of the second needs another step of the first, or writes
    over what it needs. (Sums are cleared in loops of any variable: what is written next has that of their formula.)"""
    if not isinstance(first, For) or replace(second, var=first.var, body=first.body) != first or first.parallel:
        return None
    names = {name: name for name in (*ir.reads((first,)), *ir.writes((first,)))}
    renaming = Renaming(names, lambda name: name, formulas=True)
    renaming.variables[first.var.name] = second.var.name
    one = replace(second, body=(*renaming.block(first.body), *second.body))
    return one if _is_of_own_places(one) else None


def _is_of_own_places(loop: For) -> bool:
    """Whether a step has an element of each array that is written to itself, and all that it reads lies in a row."""
    if not all(isinstance(statement, Let | Store) for statement in loop.body):
        return False
    nodes = [node for one in loop.body for top in ir.expressions_of(one) for node in ir.subexpressions(top)]
    bound = [one.var.name for one in loop.body if isinstance(one, Let)]
    if any(isinstance(node, Call) for node in nodes) or len(set(bound)) < len(bound):
        return False
    places: dict[str, set[tuple[Expr, ...]]] = {}
    for node in (*loop.body, *nodes):
        if isinstance(node, Load | Store):
            places.setdefault(node.buffer, set()).add(node.index)
    moving = [place for found in places.values() for index in found for place in index if place != loop.var]
    plain = not any(loop.var in ir.subexpressions(place) for place in moving)
    return plain and all(len(places[name]) == 1 and loop.var in next(iter(places[name])) for name in ir.writes((loop,)))
