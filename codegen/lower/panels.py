"""Lowers a contraction and what follows it: blocks of rows whose results are still in the cache when they are read.

for a block of rows: Contract z = x·W;  for n in the block: for k: h[n, k] = max(z[n, k] + b[k], 0)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import sympy as sp

from codegen.loops import ir
from codegen.loops.counts import blocks
from codegen.loops.ir import (
    ONE,
    ZERO,
    Assign,
    Const,
    Contract,
    Copy,
    Expr,
    For,
    If,
    Let,
    Load,
    Op,
    Operand,
    Stmt,
    Store,
    Var,
)
from codegen.lower.comments import formula_text
from codegen.lower.lanes import Lanes
from codegen.lower.left_out import Block, LeftOut
from codegen.lower.maps import elements
from codegen.lower.rows import segments
from codegen.lower.schedule import Product
from codegen.lower.scope import Scope, smaller
from codegen.plan.plan import Node
from symgraph.core.indices import Index, axis
from symgraph.core.tensor import Element


def panels(scope: Scope) -> list[Stmt]:
    """A product, and in each of its blocks what is made of it."""
    product = scope.schedule.product
    assert product is not None
    return Panels(scope, product).body()


@dataclass(frozen=True, slots=True)
class _Edges:
    """Rows [first, last) and columns [left, right) of a block; of a block of all rows, numbers."""

    first: Expr
    last: Expr
    left: Var
    right: Var


class Panels:
    """A contraction at the head of a group, whose schedule is ``product``."""

    def __init__(self, scope: Scope, product: Product) -> None:
        assert scope.group.head is not None
        self.scope, self.scalars, self.product = scope, scope.scalars, product
        self.head, self.result = scope.group.head, scope.group.nodes[0]
        self.rows = self.scalars.integer(self.result.extent(self.head.row))
        self.columns = self.scalars.integer(self.result.shape[-1])
        self.wide = None if product.width is None else ir.integer(product.width)

    def body(self) -> list[Stmt]:
        scope, product = self.scope, self.product
        block = (ir.integer(product.height), self.wide or self.columns)
        outer = {index: Var(scope.loop_name(self.result.extent(index)), "int64") for index in self.head.outer}
        rows: tuple[Expr, Expr] = scope.variable("first"), scope.variable("last")
        if scope.schedule.share.what != "panels" and self.rows == ir.integer(product.height):
            rows = ZERO, self.rows
        edges = _Edges(rows[0], rows[1], scope.variable("left"), scope.variable("right"))
        scope.first_row = edges.first
        scope.first_column, scope.last_column = (ZERO, self.columns) if self.wide is None else (edges.left, edges.right)
        place: dict[Index, Expr] = {self.head.row: edges.first, self.head.column: scope.first_column, **outer}
        place |= dict.fromkeys(self.head.depth, ZERO)
        depth = ir.product(self._extents(place))
        scope.formulas.append(formula_text(self.result, self._shown(outer), scope.shown_name))
        contract = Contract(
            self._output(self.result, place, block),
            self._operand(self.head.left, self.head.row, self.head.depth[-1], place),
            self._operand(self.head.right, self.head.depth[-1], self.head.column, place),
            ir.difference(edges.last, edges.first),
            self._block_width(edges),
            depth,
            product.tile,
            scope.formulas[-1],
        )
        self.block = Block(edges.first, edges.last, *block, self._result(edges, outer), place)
        after = self._after(contract, outer, edges)
        if scope.schedule.share.what == "panels":
            return self._rows_shared(contract, after, edges)
        return self._tasks(contract, after, edges, outer)

    def _left_out(self, contract: Contract) -> list[Stmt]:
        """The product without the rows, or the terms, that a condition leaves out."""
        if self.head.where == sp.true:
            return [contract]
        left_out = LeftOut(self.scope, self.result, self.head, self.block)
        extents = self._extents(self.block.place)
        return left_out.terms(contract, extents) if self.head.leaves_out_terms else left_out.rows(contract, extents)

    def _extents(self, place: Mapping[Index, Expr]) -> tuple[Expr, ...]:
        """Terms of the sum along each index of the depth; of the last of its parts, those that are left."""
        sizes = self.scope.sizes(self.result.definition.extents)
        if self.head.end is None:
            return sizes
        self.scalars.indices = dict(place)
        return smaller(sizes[0], self.scalars.integer(sp.expand(self.head.end))), *sizes[1:]

    def _block_width(self, edges: _Edges) -> Expr:
        """Columns of a block: a number, where all blocks are full, since a tile without masks is faster."""
        if self.wide is None:
            return self.columns
        full = isinstance(self.columns, Const) and int(self.columns.value) % int(self.wide.value) == 0
        return self.wide if full else smaller(self.wide, ir.difference(self.columns, edges.left))

    def _rows_shared(self, contract: Contract, after: Sequence[Stmt], edges: _Edges) -> list[Stmt]:
        """Blocks of whole rows, which the threads share."""
        assert isinstance(edges.first, Var) and isinstance(edges.last, Var)
        step = Var(f"panel_{contract.tile}", "int64")
        share = smaller(ir.add(edges.first, step), Var(f"{edges.first.name}_end", "int64"))
        body = (Let(edges.last, share), *self._left_out(contract), *after)
        grain = ONE if self.scope.schedule.share.by_rows else None
        return [For(edges.first, ZERO, self.rows, body, step, parallel=True, grain=grain)]

    def _tasks(
        self, contract: Contract, after: Sequence[Stmt], edges: _Edges, outer: Mapping[Index, Var]
    ) -> list[Stmt]:
        """Blocks of rows and columns, one below the other, for each of the outer indices; the threads share them.

        A thread so has the same columns of a matrix in the product that reads it and in the one that writes it, and
        few cache lines wander from one processor to another; or whole rows, where those of strips would share lines.
        """
        task, high = self.scope.variable("task"), ir.integer(self.product.height)
        stacked = blocks(self.rows, high)
        digits = [(var, self.scalars.integer(self.result.extent(index)), ONE) for index, var in outer.items()]
        digits += [] if self.wide is None else [(edges.left, blocks(self.columns, self.wide), self.wide)]
        rows = [(edges.first, stacked, high)] if isinstance(edges.first, Var) else []
        digits = digits[: len(outer)] + rows + digits[len(outer) :] if self.product.rows_first else digits + rows
        if len(digits) == 1 and digits[0][2] == ONE:
            task, body = digits[0][0], []
        else:
            body = _digits(task, digits)
        if isinstance(edges.last, Var):
            body.append(Let(edges.last, smaller(ir.add(edges.first, high), self.rows)))
        if self.wide is not None:
            body.append(Let(edges.right, ir.add(edges.left, contract.columns)))
        # Blocks of one strip, a number, have the same columns.
        strip = task if stacked == ONE else Op("//", (task, stacked), "int64")
        before: list[Stmt] = []
        products = self._left_out(contract) if self.product.operand == "in place" else []
        if self.product.operand == "transposed":
            before, products = self._transposed(contract, strip, edges)
        elif self.product.operand == "copied":
            before, products = self._copied(contract, outer, strip)
        count = ir.product(tuple(count for _, count, _ in digits))
        return [*before, For(task, ZERO, count, (*body, *products, *after), parallel=True)]

    def _copied(
        self, contract: Contract, outer: Mapping[Index, Expr], strip: Expr
    ) -> tuple[list[Stmt], list[Stmt]]:
        """The product with its columns of the right operand copied together first, where enough rows use the copy."""
        k, j = (self.scope.variable(name) for name in ("k", "j"))
        packed, done = self._strip(contract)
        at = {**outer, self.head.depth[0]: k, self.head.column: ir.add(self.scope.first_column, j)}
        source = Load(contract.right.buffer, self._indices(self.head.right, at), "real")
        copy = Store(packed.right.buffer, (k, j), source)
        pack = (For(k, ZERO, contract.depth, (For(j, ZERO, contract.columns, (copy,)),)), Assign(done, strip))
        is_new: Expr = Op(">", (strip, done), "bool")
        start: list[Stmt] = [Assign(done, ir.integer(-1))]
        if self.product.many is not None:
            return start, [If(is_new, pack), *self._left_out(packed)]
        many, few = (Op(word, (self.rows, ir.integer(self.product.least_rows)), "bool") for word in (">=", "<"))
        return start, [If(Op("and", (many, is_new), "bool"), pack), If(many, tuple(self._left_out(packed))),
                       If(few, tuple(self._left_out(contract)))]  # fmt: skip

    def _strip(self, contract: Contract) -> tuple[Contract, Var]:
        """The product with a copy of some columns, and the number of those that are in it."""
        wide = self.wide or self.columns
        strip = self.scope.buffer(f"{contract.right.buffer}_strip", (contract.depth, wide))
        self.scope.copies.append(strip)
        return replace(contract, right=Operand(strip.name, ZERO, (wide, ONE))), self.scope.variable("packed")

    def _transposed(self, contract: Contract, strip: Expr, edges: _Edges) -> tuple[list[Stmt], list[Stmt]]:
        """The product with a matrix whose columns are apart: its rows are read where they lie if there are few of the
        left operand, so that nothing is copied; else some of them are copied together, transposed."""
        right = contract.right
        packed, done = self._strip(contract)
        origin = Operand(right.buffer, right.offset, (right.strides[1], ONE))
        copy = Copy(packed.right, origin, contract.columns, contract.depth, transposed=True)
        many: list[Stmt] = [If(Op(">", (strip, done), "bool"), (copy, Assign(done, strip))), packed]
        few: list[Stmt] = [self._dots(contract, edges)]
        start: list[Stmt] = [Assign(done, ir.integer(-1))]
        if self.product.many is not None:
            return (start, many) if self.product.many else ([], few)
        are_many, are_few = (Op(word, (self.rows, ir.integer(self.product.least_rows)), "bool") for word in (">=", "<"))
        return start, [If(are_many, tuple(many)), If(are_few, tuple(few))]

    def _dots(self, contract: Contract, edges: _Edges) -> Stmt:
        """Rows of the left operand times rows of the right one, element by element."""
        n, j, k = (self.scope.variable(name) for name in ("n", "j", "k"))
        column = ir.add(self.scope.first_column, j)
        at: dict[Index, Expr] = {self.head.row: n, self.head.column: column, self.head.depth[0]: k}
        left, right = (
            Load(self.scope.storage.buffers[element.tensor], self._indices(element, at), "real")
            for element in (self.head.left, self.head.right)
        )
        total = Var(self.scope.names.unique("total"), "real")
        term = Assign(total, Op("*", (left, right), "real"), "sum")
        inside = (
            Assign(total, Const(0.0, "real"), formula=contract.formula),
            For(k, ZERO, contract.depth, (term,)),
            Store(contract.out.buffer, self.block.result(n, j), total),
        )
        return For(n, edges.first, edges.last, (For(j, ZERO, contract.columns, inside),))

    def _after(self, contract: Contract, outer: Mapping[Index, Var], edges: _Edges) -> list[Stmt]:
        """What is done with the rows of a block while they are in the cache."""
        scope, row = self.scope, self.scope.row
        assert row is not None
        match scope.schedule.inside:
            case "lanes":
                return Lanes(scope).of_product(contract, edges.first, edges.last)
            case "elements":
                return elements(scope, edges.first, ir.difference(edges.last, edges.first))
            case "rows":
                around = [outer.get(d, row) for d in scope.row_axes()]
                if row not in around:
                    return segments(scope, around)
                return [For(row, edges.first, edges.last, tuple(segments(scope, around)))]
        return []

    def _shown(self, outer: Mapping[Index, Var]) -> dict[sp.Basic, Expr]:
        assert self.scope.row is not None
        (column,) = self.scope.loops(self.result.shape[-1:])
        depth = dict(zip(self.head.depth, self.scope.loops(self.result.definition.extents), strict=True))
        return {**outer, self.head.row: self.scope.row, self.head.column: column, **depth}

    def _output(self, result: Node, place: Mapping[Index, Expr], block: tuple[Expr, Expr]) -> Operand:
        if result.value in self.scope.kept:
            index = tuple(place[axis(d)] for d in range(len(result.shape)))
            row = int(self.head.row.name[1:])
            return self._matrix(self.scope.storage.buffers[result.value], result.shape, index, row, len(index) - 1)
        panel = self.scope.buffer(f"{self.scope.value_name(result.value)}_panel", block)
        self.scope.scratch[result.value] = panel
        return Operand(panel.name, ZERO, (block[1], ONE))

    def _result(self, edges: _Edges, outer: Mapping[Index, Expr]) -> Callable[[Expr, Expr], tuple[Expr, ...]]:
        """Where an element of the result is, of a row in the whole and a column of the block."""

        def found(row: Expr, column: Expr) -> tuple[Expr, ...]:
            if self.result.value not in self.scope.kept:
                return ir.difference(row, edges.first), column
            at = {**outer, self.head.row: row, self.head.column: ir.add(self.scope.first_column, column)}
            return tuple(at[axis(d)] for d in range(len(self.result.shape)))

        return found

    def _operand(self, element: Element, first: Index, second: Index, place: Mapping[Index, Expr]) -> Operand:
        at = {index: place for place, entry in enumerate(element.indices) for index in entry.atoms(Index)}
        buffer, shape = self.scope.storage.buffers[element.tensor], element.tensor.shape
        return self._matrix(buffer, shape, self._indices(element, place), at[first], at[second])

    def _indices(self, element: Element, place: Mapping[Index, Expr]) -> tuple[Expr, ...]:
        self.scalars.indices = dict(place)
        return tuple(self.scalars.integer(entry) for entry in element.indices)

    def _matrix(
        self, buffer: str, shape: Sequence[sp.Expr], index: tuple[Expr, ...], first: int, second: int
    ) -> Operand:
        sizes = self.scope.sizes(shape)
        stride = [ir.product(sizes[d + 1 :]) for d in range(len(sizes))]
        return Operand(buffer, ir.flat_index(index, sizes), (stride[first], stride[second]))


def _digits(task: Var, places: Sequence[tuple[Var, Expr, Expr]]) -> list[Stmt]:
    """A task's number as one digit for each (variable, count, unit), the first of which changes last."""
    found: list[Stmt] = []
    rest: Expr = task
    for number, (var, count, unit) in reversed(list(enumerate(places))):
        digit = rest if number == 0 else Op("%", (rest, count), "int64")
        found.append(Let(var, ir.multiply(digit, unit)))
        rest = Op("//", (rest, count), "int64")
    return found[::-1]
