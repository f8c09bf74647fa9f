"""Random recurrences, each beside NumPy loops that mean the same: an oracle that knows no symgraph.

    c0[t, n, j] = tanh(c0[t − 1, n, j]·p1[j] + Σ_q c1[t − 2, n, q]·p2[q, j]);  c1[…] = …;   J = Σ c·y + log Σ exp(y)

A program is data: what a step makes of carries, inputs and parameters, as nested tuples ``(operation, …)``. It is said
to symgraph as a ``scan``, or by index with several lags; the loops go through the same tuples one step after the other.
Their derivatives are complex steps, exact to the last digits: ∂J/∂x = Im J(x + i·10⁻³⁰·e)/10⁻³⁰ (Squire & Trapp, 1998).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import symgraph as sg

TINY = 1e-30
UNARY = ("tanh", "sigmoid", "sin", "exp_less", "half")
BINARY = ("add", "subtract", "multiply", "maximum", "gated")
OVER_A_ROW = ("softmax", "centred", "normalised")
MEANS = ("weighted", "last", "logsumexp", "squares", "through time", "one step")


@dataclass
class Program:
    """Sizes, arrays by name, what a step makes of every carry and gives, how it runs, and what J is made of them."""

    seed: int
    steps: int
    rows: tuple[int, ...]
    widths: list[int]
    input_width: int
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    lengths: np.ndarray | None = None
    lags: int = 1
    by_index: bool = False
    reverse: bool = False
    checkpoint: int | None = None
    free: tuple[bool, bool] = (False, False)
    carried: list[Any] = field(default_factory=list)
    given: Any = None
    means: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        how = {
            k: getattr(self, k) for k in ("steps", "rows", "lags", "by_index", "reverse", "checkpoint", "free", "means")
        }
        told = f"seed {self.seed}: {how}, lengths {None if self.lengths is None else self.lengths.tolist()}"
        return "\n".join([told, *(f"  c{n} = {one}" for n, one in enumerate(self.carried)), f"  y = {self.given}"])


def make(seed: int) -> Program:
    """The program of a seed."""
    source = random.Random(seed)
    pick = source.choice
    p = Program(
        seed, pick([1, 1, 2, 3, 5]), pick([(), (1,), (2,), (3,)]), [pick([1, 2, 3]) for _ in range(pick([1, 1, 2, 3]))],
        pick([1, 2, 3]),
    )  # fmt: skip
    p.by_index = source.random() < 0.35
    p.lags = pick([1, 2, 3]) if p.by_index else 1
    p.reverse = source.random() < 0.3
    p.free = source.random() < 0.5, bool(p.rows) and source.random() < 0.5
    if not p.by_index:
        p.checkpoint = pick([None, None, 1, 2, 3])
        if p.rows and source.random() < 0.4:
            p.lengths = np.array([source.randint(0, p.steps) for _ in range(p.rows[0])])
    p.arrays["x"] = _numbers(source, (p.steps, *p.rows, p.input_width))
    for n, width in enumerate(p.widths):
        for lag in range(1, p.lags + 1):
            p.arrays[f"f{n}_{lag}"] = _numbers(source, (*p.rows, width))
    p.carried = [_Step(p, source).value(width, pick([1, 2, 3])) for width in p.widths]
    if p.by_index:  # what reads itself nowhere is no recurrence
        p.carried = [("add", ("gated", ("carry", n, 1), ("carry", n, p.lags)), one) for n, one in enumerate(p.carried)]
    p.given = _Step(p, source, after=True).value(p.widths[0], pick([0, 1, 2]))
    p.means = source.sample(MEANS, pick([1, 2]))
    p.arrays["weight"] = _numbers(source, (p.steps, *p.rows, p.widths[0]))
    return p


def _numbers(source: random.Random, shape: Sequence[int]) -> np.ndarray:
    return np.array([source.uniform(-1, 1) for _ in range(int(np.prod(shape)))]).reshape(tuple(shape))


class _Step:
    """Draws what a step makes: ``after`` it, of the new carries."""

    def __init__(self, program: Program, source: random.Random, after: bool = False, inner: bool = False) -> None:
        self.p, self.source, self.after, self.inner = program, source, after, inner

    def value(self, width: int, depth: int) -> Any:
        pick, p = self.source.choice, self.p
        kinds = ["unary", "binary", "binary", "leaf"]
        if not p.by_index and not self.inner:
            kinds += ["row", "inner"] + (["rows"] if p.rows and p.lengths is None else [])
        kind = "leaf" if depth == 0 else pick(kinds)
        if kind == "leaf":
            return self._leaf(width)
        if kind == "unary":
            return (pick(UNARY), self.value(width, depth - 1))
        if kind == "row":
            return (pick(OVER_A_ROW), self.value(width, depth - 1))
        if kind == "rows":
            return ("of all rows", self.value(width, depth - 1))
        if kind == "inner":
            name = self._parameter((pick([1, 2, 3]), width))
            body = _Step(p, self.source, inner=True).value(width, 1)
            return ("inner", name, body, self.value(width, depth - 1), pick(["last", "sum"]))
        return (pick(BINARY), self.value(width, depth - 1), self.value(width, depth - 1))

    def _leaf(self, width: int) -> Any:
        pick, p = self.source.choice, self.p
        if self.inner:
            return pick([("tanh", ("own",)), ("multiply", ("own",), ("at",)), ("own",), ("at",)])
        kind = pick(["carry", "carry", "input", "parameter"])
        if kind == "parameter":
            return ("parameter", self._parameter((width,)))
        which = self.source.randrange(len(p.widths))
        lag = 0 if self.after and not p.by_index else self.source.randint(1, p.lags)
        atom = ("input",) if kind == "input" else ("carry", which, lag)
        own = p.input_width if kind == "input" else p.widths[which]
        if own == width and self.source.random() < 0.6:
            return atom
        return ("product", atom, self._parameter((own, width)))

    def _parameter(self, shape: tuple[int, ...]) -> str:
        name = f"p{len(self.p.arrays)}"
        self.p.arrays[name] = _numbers(self.source, shape)
        return name


# -- as NumPy loops ---------------------------------------------------------------------------------------------------
def _sigmoid(a: Any) -> Any:
    return 1 / (1 + np.exp(-a))


NUMPY: dict[str, Callable[..., Any]] = {
    "tanh": np.tanh, "sigmoid": _sigmoid, "sin": np.sin, "exp_less": lambda a: np.exp(-a * a), "half": lambda a: a / 2,
    "add": np.add, "subtract": np.subtract, "multiply": np.multiply,
    "maximum": lambda a, b: np.where(np.real(a) > np.real(b), a, b), "gated": lambda a, b: _sigmoid(a) * b,
    "softmax": lambda a: np.exp(a) / np.exp(a).sum(-1, keepdims=True),
    "centred": lambda a: a - a.mean(-1, keepdims=True),
    "normalised": lambda a: a / np.sqrt((a * a).sum(-1, keepdims=True) + 1),
    "of all rows": lambda a: a - a.mean(0, keepdims=True),
}  # fmt: skip


def loops(p: Program, arrays: dict[str, np.ndarray]) -> Any:
    """J, by loops."""
    order = range(p.steps)[::-1] if p.reverse else range(p.steps)
    history = [[arrays[f"f{n}_{lag}"] for lag in range(1, p.lags + 1)] for n in range(len(p.widths))]
    y = np.zeros((p.steps, *p.rows, p.widths[0]), dtype=complex)
    for t in order:
        old = [[*one] for one in history]
        new = [
            _loop_value(one, t, old, arrays) + np.zeros((*p.rows, w))
            for one, w in zip(p.carried, p.widths, strict=True)
        ]
        out = new[0] if p.by_index else _loop_value(p.given, t, [[one] for one in new], arrays) + np.zeros(y.shape[1:])
        if p.lengths is not None:
            lasts = (t < p.lengths)[:, None]
            new = [np.where(lasts, after, before[0]) for after, before in zip(new, old, strict=True)]
            out = np.where(lasts, out, 0)
        y[t] = out
        history = [[after, *before][: p.lags] for after, before in zip(new, old, strict=True)]
    return sum(_loop_mean(name, y, history[0][0], arrays["weight"]) for name in p.means)


def _loop_value(
    node: Any, t: int, carries: list[Any], arrays: dict[str, np.ndarray], own: Any = None, at: Any = None
) -> Any:
    kind, *parts = node

    def value(part: Any) -> Any:
        return _loop_value(part, t, carries, arrays, own, at)

    if kind == "carry":
        return carries[parts[0]][max(parts[1] - 1, 0)]
    if kind == "input":
        return arrays["x"][t]
    if kind == "parameter":
        return arrays[parts[0]]
    if kind == "product":
        return value(parts[0]) @ arrays[parts[1]]
    if kind in ("own", "at"):
        return own if kind == "own" else at
    if kind == "inner":
        name, body, first, result = parts
        state = value(first)
        total = 0 * state
        for row in arrays[name]:
            state = _loop_value(body, t, carries, arrays, state, row) + 0 * state
            total = total + state
        return state if result == "last" else total
    return NUMPY[kind](*map(value, parts))


def _loop_mean(name: str, y: Any, last: Any, weight: Any) -> Any:
    match name:
        case "weighted":
            return (weight * y).sum()
        case "last":
            return (last**3).sum()
        case "logsumexp":
            return np.log(np.exp(y).sum())
        case "squares":
            return (y * y).mean()
        case "through time":
            return np.tanh(y.sum(0)).sum()
    return np.sin(y[-1]).sum() + y[0].sum()


def derivative(p: Program, name: str) -> np.ndarray:
    """∂J/∂x for every element of an array, by complex steps."""
    found = np.zeros(p.arrays[name].shape)
    for place in np.ndindex(found.shape):
        moved = p.arrays[name].astype(complex)
        moved[place] += 1j * TINY
        found[place] = np.imag(loops(p, {**p.arrays, name: moved})) / TINY
    return found


# -- as said to symgraph ----------------------------------------------------------------------------------------------
SAID: dict[str, Callable[..., Any]] = {
    "tanh": sg.tanh, "sigmoid": sg.sigmoid, "sin": sg.sin, "exp_less": lambda a: sg.exp(-a * a),
    "half": lambda a: a / 2, "add": lambda a, b: a + b, "subtract": lambda a, b: a - b, "multiply": lambda a, b: a * b,
    "maximum": sg.maximum, "gated": lambda a, b: sg.sigmoid(a) * b,
    "softmax": sg.softmax, "centred": lambda a: a - sg.mean(a, axis=-1, keepdims=True),
    "normalised": lambda a: a / sg.sqrt(sg.sum(a * a, axis=-1, keepdims=True) + 1),
    "of all rows": lambda a: a - sg.mean(a, axis=0, keepdims=True),
}  # fmt: skip


def said(p: Program) -> tuple[sg.Tensor, dict[str, sg.Tensor], dict[str, np.ndarray]]:
    """J as symgraph reads it, its leaves by name, and their values; steps and rows may be free at run time."""
    T: Any = sg.dim("T") if p.free[0] else p.steps
    rows: tuple[Any, ...] = (sg.dim("N"),) if p.free[1] else p.rows
    leaves: dict[str, sg.Tensor] = {}
    for name, array in p.arrays.items():
        firsts = {"x": (T, *rows), "weight": (T, *rows)}.get(name, rows if name.startswith("f") else ())
        leaves[name] = sg.input(name, (*firsts, *array.shape[len(firsts) :]))
    values: dict[str, np.ndarray] = dict(p.arrays)
    length: Any = p.lengths
    if p.lengths is not None and p.free[1]:
        length = leaves["length"] = sg.labels("length", rows, classes=p.steps + 1)
        values["length"] = p.lengths
    y, last = _by_index(p, leaves, T, rows) if p.by_index else _by_scan(p, leaves, rows, length)
    total: Any = 0
    for name in p.means:
        total = total + _said_mean(name, y, last, leaves["weight"])
    return sg.as_tensor(total), leaves, values


def _by_scan(p: Program, leaves: dict[str, sg.Tensor], rows: Any, length: Any) -> tuple[sg.Tensor, sg.Tensor]:
    def step(carry: Any, at: sg.Tensor) -> Any:
        new = [
            sg.broadcast_to(_said_value(o, at, carry, leaves), (*rows, w))
            for o, w in zip(p.carried, p.widths, strict=True)
        ]
        return tuple(new), sg.broadcast_to(_said_value(p.given, at, new, leaves), (*rows, p.widths[0]))

    init = tuple(leaves[f"f{n}_1"] for n in range(len(p.widths)))
    last, y = sg.scan(step, init, leaves["x"], length, p.reverse, p.checkpoint)
    return y, last[0]


def _said_value(node: Any, x: Any, carries: Any, leaves: dict[str, sg.Tensor], own: Any = None, at: Any = None) -> Any:
    kind, *parts = node

    def value(part: Any) -> Any:
        return _said_value(part, x, carries, leaves, own, at)

    if kind == "carry":
        return carries[parts[0]]
    if kind == "input":
        return x
    if kind == "parameter":
        return leaves[parts[0]]
    if kind == "product":
        return value(parts[0]) @ leaves[parts[1]]
    if kind in ("own", "at"):
        return own if kind == "own" else at
    if kind == "inner":
        name, body, first, result = parts
        begin = sg.as_tensor(value(first))

        def inner(state: Any, row: Any) -> Any:
            new = sg.broadcast_to(_said_value(body, x, carries, leaves, state, row), begin.shape)
            return new, new

        end, every = sg.scan(inner, begin, leaves[name])
        return end if result == "last" else sg.sum(every, axis=0)
    return SAID[kind](*map(value, parts))


def _by_index(p: Program, leaves: dict[str, sg.Tensor], T: Any, rows: Any) -> tuple[sg.Tensor, sg.Tensor]:
    t, n, j = sg.indices("t n j")
    inner = iter(sg.indices(" ".join(f"q{number}" for number in range(len(p.arrays)))))
    row = (n,) if rows else ()

    def value(node: Any, carries: Sequence[Any], column: Any) -> Any:
        kind, *parts = node
        if kind == "carry":
            return carries[parts[0]][(t + parts[1] if p.reverse else t - parts[1], *row, column)]
        if kind == "input":
            return leaves["x"][(t, *row, column)]
        if kind == "parameter":
            return leaves[parts[0]][column]
        if kind == "product":
            q = next(inner)
            return sg.Sum(value(parts[0], carries, q) * leaves[parts[1]][q, column], q)
        return SAID[kind](*(value(part, carries, column) for part in parts))

    def rule(*carries: Any) -> Any:
        found = tuple(value(one, carries, j) for one in p.carried)
        return found if len(found) > 1 else found[0]

    def first(number: int) -> Any:
        sides = {T - 1 + lag if p.reverse else -lag: leaves[f"f{number}_{lag}"] for lag in range(1, p.lags + 1)}
        return sides if p.lags > 1 else next(iter(sides.values()))

    _named(rule, len(p.widths))
    shapes = [(T, *rows, width) for width in p.widths]
    firsts = [first(number) for number in range(len(p.widths))]
    one = len(p.widths) == 1
    found = sg.define((t, *row, j), rule, shapes[0] if one else shapes, firsts[0] if one else tuple(firsts))
    y = found if one else found[0]
    return y, (y[0] if p.reverse else y[-1])


def _named(rule: Any, count: int) -> None:
    """``define`` reads how many values a rule makes from its parameters."""
    import inspect

    names = [inspect.Parameter(f"c{n}", inspect.Parameter.POSITIONAL_OR_KEYWORD) for n in range(count)]
    rule.__signature__ = inspect.Signature(names)


def _said_mean(name: str, y: sg.Tensor, last: sg.Tensor, weight: sg.Tensor) -> Any:
    match name:
        case "weighted":
            return sg.sum(weight * y)
        case "last":
            return sg.sum(last**3)
        case "logsumexp":
            return sg.logsumexp(sg.ravel(y))
        case "squares":
            return sg.mean(y * y)
        case "through time":
            return sg.sum(sg.tanh(sg.sum(y, axis=0)))
    return sg.sum(sg.sin(y[-1])) + sg.sum(y[0])
