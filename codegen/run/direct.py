"""Calls whose arguments native code checks itself: Python only writes the address of a pair of tuples.

Comes in: a program and its arguments, in the order of a call. Goes out: the table that :mod:`codegen.native.runtime`
reads, and ``native``, which checks and runs. What does not fit is looked at again, and described, by
:mod:`codegen.run.arguments`.
"""

from __future__ import annotations

import array
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from operator import call, itemgetter
from typing import Any

import numpy as np

from codegen import backend
from codegen.host import capi
from codegen.loops.words import ANY, ARGUMENTS, DONE, FIRST_SIZE, FRESH, READ, SPANS, STATUS, TABLE, UPDATED
from codegen.run.executable import Executable
from codegen.run.loading import native_part
from symgraph.core.indices import Dim, Shape
from symgraph.core.tensor import Tensor

FIRST, SECOND = range(2)
"""The tuples of a pair."""
MOST_SIZES = 256
"""Combinations of sizes that direct calls of a function remember."""


class Direct:
    """The table of one program, for calls with two tuples of arrays: ``first``, and ``second`` or those of the outputs.

    Attributes
    ----------
    protected : the table of memory that no array which is read may overlap: count, then first address and end of each.
    possible : whether native code can check these arrays; if not, it sends every call back.
    """

    def __init__(
        self,
        executable: Executable,
        first: Sequence[Tensor],
        second: Sequence[Tensor] = (),
        updated: Collection[Tensor] = (),
        outputs: Sequence[str] = (),
        protected: int = 0,
        learns_sizes: bool = True,
    ) -> None:
        self.executable, self.words, self.address = executable, executable.words, executable.address
        leaves = (*first, *second)
        self.possible = not obstacle(executable)
        self._checked = {executable.leaves[number] for number, _ in executable.linked.labels}
        learned = set() if learns_sizes else {size for leaf in leaves for size in leaf.shape if isinstance(size, Dim)}
        self._table = array.array("q", [len(executable.size_names), len(leaves) + len(outputs)])
        self._numbers = array.array("q", bytes(8 * len(leaves)))
        """Memory for numbers, where they stand for arrays of rank 0."""
        if self.possible:
            self._fill(first, second, frozenset(updated), outputs, learned)
        self.words[TABLE] = self._table.buffer_info()[0] + 8
        self.protected = array.array("q", bytes(8 * (1 + 2 * (protected + len(outputs)))))
        self.words[SPANS] = self.protected.buffer_info()[0]

    def protect(self, arrays: Sequence[np.ndarray]) -> None:
        """Arrays that the program updates, besides what a call gives it."""
        self.protected[0] = len(arrays)
        for number, values in enumerate(arrays):
            start = values.ctypes.data
            self.protected[1 + 2 * number], self.protected[2 + 2 * number] = start, start + values.nbytes

    def _fill(
        self,
        first: Sequence[Tensor],
        second: Sequence[Tensor],
        updated: Collection[Tensor],
        outputs: Sequence[str],
        learned: set[Dim],
    ) -> None:
        """Records for :func:`.runtime.arguments_fit`: outputs first, which then no array read may overlap;
        labels last, when sizes are known."""
        executable = self.executable
        interface, names = executable.linked.interface, executable.names
        sizes = dict(zip(executable.size_names, interface.sizes.values(), strict=True))

        def record(group: int, place: int, name: str, use: int, rank: int, classes: int, number: int) -> None:
            address, dtype = interface.addresses[name], executable.type_of(name)
            self._table.extend([group, place, address, use, id(dtype), rank, classes, dtype.itemsize, number])

        for place, name in enumerate(outputs):
            rank = len(executable.linked.buffers[name].shape)
            record(SECOND, place, name, FRESH, rank, 0, 0)
            self._table.extend([0, ANY] * rank)
        given = [(FIRST, place, leaf) for place, leaf in enumerate(first)]
        given += [(SECOND, place, leaf) for place, leaf in enumerate(second)]
        memory = self._numbers.buffer_info()[0]
        for number, (group, place, leaf) in enumerate(sorted(given, key=lambda item: item[2].classes is not None)):
            use = UPDATED if leaf in updated else READ
            own = memory + 8 * number if leaf.ndim == 0 and use == READ else 0
            record(group, place, names[leaf], use, leaf.ndim, self._values_check(leaf, sizes), own)
            self._table.extend(_extents(leaf.shape, sizes, learned))

    def _values_check(self, leaf: Tensor, sizes: Mapping[str, int]) -> int:
        """What is asked of values: 0 also for arrays of labels that the program checks, before it writes anything."""
        if leaf.rows_sum_to_one:
            return -1
        if leaf.classes is None or (leaf.ndim and leaf in self._checked):
            return 0
        return -sizes[leaf.classes.name] if isinstance(leaf.classes, Dim) else int(leaf.classes)

    def native(self) -> Callable[[int], None]:
        """Checks and runs, on as many threads as the program takes at its present sizes: ``native(direct.address)``."""
        executable, threads = self.executable, self.executable.threads
        if threads == 1:
            return native_part("call").call_with_lock
        check, packed = native_part("check").call_with_lock, self.words

        def checked(address: int) -> None:
            check(address)
            if packed[STATUS] == DONE:
                backend.launch(executable.entry, address, threads)

        return checked


