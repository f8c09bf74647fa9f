"""The recursion for l layers, J = L(y, t) + λΩ(θ), with columns as in the books: a = W·z + b.

    forward      z₀ = x        a_k = W_k·z_{k−1} + b_k        z_k = f(a_k)        y = z_l
    backward     g ← ∇_y L
                 for k = l … 1:     g ← g ⊙ f′(a_k)
                                    ∇W_k J = g·z_{k−1}ᵀ + λ∇Ω        ∇b_k J = g
                                    g ← W_kᵀ·g

The forward pass is declared; the backward one is what prints below.
"""

from itertools import pairwise

import numpy as np
import sympy as sp

import codegen
import symgraph as sg

SIZES = (2, 5, 4, 3)
f = sg.tanh


def declare(sizes):
    """J and its leaves for one column x: weights of shape (out, in), Ω = ½Σ‖W‖², λ a symbol whose value comes later."""
    lam = sp.Symbol("λ")
    x, t = sg.input("x", (sizes[0],)), sg.input("t", (sizes[-1],))
    W, b, z = [], [], x
    for k, (inputs, outputs) in enumerate(pairwise(sizes), start=1):
        W.append(sg.parameter(f"W_{k}", (outputs, inputs)))
        b.append(sg.parameter(f"b_{k}", (outputs,)))
        a = (W[-1] @ z + b[-1]).named(f"a_{k}")
        z = f(a).named(f"z_{k}")
    omega = sum(sg.sum(weight**2) for weight in W) / 2
    J = sg.half_mse_loss(z, t, reduction="sum") + lam * omega
    return J, x, t, lam, W, b


def by_hand(x, t, lam, W, b):
    """The recursion of the docstring, in NumPy."""
    zs, activations = [x], []
    for weight, bias in zip(W, b, strict=True):
        activations.append(weight @ zs[-1] + bias)
        zs.append(np.tanh(activations[-1]))
    g = zs[-1] - t
    dW, db = [], []
    for k in reversed(range(len(W))):
        g = g * (1 - np.tanh(activations[k]) ** 2)
        dW.insert(0, np.outer(g, zs[k]) + lam * W[k])
        db.insert(0, g)
        g = W[k].T @ g
    return dW, db


def check_printed_equations(table):
    """What is printed is the recursion of the docstring, in matrix form."""
    backward = next(section for section in table.sections if section.title == "Backward")
    printed = {row.name.partition(" ")[0]: row.cells()[2] for row in backward.rows}
    for k in range(len(SIZES) - 1, 0, -1):
        before = f"z_{k - 1}" if k > 1 else "x"
        through = f"∂J/∂z_{k} ⊙ (1 − z_{k} ⊙ z_{k})"
        last = f"(z_{k} − t) ⊙ (1 − z_{k} ⊙ z_{k})"  # the loss reads z directly: one formula
        assert printed[f"∂J/∂a_{k}"] == (last if k == len(SIZES) - 1 else through)
        assert printed[f"∂J/∂W_{k}"] == f"∂J/∂a_{k}·{before}ᵀ + λ·W_{k}"
        assert printed[f"∂J/∂b_{k}"] == f"∂J/∂a_{k}"
        if k > 1:
            assert printed[f"∂J/∂z_{k - 1}"] == f"W_{k}ᵀ·∂J/∂a_{k}"


def main():
    J, x, t, lam, W, b = declare(SIZES)
    gradient = sg.grad(J, [*W, *b])
    print(f"f′ = {f.derivative} with y = f(u)\n")
    table = sg.explain(J)
    print(table)
    check_printed_equations(table)

    random = np.random.default_rng(0)
    values = {"x": random.normal(size=2), "t": random.normal(size=3), "λ": 0.01}
    Ws, bs = [random.normal(size=w.shape) for w in W], [random.normal(size=v.shape) for v in b]
    leaves = [x, t, lam, *W, *b]
    values |= {leaf.name: array for leaf, array in zip([*W, *b], [*Ws, *bs], strict=True)}
    found = codegen.function(leaves, [gradient[leaf] for leaf in (*W, *b)])(**values)
    dW, db = by_hand(values["x"], values["t"], values["λ"], Ws, bs)
    for mine, expected in zip(found, [*dW, *db], strict=True):
        np.testing.assert_allclose(mine, expected, rtol=1e-12)

    # λ is a symbol like any other: ∂J/∂λ is Ω(θ).
    slope = codegen.function(leaves, sg.grad(J, lam))(**values)
    np.testing.assert_allclose(slope, sum((w**2).sum() for w in Ws) / 2)
    return found


if __name__ == "__main__":
    main()
