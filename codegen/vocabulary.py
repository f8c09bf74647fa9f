"""The words of emitted source, by name only: what lowering may call, without importing the kernels that implement them."""

from __future__ import annotations

MATHEMATICS = frozenset(
    "exp expm1 log log1p tanh sigmoid softplus erf erfc sin cos pow sqrt rsqrt floor sign maximum minimum fma abs".split()
)
"""Functions of real scalars. Those that have no word of their own are composed of these in :mod:`codegen.lower_scalar`."""

STRUCTURE = frozenset("accumulate at barrier contract float32 float64 int64 kernel nan inf pointer real select uint8".split())

WORDS = MATHEMATICS | STRUCTURE | frozenset({"packed", "thread", "threads", "arena", "scratch", "np", "tile_row", "tile_column", "run", "entry", "epochs"})
