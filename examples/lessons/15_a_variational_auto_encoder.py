"""A variational auto-encoder: a random value with a derivative, and two terms that one can read.

    z = μ(x) + σ(x)·ε,  ε ~ N(0, 1)          the code is drawn so that μ and σ have derivatives: reparameterised
    J = reconstruction + KL(N(μ, σ²) ‖ N(0, 1))                          (Kingma, Welling 2013, arXiv:1312.6114)

Points on a noisy circle in eight dimensions; the code has two.
"""

import numpy as np

import codegen
import symgraph as sg

D, HIDDEN, CODE = 8, 32, 2


def declare():
    N = sg.dim("N")
    x = sg.input("x", (N, D))
    encode = sg.nn.Sequential(sg.nn.Linear(D, HIDDEN), sg.nn.Tanh(), name="encode")
    mean, spread = sg.nn.Linear(HIDDEN, CODE, name="mean"), sg.nn.Linear(HIDDEN, CODE, name="spread")
    decode = sg.nn.Sequential(sg.nn.Linear(CODE, HIDDEN), sg.nn.Tanh(), sg.nn.Linear(HIDDEN, D), name="decode")
    h = encode(x)
    mu, log_var = mean(h).named("mu"), spread(h).named("log_var")
    eps = sg.random.normal((N, CODE))
    z = (mu + sg.exp(log_var / 2) * eps).named("z")
    y = decode(z)
    reconstruction = sg.sum((y - x) ** 2) / (2 * 0.05) / N
    divergence = -sg.sum(1 + log_var - mu**2 - sg.exp(log_var)) / 2 / N
    layers = (encode, mean, spread, decode)
    return x, mu, log_var, z, y, reconstruction, divergence, [p for layer in layers for p in layer.parameters()]


def circle(rows, seed):
    random = np.random.default_rng(seed)
    angle = random.uniform(0, 2 * np.pi, rows)
    plane = np.linalg.qr(np.random.default_rng(9).normal(size=(D, 2)))[0]
    return 2 * np.stack([np.cos(angle), np.sin(angle)], 1) @ plane.T + random.normal(0, 0.05, (rows, D))


def main():
    x, mu, log_var, z, y, reconstruction, divergence, parameters = declare()
    print(z)
    print("KL:", divergence)
    loss = (reconstruction + divergence).named("J")
    by_spread = sg.grad(divergence, log_var)
    print(by_spread)  # (σ² − 1)/2: the divergence pulls σ to 1

    step = codegen.train_step(loss, sg.Adam(lr=0.005), dtype="float64", key=0)
    params = step.init(seed=0)
    X = circle(512, seed=0)
    losses = [float(step(params, x=X)) for _ in range(600)]
    print(f"J: {losses[0]:.2f} before, {losses[-1]:.2f} after {len(losses)} steps")

    parts = codegen.function([x, *parameters], [y, mu, reconstruction, divergence], key=1)
    found, codes, fit, pull = parts(circle(256, seed=1), **params)
    error = np.mean((found - circle(256, seed=1)) ** 2)
    print(f"New points: squared error {error:.4f}; reconstruction {float(fit):.2f}, divergence {float(pull):.2f}")
    assert losses[-1] < losses[0] / 4
    assert error < 0.05
    assert codes.std(axis=0).min() > 0.3  # both codes are used: a circle needs two
    return losses, error


if __name__ == "__main__":
    main()
