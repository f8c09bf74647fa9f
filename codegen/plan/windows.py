"""Which sums over several indices are products of matrices, once their operands are brought together.

    y[n, o, p, q] = Σ_{c,u,v} x[n, c, p + u, q + v]·W[o, c, u, v]      rows o, columns (p, q), depth (c, u, v)
    d_W[o, c, u, v] = Σ_{n,p,q} x[n, c, p + u, q + v]·g[n, o, p, q]    rows o, columns (c, u, v), depth (p, q)
    d_x[n, c, a, b] = Σ_{o,u,v} g[n, o, a − u, b − v]·W[o, c, u, v]    rows c, columns (a, b), depth (o, u, v)

The columns are the last axes of the result that one factor alone has; the rows are the axes before them that the other
alone has. Every other axis is a loop outside. The factor with the columns may have any indices and any guard: it is
copied, block by block, to where its columns lie side by side: as many blocks as the first of them takes, whose size
may be known at run time alone; columns before one of such a size are loops outside.

    y[n, p, q, o] = Σ_{c,u,v} x[n, p + u, q + v, c]·W[o, c, u, v]      columns (p, q), rows o, which may also be last
    y[n, o, p, q] = Σ_{c,u,v} x[n, c + 4·⌊o/6⌋, p + u, q + v]·W[o, c, u, v]
                                                                       o = 6·h + i: rows i, columns (p, q), outside h
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod

import sympy as sp

from symgraph.core.bounds import Intervals, running
from symgraph.core.digits import in_digits
from symgraph.core.indices import Index, Shape, axis, bound, extents_of
from symgraph.core.rebuild import written_product
from symgraph.core.scalars import selected
from symgraph.core.tensor import Definition, Element

LEAST_WORK = 1024
"""Multiplications from which on it pays to bring the operands together."""

LEAST_DIGITS = 4
"""Rows from which on it pays where there are blocks of them, each with columns of its own."""

UNKNOWN = 256
"""What a size is taken for where ways are compared that is known at run time alone."""

LANES = 16
"""Of a vector, where layouts and ways are compared; the choice does not depend on the machine."""

DEEPEST = 1152
"""Terms that one product sums at most; what is left of a sum is a loop around it."""


@dataclass(frozen=True, slots=True)
class Window:
    """``out[outer…, rows, columns] = Σ_{over…} Σ_depth left·right``: the canonical indices of each role;
    ``out[outer…, columns, rows]`` if the rows are last.

    ``sizes`` are those of all of them. An axis of which ⌊o/6⌋ or o mod 6 is read has two: the higher is in
    ``digits``, and what the axis is, 6·h + o, and ⌊o/6⌋ and o mod 6, in ``names``.

    A depth whose size is known at run time alone is one index, ``long``, summed block by block.

    Of a sum in parts the first index of ``over`` runs over the rows of the operands themselves, from ``part`` on, and
    ends where they do: the place, and their number.
    """

    outer: tuple[Index, ...]
    rows: tuple[Index, ...]
    columns: tuple[Index, ...]
    over: tuple[Index, ...]
    depth: tuple[Index, ...]
    left: sp.Expr
    right: sp.Expr
    sizes: Mapping[Index, sp.Expr]
    digits: Mapping[Index, Index]
    names: Mapping[sp.Expr, sp.Expr]
    part: tuple[sp.Expr, sp.Expr] | None = None
    rows_last: bool = False

    @property
    def long(self) -> Index | None:
        """The depth that is summed block by block."""
        return None if self.sizes[self.depth[0]].is_Integer else self.depth[0]

    @property
    def adds(self) -> bool:
        """Whether what it computes is the sum of several products."""
        return bool(self.over) or self.long is not None


def window_of(shape: Shape, definition: Definition, depth: int) -> Window | None:
    """The window that a definition is, if it is one, inside loops over its first ``depth`` axes."""
    return next(iter(windows_of(shape, definition, depth)), None)


@lru_cache(maxsize=4096)
def windows_of(shape: Shape, definition: Definition, depth: int) -> tuple[Window, ...]:
    """The windows that a definition is: with its columns last, and with its rows last."""
    if definition.op != "sum" or len(definition.extents) < 2:
        return ()
    body, guard = unguarded(definition.body)
    part = part_of(body, guard)
    if part is not None:
        body, guard = body.xreplace({part[0] + bound(0): bound(0)}), sp.true
    factors = list(body.args) if isinstance(body, sp.Mul) else []
    if len(factors) < 2 or not all(map(_is_plain_number, factors)):
        return ()
    inside = {axis(d): shape[d] for d in range(depth, len(shape))}
    names, own = in_digits({index: index for index in inside}, inside, (*factors, guard))
    factors, guard = [factor.xreplace(names) for factor in factors], guard.xreplace(names)
    told = {read: name for read, name in names.items() if read is not name}
    digits = {i: (names[i].atoms(Index) - {i}).pop() for i in inside if names[i] is not i}
    free = [one for index in inside for one in (*([digits[index]] if index in digits else []), index)]
    sizes = {**own, **extents_of(shape[:depth], definition.extents)}
    over = [bound(d) for d in range(len(definition.extents))]
    inner = _innermost(over if part is None else over[1:], definition.extents[0 if part is None else 1 :])
    if not free or not inner:
        return ()
    last = [factor for factor in factors if free[-1] in factor.atoms(Index)]
    rest = [factor for factor in factors if free[-1] not in factor.atoms(Index)]
    around = tuple(over[: len(over) - len(inner)])
    found: list[Window] = []
    for rows_last in (False, True):
        right, left = (rest, last) if rows_last else (last, rest)
        in_right = {index for factor in right for index in factor.atoms(Index)} | guard.atoms(Index)
        in_left = {index for factor in left for index in factor.atoms(Index)}
        alone = in_right - in_left, in_left - in_right
        ending = _last(free, alone[rows_last])
        before = _last(free[: len(free) - len(ending)], alone[not rows_last])
        rows, columns = (ending, before) if rows_last else (before, ending)
        unknown = next((k for k in range(len(columns) - 1, 0, -1) if not sizes[columns[k]].is_Integer), 0)
        between, columns = columns[:unknown], columns[unknown:]
        if not (rows and columns) or not all(sizes[index].is_Integer for index in rows):
            continue
        high, wide, deep = (prod(counted(sizes[index]) for index in part) for part in (rows, columns, inner))
        if high < (LEAST_DIGITS if digits else 2) or wide < 4 or high * wide * deep < LEAST_WORK:
            continue
        product, value = written_product(left), written_product(right)
        if rows_last and not left:
            continue
        if guard != sp.true:
            value = sp.Piecewise((value, guard), (sp.S.Zero, True), evaluate=False)
        outer = (*free[: len(free) - len(ending) - len(before)], *between)
        roles = (outer, rows, columns, around, tuple(inner))
        found.append(Window(*roles, product, value, sizes, digits, told, part, rows_last))
    return tuple(found)


def counted(size: sp.Expr) -> int:
    """A size as a number."""
    return int(size) if size.is_Integer else UNKNOWN


def is_plain(factor: sp.Expr, moving: Sequence[Index]) -> bool:
    """Whether a factor is an element whose axes have, of the indices that are ``moving``, one or none, and all of
    them."""
    if not isinstance(factor, Element):
        return False
    found = [moved_by(entry, moving) for entry in factor.indices if entry.atoms(Index) & set(moving)]
    return set(found) == set(moving) and len(found) == len(moving)


def moved_by(entry: sp.Expr, moving: Sequence[Index]) -> Index | None:
    """The index of several that an entry grows by one with: i of i, and of 6·h + i if h is none of them."""
    found = entry.atoms(Index) & set(moving)
    index = found.pop() if len(found) == 1 else None
    return index if index is not None and not sp.expand(entry - index).has(index) else None


def part_of(body: sp.Expr, guard: sp.Basic) -> tuple[sp.Expr, sp.Expr] | None:
    """Where a part of a sum over the rows of all factors begins, and how many rows there are; None if it is none."""
    factors = body.args if isinstance(body, sp.Mul) else ()
    if not isinstance(guard, sp.StrictLessThan) or not all(isinstance(factor, Element) for factor in factors):
        return None
    row, whole = guard.args
    ours = all(factor.indices[:1] == (row,) and factor.tensor.shape[0] == whole for factor in factors)
    elsewhere = any(index.has(bound(0)) for factor in factors for index in factor.indices[1:])
    return (row - bound(0), whole) if factors and ours and row.has(bound(0)) and not elsewhere else None


def bounds_in(window: Window) -> Intervals:
    """The ranges of the indices in a window."""
    bounds = running(window.sizes)
    return bounds if window.part is None else bounds | {window.over[0]: (sp.S.Zero, window.part[1] - 1)}


def unguarded(body: sp.Expr) -> tuple[sp.Expr, sp.Basic]:
    """A value and the condition without which it is 0."""
    if isinstance(body, sp.Piecewise) and len(body.args) == 2:
        (value, condition), (otherwise, _) = body.args
        if otherwise == 0 and body.args[1].cond == sp.true and not condition.atoms(Element):
            return value, condition
    return body, sp.true


def _is_plain_number(factor: sp.Expr) -> bool:
    """Whether a factor is an element, and so a number for all indices, and selects nothing."""
    return isinstance(factor, Element) and factor.tensor.dtype != "integer" and selected(factor) == sp.true and not any(
        index.atoms(Element) for index in factor.indices
    )  # fmt: skip


def _last(free: list[Index], wanted: set[Index]) -> tuple[Index, ...]:
    """The longest run of wanted indices at the end."""
    count = 0
    while count < len(free) and free[-1 - count] in wanted:
        count += 1
    return tuple(free[len(free) - count :])


def _innermost(over: list[Index], extents: Shape) -> list[Index]:
    """The last summed indices whose extents are numbers, as many as one product may sum; or the last one."""
    found: list[Index] = []
    terms = 1
    for index, extent in zip(reversed(over), reversed(extents), strict=True):
        if not extent.is_Integer or terms * int(extent) > DEEPEST:
            break
        terms *= int(extent)
        found.insert(0, index)
    return found or over[-1:]
