"""Chooses the register tile of a contraction from its static sizes, by counting what the inner loop costs.

A step in k of a rows × cols tile is rows·vectors multiply-adds, rows broadcasts and a few loads; a tile also pays
once for its addresses and stores. Small outputs are where the choice matters: ten columns fit one vector of sixteen,
fifty fit three and a short one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import ceil

import numpy as np

from codegen.native.compile import host_name, register_file
from codegen.native.kernels.pointer import Dtype
from codegen.native.kernels.vectors import lanes, widths

_LARGE_EXTENT = 5040
"""Stands for an extent that is unknown until run time: a multiple of every number of rows, so that none is favoured."""


@dataclass(frozen=True)
class _Core:
    """What a processor's core does, as measured with the tile itself.

    ``units`` full-width multiply-adds a cycle; ``latency`` cycles before the result of one can be added to: fewer
    independent sums leave the units idle; ``stream`` bytes a cycle that the second-level cache delivers, where a panel
    of ``b`` comes from; ``slack`` cycles of a step that nothing hides; at most so many ``rows``, each of which reads a
    line of ``a`` of its own, and so many ``sums`` in registers. ``overhead``: cycles that setting up and storing a tile
    costs, once, for each row, and for each row squared (addresses that no longer fit the integer registers).
    """

    units: float
    latency: float
    stream: float
    slack: float
    rows: int
    sums: int
    overhead: tuple[float, float, float] = (10.0, 2.0, 0.15)


_AVX2 = _Core(units=2.0, latency=4.0, stream=20.0, slack=0.3, rows=6, sums=12, overhead=(0.0, 0.0, 1.0))
_ZEN4 = _Core(units=1.0, latency=4.7, stream=18.5, slack=0.0, rows=16, sums=20)
_XEON = _Core(units=2.0, latency=4.0, stream=32.0, slack=1.5, rows=8, sums=24)
_XEONS = ("skylake-avx512", "cascadelake", "cooperlake", "icelake", "sapphire", "emerald", "granite")
"""LLVM's names of Intel's servers with AVX-512, which have two units of the full width."""


@cache
def _core() -> _Core:
    if register_file() == (32, 16):
        return _AVX2
    return _XEON if host_name().startswith(_XEONS) else _ZEN4


@cache
def choose_tile(m: int | None, n: int | None, k: int | None, dtype: Dtype) -> tuple[int, int]:
    """Rows and columns of the tile for ``out[m, n] = Σ_k a[m, k]·b[k, n]``.

    Parameters
    ----------
    m, n, k
        Extents; ``None`` where unknown until run time, such as the batch size.
    dtype
        ``float32`` or ``float64``.
    """
    m, n, k = m or _LARGE_EXTENT, n or _LARGE_EXTENT, k or 256
    vector = lanes(dtype)
    column_choices = {vectors * vector for vectors in (1, 2, 3, 4)} | ({n} if n <= 4 * vector else set())
    choices = [
        (rows, cols)
        for cols in sorted(column_choices)
        for rows in range(1, min(m, _core().rows) + 1)
        if rows == 1 or _fits_registers(rows, cols, dtype)
    ]
    return min(choices, key=lambda tile: (_cycles(m, n, k, tile, dtype), tile[0]))


def _fits_registers(rows: int, cols: int, dtype: Dtype) -> bool:
    """Accumulators, one row of ``b`` and one broadcast; LLVM's scheduler keeps several broadcasts in flight, so a
    third is left free."""
    _, registers = register_file()
    vectors = len(widths(cols, dtype))
    return rows * vectors <= min(_core().sums, registers - 4) and (rows + 1) * vectors <= registers - 2


def _cycles(m: int, n: int, k: int, tile: tuple[int, int], dtype: Dtype) -> float:
    """Cycles of all tiles; the last of each row has vectors for what is left."""
    rows, cols = tile
    row = n // cols * _tile_cycles(k, rows, cols, dtype) + (_tile_cycles(k, rows, n % cols, dtype) if n % cols else 0.0)
    return ceil(m / rows) * row


def _tile_cycles(k: int, rows: int, cols: int, dtype: Dtype) -> float:
    """Cycles of one tile."""
    core = _core()
    size = np.dtype(dtype).itemsize
    vectors = widths(cols, dtype)
    # A 64-byte operation occupies both 32-byte halves of the unit; a shorter one costs half, however short it is.
    arithmetic = rows * sum(1.0 if width * size == 64 or register_file()[0] < 64 else 0.5 for width in vectors)
    loads = rows / 2 + sum(1.0 / core.units if width * size == 64 else 0.5 for width in vectors)
    step = max(arithmetic / core.units, loads, core.latency, sum(vectors) * size / core.stream) + core.slack
    overhead = sum(cost * rows**power for power, cost in enumerate(core.overhead))
    return k * step + overhead
