"""Random programs of index notation, each beside plain loops that mean the same: an oracle that knows no symgraph.

    value = x[:, ::-2];  value = Σ_q value[n, 2·p + q]·w[q];  value = value[t[n], t[n]];  …;  loss = Σ c·value

A program carries a tensor and a function from indices to a number; both are built step by step. Values and gradients of
the tensor are then compared with those of the function, derivatives by central differences in 40 digits.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import mpmath
import numpy as np
import sympy as sp

import symgraph as sg
from symgraph.core.tensor import Tensor

At = Callable[..., Any]
MOST_ELEMENTS = 60


@dataclass
class Program:
    """A value under construction: the tensor, its shape in numbers, and what an element is, by loops."""

    random: random.Random
    tensor: Tensor
    shape: tuple[int, ...]
    at: At
    leaves: dict[str, Tensor] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    real: list[str] = field(default_factory=list)
    memo: dict[Any, Any] = field(default_factory=dict)
    story: list[str] = field(default_factory=list)

    def number(self, name: str) -> At:
        """An element of a leaf, by its present array."""
        return lambda *at: self.arrays[name][at]

    def leaf(self, shape: Sequence[int], sizes: Sequence[Any] | None = None) -> tuple[Tensor, At]:
        """A new real input."""
        name = f"x{len(self.leaves)}"
        self.leaves[name] = sg.input(name, tuple(shape if sizes is None else sizes))
        self.arrays[name] = _numbers(self.random, shape)
        self.real.append(name)
        return self.leaves[name], self.number(name)

    def labels(self, count: int, size: Any, classes: int) -> tuple[Tensor, At]:
        """New labels, some of them alike."""
        name = f"t{len(self.leaves)}"
        self.leaves[name] = sg.labels(name, (size,), classes=classes)
        self.arrays[name] = np.array([self.random.randrange(classes) for _ in range(count)])
        return self.leaves[name], lambda *at: int(self.arrays[name][at])

    def becomes(self, what: str, tensor: Tensor, shape: Sequence[int], at: At) -> None:
        """Go on with another value; its elements are computed once."""
        memo, number = self.memo, len(self.story)

        def once(*indices: int) -> Any:
            if (number, indices) not in memo:
                memo[number, indices] = at(*indices)
            return memo[number, indices]

        self.story.append(f"{what} → {tuple(shape)}")
        self.tensor, self.shape, self.at = tensor, tuple(shape), once


def _numbers(source: random.Random, shape: Sequence[int]) -> np.ndarray:
    """Numbers of few digits, no two of one size, so that an extremum, of squares too, has one place."""
    count = int(np.prod(shape))
    picked = source.sample(range(1, 801), count)
    array = np.empty(count, dtype=object)
    array[:] = [source.choice((1, -1)) * mpmath.mpf(value) / 512 for value in picked]
    return array.reshape(tuple(shape))


def begin(seed: int) -> Program:
    """A program that is one input of one to three axes, some of symbolic size."""
    source = random.Random(seed)
    shape = [source.choice((1, 2, 3, 3, 4, 5)) for _ in range(source.choice((1, 2, 2, 3)))]
    program = Program(source, sg.as_tensor(0), (), lambda: 0)
    dims = [sg.dim(f"N{d}") if source.random() < 0.5 else size for d, size in enumerate(shape)]
    tensor, at = program.leaf(shape, dims)
    program.becomes("input", tensor, shape, at)
    return program


# -- steps ------------------------------------------------------------------------------------------------------------


def sliced(p: Program) -> None:
    """NumPy's slices and integers, negative ones too."""
    keys: list[Any] = []
    picks: list[Any] = []
    for size in p.shape:
        kind = p.random.choice(("all", "all", "number", "slice", "slice", "slice"))
        if kind == "all":
            key: Any = slice(None)
        elif kind == "number":
            key = p.random.randrange(-size, size)
        else:
            ends = [None, *range(-size, size)]
            key = slice(p.random.choice(ends), p.random.choice(ends), p.random.choice((None, 1, 2, 3, -1, -2)))
            if not list(range(size))[key]:
                key = slice(None, None, p.random.choice((-1, 2)))
        keys.append(key)
        picks.append(list(range(size))[key])
    inner = p.at
    axes = [d for d, pick in enumerate(picks) if isinstance(pick, list)]

    def at(*indices: int) -> Any:
        where = list(picks)
        for d, index in zip(axes, indices, strict=True):
            where[d] = picks[d][index]
        return inner(*where)

    p.becomes(f"[{keys}]", p.tensor[tuple(keys)], [len(picks[d]) for d in axes], at)


