"""``codegen.function`` of plain SymPy: formulas of scalars, called with numbers or with arrays that broadcast.

f = codegen.function([x, a], sp.exp(-a * x**2));   f(X, 2.0)   →   an array of the shape of X

Comes in: formulas of rank 0. Goes out: for each way in which arrays stand to one another, one program over as few axes
as that takes; the common case is one axis.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import sympy as sp

import symgraph as sg
from codegen.bridges.translation import GRIDS, Translation, atoms_in, is_plain
from codegen.run.conversion import as_array, fitting
from codegen.run.function import DTYPES, Function
from codegen.run.results import Named
from symgraph.core.graph import elements_of, topological
from symgraph.core.indices import Dim, Shape, axis, show_shape
from symgraph.core.provenance import at_line
from symgraph.core.tensor import Element, Tensor
from symgraph.errors import ArgumentError, ShapeError

__all__ = ["Formulas", "is_plain"]
WIDE = np.dtype(np.float64)
Pattern = tuple[tuple[bool, ...], ...]
"""For each axis, which of the scalars vary along it."""
Form = tuple[Any, ...] | int | None
NUMBERS = frozenset({float, int})
CONTAINERS = (Mapping, tuple, list, sp.Tuple)
MOST_FORMS = 64
"""Shapes of arguments that are remembered."""


class Formulas(Function):
    """Compiled formulas of plain SymPy; see :func:`codegen.function`."""

    def __init__(
        self, inputs: Any, outputs: Any, gradient: Any = None, dtype: Any = None, strict: bool = False,
        key: int | None = None, mode: str = "evaluate",
    ) -> None:  # fmt: skip
        self._arguments = list(inputs) if isinstance(inputs, tuple | list | sp.Tuple) else [inputs]
        flat = _flat(outputs)
        translation = Translation(self._arguments, flat)
        self._leaf_of = translation.leaves
        tensors = [translation.tensor(output) for output in flat]
        self._given = outputs
        if gradient is not None:
            tensors, self._given = _with_gradient(translation, tensors, outputs, gradient)
        self._is_one = not isinstance(self._given, (*CONTAINERS, *GRIDS))
        leaves = [leaf for leaf in translation.leaves.values() if isinstance(leaf, Tensor)]
        super().__init__(leaves, tensors, dtype, strict, key, mode)
        self._remade = (inputs, outputs, gradient, self.dtype and self.dtype.name, strict, key, mode)
        self._scalars = [leaf for leaf in leaves if leaf.kind == "scalar"]
        self._varied: dict[Pattern, Function] = {}
        self._programs: dict[Form, Callable[..., Any]] = {}

    def __reduce__(self) -> Any:
        return Formulas, self._remade

    def __deepcopy__(self, memo: Any) -> Formulas:
        return Formulas(*self._remade)

    def __call__(self, /, *args: Any, out: Any = None, **kwargs: Any) -> Any:
        """Values of the outputs, in their form; of the shape that the arrays broadcast to.

        A Matrix of formulas becomes an array whose first axes are its own. See :meth:`.Function.__call__`.
        """
        form = None if kwargs else _form(args)
        program = self._programs.get(form)
        if program is not None:
            values = program(*args)
        else:
            given = self._by_leaf(args, kwargs)
            batch = self._batch(given)
            values = super().__call__(**given) if batch == () else self._over(batch, given)
            self._learn_form(form, args, given, batch)
        result = values[0] if self._is_one else _arranged(self._given, iter(values))
        return result if out is None else _written(out, result)

    # -- arguments ----------------------------------------------------------------------------------------------------
    def _by_leaf(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Values by the names of leaves; those of groups and matrices one by one."""
        if len(args) > len(self._arguments):
            raise ArgumentError(at_line(f"{len(args)} arguments are given; there are {len(self._arguments)} inputs"))
        found: dict[str, Any] = {}
        for argument, value in zip(self._arguments, args, strict=False):
            self._spread(argument, value, found)
        for name, value in kwargs.items():
            if name in found:
                raise ArgumentError(at_line(f"{name} is given twice"))
            found[name] = value
        for size in (size for size in self._leaf_of.values() if isinstance(size, Dim)):
            self._check_size(size, found.pop(size.name, None), found)
        return found

    def _check_size(self, size: Dim, told: Any, given: Mapping[str, Any]) -> None:
        """A size that is an input too must be what arrays say."""
        for leaf in self.inputs:
            shape = np.shape(given.get(str(leaf.name)))  # type: ignore[arg-type]
            if told is None or size not in leaf.shape or len(shape) != leaf.ndim:
                continue
            if shape[leaf.shape.index(size)] != told:
                raise ShapeError(at_line(f"{size} is {told}, but {leaf.name} {show_shape(leaf.shape)} has {shape}"))

    def _spread(self, argument: Any, value: Any, found: dict[str, Any]) -> None:
        if isinstance(argument, GRIDS):
            array = np.asarray(value)
            if array.shape[: len(argument.shape)] != tuple(argument.shape):
                raise ShapeError(at_line(f"{argument} has shape {tuple(argument.shape)}; the array has {array.shape}"))
            for place in np.ndindex(*argument.shape):
                self._spread(argument[place], array[place], found)
        elif isinstance(argument, tuple | list | sp.Tuple):
            parts = list(value) if hasattr(value, "__iter__") else [value]
            if len(parts) != len(argument):
                raise ArgumentError(at_line(f"{argument} takes {len(argument)} values, not {len(parts)}"))
            for part, each in zip(argument, parts, strict=True):
                self._spread(part, each, found)
        else:
            leaf = self._leaf_of[argument]
            found[str(leaf.name)] = value

    def _batch(self, given: dict[str, Any]) -> tuple[int, ...]:
        """The shape that values of scalars broadcast to; they become arrays on the way."""
        shapes = []
        for leaf in self._scalars:
            value = given.get(str(leaf.name))
            if value is None or isinstance(value, float | int):
                continue
            array = as_array(leaf, value, False)
            given[str(leaf.name)] = array
            shapes.append(array.shape)
        try:
            return np.broadcast_shapes(*shapes)
        except ValueError:
            told = ", ".join(f"{leaf.name} {np.shape(given[str(leaf.name)])}" for leaf in self._scalars)
            raise ShapeError(at_line(f"the shapes do not broadcast: {told}")) from None

    def _learn_form(self, form: Form, args: Sequence[Any], given: Mapping[str, Any], batch: tuple[int, ...]) -> None:
        """Where a program takes such arguments as they are, it is called without further ado from now on."""
        if form is None or self._numbers or [*map(str, self._arguments)] != [str(leaf.name) for leaf in self.inputs]:
            return
        shapes = [array.shape for array in args if isinstance(array, np.ndarray)]
        if len(self._programs) >= MOST_FORMS:
            self._programs.clear()
        if not shapes:
            self._programs[form] = super().__call__
        elif len(batch) == 1 and batch[0] > 1 and self._scalars == list(self.inputs) and {*shapes} == {batch}:
            arrays = [np.asarray(given[str(leaf.name)]) for leaf in self._scalars]
            if len({array.dtype for array in arrays if array.ndim} | {self.dtype or _dtype(arrays)}) == 1:
                self._programs[form] = self._program(_pattern(batch, [array.shape for array in arrays])[0])

    # -- over arrays --------------------------------------------------------------------------------------------------
    def _over(self, batch: tuple[int, ...], given: dict[str, Any]) -> list[np.ndarray]:
        missing = [str(leaf.name) for leaf in self.inputs if leaf.name not in given and leaf.name not in self._numbers]
        if missing or len(given) > len(self.inputs):
            super().__call__(**given)  # which says so
        arrays = [np.asarray(given[str(leaf.name)]) for leaf in self._scalars]
        dtype = self.dtype or _dtype(arrays)
        pattern, sizes = _pattern(batch, [array.shape for array in arrays])
        if 0 in batch:
            return [np.empty((*_sizes_of(tensor), *batch), dtype) for tensor in self.outputs]
        program = self._program(pattern)
        values = dict(given)
        for leaf, array, *along in zip(self._scalars, arrays, *pattern, strict=True):
            shape = [size for size, varies in zip(sizes, along, strict=True) if varies]
            fitted = fitting(leaf, array, dtype if shape else WIDE, False, False, False)
            values[str(leaf.name)] = fitted.reshape(shape)
        results = program(**values)
        return [_last(result.reshape(*batch, *result.shape[len(sizes) :]), len(batch)) for result in results]

    def _program(self, pattern: Pattern) -> Function:
        if pattern not in self._varied:
            batch = tuple(sg.dim(f"n{place}") for place in range(len(pattern)))
            leaves: dict[Tensor, tuple[Tensor, list[int]]] = {}
            for number, leaf in enumerate(self._scalars):
                axes = [place for place, varies in enumerate(pattern) if varies[number]]
                if axes:
                    leaves[leaf] = (sg.input(str(leaf.name), [batch[place] for place in axes]), axes)
            inputs = [leaves[leaf][0] if leaf in leaves else leaf for leaf in self.inputs]
            self._varied[pattern] = Function(inputs, over(self.outputs, leaves, batch), self.dtype, self.strict)
        return self._varied[pattern]


