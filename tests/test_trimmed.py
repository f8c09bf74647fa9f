"""Values of which a part is 0 always, and what reads them: the part that is left is all that is computed."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

import codegen
import symgraph as sg
from tests.sizes import examples

SIZE = 12
p, q = sg.input("p", (SIZE,)), sg.input("q", (SIZE, SIZE))
i, k = sg.indices("i k", SIZE)
VALUES = {"p": np.random.default_rng(1).standard_normal(SIZE), "q": np.random.default_rng(2).normal(size=(SIZE, SIZE))}
PLACES = np.arange(SIZE)


def where(condition: sp.Basic, value: sp.Expr) -> sp.Expr:
    return sp.Piecewise((value, condition), (0, True))


class Programs:
    """Random values of twelve places, as tensors and as NumPy has them."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.made = [(p, VALUES["p"]), *(self.part() for _ in range(4))]
        for _ in range(4):
            self.made.append(self.reader())

    def guard(self) -> tuple[sp.Basic, np.ndarray]:
        """A range of places."""
        low, high = sorted(self.random.choice(SIZE + 1, 2, replace=False))
        return sp.And(i >= int(low), i < int(high)), np.isin(PLACES, range(low, high))

    def part(self) -> tuple[sg.Tensor, np.ndarray]:
        """A value beside which there is 0: of elements, of a sum of such, or of a sum that is such."""
        (condition, inside), kind = self.guard(), self.random.integers(3)
        if kind == 0:
            return sg.define((i,), where(condition, p[i] ** 2)), np.where(inside, VALUES["p"] ** 2, 0)
        term, values = q[i, k] * p[k], np.where(inside, VALUES["q"] @ VALUES["p"], 0)
        inside_of_it, whole = sg.Sum(where(condition, term), (k, SIZE)), where(condition, sg.Sum(term, (k, SIZE)))
        return sg.define((i,), inside_of_it if kind == 1 else whole), values

    def read(self) -> tuple[sp.Expr, np.ndarray]:
        """An element of a value: in its place, from the other end, or some places before, where there is one."""
        tensor, values = self.made[self.random.integers(len(self.made))]
        way, shift = self.random.integers(3), int(self.random.integers(1, 5))
        if way == 0:
            return tensor[i], values
        if way == 1:
            return tensor[SIZE - 1 - i], values[::-1]
        return where(i >= shift, tensor[i - shift]), np.concatenate([np.zeros(shift), values[:-shift]])

    def reader(self) -> tuple[sg.Tensor, np.ndarray]:
        (one, a), (other, b), (third, c) = self.read(), self.read(), self.read()
        formula, values = [
            (one + other, a + b), (one * other + third, a * b + c), (one * (other + third), a * (b + c)),
            (one * other * third, a * b * c), (one - 2 * other + 1, a - 2 * b + 1),
        ][self.random.integers(5)]  # fmt: skip
        if self.random.integers(2):
            condition, inside = self.guard()
            formula, values = where(condition, formula), np.where(inside, values, 0)
        return sg.define((i,), formula), values


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("seed", range(examples(6, 400)))
def test_what_reads_parts_of_values(seed: int) -> None:
    """{a[i] + b[i] if i < 10}, a[i] = {p[i]² if i < 5}, was 0 from 5 on: one term's condition became that of all."""
    made = Programs(seed).made[1:]
    total = sg.sum(sum(tensor * tensor for tensor, _ in made[4:]))
    found = codegen.function([p, q], [tensor for tensor, _ in made] + [total], "float64")(VALUES["p"], VALUES["q"])
    for values, (_, expected) in zip(found, made, strict=False):
        np.testing.assert_allclose(values, expected, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(found[-1], sum((values**2).sum() for _, values in made[4:]), rtol=1e-10)
    slope = codegen.function([p, q], [total, sg.grad(total, p)], "float64")
    direction = np.random.default_rng(seed).standard_normal(SIZE)
    ends = [slope(VALUES["p"] + way * direction, VALUES["q"])[0] for way in (1e-6, -1e-6)]
    along = slope(VALUES["p"], VALUES["q"])[1] @ direction
    np.testing.assert_allclose((ends[0] - ends[1]) / 2e-6, along, rtol=1e-5, atol=1e-6 * float(found[-1]))
    last = codegen.function([p, q], made[-1][0], "float64")(VALUES["p"], VALUES["q"])
    np.testing.assert_allclose(last, made[-1][1], rtol=1e-10, atol=1e-10)


@pytest.mark.usefixtures("plain")
def test_sums_of_parts_are_added_up_where_they_are() -> None:
    """Σ_k {v[k, i − 4] if i ≥ 4} is a sum of eight columns, not one of twelve that asks each time."""
    v = sg.input("v", (7, 8))
    part = sg.define((i,), sg.Sum(where(i >= 4, v[k, i - 4]), (k, 7)))
    function = codegen.function([v, p], sg.define((i,), part[i] + p[i]), "float64")
    assert "Σ_j v[j, i]" in function.source or "Σ_i v[i, j]" in function.source, function.source
    given = np.random.default_rng(0).standard_normal((7, 8))
    np.testing.assert_allclose(function(given, VALUES["p"]), VALUES["p"] + np.r_[np.zeros(4), given.sum(0)])
