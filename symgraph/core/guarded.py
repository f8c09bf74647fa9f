"""Reads under a condition: where the indices' own conditions allow them, they must lie inside, like any other read.

    {x[p + 5] if p < 3, else 0}, p < 8, on an axis of 8       p + 5 runs to 7: inside
    {x[p + 5] if x[p] > 0, else 0}                            no value of x keeps p + 5 inside: refused

The places are counted, one by one, where all sizes are numbers; what a condition says of values may hold anywhere. A
condition that reads labels or sizes may be just what keeps a read inside: it is left to the generated code, which
reads nothing outside an array.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import lru_cache, reduce

import numpy as np
import sympy as sp
from sympy.core.relational import Relational

from symgraph.core.indices import Dim, Index
from symgraph.core.scalars import Delta, selected
from symgraph.core.tensor import Element

Extents = Mapping[Index, sp.Expr]
Conditions = tuple[sp.Basic, ...]
Mask = tuple[np.ndarray, np.ndarray]
"""Where a condition may hold, and where it may not."""

MOST_PLACES = 100_000
"""Places that are counted."""


class _Unknown(Exception):
    """A formula that is no arithmetic of indices with numbers for sizes."""


def reads(body: sp.Basic) -> Iterator[tuple[Element, Conditions]]:
    """Every element of a body with the conditions under which it is read, of branches, of δ and of what is asked first.

    An element that is read on several paths comes with each of them, the one without conditions first.
    """
    pending: list[tuple[sp.Basic, Conditions]] = [(body, ())]
    later: list[tuple[sp.Basic, Conditions]] = []
    seen: set[tuple[sp.Basic, Conditions]] = set()
    while pending or later:
        node, path = pending.pop() if pending else later.pop()
        if (node, path) in seen:
            continue
        seen.add((node, path))
        if isinstance(node, Element):
            yield node, path
            pending.extend((index, path) for index in node.indices if index.has(Element))
            continue
        for part, condition in _parts(node):
            if condition is None:
                pending.append((part, path))
            else:
                later.append((part, (*path, condition)))


def _parts(node: sp.Basic) -> Iterator[tuple[sp.Basic, sp.Basic | None]]:
    """The operands of a node, and the condition under which each is asked for."""
    if isinstance(node, sp.Piecewise):
        before: sp.Basic | None = None
        for value, condition in node.args:
            holds = condition if before is None else sp.And(before, condition, evaluate=False)
            yield condition, before
            yield value, holds if holds != sp.true else None
            negated = sp.Not(condition, evaluate=False)
            before = negated if before is None else sp.And(before, negated, evaluate=False)
    elif isinstance(node, sp.ITE):
        yield node.args[0], None
        yield node.args[1], node.args[0]
        yield node.args[2], sp.Not(node.args[0], evaluate=False)
    elif isinstance(node, sp.And | sp.Or):
        plain = [part for part in node.args if not part.has(Element)]
        asked = sp.And(*plain) if isinstance(node, sp.And) else sp.Not(sp.Or(*plain))
        for part in node.args:
            yield part, asked if plain and part not in plain else None
    elif isinstance(node, sp.Mul) and (where := selected(node)) != sp.true:
        for factor in node.args:
            yield factor, None if isinstance(factor, Delta) else where
    else:
        yield from ((part, None) for part in node.args)


@lru_cache(maxsize=4096)
def _places(
    index: sp.Expr, path: Conditions, extents: tuple[tuple[Index, int], ...]
) -> tuple[dict[Index, np.ndarray], np.ndarray] | None:
    """The values of the indices, and of one made of them, at each place where the conditions may hold."""
    if math.prod(size for _, size in extents) > MOST_PLACES:
        return None
    grids = np.meshgrid(*(np.arange(size) for _, size in extents), indexing="ij")
    at: dict[Index, np.ndarray] = {symbol: grid.ravel() for (symbol, _), grid in zip(extents, grids, strict=True)}
    count = math.prod(size for _, size in extents)
    try:
        values = np.broadcast_to(_integer(index, at), (count,))
        may = np.ones(count, bool)
        for condition in path:
            may &= _mask(condition, at)[0]
    except _Unknown:
        return None
    return {symbol: grid[may] for symbol, grid in at.items()}, values[may]


def range_under(index: sp.Expr, path: Conditions, extents: Extents) -> tuple[int, int] | None:
    """The least and the greatest value of an index where some conditions may hold; None where that is not known.

    Conditions that hold nowhere give the empty range (0, −1).
    """
    found = _found(index, path, extents)
    if found is None:
        return None
    values = found[1]
    return (int(values.min()), int(values.max())) if values.size else (0, -1)


def place_outside(index: sp.Expr, path: Conditions, size: int, extents: Extents) -> dict[Index, int]:
    """The first place at which an index, under conditions, is not in 0 … size − 1."""
    found = _found(index, path, extents)
    assert found is not None
    at, values = found
    first = int(np.argmax((values < 0) | (values >= size)))
    return {symbol: int(grid[first]) for symbol, grid in at.items()}


def _found(index: sp.Expr, path: Conditions, extents: Extents) -> tuple[dict[Index, np.ndarray], np.ndarray] | None:
    used = sorted(index.atoms(Index).union(*(condition.atoms(Index) for condition in path)), key=str)
    sizes = [extents.get(symbol, sp.nan) for symbol in used]
    if not all(size.is_Integer for size in sizes):
        return None
    return _places(index, path, tuple((symbol, int(size)) for symbol, size in zip(used, sizes, strict=True)))


def _mask(condition: sp.Basic, at: Mapping[Index, np.ndarray]) -> Mask:
    """Where a condition may hold and may fail; one on values may do both everywhere."""
    if isinstance(condition, sp.Not):
        return _mask(condition.args[0], at)[::-1]
    if isinstance(condition, sp.And | sp.Or):
        may, may_not = zip(*(_mask(part, at) for part in condition.args), strict=True)
        all_may = reduce(np.logical_and if isinstance(condition, sp.And) else np.logical_or, may)
        return all_may, reduce(np.logical_or if isinstance(condition, sp.And) else np.logical_and, may_not)
    if condition in (sp.true, sp.false):
        return np.array(condition == sp.true), np.array(condition == sp.false)
    read = condition.atoms(Element)
    if condition.atoms(Dim) or any(element.tensor.is_label for element in read):
        raise _Unknown
    if read:
        return np.array(True), np.array(True)
    if not isinstance(condition, Relational):
        raise _Unknown
    left, right = (_integer(side, at) for side in condition.args)
    compare = {
        sp.Eq: np.equal, sp.Ne: np.not_equal, sp.Lt: np.less, sp.Le: np.less_equal, sp.Gt: np.greater,
        sp.Ge: np.greater_equal,
    }[condition.func]  # fmt: skip
    holds = compare(left, right)
    return holds, ~holds


def _integer(value: sp.Basic, at: Mapping[Index, np.ndarray]) -> np.ndarray:
    """The values of a formula of indices and numbers, at each place; exact for rational numbers."""
    if isinstance(value, Index):
        return at[value]
    if value.is_Integer:
        return np.array(int(value), object)
    if value.is_Rational:
        return np.array(value, object)
    parts = [_integer(part, at) for part in value.args]
    if isinstance(value, sp.Add):
        return sum(parts[1:], parts[0])
    if isinstance(value, sp.Mul):
        return math.prod(parts[1:], start=parts[0])
    if isinstance(value, sp.floor):
        return np.array(np.frompyfunc(lambda part: int(sp.floor(part)), 1, 1)(parts[0]), object)
    if isinstance(value, sp.Mod):
        return parts[0] % parts[1]
    raise _Unknown