def obstacle(executable: Executable) -> str:
    """Why native code cannot check the arguments of a program, and Python does so at every call; "" if it can."""
    if executable.runs_as_python:
        return "SYMGRAPH_PYTHON is set"
    if not capi.arrays_are_as_published():
        return "array objects of this installation are not as NumPy's headers say"
    if executable.outside is not None:
        return "it calls external functions"
    for leaf in executable.leaves:
        if leaf.dtype == "boolean" or (leaf.dtype == "integer" and not leaf.is_label and not leaf.ndim):
            return f"{leaf.name} is converted: it is of {leaf.dtype} values"
        if leaf.classes is not None and not leaf.classes.is_Integer and not isinstance(leaf.classes, Dim):
            return f"the number of classes of {leaf.name} is {leaf.classes}"
    return ""


def _extents(shape: Shape, sizes: dict[str, int], learned: set[Dim]) -> list[int]:
    found: list[int] = []
    for size in shape:
        if isinstance(size, Dim):
            found += [sizes[size.name], int(size not in learned)]
            learned.add(size)
        else:
            found += [0, int(size) if size.is_Integer else -1]
    return found


class Calls:
    """Direct calls of a compiled function with one dtype: positional or named arrays in, fresh arrays out.

    A call is tried with the sizes of the last one, which native code compares; then with what is known of its own
    sizes, from an earlier checked call.
    """

    def __init__(self, executable: Executable, inputs: Sequence[Tensor]) -> None:
        self._names = [str(leaf.name) for leaf in inputs]
        self._executable = executable
        self._row = _Row(executable, inputs)
        self._outputs = self._row.names
        self._direct = Direct(executable, inputs, outputs=self._outputs, learns_sizes=False)
        self._words, self._address = executable.words, executable.address
        told: dict[str, tuple[int, int]] = {}
        for number, leaf in enumerate(inputs):
            for place, size in enumerate(leaf.shape):
                if isinstance(size, Dim):
                    told.setdefault(size.name, (number, place))
        self._told = [told[name] for name in executable.size_names]
        self._size_words = slice(FIRST_SIZE, FIRST_SIZE + len(executable.size_names))
        self._pickers = [picker(self._names[given:]) for given in range(len(inputs) + 1)]
        self._known: dict[tuple[int, ...], _Sizes] = {}
        self._last: _Sizes
        self.possible = self._direct.possible

    def learn(self) -> None:
        """Remember the sizes of the last checked call."""
        executable = self._executable
        if len(self._known) >= MOST_SIZES:
            self._known.clear()
        shapes = [executable.shape(name) for name in self._outputs]
        makers = [executable.blocks(name).maker(shape) for name, shape in zip(self._outputs, shapes, strict=True)]
        values = array.array("q", executable.sizes.values())
        self._last = self._known[tuple(values)] = _Sizes(values, self._direct.native(), shapes, makers)

    def __call__(
        self, args: tuple[Any, ...], kwargs: Mapping[str, Any], out: Sequence[np.ndarray] | None
    ) -> Sequence[np.ndarray] | None:
        """Values of the outputs; None where the call has to be checked, and nothing has been written."""
        if len(args) + len(kwargs) != len(self._names):
            return None
        if kwargs:
            try:
                args += self._pickers[len(args)](kwargs)
            except KeyError:
                return None
        results = self._tried(args, out)
        return self._tried(args, out) if results is None and self._found(args) else results

    def _tried(self, args: tuple[Any, ...], out: Sequence[np.ndarray] | None) -> Sequence[np.ndarray] | None:
        last, packed = self._last, self._words
        if out is None:
            results = tuple(map(call, last.makers))
        elif self._row.is_as_computed and [values.shape for values in out] == last.shapes:
            results = tuple(out)
        else:
            return None
        given = args, results
        packed[ARGUMENTS] = id(given)
        packed[self._size_words] = last.values  # a checked call that was refused may have left others
        last.native(self._address)
        if packed[STATUS]:
            return None
        return results if self._row.is_as_computed else self._row.values(results, args)

    def _found(self, args: tuple[Any, ...]) -> bool:
        """Whether the sizes of a call are other than the last, and known; they are then the last."""
        try:
            known = self._known.get(tuple(args[number].shape[place] for number, place in self._told))
        except (AttributeError, IndexError, TypeError):
            return False
        if known is None or known is self._last:
            return False
        self._last = known
        return True


