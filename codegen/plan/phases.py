"""Writes out windows whose sum is another at each place of a period: each is one of its own then, without remainders.

    d_x[m] = Σ_{v<2} {g[⌊m/2⌋ − v]·W[2·v + m mod 2] if 2·v + m mod 2 < 3, else 0}
    →   d_x[m] = {even[⌊m/2⌋] if m mod 2 = 0, else odd[⌊m/2⌋]},  even[h] = Σ_{v<2} g[h − v]·W[2·v],  odd[h] = g[h]·W[1]

So the gradient of a convolution with a stride is a convolution without, for each remainder (V. Dumoulin, F. Visin, A
guide to convolution arithmetic for deep learning, 2016, sec. 4.5, has it with zeros between the elements).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from itertools import product
from math import lcm

import sympy as sp

from codegen.loops.ranges import settled
from codegen.plan.slices import at_places
from codegen.plan.windows import unguarded, window_of
from symgraph.core.bounds import running
from symgraph.core.cases import Cases
from symgraph.core.graph import rewrite
from symgraph.core.indices import Index, Shape, axis, bound, extents_of
from symgraph.core.tensor import Definition, Element, Tensor

MOST = 16
"""Places of all periods together: values here, statements of a loop in :mod:`codegen.lower.residues`."""


def write_out_phases(roots: Sequence[Tensor]) -> dict[Tensor, Tensor]:
    """The replacement of every tensor under ``roots``."""
    return rewrite(roots, _changed)


def _changed(tensor: Tensor, definition: Definition) -> Tensor:
    periods = _periods(tensor.shape, definition)
    if not 1 < sp.prod(periods.values()) <= MOST:
        return tensor.redefined(definition)
    branches = []
    for places in product(*map(range, periods.values())):
        at = dict(zip(periods, places, strict=True))
        part = _at(tensor, definition, periods, at)
        if part is None:
            return tensor.redefined(definition)
        rule = {index: sp.floor(index / period) for index, period in periods.items()}
        here = Element(part, *(rule.get(axis(d), axis(d)) for d in range(tensor.ndim)))
        branches.append((here, sp.And(*(sp.Eq(sp.Mod(index, periods[index]), place) for index, place in at.items()))))
    body = Cases(*branches[:-1], (branches[-1][0], True))
    return tensor.redefined(Definition(None, (), body))


def _periods(shape: Shape, definition: Definition) -> dict[Index, int]:
    """The axes of which remainders are read in a sum of products, and of how many places."""
    value, _ = unguarded(definition.body)
    if definition.op != "sum" or not isinstance(value, sp.Mul):
        return {}
    found: dict[Index, int] = {}
    for d, size in enumerate(shape):
        divisors = [m.args[1] for m in value.atoms(sp.Mod) if m.args[0].coeff(axis(d)) in (1, -1)]
        if divisors and all(divisor.is_Integer for divisor in divisors):
            period = reduce(lcm, map(int, divisors))
            if not (size.is_Integer and period > size):
                found[axis(d)] = period
    return found


def _at(
    tensor: Tensor, definition: Definition, periods: Mapping[Index, int], at: Mapping[Index, int]
) -> Tensor | None:
    """The window at one place of each period, by their numbers; None if it is none."""
    body = at_places(definition.body, {index: period * index + at[index] for index, period in periods.items()})
    if body is None:
        return None
    shape = tuple(
        -((at[axis(d)] - size) // periods[axis(d)]) if axis(d) in periods else size
        for d, size in enumerate(tensor.shape)
    )
    value, guard = unguarded(body)
    extents, bounds = list(definition.extents), running(extents_of(shape, definition.extents))
    kept = []
    for relation in sp.And.make_args(guard):
        over = [d for d in range(len(extents)) if relation.atoms(Index) == {bound(d)} and extents[d].is_Integer]
        if over:
            taken = [bool(relation.xreplace({bound(over[0]): sp.Integer(k)})) for k in range(int(extents[over[0]]))]
            if not taken[: sum(taken)] == [True] * sum(taken) != []:
                return None
            extents[over[0]] = sp.Integer(sum(taken))
        elif relation != sp.true and settled(relation, bounds) != sp.true:
            kept.append(relation)
    body = Cases((value, sp.And(*kept)), (0, True)) if kept else value
    part = Tensor.define(shape, body, "sum", tuple(extents))
    return part if _is_product(part) else None


def _is_product(part: Tensor) -> bool:
    """Whether a window is one that is worth a kernel of its own; what is left of a sum at some places may be small."""
    definition = part.definition
    return definition is not None and definition.op == "sum" and window_of(part.shape, definition, 1) is not None
