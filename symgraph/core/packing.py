"""Tensors on their way to another process: flat tables of what declares them, without recursion however deep they are.

Comes in: tensors. Goes out: a parcel that pickle takes, and from it the same tensors, where it is opened. A leaf that
has been here before is the same object again; the definitions over it then are too, as equal definitions always are.
Leaves keep the order in which they were declared there, on which the order of parameters and the streams of chance
depend, whatever has come from there before. What tensors are called travels with
them.
"""

from __future__ import annotations

import io
import os
import pickle
import uuid
from collections.abc import Iterable
from typing import Any
from weakref import WeakKeyDictionary, WeakValueDictionary

import numpy as np
import sympy as sp

from symgraph.core.chance import STEP
from symgraph.core.graph import topological
from symgraph.core.reading import call_first, name_of
from symgraph.core.tensor import Tensor

Origin = tuple[str, str, int]
"""Which leaf it is, the process that has declared it, and as which one."""

_origins: WeakKeyDictionary[Tensor, Origin] = WeakKeyDictionary()
_known: WeakValueDictionary[str, Tensor] = WeakValueDictionary()
_origins[STEP], _known["random_step"] = ("random_step", "", 0), STEP
_this_process = uuid.uuid4().hex
_arrived: dict[str, int] = {}
"""For other processes, when the first leaf of theirs came: theirs are sorted as if all had been declared then."""

_DERIVED = frozenset((
    "kind", "name", "shape", "serial", "age", "place", "content", "place_in_order", "first", "definition", "symbol",
    "cotangent_of", "_assumptions", "_mhash",
))  # fmt: skip
"""Attributes of a leaf that its making sets, or that are handed over by their own names."""


class Parcel:
    """Tensors as a table that can be pickled; ``open()`` gives them back in their order."""

    def __init__(self, tensors: Iterable[Tensor]) -> None:
        roots = list(tensors)
        order = with_all_below(roots)
        leaves = sorted((tensor for tensor in order if tensor.definition is None), key=lambda leaf: leaf.age)
        computed = [tensor for tensor in order if tensor.definition is not None]
        places = {tensor: place for place, tensor in enumerate([*leaves, *computed])}
        self.leaves = [_leaf(leaf) for leaf in leaves]
        self.roots = [places[tensor] for tensor in roots]
        self.count = len(computed)
        memory = io.BytesIO()
        packer = _Packer(memory, places)
        for tensor in computed:
            packer.dump((tensor.shape, tensor.definition, tensor.cotangent_of, name_of(tensor), tensor.place))
        self.formulas = memory.getvalue()

    def open(self) -> list[Tensor]:
        """The tensors, with those that exist here as they are."""
        found = [_made(*row) for row in self.leaves]
        opener = _Opener(io.BytesIO(self.formulas), found)
        for _ in range(self.count):
            shape, definition, cotangent_of, name, place = opener.load()
            before = next(Tensor._counter)
            tensor = Tensor.define(shape, definition.body, definition.op, definition.extents, cotangent_of)
            if tensor.serial > before:
                tensor.place = place
            if name is not None:
                call_first(tensor, name)
            found.append(tensor)
        return [found[place] for place in self.roots]

    def __deepcopy__(self, memo: Any) -> Parcel:
        return self


def first(parcel: Parcel) -> Tensor:
    """The tensor of a parcel with one."""
    return parcel.open()[0]


def with_all_below(roots: Iterable[Tensor]) -> list[Tensor]:
    """All tensors that these depend on, or are cotangents by, operands first."""
    order: dict[Tensor, None] = {}
    pending = [(root, False) for root in reversed(list(roots))]
    while pending:
        tensor, ready = pending.pop()
        if tensor in order:
            continue
        new = topological([tensor])
        about = [part for node in new for part in node.cotangent_of or () if part not in order]
        if about and not ready:
            pending.append((tensor, True))
            pending += [(part, False) for part in about if part is not tensor]
        else:
            order |= dict.fromkeys(node for node in new if node not in order)
    return list(order)


def _leaf(tensor: Tensor) -> tuple[Any, ...]:
    if tensor.symbol is not None:
        return None, tensor.kind, tensor.symbol, (), {}, tensor.place
    if tensor.kind == "slot":
        more = {"classes": tensor.classes, "dtype": tensor.dtype}
        return None, tensor.kind, int(str(tensor.name)[4:]), tensor.shape, more, tensor.place
    origin = _origins.get(tensor)
    if origin is None:
        origin = _origins[tensor] = uuid.uuid4().hex, _this_process, tensor.serial
        _known[origin[0]] = tensor
    more = {name: value for name, value in vars(tensor).items() if name not in _DERIVED}
    return origin, tensor.kind, tensor.name, tensor.shape, more, tensor.place


def _made(origin: Origin | None, kind: Any, name: Any, shape: Any, more: dict[str, Any], place: Any) -> Tensor:
    if origin is None:
        return Tensor.scalar(name) if kind == "scalar" else Tensor.slot(name, shape, **more)
    with Tensor._lock:
        found = _known.get(origin[0])
        if found is None:
            found = Tensor.leaf(kind, name, shape, age=_age(origin), **more)
            found.place = place
            if isinstance(found.value, np.ndarray):
                found.value.setflags(write=False)
            _known[origin[0]], _origins[found] = found, origin
    return found


def _age(origin: Origin) -> str:
    """The age here of a leaf that comes from elsewhere, or back to where all that was left of it was its parcel."""
    _, process, serial = origin
    if process == _this_process:
        return f"{serial:012d}.{next(Tensor._counter):012d}"
    if process not in _arrived:
        _arrived[process] = next(Tensor._counter)
    return f"{_arrived[process]:012d}.{serial:012d}.{next(Tensor._counter):012d}"


def _in_child() -> None:
    global _this_process
    _this_process = uuid.uuid4().hex


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)


class _Packer(pickle.Pickler):
    """Writes tensors as their places in the table."""

    def __init__(self, file: io.BytesIO, places: dict[Tensor, int]) -> None:
        super().__init__(file, protocol=5)
        self.places = places

    def persistent_id(self, given: Any) -> int | None:
        return self.places.get(given) if isinstance(given, Tensor) else None  # None: in a parcel of its own

    def reducer_override(self, given: Any) -> Any:
        is_node = isinstance(given, sp.Basic) and given.args
        return (_as_it_was, (type(given), *given.args)) if is_node else NotImplemented


def _as_it_was(operation: Any, *args: sp.Basic) -> sp.Basic:
    """An operation on just these operands, also where SymPy would write it otherwise: 2·(x + y)."""
    made = operation(*args)
    return made if type(made) is operation and made.args == args else operation(*args, evaluate=False)


class _Opener(pickle.Unpickler):
    """Reads tensors by their places in the table."""

    def __init__(self, file: io.BytesIO, tensors: list[Tensor]) -> None:
        super().__init__(file)
        self.tensors = tensors

    def persistent_load(self, place: int) -> Tensor:
        return self.tensors[place]
