"""How far an exact value may be off, as a power of two: what its operands are off by, carried through each operation.

    |a·b − true| ≤ |a|·eb + |b|·ea + ea·eb + rounding        so that what cancels shows, and one evaluation is certain

Each rule gets the operands, their bounds, the result and the precision, and gives the bound of the result. A function
without a rule is evaluated again at an operand moved by its bound.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mpmath import libmp
from mpmath.libmp import fnan, fone, fzero

from symgraph.rounding.functions import ROWS
from symgraph.rounding.raw import ABSENT, Raw, bits

EXACT, UNKNOWN = -(1 << 1200), 1 << 1200
"""The bounds of what is right, and of what may be anything: beyond the exponent of every number there is."""
Rule = Callable[[Any, Any, Raw, int], int]
"""From operands, their bounds, the result and the precision."""


def bound_of(name: str, values: list[Raw], bounds: list[int], result: Raw, p: int) -> int:
    """The bound of a result."""
    if max(bounds, default=EXACT) >= UNKNOWN and name not in LOGIC:
        return UNKNOWN
    if result == fnan:
        sure = all(b == EXACT or is_apart(a, b) for a, b in zip(values, bounds, strict=True))
        return EXACT if sure else UNKNOWN
    rule = RULES.get(name)
    if rule is not None:
        return rule(values, bounds, result, p)
    return _again(name, values, bounds, result, p)


def is_apart(a: Raw, bound: int) -> bool:
    """Whether a value is not 0, whatever its error."""
    return (not a[1] and a != fzero) or (bool(a[1]) and bits(a) - 2 >= bound)


def relative(a: Raw, bound: int) -> int:
    """The bound of the relative error of a value."""
    return EXACT if bound == EXACT or not a[1] else bound - bits(a) + 1


def _rounding(result: Raw, p: int) -> int:
    return bits(result) - p if result[1] else EXACT


def _join(*bounds: int) -> int:
    most = max(bounds)
    return most + 2 if most > EXACT else EXACT


def _add(values: list[Raw], bounds: list[int], result: Raw, p: int) -> int:
    a, b = values
    if not result[1] and result != fzero:
        return EXACT
    whole = not (a[1] and b[1]) or max(bits(a), bits(b)) - min(a[2], b[2]) < p
    fits = max(a[3], b[3]) <= p if whole else False
    return _join(*bounds, EXACT if whole and fits else _rounding(result, p))


def _mul(values: list[Raw], bounds: list[int], result: Raw, p: int) -> int:
    (a, b), (ea, eb) = values, bounds
    first = bits(a) + eb if a[1] and eb > EXACT else EXACT
    second = bits(b) + ea if b[1] and ea > EXACT else EXACT
    both = ea + eb if ea > EXACT and eb > EXACT else EXACT
    return _join(first, second, both, EXACT if a[3] + b[3] <= p else _rounding(result, p))


def _div(values: list[Raw], bounds: list[int], result: Raw, p: int) -> int:
    b, (ea, eb) = values[1], bounds
    if not is_apart(b, eb):
        return UNKNOWN
    if not b[1]:  # a/∞
        return EXACT
    first = ea - bits(b) + 2 if ea > EXACT else EXACT
    second = bits(result) + eb - bits(b) + 2 if eb > EXACT and result[1] else EXACT
    return _join(first, second, _rounding(result, p) if b[1] != 1 else EXACT)


def _same(values: list[Raw], bounds: list[int], result: Raw, p: int) -> int:
    return bounds[0]


def _extremum(values: list[Raw], bounds: list[int], result: Raw, p: int) -> int:
    return max(bounds)


def _sqrt(values: list[Raw], bounds: list[int], result: Raw, p: int) -> int:
    (a,), (ea,) = values, bounds
    if ea > EXACT and not is_apart(a, ea):
        return UNKNOWN
    return _join(bits(result) + relative(a, ea) if ea > EXACT else EXACT, _rounding(result, p))


def _comparison(values: list[Raw], bounds: list[int], result: Raw, p: int) -> int:
    if max(bounds) == EXACT:
        return EXACT
    gap = libmp.mpf_sub(*values, 30, "n")
    return EXACT if is_apart(gap, max(bounds) + 1) else UNKNOWN


def _junction(decisive: Raw) -> Rule:
    def rule(values: list[Raw], bounds: list[int], result: Raw, p: int) -> int:
        sure = [value for value, bound in zip(values, bounds, strict=True) if bound == EXACT]
        return EXACT if len(sure) == len(values) or decisive in sure else UNKNOWN

    return rule


def _select(values: list[Raw], bounds: list[int], result: Raw, p: int) -> int:
    if bounds[0] == EXACT:
        return bounds[1] if values[0] == fone else bounds[2]
    return max(bounds[1:]) if values[1] == values[2] else UNKNOWN


def _slope(steepness: Callable[[Raw, Raw], int]) -> Rule:
    """A function of one operand whose slope is below 2^steepness(a, result) around it."""

    def rule(values: list[Raw], bounds: list[int], result: Raw, p: int) -> int:
        (a,), (ea,) = values, bounds
        moved = steepness(a, result) + ea + 1 if ea > EXACT else EXACT
        return UNKNOWN if ea > 0 else _join(moved, _rounding(result, p) + 1)

    return rule


def _exp(values: list[Raw], bounds: list[int], result: Raw, p: int) -> int:
    (ea,) = bounds
    if ea > 0:
        return UNKNOWN
    if not result[1]:
        return EXACT
    return _join(bits(result) + ea + 1 if ea > EXACT else EXACT, _rounding(result, p))


def _log(values: list[Raw], bounds: list[int], result: Raw, p: int) -> int:
    (a,), (ea,) = values, bounds
    if ea > EXACT and not is_apart(a, ea):
        return UNKNOWN
    return _join(relative(a, ea) + 1 if ea > EXACT else EXACT, _rounding(result, p))


def _log1p(values: list[Raw], bounds: list[int], result: Raw, p: int) -> int:
    return _log([libmp.mpf_add(fone, values[0], 40, "n")], bounds, result, p)


def _step(values: list[Raw], bounds: list[int], result: Raw, p: int) -> int:
    """A function that jumps, at integers or at 0."""
    (a,), (ea,) = values, bounds
    if ea == EXACT:
        return EXACT
    near = libmp.mpf_sub(a, libmp.mpf_nint(a, max(p, bits(a) + 2), "n"), 30, "n")
    return EXACT if ea < 0 and is_apart(near, ea) else UNKNOWN


def _again(name: str, values: list[Raw], bounds: list[int], result: Raw, p: int) -> int:
    """The largest change if the operands move by their bounds, one after the other, both ways."""
    most = EXACT
    for n, (a, e) in enumerate(zip(values, bounds, strict=True)):
        if e == EXACT:
            continue
        for sign in (0, 1):
            moved = list(values)
            moved[n] = libmp.mpf_add(a, (sign, 1, e, 1), p + 10, "n")
            try:
                gap = libmp.mpf_sub(ROWS[name].exact(*moved, p), result, 30, "n")
            except ABSENT:
                return UNKNOWN
            if gap[1]:
                most = max(most, bits(gap) + 1)
            elif gap != fzero:
                return UNKNOWN
    return _join(most, _rounding(result, p) + 1)


COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
LOGIC = frozenset(["and", "or", "not", "select", *COMPARISONS])
"""Operations that may be certain though an operand is not."""


def _if_known(rule: Rule) -> Rule:
    return lambda values, bounds, result, p: UNKNOWN if max(bounds) >= UNKNOWN else rule(values, bounds, result, p)


def _large(result: Raw) -> int:
    return max(bits(result), 0) if result[1] else 0


def _tail(a: Raw, result: Raw, sign: int) -> int:
    """The slope of erfc, or of Φ: below 2·(|a| + 1)·f in the tail that falls to 0, and below 2."""
    return min(bits(result) + max(bits(a), 0) + 3, 1) if a[0] == sign else 1


RULES: Mapping[str, Rule] = {
    **dict.fromkeys(("same", "neg", "abs", "not"), _same),
    **dict.fromkeys(COMPARISONS, _if_known(_comparison)),
    **dict.fromkeys(("floor", "ceiling", "sign"), _step),
    "add": _add, "sub": _add, "mul": _mul, "div": _div, "sqrt": _sqrt, "maximum": _extremum, "minimum": _extremum,
    "and": _junction(fzero), "or": _junction(fone), "select": _select, "exp": _exp, "log": _log, "log1p": _log1p,
    "expm1": _slope(lambda a, r: _large(r) + 2),
    **dict.fromkeys(("sin", "cos", "atan", "asinh", "tanh", "erf"), _slope(lambda a, r: 1)),
    **dict.fromkeys(("sinh", "cosh"), _slope(lambda a, r: _large(r) + 2)),
    "erfc": _slope(lambda a, r: _tail(a, r, 0)), "ndtr": _slope(lambda a, r: _tail(a, r, 1)),
    "erfcx": _slope(lambda a, r: max(bits(a) + bits(r) + 2, 2) if a[0] else 2),
    "log_ndtr": _slope(lambda a, r: max(bits(a), 0) + 2),
    **dict.fromkeys(("sigmoid", "softplus"), _slope(lambda a, r: min(bits(r), 0) + 2)),
}  # fmt: skip
"""The rule of each operation."""
