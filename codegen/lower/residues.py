"""Loops over whole periods: what a formula says about an index modulo a number is known in each statement of a period.

d_x[j] = {d_y[(j − 1)/2] if j % 2 = 1, else d_z[j/2]}, j < 9:   for j in range(4): d_x[2·j] = …; d_x[2·j + 1] = …
                                                                for j in range(4, 5): d_x[2·j] = …
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import product
from math import lcm

import sympy as sp

from codegen.loops.ranges import Bounds
from codegen.plan.plan import Node
from symgraph.core.bounds import range_of
from symgraph.core.indices import Index, axis, is_at_least_zero

MOST = 16
"""Statements that a period may have."""


@dataclass(frozen=True, slots=True)
class Periods:
    """The periods [first, last) of ``modulus`` values of an index; the first ``residues`` of each are in it."""

    modulus: int
    first: int
    last: int
    residues: int


Nest = Mapping[Index, Periods]
Residues = Mapping[Index, tuple[int, Periods]]
"""For each index, where in each of its periods it is."""


def nests_of(
    nodes: Sequence[Node], extents: Sequence[sp.Expr], depth: int, whole: Sequence[Index]
) -> Iterator[Nest]:
    """The nests of a segment: over whole periods, and over what is left of the last; over all if nothing is asked.

    The loops of ``whole`` stay as they are.
    """
    moduli = _moduli(nodes, {axis(depth + position): size for position, size in enumerate(extents)}, whole)
    choices: list[list[tuple[Index, Periods]]] = []
    for index, modulus in moduli.items():
        count, rest = divmod(int(extents[int(index.name[1:]) - depth]), modulus)
        full, last = Periods(modulus, 0, count, modulus), Periods(modulus, count, count + 1, rest)
        choices.append([(index, part) for part in (full, last) if part.residues and part.last > part.first])
    for chosen in product(*choices):
        yield dict(chosen)


def _moduli(nodes: Sequence[Node], inner: Mapping[Index, sp.Expr], whole: Sequence[Index]) -> dict[Index, int]:
    if any(node.definition.op is not None for node in nodes):
        return {}
    moduli: dict[Index, int] = {}
    asked = [m for node in nodes for m in node.definition.body.atoms(sp.Mod)]
    for index in inner:
        bases = [int(m.args[1]) for m in asked if m.args[1].is_Integer and _is_linear(m.args[0], index)]
        if bases and inner[index].is_Integer and index not in whole:
            moduli[index] = reduce(lcm, bases)
    return moduli if 1 < sp.prod(moduli.values()) <= MOST else {}


def _is_linear(expression: sp.Expr, index: Index) -> bool:
    """Whether the index occurs once, times an integer: ⌊k/4⌋ of a k known modulo 4 is not known modulo anything."""
    slope = expression.coeff(index)
    return bool(slope.is_Integer and slope != 0) and not (expression - slope * index).has(index)


def statements_of(nest: Nest) -> Iterator[Residues]:
    """The places in a period, one after the other; of no periods one, which says nothing."""
    for places in product(*(range(periods.residues) for periods in nest.values())):
        yield {index: (place, nest[index]) for index, place in zip(nest, places, strict=True)}


def places_of(residues: Residues) -> dict[Index, sp.Expr]:
    """The indices by the numbers of their periods, 2·j + 1 for j."""
    return {index: periods.modulus * index + place for index, (place, periods) in residues.items()}


def with_residues(body: sp.Expr, residues: Residues, bounds: Bounds) -> sp.Expr:
    """The formula by the numbers of the periods: remainders are numbers, and so are conditions that always hold."""
    if not residues:
        return body
    body = body.xreplace(places_of(residues))
    told = {r: value for r in body.atoms(sp.Ge, sp.Gt, sp.Le, sp.Lt) if (value := _always(r, bounds)) is not None}
    return body.xreplace(told)


def _always(relation: sp.Basic, bounds: Bounds) -> sp.Basic | None:
    """What a comparison of index expressions says in all places, if it says the same."""
    if not relation.atoms(Index) or not (relation.lhs - relation.rhs).is_integer:
        return None
    found = range_of(sp.expand(relation.gts - relation.lts), bounds)
    if found is None:
        return None
    strict = int(isinstance(relation, (sp.Gt, sp.Lt)))
    if is_at_least_zero(sp.expand(found[0] - strict)):
        return sp.true
    return sp.false if is_at_least_zero(sp.expand(strict - 1 - found[1])) else None


def reached(bounds: Bounds, nest: Nest) -> Bounds:
    """The ranges of the numbers of the periods."""
    return {**bounds, **{i: (sp.Integer(p.first), sp.Integer(p.last - 1)) for i, p in nest.items()}}