def window(p: Program) -> None:
    """Σ_q v[…, s·o + d·q]·w[q] along an axis."""
    d = p.random.randrange(len(p.shape))
    size, extent = p.shape[d], p.tensor.shape[d]
    width, stride, dilation = p.random.randint(1, 3), p.random.randint(1, 3), p.random.randint(1, 2)
    reach = dilation * (width - 1)
    if reach >= size:
        return
    count = (size - 1 - reach) // stride + 1
    shown = (extent - 1 - reach) // stride + 1
    weight, weight_at = p.leaf((width,))
    free, q = _indices(len(p.shape)), sg.indices("q")[0]
    index = [*free[:d], stride * free[d] + dilation * q, *free[d + 1 :]]
    tensor = sg.define(
        free, sg.Sum(p.tensor[tuple(index)] * weight[q], q), [*p.tensor.shape[:d], shown, *p.tensor.shape[d + 1 :]]
    )
    inner = p.at

    def at(*i: int) -> Any:
        return sum(inner(*i[:d], stride * i[d] + dilation * k, *i[d + 1 :]) * weight_at(k) for k in range(width))

    p.becomes(
        f"window {width} stride {stride} dilation {dilation} of axis {d}",
        tensor,
        [*p.shape[:d], count, *p.shape[d + 1 :]],
        at,
    )


def gathered(p: Program) -> None:
    """v[…, t[n], …] with one label for one or several axes."""
    count = p.random.randint(1, 4)
    size: Any = sg.dim(f"M{len(p.leaves)}") if p.random.random() < 0.5 else count
    axes = sorted(p.random.sample(range(len(p.shape)), p.random.randint(1, len(p.shape))))
    for d in axes:
        if not p.tensor.shape[d].is_Integer:
            return
    shared = p.random.random() < 0.6
    classes = min(p.shape[d] for d in axes)
    one = p.labels(count, size, classes) if shared else None
    labels = {d: one or p.labels(count, size, p.shape[d]) for d in axes}
    free, n = _indices(len(p.shape)), sg.indices("n")[0]
    kept = [d for d in range(len(p.shape)) if d not in axes]
    index = [labels[d][0][n] if d in axes else free[d] for d in range(len(p.shape))]
    shape = [size, *(p.tensor.shape[d] for d in kept)]
    inner = p.at

    def at(*i: int) -> Any:
        rest = iter(i[1:])
        return inner(*(labels[d][1](i[0]) if d in axes else next(rest) for d in range(rank)))

    rank = len(p.shape)
    p.becomes(
        f"gather {axes}",
        sg.define([n, *(free[d] for d in kept)], p.tensor[tuple(index)], shape),
        [count, *(p.shape[d] for d in kept)],
        at,
    )


