"""Random scalar formulas with an oracle of their own: a tree of tuples, read as SymPy, as operators on tensors, or in
40 digits by mpmath. Nothing of the oracle is shared with what it checks.

    python -m tests.scalar_formulas --count 5000 --seed 1
"""

from __future__ import annotations

import argparse
import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np
import sympy as sp

import codegen
import symgraph as sg
from symgraph.core.graph import free_symbols
from symgraph.errors import SymgraphError
from symgraph.reference import evaluate
from symgraph.vocabulary.elementwise import u, v

Tree = tuple[Any, ...]
N = sg.dim("N")
POINTS = 6
DIGITS, STEP = 40, mpmath.mpf(10) ** -15
LARGEST = 1e3
MARGIN = 1e-5

UNARY = ("exp", "log", "sin", "tanh", "abs", "sqrt", "sigmoid", "floor", "square", "sign", "atan", "softplus")
RELATIONS = ("<", "<=", ">", ">=")
JOINED = ("and", "or", "xor", "not", "ite")


# -- drawing --------------------------------------------------------------------------------------------------------
def draw(generator: random.Random, depth: int) -> Tree:
    """A formula of x and y."""
    if depth == 0 or generator.random() < 0.1:
        leaf = generator.random()
        number = ("c", generator.choice([-2, -1, 0, 1, 2, 3]), generator.choice([1, 1, 2, 3]))
        return ("x",) if leaf < 0.45 else ("y",) if leaf < 0.8 else number
    below = [draw(generator, depth - 1) for _ in range(3)]
    kind = generator.random()
    if kind < 0.25:
        return (generator.choice(["+", "-", "*", "/"]), *below[:2])
    if kind < 0.5:
        return (generator.choice(UNARY), below[0])
    if kind < 0.65:
        return (generator.choice(["max", "min"]), *below[: generator.choice([2, 2, 3])])
    if kind < 0.82:
        return ("if", condition(generator, depth - 1), *below[:2])
    if kind < 0.9:
        return ("mod", below[0], generator.choice([below[1], ("c", 2, 1), ("c", 1, 2)]))
    return ("pow", below[0], generator.choice([below[1], ("c", 3, 1), ("c", -2, 1), ("c", 3, 2), ("c", 1, 3)]))


def condition(generator: random.Random, depth: int) -> Tree:
    """A condition on x and y."""
    if depth <= 0 or generator.random() < 0.6:
        return (generator.choice(RELATIONS), draw(generator, max(depth, 0)), draw(generator, 0))
    joined = generator.choice(JOINED)
    parts = {"not": 1, "ite": 3}.get(joined, 2)
    return (joined, *(condition(generator, depth - 1) for _ in range(parts)))


# -- as SymPy, and as operators on tensors --------------------------------------------------------------------------
@dataclass(frozen=True)
class Reading:
    """What the words of a tree mean."""

    x: Any
    y: Any
    words: dict[str, Callable[..., Any]]

    def __call__(self, tree: Tree) -> Any:
        word, *parts = tree
        if word in ("x", "y"):
            return self.x if word == "x" else self.y
        if word == "c":
            return sp.Rational(*parts)
        return self.words[word](*map(self, parts))


COMMON: dict[str, Callable[..., Any]] = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "/": lambda a, b: a / b,
    "square": lambda a: a**2, "pow": lambda a, b: a**b,
    "<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
}  # fmt: skip
SYMPY = COMMON | {
    "exp": sp.exp, "log": sp.log, "sin": sp.sin, "tanh": sp.tanh, "abs": sp.Abs, "sqrt": sp.sqrt, "floor": sp.floor,
    "sign": sp.sign, "atan": sp.atan, "sigmoid": lambda a: 1 / (1 + sp.exp(-a)),
    "softplus": lambda a: sp.log(1 + sp.exp(a)),
    "max": sp.Max, "min": sp.Min, "mod": sp.Mod, "if": lambda c, a, b: sp.Piecewise((a, c), (b, True)),
    "and": sp.And, "or": sp.Or, "xor": sp.Xor, "not": sp.Not, "ite": sp.ITE,
}  # fmt: skip
TENSORS = COMMON | {
    "exp": sg.exp, "log": sg.log, "sin": sg.sin, "tanh": sg.tanh, "abs": sg.abs, "sqrt": sg.sqrt,
    "floor": lambda a: np.floor(sg.as_tensor(a)),
    "sign": sg.sign, "atan": lambda a: np.arctan(sg.as_tensor(a)), "sigmoid": sg.sigmoid, "softplus": sg.softplus,
    "max": lambda *a: sg.maximum(a[0], a[1]) if len(a) == 2 else sg.maximum(sg.maximum(a[0], a[1]), a[2]),
    "min": lambda *a: sg.minimum(a[0], a[1]) if len(a) == 2 else sg.minimum(sg.minimum(a[0], a[1]), a[2]),
    "mod": lambda a, b: sg.as_tensor(a) % b, "if": sg.where, "and": lambda a, b: a & b, "or": lambda a, b: a | b,
    "xor": lambda a, b: a ^ b, "not": lambda a: ~a, "ite": lambda c, a, b: (c & a) | (~c & b),
    "<": lambda a, b: sg.as_tensor(a) < b, "<=": lambda a, b: sg.as_tensor(a) <= b,
    ">": lambda a, b: sg.as_tensor(a) > b, ">=": lambda a, b: sg.as_tensor(a) >= b,
}  # fmt: skip


