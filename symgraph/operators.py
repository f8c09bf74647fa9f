"""Python's operators and NumPy's protocols on tensors: thin calls into the functions that write definitions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sympy as sp

from symgraph.errors import DomainError
from symgraph.provenance import at_line, names_result


class Operators:
    """What ``x + y``, ``x @ W``, ``x[n, i]`` and ``np.exp(x)`` mean. The operands are converted and broadcast."""

    def __getitem__(self, key: Any) -> Any:
        from symgraph.functions import take

        return take(self, key)  # type: ignore[arg-type]

    def __iter__(self) -> Any:
        raise TypeError(f"iterating over tensor {self!r} is not defined")

    @names_result
    def __matmul__(self, other: Any) -> Any:
        from symgraph.functions import matmul

        return matmul(self, other)

    @names_result
    def __rmatmul__(self, other: Any) -> Any:
        from symgraph.functions import matmul

        return matmul(other, self)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        from symgraph.numpy_protocol import apply_ufunc

        return apply_ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        from symgraph.numpy_protocol import apply_function

        return apply_function(function, args, kwargs)

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise DomainError(at_line(f"{self!r} is a symbol and has no values; compile it with codegen.function"))

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: Any) -> Any:
        return self

    @names_result
    def __neg__(self) -> Any:
        return _pointwise(lambda u: -u, self)

    @names_result
    def __pos__(self) -> Any:
        return self

    @names_result
    def __abs__(self) -> Any:
        return _pointwise(sp.Abs, self)

    @names_result
    def __add__(self, other: Any) -> Any:
        return _pointwise(lambda u, v: u + v, self, other)

    @names_result
    def __radd__(self, other: Any) -> Any:
        return _pointwise(lambda u, v: u + v, other, self)

    @names_result
    def __sub__(self, other: Any) -> Any:
        return _pointwise(lambda u, v: u - v, self, other)

    @names_result
    def __rsub__(self, other: Any) -> Any:
        return _pointwise(lambda u, v: u - v, other, self)

    @names_result
    def __mul__(self, other: Any) -> Any:
        return _pointwise(lambda u, v: u * v, self, other)

    @names_result
    def __rmul__(self, other: Any) -> Any:
        return _pointwise(lambda u, v: u * v, other, self)

    @names_result
    def __truediv__(self, other: Any) -> Any:
        return _pointwise(lambda u, v: u / v, self, other)

    @names_result
    def __rtruediv__(self, other: Any) -> Any:
        return _pointwise(lambda u, v: u / v, other, self)

    @names_result
    def __pow__(self, other: Any, modulus: Any = None) -> Any:
        return _pointwise(lambda u, v: u**v, self, other)

    @names_result
    def __rpow__(self, other: Any) -> Any:
        return _pointwise(lambda u, v: u**v, other, self)


def _pointwise(operation: Callable[..., sp.Expr], *operands: Any) -> Any:
    from symgraph.define import pointwise

    return pointwise(operation, *operands)
