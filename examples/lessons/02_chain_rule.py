"""The chain rule: z = t² with t = x + y, and the same rule for vectors, ∇_X Z = (∂Y/∂X)ᵀ ∇_Y Z."""

import numpy as np

import symgraph as sg
from symgraph.reference import evaluate


def scalars():
    x, y = sg.input("x", ()), sg.input("y", ())
    t = x + y
    z = t**2
    print(t)
    print(z)

    gradient = sg.grad(z, [t, x, y])
    print(gradient[t])
    print(gradient[x])  # ∂z/∂x = ∂z/∂t · ∂t/∂x = ∂z/∂t · 1
    assert gradient[x].definition.body == gradient[y].definition.body

    curvature = sg.grad(gradient[x], x)  # a gradient is an expression: it can be differentiated again
    values = {"x": 3.0, "y": -1.0}
    slope, bend = evaluate(gradient[x], values).item(), evaluate(curvature, values).item()
    print(f"at x = 3, y = −1: ∂z/∂x = {slope:g}, ∂²z/∂x² = {bend:g}")
    assert (slope, bend) == (4.0, 2.0)
    return slope, bend


def vectors():
    """X in ℝ³, Y = g(X) in ℝ², Z = f(Y) in ℝ."""
    X = sg.input("X", (3,))
    A = sg.input("A", (2, 3))
    Y = A @ X**2
    Z = sg.sum(sg.sin(Y))
    dY_dX = sg.jacobian(Y, X)
    dZ_dY = sg.grad(Z, Y)
    dZ_dX = sg.grad(Z, X)
    for formula in (Y, Z, dY_dX, dZ_dY, dZ_dX):
        print(formula)

    values = {"A": np.array([[1.0, 2.0, 0.0], [-1.0, 0.5, 3.0]]), "X": np.array([0.3, -0.2, 0.7])}
    jacobian, outer, whole = evaluate([dY_dX, dZ_dY, dZ_dX], values)
    assert jacobian.shape == (2, 3)
    np.testing.assert_allclose(jacobian, 2 * values["A"] * values["X"])  # ∂Y_j/∂X_i = 2·A_ji·X_i, by hand
    np.testing.assert_allclose(whole, jacobian.T @ outer)
    return whole


def main():
    print("numbers: z = t², t = x + y")
    first = scalars()
    print("\nvectors: ∇_X Z = (∂Y/∂X)ᵀ ∇_Y Z")
    return first, vectors()


if __name__ == "__main__":
    main()
