"""Random formulas beside the plain formula: ``python -m tests.random_forms [--count N] [--seed S] [--worst N]``.

Promise: at no point are more than ``MOST_WORSE`` bits lost beyond what the formula as written loses by NumPy; and where
that loses ``LOSSY`` bits or more, half of the formulas gain at least ten of them. The points have nothing to do with
those that forms are chosen at; the truth is mpmath's (:func:`tests.nasty.truth`), bits are log₂(1 + error) with the
error in units of the last place after what rounding the arguments changes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np
import sympy as sp

import codegen
import symgraph as sg
from symgraph.reference import evaluate
from tests.nasty import EXACT, SYMBOLIC, Unknown, _condition, truth

MOST_WORSE, FREE, LOSSY = 2.0, 2.0, 12.0
"""Bits beyond the plain formula's; what a form may lose anyhow, as a compiled function's last bits; a loss."""
WHOLE, FARTHEST = 53.0, 10**4
MOST_OPERATIONS = 12
"""Of a formula as SymPy counts them."""
POINTS = 14
SYMBOLS = sp.symbols("x y", real=True)
EPS = float(np.finfo(np.float64).eps)
Formula = Any
"""A variable's number, a whole number as a string, or the name of an operation with its operands."""

OPERATIONS = {
    "add": lambda m, a, b: a + b, "sub": lambda m, a, b: a - b, "mul": lambda m, a, b: a * b,
    "div": lambda m, a, b: a / b, "square": lambda m, a: a**2, "root": lambda m, a: m.sqrt(a**2 + 1),
    "exp": lambda m, a: m.exp(a), "tanh": lambda m, a: m.tanh(a), "sin": lambda m, a: m.sin(a),
    "cos": lambda m, a: m.cos(a), "log": lambda m, a: m.log(a**2 + 1), "atan": lambda m, a: m.atan(a),
    "logistic": lambda m, a: 1 / (1 + m.exp(-a)), "softplus": lambda m, a: m.log(1 + m.exp(a)),
    "less one": lambda m, a: m.exp(a) - 1, "one less": lambda m, a: 1 - m.cos(a),
    "one less logistic": lambda m, a: 1 - 1 / (1 + m.exp(-a)), "root less one": lambda m, a: m.sqrt(1 + a**2) - 1,
    "root less": lambda m, a: m.sqrt(a**2 + 1) - a, "inverse": lambda m, a: 1 / (1 + a**2),
    "steps": lambda m, a: m.log(a**2 + 2) - m.log(a**2 + 1), "logs": lambda m, a, b: m.log(m.exp(a) + m.exp(b)),
    "share": lambda m, a, b: m.exp(a) / (m.exp(a) + m.exp(b)), "norm": lambda m, a, b: m.sqrt(a**2 + b**2),
}  # fmt: skip
ONE_OPERAND = [name for name, operation in OPERATIONS.items() if operation.__code__.co_argcount == 2]
TWO_OPERANDS = [name for name in OPERATIONS if name not in ONE_OPERAND]


def drawn(random: np.random.Generator, depth: int) -> Formula:
    """A random formula."""
    if depth == 0 or random.random() < 0.1:
        return int(random.integers(2)) if random.random() < 0.85 else str(random.integers(1, 4))
    if random.random() < 0.55:
        return str(random.choice(ONE_OPERAND)), drawn(random, depth - 1)
    return str(random.choice(TWO_OPERANDS)), drawn(random, depth - 1), drawn(random, depth - 1)


def value(formula: Formula, table: Any, x: Sequence[Any]) -> Any:
    """A formula's value by a table of functions."""
    if isinstance(formula, int):
        return x[formula]
    if isinstance(formula, str):
        return int(formula) + 0 * x[0]
    name, *operands = formula
    return OPERATIONS[name](table, *(value(operand, table, x) for operand in operands))


def _exp(x: Any) -> Any:
    """eˣ unless it is of a size that no number has in the end."""
    if abs(x) > FARTHEST:
        raise Unknown
    return mpmath.exp(x)


TAMED = type(EXACT)(**{**vars(EXACT), "exp": _exp})


@dataclass(frozen=True)
class Outcome:
    """A formula at its points: bits that are lost by ours and by the plain one."""

    formula: sp.Expr
    points: list[tuple[float, ...]]
    ours: np.ndarray
    plain: np.ndarray

    @property
    def worse(self) -> float:
        """The most bits that ours loses beyond the plain one's."""
        return float(np.max(self.ours - np.maximum(self.plain, FREE), initial=0.0))

    @property
    def gain(self) -> float | None:
        """Bits gained where the plain formula loses most of them; None where it never loses many."""
        place = int(np.argmax(self.plain))
        return float(self.plain[place] - self.ours[place]) if self.plain[place] >= LOSSY else None