def diagonal(p: Program) -> None:
    """v[…, i, …, i, …], or v[i + j, i + 2·j]."""
    if len(p.shape) < 2:
        return
    first, second = sorted(p.random.sample(range(len(p.shape)), 2))
    if not (p.tensor.shape[first].is_Integer and p.tensor.shape[second].is_Integer):
        return
    free = _indices(len(p.shape))
    inner = p.at
    if p.random.random() < 0.5 or min(p.shape[first], p.shape[second]) < 2:
        count = min(p.shape[first], p.shape[second])
        index = [free[first] if d in (first, second) else free[d] for d in range(len(p.shape))]
        order = [index for d, index in enumerate(free) if d != second]
        shape = [sp.Integer(count) if d == first else s for d, s in enumerate(p.tensor.shape) if d != second]
        numbers = [count if d == first else s for d, s in enumerate(p.shape) if d != second]
        if p.shape[first] != p.shape[second]:
            return
        p.becomes("diagonal", sg.define(order, p.tensor[tuple(index)], shape), numbers,
                  lambda *i: inner(*i[:second], i[first], *i[second:]))  # fmt: skip
        return
    a, b = 2, min(p.shape[first] - 1, (p.shape[second] - 2) // 2 + 1)
    if b < 1 or 1 + 2 * (b - 1) >= p.shape[second]:
        return
    index = list(free)
    index[first], index[second] = free[first] + free[second], free[first] + 2 * free[second]
    shape = [a if d == first else b if d == second else s for d, s in enumerate(p.tensor.shape)]
    numbers = [a if d == first else b if d == second else s for d, s in enumerate(p.shape)]

    def at(*i: int) -> Any:
        where = list(i)
        where[first], where[second] = i[first] + i[second], i[first] + 2 * i[second]
        return inner(*where)

    p.becomes("skew", sg.define(free, p.tensor[tuple(index)], shape), numbers, at)


def reduced(p: Program) -> None:
    """A sum, mean, maximum or minimum over some axes."""
    axes = tuple(sorted(p.random.sample(range(len(p.shape)), p.random.randint(1, len(p.shape)))))
    kind, keeps = p.random.choice(("sum", "mean", "max", "min")), p.random.random() < 0.4
    tensor = getattr(sg, kind)(p.tensor, axis=axes, keepdims=keeps)
    fold: Any = {"sum": sum, "max": max, "min": min, "mean": lambda v: sum(v) / len(v)}[kind]
    inner, full = p.at, p.shape
    kept = [d for d in range(len(full)) if d not in axes]

    def at(*i: int) -> Any:
        known = dict(zip(range(len(full)) if keeps else kept, i, strict=True))
        runs = [range(size) if d in axes else [known[d]] for d, size in enumerate(full)]
        return fold([inner(*where) for where in itertools.product(*runs)])

    numbers = [1 if d in axes else s for d, s in enumerate(full) if keeps or d not in axes]
    p.becomes(f"{kind} over {axes}", tensor, numbers, at)


def best(p: Program) -> None:
    """v[…, argmax over an axis, …] of a product with a new input: a gather by a computed label."""
    d = p.random.randrange(len(p.shape))
    other, other_at = p.leaf(p.shape, p.tensor.shape)
    free, k = _indices(len(p.shape)), sg.indices("k")[0]
    index = tuple([*free[:d], k, *free[d + 1 :]])
    place = sg.ArgMin(p.tensor[index] * other[index], k)
    rest = [*free[:d], *free[d + 1 :]]
    tensor = sg.define(
        rest, p.tensor[tuple([*free[:d], place, *free[d + 1 :]])], [*p.tensor.shape[:d], *p.tensor.shape[d + 1 :]]
    )
    inner, size = p.at, p.shape[d]

    def at(*i: int) -> Any:
        where = [(*i[:d], at_k, *i[d:]) for at_k in range(size)]
        return inner(*min(where, key=lambda w: inner(*w) * other_at(*w)))

    p.becomes(f"best along {d}", tensor, [*p.shape[:d], *p.shape[d + 1 :]], at)


def mapped(p: Program) -> None:
    """A function of every element, sometimes under a condition."""
    name, formula, function = p.random.choice((
        ("sin", sp.sin, mpmath.sin),
        ("square", lambda v: v**2, lambda v: v * v),
        ("exp", lambda v: sp.exp(v / 4), lambda v: mpmath.exp(v / 4)),
        ("relu", lambda v: sp.Max(v, 0), lambda v: max(v, 0)),
    ))  # fmt: skip
    inner = p.at
    p.becomes(name, sg.as_tensor(formula(p.tensor)), p.shape, lambda *i: function(inner(*i)))


def scaled(p: Program) -> None:
    """A product with a new input that broadcasts, minus one element."""
    sizes = [1 if p.random.random() < 0.4 else size for size in p.shape]
    shown = [1 if size == 1 else extent for size, extent in zip(sizes, p.tensor.shape, strict=True)]
    other, other_at = p.leaf(sizes, shown)
    zero = (0,) * len(p.shape)
    free = _indices(len(p.shape))
    read = other[tuple(0 if size == 1 else index for size, index in zip(sizes, free, strict=True))] if free else other
    tensor = sg.define(free, (p.tensor[tuple(free)] if free else p.tensor) * read - p.tensor[zero], p.tensor.shape)
    inner = p.at

    def at(*i: int) -> Any:
        there = [0 if size == 1 else k for size, k in zip(sizes, i, strict=True)]
        return inner(*i) * other_at(*there) - inner(*zero)

    p.becomes("scale", tensor, p.shape, at)


def turned(p: Program) -> None:
    """A product with the transposed value, in two axes of one size."""
    inner, rank = p.at, len(p.shape)
    p.becomes("transpose", p.tensor.T, p.shape[::-1], lambda *i: inner(*i[::-1])) if rank > 1 else None


def paired(p: Program) -> None:
    """v[t[n], …]·v[s[n], …] below a sine: two scatters into one gradient."""
    if not p.tensor.shape[0].is_Integer:
        return
    count = p.random.randint(1, 4)
    size: Any = sg.dim(f"M{len(p.leaves)}") if p.random.random() < 0.5 else count
    t, t_at = p.labels(count, size, p.shape[0])
    s, s_at = p.labels(count, size, p.shape[0])
    free, n = _indices(len(p.shape)), sg.indices("n")[0]
    left, right = (p.tensor[(label[n], *free[1:])] for label in (t, s))
    inner = p.at
    tensor = sg.define([n, *free[1:]], sp.sin(left * right), [size, *p.tensor.shape[1:]])
    p.becomes("pair", tensor, [count, *p.shape[1:]],
              lambda *i: mpmath.sin(inner(t_at(i[0]), *i[1:]) * inner(s_at(i[0]), *i[1:])))  # fmt: skip


STEPS = (sliced, sliced, window, gathered, gathered, diagonal, reduced, best, mapped, scaled, turned, paired)


def _indices(count: int) -> list[Any]:
    return list(sg.indices(" ".join(f"i{d}" for d in range(count)))) if count else []


def make(seed: int) -> Program:
    """A program of one to five steps, and at last its weighted sum."""
    p = begin(seed)
    for _ in range(p.random.randint(1, 5)):
        if not p.shape:
            break
        p.random.choice(STEPS)(p)
        if p.random.random() < 0.3:
            p.tensor.kept = True
        if np.prod(p.shape) > MOST_ELEMENTS:
            break
    weights, weights_at = p.leaf(p.shape, p.tensor.shape)
    inner, shape = p.at, p.shape
    total = sg.sum(p.tensor * weights) if p.shape else p.tensor * weights
    p.becomes("weighted sum", total, (), lambda: mpmath.fsum(inner(*i) * weights_at(*i) for i in np.ndindex(shape)))
    return p


# -- the oracle -------------------------------------------------------------------------------------------------------


def value(p: Program) -> Any:
    """The loss by loops."""
    p.memo.clear()
    return p.at()


def difference(p: Program, name: str) -> np.ndarray:
    """∂loss/∂leaf by central differences in 40 digits."""
    array = p.arrays[name]
    result = np.empty(array.shape)
    with mpmath.workdps(40):
        step = mpmath.mpf(10) ** -12
        for place in np.ndindex(array.shape):
            before = array[place]
            ends = []
            for sign in (1, -1):
                array[place] = before + sign * step
                ends.append(value(p))
            array[place] = before
            result[place] = (ends[0] - ends[1]) / (2 * step)
    p.memo.clear()
    return result


def curvature(p: Program, ways: dict[str, np.ndarray]) -> float:
    """dᵀ·∂²loss·d along a direction of some leaves, by a second difference in 60 digits."""
    before = {name: p.arrays[name].copy() for name in ways}
    with mpmath.workdps(60):
        step, ends = mpmath.mpf(10) ** -12, []
        for sign in (1, 0, -1):
            for name, way in ways.items():
                moved = np.empty(way.shape, object)
                for place in np.ndindex(way.shape):
                    moved[place] = before[name][place] + sign * step * mpmath.mpf(float(way[place]))
                p.arrays[name][...] = moved
            ends.append(value(p))
        found = (ends[0] - 2 * ends[1] + ends[2]) / step**2
    for name, array in before.items():
        p.arrays[name][...] = array
    p.memo.clear()
    return float(found)


def given(p: Program) -> dict[str, np.ndarray]:
    """The arrays as a call takes them."""
    return {n: np.array(a, dtype=np.float64 if n in p.real else np.int64) for n, a in p.arrays.items()}
