"""What is only evaluated under a guard, and which elements exist nowhere else.

x[i − 1] if i > 0 else 0           i > 0 and x[i − 1] > 0           if i > 0: y[i] = x[i − 1]
"""

from __future__ import annotations

from codegen.loops.ir import Expr, Load, Op, Select, children, subexpressions


def under_guard(expression: Expr) -> tuple[Expr, ...]:
    """The direct sub-expressions that are only evaluated where another one of them says so."""
    match expression:
        case Select(_, yes, no):
            return yes, no
        case Op("and" | "or", (_, *rest)):
            return tuple(rest)
    return ()


def guards(expression: Expr) -> bool:
    """Whether something in a part under guard exists only there, so that the part must stay where it is."""
    return any(is_guarded(part) for part in under_guard(expression))


def is_guarded(expression: Expr) -> bool:
    """Whether any element in it is read under a guard alone."""
    return any(isinstance(node, Load) and node.guarded for node in subexpressions(expression))


def is_exposed(expression: Expr) -> bool:
    """Whether it reads, outside of all guards within it, an element that exists only under a guard."""
    pending = [expression]
    while pending:
        node = pending.pop()
        if isinstance(node, Load) and node.guarded:
            return True
        pending.extend(children(node)[:1] if under_guard(node) else children(node))
    return False
