"""Threefry-2×32, the counter-based generator that every random number comes from.

threefry((key, stream), (index, step))   →   two words of 32 bits, of integers or arrays alike

J. K. Salmon, M. A. Moraes, R. O. Dror & D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC11, 2011; 20
rounds, as in their library Random123, whose known answers are the tests. For one key the map of counters is a
bijection: no counter's pair of words comes again.
"""

from __future__ import annotations

from typing import Any

import numpy as np

ROTATIONS = (13, 15, 26, 6, 17, 29, 16, 24)
PARITY = 0x1BD11BDA
GROUPS = 5
"""Of four rounds; the key is added after each."""
MASK = 0xFFFFFFFF


def threefry(key: tuple[Any, Any], counter: tuple[Any, Any]) -> tuple[Any, Any]:
    """The two words of a key and a counter, each two integers or integer arrays below 2³²."""
    keys = (*key, key[0] ^ key[1] ^ PARITY)
    a, b = (counter[0] + keys[0]) & MASK, (counter[1] + keys[1]) & MASK
    for group in range(GROUPS):
        for rotation in ROTATIONS[:4] if group % 2 == 0 else ROTATIONS[4:]:
            a = (a + b) & MASK
            b = (b << rotation | b >> 32 - rotation) & MASK ^ a
        a = (a + keys[(group + 1) % 3]) & MASK
        b = (b + keys[(group + 2) % 3] + group + 1) & MASK
    return a, b


def uniform(key: Any, stream: Any, step: Any, index: Any, dtype: Any) -> Any:
    """The number of (0, 1) at integers or integer arrays, which count modulo 2³²: (w + ½)/2ᵏ, exact in its dtype.

    w are the first k = 23 bits for float32, 52 for float64: 0 and 1 never occur, and the numbers of both dtypes agree
    to 2⁻²³.
    """
    words = [np.asarray(value).astype(np.uint64) & np.uint64(MASK) for value in (key, stream, index, step)]
    first, second = threefry((words[0], words[1]), (words[2], words[3]))
    if np.dtype(dtype) == np.float32:
        return ((2 * (first >> np.uint64(9)) + 1).astype(np.float64) / 2.0**24).astype(np.float32)
    bits = first << np.uint64(20) | second >> np.uint64(12)
    return ((2 * bits + 1).astype(np.float64) / 2.0**53).astype(dtype)
