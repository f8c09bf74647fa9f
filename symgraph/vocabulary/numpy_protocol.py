"""NumPy's protocols: ``np.exp(x)`` and ``np.sum(x, axis=1)`` on a symbol are definitions, not errors."""

from __future__ import annotations

from typing import Any

import sympy as sp

from symgraph.core.define import as_tensor, pointwise
from symgraph.core.provenance import at_line, names_result
from symgraph.errors import DomainError
from symgraph.vocabulary import (
    activations,
    cumulative,
    elementary,
    functions,
    gathers,
    joining,
    products,
    shapes,
    statistics,
)
from symgraph.vocabulary.comparisons import compared, joined
from symgraph.vocabulary.functions import matmul

UFUNCS: dict[str, Any] = {
    **elementary.ELEMENTARY,
    "tanh": activations.tanh,
    "expit": activations.sigmoid,
    "psi": elementary.digamma,
    "absolute": elementary.abs,
    "add": lambda a, b: pointwise(lambda u, v: u + v, a, b),
    "subtract": lambda a, b: pointwise(lambda u, v: u - v, a, b),
    "multiply": lambda a, b: pointwise(lambda u, v: u * v, a, b),
    "divide": lambda a, b: pointwise(lambda u, v: u / v, a, b),
    "power": lambda a, b: pointwise(lambda u, v: u**v, a, b),
    "float_power": lambda a, b: pointwise(lambda u, v: u**v, a, b),
    "negative": lambda a: pointwise(lambda u: -u, a),
    "positive": lambda a: a,
    "rad2deg": elementary.degrees,
    "deg2rad": elementary.radians,
    "matmul": matmul,
    "greater": lambda a, b: compared(sp.StrictGreaterThan, a, b),
    "less": lambda a, b: compared(sp.StrictLessThan, a, b),
    "greater_equal": lambda a, b: compared(sp.GreaterThan, a, b),
    "less_equal": lambda a, b: compared(sp.LessThan, a, b),
    "equal": lambda a, b: compared(sp.Eq, a, b),
    "not_equal": lambda a, b: compared(sp.Ne, a, b),
    "logical_and": lambda a, b: joined(sp.And, a, b),
    "logical_or": lambda a, b: joined(sp.Or, a, b),
    "logical_xor": lambda a, b: joined(sp.Xor, a, b),
    "logical_not": lambda a: joined(sp.Not, a),
    "bitwise_and": lambda a, b: joined(sp.And, a, b),
    "bitwise_or": lambda a, b: joined(sp.Or, a, b),
    "bitwise_xor": lambda a, b: joined(sp.Xor, a, b),
    "invert": lambda a: joined(sp.Not, a),
}
"""What each ufunc means on tensors; comparisons give conditions."""


def _pad(a: Any, pad_width: Any, mode: str = "constant", constant_values: Any = 0) -> Any:
    return joining.pad(a, pad_width, mode, constant_values)


def _norm(a: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """NumPy's norm where it is one of vectors, or Frobenius'."""
    is_vector = as_tensor(a).ndim == 1 or hasattr(axis, "__index__")
    if ord is not None and not is_vector:
        raise DomainError(at_line(f"np.linalg.norm of a matrix has no order {ord!r} here; sg.norm is of its elements"))
    return statistics.norm(a, 2 if ord is None else ord, axis, keepdims)


_SAME = {
    cumulative: "cumsum cumprod polyval",
    functions: "sum mean max min argmax argmin transpose where",
    shapes: "broadcast_to expand_dims moveaxis ravel reshape squeeze swapaxes",
    gathers: "prod take_along_axis",
    joining: "concatenate flip repeat roll split stack take tile",
    products: "diag diagonal dot einsum kron outer tensordot trace tril triu vdot",
    statistics: "all any average clip std var",
}
FUNCTIONS: dict[str, Any] = {
    **{name: getattr(module, name) for module, names in _SAME.items() for name in names.split()},
    "amax": functions.max,
    "amin": functions.min,
    "square": elementary.square,
    "sinc": elementary.sinc,
    "pad": _pad,
    "norm": _norm,
}
"""The functions of NumPy that have the meaning, and the arguments, of ours."""


@names_result
def apply_ufunc(ufunc: Any, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A NumPy ufunc on tensors."""
    function = UFUNCS.get(ufunc.__name__)
    if method != "__call__":
        raise DomainError(at_line(f"np.{ufunc.__name__}.{method} has no meaning on tensors; see sg.sum, sg.define"))
    if function is not None and kwargs:
        raise DomainError(at_line(f"np.{ufunc.__name__} of tensors is a formula, and takes no {', '.join(kwargs)}"))
    if function is None:
        known = ", ".join(sorted(UFUNCS))
        raise DomainError(at_line(f"np.{ufunc.__name__} has no meaning on tensors here; known are {known}"))
    return function(*inputs)


@names_result
def apply_function(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A NumPy function on tensors."""
    known = FUNCTIONS.get(function.__name__)
    if known is None:
        names = ", ".join(sorted(FUNCTIONS))
        raise DomainError(at_line(f"np.{function.__name__} has no meaning on tensors; known are {names}"))
    return known(*args, **kwargs)
