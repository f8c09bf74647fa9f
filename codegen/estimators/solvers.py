"""scikit-learn's solvers where their rows differ from Torch's: with the same order of examples, fits are the same.

sgd    v ← μ·v − lr·g,  θ ← θ + v        a rate that changes counts for the steps after it alone
adam   θ ← θ − rate·c·m/(√v + ε)         ε beside the uncorrected root, Kingma & Ba's ε̂ (arXiv 1412.6980, section 2)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from symgraph.vocabulary.elementary import sqrt
from symgraph.vocabulary.optimisers import OPTIMISERS
from symgraph.vocabulary.updating import Optimizer, Row

_VELOCITY = Row("v", lambda v, g, lr, momentum: momentum * v - lr * g, 0.0)
_STRAIGHT = Row("theta", lambda theta, v: theta + v)
_AHEAD = Row("theta", lambda theta, g, v, lr, momentum: theta + (momentum * v - lr * g))
_ADAM = Row("theta", lambda theta, m, v, rate, c, eps: theta - rate * c * (m / (sqrt(v) + eps)))


def sgd(lr: float, momentum: float, nesterov: bool) -> Optimizer:
    """Stochastic gradient descent; without momentum as Torch's."""
    made = OPTIMISERS["SGD"](lr, momentum, nesterov=nesterov)
    return replace(made, rows=(_VELOCITY, _AHEAD if nesterov else _STRAIGHT)) if momentum else made


def adam(lr: float, betas: tuple[float, float], eps: float) -> Optimizer:
    """Adam, as scikit-learn and Keras write it."""
    made = OPTIMISERS["Adam"](lr, betas, eps)
    return replace(made, rows=(*made.rows[:-1], _ADAM))


SOLVERS: dict[str, Callable[..., Optimizer]] = {"SGD": sgd, "Adam": adam}
"""By the optimisers that they are."""
