"""Measures the native vocabulary: ``python -m tests.benchmarks.kernels [products] [functions] [threads] [compile]``
(all by default).

Products are compared with SciPy's BLAS on one thread in the same run; times are the best of several, since other load
only adds to them.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from numba import njit
from numba.extending import get_cython_function_address
from numpy import float32, float64, int64

from codegen.loops.words import SYNC
from codegen.native import team
from codegen.native.barrier import SYNC_WORDS
from codegen.native.compile import Entry, compile_entry, load_entry
from codegen.native.kernels import VECTOR_MATH, barrier, kernel, new_sync, pointer
from tests.products import contraction

SHAPES = (
    (16, 13, 16, ""),
    (32, 64, 32, ""),
    (32, 32, 10, ""),
    (100, 784, 50, ""),
    (784, 100, 50, "a"),
    (100, 50, 784, "b"),
    (128, 784, 512, ""),
    (784, 128, 512, "a"),
    (256, 1024, 1024, ""),
    (1024, 256, 1024, "a"),
    (256, 1024, 1024, "b"),
)
"""m, k, n and which operand is stored transposed."""


def best_time(run: Callable[[], Any], repeats: int = 7) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def load(function: Callable[..., None]) -> Entry:
    return load_entry(compile_entry(function))


def product_entry(m: int, k: int, n: int, transposed: str, dtype: Any) -> tuple[Entry, int]:
    """Entry that computes the product ``packed[4]`` times, and the length of its panel."""
    loops: Any = contraction(m, n, k, dtype, transposed == "b")
    contract = kernel(loops)
    a_row, a_col, b_row = (1, m, n) if transposed == "a" else (k, 1, k if transposed == "b" else n)
    panel_size = k * loops.cols

    def entry(packed: int) -> None:
        words = pointer(packed, int64, 5)
        out, a, b = pointer(words[0], dtype, m * n), pointer(words[1], dtype, m * k), pointer(words[2], dtype, k * n)
        panel = pointer(words[3], dtype, panel_size)
        for _ in range(words[4]):
            contract(out, n, a, a_row, a_col, b, b_row, panel, k, 0, m, 0, n)

    return load(entry), panel_size


def blas_loop(dtype: Any) -> Callable[..., None]:
    """BLAS called in a native loop, through its C address, so that small products are compared without Python between
    the calls."""
    name = "sgemm" if dtype is float32 else "dgemm"
    address = get_cython_function_address("scipy.linalg.cython_blas", name)
    gemm = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 13)(address)

    @njit
    def run(arguments: Any, repeats: int) -> None:
        w = arguments
        for _ in range(repeats):
            gemm(w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7], w[8], w[9], w[10], w[11], w[12])

    return run


def blas_arguments(m: int, k: int, n: int, transposed: str, out: Any, a: Any, b: Any) -> tuple[Any, list[Any]]:
    """Addresses of gemm's thirteen arguments, and what keeps them alive. BLAS stores by columns: it computes outᵀ =
    bᵀ·aᵀ."""
    flags = np.array([ord("T" if transposed == "b" else "N"), ord("T" if transposed == "a" else "N")], np.uint8)
    sizes = np.array([n, m, k, k if transposed == "b" else n, m if transposed == "a" else k, n], np.int32)
    scale = np.array([1, 0], out.dtype)
    flag, size, factor = (array.ctypes.data for array in (flags, sizes, scale))
    order = [flag, flag + 1, size, size + 4, size + 8, factor, b.ctypes.data, size + 12, a.ctypes.data, size + 16]
    order += [factor + out.itemsize, out.ctypes.data, size + 20]
    return np.array(order, int64), [flags, sizes, scale]


def measure_products() -> None:
    print(f"{'m x k x n':>16} {'stored':>8} {'dtype':>8} {'GFLOP/s':>8} {'BLAS':>8} {'ratio':>6}")
    for dtype in (float32, float64):
        gemm = blas_loop(dtype)
        for shape in SHAPES:
            measure_product(*shape, dtype, gemm)


def measure_product(m: int, k: int, n: int, transposed: str, dtype: Any, gemm: Callable[..., None]) -> None:
    entry, panel_size = product_entry(m, k, n, transposed, dtype)
    random = np.random.default_rng(0)
    a = random.standard_normal((k, m) if transposed == "a" else (m, k)).astype(dtype)
    b = random.standard_normal((n, k) if transposed == "b" else (k, n)).astype(dtype)
    out, expected, panel = np.zeros((m, n), dtype), np.zeros((m, n), dtype), np.zeros(panel_size, dtype)
    repeats = max(1, int(5e7 / (m * k * n)))
    packed = np.array([array.ctypes.data for array in (out, a, b, panel)] + [repeats], int64)
    arguments, _alive = blas_arguments(m, k, n, transposed, expected, a, b)
    gemm(arguments, 1)
    ours = best_time(lambda: entry(packed.ctypes.data)) / repeats
    theirs = best_time(lambda: gemm(arguments, repeats)) / repeats
    np.testing.assert_allclose(out, expected, rtol=0, atol=1e-3)
    flops, stored = 2e-9 * m * k * n, f"{transposed}ᵀ" if transposed else ""
    print(
        f"{f'{m}x{k}x{n}':>16} {stored:>8} {dtype.__name__:>8} {flops / ours:8.1f} {flops / theirs:8.1f}"
        f" {theirs / ours:6.2f}",
        flush=True,
    )


def function_entry(word: Callable[..., Any], arity: int, dtype: Any, size: int) -> Entry:
    @kernel
    def unary(x: Any, y: Any, out: Any) -> None:
        for i in range(size):
            out[i] = word(x[i])

    @kernel
    def binary(x: Any, y: Any, out: Any) -> None:
        for i in range(size):
            out[i] = word(x[i], y[i])

    loop = unary if arity == 1 else binary

    def entry(packed: int) -> None:
        words = pointer(packed, int64, 4)
        for _ in range(words[3]):
            loop(pointer(words[0], dtype, size), pointer(words[1], dtype, size), pointer(words[2], dtype, size))

    return load(entry)


def measure_functions() -> None:
    print(f"{'function':>10} {'float32':>9} {'NumPy':>9} {'float64':>9} {'NumPy':>9}   ns an element")
    size, repeats = 1024, 200
    for row in VECTOR_MATH.values():
        cells = []
        for dtype in (float32, float64):
            entry = function_entry(row.word, row.arity, dtype, size)
            random = np.random.default_rng(0)
            x, y, out = (
                random.uniform(0.1, 4, size).astype(dtype),
                random.uniform(-4, 4, size).astype(dtype),
                np.zeros(size, dtype),
            )
            packed = np.array([array.ctypes.data for array in (x, y, out)] + [repeats], int64)
            cells.append(best_time(lambda e=entry, p=packed: e(p.ctypes.data)) / (size * repeats))
            ufunc = getattr(np, "power" if row.name == "pow" else row.name, None)
            operands = (x,) if row.arity == 1 else (x, y)
            cells.append(best_time(lambda u=ufunc, o=operands: u(*o)) / size if ufunc else float("nan"))
        print(f"{row.name:>10} " + " ".join(f"{cell * 1e9:9.3f}" for cell in cells), flush=True)


def measure_threads() -> None:
    def entry(packed: int, thread: int, threads: int) -> None:
        words = pointer(packed, int64, SYNC + 1)
        sync = pointer(words[SYNC], int64, SYNC_WORDS)
        for _ in range(words[0]):
            barrier(sync, threads)

    native = load(entry)
    sync = new_sync()
    packed = np.array([0, 0, 0, 0, sync.ctypes.data], int64)
    address = packed.ctypes.data
    calls = 10_000
    alone = best_time(lambda: [native.call(address) for _ in range(calls)]) / calls
    launch = best_time(lambda: [team.launch(native.team_address, address, 2) for _ in range(calls)]) / calls
    print(f"call of an entry          {alone * 1e6:8.3f} µs")
    print(f"launch of two threads     {launch * 1e6:8.3f} µs")
    packed[0] = 200_000
    meeting = best_time(lambda: team.launch(native.team_address, address, 2)) / 200_000
    print(f"barrier of two threads    {meeting * 1e9:8.1f} ns")


def measure_compilation() -> None:
    for _ in range(2):
        start = time.perf_counter()
        product_entry(100, 784, 50, "", float32)
        print(f"compile one product       {(time.perf_counter() - start) * 1e3:8.1f} ms")
    start = time.perf_counter()
    function_entry(VECTOR_MATH["exp"].word, 1, float32, 1024)
    print(f"compile one map           {(time.perf_counter() - start) * 1e3:8.1f} ms")

    def entry(packed: int) -> None:
        words = pointer(packed, int64, 1)
        words[0] = 1

    code = compile_entry(entry)
    print(f"load an object            {best_time(lambda: load_entry(*code)) * 1e3:8.2f} ms")


def main() -> None:
    measures = {
        "compile": measure_compilation,
        "products": measure_products,
        "functions": measure_functions,
        "threads": measure_threads,
    }
    for name in sys.argv[1:] or measures:
        measures[name]()


if __name__ == "__main__":
    main()
