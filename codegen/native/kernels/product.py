"""The loop around the tile: a whole matrix product, as the emitter should write one, and as tests and benchmarks run
it.

    out[i, j] = Σ_k a[i·a_row + k·a_col] · b[k·b_row + j]        or, with ``b`` transposed,  b[j·b_row + k]

The columns of tiles are the outer loop, so that the panel of ``b`` which they share stays in the second-level cache,
while tiles of ``a`` go by. An epilogue (bias, activation, an optimiser's update) belongs right after the tile, over
its live rows and columns, when they are still in the first-level cache; it may read the tile from a scratch buffer of
rows × cols elements, and then the product itself never reaches memory::

    tile(scratch, 0, COLS, a, …)
    for r in range(min(ROWS, i_last - i)):
        for c in range(min(COLS, j_last - j)):
            W[(i + r)*n + j + c] -= rate * scratch[r*COLS + c]
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from codegen.native.kernels.blocking import choose_tile, should_pack
from codegen.native.kernels.packing import copy_block, transpose_block
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
    b_row: int = 0,
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
    b_row
        Static distance of rows of ``b``, 0 if unknown; a power of two calls for packing.

    Returns
    -------
    contract
        ``contract(out, out_row, a, a_row, a_col, b, b_row, panel, depth, i_first, i_last, j_first, j_last)``.
        ``panel`` is scratch of ``depth × contract.cols`` elements for each thread; threads share the work by rows
        (``chunk(m, contract.rows, …)``) or by columns.
    """
    rows, cols = choose_tile(m, n, k, dtype)  # type: ignore[arg-type]
    block = tile(rows, cols, dtype)  # type: ignore[arg-type]

    # One signature for the three loops, so that callers need not know which was chosen.
    def direct(out: F, out_row: int, a: F, a_row: int, a_col: int, b: F, b_row: int, panel: F, depth: int,
               i_first: int, i_last: int, j_first: int, j_last: int) -> None:  # fmt: skip
        for j in range(j_first, j_last, cols):
            width = minimum(cols, j_last - j)
            for i in range(i_first, i_last, rows):
                height = minimum(rows, i_last - i)
                block(out, i * out_row + j, out_row, a, i * a_row, a_row, a_col, b, j, b_row, depth, height, width)

    def packed(out: F, out_row: int, a: F, a_row: int, a_col: int, b: F, b_row: int, panel: F, depth: int,
               i_first: int, i_last: int, j_first: int, j_last: int) -> None:  # fmt: skip
        for j in range(j_first, j_last, cols):
            width = minimum(cols, j_last - j)
            copy_block(panel, 0, cols, b, j, b_row, depth, width)
            for i in range(i_first, i_last, rows):
                height = minimum(rows, i_last - i)
                block(out, i * out_row + j, out_row, a, i * a_row, a_row, a_col, panel, 0, cols, depth, height, width)

    def transposed(out: F, out_row: int, a: F, a_row: int, a_col: int, b: F, b_row: int, panel: F, depth: int,
                   i_first: int, i_last: int, j_first: int, j_last: int) -> None:  # fmt: skip
        for j in range(j_first, j_last, cols):
            width = minimum(cols, j_last - j)
            transpose_block(panel, 0, cols, b, j * b_row, b_row, width, depth)
            for i in range(i_first, i_last, rows):
                height = minimum(rows, i_last - i)
                block(out, i * out_row + j, out_row, a, i * a_row, a_row, a_col, panel, 0, cols, depth, height, width)

    contract: Any = transposed if transposed_b else packed if should_pack(m, k, b_row, dtype) else direct
    contract.rows, contract.cols = rows, cols
    return contract  # type: ignore[no-any-return]
