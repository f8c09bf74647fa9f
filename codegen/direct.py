"""What native code needs to check the arrays of a call itself, so that Python only writes the address of each object.

Comes in: the leaves of a program, in the order of its interface. Goes out: the table that :mod:`codegen.support` reads.
"""

from __future__ import annotations

import array
import ctypes
from collections.abc import Collection, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any

import numpy as np

from codegen.executable import Executable
from symgraph.indices import Dim
from symgraph.tensor import Tensor


def can_check(leaves: Sequence[Tensor]) -> bool:
    """Whether native code can check calls: array objects are as expected, and the number of classes is known."""
    return objects_are_as_expected() and all(leaf.classes is None or leaf.classes.is_Integer for leaf in leaves)


def argument_table(executable: Executable, leaves: Sequence[Tensor], written: Collection[Tensor]) -> array.array[int]:
    """Records for :func:`codegen.support.arrays_fit`; ``written`` are leaves that are updated in place."""
    interface, names = executable.compiled.interface, executable.names
    table = array.array("q", [len(executable.size_names), len(leaves)])
    sizes = dict(zip(executable.size_names, interface.sizes.values(), strict=True))
    learned: set[Dim] = set()
    for leaf in leaves:
        name = names[leaf]
        dtype = executable.type_of(name)
        table.extend([interface.objects[name], interface.addresses[name], int(leaf in written), id(dtype), leaf.ndim])
        table.extend([_values_check(leaf), dtype.itemsize])
        for size in leaf.shape:
            if isinstance(size, Dim):
                table.extend([sizes[size.name], int(size not in learned)])
                learned.add(size)
            else:
                table.extend([0, int(size) if size.is_Integer else -1])
    return table


def _values_check(leaf: Tensor) -> int:
    if leaf.rows_sum_to_one:
        return -1
    return 0 if leaf.classes is None else int(leaf.classes)


def spans(arrays: Sequence[np.ndarray]) -> list[int]:
    """Count, then first address and end of each array: memory that no input may overlap."""
    words = [len(arrays)]
    for values in arrays:
        words += [values.ctypes.data, values.ctypes.data + values.nbytes]
    return words


def picker(names: Sequence[str]) -> Any:
    """A function from a mapping to the tuple of these values; it raises ``KeyError`` if one is missing."""
    if not names:
        return lambda mapping: ()
    if len(names) == 1:
        return lambda mapping: (mapping[names[0]],)
    return itemgetter(*names)


@lru_cache(maxsize=1)
def objects_are_as_expected() -> bool:
    """Whether array objects lie in memory as NumPy's headers say, on this interpreter."""
    sample = np.zeros((3, 5), dtype=np.float32)
    there = (ctypes.c_int64 * 9).from_address(id(sample))
    extents = (ctypes.c_int64 * 2).from_address(there[4])
    return (
        there[1] == id(np.ndarray)
        and there[2] == sample.ctypes.data
        and there[3] & 0xFFFFFFFF == 2
        and tuple(extents) == (3, 5)
        and there[7] == id(sample.dtype)
        and there[8] & 0x501 == 0x501
    )
