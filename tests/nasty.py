"""The nasty lists, measured: ``python -m tests.nasty [--float32] [--second … --ninth] [--rows WORD …] [--worst N]``.

Every formula of ``nasty_rows``, ``nasty_second``, ``nasty_third`` and ``nasty_tensors``, with ``--second`` …
``--ninth`` those of one list alone, its first and second derivatives, compiled, at points where it is known to go
wrong; the truth is mpmath's, its precision doubled until 24 digits stay the same twice. What is right is within 1e-10
(float64) or 64 units of the last place (float32) of the value, or of what rounding its argument alone changes.
"plain" is the formula as written, and SymPy's derivative of it, by NumPy in the same type.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from types import SimpleNamespace
from typing import Any

import mpmath
import numpy as np
import scipy.special  # noqa: F401  (lambdify reads it)
import sympy as sp

import codegen
import symgraph as sg
from tests.nasty_eighth import ONE_EIGHTH, TWO_EIGHTH
from tests.nasty_eighth_tensors import EIGHTH
from tests.nasty_fifth import ONE_FIFTH, TWO_FIFTH
from tests.nasty_fourth import ONE_FOURTH, TWO_FOURTH
from tests.nasty_fourth_tensors import FOURTH
from tests.nasty_ninth import ONE_NINTH, TWO_NINTH
from tests.nasty_ninth_tensors import NINTH
from tests.nasty_rows import ONE, TWO
from tests.nasty_second import ONE_MORE, TWO_MORE
from tests.nasty_seventh import ONE_SEVENTH, TWO_SEVENTH
from tests.nasty_seventh_tensors import SEVENTH
from tests.nasty_sixth import ONE_SIXTH, TWO_SIXTH
from tests.nasty_sixth_tensors import SIXTH
from tests.nasty_tensors import ROWS
from tests.nasty_third import ONE_THIRD, THIRD, TWO_THIRD

Number = Any
START, CERTAIN, MOST = 60, 24, 16000
INFINITE = mpmath.mpf(2) ** 3000
"""What stands for infinity where a limit is asked for."""
ROUNDINGS = 4
"""As many roundings of its argument a right result may be off by."""


FUNCTIONS = (
    "exp", "log", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh",
    "sqrt", "erf", "erfc", "gamma", "loggamma", "digamma", "sign",
)  # fmt: skip
SYMBOLIC = SimpleNamespace(
    **{name: getattr(sp, name) for name in (*FUNCTIONS, "pi")},
    where=lambda condition, yes, no: sp.Piecewise((yes, condition), (no, True)),
    nonzero=lambda x: sp.Ne(x, 0),
    half=sp.Rational(1, 2), third=sp.Rational(1, 3), sixth=sp.Rational(1, 6),
    power=lambda x, y: sp.Pow(x, y),
)  # fmt: skip


class _Exact(SimpleNamespace):
    """mpmath's functions of real numbers; numbers are made when they are read, at the precision of that moment."""

    pi = property(lambda self: +mpmath.pi)
    half, third, sixth = (property(lambda self, n=n: mpmath.mpf(1) / n) for n in (2, 3, 6))


EXACT = _Exact(
    **{name: getattr(mpmath, name) for name in FUNCTIONS},
    where=lambda condition, yes, no: yes if condition else no,
    # where a formula divides by 0 its limit is what is meant
    nonzero=lambda x: True,
    power=lambda x, y: mpmath.mpf(x) ** y,
)


LISTS: dict[str, tuple[tuple[tuple[dict[str, Any], int], ...], dict[str, Any]]] = {
    "second": (((ONE_MORE, 1), (TWO_MORE, 2)), {}),
    "third": (((ONE_THIRD, 1), (TWO_THIRD, 2)), THIRD),
    "fourth": (((ONE_FOURTH, 1), (TWO_FOURTH, 2)), FOURTH),
    "fifth": (((ONE_FIFTH, 1), (TWO_FIFTH, 2)), {}),
    "sixth": (((ONE_SIXTH, 1), (TWO_SIXTH, 2)), SIXTH),
    "seventh": (((ONE_SEVENTH, 1), (TWO_SEVENTH, 2)), SEVENTH),
    "eighth": (((ONE_EIGHTH, 1), (TWO_EIGHTH, 2)), EIGHTH),
    "ninth": (((ONE_NINTH, 1), (TWO_NINTH, 2)), NINTH),
}
"""Lists that are measured alone: formulas of scalars with how many variables they have, and formulas of arrays."""


# -- the truth ------------------------------------------------------------------------------------------------------
class Unknown(Exception):
    """There is no such value, or none that could be made certain."""