def _form(args: Sequence[Any]) -> Form:
    """How many numbers there are, or what numbers and contiguous arrays are like; None for anything else."""
    if NUMBERS.issuperset(map(type, args)):
        return len(args)
    form: list[Any] = []
    for arg in args:
        if type(arg) in NUMBERS:
            form.append(float)
        elif type(arg) is np.ndarray and arg.flags.c_contiguous and arg.ndim:
            form.append((arg.shape, arg.dtype))
        else:
            return None
    return tuple(form)


def over(
    outputs: Sequence[Tensor], leaves: Mapping[Tensor, tuple[Tensor, Sequence[int]]], batch: Shape
) -> list[Tensor]:
    """The outputs for a whole batch: each of shape (\\*batch, \\*its own), where scalars are read from arrays.

    Parameters
    ----------
    leaves : for a scalar, the array that holds its values, and which of the batch's axes it has.
    """
    rows = [axis(place) for place in range(len(batch))]
    found: dict[Tensor, Tensor] = {}
    for tensor in topological(outputs):
        definition = tensor.definition
        if definition is None:
            if tensor in leaves:
                array, axes = leaves[tensor]
                found[tensor] = Tensor.define(batch, Element(array, *(rows[place] for place in axes)))
            continue
        body = definition.body.xreplace({axis(d): axis(d + len(batch)) for d in range(tensor.ndim)})
        rule: dict[Element, Element] = {}
        for element in elements_of(body):
            if element.tensor in leaves:
                array, axes = leaves[element.tensor]
                rule[element] = Element(array, *(rows[place] for place in axes))
            elif element.tensor in found:
                rule[element] = Element(found[element.tensor], *rows, *element.indices)
        if rule:
            shape = (*batch, *tensor.shape)
            found[tensor] = Tensor.define(shape, body.xreplace(rule), definition.op, definition.extents)
    return [found.get(tensor) or _repeated(tensor, batch) for tensor in outputs]


