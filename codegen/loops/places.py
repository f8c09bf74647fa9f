"""Places in memory as sums of loop variables, each times a number: ``n*4096 + k*64 + 3``."""

from __future__ import annotations

from collections.abc import Collection

from codegen.loops import ir
from codegen.loops.ir import ZERO, Const, Expr, Op, Var

Steps = dict[str, int]
"""How far a place moves with each loop, by the loop's variable."""


def affine(place: Expr, names: Collection[str]) -> tuple[Steps, Expr] | None:
    """The steps of a place with each of some variables, and what is left; None if it is no such sum."""
    match place:
        case Var(name) if name in names:
            return {name: 1}, ZERO
        case Op("+", (left, right)):
            one, other = affine(left, names), affine(right, names)
            if one is None or other is None:
                return None
            both = {name: one[0].get(name, 0) + other[0].get(name, 0) for name in {**one[0], **other[0]}}
            return both, ir.add(one[1], other[1])
        case Op("*", (left, Const(value))):
            found = affine(left, names)
            if found is None:
                return None
            return {name: step * int(value) for name, step in found[0].items()}, ir.multiply(found[1], place.args[1])
    free = all(not (isinstance(node, Var) and node.name in names) for node in ir.subexpressions(place))
    return ({}, place) if free else None
