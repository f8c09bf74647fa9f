"""The native vocabulary: the words that emitted source may use beside Python's arithmetic, ``range`` loops and ``if``.

Every word has two equal meanings: plain Python on flat NumPy arrays and scalars, and, inside a ``kernel``, a few LLVM
instructions.

How emitted source looks::

    from numpy import float32, int64, uint8
    from codegen.kernels import at, kernel, pointer, sigmoid

    @kernel
    def hidden(a, b, h, N):                     # buffers and sizes; Numba infers the types at the call, no signature
    is written
        for n in range(N):
            for j in range(32):
                h[n*32 + j] = sigmoid(a[n*32 + j] + b[j])

    def entry(packed):                          # int64 address of an int64 array: sizes and addresses
        words = pointer(packed, int64, 3)
        N = words[0]
        arena = pointer(words[1], uint8, 1 << 20)
        hidden(at(arena, 0, float32), at(arena, 8192, float32), pointer(words[2], float32, N*32), N)

    object_bytes, symbol = codegen.native.compile_entry(entry)      # needs Numba
    call = codegen.native.load_entry(object_bytes, symbol)          # does not
    call(packed_array.ctypes.data)

Rules
-----
- Buffers that one function takes as arguments must not overlap (an array updated in place is passed once); only
read-only ones may. - Literals: Numba computes ``0.5 * x`` in float64 when x is float32, and ``n * x`` with an int64
``n`` too. Write ``float32(0.5) * x``. - Sums that should vectorise: ``s = accumulate(s, term)``. Everything else
keeps its order of evaluation, except that a*b + c may be fused. - Words take operands of one dtype (``maximum(x,
float32(0))``).
"""

from codegen.kernels.blocking import choose_tile, should_pack
from codegen.kernels.kernel import kernel
from codegen.kernels.packing import copy_block, transpose_block
from codegen.kernels.pointer import Buffer, at, pointer
from codegen.kernels.scalar import accumulate, floor, fma, maximum, minimum, rsqrt, select, sign, sqrt
from codegen.kernels.threads import barrier, chunk, new_sync
from codegen.kernels.tile import tile
from codegen.kernels.vectormath import (
    VECTOR_MATH,
    VectorFunction,
    cos,
    erf,
    erfc,
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
    "at",
    "barrier",
    "choose_tile",
    "chunk",
    "copy_block",
    "cos",
    "erf",
    "erfc",
    "exp",
    "expm1",
    "floor",
    "fma",
    "kernel",
    "log",
    "log1p",
    "maximum",
    "minimum",
    "new_sync",
    "pointer",
    "pow",
    "rsqrt",
    "select",
    "should_pack",
    "sigmoid",
    "sign",
    "sin",
    "softplus",
    "sqrt",
    "tanh",
    "tile",
    "transpose_block",
]
