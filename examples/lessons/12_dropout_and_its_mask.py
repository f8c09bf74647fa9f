"""Dropout is a formula of a random number, and the random number is a formula of where it stands.

    y[n, i] = {h[n, i]/(1 − p) if u[n, i] ≥ p, else 0},  u ~ U(0, 1)          in training
    y[n, i] = h[n, i]                                                         in evaluation

u is a pure function of a key, a stream, the step and the place (n, i). So no mask is stored: the forward and the
backward pass compute it where they need it, every step has another, and a run can be repeated from any step.
"""

import numpy as np

import codegen
import symgraph as sg

P = 0.25


def declare():
    x, w = sg.input("x", (sg.dim("N"), 6)), sg.parameter("w", (6,), init=sg.init.ones())
    h = (x * w).named("h")
    y = sg.dropout(h, P).named("y")
    return x, w, y, sg.mean(y**2)


def show(mask):
    return "\n".join("  " + " ".join(".#"[int(kept)] for kept in row) for row in mask)


def main():
    x, w, y, J = declare()
    print("In training:  ", sg.mode(y, "train"))
    print("In evaluation:", sg.mode(y, "evaluate"))
    trained = sg.mode(J, "train")
    print("Backward:     ", sg.grad(trained, w))

    rows = np.ones((4, 6))
    drop = codegen.function([x, w], y, key=7, mode="train")  # compiled for training; its key is 7
    masks = [drop(rows, np.ones(6), random_step=number) != 0 for number in range(3)]
    for number, mask in enumerate(masks):
        print(f"The mask of step {number}, computed and never stored:\n{show(mask)}")
    assert np.array_equal(masks[1], drop(rows, np.ones(6), random_step=1) != 0)  # the same step has the same mask
    assert not np.array_equal(masks[0], masks[1])

    step = codegen.train_step(J, sg.SGD(lr=0.1), dtype="float64", key=7)
    params = step.init()
    for mask in masks:  # the slope is taken by the same mask: where all of a column is dropped, w stays
        before = params["w"].copy()
        step(params, x=rows)
        slope = 2 * before * (mask / (1 - P) ** 2).sum(axis=0) / rows.size
        np.testing.assert_allclose(params["w"], before - 0.1 * slope)
    print("The weights after three steps:", params["w"].round(4))

    predict = codegen.function([x, w], y)  # evaluation: nothing is random, and no key is asked for
    np.testing.assert_allclose(predict(rows, params["w"]), rows * params["w"])

    many = np.ones((20000, 6))
    kept = drop(many, np.ones(6))
    print(f"Of many numbers {np.mean(kept != 0):.3f} stay, and their mean is {kept.mean():.3f}: the scale makes it 1.")
    assert abs(np.mean(kept != 0) - (1 - P)) < 0.01
    assert abs(kept.mean() - 1) < 0.01
    return masks


if __name__ == "__main__":
    main()
