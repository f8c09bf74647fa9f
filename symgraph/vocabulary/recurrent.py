"""Recurrences by a step: ``scan(step, init, inputs)``, as in JAX. Cumulative sums and averages are rows in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sympy as sp

from symgraph.core.cases import Cases
from symgraph.core.declare import constant
from symgraph.core.define import as_tensor
from symgraph.core.indices import as_shape, axis, is_at_least_zero, show_shape, show_size
from symgraph.core.misuse import explained
from symgraph.core.provenance import at_line
from symgraph.core.reading import call_first, name_of
from symgraph.core.recurrence import closed
from symgraph.core.tensor import Element, Tensor
from symgraph.errors import ArgumentError, DomainError, ShapeError
from symgraph.vocabulary.joining import concatenate
from symgraph.vocabulary.shapes import along, reshape, shown


@explained
def scan(
    step: Step,
    init: Any,
    inputs: Any = None,
    length: Any = None,
    reverse: bool = False,
    checkpoint: int | None = None,
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
        on, its y is 0, and what its inputs are there has no part in values or derivatives: compiled programs leave it
        out. Lengths may be 0; with ``reverse`` a row begins at step ``length − 1``.
    reverse : from the last step to the first.
    checkpoint : how many steps a derivative computes again at once: it keeps the carries of every ``checkpoint``-th
        step and not what lies between, for one more run of the steps (Chen et al., arXiv:1604.06174). Values are the
        same to the last bit. ``report()`` of a program tells its memory.

    Returns
    -------
    The last carry, and what the steps gave as y with a first axis of ``length`` (None where they gave None).

    Raises
    ------
    ShapeError
        if inputs differ in length, a step changes the shape of a carry, or lengths fit no first axes of a carry.
    DomainError
        if a carry holds integers or truth values, at first or after a step.
    ArgumentError
        if nothing tells the length, the step does not return a pair, or ``checkpoint`` is less than 1.
    """
    slices, form = flat(inputs)
    ends = _ends(length)
    steps = _length(slices, None if ends is not None else length)
    if ends is not None:
        return _in_rows(step, init, slices, form, ends, steps, (reverse, checkpoint))
    if checkpoint is not None:
        return _in_segments(step, init, slices, form, steps, reverse, checkpoint)
    return _scan(step, init, slices, form, steps, reverse)


Step = Callable[[Any, Any], tuple[Any, Any]]
Form = Callable[[list[Any]], Any]


def _scan(
    step: Step, init: Any, slices: list[Tensor], input_form: Form, steps: sp.Expr, reverse: bool, again: bool = False
) -> tuple[Any, Any]:
    first, form = flat(init)
    carries = {Tensor.leaf("input", f"carry{n}", value.shape): value for n, value in enumerate(first)}
    given = {_one_step(value, n): value for n, value in enumerate(slices)}
    result = _pair(step(form(list(carries)), input_form(list(given))))
    following = in_form_of(init, result[0])
    for before, after in zip(first, following, strict=True):
        if after.shape != before.shape:
            raise ShapeError(
                at_line(f"the carry {before.display_name}{show_shape(before.shape)} becomes "
                        f"{after.display_name}{show_shape(after.shape)} in a step: expected the same shape; "
                        "broadcast init, or sum in the step")
            )  # fmt: skip
        for value, does in ((before, "holds"), (after, f"becomes {after.display_name} in a step, which holds")):
            if value.dtype != "real" and value.kind != "constant":
                kind = {"integer": "integers", "boolean": "truth values"}[value.dtype]
                raise DomainError(
                    at_line(f"the carry {before.display_name} {does} {kind}: expected real numbers; "
                            f"write 1.0*{value.display_name}, or sg.where({value.display_name}, 1, 0)")
                )  # fmt: skip
    values, output_form = flat(result[1])
    recurrence, course = closed(steps, reverse, carries, given, following, again, values)
    last = form([recurrence.last(number) for number in range(len(first))])
    return last, output_form([course.of(value) for value in values])


def _pair(result: Any) -> tuple[Any, Any]:
    if not isinstance(result, tuple) or len(result) != 2:
        raise ArgumentError(at_line(f"a step returns (carry, y), not {result!r}; y may be None"))
    if result[0] is None:
        raise ArgumentError(at_line("a step returns (carry, y), its carry is None: expected the next carry"))
    return result


