"""A recurrent cell is a definition that reads itself one step back; its backward equations run the other way.

    h[t] = tanh(x[t]·U + h[t − 1]·V + b),  h[−1] = 0
    ∂J/∂h[t] = ∂J/∂a[t + 1]·Vᵀ + what reads h[t]           ∂J/∂a[t] = ∂J/∂h[t]·(1 − h[t]²)

That is back-propagation through time. Here it is derived, checked by a loop in NumPy, and used: a cell learns to go on
with a sine wave, of which it sees one value at a time.
"""

import numpy as np

import codegen
import symgraph as sg

STEPS, WIDTH = 40, 16


def declare():
    T, N = sg.dim("T"), sg.dim("N")
    x, target = sg.input("x", (T, N, 1)), sg.input("target", (T, N))
    U, V = sg.parameter("U", (1, WIDTH), sg.init.normal(0.5)), sg.parameter("V", (WIDTH, WIDTH), sg.init.orthogonal())
    b, w = sg.parameter("b", (WIDTH,)), sg.parameter("w", (WIDTH,), sg.init.normal(0.2))
    t, n, i, j, k = sg.indices("t n i j k")

    def rule(h):
        return sg.tanh(sg.Sum(x[t, n, i] * U[i, j], i) + sg.Sum(h[t - 1, n, k] * V[k, j], k) + b[j])

    h = sg.define((t, n, j), rule, shape=(T, N, WIDTH), first=0)
    y = (h @ w).named("y")
    return x, target, {"U": U, "V": V, "b": b, "w": w}, h, y, sg.mse_loss(y, target)


def by_hand(x, target, p):
    """The equations of the docstring, one step after the other."""
    steps, rows, _ = x.shape
    h = np.zeros((steps + 1, rows, WIDTH))
    for t in range(steps):
        h[t] = np.tanh(x[t] @ p["U"] + h[t - 1] @ p["V"] + p["b"])
    error = 2 * (h[:-1] @ p["w"] - target) / target.size
    slopes = {"w": np.einsum("tnj,tn->j", h[:-1], error)} | {name: np.zeros_like(p[name]) for name in "UVb"}
    later = np.zeros((rows, WIDTH))
    for t in reversed(range(steps)):
        d_a = (later + error[t][:, None] * p["w"]) * (1 - h[t] ** 2)
        slopes["U"] += x[t].T @ d_a
        slopes["V"] += h[t - 1].T @ d_a
        slopes["b"] += d_a.sum(axis=0)
        later = d_a @ p["V"].T
    return slopes


def waves(rows, seed):
    """Sine waves of one frequency that begin anywhere: what is seen, and what comes next."""
    phase = np.random.default_rng(seed).uniform(0, 2 * np.pi, rows)
    wave = np.sin(0.3 * np.arange(STEPS + 1)[:, None] + phase)
    return wave[:-1, :, None], wave[1:]


def main():
    x, target, p, h, y, J = declare()
    print(h)
    print(sg.grad(J, p["V"]))

    step = codegen.train_step(J, sg.Adam(lr=0.01), dtype="float64")
    params = step.init(seed=1)
    X, Y = waves(32, seed=0)
    slopes = codegen.function([x, target, *p.values()], sg.grad(J, list(p.values())))(X, Y, **params)
    expected = by_hand(X, Y, params)
    for name in p:
        np.testing.assert_allclose(slopes[p[name]], expected[name], rtol=1e-9, atol=1e-12)
    print("The gradients are those of the equations written out by hand.")

    losses = [float(step(params, x=X, target=Y)) for _ in range(600)]
    print(f"Mean squared error: {losses[0]:.3f} before, {losses[-1]:.5f} after {len(losses)} steps")
    X, Y = waves(8, seed=1)
    seen = codegen.function([x, *p.values()], y)(X, **params)
    error = np.mean((seen[5:] - Y[5:]) ** 2)  # after five values it knows where in the wave it is
    print(f"On waves it has not seen, from the sixth value on: {error:.5f}")
    assert losses[-1] < 0.02
    assert error < 0.01
    return losses, error


if __name__ == "__main__":
    main()
