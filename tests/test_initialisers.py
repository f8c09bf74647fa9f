"""Initialisers: every row by the moments and bounds that its formula says, gains as PyTorch's."""

from __future__ import annotations

import math

import numpy as np
import pytest

import symgraph as sg
from symgraph.errors import DomainError
from symgraph.vocabulary.init import INITIALISERS, Initializer

SHAPE = (120, 200)
STD: dict[str, tuple[Initializer, float]] = {
    "zeros": (sg.init.zeros(), 0),
    "ones": (sg.init.ones(), 0),
    "constant": (sg.init.constant(3), 0),
    "uniform": (sg.init.uniform(-1, 3), 4 / math.sqrt(12)),
    "normal": (sg.init.normal(0.5, 2), 0.5),
    "trunc_normal": (sg.init.trunc_normal(), 0.8796256610342398),
    "xavier_uniform": (sg.init.xavier_uniform(2), 2 * math.sqrt(2 / 320)),
    "xavier_normal": (sg.init.xavier_normal(2), 2 * math.sqrt(2 / 320)),
    "kaiming_uniform": (sg.init.kaiming_uniform(mode="fan_out"), math.sqrt(2 / 200)),
    "kaiming_normal": (sg.init.kaiming_normal(), math.sqrt(2 / 120)),
    "lecun_uniform": (sg.init.lecun_uniform(), math.sqrt(1 / 120)),
    "lecun_normal": (sg.init.lecun_normal(), math.sqrt(1 / 120)),
    "orthogonal": (sg.init.orthogonal(2), 2 * math.sqrt(1 / 200)),
    "eye": (sg.init.eye(), math.sqrt(1 / 200 * (1 - 1 / 200))),
    "sparse": (sg.init.sparse(0.75, std=1), math.sqrt(0.25)),
}


@pytest.mark.parametrize("name", STD)
def test_the_spread_is_that_of_the_formula(name: str) -> None:
    initializer, std = STD[name]
    values = initializer(np.random.default_rng(0), SHAPE)
    assert values.shape == SHAPE and values.dtype == np.float64
    np.testing.assert_allclose(values.std(), std, rtol=0.02, atol=1e-15)
    np.testing.assert_array_equal(values, initializer(np.random.default_rng(0), SHAPE))


def test_every_row_is_in_the_table() -> None:
    assert STD.keys() == INITIALISERS.keys()


def test_bounds_orthogonality_and_gains() -> None:
    values = sg.init.trunc_normal(2.0, 1.0, -1.0, 2.0)(np.random.default_rng(0), SHAPE)
    assert -1 <= values.min() < -0.99 and 1.99 < values.max() <= 2
    q = sg.init.orthogonal()(np.random.default_rng(0), (4, 6))
    np.testing.assert_allclose(q @ q.T, np.eye(4), atol=1e-14)
    few = sg.init.sparse(0.5)(np.random.default_rng(0), (4, 7))
    assert ((few == 0).sum(axis=1) == 4).all() and np.abs(few).max() < 0.1, "four of seven weights of every input"
    torch = pytest.importorskip("torch")
    for name in ("linear", "sigmoid", "tanh", "relu", "selu", "leaky_relu"):
        assert sg.init.calculate_gain(name) == pytest.approx(torch.nn.init.calculate_gain(name), rel=1e-15)


def test_errors_say_what_is_known() -> None:
    with pytest.raises(DomainError, match="no gain is known for 'gelu'; known are linear"):
        sg.init.calculate_gain("gelu")
    with pytest.raises(DomainError, match='kaiming_normal: mode is "fan_in" or "fan_out", not \'fan\''):
        sg.init.kaiming_normal(mode="fan")
    with pytest.raises(DomainError, match=r"trunc_normal: \[9, 10\] has next to nothing"):
        sg.init.trunc_normal(a=9, b=10)
