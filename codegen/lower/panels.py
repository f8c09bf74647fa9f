"""Lowers a contraction and what follows it: blocks of rows whose results are still in the cache when they are read.

for a block of rows: Contract z = x·W;  for n in the block: for k: h[n, k] = max(z[n, k] + b[k], 0)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import sympy as sp

from codegen.loops import ir
from codegen.loops.counts import PANEL_ROWS, blocks
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
from codegen.lower.maps import MapLowering, is_flat
from codegen.lower.rows import difference, smaller
from codegen.plan.contraction import PANEL_COLUMNS
from codegen.plan.plan import Node
from symgraph.core.indices import Index, axis
from symgraph.core.tensor import Element

BLOCK_ROWS = 60
"""Rows of a block that is no panel of whole rows: a multiple of nearly every number of rows that a tile may have."""

PACKED_ROWS = 64
"""Rows of the result from which on it pays to copy columns of the right operand together first."""

DOT_ROWS = 4
"""Rows of the left operand from which on it pays to transpose a large right operand, some columns at a time."""

LONG_ROW = 512
"""Elements of a row from which on rows soon are on other pages, and those of a power of two share few cache sets."""


@dataclass(frozen=True, slots=True)
class _Edges:
    """Rows [first, last) and columns [left, right) of a block."""

    first: Var
    last: Var
    left: Var
    right: Var


class PanelLowering(MapLowering):
    """One group with a contraction at its head."""

    strip: ir.Buffer | None = None

    def kernel(self) -> tuple[ir.Kernel, list[ir.Buffer]]:
        kernel, scratch = super().kernel()
        return kernel, scratch + ([self.strip] if self.strip is not None else [])

    def _body(self) -> list[Stmt]:
        return self._panel() if self.group.kind == "panel" else super()._body()

    def _panel(self) -> list[Stmt]:
        group, head = self.group, self.group.head
        assert head is not None and self.row is not None
        result = group.nodes[0]
        rows = self.scalars.integer(self._extent(result, head.row))
        columns = self.scalars.integer(result.shape[-1])
        depth = ir.product(tuple(self.scalars.integer(extent) for extent in result.definition.extents))
        whole = group.whole_rows or not _exceeds(columns, PANEL_COLUMNS)
        height = PANEL_ROWS if whole and not head.outer else BLOCK_ROWS
        block = (ir.integer(height), columns if whole else ir.integer(PANEL_COLUMNS))
        outer = {index: Var(self._loop_name(self._extent(result, index)), "int64") for index in head.outer}
        edges = _Edges(*(Var(self.names.unique(name), "int64") for name in ("first", "last", "left", "right")))
        self.first_row = edges.first
        self.first_column, self.last_column = (ZERO, columns) if whole else (edges.left, edges.right)
        shared = whole and not head.outer  # all rows that a thread has; else blocks of rows and columns
        tiled = (rows if shared else _at_most(rows, BLOCK_ROWS), columns if whole else ir.integer(PANEL_COLUMNS), depth)
        extents = tuple(int(size.value) if isinstance(size, Const) else None for size in tiled)
        place: dict[Index, Expr] = {head.row: edges.first, head.column: self.first_column, **outer}
        place |= dict.fromkeys(head.depth, ZERO)
        self.formulas.append(formula_text(result, self._shown(outer), self._shown_name))
        contract = Contract(
            self._output(result, place, block),
            self._operand(head.left, head.row, head.depth[-1], place),
            self._operand(head.right, head.depth[-1], head.column, place),
            difference(edges.last, edges.first),
            columns if whole else self._block_width(columns, edges),
            depth,
            extents,  # type: ignore[arg-type]
            self.formulas[-1],
        )
        after = self._after_contraction(contract, outer, edges.first, edges.last)
        if whole and not outer:
            return self._rows_shared(contract, after, rows, edges)
        return self._tasks(contract, after, rows, None if whole else columns, edges, outer)

    def _block_width(self, columns: Expr, edges: _Edges) -> Expr:
        """Columns of a block: a number, where all blocks are full, since a tile without masks is faster."""
        full = isinstance(columns, Const) and int(columns.value) % PANEL_COLUMNS == 0
        wide = ir.integer(PANEL_COLUMNS)
        return wide if full else smaller(wide, difference(columns, edges.left))

    def _rows_shared(self, contract: Contract, after: Sequence[Stmt], rows: Expr, edges: _Edges) -> list[Stmt]:
        """Blocks of whole rows, which the threads share."""
        step = Var(f"panel_{contract.tile}", "int64")
        share = smaller(ir.add(edges.first, step), Var(f"{edges.first.name}_end", "int64"))
        body = (Let(edges.last, share), contract, *after)
        return [For(edges.first, ZERO, rows, body, step, parallel=True, grain=ONE if self.repeated else None)]

    def _tasks(
        self,
        contract: Contract,
        after: Sequence[Stmt],
        rows: Expr,
        columns: Expr | None,
        edges: _Edges,
        outer: Mapping[Index, Var],
    ) -> list[Stmt]:
        """Blocks of rows and columns, one below the other, for each of the outer indices; the threads share them.

        A thread so has the same columns of a matrix in the product that reads it and in the one that writes it, and
        few cache lines wander from one processor to another. Without ``columns`` a block has all of them.
        """
        task, high, wide = Var(self.names.unique("task"), "int64"), ir.integer(BLOCK_ROWS), ir.integer(PANEL_COLUMNS)
        panels = blocks(rows, high)
        result = self.group.nodes[0]
        digits = [(var, self.scalars.integer(self._extent(result, index)), ONE) for index, var in outer.items()]
        digits += [(edges.left, blocks(columns, wide), wide)] if columns is not None else []
        body = [*_digits(task, [*digits, (edges.first, panels, high)])]
        body.append(Let(edges.last, smaller(ir.add(edges.first, high), rows)))
        if columns is not None:
            body.append(Let(edges.right, ir.add(edges.left, contract.columns)))
        before: list[Stmt] = []
        head = self.group.head
        assert head is not None
        one_depth = len(head.depth) == 1
        if head.right.indices[-1] is not head.column:
            strip = Op("//", (task, panels), "int64")
            before, products = self._transposed(contract, rows, strip, edges)
            body += products
        elif one_depth and _is_long(contract.right.strides[0]) and _exceeds(rows, PACKED_ROWS - 1):
            strip = Op("//", (task, panels), "int64")
            before, products = self._packed(contract, rows, outer, strip)
            body += products
        else:
            body.append(contract)
        count = ir.product((*(count for _, count, _ in digits), panels))
        return [*before, For(task, ZERO, count, (*body, *after), parallel=True)]

    def _packed(
        self, contract: Contract, rows: Expr, outer: Mapping[Index, Expr], strip: Expr
    ) -> tuple[list[Stmt], list[Stmt]]:
        """The product with its columns of the right operand copied together first, where enough rows use the copy.

        Blocks of one ``strip``, a number, have the same columns.
        """
        head = self.group.head
        assert head is not None
        k, j = (Var(self.names.unique(name), "int64") for name in ("k", "j"))
        packed, done = self._strip(contract)
        at = {**outer, head.depth[0]: k, head.column: ir.add(self.first_column, j)}
        source = Load(contract.right.buffer, self._indices(head.right, at), "real")
        copy = Store(packed.right.buffer, (k, j), source)
        pack = (For(k, ZERO, contract.depth, (For(j, ZERO, contract.columns, (copy,)),)), Assign(done, strip))
        is_new: Expr = Op(">", (strip, done), "bool")
        start: list[Stmt] = [Assign(done, ir.integer(-1))]
        if isinstance(rows, Const):
            return start, [If(is_new, pack), packed]
        many = Op(">=", (rows, ir.integer(PACKED_ROWS)), "bool")
        few = Op("<", (rows, ir.integer(PACKED_ROWS)), "bool")
        return start, [If(Op("and", (many, is_new), "bool"), pack), If(many, (packed,)), If(few, (contract,))]

    def _strip(self, contract: Contract) -> tuple[Contract, Var]:
        """The product with a copy of some columns, and the number of those that are in it."""
        wide = ir.integer(PANEL_COLUMNS)
        name = self.names.unique(f"{contract.right.buffer}_strip")
        self.strip = ir.Buffer(name, "real", (contract.depth, wide), "scratch")
        self.sharing.scratch.add(name)
        return replace(contract, right=Operand(name, ZERO, (wide, ONE))), Var(self.names.unique("packed"), "int64")

    def _transposed(self, contract: Contract, rows: Expr, strip: Expr, edges: _Edges) -> tuple[list[Stmt], list[Stmt]]:
        """The product with a matrix whose columns are apart: its rows are read where they lie if there are few of the
        left operand, so that nothing is copied; else some of them are copied together, transposed."""
        right = contract.right
        packed, done = self._strip(contract)
        origin = Operand(right.buffer, right.offset, (right.strides[1], ONE))
        copy = Copy(packed.right, origin, contract.columns, contract.depth, transposed=True)
        many: list[Stmt] = [If(Op(">", (strip, done), "bool"), (copy, Assign(done, strip))), packed]
        few: list[Stmt] = [self._dots(contract, edges)]
        start: list[Stmt] = [Assign(done, ir.integer(-1))]
        if isinstance(rows, Const):
            return (start, many) if int(rows.value) >= DOT_ROWS else ([], few)
        bound = ir.integer(DOT_ROWS)
        are_many, are_few = (Op(word, (rows, bound), "bool") for word in (">=", "<"))
        return start, [If(are_many, tuple(many)), If(are_few, tuple(few))]

    def _dots(self, contract: Contract, edges: _Edges) -> Stmt:
        """Rows of the left operand times rows of the right one, element by element."""
        head, result = self.group.head, self.group.nodes[0]
        assert head is not None
        n, j, k = (Var(self.names.unique(name), "int64") for name in ("n", "j", "k"))
        column = ir.add(self.first_column, j)
        at: dict[Index, Expr] = {head.row: n, head.column: column, head.depth[0]: k}
        left, right = (
            Load(self.storage.buffers[element.tensor], self._indices(element, at), "real")
            for element in (head.left, head.right)
        )
        total = Var(self.names.unique("total"), "real")
        kept = result.value in self.kept
        place = (n, column) if kept else (difference(n, edges.first), j)
        term = Assign(total, Op("*", (left, right), "real"), "sum")
        inside = (
            Assign(total, Const(0.0, "real"), formula=contract.formula),
            For(k, ZERO, contract.depth, (term,)),
            Store(contract.out.buffer, place, total),
        )
        return For(n, edges.first, edges.last, (For(j, ZERO, contract.columns, inside),))

    def _after_contraction(self, contract: Contract, outer: Mapping[Index, Var], block: Var, last: Var) -> list[Stmt]:
        """What is done with the rows [block, last) while they are in the cache."""
        assert self.group.head is not None and self.row is not None
        if self.segments and not outer and self.first_column == ZERO and is_flat(self.group):
            return self._flat_loop(block, difference(last, block))
        epilogue = self._epilogue(outer, self.group.head.row, len(self.group.nodes[0].shape))
        return [For(self.row, block, last, tuple(epilogue))] if epilogue else []

    def _shown(self, outer: Mapping[Index, Var]) -> dict[sp.Basic, Expr]:
        assert self.group.head is not None and self.row is not None
        column = Var(self._loop_name(self.group.nodes[0].shape[-1]), "int64")
        extents = zip(self.group.head.depth, self.group.nodes[0].definition.extents, strict=True)
        depth = {index: Var(self._loop_name(extent), "int64") for index, extent in extents}
        return {**outer, self.group.head.row: self.row, self.group.head.column: column, **depth}

    def _epilogue(self, outer: Mapping[Index, Var], row: Index, rank: int) -> list[Stmt]:
        if not self.segments:
            return []
        assert self.row is not None
        if not outer:
            return self._rows([self.row])
        self.depth = rank - 1
        order = [outer.get(axis(d), self.row) for d in range(rank - 1)]
        self.segments = self._dealt()
        return self._rows(order)

    def _output(self, result: Node, place: Mapping[Index, Expr], block: tuple[Expr, Expr]) -> Operand:
        if result.value in self.kept:
            index = tuple(place[axis(d)] for d in range(len(result.shape)))
            name = self.storage.buffers[result.value]
            return self._matrix(name, result.shape, index, self._row_position(), len(index) - 1)
        name = self.names.unique(f"{self._value_name(result.value)}_panel")
        height, width = block
        self.scratch[result.value] = ir.Buffer(name, "real", (height, width), "scratch")
        self.sharing.scratch.add(name)
        return Operand(name, ZERO, (width, ONE))

    def _row_position(self) -> int:
        assert self.group.head is not None
        return int(self.group.head.row.name[1:])

    def _operand(self, element: Element, first: Index, second: Index, place: Mapping[Index, Expr]) -> Operand:
        at = {index: place for place, entry in enumerate(element.indices) for index in entry.atoms(Index)}
        buffer, shape = self.storage.buffers[element.tensor], element.tensor.shape
        return self._matrix(buffer, shape, self._indices(element, place), at[first], at[second])

    def _indices(self, element: Element, place: Mapping[Index, Expr]) -> tuple[Expr, ...]:
        self.scalars.indices = dict(place)
        return tuple(self.scalars.integer(entry) for entry in element.indices)

    def _matrix(
        self, buffer: str, shape: Sequence[sp.Expr], index: tuple[Expr, ...], first: int, second: int
    ) -> Operand:
        sizes = tuple(self.scalars.integer(size) for size in shape)
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


def _is_long(row: Expr) -> bool:
    return isinstance(row, Const) and int(row.value) >= LONG_ROW


def _at_most(size: Expr, limit: int) -> Expr:
    """A size, but that of a block where it is larger or unknown."""
    return ir.integer(limit) if _exceeds(size, limit) else size


def _exceeds(size: Expr, limit: int) -> bool:
    return not isinstance(size, Const) or int(size.value) > limit