def _in_rows(
    step: Step, init: Any, slices: list[Tensor], form: Form, ends: Tensor, steps: sp.Expr, how: tuple[bool, Any]
) -> tuple[Any, Any]:
    """A scan of rows that end at different steps. What lies behind a row's end is not even read: it may be NaN."""
    _check_rows(flat(init)[0], ends)
    _check_ends(ends, steps)
    slices = [_until(ends, one, None, axis(0), 1) if _has_rows(one, ends) else one for one in slices]

    def held(carry: Any, inputs: Any) -> tuple[Any, Any]:
        *parts, now = inputs
        result = _pair(step(carry, form(parts)))
        after, (values, output_form), (before, nest) = in_form_of(carry, result[0]), flat(result[1]), flat(carry)
        _check_rows(values, ends)
        kept = {
            one: _until(ends, one, old, now.element) if one.shape == old.shape else one
            for one, old in zip(after, before, strict=True)
        }
        return nest([kept[one] for one in after]), output_form([kept.get(value, value) for value in values])

    last, found = scan(held, init, (*slices, counted(steps)), None, *how)
    values, output_form = flat(found)
    return last, output_form([_until(ends, value, None, axis(0), 1) for value in values])


def _in_segments(
    step: Step, init: Any, slices: list[Tensor], form: Form, steps: sp.Expr, reverse: bool, size: Any
) -> tuple[Any, Any]:
    """A scan over segments of ``size`` steps, each a scan of its own, and the steps that are left over."""
    if isinstance(size, bool) or not hasattr(size, "__index__") or size < 1:
        raise ArgumentError(at_line(f"checkpoint is a number of steps, at least 1, not {size!r}"))
    size = int(size)
    rest = int(steps % size) if steps.is_Integer else 0
    count = (steps - rest) / size
    if not (count.is_integer or sp.expand(count).is_integer):
        return _padded(step, init, slices, form, steps, reverse, size)
    if count == 0:
        return _scan(step, init, slices, form, steps, reverse)

    def part(values: list[Tensor], number: Any, begin: Any) -> list[Tensor]:
        return [along(value, 0, number, axis(0) + begin) for value in values]

    def segments(carry: Any) -> tuple[Any, Any]:
        def segment(carry: Any, inputs: Any) -> tuple[Any, Any]:
            return _scan(step, carry, list(inputs), form, sp.Integer(size), reverse)

        whole = part(slices, count * size, 0)
        cut = [reshape(value, (count, size, *value.shape[1:])) for value in whole]
        last, found = _scan(segment, carry, cut, tuple, count, reverse, again=True)
        values, output_form = flat(found)
        return last, output_form([reshape(value, (count * size, *value.shape[2:])) for value in values])

    def left(carry: Any) -> tuple[Any, Any]:
        return _scan(step, carry, part(slices, rest, count * size), form, sp.Integer(rest), reverse)

    if rest == 0:
        return segments(init)
    carry, first = (left if reverse else segments)(init)
    last, second = (segments if reverse else left)(carry)
    (one, output_form), (other, _) = flat(second if reverse else first), flat(first if reverse else second)
    return last, output_form([concatenate(pair, 0) for pair in zip(one, other, strict=True)])


def _padded(
    step: Step, init: Any, slices: list[Tensor], form: Form, steps: sp.Expr, reverse: bool, size: int
) -> tuple[Any, Any]:
    """Segments of a symbolic number of steps: the last one goes beyond, where carries stay as they are."""
    whole = size * sp.floor((steps + size - 1) / size)
    longer = [
        Tensor.define((whole, *value.shape[1:]), Cases((value.element, axis(0) < steps), (sp.S.Zero, True)))
        for value in slices
    ]
    last, found = _in_rows(step, init, longer, form, as_tensor(steps), whole, (reverse, size))
    values, output_form = flat(found)
    return last, output_form([along(value, 0, steps, axis(0)) for value in values])


def _ends(length: Any) -> Tensor | None:
    """Lengths of rows, where they are that: a tensor, or an array or list of numbers."""
    if isinstance(length, Tensor):
        return length
    return constant(length, "length") if isinstance(length, (list, tuple)) or getattr(length, "ndim", None) else None


def _check_ends(ends: Tensor, steps: sp.Expr) -> None:
    """Raise for lengths that are known to be no number of steps."""
    if ends.value is not None:
        least, most = ends.value.min(), ends.value.max()
        given = "length=[" + ", ".join(f"{one:g}" for one in ends.value.flat) + "]"
    elif ends.classes is not None:
        least, most = 0, ends.classes - 1
        given = f"length {shown(ends)} in 0 … {show_size(most)}"
    else:
        return
    if least < 0 or is_at_least_zero(steps - most) is False:
        there = show_size(steps)
        raise ShapeError(at_line(f"{given} does not fit {there} steps: expected 0 … {there} of each row"))


def counted(steps: sp.Expr) -> Tensor:
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
            raise ShapeError(
                at_line(f"length is {shown(ends)}, one for each row; {shown(value)} has other first axes: expected "
                        f"{show_shape((*ends.shape, *value.shape[ends.ndim :]))}")
            )  # fmt: skip


def _has_rows(value: Tensor, ends: Tensor, before: int = 1) -> bool:
    return value.shape[before : before + ends.ndim] == ends.shape


def _one_step(value: Tensor, number: int) -> Tensor:
    """A leaf for one slice of an input."""
    return Tensor.leaf("input", f"input{number}", value.shape[1:], classes=value.classes, dtype=value.dtype)


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
