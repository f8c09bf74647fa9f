"""Vector functions printed as C99: their formulas need neither LLVM nor Numba."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from codegen.native.kernels import VECTOR_MATH
from codegen.native.kernels.lane import FLOATS, Conversion, Kind, Lane, Operation

TYPES = {"float32": "float", "float64": "double", "int32": "int32_t", "int64": "int64_t", "bool": "_Bool"}
SIGNS = {"add": "+", "sub": "-", "mul": "*", "div": "/", "and": "&", "or": "|", "xor": "^", "shl": "<<", "ashr": ">>"}
HEADER = """#include <math.h>
#include <stdint.h>
#include <string.h>
"""


class CBuilder:
    """A line for each instruction; values are names of constants."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def line(self, kind: str, value: str) -> str:
        name = f"v{len(self.lines)}"
        self.lines.append(f"const {TYPES[kind]} {name} = {value};")
        return name

    def number(self, kind: Kind, number: float) -> str:
        if kind not in FLOATS:
            return f"(({TYPES[kind]}){int(number)}LL)"
        given = np.dtype(kind).type(number)
        if not np.isfinite(given):
            return "((float)NAN)" if np.isnan(given) else f"({'-' if given < 0 else ''}(float)INFINITY)"
        return f"(({TYPES[kind]}){float(given).hex()})"

    def binary(self, operation: Operation, kind: Kind, left: str, right: str) -> str:
        if operation == "lshr":
            return self.line(kind, f"(u{TYPES[kind]}){left} >> {right}")
        return self.line(kind, f"{left} {SIGNS[operation]} {right}")

    def negative(self, kind: Kind, value: str) -> str:
        return self.line(kind, f"-{value}")

    def compare(self, relation: str, kind: Kind, left: str, right: str) -> str:
        return self.line("bool", f"{left} {relation} {right}")

    def is_nan(self, kind: Kind, value: str) -> str:
        return self.line("bool", f"{value} != {value}")

    def select(self, kind: Kind, condition: str, yes: str, no: str) -> str:
        return self.line(kind, f"{condition} ? {yes} : {no}")

    def convert(self, conversion: Conversion, value: str, kind: Kind, to: Kind) -> str:
        if conversion != "bits":
            given = f"(u{TYPES[kind]})" if conversion == "unsigned" else ""
            return self.line(to, f"({TYPES[to]}){given}{value}")
        value = self.line(kind, value)
        name = f"v{len(self.lines)}"
        self.lines.append(f"{TYPES[to]} {name}; memcpy(&{name}, &{value}, sizeof {name});")
        return name

    def call(self, function: str, kind: Kind, operands: Sequence[str]) -> str:
        return self.line(kind, f"{function}{'f' if kind == 'float32' else ''}({', '.join(operands)})")

    def unless_far(self, function: str, kind: Kind, x: str, value: str) -> str:
        return value  # what is far is computed by a function of LLVM's alone


def printed(name: str, dtype: Kind) -> str:
    """A function in C that maps one of ours over arrays."""
    builder, row = CBuilder(), VECTOR_MATH[name]
    result = row.algorithm(*(Lane(builder, dtype, f"{x}[i]") for x in ("x", "y")[: row.arity]))
    kind, body = TYPES[dtype], "\n    ".join([*builder.lines, f"out[i] = {result.value};"])
    head = f"void {name}_{dtype}(const {kind}* x, const {kind}* y, {kind}* out, int64_t size)"
    return f"{head} {{\n  for (int64_t i = 0; i < size; i++) {{\n    {body}\n  }}\n}}\n"


def compiled(names: Sequence[str], folder: Path, compiler: str) -> Any:
    """A library of functions for both dtypes."""
    source, library = folder / "lanes.c", folder / "lanes.so"
    source.write_text(HEADER + "\n".join(printed(name, dtype) for name in names for dtype in FLOATS), encoding="ascii")
    flags = ["-O1", "-shared", "-fPIC", "-fwrapv", "-ffp-contract=off", "-std=gnu99", "-march=native"]
    subprocess.run([compiler, *flags, str(source), "-o", str(library), "-lm"], check=True)
    return ctypes.CDLL(str(library))


def mapped(library: Any, name: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """One function of all elements."""
    out = np.empty_like(x)
    pointers = [ctypes.c_void_p(array.ctypes.data) for array in (x, y, out)]
    getattr(library, f"{name}_{x.dtype.name}")(*pointers, ctypes.c_int64(len(x)))
    return out
