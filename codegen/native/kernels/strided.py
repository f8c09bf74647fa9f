"""Loops that store every second to eighth element, or may after LLVM has changed them, are told how wide a vector is.

LLVM prices a loop by two models, of which one forgets what the mask of a store with gaps costs (LLVM 20; such stores
are vectors where :data:`codegen.native.compile.OPTIONS` has masked groups of elements). Where the two choose different
widths, an assertion ends the process. A loop that is given a width is not priced. Which loops these are, is read from
what was written, before LLVM unrolls what is in them, and leaves gaps where one of two stores has a condition.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from llvmlite import ir
from llvmlite.ir import instructions
from llvmlite.ir.values import MDValue

from codegen.native.compile import register_file

FURTHEST = 8
"""Elements from one that is stored to the next, for LLVM to see a group of elements in them."""

Steps = Mapping[ir.Value, int | None]
"""How far an index goes where an argument or a loop's variable goes by one; None where no number says how far."""


class Strides:
    """What the functions of one module store, and how far apart."""

    def __init__(self) -> None:
        self._of_values: dict[ir.Value, Steps] = {}
        self._of_functions: dict[ir.Function, list[tuple[Steps, int]]] = {}

    def mark(self, latch: ir.Instruction, variable: ir.Value, step: ir.Value, blocks: Sequence[ir.Block]) -> None:
        """Give a loop a width, by the branch at its end, if what its blocks store has gaps to be taken for a group."""
        by = step.constant if isinstance(step, ir.Constant) else 0
        gaps = [(abs((steps.get(variable) or 0) * by), size) for steps, size in self._stored(blocks)]
        if sizes := [size for gap, size in gaps if 2 <= gap <= FURTHEST]:
            module = latch.function.module
            width = ir.Constant(ir.IntType(32), register_file()[0] // max(sizes))
            loop = MDValue(module, (), name=str(len(module.metadata)))
            loop.operands = (loop, module.add_metadata(["llvm.loop.vectorize.width", width]))  # a loop names itself
            latch.set_metadata("llvm.loop", loop)

    def _stored(self, blocks: Iterable[ir.Block]) -> list[tuple[Steps, int]]:
        """Steps and bytes of each number that is stored, here or in a function that is called."""
        found: list[tuple[Steps, int]] = []
        for one in (one for block in blocks for one in block.instructions):
            if isinstance(one, instructions.StoreInstr) and isinstance(one.operands[1], instructions.GEPInstr):
                if size := _bytes(one.operands[0].type):
                    found.append((self._steps(one.operands[1].operands[-1]), size))
            elif isinstance(one, instructions.CallInstr) and isinstance(one.callee, ir.Function):
                given = dict(zip(one.callee.args, one.args, strict=True))
                for steps, size in self._of_function(one.callee):
                    known = [(self._steps(given[leaf]), by) for leaf, by in steps.items() if leaf in given]
                    found.append((_sum(known), size))
        return found

    def _of_function(self, function: ir.Function) -> list[tuple[Steps, int]]:
        if function not in self._of_functions:
            self._of_functions[function] = self._stored(function.blocks)
        return self._of_functions[function]

    def _steps(self, value: ir.Value) -> Steps:
        if isinstance(value, ir.Argument):
            return {value: 1}
        if not isinstance(value, ir.Instruction) or isinstance(value.type, ir.FloatType | ir.DoubleType):
            return {}
        if value not in self._of_values:
            self._of_values[value] = self._found(value)
        return self._of_values[value]

    def _found(self, value: ir.Instruction) -> Steps:
        if isinstance(value, instructions.PhiInstr):  # a loop's variable, which begins where an outer loop may say
            return {**self._steps(value.incomings[0][0]), value: 1}
        of = [self._steps(operand) for operand in value.operands]
        match value.opname:
            case "sext" | "zext" | "trunc":
                return of[0]
            case "add" | "sub":
                return _sum([(of[0], 1), (of[1], 1 if value.opname == "add" else -1)])
            case "mul" if numbers := [one.constant for one in value.operands if isinstance(one, ir.Constant)]:
                return _sum((steps, numbers[0]) for steps in of)
        return _sum((steps, None) for steps in of)


def _bytes(kind: ir.Type) -> int:
    """Of a number; 0 of all else."""
    if isinstance(kind, ir.IntType):
        return -(-int(kind.width) // 8)
    return {ir.FloatType(): 4, ir.DoubleType(): 8}.get(kind, 0)


def _sum(parts: Iterable[tuple[Steps, int | None]]) -> Steps:
    found: dict[ir.Value, int | None] = {}
    for steps, by in parts:
        for leaf, step in steps.items():
            before = found.get(leaf, 0)
            found[leaf] = None if before is None or step is None or by is None else before + step * by
    return found
