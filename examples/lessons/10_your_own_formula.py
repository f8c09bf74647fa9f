"""Your own formula: any SymPy expression is an activation, a loss or a regulariser; gradient and kernel follow."""

import math

import numpy as np
import sympy as sp

import codegen
import symgraph as sg

u, v = sp.symbols("u v", real=True)


def activation():
    """Mish (Misra, arXiv 1908.08681), as its paper writes it."""
    mish = sg.elementwise(u * sp.tanh(sp.log(1 + sp.exp(u))), name="mish")
    print(f"mish(u) = {mish.formula}")
    print(f"mish′   = {mish.derivative}")

    x = sg.input("x", (sg.dim("N"),))
    y = mish(x)
    dx = sg.grad(sg.sum(y), x)
    points = np.array([-1e4, -2.0, -0.5, 0.0, 1.0, 3.0, 1e4])
    value, slope = codegen.function([x], [y, dx])(points)
    h = 1e-6
    for point, one, other in zip(points[1:-1], value[1:-1], slope[1:-1], strict=True):
        assert abs(one - point * math.tanh(math.log1p(math.exp(point)))) < 1e-14
        above, below = ((p * math.tanh(math.log1p(math.exp(p)))) for p in (point + h, point - h))
        assert abs(other - (above - below) / (2 * h)) < 1e-8
    assert value[0] == 0 and value[-1] == 1e4 and slope[0] == 0 and slope[-1] == 1  # nothing overflows
    return value, slope


def branches():
    """A branch that is not taken has no part in the derivative: √u for u > 0, else 0, has no NaN on either side."""
    safe_root = sg.elementwise(sp.Piecewise((sp.sqrt(u), u > 0), (0, True)), name="safe_root")
    x = sg.input("x", (3,))
    y = safe_root(x)
    dx = sg.grad(sg.sum(y), x)
    print("\n", y, "\n", dx)
    value, slope = codegen.function([x], [y, dx])(np.array([-1.0, 0.0, 4.0]))
    assert value.tolist() == [0, 0, 2] and slope.tolist() == [0, 0, 0.25]
    return slope


def loss_and_regulariser():
    """Quantile regression (Koenker & Bassett 1978) with an elastic net, whose weights are symbols too."""
    q, alpha, rho = sp.symbols("q alpha rho", positive=True)
    pinball = sg.elementwise(sp.Max(q * (v - u), (q - 1) * (v - u)), u, v, name="pinball")
    N = sg.dim("N")
    X, y = sg.input("X", (N, 3)), sg.input("y", (N,))
    w = sg.parameter("w", (3,))
    J = sg.mean(pinball(X @ w, y)) + alpha * (rho * sg.sum(abs(w)) + (1 - rho) / 2 * sg.sum(w**2))
    dw = sg.grad(J, w)
    print("\n", J, "\n", dw)

    random = np.random.default_rng(0)
    Xs, ys, ws = random.normal(size=(20, 3)), random.normal(size=20), np.array([0.5, -0.2, 0.0])
    slope = codegen.function([X, y, w, q, alpha, rho], dw)(Xs, ys, ws, q=0.9, alpha=0.1, rho=0.5)
    below = Xs @ ws < ys
    by_hand = Xs.T @ np.where(below, -0.9, 0.1) / 20 + 0.1 * (0.5 * np.sign(ws) + 0.5 * ws)
    np.testing.assert_allclose(slope, by_hand, rtol=1e-12)
    return slope


def index_notation():
    """Every built-in is written like this, and yours may be: a convolution is a sum over a window."""
    n, p, k = sg.indices("n p k")
    N = sg.dim("N")
    signal, taps = sg.input("s", (N, 8)), sg.parameter("f", (3,))
    out = sg.define((n, p), sg.Sum(signal[n, p + k] * taps[k], k), shape=(N, 6))
    loss = sg.sum(out**2)
    gradient = sg.grad(loss, taps)
    print("\n", out, "\n", gradient)
    random = np.random.default_rng(0)
    signals, filters = random.normal(size=(4, 8)), random.normal(size=3)
    slope = codegen.function([signal, taps], gradient)(signals, filters)
    outputs = np.array([np.convolve(row, filters[::-1], mode="valid") for row in signals])
    by_hand = [2 * np.sum(outputs * signals[:, shift : shift + 6]) for shift in range(3)]
    np.testing.assert_allclose(slope, by_hand, rtol=1e-12)
    return slope


def main():
    return activation(), branches(), loss_and_regulariser(), index_notation()


if __name__ == "__main__":
    main()
