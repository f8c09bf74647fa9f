"""Index equations: for which loop indices does X[e] read X[m]?   δ(m, e)  →  a substitution, a guard, δ that stay.

    x[2·p + q]      m = 2·p + q               q → m − 2·p        where 0 ≤ m − 2·p < size of q
    x[2·p]          m = 2·p                   p → m/2            where 2 divides m, and m/2 < size of p
    x[i+j, i+2·j]   m = i + j, k = i + 2·j    j → k − m, i → 2·m − k, each inside its range
    x[4·p + q], q<3 m = 4·p + q               p → ⌊m/4⌋, q → m mod 4   where m mod 4 < 3
    x[⌊i/5⌋, i%5]   m = ⌊i/5⌋, k = i mod 5    i → 5·m + k
    x[⌊i/5⌋]        m = ⌊i/5⌋                 i → 5·m + i, with i < 5 from then on
    A[t[n], t[n]]   m = t[n], k = t[n]        δ(m, t[n])·δ(k, m)

Equations are solved one after the other, each for an index that is linear in it, with what is known put into the rest;
the simplest comes first. The digits of one number, in any mixed radix, are one equation for it, and a number is solved
for all of its digits at once (:mod:`symgraph.core.digits`). What is not linear otherwise (a label, ⌊ ⌋, mod) stays a δ.
A guard says only what does not follow from the ranges of the other indices.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import sympy as sp

from symgraph.core.bounds import unproved
from symgraph.core.digits import digits, in_digits, joined
from symgraph.core.indices import Index, axis, extents_of, is_at_least_zero
from symgraph.core.scalars import Delta
from symgraph.core.tensor import Element

Extents = Mapping[Index, sp.Expr]


@dataclass(slots=True)
class Solution:
    """All loop indices at which an element is X[axis(0), …]: those with ``at`` substituted, ``where`` it holds.

    ``rename`` says the same of the indices before they had names of their own, and of their digits; ``left`` are the
    loops that stay, with their extents. ``deltas`` are the equations that stay, as a product. ``same`` are equal
    wherever all of that holds: X[e] is X[m], and a label that δ fixes is an axis' index.
    """

    at: dict[Index, sp.Expr] = field(default_factory=dict)
    rename: dict[sp.Expr, sp.Expr] = field(default_factory=dict)
    left: dict[Index, sp.Expr] = field(default_factory=dict)
    deltas: sp.Expr = sp.S.One
    where: sp.Basic = sp.true
    same: dict[sp.Expr, sp.Expr] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Choice:
    """Equation ``number`` solved for ``index``, which has the coefficient ``factor`` in it, or is its right side."""

    number: int
    index: Index
    factor: sp.Rational
    is_plain: bool


def solve(element: Element, rename: Mapping[Index, sp.Expr], sizes: Extents) -> Solution:
    """Solve axis(d) = indices[d] for the indices in ``sizes``, the extents of the loops around the element, which are
    what its own indices are to be called by ``rename``.

    A loop that stays, and of which a quotient is read or a remainder, becomes two where that solves more.
    """
    found = _solved(element.xreplace(rename), sizes)
    names: dict[sp.Expr, sp.Expr] = dict(rename)
    split, loops = in_digits(names, sizes, (*found.at.values(), found.deltas, found.where))
    if loops != sizes:
        finer = _solved(element.xreplace(split), loops)
        if len(finer.left) == len(found.left):
            found, names = finer, split
    found.rename = {index: new.xreplace(found.at) for index, new in names.items()}
    return found


def _solved(element: Element, sizes: Extents) -> Solution:
    shape = element.tensor.shape
    extents = {**sizes, **extents_of(shape)}
    equations = [(axis(d), index) for d, index in enumerate(element.indices) if not _is_zero(index, shape[d], extents)]
    equations = joined(equations, extents)
    found = Solution()
    while equations:
        open_indices = sizes.keys() - found.at.keys()
        choice = min(_choices(equations, open_indices), key=_simplicity, default=None)
        several = None if choice and choice.is_plain else _digits(equations, open_indices, sizes)
        if several is not None:
            number, values, of_labels = several
            equations[number : number + 1] = of_labels
            found.at = {index: _put_all(known, values) for index, known in found.at.items()} | values
            equations = [(left, _put_all(right, values)) for left, right in equations]
            continue
        if choice is None:
            break
        target, expression = equations.pop(choice.number)
        value = sp.expand(choice.index + (target - expression) / choice.factor)
        found.at = {index: _put(known, choice.index, value) for index, known in found.at.items()}
        found.at[choice.index] = value
        equations = [(left, _put(right, choice.index, value)) for left, right in equations]
    for target, expression in equations:
        _keep(found, target, expression.xreplace(found.same), extents)
    found.left = {index: size for index, size in sizes.items() if index not in found.at}
    found.where = sp.And(*_guards(found.at, extents))
    found.at = {index: _whole(value) for index, value in found.at.items()}
    here = (sp.S.Zero if size == 1 else axis(d) for d, size in enumerate(shape))
    if not any(place.is_Integer for delta in found.deltas.atoms(Delta) for place in delta.args):  # of x[0] it is x[0]
        found.same[element.xreplace(found.at)] = Element(element.tensor, *here)
    return found


def solve_delta(delta: Delta, index: Index, extents: Extents) -> tuple[sp.Expr, sp.Basic] | None:
    """The value that δ(a, b) fixes an index at, and where that is an index; None where it is not linear in it."""
    equation = sp.expand(delta.args[0] - delta.args[1])
    factor = _coefficient(equation, index)
    if factor is None:
        return None
    value = sp.expand(index - equation / factor)
    return _whole(value), sp.And(*_guards({index: value}, extents))


def _is_zero(index: sp.Expr, size: sp.Expr, extents: Extents) -> bool:
    """Whether an equation says 0 = 0: along an axis of one element, whose index is never another."""
    return size == 1 and not unproved(index, size, extents)


def _choices(equations: list[tuple[sp.Expr, sp.Expr]], open_indices: set[Index]) -> Iterator[_Choice]:
    for number, (_, expression) in enumerate(equations):
        for index in sorted(expression.atoms(Index) & open_indices, key=lambda i: i.name):
            factor = _coefficient(expression, index)
            if factor is not None:
                yield _Choice(number, index, factor, expression is index)


def _digits(
    equations: list[tuple[sp.Expr, sp.Expr]], open_indices: set[Index], sizes: Extents
) -> tuple[int, dict[Index, sp.Expr], list[tuple[sp.Expr, sp.Expr]]] | None:
    """The first equation of digits of a number, with the values of indices, and what it says of labels."""
    for number, (target, expression) in enumerate(equations):
        found = digits(target, expression, open_indices, sizes)
        if found is not None:
            return number, *found
    return None


def _put_all(expression: sp.Expr, values: Mapping[Index, sp.Expr]) -> sp.Expr:
    for index, value in values.items():
        expression = _put(expression, index, value)
    return expression


def _simplicity(choice: _Choice) -> tuple[bool, bool, int, str]:
    return not choice.is_plain, abs(choice.factor) != 1, choice.number, choice.index.name


def _put(expression: sp.Expr, index: Index, value: sp.Expr) -> sp.Expr:
    """The expression with a value for an index: exact in sums, as a whole number inside labels, ⌊ ⌋ and mod."""
    inner = {node: node.xreplace({index: _whole(value)}) for node in expression.atoms(Element, sp.floor, sp.Mod)}
    return sp.expand(expression.xreplace(inner).xreplace({index: value}))


def _coefficient(expression: sp.Expr, index: Index) -> sp.Expr | None:
    """The number that an index is multiplied by, if it stands in the expression nowhere else."""
    expanded = sp.expand(expression)
    factor = expanded.coeff(index)
    alone = factor.is_Rational and factor != 0 and not (expanded - factor * index).has(index)
    return factor if alone else None


def _keep(found: Solution, target: Index, expression: sp.Expr, extents: Extents) -> None:
    """An equation that stays a δ; a label that runs over the whole axis is known by the axis from here on."""
    expression = _whole(expression)
    found.deltas *= Delta(target, expression)
    if isinstance(expression, Element) and expression.tensor.classes == extents.get(target):
        found.same[expression] = target


def _guards(values: Mapping[Index, sp.Expr], extents: Extents) -> Iterator[sp.Basic]:
    """What must hold for values to be indices: that they are integers, and the bounds that are not proved."""
    for index, value in values.items():
        divisor = sp.denom(sp.together(value))
        if divisor != 1:
            yield sp.Eq(sp.Mod(sp.expand(value * divisor), divisor), 0)
        slack = 1 - 1 / divisor  # an integer above −1 is at least 0
        for bound, least in unproved(*_below_floors(value, extents[index]), extents):
            if least is None or not is_at_least_zero(sp.expand(least + slack)):
                yield _nonnegative(bound * divisor)


def _below_floors(value: sp.Expr, size: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """0 ≤ ⌊u/c⌋ < n as 0 ≤ u < c·n."""
    while isinstance(value, sp.floor):
        above, below = sp.fraction(sp.together(value.args[0]))
        if not (below.is_Integer and above.is_integer):
            break
        value, size = above, sp.expand(size * below)
    return value, size


def _nonnegative(bound: sp.Expr) -> sp.Basic:
    """``bound ≥ 0`` with numbers and sizes on the right: m ≥ 1, m − p < 3."""
    fixed, moving = sp.expand(bound).as_independent(Index, Element, as_Add=True)
    quotients = [term.as_coeff_Mul()[0] for term in sp.Add.make_args(moving) if term.has(sp.floor)]
    if quotients[0] < 0 if quotients else moving.could_extract_minus_sign():
        return sp.Lt(-moving, fixed + 1)
    return sp.Ge(moving, -fixed)


def _whole(value: sp.Expr) -> sp.Expr:
    """A value that is an integer wherever it is used, so that its division is one of integers."""
    return value if sp.denom(sp.together(value)) == 1 else sp.floor(value)
