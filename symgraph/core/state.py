"""State: arrays beside the parameters that a step updates by formulas of their own.

mean = sg.state("mean", (3,));   codegen.train_step(J, updates={mean: mean + (sg.mean(x, 0) - mean) / 10})
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from symgraph.core.checked_names import checked_name
from symgraph.core.define import as_tensor
from symgraph.core.indices import as_shape, show_shape
from symgraph.core.misuse import explained
from symgraph.core.provenance import at_line
from symgraph.core.tensor import Tensor
from symgraph.errors import ArgumentError, DomainError, ShapeError
from symgraph.vocabulary import init as initializers
from symgraph.vocabulary.init import Initializer


@explained
def state(name: str, shape: Iterable[Any] | Any = (), init: Initializer | float | None = None) -> Tensor:
    """A real array that ``train_step(…, updates={it: formula})`` updates in place, and that is no parameter.

    Parameters
    ----------
    name : under which its array stands among the parameters.
    shape : integers. A state of rank 0 is float64 in every program, so that it may count.
    init : from :mod:`symgraph.vocabulary.init`, or a number; zeros unless told.

    Raises
    ------
    ShapeError
        for a size that is no integer.
    """
    sizes = as_shape(shape)
    if not all(size.is_Integer for size in sizes):
        raise ShapeError(at_line(f"state {name} needs a shape of integers, not {sizes}"))
    first = initializers.constant(init) if isinstance(init, int | float) else init
    return Tensor.leaf("state", checked_name(name), sizes, init=first or initializers.zeros())


def checked_updates(updates: Mapping[Any, Any] | None) -> dict[Tensor, Tensor]:
    """The states with the formulas of their next values.

    Raises
    ------
    ArgumentError, DomainError, ShapeError
        for what is no state, for labels, and for another shape.
    """
    if updates is not None and not isinstance(updates, Mapping):
        raise DomainError(at_line(f"updates must be a dict, {{state: formula}}, not {type(updates).__name__}"))
    found: dict[Tensor, Tensor] = {}
    for leaf, formula in (updates or {}).items():
        if not isinstance(leaf, Tensor) or leaf.kind != "state" or leaf.init is None:
            shown = f"{leaf.kind} {leaf.display_name}" if isinstance(leaf, Tensor) else repr(leaf)
            raise ArgumentError(at_line(f"updates: {shown} is no state: declare sg.state(name, shape)"))
        value = as_tensor(formula)
        if value.dtype != "real":
            raise DomainError(at_line(f"the update of state {leaf.name} needs real values, not class labels"))
        if value.shape != leaf.shape:
            raise ShapeError(
                at_line(f"the update of state {leaf.name} {show_shape(leaf.shape)} has shape {show_shape(value.shape)}")
            )
        found[leaf] = value
    return found
