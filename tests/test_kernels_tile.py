"""Tiles, packing and the loops around them: every layout, remainder and odd size against NumPy."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy import float32, float64, int64

from codegen.native.compile import Entry, compile_entry, load_entry, register_file
from codegen.native.kernels import blocking, choose_tile, copy_block, kernel, pointer, tile, transpose_block
from codegen.native.kernels.vectors import lanes, widths
from tests.products import contraction

VL = lanes(float32)
TILES = (
    (1, 1, float32),
    (4, 2 * VL, float32),
    (3, VL + 3, float32),
    (5, VL - 1, float32),
    (6, lanes(float64) + 2, float64),
)


def last_columns(cols: int, dtype: Any) -> int:
    """Columns of a tile at the end of a row, which has one vector less."""
    return max(cols - lanes(dtype), 1)


@cache
def block_entry(rows: int, cols: int, dtype: Any) -> Entry:
    """Entry that runs a tile, overwriting or accumulating, with all its arguments from the packed array."""
    overwrite, accumulate = (
        tile(rows, cols, dtype, added, width=2 * cols + last_columns(cols, dtype)) for added in (False, True)
    )

    def entry(packed: int) -> None:
        w = pointer(packed, int64, 14)
        out, a, b = pointer(w[0], dtype, 1 << 20), pointer(w[1], dtype, 1 << 20), pointer(w[2], dtype, 1 << 20)
        if w[13]:
            accumulate(out, w[3], w[4], a, w[5], w[6], w[7], b, w[8], w[9], w[10], w[11], w[12])
        else:
            overwrite(out, w[3], w[4], a, w[5], w[6], w[7], b, w[8], w[9], w[10], w[11], w[12])

    return load_entry(compile_entry(entry))


@pytest.mark.parametrize("rows, cols, dtype", TILES)
def test_tile_computes_every_live_element_and_touches_no_other(rows: int, cols: int, dtype: Any) -> None:
    random = np.random.default_rng(rows)
    for live_rows in {1, rows - 1 or 1, rows}:
        for live_cols in {1, last_columns(cols, dtype), cols - 1 or 1, cols}:
            for depth in (0, 1, 7):
                for transposed_a in (False, True):
                    a_row, a_col = (1, live_rows + 2) if transposed_a else (depth + 3, 1)
                    # Starts of 1, 3 and 5 leave every vector access unaligned.
                    numbers = [3, live_cols + 4, 1, a_row, a_col, 5, live_cols + 1, depth, live_rows, live_cols]
                    for accumulate in (0, 1):
                        a, b = random.standard_normal((2, 400)).astype(dtype)
                        b = np.resize(b, 10 * (live_cols + 1) + 10)
                        out = random.standard_normal(4 + (live_rows + 1) * (live_cols + 4)).astype(dtype)
                        plain = out.copy()
                        word = tile(rows, cols, dtype, bool(accumulate))
                        word(plain, *numbers[:2], a, *numbers[2:5], b, *numbers[5:])
                        packed = np.array([out.ctypes.data, a.ctypes.data, b.ctypes.data, *numbers, accumulate], int64)
                        block_entry(rows, cols, dtype)(packed.ctypes.data)
                        np.testing.assert_allclose(
                            out, plain, rtol=200 * np.finfo(dtype).eps, atol=20 * np.finfo(dtype).eps
                        )


@pytest.mark.parametrize("rows, cols, dtype", TILES)
def test_a_row_is_the_same_bits_alone_and_among_others(rows: int, cols: int, dtype: Any) -> None:
    depth = 37
    a, b = (np.random.default_rng(rows).standard_normal((n, depth)).astype(dtype) for n in (rows, cols))
    native, plain = (np.zeros((2, rows, cols), dtype) for _ in range(2))
    for place, live_rows in enumerate((rows, 1)):
        numbers = [0, cols, 0, depth, 1, 0, cols, depth, live_rows, cols]
        packed = np.array([v.ctypes.data for v in (native[place], a, b)] + [*numbers, 0], int64)
        block_entry(rows, cols, dtype)(packed.ctypes.data)
        tile(rows, cols, dtype)(plain[place].ravel(), *numbers[:2], a.ravel(), *numbers[2:5], b.ravel(), *numbers[5:])
    for full, one in (native, plain):
        assert np.array_equal(full[0], one[0]) and not one[1:].any()


def test_tile_does_not_read_beyond_its_operands() -> None:
    """NaN sits in every element that is not an operand, right behind the last ones included."""
    rows, cols, depth = 3, VL + 3, 4
    a = np.full(64, np.nan, float32)
    a[: rows * depth] = 1
    b = np.full(8 * cols, np.nan, float32)
    b[: depth * cols] = 1
    out = np.full(rows * cols + 16, -1, float32)
    packed = np.array(
        [out.ctypes.data, a.ctypes.data, b.ctypes.data, 0, cols, 0, depth, 1, 0, cols, depth, rows, cols, 0], int64
    )
    block_entry(rows, cols, float32)(packed.ctypes.data)
    assert np.array_equal(out, [4.0] * (rows * cols) + [-1.0] * 16)


@cache
def packing_entry() -> Entry:
    def entry(packed: int) -> None:
        w = pointer(packed, int64, 10)
        out, source = pointer(w[0], float32, 1 << 20), pointer(w[1], float32, 1 << 20)
        copy_block(out, w[2], w[3], source, w[4], w[5], w[6], w[7])
        wide, wide_source = pointer(w[8], float64, 1 << 20), pointer(w[9], float64, 1 << 20)
        transpose_block(wide, w[2], w[3], wide_source, w[4], w[5], w[6], w[7])

    return load_entry(compile_entry(entry))


@pytest.mark.parametrize("rows", (1, 7, 8, 17))
@pytest.mark.parametrize("cols", (1, 9, 16, 31))
def test_packing_moves_exactly_the_block(rows: int, cols: int) -> None:
    random = np.random.default_rng(1)
    numbers = [3, max(rows, cols) + 2, 1, cols + 3, rows, cols]
    narrow, wide = random.standard_normal(800).astype(float32), random.standard_normal(800)
    outs = [np.zeros(1200, float32), np.zeros(1200)]
    plain = [out.copy() for out in outs]
    copy_block(plain[0], *numbers[:2], narrow, *numbers[2:])
    transpose_block(plain[1], *numbers[:2], wide, *numbers[2:])
    packed = np.array([outs[0].ctypes.data, narrow.ctypes.data, *numbers, outs[1].ctypes.data, wide.ctypes.data], int64)
    packing_entry()(packed.ctypes.data)
    assert np.array_equal(outs[0], plain[0]) and np.array_equal(outs[1], plain[1])


@pytest.mark.parametrize("transposed_b", (False, True), ids=("plain", "transposed"))
def test_contraction_of_odd_sizes_natively_and_in_plain_python(transposed_b: bool) -> None:
    m, k, n = 13, 11, 37
    loops: Any = contraction(None, n, k, float32, transposed_b)
    contract = kernel(loops)

    def entry(packed: int) -> None:
        w = pointer(packed, int64, 6)
        out, a, b = pointer(w[0], float32, m * n), pointer(w[1], float32, m * k), pointer(w[2], float32, k * n)
        panel = pointer(w[3], float32, 1 << 16)
        contract(out, n, a, w[4], w[5], b, k if transposed_b else n, panel, k, 0, m, 0, n)

    run = load_entry(compile_entry(entry))
    random = np.random.default_rng(2)
    a, b = random.standard_normal((m, k)).astype(float32), random.standard_normal((k, n)).astype(float32)
    stored_b = np.ascontiguousarray(b.T if transposed_b else b)
    panel = np.zeros(k * loops.cols, float32)
    for stored_a, a_row, a_col in ((a, k, 1), (np.ascontiguousarray(a.T), 1, m)):
        out = np.zeros((m, n), float32)
        run(
            np.array(
                [out.ctypes.data, stored_a.ctypes.data, stored_b.ctypes.data, panel.ctypes.data, a_row, a_col], int64
            ).ctypes.data
        )
        np.testing.assert_allclose(out, a @ b, rtol=1e-4, atol=1e-5)
        plain = np.zeros(m * n, float32)
        loops(plain, n, stored_a.ravel(), a_row, a_col, stored_b.ravel(), stored_b.shape[1], panel, k, 0, m, 0, n)
        np.testing.assert_allclose(plain.reshape(m, n), a @ b, rtol=1e-4, atol=1e-5)


@pytest.fixture
def one_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocking, "_core", lambda: blocking._ZEN4)


@pytest.mark.parametrize("dtype", (float32, float64), ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize("n", (1, 4, 10, 16, 50, 512, None))
def test_chosen_tile_wastes_less_than_one_short_vector(n: int | None, dtype: Any, one_unit: None) -> None:
    rows, cols = choose_tile.__wrapped__(None, n, 100, dtype)
    covered = sum(widths(cols, dtype))
    assert rows >= 1 and covered >= cols
    if n is not None:
        last = sum(widths(n % cols, dtype)) if n % cols else 0
        assert n // cols * covered + last - n < max(lanes(dtype), 16 // np.dtype(dtype).itemsize)


def test_choice_knows_a_batch_that_divides_evenly(one_unit: None) -> None:
    rows, _ = choose_tile.__wrapped__(100, 50, 784, float32)
    assert 100 % rows == 0


@pytest.mark.skipif(register_file() != (64, 32), reason="of AVX-512")
def test_two_units_are_given_more_sums_for_every_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocking, "_core", lambda: blocking._XEON)
    for m, n, k in ((64, 112, 576), (32, 169, 576), (64, 121, 288), (128, 512, 784)):
        rows, cols = choose_tile.__wrapped__(m, n, k, float32)
        vectors = -(-cols // 16)
        assert rows * vectors >= 1.5 * (rows + vectors)  # multiply-adds of a step, and loads; two of each in a cycle


@pytest.mark.skipif(register_file() != (32, 16), reason="of AVX2")
def test_sixteen_registers_hold_ten_sums_or_twelve_of_long_products() -> None:
    for m, n, k in ((None, 64, 576), (100, 50, 784), (784, 64, 576)):
        rows, cols = choose_tile.__wrapped__(m, n, k, float32)
        assert rows >= 5 and cols == 16


def test_rows_and_depth_of_several_indices_are_read_where_they_lie() -> None:
    """Windows of 2 × 3 in an image of 6 × 7: as rows of the left operand, and as depth of the right one."""
    places, window = ((5, 7), (5, 1)), ((2, 7), (3, 1))
    turned, direct = tile(4, 3, float32, left=(places, window)), tile(3, VL, float32, right=window)
    apart = tile(4, 3, float32, accumulate=True, out_rows=((3, 12), (2, 5)))

    def entry(packed: int) -> None:
        w = pointer(packed, int64, 3)
        out, image, W = pointer(w[0], float32, 150), pointer(w[1], float32, 42), pointer(w[2], float32, 18)
        turned(out, 0, 3, image, 0, 21, 0, W, 0, 3, 6, 4, 3)
        direct(out, 12, 35, W, 0, 1, 3, image, 0, 0, 6, 3, VL - 1)
        for _ in range(2):
            apart(out, 117, 1, image, 0, 6, 1, W, 0, 3, 6, 3, 3)

    image, W = (np.random.default_rng(0).standard_normal(n).astype(float32) for n in (42, 18))
    found, plain = np.zeros((2, 150), float32)
    load_entry(compile_entry(entry))(np.array([a.ctypes.data for a in (found, image, W)], int64).ctypes.data)
    entry(np.array([a.ctypes.data for a in (plain, image, W)], int64).ctypes.data)
    np.testing.assert_allclose(found, plain, atol=1e-6)
    patches = np.lib.stride_tricks.sliding_window_view(image.reshape(6, 7), (2, 3)).reshape(-1, 6)
    np.testing.assert_allclose(found[:12].reshape(4, 3), patches[21:25] @ W.reshape(6, 3), atol=1e-6)
    flat = np.stack([image[7 * u + v :][: VL - 1] for u in range(2) for v in range(3)])
    np.testing.assert_allclose(found[12:117].reshape(3, 35)[:, : VL - 1], W.reshape(6, 3).T @ flat, atol=1e-6)
    for row, place in enumerate((5, 12, 17)):  # rows 1, 2, 3 of those that lie 12 and 5 apart
        np.testing.assert_allclose(
            found[117 + place :][:3], 2 * image[6 * row :][:6] @ W.reshape(6, 3), rtol=1e-5, atol=1e-5
        )
