"""Substitution in scalar bodies, without recursion: as algebra, which SymPy evaluates anew, or literally.

y → t − x in y·2:   replaced gives 2·t − 2·x, literal nothing, since that is no longer what was written
"""

from __future__ import annotations

from collections.abc import Mapping

import sympy as sp
from sympy.functions.elementary.piecewise import ExprCondPair

Rule = Mapping[sp.Basic, sp.Basic]


def replaced(body: sp.Basic, rule: Rule) -> sp.Basic:
    """``body`` with every key of ``rule`` replaced by its value, largest keys first, and evaluated."""
    return _rebuilt(body, rule, strict=False)  # type: ignore[return-value]


def literal(body: sp.Basic, rule: Rule) -> sp.Basic | None:
    """The same, if SymPy evaluates nothing on the way: every operation has just the operands that were written."""
    return _rebuilt(body, rule, strict=True)


def unevaluated(body: sp.Basic, rule: Rule) -> sp.Basic:
    """The same, as it would be written: nothing is evaluated at all."""
    if body in rule or not body.args:
        return rule.get(body, body)
    args = [unevaluated(arg, rule) for arg in body.args]
    return body.func(*args) if isinstance(body, ExprCondPair) else body.func(*args, evaluate=False)


def _rebuilt(body: sp.Basic, rule: Rule, strict: bool) -> sp.Basic | None:
    done: dict[sp.Basic, sp.Basic] = dict(rule)
    pending = [body]
    while pending:
        node = pending[-1]
        if node in done:
            pending.pop()
            continue
        missing = [arg for arg in node.args if arg not in done and arg.args]
        if missing:
            pending.extend(missing)
            continue
        pending.pop()
        args = [done.get(arg, arg) for arg in node.args]
        if all(new is old for new, old in zip(args, node.args, strict=True)):
            done[node] = node
            continue
        new = node.func(*args)
        if strict and not _is_literal(new, node, args):
            return None
        done[node] = new
    return done[body]


def _is_literal(new: sp.Basic, node: sp.Basic, args: list[sp.Basic]) -> bool:
    return new.func is node.func and len(new.args) == len(args) and set(new.args) == set(args)
