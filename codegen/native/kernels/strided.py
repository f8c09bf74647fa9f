"""Of stores that leave gaps of one to seven elements LLVM is not promised that their addresses never overflow.

LLVM prices a loop by two models, of which one forgets what the mask of a group of stores with gaps costs (LLVM 20; it
makes such groups where :data:`codegen.native.compile.OPTIONS` has masked ones, which loads need). Where the two choose
different widths of vectors, an assertion ends the process. Of addresses that may overflow it makes no group with gaps.
Gaps are also of its own making, where a condition is the same all through a loop: it moves one of two stores into the
branches of the other's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence

from llvmlite import ir
from llvmlite.ir import instructions

FURTHEST = 8
"""Elements from one that is stored to the next, for LLVM to see a group in them."""
MOST_UNROLLED = 16
"""Times that a loop may go round for LLVM to unroll it, at most."""
ONE = "one"

Sum = Mapping[Hashable, int]
"""Parts with the numbers that they are times: arguments, loops (by their variables, of which it is how often the loop
went round), :data:`ONE`, and values that are no sums."""


class Stores:
    """The places at which one module's functions store."""

    def __init__(self) -> None:
        self._sums: dict[ir.Value, Sum] = {}
        self._rounds: dict[ir.Value, int | None] = {}
        self._of_loops: set[ir.Instruction] = set()
        self._of_functions: dict[ir.Function, list[tuple[ir.Value, Sum, instructions.GEPInstr]]] = {}

    def enter(self, variable: ir.Value, bounds: Sequence[ir.Value], branch: ir.Instruction) -> None:
        """Begin a loop: its variable, start, stop and step, and the branch that enters it or not."""
        start, _, step = bounds
        numbers = [bound.constant for bound in bounds if isinstance(bound, ir.Constant)]
        self._rounds[variable] = len(range(*numbers)) if len(numbers) == 3 else None
        if isinstance(step, ir.Constant):
            self._sums[variable] = _added(self._sum(start), {variable: int(step.constant)})
        self._of_loops.add(branch)

    def leave(self, variable: ir.Value, blocks: Sequence[ir.Block], branch: ir.Instruction) -> None:
        """End a loop, by the branch that goes round again: promise less of what has gaps, or may come to have."""
        self._of_loops.add(branch)
        ends = [end for end in (block.terminator for block in blocks) if end not in self._of_loops]
        asked = [end.operands[0] for end in ends if isinstance(end, instructions.ConditionalBranch)]
        is_split = not all(_varies(condition, variable) for condition in asked)
        groups: defaultdict[tuple[ir.Value, int, Hashable], set[int]] = defaultdict(set)
        stores: defaultdict[Hashable, list[instructions.GEPInstr]] = defaultdict(list)
        for base, place, address in self._stored(blocks):
            apart = abs(place.get(variable, 0))
            if 2 <= apart <= FURTHEST:
                first, rest = self._unrolled(place, variable)
                groups[base, apart, rest].update(one % apart for one in first)
                stores[base, apart, rest].append(address)
        for (base, apart, rest), places in groups.items():
            if is_split or len(places) < apart:
                for address in stores[base, apart, rest]:
                    address.inbounds = False

    def _unrolled(self, place: Sum, outer: ir.Value) -> tuple[set[int], Hashable]:
        """The numbers that short loops add to a place, and all else of it."""
        numbers, rest = {place.get(ONE, 0)}, {}
        for part, by in place.items():
            rounds = self._rounds.get(part) if isinstance(part, ir.Value) and part is not outer else None
            if rounds is not None and rounds <= MOST_UNROLLED:
                numbers = {number + by * one for number in numbers for one in range(rounds)}
            elif part != ONE:
                rest[part] = by
        return numbers, frozenset(rest.items())

    def _stored(self, blocks: Sequence[ir.Block]) -> Iterator[tuple[ir.Value, Sum, instructions.GEPInstr]]:
        """Buffer, place and address of each store, here or in a function that is called."""
        for one in (one for block in blocks for one in block.instructions):
            if isinstance(one, instructions.StoreInstr) and isinstance(one.operands[1], instructions.GEPInstr):
                base, place = one.operands[1].operands
                yield base, self._sum(place), one.operands[1]
            elif isinstance(one, instructions.CallInstr) and isinstance(one.callee, ir.Function):
                given = dict(zip(one.callee.args, one.args, strict=True))
                if one.callee not in self._of_functions:
                    self._of_functions[one.callee] = list(self._stored(one.callee.blocks))
                for base, place, address in self._of_functions[one.callee]:
                    parts = [_times(self._sum(given[p]) if p in given else {p: 1}, by) for p, by in place.items()]
                    yield given.get(base, base), _added(*parts), address

    def _sum(self, value: ir.Value) -> Sum:
        if isinstance(value, ir.Constant):
            return {ONE: value.constant} if isinstance(value.constant, int) else {value: 1}
        if not isinstance(value, ir.Instruction):
            return {value: 1}
        if value not in self._sums:
            self._sums[value] = self._found(value)
        return self._sums[value]

    def _found(self, value: ir.Instruction) -> Sum:
        if not isinstance(value.type, ir.IntType) or value.opname not in WORDS:
            return {value: 1}
        of = [self._sum(operand) for operand in value.operands]
        match value.opname, of:
            case "sext" | "zext" | "trunc", [same]:
                return same
            case "add", [left, right]:
                return _added(left, right)
            case "sub", [left, right]:
                return _added(left, _times(right, -1))
            case "mul", [left, right] if left.keys() <= {ONE} or right.keys() <= {ONE}:
                number, other = (left, right) if left.keys() <= {ONE} else (right, left)
                return _times(other, number.get(ONE, 0))
        return {(value.opname, *(frozenset(parts.items()) for parts in of)): 1}


WORDS = ("add", "sub", "mul", "sdiv", "srem", "sext", "zext", "trunc")


def _varies(value: ir.Value, variable: ir.Value) -> bool:
    """Whether a value is another one each time that the loop of a variable goes round, or is read from memory."""
    if not isinstance(value, ir.Instruction) or isinstance(value, instructions.PhiInstr | instructions.LoadInstr):
        return value is variable or isinstance(value, instructions.LoadInstr)
    return any(_varies(operand, variable) for operand in value.operands)


def _added(*sums: Sum) -> Sum:
    found: defaultdict[Hashable, int] = defaultdict(int)
    for part, by in (item for parts in sums for item in parts.items()):
        found[part] += by
    return {part: by for part, by in found.items() if by}


def _times(parts: Sum, number: int) -> Sum:
    return {part: by * number for part, by in parts.items() if number}
