"""Memory for results: what a user has dropped is used again, so that a large result costs no page faults at every call."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

LEAST = 1 << 18
"""Bytes from which memory is kept; the allocator is quick with less."""
MOST = 3
"""Blocks kept for one output."""
_UNUSED = 3
"""References to a block that nobody uses: the list's, the loop's, and the question's own."""


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
        for block in self._blocks:
            if block.nbytes == size and sys.getrefcount(block) == _UNUSED:
                return np.ndarray(shape, dtype, block)
        block = np.empty(size, np.uint8)
        self._blocks = [*self._blocks[1 - MOST :], block]
        return np.ndarray(shape, dtype, block)
