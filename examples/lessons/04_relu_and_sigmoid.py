"""Activation layers: ReLU passes a gradient where its input was positive; sigmoid multiplies it by y(1 − y): why."""

import numpy as np

import codegen
import symgraph as sg

X = np.array([[1.0, -0.5], [-2.0, 3.0]])
DOUT = np.array([[0.5, 0.5], [-1.0, 2.0]])


def layer(activation):
    """Forward and backward of an element-wise layer: L = Σ dout·y makes dout the gradient that arrives from above."""
    x, dout = sg.input("x", (2, 2)), sg.input("dout", (2, 2))
    y = activation(x)
    L = sg.sum(dout * y)
    dx = sg.grad(L, x)
    print(y)
    print(dx)
    return L, x, codegen.function([x, dout], [y, dx])


def relu_layer():
    _, _, run = layer(sg.relu)
    y, dx = run(X, DOUT)
    np.testing.assert_array_equal(y, [[1, 0], [0, 3]])
    np.testing.assert_array_equal(dx, [[0.5, 0], [0, 2]])
    # At 0 exactly the derivative is taken to be 0: that side is "not positive".
    _, at_zero = run(np.zeros((2, 2)), DOUT)
    np.testing.assert_array_equal(at_zero, np.zeros((2, 2)))
    return y, dx


def sigmoid_layer():
    L, x, run = layer(sg.sigmoid)
    print("\nthe steps that led there:")
    print(sg.derivation(L, x))
    y, dx = run(X, DOUT)
    by_hand = 1 / (1 + np.exp(-X))
    np.testing.assert_allclose(y, by_hand, rtol=1e-15)
    np.testing.assert_allclose(dx, DOUT * by_hand**2 * np.exp(-X), rtol=1e-14)  # the form before it was simplified
    # The plain formula 1/(1 + exp(−x)) is compiled so that no input overflows.
    extreme, slope = run(np.array([[-1e4, 1e4], [0.0, -800.0]], dtype=np.float32), np.ones((2, 2), dtype=np.float32))
    np.testing.assert_array_equal(extreme, np.array([[0, 1], [0.5, 0]], dtype=np.float32))
    np.testing.assert_array_equal(slope, np.array([[0, 0], [0.25, 0]], dtype=np.float32))
    return y, dx


def main():
    print("— ReLU")
    relu = relu_layer()
    print("\n— sigmoid")
    sigmoid = sigmoid_layer()
    print("\nThe same for others, in the input u and the output y:")
    for activation in (sg.tanh, sg.exp, sg.softplus, sg.elu):
        print(f"  y = {activation.formula},   dy/du = {activation.derivative}")
    return relu, sigmoid


if __name__ == "__main__":
    main()
