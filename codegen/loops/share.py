"""Shares scalar work: what does not change in a loop is computed before it, what occurs twice is computed once.

y[j] = e[j]/(S·N);  g[j] = e[j]/(S·N) − t[j]     →     c = S·N (before);  q = e[j]/c;  y[j] = q;  g[j] = q − t[j]
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence, Set
from dataclasses import replace

from codegen.loops.guards import guards, is_exposed
from codegen.loops.ir import (
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
from codegen.loops.names import Names
from codegen.loops.products import by_halves

STEPS = frozenset(["floor", "sign"])
"""Functions that jump."""

LARGE = 2.0**64
"""A divisor up to this, and down to its inverse, has an inverse far from the ends of either floating type."""


def rewritten(expression: Expr, change: Callable[[Expr], Expr | None]) -> Expr:
    """Replace maximal sub-expressions, parents first; a part that must stay under its guard is left alone."""
    found = change(expression)
    if found is not None:
        return found
    parts = children(expression)
    if not parts:
        return expression
    entered = _entered(expression)
    new = tuple(rewritten(part, change) for part in entered) + parts[len(entered) :]
    return expression if new == parts else rebuild(expression, new)


def replaced(expression: Expr, change: Callable[[Expr], Expr | None]) -> Expr:
    """The same with those that stand under a guard too."""
    found = change(expression)
    if found is not None:
        return found
    parts = tuple(replaced(part, change) for part in children(expression))
    return rebuild(expression, parts) if parts else expression


def _entered(expression: Expr) -> tuple[Expr, ...]:
    """The direct sub-expressions out of which work may be moved: all, but none that must stay under a guard."""
    return children(expression)[:1] if guards(expression) else children(expression)


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
        reordered = by_halves(e for statement in body for e in _direct(statement))
        if reordered is not None:
            body = [with_expressions(statement, reordered) for statement in body]
        frozen = self.written | self.scratch if outermost else self.written
        before: list[Stmt] = []

        def change(node: Expr) -> Expr | None:
            if isinstance(node, Op) and node.op == "/" and not _available(node, available, frozen):
                return self._by_inverse(node, available, frozen, before, change)
            return change_exactly(node) or (rewritten(node, change_exactly) if _is_step(node) else None)

        def change_exactly(node: Expr) -> Expr | None:
            if node in self.known:
                return self.known[node]
            if node.dtype == "int64" and not isinstance(node, Load):
                return None
            if not self._worth_binding(node) or not _available(node, available, frozen):
                return None
            return self._bind(node, before)

        moved = [with_expressions(statement, lambda e: rewritten(e, change)) for statement in body]
        available.update(statement.var.name for statement in before if isinstance(statement, Let))
        return before, moved

    def inverses(self, body: Sequence[Stmt], available: set[str]) -> tuple[list[Stmt], list[Stmt]]:
        """(inverses to bind before, body) of an inner loop: of what all of its iterations divide by."""
        frozen, before, outside = frozenset(writes(tuple(body))), list[Stmt](), self.known

        def change(node: Expr) -> Expr | None:
            if isinstance(node, Op) and node.op == "/" and not _available(node, available, frozen):
                return self._by_inverse(node, available, frozen, before, change)
            return node if _is_step(node) else None

        self.known = dict(outside)
        moved = [with_expressions(statement, lambda e: rewritten(e, change)) for statement in body]
        self.known = outside
        return before, moved

    def _by_inverse(
        self,
        quotient: Op,
        available: set[str],
        frozen: Set[str],
        before: list[Stmt],
        change: Callable[[Expr], Expr | None],
    ) -> Expr | None:
        """A division by what does not change in the loop as a multiplication by its inverse, one rounding more.

        An inverse may be no normal number where its quotients are. A power of two brings it, and what is divided,
        back among them: x/c = (x·s)·(1/(c·s)), where the first product is exact wherever the quotient is normal.
        """
        above, below = quotient.args
        if isinstance(below, Const) or not _available(below, available, frozen):
            return None
        above = rewritten(above, change)
        if not _is_size(below):
            scale = self._bound(_scale(below), before)
            above, below = Op("*", (above, scale), quotient.dtype), Op("*", (below, scale), quotient.dtype)
        inverse = self._bound(Op("/", (Const(1.0, quotient.dtype), below), quotient.dtype), before)
        return Op("*", (above, inverse), quotient.dtype)

    def _bound(self, node: Expr, before: list[Stmt]) -> Var:
        return self.known[node] if node in self.known else self._bind(node, before)

    def _worth_binding(self, node: Expr) -> bool:
        if isinstance(node, Cast) and isinstance(node.value, Var) and node.value.dtype == node.dtype:
            return False
        return isinstance(node, Load | Call | Op | Cast | Select) and node.dtype != "bool"

    def _bind(self, node: Expr, before: list[Stmt]) -> Var:
        var = Var(self.names.unique(_name_for(node)), node.dtype)
        self.known[node] = var
        before.append(Let(var, node))
        return var

    def once(self, body: Sequence[Stmt], loads: bool = True) -> list[Stmt]:
        """Bind what occurs more than once in a straight-line body, just before its first use; loads if asked to."""
        counts: Counter[Expr] = Counter()
        for statement in body:
            for expression in _direct(statement):
                self._count(expression, counts)
        repeated = {node for node, count in counts.items() if count > 1 and self._is_costly(node)}
        repeated = repeated if loads else {node for node in repeated if not isinstance(node, Load)}
        local: dict[Expr, Var] = {}
        result: list[Stmt] = []

        def change(node: Expr) -> Expr | None:
            if node in local:
                return local[node]
            if node not in repeated or is_exposed(node):
                return None
            entered = _entered(node)
            value = rebuild(node, tuple(rewritten(part, change) for part in entered) + children(node)[len(entered) :])
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
            pending.extend(_entered(node))

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
        if isinstance(part, Load) and part.buffer in frozen:
            return False
    return not is_exposed(node)


def _is_step(node: Expr) -> bool:
    """Whether the smallest difference in an operand may change the result by much."""
    return (isinstance(node, Op) and node.dtype == "bool") or (isinstance(node, Call) and node.function in STEPS)


def _is_size(divisor: Expr) -> bool:
    """Whether a divisor is a size, or one times a number, whose inverse is a normal number."""
    match divisor:
        case Cast(value):
            return value.dtype == "int64" or _is_size(value)
        case Op("*", (Const(number), size)):
            return 1 <= number <= LARGE and _is_size(size)
    return False


def _scale(divisor: Expr) -> Expr:
    """A power of two that brings a divisor, if it is very small or very large, near 1."""
    dtype = divisor.dtype
    size = Call("abs", (divisor,), dtype)
    small, large = Const(1 / LARGE, dtype), Const(LARGE, dtype)
    shrunk = Select(Op(">", (size, large), "bool"), small, Const(1.0, dtype), dtype)
    return Select(Op("<", (size, small), "bool"), large, shrunk, dtype)


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
        case Select(_, Const(value=number)) if number == LARGE:
            return "scale"
    return "c"
