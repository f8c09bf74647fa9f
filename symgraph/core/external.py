"""External calls: a value that something else computes, from whole arrays, which no formula tells.

    y = sg.external(allreduce, x, derivative=lambda g, y, x: sg.external(allreduce, g))

The body of such a definition, :class:`External`, names the :class:`Procedure` and has an element of each operand, for
what walks graphs. What it costs and reads is the procedure's own; its derivative is a formula, which may call others.
A linear solve is one whose derivative is a solve with the transposed matrix.
"""

from __future__ import annotations

import ctypes
import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp

from symgraph.core.checked_names import checked_name
from symgraph.core.define import as_tensor
from symgraph.core.indices import as_shape, show_shape
from symgraph.core.misuse import explained
from symgraph.core.provenance import at_line, names_result
from symgraph.core.tensor import DISPLAYED, Element, Tensor
from symgraph.errors import ArgumentError, DomainError, ShapeError

_C_FUNCTION: type = ctypes.CFUNCTYPE(None).__mro__[1]
"""The base of all functions of ctypes, for which that has no public name."""


@dataclass(frozen=True)
class Procedure:
    """What is called, and its derivative, if it is told: equal ones on equal operands are one value."""

    function: Callable[..., Any]
    derivative: Callable[..., Any] | None
    name: str

    def __hash__(self) -> int:
        """Of the name alone: functions of ctypes have none."""
        return hash(self.name)

    @property
    def is_native(self) -> bool:
        """Whether it is a C function, which is called without Python."""
        return isinstance(self.function, _C_FUNCTION)

    def fill(self, result: np.ndarray, arrays: Sequence[np.ndarray]) -> None:
        """Compute the result into memory, from arrays that must not be written.

        Raises
        ------
        ShapeError
            where the function returns another shape.
        ArgumentError
            where a C function returns a number other than 0, or a Python function no array of numbers.
        """
        if self.is_native:
            every = [result, *(np.ascontiguousarray(array) for array in arrays)]
            pointers = (ctypes.c_void_p * len(every))(*(array.ctypes.data for array in every))
            extents = [extent for array in every for extent in array.shape]
            status = self.function(pointers, (ctypes.c_int64 * max(1, len(extents)))(*extents))
            if status:
                raise ArgumentError(f"the external function {self.name} returned {status}, not 0")
            return
        found = self.function(*arrays)
        try:
            values = np.asarray(found, dtype=result.dtype)
        except (TypeError, ValueError) as error:
            message = f"the external function {self.name} must return an array of numbers, not {type(found).__name__}"
            raise ArgumentError(message) from error
        if values.shape != result.shape:
            raise ShapeError(
                f"the external function {self.name} must return an array of shape {show_shape(result.shape)}, "
                f"not {show_shape(values.shape)}"
            )
        result[...] = values

    def values(self, shape: Sequence[int], arrays: Sequence[np.ndarray]) -> np.ndarray:
        """The result in float64, whatever the arithmetic of the arrays is."""
        result = np.empty(shape)
        self.fill(result, [array.astype(np.float64) if array.dtype.kind in "fO" else array for array in arrays])
        return result


class Called(sp.AtomicExpr):  # type: ignore[misc]
    """A procedure as an atom."""

    procedure: Procedure

    def __new__(cls, procedure: Procedure) -> Called:
        called = sp.AtomicExpr.__new__(cls)
        called.procedure = procedure
        return called  # type: ignore[no-any-return]

    def __reduce__(self) -> Any:
        return Called, (self.procedure,)

    def _hashable_content(self) -> tuple[Any, ...]:
        return (self.procedure.name,)

    def __eq__(self, other: object) -> bool:
        """Without names of this module: dictionaries ask when the interpreter ends, after those are gone."""
        return type(other) is type(self) and self.procedure == other.procedure

    def __hash__(self) -> int:
        return hash(self.procedure)

    def sort_key(self, order: Any = None) -> Any:
        return self.class_key(), (1, (self.procedure.name,)), sp.S.One.sort_key(), sp.S.One

    def _sympystr(self, printer: Any) -> str:
        return self.procedure.name


class External(sp.Expr):  # type: ignore[misc]
    """The body of an external value: what is :class:`Called`, then the first element of each operand."""

    is_commutative = True


def procedure_of(tensor: Tensor) -> tuple[Procedure, tuple[Tensor, ...]] | None:
    """The procedure that computes a tensor, and its operands; None for every other tensor."""
    definition = tensor.definition
    if definition is None or definition.op != "external":
        return None
    called, *elements = definition.body.args
    return called.procedure, tuple(element.tensor for element in elements)


