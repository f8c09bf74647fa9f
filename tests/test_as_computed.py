"""What is shown "as computed" is what runs: the functions in the table are those of the generated source."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
import pytest

import codegen
import symgraph as sg
from symgraph.core.graph import topological
from symgraph.core.tensor import Tensor
from symgraph.display.explain import explain
from symgraph.display.table import Explanation

N = sg.dim("N")
FUNCTIONS = {"σ": "sigmoid", "√": "sqrt"}
WATCHED = {"exp", "log", "log1p", "expm1", "softplus", "sigmoid", "tanh", "sin", "cos"}


def softplus_of_rows() -> Tensor:
    x, t, w = sg.input("x", (N, 4)), sg.input("t", (N,)), sg.parameter("w", (4,))
    z = x @ w
    per_row = 1 + sg.exp(z)
    return sg.mean(sg.log(per_row) - t * z)


def softplus_in_use() -> Tensor:
    x, t, w = sg.input("x", (N, 4)), sg.input("t", (N,)), sg.parameter("w", (4,))
    z = x @ w
    per_row = 1 + sg.exp(z)
    return sg.mean(sg.log(per_row) * t + sg.sin(per_row))


def softmax_twice() -> Tensor:
    x, t, W = sg.input("x", (N, 4)), sg.labels("t", (N,), 3), sg.parameter("W", (4, 3))
    y = sg.softmax(x @ W)
    return sg.nll_of_probabilities(y, t) + sg.mean(y**2)


def mixture() -> Tensor:
    x, m, s = sg.input("x", (N,)), sg.parameter("m", (3,)), sg.parameter("s", (3,))
    n, k = sg.indices("n k")
    gap = sg.define((n, k), x[n] - m[k])
    return -sg.mean(sg.logsumexp(-gap * gap * sg.exp(-2 * s) / 2 - s))


def probabilities() -> Tensor:
    x, t, w = sg.input("x", (N, 4)), sg.input("t", (N,)), sg.parameter("w", (4,))
    y = 1 / (1 + sg.exp(-(x @ w)))
    return -sg.mean(t * sg.log(y) + (1 - t) * sg.log(1 - y))


def effective(table: Explanation) -> dict[str, str]:
    """The last row of every name."""
    return {row.cells()[0]: row.cells()[1] for section in table.sections for row in section.rows}


def functions_in(rows: Iterable[str]) -> set[str]:
    found = {name for row in rows for name in re.findall(r"([^\W\d]\w*)\(", row)}
    return {FUNCTIONS.get(name, name) for name in found} & WATCHED


@pytest.mark.parametrize("make", [softplus_of_rows, softplus_in_use, softmax_twice, mixture, probabilities])
def test_functions_of_the_table_are_those_of_the_source(make) -> None:
    J = make()
    source = codegen.train_step(J).source
    runs = set(re.findall(r"\b([a-z0-9]\w*)\(", re.sub(r"#.*", "", source))) & WATCHED
    table = explain(J, sg.SGD())
    computed = [row.cells()[1] for s in table.sections if "as computed" in s.title for row in s.rows]
    assert runs <= functions_in(effective(table).values())
    assert functions_in(computed) <= runs


def test_a_cotangent_through_a_growing_value_is_right_where_that_overflows() -> None:
    """∂J/∂z = ∂J/∂e·e is ∞·0 where e = exp(z) overflows: it was NaN."""
    x, t, w = sg.input("x", (N, 1)), sg.input("t", (N,)), sg.parameter("w", (1,))
    z = x @ w
    e = sg.exp(z)
    J = sg.sum(sg.log(1 + e) - t * z)
    gradient = codegen.function([x, t, w], sg.grad(J, w))
    at = np.array([[800.0], [-800.0], [0.0]])
    assert gradient(at[:1], np.zeros(1), np.ones(1)) == [800.0]
    assert gradient(at, np.zeros(3), np.ones(1)) == [800.0]


def test_the_backward_pass_is_shown_as_it_runs() -> None:
    rows = {s.title: {r.cells()[0]: r.cells()[1] for r in s.rows} for s in explain(softplus_of_rows()).sections}
    assert rows["Forward as computed"] == {"J": "J = (1/N)·Σ_n (softplus(z[n]) − t[n]·z[n])"}
    assert rows["Backward as computed"]["∂J/∂z (N,)"] == "∂J/∂z[n] = (σ(z[n]) − t[n])/N"


def test_a_value_that_only_the_backward_pass_reads_is_shown_as_it_runs() -> None:
    x, t, W = sg.input("x", (N, 4)), sg.labels("t", (N,), 3), sg.parameter("W", (4, 3))
    z = x @ W
    J = sg.cross_entropy(z, t)
    assert re.fullmatch(r"y\[n, j\] = exp\(([av]1)\[n, j\]\)/s1\[n\]", effective(explain(J))["y (N, 3)"])


def test_a_derivation_ends_with_what_runs() -> None:
    z = sg.input("z", (N,))
    e = sg.exp(z)
    per_row = 1 + e
    J = sg.sum(sg.log(per_row) ** 2)
    [*_, last] = [line for line in str(sg.derivation(J, z)).splitlines() if "as computed" in line]
    assert "σ(z[n])" in last or "σ(−z[n])" in last
    assert "softplus(z[n])" in last


def test_a_softmax_of_scaled_scores_is_shifted_once() -> None:
    """Forward and backward: Σ_j v̄·y is no sum of exponentials to be shifted again, whatever u/2 is called."""
    q, k, v = (sg.parameter(name, (3, 4)) for name in "qkv")
    out = sg.scaled_dot_product_attention(q, k, v)
    stable = sg.stabilise([sg.mean(out**2), *sg.grad(sg.mean(out**2), [q, k, v]).values()])
    assert sum(t.definition is not None and t.definition.op == "max" for t in topological(stable)) == 1
