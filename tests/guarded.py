"""Random formulas whose windows leave their arrays where a guard does not hold, and a process that runs them natively.

A formula is built twice: for SymPy, and as plain Python that evaluates no more than it must. Arrays lie at the end, or
at the beginning, of memory whose neighbours may not be read: what is read outside of its guard ends the process.

    python -m tests.guarded SEED COUNT
"""

from __future__ import annotations

import ctypes
import faulthandler
import mmap
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import sympy as sp

import codegen
import symgraph as sg

ROWS, COLUMNS = 5, 6
N = sg.dim("N")
n, k = sg.indices("n k")
x, b = sg.input("x", (N, COLUMNS)), sg.input("b", (COLUMNS,))
t = sg.labels("t", (COLUMNS,), classes=COLUMNS)

Env = dict[str, np.ndarray]
Value = Callable[[Env, int, int], float]
Test = Callable[[Env, int, int], bool]


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula and its value at n, k."""

    symbolic: sp.Expr
    value: Value


@dataclass(frozen=True, slots=True)
class Guard:
    """A condition, its truth at n, k, and the columns k + shift that exist where it holds."""

    symbolic: sp.logic.boolalg.Boolean
    holds: Test


class Generator:
    """Formulas drawn by a seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def formula(self, depth: int = 2) -> Formula:
        kinds = [self.chosen, self.chosen, self.product, self.extremum, self.function]
        return self.random.choice(kinds)(depth - 1) if depth else self.leaf()

    def leaf(self) -> Formula:
        match self.random.randrange(4):
            case 0:
                return Formula(x[n, k], lambda e, i, j: e["x"][i, j])
            case 1:
                return Formula(b[k], lambda e, i, j: e["b"][j])
            case 2:
                return Formula(x[n, COLUMNS - 1 - k], lambda e, i, j: e["x"][i, COLUMNS - 1 - j])
        return Formula(b[t[k]], lambda e, i, j: e["b"][e["t"][j]])

    def window(self, shift: int) -> Formula:
        """An element that exists where k + shift is a column."""
        match self.random.randrange(3):
            case 0:
                return Formula(x[n, k + shift], lambda e, i, j: e["x"][i, _inside(j + shift)])
            case 1:
                return Formula(b[k + shift], lambda e, i, j: e["b"][_inside(j + shift)])
        return Formula(b[t[k + shift]], lambda e, i, j: e["b"][e["t"][_inside(j + shift)]])

    def guard(self, shift: int) -> Guard:
        """A condition under which k + shift is a column, in one of several forms, often with a read of its own."""
        low, high = max(0, -shift), min(COLUMNS, COLUMNS - shift)
        bounds = sp.And(k >= low, k < high)
        inside: Test = lambda e, i, j: low <= j < high  # noqa: E731
        read, other = self.window(shift), self.leaf()
        above: Test = lambda e, i, j: read.value(e, i, j) > other.value(e, i, j)  # noqa: E731
        relation = read.symbolic > other.symbolic
        match self.random.randrange(4):
            case 0:
                return Guard(bounds, inside)
            case 1:
                return Guard(sp.And(relation, bounds), lambda e, i, j: inside(e, i, j) and above(e, i, j))
            case 2:
                both = sp.Not(sp.Or(k < low, k >= high, relation))
                return Guard(both, lambda e, i, j: inside(e, i, j) and not above(e, i, j))
        nested = sp.And(sp.Or(relation, x[n, k] > 0), bounds)
        return Guard(nested, lambda e, i, j: inside(e, i, j) and (above(e, i, j) or e["x"][i, j] > 0))

    def chosen(self, depth: int) -> Formula:
        shift = self.random.choice([-7, -3, -2, -1, 1, 2, 3, 7])
        guard, inner, far, no = self.guard(shift), self.formula(depth), self.window(shift), self.formula(depth)
        yes = self.random.choice([sp.Mul, sp.Add, sp.Max])(far.symbolic, inner.symbolic)
        operation = {sp.Mul: float.__mul__, sp.Add: float.__add__, sp.Max: max}[_kind(yes, far, inner)]

        def value(e: Env, i: int, j: int) -> float:
            if guard.holds(e, i, j):
                return operation(float(far.value(e, i, j)), float(inner.value(e, i, j)))
            return no.value(e, i, j)

        return Formula(sp.Piecewise((yes, guard.symbolic), (no.symbolic, True)), value)

    def product(self, depth: int) -> Formula:
        one, other = self.formula(depth), self.formula(depth)
        return Formula(one.symbolic * other.symbolic, lambda e, i, j: one.value(e, i, j) * other.value(e, i, j))

    def extremum(self, depth: int) -> Formula:
        one, other = self.formula(depth), self.formula(depth)
        symbolic, plain = self.random.choice([(sp.Max, max), (sp.Min, min)])
        return Formula(
            symbolic(one.symbolic, other.symbolic), lambda e, i, j: plain(one.value(e, i, j), other.value(e, i, j))
        )

    def function(self, depth: int) -> Formula:
        inner = self.formula(depth)
        symbolic, plain = self.random.choice([(sp.sin, np.sin), (sp.tanh, np.tanh), (lambda u: sp.exp(-(u**2)), _bell)])
        return Formula(symbolic(inner.symbolic), lambda e, i, j: plain(inner.value(e, i, j)))