@names_result
@explained
def external(
    function: Callable[..., Any],
    *operands: Any,
    shape: Iterable[Any] | Any = None,
    derivative: Callable[..., Any] | None = None,
    name: str | None = None,
) -> Tensor:
    """A real tensor that a function of arrays computes, inside a compiled program too.

    Parameters
    ----------
    function : a pure function of the operands' arrays. In Python it returns an array, and must not write its arguments;
        the program holds Python's lock while it runs. A C function, made by :mod:`ctypes`, is called without:
        ``int64_t f(void **arrays, const int64_t *extents)`` with the result's memory first, then the operands', and
        the extents of all of them one after the other; it returns 0. Arrays are row-major, of the program's dtype,
        those of integers of int64.
    operands : tensors, or what becomes one; at least one.
    shape : of the result; by default that of the first operand.
    derivative : ``derivative(g, y, *operands)`` gives the cotangent of each operand, tensors of the operands' shapes,
        or None where it is 0; ``g`` is the cotangent of the result ``y``. With one operand, the tensor alone. It may
        call external functions itself.
    name : what it is called in formulas; by default what the function is.

    Raises
    ------
    DomainError
        if the function, or the derivative with so many tensors, cannot be called. A gradient through a function
        without derivative too.
    ArgumentError
        without operands.
    ShapeError
        for a shape that is none; when it runs, for a result of another shape.

    Notes
    -----
    An exception of a Python function ends the call of the program, before anything that reads the result; it is raised
    there. A function that is named equal, on equal operands, is called once.
    """
    for what, rule in (("function", function), ("derivative", derivative)):
        if not callable(rule) and not (what == "derivative" and rule is None):
            raise DomainError(at_line(f"external needs a {what} that can be called, not {rule!r}"))
    if not operands:
        raise ArgumentError(at_line("external needs at least one operand; an array is a tensor already"))
    given = [as_tensor(operand) for operand in operands]
    if derivative is not None and not _takes(derivative, 2 + len(given)):
        wanted = f"derivative(g, y, {_letters(given)})"
        raise DomainError(at_line(f"the derivative must be called as {wanted}, with {2 + len(given)} tensors"))
    chosen = name or getattr(function, "__name__", "") or type(function).__name__
    procedure = Procedure(function, derivative, checked_name("f" if chosen == "<lambda>" else chosen, more=DISPLAYED))
    first = (Element(operand, *[sp.S.Zero] * operand.ndim) for operand in given)
    extents = given[0].shape if shape is None else as_shape(shape)
    return Tensor.define(extents, External(Called(procedure), *first), "external")


def cotangents(tensor: Tensor, upstream: Tensor) -> list[tuple[Tensor, Tensor]]:
    """The operands of an external value with what it adds to their cotangents, by its derivative.

    Raises
    ------
    DomainError
        where it has none.
    ShapeError
        where it gives another number of tensors, or other shapes.
    """
    found = procedure_of(tensor)
    assert found is not None
    procedure, operands = found
    if procedure.derivative is None:
        raise DomainError(
            at_line(f"the external function {procedure.name} of {tensor.display_name}{show_shape(tensor.shape)} has no "
                    f"derivative: give external(…, derivative=lambda g, y, {_letters(operands)}: …), the cotangents of "
                    "its operands, or take sg.stop_gradient of it")
        )  # fmt: skip
    given = procedure.derivative(upstream, tensor, *operands)
    parts = list(given) if isinstance(given, tuple | list) else [given]
    what = f"the derivative of the external function {procedure.name}"
    if len(parts) != len(operands):
        raise ShapeError(at_line(f"{what} must give {len(operands)} cotangents, one of each operand, not {len(parts)}"))
    added: list[tuple[Tensor, Tensor]] = []
    for operand, part in zip(operands, parts, strict=True):
        if part is None:
            continue
        value = as_tensor(part)
        if value.shape != operand.shape:
            told = f"{operand.display_name}{show_shape(operand.shape)}, not {show_shape(value.shape)}"
            raise ShapeError(at_line(f"{what} must give a tensor of the shape of {told}"))
        added.append((operand, value))
    return added


def _takes(function: Callable[..., Any], count: int) -> bool:
    """Whether so many arguments can be given by place, as far as that is known."""
    try:
        inspect.signature(function).bind(*range(count))
    except TypeError:
        return False
    except ValueError:
        return True
    return True


def _letters(operands: Sequence[Tensor]) -> str:
    return ", ".join(str(operand.display_name) if str(operand.display_name).isidentifier() else f"x{n}"
                     for n, operand in enumerate(operands, 1))  # fmt: skip
