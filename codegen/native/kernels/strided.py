"""Of stores of every second to eighth element LLVM is not promised that their addresses never overflow.

LLVM prices a loop by two models, of which one forgets what the mask of a group of stores with gaps costs (LLVM 20; it
makes such groups where :data:`codegen.native.compile.OPTIONS` has masked ones, which loads need). Where the two choose
different widths of vectors, an assertion ends the process. It makes none of addresses that may overflow, but groups
without gaps. Which stores these are, is read from what was written, since gaps are of LLVM's making: it unrolls a loop
of two stores, and moves one into the branches of the other's condition.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from llvmlite import ir
from llvmlite.ir import instructions

FURTHEST = 8
"""Elements from one that is stored to the next, for LLVM to see a group in them."""

Steps = Mapping[ir.Value, int | None]
"""How far an index goes where an argument or a loop's variable goes by one; None where no number says how far."""


class Strides:
    """What the functions of one module store, and how far apart."""

    def __init__(self) -> None:
        self._of_values: dict[ir.Value, Steps] = {}
        self._of_functions: dict[ir.Function, list[tuple[Steps, instructions.GEPInstr]]] = {}

    def promise_less(self, variable: ir.Value, step: ir.Value, blocks: Iterable[ir.Block]) -> None:
        """Of the addresses that the blocks of a loop store at, if they are a few elements apart."""
        by = step.constant if isinstance(step, ir.Constant) else 0
        for steps, address in self._stored(blocks):
            if 2 <= abs((steps.get(variable) or 0) * by) <= FURTHEST:
                address.inbounds = False

    def _stored(self, blocks: Iterable[ir.Block]) -> list[tuple[Steps, instructions.GEPInstr]]:
        """Addresses that are stored at, here or in a function that is called."""
        found: list[tuple[Steps, instructions.GEPInstr]] = []
        for one in (one for block in blocks for one in block.instructions):
            if isinstance(one, instructions.StoreInstr) and isinstance(one.operands[1], instructions.GEPInstr):
                found.append((self._steps(one.operands[1].operands[-1]), one.operands[1]))
            elif isinstance(one, instructions.CallInstr) and isinstance(one.callee, ir.Function):
                given = dict(zip(one.callee.args, one.args, strict=True))
                for steps, address in self._of_function(one.callee):
                    known = [(self._steps(given[leaf]), by) for leaf, by in steps.items() if leaf in given]
                    found.append((_sum(known), address))
        return found

    def _of_function(self, function: ir.Function) -> list[tuple[Steps, instructions.GEPInstr]]:
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


def _sum(parts: Iterable[tuple[Steps, int | None]]) -> Steps:
    found: dict[ir.Value, int | None] = {}
    for steps, by in parts:
        for leaf, step in steps.items():
            before = found.get(leaf, 0)
            found[leaf] = None if before is None or step is None or by is None else before + step * by
    return found
