"""Where a loss or gradient that is not finite comes from: the first array, or else the first value on the way, that has
an infinity or NaN. Looked for only after a step has stopped, so it may take its time.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from codegen.plan.request import Request, leaves_in
from codegen.run.function import function
from codegen.run.stepping import Bound
from symgraph.core.graph import topological
from symgraph.core.provenance import at_line
from symgraph.core.tensor import Tensor
from symgraph.errors import NonFiniteError, SymgraphError

if TYPE_CHECKING:
    from codegen.run.training import TrainStep

OVERFLOW = "a gradient or an update overflowed, or an input was infinite"
"""What ruins parameters in a step whose loss is finite."""
LONGEST = 160
"""Characters of a formula in a message."""


def explained(
    step: TrainStep, loss: float, bound: Bound, rows: np.ndarray | None = None, batched: Collection[Tensor] = ()
) -> NonFiniteError:
    """The error of a step whose loss is not finite.

    Parameters
    ----------
    bound : what it was given.
    rows, batched : the rows of the data that the batch is made of, and the inputs that have them.
    """
    given = {**bound.arrays, **{leaf: step.state[str(leaf.name)] for leaf in step.first}}
    cause = first_array(given, rows, batched)
    what = f"the loss {step.loss.display_name} is {loss}"
    before = step.formulas.before_loss
    checked, value = step.formulas.request.outputs[:before], step.formulas.request.outputs[before]
    if np.isfinite(loss) and checked:
        what = f"a gradient of the loss {step.loss.display_name} is not finite, though that is {loss}"
        value = checked[0]
    if cause.startswith(("parameter", "state")):
        cause += f" (if an earlier step wrote that, {OVERFLOW})"
    cause = cause or _first_value(step, value, bound.arrays, rows, batched)
    cause = cause or "the values on the way to it are finite one by one"
    ending = "Nothing was updated in this step; train_step(…, check_finite=False) goes on"
    return NonFiniteError(at_line(f"{what}: {cause}. {ending}"))


def first_array(
    given: Mapping[Tensor, np.ndarray], rows: np.ndarray | None = None, batched: Collection[Tensor] = ()
) -> str:
    """The first element of given arrays that is not finite, inputs first; empty where all are."""
    kinds = ("input", "parameter", "state")
    for leaf in sorted(given, key=lambda leaf: kinds.index(leaf.kind) if leaf.kind in kinds else len(kinds)):
        array = given[leaf]
        place = _place(array)
        if place is not None:
            shown = _shown(place, rows if leaf in batched else None)
            return f"{leaf.kind} {leaf.name}{shown} is {array[place]}"
    return ""


def _first_value(
    step: TrainStep,
    wanted: Tensor,
    arrays: Mapping[Tensor, np.ndarray],
    rows: np.ndarray | None,
    batched: Collection[Tensor],
) -> str:
    """The first value on the way to a wanted one, in an order of computing, and what it is computed from."""
    from codegen.run.pipeline import stabilised  # the compiler, which a program from the cache does not wait for

    request = stabilised(Request((wanted,)))
    order = [tensor for tensor in topological(request.outputs) if tensor.definition is not None]
    leaves = [leaf for leaf in leaves_in(request) if leaf.kind != "constant"]
    try:
        values = function(leaves, order, dtype=step.dtype)(
            **{str(leaf.name): _value(step, leaf, arrays) for leaf in leaves}
        )
    except SymgraphError:
        return ""
    sizes = {leaf.shape[0] for leaf in batched}
    for tensor, array in zip(order, values, strict=True):
        place = _place(array)
        if place is not None:
            is_batched = rows is not None and tensor.ndim > 0 and tensor.shape[0] in sizes
            shown = _shown(place, rows if is_batched else None)
            formula = str(tensor).splitlines()[0]
            return (
                f"{tensor.display_name}{shown} is {array[place]}, and all that it is computed from is finite "
                f"({formula if len(formula) <= LONGEST else formula[:LONGEST] + '…'})"
            )
    return ""


def _value(step: TrainStep, leaf: Tensor, arrays: Mapping[Tensor, np.ndarray]) -> Any:
    name = str(leaf.name)
    return arrays[leaf] if leaf in arrays else step.state[name] if name in step.state else step.hyper[name]


def _place(array: np.ndarray) -> tuple[int, ...] | None:
    """Of the first element that is not finite."""
    finite = np.isfinite(array)
    return None if finite.all() else tuple(map(int, np.argwhere(~finite)[0]))


def _shown(place: tuple[int, ...], rows: np.ndarray | None) -> str:
    if not place:
        return ""
    first = place[0] if rows is None else int(rows[place[0]])
    return f"[{', '.join(map(str, (first, *place[1:])))}]"
