"""Lowers a contraction and what follows it: blocks of rows whose results are still in the cache when they are read.

for a block of rows: Contract z = x·W;  for n in the block: for k: h[n, k] = max(z[n, k] + b[k], 0)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sympy as sp

from codegen import ir
from codegen.cost import PANEL_ROWS
from codegen.formula import formula_text
from codegen.ir import ONE, ZERO, Const, Contract, Expr, For, Let, Op, Operand, Stmt, Var
from codegen.lower_maps import MapLowering, is_flat
from codegen.lower_rows import smaller
from codegen.plan import Node
from symgraph.indices import Index, axis
from symgraph.tensor import Element

PANEL_COLUMNS = 64
"""Columns of a block, where a panel does not take whole rows."""


class PanelLowering(MapLowering):
    """One group with a contraction at its head."""

    def _body(self) -> list[Stmt]:
        return self._panel() if self.group.kind == "panel" else super()._body()

    def _panel(self) -> list[Stmt]:
        group, head = self.group, self.group.head
        assert head is not None
        result = group.nodes[0]
        rank = len(result.shape)
        position = {axis(d): d for d in range(rank)}
        rows = self.scalars.integer(result.shape[position[head.row]])
        columns = self.scalars.integer(result.shape[-1])
        depth = self.scalars.integer(result.definition.extents[0])
        whole = group.whole_rows or not _exceeds(columns, PANEL_COLUMNS)
        outer = {index: Var(self._loop_name(result.shape[position[index]]), "int64") for index in head.outer}
        block = Var(self.names.unique("first"), "int64")
        column = Var(self.names.unique("left"), "int64")
        self.first_row = block
        self.first_column = ZERO if whole else column
        self.last_column = columns if whole else smaller(ir.add(column, ir.integer(PANEL_COLUMNS)), columns)
        extents = tuple(int(size.value) if isinstance(size, Const) else None for size in (rows, columns, depth))
        step = Var(f"panel_{'x'.join(str(e or 'any') for e in extents)}", "int64")
        last = Var(self.names.unique("last"), "int64")
        share = smaller(ir.add(block, step), Var(f"{block.name}_end", "int64"))
        place = {head.row: block, head.column: self.first_column, head.depth: ZERO, **outer}
        self.formulas.append(formula_text(result, self._shown(outer), self._shown_name))
        width = smaller(columns, ir.integer(PANEL_COLUMNS)) if not whole else columns
        contract = Contract(
            self._output(result, place, width),
            self._operand(head.left, head.row, head.depth, place),
            self._operand(head.right, head.depth, head.column, place),
            ir.Op("-", (last, block), "int64"),
            columns if whole else ir.Op("-", (self.last_column, column), "int64"),
            depth,
            extents,  # type: ignore[arg-type]
            self.formulas[-1],
        )
        body: list[Stmt] = [Let(last, share), contract, *self._after_contraction(contract, outer, block, last)]
        nest: Stmt = For(block, ZERO, rows, tuple(body), step=step, parallel=True)
        if not whole:
            nest = For(column, ZERO, columns, (nest,), step=ir.integer(PANEL_COLUMNS))
        for index in reversed(head.outer):
            nest = For(outer[index], ZERO, self.scalars.integer(result.shape[position[index]]), (nest,))
        return [nest]

    def _after_contraction(self, contract: Contract, outer: Mapping[Index, Var], block: Var, last: Var) -> list[Stmt]:
        """What is done with the rows [block, last) while they are in the cache."""
        assert self.group.head is not None and self.row is not None
        if self.segments and not outer and self.first_column == ZERO and is_flat(self.group):
            return self._flat_loop(block, Op("-", (last, block), "int64"))
        epilogue = self._epilogue(outer, self.group.head.row, len(self.group.nodes[0].shape))
        return [For(self.row, block, last, tuple(epilogue))] if epilogue else []

    def _shown(self, outer: Mapping[Index, Var]) -> dict[sp.Basic, Expr]:
        assert self.group.head is not None and self.row is not None
        column = Var(self._loop_name(self.group.nodes[0].shape[-1]), "int64")
        depth = Var(self._loop_name(self.group.nodes[0].definition.extents[0]), "int64")
        return {**outer, self.group.head.row: self.row, self.group.head.column: column, self.group.head.depth: depth}

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

    def _output(self, result: Node, place: Mapping[Index, Expr], width: Expr) -> Operand:
        if result.value in self.kept:
            index = tuple(place[axis(d)] for d in range(len(result.shape)))
            name = self.storage.buffers[result.value]
            return self._matrix(name, result.shape, index, self._row_position(), len(index) - 1)
        name = self.names.unique(f"{self._value_name(result.value)}_panel")
        self.scratch[result.value] = ir.Buffer(name, "real", (ir.integer(PANEL_ROWS), width), "scratch")
        self.sharing.scratch.add(name)
        return Operand(name, ZERO, (width, ONE))

    def _row_position(self) -> int:
        assert self.group.head is not None
        return int(self.group.head.row.name[1:])

    def _operand(self, element: Element, first: Index, second: Index, place: Mapping[Index, Expr]) -> Operand:
        index = tuple(place[i] for i in element.indices)
        positions = [element.indices.index(i) for i in (first, second)]
        return self._matrix(self.storage.buffers[element.tensor], element.tensor.shape, index, *positions)

    def _matrix(
        self, buffer: str, shape: Sequence[sp.Expr], index: tuple[Expr, ...], first: int, second: int
    ) -> Operand:
        sizes = tuple(self.scalars.integer(size) for size in shape)
        stride = [ir.product(sizes[d + 1 :]) for d in range(len(sizes))]
        return Operand(buffer, ir.flat_index(index, sizes), (stride[first], stride[second]))


def _exceeds(size: Expr, limit: int) -> bool:
    return not isinstance(size, Const) or int(size.value) > limit
