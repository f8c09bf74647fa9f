"""The words of emitted source, by name: what lowering may call, without importing the kernels that implement them."""

from __future__ import annotations

MATHEMATICS = frozenset([
    "exp", "expm1", "log", "log1p", "tanh", "sigmoid", "softplus", "erf", "erfc", "sin", "cos", "atan", "pow", "sqrt",
    "rsqrt", "floor", "sign", "maximum", "minimum", "fma", "abs", "erfinv", "uniform",
    "tan", "asin", "acos", "sinh", "cosh", "asinh", "acosh", "atanh", "cbrt", "erfcx", "bell", "ndtr", "log_ndtr",
    "lgamma", "gamma", "digamma", "trigamma", "tetragamma", "lgamma_rest", "digamma_rest", "trigamma_rest",
])  # fmt: skip
"""Functions of real scalars. Those without a word of their own are made of these in :mod:`codegen.lower.scalar`."""

STRUCTURE = frozenset([
    "accumulate", "at", "barrier", "chunk", "copy_block", "kernel", "outside", "pointer", "select", "transpose_block",
])  # fmt: skip
"""Words that are no mathematics."""

TYPES = frozenset(["float32", "float64", "int64", "uint8"])

WORDS = MATHEMATICS | STRUCTURE | TYPES | frozenset([
    "real", "nan", "inf", "packed", "address", "thread", "threads", "np", "tile", "choose_tile", "tile_row",
    "tile_column", "run", "sync",
])  # fmt: skip
"""Every name that emitted source uses of its own, and that a user's name must not shadow."""
