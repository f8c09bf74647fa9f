"""The type that a tensor's elements have in memory."""

from __future__ import annotations

from codegen.loops.ir import DType
from symgraph.core.tensor import Element, Tensor


def data_type(tensor: Tensor) -> DType:
    """Type of a tensor's elements: integers are int64, truth values 0 and 1 of the program's type; scalars that depend
    on no array are computed in float64."""
    if tensor.dtype == "integer":
        return "int64"
    if tensor.kind == "scalar" or (tensor.kind == "state" and tensor.ndim == 0):
        return "float64"
    if tensor.definition is None or tensor.ndim or tensor.definition.op is not None:
        return "real"
    operands = {element.tensor for element in tensor.definition.body.atoms(Element)}
    return "float64" if operands and all(data_type(o) == "float64" for o in operands) else "real"
