"""Puts operands into a formula over slots so that none of them is lost: x − x and 0·x stay what they are.

So do a user's operations that SymPy was told not to evaluate, ``sp.Mul(sp.sqrt(x), 0, evaluate=False)``.
"""

from __future__ import annotations

from collections.abc import Sequence

import sympy as sp

from symgraph.core.cases import Cases
from symgraph.core.rebuild import evaluated, is_literal, parts_of, replaced, unevaluated
from symgraph.core.scalars import Written, slot, slots_in

_NO_NUMBERS = (sp.I, sp.zoo, sp.nan)
"""What no element may be."""


def as_written(formula: sp.Basic, operands: Sequence[sp.Basic], instead: Sequence[sp.Basic] = ()) -> sp.Basic:
    """A formula over slots at operands, evaluated by SymPy unless that drops an operand, a divisor or a root; of a
    formula by cases each value is, and a case that no operand comes to is left out. A value that is no real number,
    x/0 at operands x and 0, is the formula at those ``instead``, if there are any: elements in place of numbers."""
    kept = [part for part in parts_of(formula) if isinstance(part, Written) and part.operands][::-1]
    flat = _flat(formula, kept)
    rule: dict[sp.Basic, sp.Basic] = {place: operands[place.position] for place in slots_in(flat)}
    for part in kept:
        rule[part] = Written(part.args[0], *(replaced(operand, rule) for operand in part.operands))
    if isinstance(formula, Cases):
        return Cases(*((as_written(value, operands, instead), replaced(holds, rule)) for value, holds in formula.args))
    found = _unless_dropped(flat, operands, rule, replaced(formula, rule))
    return as_written(formula, instead) if instead and found.has(*_NO_NUMBERS) else found


def as_told(node: sp.Basic, args: Sequence[sp.Basic]) -> sp.Basic:
    """A user's operation on arguments, evaluated by SymPy unless that drops one, a divisor, a root or a function."""
    if not isinstance(node, sp.Add | sp.Mul | sp.Pow | sp.Function) or isinstance(node, sp.Piecewise):
        return evaluated(node, list(args))
    found = node.func(*args) if all(map(sp.Basic.__eq__, args, node.args)) else evaluated(node, list(args))
    if is_literal(found, node, args):
        return found
    asked = {part for arg in args for part in parts_of(arg, Written) if part.is_Atom and not part.is_number}
    asked |= {part for arg in args for part in parts_of(arg) if isinstance(part, sp.Function)}
    limited = {base for arg in args for base in _limited(arg)}
    if asked <= set(parts_of(found)) and limited <= _limited(found):
        return found
    operands = [arg for arg in dict.fromkeys(args) if not arg.is_number]
    places = {operand: slot(n, bool(operand.is_integer)) for n, operand in enumerate(operands)}
    return Written(node.func(*(places.get(arg, arg) for arg in args), evaluate=False), *operands)


def _flat(formula: sp.Basic, kept: Sequence[Written]) -> sp.Basic:
    """A formula with what is kept as written in it, inner parts first, written out, and nothing of it evaluated."""
    rule: dict[sp.Basic, sp.Basic] = {}
    for part in kept:
        operands = [unevaluated(operand, rule) for operand in part.operands]
        rule[part] = unevaluated(part.args[0], {place: operands[place.position] for place in slots_in(part.args[0])})
    return unevaluated(formula, rule) if rule else formula


def _unless_dropped(
    formula: sp.Basic, operands: Sequence[sp.Basic], rule: dict[sp.Basic, sp.Basic], found: sp.Basic
) -> sp.Basic:
    if any(base.is_zero for base in {replaced(p.base, rule) for p in formula.atoms(sp.Pow) if p.exp.is_negative}):
        return found if formula.has(sp.Piecewise) else sp.zoo  # 0·⌊x/0⌋ too, which SymPy takes to be 0
    written = [operand for operand in rule.values() if not operand.is_number]
    dropped = any(not found.has(operand) for operand in written)
    if not dropped and len(set(written)) < len(written):
        dropped = not {replaced(base, rule) for base in _limited(formula)} <= _limited(found)
    return Written(formula, *operands) if dropped else found


def _limited(body: sp.Basic) -> set[sp.Basic]:
    """What is divided by, or under a root: a power of it is not defined everywhere."""
    return {power.base for power in body.atoms(sp.Pow) if not (power.exp.is_integer and power.exp.is_positive)}
