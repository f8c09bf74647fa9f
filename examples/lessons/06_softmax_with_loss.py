"""Softmax with cross-entropy: two layers whose gradients are ugly apart and (y − t)/N together.

y[n, k] = exp(a[n, k]) / Σ_i exp(a[n, i])        L = −(1/N) Σ_n Σ_k t[n, k] log y[n, k]
"""

import numpy as np

import codegen
import symgraph as sg

SCORES = np.array([[0.3, 2.9, 4.0], [1.0, -1.0, 0.5]])
TARGET = np.array([2, 0])


def by_hand(scores, one_hot):
    """The tutorial's own layer."""
    shifted = scores - scores.max(axis=-1, keepdims=True)
    y = np.exp(shifted) / np.exp(shifted).sum(axis=-1, keepdims=True)
    rows = 1 if scores.ndim == 1 else len(scores)
    return -np.sum(one_hot * np.log(y)) / rows, (y - one_hot) / rows


def one_hot_rows():
    N = sg.dim("N")
    a = sg.input("a", (N, 3))
    t = sg.one_hot("t", (N, 3))  # declares the fact that each row sums to 1: that is what makes y·Σt equal y
    y = sg.softmax(a)
    L = -sg.sum(t * sg.log(y)) / N
    da = sg.grad(L, a)
    print("one-hot target\n ", y, "\n ", L, "\n ", da)
    print("\nthe steps that led there:")
    print(sg.derivation(L, a))

    soft = sg.input("t", (N, 3))  # without that fact Σt stays
    print("\nany target\n ", sg.grad(-sg.sum(soft * sg.log(y)) / N, a))
    return codegen.function([a, t], [L, da])(SCORES, np.eye(3)[TARGET])


def labels():
    N = sg.dim("N")
    a = sg.input("a", (N, 3))
    t = sg.labels("t", (N,), classes=3)
    L = sg.cross_entropy(a, t)  # softmax and loss in one: a are scores, no probabilities
    da = sg.grad(L, a)
    print("\nlabels\n ", L, "\n ", da)
    return codegen.function([a, t], [L, da])(SCORES, TARGET)


def single_row():
    a = sg.input("a", (3,))
    t = sg.one_hot("t", (3,))
    L = sg.cross_entropy(a, t)
    da = sg.grad(L, a)
    print("\na single row\n ", L, "\n ", da)
    run = codegen.function([a, t], [L, da])
    # Scores of ±10,000 overflow exp; the compiled forms, of loss and gradient, are shifted by the largest score.
    loss, slope = run(np.array([1e4, 0, -1e4], dtype=np.float32), np.array([0, 1, 0], dtype=np.float32))
    assert loss == 1e4 and slope.tolist() == [1, -1, 0]
    return run(SCORES[0], np.eye(3)[TARGET[0]])


def main():
    expected_loss, expected_slope = by_hand(SCORES, np.eye(3)[TARGET])
    for loss, slope in (one_hot_rows(), labels()):
        np.testing.assert_allclose(loss, expected_loss, rtol=1e-13)
        np.testing.assert_allclose(slope, expected_slope, rtol=1e-12, atol=1e-15)
    loss, slope = single_row()
    expected_loss, expected_slope = by_hand(SCORES[0], np.eye(3)[TARGET[0]])
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-13)
    np.testing.assert_allclose(slope, expected_slope, rtol=1e-12, atol=1e-15)
    return loss.item(), slope


if __name__ == "__main__":
    main()
