"""Python's operators and NumPy's protocols on tensors: thin calls into the functions that write definitions."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import sympy as sp

from symgraph.core.habits import Habits
from symgraph.core.provenance import at_line, names_result
from symgraph.core.scalars import modulo
from symgraph.errors import DomainError


def _method(room: str, name: str) -> Callable[..., Any]:
    """The function of that name as a method: ``x.reshape(4, 6)`` is ``sg.reshape(x, 4, 6)``."""

    def of_tensors() -> Any:
        return getattr(import_module(f"symgraph.vocabulary.{room}"), name)

    def method(self: Any, *args: Any, **options: Any) -> Any:
        return of_tensors()(self, *args, **options)

    method.__name__, method.__doc__ = name, f"``sg.{name}`` of this tensor."
    method.stands_for = of_tensors  # type: ignore[attr-defined]
    return names_result(method)


class Operators(Habits):
    """What ``x + y``, ``x @ W``, ``x[n, i]`` and ``np.exp(x)`` mean. The operands are converted and broadcast."""

    _iterable = False  # SymPy asks this of what it is given, and else for the error of __iter__

    def __getitem__(self, key: Any) -> Any:
        from symgraph.vocabulary.functions import take

        return take(self, key)  # type: ignore[arg-type]

    def __iter__(self) -> Any:
        raise DomainError(at_line(f"iterating over tensor {self!r} is not defined: write x[0], x[1], … or sg.split"))

    @names_result
    def __matmul__(self, other: Any) -> Any:
        from symgraph.vocabulary.functions import matmul

        return matmul(self, other)

    @names_result
    def __rmatmul__(self, other: Any) -> Any:
        from symgraph.vocabulary.functions import matmul

        return matmul(other, self)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        from symgraph.vocabulary.numpy_protocol import apply_ufunc

        return apply_ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        from symgraph.vocabulary.numpy_protocol import apply_function

        return apply_function(function, args, kwargs)

    def __contains__(self, value: Any) -> bool:
        raise DomainError(at_line(f"'in' asks for values, and {self!r} is a symbol: write sg.any(sp.Eq(x, value))"))

    def __len__(self) -> int:
        size = self.shape[0] if self.ndim else None  # type: ignore[attr-defined]
        if size is None or not size.is_Integer:
            why = "has no axis" if size is None else f"has {size} rows, which each call brings: write x.shape[0]"
            raise DomainError(at_line(f"len of {self!r}, which {why}"))
        return int(size)

    def __bool__(self) -> bool:
        return True  # as any expression of SymPy's, whatever its length

    def __setitem__(self, key: Any, value: Any = None) -> None:
        advice = "write sg.where(condition, value, x)"
        raise DomainError(at_line(f"{self!r} is a formula, whose elements are not set: {advice}"))

    __delitem__ = __setitem__

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise DomainError(at_line(f"{self!r} is a symbol and has no values; compile it with codegen.function"))

    def __float__(self) -> Any:
        raise DomainError(at_line(f"{self!r} is a symbol and no number; compile it with codegen.function"))

    def __round__(self, digits: Any = None) -> Any:
        raise DomainError(at_line(f"round has no meaning on tensors; write sp.floor(x + 1/2), for {self!r}"))

    __int__ = __complex__ = __float__

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

    @names_result
    def __mod__(self, other: Any) -> Any:
        return _pointwise(modulo, self, other)

    @names_result
    def __rmod__(self, other: Any) -> Any:
        return _pointwise(modulo, other, self)

    @names_result
    def __floordiv__(self, other: Any) -> Any:
        return _pointwise(lambda u, v: sp.floor(u / v), self, other)

    @names_result
    def __rfloordiv__(self, other: Any) -> Any:
        return _pointwise(lambda u, v: sp.floor(u / v), other, self)

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> Any:
        return other // self, other % self

    def _eval_Mod(self, divisor: Any) -> Any:
        """What SymPy asks for ``sp.Mod(x, 2)``."""
        return self % divisor

    @names_result
    def __gt__(self, other: Any) -> Any:
        return _compared(sp.StrictGreaterThan, self, other)

    @names_result
    def __ge__(self, other: Any) -> Any:
        return _compared(sp.GreaterThan, self, other)

    @names_result
    def __lt__(self, other: Any) -> Any:
        return _compared(sp.StrictLessThan, self, other)

    @names_result
    def __le__(self, other: Any) -> Any:
        return _compared(sp.LessThan, self, other)

    def __and__(self, other: Any) -> Any:
        return _joined(sp.And, self, other)

    def __or__(self, other: Any) -> Any:
        return _joined(sp.Or, self, other)

    def __xor__(self, other: Any) -> Any:
        return _joined(sp.Xor, self, other)

    def __invert__(self) -> Any:
        return _joined(sp.Not, self)

    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__

    # -- NumPy's and PyTorch's methods, by rows ---------------------------------------------------------------------
    sum = _method("functions", "sum")
    mean = _method("functions", "mean")
    max = _method("functions", "max")
    min = _method("functions", "min")
    prod = _method("gathers", "prod")
    cumsum = _method("cumulative", "cumsum")
    cumprod = _method("cumulative", "cumprod")
    argmax = _method("functions", "argmax")
    argmin = _method("functions", "argmin")
    reshape = _method("shapes", "reshape")
    ravel = _method("shapes", "ravel")
    flatten = _method("shapes", "flatten")
    squeeze = _method("shapes", "squeeze")
    unsqueeze = _method("shapes", "unsqueeze")
    swapaxes = _method("shapes", "swapaxes")
    permute = _method("shapes", "permute")
    repeat = _method("joining", "repeat")
    take = _method("joining", "take")
    flip = _method("joining", "flip")
    roll = _method("joining", "roll")
    dot = _method("products", "dot")
    diagonal = _method("products", "diagonal")
    trace = _method("products", "trace")
    var = _method("statistics", "var")
    std = _method("statistics", "std")
    norm = _method("statistics", "norm")
    any = _method("statistics", "any")
    all = _method("statistics", "all")
    clip = _method("statistics", "clip")

    @names_result
    def transpose(self, *axes: Any) -> Any:
        """The axes in another order, reversed unless told, as NumPy's: ``x.transpose(1, 0)``, or of a tuple."""
        from symgraph.vocabulary.shapes import permute

        return permute(self, *(axes or (range(self.ndim)[::-1],)))  # type: ignore[attr-defined]


def _pointwise(operation: Callable[..., sp.Expr], *operands: Any) -> Any:
    from symgraph.core.define import pointwise

    return pointwise(operation, *operands)


def _joined(operation: Any, *conditions: Any) -> Any:
    from symgraph.vocabulary.comparisons import joined

    for condition in conditions:
        if getattr(condition, "dtype", "boolean") in ("real", "integer"):
            name = getattr(condition, "display_name", condition)
            raise DomainError(at_line(f"&, |, ^ and ~ join conditions, and {name} is none: write ({name} > 0)"))
    return joined(operation, *conditions)


def _compared(relation: Any, left: Any, right: Any) -> Any:
    from symgraph.vocabulary.comparisons import compared

    return compared(relation, left, right)
