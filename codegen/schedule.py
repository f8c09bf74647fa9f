"""Whole epochs in one native call: the order of the examples, the rows of a batch, and the table that describes both.

The table, in 64-bit words
    [0] examples  [1] batch size  [2] epochs  [3] shuffle  [4] random state  [5] steps done  [6] stop  [7] arrays
    [8] address of the order  [9] address of the losses (float64, one per epoch)  [10] size word of the batch  [11] status
then for each array with a row per example: [address of all rows, bytes of a row, address of the batch, address word]
"""

from __future__ import annotations

from numpy import uint8

from codegen.kernels import kernel, pointer

HEADER, RECORD = 12, 4
EXAMPLES, BATCH, EPOCHS, SHUFFLE, STATE, DONE, STOP, ARRAYS, ORDER, LOSSES, SIZE_WORD, FAILED = range(HEADER)


@kernel
def shuffled(order, count, state):
    """Fisher and Yates' permutation in place; numbers from xorshift32 (Marsaglia 2003). Returns the next state."""
    for last in range(count - 1, 0, -1):
        state ^= (state << 13) & 0xFFFFFFFF
        state ^= state >> 17
        state ^= (state << 5) & 0xFFFFFFFF
        other = (state * (last + 1)) >> 32
        kept = order[last]
        order[last] = order[other]
        order[other] = kept
    return state


@kernel
def gather(packed, table, order, first, rows, examples):
    """Copy the rows of a batch together, or point into the data where the order is that of the data."""
    for number in range(table[ARRAYS]):
        record = HEADER + RECORD * number
        size = table[record + 1]
        if table[SHUFFLE] == 0:
            packed[table[record + 3]] = table[record] + first * size
        else:
            source = pointer(table[record], uint8, examples * size)
            target = pointer(table[record + 2], uint8, rows * size)
            for row in range(rows):
                start = order[first + row] * size
                for i in range(size):
                    target[row * size + i] = source[start + i]
            packed[table[record + 3]] = table[record + 2]
