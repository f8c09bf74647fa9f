"""The affine layer Y = X·W + b: for one row, and for a batch of N rows.

    ∂L/∂X = ∂L/∂Y · Wᵀ        ∂L/∂W = Xᵀ · ∂L/∂Y        ∂L/∂b = Σ_n ∂L/∂Y

None of the three is written anywhere: they are what the chain rule leaves of Y[n, j] = Σ_i X[n, i]·W[i, j] + b[j].
"""

import numpy as np

import codegen
import symgraph as sg


def affine(X):
    """The layer and its gradients, for an input of shape (2,) or (N, 2)."""
    W = sg.parameter("W", (2, 3))
    b = sg.parameter("b", (3,))
    Y = X @ W + b
    dY = sg.input("dY", Y.shape)  # the gradient that arrives from above
    L = sg.sum(dY * Y)
    gradient = sg.grad(L, [X, W, b])
    for formula in (Y, gradient[X], gradient[W], gradient[b]):
        print(" ", formula)
    return codegen.function([X, W, b, dY], [Y, gradient[X], gradient[W], gradient[b]])


def one_row(random):
    run = affine(sg.input("X", (2,)))
    X, W, b, dY = random.normal(size=2), random.normal(size=(2, 3)), random.normal(size=3), random.normal(size=3)
    Y, dX, dW, db = run(X, W, b, dY)
    np.testing.assert_allclose(Y, np.dot(X, W) + b)
    np.testing.assert_allclose(dX, np.dot(dY, W.T))
    np.testing.assert_allclose(dW, np.outer(X, dY))
    np.testing.assert_array_equal(db, dY)
    return dX, dW, db


def batch(random):
    N = sg.dim("N")  # stays a symbol in the formulas, and is free at run time
    run = affine(sg.input("X", (N, 2)))
    W, b = random.normal(size=(2, 3)), random.normal(size=3)
    for rows in (1, 4, 7):  # one compiled function for every batch size
        X, dY = random.normal(size=(rows, 2)), random.normal(size=(rows, 3))
        Y, dX, dW, db = run(X, W, b, dY)
        np.testing.assert_allclose(Y, np.dot(X, W) + b)
        np.testing.assert_allclose(dX, np.dot(dY, W.T))
        np.testing.assert_allclose(dW, np.dot(X.T, dY))
        np.testing.assert_allclose(db, np.sum(dY, axis=0))
    return dX, dW, db


def main():
    random = np.random.default_rng(0)
    print("one row")
    first = one_row(random)
    print("a batch")
    return first, batch(random)


if __name__ == "__main__":
    main()
