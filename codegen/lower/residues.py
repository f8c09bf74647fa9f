"""Loops split by remainders: what a formula says about an index modulo a number becomes the step of a loop.

d_x[j] = Piecewise((d_y[(j − 1)/2], j % 2 = 1), (d_z[j/2], j % 2 = 0))     for j in 0, 2, …: …;  for j in 1, 3, …: …
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import reduce
from itertools import product
from math import lcm

import sympy as sp

from codegen.loops.ranges import Bounds
from codegen.lower.segments import Segment
from symgraph.core.indices import Index, axis

Residues = Mapping[Index, tuple[int, int]]
"""For each index, (r, m): it takes the values r, r + m, r + 2·m, …"""

MOST = 16
"""Loops that one nest may become."""


def residues_of(segment: Segment, depth: int) -> Iterator[Residues]:
    """The residues for each of which a segment has loops of its own; one without any, if nothing is asked of them."""
    moduli: dict[Index, int] = {}
    if all(node.definition.op is None for node in segment.nodes):
        inner = {axis(depth + position): size for position, size in enumerate(segment.extents)}
        asked = [m for node in segment.nodes for m in node.definition.body.atoms(sp.Mod)]
        for index in inner:
            bases = [int(m.args[1]) for m in asked if m.args[1].is_Integer and _is_linear(m.args[0], index)]
            if bases and inner[index].is_Integer:
                moduli[index] = reduce(lcm, bases)
    if not 1 < sp.prod(moduli.values()) <= MOST:
        moduli = {}
    for chosen in product(*(range(modulus) for modulus in moduli.values())):
        yield {index: (first, moduli[index]) for index, first in zip(moduli, chosen, strict=True)}


def _is_linear(expression: sp.Expr, index: Index) -> bool:
    """Whether the index occurs once, times an integer: ⌊k/4⌋ of a k known modulo 4 is not known modulo anything."""
    slope = expression.coeff(index)
    return bool(slope.is_Integer and slope != 0) and not (expression - slope * index).has(index)


def with_residues(body: sp.Expr, residues: Residues) -> sp.Expr:
    """The formula where the indices have these residues: remainders are numbers."""
    if not residues:
        return body
    at = {index: sp.Integer(first) for index, (first, _) in residues.items()}
    rule: dict[sp.Basic, sp.Basic] = {}
    for remainder in body.atoms(sp.Mod):
        over, base = remainder.args
        used = over.atoms(Index)
        known = all(i in residues and residues[i][1] % int(base) == 0 for i in used) if base.is_Integer else False
        value = over.xreplace(at)
        if known and value.is_Integer and all(_is_linear(over, index) for index in used):
            rule[remainder] = value % base
    return body.xreplace(rule)


def reached(bounds: Bounds, residues: Residues) -> Bounds:
    """The ranges of the indices that have these residues."""
    new = dict(bounds)
    for index, (first, step) in residues.items():
        low, high = new[index]
        if high.is_Integer:
            new[index] = (low + first, first + (high - first) // step * step)
    return new
