"""Running values against PyTorch, and against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

import symgraph as sg
from symgraph.errors import DomainError, ShapeError
from symgraph.reference import evaluate

N, T = sg.dim("N"), sg.dim("T")
RNG = np.random.default_rng(5)


@pytest.mark.parametrize("name", ["cumsum", "cumprod", "logcumsumexp", "cummax", "cummin"])
@pytest.mark.parametrize("zeros", [0, 1, 2])
def test_values_and_gradients_are_pytorchs(name: str, zeros: int) -> None:
    """Of rows with no zero, one, and several: where a product has one, its derivative there is that of the others."""
    torch = pytest.importorskip("torch")
    array, weights = RNG.normal(size=(3, 5)), RNG.normal(size=(3, 5))
    if name.startswith("cump"):
        array[:, [1, 4][:zeros]] = 0
    x, w = sg.input("x", (N, T)), sg.input("w", (N, T))
    y = getattr(sg, name)(x, 1)
    given = torch.tensor(array, requires_grad=True)
    found = getattr(torch, name)(given, 1)
    found = found if isinstance(found, torch.Tensor) else found.values
    (found * torch.tensor(weights)).sum().backward()
    got = evaluate([y, sg.grad(sg.sum(w * y), x)], {"x": array, "w": weights})
    np.testing.assert_allclose(got[0], found.detach().numpy(), rtol=1e-13)
    np.testing.assert_allclose(got[1], given.grad.numpy(), rtol=1e-12, atol=1e-15)


def test_axes_directions_and_ties() -> None:
    x = sg.input("x", (3, 2))
    array = np.array([[1.0, 5.0], [2.0, 5.0], [0.0, 7.0]])
    assert evaluate(np.cumsum(x), {"x": array}).tolist() == np.cumsum(array).tolist()
    assert evaluate(sg.cumsum(x, 0, reverse=True), {"x": array}).tolist() == [[3, 17], [2, 12], [0, 7]]
    most = sg.cummax(x, 0)
    assert evaluate(sg.grad(sg.sum(most), x), {"x": array}).tolist() == [[1, 2], [2, 0], [0, 1]]
    array[1, 0] = np.nan
    assert np.isnan(evaluate(most, {"x": array})[:, 0]).tolist() == [False, True, True]
    large = np.array([[-1000.0, 1000.0], [1000.0, 1000.0], [0.0, -1000.0]])
    y = sg.logcumsumexp(x, 0, reverse=True)
    slope = sg.grad(sg.sum(y), x)
    np.testing.assert_allclose(evaluate(y, {"x": large})[0], [1000, 1000 + np.log(2)])
    np.testing.assert_allclose(evaluate(slope, {"x": large}), [[0, 0.5], [2, 1.5], [1, 1]])


def test_discounts_averages_and_polynomials_are_their_definitions() -> None:
    r, gamma, alpha = sg.input("r", (T,)), sg.input("gamma", (T,)), sp.Symbol("alpha", real=True)
    values = {"r": np.array([1.0, 2.0, 4.0]), "gamma": np.array([0.5, 0.25, 0.5]), "alpha": 0.25}
    G = sg.discounted_sum(r, gamma, 0, last=8)
    assert str(G) == "G[t] = gamma[t]·G[t + 1] + r[t],  G[T] = 8"
    assert evaluate(G, values).tolist() == [1 + 0.5 * 4, 2 + 0.25 * 8, 4 + 0.5 * 8]
    assert evaluate(sg.grad(G[0], gamma), values).tolist() == [4, 4, 1]
    m = sg.ewma(r, alpha, 0)
    assert evaluate(m, values).tolist() == [1, 1.25, 1.9375]
    p, z = sg.input("p", (sg.dim("K"),)), sg.input("z", (N,))
    at = {"p": np.array([2.0, -1.0, 3.0]), "z": np.array([0.0, 1.0, -2.0])}
    for y in (sg.polyval(p, z), sg.polyval(at["p"], z)):
        assert evaluate(y, at).tolist() == np.polyval(at["p"], at["z"]).tolist() == [3, 4, 13]
        assert evaluate(sg.grad(sg.sum(y), z), at).tolist() == np.polyval(np.polyder(at["p"]), at["z"]).tolist()


def test_errors_name_the_tensor() -> None:
    with pytest.raises(ShapeError, match=r"x\(N, T\) has no axis 2"):
        sg.cumsum(sg.input("x", (N, T)), 2)
    with pytest.raises(ShapeError, match="needs an axis"):
        sg.cumprod(sp.Symbol("a"))
    with pytest.raises(DomainError, match="t"):
        sg.cummax(sg.labels("t", (N,), 3))
    with pytest.raises(ShapeError, match=r"w\(T, N\) does not broadcast to x\(N,\)"):
        sg.ewma(sg.input("x", (N,)), sg.input("w", (T, N)))
