"""The loops around a tile, a whole matrix product, for tests and benchmarks of the tile alone.

out[i, j] = Σ_k a[i·a_row + k·a_col] · b[k·b_row + j]        or, with ``b`` transposed,  b[j·b_row + k]
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from codegen.native.kernels.blocking import choose_tile
from codegen.native.kernels.packing import transpose_block
from codegen.native.kernels.pointer import Dtype
from codegen.native.kernels.pointer import FlatArray as F
from codegen.native.kernels.scalar import minimum
from codegen.native.kernels.tile import tile

Contraction = Callable[..., None]


def contraction(
    m: int | None,
    n: int | None,
    k: int | None,
    dtype: Dtype,
    transposed_b: bool = False,
) -> Contraction:
    """Make the loops for one shape; to be run as they are or compiled with
    :func:`codegen.native.kernels.kernel.kernel`.

    Parameters
    ----------
    m, n, k
        Static extents, ``None`` where unknown; they only steer the choice of the tile.
    dtype
        ``float32`` or ``float64``.
    transposed_b
        Whether k, not j, has unit stride in ``b``.

    Returns
    -------
    contract
        ``contract(out, out_row, a, a_row, a_col, b, b_row, panel, depth, i_first, i_last, j_first, j_last)``.
        ``panel`` is scratch of ``depth × contract.cols`` elements for each thread; threads share the work by rows
        (``chunk(m, contract.rows, …)``) or by columns.
    """
    rows, cols = choose_tile(m, n, k, dtype)  # type: ignore[arg-type]
    block = tile(rows, cols, dtype)  # type: ignore[arg-type]

    # One signature for both loops, so that callers need not know which was chosen.
    def direct(out: F, out_row: int, a: F, a_row: int, a_col: int, b: F, b_row: int, panel: F, depth: int,
               i_first: int, i_last: int, j_first: int, j_last: int) -> None:  # fmt: skip
        for j in range(j_first, j_last, cols):
            width = minimum(cols, j_last - j)
            for i in range(i_first, i_last, rows):
                height = minimum(rows, i_last - i)
                block(out, i * out_row + j, out_row, a, i * a_row, a_row, a_col, b, j, b_row, depth, height, width)

    def transposed(out: F, out_row: int, a: F, a_row: int, a_col: int, b: F, b_row: int, panel: F, depth: int,
                   i_first: int, i_last: int, j_first: int, j_last: int) -> None:  # fmt: skip
        for j in range(j_first, j_last, cols):
            width = minimum(cols, j_last - j)
            transpose_block(panel, 0, cols, b, j * b_row, b_row, width, depth)
            for i in range(i_first, i_last, rows):
                height = minimum(rows, i_last - i)
                block(out, i * out_row + j, out_row, a, i * a_row, a_row, a_col, panel, 0, cols, depth, height, width)

    contract: Any = transposed if transposed_b else direct
    contract.rows, contract.cols = rows, cols
    return contract  # type: ignore[no-any-return]
