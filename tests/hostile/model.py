"""The models that scenes work on, and what is right: parameters after every number of whole steps."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy import testing  # now: an import that an interruption cuts in two stays broken

import codegen
import symgraph as sg

ROWS, FEATURES, CLASSES = 24, 5, 3


class Model:
    """A training step with fixed data, a function of its parameters, and the bytes of its first ``most`` steps.

    ``wide`` steps are worth two threads.
    """

    def __init__(self, wide: bool = False, momentum: float = 0.0, most: int = 300) -> None:
        rows, features, hidden = (256, 128, 128) if wide else (ROWS, FEATURES, 6)
        size = sg.dim("N")
        x, t = sg.input("x", (size, features)), sg.labels("t", (size,), classes=CLASSES)
        a = sg.parameter("A", (features, hidden), init=sg.init.kaiming_normal())
        b = sg.parameter("B", (hidden, CLASSES), init=sg.init.normal(0.3))
        z = sg.relu(x @ a) @ b
        self.step = codegen.train_step(sg.cross_entropy(z, t), sg.SGD(lr=0.05, momentum=momentum), threads=2)
        self.predict = codegen.function([x, a, b], sg.softmax(z))
        self.value = codegen.function([x, t, a, b], sg.cross_entropy(z, t))
        random = np.random.default_rng(0)
        self.x = random.normal(size=(rows, features)).astype(np.float32)
        self.t = random.integers(0, CLASSES, rows)
        self.data = {"x": self.x, "t": self.t}
        self.start = self.step.init(0)
        params = self.fresh()
        self.losses: list[float] = []
        self.known = {self.state_of(params): 0}
        for number in range(1, most):
            self.losses.append(self.step(params, **self.data))
            self.known.setdefault(self.state_of(params), number)
        self.probabilities = [self.predict(self.x, **self.start) for _ in range(3)][-1]
        self.cost = [self.value(self.x, self.t, **self.start) for _ in range(3)][-1]

    def fresh(self) -> dict[str, np.ndarray]:
        """Parameters, and the optimiser's state, at their start."""
        self.step.reset()
        return {name: array.copy() for name, array in self.start.items()}

    def state_of(self, params: dict[str, np.ndarray]) -> bytes:
        return b"".join(array.tobytes() for array in (*params.values(), *self.step.state.values()))

    def steps_taken(self, params: dict[str, np.ndarray]) -> int:
        """How many whole steps have led here."""
        state = self.state_of(params)
        assert state in self.known, "these are the parameters of no whole number of steps"
        return self.known[state]

    def check(self, params: dict[str, np.ndarray]) -> None:
        """Everything works as if nothing had been."""
        self.steps_taken(params)
        again = self.fresh()
        assert [self.step(again, **self.data) for _ in range(3)] == self.losses[:3]
        assert self.steps_taken(again) == 3
        history = self.step.fit(again, self.data, epochs=4, batch_size=len(self.t), shuffle=False, progress=False)
        testing.assert_allclose(history.loss, self.losses[3:7], rtol=1e-12)
        assert self.steps_taken(again) == 7
        self.check_predictions()

    def check_predictions(self) -> None:
        testing.assert_array_equal(self.predict(self.x, **self.start), self.probabilities)


@cache
def shared(wide: bool = False, momentum: float = 0.0) -> Model:
    """One model of each kind for all scenes of a process: each finds it as if nothing had been."""
    return Model(wide, momentum)


def fit(model: Model, params: Any, epochs: int, **options: Any) -> Any:
    """Whole batches in order, so that an epoch is a step."""
    return model.step.fit(
        params, model.data, epochs=epochs, batch_size=len(model.t), shuffle=False, progress=False, **options
    )
