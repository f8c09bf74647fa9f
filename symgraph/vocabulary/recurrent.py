"""Recurrences by a step: ``scan(step, init, inputs)``, as in JAX. Cumulative sums and averages are rows in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sympy as sp

from symgraph.core.cases import Cases
from symgraph.core.declare import constant
from symgraph.core.define import as_tensor
from symgraph.core.indices import as_shape, axis, show_shape, show_size
from symgraph.core.provenance import at_line
from symgraph.core.reading import call_first, name_of
from symgraph.core.recurrence import closed
from symgraph.core.tensor import Element, Tensor
from symgraph.errors import ArgumentError, DomainError, ShapeError


def scan(
    step: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    inputs: Any = None,
    length: Any = None,
    reverse: bool = False,
) -> tuple[Any, Any]:
    """Apply a step again and again: (carry, x[t]) → (next carry, y[t]).

    Parameters
    ----------
    step : a function of tensors, called once, with the carry and one slice of the inputs. What else it reads is the
        same at every step, and may be differentiated like everything else; so is a random value that is drawn in it:
        one that differs from step to step is drawn outside, with an axis of steps, and is an input.
    init : the first carry: a tensor, or tuples, lists and dicts of tensors; carries keep its form and shapes.
    inputs : the same of tensors whose first axis is the steps; None where a step needs none.
    length : the number of steps, an integer or :func:`sg.dim`, where no input tells it; or a tensor or array of one
        number for each row, the first axes of carries and outputs: a row's carry stays as it is from step ``length``
        on, its y is 0, and what its inputs are there has no part in values or derivatives. Lengths may be 0; with
        ``reverse`` a row begins at step ``length − 1``.
    reverse : from the last step to the first.

    Returns
    -------
    The last carry, and what the steps gave as y with a first axis of ``length`` (None where they gave None).

    Raises
    ------
    ShapeError
        if inputs differ in length, a step changes the shape of a carry, or lengths fit no first axes of a carry.
    ArgumentError
        if nothing tells the length, or the step does not return a pair.
    """
    first, form = flat(init)
    slices, input_form = flat(inputs)
    ends = _ends(length)
    steps = _length(slices, None if ends is not None else length)
    if ends is not None:  # what lies behind a row's end is not even read: it may be NaN
        _check_rows(first, ends)
        slices = [_until(ends, one, None, axis(0), 1) if _has_rows(one, ends) else one for one in slices]
    carries = {Tensor.leaf("input", f"carry{n}", value.shape): value for n, value in enumerate(first)}
    given = {_one_step(value, n): value for n, value in enumerate(slices)}
    result = step(form(list(carries)), input_form(list(given)))
    if not isinstance(result, tuple) or len(result) != 2:
        raise ArgumentError(at_line(f"a step returns (carry, y), not {result!r}; y may be None"))
    following = in_form_of(init, result[0])
    for before, after in zip(first, following, strict=True):
        if after.shape != before.shape:
            raise ShapeError(
                at_line(f"the carry {before.display_name}{show_shape(before.shape)} becomes "
                        f"{after.display_name}{show_shape(after.shape)} in a step: expected the same shape; "
                        "broadcast init, or sum in the step")
            )  # fmt: skip
        if before.is_label or after.is_label:
            raise DomainError(at_line(f"the carry {before.display_name} holds integers: expected real numbers"))
    values, output_form = flat(result[1])
    if ends is not None:
        _check_rows(values, ends)
        now = _one_step(_counted(steps), len(given))
        given[now] = _counted(steps)
        held = [_until(ends, after, before, now.element) for before, after in zip(carries, following, strict=True)]
        values = [dict(zip(following, held, strict=True)).get(value, value) for value in values]
        following = held
    recurrence, course = closed(steps, reverse, carries, given, following)
    last = form([recurrence.last(number) for number in range(len(first))])
    found = [course.of(value) for value in values]
    if ends is not None:
        found = [_until(ends, value, None, axis(0), 1) for value in found]
    return last, output_form(found)


def _ends(length: Any) -> Tensor | None:
    """Lengths of rows, where they are that: a tensor, or an array or list of numbers."""
    if isinstance(length, Tensor) or getattr(length, "ndim", None):
        return as_tensor(length)
    return constant(length, "length") if isinstance(length, (list, tuple)) else None


def _counted(steps: sp.Expr) -> Tensor:
    """The number of every step."""
    return Tensor.define((steps,), axis(0))


def _until(ends: Tensor, value: Tensor, kept: Tensor | None, step: sp.Expr, before: int = 0) -> Tensor:
    """A value while its row lasts, then what is kept of it; ``before`` axes are no rows."""
    lasts = step < Element(ends, *(axis(before + d) for d in range(ends.ndim)))
    else_ = sp.S.Zero if kept is None else kept.element
    found = Tensor.define(value.shape, Cases((value.element, lasts), (else_, True)))
    name = name_of(value)
    if name is not None:
        call_first(found, name)
    return found


def _check_rows(values: list[Tensor], ends: Tensor) -> None:
    for value in values:
        if not _has_rows(value, ends, 0):
            shown = f"{value.display_name}{show_shape(value.shape)}"
            raise ShapeError(
                at_line(f"length is {ends.display_name}{show_shape(ends.shape)}, one for each row; {shown} has other "
                        f"first axes: expected {show_shape((*ends.shape, *value.shape[ends.ndim :]))}")
            )  # fmt: skip


def _has_rows(value: Tensor, ends: Tensor, before: int = 1) -> bool:
    return value.shape[before : before + ends.ndim] == ends.shape


def _one_step(value: Tensor, number: int) -> Tensor:
    """A leaf for one slice of an input."""
    return Tensor.leaf("input", f"input{number}", value.shape[1:], classes=value.classes)


def _length(inputs: list[Tensor], length: Any) -> sp.Expr:
    sizes = {} if length is None else {as_shape((length,))[0]: "length"}
    for value in inputs:
        if not value.ndim:
            raise ShapeError(at_line(f"the input {value.display_name} has no axis of steps"))
        sizes.setdefault(value.shape[0], f"{value.display_name}{show_shape(value.shape)}")
    if not sizes:
        raise ArgumentError(at_line("a scan without inputs needs length="))
    if len(sizes) > 1:
        told = " and ".join(f"{show_size(size)} by {what}" for size, what in sizes.items())
        raise ShapeError(at_line(f"the number of steps is {told}: expected the same"))
    return next(iter(sizes))


def flat(value: Any) -> tuple[list[Tensor], Callable[[list[Any]], Any]]:
    """The tensors of a nest of tuples, lists and dicts, and how others of the same number become such a nest."""
    if value is None:
        return [], lambda values: None
    if isinstance(value, dict):
        inner, form = flat(list(value.values()))
        return inner, lambda values: dict(zip(value, form(values), strict=True))
    if not isinstance(value, (tuple, list)):
        return [as_tensor(value)], lambda values: values[0]
    parts = [flat(part) for part in value]

    def nest(values: list[Any]) -> Any:
        rest, found = list(values), []
        for tensors, form in parts:
            found.append(form(rest[: len(tensors)]))
            rest = rest[len(tensors) :]
        return getattr(type(value), "_make", type(value))(found)

    return [tensor for tensors, _ in parts for tensor in tensors], nest


def in_form_of(first: Any, value: Any, what: str = "the step returns {} as the next carry; init is {}") -> list[Tensor]:
    """The tensors of a nest in the order of those of another: the items of dicts by key, of the others by place."""
    if isinstance(first, dict) and isinstance(value, dict) and first.keys() == value.keys():
        pairs = [(first[key], value[key]) for key in first]
    elif isinstance(first, tuple | list) and isinstance(value, tuple | list) and len(first) == len(value):
        pairs = list(zip(first, value, strict=True))
    elif first is None and value is None:
        pairs = []
    elif first is None or isinstance(first, dict | tuple | list) or isinstance(value, dict | tuple):
        raise ShapeError(at_line(what.format(_shown(value), _shown(first))))
    else:
        return [as_tensor(value)]
    return [tensor for pair in pairs for tensor in in_form_of(*pair, what)]


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return f"dict of {', '.join(map(str, value)) or 'nothing'}"
    if isinstance(value, tuple | list):
        return f"{type(value).__name__} of {len(value)}"
    return "None" if value is None else "one tensor"
