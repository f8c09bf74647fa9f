"""What a training step keeps between calls: hyper-parameters, which are numbers, and the optimiser's state, arrays.

step.hyper["lr"] = 0.01;   step.state["W1.m"] = saved["W1.m"]       checked, then copied to where native code reads them
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from typing import Any

import numpy as np
import sympy as sp

from symgraph.core.misuse import pass_on
from symgraph.core.provenance import at_line
from symgraph.core.tensor import Tensor
from symgraph.errors import ArgumentError, DomainError, ShapeError
from symgraph.vocabulary.ranges import checked_number, range_of

_PLAIN = frozenset((float, int, np.float64, np.float32, np.int64))
"""Types of numbers whose conversion runs nothing of a user's own."""


class Hyper(MutableMapping[str, float]):
    """Hyper-parameters by name: a mapping of numbers that native code reads at every step.

    A value must be finite and have the sign that its symbol was declared with; ``DomainError`` otherwise.
    """

    def __init__(self, leaves: Sequence[Tensor]) -> None:
        self.values_array = np.full(max(1, len(leaves)), np.nan)
        self._leaves = {str(leaf.name): leaf for leaf in leaves}
        self._position = {name: number for number, name in enumerate(self._leaves)}
        ranges = {name: range_of(_symbol(leaf)) for name, leaf in self._leaves.items()}
        self._slots = {
            name: (self._position[name], found.lowest, found.highest, found.whole) for name, found in ranges.items()
        }

    def checked(self, name: str, value: Any) -> float:
        """The value as a number that the hyper-parameter may have."""
        if not isinstance(name, str) or name not in self._leaves:
            known = ", ".join(self._leaves) or "none"
            raise ArgumentError(at_line(f"there is no hyper-parameter {name}; known are: {known}"))
        return checked_number(f"hyper-parameter {name}", _symbol(self._leaves[name]), value)

    def with_plain(self, given: Mapping[str, Any], count: int) -> list[float]:
        """All values, with the ``count`` that are given; ``KeyError`` where :meth:`checked` has to look at one."""
        slots, values = self._slots, self.values_array.tolist()
        for name, value in given.items():
            slot = slots.get(name)
            if slot is not None:
                place, lowest, highest, whole = slot
                if type(value) is not float:
                    if type(value) not in _PLAIN:
                        raise KeyError(name)
                    value = float(value)
                if not lowest <= value <= highest or (whole and value % 1):
                    raise KeyError(name)
                values[place] = value
                count -= 1
        if count:
            raise KeyError("a name that is none of these")
        return values  # type: ignore[no-any-return]

    def missing(self) -> list[str]:
        """Names that have no value yet."""
        return [name for name in self._position if np.isnan(self.values_array[self._position[name]])]

    def __getitem__(self, name: str) -> float:
        return float(self.values_array[self._position[name]])

    def __setitem__(self, name: str, value: Any) -> None:
        number = self.checked(name, value)
        self.values_array[self._position[name]] = number

    def __delitem__(self, name: str) -> None:
        raise ArgumentError(at_line(f"hyper-parameter {name} is part of the formulas and cannot be deleted"))

    def __iter__(self) -> Iterator[str]:
        return iter(self._position)

    def __len__(self) -> int:
        return len(self._position)

    def __repr__(self) -> str:
        return repr(dict(self))


def _symbol(leaf: Tensor) -> sp.Symbol:
    assert leaf.symbol is not None
    return leaf.symbol


class State(Mapping[str, np.ndarray]):
    """The optimiser's arrays by name, such as ``"W1.m"``, updated in place; an assignment copies values into them."""

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        self._arrays = dict(arrays)

    def __getitem__(self, name: str) -> np.ndarray:
        return self._arrays[name]

    def __setitem__(self, name: str, values: Any) -> None:
        if not isinstance(name, str) or name not in self._arrays:
            raise ArgumentError(at_line(f"there is no state {name}; known are: {', '.join(self._arrays) or 'none'}"))
        try:
            array, given = self._arrays[name], np.asarray(values)
        except Exception as error:  # an object's own conversion may raise anything
            pass_on(error)
            raise DomainError(at_line(f"state {name} needs an array of numbers: {error}")) from error
        if given.shape != array.shape:
            raise ShapeError(at_line(f"state {name} has shape {array.shape}; the array has {given.shape}"))
        if given.dtype.kind not in "biuf":
            raise DomainError(at_line(f"state {name} needs real numbers, not dtype {given.dtype}"))
        array[...] = given

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __repr__(self) -> str:
        return repr(self._arrays)