def _lost(computed: float, exact: Any, condition: Any) -> float:
    rounded = float(exact)
    if not np.isfinite(rounded) or (rounded and abs(rounded) < float(np.finfo(np.float64).smallest_normal)):
        return 0.0  # over- or underflows in any form
    if not np.isfinite(computed):
        return WHOLE
    least = mpmath.mpf(float(np.finfo(np.float64).smallest_normal))
    unit = mpmath.mpf(EPS) * (max(abs(exact), least) + condition)
    return min(WHOLE, float(mpmath.log(1 + abs(mpmath.mpf(computed) - exact) / unit, 2)))


def outcomes(count: int, seed: int, compiled: bool = True) -> list[Outcome]:
    """Formulas that have values, measured; compiled, or by NumPy as the compiler would have them."""
    random = np.random.default_rng(seed)
    formulas: dict[sp.Expr, Formula] = {}
    while len(formulas) < count:
        formula = drawn(random, int(random.integers(1, 4)))
        written = value(formula, SYMBOLIC, SYMBOLS)
        if (
            1 < sp.count_ops(written) <= MOST_OPERATIONS
            and written.free_symbols
            and not written.has(sp.nan, sp.zoo, sp.oo, sp.I)
        ):
            formulas.setdefault(written, formula)
    size = np.exp2(np.where(random.random((2, POINTS)) < 0.6, random.uniform(-6, 6, (2, POINTS)),
                            random.uniform(-40, 40, (2, POINTS))))  # fmt: skip
    points = size * random.choice([-1.0, 1.0], (2, POINTS))
    points[1, :4] = points[0, :4] * (1 + np.exp2(-random.uniform(4, 40, 4)))
    leaves = [sg.input(str(symbol), (POINTS,)) for symbol in SYMBOLS]
    values = [sg.elementwise(formula, *SYMBOLS)(*leaves) for formula in formulas]
    with np.errstate(all="ignore"):
        if compiled:
            ours = codegen.function(leaves, values, dtype="float64")(*points)
        else:
            ours = [evaluate(form, {"x": points[0], "y": points[1]}) for form in sg.stabilise(values)]
    found = []
    for (written, formula), computed in zip(formulas.items(), ours, strict=True):
        with np.errstate(all="ignore"):
            plain = np.broadcast_to(np.asarray(sp.lambdify(SYMBOLS, written, "numpy")(*points), float), POINTS)
        exact = lambda *x, formula=formula: value(formula, TAMED, x)  # noqa: E731
        rows = []
        for n, at in enumerate(points.T):
            place = tuple(map(float, at))
            try:
                true, condition = truth(exact, place, (0, 0)), _condition(exact, place, (0, 0))
            except (Unknown, ZeroDivisionError, ValueError, OverflowError, TypeError):
                continue
            rows.append((place, _lost(float(computed[n]), true, condition), _lost(float(plain[n]), true, condition)))
        if rows:
            places, mine, others = zip(*rows, strict=True)
            found.append(Outcome(written, list(places), np.array(mine), np.array(others)))
    return found


def summary(found: Sequence[Outcome]) -> str:
    """What was promised, and what was measured."""
    gains = [outcome.gain for outcome in found if outcome.gain is not None]
    worse = [outcome for outcome in found if outcome.worse > MOST_WORSE]
    gained = f"median gain {np.median(gains):.1f} bits in {len(gains)} that lose {LOSSY:.0f}" if gains else "none loses"
    most = max((outcome.worse for outcome in found), default=0.0)
    return (
        f"{len(found)} formulas: {gained}; {len(worse)} worse by more than {MOST_WORSE:.0f} bits, the most {most:.1f}"
    )


def main(arguments: Iterable[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--worst", type=int, default=3, help="how many formulas to print")
    given = parser.parse_args(list(arguments))
    found = outcomes(given.count, given.seed)
    for outcome in sorted(found, key=lambda outcome: -outcome.worse)[: given.worst]:
        place = int(np.argmax(outcome.ours - np.maximum(outcome.plain, FREE)))
        if outcome.worse > 0:
            at, mine, other = outcome.points[place], outcome.ours[place], outcome.plain[place]
            print(f"{outcome.formula} at {at}: loses {mine:.1f} bits, the plain formula {other:.1f}")
    print(summary(found))


if __name__ == "__main__":
    main(sys.argv[1:])
