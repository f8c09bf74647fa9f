"""Memory for results: what a user has dropped is used again, so that a large result costs no page faults."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

LEAST = 1 << 18
"""Bytes from which memory is kept; the allocator is quick with less."""
MOST = 3
"""Blocks kept for one output."""


def _references(blocks: Sequence[object]) -> list[int]:
    """How often each block is referred to, by this question too."""
    return [sys.getrefcount(block) for block in blocks]


_UNUSED = _references([object()])[0]
"""References to a block that only its list knows: interpreters differ in how many the question itself holds."""


class Blocks:
    """Fresh arrays of one dtype. Every array, and every view of it, refers to the block that holds its memory."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self._blocks: list[np.ndarray] = []

    def maker(self, shape: tuple[int, ...]) -> Callable[[], np.ndarray]:
        """A function that makes arrays of one shape, with memory that nothing else refers to and arbitrary values."""
        size = math.prod(shape) * self.dtype.itemsize
        return partial(np.empty if size < LEAST else self._large, shape, self.dtype)

    def _large(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
        size = math.prod(shape) * dtype.itemsize
        for place, references in enumerate(_references(self._blocks)):
            if references == _UNUSED and self._blocks[place].nbytes == size:
                return np.ndarray(shape, dtype, self._blocks[place])
        block = np.empty(size, np.uint8)
        self._blocks = [*self._blocks[1 - MOST :], block]
        return np.ndarray(shape, dtype, block)
