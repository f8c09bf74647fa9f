"""Training: three arms of a spiral, a small network, and optimisers as formulas.

One call of a step is forward, backward and update in native code; ``fit`` runs whole epochs of them without Python.
"""

import numpy as np

import codegen
import symgraph as sg


def spiral(points, random):
    """Three arms of points in the plane, and the number of the arm."""
    radius = np.tile(np.linspace(0.05, 1, points), 3)
    arm = np.repeat(np.arange(3), points)
    angle = 4 * arm + 4 * radius + random.normal(0, 0.15, 3 * points)
    return np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1).astype(np.float32), arm


def declare():
    N = sg.dim("N")
    x = sg.input("x", (N, 2))
    t = sg.labels("t", (N,), classes=3)
    net = sg.nn.Sequential(sg.nn.Linear(2, 64), sg.nn.Tanh(), sg.nn.Linear(64, 3))
    scores = net(x)
    J = sg.cross_entropy(scores, t)
    return J, x, scores, net.parameters()


def main():
    J, x, scores, parameters = declare()
    predict = codegen.function([x, *parameters], sg.argmax(scores, axis=1))
    X, T = spiral(100, np.random.default_rng(0))

    theta, g = sg.parameter("theta", (4,)), sg.input("g", (4,))  # any parameter and its gradient: the rows are the same
    optimizers = [sg.SGD(lr=0.1, momentum=0.9), sg.Adam(lr=1e-2)]
    results = {}
    for optimizer in optimizers:
        print(optimizer.name)
        for update in optimizer.updates({theta: g}):
            print(f"  {update.leaf.name} ← {update.value}")
        step = codegen.train_step(J, optimizer, dtype="float32")
        params = step.init(seed=0)
        first = step(params, x=X, t=T)  # one step on everything: the cost before the update
        history = step.fit(params, {"x": X, "t": T}, epochs=200, batch_size=50, seed=0, progress=False)
        accuracy = float(np.mean(predict(X, **params) == T))
        print(f"  cost {first:.3f} → {history.loss[-1]:.4f} in {history.steps} steps, accuracy {accuracy:.3f}\n")
        assert abs(first - np.log(3)) < 0.3  # a network that knows nothing gives each arm a third
        assert history.loss[-1] < 0.1 and accuracy > 0.97
        results[optimizer.name] = accuracy

    # Hyper-parameters stay symbols: a schedule changes a number, and compiles nothing.
    step.hyper["lr"] = 1e-4
    again = step.fit(params, {"x": X, "t": T}, epochs=1, batch_size=50, seed=1, progress=False)
    assert again.loss[0] < 0.1
    return results


if __name__ == "__main__":
    main()
