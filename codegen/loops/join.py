"""Joins two loops over axes that lie one after the other in every array: one long loop has no remainder in each row.

for q in 0..26: for r in 0..26: h[p, q, r] = v[p, q, r] + b[p]    →    for r in 0..676: h[p, 0, r] = v[p, 0, r] + b[p]

Comes in: statements. Goes out: equal ones, in which sums of such loops have another order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from codegen.loops import ir
from codegen.loops.ir import ONE, ZERO, Assign, Expr, For, If, Let, Load, Stmt, Store, Var

Shapes = Mapping[str, tuple[Expr, ...]]


class _Apart(Exception):
    """The loops are not one."""


def joined(body: Sequence[Stmt], shapes: Shapes) -> tuple[Stmt, ...]:
    """The statements with every two loops joined that can be; ``shapes`` of the buffers that may be in them."""
    found: list[Stmt] = []
    for statement in body:
        if isinstance(statement, For | If):
            statement = replace(statement, body=joined(statement.body, shapes))
        match statement:
            case For(outer, start, count, (For(inner, begin, size, inside) as loop,)) if (
                start == begin == ZERO and statement.step == loop.step == ONE
                and not statement.parallel and not loop.parallel
            ):  # fmt: skip
                try:
                    whole = tuple(_Join(outer, inner, size, shapes).one(part) for part in inside)
                    found.append(For(inner, ZERO, ir.multiply(count, size), whole))
                except _Apart:
                    found.append(statement)
            case _:
                found.append(statement)
    return tuple(found)


class _Join:
    """Rewrites what is inside two loops, for one over both."""

    def __init__(self, outer: Var, inner: Var, size: Expr, shapes: Shapes) -> None:
        self.outer, self.inner, self.size, self.shapes = outer, inner, size, shapes

    def one(self, statement: Stmt) -> Stmt:
        match statement:
            case Let(_, value) | Assign(_, value):
                return replace(statement, value=self.expression(value))
            case Store(buffer, index, value):
                return replace(statement, index=self.index(buffer, index), value=self.expression(value))
            case If(condition, body):
                return If(self.expression(condition), tuple(map(self.one, body)))
            case For() if not self.mentions(*ir.expressions_of(statement)):
                return replace(statement, body=tuple(map(self.one, statement.body)))
        raise _Apart

    def expression(self, node: Expr) -> Expr:
        if isinstance(node, Load):
            return replace(node, index=self.index(node.buffer, node.index))
        if node in (self.outer, self.inner):
            raise _Apart
        parts = tuple(map(self.expression, ir.children(node)))
        return ir.rebuild(node, parts) if parts else node

    def index(self, buffer: str, index: tuple[Expr, ...]) -> tuple[Expr, ...]:
        """The place at which the joined loop is, where the two are at theirs."""
        if self.outer not in index or self.inner not in index:
            return tuple(map(self.expression, index))
        first, last = index.index(self.outer), index.index(self.inner)
        rest = (*index[:first], *index[last + 1 :])
        apart = first > last or any(at != ZERO for at in index[first + 1 : last])
        if apart or self.mentions(*rest) or ir.product(self.shapes[buffer][first + 1 : last + 1]) != self.size:
            raise _Apart
        return (*index[:first], ZERO, *index[first + 1 :])

    def mentions(self, *expressions: Expr) -> bool:
        """Whether one of the two loops' variables is in expressions."""
        return any(node in (self.outer, self.inner) for e in expressions for node in ir.subexpressions(e))