def _kind(yes: sp.Expr, far: Formula, inner: Formula) -> type[sp.Expr]:
    kinds = (sp.Mul, sp.Add, sp.Max)
    return next(kind for kind in kinds if kind(far.symbolic, inner.symbolic) == yes)


def _bell(u: float) -> float:
    return float(np.exp(-(u**2)))


def _inside(column: int) -> int:
    assert 0 <= column < COLUMNS, "the formula itself reads outside"
    return column


def fenced(array: np.ndarray, at_end: bool) -> np.ndarray:
    """A copy whose end, or beginning, is that of the memory that may be read."""
    page = mmap.PAGESIZE
    memory = mmap.mmap(-1, 3 * page)
    whole = np.frombuffer(memory, np.uint8)
    libc = ctypes.CDLL(None, use_errno=True)
    for fence in (0, 2 * page):
        assert libc.mprotect(ctypes.c_void_p(whole.ctypes.data + fence), page, mmap.PROT_READ * 0) == 0
    start = 2 * page - array.nbytes if at_end else page
    copy = whole[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def check(seed: int) -> None:
    """One program, its value and gradients, against plain Python and differences of its values."""
    formula, generator = Generator(seed).formula(), np.random.default_rng(seed)
    total = sg.sum(sg.define((n, k), formula.symbolic, shape=(N, COLUMNS)))
    inputs = [x, b, t]
    outputs = [total, *(sg.grad(total, [x, b], disconnected="zero")[leaf] for leaf in (x, b))]
    function = codegen.function(inputs, outputs)
    env = {
        "x": generator.normal(size=(ROWS, COLUMNS)), "b": generator.normal(size=COLUMNS),
        "t": generator.integers(0, COLUMNS, COLUMNS),
    }  # fmt: skip

    def plain(given: Env) -> float:
        return float(sum(formula.value(given, i, j) for i in range(ROWS) for j in range(COLUMNS)))

    for at_end in (True, False):
        value, *gradients = function(*(fenced(env[str(leaf.name)], at_end) for leaf in inputs))
        np.testing.assert_allclose(value, plain(env), rtol=1e-9, atol=1e-9)
        for name, gradient in zip(("x", "b"), gradients, strict=True):
            direction, step = generator.normal(size=env[name].shape), 1e-6
            ends = [plain({**env, name: env[name] + sign * step * direction}) for sign in (1, -1)]
            slope = (ends[0] - ends[1]) / (2 * step)
            np.testing.assert_allclose(np.sum(gradient * direction), slope, rtol=1e-4, atol=1e-5)


def main(seed: int, count: int) -> None:
    faulthandler.enable()
    for number in range(seed, seed + count):
        print(number, flush=True)  # the last one is that of a crash
        check(number)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
