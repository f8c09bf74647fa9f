"""Native checks that run before a program writes anything; plain Python where the source runs un-jitted.

``arrays_fit`` looks at NumPy's array objects themselves (``PyArrayObject_fields``, part of NumPy's stable ABI, see
ndarraytypes.h), so that a call from Python costs one write per array. What does not fit is looked at again, and
described to the user, by :mod:`codegen.arguments`.

A table describes the arrays, in 64-bit words: count; then for each array its record
    [object word, address word, written, dtype object, rank, first…]   with per axis: 0 and an extent, or word of a size and 1 to learn it
"""

from __future__ import annotations

from numpy import int32, int64

from codegen.kernels import kernel, pointer

OBJECT_WORDS = 9
"""Of an array object: [1] its type, [2] data, [3] rank, [4] extents, [7] dtype, [8] flags."""
CONTIGUOUS, ALIGNED, WRITEABLE = 0x1, 0x100, 0x400
RECORD = 5


@kernel
def arrays_fit(packed, table, array_type):
    """Whether every array is as its record says; learns sizes and addresses on the way."""
    position = 1
    for _ in range(table[0]):
        there = pointer(packed[table[position]], int64, OBJECT_WORDS)
        if there[1] != array_type:
            return False
        rank = table[position + 4]
        flags = pointer(packed[table[position]] + 64, int32, 1)[0]
        wanted = CONTIGUOUS | ALIGNED | (WRITEABLE if table[position + 2] else 0)
        if there[7] != table[position + 3] or (flags & wanted) != wanted:
            return False
        if pointer(packed[table[position]] + 24, int32, 1)[0] != rank:
            return False
        extents = pointer(there[4], int64, rank)
        start = position + RECORD
        for axis in range(rank):
            word = table[start + 2 * axis]
            if word == 0:
                if extents[axis] != table[start + 2 * axis + 1]:
                    return False
            elif table[start + 2 * axis + 1]:
                if extents[axis] <= 0:
                    return False
                packed[word] = extents[axis]
            elif extents[axis] != packed[word]:
                return False
        if table[position + 2] and packed[table[position + 1]] != there[2]:
            return False
        packed[table[position + 1]] = there[2]
        position = start + 2 * rank
    return True


@kernel
def is_apart(start, length, spans):
    """Whether [start, start + length) meets none of the address ranges that are written: count, then start and end of each."""
    for number in range(spans[0]):
        if start < spans[2 + 2 * number] and spans[1 + 2 * number] < start + length:
            return False
    return True


@kernel
def labels_fit(labels, count, classes):
    """Whether all labels lie in [0, classes)."""
    lowest = 0
    highest = 0
    for i in range(count):
        lowest = min(lowest, labels[i])
        highest = max(highest, labels[i])
    return lowest >= 0 and highest < classes


@kernel
def rows_fit(values, rows, width):
    """Whether every row sums to 1 within 10⁻³."""
    for row in range(rows):
        total = 0.0
        for i in range(width):
            total += values[row * width + i]
        if not abs(total - 1.0) <= 1e-3:
            return False
    return True
