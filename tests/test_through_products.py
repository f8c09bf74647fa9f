"""Products that sums alone read: the sums go through them to products that are made anyway, if nothing is lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

import codegen
import symgraph as sg
from codegen.plan.merge import merge
from codegen.plan.through_products import sum_through_products
from symgraph import nn
from symgraph.core.graph import topological
from symgraph.reference import evaluate
from tests.sizes import examples

N, T, D = sg.dim("N"), 4, 3
x = sg.input("x", (N, T, D))
scale, shift = sg.parameter("scale", (D,)), sg.parameter("shift", (D,))
one, other = sg.parameter("one", (D, 5)), sg.parameter("other", (6, D))
normed = (x - sg.mean(x, axis=-1, keepdims=True)) / sg.sqrt(sg.var(x, axis=-1, keepdims=True) + 1e-5)


def _values(leaves: Sequence[sg.Tensor], seed: int = 0, rows: int = 7) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {t.display_name: random.normal(size=[int(size.subs(N, rows)) for size in t.shape]) for t in leaves}


def _gradients(h: sg.Tensor, leaves: Sequence[sg.Tensor], *asked: sg.Tensor) -> tuple[list[sg.Tensor], list[sg.Tensor]]:
    """∂/∂leaves of a loss of two products of h, one with its weight turned: as they were, and through."""
    loss = sg.sum(sg.sin(h @ one)) + sg.sum(sg.tanh(h @ other.T) ** 2)
    roots = [*(sg.grad(loss, leaf) for leaf in leaves), *asked]
    merged = merge(roots)
    before = [merged[root] for root in roots]
    through = sum_through_products(before)
    return before, [through[root] for root in before]


def _products(roots: Sequence[sg.Tensor]) -> int:
    """Values for each row that are sums over columns of a weight."""
    sums = (t for t in topological(roots) if t.definition is not None and t.definition.op == "sum")
    return sum(t.shape == (N, T, D) for t in sums)


def _agree(before: Sequence[sg.Tensor], after: Sequence[sg.Tensor], given: Mapping[str, np.ndarray]) -> None:
    for old, new in zip(before, after, strict=True):
        np.testing.assert_allclose(evaluate(new, given), evaluate(old, given), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("seed", range(examples(2, 50)))
def test_gradients_of_a_scale_and_a_shift_of_normed_data_take_no_products(seed: int) -> None:
    leaves = [scale, shift, one, other]
    before, after = _gradients(normed * scale + shift, leaves)
    assert _products(before) == 2 and _products(after) == 0
    _agree(before, after, _values([x, *leaves], seed))


@pytest.mark.parametrize("h", [normed * scale, normed + shift, normed * (1 + scale) ** 2 - shift])
def test_the_same_of_a_part_of_it(h: sg.Tensor) -> None:
    leaves = [leaf for leaf in (scale, shift, one, other) if leaf in topological([h, one, other])]
    before, after = _gradients(h, leaves)
    assert _products(after) < _products(before)
    _agree(before, after, _values([x, *leaves]))


def test_what_is_added_at_each_place_of_data_takes_a_product_of_places_not_of_rows() -> None:
    places = sg.parameter("places", (T, D))
    before, after = _gradients(x + places, [places])
    assert _products(before) == 2 and _products(after) == 0
    _agree(before, after, _values([x, places, one, other]))


def test_a_product_that_others_read_is_made() -> None:
    """The norm's data are trained, the product is asked for, or it would take a product that nobody makes."""
    data, exact = sg.parameter("data", (7, T, D)), sg.input("exact", (N, T, D))
    mean = sg.mean(data, axis=-1, keepdims=True)
    for h, leaves in (
        ((data - mean) / sg.sqrt(mean**2 + 1) * scale, [scale, data, one, other]),
        (normed * scale + shift, [scale, shift]),
        (exact * scale + shift, [scale, shift, one, other]),  # x − 1000 of x near 1000 has lost nothing
        (sg.abs(exact) * scale + shift, [scale, shift, one, other]),
    ):
        before, after = _gradients(h, leaves)
        assert before == after
    h = normed * scale + shift
    asked = sg.grad(sg.sum(sg.sin(h @ one)), h)
    before, after = _gradients(h, [scale, shift, one, other], asked)
    assert after[-1] is before[-1]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_step_of_an_attention_after_a_norm(dtype: str) -> None:
    """Queries, keys and values of heads: three products fewer, and the next parameters are those of the formulas."""
    data = sg.input("data", (N, 6, 8))
    h = nn.LayerNorm(8, name="norm")(data)
    heads = (sg.moveaxis(sg.reshape(nn.Linear(8, 8, name=name)(h), (N, 6, 2, 4)), 2, 1) for name in "qkv")
    y = sg.reshape(sg.moveaxis(sg.scaled_dot_product_attention(*heads), 1, 2), (N, 6, 8))
    loss = sg.mean((data + y) ** 2)
    leaves = [leaf for leaf in topological([loss]) if leaf.kind == "parameter"]
    gradients = [sg.grad(loss, leaf) for leaf in leaves]
    function = codegen.function([data, *leaves], gradients, dtype)
    given = _values([data, *leaves])
    found = function(*(given[t.display_name].astype(dtype) for t in [data, *leaves]))
    for leaf, gradient, got in zip(leaves, gradients, found, strict=True):
        expected = evaluate(gradient, given)
        close = 2e-4 if dtype == "float32" else 1e-11
        np.testing.assert_allclose(got, expected, rtol=close, atol=close, err_msg=leaf.display_name)
