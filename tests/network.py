"""The small network that the tests of calls share, and arrays for it."""

from __future__ import annotations

import numpy as np

import symgraph as sg

N = sg.dim("N")
x = sg.input("x", (N, 5))
t = sg.labels("t", (N,), classes=3)
W1 = sg.parameter("W1", (5, 6), init=sg.init.kaiming_normal())
b1 = sg.parameter("b1", (6,))
W2 = sg.parameter("W2", (6, 3), init=sg.init.normal(0.3))
b2 = sg.parameter("b2", (3,))
z = sg.sigmoid(x @ W1 + b1) @ W2 + b2
J = sg.cross_entropy(z, t)
X = np.random.default_rng(0).normal(size=(9, 5)).astype(np.float32)
T = np.arange(9) % 3
