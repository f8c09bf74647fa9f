"""Where a tape is evaluated: all sizes and signs, several variables at once, and both sides of every border.

    each by itself      0, 1, powers of two of every size, more of them near 1, both signs, the numbers of the formula
                        and ``USUAL`` ones, and beside them
    jointly             all positive; all negative; alike in size; nearly equal, nearly opposite, by 2⁻¹ … 2⁻⁵⁰; one
                        large beside the others; all near the ends of the range, so that powers leave it
    borders             where a difference or a condition changes its sign, found by bisection, and beside it
    one 0               beside shares
    ends                between points of which one alone lets something overflow or underflow

The same points every time: they depend on the number of variables, their domains, the dtype and the count alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from symgraph.rounding.domains import Interval, inside, into
from symgraph.rounding.evaluate import floating, nearest
from symgraph.rounding.tape import Tape

SPARE = 8
"""Powers of two below the largest number: a sum of variables does not overflow."""
FAR = (1.0, 0.6, 0.35)
"""Parts of the range, as powers of two, at which all variables are, all small or all large."""
SPECIAL = (0.0, 1.0, -1.0, np.inf, -np.inf)
BISECTIONS = 40
BESIDE = (0.0, 2.0**-40, -(2.0**-40), 2.0**-18, -(2.0**-18), 2.0**-7, -(2.0**-7))
"""How far beside a border, relatively."""
USUAL = (0.5, 1.0)
"""Numbers beside which a formula of one variable is looked at: shares of a half, ratios of 1. Several variables are
drawn alike in size, and nearly equal, instead."""
SHARES = (0.375, 0.25, 0.125, 0.5)
"""What the variables are where one of them is 0, of a formula that has no more of them."""
LEAVE = ("mul", "div", "pow", "exp")
"""Operations that leave the range where their operands are of ordinary size."""
MOST_ENDS, BETWEEN = 4, (0.35, 0.7)
"""Pairs of neighbours between which the range ends, and where between them, in powers."""
OVERFLOWS = {
    "exp": (88.5, 709.5, -103.5, -745.0), "expm1": (88.5, 709.5), "cosh": (89.0, 710.0), "sinh": (89.0, 710.0),
    "gamma": (35.0, 171.6), "erfcx": (-9.4, -26.6), "erfc": (10.0, 27.2), "ndtr": (-14.1, -38.4),
}  # fmt: skip
"""Arguments at which a function leaves the range of a dtype."""


def points_of(
    tape: Tape, dtype: np.dtype, count: int, domain: Sequence[Interval] = (), ends: bool = False
) -> np.ndarray:
    """Points, (variables, points), for the variables of a tape: ``count``, and about half as many at borders.

    ``domain`` are intervals of all the variables, if any was stated. With ``ends`` one is where twice a variable
    overflows: most formulas do so there, and it is of use where they are compared alone.
    """
    variables = len(tape.variables)
    if not variables:
        return np.zeros((0, 1), dtype)
    drawn = _drawn(variables, dtype, count, ends).copy()
    for row, position in enumerate(tape.variables):
        if tape.operations[position].name == "nonnegative":
            drawn[row] = np.abs(drawn[row])
    if domain:
        drawn = into(drawn, domain)
    borders = max(2, count // (2 * len(BESIDE)))
    found = [drawn, _borders(tape, drawn, borders), _numbers(tape, drawn, borders)]
    found += [np.array(SHARES[:variables])[:, None] * (1 - np.eye(variables))] if 1 < variables <= len(SHARES) else []
    with np.errstate(over="ignore"):
        points = np.concatenate(found, axis=1).astype(dtype)
    return np.ascontiguousarray(inside(points, domain) if domain else points)


def of_all_sizes(count: int) -> int:
    """How many of the points are there for every formula; they come first."""
    return count + 2 * len(FAR) + len(SPECIAL)


def where_ranges_end(points: np.ndarray, tables: Sequence[tuple[Tape, Sequence[np.ndarray]]]) -> np.ndarray:
    """Points between neighbours of which one alone lets some product or power of some tape leave the range.

    ``points`` are (variables, points), in order; ``tables`` the tapes with the value of each operation there. Of the
    pairs of neighbours ``MOST_ENDS`` that are nearest to ordinary numbers are taken.
    """
    info = np.finfo(points.dtype)
    least, most = float(info.smallest_normal), float(info.max)
    changes = np.zeros(points.shape[1] - 1, bool)
    with np.errstate(all="ignore"):
        for tape, values in tables:
            for operation, value in zip(tape.operations, values, strict=True):
                if operation.name in LEAVE and np.ndim(value):
                    size = np.abs(value)
                    left = np.sign((size > most).astype(int) - (size < least))
                    changes |= left[1:] != left[:-1]
        low, high = points[:, :-1].astype(np.float64), points[:, 1:].astype(np.float64)
        changes &= np.isfinite(low).all(axis=0) & np.isfinite(high).all(axis=0) & (low * high > 0).all(axis=0)
        far = np.abs(np.log2(np.abs(low))).max(axis=0, initial=0.0)
        found = np.nonzero(changes)[0]
        kept = np.sort(found[np.argsort(far[found], kind="stable")[:MOST_ENDS]])
        low, high = low[:, kept], high[:, kept]
        parts = [np.sign(low) * np.abs(low) ** (1 - t) * np.abs(high) ** t for t in BETWEEN]
        return np.concatenate(parts, axis=1).astype(points.dtype)


@lru_cache(maxsize=256)
def _drawn(variables: int, dtype: np.dtype, count: int, ends: bool) -> np.ndarray:
    """Points of all sizes and signs."""
    random = np.random.Generator(np.random.Philox(key=[variables, count]))
    info = np.finfo(dtype)
    low, high = float(info.minexp), float(info.maxexp - SPARE)

    def sizes(number: int) -> np.ndarray:
        """Exponents in strata: half near 1, a third of middle size, the rest of all sizes."""
        place = (np.arange(number) + random.random(number)) / number
        kind = np.arange(number) % 6
        near, middle, any_size = -8 + 16 * place, -60 + 120 * place, low + (high - low) * place
        return np.where(kind < 3, near, np.where(kind < 5, middle, any_size))

    size = random.permutation(sizes(count))
    x = np.exp2(size) * random.choice([-1.0, 1.0], (variables, count))
    pattern = np.arange(count) % 8
    for row in range(variables):
        if row:
            own = np.exp2(random.permutation(sizes(count)))
            nearly = np.abs(x[0]) * (1 + random.choice([-1.0, 1.0], count) * np.exp2(-random.integers(1, 50, count)))
            beside = np.exp2(2 * random.random(count) - 1)
            alike, opposed = np.abs(x[0]) * beside, np.exp2(-size) * beside  # one is small where the other is large
            patterns = [own, nearly, alike, alike, own, nearly, alike, opposed if row % 2 else alike]
            x[row] = np.sign(x[row]) * np.choose(pattern, patterns)
    third = count // 3
    x[:, :third] = np.abs(x[:, :third])
    x[:, third : 2 * third] = -np.abs(x[:, third : 2 * third])
    far = np.outer([low, info.maxexp if ends else high], FAR).ravel() + random.random((variables, 2 * len(FAR)))
    far = np.exp2(np.minimum(far, info.maxexp - 2.0**-10))
    return np.concatenate([x, far, np.repeat([SPECIAL], variables, axis=0)], axis=1)


def _numbers(tape: Tape, drawn: np.ndarray, most: int) -> np.ndarray:
    """The numbers of a formula, and what is beside them, for each of the variables."""
    found = {nearest(o.number) for o in tape.operations if o.number is not None and o.number.is_real} - {0.0}
    signed = [s * c for c in sorted(found)[:most] for s in (1, -1)]
    usual = [c for c in USUAL if c not in found] if len(drawn) == 1 else []
    values = [c * (1 + d) for c in (*signed, *usual) for d in (BESIDE if len(drawn) == 1 else BESIDE[::2])]
    if not values:
        return drawn[:, :0]
    columns = np.resize(drawn[:, : -len(SPECIAL)], (len(drawn), len(values)))
    for n, value in enumerate(values):
        columns[n % len(drawn), n] = value
    return columns


def _borders(tape: Tape, drawn: np.ndarray, most: int) -> np.ndarray:
    """Points at which a difference or a condition changes its sign, and beside them."""
    finite = drawn[:, np.isfinite(drawn).all(axis=0)]
    order = np.argsort(finite[0])
    start = finite[:, order].astype(np.float64)
    levels = [
        (n, level)
        for n, operation in enumerate(tape.operations)
        for level in _levels(operation.name)
        if level is None or len(operation.operands) == 1
    ]
    if not levels or start.shape[1] < 2:
        return drawn[:, :0]
    signs = _signs(tape, start, levels)
    low, high, row = [], [], []
    for n, sign in enumerate(signs):
        places = np.nonzero(sign[:-1] * sign[1:] < 0)[0]
        for place in places[:: max(1, len(places) // 2)][:2]:
            low.append(start[:, place])
            high.append(start[:, place + 1])
            row.append(n)
    if not row:
        return drawn[:, :0]
    kept = np.arange(len(row))[:: max(1, -(-len(row) // most))]
    a, b, rows = np.array(low).T[:, kept], np.array(high).T[:, kept], np.array(row)[kept]
    watched = [levels[row] for row in rows]
    sign_a = np.diagonal(_signs(tape, a, watched))
    for _ in range(BISECTIONS):
        middle = a + (b - a) / 2
        same = np.diagonal(_signs(tape, middle, watched)) == sign_a
        a, b = np.where(same, middle, a), np.where(same, b, middle)
    return np.concatenate([b * (1 + d) for d in BESIDE], axis=1)


def _levels(name: str) -> tuple[float | None, ...]:
    """Where the sign of an operation is watched: of a sum its own; of a function with a range, its argument's."""
    if name in ("add", "sub", "<", ">", "<=", ">=", "==", "!="):
        return (None,)
    return OVERFLOWS.get(name, ())


def _signs(tape: Tape, points: np.ndarray, levels: list[tuple[int, float | None]]) -> np.ndarray:
    values = floating(tape, points)
    signs = np.empty((len(levels), points.shape[1]))
    with np.errstate(all="ignore"):
        for row, (n, level) in enumerate(levels):
            operation = tape.operations[n]
            first = values[operation.operands[0]]
            if level is not None:
                found = first - level
            elif operation.name in ("add", "sub"):
                found = values[n]
            else:
                found = first - values[operation.operands[1]]
            signs[row] = np.sign(found)
    return signs
