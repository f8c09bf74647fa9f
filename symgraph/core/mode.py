"""Training and evaluation: two programs of one declared network, decided once, before anything is derived or compiled.

y = {x/(1 − p) if u ≥ p, else 0} in training, x in evaluation      sg.mode(y, "train"), sg.mode(y, "evaluate")
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sympy as sp

from symgraph.core.cases import Cases
from symgraph.core.define import as_tensor, pointwise
from symgraph.core.graph import rewrite, topological
from symgraph.core.misuse import explained
from symgraph.core.provenance import at_line, names_result
from symgraph.core.tensor import Definition, Element, Tensor
from symgraph.errors import ArgumentError

__all__ = ["in_training", "mode"]

TRAINING = Tensor.scalar(sp.Symbol("training", integer=True, nonnegative=True))
"""1 in training and 0 in evaluation: a leaf until the mode is chosen."""
MODES = {"train": 1, "evaluate": 0}


@names_result
def in_training(training: Any, evaluation: Any) -> Tensor:
    """``training`` in the training program and ``evaluation`` in the other, of broadcast shapes."""
    chosen = sp.Ne(Element(TRAINING), 0)
    return pointwise(lambda u, v: Cases((u, chosen), (v, True)), training, evaluation)  # type: ignore[no-any-return]


@explained
def mode(outputs: Any, which: str) -> Any:
    """A tensor, or a list, tuple or dict of tensors, as it is in training (``"train"``) or in use (``"evaluate"``).

    ``codegen.train_step`` takes the former and ``codegen.function`` the latter unless told; this is for reading.

    Raises
    ------
    ArgumentError
        for another mode.
    """
    if isinstance(outputs, Mapping):
        return dict(zip(outputs, mode(list(outputs.values()), which), strict=True))
    if isinstance(outputs, list | tuple):
        return type(outputs)(in_mode([as_tensor(output) for output in outputs], which))
    return in_mode([as_tensor(outputs)], which)[0]


def in_mode(roots: Sequence[Tensor], which: str) -> list[Tensor]:
    """The tensors of a mode; see :func:`mode`."""
    if not isinstance(which, str) or which not in MODES:
        raise ArgumentError(at_line(f'mode must be "train" or "evaluate", not {which!r}'))
    if TRAINING not in topological(roots):
        return list(roots)
    number = sp.Integer(MODES[which])
    chosen = Tensor.define((), number)

    def change(tensor: Tensor, definition: Definition) -> Tensor:
        """A branch decided; a recurrence, whose steps have a slot for the mode, is given its number."""
        inside = definition.is_opaque
        body = definition.body if inside else definition.body.xreplace({Element(chosen): number})
        return tensor.redefined(Definition(definition.op, definition.extents, body))

    found = rewrite(roots, change, {TRAINING: chosen})
    return [found[root] for root in roots]
