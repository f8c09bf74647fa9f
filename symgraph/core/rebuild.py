"""Substitution in scalar bodies, without recursion: as algebra, which SymPy evaluates anew, or literally.

y → t − x in y·2:   replaced gives 2·t − 2·x, literal nothing, since that is no longer what was written
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import sympy as sp
from sympy.functions.elementary.piecewise import ExprCondPair

from symgraph.core.cases import either
from symgraph.core.compared import COMPARING, compared
from symgraph.core.indices import Shape, bound

MOST_BITS = 4096
"""Of a whole power of a number that is written out, and the largest argument of a function that has such values."""
_LENGTHENING = (sp.gamma, sp.loggamma, sp.polygamma, sp.factorial, sp.binomial, sp.harmonic, sp.zeta)

Rule = Mapping[sp.Basic, sp.Basic]
Build = Callable[[sp.Basic, list[sp.Basic]], sp.Basic]


def replaced(body: sp.Basic, rule: Rule) -> sp.Basic:
    """``body`` with every key of ``rule`` replaced by its value, largest keys first, and evaluated."""
    return bottom_up(body, _has_no_parts, evaluated, rule)


def literal(body: sp.Basic, rule: Rule) -> sp.Basic | None:
    """The same, if SymPy evaluates nothing on the way: every operation has just the operands that were written."""
    try:
        return bottom_up(body, _has_no_parts, _literally, rule)
    except _NotLiteral:
        return None


def without_ones(body: sp.Expr, extents: Shape) -> tuple[sp.Expr, Shape] | None:
    """A reduction's body and extents without the bound indices that it reads at 0 alone; None if there are none.

    A sum of one term that reads no index stays one: a recurrence makes values of its own so of what it only hands on.
    """
    if sp.S.One not in extents:
        return None
    gone = {d for d, size in enumerate(extents) if size == 1 and body.has(bound(d))}
    kept = [d for d in range(len(extents)) if d not in gone]
    rule = {bound(d): sp.S.Zero for d in gone} | {bound(d): bound(place) for place, d in enumerate(kept)}
    found = literal(body, rule) if gone else None
    return None if found is None else (found, tuple(extents[d] for d in kept))


def unevaluated(body: sp.Basic, rule: Rule) -> sp.Basic:
    """The same, as it would be written: nothing is evaluated at all."""
    if body in rule or not body.has(*rule):
        return rule.get(body, body)
    args = [unevaluated(arg, rule) for arg in body.args]
    return body.func(*args) if isinstance(body, ExprCondPair) else body.func(*args, evaluate=False)


def written_product(factors: Sequence[sp.Expr]) -> sp.Expr:
    """The product of just these factors, none evaluated with another; 1 of none."""
    return sp.Mul(*factors, evaluate=False) if len(factors) > 1 else factors[0] if factors else sp.S.One


def bottom_up(body: sp.Basic, is_leaf: Callable[[sp.Basic], bool], build: Build, rule: Rule) -> sp.Basic:
    """``build(node, arguments)`` of everything in a body, operands first, each once, without recursion.

    A leaf stands for itself, and a key of ``rule`` for its value.
    """
    done: dict[sp.Basic, sp.Basic] = dict(rule)
    pending = [body]
    while pending:
        node = pending[-1]
        if node in done:
            pending.pop()
            continue
        if is_leaf(node):
            done[node] = node
            continue
        missing = [arg for arg in node.args if arg not in done]
        if missing:
            pending.extend(missing)
            continue
        pending.pop()
        done[node] = build(node, [done[arg] for arg in node.args])
    return done[body]


def parts_of(body: sp.Basic, *closed: type) -> dict[sp.Basic, None]:
    """Everything in a body, itself first, each once, but for what is in things of the kinds ``closed``."""
    found: dict[sp.Basic, None] = {}
    pending = [body]
    while pending:
        node = pending.pop()
        if node not in found:
            found[node] = None
            pending.extend(() if isinstance(node, closed) else node.args)
    return found


def atoms_in(body: sp.Basic, *kinds: type) -> set[Any]:
    """What in a body is of some kinds. SymPy's ``atoms`` looks at a part as often as it stands there: at y in
    y + sin(y) twice, and of a formula that is nested so 24 times 16 million times."""
    return {part for part in _known_parts(body) if isinstance(part, kinds)}


@lru_cache(maxsize=1024)
def _known_parts(body: sp.Basic) -> tuple[sp.Basic, ...]:
    """A formula is asked for its exponentials, its sums, its powers, … one after the other."""
    return tuple(parts_of(body))


def _has_no_parts(node: sp.Basic) -> bool:
    return not node.args


def evaluated(node: sp.Basic, args: list[sp.Basic]) -> sp.Basic:
    """The operation on other arguments; the node itself if they are its own."""
    if all(new is old for new, old in zip(args, node.args, strict=True)):
        return node
    if isinstance(node, sp.Or):
        return either(*args)
    if _is_long_number(node, args):
        return node.func(*args, evaluate=False)
    return compared(node.func, args) if isinstance(node, COMPARING) else node.func(*args)


def _is_long_number(node: sp.Basic, args: Sequence[sp.Basic]) -> bool:
    """Whether SymPy would write out a number that nobody can read: 2^(10³⁰) has 10³⁰ digits, Γ(10⁸) as many."""
    if isinstance(node, sp.Pow):
        base, exponent = args
        if not (base.is_Rational and exponent.is_Rational):
            return False
        return bool(abs(exponent) * max(int(base.p).bit_length(), int(base.q).bit_length()) > MOST_BITS)
    return isinstance(node, _LENGTHENING) and any(arg.is_Rational and abs(arg) > MOST_BITS for arg in args)


class _NotLiteral(Exception):
    """SymPy has evaluated an operation."""


def _literally(node: sp.Basic, args: list[sp.Basic]) -> sp.Basic:
    new = evaluated(node, args)
    if new is not node and not is_literal(new, node, args):
        raise _NotLiteral
    return new


def is_literal(new: sp.Basic, node: sp.Basic, args: Sequence[sp.Basic]) -> bool:
    """Whether an operation on arguments has just these, and SymPy has evaluated nothing."""
    return new.func is node.func and len(new.args) == len(args) and set(new.args) == set(args)