def _derivative(formula: Callable[..., Number], at: Sequence[Number], orders: Sequence[int], step: Number) -> Number:
    """A derivative by central differences, which never ask for the value at a place where an argument is 0."""
    for place, order in enumerate(orders):
        if order:
            less = [o - (n == place) for n, o in enumerate(orders)]
            h = step * (abs(at[place]) or 1) / 2 ** sum(orders)
            moved = [[x + sign * h * (n == place) for n, x in enumerate(at)] for sign in (1, -1)]
            return (_derivative(formula, moved[0], less, step) - _derivative(formula, moved[1], less, step)) / (2 * h)
    try:
        return formula(*at)
    except ZeroDivisionError:  # removable: the mean of two values on both sides
        h = step**2
        above, below = (formula(*(x + sign * h for x in at)) for sign in (1, -1))
        if abs(above - below) > 1:
            raise Unknown from None  # a pole
        return (above + below) / 2


def truth(formula: Callable[..., Number], at: Sequence[float], orders: Sequence[int]) -> Number:
    """A value or a derivative to 24 digits.

    Raises
    ------
    Unknown
        where it is not real, or not certain after all.
    """
    tiny = max((-math.log10(abs(x)) for x in at if x), default=0.0)
    start = START + int(2 * max(tiny, 0.0))  # 1 + x² is not 1
    digits, before, earlier = start, None, None
    while digits <= MOST:
        with mpmath.workdps(digits):
            exact = [_limit(x) for x in at]
            try:
                value = _derivative(formula, exact, orders, mpmath.mpf(10) ** (-digits // 8))
            except (ZeroDivisionError, ValueError, OverflowError, TypeError):
                raise Unknown from None
            if not isinstance(value, mpmath.mpf) or not mpmath.isfinite(value):
                raise Unknown
            last = [x for x in (before, earlier) if x is not None]
            near = all(abs(value - x) <= abs(value) * mpmath.mpf(10) ** -CERTAIN for x in last)
            if near and len(last) == 2 and (value or digits >= 16 * start):
                return value
            falls = [abs(b) <= abs(a) * mpmath.mpf(10) ** -6 for a, b in pairwise([value, *last][::-1])]
            if len(falls) == 2 and all(falls) and digits >= 8 * start:
                return mpmath.mpf(0)  # it goes to 0 with the step
        digits, before, earlier = 2 * digits, value, before
    raise Unknown


def _limit(x: float) -> Number:
    return mpmath.mpf(x) if np.isfinite(x) else mpmath.sign(x) * INFINITE


# -- judging --------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Verdict:
    """One number: how far off it is in units of the allowance, and how far the plain formula."""

    row: str
    orders: tuple[int, ...]
    at: tuple[float, ...]
    value: float
    plain: float
    truth: Number
    error: float
    plain_error: float

    @property
    def right(self) -> bool:
        return self.error <= 1

    @property
    def worse(self) -> bool:
        """Whether the plain formula is right and this is not."""
        return self.error > 1 and self.plain_error <= 1


def _error(value: float, exact: Number, condition: Number, dtype: Any) -> float:
    info = np.finfo(dtype)
    with np.errstate(over="ignore"):
        rounded = float(dtype(float(exact)))
    if np.isinf(rounded):
        return 0.0 if value == rounded or abs(value) > 0.999 * float(info.max) else float("inf")
    if not np.isfinite(value):
        return float("inf")
    relative = mpmath.mpf("1e-10") if dtype is np.float64 else 64 * mpmath.mpf(float(info.eps))
    allowed = relative * abs(exact) + ROUNDINGS * mpmath.mpf(float(info.eps)) * condition
    return float(abs(mpmath.mpf(value) - exact) / (allowed + mpmath.mpf(float(info.smallest_normal)) * ROUNDINGS))


def derivatives(count: int) -> list[tuple[int, ...]]:
    """The value, the first derivatives and the second ones of ``count`` variables."""
    if count == 1:
        return [(0,), (1,), (2,)]
    return [(0, 0), (1, 0), (0, 1), (2, 0), (1, 1)]


def compiled(formulas: Sequence[sp.Expr], symbols: Sequence[sp.Symbol], dtype: Any) -> Callable[..., Any]:
    """Values and derivatives of formulas of vectors, natively."""
    size = sg.dim("N")
    leaves = [sg.input(f"x{n}", (size,)) for n in range(len(symbols))]
    outputs: list[Any] = []
    for formula in formulas:
        values = {(0,) * len(symbols): sg.elementwise(formula, *symbols)(*leaves)}
        for orders in derivatives(len(symbols)):
            if any(orders):
                place = max(n for n, order in enumerate(orders) if order)
                less = tuple(o - (n == place) for n, o in enumerate(orders))
                found = sg.grad(sg.sum(values[less]), [leaves[place]], disconnected="zero")
                values[orders] = found[leaves[place]]
        outputs += [values[orders] for orders in derivatives(len(symbols))]
    run = codegen.function(leaves, outputs, dtype=np.dtype(dtype).name)
    return run


def plain_derivatives(formula: sp.Expr, symbols: Sequence[sp.Symbol], points: Any) -> list[Any]:
    """The formula as written and its textbook derivatives, by NumPy."""
    found = []
    for orders in derivatives(len(symbols)):
        changed = formula
        for symbol, order in zip(symbols, orders, strict=True):
            changed = changed.diff(symbol, order) if order else changed
        changed = changed.replace(sp.DiracDelta, lambda *_: sp.S.Zero)  # abs and sign away from 0
        run = sp.lambdify(symbols, changed, modules=["scipy", "numpy"])
        with np.errstate(all="ignore"):
            found.append(np.broadcast_to(np.asarray(run(*points), points.dtype), points.shape[1:]))
    return found


def scalar_verdicts(rows: dict[str, Any], count: int, dtype: Any) -> Iterator[Verdict]:
    """Every number of some rows of formulas of ``count`` variables."""
    symbols = sp.symbols("x y", real=True)[:count]
    formulas = {name: formula(SYMBOLIC, *symbols) for name, (formula, _) in rows.items()}
    for name, (formula, given) in rows.items():
        with np.errstate(over="ignore"):
            points = np.array([at if count > 1 else (at,) for at in given], dtype).T
        try:
            got = compiled([formulas[name]], symbols, dtype)(*np.ascontiguousarray(points))
        except sg.errors.SymgraphError as error:
            print(f"refused: {name}: {error}", file=sys.stderr)
            got = [np.full(points.shape[1], np.nan)] * len(derivatives(count))
        plain = plain_derivatives(formulas[name], symbols, points)
        for number, orders in enumerate(derivatives(count)):
            for n in range(points.shape[1]):
                at = tuple(float(x) for x in points[:, n])
                if np.isinf(at).sum() > 1:
                    continue  # a limit of two variables depends on the way there
                try:
                    exact = truth(lambda *x, formula=formula: formula(EXACT, *x), at, orders)
                    condition = _condition(lambda *x, formula=formula: formula(EXACT, *x), at, orders)
                except Unknown:
                    continue
                value, other = float(got[number][n]), float(plain[number][n])
                yield Verdict(
                    name, orders, at, value, other, exact,
                    _error(value, exact, condition, dtype), _error(other, exact, condition, dtype),
                )  # fmt: skip


def _finite(x: Number) -> Number:
    """An exponent far enough for e to it to be 0."""
    return -(mpmath.mpf(10) ** 6) if x < -(mpmath.mpf(10) ** 300) else x


def tensor_verdicts(rows: dict[str, Any], dtype: Any) -> Iterator[Verdict]:
    """Every number of some rows of formulas of vectors: value, gradient, and the gradient of its first element."""
    for name, (build, exact, given) in rows.items():
        with np.errstate(over="ignore"):
            at = [point for point in given if np.array_equal(np.isinf(np.array(point, dtype)), np.isinf(point))]
        size = len(given[0])
        vector = sg.input("x", (size,))
        value = build(vector)
        first = sg.grad(value, vector)
        second = sg.grad(first[0], [vector], disconnected="zero")[vector]
        run = codegen.function([vector], [value, first, second], dtype=np.dtype(dtype).name)
        symbols = sp.symbols(f"x:{size}", real=True)
        written = exact(SYMBOLIC, *symbols)
        none = (0,) * size
        orders = [none, *(tuple(int(n == m) for n in range(size)) for m in range(size))]
        orders += [tuple(n + int(m == 0) for m, n in enumerate(order)) for order in orders[1:]]
        forms = []
        for order in orders:
            changed = written
            for symbol, times in zip(symbols, order, strict=True):
                changed = changed.diff(symbol, times) if times else changed
            forms.append(changed.replace(sp.DiracDelta, lambda *_: sp.S.Zero))
        plain = sp.lambdify(symbols, forms, modules=["scipy", "numpy"], cse=True)
        formula = lambda *x, exact=exact: exact(EXACT, *(_finite(v) for v in x))  # noqa: E731
        for point in at:
            array = np.array(point, dtype)
            got = np.concatenate([np.ravel(part) for part in run(array)])
            with np.errstate(all="ignore"):
                others = [float(other) for other in plain(*array)]
            place = tuple(map(float, array))
            for order, number, other in zip(orders, got, others, strict=True):
                try:
                    if any(n and np.isinf(x) for n, x in zip(order, place, strict=True)):
                        continue
                    true = truth(formula, place, order)
                    condition = _condition(formula, place, order)
                except (Unknown, ZeroDivisionError, ValueError, TypeError):
                    continue
                errors = (_error(v, true, condition, dtype) for v in (float(number), other))
                yield Verdict(name, order, place, float(number), other, true, *errors)


def _condition(formula: Callable[..., Number], at: Sequence[float], orders: Sequence[int]) -> Number:
    """What changes if every argument changes by its own size: Σ |xᵢ·∂f/∂xᵢ|."""
    total = mpmath.mpf(0)
    for place, x in enumerate(at):
        if x and np.isfinite(x):
            more = [o + (n == place) for n, o in enumerate(orders)]
            with mpmath.workdps(200):
                exact = [_limit(x) for x in at]
                total += abs(x * _derivative(formula, exact, more, mpmath.mpf(10) ** -25))
    return total


def _chosen(rows: dict[str, Any], words: Sequence[str], sample: int | None) -> dict[str, Any]:
    found = {name: row for name, row in rows.items() if not words or any(word in name for word in words)}
    return dict(islice(found.items(), 0, None, max(1, len(found) // sample))) if sample else found


def all_verdicts(dtype: Any, words: Sequence[str], sample: int | None) -> Iterator[Verdict]:
    scalars = ((ONE, 1), (TWO, 2), (ONE_MORE, 1), (TWO_MORE, 2), (ONE_THIRD, 1), (TWO_THIRD, 2))
    yield from verdicts_of(scalars, ROWS | THIRD, dtype, words, sample)


def verdicts_of(
    scalars: Iterable[tuple[dict[str, Any], int]],
    arrays: dict[str, Any],
    dtype: Any,
    words: Sequence[str],
    sample: int | None,
) -> Iterator[Verdict]:
    """Every number of some lists of formulas, of scalars with how many variables they have, and of arrays."""
    for rows, count in scalars:
        yield from scalar_verdicts(_chosen(rows, words, sample), count, dtype)
    yield from tensor_verdicts(_chosen(arrays, words, sample), dtype)


def summary(verdicts: Sequence[Verdict]) -> str:
    """Shares, by the number and by the row."""
    rows = {verdict.row for verdict in verdicts}
    wrong = {verdict.row for verdict in verdicts if not verdict.right}
    right = sum(verdict.right for verdict in verdicts)
    plain = sum(verdict.plain_error <= 1 for verdict in verdicts)
    worse = sum(verdict.worse for verdict in verdicts)
    total = len(verdicts)
    return (
        f"{right}/{total} numbers right = {right / total:.2%} (plain NumPy {plain / total:.2%}), "
        f"{worse} where only plain NumPy is; {len(rows) - len(wrong)}/{len(rows)} formulas right everywhere"
    )


def main(arguments: Iterable[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--float32", action="store_true")
    parser.add_argument("--tensors", action="store_true", help="formulas of arrays alone")
    for name in LISTS:
        parser.add_argument(f"--{name}", action="store_true", help=f"the {name} list alone")
    parser.add_argument("--rows", nargs="*", default=[])
    parser.add_argument("--worst", type=int, default=0, help="how many wrong numbers of a formula to print")
    parser.add_argument("--sample", type=int, help="formulas of each kind")
    given = parser.parse_args(list(arguments))
    dtype = np.float32 if given.float32 else np.float64
    if given.tensors:
        verdicts = list(tensor_verdicts(_chosen(ROWS, given.rows, given.sample), dtype))
    elif asked := [name for name in LISTS if getattr(given, name)]:
        verdicts = [v for name in asked for v in verdicts_of(*LISTS[name], dtype, given.rows, given.sample)]
    else:
        verdicts = list(all_verdicts(dtype, given.rows, given.sample))
    for row in dict.fromkeys(verdict.row for verdict in verdicts):
        wrong = [verdict for verdict in verdicts if verdict.row == row and not verdict.right]
        for v in sorted(wrong, key=lambda v: -v.error)[: given.worst]:
            order = "".join(map(str, v.orders)) if len(v.orders) < 4 else v.orders
            print(
                f"{'WORSE' if v.worse else 'wrong'} {row} ∂{order} at {v.at}: {v.value!r}, true "
                f"{mpmath.nstr(v.truth, 17)}, plain {v.plain!r}; {v.error:.2g} times what is allowed"
            )
    print(f"{np.dtype(dtype).name}: {summary(verdicts)}")


if __name__ == "__main__":
    main(sys.argv[1:])
