"""Adds several terms of a sum to a row at once: the row is read and written once for all of them.

for k in 0..64: for j in 0..32: y[j] += a[k]·b[k, j]
    →    for k in 0..64 by 4: for j in 0..32: y[j] += (a[k]·b[k, j] + a[k+1]·b[k+1, j]) + (a[k+2]·b[k+2, j] + …)

Where the row fits registers, an addition waits for the last one a quarter as often. This is known as unroll and jam.
Comes in: statements. Goes out: equal ones, in which these sums have another order, the same for any number of threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from codegen.loops import ir
from codegen.loops.ir import ONE, Const, Expr, For, If, Load, Op, Select, Stmt, Store, Var
from codegen.loops.share import replaced

TERMS = 4
"""Terms at once."""

LEAST = 8
"""Elements of a row, and terms of a sum, from which on it pays."""

MOST_OPERATIONS = 8
"""Of a term: what is computed at length does not wait for memory."""


def jammed(body: Sequence[Stmt]) -> tuple[Stmt, ...]:
    """The statements with every such sum taken ``TERMS`` at once."""
    found: list[Stmt] = []
    for statement in body:
        if isinstance(statement, For) and (row := _row(statement)) is not None:
            found += _several(statement, *row)
        elif isinstance(statement, For | If):
            found.append(replace(statement, body=jammed(statement.body)))
        else:
            found.append(statement)
    return tuple(found)


def _row(terms: For) -> tuple[list[For], Store] | None:
    """The loops over the row that a loop adds its terms to, and the addition; None for every other loop."""
    row: list[For] = []
    inside = terms.body
    while len(inside) == 1 and isinstance(loop := inside[0], For):
        row.append(loop)
        inside = loop.body
    if not row or terms.parallel or terms.step != ONE or len(inside) != 1 or not isinstance(add := inside[0], Store):
        return None
    if terms.start != ir.ZERO or not isinstance(terms.stop, Const | Var):
        return None
    bounds = [expression for loop in row for expression in (loop.start, loop.stop)]
    is_apart = not any(_mentions(terms.var, place) for place in (*add.index, *bounds))
    counts = [loop.stop for loop in (terms, row[-1])]
    is_short = any(isinstance(count, Const) and count.value < LEAST for count in counts)
    parts = list(ir.subexpressions(add.value))
    is_plain = not any(isinstance(part, Select) or (isinstance(part, Load) and part.guarded) for part in parts)
    is_plain &= sum(isinstance(part, Op | ir.Call) and part.dtype != "int64" for part in parts) <= MOST_OPERATIONS
    is_sum = add.op == "sum" and add.value.dtype == "real" and not any(loop.parallel for loop in row)
    return (row, add) if is_sum and is_apart and is_plain and not is_short else None


def _several(terms: For, row: Sequence[For], add: Store) -> list[Stmt]:
    """The loop in steps of ``TERMS``, and one over what is left."""
    count = terms.stop
    whole: Expr
    if isinstance(count, Const):
        whole = ir.integer(int(count.value) // TERMS * TERMS)
    else:
        whole = ir.multiply(Op("//", (count, ir.integer(TERMS)), "int64"), ir.integer(TERMS))
    values = [_at(add.value, terms.var, number) for number in range(TERMS)]
    while len(values) > 1:
        values = [Op("+", (a, b), "real") for a, b in zip(values[::2], values[1::2], strict=True)]
    body: Stmt = replace(add, value=values[0])
    for loop in reversed(row):
        body = replace(loop, body=(body,))
    found: list[Stmt] = [replace(terms, stop=whole, step=ir.integer(TERMS), body=(body,))]
    return found if whole == count else [*found, replace(terms, start=whole)]


def _at(value: Expr, var: Var, number: int) -> Expr:
    """A term so many places on."""
    return replaced(value, lambda part: ir.add(var, ir.integer(number)) if part == var else None)


def _mentions(var: Var, expression: Expr) -> bool:
    return var in ir.subexpressions(expression)
