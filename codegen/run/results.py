"""The form in which values come back: a tensor as an array; lists, tuples and dicts of tensors as the same of arrays.

codegen.function(inputs, {"loss": J, "slopes": g})   →   {"loss": array, "slopes": array}
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from operator import itemgetter
from typing import Any

import numpy as np

from codegen.run.executable import Executable
from symgraph.core.define import as_tensor
from symgraph.core.indices import show_shape
from symgraph.core.provenance import at_line
from symgraph.core.tensor import Tensor
from symgraph.errors import ArgumentError


class Named(dict[Any, Any]):
    """Values by what they were asked for: those of tensors also by the tensors' names, ``slopes["W1"]``."""

    def __missing__(self, key: Any) -> Any:
        found = [value for tensor, value in self.items() if isinstance(tensor, Tensor) and tensor.name == key]
        if len(found) != 1:
            known = ", ".join(str(getattr(asked, "name", None) or asked) for asked in self)
            raise KeyError(f"no value {key} was asked for; there are {known}")
        return found[0]


class Outputs:
    """What a user asks for; ``tensors`` are the same in one row."""

    def __init__(self, given: Any) -> None:
        self.given = given
        self.tensors: tuple[Tensor, ...] = tuple(as_tensor(output) for output in _in_a_row(given))
        self._is_one_tensor = not isinstance(given, FORMS)
        filled = _filler(given)
        self.arranged: Callable[[Sequence[Any]], Any] = lambda values: filled(iter(values))
        """One value for each tensor, in the form of what was given."""
        if self._is_one_tensor:
            self.arranged = itemgetter(0)
        elif isinstance(given, list) and not any(isinstance(part, FORMS) for part in given):
            self.arranged = list

    def arrays(self, out: Any) -> list[np.ndarray]:
        """Arrays in the form of the outputs, in one row.

        Raises
        ------
        ArgumentError
            if the form is another.
        """
        if self._is_one_tensor and isinstance(out, np.ndarray):
            return [out]
        fits = not self._is_one_tensor and _is_of(self.given, out)
        arrays = _in_a_row(out) if fits else []
        if not fits or not all(isinstance(array, np.ndarray) for array in arrays):
            shapes = ", ".join(f"{tensor.display_name} {show_shape(tensor.shape)}" for tensor in self.tensors)
            raise ArgumentError(at_line(f"out must have the form of the outputs, with an array for each of {shapes}"))
        return arrays


FORMS = (Mapping, list, tuple)


def _in_a_row(given: Any) -> list[Any]:
    if not isinstance(given, FORMS):
        return [given]
    return [one for part in (given.values() if isinstance(given, Mapping) else given) for one in _in_a_row(part)]


def _filler(form: Any) -> Callable[[Iterator[Any]], Any]:
    """Makes the form, with the values one after the other where its tensors are; it is looked at once."""
    if isinstance(form, Mapping):
        names, row = tuple(form), _row_filler(tuple(form.values()))
        return lambda values: Named(zip(names, row(values), strict=True))
    if isinstance(form, list | tuple):
        make, row = getattr(form, "_make", type(form)), _row_filler(form)
        return lambda values: make(row(values))
    return next


def _row_filler(parts: Sequence[Any]) -> Callable[[Iterator[Any]], list[Any]]:
    if not any(isinstance(part, FORMS) for part in parts):
        return lambda values: list(islice(values, len(parts)))
    fillers = [_filler(part) for part in parts]
    return lambda values: [filler(values) for filler in fillers]


def _is_of(form: Any, out: Any) -> bool:
    if isinstance(form, Mapping):
        fits = isinstance(out, Mapping) and list(out) == list(form)
        return fits and all(_is_of(form[name], out[name]) for name in form)
    if isinstance(form, list | tuple):
        return isinstance(out, list | tuple) and len(out) == len(form) and all(map(_is_of, form, out))
    return not isinstance(out, FORMS)


def arranged(form: Any, values: Sequence[Any]) -> Any:
    """A form of places, with the values in these places."""
    return _filler(form)(values[place] for place in _in_a_row(form))


class Results:
    """Arrays for the outputs of one run. Make it when arguments are bound, and take ``values`` after the run.

    An output that is a leaf, perhaps only since its formula was simplified, is copied before the run may update it.
    """

    def __init__(
        self,
        executable: Executable,
        arrays: Mapping[Tensor, np.ndarray],
        skip: int = 0,
        out: Sequence[np.ndarray] | None = None,
    ) -> None:
        linked = executable.linked
        self._names = linked.outputs[skip:]
        self._taken = frozenset(linked.outputs[:skip])
        self._out = out
        self._arrays: dict[str, np.ndarray] = {}
        for number, (read, name) in enumerate(zip(linked.read[skip:], self._names, strict=True)):
            if read is not None:
                leaf = executable.leaves[read]
                self._arrays[name] = np.array(arrays.get(leaf, leaf.value), dtype=executable.type_of(name))
            elif name not in self._taken | set(self._arrays):
                self._arrays[name] = executable.set_output(name, None if out is None else out[number])

    def values(self, first: Mapping[str, np.ndarray] | None = None) -> list[np.ndarray]:
        """Arrays of their own, in the order of the outputs; ``first`` has those of outputs that were skipped."""
        seen: set[str] = set(self._taken)
        values = []
        for number, name in enumerate(self._names):
            array = self._arrays[name] if name in self._arrays else (first or {})[name]
            if self._out is not None:
                if array is not self._out[number]:
                    self._out[number][...] = array
                values.append(self._out[number])
            else:
                values.append(array.copy() if name in seen else array)
            seen.add(name)
        return values
