"""Training by all rows at once: L-BFGS-B of ``scipy.optimize``, by value and gradient from one program."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.optimize

from codegen.bridges.optimise import Problem
from codegen.estimators.programs import L2, Declared
from codegen.plan.request import Request, leaves_in
from codegen.run.history import History


def fitted(
    network: Declared, params: dict[str, np.ndarray], data: dict[str, np.ndarray], alpha: float, limits: dict[str, Any],
    key: int,
) -> History:  # fmt: skip
    """Minimise the cost of all rows, and write where that is into ``params``.

    ``limits`` are ``maxiter``, ``maxfun`` and ``gtol``. The history has the cost after every iteration.

    Raises
    ------
    ValueError
        for a network with states, which belong to batches.
    """
    if network.updates:
        raise ValueError("lbfgs is for models without states: train one with batch norm in batches, by adam or sgd")
    read = {str(leaf.name) for leaf in leaves_in(Request((network.cost,)))}
    known = {name: value for name, value in {**data, str(L2): alpha}.items() if name in read}
    problem = Problem(network.cost, known, list(network.parameters), key, "train")
    history = History()

    def note(intermediate_result: Any) -> None:
        history.loss.append(float(intermediate_result.fun))

    start = problem.flat({name: values.astype(np.float64) for name, values in params.items()})
    found = scipy.optimize.minimize(
        problem.value_and_grad, start, jac=True, method="L-BFGS-B", callback=note, options=limits
    )  # fmt: skip
    for name, values in problem.by_name(found.x).items():
        params[name][...] = values
    history.steps = int(found.nfev)
    history.ended = "early stopping" if found.success else "epochs"
    return history
