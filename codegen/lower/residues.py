"""Loops that make quotients and remainders known: over the digits of an index, or over whole periods of it.

y[i] = x[⌊i/3⌋, i mod 3], i < 12:                               for j in range(4): for k in range(3):
                                                                    y[3·j + k] = x[j, k]

d_x[j] = {d_y[(j − 1)/2] if j % 2 = 1, else d_z[j/2]}, j < 9:   for j in range(4): d_x[2·j] = …; d_x[2·j + 1] = …
                                                                for j in range(4, 5): d_x[2·j] = …

Digits are loops where all that is asked of an index are its digits; else a period's places are statements each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise, product
from math import lcm
from typing import ClassVar

import sympy as sp

from codegen.loops.ranges import Bounds, settled
from codegen.plan.phases import MOST
from codegen.plan.plan import Node
from symgraph.core.bounds import range_of
from symgraph.core.indices import Index, axis, is_at_least_zero
from symgraph.core.scalars import Delta


@dataclass(frozen=True, slots=True)
class Periods:
    """The periods [first, last) of ``modulus`` values of an index; the first ``residues`` of each are in it."""

    modulus: int
    first: int
    last: int
    residues: int

    def at(self, index: Index, place: int) -> sp.Expr:
        """The index by the number of its period, for which it stands itself: 2·j + 1 for j."""
        return self.modulus * index + place

    def bounds(self, index: Index) -> Bounds:
        """The range of that number."""
        return {index: (sp.Integer(self.first), sp.Integer(self.last - 1))}


@dataclass(frozen=True, slots=True)
class Digits:
    """The digits of an index, the highest first, and how many values each has."""

    sizes: Mapping[Index, int]
    residues: ClassVar[int] = 1
    first: ClassVar[int] = 0

    def at(self, index: Index, place: int) -> sp.Expr:
        """The index by its digits: 3·j + k."""
        return reduce(lambda above, digit: sp.expand(above * self.sizes[digit] + digit), self.sizes, sp.S.Zero)

    def bounds(self, index: Index) -> Bounds:
        """The ranges of the digits."""
        return {digit: (sp.S.Zero, sp.Integer(size - 1)) for digit, size in self.sizes.items()}


Nest = Mapping[Index, Periods | Digits]
Residues = Mapping[Index, tuple[int, Periods | Digits]]
"""For each index, where in each of its periods it is."""


def nests_of(
    nodes: Sequence[Node], extents: Sequence[sp.Expr], depth: int, whole: Sequence[Index]
) -> Iterator[Nest]:
    """The nests of a segment: over digits; over whole periods, and what is left of the last; over all if nothing is
    asked. The loops of ``whole`` stay as they are.
    """
    inner = {axis(depth + position): size for position, size in enumerate(extents)}
    digits = _all_digits(nodes, {index: size for index, size in inner.items() if index not in whole})
    moduli = _moduli(nodes, {index: size for index, size in inner.items() if index not in digits}, whole)
    choices: list[list[tuple[Index, Periods | Digits]]] = [[(index, found)] for index, found in digits.items()]
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
    """The indices by the numbers of their periods, or by their digits."""
    return {index: part.at(index, place) for index, (place, part) in residues.items()}


def with_residues(body: sp.Expr, residues: Residues, bounds: Bounds) -> sp.Expr:
    """The formula at these: remainders are numbers or digits, and conditions that always hold are truths."""
    if not residues:
        return body
    body = _divided(body.xreplace(places_of(residues)), bounds)
    told = {r: value for r in body.atoms(sp.Ge, sp.Gt, sp.Le, sp.Lt) if (value := settled(r, bounds)) is not None}
    return body.xreplace(told)


def reached(bounds: Bounds, nest: Nest) -> Bounds:
    """The ranges of the numbers of the periods, and of digits."""
    found = dict(bounds)
    for index, part in nest.items():
        found |= part.bounds(index)
    return found


# -- digits -----------------------------------------------------------------------------------------------------------
def _all_digits(nodes: Sequence[Node], inner: Mapping[Index, sp.Expr]) -> dict[Index, Digits]:
    """The digits of each index of which no formula asks anything else, and of one at least a remainder."""
    if any(node.definition.op is not None for node in nodes):
        return {}
    found: dict[Index, Digits] = {}
    for index, size in inner.items():
        asked = [a for node in nodes for a in node.definition.body.atoms(sp.Mod, sp.floor) if a.has(index)]
        digits = _digits(index, size, asked) if any(isinstance(a, sp.Mod) for a in asked) else None
        if digits is not None and all(_is_clear(node.definition.body, index, digits) for node in nodes):
            found[index] = digits
    return found


def _digits(index: Index, size: sp.Expr, asked: Sequence[sp.Expr]) -> Digits | None:
    """The digits that these quotients and remainders are of, if each of their numbers divides the next."""
    units = {1}
    for atom in asked:
        number, unit = atom.args if isinstance(atom, sp.Mod) else sp.fraction(sp.together(atom.args[0]))
        while isinstance(number, sp.floor):
            number, below = sp.fraction(sp.together(number.args[0]))
            units.add(below)
            unit *= below
        if number != index or not unit.is_Integer:
            return None
        units.add(unit)
    order = sorted(map(int, units), reverse=True)
    if not size.is_Integer or any(above % below for above, below in pairwise([int(size), *order])):
        return None
    radices = [above // below for above, below in pairwise([int(size), *order])]
    return Digits({Index(f"{index.name}d{place}"): radix for place, radix in enumerate(radices) if radix > 1})


def _is_clear(body: sp.Expr, index: Index, digits: Digits) -> bool:
    """Whether nothing is left of quotients and remainders of an index, and no condition on it that needs its value."""
    if any(condition.has(index) for condition in body.atoms(sp.core.relational.Relational, Delta)):
        return False
    left = _divided(body.xreplace({index: digits.at(index, 0)}), digits.bounds(index))
    return not any(atom.has(*digits.sizes) for atom in left.atoms(sp.Mod, sp.floor))


def _divided(body: sp.Expr, bounds: Bounds) -> sp.Expr:
    """A formula with ⌊(3·j + k)/3⌋ = j and (3·j + k) mod 3 = k, where 0 ≤ k < 3."""
    while True:
        atoms = [a for a in body.atoms(sp.Mod, sp.floor) if not any(p.has(sp.Mod, sp.floor) for p in a.args)]
        told = {atom: value for atom in atoms if (value := _quotient_or_rest(atom, bounds)) is not None}
        if not told:
            return body
        body = body.xreplace(told)


def _quotient_or_rest(atom: sp.Expr, bounds: Bounds) -> sp.Expr | None:
    is_rest = isinstance(atom, sp.Mod)
    number, unit = atom.args if is_rest else sp.fraction(sp.together(atom.args[0]))
    if not unit.is_Integer or unit < 2 or not number.is_integer:
        return None
    terms = sp.Add.make_args(sp.expand(number))
    whole = sp.Add(*(term for term in terms if term.as_coeff_Mul()[0] % unit == 0))
    rest = sp.expand(number - whole)
    found = range_of(rest, bounds)
    if found is None or not is_at_least_zero(found[0]) or not is_at_least_zero(unit - 1 - found[1]):
        return None
    return rest if is_rest else sp.expand(whole / unit)
