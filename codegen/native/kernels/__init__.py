"""The native vocabulary: the words that emitted source may use beside Python's arithmetic, ``range`` loops and ``if``.

Every word has two equal meanings: plain Python on flat NumPy arrays and scalars, and, inside a ``kernel``, a few LLVM
instructions written straight into the caller.

How emitted source looks::

    from numpy import float32, int64, uint8
    from codegen.native.kernels import at, barrier, chunk, kernel, pointer, sigmoid, tile

    tile_5x50 = tile(5, 50, float32)            # sizes from choose_tile(None, 50, 784, float32)

    @kernel
    def hidden(x, W, b, a, h, N, first, last):  # buffers and sizes; of which types, the call says
        for n in range(first, last, 5):
            tile_5x50(a, n*50, 50, x, n*784, 784, 1, W, 0, 50, 784, minimum(5, last - n), 50)
            for r in range(n, minimum(n + 5, last)):
                for j in range(50):
                    h[r*50 + j] = sigmoid(a[r*50 + j] + b[j])

    def entry(packed, thread, threads):         # int64 address of an int64 array: sizes and addresses
        words = pointer(packed, int64, 6)
        N = words[0]
        arena, sync = pointer(words[1], uint8, 1 << 20), pointer(words[2], int64, SYNC_WORDS)
        first, last = chunk(N, 5, thread, threads)
        hidden(pointer(words[3], float32, N*784), pointer(words[4], float32, 39200), pointer(words[5], float32, 50),
               at(arena, 0, float32), at(arena, 20480, float32), N, first, last)
        barrier(sync, threads)                  # here, where the arena is; not inside a kernel

    object_code = codegen.native.compile.compile_entry(entry)               # needs Numba
    run = codegen.native.compile.load_entry(object_code)                    # does not
    codegen.native.team.launch(run.team_address, packed_array.ctypes.data, 2)   # or run(address), one thread

Rules
-----
- Buffers that one function takes as arguments must not overlap, save those that are only read; an array updated in
  place is passed once. Buffers made inside a function (``pointer``, ``at``) carry no such promise: loops over many of
  those belong in a kernel of their own, or they will not vectorise as well.
- Literals: ``0.5 * x`` is computed in float64 when x is float32, and ``n * x`` with an int64 ``n`` too. Write
  ``float32(0.5) * x`` and ``float32(n) * x``.
- Words take operands of one dtype: ``maximum(x, float32(0))``.
- Sums that should vectorise: ``s = accumulate(s, term)``. Everything else keeps its order of evaluation, except that
  a*b + c may be fused. ``maximum`` and ``minimum`` reductions vectorise as they are.
- A kernel returns at most a scalar, allocates nothing and raises nothing; ``compile_entry`` refuses it otherwise.
"""

from codegen.native.kernels.blocking import choose_tile
from codegen.native.kernels.kernel import kernel
from codegen.native.kernels.outside import outside
from codegen.native.kernels.packing import copy_block, transpose_block
from codegen.native.kernels.pointer import Buffer, at, pointer
from codegen.native.kernels.random import uniform
from codegen.native.kernels.scalar import accumulate, floor, fma, maximum, minimum, rsqrt, select, sign, sqrt
from codegen.native.kernels.special import (
    acos,
    acosh,
    asin,
    asinh,
    atanh,
    bell,
    cbrt,
    cosh,
    digamma,
    digamma_rest,
    erfcx,
    gamma,
    lgamma,
    lgamma_rest,
    log_ndtr,
    ndtr,
    sinh,
    tan,
    tetragamma,
    trigamma,
    trigamma_rest,
)
from codegen.native.kernels.threads import barrier, chunk, new_sync
from codegen.native.kernels.tile import tile
from codegen.native.kernels.vectormath import (
    VECTOR_MATH,
    VectorFunction,
    atan,
    cos,
    erf,
    erfc,
    erfinv,
    exp,
    expm1,
    log,
    log1p,
    pow,
    sigmoid,
    sin,
    softplus,
    tanh,
)

__all__ = [
    "VECTOR_MATH",
    "Buffer",
    "VectorFunction",
    "accumulate",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "at",
    "atan",
    "atanh",
    "barrier",
    "bell",
    "cbrt",
    "choose_tile",
    "chunk",
    "copy_block",
    "cos",
    "cosh",
    "digamma",
    "digamma_rest",
    "erf",
    "erfc",
    "erfcx",
    "erfinv",
    "exp",
    "expm1",
    "floor",
    "fma",
    "gamma",
    "kernel",
    "lgamma",
    "lgamma_rest",
    "log",
    "log1p",
    "log_ndtr",
    "maximum",
    "minimum",
    "ndtr",
    "new_sync",
    "outside",
    "pointer",
    "pow",
    "rsqrt",
    "select",
    "sigmoid",
    "sign",
    "sin",
    "sinh",
    "softplus",
    "sqrt",
    "tan",
    "tanh",
    "tetragamma",
    "tile",
    "transpose_block",
    "trigamma",
    "trigamma_rest",
    "uniform",
]
