"""The two-layer network of the tutorial, with loss, accuracy, gradient, and a check of the gradient by differences."""

import numpy as np

import codegen
import symgraph as sg


class TwoLayerNet:
    """affine – ReLU – affine – softmax with loss. ``params`` are plain arrays; the formulas are compiled once."""

    def __init__(self, input_size, hidden_size, output_size, weight_init_std=0.01, seed=0):
        N = sg.dim("N")
        x = sg.input("x", (N, input_size))
        t = sg.labels("t", (N,), classes=output_size)
        W1, b1 = sg.parameter("W1", (input_size, hidden_size)), sg.parameter("b1", (hidden_size,))
        W2, b2 = sg.parameter("W2", (hidden_size, output_size)), sg.parameter("b2", (output_size,))
        a1 = x @ W1 + b1
        z1 = sg.relu(a1)
        a2 = z1 @ W2 + b2
        J = sg.cross_entropy(a2, t)
        weights = [W1, b1, W2, b2]
        self.cost, self.gradients = J, sg.grad(J, weights)

        self._predict = codegen.function([x, *weights], a2)
        self._loss = codegen.function([x, t, *weights], J)
        self._gradient = codegen.function([x, t, *weights], {w.name: self.gradients[w] for w in weights})
        random = np.random.default_rng(seed)
        self.params = {
            "W1": weight_init_std * random.standard_normal((input_size, hidden_size)),
            "b1": np.zeros(hidden_size),
            "W2": weight_init_std * random.standard_normal((hidden_size, output_size)),
            "b2": np.zeros(output_size),
        }

    def predict(self, x):
        return self._predict(x, **self.params)

    def loss(self, x, t):
        return self._loss(x, t, **self.params).item()

    def accuracy(self, x, t):
        return np.mean(self.predict(x).argmax(axis=1) == t)

    def gradient(self, x, t):
        """By backpropagation."""
        return self._gradient(x, t, **self.params)

    def numerical_gradient(self, x, t, h=1e-4):
        """By central differences: two evaluations of the loss for every single parameter."""
        found = {}
        for name, values in self.params.items():
            slopes = found[name] = np.zeros_like(values)
            for at in np.ndindex(values.shape):
                kept = values[at]
                values[at] = kept + h
                above = self.loss(x, t)
                values[at] = kept - h
                below = self.loss(x, t)
                values[at] = kept
                slopes[at] = (above - below) / (2 * h)
        return found


def gradient_by_hand(params, x, t):
    """The backward pass of the tutorial's layers, last to first."""
    a1 = x @ params["W1"] + params["b1"]
    z1 = np.maximum(a1, 0)
    a2 = z1 @ params["W2"] + params["b2"]
    y = np.exp(a2) / np.exp(a2).sum(axis=1, keepdims=True)
    y[np.arange(len(t)), t] -= 1
    d2 = y / len(t)
    d1 = d2 @ params["W2"].T * (a1 > 0)
    return {"W1": x.T @ d1, "b1": d1.sum(axis=0), "W2": z1.T @ d2, "b2": d2.sum(axis=0)}


def main():
    net = TwoLayerNet(input_size=6, hidden_size=5, output_size=3, weight_init_std=0.5)
    print(net.cost)
    for gradient in net.gradients.values():
        print(gradient)

    random = np.random.default_rng(1)
    x, t = random.normal(size=(8, 6)), random.integers(0, 3, size=8)
    backpropagated, numerical = net.gradient(x, t), net.numerical_gradient(x, t)
    manual = gradient_by_hand(net.params, x, t)
    print(f"\nloss {net.loss(x, t):.4f}, accuracy {net.accuracy(x, t):.2f}")
    print("mean |backpropagation − differences|")
    differences = {name: np.abs(backpropagated[name] - numerical[name]).mean() for name in net.params}
    for name, difference in differences.items():
        print(f"  {name}: {difference:.1e}")
        assert difference < 1e-8
        np.testing.assert_allclose(backpropagated[name], manual[name], rtol=1e-12, atol=1e-15)

    before = net.loss(x, t)
    for name, gradient in net.gradient(x, t).items():
        net.params[name] -= 0.1 * gradient
    assert net.loss(x, t) < before  # a step against the gradient makes the loss smaller
    return differences


if __name__ == "__main__":
    main()