# -- the oracle -----------------------------------------------------------------------------------------------------
class Undefined(Exception):
    """The formula has no real value here, or one whose rounding decides."""


class Oracle:
    """A formula at one point, in 40 digits."""

    def __init__(self, x: Any, y: Any, margin: float = MARGIN) -> None:
        self.x, self.y, self.margin = mpmath.mpf(x), mpmath.mpf(y), margin

    def value(self, tree: Tree) -> Any:
        word, *parts = tree
        if word in ("x", "y"):
            return self.x if word == "x" else self.y
        if word == "c":
            return mpmath.mpf(parts[0]) / parts[1]
        if word == "if":
            return self.value(parts[1] if self.holds(parts[0]) else parts[2])
        result = self._operation(word, [self.value(part) for part in parts])
        if not isinstance(result, mpmath.mpf) or not mpmath.isfinite(result) or abs(result) > LARGEST:
            raise Undefined
        return result

    def holds(self, tree: Tree) -> bool:
        word, *parts = tree
        if word in RELATIONS:
            left, right = map(self.value, parts)
            self._apart(left - right)
            return bool(left < right if word in ("<", "<=") else left > right)
        held = [self.holds(part) for part in parts]
        match word:
            case "and":
                return all(held)
            case "or":
                return any(held)
            case "xor":
                return held[0] != held[1]
            case "not":
                return not held[0]
        return held[1] if held[0] else held[2]

    def _apart(self, difference: Any) -> None:
        if abs(difference) < self.margin:
            raise Undefined

    def _floor(self, a: Any) -> Any:
        self._apart(a - mpmath.nint(a))
        return mpmath.floor(a)

    def _operation(self, word: str, args: list[Any]) -> Any:
        a, b = args[0], args[-1]
        match word:
            case "+" | "-" | "*":
                return {"+": a + b, "-": a - b, "*": a * b}[word]
            case "/":
                self._apart(b)
                return a / b
            case "square":
                return a * a
            case "exp" | "softplus" | "sigmoid":
                if abs(a) > 50:
                    raise Undefined
                growth = mpmath.exp(a)
                return {"exp": growth, "softplus": mpmath.log1p(growth), "sigmoid": growth / (1 + growth)}[word]
            case "log" | "sqrt":
                if a < self.margin:
                    raise Undefined
                return getattr(mpmath, word)(a)
            case "sin" | "tanh" | "atan":
                return getattr(mpmath, word)(a)
            case "abs" | "sign":
                self._apart(a)
                return abs(a) if word == "abs" else mpmath.sign(a)
            case "floor":
                return self._floor(a)
            case "max" | "min":
                for one, other in ((args[i], args[j]) for i in range(len(args)) for j in range(i)):
                    self._apart(one - other)
                return max(args) if word == "max" else min(args)
            case "mod":
                self._apart(b)
                return a - b * self._floor(a / b)
        if a < self.margin and not (b == mpmath.nint(b) and abs(a) > self.margin):
            raise Undefined
        if abs(b) > 20:
            raise Undefined
        return a**b


def slopes(tree: Tree, x: float, y: float) -> tuple[Any, Any, Any]:
    """Value and partial derivatives, these by differences; raises Undefined near corners."""
    value = Oracle(x, y).value(tree)
    found = []
    for dx, dy in ((STEP, 0), (0, STEP)):
        above = Oracle(mpmath.mpf(x) + dx, mpmath.mpf(y) + dy).value(tree)
        below = Oracle(mpmath.mpf(x) - dx, mpmath.mpf(y) - dy).value(tree)
        found.append((above - below) / (2 * STEP))
    if any(abs(slope) > LARGEST for slope in found):
        raise Undefined
    return value, found[0], found[1]