def _repeated(tensor: Tensor, batch: Shape) -> Tensor:
    own = [axis(place + len(batch)) for place in range(tensor.ndim)]
    return Tensor.define((*batch, *tensor.shape), Element(tensor, *own))


def _dtype(arrays: Sequence[np.ndarray]) -> np.dtype[Any]:
    found = {array.dtype for array in arrays if array.ndim and array.dtype in DTYPES}
    return max(found, key=lambda dtype: dtype.itemsize) if found else WIDE


def _pattern(batch: tuple[int, ...], shapes: Sequence[tuple[int, ...]]) -> tuple[Pattern, list[int]]:
    """Which scalars vary along which axes, and the sizes of these; axes along which the same ones vary are one."""
    pattern: list[tuple[bool, ...]] = []
    sizes: list[int] = []
    for place, size in enumerate(batch):
        back = place - len(batch)
        varies = tuple(len(shape) >= -back and shape[back] != 1 for shape in shapes)
        if not any(varies):
            continue
        if pattern and pattern[-1] == varies:
            sizes[-1] *= size
        else:
            pattern.append(varies)
            sizes.append(size)
    return tuple(pattern), sizes


def _sizes_of(tensor: Tensor) -> tuple[int, ...]:
    return tuple(int(size) if size.is_Integer else 0 for size in tensor.shape)


def _last(array: np.ndarray, count: int) -> np.ndarray:
    """The batch's axes behind the tensor's own, as a Matrix of arrays has them."""
    own = array.ndim - count
    return array.transpose(*range(count, count + own), *range(count)) if own else array


# -- the form of outputs ----------------------------------------------------------------------------------------------
def _flat(outputs: Any) -> list[Any]:
    if isinstance(outputs, Mapping):
        return [part for value in outputs.values() for part in _flat(value)]
    if isinstance(outputs, tuple | list | sp.Tuple):
        return [part for value in outputs for part in _flat(value)]
    return list(atoms_in(outputs)) if isinstance(outputs, GRIDS) else [outputs]


def _arranged(form: Any, values: Any) -> Any:
    if isinstance(form, Mapping):
        return Named({name: _arranged(value, values) for name, value in form.items()})
    if isinstance(form, tuple | list | sp.Tuple):
        parts = [_arranged(value, values) for value in form]
        return parts if isinstance(form, list) else getattr(form, "_make", tuple)(parts)
    if isinstance(form, GRIDS):
        parts = [next(values) for _ in range(len(sp.flatten(form.tolist())))]
        return np.stack(parts).reshape(*form.shape, *parts[0].shape)
    return next(values)


def _written(out: Any, result: Any) -> Any:
    if isinstance(out, np.ndarray) and isinstance(result, np.ndarray):
        if out.shape != result.shape:
            raise ShapeError(at_line(f"out must have shape {result.shape}; the array has {out.shape}"))
        out[...] = result
        return out
    pairs = zip(out.values(), result.values()) if isinstance(result, Mapping) else zip(out, result)  # noqa: B905
    for one, value in pairs:
        _written(one, value)
    return out


def _with_gradient(
    translation: Translation, tensors: list[Tensor], outputs: Any, gradient: Any
) -> tuple[list[Tensor], Any]:
    if len(tensors) != 1 or tensors[0].ndim:
        raise ArgumentError(at_line("gradient= is of one scalar formula; pass derivatives among the outputs"))
    atoms = list(atoms_in(gradient))
    for atom in atoms:
        if not isinstance(translation.leaves.get(atom), Tensor):
            raise ArgumentError(at_line(f"gradient: {atom} is not among the inputs"))
    leaves = [translation.leaves[atom] for atom in atoms]
    slopes = sg.grad(tensors[0], leaves, disconnected="zero")
    return [*tensors, *(slopes[leaf] for leaf in leaves)], (outputs, gradient)
