"""The type that a tensor's elements have in memory."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from codegen.loops.ir import DType
from symgraph.core.graph import operands, topological
from symgraph.core.tensor import Tensor

_known: WeakKeyDictionary[Tensor, DType] = WeakKeyDictionary()


def data_type(tensor: Tensor) -> DType:
    """Type of a tensor's elements: integers are int64, truth values 0 and 1 of the program's type; scalars that depend
    on no array are computed in float64."""
    if tensor not in _known:
        for value in topological([tensor], _known):  # each once: a shared part is not asked again by all who read it
            if value not in _known:
                _known[value] = _of(value)
    return _known[tensor]


def _of(tensor: Tensor) -> DType:
    if tensor.dtype == "integer":
        return "int64"
    if tensor.kind == "scalar" or (tensor.kind == "state" and tensor.ndim == 0):
        return "float64"
    if tensor.definition is None or tensor.ndim or tensor.definition.op is not None:
        return "real"
    below = operands(tensor)
    return "float64" if below and all(_known[operand] == "float64" for operand in below) else "real"