# -- the check ------------------------------------------------------------------------------------------------------
def check(tree: Tree, seed: int, by_operators: bool, compiled: bool = True) -> str:
    """Check one formula; how it ended. Any exception but a SymgraphError, and any wrong number, is raised."""
    generator = np.random.default_rng(seed)
    points = {"x": generator.uniform(-2.5, 2.5, POINTS), "y": generator.uniform(-2.5, 2.5, POINTS)}
    x, y = sg.input("x", (N,)), sg.input("y", (N,))
    try:
        written = None if by_operators else Reading(u, v, SYMPY)(tree)
    except Exception:
        return "no formula of SymPy's"
    try:
        value = Reading(x, y, TENSORS)(tree) if written is None else sg.elementwise(written, u, v)(x, y)
        value = value + 0 * x * y  # of shape (N,), whatever occurs
        total = sg.sum(value)
        gradients = sg.grad(total, [x, y], disconnected="zero")
        outputs = [value, gradients[x], gradients[y]]
        for output in outputs:
            assert str(output) and sp.latex(output)
        sg.explain(total)
        exact = _precise(outputs, points)
        bare = sg.grad(total, [x, y], disconnected="zero", simplify=False)
        plain = _precise([bare[x], bare[y]], points)
        found = None
        leaves = [leaf for leaf in (x, y) if any(leaf in free_symbols(output) for output in outputs)]
        if compiled and leaves:
            found = codegen.function([x, y], outputs, dtype="float64")(points["x"], points["y"])
    except SymgraphError:
        return "refused"
    compare = 0
    for place in range(POINTS):
        try:
            with mpmath.workdps(DIGITS):
                expected = slopes(tree, points["x"][place], points["y"][place])
        except Undefined:
            continue
        compare += 1
        for number, right in enumerate(expected):
            where = f"{('value', '∂/∂x', '∂/∂y')[number]} at {points['x'][place]}, {points['y'][place]}"
            _close(exact[number][place], right, 1e-12, f"{where}, in formulas")
            if number:
                _close(plain[number - 1][place], right, 1e-12, f"{where}, by the bare chain rule")
            if found is not None:
                _close(found[number][place], right, 1e-6, f"{where}, compiled")
    return "checked" if compare else "undefined"


def _precise(outputs: list[Any], points: dict[str, Any]) -> list[Any]:
    with mpmath.workdps(DIGITS):
        arrays = evaluate(outputs, points, dtype="mpmath", sizes={"N": POINTS})
        return [np.broadcast_to(array, (POINTS,)) for array in arrays]


def _close(found: Any, right: Any, tolerance: float, what: str) -> None:
    difference = abs(mpmath.mpf(found.item() if isinstance(found, np.generic) else found) - right)
    assert difference <= tolerance * (1 + abs(right)), f"{what}: {mpmath.nstr(right, 12)}, found {found}"


def formula(seed: int) -> tuple[Tree, bool]:
    """Formula number ``seed``, and whether it is written with operators on tensors."""
    generator = random.Random(seed)
    return draw(generator, generator.choice([2, 3, 3, 4])), generator.random() < 0.5


def main() -> None:
    import faulthandler
    import time
    import traceback

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--slow", type=float, default=20.0, help="seconds after which a formula is reported")
    arguments = parser.parse_args()
    os.environ.setdefault("SYMGRAPH_PYTHON", "1")
    ended: dict[str, int] = {}
    for seed in range(arguments.seed, arguments.seed + arguments.count):
        tree, by_operators = formula(seed)
        faulthandler.dump_traceback_later(120, exit=False)
        start = time.monotonic()
        try:
            how = check(tree, seed, by_operators)
        except Exception as error:
            how = f"{type(error).__name__}"
            last = traceback.extract_tb(error.__traceback__)[-1]
            print(f"seed {seed}, {'operators' if by_operators else 'SymPy'}: {how}: {str(error)[:300]}", flush=True)
            print(f"  {tree}\n  {last.filename}:{last.lineno}", flush=True)
        if time.monotonic() - start > arguments.slow:
            print(f"seed {seed}: {time.monotonic() - start:.0f} s for {tree}", flush=True)
        ended[how] = ended.get(how, 0) + 1
    print(ended)


if __name__ == "__main__":
    main()
