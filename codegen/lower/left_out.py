"""Products of which some rows, or some terms, are left out: what a condition tells is looked for first.

rows     for n in the block: count those that are there;  if all are: Contract as ever
         else: pack theirs of the left operand;  Contract;  for n: what was packed to its place, else 0
terms    for k: count those that are there;               if all are: Contract as ever
         else: for blocks of k: pack what is there of both operands;  Contract, adding
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from codegen.loops import ir
from codegen.loops.ir import (
    ONE,
    ZERO,
    Assign,
    Const,
    Contract,
    Expr,
    For,
    If,
    Load,
    Op,
    Operand,
    Select,
    Stmt,
    Store,
    Var,
)
from codegen.loops.ranges import bounds_of
from codegen.lower.scope import Scope, smaller
from codegen.plan.contraction import Contraction
from codegen.plan.plan import Node
from symgraph.core.indices import Index
from symgraph.core.tensor import Element

TERMS = 64
"""Terms of a sum that are looked at together, and from which on those that are there are multiplied."""


@dataclass(frozen=True, slots=True)
class Block:
    """Rows [first, last) of a product, which are ``rows`` by ``columns``, and at most so ``high`` and ``wide``.

    ``result`` is where an element of a row, which is counted in the whole, and of a column of the block is;
    ``place`` has the variables of what the block is in, and its first column.
    """

    first: Expr
    last: Expr
    high: Expr
    wide: Expr
    result: Callable[[Expr, Expr], tuple[Expr, ...]]
    place: Mapping[Index, Expr]


class LeftOut:
    """The statements of a product with a condition."""

    def __init__(self, scope: Scope, node: Node, head: Contraction, block: Block) -> None:
        self.scope, self.node, self.head, self.block = scope, node, head, block
        self.n, self.j = scope.variable("n"), scope.variable("j")
        self.depth = [scope.variable("k") for _ in head.depth]

    def rows(self, contract: Contract, extents: Sequence[Expr]) -> list[Stmt]:
        """The product of the rows that are there; the others are 0. ``extents`` are those of the depth."""
        scope, block, n, j = self.scope, self.block, self.n, self.j
        at = {**block.place, self.head.row: n}
        there = self._there(at)
        count, row = scope.variable("count"), scope.variable("row")
        left = self._copy(f"{contract.left.buffer}_there", (block.high, contract.depth))
        made = self._copy(f"{contract.out.buffer}_there", (block.high, block.wide))
        places = at | dict(zip(self.head.depth, self.depth, strict=True))
        source = self._load(contract.left.buffer, self.head.left, places)
        term = ir.flat_index(tuple(self.depth), tuple(extents))
        pack = self._around((Store(left, (row, term), source),), extents)
        back = Store(contract.out.buffer, block.result(n, j), Load(made, (row, j), "real"))
        nought = Store(contract.out.buffer, block.result(n, j), Const(0.0, "real"))
        columns = contract.columns
        some = (
            Assign(row, ZERO, formula="the rows that are there, one after the other"),
            For(n, block.first, block.last, (If(there, (*pack, _one_more(row))),)),
            replace(
                contract, out=Operand(made, ZERO, (block.wide, ONE)), left=Operand(left, ZERO, (contract.depth, ONE)),
                rows=count, left_steps=None, formula="the same of these rows",
            ),
            Assign(row, ZERO, formula="each to its place"),
            For(n, block.first, block.last, (
                If(there, (For(j, ZERO, columns, (back,)), _one_more(row))),
                If(Op("not", (there,), "bool"), (For(j, ZERO, columns, (nought,)),)),
            )),
        )  # fmt: skip
        begin = Assign(count, ZERO, formula="how many rows are there")
        counted: list[Stmt] = [begin, For(n, block.first, block.last, (_counted(count, there),))]
        return [*counted, If(Op("==", (count, contract.rows), "bool"), (contract,)),
                If(Op("<", (count, contract.rows), "bool"), some)]  # fmt: skip

    def terms(self, contract: Contract, extents: Sequence[Expr]) -> list[Stmt]:
        """The product with the terms that are there; ``extents`` are those of the depth."""
        scope, block, n, j, k = self.scope, self.block, self.n, self.j, self.depth[-1]
        at = {**block.place, **dict(zip(self.head.depth, self.depth, strict=True))}
        there = self._there(at)
        count, term, begin = scope.variable("count"), scope.variable("term"), scope.variable("begin")
        left = self._copy(f"{contract.left.buffer}_there", (ir.integer(2 * TERMS), block.high))
        right = self._copy(f"{contract.right.buffer}_there", (ir.integer(2 * TERMS), block.wide))
        row = {**at, self.head.row: ir.add(block.first, n)}
        column = {**at, self.head.column: ir.add(block.place[self.head.column], j)}
        sources = (
            self._load(contract.left.buffer, self.head.left, row),
            self._load(contract.right.buffer, self.head.right, column),
        )
        pack = (
            For(n, ZERO, contract.rows, (Store(left, (term, n), sources[0]),)),
            For(j, ZERO, contract.columns, (Store(right, (term, j), sources[1]),)),
        )
        added = replace(
            contract, left=Operand(left, ZERO, (ONE, block.high)), right=Operand(right, ZERO, (block.wide, ONE)),
            depth=term, accumulate=True, left_steps=None, right_steps=None, formula="the same of these terms, added",
        )  # fmt: skip
        enough = Op(">=", (term, ir.integer(TERMS)), "bool")
        end = smaller(ir.add(begin, ir.integer(TERMS)), extents[-1])
        some: tuple[Stmt, ...] = (
            For(begin, ZERO, extents[-1], (
                For(k, begin, end, (If(there, (*pack, _one_more(term))),)),
                If(enough, (added, Assign(term, ZERO))),
            ), ir.integer(TERMS)),
        )  # fmt: skip
        nought = Store(contract.out.buffer, block.result(ir.add(block.first, n), j), Const(0.0, "real"))
        begun = (
            For(n, ZERO, contract.rows, (For(j, ZERO, contract.columns, (nought,)),)),
            Assign(term, ZERO, formula="the terms that are there, one after the other"),
        )
        added_up, counted = self._around(some, extents[:-1]), self._around((_counted(count, there),), extents)
        return [Assign(count, ZERO, formula="how many terms are there"), *counted,
                If(Op("==", (count, contract.depth), "bool"), (contract,)),
                If(Op("<", (count, contract.depth), "bool"), (*begun, *added_up, added))]  # fmt: skip

    def _around(self, body: tuple[Stmt, ...], extents: Sequence[Expr]) -> tuple[Stmt, ...]:
        """Loops over the first indices of the depth."""
        for var, extent in reversed(list(zip(self.depth, extents, strict=False))):
            body = (For(var, ZERO, extent, body),)
        return body

    def _there(self, at: Mapping[Index, Expr]) -> Expr:
        scalars = self.scope.scalars
        scalars.indices = dict(at)
        scalars.bounds = bounds_of(self.node.shape, self.node.definition)
        return scalars.condition(self.head.where)

    def _load(self, buffer: str, element: Element, at: Mapping[Index, Expr]) -> Load:
        self.scope.scalars.indices = dict(at)
        return Load(buffer, tuple(self.scope.scalars.integer(entry) for entry in element.indices), "real")

    def _copy(self, name: str, shape: tuple[Expr, ...]) -> str:
        made = self.scope.buffer(name, shape)
        self.scope.copies.append(made)
        return made.name


def _one_more(count: Var) -> Stmt:
    return Assign(count, ir.add(count, ONE))


def _counted(count: Var, there: Expr) -> Stmt:
    return Assign(count, ir.add(count, Select(there, ONE, ZERO, "int64")))
