"""What a training step is declared by: which leaves, in which order, under which names, and their first values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import sympy as sp

from codegen.plan.request import Request, leaves_in
from codegen.run import arguments
from symgraph.core.chance import STEP, drawn
from symgraph.core.indices import show_shape
from symgraph.core.provenance import at_line
from symgraph.core.tensor import Element, Tensor
from symgraph.errors import DisconnectedError, DomainError, NameConflictError, ShapeError
from symgraph.vocabulary.updating import Update

Chosen = Sequence[Tensor | str] | Tensor | str | None


def chosen_of(loss: Tensor, leaves: Sequence[Tensor], parameters: Chosen) -> tuple[Tensor, ...]:
    """The parameters to train, in the order of declaration."""
    present = [leaf for leaf in leaves if leaf.kind == "parameter"]
    if parameters is None:
        if not present:
            raise DisconnectedError(at_line(f"the loss {loss.display_name} depends on no parameter"))
        return tuple(present)
    named = {str(leaf.name): leaf for leaf in present}
    given = [parameters] if isinstance(parameters, Tensor | str) or not isinstance(parameters, Iterable) else parameters
    items = arguments.listed("parameters", given)
    chosen = [named.get(item, item) if isinstance(item, str) else item for item in items]
    for item in chosen:
        if isinstance(item, Tensor) and item.kind != "parameter":
            raise DomainError(at_line(f"{item.display_name} is no parameter: only parameters are trained"))
        if item not in present:
            name = item.display_name if isinstance(item, Tensor) else item
            raise DisconnectedError(
                at_line(f"parameter {name} does not influence the loss {loss.display_name}; "
                        f"its parameters are {', '.join(named) or 'none'}")
            )  # fmt: skip
    if not chosen:
        raise DisconnectedError(at_line("there is nothing to train: parameters is empty"))
    return tuple(leaf for leaf in present if leaf in chosen)


def first_values(leaf: Tensor, generator: np.random.Generator, dtype: np.dtype[Any]) -> np.ndarray:
    """Values of the initialiser of a parameter or state, as an array of its shape."""
    assert leaf.init is not None
    shape = tuple(int(size) for size in leaf.shape)
    values = np.asarray(leaf.init(generator, shape))
    if values.dtype.kind not in "biuf":
        raise DomainError(at_line(f"the initialiser of {leaf.name} gives {values.dtype}, no real numbers"))
    try:
        return np.array(np.broadcast_to(values, shape), dtype=dtype, order="C")
    except ValueError:
        raise ShapeError(
            at_line(f"the initialiser of {leaf.name} {show_shape(leaf.shape)} gives an array of shape {values.shape}")
        ) from None


def with_chance(outputs: Sequence[Tensor], updates: list[Update]) -> Request:
    """The program with every random value by its definition; the count of its steps then joins the updates."""
    found = drawn([*outputs, *(update.value for update in updates)])
    if STEP in leaves_in(Request(tuple(found))) and all(update.leaf is not STEP for update in updates):
        updates.append(Update(STEP, Tensor.define((), Element(STEP) + 1), 0.0))
        found.append(updates[-1].value)
    pairs = zip((update.leaf for update in updates), found[len(outputs) :], strict=True)
    return Request(tuple(found[: len(outputs)]), tuple(pairs))


def in_order(leaves: Iterable[Tensor]) -> list[Tensor]:
    """In the order in which the user has declared them; scalars last, by name."""
    return sorted(leaves, key=sp.default_sort_key)


def told(step: Any) -> str:
    """``<training step of J by SGD(lr=0.1), float32: x (N, 64), t (N,); W1 (64, 32), …>``"""
    inputs, stored = (
        ", ".join(f"{leaf.name} {show_shape(leaf.shape)}" for leaf in leaves) for leaves in (step.inputs, step.stored)
    )
    return f"<training step of {step.declared.display_name} by {step.optimizer!r}, {step.dtype}: {inputs}; {stored}>"


def check_names(leaves: Sequence[Tensor]) -> None:
    """Raise if a name stands for two things."""
    seen: dict[str, Tensor] = {}
    for leaf in leaves:
        other = seen.setdefault(str(leaf.name), leaf)
        if other is not leaf and "constant" not in (leaf.kind, other.kind):
            raise NameConflictError(
                f"the name {leaf.name} stands for two things:\n"
                f"  {other.kind} at {other.place}\n  {leaf.kind} at {leaf.place}\n"
                "give one of them another; layers take one too, Sequential(…, name='encoder')"
            )
