"""Shares scalar work: what does not change in a loop is computed before it, what occurs twice is computed once.

y[j] = e[j]/(S·N);  g[j] = e[j]/(S·N) − t[j]     →     c = S·N (before);  q = e[j]/c;  y[j] = q;  g[j] = q − t[j]
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence, Set
from dataclasses import replace

from codegen.ir import (
    Assign,
    Call,
    Cast,
    Const,
    Expr,
    If,
    Let,
    Load,
    Op,
    Select,
    Stmt,
    Store,
    Var,
    children,
    rebuild,
    subexpressions,
    writes,
)  # fmt: skip
from codegen.names import Names


def is_guarded(node: Select) -> bool:
    """Whether a branch reads memory that only exists where the branch is taken: x[i − 1] where i > 0."""
    return any(
        isinstance(part, Load) and part.guarded for branch in (node.yes, node.no) for part in subexpressions(branch)
    )


def rewritten(expression: Expr, change: Callable[[Expr], Expr | None]) -> Expr:
    """Replace maximal sub-expressions, parents first; guarded branches are left alone."""
    found = change(expression)
    if found is not None:
        return found
    parts = children(expression)
    if not parts:
        return expression
    if isinstance(expression, Select) and is_guarded(expression):
        return rebuild(expression, (rewritten(expression.condition, change), expression.yes, expression.no))
    new = tuple(rewritten(part, change) for part in parts)
    return expression if new == parts else rebuild(expression, new)


def with_expressions(statement: Stmt, change: Callable[[Expr], Expr]) -> Stmt:
    """The statement with its direct expressions replaced."""
    match statement:
        case Let() | Assign():
            return replace(statement, value=change(statement.value))
        case Store():
            return replace(
                statement, index=tuple(change(index) for index in statement.index), value=change(statement.value)
            )
        case If():
            body = tuple(with_expressions(inner, change) for inner in statement.body)
            return replace(statement, condition=change(statement.condition), body=body)
    return statement


class Sharing:
    """Bindings already made in the enclosing scopes of one kernel."""

    def __init__(self, names: Names, written: frozenset[str]) -> None:
        self.names = names
        self.written = written
        self.scratch: set[str] = set()
        self.known: dict[Expr, Var] = {}

    def hoist(self, body: Sequence[Stmt], available: set[str], outermost: bool) -> tuple[list[Stmt], list[Stmt]]:
        """(bindings to put before, body): everything that only needs the ``available`` variables moves out.

        Scratch memory is written inside the kernel, so that nothing of it moves to the outermost level.
        """
        frozen = self.written | self.scratch if outermost else self.written
        before: list[Stmt] = []

        def change(node: Expr) -> Expr | None:
            if node in self.known:
                return self.known[node]
            if node.dtype == "int64" and not isinstance(node, Load):
                return None
            if isinstance(node, Op) and node.op == "/" and not _available(node, available, frozen):
                return self._by_inverse(node, available, frozen, before, change)
            if not self._worth_binding(node) or not _available(node, available, frozen):
                return None
            return self._bind(node, before)

        moved = [with_expressions(statement, lambda e: rewritten(e, change)) for statement in body]
        available.update(statement.var.name for statement in before if isinstance(statement, Let))
        return before, moved

    def _by_inverse(
        self,
        quotient: Op,
        available: set[str],
        frozen: Set[str],
        before: list[Stmt],
        change: Callable[[Expr], Expr | None],
    ) -> Expr | None:
        """A division by what does not change in the loop as a multiplication by its inverse, one rounding more."""
        above, below = quotient.args
        if isinstance(below, Const) or not _available(below, available, frozen):
            return None
        inverse = Op("/", (Const(1.0, quotient.dtype), below), quotient.dtype)
        factor = self.known[inverse] if inverse in self.known else self._bind(inverse, before)
        return Op("*", (rewritten(above, change), factor), quotient.dtype)

    def _worth_binding(self, node: Expr) -> bool:
        if isinstance(node, Cast) and isinstance(node.value, Var) and node.value.dtype == node.dtype:
            return False
        return isinstance(node, Load | Call | Op | Cast | Select) and node.dtype != "bool"

    def _bind(self, node: Expr, before: list[Stmt]) -> Var:
        var = Var(self.names.unique(_name_for(node)), node.dtype)
        self.known[node] = var
        before.append(Let(var, node))
        return var

    def once(self, body: Sequence[Stmt]) -> list[Stmt]:
        """Bind what occurs more than once in a straight-line body, just before its first use."""
        counts: Counter[Expr] = Counter()
        for statement in body:
            for expression in _direct(statement):
                self._count(expression, counts)
        repeated = {node for node, count in counts.items() if count > 1 and self._is_costly(node)}
        local: dict[Expr, Var] = {}
        result: list[Stmt] = []

        def change(node: Expr) -> Expr | None:
            if node in local:
                return local[node]
            if node not in repeated:
                return None
            inner = children(node)
            value = rebuild(node, tuple(rewritten(part, change) for part in inner)) if inner else node
            local[node] = Var(self.names.unique(_name_for(node)), node.dtype)
            result.append(Let(local[node], value))
            return local[node]

        for statement in body:
            changed = with_expressions(statement, lambda e: rewritten(e, change))
            result.append(changed)
            stored = writes((changed,))
            if stored:
                stale = [n for n in local if any(isinstance(p, Load) and p.buffer in stored for p in subexpressions(n))]
                for node in stale:
                    del local[node]
        return result

    def _count(self, expression: Expr, counts: Counter[Expr]) -> None:
        pending = [expression]
        while pending:
            node = pending.pop()
            counts[node] += 1
            if counts[node] > 1:
                continue
            if isinstance(node, Select) and is_guarded(node):
                pending.append(node.condition)
            else:
                pending.extend(children(node))

    def _is_costly(self, node: Expr) -> bool:
        if any(isinstance(part, Load) and part.guarded for part in subexpressions(node)):
            return False
        if isinstance(node, Load):
            return True
        return isinstance(node, Call | Op | Select) and node.dtype in ("real", "float64")


def _available(node: Expr, available: set[str], frozen: Set[str]) -> bool:
    for part in subexpressions(node):
        if isinstance(part, Var) and part.name not in available:
            return False
        if isinstance(part, Load) and (part.guarded or part.buffer in frozen):
            return False
    return True


def _direct(statement: Stmt) -> tuple[Expr, ...]:
    match statement:
        case Let() | Assign():
            return (statement.value,)
        case Store():
            return (*statement.index, statement.value)
        case If():
            return (statement.condition, *(e for inner in statement.body for e in _direct(inner)))
    return ()


def _name_for(node: Expr) -> str:
    match node:
        case Load():
            return f"{node.buffer}_{'at' if node.index else 'value'}"
        case Call():
            return f"{node.function}_1"
        case Cast(value):
            return _name_for(value)
        case Op("/", (Const(value=1.0), _)):
            return "inverse"
    return "c"
