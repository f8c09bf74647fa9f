"""Running values along an axis: sums, products, extremes, averages, each a definition that reads itself one step back.

cumsum: y[t] = y[t − 1] + x[t]      cumprod: y[t] = y[t − 1]·x[t]      ewma: y[t] = (1 − α)·y[t − 1] + α·x[t]

The derivative is the recurrence that runs the other way; no element is divided by, so that zeros are no special case.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sympy as sp

from symgraph.core.broadcast import broadcast
from symgraph.core.by_index import defined_by_itself
from symgraph.core.cases import Cases
from symgraph.core.define import as_tensor, element_of
from symgraph.core.indices import Index
from symgraph.core.indices import axis as place
from symgraph.core.provenance import at_line, names_result
from symgraph.core.tensor import Element, Tensor, require_real
from symgraph.errors import ShapeError
from symgraph.vocabulary.elementary import log
from symgraph.vocabulary.functions import axis_of
from symgraph.vocabulary.normalise import stop_gradient
from symgraph.vocabulary.shapes import along, ravel, shown, squeeze

Rule = Callable[[Any, Any], Any]
"""What is after a step, by what was before it and the element of the step."""


def _running(name: str, x: Any, axis: int | None, reverse: bool, first: Any, rule: Rule) -> Tensor:
    """A value at every step of an axis; of all elements in row-major order where there is none."""
    a = as_tensor(x)
    require_real(a, name)
    if a.ndim == 0:
        raise ShapeError(at_line(f"{name} needs an axis; {shown(a)} has none"))
    if axis is None:
        a, axis = ravel(a), 0
    d = axis_of(a, axis)
    free = [Index(f"i{n}") for n in range(a.ndim)]
    before = [index + (1 if reverse else -1) if n == d else index for n, index in enumerate(free)]
    begin = first(a, d) if callable(first) else first

    def body(y: Tensor) -> Any:
        return rule(Element(y, *before), Element(a, *free))

    return defined_by_itself(free, body, a.shape, begin)  # type: ignore[no-any-return]


def _extreme(y: Any, a: Any, stays: Any, moves: Any) -> sp.Expr:
    """One of two values; where neither comparison holds, one is NaN and so is their sum."""
    return Cases((y, stays), (a, moves), (y + a, True))


@names_result
def cumsum(x: Any, axis: int | None = None, reverse: bool = False) -> Tensor:
    """Sums of the elements up to each, y[t] = y[t − 1] + x[t]: shape and dtype of x.

    ``axis`` None is all elements in row-major order, as in NumPy; ``reverse`` sums from the last one, as in JAX.

    Raises
    ------
    ShapeError
        if there is no such axis.
    DomainError
        for labels.
    """
    return _running("cumsum", x, axis, reverse, 0, lambda y, a: y + a)


@names_result
def cumprod(x: Any, axis: int | None = None, reverse: bool = False) -> Tensor:
    """Products of the elements up to each, y[t] = y[t − 1]·x[t]; arguments as of :func:`cumsum`.

    The derivative is right where elements are 0: it multiplies what stands around an element, and divides by nothing.
    """
    return _running("cumprod", x, axis, reverse, 1, lambda y, a: y * a)


@names_result
def cummax(x: Any, axis: int | None = None, reverse: bool = False) -> Tensor:
    """The greatest of the elements up to each; where equal ones attain it the derivative goes to the first."""
    return _running("cummax", x, axis, reverse, -sp.oo, lambda y, a: _extreme(y, a, y >= a, a > y))


@names_result
def cummin(x: Any, axis: int | None = None, reverse: bool = False) -> Tensor:
    """The least of the elements up to each; where equal ones attain it the derivative goes to the first."""
    return _running("cummin", x, axis, reverse, sp.oo, lambda y, a: _extreme(y, a, y <= a, a < y))


@names_result
def logcumsumexp(x: Any, axis: int | None = None, reverse: bool = False) -> Tensor:
    """log Σ exp of the elements up to each, y[t] = m[t] + log(s[t]): arguments as of :func:`cumsum`.

    m are the greatest elements so far and s[t] = s[t − 1]·exp(m[t − 1] − m[t]) + exp(x[t] − m[t]), so that nothing
    overflows (Milakov, Gimelshein, arXiv:1805.02867). y depends on no choice of m, which has no derivative.
    """
    a = as_tensor(x)
    if axis is None and a.ndim:
        a, axis = ravel(a), 0
    most = stop_gradient(cummax(a, axis, reverse))

    def rule(s: Any, element: Any) -> Any:
        d = axis_of(a, axis)
        step, here = element.indices[d], Element(most, *element.indices)
        inside = step < a.shape[d] - 1 if reverse else step > 0
        decay = Cases((sp.exp(Element(most, *s.indices) - here), inside), (sp.S.Zero, True))
        return s * decay + sp.exp(element - here)

    return most + log(_running("logcumsumexp", a, axis, reverse, 0, rule))  # type: ignore[no-any-return]


@names_result
def discounted_sum(x: Any, discount: Any, axis: int | None = None, last: Any = 0) -> Tensor:
    """Sums of what follows, later elements for less: y[t] = x[t] + γ·y[t + 1] (returns; Sutton, Barto 2018, eq. 3.9).

    ``discount`` γ is a number, a symbol, or a tensor that broadcasts to x, of a γ for each step; ``last`` is y after
    the last step, such as the value of the state where an episode was cut.
    """
    a = as_tensor(x)
    rate = _at_places(discount, ravel(a) if axis is None else a)
    return _running("discounted_sum", a, axis, True, last, lambda y, a: a + rate(a) * y)


@names_result
def ewma(x: Any, alpha: Any, axis: int | None = None) -> Tensor:
    """The exponentially weighted moving average y[t] = (1 − α)·y[t − 1] + α·x[t], y[0] = x[0] (Roberts 1959).

    ``alpha`` α is a number, a symbol, or a tensor that broadcasts to x. It is pandas' ``ewm(adjust=False)``.
    """
    a = as_tensor(x)
    rate = _at_places(alpha, ravel(a) if axis is None else a)

    def begin(whole: Tensor, d: int) -> Tensor:
        return squeeze(along(whole, d, 1, place(d)), d)

    return _running("ewma", a, axis, False, begin, lambda y, a: y + rate(a) * (a - y))


def _at_places(given: Any, x: Tensor) -> Callable[[Element], Any]:
    """A rate at the indices of an element of x.

    Raises
    ------
    ShapeError
        if it does not broadcast to x.
    """
    rate = as_tensor(given)
    if broadcast(rate.shape, x.shape) != x.shape:
        raise ShapeError(at_line(f"{shown(rate)} does not broadcast to {shown(x)}"))
    return lambda a: element_of(rate, x.ndim).xreplace({place(d): index for d, index in enumerate(a.indices)})


@names_result
def polyval(p: Any, x: Any) -> Tensor:
    """p[0]·xᴷ⁻¹ + … + p[K − 1] by Horner's scheme, y ← y·x + p[k]; coefficients (K,) as in NumPy, x of any shape.

    A symbolic number of coefficients is a recurrence; a number of them is one formula.
    """
    coefficients, a = as_tensor(p), as_tensor(x)
    if coefficients.ndim != 1:
        raise ShapeError(at_line(f"polyval needs coefficients (K,), not {shown(coefficients)}"))
    count = coefficients.shape[0]
    if count.is_Integer:
        y = coefficients[0] + 0 * a
        for k in range(1, int(count)):
            y = y * a + coefficients[k]
        return y  # type: ignore[no-any-return]
    k, free = Index("k"), [Index(f"i{n}") for n in range(a.ndim)]

    def body(y: Tensor) -> Any:
        return Element(y, k - 1, *free) * Element(a, *free) + Element(coefficients, k)

    return defined_by_itself((k, *free), body, (count, *a.shape), 0)[count - 1]  # type: ignore[no-any-return]


__all__ = ["cummax", "cummin", "cumprod", "cumsum", "discounted_sum", "ewma", "logcumsumexp", "polyval"]
