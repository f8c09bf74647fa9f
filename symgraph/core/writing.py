"""Puts operands into a formula over slots so that none of them is lost: x − x and 0·x stay what they are."""

from __future__ import annotations

from collections.abc import Sequence

import sympy as sp

from symgraph.core.cases import Cases
from symgraph.core.rebuild import replaced
from symgraph.core.scalars import Written, slots_in

_NO_NUMBERS = (sp.I, sp.zoo, sp.nan)
"""What no element may be."""


def as_written(formula: sp.Basic, operands: Sequence[sp.Basic], instead: Sequence[sp.Basic] = ()) -> sp.Basic:
    """A formula over slots at operands, evaluated by SymPy unless that drops an operand, a divisor or a root; of a
    formula by cases each value is, and a case that no operand comes to is left out. A value that is no real number,
    x/0 at operands x and 0, is the formula at those ``instead``, if there are any: elements in place of numbers."""
    rule = {place: operands[place.position] for place in slots_in(formula)}
    if isinstance(formula, Cases):
        return Cases(*((as_written(value, operands, instead), replaced(holds, rule)) for value, holds in formula.args))
    found = _unless_dropped(formula, operands, rule)
    return as_written(formula, instead) if instead and found.has(*_NO_NUMBERS) else found


def _unless_dropped(formula: sp.Basic, operands: Sequence[sp.Basic], rule: dict[sp.Basic, sp.Basic]) -> sp.Basic:
    found = replaced(formula, rule)
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
