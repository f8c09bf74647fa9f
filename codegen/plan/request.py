"""What a program is for, before anything is planned."""

from __future__ import annotations

from dataclasses import dataclass

from symgraph.core.graph import leaves
from symgraph.core.tensor import Tensor


@dataclass(frozen=True, slots=True)
class Request:
    """Values to return, and (leaf, next value) pairs to store."""

    outputs: tuple[Tensor, ...]
    updates: tuple[tuple[Tensor, Tensor], ...] = ()


def leaves_in(request: Request) -> list[Tensor]:
    """The leaves that a request reads or writes, each once."""
    roots = [*request.outputs, *(value for _, value in request.updates)]
    found = leaves([*roots, *(leaf for leaf, _ in request.updates)]).values()
    return list(dict.fromkeys(found))
