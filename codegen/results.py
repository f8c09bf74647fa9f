"""The form in which values come back: a tensor as an array, a list, tuple or dict of tensors as the same of arrays.

codegen.function(inputs, {"loss": J, "slopes": g})   →   {"loss": array, "slopes": array}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from codegen.executable import Executable
from symgraph.define import as_tensor
from symgraph.tensor import Tensor


class Outputs:
    """What a user asks for; ``tensors`` are the same in one row."""

    def __init__(self, given: Any) -> None:
        self.given = given
        if isinstance(given, Mapping):
            chosen = list(given.values())
        elif isinstance(given, list | tuple):
            chosen = list(given)
        else:
            chosen = [given]
        self.tensors: tuple[Tensor, ...] = tuple(as_tensor(output) for output in chosen)

    def arranged(self, values: Sequence[Any]) -> Any:
        """One value for each tensor, in the form of what was given."""
        if isinstance(self.given, Mapping):
            return dict(zip(self.given, values, strict=True))
        if isinstance(self.given, list):
            return list(values)
        if isinstance(self.given, tuple):
            return self.given._make(values) if hasattr(self.given, "_make") else tuple(values)
        return values[0]


class Results:
    """Fresh arrays for the outputs of one run. Make it when arguments are bound, and take ``values`` after the run.

    An output that is a leaf, perhaps only since its formula was simplified, is copied before the run may update it.
    """

    def __init__(self, executable: Executable, arrays: Mapping[Tensor, np.ndarray], skip: int = 0) -> None:
        compiled = executable.compiled
        self._names = compiled.program.outputs[skip:]
        self._taken = frozenset(compiled.program.outputs[:skip])
        self._arrays: dict[str, np.ndarray] = {}
        for tensor, name in zip(compiled.outputs[skip:], self._names, strict=True):
            if tensor.definition is None:
                self._arrays[name] = np.array(arrays.get(tensor, tensor.value), dtype=executable.type_of(name))
            elif name not in self._taken | set(self._arrays):
                self._arrays[name] = executable.new_output(name)

    def values(self, first: Mapping[str, np.ndarray] | None = None) -> list[np.ndarray]:
        """Arrays of their own, in the order of the outputs; ``first`` has those of outputs that were skipped."""
        seen: set[str] = set(self._taken)
        values = []
        for name in self._names:
            array = self._arrays[name] if name in self._arrays else (first or {})[name]
            values.append(array.copy() if name in seen else array)
            seen.add(name)
        return values
