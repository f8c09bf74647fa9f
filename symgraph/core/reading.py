"""What values are called: a table beside the graph, for people alone. No value, and no decision, depends on it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from symgraph.core.tensor import Tensor

_cotangents: WeakKeyDictionary[Tensor, tuple[Tensor, Tensor]] = WeakKeyDictionary()
_called: WeakKeyDictionary[Tensor, str] = WeakKeyDictionary()


def name_of(tensor: Tensor) -> str | None:
    """What the user calls a computed value: the variable that it was first bound to, or what :func:`call` said."""
    return _called.get(tensor)


def call(tensor: Tensor, name: str) -> None:
    """Call a value by a name from now on."""
    _called[tensor] = name


def call_first(tensor: Tensor, name: str) -> None:
    """Call a value by a name, unless it has one."""
    _called.setdefault(tensor, name)


def call_alike(tensor: Tensor, other: Tensor) -> None:
    """Call a computed value as another is called, unless it has a name."""
    name = name_of(other)
    if name is not None and tensor.definition is not None:
        call_first(tensor, name)


def cotangent_pair(tensor: Tensor) -> tuple[Tensor, Tensor] | None:
    """(loss, value) of a value that is ∂loss/∂value, where a loop computes it."""
    return _cotangents.get(tensor)


def call_cotangent(tensor: Tensor, pair: tuple[Tensor, Tensor]) -> None:
    """Say that a value is ∂loss/∂value, unless it is that of another value of the same loss already."""
    known = _cotangents.get(tensor)
    if known is None or known[0] is not pair[0]:
        _cotangents[tensor] = pair