class _Row:
    """The outputs of a function in one row: ``names`` are those that are computed, each once. What is asked for again
    is a copy, and so is an argument that is asked for."""

    def __init__(self, executable: Executable, inputs: Sequence[Tensor]) -> None:
        outputs, read = executable.linked.outputs, executable.linked.read
        self.names = list(dict.fromkeys(name for name, leaf in zip(outputs, read, strict=True) if leaf is None))
        self.is_as_computed = self.names == list(outputs)
        leaves = [None if number is None else executable.leaves[number] for number in read]
        stored = [leaf for leaf in leaves if leaf is not None and leaf not in inputs]
        self._stored = [leaf.value for leaf in stored]
        place: dict[Any, int] = {one: n for n, one in enumerate((*self.names, *inputs, *stored))}
        self._sources = [
            (place[name if leaf is None else leaf], executable.type_of(name))
            for name, leaf in zip(outputs, leaves, strict=True)
        ]

    def values(self, results: Sequence[np.ndarray], args: Sequence[Any]) -> list[np.ndarray]:
        """All outputs, none of which is another's memory or an argument's."""
        every, own, row = (*results, *args, *self._stored), set(range(len(results))), []
        for place, dtype in self._sources:
            row.append(every[place] if place in own else np.array(every[place], dtype))
            own.discard(place)
        return row


@dataclass(frozen=True, slots=True)
class _Sizes:
    """Sizes that a function has been called with; what to call, and makers of arrays for its results."""

    values: array.array[int]
    native: Callable[[int], None]
    shapes: list[tuple[int, ...]]
    makers: list[Callable[[], np.ndarray]]


def picker(names: Sequence[str]) -> Any:
    """A function from a mapping to the tuple of these values; it raises ``KeyError`` if one is missing."""
    if not names:
        return lambda mapping: ()
    if len(names) == 1:
        return lambda mapping: (mapping[names[0]],)
    return itemgetter(*names)
