"""Writes lanes into the LLVM function that is being compiled.

Every instruction is strict: a caller compiled with fast-math flags cannot make LLVM reorder a Cody–Waite reduction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir

from codegen.native.kernels.far import name_of
from codegen.native.kernels.lane import FLOATS, Conversion, Kind, Lane, Operation

TYPES: dict[Kind, ir.Type] = {
    "float32": ir.FloatType(), "float64": ir.DoubleType(), "int32": ir.IntType(32), "int64": ir.IntType(64),
    "bool": ir.IntType(1),
}  # fmt: skip
WORDS = {
    "bits": "bitcast", "number": "sitofp", "wider": "fpext", "narrower": "fptrunc", "low": "trunc", "unsigned": "zext",
}  # fmt: skip


UNSIGNED_ZERO = ("maximum", "minimum")
"""Of 0 and −0 these take either: a processor's own instruction, with no look at signs, and a look for NaN."""


class _StrictFlags(list[str]):
    """Fast-math flags of a binary operation that Numba's fast-math pass cannot extend."""

    def append(self, flag: str) -> None:
        pass


class _StrictCallFlags(tuple[str, ...]):
    """The same for a call."""

    def add(self, flag: str) -> None:
        pass

    def _to_list(self, _: ir.Type) -> list[str]:
        return list(self)


class LLVMBuilder:
    """:class:`codegen.native.kernels.lane.Builder` of LLVM's values."""

    def __init__(self, builder: ir.IRBuilder) -> None:
        self.builder = builder

    def number(self, kind: Kind, number: float) -> ir.Value:
        return ir.Constant(TYPES[kind], number)

    def binary(self, operation: Operation, kind: Kind, left: ir.Value, right: ir.Value) -> ir.Value:
        if kind not in FLOATS:
            word = f"{operation}_" if operation in ("and", "or") else operation
            return getattr(self.builder, word)(left, right)
        instruction = getattr(self.builder, f"f{operation}")(left, right)
        instruction.flags = _StrictFlags()
        return instruction

    def negative(self, kind: Kind, value: ir.Value) -> ir.Value:
        return self.builder.fneg(value) if kind in FLOATS else self.builder.neg(value)

    def compare(self, relation: str, kind: Kind, left: ir.Value, right: ir.Value) -> ir.Value:
        if kind not in FLOATS:
            return self.builder.icmp_signed(relation, left, right)
        instruction = self.builder.fcmp_ordered(relation, left, right)
        instruction.flags = _StrictFlags()
        return instruction

    def is_nan(self, kind: Kind, value: ir.Value) -> ir.Value:
        return self.builder.fcmp_unordered("uno", value, value)

    def select(self, kind: Kind, condition: ir.Value, yes: ir.Value, no: ir.Value) -> ir.Value:
        return self.builder.select(condition, yes, no)

    def convert(self, conversion: Conversion, value: ir.Value, kind: Kind, to: Kind) -> ir.Value:
        return getattr(self.builder, WORDS[conversion])(value, TYPES[to])

    def call(self, function: str, kind: Kind, operands: Sequence[ir.Value]) -> ir.Value:
        shape = ir.FunctionType(TYPES[kind], [TYPES[kind]] * len(operands))
        declared = self.builder.module.declare_intrinsic(f"llvm.{function}", [TYPES[kind]], shape)
        instruction = self.builder.call(declared, operands)
        instruction.fastmath = _StrictCallFlags(("nsz",) if function in UNSIGNED_ZERO else ())
        return instruction

    def unless_far(self, function: str, kind: Kind, x: ir.Value, value: ir.Value) -> ir.Value:
        name, shape = name_of(function, kind), ir.FunctionType(TYPES[kind], [TYPES[kind]] * 2)
        known = self.builder.module.globals.get(name)
        return self.builder.call(known or ir.Function(self.builder.module, shape, name), [x, value])


def lanes(builder: ir.IRBuilder, values: Sequence[ir.Value]) -> list[Lane]:
    """LLVM's values as lanes."""
    kinds = {kind_of: kind for kind, kind_of in TYPES.items()}
    writer = LLVMBuilder(builder)
    return [Lane(writer, kinds[value.type], value) for value in values]


def lowering(algorithm: Callable[..., Lane]) -> Callable[..., Any]:
    """A function of lanes as what writes a word's instructions (:mod:`.binding`)."""

    def lower(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
        return algorithm(*lanes(builder, arguments)).value

    return lower
